//! The records we write.

use crate::config::LeaseConfig;
use crate::election::record::{INSTANCE, MicroTime, Record, Spec, TERM};

/// What is the same in every record of this process.
#[derive(Clone, Debug)]
pub(super) struct Author {
    /// The node's name.
    pub identity: String,
    /// The process's random id.
    pub instance: String,
    /// `leaseDurationSeconds`.
    pub duration_seconds: i32,
}

impl Author {
    pub(super) fn new(config: &LeaseConfig, identity: &str, instance: String) -> Self {
        let duration_seconds = i32::try_from(config.duration.as_secs()).unwrap_or(i32::MAX);
        Self { identity: identity.to_lowercase(), instance, duration_seconds }
    }

    /// Takes the lease: over `known`, or as a new object. Transitions and acquire time change only with the holder's
    /// name, as client-go has it.
    pub(super) fn claim(&self, known: Option<&Record>, term: u64, wall: MicroTime) -> Record {
        let old = known.map(|record| &record.spec);
        let same_holder = old.and_then(Spec::holder) == Some(&self.identity);
        let transitions = old.map_or(0, |spec| {
            let count = spec.transitions.unwrap_or(0);
            if same_holder { count } else { count.saturating_add(1) }
        });
        let acquired = old.filter(|_| same_holder).and_then(|spec| spec.acquire_time).unwrap_or(wall);
        self.holding(
            known,
            term,
            Spec { transitions: Some(transitions), acquire_time: Some(acquired), ..Spec::default() },
            wall,
        )
    }

    /// Renews what we hold.
    pub(super) fn renewal(&self, held: &Record, term: u64, wall: MicroTime) -> Record {
        let spec = Spec {
            transitions: Some(held.spec.transitions.unwrap_or(0)),
            acquire_time: held.spec.acquire_time,
            ..Spec::default()
        };
        self.holding(Some(held), term, spec, wall)
    }

    fn holding(&self, known: Option<&Record>, term: u64, kept: Spec, wall: MicroTime) -> Record {
        let mut record = known.cloned().unwrap_or_default();
        let last = record.spec.renew_time;
        record.spec = Spec {
            holder: Some(self.identity.clone()),
            duration_seconds: Some(self.duration_seconds),
            renew_time: Some(next(last, wall)),
            ..kept
        };
        record.annotations.insert(TERM.to_owned(), term.to_string());
        record.annotations.insert(INSTANCE.to_owned(), self.instance.clone());
        record
    }

    /// Gives back what we hold, as client-go does: nobody, for one second. The annotations stay: the term is a floor.
    pub(super) fn release(held: &Record, wall: MicroTime) -> Record {
        let at = next(held.spec.renew_time, wall);
        Record {
            spec: Spec {
                holder: Some(String::new()),
                duration_seconds: Some(1),
                acquire_time: Some(at),
                renew_time: Some(at),
                transitions: held.spec.transitions,
                ..Spec::default()
            },
            ..held.clone()
        }
    }
}

/// The wall clock, but never the value that stands there: a renewal that changes nothing would be none.
fn next(last: Option<MicroTime>, wall: MicroTime) -> MicroTime {
    if last == Some(wall) { MicroTime(wall.0.saturating_add(1)) } else { wall }
}
