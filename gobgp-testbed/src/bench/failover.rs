//! Three nodes: the leader leaves, dies, is cut off, freezes; how long the client hears nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{
    CUT_NEXT, CUT_SILENCE, FREEZE_NEXT, FREEZE_SILENCE, FREEZE_STALE, Figure, Figures, KILL_NEXT, KILL_SILENCE,
    TERM_NEXT, TERM_SILENCE, Who,
};
use super::{PATIENCE, RUNS, millis};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net, VIP, node_address};
use crate::parts::probe::{Answer, Probe};
use crate::parts::rib::Rib;
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// How long the client is heard after the move: long enough to see traffic go to the wrong node.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// Runs differ in when they begin after a renewal; one lease renewal takes place each second.
const PHASE: Duration = Duration::from_millis(200);

/// What happens to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Term,
    Kill,
    Cut,
    Freeze,
}

impl Blow {
    const ALL: [Self; 4] = [Self::Term, Self::Kill, Self::Cut, Self::Freeze];

    fn figures(self) -> (&'static Figure, &'static Figure) {
        match self {
            Self::Term => (&TERM_NEXT, &TERM_SILENCE),
            Self::Kill => (&KILL_NEXT, &KILL_SILENCE),
            Self::Cut => (&CUT_NEXT, &CUT_SILENCE),
            Self::Freeze => (&FREEZE_NEXT, &FREEZE_SILENCE),
        }
    }
}

struct Field<'a> {
    cluster: &'a mut Cluster,
    /// Whose table tells of the next holder's route, and the one that carries the client's traffic.
    routers: [Rc<Router>; 2],
    rib: Rib,
    vipcasts: BTreeMap<u8, Rc<Process>>,
}

pub(super) fn measure(cluster: &mut Cluster, figures: &mut Figures) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let rib = Rib::watch(&gobgpd)?;
    let mut field = Field { cluster, routers: [gobgpd, bird], rib, vipcasts: BTreeMap::new() };
    (1..=3).try_for_each(|number| field.start(number))?;
    for blow in Blow::ALL {
        for run in 1..=RUNS {
            let leader = field.settle()?;
            sleep(PHASE * run);
            let silence = field.strike(blow, leader, figures)?;
            println!("  {blow:?}, run {run} of {RUNS}: n{leader}, {:.0} ms of silence", silence.as_secs_f64() * 1000.0);
            field.undo(blow, leader)?;
        }
    }
    Ok(())
}

impl Field<'_> {
    fn start(&mut self, number: u8) -> Result<()> {
        let spec = self.cluster.spec(number, &self.routers.each_ref().map(Rc::as_ref))?;
        let vipcast = self.cluster.site.vipcast(number, &spec)?;
        self.vipcasts.insert(number, vipcast);
        Ok(())
    }

    /// Waits until all sessions are up and one node alone announces, the one that holds the lease.
    fn settle(&self) -> Result<u8> {
        for router in &self.routers {
            (1..=3).try_for_each(|number| router.wait_established(node_address(number), PATIENCE))?;
        }
        wait::until("the lease's holder alone to announce", PATIENCE, || {
            let leader = self.cluster.wait_leader(Duration::ZERO)?;
            for router in &self.routers {
                let paths = router.paths(PREFIX)?;
                let hops: Vec<IpAddr> = paths.iter().map(|path| path.next_hop).collect();
                ensure!(hops == [node_address(leader)], "n{leader} holds the lease, {} has {paths:?}", router.kind());
            }
            Ok(leader)
        })
    }

    /// Strikes the leader and measures until another node serves the client; the client's longest silence.
    fn strike(&self, blow: Blow, leader: u8, figures: &mut Figures) -> Result<Duration> {
        let probe = Probe::start(&self.cluster.site.lab.client, IpAddr::V4(VIP), Duration::from_millis(2))?;
        probe.wait_answer(leader, Duration::ZERO, PATIENCE)?;
        let from = clock::now();
        self.deal(blow, leader)?;
        let moved = self.rib.wait("the next node's route", from, PATIENCE, |change| {
            change.prefix == PREFIX && !change.gone && change.next_hop != Some(node_address(leader))
        })?;
        let next = (1..=3).find(|number| moved.next_hop == Some(node_address(*number)));
        let next = next.with_context(|| format!("no node's route: {moved:?}"))?;
        probe.wait_answer(next, from, PATIENCE)?;
        sleep(AFTERWARDS);
        let silence = probe.silence(from, clock::now())?;
        let (route, silent) = blow.figures();
        figures.add(route, Who::Vipcast, millis(from, moved.at));
        figures.add(silent, Who::Vipcast, silence.as_secs_f64() * 1000.0);
        if blow == Blow::Freeze {
            let stale = stale(&probe.answers()?, leader, moved.at);
            figures.add(&FREEZE_STALE, Who::Vipcast, millis(Duration::ZERO, stale));
        }
        Ok(silence)
    }

    fn vipcast(&self, number: u8) -> Result<&Process> {
        self.vipcasts.get(&number).map(Rc::as_ref).with_context(|| format!("no vipcast on n{number}"))
    }

    fn deal(&self, blow: Blow, leader: u8) -> Result<()> {
        match blow {
            Blow::Term => self.vipcast(leader)?.term(),
            Blow::Kill => {
                self.vipcast(leader)?.kill();
                Ok(())
            }
            Blow::Freeze => self.vipcast(leader)?.freeze(),
            Blow::Cut => {
                let node = self.cluster.site.node(leader)?;
                self.cluster.site.lab.cut(node, Net::Data, Cut::Both)?;
                self.cluster.site.lab.cut(node, Net::Management, Cut::Both)
            }
        }
    }

    fn undo(&mut self, blow: Blow, leader: u8) -> Result<()> {
        match blow {
            Blow::Term => {
                self.vipcast(leader)?.wait_exit(PATIENCE)?;
                self.start(leader)
            }
            Blow::Kill => self.start(leader),
            Blow::Freeze => self.vipcast(leader)?.thaw(),
            Blow::Cut => self.cluster.site.lab.heal_all(),
        }
    }
}

/// How long `node` still answered after another one's route was there.
fn stale(answers: &[Answer], node: u8, moved: Duration) -> Duration {
    let last = answers.iter().rfind(|answer| answer.node == Some(node));
    last.map_or(Duration::ZERO, |last| last.received.saturating_sub(moved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_old_node_count_from_the_move_on() {
        let at = |millis, node| {
            let time = Duration::from_millis(millis);
            Answer { sent: time, received: time, node: Some(node) }
        };
        let answers = [at(100, 1), at(110, 2), at(400, 1), at(410, 2)];
        let stale = |node, moved| stale(&answers, node, Duration::from_millis(moved)).as_millis();
        assert_eq!([stale(1, 105), stale(1, 400), stale(1, 405), stale(3, 0)], [295, 0, 0, 0]);
    }
}
