//! Next hops: of the route's own family, or IPv6 for IPv4 routes (RFC 8950).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where to send a route's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// Of an IPv4 route. That of an IPv6 route goes out IPv4-mapped.
    V4(Ipv4Addr),
    /// Of an IPv6 route, or of an IPv4 route where both sides agreed on that (RFC 8950).
    V6 {
        /// The global one; on a link without global addresses the link-local one stands here.
        global: Ipv6Addr,
        /// The link-local one behind it, where the peer is on the same link (RFC 2545 §3).
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// Its address: of two the global one.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        match self {
            Self::V4(address) => IpAddr::V4(address),
            Self::V6 { global, link_local: _ } => IpAddr::V6(global),
        }
    }

    /// The field of MP_REACH_NLRI, without its length.
    pub(super) fn octets(self) -> Vec<u8> {
        match self {
            Self::V4(address) => address.to_ipv6_mapped().octets().to_vec(),
            Self::V6 { global, link_local } => {
                global.octets().into_iter().chain(link_local.map(|ip| ip.octets()).into_iter().flatten()).collect()
            }
        }
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(global) => Self::V6 { global, link_local: None },
        }
    }
}

/// `2001:db8::1 (fe80::1)` with a link-local address.
impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6 { global, link_local: None } => global.fmt(f),
            Self::V6 { global, link_local: Some(link_local) } => write!(f, "{global} ({link_local})"),
        }
    }
}
