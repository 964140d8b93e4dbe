//! Scenario 10: routers that restart, links that flap, peers that are dead; and a BIRD that forgives no error.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{Watch, external, fence, figure, timed, wait_paths};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net, VIP, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Router, Session};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Longer than the longest wait between two attempts to connect (10 s), with room for a slow machine.
const BACK: Duration = Duration::from_secs(25);

fn lead(cluster: &mut Cluster, spec: &Spec) -> Result<Rc<Process>> {
    let vipcast = cluster.site.vipcast(1, spec)?;
    cluster.wait_holder("n1", SOON)?;
    Ok(vipcast)
}

fn expect_n1(cluster: &Cluster, router: &Router) -> Result<()> {
    wait_paths(router, PREFIX, &[external(node_address(1), Some(fence(cluster)?.med))])
}

/// A router is killed and started again: its session and route come back, the other's is not touched.
pub(super) fn router_restarts(cluster: &mut Cluster) -> Result<()> {
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(cluster.site.router(kind, Conf::new(kind))?);
    }
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let spec = cluster.spec(1, &peers)?;
    let vipcast = lead(cluster, &spec)?;
    routers.iter().try_for_each(|router| expect_n1(cluster, router))?;
    for router in &routers {
        for (how, end) in [("killed", Router::kill as fn(&Router)), ("stopped", |router| drop(router.stop()))] {
            let others: Vec<Watch<'_>> = Kind::ALL
                .into_iter()
                .filter(|kind| *kind != router.kind())
                .map(|kind| Watch::new(&vipcast, kind.address()))
                .collect();
            let lost = Watch::new(&vipcast, router.kind().address());
            end(router);
            let reason = lost.wait_failure()?;
            println!("    {} {how}: {reason}", router.kind());
            router.restart()?;
            let what = format!("{} up again after it was {how} to the route in it", router.kind());
            timed(&what, || Ok(()), || router.wait_best(PREFIX, node_address(1), BACK).map(drop))?;
            expect_n1(cluster, router)?;
            others.iter().try_for_each(Watch::undisturbed)?;
        }
    }
    vipcast.alive()
}

/// The leader's link to the routers loses its carrier: shortly, many times, then until the sessions die.
pub(super) fn link_flaps(cluster: &mut Cluster) -> Result<()> {
    let kinds = [Kind::Gobgpd, Kind::Bird];
    let mut routers = Vec::new();
    for kind in kinds {
        routers.push(cluster.site.router(kind, Conf::new(kind))?);
    }
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let spec = cluster.spec(1, &peers)?;
    let vipcast = lead(cluster, &spec)?;
    routers.iter().try_for_each(|router| expect_n1(cluster, router))?;
    let probe = Probe::start(&cluster.site.lab.client, IpAddr::V4(VIP), Duration::from_millis(5))?;
    probe.wait_answer(1, Duration::ZERO, SOON)?;
    short_flaps(cluster, &vipcast, &probe)?;
    routers.iter().try_for_each(|router| expect_n1(cluster, router))?;
    let node = cluster.site.node(1)?;
    cluster.site.lab.carrier(node, Net::Data, false)?;
    for router in &routers {
        let peer = router.kind().address();
        router.wait_gone(PREFIX, None, Duration::from_secs(40))?;
        Watch::new(&vipcast, peer).wait_failure()?;
    }
    let up = clock::now();
    cluster.site.lab.carrier(node, Net::Data, true)?;
    for router in &routers {
        router.wait_best(PREFIX, node_address(1), BACK)?;
        figure(&format!("carrier back to the route in {}", router.kind()), clock::since(up));
        expect_n1(cluster, router)?;
    }
    probe.wait_answer(1, up, SOON)?;
    vipcast.alive()
}

/// Flaps that are shorter than the hold time cost packets, never the session.
fn short_flaps(cluster: &Cluster, vipcast: &Process, probe: &Probe) -> Result<()> {
    const FLAPS: u32 = 5;
    let node = cluster.site.node(1)?;
    let watches = [Kind::Gobgpd, Kind::Bird].map(|kind| Watch::new(vipcast, kind.address()));
    for _ in 0..FLAPS {
        cluster.site.lab.carrier(node, Net::Data, false)?;
        let down = clock::now();
        wait::until("300 ms of silence", SOON, || {
            let silence = probe.silence(down, clock::now())?;
            ensure!(silence > Duration::from_millis(300), "{silence:?}");
            Ok(())
        })?;
        cluster.site.lab.carrier(node, Net::Data, true)?;
        probe.wait_answer(1, clock::now(), SOON)?;
    }
    // One hold time more: what the flaps could break would be broken by then.
    wait::holds("the sessions", Duration::from_secs(10), || watches.iter().try_for_each(Watch::undisturbed))
}

/// Peers that are dead in three ways beside one that lives: it never notices, not even when we leave.
pub(super) fn dead_peer(cluster: &mut Cluster) -> Result<()> {
    let living = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    // Takes the connection and never says a word.
    let mute = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    mute.freeze()?;
    // Every packet to it and from it is lost.
    let hole = cluster.site.router(Kind::Openbgpd, Conf::new(Kind::Openbgpd))?;
    cluster.site.lab.cut(hole.host(), Net::Data, Cut::Both)?;
    // Dies with the session up.
    let dying = cluster.site.router(Kind::Frr, Conf::new(Kind::Frr))?;
    let spec = cluster.spec(1, &[&living, &mute, &hole, &dying])?;
    // And one that was never there.
    let spec = spec.peer(IpAddr::V4(Net::Data.v4(99)), 65099, "", false);
    let vipcast = lead(cluster, &spec)?;
    expect_n1(cluster, &living)?;
    expect_n1(cluster, &dying)?;
    let watch = Watch::new(&vipcast, living.kind().address());
    for dead in [hole.kind().address(), IpAddr::V4(Net::Data.v4(99))] {
        Watch::from_start(&vipcast, dead).wait_failure()?;
    }
    wait::holds("the living peer's session", Duration::from_secs(12), || {
        ensure!(living.session(node_address(1))?.established, "it is down");
        watch.undisturbed()
    })?;
    cluster.site.lab.cut(dying.host(), Net::Data, Cut::Both)?;
    leave_beside_the_dead(cluster, &living, &vipcast)?;
    mute.thaw()
}

/// SIGTERM: the living peer hears at once, and the dead cost the drain's deadline at most.
fn leave_beside_the_dead(cluster: &Cluster, living: &Router, vipcast: &Process) -> Result<()> {
    let start = clock::now();
    vipcast.term()?;
    living.wait_gone(PREFIX, None, SOON)?;
    let gone = clock::since(start);
    figure("SIGTERM to the route gone from the living peer, four others dead", gone);
    ensure!(gone < Duration::from_secs(1), "the dead delayed the withdrawal: {gone:?}");
    let status = vipcast.wait_exit(SOON)?;
    let exit = clock::since(start);
    figure("SIGTERM to exit, four peers dead", exit);
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    // 2.5 s are the drain's, 2 s are for the release of the Lease.
    ensure!(exit < Duration::from_secs(6), "the drain took {exit:?}");
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    cluster.wait_holder("", Duration::ZERO)?;
    let last = living.session(node_address(1))?.last_error;
    ensure!(last == "Received: Administrative shutdown", "BIRD's last error is {last:?}");
    Ok(())
}

/// The vipcasts by node, 1 and 2.
type Running = BTreeMap<u8, Rc<Process>>;

fn on(running: &Running, node: u8) -> Result<&Process> {
    running.get(&node).map(Rc::as_ref).with_context(|| format!("n{node} runs no vipcast"))
}

/// BIRD with its own `error wait time` (60 s and more): whatever we do in good order, it takes us back at once.
pub(super) fn patient_bird(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf { patient: true, ..Conf::new(Kind::Bird) })?;
    let one = cluster.spec(1, &[&bird])?;
    let two = cluster.spec(2, &[&bird])?;
    let specs = [(1, &one), (2, &two)];
    let mut running = BTreeMap::new();
    for (number, spec) in specs {
        running.insert(number, cluster.site.vipcast(number, spec)?);
        bird.wait_established(node_address(number), SOON)?;
    }
    for round in 1..=4 {
        let holder = cluster.wait_leader(SOON)?;
        leave_in_good_order(cluster, &bird, holder, &running)?;
        let spec = if holder == 1 { &one } else { &two };
        let start = clock::now();
        running.insert(holder, cluster.site.vipcast(holder, spec)?);
        bird.wait_established(node_address(holder), SOON)?;
        let what = format!("round {round}: start of the former leader n{holder} to Established in BIRD");
        figure(&what, clock::since(start));
    }
    lose_the_lease(cluster, &bird, &running)?;
    // Not in good order, and no session error either: the connection ends with the process.
    running.remove(&1).context("n1 runs no vipcast")?.kill();
    wait::until("BIRD to notice the end", SOON, || {
        ensure!(!bird.session(node_address(1))?.established, "it is up");
        Ok(())
    })?;
    timed(
        "start after kill -9 to Established in BIRD",
        || cluster.site.vipcast(1, &one).map(drop),
        || bird.wait_established(node_address(1), SOON),
    )?;
    Ok(())
}

/// The Lease moves away and the leader's session ends with a Cease; the other node's goes on.
fn leave_in_good_order(cluster: &Cluster, bird: &Router, holder: u8, running: &Running) -> Result<()> {
    let (leaving, other) = (on(running, holder)?, on(running, 3 - holder)?);
    bird.wait_best(PREFIX, node_address(holder), SOON)?;
    let session = Watch::new(other, bird.kind().address());
    leaving.term()?;
    let status = leaving.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast on n{holder} ended with {status}");
    bird.wait_best(PREFIX, node_address(3 - holder), SOON)?;
    cluster.wait_holder(&format!("n{}", 3 - holder), Duration::ZERO)?;
    session.undisturbed()?;
    expect_no_wait(bird, holder)
}

/// The holder loses its API for longer than its renew deadline: the Lease moves, its session stays.
fn lose_the_lease(cluster: &Cluster, bird: &Router, running: &Running) -> Result<()> {
    let holder = cluster.wait_leader(SOON)?;
    let session = Watch::new(on(running, holder)?, bird.kind().address());
    bird.wait_best(PREFIX, node_address(holder), SOON)?;
    let (node, next) = (cluster.site.node(holder)?, node_address(3 - holder));
    cluster.site.lab.cut(node, Net::Management, Cut::Both)?;
    bird.wait_best(PREFIX, next, SOON)?;
    cluster.site.lab.heal(node, Net::Management, Cut::Both)?;
    wait_paths(bird, PREFIX, &[external(next, Some(fence(cluster)?.med))])?;
    session.undisturbed().context("a Lease that moves ends no session")
}

/// BIRD waits for the node to come back, not for the end of a penalty.
fn expect_no_wait(bird: &Router, node: u8) -> Result<()> {
    wait::until("BIRD to wait for the peer again", Duration::from_secs(10), || {
        let session = bird.session(node_address(node))?;
        let expected = Session {
            peer: node_address(node),
            established: false,
            state: "Passive".to_owned(),
            last_error: "Received: Administrative shutdown".to_owned(),
        };
        ensure!(session == expected, "{session:?}");
        Ok(())
    })
}
