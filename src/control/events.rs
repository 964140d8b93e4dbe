//! The last things that happened, in a ring. Pure.

use std::collections::VecDeque;

use crate::time::Instant;

/// So many are kept; the oldest goes first.
pub const KEPT: usize = 50;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What it is about.
    pub kind: Kind,
    /// What, as a sentence without its full stop.
    pub text: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Who holds the lease.
    Lease,
    /// A session with a peer.
    Peer,
    /// An address that is bound, or not any more.
    Address,
    /// A route that a peer was told, or not any more.
    Route,
    /// Whether this node is fit.
    Fitness,
    /// Whether it is drained.
    Drain,
    /// The configuration.
    Configuration,
}

/// The last [`KEPT`] events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events(VecDeque<Event>);

impl Events {
    /// Adds one.
    pub fn push(&mut self, event: Event) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// All that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut events = Events::default();
        let event = |n: usize| Event { at: Instant::from_boot(Duration::ZERO), kind: Kind::Peer, text: n.to_string() };
        (0..KEPT + 3).for_each(|n| events.push(event(n)));
        let expected: Vec<Event> = (3..KEPT + 3).map(event).collect();
        assert_eq!(events.iter().cloned().collect::<Vec<_>>(), expected);
    }
}
