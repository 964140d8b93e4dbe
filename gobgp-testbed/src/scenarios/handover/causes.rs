//! Why a leader hands over in good order: it is stopped, it is drained, or its own API server is dead.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::crowd::Toll;
use super::moves::Stage;
use crate::cluster::Cluster;
use crate::host::capture;
use crate::lab::node_address;
use crate::parts::api::LEASES;
use crate::parts::router::Kind;
use crate::parts::vipcast::socket;
use crate::scenarios::SOON;
use crate::scenarios::expect::figure;
use crate::{clock, paths, wait};

/// An API server's start on a busy machine.
const API_START: Duration = Duration::from_secs(60);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Sigterm,
    Drain,
    Unfit,
}

impl Cause {
    pub(super) const ALL: [Self; 3] = [Self::Sigterm, Self::Drain, Self::Unfit];

    /// Makes the leader go, waits until another node serves, and brings the old leader back as a candidate; what who used
    /// the VIPs felt.
    pub(super) fn play(self, stage: &mut Stage<'_>) -> Result<Vec<Toll>> {
        let leader = stage.leader;
        let tolls = match self {
            Self::Sigterm => {
                let tolls = stage.move_by("SIGTERM", |stage| stop(stage, leader))?;
                stage.start(leader)?;
                tolls
            }
            Self::Drain => {
                let tolls = stage.move_by("drain", |stage| {
                    let said = order(stage, leader, "drain")?;
                    ensure!(said.contains("is drained: nothing is announced or bound here"), "it said {said:?}");
                    Ok(())
                })?;
                expect_at_rest(stage, leader, "drained")?;
                order(stage, leader, "undrain")?;
                tolls
            }
            Self::Unfit => {
                stage.wait_dwelt()?;
                let server = usize::from(leader).saturating_sub(1);
                let tolls = stage.move_by("its API server killed", |stage| {
                    stage.cluster.servers.get_mut(server).context("no API server")?.kill();
                    Ok(())
                })?;
                // It follows, with its session up, and is no candidate.
                expect_at_rest(stage, leader, "unfit")?;
                let server = stage.cluster.servers.get_mut(server).context("no API server")?;
                server.restart()?;
                server.wait_ready(API_START)?;
                tolls
            }
        };
        stage.settle()?;
        Ok(tolls)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sigterm => "SIGTERM",
            Self::Drain => "drain",
            Self::Unfit => "unfit",
        })
    }
}

/// SIGTERM, to the end of the process.
fn stop(stage: &Stage<'_>, leader: u8) -> Result<()> {
    let vipcast = stage.vipcast(leader)?;
    let asked = clock::now();
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    figure("SIGTERM to the end of the process", clock::since(asked));
    ensure!(status.code() == Some(0), "vipcast on n{leader} ended with {status}");
    ensure!(!vipcast.said().contains("gave the lease back"), "the Lease was given back, not handed over");
    Ok(())
}

/// What `vipcast <word>` prints on a node.
fn order(stage: &Stage<'_>, number: u8, word: &str) -> Result<String> {
    let node = stage.cluster.site.node(number)?;
    let mut command = node.command(paths::vipcast()?);
    capture(command.arg(word).env("control_socket", socket("vipcast", node)))
}

/// The old leader lives, is no candidate and says why, and its session is up.
fn expect_at_rest(stage: &Stage<'_>, old: u8, why: &str) -> Result<()> {
    expect_note(stage.cluster, old, why)?;
    stage.vipcast(old)?.alive()?;
    stage.router.wait_established(node_address(old), SOON)?;
    stage.wait_known(stage.leader, 1)
}

/// Waits until a node's own Lease says this of it, with a reason.
fn expect_note(cluster: &Cluster, number: u8, word: &str) -> Result<()> {
    let witness = if number == 2 { 3 } else { 2 };
    wait::until(&format!("n{number}'s own Lease to say {word}"), SOON, || {
        let lease = cluster.api(witness)?.lease_at(&format!("{LEASES}/plndr-cp-lock.n{number}"))?;
        let lease = lease.context("there is none")?;
        let said =
            ["vipcast.io/fitness", "vipcast.io/reason", "vipcast.io/instance"].map(|name| lease.annotation(name));
        let [Some(fitness), Some(reason), Some(instance)] = said else { anyhow::bail!("it says {said:?}") };
        let fine = fitness == word && !reason.is_empty() && instance.starts_with(&format!("n{number}/"));
        ensure!(fine && lease.holder() == format!("n{number}"), "it says {said:?}, held by {:?}", lease.holder());
        Ok(())
    })
}

/// Once by each router, and nobody notices.
fn by_both(cluster: &mut Cluster, cause: Cause) -> Result<()> {
    for kind in [Kind::Bird, Kind::Frr] {
        cluster.reset()?;
        let tolls = cause.play(&mut Stage::build(cluster, kind)?)?;
        tolls.iter().try_for_each(|toll| toll.expect_none(kind))?;
    }
    Ok(())
}

/// `vipcast drain` on the leader: the node stays, empty, and comes back as a candidate.
pub(super) fn drained(cluster: &mut Cluster) -> Result<()> {
    by_both(cluster, Cause::Drain)
}

/// The leader's own API server is killed: that node goes on renewing through another one until a fit node has the VIPs.
pub(super) fn own_server_dead(cluster: &mut Cluster) -> Result<()> {
    by_both(cluster, Cause::Unfit)
}
