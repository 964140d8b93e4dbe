//! Who holds the lease, as a pure machine: observations, answers and `now` in, requests and the next deadline out.
//!
//! - We are entitled until the moment *before* the last successful write was sent + the renew deadline.
//! - We take a lease only when it was released, or when its spec did not change for max(its duration, ours) on our
//!   own clock; and always by compare-and-swap on the resourceVersion.
//! - At most one request is on its way. A write whose answer was lost stays in mind: if the record shows up as we
//!   wrote it, that write succeeded, and counts from when it was sent.
//! - What contradicts our holding ends it. Only what may be old news from the watch is asked for again first.
//! - Who leaves in good order, or is not fit any more, offers the lease to a fit candidate (`handover`) and speaks until
//!   that one's routes are out.
//! - Who is not fit and knows no other vipcast falls silent, and gives the lease back (`yielding`).
//!
//! It does no I/O, reads no clock and never ends: who lost the lease stands again. Calls that come early or twice do
//! nothing.

mod draft;
mod fencing;
mod handover;
mod others;
mod requests;
mod standing;
mod types;
mod yielding;

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::LeaseConfig;
use crate::election::Fitness;
use crate::election::fence::Fence;
use crate::election::record::{Record, Version};
use crate::time::Instant;

use draft::{Author, Origin};
pub use handover::DWELL;
use handover::{Offers, Parting};
pub use types::{Action, Attempt, Event, Input, Loss, Moment, WriteError};
use types::{Freshness, Holding, Kind, Write};

/// Requests that may follow a refused one at once (conflict, read, write …) before pacing sets in.
const BURST: u8 = 4;

/// Writes without an answer that are remembered; the oldest is forgotten beyond, which can only cost us the lease.
const OPEN: usize = 64;

/// What we know of the object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum View {
    /// Nothing yet.
    Unknown,
    /// There is none; what stood there before is waited out until `free_at`.
    Gone { version: Version, free_at: Instant },
    /// Somebody else's, nobody's (`free_at` is past then), or our predecessor's on this node.
    Theirs { record: Record, free_at: Instant, past: Past },
    /// As this process wrote it.
    Ours(Holding),
}

/// What is special about a record that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Past {
    Plain,
    /// It went back: etcd was restored. What it offers is over.
    WentBack,
    /// An earlier process of this node held it, and we go on in its place.
    Predecessor,
}

/// Whether we are about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Leaving {
    No,
    /// Another is to take the lease; until one did, we hold it.
    HandingOver,
    /// Nobody is left to hand it to, or somebody has it.
    HandedOver,
    Asked,
    Done,
}

/// The machine of one candidate for one lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elector {
    config: LeaseConfig,
    author: Author,
    view: View,
    /// Whether `BecameHolder` was reported and its end not yet.
    live: bool,
    leaving: Leaving,
    fitness: Fitness,
    /// Whether others can take the lease only when it is given back: see [`Elector::set_alone`].
    alone: bool,
    /// Whom the lease may be offered to, and to whom it was.
    offers: Offers,
    /// We let go of the lease, and speak until the next holder does.
    parting: Option<Parting>,
    fence: Fence,
    /// Until when a standby may speak: see [`Leadership::Follower`].
    standby_until: Option<Instant>,
    /// Writes that were sent and are not known to have failed.
    open: Vec<Write>,
    flying: Option<(Attempt, Instant)>,
    /// What was known of the object when that was sent.
    asked_with: Version,
    /// A consistent read comes before anything else.
    check: bool,
    not_before: Instant,
    burst: u8,
    highest_term: u64,
    /// The highest version from before etcd was restored: API servers' caches may show what stood there for long.
    ghost: Option<Version>,
    last_attempt: u64,
    last_holder: Option<String>,
    last_twin: Option<Option<String>>,
    warned_of: Option<i32>,
    actions: VecDeque<Action>,
}

impl Elector {
    /// A candidate named `identity` (made lower case, as kube-vip does). `instance` is this process's random id.
    #[must_use]
    pub fn new(config: LeaseConfig, identity: &str, instance: String) -> Self {
        Self {
            author: Author::new(&config, identity, instance),
            config,
            view: View::Unknown,
            live: false,
            leaving: Leaving::No,
            fitness: Fitness::Unknown,
            alone: false,
            offers: Offers::default(),
            parting: None,
            fence: Fence::default(),
            standby_until: None,
            open: Vec::new(),
            flying: None,
            asked_with: Version::default(),
            check: false,
            not_before: Instant::from_boot(Duration::ZERO),
            burst: BURST,
            highest_term: 0,
            ghost: None,
            last_attempt: 0,
            last_holder: None,
            last_twin: None,
            warned_of: None,
            actions: VecDeque::new(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, at: Moment, input: Input) {
        self.expire(at.now);
        match input {
            Input::Seen { version, record } => self.learn(at.now, Some(version), record, Freshness::PerhapsLate),
            Input::Got { attempt, result } => self.got(at.now, attempt, result),
            Input::Wrote { attempt, result } => self.wrote(at.now, attempt, result),
        }
        self.plan(at);
    }

    /// Does what is due at `at`.
    pub fn handle_timeout(&mut self, at: Moment) {
        self.expire(at.now);
        self.plan(at);
    }

    /// Gives the lease back, if it is ours; from now on we are no candidate and not entitled. It is over when
    /// [`Event::Released`] was reported.
    pub fn release(&mut self, at: Moment) {
        self.expire(at.now);
        if !matches!(self.leaving, Leaving::Asked | Leaving::Done) {
            self.leaving = Leaving::Asked;
            self.parting = None;
            self.end(Loss::Released);
        }
        self.plan(at);
    }

    /// When [`Elector::handle_timeout`] has something to do; `None`: an answer is awaited, or nothing is left.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let expiry = match (&self.view, &self.parting) {
            (_, Some(parting)) => Some(parting.until),
            (View::Ours(held), None) if self.live => Some(held.until),
            (View::Unknown | View::Gone { .. } | View::Theirs { .. } | View::Ours(_), None) => None,
        };
        let request = match self.flying {
            Some(_) => None,
            None => self.want().map(|(when, _)| when.max(self.not_before)).into_iter().chain(self.ends_at()).min(),
        };
        expiry.into_iter().chain(request).chain(self.fence_deadline()).min()
    }

    /// What is to be done, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn got(&mut self, now: Instant, attempt: Attempt, result: Result<Option<Record>, String>) {
        let Some(sent) = self.landed(attempt) else { return };
        match result {
            Ok(record) => {
                let version = record.as_ref().map(|record| record.version.clone());
                // The watch was faster than this answer: that is no record which went back.
                if version.as_ref().is_some_and(|v| self.is_late(v)) && self.known_version() != self.asked_with {
                    self.check = true;
                    return self.hurry(now, sent);
                }
                self.learn(now, version, record, Freshness::Certain);
            }
            Err(_) => {
                self.check = true;
                self.pause(now, sent);
            }
        }
    }

    fn wrote(&mut self, now: Instant, attempt: Attempt, result: Result<Record, WriteError>) {
        let Some(sent) = self.landed(attempt) else { return };
        let write = self.open.iter().find(|write| write.attempt == attempt).cloned();
        match (result, write) {
            // Done, but we know of something newer already: ask what holds.
            (Ok(record), Some(_)) if self.is_late(&record.version) => self.check = true,
            (Ok(record), Some(write)) => self.settle(now, &write, record),
            (Ok(_), None) => self.check = true,
            (Err(WriteError::Conflict | WriteError::AlreadyExists), _) => {
                self.open.retain(|write| write.attempt != attempt);
                self.check = true;
                self.hurry(now, sent);
            }
            (Err(WriteError::NotFound), _) => {
                self.open.retain(|write| write.attempt != attempt);
                self.hurry(now, sent);
                self.learn(now, None, None, Freshness::Certain);
            }
            (Err(WriteError::Failed(_)), _) => self.pause(now, sent),
        }
    }

    /// The request has its answer. `None`: it is not the one on its way.
    fn landed(&mut self, attempt: Attempt) -> Option<Instant> {
        let (flying, sent) = self.flying?;
        if flying != attempt {
            return None;
        }
        self.flying = None;
        Some(sent)
    }

    /// After a failure: another request, but not more often than four times a retry period.
    fn pause(&mut self, now: Instant, sent: Instant) {
        self.not_before = now.max(sent + self.config.retry_period / 4);
    }

    /// After a refusal, which is an answer: at once, for a few times.
    fn hurry(&mut self, now: Instant, sent: Instant) {
        match self.burst.checked_sub(1) {
            Some(left) => self.burst = left,
            None => self.pause(now, sent),
        }
    }

    /// Whether `version` is older than what we know. Deletion has no version of its own for us: what equals the
    /// deleted object's is older.
    fn is_late(&self, version: &Version) -> bool {
        match &self.view {
            View::Unknown => false,
            View::Gone { version: known, .. } => version == known || version.is_before(known) == Some(true),
            View::Theirs { record, .. } | View::Ours(Holding { record, .. }) => {
                version.is_before(&record.version) == Some(true)
            }
        }
    }

    fn known_version(&self) -> Version {
        match &self.view {
            View::Unknown => Version::default(),
            View::Gone { version, .. } => version.clone(),
            View::Theirs { record, .. } | View::Ours(Holding { record, .. }) => record.version.clone(),
        }
    }

    /// Takes in what the object is; `version` is `None` where a consistent read found none.
    fn learn(&mut self, now: Instant, version: Option<Version>, record: Option<Record>, freshness: Freshness) {
        let late = version.as_ref().is_some_and(|version| self.is_late(version));
        let ghost = version.as_ref().zip(self.ghost.as_ref()).is_some_and(|(v, g)| g.is_before(v) != Some(true));
        if (late || ghost) && freshness == Freshness::PerhapsLate {
            // An event that was overtaken, or a restored etcd: only a consistent read can tell.
            self.check = true;
            return;
        }
        self.check &= freshness != Freshness::Certain;
        if late && !ghost {
            self.ghost = Some(self.known_version());
        }
        if let Some(record) = &record {
            self.highest_term = self.highest_term.max(record.term().unwrap_or(0));
            if let Some(write) = self.open.iter().find(|write| record.is_write(&write.record)).cloned() {
                return self.settle(now, &write, record.clone());
            }
        }
        self.forget_dead_writes(version.as_ref(), record.as_ref(), freshness);
        let version = version.unwrap_or_else(|| self.known_version());
        self.follow_parting(now, record.as_ref());
        match (&mut self.view, record) {
            (View::Ours(held), Some(record)) if !late && record.spec == held.record.spec => held.record = record,
            (View::Ours(held), record) => {
                let held = held.clone();
                self.lose(now, version, record, late, &held);
            }
            (View::Theirs { record: known, .. }, Some(record)) if !late && record.spec == known.spec => *known = record,
            (View::Unknown | View::Gone { .. } | View::Theirs { .. }, Some(record)) => self.observe(now, record, late),
            (View::Gone { free_at, .. } | View::Theirs { free_at, .. }, None) => {
                self.view = View::Gone { version, free_at: *free_at };
            }
            (View::Unknown, None) => self.view = View::Gone { version, free_at: now },
        }
    }

    /// A record newer than what our unanswered writes were based on, and none of them: they cannot be done any more.
    /// Who leaves waits no longer than for one consistent read.
    fn forget_dead_writes(&mut self, version: Option<&Version>, record: Option<&Record>, freshness: Freshness) {
        let same = match (&self.view, record) {
            (View::Ours(Holding { record: known, .. }) | View::Theirs { record: known, .. }, Some(record)) => {
                known.spec == record.spec
            }
            (View::Gone { .. } | View::Unknown, None) => true,
            (View::Unknown | View::Gone { .. }, Some(_)) | (View::Ours(_) | View::Theirs { .. }, None) => false,
        };
        let newer = version.is_some_and(|version| self.known_version().is_before(version) == Some(true));
        let leaves = matches!(self.leaving, Leaving::Asked | Leaving::Done) && freshness == Freshness::Certain;
        if (newer && !same) || leaves {
            let flying = self.flying.map(|(attempt, _)| attempt);
            self.open.retain(|write| Some(write.attempt) == flying);
        }
    }

    /// One of our writes was done.
    fn settle(&mut self, now: Instant, write: &Write, record: Record) {
        let flying = self.flying.map(|(attempt, _)| attempt);
        self.open.retain(|open| Some(open.attempt) == flying);
        self.check = false;
        self.burst = BURST;
        self.not_before = now;
        let Some(term) = write.kind.term() else {
            self.view = View::Theirs { record, free_at: now, past: Past::Plain };
            return match self.leaving {
                Leaving::Asked | Leaving::Done => self.leave(true),
                Leaving::No | Leaving::HandingOver | Leaving::HandedOver => self.gave_way(),
            };
        };
        // The watch was faster than the answer, and all of this was done then; more may have happened since.
        if let View::Ours(held) = &mut self.view
            && held.record.is_write(&write.record)
        {
            held.record = record;
            return;
        }
        self.highest_term = self.highest_term.max(term);
        self.last_holder = Some(self.author.identity.clone());
        self.last_twin = None;
        if let Kind::Renewal { offer: Some(to), .. } = &write.kind {
            self.note_offer(now, to);
        }
        if matches!(write.kind, Kind::Claim { .. }) {
            // What we handed over came back at once.
            self.end_parting();
        }
        self.fence_by(now, term, &record);
        let held = self.holding(now, write, record, term);
        let (until, gives_way) = (held.until, held.gives_way.is_some());
        self.view = View::Ours(held);
        if !self.live && now < until && self.is_candidate_or_holder() && !gives_way {
            self.live = true;
            self.report(Event::BecameHolder { term });
            if let Kind::Claim { origin: Origin::Offer { instance, .. }, .. } = &write.kind {
                self.report(Event::TookOver { from: instance.clone() });
            }
        }
    }

    /// When something ends that no request is needed for.
    fn ends_at(&self) -> Option<Instant> {
        self.give_up_at().into_iter().chain(self.give_way_at()).min()
    }

    /// What we hold after `write` was done.
    fn holding(&self, now: Instant, write: &Write, record: Record, term: u64) -> Holding {
        let until = write.sent + self.config.renew_deadline.min(self.config.duration);
        let before = match &self.view {
            View::Ours(held) => Some(held),
            View::Unknown | View::Gone { .. } | View::Theirs { .. } => None,
        };
        let new = Holding {
            record,
            term,
            until: before.map_or(until, |held| until.max(held.until)),
            renew_at: write.sent + self.config.retry_period,
            taken_at: now,
            owes_word: false,
            announced: false,
            offer: None,
            gives_way: None,
        };
        match (&write.kind, before) {
            (Kind::Claim { origin, .. }, _) => Holding { owes_word: matches!(origin, Origin::Offer { .. }), ..new },
            (Kind::Renewal { offer, acknowledges, .. }, Some(held)) => Holding {
                taken_at: held.taken_at,
                owes_word: held.owes_word && !acknowledges,
                announced: held.announced,
                offer: offer.clone(),
                gives_way: held.gives_way,
                ..new
            },
            (Kind::Renewal { .. } | Kind::Release, _) => new,
        }
    }

    /// The record is not what we wrote: whatever it is, we hold nothing any more.
    fn lose(&mut self, now: Instant, version: Version, record: Option<Record>, went_back: bool, held: &Holding) {
        let until = held.until;
        let Some(record) = record else {
            self.end(Loss::Deleted);
            // Nobody can have taken what we held until now; others who know our record wait it out, and so do we.
            self.view = View::Gone { version, free_at: until.max(now) };
            return;
        };
        let named_us = record.spec.holder() == Some(&self.author.identity);
        if went_back && named_us {
            self.end(Loss::WentBack);
            self.view = View::Theirs { record, free_at: until.max(now), past: Past::WentBack };
            return;
        }
        if !went_back && self.part(now, &record, held) {
            return self.observe(now, record, went_back);
        }
        self.end(match record.spec.holder() {
            _ if went_back => Loss::WentBack,
            Some(_) if named_us => Loss::Twin,
            by => Loss::Taken { by: by.map(str::to_owned) },
        });
        self.observe(now, record, went_back);
    }

    fn expire(&mut self, now: Instant) {
        if let View::Ours(held) = &self.view
            && now >= held.until
        {
            self.end(Loss::Expired);
        }
        self.expire_parting(now);
        self.tend_fence(now);
    }

    fn end(&mut self, loss: Loss) {
        if self.live {
            self.live = false;
            self.report(Event::Lost(loss));
        }
    }

    fn leave(&mut self, given_back: bool) {
        self.leaving = Leaving::Done;
        self.report(Event::Released { given_back });
    }

    fn report(&mut self, event: Event) {
        self.actions.push_back(Action::Report(event));
    }
}

#[cfg(test)]
mod tests;
