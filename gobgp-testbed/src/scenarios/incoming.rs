//! Scenarios 25 and 26: routers that dial us, and of two connections with one router one.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};

use super::expect::{Undo, Watch, never_said, timed, wait_equal};
use super::verdicts::counters;
use super::{Run, SOON, Scenario};
use crate::host::Host;
use crate::lab::{Net, node_address};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::parts::scripted::{End, Event, Session, wire};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::wait;

/// Who may make the connection.
pub(super) const INCOMING: &[Scenario] = &[
    Scenario {
        name: "25-passive",
        shows: "four routers dial us and are never dialled; strangers and second connections are refused",
        run: Run::Site(passive),
    },
    Scenario {
        name: "25-passive-md5",
        shows: "the same with passwords: the right one finds us, another one and none find silence",
        run: Run::Site(passwords),
    },
    Scenario {
        name: "25-other-ports",
        shows: "two routers dial us at another port than 179, two are dialled at another",
        run: Run::Site(other_ports),
    },
    Scenario {
        name: "26-collision",
        shows: "ten times both ends dial BIRD and FRR at once: one session each time, on the connection the RFC says",
        run: Run::Site(collision),
    },
];

const RIGHT: &str = "correct-horse";
const WRONG: &str = "battery-staple";

/// Another port than 179, at which vipcast listens, and one at which a router does.
const OUR_PORT: u16 = 1790;
const THEIR_PORT: u16 = 1791;

/// How often two ends dial at once, half of them with the higher BGP Identifier on either side.
const ROUNDS: u32 = 10;

/// A router that dials node 1 until it has a session.
fn dialling(kind: Kind) -> Conf {
    let neighbors = vec![Neighbor { dial: true, ..Neighbor::new(node_address(1)) }];
    Conf { neighbors, ..Conf::new(kind) }
}

fn with_password(kind: Kind, password: Option<&str>) -> Conf {
    let mut conf = dialling(kind);
    conf.neighbors.iter_mut().for_each(|neighbor| neighbor.password = password.map(str::to_owned));
    conf
}

/// Node 1 with these routers as peers, under these options.
fn spec(site: &Site, kinds: &[Kind], password: &str, options: &str) -> Spec {
    let spec = site.spec(1, &[]).flag("bgpPeerOptions", options);
    kinds.iter().fold(spec, |spec, kind| spec.peer(kind.address(), kind.asn(), password, false))
}

fn node_port(port: u16) -> SocketAddr {
    SocketAddr::new(node_address(1), port)
}

/// Four routers dial; vipcast waits for them and never dials; strangers are refused.
fn passive(site: &mut Site) -> Result<()> {
    let vipcast = site.vipcast(1, &spec(site, &Kind::ALL, "", "*;connect=passive"))?;
    let sessions: Vec<Watch<'_>> =
        Kind::ALL.into_iter().map(|kind| Watch::from_start(&vipcast, kind.address())).collect();
    for session in &sessions {
        session.wait_words(&["to=Active"])?;
    }
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(site.router(kind, dialling(kind))?);
    }
    for router in &routers {
        router.wait_established(node_address(1), SOON)?;
        wait_equal(router, &[1])?;
    }
    a_stranger_is_refused(site, &vipcast)?;
    a_second_connection_is_refused(&routers, &sessions)?;
    for (router, session) in routers.iter().zip(&sessions) {
        come_back(router, session)?;
    }
    for session in &sessions {
        let dialled = session.changes().into_iter().find(|line| line.contains("to=Connect"));
        ensure!(dialled.is_none(), "vipcast dialled a router that it is to wait for: {dialled:?}");
    }
    Ok(())
}

/// Who is no peer hears Cease, Connection Rejected, and the log at debug says who it was.
fn a_stranger_is_refused(site: &mut Site, vipcast: &Process) -> Result<()> {
    let stranger = site.host("stranger", 60)?;
    let mut session = Session::dial(&stranger, SocketAddr::new(IpAddr::V4(Net::Data.v4(60)), 0), node_port(179))?;
    session.expect(&wire::notification(6, 5, &[]))?;
    let end = session.next(SOON)?;
    ensure!(end == Event::End(End::Closed), "the stranger's connection ended with {end:?}");
    vipcast.alive()
}

/// From the router's own address, beside its session: Cease, Connection Collision Resolution, and the session stays.
fn a_second_connection_is_refused(routers: &[Rc<Router>], sessions: &[Watch<'_>]) -> Result<()> {
    for (router, session) in routers.iter().zip(sessions) {
        let from = SocketAddr::new(router.kind().address(), 0);
        let mut second = Session::dial(router.host(), from, node_port(179))?;
        second.expect(&wire::notification(6, 7, &[]))?;
        let lost = session.changes().into_iter().find(|line| line.contains("from=Established"));
        ensure!(lost.is_none(), "a second connection cost the session: {lost:?}");
    }
    Ok(())
}

/// The router ends and starts again, and dials.
fn come_back(router: &Router, session: &Watch<'_>) -> Result<()> {
    router.stop()?;
    session.wait_words(&["from=Established"])?;
    router.restart()?;
    let what = format!("{} restarted and dialled: route back", router.kind());
    timed(&what, || Ok(()), || wait_equal(router, &[1])).map(drop)
}

/// The right password, another one, and none: only who has ours finds us, and is let in once it does.
fn passwords(site: &mut Site) -> Result<()> {
    let kinds = [Kind::Openbgpd, Kind::Frr, Kind::Bird, Kind::Gobgpd];
    let vipcast = site.vipcast(1, &spec(site, &kinds, RIGHT, "*;connect=passive"))?;
    let node = site.node(1)?.clone();
    let session = |kind: Kind| Watch::from_start(&vipcast, kind.address());
    let right = site.router(Kind::Openbgpd, with_password(Kind::Openbgpd, Some(RIGHT)))?;
    let other = site.router(Kind::Frr, with_password(Kind::Frr, Some(WRONG)))?;
    let none = site.router(Kind::Bird, with_password(Kind::Bird, None))?;
    let also_right = site.router(Kind::Gobgpd, with_password(Kind::Gobgpd, Some(RIGHT)))?;
    for router in [&right, &also_right] {
        wait_equal(router, &[1])?;
    }
    wait::until("the kernel to drop SYNs with another signature and without", SOON, || {
        let [failure, not_found, _] = counters(&node)?;
        ensure!(failure > 0 && not_found > 0, "{failure} with another, {not_found} without");
        Ok(())
    })?;
    for kind in [Kind::Frr, Kind::Bird] {
        session(kind).never_up()?;
    }
    for router in [&other, &none] {
        router.set_password(node_address(1), RIGHT)?;
        wait_equal(router, &[1])?;
    }
    never_said(&vipcast, &[RIGHT, WRONG])
}

/// BIRD and FRR dial us at another port than 179; gobgpd and `OpenBGPD` are dialled at another.
fn other_ports(site: &mut Site) -> Result<()> {
    let (dialling_kinds, dialled) = ([Kind::Bird, Kind::Frr], [Kind::Gobgpd, Kind::Openbgpd]);
    let mut spec = spec(site, &dialling_kinds, "", &options(&dialling_kinds)).flag("bgpListenPort", OUR_PORT);
    let mut routers = Vec::new();
    for kind in dialling_kinds {
        let mut conf = dialling(kind);
        conf.neighbors.iter_mut().for_each(|neighbor| neighbor.port = OUR_PORT);
        routers.push(site.router(kind, conf)?);
    }
    for kind in dialled {
        let neighbors = vec![Neighbor::new(node_address(1))];
        routers.push(site.router(kind, Conf { neighbors, port: THEIR_PORT, ..Conf::new(kind) })?);
        spec = spec.peer_text(format!("{}:{}:::{THEIR_PORT}", kind.address(), kind.asn()));
    }
    let vipcast = site.vipcast(1, &spec)?;
    for router in &routers {
        wait_equal(router, &[1])?;
    }
    let from = SocketAddr::new(Kind::Bird.address(), 0);
    let bird = site.router_host(Kind::Bird)?;
    let closed = Session::dial(&bird, from, node_port(179));
    ensure!(closed.is_err(), "somebody listens at port 179");
    vipcast.alive()
}

/// `connect=passive` for each of these.
fn options(kinds: &[Kind]) -> String {
    let each = kinds.iter().map(|kind| format!("{};connect=passive", kind.address()));
    each.collect::<Vec<_>>().join(",")
}

/// Both ends dial at once, again and again: one session comes of it each time, on the connection that the RFC says.
fn collision(site: &mut Site) -> Result<()> {
    let mut routers = Vec::new();
    for kind in COLLIDING {
        routers.push(site.router(kind, dialling(kind))?);
    }
    let (mut by_identifier, mut by_session) = (0, 0);
    for round in 0..ROUNDS {
        let preferred = if round % 2 == 0 { Side::Outgoing } else { Side::Incoming };
        for won in collide(site, &routers, preferred).with_context(|| format!("in round {round}"))? {
            match won {
                Won::ByIdentifier => by_identifier += 1,
                Won::ByBeingUp => by_session += 1,
            }
        }
    }
    println!("    {by_identifier} decided by Identifier, {by_session} by a session that was up already");
    ensure!(by_identifier > 0, "no collision was decided by Identifier");
    Ok(())
}

/// Both of them dial on while a connection of the other side is being made.
const COLLIDING: [Kind; 2] = [Kind::Bird, Kind::Frr];

/// Who made a connection, in the words of vipcast's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Outgoing,
    Incoming,
}

impl Side {
    fn of(line: &str) -> Option<Self> {
        let outgoing = line.contains("connection=\"outgoing\"").then_some(Self::Outgoing);
        outgoing.or_else(|| line.contains("connection=\"incoming\"").then_some(Self::Incoming))
    }
}

/// What decided a collision (RFC 4271 §6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Won {
    ByIdentifier,
    ByBeingUp,
}

fn collide(site: &mut Site, routers: &[Rc<Router>], preferred: Side) -> Result<Vec<Won>> {
    // The routers have 10.77.0.2 and 10.77.0.3.
    let id = if preferred == Side::Outgoing { "10.77.0.11" } else { "10.1.0.11" };
    let node = site.node(1)?.clone();
    // Connections are made, but nothing that is said on them arrives: so there are two.
    let chain = |hook: &str| {
        format!(
            "chain {hook} {{ type filter hook {hook} priority 0; tcp dport 179 tcp flags & psh == psh drop; \
             tcp sport 179 tcp flags & psh == psh drop; }}"
        )
    };
    let mute = Undo::table(&node, &format!("{}; {}", chain("input"), chain("output")))?;
    let vipcast = site.vipcast(1, &spec(site, &COLLIDING, "", "*;connect=both").flag("bgpRouterID", id))?;
    let sessions: Vec<Watch<'_>> =
        routers.iter().map(|router| Watch::from_start(&vipcast, router.kind().address())).collect();
    for session in &sessions {
        for connection in ["outgoing", "incoming"] {
            session.wait_words(&[&format!("connection=\"{connection}\""), "to=OpenSent"])?;
        }
    }
    drop(mute);
    let mut won = Vec::new();
    for (router, session) in routers.iter().zip(&sessions) {
        router.wait_established(node_address(1), SOON)?;
        wait_equal(router, &[1])?;
        one_connection(&node, router.kind())?;
        won.push(judge(&session.changes(), preferred)?);
    }
    vipcast.term()?;
    vipcast.wait_exit(SOON).map(drop)?;
    for router in routers {
        router.wait_gone(PREFIX, None, SOON)?;
    }
    Ok(won)
}

/// Holds the changes of both connections to the RFC: the preferred one stays, unless the session of the other one was
/// up when the OPEN came on it.
fn judge(changes: &[String], preferred: Side) -> Result<Won> {
    let last = |side| changes.iter().rfind(|line| Side::of(line) == Some(side)).map(String::as_str).unwrap_or_default();
    let up: Vec<Side> =
        [Side::Outgoing, Side::Incoming].into_iter().filter(|side| last(*side).contains("to=Established")).collect();
    let &[kept] = up.as_slice() else { bail!("{up:?} are up: {changes:#?}") };
    if kept == preferred {
        return Ok(Won::ByIdentifier);
    }
    let place = |side, word: &str| changes.iter().position(|line| Side::of(line) == Some(side) && line.contains(word));
    let was_up = place(kept, "to=Established") < place(preferred, "from=OpenSent");
    ensure!(was_up, "the connection that the Identifiers prefer was not kept: {changes:#?}");
    Ok(Won::ByBeingUp)
}

/// Waits until exactly one TCP connection with the router is left on the node.
fn one_connection(node: &Host, kind: Kind) -> Result<()> {
    wait::until(&format!("one connection with {kind}"), SOON, || {
        let address = kind.address().to_string();
        let text = node.exec("ss", &["-Htn", "state", "established", "dst", &address])?;
        match text.lines().count() {
            1 => Ok(()),
            count => bail!("{count}: {text}"),
        }
    })
}
