//! Who may speak, and who may stand.

use super::types::{Holding, Moment};
use super::{Elector, Leaving, View};
use crate::election::record::Record;
use crate::election::{Fitness, Leadership};
use crate::time::Instant;

/// A node that no router hears stands only for what nobody took for so many retry periods.
const UNHEARD_WAITS: u32 = 2;

impl Elector {
    /// Whether this node should hold the lease; nothing is claimed before it was said.
    pub fn set_fitness(&mut self, at: Moment, fitness: Fitness) {
        self.expire(at.now);
        self.fitness = fitness;
        self.plan(at);
    }

    /// Whether we may speak at `now`.
    #[must_use]
    pub fn leadership(&self, now: Instant) -> Leadership {
        if let Some(parting) = self.parting.as_ref().filter(|parting| now < parting.until) {
            let successor = Some(parting.to.node.clone());
            let prepend = self.fence.prepend();
            return Leadership::Held { until: parting.until, term: parting.term, prepend, successor };
        }
        match &self.view {
            View::Ours(Holding { until, term, gives_way: None, .. })
                if now < *until && self.is_candidate_or_holder() =>
            {
                Leadership::Held { until: *until, term: *term, prepend: self.fence.prepend(), successor: None }
            }
            View::Theirs { record, .. } if !self.is_our_trace(record) => {
                let holder = record.spec.holder().map(str::to_owned);
                Leadership::Follower { holder, standby_until: self.standby_until }
            }
            View::Gone { .. } => Leadership::Follower { holder: None, standby_until: self.standby_until },
            View::Unknown | View::Theirs { .. } | View::Ours(_) => Leadership::UNKNOWN,
        }
    }

    /// Whether a record under our name is an earlier one of this node, not a twin's.
    fn is_our_trace(&self, record: &Record) -> bool {
        self.last_twin.is_none() && record.spec.holder() == Some(&self.author.identity)
    }

    /// Whether what we write, or wrote, entitles us: not when the lease is being given back.
    pub(super) const fn is_candidate_or_holder(&self) -> bool {
        matches!(self.leaving, Leaving::No | Leaving::HandingOver | Leaving::HandedOver)
    }

    /// When we may claim what is free from `free_at` on; `None`: we may not.
    pub(super) fn claim_at(&self, free_at: Instant) -> Option<Instant> {
        match self.fitness {
            Fitness::Fit | Fitness::Starting => Some(free_at),
            Fitness::Unheard if self.offers.is_empty() => Some(free_at + self.config.retry_period * UNHEARD_WAITS),
            Fitness::Unheard | Fitness::Unknown | Fitness::Unfit | Fitness::Drained => None,
        }
    }
}
