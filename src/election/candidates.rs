//! What the candidates say of themselves, each in a Lease of its own, and for how long that is believed.
//!
//! Only the holder writes the shared Lease: each foreign write would cost it a conflict. What the others have to say
//! (who they are, whether they are fit) each writes into `<lease>.<node>`, on change and every ten seconds. Notes are
//! aged on our own clock by when we saw them change; the times in them only tell that they did.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::election::record::{MicroTime, Version};
use crate::election::{Candidate, Fitness};
use crate::time::Instant;

/// The label on a candidate's own Lease: the name of the Lease it is a candidate for.
pub const LEASE: &str = "vipcast.io/lease";
/// The annotation with the candidate's fitness, a [`word`].
pub const FITNESS: &str = "vipcast.io/fitness";
/// The annotation that says in words why it is not fit; empty where it is.
pub const REASON: &str = "vipcast.io/reason";

/// How often a candidate says that it lives, at the latest.
pub const PERIOD: Duration = Duration::from_secs(10);
/// A candidate that was not seen to change for this long is gone: two notes may be lost.
pub const GONE_AFTER: Duration = Duration::from_secs(25);

/// All of them, for their words.
const ALL: [Fitness; 6] =
    [Fitness::Unknown, Fitness::Fit, Fitness::Starting, Fitness::Unheard, Fitness::Unfit, Fitness::Drained];

/// The word for it in the annotation [`FITNESS`].
#[must_use]
pub const fn word(fitness: Fitness) -> &'static str {
    match fitness {
        Fitness::Unknown => "unknown",
        Fitness::Fit => "fit",
        Fitness::Starting => "starting",
        Fitness::Unheard => "unheard",
        Fitness::Unfit => "unfit",
        Fitness::Drained => "drained",
    }
}

/// What a word means; one that we do not know: nothing is known.
#[must_use]
pub fn of_word(text: &str) -> Fitness {
    ALL.into_iter().find(|fitness| word(*fitness) == text).unwrap_or_default()
}

/// A candidate's own Lease, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who it is.
    pub candidate: Candidate,
    /// How it is.
    pub fitness: Fitness,
    /// Why it is not fit.
    pub reason: String,
    /// When it wrote this, on its own wall clock: never compared with a clock.
    pub renewed: Option<MicroTime>,
    /// The Lease's `metadata.resourceVersion`.
    pub version: Version,
}

impl Note {
    /// Whether both say the same, whatever others annotated in between.
    fn says_what(&self, other: &Self) -> bool {
        let Self { candidate, fitness, reason, renewed, version: _ } = self;
        (candidate, fitness, reason, renewed) == (&other.candidate, &other.fitness, &other.reason, &other.renewed)
    }

    /// Whether it was written before `other`, of the same node. By its version, as clocks may be set back; and by the
    /// writer's clock, as a restored etcd counts from its snapshot again.
    fn is_before(&self, other: &Self) -> bool {
        self.version.is_before(&other.version) == Some(true) && self.renewed <= other.renewed
    }
}

/// All notes but our own node's.
#[derive(Debug)]
pub struct Table {
    own: String,
    /// By node.
    entries: BTreeMap<String, Entry>,
    /// When any of them was seen to come or change last, or we began.
    heard_at: Instant,
    /// Whether there was a list of all notes: what comes after it is new.
    complete: bool,
}

#[derive(Debug)]
struct Entry {
    note: Note,
    /// When we saw it change last, or saw it first.
    changed: Instant,
    /// Whether we saw it come or change. A note that was there when we began, or is only listed, may be a dead node's.
    alive: bool,
    /// Since when it has been fit without a break, under one instance, as we saw it.
    fit_since: Option<Instant>,
}

impl Entry {
    fn is_gone(&self, now: Instant) -> bool {
        now >= self.changed + GONE_AFTER
    }
}

impl Table {
    /// Nobody is known yet at `now`; what `own` (this node's name) says is left out.
    #[must_use]
    pub fn new(now: Instant, own: &str) -> Self {
        Self { own: own.to_owned(), entries: BTreeMap::new(), heard_at: now, complete: false }
    }

    /// Takes in all notes there are at `version`: others are gone, but for those that are newer than the list, which
    /// is from a server that lags. What it has that we did not know may be as old as a dead node's.
    pub fn replace(&mut self, now: Instant, version: &Version, notes: Vec<Note>) {
        self.entries.retain(|node, entry| {
            let is_listed = notes.iter().any(|note| note.candidate.node == *node);
            is_listed || version.is_before(&entry.note.version) == Some(true)
        });
        notes.into_iter().for_each(|note| self.take(now, note, false));
        self.complete = true;
    }

    /// Takes in one note that came or changed.
    pub fn set(&mut self, now: Instant, note: Note) {
        self.take(now, note, self.complete);
    }

    /// `is_life`: that it is there means that its node lives.
    fn take(&mut self, now: Instant, note: Note, is_life: bool) {
        if note.candidate.node == self.own {
            return;
        }
        let fit = note.fitness == Fitness::Fit;
        match self.entries.get_mut(&note.candidate.node) {
            Some(entry) if note.says_what(&entry.note) || note.is_before(&entry.note) => {}
            Some(entry) => {
                let since = entry.fit_since.filter(|_| !entry.is_gone(now));
                let since = since.filter(|_| entry.note.candidate.instance == note.candidate.instance);
                entry.fit_since = fit.then(|| since.unwrap_or(now));
                // One that was dead for us, and is known by a list, may have been changed before it died.
                let alive = is_life || (entry.alive && !entry.is_gone(now));
                (entry.changed, entry.alive, entry.note) = (now, alive, note);
                self.heard_at = now;
            }
            None => {
                let node = note.candidate.node.clone();
                let fit_since = fit.then_some(now);
                self.entries.insert(node, Entry { note, changed: now, alive: is_life, fit_since });
                self.heard_at = now;
            }
        }
    }

    /// This node's note was deleted.
    pub fn remove(&mut self, node: &str) {
        self.entries.remove(node);
    }

    /// The others that are fit at `now`, whoever has been for longest first. Who was only read in the first list, and
    /// may be long dead, comes after those who were seen to live.
    #[must_use]
    pub fn fit(&self, now: Instant) -> Vec<Candidate> {
        let living = self.entries.values().filter(|entry| entry.fit_since.is_some() && !entry.is_gone(now));
        let mut fit: Vec<&Entry> = living.collect();
        fit.sort_by_key(|entry| (!entry.alive, entry.fit_since));
        fit.into_iter().map(|entry| entry.note.candidate.clone()).collect()
    }

    /// Whether nobody else was heard of for as long as it takes to be gone: no other vipcast stands, or none that says so.
    #[must_use]
    pub fn is_alone(&self, now: Instant) -> bool {
        now >= self.alone_at()
    }

    fn alone_at(&self) -> Instant {
        self.heard_at + GONE_AFTER
    }

    /// When [`Table::fit`] or [`Table::is_alone`] change by themselves next.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let living = self.entries.values().filter(|entry| !entry.is_gone(now));
        let alone = (!self.is_alone(now)).then(|| self.alone_at());
        living.map(|entry| entry.changed + GONE_AFTER).chain(alone).min()
    }
}

#[cfg(test)]
mod tests;
