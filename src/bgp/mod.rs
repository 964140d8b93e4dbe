//! The BGP speaker: one pure state machine and one Adj-RIB-Out a peer, driven over a socket.
//!
//! ```text
//! watch<RouteSet> ─► Speaker ─┬─► peer ─► adj_out ─► fsm ─► socket      one task a peer
//!                             └─► …         │
//!                                           └─► watchdog               one plain thread, resets what is over
//! ```
//!
//! What this does not do: it keeps no received route, and it knows nothing of leases: a route
//! comes with the end of its entitlement, and no byte keeps it alive beyond that.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use crate::time::Until;

pub mod adj_out;
pub mod backoff;
pub mod bfd;
mod changes;
pub mod fsm;
pub mod gtsm;
pub mod keys;
pub mod lookup;
pub mod md5;
pub mod next_hops;
mod settings;

#[cfg(feature = "daemon")]
mod error;
#[cfg(feature = "daemon")]
mod finder;
#[cfg(feature = "daemon")]
mod listener;
#[cfg(feature = "daemon")]
mod peer;
#[cfg(feature = "daemon")]
mod reach;
#[cfg(feature = "daemon")]
pub mod socket;
#[cfg(feature = "daemon")]
mod sockopt;
#[cfg(feature = "daemon")]
mod speaker;
#[cfg(feature = "daemon")]
pub mod watchdog;

pub use changes::Changes;
pub use settings::{
    Attributes, BfdSettings, Connect, Hops, LocalEnd, NextHop, Passwords, PeerHost, PeerKey, PeerSettings,
    SpeakerConfig,
};

pub use crate::wire::bgp::Family;

#[cfg(feature = "daemon")]
pub use error::Error;
#[cfg(feature = "daemon")]
pub use peer::{PeerStatus, Said};
#[cfg(feature = "daemon")]
pub use reach::{Reach, reach};
#[cfg(feature = "daemon")]
pub use socket::is_on_our_link;
#[cfg(feature = "daemon")]
pub use speaker::{Speaker, SpeakerHandle};

/// Everything the speaker should announce to every peer: the whole state.
pub type RouteSet = BTreeMap<IpNetwork, RouteWish>;

/// One route to announce. Its metrics are those that an operator gave the route, else the peer, else its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteWish {
    /// No byte may keep this route alive at a peer after that.
    pub until: Until,
    /// MULTI_EXIT_DISC where no operator gives another; `None` sends none.
    pub med: Option<u32>,
    /// LOCAL_PREF for iBGP peers where no operator gives another; `None` sends 100.
    pub local_pref: Option<u32>,
    /// How often our AS is prepended besides what the operator prepends, not to iBGP peers.
    pub prepend: u8,
    /// What an operator gave the route.
    pub attributes: Attributes,
}

impl RouteWish {
    /// A route with nothing special about it.
    #[must_use]
    pub fn new(until: Until) -> Self {
        Self { until, med: None, local_pref: None, prepend: 0, attributes: Attributes::default() }
    }
}
