//! The leader leaves or is taken out of service, and another node takes the VIPs without a gap.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::causes::Cause;
use super::crowd::{Crowd, Toll};
use crate::cluster::Cluster;
use crate::lab::{VIP, VIP6, node_address, node_address6};
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::PREFIX6;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Within this time a silent connection must have been reset.
const NOT_HANGING: Duration = Duration::from_secs(3);

/// A leader keeps what it took for 10 s, fit or not.
const DWELL: Duration = Duration::from_secs(11);

/// Three nodes behind one router, and the crowd.
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a mut Cluster,
    pub(super) router: Rc<Router>,
    pub(super) vipcasts: BTreeMap<u8, Rc<Process>>,
    pub(super) crowd: Crowd,
    pub(super) leader: u8,
    /// Whether all that is measured has real-time scheduling.
    hurried: bool,
}

impl<'a> Stage<'a> {
    /// n1 leads, n2 and n3 are fit, everybody is served.
    pub(super) fn build(cluster: &'a mut Cluster, kind: Kind) -> Result<Self> {
        // Whoever carries the questions, BIRD's host carries the answers: see `Lab`.
        cluster.site.router_host(Kind::Bird)?;
        let router = cluster.site.router(kind, Conf::new(kind))?;
        cluster.site.lab.client_via(kind.number())?;
        let mut vipcasts = BTreeMap::new();
        for (number, known) in [(1, 0), (2, 1), (3, 2)] {
            vipcasts.insert(number, start(cluster, &router, number)?);
            cluster.wait_holder("n1", SOON)?;
            // One after the other: who was fit first comes first.
            wait_known(vipcasts.get(&1).context("n1 runs no vipcast")?, known)?;
        }
        wait_best(&router, 1)?;
        let crowd = Crowd::gather(&cluster.site.lab, 1)?;
        let stage = Self { cluster, router, vipcasts, crowd, leader: 1, hurried: false };
        stage.settle()?;
        Ok(stage)
    }

    pub(super) fn vipcast(&self, number: u8) -> Result<&Process> {
        self.vipcasts.get(&number).map(Rc::as_ref).with_context(|| format!("n{number} runs no vipcast"))
    }

    /// Real-time scheduling for all that is measured, also for what is started from now on: see [`Process::hurry`].
    pub(super) fn hurry(&mut self) -> Result<()> {
        self.hurried = true;
        self.router.hurry()?;
        self.crowd.hurry()?;
        self.vipcasts.values().try_for_each(|vipcast| vipcast.hurry())
    }

    /// Starts vipcast anew on a node.
    pub(super) fn start(&mut self, number: u8) -> Result<()> {
        let vipcast = start(self.cluster, &self.router, number)?;
        if self.hurried {
            vipcast.hurry()?;
        }
        self.vipcasts.insert(number, vipcast);
        Ok(())
    }

    /// Waits until all sessions are up and the leader knows both others as fit.
    pub(super) fn settle(&self) -> Result<()> {
        (1..=3).try_for_each(|number| self.router.wait_established(node_address(number), SOON))?;
        self.wait_known(self.leader, 2)
    }

    /// Waits until this node knows so many others that are fit.
    pub(super) fn wait_known(&self, number: u8, count: usize) -> Result<()> {
        wait_known(self.vipcast(number)?, count)
    }

    /// Waits until the leader has led for so long that it gives the lease away when it is not fit.
    pub(super) fn wait_dwelt(&self) -> Result<()> {
        wait::until("the leader's dwell time to be over", 2 * DWELL, || {
            let lease = self.cluster.lease()?.context("no Lease")?;
            let led = clock::wall().saturating_sub(lease.time("acquireTime")?);
            ensure!(led > DWELL, "n{} has led for {led:?}", self.leader);
            Ok(())
        })
    }

    /// Does what makes the leader go, and waits until another node serves everybody; what they felt.
    pub(super) fn move_by(&mut self, what: &str, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<Vec<Toll>> {
        let (old, before) = (self.leader, self.cluster.lease()?.context("no Lease")?.transitions());
        let from = clock::now();
        act(self)?;
        let next = self.cluster.wait_holder_other_than(old, SOON)?;
        wait_best(&self.router, next)?;
        self.crowd.wait_served(next, from)?;
        let node = self.cluster.site.node(old)?;
        wait::until("the old leader to unbind the VIPs", SOON, || {
            node.expect_address("lo", VIP.into(), false)?;
            node.expect_address("lo", VIP6.into(), false)
        })?;
        self.crowd.wait_stayers(next, from, NOT_HANGING)?;
        self.leader = next;
        let transitions = self.cluster.lease()?.context("no Lease")?.transitions();
        ensure!(transitions == before + 1, "the Lease changed hands {before} -> {transitions}");
        let tolls = self.crowd.toll(from, clock::now())?;
        for toll in &tolls {
            println!("    figure: {} by {}, n{old} to n{next}: {toll}", self.router.kind(), what);
        }
        Ok(tolls)
    }
}

fn wait_known(vipcast: &Process, count: usize) -> Result<()> {
    wait::until(&format!("vipcast to know {count} others that are fit"), SOON, || {
        let said = vipcast.said();
        let line = said.lines().rfind(|line| line.contains("other nodes fit to hold the lease"));
        let nodes = line.and_then(|line| line.split("nodes=").nth(1)).unwrap_or_default();
        let nodes = nodes.split(' ').next().unwrap_or_default().trim_matches('"');
        let known = nodes.split(',').filter(|node| !node.is_empty()).count();
        ensure!(known == count, "it knows {nodes:?}");
        Ok(())
    })
}

fn start(cluster: &mut Cluster, router: &Router, number: u8) -> Result<Rc<Process>> {
    let spec = cluster.spec(number, &[router])?.flag("address", format!("{VIP},{VIP6}"));
    cluster.site.vipcast(number, &spec)
}

fn wait_best(router: &Router, number: u8) -> Result<()> {
    router.wait_best(PREFIX, node_address(number), SOON)?;
    router.wait_best(PREFIX6, node_address6(number), SOON).map(drop)
}

/// SIGTERM of the leader, three times.
fn sigterm(cluster: &mut Cluster, kind: Kind) -> Result<()> {
    let mut stage = Stage::build(cluster, kind)?;
    for _ in 0..3 {
        let tolls = Cause::Sigterm.play(&mut stage)?;
        tolls.iter().try_for_each(|toll| toll.expect_none(kind))?;
    }
    Ok(())
}

pub(super) fn sigterm_bird(cluster: &mut Cluster) -> Result<()> {
    sigterm(cluster, Kind::Bird)
}

pub(super) fn sigterm_frr(cluster: &mut Cluster) -> Result<()> {
    sigterm(cluster, Kind::Frr)
}
