//! BFD as routers are told it and show it. FRR (bfdd, a daemon beside bgpd) and BIRD (a protocol) do single hop and
//! multihop and are the judges. gobgpd 4.8 does single hop alone, and takes microseconds; `OpenBGPD` 7.7 has no BFD.

use std::fmt::Write;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::host::{Host, capture};
use crate::paths::debian;
use crate::wait;

use super::bird;
use super::router::{Conf, Kind, Neighbor, Router};

/// What a router is told of BFD with a peer. Intervals are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bfd {
    /// The shortest interval it sends.
    pub tx: u16,
    /// The shortest interval it takes.
    pub rx: u16,
    /// After so many of its intervals without a packet it counts as gone.
    pub multiplier: u8,
}

/// A BFD session as the router shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// With whom.
    pub peer: IpAddr,
    /// Its state, in the router's own word.
    pub state: String,
    /// The interval of what it sends.
    pub interval: Duration,
    /// After so long a silence it counts the peer as gone.
    pub detection_time: Duration,
}

impl Session {
    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.eq_ignore_ascii_case("up")
    }
}

impl Router {
    /// All BFD sessions. FRR and BIRD only.
    ///
    /// # Errors
    /// When the router has no BFD, or the CLI fails or prints something unknown.
    pub fn bfd_sessions(&self) -> Result<Vec<Session>> {
        match self.kind() {
            Kind::Frr => frr_sessions(self.host()),
            Kind::Bird => bird::bfd_sessions(self.host()),
            kind => bail!("{kind} has no BFD here"),
        }
        .with_context(|| format!("failed to read the BFD sessions of {}", self.kind()))
    }

    /// Waits until the BFD session with one peer is as asked, and returns it.
    ///
    /// # Errors
    /// When it is not in time, with what it is.
    pub fn wait_bfd(
        &self,
        peer: IpAddr,
        what: &str,
        within: Duration,
        is_it: impl Fn(&Session) -> bool,
    ) -> Result<Session> {
        wait::until(&format!("BFD of {} with {peer}: {what}", self.kind()), within, || {
            let all = self.bfd_sessions()?;
            let session = all.into_iter().find(|session| session.peer == peer).context("no session")?;
            ensure!(is_it(&session), "{session:?}");
            Ok(session)
        })
    }

    /// Commands for FRR's bfdd.
    ///
    /// # Errors
    /// When the router is not FRR, or it refuses.
    pub fn tell_bfdd(&self, words: &[&str]) -> Result<String> {
        ensure!(self.kind() == Kind::Frr, "only frr has bfdd");
        frr_command(self.host(), "bfdd", words)
    }

    /// Commands for FRR's bgpd.
    ///
    /// # Errors
    /// When the router is not FRR, or it refuses.
    pub fn tell_bgpd(&self, words: &[&str]) -> Result<String> {
        ensure!(self.kind() == Kind::Frr, "only frr takes commands");
        frr_command(self.host(), "bgpd", words)
    }
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// bfdd's configuration: a profile for each neighbour, `n0` and so on.
pub(super) fn bfdd_config(conf: &Conf) -> String {
    let mut text = "log stdout\nlog timestamp precision 3\ndebug bfd peer\nbfd\n".to_owned();
    for (index, bfd) in profiles(conf) {
        let Bfd { tx, rx, multiplier } = bfd;
        let _ = writeln!(
            text,
            " profile n{index}\n  transmit-interval {tx}\n  receive-interval {rx}\n  detect-multiplier {multiplier}\n exit"
        );
    }
    text + "exit\n"
}

/// The lines of a neighbour in bgpd's configuration.
pub(super) fn bgpd_lines(index: usize, neighbor: &Neighbor) -> String {
    let peer = format!(" neighbor {}", neighbor.address);
    neighbor.bfd.map(|_| format!("{peer} bfd\n{peer} bfd profile n{index}\n")).unwrap_or_default()
}

fn profiles(conf: &Conf) -> impl Iterator<Item = (usize, Bfd)> {
    conf.neighbors.iter().enumerate().filter_map(|(index, neighbor)| Some((index, neighbor.bfd?)))
}

/// The options of a neighbour in BIRD's configuration.
pub(super) fn bird_option(neighbor: &Neighbor) -> String {
    let option = |bfd: Bfd| {
        let Bfd { tx, rx, multiplier } = bfd;
        format!("bfd {{ min tx interval {tx} ms; min rx interval {rx} ms; multiplier {multiplier}; }};")
    };
    let source = neighbor.source.map(|source| format!("source address {source}; ")).unwrap_or_default();
    source + &neighbor.bfd.map(option).unwrap_or_default()
}

/// BIRD's BFD, where a neighbour wants it.
pub(super) fn bird_protocol(conf: &Conf) -> &'static str {
    if profiles(conf).next().is_some() { "protocol bfd bfd1 { }\n" } else { "" }
}

fn frr_command(host: &Host, daemon: &str, words: &[&str]) -> Result<String> {
    let mut vtysh = Command::new(debian("/usr/bin/vtysh", "frr")?);
    vtysh.arg("--vty_socket").arg(host.file("frr")).args(["-d", daemon]);
    capture(vtysh.args(words.iter().flat_map(|word| ["-c", word])))
}

fn frr_sessions(host: &Host) -> Result<Vec<Session>> {
    let text = frr_command(host, "bfdd", &["show bfd peers json"])?;
    let said: Value = serde_json::from_str(&text).with_context(|| format!("vtysh printed {text:?}"))?;
    said.as_array().into_iter().flatten().map(frr_session).collect()
}

fn frr_session(entry: &Value) -> Result<Session> {
    let number = |field: &str| {
        let number = entry.get(field).and_then(Value::as_u64);
        number.with_context(|| format!("a BFD session without {field}: {entry}"))
    };
    let words = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    let interval = number("transmit-interval")?.max(number("remote-receive-interval")?);
    let silence = number("receive-interval")?.max(number("remote-transmit-interval")?);
    Ok(Session {
        peer: words("peer").parse().with_context(|| format!("a BFD session without peer: {entry}"))?,
        state: words("status").to_owned(),
        interval: millis(interval),
        detection_time: millis(silence * number("remote-detect-multiplier")?),
    })
}

/// Lines of `address interface state since interval timeout`, the last two in seconds.
pub(super) fn parse_bird(said: &str) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [peer, _, state, _, interval, timeout] = words.as_slice() else { continue };
        let Ok(peer) = peer.parse() else { continue };
        let seconds = |word: &str| -> Result<Duration> {
            Ok(Duration::from_secs_f64(word.parse().with_context(|| format!("birdc printed {line:?}"))?))
        };
        let state = (*state).to_owned();
        sessions.push(Session { peer, state, interval: seconds(interval)?, detection_time: seconds(timeout)? });
    }
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sessions_as_bird_2_0_12_prints_them() {
        let said = "BIRD 2.0.12 ready.\nbfd1:\n\
            IP address                Interface  State      Since         Interval  Timeout\n\
            10.77.0.11                data0      Up         13:40:11.101    0.050    0.150\n\
            fd77::11                  data0      Down       13:40:11.101    1.000    0.000\n";
        let session = |peer: &str, state: &str, interval, timeout| Session {
            peer: peer.parse().unwrap(),
            state: state.to_owned(),
            interval: millis(interval),
            detection_time: millis(timeout),
        };
        let expected = vec![session("10.77.0.11", "Up", 50, 150), session("fd77::11", "Down", 1000, 0)];
        assert_eq!(parse_bird(said).unwrap(), expected);
    }

    #[test]
    fn reads_a_session_as_frr_8_4_prints_it() {
        let entry = serde_json::json!({"multihop":false,"peer":"10.77.0.11","status":"up","receive-interval":50,
            "transmit-interval":50,"remote-receive-interval":100,"remote-transmit-interval":60,
            "remote-detect-multiplier":4});
        let expected = Session {
            peer: IpAddr::from([10, 77, 0, 11]),
            state: "up".to_owned(),
            interval: millis(100),
            detection_time: millis(240),
        };
        assert_eq!(frr_session(&entry).unwrap(), expected);
    }
}
