//! A holder that is not fit, and knows no other vipcast to hand over to: beside kube-vips, or where candidates may not
//! write Leases of their own. It falls silent, then gives the lease back, and stands again when it is fit.

use std::time::Duration;

use super::types::{Event, Holding, Loss, Moment};
use super::{DWELL, Elector, Leaving, View};
use crate::election::Fitness;
use crate::time::Instant;

/// How long withdrawing and unbinding may take: then the lease is given back all the same.
const SILENCE: Duration = Duration::from_secs(1);

impl Elector {
    /// Whether a holder that is not fit stands in the way of others: no other vipcast is known, fit or not, and there are
    /// API servers besides this node's own.
    pub fn set_alone(&mut self, at: Moment, alone: bool) {
        self.expire(at.now);
        self.alone = alone;
        self.plan(at);
    }

    /// Nothing is bound here, so no router has a route of ours any more.
    pub fn silent(&mut self, at: Moment) {
        self.expire(at.now);
        if let View::Ours(Holding { gives_way: Some(by), .. }) = &mut self.view {
            *by = at.now.min(*by);
        }
        self.plan(at);
    }

    /// When [`Self::give_way`] ends our entitlement.
    pub(super) fn give_way_at(&self) -> Option<Instant> {
        let View::Ours(held) = &self.view else { return None };
        let is_in_the_way = self.alone && self.offers.is_empty() && self.fitness == Fitness::Unfit;
        let stands = self.live && self.leaving == Leaving::No && held.offer.is_none();
        (is_in_the_way && stands).then_some(held.taken_at + DWELL)
    }

    /// Ends the entitlement of a holder that stands in the way: the lease is given back when it is silent.
    pub(super) fn give_way(&mut self, now: Instant) {
        if self.give_way_at().is_none_or(|at| now < at) {
            return;
        }
        self.end(Loss::GivesWay);
        if let View::Ours(held) = &mut self.view {
            held.gives_way = Some(now + SILENCE);
        }
    }

    /// The lease was given back by who stays.
    pub(super) fn gave_way(&mut self) {
        self.last_holder = None;
        self.report(Event::GaveWay);
    }
}
