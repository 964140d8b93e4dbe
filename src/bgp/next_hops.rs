//! The next hops of a session's routes: our own addresses, or what the operator says. Pure.

use std::net::{IpAddr, Ipv6Addr};

use super::fsm::Negotiated;
use super::{NextHop as Choice, PeerSettings};
use crate::wire::bgp::NextHop;

/// Our addresses on the network of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddresses {
    /// Our end.
    pub session: IpAddr,
    /// One of the other family on the same interface, if there is one.
    pub beside: Option<IpAddr>,
    /// Our link-local one there, where the session is one over IPv6 and the peer on the same link.
    pub link_local: Option<Ipv6Addr>,
}

impl OwnAddresses {
    fn find<A>(&self, of_family: impl Fn(IpAddr) -> Option<A>) -> Option<A> {
        [Some(self.session), self.beside].into_iter().flatten().find_map(of_family)
    }

    /// RFC 2545 §3: the global address, and behind it the link-local one of a link that is shared with the peer. Where
    /// the session itself is one of link-local addresses there is only that: a global address of ours may be on no
    /// network of the peer's, and preferred by it all the same.
    fn v6(&self) -> Option<NextHop> {
        match (self.find(global), self.link_local) {
            (Some(global), link_local) => Some(NextHop::V6 { global, link_local }),
            (None, Some(alone)) => Some(NextHop::V6 { global: alone, link_local: None }),
            (None, None) => None,
        }
    }
}

/// The next hops of a session's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHops {
    /// Of IPv4 routes.
    pub v4: Option<NextHop>,
    /// Of IPv6 routes.
    pub v6: Option<NextHop>,
}

impl NextHops {
    /// What the operator says counts before our own addresses. IPv4 routes have an IPv6 next hop where that was agreed
    /// (RFC 8950), the session runs over IPv6, and the operator gives no IPv4 one.
    #[must_use]
    pub fn choose(own: &OwnAddresses, settings: &PeerSettings, negotiated: &Negotiated) -> Self {
        let v6 = match settings.next_hop_v6 {
            Choice::Fixed(global) => Some(NextHop::V6 { global, link_local: None }),
            Choice::Own => own.v6(),
        };
        let over_v6 = negotiated.extended_next_hop && own.session.is_ipv6();
        let v4 = match settings.next_hop_v4 {
            Choice::Fixed(address) => Some(NextHop::V4(address)),
            Choice::Own if over_v6 && v6.is_some() => v6,
            Choice::Own => own.find(|address| match address {
                IpAddr::V4(v4) => Some(NextHop::V4(v4)),
                IpAddr::V6(_) => None,
            }),
        };
        Self { v4, v6 }
    }
}

/// A link-local address means nothing beyond the link.
fn global(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(v6) => Some(v6).filter(|v6| !v6.is_unicast_link_local()),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests;
