//! The node's own addresses, as opposed to its VIPs: for the router ID.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address of each family that only the default route leads to (RFC 5737, RFC 3849): nothing is ever sent there.
const WORLD: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// The addresses this node may call itself by, never a VIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its IPv4 address, where it has one.
    pub v4: Option<Ipv4Addr>,
    /// Its global IPv6 address, where it has one.
    pub v6: Option<Ipv6Addr>,
}

impl Identity {
    /// Chosen per family: the source address the kernel uses towards the first of `peers` it has a route to, else the
    /// one it uses towards the world (that of the default route), else the lowest global one of `addresses`, which may
    /// be a container bridge's and the same on every node; never one of `vips`.
    #[must_use]
    pub fn find(peers: &[IpAddr], addresses: &BTreeSet<IpAddr>, vips: &[IpAddr]) -> Self {
        Self::choose(peers, addresses, vips, source_towards)
    }

    fn choose(
        peers: &[IpAddr],
        addresses: &BTreeSet<IpAddr>,
        vips: &[IpAddr],
        source_towards: impl Fn(IpAddr) -> Option<IpAddr>,
    ) -> Self {
        let usable = |a: &IpAddr| !vips.contains(a) && is_global(*a);
        let destinations = peers.iter().copied().chain(WORLD);
        let towards: Vec<IpAddr> = destinations.filter_map(source_towards).filter(usable).collect();
        let candidates = || towards.iter().chain(addresses.iter().filter(|a| usable(a)));
        Self {
            v4: candidates().find_map(|a| if let IpAddr::V4(v4) = a { Some(*v4) } else { None }),
            v6: candidates().find_map(|a| if let IpAddr::V6(v6) = a { Some(*v6) } else { None }),
        }
    }
}

/// The BGP Identifier (RFC 6286: any 4 octets but zero, unique within the AS): the node's IPv4 address; on an
/// IPv6-only node a hash of its IPv6 address, which stays the same from start to start; `None` without either.
#[must_use]
pub fn router_id(identity: Identity) -> Option<Ipv4Addr> {
    identity.v4.or_else(|| identity.v6.map(hashed))
}

/// FNV-1a, 32 bits. Zero, which RFC 6286 forbids, becomes one.
fn hashed(address: Ipv6Addr) -> Ipv4Addr {
    let hash = address.octets().iter().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    Ipv4Addr::from(hash.max(1))
}

/// What the kernel would put as source on a packet to `peer`; nothing is sent.
fn source_towards(peer: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = match peer {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect((peer, 179)).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => !(a.is_loopback() || a.is_link_local() || a.is_unspecified() || a.is_multicast()),
        IpAddr::V6(a) => !(a.is_loopback() || a.is_unicast_link_local() || a.is_unspecified() || a.is_multicast()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_address_towards_the_peers_comes_first_then_that_of_the_default_route_then_the_lowest() {
        let addresses: BTreeSet<IpAddr> =
            ["10.0.0.1", "172.17.0.1", "198.51.100.7", "203.0.113.7"].iter().map(|a| ip(a)).collect();
        let v4_with = |vips: &[IpAddr], routes: &[(&str, &str)]| {
            let towards = |to: IpAddr| routes.iter().find(|(peer, _)| ip(peer) == to).map(|(_, source)| ip(source));
            // An IPv6 peer comes first: it says nothing about IPv4.
            let peers = [ip("2001:db8:1::1"), ip("203.0.113.1")];
            Identity::choose(&peers, &addresses, vips, towards).v4.map(|v4| v4.to_string())
        };
        let peer = ("203.0.113.1", "203.0.113.7");
        let world = ("192.0.2.1", "198.51.100.7");
        assert_eq!(v4_with(&[], &[peer, world]).as_deref(), Some("203.0.113.7"));
        assert_eq!(v4_with(&[], &[world]).as_deref(), Some("198.51.100.7"));
        assert_eq!(v4_with(&[], &[]).as_deref(), Some("10.0.0.1"));
        assert_eq!(v4_with(&[ip("203.0.113.7")], &[peer, world]).as_deref(), Some("198.51.100.7"));
    }

    #[test]
    fn a_vip_loopback_or_link_local_address_is_never_the_nodes_own() {
        let addresses = ["127.0.0.1", "10.88.0.40", "169.254.1.1", "192.0.2.7", "::1", "fe80::1", "2001:db8::7"];
        let addresses = addresses.iter().map(|a| ip(a)).collect();
        let identity = Identity::choose(&[], &addresses, &[ip("10.88.0.40")], |_| None);
        let expected = Identity { v4: Some(Ipv4Addr::new(192, 0, 2, 7)), v6: Some("2001:db8::7".parse().unwrap()) };
        assert_eq!(identity, expected);
    }

    #[test]
    fn the_router_id_is_the_ipv4_address_else_a_stable_hash() {
        let v4 = Some(Ipv4Addr::new(192, 0, 2, 7));
        let v6 = Some("2001:db8::7".parse().unwrap());
        assert_eq!(router_id(Identity { v4, v6 }), v4);
        assert_eq!(router_id(Identity { v4: None, v6 }), Some(Ipv4Addr::new(108, 91, 1, 206)));
        assert_eq!(router_id(Identity::default()), None);
    }
}
