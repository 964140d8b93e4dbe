//! What the scenarios about sessions ask again and again: a router's whole table, and vipcast's account of a session.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{NODE_AS, node_address};
use crate::parts::router::{Kind, Origin, Path, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// The IPv6 VIP as routers see it.
pub(super) const PREFIX6: &str = "fd88::40/128";

/// The community of routes that are about to go (RFC 8326).
pub(super) const GRACEFUL_SHUTDOWN: &str = "65535:0";

/// The metrics that go with the Lease's term: a MED that falls, a `LOCAL_PREF` that rises.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fence {
    pub(super) med: u32,
    pub(super) local_pref: u32,
}

/// Those of the term in the Lease now.
pub(super) fn fence(cluster: &Cluster) -> Result<Fence> {
    let lease = cluster.lease()?.context("there is no Lease")?;
    let term: u32 = lease.annotation("vipcast.io/term").context("a Lease without term")?.parse()?;
    Ok(Fence { med: u32::MAX - term, local_pref: term })
}

/// A node's route to the IPv4 VIP from the nodes' AS, as an external router has it.
pub(super) fn external(next_hop: IpAddr, med: Option<u32>) -> Path {
    Path {
        prefix: PREFIX.to_owned(),
        next_hop,
        as_path: vec![NODE_AS],
        origin: Origin::Igp,
        med,
        local_pref: None,
        communities: BTreeSet::new(),
        best: true,
    }
}

/// What the program prints where nothing was sent: its default `LOCAL_PREF`, 0 for no MED; and the `LOCAL_PREF` it gives
/// a route that is about to go.
fn as_shown(kind: Kind, path: &Path) -> Path {
    let mut path = path.clone();
    if kind.obeys_graceful_shutdown() && path.communities.contains(GRACEFUL_SHUTDOWN) {
        path.local_pref = Some(0);
    }
    if kind.shows_local_pref() {
        path.local_pref = path.local_pref.or(Some(100));
    }
    if kind == Kind::Openbgpd {
        path.med = path.med.or(Some(0));
    }
    path
}

/// Waits until the router has exactly these paths to their prefix, in any order.
pub(super) fn wait_paths(router: &Router, prefix: &str, expected: &[Path]) -> Result<()> {
    wait::until(&format!("{} to have {expected:?}", router.kind()), SOON, || {
        let paths = router.paths(prefix)?;
        check(router.kind(), paths, expected.to_vec())
    })
}

/// Waits until the router has the IPv4 VIP from exactly these nodes with equal attributes, as without an election;
/// which of them it calls best is its own affair, but one it must.
pub(super) fn wait_equal(router: &Router, nodes: &[u8]) -> Result<()> {
    wait::until(&format!("{} to have {PREFIX} from {nodes:?}", router.kind()), SOON, || {
        let mut paths = router.paths(PREFIX)?;
        ensure!(paths.iter().any(|path| path.best), "none is best: {paths:?}");
        paths.iter_mut().for_each(|path| path.best = true);
        check(router.kind(), paths, nodes.iter().map(|number| external(node_address(*number), None)).collect())
    })
}

fn check(kind: Kind, mut paths: Vec<Path>, mut expected: Vec<Path>) -> Result<()> {
    expected.iter_mut().for_each(|path| *path = as_shown(kind, path));
    for all in [&mut paths, &mut expected] {
        all.sort_by_key(|path| path.next_hop);
    }
    ensure!(paths == expected, "{paths:?} instead of {expected:?}");
    Ok(())
}

/// A moment in vipcast's log, to ask later what became of a session since.
pub(super) struct Watch<'a> {
    vipcast: &'a Process,
    /// As vipcast calls it.
    peer: String,
    mark: u64,
}

impl<'a> Watch<'a> {
    /// The session with the peer at `address`, port 179, from now on.
    pub(super) fn new(vipcast: &'a Process, address: IpAddr) -> Self {
        Self { vipcast, peer: SocketAddr::new(address, 179).to_string(), mark: vipcast.log().mark() }
    }

    /// The same of an unnumbered peer, from the program's start.
    pub(super) fn on_interface(vipcast: &'a Process, name: &str) -> Self {
        Self { vipcast, peer: format!("{name}:179"), mark: vipcast.began() }
    }

    /// The same from the program's start.
    pub(super) fn from_start(vipcast: &'a Process, address: IpAddr) -> Self {
        Self { mark: vipcast.began(), ..Self::new(vipcast, address) }
    }

    /// The same of the peer's other port.
    pub(super) fn on_port(self, port: u16) -> Self {
        let host = self.peer.rsplit_once(':').map_or(self.peer.as_str(), |(host, _)| host);
        Self { peer: format!("{host}:{port}"), ..self }
    }

    /// The lines about the session's state, one for each change: none is missed, however short it lasted.
    pub(super) fn changes(&self) -> Vec<String> {
        let peer = format!(" peer={} ", self.peer);
        let text = self.vipcast.log().since(self.mark);
        let lines = text.lines().filter(|line| line.contains("session state changed") && line.contains(&peer));
        lines.map(str::to_owned).collect()
    }

    /// Fails if the session changed at all.
    pub(super) fn undisturbed(&self) -> Result<()> {
        let changes = self.changes();
        ensure!(changes.is_empty(), "the session with {} was disturbed: {changes:#?}", self.peer);
        Ok(())
    }

    /// Fails if the session was ever up.
    pub(super) fn never_up(&self) -> Result<()> {
        let up: Vec<String> = self.changes().into_iter().filter(|line| line.contains("to=Established")).collect();
        ensure!(up.is_empty(), "the session with {} was up: {up:#?}", self.peer);
        Ok(())
    }

    /// Waits for a change whose line has all these words, and returns it.
    pub(super) fn wait_words(&self, words: &[&str]) -> Result<String> {
        wait::until(&format!("the session with {} to change: {words:?}", self.peer), SOON, || {
            let changes = self.changes();
            let found = changes.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned();
            found.with_context(|| format!("{changes:#?}"))
        })
    }

    /// Waits for the next failed attempt and returns its reason.
    pub(super) fn wait_failure(&self) -> Result<String> {
        wait::until(&format!("an attempt to reach {} to fail", self.peer), SOON, || {
            let failed = self.changes().into_iter().find(|line| line.contains("to=Idle"));
            let line = failed.context("none has")?;
            Ok(line.split_once("reason=").map_or(line.clone(), |(_, reason)| reason.to_owned()))
        })
    }
}

/// Fails if one of these secrets is in the log. The testbed's own first line there, the command line, does not count.
pub(super) fn never_said(vipcast: &Process, secrets: &[&str]) -> Result<()> {
    let text = vipcast.log().text();
    let mut said = text.lines().filter(|line| !line.starts_with("# "));
    let leak = said.find(|line| secrets.iter().any(|secret| line.contains(secret)));
    ensure!(leak.is_none(), "a secret is in the log: {leak:?}");
    Ok(())
}

/// A change to a host's network, undone when the scenario ends, however it does.
pub(super) struct Undo(Option<Box<dyn FnOnce() -> Result<()>>>);

impl Undo {
    /// `ip <add>` now, `ip <remove>` at the end.
    pub(super) fn ip(host: &Host, add: &str, remove: &str) -> Result<Self> {
        host.ip(add)?;
        let (host, remove) = (host.clone(), remove.to_owned());
        Ok(Self(Some(Box::new(move || host.ip(&remove).map(drop)))))
    }

    /// An nftables table of these chains.
    pub(super) fn table(host: &Host, chains: &str) -> Result<Self> {
        host.nft(&format!("table inet scenario {{ {chains}; }}"))?;
        let host = host.clone();
        Ok(Self(Some(Box::new(move || host.nft("delete table inet scenario")))))
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|undo| undo()) {
            println!("    not undone: {error:#}");
        }
    }
}

/// Prints a figure; figures tell, deadlines judge.
pub(super) fn figure(what: &str, value: Duration) {
    println!("    figure: {what}: {} ms", value.as_millis());
}

/// Does something, waits for what follows, and prints how long it took from the beginning of both.
pub(super) fn timed(
    what: &str,
    act: impl FnOnce() -> Result<()>,
    wait: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    let start = clock::now();
    act()?;
    wait()?;
    let took = clock::since(start);
    figure(what, took);
    Ok(took)
}
