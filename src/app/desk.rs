//! The node as the control socket sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use tokio::sync::watch;

use super::chronicle::{Chronicle, Election};
use super::draining::{Drains, Switch};
use super::live::Loaded;
use super::report::{Elected, Known, report};
use crate::announce::Moves;
use crate::bgp::{PeerKey, SpeakerConfig, SpeakerHandle};
use crate::clock::now;
use crate::control::Node;
use crate::control::status::Status;
use crate::control::wall::Moment;
use crate::election::Condition;
use crate::health::Health;
use crate::time::Instant;
use crate::vip::{Facts, Vip};

/// Where everything is read that the document is made of.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) node: String,
    pub(super) started: Instant,
    /// Namespace and name, and the election.
    pub(super) election: Option<(String, Election)>,
    pub(super) condition: watch::Receiver<Condition>,
    pub(super) health: watch::Receiver<Health>,
    /// Why addresses are not bound.
    pub(super) failures: watch::Receiver<BTreeMap<Vip, String>>,
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) bound: watch::Receiver<BTreeSet<Vip>>,
    /// Where Elastic IPs take the place of peers.
    pub(super) moves: Option<watch::Receiver<Moves>>,
    pub(super) speaker: SpeakerHandle,
    pub(super) loaded: watch::Receiver<Loaded>,
    pub(super) drains: watch::Receiver<Drains>,
    pub(super) chronicle: watch::Receiver<Chronicle>,
    pub(super) switch: Switch,
}

impl Node for Desk {
    fn status(&self) -> Status {
        // Copies: no station waits for this.
        let peers = self.speaker.status().borrow().clone();
        let descriptions = descriptions(&self.speaker.config().borrow());
        let election = self.election.as_ref();
        let known = Known {
            node: &self.node,
            started: self.started,
            election: election.map(|(lease, election)| Elected {
                lease,
                leadership: election.leadership.borrow().clone(),
                story: election.story.borrow().clone(),
                candidates: election.candidates.borrow().clone(),
            }),
            condition: self.condition.borrow().clone(),
            health: self.health.borrow().clone(),
            failures: self.failures.borrow().clone(),
            facts: self.facts.borrow().clone(),
            bound: self.bound.borrow().clone(),
            moves: self.moves.as_ref().map(|moves| moves.borrow().clone()),
            peers: &peers,
            descriptions: &descriptions,
            drains: self.drains.borrow().clone(),
            loaded: self.loaded.borrow().clone(),
            chronicle: self.chronicle.borrow().clone(),
        };
        report(&known, &moment())
    }

    fn drain(&self, persistent: bool) -> Result<(), String> {
        tracing::info!(persistent, "this node is drained by hand");
        self.switch.drain(persistent)
    }

    fn undrain(&self) -> Result<(), String> {
        tracing::info!("this node is undrained");
        self.switch.undrain()
    }
}

/// What their operator calls the peers.
fn descriptions(config: &SpeakerConfig) -> BTreeMap<PeerKey, String> {
    config.peers.iter().filter_map(|peer| Some((peer.key(), peer.description.clone()?))).collect()
}

pub(super) fn moment() -> Moment {
    #[expect(clippy::disallowed_methods, reason = "shown to people, never compared")]
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment { now: now(), wall }
}
