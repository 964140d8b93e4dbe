//! The end in good order.
//!
//! ```text
//! order ─► announce with GRACEFUL_SHUTDOWN, wait ─► withdraw ─► delivered ─► Cease ─► close
//!          (RFC 8326; only where it is set)
//! ```

use std::time::Duration;

use super::Peer;
use super::link::Link;
use super::wanted::End;
use crate::bgp::fsm::{Input, Side, StateName};
use crate::clock;
use crate::time::Instant;
use crate::wire::bgp::{Notification, error};

/// What a stop without an order (the handle is gone) may take.
const UNASKED: Duration = Duration::from_secs(1);

/// What the end of one session may take while the others go on: delivering withdrawals and the Cease, until the router
/// closes its side.
const GOODBYE: Duration = Duration::from_millis(1500);

/// The order to end the session in good order.
#[derive(Clone, Debug)]
pub(in crate::bgp) struct StopOrder {
    /// What the peer's operator reads, where the peer has no text of its own.
    pub(in crate::bgp) text: String,
    /// When what is not done is cut; a graceful shutdown comes before that and moves it.
    pub(in crate::bgp) deadline: Instant,
}

/// A stop that is carried out. Pure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopping {
    cease: Notification,
    /// How long withdrawals and the Cease may take together.
    goodbye: Duration,
    stage: Stage,
}

/// How far a stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Routes stay, marked as about to go, until then.
    Draining(Instant),
    /// Routes are withdrawn. Half of the time is for that, the rest for the Cease.
    Withdrawing { cease_by: Instant, deadline: Instant },
    /// The Cease is sent.
    Ceased { deadline: Instant },
}

impl Stopping {
    /// What follows from an order: first the graceful shutdown, if there is to be one.
    fn begin(now: Instant, order: StopOrder, text: Option<&str>, graceful: Option<Duration>) -> Self {
        let cease = Notification::administrative_shutdown(text.unwrap_or(&order.text));
        Self::with(now, cease, order.deadline - now, graceful)
    }

    /// The peer is no more: as above, with another Cease.
    fn of_removed(now: Instant, graceful: Option<Duration>) -> Self {
        Self::with(now, Notification::plain(error::CEASE_PEER_DECONFIGURED), GOODBYE, graceful)
    }

    /// The session is to be made anew: the routes are to come back, so nothing is withdrawn before it ends.
    fn of_changed(now: Instant) -> Self {
        let stage = Stage::Withdrawing { cease_by: now, deadline: now + GOODBYE };
        Self { cease: Notification::plain(error::CEASE_CONFIGURATION_CHANGE), goodbye: GOODBYE, stage }
    }

    fn with(now: Instant, cease: Notification, goodbye: Duration, graceful: Option<Duration>) -> Self {
        let stage = graceful.map_or_else(|| Stage::withdrawing(now, goodbye), |time| Stage::Draining(now + time));
        Self { cease, goodbye, stage }
    }

    /// Whatever is waited for, it is no more.
    fn hurry(&mut self, now: Instant) {
        if self.is_draining() {
            self.stage = Stage::withdrawing(now, self.goodbye);
        }
    }

    /// Whether routes stay for the moment, marked as about to go.
    pub(super) const fn is_draining(&self) -> bool {
        matches!(self.stage, Stage::Draining(_))
    }

    /// Goes on to the withdrawals when it is time to; whether it did.
    fn end_drain(&mut self, now: Instant) -> bool {
        let is_over = matches!(self.stage, Stage::Draining(until) if now >= until);
        if is_over {
            self.stage = Stage::withdrawing(now, self.goodbye);
        }
        is_over
    }

    /// Whether the Cease is still to be sent.
    const fn is_pending(&self) -> bool {
        !matches!(self.stage, Stage::Ceased { .. })
    }

    /// Whether there is no more time to wait for the withdrawals.
    fn is_late(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Withdrawing { cease_by, .. } if now >= cease_by)
    }

    /// The Cease is sent now.
    fn cease(&mut self, now: Instant) -> Notification {
        self.stage = Stage::Ceased { deadline: self.deadline(now) };
        self.cease.clone()
    }

    /// When a connection that ends now is cut.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        match self.stage {
            Stage::Draining(_) => now + self.goodbye,
            Stage::Withdrawing { deadline, .. } | Stage::Ceased { deadline } => deadline,
        }
    }

    pub(super) const fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Draining(until) => Some(until),
            Stage::Withdrawing { cease_by, .. } => Some(cease_by),
            Stage::Ceased { .. } => None,
        }
    }
}

impl Stage {
    fn withdrawing(now: Instant, goodbye: Duration) -> Self {
        Self::Withdrawing { cease_by: now + goodbye / 2, deadline: now + goodbye }
    }
}

impl Peer {
    /// A graceful shutdown is for routes that the peer has; where there is no session the end is at once.
    pub(super) fn take_order(&mut self, ordered: bool) {
        let now = clock::now();
        self.is_ordered = true;
        self.routes_new = true;
        let order = self.wiring.stop.borrow_and_update().clone().filter(|_| ordered);
        if let Some(stopping) = &mut self.stopping {
            // It leaves already, alone; now all do.
            return stopping.hurry(now);
        }
        let graceful = self.settings.graceful_shutdown.filter(|_| order.is_some());
        let order = order.unwrap_or_else(|| StopOrder { text: String::new(), deadline: now + UNASKED });
        self.say_mark(graceful);
        self.stopping = Some(Stopping::begin(now, order, self.settings.shutdown_text.as_deref(), graceful));
    }

    /// This peer is to go, or its session to be made anew; the others stay.
    pub(super) fn leave(&mut self, now: Instant, end: End) {
        match (end, &mut self.stopping) {
            (End::Removed, None) => {
                let graceful = self.settings.graceful_shutdown;
                self.say_mark(graceful);
                self.stopping = Some(Stopping::of_removed(now, graceful));
                self.routes_new = true;
            }
            (End::Changed, None) => self.stopping = Some(Stopping::of_changed(now)),
            (End::Changed, Some(stopping)) => {
                stopping.hurry(now);
                self.routes_new = true;
            }
            (End::Removed, Some(_)) => {}
        }
    }

    /// The peer is to stay after all: it does where nothing was withdrawn yet.
    pub(super) fn stay(&mut self) {
        if self.stopping.as_ref().is_some_and(Stopping::is_draining) && !self.is_ordered {
            self.stopping = None;
            self.routes_new = true;
        }
    }

    fn say_mark(&self, graceful: Option<Duration>) {
        if let Some(time) = graceful.filter(|_| !self.links.iter().all(Link::is_clear)) {
            let (peer, description) = (self.settings.key(), self.settings.description());
            let milliseconds = time.as_millis();
            tracing::info!(
                %peer,
                description,
                milliseconds,
                "routes are marked as about to go (RFC 8326) before they are withdrawn"
            );
        }
    }

    /// When the peer had its time to find other paths, the withdrawals follow.
    pub(super) fn end_drain(&mut self, now: Instant) {
        if self.stopping.as_mut().is_some_and(|stopping| stopping.end_drain(now)) {
            self.routes_new = true;
        }
    }

    /// The Cease goes out when the withdrawals are delivered, or there is no more time to wait for that, or there is
    /// no session to withdraw from.
    pub(super) fn obey(&mut self, now: Instant) {
        let Some(stopping) = self.stopping.as_mut().filter(|stopping| stopping.is_pending()) else { return };
        let withdrawn = self.links.iter().all(Link::is_clear) && !self.routes_new;
        if withdrawn || stopping.is_late(now) || self.fsm.state().name() != StateName::Established {
            let cease = stopping.cease(now);
            let deadline = stopping.deadline(now);
            for side in Side::ALL {
                self.links[side].close_by(deadline);
            }
            self.fsm.tell(now, &Input::Stop(cease));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::from_boot(Duration::from_secs(1000));

    fn at(millis: u64) -> Instant {
        T0 + Duration::from_millis(millis)
    }

    fn begin(own_text: Option<&str>, graceful: Option<u64>) -> Stopping {
        let order = StopOrder { text: "leaving".to_owned(), deadline: at(1000) };
        Stopping::begin(T0, order, own_text, graceful.map(Duration::from_millis))
    }

    #[test]
    fn without_a_graceful_shutdown_half_of_the_time_is_for_the_withdrawals() {
        let mut stopping = begin(None, None);
        assert!(!stopping.is_draining() && !stopping.end_drain(at(1000)));
        assert_eq!((stopping.next_deadline(), stopping.deadline(T0)), (Some(at(500)), at(1000)));
        assert_eq!([at(499), at(500)].map(|now| stopping.is_late(now)), [false, true]);
        assert_eq!(stopping.cease(at(500)), Notification::administrative_shutdown("leaving"));
        assert_eq!((stopping.next_deadline(), stopping.deadline(at(500))), (None, at(1000)));
        assert!(!stopping.is_pending());
    }

    #[test]
    fn a_graceful_shutdown_comes_first_and_moves_the_rest() {
        let mut stopping = begin(None, Some(3000));
        assert!(stopping.is_draining() && !stopping.is_late(at(2999)) && !stopping.end_drain(at(2999)));
        assert_eq!(stopping.next_deadline(), Some(at(3000)));
        assert!(stopping.end_drain(at(3001)) && !stopping.is_draining());
        assert_eq!((stopping.next_deadline(), stopping.deadline(at(3001))), (Some(at(3501)), at(4001)));
        assert!(!stopping.end_drain(at(3001)));
    }

    #[test]
    fn a_session_to_be_made_anew_waits_for_no_withdrawal() {
        let mut stopping = Stopping::of_changed(T0);
        assert!(!stopping.is_draining() && stopping.is_late(T0));
        assert_eq!(stopping.cease(T0), Notification::plain((6, 6)));
        assert_eq!(stopping.deadline(T0), T0 + GOODBYE);
    }

    #[test]
    fn a_removed_peer_that_is_waited_for_can_be_hurried() {
        let mut stopping = Stopping::of_removed(T0, Some(Duration::from_secs(60)));
        assert!(stopping.is_draining());
        stopping.hurry(at(5));
        assert_eq!((stopping.is_draining(), stopping.deadline(at(5))), (false, at(5) + GOODBYE));
        assert_eq!(stopping.cease(at(6)), Notification::plain((6, 3)));
    }

    #[test]
    fn a_session_that_ends_before_has_no_more_than_the_goodbye() {
        let mut stopping = begin(Some("rack 7 is being moved"), Some(3000));
        assert_eq!(stopping.cease(at(100)), Notification::administrative_shutdown("rack 7 is being moved"));
        assert_eq!(stopping.deadline(at(200)), at(1100));
    }
}
