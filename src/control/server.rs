//! The socket: bound so that only its owner can open it, served with bounds on everything.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::protocol::{Answer, Command, LONGEST_REQUEST, Request};
use super::status::{Status, VERSION};

/// So many are served at once. More wait in the kernel until one is done, which takes no longer than [`DEADLINE`].
const CONNECTIONS: usize = 8;
/// So many wait in the kernel; more are refused.
const BACKLOG: i32 = 16;
/// How long one may take from the connection to the end of its answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// And to the end of its request: who says nothing keeps a place from others for no longer.
const SAY_WITHIN: Duration = Duration::from_secs(1);
/// How often the socket is tried again where it could not be had, and seen to be still in its place.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The node, as far as the socket is concerned.
pub trait Node: Send + Sync + 'static {
    /// Everything about it.
    fn status(&self) -> Status;
    /// Drains it; a persistent drain outlasts the process. May block.
    ///
    /// # Errors
    /// Why not; after "failed to ".
    fn drain(&self, persistent: bool) -> Result<(), String>;
    /// Ends the drain, also one that outlasts the process. May block.
    ///
    /// # Errors
    /// Why not; after "failed to ".
    fn undrain(&self) -> Result<(), String>;
}

/// Answers on the control socket.
#[derive(Debug)]
pub struct Server<N> {
    path: PathBuf,
    node: Arc<N>,
    /// One change at a time: each may wait for the disk.
    changes: Changes,
}

type Changes = Arc<Mutex<()>>;

/// Why there is no socket.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Error {
    #[error("another vipcast answers at {}; give one of them another --controlSocket (control_socket)", .0.display())]
    Taken(PathBuf),
    #[error("{} is there and is no socket; remove it, or give another --controlSocket (control_socket)", .0.display())]
    NoSocket(PathBuf),
    #[error("{what} {}: {why}", .path.display())]
    Io { what: &'static str, path: PathBuf, why: String },
}

impl<N: Node> Server<N> {
    /// Will answer at `path` about `node`.
    pub fn new(path: PathBuf, node: Arc<N>) -> Self {
        Self { path, node, changes: Changes::default() }
    }

    /// Serves for ever. What stands in the way is said once and tried again: no address depends on this.
    pub async fn run(self) {
        let mut said = None;
        loop {
            match Bound::new(&self.path).and_then(|bound| bound.listen().map(|listener| (bound, listener))) {
                Ok((bound, listener)) => {
                    said = None;
                    tracing::info!(path = %self.path.display(), "the control socket is open");
                    self.serve(&bound, &listener).await;
                    tracing::warn!(path = %self.path.display(), "the control socket was removed; making it anew");
                }
                Err(error) => {
                    if said.as_ref() != Some(&error) {
                        tracing::warn!(%error, "there is no control socket; `vipcast status` and `drain` have nobody to ask; trying again");
                    }
                    said = Some(error);
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Serves until the socket is not in its place any more.
    async fn serve(&self, bound: &Bound, listener: &UnixListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        let answer = answer(stream, self.node.clone(), self.changes.clone());
                        connections.spawn(tokio::time::timeout(DEADLINE, answer));
                    }
                    // Out of file descriptors, say: not asked in a circle.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = connections.join_next() => {}
                () = tokio::time::sleep(LOOK_EVERY) => if !bound.is_in_place() { return },
            }
        }
    }
}

/// One request, one answer.
async fn answer<N: Node>(mut stream: UnixStream, node: Arc<N>, changes: Changes) -> io::Result<()> {
    let Ok(line) = tokio::time::timeout(SAY_WITHIN, read_line(&mut stream)).await else { return Ok(()) };
    let Some(line) = line? else { return Ok(()) };
    let answer = obey(&line, node, changes).await;
    let mut bytes = serde_json::to_vec(&answer).unwrap_or_default();
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

/// The first line, its end left out; `None` where none comes.
async fn read_line(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = stream.take(LONGEST_REQUEST as u64);
    loop {
        if limited.read_buf(&mut line).await? == 0 {
            // Too long, or ended early: whatever it is, it is not a request, which the answer says.
            return Ok((!line.is_empty()).then_some(line));
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(Some(line));
        }
    }
}

async fn obey<N: Node>(line: &[u8], node: Arc<N>, changes: Changes) -> Answer {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Answer::Error(format!("read the request: {error}")),
    };
    if request.version != VERSION {
        return Answer::Error(format!(
            "obey a request of version {}: this vipcast knows version {VERSION}; use the program it runs",
            request.version
        ));
    }
    let done = match request.command {
        Command::Status => Ok(()),
        Command::Drain | Command::Undrain => change(request, node.clone(), changes).await,
    };
    match done {
        Ok(()) => Answer::Status(Box::new(node.status())),
        Err(why) => Answer::Error(why),
    }
}

/// Beside the runtime: a disk that hangs must not keep the sessions from their work, nor, asked again and again, take
/// all threads. What was begun goes on, also after whoever asked has gone.
async fn change<N: Node>(request: Request, node: Arc<N>, changes: Changes) -> Result<(), String> {
    let turn = changes.lock_owned().await;
    let changing = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        match request.command {
            Command::Status => Ok(()),
            Command::Drain => node.drain(request.persistent),
            Command::Undrain => node.undrain(),
        }
    });
    changing.await.unwrap_or_else(|error| Err(format!("change anything: {error}")))
}

/// A socket file of ours, removed with this.
#[derive(Debug)]
struct Bound {
    path: PathBuf,
    socket: Socket,
    /// Its device and inode.
    identity: (u64, u64),
}

impl Bound {
    /// Binds beside the place and moves it there once only its owner can open it: at no moment anybody else can, and
    /// what an earlier process left is replaced.
    fn new(path: &Path) -> Result<Self, Error> {
        let error =
            |what: &'static str| move |why: io::Error| Error::Io { what, path: path.to_owned(), why: why.to_string() };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(error("failed to make the directory of"))?;
        }
        check_place(path)?;
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        // Left by a process that had our number.
        let _ = fs::remove_file(&beside);
        let bind = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec().nonblocking(), None)?;
            socket.bind(&SockAddr::unix(&beside)?)?;
            fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
            let file = fs::metadata(&beside)?;
            socket.listen(BACKLOG)?;
            fs::rename(&beside, path)?;
            Ok(Self { path: path.to_owned(), socket, identity: (file.dev(), file.ino()) })
        };
        bind().map_err(|why| {
            let _ = fs::remove_file(&beside);
            error("failed to bind")(why)
        })
    }

    fn listen(&self) -> Result<UnixListener, Error> {
        let listener = self.socket.try_clone().and_then(|socket| UnixListener::from_std(StdListener::from(socket)));
        listener.map_err(|why| Error::Io { what: "failed to listen at", path: self.path.clone(), why: why.to_string() })
    }

    fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.identity)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if self.is_in_place() {
            // What stays is stale, and replaced by the next process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the place is free, or has a socket at which nobody answers.
fn check_place(path: &Path) -> Result<(), Error> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(Error::Io { what: "failed to look at", path: path.to_owned(), why: error.to_string() });
        }
    };
    if !file.file_type().is_socket() {
        return Err(Error::NoSocket(path.to_owned()));
    }
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec().nonblocking(), None)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match connect() {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(()) => Err(Error::Taken(path.to_owned())),
        // Its queue is full: somebody has it.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Error::Taken(path.to_owned())),
        Err(error) => Err(Error::Io { what: "failed to ask who has", path: path.to_owned(), why: error.to_string() }),
    }
}

#[cfg(test)]
mod tests;
