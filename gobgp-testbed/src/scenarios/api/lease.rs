//! The Lease itself meddled with: deleted, made anew, put back by a restored etcd. Never two who announce.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{EVERY, Stage, figure, stage};
use crate::clock;
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::api::{Api, LEASE, LEASES};
use crate::parts::apiserver::ApiServer;
use crate::parts::heard::Heard;
use crate::scenarios::SOON;
use crate::site::PREFIX;

/// The lease's duration: what everybody else waits since the last change.
const DURATION: Duration = Duration::from_secs(5);
/// Until somebody announces after the strangest events: the watch is doubted after a lease, then a lease is waited.
const RECOVERY: Duration = Duration::from_secs(30);

/// The administrator deletes the Lease.
pub(in crate::scenarios) fn deleted(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, 1)?;
    let med = stage.expect_only(1)?;
    cluster.api(2)?.delete(LEASE)?;
    stage.vipcast(1)?.log().wait_line(0, &["lost the lease", "it was deleted"], SOON)?;
    recovered(cluster, &stage, med)?;
    stage.expect_same_sessions()
}

/// The administrator puts an empty Lease in its place, while the holder's own API server hangs: the holder learns
/// last that it holds nothing any more.
pub(in crate::scenarios) fn emptied(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, 1)?;
    let med = stage.expect_only(1)?;
    cluster.servers.first().context("no API server")?.process()?.freeze()?;
    replace(&cluster.api(2)?, "")?;
    recovered(cluster, &stage, med)?;
    stage.expect_same_sessions()
}

/// The administrator puts a Lease in its place that a stranger holds: it is waited out.
pub(in crate::scenarios) fn taken_by_admin(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, 1)?;
    let med = stage.expect_only(1)?;
    let start = clock::now();
    replace(&cluster.api(2)?, "stranger")?;
    stage.vipcast(1)?.log().wait_line(0, &["lost the lease"], SOON)?;
    let back = recovered(cluster, &stage, med)?;
    ensure!(back >= start + DURATION, "the stranger had the lease for {:?} only", back.saturating_sub(start));
    stage.expect_same_sessions()
}

/// Deletes and creates in one breath.
fn replace(api: &Api, holder: &str) -> Result<()> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "plndr-cp-lock"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs()},
    });
    api.delete(LEASE)?;
    api.create(LEASES, &lease)?;
    let now = api.lease()?.context("there is no Lease")?;
    ensure!(holder.is_empty() || now.holder() == holder, "somebody was faster: {now:?}");
    Ok(())
}

/// etcd goes back to when another node held the Lease.
pub(in crate::scenarios) fn restored(cluster: &mut Cluster) -> Result<()> {
    let snapshot = cluster.site.lab.run.dir().join("earlier-holder.db");
    restore(cluster, |cluster| {
        let mut stage = stage(cluster, 1)?;
        stage.expect_only(1)?;
        cluster.etcd.snapshot(&snapshot)?;
        let one = stage.vipcast(1)?;
        one.term()?;
        one.wait_exit(SOON)?;
        cluster.wait_holder_other_than(1, SOON)?;
        let spec = cluster.spec(1, &[&stage.gobgpd, &stage.bird])?;
        let again = cluster.site.vipcast(1, &spec)?;
        stage.replace_vipcast(1, again)?;
        // In the handover two announced for a moment: what follows is judged.
        stage.heard = Heard::start(&stage.gobgpd, PREFIX)?;
        cluster.etcd.restore(&snapshot)?;
        Ok(stage)
    })
}

/// etcd goes back to when the Lease was released.
pub(in crate::scenarios) fn restored_to_released(cluster: &mut Cluster) -> Result<()> {
    let snapshot = cluster.site.lab.run.dir().join("released.db");
    restore(cluster, |cluster| {
        let spec = cluster.spec(1, &[])?.peer(node_address(9), 65009, "", false);
        let early = cluster.site.vipcast(1, &spec)?;
        cluster.wait_holder("n1", SOON)?;
        early.term()?;
        early.wait_exit(SOON)?;
        cluster.wait_holder("", SOON)?;
        cluster.etcd.snapshot(&snapshot)?;
        let stage = stage(cluster, 1)?;
        cluster.etcd.restore(&snapshot)?;
        Ok(stage)
    })
}

/// etcd goes back to when there was no Lease.
pub(in crate::scenarios) fn restored_to_nothing(cluster: &mut Cluster) -> Result<()> {
    let snapshot = cluster.site.lab.run.dir().join("nothing.db");
    restore(cluster, |cluster| {
        cluster.etcd.snapshot(&snapshot)?;
        let stage = stage(cluster, 1)?;
        cluster.etcd.restore(&snapshot)?;
        Ok(stage)
    })
}

/// Plays what ends in a restored etcd, and what must follow.
fn restore(cluster: &mut Cluster, play: impl FnOnce(&mut Cluster) -> Result<Stage>) -> Result<()> {
    let outcome = play(cluster).and_then(|stage| {
        let med = stage.heard.words()?.iter().filter_map(|word| word.med).min().context("nobody announced")?;
        recovered(cluster, &stage, med)?;
        stage.expect_same_sessions()
    });
    // Their caches are of the future now: the next scenario gets fresh ones.
    cluster.servers.iter_mut().for_each(ApiServer::kill);
    outcome
}

/// Waits until somebody announces with a MED below `med`; the VIP's first answer then. All that was heard so far is
/// judged.
fn recovered(cluster: &Cluster, stage: &Stage, med: u32) -> Result<Duration> {
    let newer = crate::wait::until("a newer announcement", RECOVERY, || {
        let words = stage.heard.words()?;
        let newer = words.iter().find(|word| word.med.is_some_and(|newer| newer < med)).copied();
        newer.with_context(|| format!("gobgpd heard {words:?}"))
    })?;
    let holder = (1..=3).find(|&number| node_address(number) == newer.peer).context("a stranger announces")?;
    let now = clock::now();
    let back = stage.probe.wait_answer(holder, now.saturating_sub(EVERY), SOON)?;
    let silence = stage.probe.silence(stage.since, clock::now())?;
    figure(&format!("n{holder} holds it; the longest silence"), silence);
    stage.expect_only(holder)?;
    ensure!(cluster.wait_leader(SOON)? == holder, "another one than n{holder} holds the Lease");
    stage.heard.expect_one_at_a_time()?;
    ensure!(stage.bird.paths(PREFIX)?.len() == 1, "BIRD has more than one path");
    Ok(back)
}
