//! A process with its elector: how it starts and ends, and what it asks of the API.

use vipcast::election::elector::{Action, Attempt, Elector, Event as Report, Input, Loss, Moment, WriteError};
use vipcast::election::record::{Record, Version};
use vipcast::election::{Fitness, Leadership};
use vipcast::time::Instant;

use crate::Broken;
use crate::api::{Answer, Request};
use crate::clock::Ms;
use crate::gocandidate::NAME;
use crate::node::Leaving;
use crate::plan::{NODES, millis};
use crate::random::Random;
use crate::world::{Asker, Event, Leave, World, name};

/// How long a process that leaves gives its withdrawals and goodbyes.
const GOODBYE: Ms = 1500;
/// How long it tries to give the lease back.
const RELEASE: Ms = 2000;

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
        it.elector = Some(Elector::new(self.setting.lease.clone(), &name(node), format!("{}/{life}", name(node))));
        self.note(|| format!("node-{node} starts, life {life}"));
        self.with(node, life, |elector, at| elector.set_fitness(at, Fitness::Fit));
        self.list(node);
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

    /// SIGTERM: withdraw, say goodbye, give the lease back, end.
    pub(crate) fn leave(&mut self, node: usize, life: u32, step: Leave) {
        if self.nodes[node].life != life || self.nodes[node].elector.is_none() {
            return;
        }
        match step {
            Leave::Release if self.nodes[node].leaving == Leaving::Quiet => {
                for router in 0..self.routers.len() {
                    self.hang_up(node, router);
                }
                self.nodes[node].leaving = Leaving::Releasing;
                self.nodes[node].bound = false;
                self.with(node, life, Elector::release);
                self.after(RELEASE, Event::Leave { node, life, step: Leave::Exit });
            }
            Leave::Release => {}
            Leave::Exit => {
                self.note(|| format!("node-{node} has left"));
                self.nodes[node].clear();
                self.weigh(node);
            }
        }
    }

    /// Begins to leave; a new process comes after `back`.
    pub(crate) fn terminate(&mut self, node: usize, back: Ms) {
        let it = &mut self.nodes[node];
        if it.elector.is_none() || it.leaving != Leaving::No {
            return;
        }
        it.leaving = Leaving::Quiet;
        let life = it.life;
        self.after(0, Event::Speak { node, life });
        self.after(GOODBYE, Event::Leave { node, life, step: Leave::Release });
        self.after(GOODBYE + RELEASE + back, Event::Start { node, life });
    }

    pub(crate) fn due(&mut self, node: usize, life: u32) {
        if self.nodes[node].life == life {
            self.nodes[node].due = None;
            self.with(node, life, |elector, at| elector.handle_timeout(at));
        }
    }

    pub(crate) fn see(&mut self, node: usize, life: u32, version: Version, record: Option<Record>) {
        self.with(node, life, |elector, at| elector.handle(at, Input::Seen { version, record }));
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
        let mut released = false;
        while let Some(action) = self.nodes[node].elector.as_mut().and_then(Elector::poll_action) {
            let (attempt, request) = match action {
                Action::Get { attempt } => (attempt, Request::Get),
                Action::Create { attempt, record } => (attempt, Request::Create(record)),
                Action::Update { attempt, record } => (attempt, Request::Update(record)),
                Action::Report(report) => {
                    released |= matches!(report, Report::Released { .. });
                    self.report(node, &report);
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
        if released {
            self.after(0, Event::Leave { node, life, step: Leave::Exit });
        }
    }

    fn report(&mut self, node: usize, report: &Report) {
        if matches!(report, Report::Lost(loss) if *loss != Loss::Expired) {
            self.nodes[node].stretched = None;
        }
        self.note(|| format!("node-{node} reports {report:?}"));
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
        if broken != Some(Broken::UntilFromAnswer) {
            return leadership;
        }
        match leadership {
            Leadership::Held { until, term, prepend, successor } => {
                let until = until + std::time::Duration::from_millis(u64::try_from(it.took).unwrap_or(0));
                it.stretched = Some((until, term));
                Leadership::Held { until, term, prepend, successor }
            }
            Leadership::Follower { .. } => match it.stretched.filter(|(until, _)| now < *until) {
                Some((until, term)) => Leadership::Held { until, term, prepend: 0, successor: None },
                None => leadership,
            },
        }
    }

    /// Sends a request through the network: it may be lost, take long, land after its caller gave up.
    fn ask(&mut self, from: Asker, request: Request) {
        let limit = millis(self.setting.lease.attempt_limit());
        self.after(limit, Event::Timeout { from, get: matches!(request, Request::Get) });
        let now = self.now;
        let (random, api) = match self.nodes.get_mut(from.node) {
            Some(node) => (&mut node.random, node.api),
            None => (&mut self.kube_vip.random, crate::node::ApiLink::default()),
        };
        let (stormy, cut) = (now < api.storm_until, now < api.cut_until);
        let lost = |random: &mut Random| stormy && random.chance(api.lost);
        if (cut && !api.heard) || lost(random) {
            return;
        }
        let there = if stormy && random.chance(api.late) { random.below(limit * 3) } else { random.below(20) };
        let silent = cut || lost(random);
        let back = if stormy && random.chance(api.late) { random.below(limit) } else { random.below(20) };
        self.after(there, Event::Arrive { from, request, back: (!silent).then_some(back) });
    }

    pub(crate) fn arrive(&mut self, from: Asker, request: Request, back: Option<Ms>) {
        let before = self.api.revision();
        let old = self.api.object.clone();
        let answer = self.api.perform(request);
        if self.api.revision() != before {
            self.written(from, old.as_ref());
            self.announce();
        }
        if let Some(back) = back {
            self.after(back, Event::Answer { from, answer });
        }
    }

    /// Tells every watch, each after its own lag, in order.
    pub(crate) fn announce(&mut self) {
        for node in 0..NODES {
            if self.now < self.nodes[node].stalled_until {
                continue;
            }
            let it = &mut self.nodes[node];
            let lag = if self.now < it.lag_until { it.random.below(it.lag) } else { it.random.below(10) };
            let (version, record) = (self.api.version(), self.api.object.clone());
            self.tell(node, lag, version, record);
        }
    }

    /// A watch begins with a list; it has the object's own version.
    pub(crate) fn list(&mut self, node: usize) {
        let record = self.api.object.clone();
        let version = record.as_ref().map_or_else(|| self.api.version(), |record| record.version.clone());
        let lag = self.nodes[node].random.below(50);
        self.tell(node, lag, version, record);
    }

    fn tell(&mut self, node: usize, lag: Ms, version: Version, record: Option<Record>) {
        let it = &mut self.nodes[node];
        if it.elector.is_some() {
            it.watch_until = it.watch_until.max(self.now + lag);
            let (at, life) = (it.watch_until, it.life);
            self.at(at, Event::Watch { node, life, version, record });
        }
    }

    pub(crate) fn answer(&mut self, from: Asker, answer: Answer) {
        if from.node == NODES {
            return self.kube_vip_answer(from, &answer);
        }
        let attempt = Attempt(from.attempt);
        let input = match answer {
            Answer::Got(record) => Input::Got { attempt, result: Ok(record) },
            Answer::Wrote(result) => {
                self.nodes[from.node].took = self.now - from.sent;
                Input::Wrote { attempt, result }
            }
        };
        self.conclude(from, input);
    }

    pub(crate) fn time_out(&mut self, from: Asker, get: bool) {
        let (attempt, text) = (Attempt(from.attempt), "no answer".to_owned());
        if from.node < NODES {
            let input = match get {
                true => Input::Got { attempt, result: Err(text) },
                false => Input::Wrote { attempt, result: Err(WriteError::Failed(text)) },
            };
            self.conclude(from, input);
        }
    }

    fn conclude(&mut self, from: Asker, input: Input) {
        let it = &mut self.nodes[from.node];
        if it.life == from.life && it.awaits == Some(from.attempt) {
            it.awaits = None;
            self.with(from.node, from.life, |elector, at| elector.handle(at, input));
        }
    }

    pub(crate) fn poll(&mut self) {
        self.kube_vip.attempt += 1;
        let from = Asker {
            node: NODES,
            life: 0,
            attempt: self.kube_vip.attempt,
            sent: self.now,
            sent_local: Instant::from_boot(std::time::Duration::ZERO),
        };
        self.ask(from, Request::Get);
        self.after(self.setting.retry_period(), Event::Poll);
    }

    fn kube_vip_answer(&mut self, from: Asker, answer: &Answer) {
        if from.attempt != self.kube_vip.attempt {
            return;
        }
        let (duration, deadline) = (self.setting.duration(), self.setting.renew_deadline());
        let wall = crate::clock::Clock::new(0, 0, self.kube_vip.wall).wall(self.now);
        match answer {
            Answer::Got(object) => {
                if let Some(request) = self.kube_vip.candidate.got(self.now, wall, object.as_ref(), duration) {
                    self.ask(from, request);
                }
            }
            Answer::Wrote(result) => {
                self.kube_vip.candidate.wrote(self.now, answer, deadline);
                if result.as_ref().is_ok_and(|record| record.spec.holder() == Some(NAME)) {
                    self.at(self.kube_vip.candidate.leads_until, Event::KubeVip);
                }
            }
        }
        self.kube_vip_speaks();
    }
}
