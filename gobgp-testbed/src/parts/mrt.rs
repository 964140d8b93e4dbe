//! A table as an MRT file (RFC 6396, `TABLE_DUMP_V2`), from which gobgpd takes many routes at once.

use std::net::Ipv4Addr;

/// Host routes with this next hop and an empty AS path, as a speaker of this AS originates them.
#[must_use]
pub fn table(asn: u32, router_id: Ipv4Addr, next_hop: Ipv4Addr, prefixes: &[Ipv4Addr]) -> Vec<u8> {
    const PEER_INDEX_TABLE: u16 = 1;
    const RIB_IPV4_UNICAST: u16 = 2;
    /// The peer's AS is of four octets, its address of IPv4.
    const PEER_TYPE: u8 = 2;
    // RFC 6396 §4.3.1: collector, no view name, one peer.
    let peer = [&[PEER_TYPE][..], &router_id.octets(), &router_id.octets(), &asn.to_be_bytes()].concat();
    let index = [&router_id.octets()[..], &[0, 0, 0, 1], &peer].concat();
    let mut file = record(PEER_INDEX_TABLE, &index);
    // ORIGIN IGP, AS_PATH empty, NEXT_HOP.
    let attributes = [&[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4][..], &next_hop.octets()].concat();
    for (sequence, prefix) in (0_u32..).zip(prefixes) {
        // RFC 6396 §4.3.2 and §4.3.4: one entry of the first peer, received at time 0.
        let length = u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes();
        let entry = [&[0, 1, 0, 0, 0, 0, 0, 0][..], &length, &attributes].concat();
        let body = [&sequence.to_be_bytes()[..], &[32], &prefix.octets(), &entry].concat();
        file.extend(record(RIB_IPV4_UNICAST, &body));
    }
    file
}

fn record(subtype: u16, body: &[u8]) -> Vec<u8> {
    const TABLE_DUMP_V2: u16 = 13;
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let head = [TABLE_DUMP_V2.to_be_bytes(), subtype.to_be_bytes()].concat();
    [&[0, 0, 0, 0][..], &head, &length.to_be_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_route_by_hand() {
        let file = table(65000, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), &[Ipv4Addr::new(192, 0, 2, 1)]);
        let index = "00000000 000d0001 00000015 0a000001 0000 0001 02 0a000001 0a000001 0000fde8";
        let route = "00000000 000d0002 00000021 00000000 20 c0000201 0001 0000 00000000 000e \
                     40010100 400200 4003040a000002";
        let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, format!("{index}{route}").replace(' ', ""));
    }
}
