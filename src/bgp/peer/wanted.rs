//! What is wanted of one peer alone while the speaker runs.

use super::Peer;
use super::link::Link;
use crate::bgp::fsm::{Input, Reset, Side};
use crate::bgp::settings::PeerSettings;
use crate::time::Instant;

/// The whole of it.
#[derive(Clone, Debug)]
pub(in crate::bgp) struct Wanted {
    /// What it is to be like. Only what needs no other session is taken up.
    pub(in crate::bgp) settings: PeerSettings,
    /// Whether its task is to end.
    pub(in crate::bgp) end: Option<End>,
}

/// Why a peer's task is to end while others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bgp) enum End {
    /// The peer is no more.
    Removed,
    /// Another task goes on with it, as what its session was made with changed.
    Changed,
}

impl Peer {
    pub(super) fn take_wanted(&mut self, now: Instant) {
        let Wanted { settings, end } = self.wiring.wanted.borrow_and_update().clone();
        match end {
            Some(end) => return self.leave(now, end),
            None => self.stay(),
        }
        let PeerSettings { description, avoid_source, attributes, shutdown_text, graceful_shutdown, .. } = settings;
        for side in Side::ALL {
            if let Some(adj) = self.links[side].adj_out() {
                adj.set_attributes(attributes.clone());
            }
        }
        let own = &mut self.settings;
        (own.description, own.shutdown_text, own.graceful_shutdown) = (description, shutdown_text, graceful_shutdown);
        (own.avoid_source, own.attributes) = (avoid_source, attributes);
        self.routes_new = true;
        let is_vip = self.is_vip();
        let stays = self.stopping.is_none();
        if stays && self.links.iter().filter_map(Link::local).any(|local| is_vip(local.ip())) {
            // It moves away with the lease.
            self.fsm.tell(now, &Input::Reset(Reset::ConfigChange));
        }
    }
}
