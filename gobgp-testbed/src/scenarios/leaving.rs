//! Scenario 38, what a peer's operator is told: a name in our log, a text at the end, and time to find other paths.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{GRACEFUL_SHUTDOWN, Watch, external, fence, figure, wait_paths};
use crate::cluster::Cluster;
use crate::lab::{Cut, NODE_AS, Net, VIP, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

/// How long routes stay in the scenarios below, marked as about to go.
const DRAIN: Duration = Duration::from_secs(2);

/// All four routers in these ASes, with these nodes as their peers.
fn routers(site: &mut Site, asn: impl Fn(Kind) -> u32, nodes: &[u8]) -> Result<Vec<Rc<Router>>> {
    let neighbors: Vec<Neighbor> = nodes.iter().map(|number| Neighbor::new(node_address(*number))).collect();
    let conf = |kind| Conf { asn: asn(kind), neighbors: neighbors.clone(), ..Conf::new(kind) };
    Kind::ALL.into_iter().map(|kind| site.router(kind, conf(kind))).collect()
}

/// A node with these options for each peer.
fn spec(site: &Site, number: u8, asn: impl Fn(Kind) -> u32, options: impl Fn(Kind) -> String) -> Spec {
    let items = Kind::ALL.map(|kind| format!("{};{}", kind.address(), options(kind)));
    let spec = site.spec(number, &[]).flag("bgpPeerOptions", items.join(","));
    Kind::ALL.into_iter().fold(spec, |spec, kind| spec.peer(kind.address(), asn(kind), "", false))
}

fn wait_exit(vipcast: &Process) -> Result<()> {
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    Ok(())
}

/// How a router's log shows the text of a Cease from node 1.
fn received(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Gobgpd => format!("\"Communicated-Reason\":\"{text}\""),
        Kind::Bird => format!("Received: Administrative shutdown: \"{text}\""),
        Kind::Frr => format!("received from neighbor 10.77.0.11 6/2 (Cease/Administrative Shutdown) \"{text}\""),
        Kind::Openbgpd => format!("neighbor 10.77.0.11: received shutdown reason: \"{text}\""),
        Kind::Exabgp => text.to_owned(),
    }
}

/// A name for each router in our log, a text for each in its own: the default one, short ones, the longest.
pub(super) fn texts(site: &mut Site) -> Result<()> {
    let routers = routers(site, Kind::asn, &[1])?;
    let longest = "back-at-noon.".repeat(20)[..255].to_owned();
    let text = |kind: Kind| match kind {
        Kind::Gobgpd => "vipcast is shutting down on this node".to_owned(),
        Kind::Openbgpd => "rack 7 moves: ask the night shift".to_owned(),
        Kind::Bird | Kind::Frr | Kind::Exabgp => longest.clone(),
    };
    let options = |kind: Kind| match kind {
        Kind::Gobgpd => format!("description=spine {kind}"),
        other => format!("description=spine {kind};shutdown-text={}", text(other)),
    };
    let vipcast = site.vipcast(1, &spec(site, 1, Kind::asn, options))?;
    for router in &routers {
        wait_paths(router, PREFIX, &[external(node_address(1), None)])?;
    }
    let marks: Vec<u64> = routers.iter().map(|router| Ok(router.log()?.mark())).collect::<Result<_>>()?;
    vipcast.term()?;
    wait_exit(&vipcast)?;
    for (router, mark) in routers.iter().zip(marks) {
        let kind = router.kind();
        router.log()?.wait_line(mark, &[&received(kind, &text(kind))], SOON)?;
        let (peer, name) = (format!("peer={}:179", kind.address()), format!("description=\"spine {kind}\""));
        for event in ["from=OpenConfirm to=Established", "route announced", "route withdrawn", "to=Idle"] {
            vipcast.log().wait_line(vipcast.began(), &[&peer, &name, event], Duration::ZERO)?;
        }
    }
    Ok(())
}

/// The same route, marked: the last choice.
fn marked(path: Path) -> Path {
    Path { communities: [GRACEFUL_SHUTDOWN.to_owned()].into(), ..path }
}

/// Two nodes announce, one leaves: three routers prefer the other one while the first still serves, and no packet is
/// lost; the fourth, for which no such time is set, is told at once.
pub(super) fn drain(site: &mut Site) -> Result<()> {
    let routers = routers(site, Kind::asn, &[1, 2])?;
    let options = |kind: Kind| match kind {
        Kind::Openbgpd => "shutdown-text=bye".to_owned(),
        _ => format!("graceful-shutdown={};shutdown-text=bye", DRAIN.as_millis()),
    };
    let one = site.vipcast(1, &spec(site, 1, Kind::asn, options))?;
    let (first, second) = (external(node_address(1), None), external(node_address(2), None));
    for router in &routers {
        wait_paths(router, PREFIX, std::slice::from_ref(&first))?;
    }
    site.vipcast(2, &spec(site, 2, Kind::asn, |_| "shutdown-text=bye".to_owned()))?;
    for router in &routers {
        let beside = Path { best: false, ..second.clone() };
        wait_paths(router, PREFIX, &[first.clone(), beside])?;
    }
    site.lab.client_via(Kind::Frr.number())?;
    let probe = Probe::start(&site.lab.client, IpAddr::V4(VIP), Duration::from_millis(2))?;
    probe.wait_answer(1, clock::now(), SOON)?;
    let marks: Vec<u64> = routers.iter().map(|router| Ok(router.log()?.mark())).collect::<Result<_>>()?;
    let asked = clock::now();
    one.term()?;
    for router in &routers {
        let expected = match router.kind() {
            Kind::Openbgpd => vec![second.clone()],
            // gobgpd has no such policy: of equal routes it keeps the older.
            Kind::Gobgpd => vec![marked(first.clone()), Path { best: false, ..second.clone() }],
            _ => vec![Path { best: false, ..marked(first.clone()) }, second.clone()],
        };
        wait_paths(router, PREFIX, &expected)?;
    }
    let told = clock::since(asked);
    ensure!(told < DRAIN, "the routers were looked at only after {told:?}");
    figure("SIGTERM to what it changes in four routers", told);
    let moved = probe.wait_answer(2, asked, SOON)?;
    ensure!(moved < asked + DRAIN, "the traffic moved only after the withdrawal");
    figure("SIGTERM to the first answer of the other node", moved.saturating_sub(asked));
    one.alive().context("it left before its time")?;
    wait_exit(&one)?;
    let left = clock::since(asked);
    ensure!(left >= DRAIN, "vipcast left after {left:?}");
    figure("SIGTERM to the end, with 2000 ms for the routers", left);
    for (router, mark) in routers.iter().zip(marks) {
        wait_paths(router, PREFIX, std::slice::from_ref(&second))?;
        router.log()?.wait_line(mark, &[&received(router.kind(), "bye")], SOON)?;
    }
    let silence = probe.silence(asked, clock::now())?;
    figure("longest time without an answer meanwhile", silence);
    ensure!(silence < DRAIN / 4, "the client heard nothing for {silence:?}");
    site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)
}

/// Inside an AS: `LOCAL_PREF` 0 goes with the community, and moves the traffic everywhere without a policy.
pub(super) fn drain_inside_the_as(site: &mut Site) -> Result<()> {
    let asn = |_| NODE_AS;
    let routers = routers(site, asn, &[1, 2])?;
    let one = site.vipcast(1, &spec(site, 1, asn, |_| format!("graceful-shutdown={}", DRAIN.as_millis())))?;
    let inside =
        |node, best| Path { as_path: Vec::new(), local_pref: Some(100), best, ..external(node_address(node), None) };
    for router in &routers {
        wait_paths(router, PREFIX, &[inside(1, true)])?;
    }
    site.vipcast(2, &spec(site, 2, asn, |kind| format!("description={kind}")))?;
    for router in &routers {
        wait_paths(router, PREFIX, &[inside(1, true), inside(2, false)])?;
    }
    let asked = clock::now();
    one.term()?;
    for router in &routers {
        let last = Path { local_pref: Some(0), ..marked(inside(1, false)) };
        wait_paths(router, PREFIX, &[last, inside(2, true)])?;
    }
    ensure!(clock::since(asked) < DRAIN, "the routers were looked at only after {:?}", clock::since(asked));
    wait_exit(&one)?;
    routers.iter().try_for_each(|router| wait_paths(router, PREFIX, &[inside(2, true)]))
}

/// Under a lease: a follower leaves at once; the holder renews while it drains, and when it cannot, its entitlement
/// ends the drain.
pub(super) fn drain_of_a_holder(cluster: &mut Cluster) -> Result<()> {
    const LONG: Duration = Duration::from_secs(15);
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let option = |kind: Kind| format!("{};graceful-shutdown={}", kind.address(), LONG.as_millis());
    let options = [Kind::Gobgpd, Kind::Bird].map(option).join(",");
    let mut nodes = Vec::new();
    for number in [1, 2] {
        let spec = cluster.spec(number, &[&gobgpd, &bird])?.flag("bgpPeerOptions", &options);
        nodes.push(cluster.site.vipcast(number, &spec)?);
        cluster.wait_holder("n1", SOON)?;
    }
    let [holder, follower] = nodes.as_slice() else { anyhow::bail!("two nodes are needed") };
    let route = external(node_address(1), Some(fence(cluster)?.med));
    for router in [&gobgpd, &bird] {
        wait_paths(router, PREFIX, std::slice::from_ref(&route))?;
        router.wait_established(node_address(2), SOON)?;
    }
    let asked = clock::now();
    follower.term()?;
    wait_exit(follower)?;
    figure("SIGTERM to the end of a follower", clock::since(asked));
    ensure!(clock::since(asked) < LONG / 2, "a node that announces nothing drained all the same");
    let asked = clock::now();
    holder.term()?;
    for router in [&gobgpd, &bird] {
        wait_paths(router, PREFIX, &[marked(route.clone())])?;
    }
    // Longer than the lease lasts unless it is renewed.
    let watches = [&gobgpd, &bird].map(|router| Watch::new(holder, router.kind().address()));
    wait::holds("the lease and the route of a holder that drains", Duration::from_secs(6), || {
        ensure!(cluster.lease()?.context("no Lease")?.holder() == "n1", "another node holds the lease");
        ensure!(bird.paths(PREFIX)?.len() == 1, "the route is gone");
        Ok(())
    })?;
    watches.iter().try_for_each(Watch::undisturbed)?;
    let node = cluster.site.node(1)?.clone();
    cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    let cut = clock::now();
    for router in [&gobgpd, &bird] {
        router.wait_gone(PREFIX, None, SOON)?;
    }
    figure("API cut to the withdrawal of a holder that drains", clock::since(cut));
    ensure!(clock::since(asked) < LONG, "the drain ended by itself");
    wait_exit(holder)
}
