//! Why a leader that goes on living hands over: it is drained, or its own API server is dead.

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
use crate::{paths, wait};

/// `vipcast drain` on the leader, three times: the node stays, empty, and comes back as a candidate.
pub(super) fn drained(cluster: &mut Cluster) -> Result<()> {
    let mut stage = Stage::build(cluster, Kind::Frr)?;
    for _ in 0..2 {
        let leader = stage.leader;
        let tolls = stage.move_by("drain", |stage| {
            let said = order(stage, leader, "drain")?;
            ensure!(said.contains("is drained: nothing is announced or bound here"), "vipcast drain said {said:?}");
            Ok(())
        })?;
        tolls.iter().try_for_each(|toll| toll.expect_none(Kind::Frr))?;
        expect_note(stage.cluster, leader, "drained")?;
        stage.vipcast(leader)?.alive()?;
        stage.router.wait_established(node_address(leader), SOON)?;
        stage.wait_known(stage.leader, 1)?;
        order(&stage, leader, "undrain")?;
        stage.settle()?;
    }
    Ok(())
}

/// What `vipcast <word>` prints on a node.
fn order(stage: &Stage<'_>, number: u8, word: &str) -> Result<String> {
    let node = stage.cluster.site.node(number)?;
    let mut command = node.command(paths::vipcast()?);
    capture(command.arg(word).env("control_socket", socket("vipcast", node)))
}

/// The leader's own API server is killed: that node goes on renewing through another one until a fit node has the VIPs.
pub(super) fn own_server_dead(cluster: &mut Cluster) -> Result<()> {
    let mut stage = Stage::build(cluster, Kind::Bird)?;
    let tolls = stage.move_by("its API server killed", |stage| {
        stage.cluster.servers.first_mut().context("no API server")?.kill();
        Ok(())
    })?;
    tolls.iter().try_for_each(|toll: &Toll| toll.expect_none(Kind::Bird))?;
    expect_note(stage.cluster, 1, "unfit")?;
    // It follows, with its session up, and is no candidate.
    stage.router.wait_established(node_address(1), SOON)?;
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
