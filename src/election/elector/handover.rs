//! Planned handover: the holder offers, the successor takes the record from it, and the old holder speaks until the new
//! one's routes are out. The lease is never empty in between.
//!
//! An offer stands for one retry period; then it is taken back, and made to the next candidate. It names a process and
//! the very record it stands in: no restarted process and no other holder can take it up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::types::{Event, Holding, Loss, Moment};
use super::{Elector, Leaving, Past, View};
use crate::election::record::Record;
use crate::election::{Candidate, Fitness};
use crate::time::Instant;

/// How long the old holder stays entitled when it hears that the successor's routes are out: routers may take half a
/// second to choose them, and the withdrawal begins a quarter of a second before the end.
const OVERLAP: Duration = Duration::from_millis(750);

/// For how many retry periods who leaves tries to write an offer.
const WRITING: u32 = 2;

/// How long a holder keeps the lease before it hands over because it is not fit any more: where every node is unsteady
/// the lease does not go round in a circle.
pub const DWELL: Duration = Duration::from_secs(10);

/// Whom the lease may be offered to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Offers {
    /// Other nodes that are fit, best first.
    candidates: Vec<Candidate>,
    /// The processes that did not take it.
    tried: BTreeSet<String>,
    /// When those may be tried again.
    again_at: Option<Instant>,
    /// When who leaves waits no longer for an offer to be written.
    give_up_at: Option<Instant>,
}

impl Offers {
    fn next(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| !self.tried.contains(&candidate.instance))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }
}

/// The end of our term, after another took our offer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Parting {
    pub term: u64,
    pub until: Instant,
    /// Who took it: the node and its process.
    pub to: Candidate,
    acknowledged: bool,
}

impl Elector {
    /// Other nodes that are fit to hold the lease, best first.
    pub fn set_candidates(&mut self, at: Moment, candidates: Vec<Candidate>) {
        self.expire(at.now);
        if self.offers.candidates != candidates {
            // Who did not take it is not asked again because of somebody else.
            self.offers.tried.retain(|tried| candidates.iter().any(|candidate| candidate.instance == *tried));
            self.offers.candidates = candidates;
        }
        self.plan(at);
    }

    /// Our routes are out: bound, and told to every peer whose session is up. Who handed the lease to us in `term` may
    /// fall silent.
    pub fn announced(&mut self, at: Moment, term: u64) {
        self.expire(at.now);
        if let View::Ours(held) = &mut self.view
            && held.term == term
        {
            held.announced = true;
        }
        self.plan(at);
    }

    /// We are about to go: offers the lease, if it is ours, to whoever is fit. [`Event::HandedOver`] says that another
    /// has it and speaks, or that there is nobody; until then a held lease is renewed. From now on we claim nothing.
    pub fn hand_over(&mut self, at: Moment) {
        self.expire(at.now);
        if self.leaving == Leaving::No {
            self.leaving = Leaving::HandingOver;
            self.offers.tried.clear();
            self.offers.give_up_at = Some(at.now + self.config.retry_period * WRITING);
        }
        self.plan(at);
    }

    /// When [`Self::finish_handover`] gives up.
    pub(super) fn give_up_at(&self) -> Option<Instant> {
        match &self.view {
            View::Ours(Holding { offer: None, .. }) if self.leaving == Leaving::HandingOver => self.offers.give_up_at,
            View::Unknown | View::Gone { .. } | View::Theirs { .. } | View::Ours(_) => None,
        }
    }

    /// When to renew: at once, where there is something to say.
    pub(super) fn renew_at(&self, held: &Holding) -> Instant {
        let word = (held.owes_word && held.announced).then_some(self.not_before);
        let offer = held.offer.is_none().then(|| self.offer_at(held)).flatten();
        word.into_iter().chain(offer).fold(held.renew_at, Instant::min)
    }

    /// From when on we want another to take the lease, if there is one who may.
    fn offer_at(&self, held: &Holding) -> Option<Instant> {
        let from = match (self.leaving, self.fitness) {
            (Leaving::HandingOver, _) | (Leaving::No, Fitness::Drained) => held.taken_at,
            (Leaving::No, Fitness::Unfit | Fitness::Unheard) => held.taken_at + DWELL,
            (Leaving::No, Fitness::Unknown | Fitness::Fit | Fitness::Starting)
            | (Leaving::HandedOver | Leaving::Asked | Leaving::Done, _) => return None,
        };
        match (self.offers.next(), self.offers.again_at) {
            (Some(_), _) => Some(from),
            (None, Some(again)) if !self.offers.is_empty() && self.leaving == Leaving::No => Some(again.max(from)),
            (None, _) => None,
        }
    }

    /// To whom the lease is offered in the renewal that is sent now.
    pub(super) fn next_offer(&self, now: Instant) -> Option<Candidate> {
        let View::Ours(held) = &self.view else { return None };
        let is_due = self.live && self.offer_at(held).is_some_and(|at| now >= at);
        // Where all were tried it is the first one's turn again.
        let to = self.offers.next().or_else(|| self.offers.candidates.first());
        to.filter(|_| is_due).cloned()
    }

    /// The lease stands under offer now.
    pub(super) fn note_offer(&mut self, now: Instant, to: &Candidate) {
        if self.offers.next().is_none() {
            self.offers.tried.clear();
        }
        self.offers.tried.insert(to.instance.clone());
        self.offers.again_at = Some(now + DWELL);
        self.report(Event::Offered { to: to.node.clone() });
    }

    /// Whether the record that we see lets us take it.
    pub(super) fn is_offered(&self) -> bool {
        match &self.view {
            View::Theirs { past: Past::WentBack, .. } => false,
            View::Theirs { record, .. } => {
                self.fitness == Fitness::Fit && record.offered_to() == Some(&self.author.instance)
            }
            View::Unknown | View::Gone { .. } | View::Ours(_) => false,
        }
    }

    /// Whether `record` is that of a process that took our offer: then we speak on, until its routes are out or our
    /// last entitlement ends.
    pub(super) fn part(&mut self, now: Instant, record: &Record, held: &Holding) -> bool {
        let by_offer = self.live && record.is_from(held.term, &self.author.instance);
        let (Some(node), Some(instance)) = (record.spec.holder(), record.instance()) else { return false };
        if !by_offer || record.term().is_none_or(|term| term <= held.term) {
            return false;
        }
        let to = Candidate { node: node.to_owned(), instance: instance.to_owned() };
        self.report(Event::HandingOver { to: to.node.clone() });
        self.parting = Some(Parting { term: held.term, until: held.until, to, acknowledged: false });
        self.follow_parting(now, Some(record));
        true
    }

    /// What a newer record means for the end of our term: anything but the successor's own ends it at once.
    pub(super) fn follow_parting(&mut self, now: Instant, record: Option<&Record>) {
        let Some(parting) = &mut self.parting else { return };
        let successor = |record: &&Record| {
            record.spec.holder() == Some(&parting.to.node) && record.instance() == Some(&parting.to.instance)
        };
        let Some(record) = record.filter(successor) else {
            parting.until = now;
            return self.expire_parting(now);
        };
        if record.is_acknowledged() && !parting.acknowledged {
            parting.acknowledged = true;
            parting.until = parting.until.min(now + OVERLAP);
        }
    }

    pub(super) fn expire_parting(&mut self, now: Instant) {
        if self.parting.as_ref().is_some_and(|parting| now >= parting.until) {
            self.end_parting();
        }
    }

    /// Our last term is over, in which we only waited for the next holder's routes.
    pub(super) fn end_parting(&mut self) {
        if let Some(parting) = self.parting.take() {
            self.end(Loss::HandedOver { to: parting.to.node.clone(), acknowledged: parting.acknowledged });
            self.conclude(Some(parting.to.node));
        }
    }

    /// Who is about to go waits no longer where there is nobody to hand over to: after the last offer was taken back.
    pub(super) fn finish_handover(&mut self, now: Instant) {
        let waits = match &self.view {
            _ if self.parting.is_some() => true,
            View::Ours(_) if self.give_up_at().is_some_and(|at| now >= at) => false,
            View::Ours(held) if self.live => held.offer.is_some() || self.offers.next().is_some(),
            View::Unknown | View::Gone { .. } | View::Theirs { .. } | View::Ours(_) => false,
        };
        if !waits {
            self.conclude(None);
        }
    }

    fn conclude(&mut self, to: Option<String>) {
        if self.leaving == Leaving::HandingOver {
            self.leaving = Leaving::HandedOver;
            self.report(Event::HandedOver { to });
        }
    }
}
