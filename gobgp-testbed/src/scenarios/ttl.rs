//! Scenario 27: ttl-security (GTSM, RFC 5082): on both sides, on one, and with more hops than it allows.

use std::net::IpAddr;

use anyhow::{Result, ensure};

use super::SOON;
use super::expect::{Watch, external, wait_paths};
use crate::lab::{Net, node_address};
use crate::parts::router::{Conf, Kind, Neighbor};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::wait;

/// What a side says that has it when the other has not, with digits left out.
const NOT_THERE: &str = "no connection within # s; ttl-security is on: # segments with a TTL below # came and were \
                         dropped: the peer has no ttl-security for us, or is not on our network, or its port is closed \
                         (a reset has an ordinary TTL)";
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
    let text = session.wait_failure()?;
    let word = |word: &str| if word.bytes().all(|b| b.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() };
    Ok(text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

/// Node 1 has it and so has the router, over IPv4 and over IPv6; node 2 has it alone; node 3's router has it alone.
pub(super) fn on_both_sides(site: &mut Site) -> Result<()> {
    let six = IpAddr::V6(Net::Data.v6(11));
    let neighbors =
        vec![secured(node_address(1), 1), secured(six, 1), Neighbor::new(node_address(2)), secured(node_address(3), 1)];
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
    let three = site.vipcast(3, &site.spec(3, &peers))?;
    for router in &routers {
        router.wait_established(node_address(1), SOON)?;
        if over_six().any(|kind| kind == router.kind()) {
            router.wait_established(six, SOON)?;
        }
        one_sided(router.kind(), &two, "we have it, the router has not", Some(NOT_THERE))?;
        one_sided(router.kind(), &three, "the router has it, we have not", None)?;
    }
    Ok(())
}

/// There is no session. The routers differ in how: one whose listener sends TTL 255 in any case makes the connection,
/// and is not heard on it; the others' answer to the first segment is dropped, which `expected` tells.
fn one_sided(kind: Kind, vipcast: &Process, what: &str, expected: Option<&str>) -> Result<()> {
    let session = Watch::from_start(vipcast, kind.address());
    let opened = || session.changes().iter().any(|line| line.contains("to=OpenSent"));
    wait::until(&format!("{kind} to be dialled in vain: {what}"), SOON, || {
        let failed = session.changes().iter().any(|line| line.contains("to=Idle"));
        ensure!(failed || opened(), "nothing happened yet");
        Ok(())
    })?;
    if opened() {
        println!("    {what}, {kind}: connected, and nothing heard since");
    } else {
        let said = reason(&session)?;
        println!("    {what}, {kind}: {said}");
        ensure!(expected.is_none_or(|expected| said == expected), "{what}, {kind}: {said:?}");
    }
    session.never_up()
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
