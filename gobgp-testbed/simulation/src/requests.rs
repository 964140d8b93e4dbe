//! Between candidates and the API: requests, answers, watches; and kube-vip's turn.

use vipcast::election::elector::{Attempt, Input, WriteError};
use vipcast::election::record::{INSTANCE, OFFER, Record, Version};
use vipcast::time::Instant;

use crate::Broken;
use crate::api::{Answer, Request};
use crate::clock::{Clock, Ms};
use crate::gocandidate::NAME;
use crate::plan::{NODES, millis};
use crate::random::Random;
use crate::world::{Asker, Event, World};

/// A record with an old offer in it, as if its holder had made that offer in this very record.
#[must_use]
pub fn as_if_offered(mut record: Record) -> Record {
    let Some(offer) = record.annotations.get(OFFER) else { return record };
    let to = offer.rsplit(' ').next().unwrap_or_default();
    let stamp = record.term().zip(record.spec.renew_time).zip(record.spec.holder());
    let Some(((term, renewed), holder)) = stamp else { return record };
    let offer = format!("{term} {} {to}", renewed.0);
    let stranger = (!record.is_of_vipcast()).then(|| format!("{holder}/stale"));
    record.annotations.insert(OFFER.to_owned(), offer);
    if let Some(instance) = stranger {
        record.annotations.insert(INSTANCE.to_owned(), instance);
    }
    record
}

impl World {
    /// Sends a request through the network: it may be lost, take long, land after its caller gave up.
    pub(crate) fn ask(&mut self, from: Asker, request: Request) {
        let limit = millis(self.setting.lease.attempt_limit());
        self.after(limit, Event::Timeout { from, get: matches!(request, Request::Get) });
        let now = self.now;
        let (random, api) = match self.nodes.get_mut(from.node) {
            Some(node) => (&mut node.random, node.api),
            None => (&mut self.kube_vip.random, self.kube_vip.api),
        };
        let (stormy, cut) = (now < api.storm_until, now < api.cut_until);
        let lost = |random: &mut Random| stormy && random.chance(api.lost);
        if (cut && !api.heard) || lost(random) {
            return;
        }
        let there = if stormy && random.chance(api.late) { random.below(limit * 3) } else { random.below(20) };
        let silent = cut || lost(random);
        let back = if stormy && random.chance(api.late) { random.below(limit) } else { random.below(20) };
        self.after(there, Event::Arrive { from, request: Box::new(request), back: (!silent).then_some(back) });
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
            self.after(back, Event::Answer { from, answer: Box::new(answer) });
        }
    }

    /// Tells every watch, each after its own lag, in order.
    pub(crate) fn announce(&mut self) {
        self.look_up_newest();
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

    pub(crate) fn see(&mut self, node: usize, life: u32, version: Version, record: Option<Record>) {
        let record = record.map(|record| self.shown(record));
        if self.nodes[node].life == life {
            self.inform(node, record.as_ref());
        }
        self.with(node, life, |elector, at| elector.handle(at, Input::Seen { version, record }));
    }

    /// The record as an elector is shown it. The defect: what it offers always stands.
    fn shown(&self, record: Record) -> Record {
        if self.broken == Some(Broken::StaleOffer) { as_if_offered(record) } else { record }
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
            self.at(at, Event::Watch { node, life, version, record: record.map(Box::new) });
        }
    }

    pub(crate) fn answer(&mut self, from: Asker, answer: Answer) {
        if from.node == NODES {
            return self.kube_vip_answer(from, &answer);
        }
        let attempt = Attempt(from.attempt);
        let input = match answer {
            Answer::Got(record) => {
                let record = record.map(|record| self.shown(record));
                if self.nodes[from.node].life == from.life {
                    self.inform(from.node, record.as_ref());
                }
                Input::Got { attempt, result: Ok(record) }
            }
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
        let wall = Clock::new(0, 0, self.kube_vip.wall).wall(self.now);
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
