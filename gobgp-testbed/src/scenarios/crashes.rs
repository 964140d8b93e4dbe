//! Scenario 43: the leader's process crashes and is started again, once and many times.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::expect::figure;
use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// The theme's scenarios.
pub(super) const CRASHES: &[Scenario] = &[
    Scenario {
        name: "43-resume",
        shows: "kill -9 and restart of the leader: it goes on at once, as at a first start; the second time it waits like others",
        run: Run::Cluster(resume_once),
    },
    Scenario {
        name: "43-crash-loop",
        shows: "ten crashes of the leader's process in less than a minute: the VIP moves once at most",
        run: Run::Cluster(crash_loop),
    },
];

const CRASHES_IN_A_ROW: u32 = 10;
/// How long a process of the crash loop lives: ten fit into a minute.
const LIFE: Duration = Duration::from_secs(2);

struct Stage {
    bird: Rc<Router>,
    one: Rc<Process>,
}

/// n1 leads; n2 and n3 are there. The figure is a first start's, from start to route.
fn stage(cluster: &mut Cluster) -> Result<Stage> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let begin = clock::now();
    let one = start(cluster, &bird, 1)?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    figure("first start to the route in BIRD", clock::since(begin));
    for number in [2, 3] {
        start(cluster, &bird, number)?;
        bird.wait_established(node_address(number), SOON)?;
    }
    Ok(Stage { bird, one })
}

fn start(cluster: &mut Cluster, bird: &Router, number: u8) -> Result<Rc<Process>> {
    let spec = cluster.spec(number, &[bird])?;
    cluster.site.vipcast(number, &spec)
}

/// The first crash costs as little as a start; within a minute of it the second leaves the lease to expire.
fn resume_once(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster)?;
    let before = cluster.lease()?.context("no Lease")?.transitions();
    stage.one.kill();
    stage.bird.wait_gone(PREFIX, None, SOON)?;
    let begin = clock::now();
    let one = start(cluster, &stage.bird, 1)?;
    stage.bird.wait_best(PREFIX, node_address(1), SOON)?;
    figure("restart within the lease to the route in BIRD", clock::since(begin));
    let lease = cluster.lease()?.context("no Lease")?;
    ensure!(lease.holder() == "n1" && lease.transitions() == before, "the Lease moved: {:#}", lease.0);
    ensure!(lease.annotation("vipcast.io/resumed").is_some(), "the record does not count it: {:#}", lease.0);
    one.kill();
    let killed = clock::now();
    let one = start(cluster, &stage.bird, 1)?;
    let next = cluster.wait_holder_other_than(1, SOON)?;
    figure("second crash to the next holder", clock::since(killed));
    stage.bird.wait_best(PREFIX, node_address(next), SOON)?;
    let lease = cluster.lease()?.context("no Lease")?;
    ensure!(lease.transitions() == before + 1, "the Lease moved more than once: {:#}", lease.0);
    one.alive()
}

/// Each process is killed two seconds after its start, whether it leads or not.
fn crash_loop(cluster: &mut Cluster) -> Result<()> {
    let mut stage = stage(cluster)?;
    let before = cluster.lease()?.context("no Lease")?.transitions();
    let begin = clock::now();
    for _ in 0..CRASHES_IN_A_ROW {
        stage.one.kill();
        stage.one = start(cluster, &stage.bird, 1)?;
        let until = clock::now() + LIFE;
        let one = Rc::clone(&stage.one);
        wait::until("the end of its short life", LIFE + SOON, || {
            one.alive()?;
            ensure!(clock::now() >= until, "it lives");
            Ok(())
        })?;
    }
    figure("ten crashes", clock::since(begin));
    let leader = cluster.wait_leader(SOON)?;
    stage.bird.wait_best(PREFIX, node_address(leader), SOON)?;
    let moves = cluster.lease()?.context("no Lease")?.transitions() - before;
    println!("    figure: ten crashes of n1: the Lease moved {moves} times, n{leader} leads");
    ensure!(moves <= 1, "the Lease moved {moves} times");
    Ok(())
}
