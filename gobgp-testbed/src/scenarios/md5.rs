//! Scenario 7, TCP-MD5: right, wrong and missing passwords, against four routers at once.

use std::net::IpAddr;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{Undo, Watch, never_said, wait_equal};
use crate::lab::{node_address, node_address6};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::Site;
use crate::wait;

const RIGHT: &str = "correct-horse";
const WRONG: &str = "battery-staple";

/// What vipcast says of a router with another password.
const DIFFERS: &str = "no connection within 5 s; MD5: no SYN was answered, signed or not: the peer has another password \
                       for us, or is down or filtered";

/// Of one without.
const ONLY_OURS: &str = "no connection within 5 s; MD5: a signed SYN was not answered and an unsigned one was: the peer \
                         has no password for us";

/// Of one that has a password while vipcast has none.
const ONLY_THEIRS: &str = "no connection within 5 s; MD5: no password is set here: the peer has one for us, or is down \
                           or filtered";

/// Where nothing listens.
const CLOSED: &str = "no connection within 5 s; MD5: an unsigned SYN was refused: the port is closed, or a firewall \
                      refuses us";

/// What it says, after a number, of a firewall's resets to gobgpd's port, while BIRD is silent too.
const UNSIGNED: &str = " segments without a signature came from one of this peer, 10.77.0.2:179; an unsigned SYN was \
                        refused: the port is closed, or a firewall refuses us";

/// Passwords for the nodes 1 to 3 over IPv4 and for node 1 over IPv6, where node 1 alone has one.
fn conf(kind: Kind) -> Conf {
    let with =
        |password: Option<&str>, address| Neighbor { password: password.map(str::to_owned), ..Neighbor::new(address) };
    let neighbors = vec![
        with(Some(RIGHT), node_address(1)),
        with(Some(RIGHT), node_address(2)),
        with(Some(RIGHT), node_address(3)),
        with(None, node_address6(1)),
        with(Some(RIGHT), node_address6(2)),
    ];
    Conf { neighbors, ..Conf::new(kind) }
}

/// Who has a session is seen in the routers' tables.
fn spec(site: &Site, number: u8, v4: &str, v6: Option<&str>) -> Spec {
    let mut spec = site.spec(number, &[]);
    for kind in Kind::ALL {
        spec = spec.peer(kind.address(), kind.asn(), v4, false);
        if let Some(password) = v6 {
            spec = spec.peer(kind.address6(), kind.asn(), password, false);
        }
    }
    spec
}

fn start(site: &mut Site, number: u8, v4: &str, v6: Option<&str>) -> Result<Rc<Process>> {
    let spec = spec(site, number, v4, v6);
    site.vipcast(number, &spec)
}

pub(super) fn passwords(site: &mut Site) -> Result<()> {
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(site.router(kind, conf(kind))?);
    }
    let right = start(site, 1, RIGHT, Some(RIGHT))?;
    let wrong = start(site, 2, WRONG, Some(RIGHT))?;
    let none = start(site, 3, "", None)?;
    for router in &routers {
        router.wait_established(node_address(1), SOON)?;
        router.wait_established(node_address6(2), SOON)?;
    }
    for kind in Kind::ALL {
        // A password on our side only, the wrong one, and one on the router's side only.
        let only_us = Watch::from_start(&right, kind.address6());
        let differs = Watch::from_start(&wrong, kind.address());
        let only_router = Watch::from_start(&none, kind.address());
        ensure_reason("on our side only", kind, &only_us, ONLY_OURS)?;
        ensure_reason("the wrong one", kind, &differs, DIFFERS)?;
        ensure_reason("on the router's side only", kind, &only_router, ONLY_THEIRS)?;
    }
    for router in &routers {
        only_the_right_ones_are_in(router)?;
    }
    for kind in Kind::ALL {
        Watch::from_start(&right, kind.address6()).never_up()?;
        Watch::from_start(&wrong, kind.address()).never_up()?;
        Watch::from_start(&none, kind.address()).never_up()?;
    }
    never_printed(&[&right, &wrong, &none])
}

fn ensure_reason(password: &str, kind: Kind, session: &Watch<'_>, expected: &str) -> Result<()> {
    let reason = session.wait_failure()?;
    ensure!(reason == expected, "a password {password}, {kind}: {reason:?}");
    Ok(())
}

/// The table: node 1 by IPv4, node 2 by IPv6, node 3 not at all.
fn only_the_right_ones_are_in(router: &Router) -> Result<()> {
    wait_equal(router, &[1, 2])?;
    let mut up: Vec<IpAddr> =
        router.sessions()?.into_iter().filter(|session| session.established).map(|session| session.peer).collect();
    up.sort();
    ensure!(up == [node_address(1), node_address6(2)], "{} has sessions with {up:?}", router.kind());
    Ok(())
}

fn never_printed(vipcasts: &[&Process]) -> Result<()> {
    for vipcast in vipcasts {
        never_said(vipcast, &[RIGHT, WRONG])?;
    }
    Ok(())
}

/// A firewall's reset is unsigned, and the log says so; a closed port of Linux stays silent to a signed SYN.
pub(super) fn closed_port(site: &mut Site) -> Result<()> {
    let kinds = [Kind::Gobgpd, Kind::Bird];
    let mut spec = site.spec(1, &[]);
    for kind in kinds {
        site.router_host(kind)?;
        spec = spec.peer(kind.address(), kind.asn(), RIGHT, false);
    }
    let vipcast = site.vipcast(1, &spec)?;
    for kind in kinds {
        ensure_reason("and a closed port", kind, &Watch::from_start(&vipcast, kind.address()), CLOSED)?;
    }
    let session = Watch::new(&vipcast, kinds[0].address());
    let wall = Undo::table(
        &site.router_host(kinds[0])?,
        "chain input { type filter hook input priority 0; tcp dport 179 reject with tcp reset; }",
    )?;
    wait::until("the log to tell of unsigned resets", SOON, || {
        let told = session.changes().into_iter().find_map(|line| Some(line.split_once("; MD5: ")?.1.to_owned()));
        let told = told.context("nothing is said")?;
        let digits = told.trim_start_matches(|c: char| c.is_ascii_digit());
        ensure!(digits.len() < told.len() && digits == UNSIGNED, "it says {told:?}");
        Ok(())
    })?;
    drop(wall);
    // The peers appear: the sessions come up with the password.
    let neighbors = vec![Neighbor { password: Some(RIGHT.to_owned()), ..Neighbor::new(node_address(1)) }];
    for kind in kinds {
        let router = site.router(kind, Conf { neighbors: neighbors.clone(), ..Conf::new(kind) })?;
        router.wait_established(node_address(1), SOON)?;
    }
    never_printed(&[&vipcast])
}
