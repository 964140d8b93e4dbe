//! The socket itself.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Control, Said, vip};
use crate::lab::node_address;
use crate::parts::router::{Conf, Kind};
use crate::scenarios::SOON;
use crate::scenarios::expect::{Watch, external, figure, wait_paths};
use crate::site::{PREFIX, Site};
use crate::{clock, paths, wait};

fn refused(why: &str) -> Said {
    Said { code: 1, out: String::new(), err: format!("vipcast: failed to ask vipcast at {why}\n") }
}

fn expect(said: Said, expected: &Said) -> Result<()> {
    ensure!(said == *expected, "{said:?} instead of {expected:?}");
    Ok(())
}

/// Nobody there, two there, one killed, one without the right.
pub(super) fn places(site: &mut Site) -> Result<()> {
    let bird = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let node = site.node(1)?.clone();
    let control = Control::of(&node);
    // An earlier scenario's may be left by a process that was killed.
    let _ = std::fs::remove_file(&control.socket);
    let path = control.socket.display().to_string();
    let absent = format!("{path}: there is no such socket; does vipcast run here, and with this --controlSocket?");
    for words in [["status"], ["drain"], ["undrain"]] {
        expect(control.run(&words)?, &refused(&absent))?;
    }

    let began = clock::now();
    let first = site.vipcast(1, &site.spec(1, &[&bird]))?;
    control.wait(began, "/node", &json!("n1"))?;
    let mode = std::fs::metadata(&control.socket)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the socket has mode {mode:o}");
    nobody(&path)?;

    // The second one announces all the same, and takes the socket when the first is gone.
    let second = site.spec(2, &[&bird]).flag("controlSocket", &path);
    let second = site.vipcast(2, &second)?;
    let taken = format!("another vipcast answers at {path}; give one of them another --controlSocket (control_socket)");
    second.log().wait_line(second.began(), &["WARN", &taken], SOON)?;
    let best = external(node_address(1), None);
    let other = crate::parts::router::Path { best: false, ..external(node_address(2), None) };
    wait_paths(&bird, PREFIX, &[best, other])?;
    control.wait(began, "/node", &json!("n1"))?;
    first.kill();
    let deserted = format!("{path}: nobody listens there; has vipcast ended?");
    let said = control.run(&["status"])?;
    // The second one may have been faster.
    ensure!(said.code == 0 || said == refused(&deserted), "{said:?}");
    let asked = clock::now();
    control.wait(began, "/node", &json!("n2"))?;
    figure("the first one's death to the second one's answer", clock::since(asked));
    second.freeze()?;
    let silent = format!("{path}: no answer within 5 s; does it hang, or is it stopped?");
    expect(control.run(&["status"])?, &refused(&silent))?;
    second.thaw()?;
    second.term()?;
    second.wait_exit(SOON)?;
    ensure!(!control.socket.exists(), "the socket is left behind");
    Ok(())
}

/// Somebody else than root.
fn nobody(path: &str) -> Result<()> {
    // The program may lie where only root gets: the socket is what is to say no.
    let vipcast = std::env::temp_dir().join(format!("vipcast-{}", std::process::id()));
    std::fs::copy(paths::vipcast()?, &vipcast)?;
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&vipcast)
        .args(["status", "--controlSocket", path])
        .output();
    std::fs::remove_file(&vipcast)?;
    let output = output?;
    let said = Said {
        code: output.status.code().unwrap_or_default(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    };
    expect(said, &refused(&format!("{path}: permission denied; only root may, by default")))
}

/// Whatever is said on the socket, nothing happens to what it is about.
pub(super) fn garbage(site: &mut Site) -> Result<()> {
    const CROWD: usize = 200;
    let bird = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let began = clock::now();
    let vipcast = site.vipcast(1, &site.spec(1, &[&bird]))?;
    let control = Control::of(site.node(1)?);
    wait_paths(&bird, PREFIX, &[external(node_address(1), None)])?;
    control.wait(began, "/vips/0", &vip("10.88.0.40", &[Kind::Bird]))?;
    let watch = Watch::new(&vipcast, bird.kind().address());
    let long = vec![b'{'; 1 << 20];
    let words: [&[u8]; 6] = [
        b"\n",
        b"\0\xff\xfe\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{\"version\":1,\"command\":\"format\"}\n",
        b"{\"version\":99,\"command\":\"drain\"}\n",
        &long,
    ];
    for words in words {
        let mut stream = UnixStream::connect(&control.socket)?;
        stream.set_read_timeout(Some(SOON))?;
        let _ = stream.write_all(words);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        ensure!(answer.starts_with("{\"error\":\"") || answer.is_empty(), "the answer to garbage is {answer:?}");
    }
    // Many who say nothing: the kernel refuses those that are too many, and the rest is given up.
    let crowd: Vec<UnixStream> = (0..CROWD).filter_map(|_| connect_at_once(&control)).collect();
    let asked = clock::now();
    wait::until("an answer beside a crowd", Duration::from_secs(60), || {
        let said = control.run(&["status", "--json"])?;
        ensure!(said.code == 0, "{said:?}");
        Ok(())
    })?;
    figure(&format!("an answer beside {} who say nothing", crowd.len()), clock::since(asked));
    drop(crowd);
    control.wait(began, "/drain/drained", &json!(false))?;
    watch.undisturbed()?;
    vipcast.alive()?;
    wait_paths(&bird, PREFIX, &[external(node_address(1), None)])
}

/// A connection, unless the queue is full: that would be waited for.
fn connect_at_once(control: &Control) -> Option<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).ok()?;
    connect(&socket, &SocketAddrUnix::new(&control.socket).ok()?).ok()?;
    Some(UnixStream::from(socket))
}
