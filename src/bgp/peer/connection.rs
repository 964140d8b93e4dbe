//! Bytes of one connection: frames out of what is read, a bounded buffer for what is written, and how much of it
//! the peer's kernel has. Decides nothing.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use rustix::net::RecvFlags;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

use crate::bgp::fsm::{Input, StateName};
use crate::bgp::sockopt;
use crate::wire::bgp::{Inbox, MessageType, Outgoing, Packer, Session, decode, encode};

/// UPDATEs are put into the buffer while it is shorter than this. Beyond, they wait in the Adj-RIB-Out, where a
/// withdrawal still overtakes them.
const WRITE_BUFFER: usize = 16 * 1024;

/// What is read in one turn: a peer that floods us waits for our timers, never they for it.
const READ_CHUNK: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    inbox: Inbox,
    outbox: VecDeque<u8>,
    /// Bytes ever given to the kernel.
    written: u64,
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Some,
    Nothing,
    End,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, inbox: Inbox::default(), outbox: VecDeque::new(), written: 0 }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Returns when there is something to read, or room for what waits to be written.
    pub(super) async fn ready(&self) -> io::Result<Ready> {
        let writing = Interest::READABLE | Interest::WRITABLE;
        self.stream.ready(if self.outbox.is_empty() { Interest::READABLE } else { writing }).await
    }

    pub(super) fn queue(&mut self, message: &Outgoing, session: &Session) {
        self.outbox.extend(encode(message, session));
    }

    /// Messages that are ready to go.
    pub(super) fn queue_packed(&mut self, messages: Packer<'_>) {
        self.outbox.extend(messages.finish());
    }

    /// Whether there is room for more than these bytes.
    pub(super) fn has_room(&self, beside: usize) -> bool {
        self.outbox.len() + beside < WRITE_BUFFER
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Gives the kernel what it takes at once; whether it took any.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        match self.stream.try_write(self.outbox.as_slices().0) {
            Ok(n) => {
                self.outbox.drain(..n);
                self.written += n as u64;
                Ok(true)
            }
            Err(e) if is_transient(&e) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The position in the stream behind all that is queued.
    pub(super) fn queued(&self) -> u64 {
        self.written + self.outbox.len() as u64
    }

    /// The position in the stream up to which the peer's kernel has acknowledged.
    pub(super) fn acknowledged(&self) -> io::Result<u64> {
        Ok(self.written.saturating_sub(sockopt::unacknowledged(&self.stream)?))
    }

    /// Whether all that was ever queued is acknowledged.
    pub(super) fn is_delivered(&self) -> bool {
        self.acknowledged().is_ok_and(|acknowledged| acknowledged == self.queued())
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> io::Result<Read> {
        let mut chunk = [0; READ_CHUNK];
        let result = self.stream.try_read(&mut chunk);
        self.take_in(result, &chunk)
    }

    /// Reads once what has arrived, though the runtime may not know of it yet.
    pub(super) fn read_arrived(&mut self) -> io::Result<Read> {
        let mut chunk = [0; READ_CHUNK];
        let result = rustix::net::recv(&self.stream, &mut chunk, RecvFlags::DONTWAIT);
        self.take_in(result.map(|(n, _)| n).map_err(io::Error::from), &chunk)
    }

    fn take_in(&mut self, result: io::Result<usize>, chunk: &[u8]) -> io::Result<Read> {
        match result {
            Ok(0) => Ok(Read::End),
            Ok(n) => {
                self.inbox.push(chunk.get(..n).unwrap_or_default());
                Ok(Read::Some)
            }
            Err(e) if is_transient(&e) => Ok(Read::Nothing),
            Err(e) => Err(e),
        }
    }

    /// Throws away what was read.
    pub(super) fn discard(&mut self) {
        self.inbox.clear();
    }

    /// The next whole message of what was read, as the state machine's input. One that this state does not accept is
    /// not looked into: what is wrong is that it came.
    pub(super) fn message(&mut self, state: StateName, session: &Session) -> Option<Input> {
        let kind = self.inbox.next_type();
        let message = match self.inbox.next_frame() {
            Ok(frame) => {
                let frame = frame?;
                kind.and_then(|kind| state.refusal(kind)).map_or_else(|| decode(frame, session), Err)
            }
            Err(notification) => Err(notification),
        };
        let is_notification = kind == Some(MessageType::Notification);
        Some(match message {
            Ok(message) => Input::Received(message),
            // RFC 4271 §6.4: an error in a NOTIFICATION is not answered.
            Err(error) if is_notification => Input::Down(format!("a NOTIFICATION came that is malformed: {error}")),
            Err(error) => Input::Malformed(error),
        })
    }

    /// Ends our side of the stream.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write)?)
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(&self) {
        // It fails only where there is no connection any more.
        let _ = sockopt::reset(&self.stream);
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
