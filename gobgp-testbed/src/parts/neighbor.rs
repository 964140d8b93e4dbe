//! What a router is told of one of its peers.

use std::net::IpAddr;

use super::bfd::Bfd;
use super::router::Family;
use crate::lab::NODE_AS;

/// A peer of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbor {
    /// Where it comes from.
    pub address: IpAddr,
    /// Its AS number; the router's own makes the session internal.
    pub asn: u32,
    /// TCP-MD5.
    pub password: Option<String>,
    /// Hops away, where not on the same network.
    pub multihop: Option<u8>,
    /// The families the router carries with it.
    pub families: Vec<Family>,
    /// Take IPv4 routes with an IPv6 next hop (RFC 8950). gobgpd always does, `OpenBGPD` 7.7 never.
    pub extended_next_hop: bool,
    /// The router's own end, which BIRD must know for multihop BFD.
    pub source: Option<IpAddr>,
    /// BFD with it (FRR and BIRD).
    pub bfd: Option<Bfd>,
    /// GTSM (RFC 5082): at most so many hops away. gobgpd and `OpenBGPD` know one hop only.
    pub ttl_security: Option<u8>,
    /// Unnumbered: on this interface, where `address` is its link-local one. BIRD and FRR; FRR finds out the address by
    /// itself.
    pub interface: Option<String>,
    /// Dial it, and at once again; the router listens all the same. Otherwise it only waits to be dialled.
    pub dial: bool,
    /// Pass on to it what other peers announce. BIRD; FRR does it anyway.
    pub transit: bool,
    /// The port that is dialled.
    pub port: u16,
}

impl Neighbor {
    /// A node at this address, in the nodes' AS, one hop away, without a password.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            asn: NODE_AS,
            password: None,
            multihop: None,
            families: Family::BOTH.to_vec(),
            extended_next_hop: false,
            source: None,
            bfd: None,
            ttl_security: None,
            interface: None,
            dial: false,
            transit: false,
            port: 179,
        }
    }

    /// Whether the router carries this family with it.
    pub(crate) fn carries(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}
