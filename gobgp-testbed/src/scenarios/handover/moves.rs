//! The leader leaves or is taken out of service, and another node takes the VIPs without a gap.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::crowd::{Crowd, Toll};
use crate::cluster::Cluster;
use crate::lab::{VIP, VIP6, node_address, node_address6};
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::visitor::Manner;
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::{PREFIX6, figure};
use crate::site::{PREFIX, Site, check_tools};
use crate::{clock, wait};

/// Within this time a silent connection must have been reset.
const NOT_HANGING: Duration = Duration::from_secs(3);

/// Three nodes behind one router, and the crowd.
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a mut Cluster,
    pub(super) router: Rc<Router>,
    pub(super) vipcasts: BTreeMap<u8, Rc<Process>>,
    pub(super) crowd: Crowd,
    pub(super) leader: u8,
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
        let stage = Self { cluster, router, vipcasts, crowd, leader: 1 };
        stage.settle()?;
        Ok(stage)
    }

    pub(super) fn vipcast(&self, number: u8) -> Result<&Process> {
        self.vipcasts.get(&number).map(Rc::as_ref).with_context(|| format!("n{number} runs no vipcast"))
    }

    /// Starts vipcast anew on a node.
    pub(super) fn start(&mut self, number: u8) -> Result<()> {
        let vipcast = start(self.cluster, &self.router, number)?;
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

/// SIGTERM of the leader, and its start, so often.
pub(super) fn leave(stage: &mut Stage<'_>, times: u32) -> Result<Vec<Toll>> {
    let mut tolls = Vec::new();
    for _ in 0..times {
        let leader = stage.leader;
        let felt = stage.move_by("SIGTERM", |stage| {
            let vipcast = stage.vipcast(leader)?;
            let asked = clock::now();
            vipcast.term()?;
            let status = vipcast.wait_exit(SOON)?;
            figure("SIGTERM to the end of the process", clock::since(asked));
            ensure!(status.code() == Some(0), "vipcast on n{leader} ended with {status}");
            let said = vipcast.said();
            ensure!(!said.contains("gave the lease back"), "the Lease was given back, not handed over");
            Ok(())
        })?;
        tolls.extend(felt);
        stage.start(leader)?;
        stage.settle()?;
    }
    Ok(tolls)
}

/// So many handovers by each router, and what they cost in all.
///
/// # Errors
/// When one does not come off, or the cluster does not come up.
pub fn handovers(times: u32) -> Result<()> {
    check_tools()?;
    let mut cluster = Cluster::start(Site::build()?)?;
    for kind in [Kind::Bird, Kind::Frr] {
        cluster.reset()?;
        let tolls = leave(&mut Stage::build(&mut cluster, kind)?, times)?;
        for family in ["IPv4", "IPv6"] {
            summary(kind, family, &tolls.iter().filter(|toll| toll.family == family).collect::<Vec<_>>());
        }
    }
    Ok(())
}

fn summary(kind: Kind, family: &str, tolls: &[&Toll]) {
    let sum = |count: fn(&Toll) -> usize| tolls.iter().map(|toll| count(toll)).sum::<usize>();
    let (times, worst) = (tolls.len(), tolls.iter().map(|toll| toll.lost).max().unwrap_or_default());
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{kind} {family}: {times} handovers; of 500 questions a second {} lost in all, {worst} at worst; of {} new \
         connections {} failed, {} reset",
        sum(|toll| toll.lost),
        sum(|toll| toll.came),
        sum(|toll| toll.failed.len()),
        sum(|toll| toll.cut.len()),
    );
    for manner in [Manner::Talking, Manner::Silent] {
        let stays = tolls.iter().flat_map(|toll| &toll.stayed).filter(|(of, ..)| *of == manner);
        let mut resets: Vec<(Duration, Duration)> = stays.map(|(_, out, back)| (*out, *back)).collect();
        resets.sort();
        let (Some(median), Some(last)) = (resets.get(resets.len() / 2), resets.last()) else { continue };
        let slowest = resets.iter().map(|(_, back)| *back).max().unwrap_or_default();
        println!(
            "{kind} {family}: kept-alive connections ({manner:?}) reset {:.0} ms after SIGTERM in the median, {:.0} ms at \
             worst; back {:.1} ms later at worst",
            millis(median.0),
            millis(last.0),
            millis(slowest)
        );
    }
}

/// SIGTERM of the leader, three times.
fn sigterm(cluster: &mut Cluster, kind: Kind) -> Result<()> {
    let mut stage = Stage::build(cluster, kind)?;
    let tolls = leave(&mut stage, 3)?;
    tolls.iter().try_for_each(|toll| toll.expect_none(kind))
}

pub(super) fn sigterm_bird(cluster: &mut Cluster) -> Result<()> {
    sigterm(cluster, Kind::Bird)
}

pub(super) fn sigterm_frr(cluster: &mut Cluster) -> Result<()> {
    sigterm(cluster, Kind::Frr)
}
