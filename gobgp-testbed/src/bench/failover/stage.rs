//! Nodes, routers and clients: one failure after the other, each from rest to rest.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::LIMIT;
use super::case::Case;
use super::contestant::{Contestant, HOLD};
use super::samples::Sample;
use crate::bench::PATIENCE;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{Cut, Net, VIP, node_address};
use crate::parts::bfd::Session;
use crate::parts::probe::{Answer, Probe};
use crate::parts::rib::Rib;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::scenarios::bfd::FAST;
use crate::site::PREFIX;
use crate::{clock, wait};

/// How often the clients ask.
const PING: Duration = Duration::from_millis(2);
/// How often their answers are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);
/// How long they are heard after the move.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// Runs differ in when they begin after a renewal; one lease renewal takes place each second.
const PHASE: Duration = Duration::from_millis(130);
/// How long a leader must have led where it matters: longer than the 10 s in which it gives the lease to nobody.
const LED: Duration = Duration::from_secs(11);

/// One contestant on three nodes.
pub(super) struct Stage<'a> {
    cluster: &'a mut Cluster,
    contestant: &'a Contestant,
    routers: Vec<Rc<Router>>,
    /// gobgpd's table, where it takes part.
    rib: Option<Rib>,
    /// One by each router that forwards.
    clients: Vec<(Kind, Host)>,
    speakers: BTreeMap<u8, Process>,
}

impl<'a> Stage<'a> {
    pub(super) fn start(cluster: &'a mut Cluster, contestant: &'a Contestant) -> Result<Self> {
        let kinds = contestant.routers();
        let bfd = contestant.standby.then_some(FAST);
        let neighbors = |_: &Kind| (1..=3).map(|node| Neighbor { bfd, ..Neighbor::new(node_address(node)) }).collect();
        let prompt = contestant.standby;
        let conf = |kind| Conf { hold: HOLD, neighbors: neighbors(&kind), prompt, ..Conf::new(kind) };
        let site = &mut cluster.site;
        let routers: Vec<_> = kinds.iter().map(|kind| site.router(*kind, conf(*kind))).collect::<Result<_>>()?;
        routers.iter().try_for_each(|router| router.hurry())?;
        let gobgpd = routers.iter().find(|router| router.kind() == Kind::Gobgpd);
        let rib = gobgpd.map(|router| Rib::watch(router)).transpose()?;
        let second = site.lab.host("client-frr", &[(Net::Client, 11)])?;
        second.ip(&format!("route add default via {}", Net::Client.v4(Kind::Frr.number())))?;
        let clients = vec![(Kind::Bird, site.lab.client.clone()), (Kind::Frr, second)];
        let mut stage = Self { cluster, contestant, routers, rib, clients, speakers: BTreeMap::new() };
        (1..=3).try_for_each(|number| stage.speak(number))?;
        Ok(stage)
    }

    fn speak(&mut self, number: u8) -> Result<()> {
        let environment = self.contestant.environment(number, &self.cluster.kubeconfig(number)?);
        let arrange = |command: &mut Command| {
            command.arg("manager").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(environment);
        };
        let process = self.cluster.site.node(number)?.spawn("speaker", &self.contestant.program, arrange)?;
        process.hurry()?;
        self.speakers.insert(number, process);
        Ok(())
    }

    pub(super) fn report(&mut self) -> String {
        let logs: String = (self.speakers.values())
            .map(|process| format!("--- {}\n{}\n", process.log().path().display(), process.log().tail(25)))
            .collect();
        self.cluster.site.lab.run.keep_logs();
        self.cluster.report() + &logs
    }

    /// Strikes the leader, waits for the next one, brings the old one back and waits until all is at rest again.
    pub(super) fn play(&mut self, case: Case, run: u32) -> Result<Vec<Sample>> {
        let leader = self.settle(case.needs_a_settled_leader())?;
        sleep(PHASE * run);
        let before = self.cluster.lease()?.context("there is no Lease")?.transitions();
        let clients = self.clients.iter();
        let probes: Vec<(Kind, Probe)> = clients
            .map(|(kind, host)| Ok((*kind, Probe::start(host, IpAddr::V4(VIP), PING)?)))
            .collect::<Result<_>>()?;
        for (_, probe) in &probes {
            probe.hurry()?;
            probe.wait_answer(leader, Duration::ZERO, PATIENCE)?;
        }
        let from = clock::now();
        self.deal(case, leader)?;
        let next = self.await_next(&probes, leader, from)?;
        let end = clock::now();
        self.undo(case, leader)?;
        self.settle(false)?;
        let moves = self.cluster.lease()?.context("there is no Lease")?.transitions().saturating_sub(before);
        let sample = |router: Kind, silence, strays| {
            let program = self.contestant.name.clone();
            Sample { program, case, router: router.to_string(), run, silence, strays, moves }
        };
        let mut samples = Vec::new();
        for ((kind, probe), next) in probes.iter().zip(next) {
            let silence = next.map(|_| probe.silence(from, end)).transpose()?;
            let strays =
                next.map(|next| strays(&probe.answers().unwrap_or_default(), leader, next)).unwrap_or_default();
            samples.push(sample(*kind, silence, strays));
        }
        if let Some(rib) = &self.rib {
            let moved = rib.wait("the next node's route", from, Duration::ZERO, |change| {
                change.prefix == PREFIX && !change.gone && change.next_hop != Some(node_address(leader))
            });
            samples.push(sample(Kind::Gobgpd, moved.ok().map(|change| change.at.saturating_sub(from)), 0));
        }
        let shown: Vec<String> = samples.iter().map(|one| format!("{} {:?}", one.router, one.silence)).collect();
        println!("  {case}, run {run}: n{leader}; {}; moves {moves}, strays {}", shown.join(", "), total(&samples));
        Ok(samples)
    }

    /// Waits until all sessions are up and the lease's holder serves, alone or with worse paths beside it; who that is.
    fn settle(&self, led: bool) -> Result<u8> {
        for router in &self.routers {
            (1..=3).try_for_each(|number| router.wait_established(node_address(number), PATIENCE))?;
        }
        let wanted = if self.contestant.standby { 3 } else { 1 };
        // A session that is up has no BFD yet: until it has, only the next holder moves the traffic.
        for router in self.routers.iter().filter(|_| self.contestant.standby) {
            (1..=3).try_for_each(|number| {
                router.wait_bfd(node_address(number), "up", PATIENCE, Session::is_up).map(drop)
            })?;
        }
        wait::until("the lease's holder to serve", PATIENCE, || {
            let lease = self.cluster.lease()?.context("there is no Lease")?;
            let leader: Option<u8> = lease.holder().strip_prefix('n').and_then(|number| number.parse().ok());
            let leader = leader.with_context(|| format!("it is held by {:?}", lease.holder()))?;
            for router in &self.routers {
                let paths = router.paths(PREFIX)?;
                let best = paths.iter().find(|path| path.best).map(|path| path.next_hop);
                let served = best == Some(node_address(leader)) && paths.len() == wanted;
                ensure!(served, "n{leader} holds the lease, {} has {paths:?}", router.kind());
            }
            let since = clock::wall().saturating_sub(lease.time("acquireTime")?);
            ensure!(!led || since >= LED, "n{leader} has held the lease for {since:?}");
            Ok(leader)
        })
    }

    /// Waits until another node has answered every client and holds the lease; each client's first such answer.
    fn await_next(&self, probes: &[(Kind, Probe)], leader: u8, from: Duration) -> Result<Vec<Option<Duration>>> {
        let first = |probe: &Probe| -> Result<Option<Duration>> {
            let answers = probe.answers()?;
            let next = answers.iter().find(|one| one.sent >= from && one.node.is_some_and(|node| node != leader));
            Ok(next.map(|answer| answer.received))
        };
        let other = self.cluster.api(leader % 3 + 1)?;
        loop {
            sleep(LOOK);
            let next: Vec<_> = probes.iter().map(|(_, probe)| first(probe)).collect::<Result<_>>()?;
            let moved = next.iter().all(Option::is_some)
                && other.lease()?.is_some_and(|lease| !["", &format!("n{leader}")].contains(&lease.holder()));
            if moved {
                sleep(AFTERWARDS);
                return Ok(next);
            }
            if clock::since(from) > LIMIT {
                return Ok(next);
            }
        }
    }

    fn speaker(&self, number: u8) -> Result<&Process> {
        self.speakers.get(&number).with_context(|| format!("nothing runs on n{number}"))
    }

    fn deal(&mut self, case: Case, leader: u8) -> Result<()> {
        let node = self.cluster.site.node(leader)?.clone();
        match case {
            Case::Stopped => self.speaker(leader)?.term(),
            Case::Killed => {
                self.speaker(leader)?.kill();
                Ok(())
            }
            Case::Frozen => self.speaker(leader)?.freeze(),
            Case::NodeFrozen => {
                self.speaker(leader)?.freeze()?;
                self.server(leader)?.process()?.freeze()?;
                self.cut_off(&node)
            }
            Case::CutOff => self.cut_off(&node),
            Case::PowerLoss => {
                // It must not live to see one link go before the other.
                self.speaker(leader)?.freeze()?;
                self.cluster.site.lab.power_off(&node)?;
                self.speaker(leader)?.kill();
                self.server(leader)?.kill();
                Ok(())
            }
            Case::NoCarrier => self.cluster.site.lab.carrier(&node, Net::Data, false),
            Case::UplinkSilent => self.cluster.site.lab.cut(&node, Net::Data, Cut::Both),
        }
    }

    fn cut_off(&self, node: &Host) -> Result<()> {
        self.cluster.site.lab.cut(node, Net::Data, Cut::Both)?;
        self.cluster.site.lab.cut(node, Net::Management, Cut::Both)
    }

    fn server(&mut self, number: u8) -> Result<&mut crate::parts::apiserver::ApiServer> {
        let index = usize::from(number).saturating_sub(1);
        self.cluster.servers.get_mut(index).with_context(|| format!("no API server on n{number}"))
    }

    fn undo(&mut self, case: Case, leader: u8) -> Result<()> {
        let node = self.cluster.site.node(leader)?.clone();
        match case {
            Case::Stopped => {
                self.speaker(leader)?.wait_exit(PATIENCE)?;
                self.speak(leader)
            }
            Case::Killed => self.speak(leader),
            Case::Frozen => self.speaker(leader)?.thaw(),
            Case::NodeFrozen => {
                self.cluster.site.lab.heal_all()?;
                self.server(leader)?.process()?.thaw()?;
                self.speaker(leader)?.thaw()
            }
            Case::CutOff | Case::UplinkSilent => self.cluster.site.lab.heal_all(),
            Case::PowerLoss => {
                self.cluster.site.lab.power_on(&node, leader)?;
                let server = self.server(leader)?;
                server.restart()?;
                server.wait_ready(PATIENCE)?;
                self.speak(leader)
            }
            Case::NoCarrier => self.cluster.site.lab.carrier(&node, Net::Data, true),
        }
    }
}

/// How often `node` answered after another one had, `since`.
fn strays(answers: &[Answer], node: u8, since: Duration) -> usize {
    answers.iter().filter(|answer| answer.received > since && answer.node == Some(node)).count()
}

fn total(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| sample.strays).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_old_node_count_from_the_next_ones_first_on() {
        let at = |millis, node| {
            let time = Duration::from_millis(millis);
            Answer { sent: time, received: time, node: Some(node) }
        };
        let answers = [at(100, 1), at(110, 2), at(400, 1), at(410, 2)];
        let strays = |node, since| strays(&answers, node, Duration::from_millis(since));
        assert_eq!([strays(1, 50), strays(1, 110), strays(1, 400), strays(3, 0)], [2, 1, 0, 0]);
    }
}
