//! What this node should announce now, and until when. Pure.

mod desired;

pub use desired::{Facts, Holder, Standing, desired};

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::time::Until;
use crate::wire::bgp::Communities;

/// A virtual IP: announced as a host route, /32 or /128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vip(IpAddr);

impl Vip {
    /// The VIP of this address.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self(address)
    }

    /// Its address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.0
    }

    /// Its host route: /32 or /128.
    #[must_use]
    pub fn network(self) -> IpNetwork {
        IpNetwork::from(self.0)
    }
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network())
    }
}

/// What makes a router choose among the routes of several holders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4): the lower wins. `None` sends none.
    pub med: Option<u32>,
    /// LOCAL_PREF on iBGP sessions (RFC 4271 §5.1.5): the higher wins. `None` sends 100.
    pub local_pref: Option<u32>,
    /// How often our AS stands in the AS path besides once and what the operator prepends: the shorter path wins, also
    /// where MED is not compared. Not to iBGP peers.
    pub prepend: u8,
}

/// Path attributes that an operator sets: for a peer, which all VIPs have there, or for a VIP, which counts before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Those of the peer and of the VIP are all sent.
    pub communities: Communities,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, to iBGP peers only.
    pub local_pref: Option<u32>,
    /// How often our AS stands in the AS path besides once. Not to iBGP peers.
    pub prepend: Option<u8>,
}

/// One VIP that is to be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// When the entitlement ends.
    pub until: Until,
    /// The metrics it is announced with.
    pub preference: Preference,
    /// What the operator gave it.
    pub attributes: Attributes,
    /// Whether routers hear of it; where not it is only bound, for this node itself.
    pub announced: bool,
}

/// Everything this node should bind, and announce where it says so: the whole state, never a change to it.
pub type VipSet = BTreeMap<Vip, Wish>;
