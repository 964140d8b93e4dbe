use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Mutex;

use super::*;
use crate::control::client;
use crate::control::status::tests::example;

/// A node that takes notes, and its disk.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>, Mutex<()>);

impl Node for Notes {
    fn status(&self) -> Status {
        example()
    }

    fn drain(&self, persistent: bool) -> Result<(), String> {
        drop(self.1.lock().unwrap());
        self.0.lock().unwrap().push(format!("drain {persistent}"));
        if persistent { Err("keep the drain: disk full".to_owned()) } else { Ok(()) }
    }

    fn undrain(&self) -> Result<(), String> {
        self.0.lock().unwrap().push("undrain".to_owned());
        Ok(())
    }
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vipcast-control-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("run").join("v.sock")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server on a runtime of its own, ended when dropped.
struct Running {
    runtime: Option<tokio::runtime::Runtime>,
    notes: Arc<Notes>,
    path: PathBuf,
}

impl Running {
    fn start(path: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let notes = Arc::new(Notes::default());
        runtime.spawn(Server::new(path.clone(), notes.clone()).run());
        Self { runtime: Some(runtime), notes, path }
    }

    /// Waits until it answers.
    fn wait(self) -> Self {
        let deadline = crate::clock::now() + Duration::from_secs(10);
        while client::ask(&self.path, &Request::new(Command::Status)).is_err() {
            assert!(crate::clock::now() < deadline);
            std::thread::yield_now();
        }
        self
    }

    /// Everything that comes back for these bytes.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = StdStream::connect(&self.path).unwrap();
        // It may have heard enough before all is said.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

#[test]
fn it_answers_and_obeys() {
    let dir = Dir::new("answers");
    let running = Running::start(dir.socket()).wait();
    let ask = |request: &Request| client::ask(&running.path, request).map_err(|error| error.to_string());
    assert_eq!(ask(&Request::new(Command::Status)), Ok(example()));
    assert_eq!(ask(&Request::new(Command::Drain)), Ok(example()));
    let persistent = Request { persistent: true, ..Request::new(Command::Drain) };
    assert_eq!(ask(&persistent), Err("failed to keep the drain: disk full".to_owned()));
    assert_eq!(ask(&Request::new(Command::Undrain)), Ok(example()));
    assert_eq!(*running.notes.0.lock().unwrap(), ["drain false", "drain true", "undrain"]);
}

#[test]
fn a_disk_that_hangs_keeps_nobody_but_who_waits_for_it() {
    let dir = Dir::new("hangs");
    let running = Running::start(dir.socket()).wait();
    let ask = |command| client::ask(&running.path, &Request::new(command)).map_err(|error| error.to_string());
    std::thread::scope(|scope| {
        let disk = running.notes.1.lock().unwrap();
        let waiting = [scope.spawn(|| ask(Command::Drain)), scope.spawn(|| ask(Command::Drain))];
        for _ in 0..3 {
            assert_eq!(ask(Command::Status), Ok(example()));
        }
        assert_eq!(*running.notes.0.lock().unwrap(), [""; 0]);
        drop(disk);
        assert_eq!(waiting.map(|thread| thread.join().unwrap()), [Ok(example()), Ok(example())]);
    });
    assert_eq!(*running.notes.0.lock().unwrap(), ["drain false", "drain false"]);
}

#[test]
fn only_its_owner_may_open_it_and_it_goes_with_the_server() {
    let dir = Dir::new("owner");
    let running = Running::start(dir.socket()).wait();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&running.path), mode(running.path.parent().unwrap())), (0o600, 0o700));
    let there = || fs::read_dir(dir.0.join("run")).unwrap().count();
    assert_eq!(there(), 1);
    drop(running);
    assert_eq!(there(), 0);
}

#[test]
fn what_a_former_process_left_is_replaced_and_what_lives_or_is_no_socket_is_not() {
    let dir = Dir::new("places");
    fs::create_dir(dir.0.join("run")).unwrap();
    let path = dir.socket();
    drop(StdListener::bind(&path).unwrap());
    let running = Running::start(path.clone()).wait();
    assert_eq!(Bound::new(&path).map(|_| ()), Err(Error::Taken(path.clone())));
    // Neither did that one do any harm.
    assert_eq!(client::ask(&path, &Request::new(Command::Status)).unwrap(), example());
    drop(running);
    fs::write(&path, "a file").unwrap();
    assert_eq!(Bound::new(&path).map(|_| ()), Err(Error::NoSocket(path.clone())));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn garbage_changes_nothing_and_is_answered_as_such() {
    let dir = Dir::new("garbage");
    let running = Running::start(dir.socket()).wait();
    let long = vec![b'x'; LONGEST_REQUEST * 100];
    let deep = [b"[".repeat(LONGEST_REQUEST - 1), b"\n".to_vec()].concat();
    let cases: [&[u8]; 9] = [
        b"\n",
        b"drain\n",
        b"\xff\xfe\0\n",
        b"{\"version\":1,\"command\":\"reboot\"}\n",
        b"{\"version\":1,\"command\":\"drain\",\"now\":true}\n",
        b"{\"version\":1,\"command\":\"drain\"} {}\n",
        b"{\"version\":1,\"command\":\"drain\"",
        &long,
        &deep,
    ];
    for case in cases {
        let answer = running.say(case);
        // Of what is too long the kernel may tell before the answer is read.
        assert!(answer.starts_with("{\"error\":\"read the request: ") || answer.is_empty(), "{answer:?}");
    }
    let future = "{\"version\":2,\"command\":\"drain\"}\n";
    let said = "{\"error\":\"obey a request of version 2: this vipcast knows version 1; use the program it runs\"}\n";
    assert_eq!((running.say(future.as_bytes()).as_str(), running.say(b"").as_str()), (said, ""));
    assert_eq!(*running.notes.0.lock().unwrap(), [""; 0]);
}

#[test]
fn who_says_nothing_keeps_nobody_waiting_for_long() {
    let dir = Dir::new("silent");
    let running = Running::start(dir.socket()).wait();
    let mut silent: Vec<StdStream> = (0..CONNECTIONS).map(|_| StdStream::connect(&running.path).unwrap()).collect();
    // Beside them there is no room: the next one waits until they are given up.
    let asked = crate::clock::now();
    let waits = std::thread::spawn({
        let path = running.path.clone();
        move || {
            let mut stream = StdStream::connect(path).unwrap();
            stream.write_all(b"{\"version\":1,\"command\":\"status\"}\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        }
    });
    assert!(waits.join().unwrap().starts_with("{\"status\":{\"version\":1,"));
    let took = crate::clock::now() - asked;
    assert!(took >= SAY_WITHIN / 2 && took < DEADLINE, "{took:?}");
    for stream in &mut silent {
        let mut answer = String::new();
        assert_eq!((stream.read_to_string(&mut answer).ok(), answer.as_str()), (Some(0), ""));
    }
}
