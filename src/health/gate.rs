//! From single checks to a verdict that does not flap: so many failures in a row, so many successes in a row. Pure: it
//! says when the next check is due and takes what came of it.

use std::time::Duration;

use crate::time::Instant;

/// How many checks it takes, and how often one is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// From the start of one check to that of the next, ± a tenth, so that nodes started together do not ask in step.
    pub period: Duration,
    /// Failures in a row that make bad.
    pub fall: u32,
    /// Successes in a row that make good again.
    pub rise: u32,
}

/// Checks are made so much more often before the first good one: a node that starts should serve as soon as it can.
const HASTE: u32 = 4;

/// What one check came to; the texts are fragments that stand after "failed: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Good,
    /// It answers badly, or not in time: one such answer may be chance.
    Failed(String),
    /// Nothing listens there: no chance about it.
    Refused(String),
    /// It cannot be asked as it is configured: a certificate that does not verify, credentials that are not accepted.
    Fault(String),
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No check is made.
    Off,
    /// No check is over yet.
    Unknown,
    /// Fit.
    Good,
    /// Unfit: [`Health::last_error`] says why.
    Bad,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it was over.
    pub at: Instant,
    /// Why.
    pub text: String,
}

/// The verdict with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The verdict.
    pub state: State,
    /// Since when it holds.
    pub since: Instant,
    /// The last check that failed, if any has.
    pub last_error: Option<Failure>,
}

impl Health {
    /// Where a check is made, and none is over yet.
    #[must_use]
    pub const fn unknown(now: Instant) -> Self {
        Self { state: State::Unknown, since: now, last_error: None }
    }

    /// Where no check is made.
    #[must_use]
    pub const fn off(now: Instant) -> Self {
        Self { state: State::Off, since: now, last_error: None }
    }
}

/// Counts checks.
#[derive(Clone, Debug)]
pub struct Gate {
    rules: Rules,
    health: Health,
    /// Checks in a row that speak against the verdict.
    against: u32,
    /// Whether it ever was good: the first time one check is enough.
    was_good: bool,
    next: Instant,
}

impl Gate {
    /// A gate without a verdict; the first check is due at once.
    #[must_use]
    pub const fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, health: Health::unknown(now), against: 0, was_good: false, next: now }
    }

    /// The verdict.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// When the next check should begin.
    #[must_use]
    pub const fn next_check(&self) -> Instant {
        self.next
    }

    /// Takes what a check came to that began at `began` and is over now. `dice` is any number, another one each time.
    pub fn take(&mut self, began: Instant, now: Instant, outcome: Outcome, dice: u64) {
        match outcome {
            Outcome::Good => self.good(now),
            Outcome::Failed(text) => self.bad(now, text, false),
            Outcome::Refused(text) | Outcome::Fault(text) => self.bad(now, text, true),
        }
        let period = if self.was_good { self.rules.period } else { self.rules.period / HASTE };
        self.next = now.max(began + jittered(period, dice));
    }

    fn good(&mut self, now: Instant) {
        if self.health.state == State::Good {
            self.against = 0;
            return;
        }
        self.against += 1;
        if self.against >= self.rules.rise || !self.was_good {
            self.was_good = true;
            self.turn(now, State::Good);
        }
    }

    /// `certain`: one is enough. Before the first verdict any is: whoever starts has nothing to lose.
    fn bad(&mut self, now: Instant, text: String, certain: bool) {
        self.health.last_error = Some(Failure { at: now, text });
        if self.health.state == State::Bad {
            self.against = 0;
            return;
        }
        self.against += 1;
        if certain || self.against >= self.rules.fall || self.health.state == State::Unknown {
            self.turn(now, State::Bad);
        }
    }

    fn turn(&mut self, now: Instant, state: State) {
        self.health.state = state;
        self.health.since = now;
        self.against = 0;
    }
}

/// `period` ± a tenth.
fn jittered(period: Duration, dice: u64) -> Duration {
    let per_mille = 900 + u32::try_from(dice % 201).unwrap_or(0);
    period * per_mille / 1000
}

#[cfg(test)]
mod tests;
