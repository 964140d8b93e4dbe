//! The fence by AS path: how often our AS is prepended, so that routers leave the route of a holder that fell silent
//! also where MED is not compared: where routes of several leaves meet, or holders have different ASes. Pure.
//!
//! Each holder's path is one *step* shorter than the shortest that a router may still have from those before it. A
//! step is 3, because in a fabric a route that came by another leaf and the spine is 2 ASes longer than one's own. The
//! first holder prepends [`MARGIN`] steps; when nothing of earlier holders can stand any more, a holder goes back to
//! that. The record says how short a path may stand, from before it is announced until after it is not: a holder that
//! crashes at any moment leaves the truth behind, or less.
//!
//! It knows no router: it has to be told for how long they keep a route (the *stale bound*).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::election::record::{Notes, Record};
use crate::time::Instant;

/// How many steps the first holder's path is longer than it need be: so many take-overs may follow at once.
pub const MARGIN: u8 = 4;
/// A step where none is configured and the fence is needed: see the module.
pub const DEFAULT_STEP: u8 = 3;
/// The longest step: standbys prepend five of them.
pub const LONGEST_STEP: u8 = 10;
/// For how long routers keep the route of a holder that notes nothing: kube-vip's hold time by default, and its double
/// as BIRD needs it.
const STRANGER: Duration = Duration::from_secs(60);

/// How often our AS is prepended in the route of a standby: one step more than in any holder's. The same whether the
/// fence is on or not, as it may come on with any holder.
#[must_use]
pub const fn standby_prepend(step: Option<u8>) -> u8 {
    let step = match step {
        Some(step) => step,
        None => DEFAULT_STEP,
    };
    step.saturating_mul(MARGIN + 1)
}

/// What people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A path as short as can be may stand, so ours is no shorter: routers may stay with it.
    Spent {
        /// For that long.
        clear_in: Duration,
    },
    /// The last holder is in another AS: the fence is on, whatever is configured.
    OtherAs {
        /// Its AS.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// Nothing of earlier holders stands any more: the path is as long as the first holder's again.
    Restored,
}

/// The fence as one candidate keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fence {
    /// `None`: nothing is noted.
    asn: Option<u32>,
    /// What is configured; `None`: off, unless ASes differ.
    step: Option<u8>,
    /// How long routers keep our routes when we fall silent; `None`: not known.
    stale: Option<Duration>,
    /// Until when paths of a length (in extra prepends) may stand, as far as this process saw.
    standing: BTreeMap<u8, Instant>,
    /// Of the last holder that was seen.
    last: Option<Notes>,
    /// The last term of ours; who hands over speaks as in that after another's record came.
    held: Option<Held>,
}

/// A term of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    term: u64,
    /// What we prepend. `None`: no fence.
    path: Option<u8>,
    /// When nothing of earlier holders stands any more; `None`: it is so, and the path is as long as the first's.
    clear_at: Option<Instant>,
}

impl Fence {
    /// Of a node in this AS, with this step where the fence is configured; it is on all the same behind a holder that
    /// has it or is in another AS.
    #[must_use]
    pub fn new(asn: u32, step: Option<u8>) -> Self {
        Self { asn: Some(asn), step, ..Self::default() }
    }

    /// For how long routers may keep our routes when we fall silent: the longest of all sessions so far.
    pub const fn set_stale(&mut self, stale: Duration) {
        self.stale = Some(stale);
    }

    /// Takes in another's record. Its holder may speak for as long as its lease lasts, and routers may keep what it said
    /// for its stale bound after that.
    pub fn observe(&mut self, now: Instant, record: &Record) {
        let of_vipcast = record.is_of_vipcast() || (record.spec.holder().is_none() && record.instance().is_some());
        let notes = if of_vipcast { record.notes() } else { Notes::default() };
        let ours = self.stale.unwrap_or_default();
        let stale = notes.stale.unwrap_or_else(|| ours.max(STRANGER));
        self.stand(now, notes.prepend.unwrap_or(0), record.spec.duration().unwrap_or_default() + stale);
        self.last = Some(notes);
    }

    /// What the record of a claim is to note.
    #[must_use]
    pub fn claim(&self, now: Instant) -> Notes {
        self.noted(now, self.is_on().then(|| self.shorter(now)), self.clear_at(now))
    }

    /// What a renewal is to note: not a longer path than may stand.
    #[must_use]
    pub fn renewal(&self, now: Instant) -> Notes {
        let Some(held) = self.held else { return self.claim(now) };
        let path = held.path.map(|path| self.shortest(now).map_or(path, |shortest| path.min(shortest)));
        self.noted(now, path, held.clear_at)
    }

    /// A record of ours stands, in this term.
    pub fn took(&mut self, now: Instant, term: u64, record: &Record) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.held.is_none_or(|held| held.term != term) {
            notices = self.begin(now, term, record.notes().prepend);
        }
        let path = self.held.and_then(|held| held.path).unwrap_or(0);
        self.stand(now, path, record.spec.duration().unwrap_or_default() + self.stale.unwrap_or_default());
        self.last = Some(record.notes());
        notices
    }

    fn begin(&mut self, now: Instant, term: u64, path: Option<u8>) -> Vec<Notice> {
        let clear_at = self.clear_at(now);
        let differs = self.other_as().filter(|_| self.step.is_none());
        let spent = clear_at.filter(|_| path == Some(0) && self.shortest(now) == Some(0));
        let is_full = path.is_none_or(|path| path >= self.full());
        self.held = Some(Held { term, path, clear_at: clear_at.filter(|_| !is_full) });
        let spent = spent.map(|at| Notice::Spent { clear_in: at.saturating_since(now) });
        differs.map(|(theirs, ours)| Notice::OtherAs { theirs, ours }).into_iter().chain(spent).collect()
    }

    /// Goes back to the longest path when nothing else stands any more.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Notice> {
        let full = self.full();
        let held = self.held.as_mut().filter(|held| held.clear_at.is_some_and(|at| now >= at))?;
        (held.path, held.clear_at) = (Some(full), None);
        Some(Notice::Restored)
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.held.and_then(|held| held.clear_at)
    }

    /// How often our AS is prepended while we hold the lease.
    #[must_use]
    pub fn prepend(&self) -> u8 {
        self.held.and_then(|held| held.path).unwrap_or(0)
    }

    fn noted(&self, now: Instant, prepend: Option<u8>, clear_at: Option<Instant>) -> Notes {
        let Some(asn) = self.asn else { return Notes::default() };
        let others = clear_at.map(|at| at.saturating_since(now)).unwrap_or_default();
        let stale = self.stale.map(|stale| stale.max(others)).map(whole_seconds);
        Notes { asn: Some(asn), prepend, stale }
    }

    /// Configured, in use, or needed.
    fn is_on(&self) -> bool {
        self.step.is_some() || self.last.is_some_and(|last| last.prepend.is_some()) || self.other_as().is_some()
    }

    /// The last holder's AS and ours, where they differ.
    fn other_as(&self) -> Option<(u32, u32)> {
        let theirs = self.last?.asn?;
        Some((theirs, self.asn?)).filter(|(theirs, ours)| theirs != ours)
    }

    /// One step less than what may stand.
    fn shorter(&self, now: Instant) -> u8 {
        self.shortest(now).map_or(self.full(), |shortest| shortest.saturating_sub(self.step()).min(self.full()))
    }

    fn step(&self) -> u8 {
        self.step.unwrap_or(DEFAULT_STEP)
    }

    fn full(&self) -> u8 {
        self.step().saturating_mul(MARGIN)
    }

    fn stand(&mut self, now: Instant, path: u8, lasting: Duration) {
        self.standing.retain(|_, until| *until > now);
        let until = self.standing.entry(path).or_insert(now);
        *until = (*until).max(now + lasting);
    }

    fn shortest(&self, now: Instant) -> Option<u8> {
        self.standing.iter().find(|(_, until)| **until > now).map(|(path, _)| *path)
    }

    fn clear_at(&self, now: Instant) -> Option<Instant> {
        self.standing.values().copied().filter(|until| *until > now).max()
    }
}

/// Rounded up, and no more than the annotation is read as.
fn whole_seconds(time: Duration) -> Duration {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Duration::from_secs(seconds.min(u32::MAX.into()))
}

#[cfg(test)]
mod tests;
