//! The fence by AS path in the machine: what each record notes, and what is prepended.

use std::time::Duration;

use super::types::{Event, Kind};
use super::{Elector, View};
use crate::election::fence::{Fence, Notice};
use crate::election::record::{Notes, Record};
use crate::time::Instant;

impl Elector {
    /// Takes up the fence of this node; without it nothing is noted and nothing prepended. Before the first input.
    pub fn set_fence(&mut self, fence: Fence) {
        self.fence = fence;
    }

    /// For how long routers may keep our routes when we fall silent; noted with the next record.
    pub const fn set_stale(&mut self, stale: Duration) {
        self.fence.set_stale(stale);
    }

    /// Makes a record note what is true of our routes from before it is written until after it.
    pub(super) fn note_routes(&self, now: Instant, (mut record, kind): (Record, Kind)) -> (Record, Kind) {
        let notes: Option<Notes> = match kind {
            Kind::Claim { .. } => Some(self.fence.claim(now)),
            Kind::Renewal { .. } => Some(self.fence.renewal(now)),
            Kind::Release => None,
        };
        if let Some(notes) = notes {
            notes.write(&mut record.annotations);
        }
        (record, kind)
    }

    /// A record of ours stands.
    pub(super) fn fence_by(&mut self, now: Instant, term: u64, record: &Record) {
        let notices = self.fence.took(now, term, record);
        notices.into_iter().for_each(|notice| self.report(Event::Fence(notice)));
    }

    /// Does what is due of the fence.
    pub(super) fn tend_fence(&mut self, now: Instant) {
        if let Some(notice @ Notice::Restored) = self.fence.handle_timeout(now)
            && self.live
        {
            self.report(Event::Fence(notice));
        }
    }

    /// When that is.
    pub(super) fn fence_deadline(&self) -> Option<Instant> {
        self.fence.next_deadline().filter(|_| matches!(self.view, View::Ours(_)))
    }
}
