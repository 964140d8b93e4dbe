//! Scenario 27: ttl-security (GTSM, RFC 5082): on both sides, on one, and with more hops than it allows.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{Watch, external, wait_paths};
use crate::lab::{Net, node_address};
use crate::parts::router::{Conf, Kind, Neighbor};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::wait;

/// Ten seconds without an acknowledgement of our OPEN, or of a TCP keepalive where that one was acknowledged before the
/// router set its TTL; and some more.
const SILENCE: Duration = Duration::from_secs(40);
/// What a side says that has it when the other has not, with digits left out. All routers here answer the first segment
/// with TTL 255, because they have it for others.
const NOT_THERE: &str = "read: Connection timed out (os error 110); ttl-security is on: # segments with a TTL below # \
                         came and were dropped: the peer has no ttl-security for us, or is not on our network, or its \
                         port is closed (a reset has an ordinary TTL)";
/// The same where the peer has it, and is farther away than it may be.
const TOO_FAR: &str = "no connection within # s; ttl-security is on: # segments with a TTL below # came and were \
                       dropped: the peer has no ttl-security for us, or is not on our network, or its port is closed \
                       (a reset has an ordinary TTL); the peer is on no network of this node, so it is more than # hop \
                       away";

fn secured(address: IpAddr, hops: u8) -> Neighbor {
    Neighbor { ttl_security: Some(hops), ..Neighbor::new(address) }
}

fn with_hops(spec: Spec, hops: u8) -> Spec {
    spec.flag("bgpPeerOptions", format!("*;ttl-security={hops}"))
}

/// gobgpd's listener answers with hop limit 64 over IPv6, whatever it is told.
fn over_six() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| *kind != Kind::Gobgpd)
}

/// The reason, each number as `#`.
fn reason(session: &Watch<'_>) -> Result<String> {
    let text = wait::until("an attempt to fail", SILENCE, || {
        let failed = session.changes().into_iter().find(|line| line.contains("to=Idle")).context("none has")?;
        Ok(failed.split_once("reason=").map_or(failed.clone(), |(_, reason)| reason.to_owned()))
    })?;
    let word = |word: &str| if word.bytes().all(|b| b.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() };
    Ok(text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

/// Node 1 has it and so has the router, over IPv4 and over IPv6; node 2 has it alone. (Where the router has it alone it is
/// the router's to refuse: BIRD checks only what comes after it took the connection.)
pub(super) fn on_both_sides(site: &mut Site) -> Result<()> {
    let six = IpAddr::V6(Net::Data.v6(11));
    let neighbors = vec![secured(node_address(1), 1), secured(six, 1), Neighbor::new(node_address(2))];
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(site.router(kind, Conf { neighbors: neighbors.clone(), ..Conf::new(kind) })?);
    }
    let peers: Vec<_> = routers.iter().map(AsRef::as_ref).collect();
    let mut one = with_hops(site.spec(1, &peers), 1);
    for kind in over_six() {
        one = one.peer(IpAddr::V6(Net::Data.v6(kind.number())), kind.asn(), "", false);
    }
    let _one = site.vipcast(1, &one)?;
    let two = site.vipcast(2, &with_hops(site.spec(2, &peers), 1))?;
    for router in &routers {
        router.wait_established(node_address(1), SOON)?;
        if over_six().any(|kind| kind == router.kind()) {
            router.wait_established(six, SOON)?;
        }
        let ours_alone = Watch::from_start(&two, router.kind().address());
        let why = reason(&ours_alone)?;
        ensure!(why == NOT_THERE, "we have it, {} has not: {why:?}", router.kind());
        ours_alone.never_up()?;
    }
    Ok(())
}

/// Two hops away: not with ttl-security for one, and with it for two on both sides.
pub(super) fn hops(site: &mut Site) -> Result<()> {
    let (_middle, far) = site.lab.far_host()?;
    let address = IpAddr::V4(Net::Far.v4(1));
    for kind in [Kind::Frr, Kind::Bird] {
        let neighbors = vec![secured(node_address(1), 2)];
        let router = site.router_on(&far, kind, Conf { neighbors, ..Conf::new(kind) })?;
        let peer = |site: &Site| site.spec(1, &[]).peer(address, kind.asn(), "", false);
        let near = site.vipcast(1, &with_hops(peer(site), 1))?;
        let session = Watch::from_start(&near, address);
        let why = reason(&session)?;
        ensure!(why == TOO_FAR, "{kind}: {why:?}");
        session.never_up()?;
        leave(&near)?;
        let right = site.vipcast(1, &with_hops(peer(site), 2))?;
        wait_paths(&router, PREFIX, &[external(node_address(1), None)])?;
        leave(&right)?;
        router.stop()?;
    }
    Ok(())
}

fn leave(vipcast: &Process) -> Result<()> {
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    Ok(())
}
