//! A process with its elector: how it starts and ends, and who it believes may speak.

use std::time::Duration;

use vipcast::election::elector::{Action, Elector, Event as Report, Loss, Moment};
use vipcast::election::fence::{Fence, Notice};
use vipcast::election::{Fitness, Leadership, instance};

use crate::Broken;
use crate::api::Request;
use crate::clock::Ms;
use crate::node::Leaving;
use crate::world::{Asker, Event, Leave, World, name};

/// How long a process that leaves waits for another to take the lease.
const HANDING_OVER: Ms = 15_000;
/// How long it gives its withdrawals and goodbyes.
const GOODBYE: Ms = 1500;
/// How long it tries to give the lease back.
const RELEASE: Ms = 2000;
/// All of it.
pub(crate) const LEAVES: Ms = HANDING_OVER + GOODBYE + RELEASE;

impl World {
    /// Starts a process in place of life number `life`, if nobody did before.
    pub(crate) fn start(&mut self, node: usize, life: u32) {
        let it = &mut self.nodes[node];
        if it.life != life || it.elector.is_some() {
            return;
        }
        it.powered = true;
        it.life += 1;
        let life = it.life;
        let id = instance(&name(node), &life.to_string());
        let mut elector = Elector::new(self.setting.lease.clone(), &name(node), id);
        elector.set_fence(Fence::new(self.setting.asn(node), self.setting.step));
        elector.set_stale(self.setting.stale());
        it.elector = Some(elector);
        (it.started, it.fitness, it.informed) = (self.now, Fitness::Unknown, None);
        self.note(|| format!("node-{node} starts, life {life}"));
        self.with(node, life, |elector, at| elector.handle_timeout(at));
        self.list(node);
        self.stand(node, life);
        for router in 0..self.routers.len() {
            if self.setting.fabric.wired(node, router) {
                let delay = self.nodes[node].random.below(500);
                self.after(delay, Event::Connect { node, life, router });
            }
        }
    }

    /// The process is gone; the kernel closes its sockets, and another process comes after `back`.
    pub(crate) fn kill(&mut self, node: usize, back: Ms) {
        if self.nodes[node].elector.is_none() {
            return;
        }
        for router in 0..self.routers.len() {
            self.hang_up(node, router);
        }
        self.nodes[node].clear();
        self.weigh(node);
        let life = self.nodes[node].life;
        self.after(back, Event::Start { node, life });
    }

    /// SIGTERM: hand over, withdraw, say goodbye, give the lease back, end. A new process comes after `back`.
    pub(crate) fn terminate(&mut self, node: usize, back: Ms) {
        let it = &mut self.nodes[node];
        it.back = back;
        let life = it.life;
        self.after(0, Event::Leave { node, life, step: Leave::Begin });
    }

    fn hand_over(&mut self, node: usize, life: u32) {
        self.nodes[node].leaving = Leaving::HandingOver;
        if self.broken == Some(Broken::EmptyHandover) {
            return self.empty(node, life);
        }
        if self.broken == Some(Broken::NoHandover) {
            return self.leave(node, life, Leave::Withdraw);
        }
        self.after(HANDING_OVER, Event::Leave { node, life, step: Leave::Withdraw });
        self.with(node, life, Elector::hand_over);
    }

    /// The defect: the lease is given back at once, and the routes stay until the entitlement ends.
    fn empty(&mut self, node: usize, life: u32) {
        let it = &mut self.nodes[node];
        if let Some(elector) = &it.elector
            && let Leadership::Held { until, term, .. } = elector.leadership(it.clock.now(self.now))
        {
            it.stretched = Some((until, term));
        }
        self.with(node, life, Elector::release);
        self.after(self.setting.renew_deadline(), Event::Leave { node, life, step: Leave::Exit });
    }

    /// The next step of leaving, if it was not taken before.
    pub(crate) fn leave(&mut self, node: usize, life: u32, step: Leave) {
        let it = &mut self.nodes[node];
        if it.life != life || it.elector.is_none() {
            return;
        }
        match (step, it.leaving) {
            (Leave::Begin, Leaving::No) => self.hand_over(node, life),
            (Leave::Withdraw, Leaving::HandingOver) => {
                it.leaving = Leaving::Quiet;
                self.after(0, Event::Speak { node, life });
                self.after(GOODBYE, Event::Leave { node, life, step: Leave::Release });
            }
            (Leave::Release, Leaving::Quiet) => {
                it.leaving = Leaving::Releasing;
                it.bound = false;
                for router in 0..self.routers.len() {
                    self.hang_up(node, router);
                }
                self.with(node, life, Elector::release);
                self.after(RELEASE, Event::Leave { node, life, step: Leave::Exit });
            }
            (Leave::Exit, _) => {
                let back = it.back;
                it.bound = false;
                self.note(|| format!("node-{node} has left"));
                self.kill(node, back);
            }
            (Leave::Begin | Leave::Withdraw | Leave::Release, _) => {}
        }
    }

    pub(crate) fn due(&mut self, node: usize, life: u32) {
        if self.nodes[node].life == life {
            self.nodes[node].due = None;
            self.with(node, life, |elector, at| elector.handle_timeout(at));
        }
    }

    /// Lets the elector act, and does what it wants.
    pub(crate) fn with(&mut self, node: usize, life: u32, act: impl FnOnce(&mut Elector, Moment)) {
        let it = &mut self.nodes[node];
        let at = it.clock.moment(self.now);
        let Some(elector) = it.elector.as_mut().filter(|_| it.life == life) else { return };
        act(elector, at);
        let leadership = elector.leadership(at.now);
        let changed = it.published != leadership;
        it.published = leadership;
        while let Some(action) = self.nodes[node].elector.as_mut().and_then(Elector::poll_action) {
            let (attempt, request) = match action {
                Action::Get { attempt } => (attempt, Request::Get),
                Action::Create { attempt, record } => (attempt, Request::Create(record)),
                Action::Update { attempt, record } => (attempt, Request::Update(record)),
                Action::Report(report) => {
                    self.report(node, life, &report);
                    continue;
                }
            };
            let from = Asker { node, life, attempt: attempt.0, sent: self.now, sent_local: at.now };
            self.nodes[node].awaits = Some(attempt.0);
            self.ask(from, request);
        }
        self.schedule(node, life);
        if changed {
            self.speak_soon(node);
        }
    }

    fn report(&mut self, node: usize, life: u32, report: &Report) {
        self.note(|| format!("node-{node} reports {report:?}"));
        match report {
            Report::HandedOver { .. } => self.after(0, Event::Leave { node, life, step: Leave::Withdraw }),
            Report::Released { .. } if self.nodes[node].leaving == Leaving::Releasing => {
                self.after(0, Event::Leave { node, life, step: Leave::Exit });
            }
            Report::Fence(Notice::Spent { .. }) => self.said_spent(node),
            Report::Lost(loss) if *loss != Loss::Expired && self.broken != Some(Broken::EmptyHandover) => {
                self.nodes[node].stretched = None;
            }
            _ => {}
        }
    }

    fn schedule(&mut self, node: usize, life: u32) {
        let it = &mut self.nodes[node];
        let next = it.elector.as_ref().and_then(Elector::next_deadline);
        if next != it.due {
            it.due = next;
            if let Some(next) = next {
                let at = it.clock.when(next, self.now);
                self.at(at, Event::Due { node, life });
            }
        }
    }

    /// Its own view of who may speak.
    pub(crate) fn leadership(&mut self, node: usize) -> Leadership {
        let broken = self.broken;
        let it = &mut self.nodes[node];
        let now = it.clock.now(self.now);
        let Some(elector) = &it.elector else { return Leadership::UNKNOWN };
        let leadership = elector.leadership(now);
        let stretched = it.stretched.filter(|(until, _)| now < *until);
        match (leadership, broken, stretched) {
            (Leadership::Held { until, term, prepend, successor }, Some(Broken::UntilFromAnswer), _) => {
                let until = until + Duration::from_millis(u64::try_from(it.took).unwrap_or(0));
                it.stretched = Some((until, term));
                Leadership::Held { until, term, prepend, successor }
            }
            (Leadership::Follower { .. }, Some(_), Some((until, term))) => {
                Leadership::Held { until, term, prepend: 0, successor: None }
            }
            (leadership, _, _) => leadership,
        }
    }
}
