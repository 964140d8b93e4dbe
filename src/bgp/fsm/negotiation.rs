//! Our OPEN, and what both OPENs amount to (RFC 4271 §4.2, §6.2).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Config, SEND_HOLD_WITHOUT_HOLD};
use crate::wire::bgp::{Capability, Family, Notification, Open, Session, error};

/// KEEPALIVEs are never sent more often than this (RFC 4271 §4.4), jitter included.
pub(super) const SHORTEST_KEEPALIVE: Duration = Duration::from_secs(1);

/// What both OPENs amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The shorter of both hold times; `None` is 0: no KEEPALIVEs and no hold timer.
    pub hold_time: Option<Duration>,
    /// The interval of our KEEPALIVEs before jitter; `None` as above.
    pub keepalive: Option<Duration>,
    /// The families both sides carry.
    pub families: BTreeSet<Family>,
    /// Whether IPv4 routes may have an IPv6 next hop (RFC 8950).
    pub extended_next_hop: bool,
    /// Whether the peer may ask for routes again.
    pub route_refresh: bool,
    /// The peer's BGP Identifier.
    pub peer_id: Ipv4Addr,
    /// The form of the messages.
    pub session: Session,
}

impl Negotiated {
    /// How long the peer may take no byte.
    pub(super) fn send_hold(&self) -> Duration {
        self.hold_time.unwrap_or(SEND_HOLD_WITHOUT_HOLD)
    }
}

impl Config {
    /// The OPEN we send.
    pub(super) fn open(&self) -> Open {
        let mut capabilities: Vec<_> = self.families.iter().copied().map(Capability::Multiprotocol).collect();
        capabilities.push(Capability::RouteRefresh);
        capabilities.push(Capability::FourOctetAs(self.local_as));
        if self.offers_extended_next_hop() {
            capabilities.push(Capability::ExtendedNextHop);
        }
        Open { asn: self.local_as, hold_time: self.hold_time, id: self.router_id, capabilities }
    }

    /// What our OPEN and this one of the peer amount to, or what the peer is told about its own.
    pub(super) fn negotiate(&self, open: &Open) -> Result<Negotiated, Notification> {
        self.check(open)?;
        let hold_time = self.hold_time.min(open.hold_time);
        let hold_time = (hold_time != 0).then(|| Duration::from_secs(hold_time.into()));
        let families = families(open).intersection(&self.families).copied().collect();
        let four_octet_as = open.capabilities.iter().any(|c| matches!(c, Capability::FourOctetAs(_)));
        Ok(Negotiated {
            hold_time,
            keepalive: hold_time.map(|hold| (hold / 3).min(self.keepalive).max(SHORTEST_KEEPALIVE)),
            families,
            extended_next_hop: self.offers_extended_next_hop()
                && open.capabilities.contains(&Capability::ExtendedNextHop),
            route_refresh: open.capabilities.contains(&Capability::RouteRefresh),
            peer_id: open.id,
            session: Session { four_octet_as, ibgp: self.is_ibgp() },
        })
    }

    fn check(&self, open: &Open) -> Result<(), Notification> {
        // RFC 4271 §6.2, RFC 6793: the AS number must be the configured one, AS 0 and a bare AS_TRANS never are.
        if self.peer_as.map_or(open.asn == self.local_as, |asn| open.asn != asn) {
            return Err(Notification::plain(error::BAD_PEER_AS));
        }
        // RFC 6286 §2.2: an Identifier like our own is an error inside an AS only.
        if open.id.is_unspecified() || (self.is_ibgp() && open.id == self.router_id) {
            return Err(Notification::plain(error::BAD_IDENTIFIER));
        }
        // RFC 4271 §6.2.
        if matches!(open.hold_time, 1 | 2) {
            return Err(Notification::plain(error::UNACCEPTABLE_HOLD_TIME));
        }
        self.check_families(open)
    }

    /// RFC 5492 §5: only where the operator asks for it; the data is what the peer lacks.
    fn check_families(&self, open: &Open) -> Result<(), Notification> {
        let carried = families(open);
        let missing = self.families.difference(&carried).copied().map(Capability::Multiprotocol);
        let missing: Vec<Capability> = missing.filter(|_| self.require_families).collect();
        if missing.is_empty() { Ok(()) } else { Err(Notification::unsupported_capability(&missing)) }
    }

    fn offers_extended_next_hop(&self) -> bool {
        self.extended_next_hop && self.families.contains(&Family::Ipv4Unicast)
    }
}

/// The families the peer carries. RFC 4760 §8: one without the capability speaks IPv4 unicast only.
fn families(open: &Open) -> BTreeSet<Family> {
    let is_multiprotocol = |c: &Capability| match c {
        Capability::Multiprotocol(_) => true,
        Capability::Other { code, .. } => *code == MULTIPROTOCOL,
        Capability::RouteRefresh | Capability::FourOctetAs(_) | Capability::ExtendedNextHop => false,
    };
    if !open.capabilities.iter().any(is_multiprotocol) {
        return BTreeSet::from([Family::Ipv4Unicast]);
    }
    let carried = open.capabilities.iter().filter_map(|c| match c {
        Capability::Multiprotocol(family) => Some(*family),
        Capability::RouteRefresh
        | Capability::FourOctetAs(_)
        | Capability::ExtendedNextHop
        | Capability::Other { .. } => None,
    });
    carried.collect()
}

/// The capability's code, where its family is one we do not carry.
const MULTIPROTOCOL: u8 = 1;
