//! The BGP speaker: one pure state machine and one Adj-RIB-Out a peer, driven over a socket.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use crate::time::Until;

/// Everything the speaker should announce to every peer: the whole state.
pub type RouteSet = BTreeMap<IpNetwork, RouteWish>;

/// One route to announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteWish {
    /// No byte may keep this route alive at a peer after that.
    pub until: Until,
    /// MULTI_EXIT_DISC; `None` sends none.
    pub med: Option<u32>,
    /// LOCAL_PREF for iBGP peers; `None` sends 100.
    pub local_pref: Option<u32>,
}
