//! Scenario 47: the leader's whole node goes, without a word to anybody, and comes back. What is asked each time: silence
//! within the bound that `vipcast check` foretold, though the dead route still stands at the routers; no traffic back to the
//! old leader, no second move.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::pair::{self, Moved, Pair};
use super::{Run, Scenario};
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{Cut, Net};
use crate::parts::outlook::{self, Outlook};
use crate::parts::router::Kind;
use crate::parts::vipcast::Spec;
use crate::{clock, wait};

pub(super) const HARD: &[Scenario] = &[
    Scenario {
        name: "47-power-loss",
        shows: "the leader's node loses its power: silence as foretold while its route still stands; it comes up anew and follows",
        run: Run::Cluster(power_loss),
    },
    Scenario {
        name: "47-node-frozen",
        shows: "the leader's whole node stands still, no packet passes: the same; on thaw it lets go, nothing moves back",
        run: Run::Cluster(node_frozen),
    },
];

const ROUTERS: [Kind; 3] = [Kind::Gobgpd, Kind::Bird, Kind::Frr];
/// The dead route stands longer than a take-over takes, and routers find out within 4 s that a node is new.
const HOLD: u16 = 12;
/// An API server's start on a busy machine.
const API_START: Duration = Duration::from_secs(60);
/// What a busy machine adds to a silence.
pub(super) const NOISE: Duration = Duration::from_millis(700);

fn power_loss(cluster: &mut Cluster) -> Result<()> {
    let mut pair = Pair::start(cluster, &ROUTERS, HOLD)?;
    let spec = pair::spec(cluster, 1, &pair.routers, HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let worst = foretold(&node, &spec, "node cut off or without power")?;
    let lost = clock::now();
    // It must not live to see one link go before the other.
    pair.one.freeze()?;
    cluster.site.lab.power_off(&node)?;
    pair.one.kill();
    cluster.servers.first_mut().context("no API server")?.kill();
    let moved = pair.wait_moved(cluster)?;
    silent("power lost", &pair, lost, &moved, worst)?;
    pair.expect_tables(&[pair.before(false), moved.route()])?;
    cluster.site.lab.power_on(&node, 1)?;
    let server = cluster.servers.first_mut().context("no API server")?;
    server.restart()?;
    server.wait_ready(API_START)?;
    pair.one = cluster.site.vipcast(1, &spec)?;
    pair.expect_settled(cluster, &moved)
}

fn node_frozen(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &ROUTERS, HOLD)?;
    let spec = pair::spec(cluster, 1, &pair.routers, HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let worst = foretold(&node, &spec, "node cut off or without power")?;
    let server = cluster.servers.first().context("no API server")?;
    let frozen = clock::now();
    pair.one.freeze()?;
    server.process()?.freeze()?;
    for net in [Net::Data, Net::Management] {
        cluster.site.lab.cut(&node, net, Cut::Both)?;
    }
    let moved = pair.wait_moved(cluster)?;
    silent("node frozen", &pair, frozen, &moved, worst)?;
    pair.expect_tables(&[pair.before(false), moved.route()])?;
    cluster.site.lab.heal_all()?;
    cluster.servers.first().context("no API server")?.process()?.thaw()?;
    pair.one.thaw()?;
    pair.expect_settled(cluster, &moved)
}

/// What `vipcast check` says of this command line, all of it.
pub(super) fn outlook(node: &Host, spec: &Spec) -> Result<Outlook> {
    let process = spec.clone().check().switch("offline").start_as("check", node)?;
    let status = process.wait_exit(super::SOON)?;
    let said = process.said();
    ensure!(status.code() != Some(1), "vipcast check ended with {status}:\n{said}");
    outlook::parse(&said)
}

/// What it says of one failure.
fn foretold(node: &Host, spec: &Spec, failure: &str) -> Result<Duration> {
    let outlook = outlook(node, spec)?;
    let worst = outlook.get(failure).with_context(|| format!("no {failure:?} in {outlook:?}"))?;
    worst.with_context(|| format!("{failure:?} is unbounded"))
}

/// Holds the silence since `from` against what was foretold.
pub(super) fn silent(what: &str, pair: &Pair, from: Duration, moved: &Moved, worst: Duration) -> Result<()> {
    // Until well after the move: an answer that gets lost then counts too.
    wait::until("answers after the move", super::SOON, || {
        let last = pair.probe.answers()?.last().map(|answer| answer.received);
        ensure!(last > Some(moved.first_answer + Duration::from_millis(500)), "the last one was at {last:?}");
        Ok(())
    })?;
    let silence = pair.probe.silence(from, clock::now())?;
    println!("    figure: {what}: silent for {} ms, foretold {} ms", silence.as_millis(), worst.as_millis());
    ensure!(silence <= worst + NOISE, "{what}: silent for {silence:?}, foretold {worst:?}");
    Ok(())
}
