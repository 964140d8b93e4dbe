//! What this node should announce now, and until when. Pure.

mod desired;

pub use desired::{Facts, Holder, Standing, desired};

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::time::Until;

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
}

/// One VIP that is to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// When the entitlement ends.
    pub until: Until,
    /// The metrics it is announced with.
    pub preference: Preference,
}

/// Everything this node should announce: the whole state, never a change to it.
pub type VipSet = BTreeMap<Vip, Wish>;
