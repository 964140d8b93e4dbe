//! TCP through the VIP: a server on every node, and clients that come again and again, or come to stay.
//!
//! The helpers run inside the namespaces. The server tells whoever comes its node's name, and then, as the first byte
//! it gets says, closes (`o`), falls silent (`s`) or goes on talking (`t`).

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};

use crate::host::Host;
use crate::process::Process;
use crate::{clock, paths, wait};

/// Where the servers listen.
pub const PORT: u16 = 7000;
/// How long a client waits to be connected, and then for each answer: lost SYNs are sent again after 1 and 3 s.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a talking server says something.
const TALK: Duration = Duration::from_millis(20);

/// Starts the server on a host: at all its addresses, as API servers listen. It tells its callers `name`.
///
/// # Errors
/// When the helper cannot be started.
pub fn serve(host: &Host, name: &str) -> Result<Process> {
    host.spawn("visited", &paths::myself()?, |command| {
        command.args(["serve", name]);
    })
}

/// One client that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// When it came, since boot.
    pub came: Duration,
    /// How long it took to be connected; `None`: it was not.
    pub connected: Option<Duration>,
    /// Whom it met, or what went wrong.
    pub met: Result<String, String>,
}

/// Clients that come, one after the other, however long each takes.
#[derive(Debug)]
pub struct Visitors {
    process: Process,
}

impl Visitors {
    /// Lets a client come to `target` every `every` from now on.
    ///
    /// # Errors
    /// When the helper cannot be started.
    pub fn start(host: &Host, target: IpAddr, every: Duration) -> Result<Self> {
        let name = if target.is_ipv4() { "visitors4" } else { "visitors6" };
        let process = host.spawn(name, &paths::myself()?, |command| {
            command.args(["visit", &target.to_string(), &every.as_micros().to_string()]);
        })?;
        Ok(Self { process })
    }

    /// Real-time scheduling, see [`Process::hurry`].
    ///
    /// # Errors
    /// When it is refused.
    pub fn hurry(&self) -> Result<()> {
        self.process.hurry()
    }

    /// All visits that are over, those first that ended first.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn visits(&self) -> Result<Vec<Visit>> {
        self.process.alive()?;
        Ok(self.process.said().lines().filter_map(visit).collect())
    }

    /// Waits until whoever came in this time has gone, and tells how each fared.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn between(&self, from: Duration, to: Duration) -> Result<Vec<Visit>> {
        let over = to + 2 * PATIENCE;
        wait::until("later visitors", 3 * PATIENCE, || {
            ensure!(self.visits()?.iter().any(|visit| visit.came > to), "none yet");
            let visits = self.visits()?;
            let all = visits.iter().filter(|visit| (from..=to).contains(&visit.came)).count();
            // Each says when it came: as many as the helper let in.
            ensure!(all == self.came(from, to) || clock::now() > over, "some are still there");
            Ok(visits.into_iter().filter(|visit| (from..=to).contains(&visit.came)).collect())
        })
    }

    fn came(&self, from: Duration, to: Duration) -> usize {
        let said = self.process.said();
        let came = said.lines().filter_map(|line| time(line.strip_prefix("came ")?));
        came.filter(|came| (from..=to).contains(came)).count()
    }

    /// Waits until one meets `name`.
    ///
    /// # Errors
    /// When none does in time.
    pub fn wait_met(&self, name: &str, from: Duration, within: Duration) -> Result<Duration> {
        wait::until(&format!("a visitor to meet {name}"), within, || {
            let visits = self.visits()?;
            let first = visits.iter().find(|visit| visit.came >= from && visit.met.as_deref() == Ok(name));
            first.map(|visit| visit.came).with_context(|| format!("the last was {:?}", visits.last()))
        })
    }
}

fn time(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_nanos)
}

/// `went <came> <connected or -> <name>` or `went <came> <connected or -> !<what was wrong>`.
fn visit(line: &str) -> Option<Visit> {
    let mut words = line.strip_prefix("went ")?.splitn(3, ' ');
    let came = time(words.next()?)?;
    let connected = time(words.next()?).map(|at| at.saturating_sub(came));
    let met = words.next()?;
    let met = met.strip_prefix('!').map_or_else(|| Ok(met.to_owned()), |wrong| Err(wrong.to_owned()));
    Some(Visit { came, connected, met })
}

/// What a guest does with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It waits and is told nothing.
    Silent,
    /// The server talks all the time.
    Talking,
}

/// What happened to a guest's connection, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stay {
    /// It is connected, and to whom.
    With(Duration, String),
    /// It was thrown out, or could not get in: how.
    Lost(Duration, String),
}

/// A client that keeps its connection, and comes back at once where it loses it.
#[derive(Debug)]
pub struct Guest {
    process: Process,
}

impl Guest {
    /// Sends a guest to `target`.
    ///
    /// # Errors
    /// When the helper cannot be started.
    pub fn start(host: &Host, target: IpAddr, manner: Manner) -> Result<Self> {
        let word = if manner == Manner::Silent { "s" } else { "t" };
        let name = format!("guest-{word}{}", if target.is_ipv4() { 4 } else { 6 });
        let process = host.spawn(&name, &paths::myself()?, |command| {
            command.args(["stay", &target.to_string(), word]);
        })?;
        Ok(Self { process })
    }

    /// Real-time scheduling, see [`Process::hurry`].
    ///
    /// # Errors
    /// When it is refused.
    pub fn hurry(&self) -> Result<()> {
        self.process.hurry()
    }

    /// All that happened to it.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn stays(&self) -> Result<Vec<Stay>> {
        self.process.alive()?;
        Ok(self.process.said().lines().filter_map(stay).collect())
    }

    /// Waits until it is with `name`, connected at `from` or later; since when.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn wait_with(&self, name: &str, from: Duration, within: Duration) -> Result<Duration> {
        wait::until(&format!("the guest to be with {name}"), within, || {
            let stays = self.stays()?;
            match stays.last() {
                Some(Stay::With(at, with)) if with == name && *at >= from => Ok(*at),
                last => anyhow::bail!("{last:?}"),
            }
        })
    }
}

fn stay(line: &str) -> Option<Stay> {
    let mut words = line.splitn(3, ' ');
    let (kind, at, what) = (words.next()?, time(words.next()?)?, words.next()?.to_owned());
    match kind {
        "with" => Some(Stay::With(at, what)),
        "lost" => Some(Stay::Lost(at, what)),
        _ => None,
    }
}

/// The server's whole life.
///
/// # Errors
/// When the port is taken.
pub fn server(name: &str) -> Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([0u16; 8], PORT)).into())?;
    socket.listen(1024)?;
    for stream in TcpListener::from(socket).incoming() {
        let name = name.to_owned();
        // A client that went away is its own affair.
        let stream = stream?;
        thread::spawn(move || drop(attend(stream, &name)));
    }
    Ok(())
}

fn attend(mut stream: TcpStream, name: &str) -> Result<()> {
    let mut manner = [0];
    stream.set_nodelay(true)?;
    stream.read_exact(&mut manner)?;
    let line = format!("{name}\n");
    stream.write_all(line.as_bytes())?;
    match &manner {
        b"t" => loop {
            sleep(TALK);
            stream.write_all(line.as_bytes())?;
        },
        b"s" => drop(stream.read(&mut manner)?),
        _ => stream.shutdown(Shutdown::Write)?,
    }
    Ok(())
}

/// The visitors' whole life: one every `every`.
///
/// # Errors
/// Never; it ends with its process.
pub fn visitors(target: IpAddr, every: Duration) -> Result<()> {
    let mut next = clock::now();
    loop {
        thread::spawn(move || {
            let came = clock::now();
            say(&format!("came {}", came.as_nanos()));
            let (connected, met) = call(target, b"o");
            let connected = connected.map_or_else(|| "-".to_owned(), |at| at.as_nanos().to_string());
            let met = met.map_or_else(|wrong| format!("!{wrong}"), |(_, name)| name);
            say(&format!("went {} {connected} {met}", came.as_nanos()));
        });
        next += every;
        sleep(next.saturating_sub(clock::now()));
    }
}

/// The guest's whole life.
///
/// # Errors
/// Never; it ends with its process.
pub fn guest(target: IpAddr, manner: &str) -> Result<()> {
    loop {
        match call(target, manner.as_bytes()).1 {
            Ok((mut stream, name)) => {
                say(&format!("with {} {name}", clock::now().as_nanos()));
                let mut heard = [0; 64];
                let ended = loop {
                    match stream.read(&mut heard) {
                        Ok(0) => break "closed".to_owned(),
                        Ok(_) => {}
                        Err(error) => break word(&error),
                    }
                };
                say(&format!("lost {} {ended}", clock::now().as_nanos()));
            }
            Err(wrong) => {
                say(&format!("lost {} {wrong}", clock::now().as_nanos()));
                sleep(Duration::from_millis(10));
            }
        }
    }
}

/// When it was connected, and the connection with the server's name, or what went wrong.
fn call(target: IpAddr, manner: &[u8]) -> (Option<Duration>, Result<(TcpStream, String), String>) {
    let mut stream = match TcpStream::connect_timeout(&SocketAddr::new(target, PORT), PATIENCE) {
        Ok(stream) => stream,
        Err(error) => return (None, Err(format!("connect: {}", word(&error)))),
    };
    let connected = clock::now();
    let talk = || -> std::io::Result<(TcpStream, String)> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(manner)?;
        let mut name = String::new();
        while !name.ends_with('\n') {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            name.push(char::from(byte[0]));
        }
        stream.set_read_timeout(None)?;
        Ok((stream, name.trim().to_owned()))
    };
    (Some(connected), talk().map_err(|error| word(&error)))
}

fn word(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => "reset".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "timeout".to_owned(),
        _ => error.to_string().replace('\n', " "),
    }
}

/// One whole line at a time, whichever thread says it; a reader sees it at once.
fn say(line: &str) {
    // Nobody reads any more: the run is over.
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_they_are_said() {
        let nanos = Duration::from_nanos;
        let met = |connected, met| Some(Visit { came: nanos(5), connected, met });
        assert_eq!(visit("went 5 9 n1"), met(Some(nanos(4)), Ok("n1".to_owned())));
        assert_eq!(visit("went 5 - !connect: refused"), met(None, Err("connect: refused".to_owned())));
        assert_eq!(visit("went 5 9 !reset"), met(Some(nanos(4)), Err("reset".to_owned())));
        assert_eq!(visit("came 5"), None);
        assert_eq!(stay("with 5 n1"), Some(Stay::With(nanos(5), "n1".to_owned())));
        assert_eq!(stay("lost 6 connect: refused"), Some(Stay::Lost(nanos(6), "connect: refused".to_owned())));
    }
}
