//! The client's end: asks once, or waits for the end of a drain.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::protocol::{Answer, Command, LONGEST_ANSWER, Request};
use super::status::{Role, Status, VERSION};
use crate::clock::now;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked whether a drain is done.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no socket.
    #[error(
        "failed to ask vipcast at {}: there is no such socket; does vipcast run here, and with this --controlSocket?",
        .0.display()
    )]
    Absent(PathBuf),
    /// Nobody listens at it.
    #[error("failed to ask vipcast at {}: nobody listens there; has vipcast ended?", .0.display())]
    Deserted(PathBuf),
    /// It is not for this user.
    #[error("failed to ask vipcast at {}: permission denied; only root may, by default", .0.display())]
    Forbidden(PathBuf),
    /// It takes too long.
    #[error(
        "failed to ask vipcast at {}: no answer within {} s; does it hang, or is it stopped?",
        .0.display(),
        PATIENCE.as_secs()
    )]
    Silent(PathBuf),
    /// Anything else about the connection.
    #[error("failed to ask vipcast at {}: {why}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the kernel says.
        why: io::Error,
    },
    /// The answer is no answer.
    #[error("failed to read the answer of {}: {why}; is it of another version than this program, {}?", .path.display(), env!("CARGO_PKG_VERSION"))]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It says no.
    #[error("failed to {0}")]
    Refused(String),
    /// A drain that takes too long.
    #[error("failed to drain this node within {} s: {left}; it goes on, see vipcast status", .after.as_secs())]
    NotDrained {
        /// How long was waited.
        after: Duration,
        /// What is still there.
        left: String,
    },
}

/// Sends a request and reads the answer.
///
/// # Errors
/// Any but the last kind.
pub fn ask(path: &Path, request: &Request) -> Result<Status, Error> {
    let answer = exchange(path, request).map_err(|why| named(path, why))?;
    let wrong = |why: String| Error::Answer { path: path.to_owned(), why };
    match serde_json::from_slice(&answer) {
        Ok(Answer::Status(status)) if status.version == VERSION => Ok(*status),
        Ok(Answer::Status(status)) => Err(wrong(format!("its version is {}, expected {VERSION}", status.version))),
        Ok(Answer::Error(why)) => Err(Error::Refused(why)),
        Err(_) if answer.is_empty() => Err(wrong("it is empty".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Drains, and waits until nothing is announced or bound; with no time at all it only asks.
///
/// # Errors
/// As [`ask`]; and when it is not done in time.
pub fn drain(path: &Path, persistent: bool, timeout: Duration) -> Result<Status, Error> {
    let deadline = now() + timeout;
    let mut status = ask(path, &Request { persistent, ..Request::new(Command::Drain) })?;
    while !status.drain.done && !timeout.is_zero() {
        if now() >= deadline {
            return Err(Error::NotDrained { after: timeout, left: left(&status) });
        }
        thread::sleep(ASK_EVERY);
        status = ask(path, &Request::new(Command::Status))?;
    }
    Ok(status)
}

/// What a node that is to be empty still has.
fn left(status: &Status) -> String {
    let announced = status.vips.iter().find_map(|vip| {
        let told = vip.announced_to.iter().map(|told| &told.peer).chain(&vip.withdrawing_from).next()?;
        Some(format!("{} is still announced to {told}", vip.address))
    });
    let bound = || {
        let vip = status.vips.iter().find(|vip| vip.bound)?;
        Some(format!("{} is still bound", vip.address))
    };
    let alone = || {
        let leadership = status.leadership.as_ref()?;
        let keeps = leadership.role == Role::Holder && leadership.fit_others.is_empty();
        keeps.then(|| "it holds the lease, and no other node is known to be fit to take it".to_owned())
    };
    alone().or(announced).or_else(bound).unwrap_or_else(|| "it is undrained again".to_owned())
}

fn exchange(path: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER as u64).read_to_end(&mut answer)?;
    Ok(answer)
}

fn named(path: &Path, why: io::Error) -> Error {
    let path = path.to_owned();
    match why.kind() {
        ErrorKind::NotFound => Error::Absent(path),
        ErrorKind::ConnectionRefused => Error::Deserted(path),
        ErrorKind::PermissionDenied => Error::Forbidden(path),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Silent(path),
        _ => Error::Io { path, why },
    }
}
