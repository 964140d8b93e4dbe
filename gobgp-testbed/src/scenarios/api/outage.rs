//! All API servers gone for a while: the VIP goes at the deadline, nothing else does, and it comes back at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{EVERY, Stage, figure, stage};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net};
use crate::parts::apiserver::{ApiServer, ReadyAlarm};
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::{clock, wait};

/// How long the API is gone.
const OUTAGE: Duration = Duration::from_secs(20);
/// The lease's renew deadline and its retry period.
const DEADLINE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(1);
/// What a busy machine may add to a figure, or take from it.
const NOISE: Duration = Duration::from_millis(700);
/// From the first `/readyz` that says ok to the VIP's first answer.
const BACK: Duration = Duration::from_secs(2);
/// An API server's start.
const START: Duration = Duration::from_secs(240);

type Act = fn(&mut Cluster) -> Result<()>;

/// How the API goes, and how it comes back.
struct Outage {
    begin: Act,
    /// Where one API server can come back alone it does, and it is not the old leader's.
    mend: Act,
    mend_rest: Act,
}

pub(in crate::scenarios) fn refused(cluster: &mut Cluster) -> Result<()> {
    let outage = Outage {
        begin: |cluster| {
            cluster.servers.iter_mut().for_each(ApiServer::kill);
            Ok(())
        },
        mend: |cluster| cluster.servers.get_mut(1).context("no API server")?.restart(),
        mend_rest: |cluster| cluster.servers.iter_mut().try_for_each(ApiServer::restart),
    };
    outage.play(cluster)
}

pub(in crate::scenarios) fn dropped(cluster: &mut Cluster) -> Result<()> {
    let outage = Outage {
        begin: |cluster| {
            let nodes = &cluster.site.lab.nodes;
            nodes.iter().try_for_each(|node| cluster.site.lab.cut(node, Net::Management, Cut::Both))
        },
        mend: |cluster| cluster.site.lab.heal_all(),
        mend_rest: |_| Ok(()),
    };
    outage.play(cluster)
}

pub(in crate::scenarios) fn frozen(cluster: &mut Cluster) -> Result<()> {
    let outage = Outage {
        begin: |cluster| cluster.servers.iter().try_for_each(|server| server.process()?.freeze()),
        mend: |cluster| cluster.servers.get(1).context("no API server")?.process()?.thaw(),
        mend_rest: |cluster| cluster.servers.iter().try_for_each(|server| server.process()?.thaw()),
    };
    outage.play(cluster)
}

pub(in crate::scenarios) fn etcd_frozen(cluster: &mut Cluster) -> Result<()> {
    let outage =
        Outage { begin: |cluster| cluster.etcd.freeze(), mend: |cluster| cluster.etcd.thaw(), mend_rest: |_| Ok(()) };
    outage.play(cluster)
}

impl Outage {
    fn play(&self, cluster: &mut Cluster) -> Result<()> {
        let stage = stage(cluster, 1)?;
        let med = stage.expect_only(1)?;
        let start = clock::now();
        (self.begin)(cluster)?;
        gone_at_the_deadline(&stage, start)?;
        stays_gone(&stage, OUTAGE.saturating_sub(clock::since(start)))?;
        stage.expect_same_sessions()?;
        let silent_since = stage.last_answer()?;
        (self.mend)(cluster)?;
        let ready = first_ready(cluster)?;
        let back = stage.first_answer(silent_since + EVERY)?;
        // Negative where a lease can be written before the server calls itself ready.
        let after = back.received.as_secs_f64() - ready.as_secs_f64();
        println!("    from the first /readyz 200 to the VIP's first answer: {after:.2} s");
        ensure!(back.received <= ready + BACK, "the VIP was back only after {after} s");
        (self.mend_rest)(cluster)?;
        cluster.servers.iter().try_for_each(|server| server.wait_ready(START))?;
        let holder = cluster.wait_leader(SOON)?;
        let again = stage.expect_only(holder)?;
        ensure!(again < med || (holder == 1 && again == med), "MED {again} of n{holder} does not win against {med}");
        stage.heard.expect_one_at_a_time()?;
        stage.expect_same_sessions()
    }
}

fn first_ready(cluster: &Cluster) -> Result<Duration> {
    let alarms: Vec<ReadyAlarm> = cluster.servers.iter().map(ApiServer::ready_alarm).collect::<Result<_>>()?;
    wait::until("the first API server to be ready", START, || {
        alarms.iter().filter_map(ReadyAlarm::rang).min().context("none is ready")
    })
}

/// The route leaves both routers when the last renewal is a renew deadline old: not earlier, not later.
fn gone_at_the_deadline(stage: &Stage, start: Duration) -> Result<()> {
    for router in [&stage.gobgpd, &stage.bird] {
        router.wait_gone(PREFIX, None, DEADLINE + SOON)?;
    }
    let lasted = stage.last_answer()?.saturating_sub(start);
    figure("from the outage to the VIP's last answer", lasted);
    let log = stage.vipcast(stage.leader)?.log().clone();
    log.wait_line(0, &["lost the lease", "no renewal was confirmed"], SOON)?;
    let expected = DEADLINE.saturating_sub(RETRY + NOISE)..=DEADLINE + NOISE;
    ensure!(expected.contains(&lasted), "the VIP answered for {lasted:?} of the outage, not for {expected:?}");
    Ok(())
}

fn stays_gone(stage: &Stage, during: Duration) -> Result<()> {
    wait::holds("the VIP's absence", during, || {
        for router in [&stage.gobgpd, &stage.bird] {
            let paths = router.paths(PREFIX)?;
            ensure!(paths.is_empty(), "{} has {paths:?}", router.kind());
        }
        stage.vipcasts.iter().try_for_each(|vipcast| vipcast.alive())
    })
}
