//! etcd on the nodes: its leader and ours die together.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{figure, stage};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net, node_address};
use crate::{clock, wait};

/// The lease 5 s, etcd's election (1 to 2 s) within it, a retry period, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(10);

pub(in crate::scenarios) fn quorum(cluster: &mut Cluster) -> Result<()> {
    cluster.stack_etcd()?;
    let etcd = cluster.stacked.as_ref().context("no etcd on the nodes")?;
    let index = etcd.leader()?;
    let leader = u8::try_from(index)? + 1;
    let stage = stage(cluster, leader)?;
    let med = stage.expect_only(leader)?;
    let etcd = cluster.stacked.as_ref().context("no etcd on the nodes")?;
    ensure!(etcd.leader()? == index, "etcd's leader moved");
    let start = clock::now();
    let node = cluster.site.node(leader)?;
    // The links first: nothing of the death gets out, no reset and no FIN.
    for net in [Net::Data, Net::Management] {
        cluster.site.lab.cut(node, net, Cut::Both)?;
    }
    stage.vipcast(leader)?.kill();
    etcd.members.get(index).context("no member")?.kill();
    cluster.servers.get_mut(index).context("no API server")?.kill();
    let next = wait::until("another node to announce", BOUND * 2, || {
        let words = stage.heard.words()?;
        let newer = words.iter().find(|word| word.med.is_some_and(|newer| newer < med));
        let peer = newer.with_context(|| format!("gobgpd heard {words:?}"))?.peer;
        (1..=3).find(|&number| number != leader && node_address(number) == peer).context("the dead node announces")
    })?;
    let announced = clock::since(start);
    let back = stage.probe.wait_answer(next, start, BOUND)?;
    let silence = stage.probe.silence(start, clock::now())?;
    figure("from the death to the next node's announcement", announced);
    figure("from the death to its first answer", back.saturating_sub(start));
    figure("the longest silence", silence);
    ensure!(silence <= BOUND, "the VIP was silent for {silence:?}");
    // The dead node's route stands until its hold time is over; then only the new one is left.
    stage.gobgpd.wait_gone(crate::site::PREFIX, Some(node_address(leader)), BOUND * 2)?;
    stage.bird.wait_gone(crate::site::PREFIX, Some(node_address(leader)), BOUND * 2)?;
    let newer = stage.expect_only(next)?;
    ensure!(newer < med, "MED {newer} does not win against {med}");
    cluster.wait_holder(cluster.site.node(next)?.name(), BOUND).map(drop)
}
