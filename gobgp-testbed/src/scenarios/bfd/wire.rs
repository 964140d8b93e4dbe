//! What passes on BFD's ports: how often, and from how far away; and routers that send nothing there.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::SOON;
use super::super::expect::Watch;
use super::{FAST, NODE, Pair, peer_text, send_down};
use crate::lab::{Net, node_address};
use crate::parts::bfd::Bfd;
use crate::parts::capture::{Capture, Datagram};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::wait;

const KINDS: [Kind; 2] = [Kind::Frr, Kind::Bird];
/// RFC 5881 and RFC 5883.
const SINGLE: u16 = 3784;
const MULTIHOP: u16 = 4784;
/// How long packets are counted.
const WINDOW: Duration = Duration::from_secs(5);
/// How much later than it should a packet may pass, on a busy machine; the next one comes so much earlier after it.
const LATE: Duration = Duration::from_millis(10);

/// Three quarters of the negotiated interval to all of it (RFC 5880 §6.8.7), whoever's figure it is.
pub(in super::super) fn pace(site: &mut Site) -> Result<()> {
    let figures = Bfd { tx: 100, rx: 100, multiplier: 10 };
    let pairs = Pair::start(site, &KINDS, figures)?;
    let capture = Capture::of(site.node(NODE)?, Net::Data, "udp port 3784")?;
    sleep(WINDOW);
    let seen = capture.datagrams()?;
    for pair in &pairs {
        paced(&seen, pair.node, pair.peer, Duration::from_millis(figures.tx.into()))?;
    }
    Ok(())
}

/// What `from` sent to `to` on the single-hop port is spaced by 75 to 100 % of the interval, but for one in ten, which
/// a busy machine may have kept.
fn paced(seen: &[Datagram], from: IpAddr, to: IpAddr, interval: Duration) -> Result<()> {
    let sent: Vec<&Datagram> = seen.iter().filter(|seen| (seen.from, seen.to) == (from, to)).collect();
    let odd: Vec<&&Datagram> = sent.iter().filter(|seen| (seen.port, seen.ttl) != (SINGLE, 255)).collect();
    ensure!(odd.is_empty(), "not to port {SINGLE} with TTL 255: {odd:?}");
    let mut gaps: Vec<Duration> =
        sent.iter().zip(sent.iter().skip(1)).map(|(one, next)| next.at.saturating_sub(one.at)).collect();
    gaps.sort();
    let (shortest, longest) = gaps.first().zip(gaps.last()).context("no packets")?;
    println!("    {} packets to {to}: {shortest:?} to {longest:?} apart, of {interval:?}", sent.len());
    let wanted = (interval * 3 / 4).saturating_sub(LATE)..=interval + LATE;
    let good = gaps.iter().filter(|gap| wanted.contains(*gap)).count();
    ensure!(good * 10 >= gaps.len() * 9, "only {good} of {} within {wanted:?}: {gaps:?}", gaps.len());
    let all = WINDOW.as_millis() / interval.as_millis();
    // Fewer than one an interval, but for those at the ends, are fewer than were promised.
    ensure!(sent.len() + 2 >= usize::try_from(all)?, "{} packets in {WINDOW:?}", sent.len());
    Ok(())
}

/// Routers that know no BFD: a session that never came up is no failure (RFC 5882 §3.2), and asks slowly.
pub(in super::super) fn never_up(site: &mut Site) -> Result<()> {
    let node = node_address(NODE);
    let mut spec = site.spec(NODE, &[]);
    let mut routers = Vec::new();
    for kind in KINDS {
        routers.push(site.router(kind, Conf { neighbors: vec![Neighbor::new(node)], ..Conf::new(kind) })?);
        spec = spec.peer_text(peer_text(kind.address(), kind.asn(), false, FAST, ""));
    }
    let capture = Capture::of(site.node(NODE)?, Net::Data, "udp port 3784")?;
    let vipcast = site.vipcast(NODE, &spec)?;
    for router in &routers {
        router.wait_best(PREFIX, node, SOON)?;
    }
    let watches = KINDS.map(|kind| Watch::new(&vipcast, kind.address()));
    wait::holds("the sessions without BFD", WINDOW, || {
        watches.iter().try_for_each(Watch::undisturbed)?;
        routers.iter().try_for_each(|router| router.wait_best(PREFIX, node, SOON).map(drop))
    })?;
    let seen = capture.datagrams()?;
    for kind in KINDS {
        paced(&seen, node, kind.address(), Duration::from_secs(1))?;
    }
    let text = vipcast.said();
    ensure!(!text.lines().any(|line| line.contains("BFD state changed")), "BFD was up: {text}");
    Ok(())
}

/// Both ends use the port for several hops. A packet that arrives there with one TTL too few is ignored and said; with
/// one more it counts, so it was a good one but for its TTL.
pub(super) fn spoofed_from_afar(site: &Site, router: &Router, vipcast: &Process, peer: IpAddr) -> Result<()> {
    /// `multihop` of a peer is 50 hops, and packets set out with 64 or more.
    const LEAST: u32 = 64 - 49;
    let node = node_address(NODE);
    let capture = Capture::of(site.node(NODE)?, Net::Data, &format!("udp and host {peer}"))?;
    wait::until("BFD packets both ways", SOON, || {
        let seen = capture.datagrams()?;
        ensure!(seen.iter().all(|seen| seen.port == MULTIHOP), "not all are for port {MULTIHOP}: {seen:?}");
        let has = |from: IpAddr, to: IpAddr| seen.iter().any(|seen| (seen.from, seen.to) == (from, to));
        ensure!(has(node, peer) && has(peer, node), "{seen:?}");
        Ok(())
    })?;
    let (watch, mark) = (Watch::new(vipcast, peer), vipcast.log().mark());
    let name = format!("peer={peer}:179 ");
    let said = |words: &[&str]| vipcast.log().wait_line(mark, &[&[name.as_str()], words].concat(), SOON);
    // The router between takes one.
    send_down(router.host(), peer, (node, MULTIHOP), LEAST)?;
    let expected = format!("TTL {}, expected {LEAST} or more", LEAST - 1);
    said(&["BFD ignores packets from the peer's address", &expected])?;
    wait::holds("BFD and the session", Duration::from_secs(1), || {
        let text = vipcast.log().since(mark);
        let changed = text.lines().find(|line| line.contains(&name) && line.contains("BFD state changed"));
        ensure!(changed.is_none(), "a packet from too far away was heard: {changed:?}");
        watch.undisturbed()
    })?;
    send_down(router.host(), peer, (node, MULTIHOP), LEAST + 1)?;
    said(&["BFD: the path to the peer failed", "the peer says Down"]).map(drop)
}
