//! Who holds the lease, as a pure machine: observations, answers and `now` in, requests and the next deadline out.
//!
//! - We are entitled until the moment *before* the last successful write was sent + the renew deadline.
//! - We take a lease only when it was released, or when its spec did not change for max(its duration, ours) on our
//!   own clock; and always by compare-and-swap on the resourceVersion.
//! - At most one request is on its way. A write whose answer was lost stays in mind: if the record shows up as we
//!   wrote it, that write succeeded, and counts from when it was sent.
//! - What contradicts our holding ends it. Only what may be old news from the watch is asked for again first.
//!
//! It does no I/O, reads no clock and never ends: who lost the lease stands again. Calls that come early or twice do
//! nothing.

mod draft;
mod others;
mod types;

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::LeaseConfig;
use crate::election::Leadership;
use crate::election::record::{Record, Version};
use crate::time::Instant;

use draft::Author;
pub use types::{Action, Attempt, Event, Input, Loss, Moment, WriteError};
use types::{Freshness, Write};

/// Requests that may follow a refused one at once (conflict, read, write …) before pacing sets in.
const BURST: u8 = 4;

/// Writes without an answer that are remembered; the oldest is forgotten beyond, which can only cost us the lease.
const OPEN: usize = 64;

/// What we know of the object.
#[derive(Clone, Debug)]
enum View {
    /// Nothing yet.
    Unknown,
    /// There is none; what stood there before is waited out until `free_at`.
    Gone { version: Version, free_at: Instant },
    /// Somebody else's, nobody's (`free_at` is past then), or our predecessor's on this node.
    Theirs { record: Record, free_at: Instant },
    /// As this process wrote it.
    Ours { record: Record, term: u64, until: Instant, renew_at: Instant },
}

/// Whether we are about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    Asked,
    Done,
}

/// What to ask of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Read,
    Claim,
    Renew,
    Release,
}

/// The machine of one candidate for one lease.
#[derive(Debug)]
pub struct Elector {
    config: LeaseConfig,
    author: Author,
    view: View,
    /// Whether `BecameHolder` was reported and its end not yet.
    live: bool,
    leaving: Leaving,
    /// Writes that were sent and are not known to have failed.
    open: Vec<Write>,
    flying: Option<(Attempt, Instant)>,
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
            open: Vec::new(),
            flying: None,
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
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Asked;
            self.end(Loss::Released);
        }
        self.plan(at);
    }

    /// When [`Elector::handle_timeout`] has something to do; `None`: an answer is awaited, or nothing is left.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let expiry = match &self.view {
            View::Ours { until, .. } if self.live => Some(*until),
            View::Unknown | View::Gone { .. } | View::Theirs { .. } | View::Ours { .. } => None,
        };
        let request = match self.flying {
            Some(_) => None,
            None => self.want().map(|(when, _)| when.max(self.not_before)),
        };
        expiry.into_iter().chain(request).min()
    }

    /// What is to be done, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether we may speak at `now`.
    #[must_use]
    pub fn leadership(&self, now: Instant) -> Leadership {
        match &self.view {
            View::Ours { until, term, .. } if now < *until && self.leaving == Leaving::No => {
                Leadership::Held { until: *until, term: *term }
            }
            View::Theirs { record, .. } if !self.is_our_trace(record) => {
                Leadership::Follower { holder: record.spec.holder().map(str::to_owned) }
            }
            View::Unknown | View::Gone { .. } | View::Theirs { .. } | View::Ours { .. } => {
                Leadership::Follower { holder: None }
            }
        }
    }

    /// Whether a record under our name is an earlier one of this node, not a twin's.
    fn is_our_trace(&self, record: &Record) -> bool {
        self.last_twin.is_none() && record.spec.holder() == Some(&self.author.identity)
    }

    fn got(&mut self, now: Instant, attempt: Attempt, result: Result<Option<Record>, String>) {
        let Some(sent) = self.landed(attempt) else { return };
        match result {
            Ok(record) => {
                let version = record.as_ref().map(|record| record.version.clone());
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
            View::Theirs { record, .. } | View::Ours { record, .. } => version.is_before(&record.version) == Some(true),
        }
    }

    fn known_version(&self) -> Version {
        match &self.view {
            View::Unknown => Version::default(),
            View::Gone { version, .. } => version.clone(),
            View::Theirs { record, .. } | View::Ours { record, .. } => record.version.clone(),
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
        match (&mut self.view, record) {
            (View::Ours { record: known, .. }, Some(record)) if record.spec == known.spec => *known = record,
            (View::Ours { until, .. }, record) => {
                let until = *until;
                self.lose(now, version, record, late, until);
            }
            (View::Theirs { record: known, .. }, Some(record)) if record.spec == known.spec => *known = record,
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
            (View::Ours { record: known, .. } | View::Theirs { record: known, .. }, Some(record)) => {
                known.spec == record.spec
            }
            (View::Gone { .. } | View::Unknown, None) => true,
            (View::Unknown | View::Gone { .. }, Some(_)) | (View::Ours { .. } | View::Theirs { .. }, None) => false,
        };
        let newer = version.is_some_and(|version| self.known_version().is_before(version) == Some(true));
        let leaves = self.leaving != Leaving::No && freshness == Freshness::Certain;
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
        let Some(term) = write.term else {
            self.view = View::Theirs { record, free_at: now };
            return self.leave(true);
        };
        let mut until = write.sent + self.config.renew_deadline.min(self.config.duration);
        if let View::Ours { until: before, .. } = &self.view {
            until = until.max(*before);
        }
        self.highest_term = self.highest_term.max(term);
        self.last_holder = Some(self.author.identity.clone());
        self.last_twin = None;
        self.view = View::Ours { record, term, until, renew_at: write.sent + self.config.retry_period };
        if !self.live && now < until && self.leaving == Leaving::No {
            self.live = true;
            self.report(Event::BecameHolder { term });
        }
    }

    /// The record is not what we wrote: whatever it is, we hold nothing any more.
    fn lose(&mut self, now: Instant, version: Version, record: Option<Record>, went_back: bool, until: Instant) {
        let Some(record) = record else {
            self.end(Loss::Deleted);
            // Nobody can have taken what we held until now; others who know our record wait it out, and so do we.
            self.view = View::Gone { version, free_at: until.max(now) };
            return;
        };
        let named_us = record.spec.holder() == Some(&self.author.identity);
        if went_back && named_us {
            self.end(Loss::WentBack);
            self.view = View::Theirs { record, free_at: until.max(now) };
            return;
        }
        self.end(match record.spec.holder() {
            _ if went_back => Loss::WentBack,
            Some(_) if named_us => Loss::Twin,
            by => Loss::Taken { by: by.map(str::to_owned) },
        });
        self.observe(now, record, went_back);
    }

    fn expire(&mut self, now: Instant) {
        if let View::Ours { until, .. } = &self.view
            && now >= *until
        {
            self.end(Loss::Expired);
        }
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

    /// What to ask next, and from when on.
    fn want(&self) -> Option<(Instant, Want)> {
        let at_once = self.not_before;
        match (self.leaving, &self.view) {
            (Leaving::Done, _) => None,
            (Leaving::No | Leaving::Asked, _) if self.check => Some((at_once, Want::Read)),
            (Leaving::Asked, View::Ours { .. }) => Some((at_once, Want::Release)),
            (Leaving::Asked, View::Unknown | View::Gone { .. } | View::Theirs { .. }) => {
                (!self.open.is_empty()).then_some((at_once, Want::Read))
            }
            (Leaving::No, View::Unknown) => Some((at_once, Want::Read)),
            (Leaving::No, View::Gone { free_at, .. } | View::Theirs { free_at, .. }) => Some((*free_at, Want::Claim)),
            (Leaving::No, View::Ours { renew_at, .. }) => Some((*renew_at, Want::Renew)),
        }
    }

    fn plan(&mut self, at: Moment) {
        if self.flying.is_some() {
            return;
        }
        match self.want() {
            Some((when, want)) if at.now >= when.max(self.not_before) => self.send(at, want),
            Some(_) => {}
            None if self.leaving == Leaving::Asked => self.leave(false),
            None => {}
        }
    }

    fn send(&mut self, at: Moment, want: Want) {
        self.last_attempt = self.last_attempt.saturating_add(1);
        let attempt = Attempt(self.last_attempt);
        self.flying = Some((attempt, at.now));
        let (known, term) = match &self.view {
            View::Unknown | View::Gone { .. } => (None, None),
            View::Theirs { record, .. } => (Some(record), None),
            View::Ours { record, term, .. } => (Some(record), Some(*term)),
        };
        let (record, term) = match (want, known, term) {
            (Want::Release, Some(held), _) => (Author::release(held, at.wall), None),
            (Want::Renew, Some(held), Some(term)) => (self.author.renewal(held, term, at.wall), Some(term)),
            (Want::Claim, known, _) => {
                let term = self.next_term(at);
                (self.author.claim(known, term, at.wall), Some(term))
            }
            (Want::Read | Want::Release | Want::Renew, _, _) => {
                self.check = false;
                return self.actions.push_back(Action::Get { attempt });
            }
        };
        let create = known.is_none();
        if self.open.len() >= OPEN {
            self.open.remove(0);
        }
        self.open.push(Write { attempt, sent: at.now, record: record.clone(), term });
        self.actions.push_back(match create {
            true => Action::Create { attempt, record },
            false => Action::Update { attempt, record },
        });
    }

    /// Higher than any term that was seen, here or in the record; the clock is a floor that survives deletion.
    fn next_term(&self, at: Moment) -> u64 {
        self.highest_term.saturating_add(1).max(at.wall.seconds())
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
