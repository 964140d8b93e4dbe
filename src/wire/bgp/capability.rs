//! Capabilities of an OPEN (RFC 5492 §4): code, length, value.

use super::{Capability, Family, header};
use crate::wire::reader::Reader;

const MULTIPROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_NEXT_HOP: u8 = 5;
const FOUR_OCTET_AS: u8 = 65;

/// RFC 8950 §4: AFI and SAFI of the routes in two octets each, then the AFI of the next hop. Here IPv4 unicast by IPv6.
const IPV4_BY_IPV6: [u8; 6] = [0, 1, 0, 1, 0, 2];

/// Adds those of a parameter's value to `into`, which takes no more than `limit`; what is beyond is checked only.
///
/// `None`: a length runs over the end, or is not the one that the capability has.
pub(super) fn decode_all(value: &[u8], into: &mut Vec<Capability>, limit: usize) -> Option<()> {
    let mut reader = Reader::new(value);
    while !reader.is_empty() {
        let capability = decode(reader.u8()?, reader.field8()?)?;
        if into.len() < limit {
            into.push(capability);
        }
    }
    Some(())
}

fn decode(code: u8, value: &[u8]) -> Option<Capability> {
    let known = match code {
        MULTIPROTOCOL => {
            let &[afi_high, afi_low, _, safi] = value else { return None };
            Family::from_afi_safi(u16::from_be_bytes([afi_high, afi_low]), safi).map(Capability::Multiprotocol)
        }
        ROUTE_REFRESH if value.is_empty() => Some(Capability::RouteRefresh),
        ROUTE_REFRESH => return None,
        EXTENDED_NEXT_HOP => extended_next_hop(value)?,
        FOUR_OCTET_AS => {
            let &asn = value.first_chunk().filter(|asn| asn.len() == value.len())?;
            Some(Capability::FourOctetAs(u32::from_be_bytes(asn)))
        }
        _ => None,
    };
    Some(known.unwrap_or_else(|| Capability::Other { code, value: value.to_vec() }))
}

/// `Some(None)`: not of IPv4 unicast.
fn extended_next_hop(value: &[u8]) -> Option<Option<Capability>> {
    let (triples, rest) = value.as_chunks();
    rest.is_empty().then(|| triples.contains(&IPV4_BY_IPV6).then_some(Capability::ExtendedNextHop))
}

/// One after the other; a value is cut to the 255 octets that its length octet can say.
pub(super) fn encode_all(capabilities: &[Capability]) -> Vec<u8> {
    capabilities.iter().flat_map(encode).collect()
}

/// One capability: code, length, value.
pub(super) fn encode(capability: &Capability) -> Vec<u8> {
    let (code, value) = match capability {
        Capability::Multiprotocol(family) => {
            let (afi, safi) = family.afi_safi();
            let [high, low] = afi.to_be_bytes();
            (MULTIPROTOCOL, vec![high, low, 0, safi])
        }
        Capability::RouteRefresh => (ROUTE_REFRESH, Vec::new()),
        Capability::FourOctetAs(asn) => (FOUR_OCTET_AS, asn.to_be_bytes().to_vec()),
        Capability::ExtendedNextHop => (EXTENDED_NEXT_HOP, IPV4_BY_IPV6.to_vec()),
        Capability::Other { code, value } => (*code, value.iter().copied().take(usize::from(u8::MAX)).collect()),
    };
    let mut bytes = vec![code, header::len8(value.len())];
    bytes.extend(value);
    bytes
}
