//! The records we write.

use std::time::Duration;

use super::types::{Holding, Kind, Moment};
use crate::config::LeaseConfig;
use crate::election::record::{ACKNOWLEDGED, FROM, INSTANCE, MicroTime, OFFER, RESUMED, Record, Spec, TERM};

/// How a claim comes about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// The lease was free, or waited out.
    Free,
    /// An earlier process of this node held it, and we go on within its lease.
    Resumed,
    /// Its holder offered it to us.
    Offer {
        /// The holder's term.
        term: u64,
        /// The holder's process.
        instance: String,
    },
}

impl Origin {
    /// The origin of a claim of what stands under offer.
    pub(super) fn of_offer(record: &Record) -> Self {
        let instance = record.instance().unwrap_or_default().to_owned();
        Self::Offer { term: record.term().unwrap_or_default(), instance }
    }
}

/// How long a holder that went on after a crash must hold before it may do so again.
const RESUMED_FOR: Duration = Duration::from_secs(60);

/// What is the same in every record of this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    pub(super) fn claim(&self, known: Option<&Record>, term: u64, wall: MicroTime, origin: &Origin) -> Record {
        let old = known.map(|record| &record.spec);
        let same_holder = old.and_then(Spec::holder) == Some(&self.identity);
        let transitions = old.map_or(0, |spec| {
            let count = spec.transitions.unwrap_or(0);
            if same_holder { count } else { count.saturating_add(1) }
        });
        let acquired = old.filter(|_| same_holder).and_then(|spec| spec.acquire_time).unwrap_or(wall);
        let spec = Spec { transitions: Some(transitions), acquire_time: Some(acquired), ..Spec::default() };
        let mut record = self.holding(known, term, spec, wall);
        forget_handover(&mut record);
        match origin {
            Origin::Free => {}
            Origin::Resumed => note(&mut record, RESUMED, self.instance.clone()),
            Origin::Offer { term, instance } => note(&mut record, FROM, format!("{term} {instance}")),
        }
        record
    }

    /// Renews what we hold.
    pub(super) fn renewal(&self, held: &Holding, kind: &Kind, at: Moment) -> Record {
        let spec = Spec {
            transitions: Some(held.record.spec.transitions.unwrap_or(0)),
            acquire_time: held.record.spec.acquire_time,
            ..Spec::default()
        };
        let mut record = self.holding(Some(&held.record), held.term, spec, at.wall);
        record.annotations.remove(OFFER);
        if at.now >= held.taken_at + RESUMED_FOR {
            record.annotations.remove(RESUMED);
        }
        let Kind::Renewal { acknowledges, offer, .. } = kind else { return record };
        if *acknowledges {
            note(&mut record, ACKNOWLEDGED, held.term.to_string());
        }
        if let (Some(to), Some(renewed)) = (offer, record.spec.renew_time) {
            note(&mut record, OFFER, format!("{} {} {}", held.term, renewed.0, to.instance));
        }
        record
    }

    fn holding(&self, known: Option<&Record>, term: u64, kept: Spec, wall: MicroTime) -> Record {
        let mut record = known.cloned().unwrap_or_default();
        let last = record.spec.renew_time;
        record.spec = Spec {
            holder: Some(self.identity.clone()),
            duration_seconds: Some(self.duration_seconds),
            renew_time: Some(later(last, wall)),
            ..kept
        };
        record.annotations.insert(TERM.to_owned(), term.to_string());
        record.annotations.insert(INSTANCE.to_owned(), self.instance.clone());
        record
    }

    /// Gives back what we hold, as client-go does: nobody, for one second. The annotations stay: the term is a floor.
    pub(super) fn release(held: &Record, wall: MicroTime) -> Record {
        let at = later(held.spec.renew_time, wall);
        let mut free = Record {
            spec: Spec {
                holder: Some(String::new()),
                duration_seconds: Some(1),
                acquire_time: Some(at),
                renew_time: Some(at),
                transitions: held.spec.transitions,
                ..Spec::default()
            },
            ..held.clone()
        };
        forget_handover(&mut free);
        free
    }
}

fn note(record: &mut Record, key: &str, text: String) {
    record.annotations.insert(key.to_owned(), text);
}

/// What a former holder said of its own term, and how it came to it.
fn forget_handover(record: &mut Record) {
    for key in [OFFER, FROM, ACKNOWLEDGED, RESUMED] {
        record.annotations.remove(key);
    }
}

/// The wall clock, but in a later second than what stands there: client-go sees whole seconds only, and takes a value
/// that it has seen before for a holder that does not renew. What is far ahead is some node's mistake, and need not stand
/// for ever.
pub(super) fn later(last: Option<MicroTime>, wall: MicroTime) -> MicroTime {
    const FAR: u64 = 3600;
    const SECOND: i64 = 1_000_000;
    let Some(last) = last else { return wall };
    match last.seconds().checked_sub(wall.seconds()) {
        // The fraction is the clock's own: when etcd goes back, times are counted from there again, and none may be one
        // that somebody saw before.
        Some(ahead) if ahead < FAR => {
            let next = last.0.div_euclid(SECOND).saturating_add(1);
            MicroTime(next.saturating_mul(SECOND).saturating_add(wall.0.rem_euclid(SECOND)))
        }
        Some(_) | None => wall,
    }
}
