//! Whether any router hears us. Pure.
//!
//! What is heard is a session that is Established over a link that has its carrier. Lost carrier counts at once, a
//! session that ended only after a [`BLIP`], and whoever has just started has a [`GRACE`] to make one.

use std::time::Duration;

use crate::time::Instant;

/// How long after the start nobody needs to hear us yet.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long there may be no session: a router that resets one takes it up again within that.
pub const BLIP: Duration = Duration::from_secs(1);

/// What is there of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// One at least is Established, over a link that has its carrier.
    Some,
    /// None is Established.
    None,
    /// Those that are Established run over links that have lost their carrier: which.
    Dark(String),
}

/// Whether a router hears us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// One does, or did until a moment ago.
    Heard,
    /// None has, and it is too early to say why.
    NotYet,
    /// None does; why.
    Unheard(String),
}

/// Watches over sessions.
#[derive(Clone, Debug)]
pub struct Heard {
    state: State,
    /// Whether there ever was a session.
    was_heard: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Heard,
    /// Silent, which counts from this instant on.
    Silent {
        counts_from: Instant,
        why: String,
    },
}

const NO_SESSION: &str = "no BGP session is established";

impl Heard {
    /// Nothing is established yet, which counts after the grace.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let state = State::Silent { counts_from: now + GRACE, why: NO_SESSION.to_owned() };
        Self { state, was_heard: false }
    }

    /// Takes what is there now.
    pub fn see(&mut self, now: Instant, sessions: &Sessions) {
        self.was_heard |= *sessions == Sessions::Some;
        self.state = match (&self.state, sessions) {
            (_, Sessions::Some) => State::Heard,
            (State::Heard, Sessions::None) => State::Silent { counts_from: now + BLIP, why: NO_SESSION.to_owned() },
            // The session of a dead link ends, and that is no news.
            (State::Silent { .. }, Sessions::None) => return,
            (State::Heard, Sessions::Dark(links)) => State::Silent { counts_from: now, why: dark(links) },
            (State::Silent { counts_from, .. }, Sessions::Dark(links)) => {
                State::Silent { counts_from: now.min(*counts_from), why: dark(links) }
            }
        };
    }

    /// Whether a router hears us.
    #[must_use]
    pub fn hearing(&self, now: Instant) -> Hearing {
        match &self.state {
            State::Silent { counts_from, why } if now >= *counts_from => Hearing::Unheard(why.clone()),
            State::Silent { .. } if !self.was_heard => Hearing::NotYet,
            State::Silent { .. } | State::Heard => Hearing::Heard,
        }
    }

    /// When the answer changes by itself.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Silent { counts_from, .. } if now < counts_from => Some(counts_from),
            State::Silent { .. } | State::Heard => None,
        }
    }
}

fn dark(links: &str) -> String {
    format!("no carrier on {links}, which the BGP sessions run over")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_boot(Duration::from_millis(millis))
    }

    /// What is known and what comes next.
    fn says(heard: &Heard, millis: u64) -> (Hearing, Option<Instant>) {
        (heard.hearing(at(millis)), heard.next_deadline(at(millis)))
    }

    fn no_session() -> Hearing {
        Hearing::Unheard("no BGP session is established".to_owned())
    }

    fn no_carrier() -> Hearing {
        Hearing::Unheard("no carrier on eth0, which the BGP sessions run over".to_owned())
    }

    fn dark() -> Sessions {
        Sessions::Dark("eth0".to_owned())
    }

    #[test]
    fn after_the_start_there_is_a_grace() {
        let mut heard = Heard::new(at(0));
        heard.see(at(100), &Sessions::None);
        assert_eq!(says(&heard, 9_999), (Hearing::NotYet, Some(at(10_000))));
        assert_eq!(says(&heard, 10_000), (no_session(), None));
        heard.see(at(12_000), &Sessions::Some);
        assert_eq!(says(&heard, 12_000), (Hearing::Heard, None));
    }

    #[test]
    fn a_blip_does_not_count_and_ends_the_grace() {
        let mut heard = Heard::new(at(0));
        heard.see(at(100), &Sessions::Some);
        heard.see(at(200), &Sessions::None);
        assert_eq!(says(&heard, 1_199), (Hearing::Heard, Some(at(1_200))));
        heard.see(at(1_199), &Sessions::Some);
        assert_eq!(says(&heard, 5_000), (Hearing::Heard, None));
        heard.see(at(5_000), &Sessions::None);
        heard.see(at(5_500), &Sessions::None);
        assert_eq!(says(&heard, 6_000), (no_session(), None));
    }

    #[test]
    fn lost_carrier_counts_at_once_and_for_as_long_as_there_is_no_session() {
        let mut heard = Heard::new(at(0));
        heard.see(at(100), &Sessions::Some);
        heard.see(at(200), &dark());
        assert_eq!(says(&heard, 200), (no_carrier(), None));
        heard.see(at(300), &Sessions::None);
        assert_eq!(says(&heard, 300), (no_carrier(), None));
        heard.see(at(400), &Sessions::Some);
        assert_eq!(says(&heard, 400), (Hearing::Heard, None));
    }

    #[test]
    fn lost_carrier_ends_a_blip() {
        let mut heard = Heard::new(at(0));
        heard.see(at(0), &Sessions::Some);
        heard.see(at(100), &Sessions::None);
        heard.see(at(500), &dark());
        assert_eq!(says(&heard, 500), (no_carrier(), None));
    }
}
