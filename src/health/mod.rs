//! Whether this node is fit to serve: does what stands behind the VIPs answer, and does any router hear us.
//!
//! ```text
//!   probe ─ Outcome ─► Gate ─► Health ─┐
//!   sessions, links ─► Heard ──────────┼─► Fitness
//!   drained ───────────────────────────┘
//! ```
//!
//! `Gate`, `Heard` and the joining of all into a [`Fitness`] are pure; [`probe`] asks.

mod gate;
mod heard;
#[cfg(feature = "daemon")]
mod probe;

pub use gate::{Gate, Health, Outcome, Rules, State};
pub use heard::{BLIP, GRACE, Heard, Hearing, Sessions};
#[cfg(feature = "daemon")]
pub use probe::{Ask, probe};

/// Whether this node should announce, or hold the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fitness {
    /// Not checked yet.
    #[default]
    Unknown,
    /// What stands behind the VIPs answers, and a router hears us.
    Fit,
    /// It answers, and there was no time yet for a router to hear us.
    Starting,
    /// It answers, but no router hears us; why.
    Unheard(String),
    /// It fails its checks; why.
    Unfit(String),
    /// The operator wants the node empty.
    Drained,
}

impl Fitness {
    /// All that is known, joined. What the operator wants counts first, then the checks, then the routers.
    #[must_use]
    pub fn join(health: &Health, hearing: Hearing, drained: bool) -> Self {
        match (drained, health.state, hearing) {
            (true, _, _) => Self::Drained,
            (false, State::Unknown, _) => Self::Unknown,
            (false, State::Bad, _) => {
                Self::Unfit(health.last_error.as_ref().map_or_else(String::new, |e| e.text.clone()))
            }
            (false, State::Off | State::Good, Hearing::Unheard(why)) => Self::Unheard(why),
            (false, State::Off | State::Good, Hearing::NotYet) => Self::Starting,
            (false, State::Off | State::Good, Hearing::Heard) => Self::Fit,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::gate::Failure;
    use super::*;
    use crate::time::Instant;

    #[test]
    fn the_operator_counts_first_then_the_checks_then_the_routers() {
        let at = Instant::from_boot(Duration::from_secs(1));
        let health = |state| Health { state, since: at, last_error: Some(Failure { at, text: "500".to_owned() }) };
        let deaf = || Hearing::Unheard("no session".to_owned());
        let join = |state, hearing, drained| Fitness::join(&health(state), hearing, drained);
        assert_eq!(join(State::Bad, deaf(), true), Fitness::Drained);
        assert_eq!(join(State::Bad, deaf(), false), Fitness::Unfit("500".to_owned()));
        assert_eq!(join(State::Unknown, deaf(), false), Fitness::Unknown);
        assert_eq!(join(State::Good, deaf(), false), Fitness::Unheard("no session".to_owned()));
        assert_eq!(join(State::Off, deaf(), false), Fitness::Unheard("no session".to_owned()));
        assert_eq!(join(State::Good, Hearing::NotYet, false), Fitness::Starting);
        assert_eq!(join(State::Bad, Hearing::NotYet, false), Fitness::Unfit("500".to_owned()));
        assert_eq!(join(State::Good, Hearing::Heard, false), Fitness::Fit);
        assert_eq!(join(State::Off, Hearing::Heard, false), Fitness::Fit);
    }
}
