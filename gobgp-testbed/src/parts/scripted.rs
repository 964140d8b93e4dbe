//! A BGP speaker that does exactly what the test says: it sends the bytes it is given and returns the bytes that came,
//! with their times. It has no state machine, and its [`wire`] is its own: what vipcast takes for right has no part in
//! it.
//!
//! Its sockets are made inside a host's namespace and stay there; everything else happens in the test's own thread.

pub mod wire;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::clock;
use crate::host::Host;
use wire::Message;

/// By when anything that a healthy speaker does at once has happened.
pub const SOON: Duration = Duration::from_secs(5);

/// A port on which connections of vipcast arrive.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

impl Listener {
    /// Listens on a host. The address may be one that the host gets later.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(host: &Host, address: SocketAddr) -> Result<Self> {
        Self::with_window(host, address, None)
    }

    /// Listens with so small a receive buffer (bytes; the kernel doubles it) that whoever is not read from soon cannot
    /// write.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn narrow(host: &Host, address: SocketAddr) -> Result<Self> {
        Self::with_window(host, address, Some(1024))
    }

    fn with_window(host: &Host, address: SocketAddr, window: Option<usize>) -> Result<Self> {
        let socket = host.inside(|| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if let Some(bytes) = window {
                socket.set_recv_buffer_size(bytes)?;
            }
            socket.bind(&address.into()).with_context(|| format!("failed to bind to {address}"))?;
            socket.listen(64)?;
            Ok(socket)
        })?;
        Ok(Self { socket })
    }

    /// Takes the next connection.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn accept(&self, within: Duration) -> Result<Session> {
        // Linux has the time for reading count for this too; zero would be for ever.
        self.socket.set_read_timeout(Some(within.max(Duration::from_millis(1))))?;
        let (stream, _) = self.socket.accept().with_context(|| format!("no connection came within {within:.1?}"))?;
        Ok(Session { stream: stream.into(), unread: Vec::new(), arrived: clock::now() })
    }
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    unread: Vec<u8>,
    /// When the last of what is unread came.
    arrived: Duration,
}

/// What came next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// The other side ended the connection.
    End(End),
    /// Nothing, for as long as it was waited for.
    Silence,
}

/// How the other side ended the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// FIN.
    Closed,
    /// RST.
    Reset,
}

impl Session {
    /// Connects from a host, as a peer that dials.
    ///
    /// # Errors
    /// When the connection is refused, or not made in time.
    pub fn dial(host: &Host, from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let socket = host.inside(|| {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&from.into())?;
            socket.connect_timeout(&to.into(), SOON).with_context(|| format!("failed to connect to {to}"))?;
            Ok(socket)
        })?;
        Ok(Self { stream: socket.into(), unread: Vec::new(), arrived: clock::now() })
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("failed to send")
    }

    /// Sends what the kernel takes without waiting; how much that was.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_some(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stream.set_nonblocking(true)?;
        let sent = self.stream.write(bytes);
        self.stream.set_nonblocking(false)?;
        match sent {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            sent => sent.context("failed to send"),
        }
    }

    /// Sends each byte in a segment of its own.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn drip(&mut self, bytes: &[u8], pause: Duration) -> Result<()> {
        self.stream.set_nodelay(true)?;
        for byte in bytes {
            self.send(std::slice::from_ref(byte))?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Says that no more is sent (FIN); what the other side says can still be read.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn half_close(&self) -> Result<()> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Ends the connection with a reset.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn reset(self) -> Result<()> {
        Ok(SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?)
    }

    /// What comes next, waited for at most so long.
    ///
    /// # Errors
    /// When the bytes are no BGP, or the socket fails in another way than an end.
    pub fn next(&mut self, within: Duration) -> Result<Event> {
        let start = clock::now();
        loop {
            if let Some((message, length)) = Message::first_of(&self.unread, self.arrived)? {
                self.unread.drain(..length);
                return Ok(Event::Message(message));
            }
            let left = within.saturating_sub(clock::since(start));
            if left.is_zero() {
                return Ok(Event::Silence);
            }
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) if self.unread.is_empty() => return Ok(Event::End(End::Closed)),
                Ok(0) => bail!("the connection ended inside a message: {:02x?}", self.unread),
                Ok(length) => {
                    self.arrived = clock::now();
                    self.unread.extend(chunk.iter().take(length));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Event::End(End::Reset)),
                Err(error) => return Err(error).context("failed to read"),
            }
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn message(&mut self, within: Duration) -> Result<Message> {
        match self.next(within)? {
            Event::Message(message) => Ok(message),
            other => bail!("no message came within {within:.1?}, but {other:?}"),
        }
    }

    /// The next message, which must be these bytes.
    ///
    /// # Errors
    /// When it is another, or none comes.
    pub fn expect(&mut self, bytes: &[u8]) -> Result<Message> {
        let message = self.message(SOON)?;
        ensure!(message.bytes == bytes, "expected {bytes:02x?}, but {message}");
        Ok(message)
    }

    /// All messages that come from now on up to the end of the connection.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn rest(&mut self, within: Duration) -> Result<(Vec<Message>, End)> {
        let start = clock::now();
        let mut messages = Vec::new();
        loop {
            match self.next(within.saturating_sub(clock::since(start)))? {
                Event::Message(message) => messages.push(message),
                Event::End(end) => return Ok((messages, end)),
                Event::Silence => bail!("the connection did not end within {within:.1?}; {messages:?} came"),
            }
        }
    }

    /// Reads vipcast's OPEN: it is in `OpenSent` then.
    ///
    /// # Errors
    /// When something else comes.
    pub fn read_open(&mut self) -> Result<Message> {
        let open = self.message(SOON)?;
        ensure!(open.kind == wire::OPEN, "expected an OPEN, but {open}");
        Ok(open)
    }

    /// Answers vipcast's OPEN with this one and reads its KEEPALIVE: it is in `OpenConfirm` then.
    ///
    /// # Errors
    /// When something else comes.
    pub fn confirm(&mut self, open: &[u8]) -> Result<()> {
        self.read_open()?;
        self.send(open)?;
        self.expect(wire::KEEPALIVE).map(drop)
    }

    /// Brings the session up. What vipcast says then is still to be read.
    ///
    /// # Errors
    /// When vipcast does not accept the OPEN.
    pub fn establish(&mut self, open: &[u8]) -> Result<()> {
        self.confirm(open)?;
        self.send(wire::KEEPALIVE)
    }
}
