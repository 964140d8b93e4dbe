//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4), and next hops nobody may send (RFC 4271 §6.3).

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{Family, NextHop, header, prefix};
use crate::wire::reader::Reader;

/// What an MP_REACH_NLRI of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Its prefixes.
    pub(super) count: usize,
    /// No packet can be sent to its next hop.
    pub(super) martian: bool,
}

/// `Some(None)`: a family we do not carry, unread. `None`: what RFC 7606 §7.11 cannot get past, a next hop whose length
/// is not its family's or prefixes that do not fit.
pub(super) fn decode_reach(value: &[u8]) -> Option<Option<Reach>> {
    let mut reader = Reader::new(value);
    let Some(family) = Family::from_afi_safi(reader.u16()?, reader.u8()?) else { return Some(None) };
    let next_hop = next_hop(reader.field8()?, family)?;
    let _reserved = reader.u8()?;
    let count = prefix::count(reader.rest(), family)?;
    Some(Some(Reach { count, martian: is_martian(next_hop) }))
}

/// The prefixes of an MP_UNREACH_NLRI: `Some(None)` and `None` as in [`decode_reach`].
pub(super) fn decode_unreach(value: &[u8]) -> Option<Option<usize>> {
    let mut reader = Reader::new(value);
    let Some(family) = Family::from_afi_safi(reader.u16()?, reader.u8()?) else { return Some(None) };
    Some(Some(prefix::count(reader.rest(), family)?))
}

/// RFC 2545 §3: IPv6 with or without a link-local address behind it. RFC 8950 §3: the same for IPv4 prefixes; from a
/// peer that did not agree on it too, as its prefixes can be read all the same.
fn next_hop(bytes: &[u8], family: Family) -> Option<IpAddr> {
    match (bytes.len(), family) {
        (4, Family::Ipv4Unicast) => bytes.first_chunk::<4>().map(|&octets| IpAddr::from(octets)),
        (16 | 32, _) => bytes.first_chunk::<16>().map(|&octets| IpAddr::from(octets)),
        _ => None,
    }
}

/// Not the address of a host on a network: 0/8, 127/8, 224/3 and IPv6's unspecified, loopback and multicast.
pub(super) fn is_martian(next_hop: IpAddr) -> bool {
    match next_hop {
        IpAddr::V4(address) => matches!(address.octets(), [0 | 127 | 224.., ..]),
        IpAddr::V6(address) => address.is_unspecified() || address.is_loopback() || address.is_multicast(),
    }
}

/// The value of an MP_REACH_NLRI.
pub(super) fn encode_reach(family: Family, prefixes: &[IpNetwork], next_hop: NextHop) -> Vec<u8> {
    let next_hop = next_hop.octets();
    let mut value = family_header(family);
    value.push(header::len8(next_hop.len()));
    value.extend(next_hop);
    value.push(0); // Reserved
    prefixes.iter().for_each(|&prefix| prefix::encode(prefix, &mut value));
    value
}

/// The value of an MP_UNREACH_NLRI: without prefixes, the family's End-of-RIB (RFC 4724 §2).
pub(super) fn encode_unreach(family: Family, withdrawn: &[IpNetwork]) -> Vec<u8> {
    let mut value = family_header(family);
    withdrawn.iter().for_each(|&prefix| prefix::encode(prefix, &mut value));
    value
}

fn family_header(family: Family) -> Vec<u8> {
    let (afi, safi) = family.afi_safi();
    let mut value = afi.to_be_bytes().to_vec();
    value.push(safi);
    value
}
