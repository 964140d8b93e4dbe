//! Scenarios 1 to 3: acquire, leave in good order, die.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::external;
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind, Path, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

const LO: &str = "lo";
const VIP_ADDRESS: IpAddr = IpAddr::V4(VIP);

/// gobgpd and BIRD, vipcast on these nodes in this order, the first of them leading.
struct Stage {
    gobgpd: Rc<Router>,
    bird: Rc<Router>,
    vipcasts: Vec<Rc<Process>>,
}

fn stage(cluster: &mut Cluster, nodes: &[u8], bird: Conf) -> Result<Stage> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, bird)?;
    let mut vipcasts = Vec::new();
    for number in nodes {
        vipcasts.push(start(cluster, *number, &[&gobgpd, &bird])?);
        if vipcasts.len() == 1 {
            let holder = cluster.site.node(*number)?.name().to_owned();
            cluster.wait_holder(&holder, SOON)?;
        }
        gobgpd.wait_established(node_address(*number), SOON)?;
        bird.wait_established(node_address(*number), SOON)?;
    }
    Ok(Stage { gobgpd, bird, vipcasts })
}

fn start(cluster: &mut Cluster, number: u8, routers: &[&Router]) -> Result<Rc<Process>> {
    let spec = cluster.spec(number, routers)?;
    cluster.site.vipcast(number, &spec)
}

/// The one path a router must have: by this node, and nothing else.
fn expect_only(router: &Router, node: u8, local_pref: Option<u32>) -> Result<u32> {
    let next_hop = node_address(node);
    router.wait_best(PREFIX, next_hop, SOON)?;
    let paths = router.paths(PREFIX)?;
    let med = paths.first().and_then(|path| path.med).context("a route under a lease without MED")?;
    let expected = Path { local_pref, ..external(next_hop, Some(med)) };
    ensure!(paths == [expected], "{} has {paths:?}", router.kind());
    Ok(med)
}

/// BIRD gives external routes this LOCAL_PREF; gobgpd shows none.
const BIRD_PREF: Option<u32> = Some(100);

pub(super) fn main_job(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, &[1, 2, 3], Conf::new(Kind::Bird))?;
    let med = expect_only(&stage.gobgpd, 1, None)?;
    ensure!(expect_only(&stage.bird, 1, BIRD_PREF)? == med, "BIRD and gobgpd got different MEDs");
    cluster.site.node(1)?.expect_address(LO, VIP_ADDRESS, true)?;
    cluster.site.node(2)?.expect_address(LO, VIP_ADDRESS, false)?;
    cluster.site.node(3)?.expect_address(LO, VIP_ADDRESS, false)?;
    let by = wait::until("the client's HTTPS request through the VIP", SOON, || cluster.https(VIP_ADDRESS))?;
    ensure!(by == 1, "the request was answered by n{by}");
    stage.vipcasts.iter().try_for_each(|vipcast| vipcast.alive())
}

/// SIGTERM to the vipcast on `node`, and all that must follow on it and in the routers.
fn leave(cluster: &Cluster, stage: &Stage, vipcast: &Process, node: u8) -> Result<()> {
    let gobgpd = stage.gobgpd.log()?;
    let mark = gobgpd.mark();
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast on n{node} ended with {status}");
    cluster.site.node(node)?.expect_address(LO, VIP_ADDRESS, false)?;
    let peer = node_address(node);
    stage.gobgpd.wait_gone(PREFIX, Some(peer), SOON)?;
    stage.bird.wait_gone(PREFIX, Some(peer), SOON)?;
    let address = peer.to_string();
    gobgpd.wait_line(mark, &[&address, "notification", "\"Code\":6", "\"Subcode\":2"], SOON)?;
    let last = stage.bird.session(peer)?.last_error;
    ensure!(last == "Received: Administrative shutdown", "BIRD's last error with n{node} is {last:?}");
    Ok(())
}

pub(super) fn sigterm(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, &[1, 2], Conf::new(Kind::Bird))?;
    let first = expect_only(&stage.gobgpd, 1, None)?;
    leave_one_by_one(cluster, &stage, first)
}

fn leave_one_by_one(cluster: &Cluster, stage: &Stage, first: u32) -> Result<()> {
    let [one, two] = stage.vipcasts.as_slice() else { anyhow::bail!("two vipcasts are needed") };
    leave(cluster, stage, one, 1)?;
    let second = expect_only(&stage.gobgpd, 2, None)?;
    expect_only(&stage.bird, 2, BIRD_PREF)?;
    ensure!(second < first, "the later term's MED {second} is not below {first}");
    cluster.site.node(2)?.expect_address(LO, VIP_ADDRESS, true)?;
    // Nobody is left to take the Lease: it stays released.
    leave(cluster, stage, two, 2)?;
    cluster.wait_holder("", Duration::ZERO)?;
    Ok(())
}

pub(super) fn sigterm_under_flood(cluster: &mut Cluster) -> Result<()> {
    let mut conf = Conf::new(Kind::Bird);
    conf.flood = 20_000;
    let stage = stage(cluster, &[1, 2], conf)?;
    let first = expect_only(&stage.gobgpd, 1, None)?;
    // The whole table is withdrawn and announced while the leader leaves: its socket is never without unread input.
    for announced in [false, true, false, true] {
        stage.bird.flap(announced)?;
    }
    leave_one_by_one(cluster, &stage, first)
}

pub(super) fn kill(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, &[1, 2, 3], Conf::new(Kind::Bird))?;
    let first = expect_only(&stage.gobgpd, 1, None)?;
    let one = stage.vipcasts.first().context("no vipcast")?;
    one.kill();
    // Before the lease is over nobody else may announce: the route is gone, not moved.
    stage.gobgpd.wait_gone(PREFIX, None, Duration::from_secs(2))?;
    cluster.site.node(1)?.expect_address(LO, VIP_ADDRESS, true)?;
    let next = wait::until("another node to hold the Lease", SOON, || {
        let leader = cluster.wait_leader(Duration::ZERO)?;
        ensure!(leader != 1, "n1 holds it still");
        Ok(leader)
    })?;
    let second = expect_only(&stage.gobgpd, next, None)?;
    expect_only(&stage.bird, next, BIRD_PREF)?;
    ensure!(second < first, "the later term's MED {second} is not below {first}");
    // The dead leader's address is there until it comes back as a follower.
    cluster.site.node(1)?.expect_address(LO, VIP_ADDRESS, true)?;
    start(cluster, 1, &[&stage.gobgpd, &stage.bird])?;
    wait::until("the old address to be cleaned", SOON, || {
        cluster.site.node(1)?.expect_address(LO, VIP_ADDRESS, false)
    })?;
    stage.gobgpd.wait_established(node_address(1), SOON)?;
    expect_only(&stage.gobgpd, next, None)?;
    Ok(())
}

/// A killed leader that is back within its lease resumes at once, in a later term.
pub(super) fn restart(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, &[1, 2, 3], Conf::new(Kind::Bird))?;
    let first = expect_only(&stage.gobgpd, 1, None)?;
    stage.vipcasts.first().context("no vipcast")?.kill();
    stage.gobgpd.wait_gone(PREFIX, None, Duration::from_secs(2))?;
    let begin = clock::now();
    start(cluster, 1, &[&stage.gobgpd, &stage.bird])?;
    let second = expect_only(&stage.bird, 1, BIRD_PREF)?;
    let took = clock::since(begin);
    println!("    figure: restart to the route's return in BIRD {} ms", took.as_millis());
    // Others would have waited for the lease. gobgpd itself refuses a peer for 5 s after a lost session.
    ensure!(took < Duration::from_secs(3), "the route came back after {took:?} only");
    ensure!(expect_only(&stage.gobgpd, 1, None)? == second, "BIRD and gobgpd got different MEDs");
    ensure!(second < first, "the later term's MED {second} is not below {first}");
    cluster.wait_holder("n1", Duration::ZERO)?;
    Ok(())
}

/// A router that hears but does not answer holds up a goodbye; a second SIGTERM ends it at once.
pub(super) fn second_signal(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, &[1], Conf::new(Kind::Bird))?;
    let vipcast = stage.vipcasts.first().context("no vipcast")?;
    stage.gobgpd.freeze()?;
    vipcast.term()?;
    vipcast.log().wait_line(vipcast.began(), &["leaving in good order"], SOON)?;
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(143), "vipcast ended with {status}");
    vipcast.log().wait_line(vipcast.began(), &["second signal: exiting at once"], SOON)?;
    stage.gobgpd.thaw()
}
