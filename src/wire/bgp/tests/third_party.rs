//! What we send, read by a codec that is not ours: two of one hand could share a mistake.

use ipnetwork::IpNetwork;
use proptest::prelude::*;
use zettabgp::prelude::*;

use super::properties::{prefixes, routes};
use super::{EBGP, IBGP, Session, TWO_OCTET};
use crate::wire::bgp;

/// The third party's view of an UPDATE.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    announced: Vec<(IpAddr, u8)>,
    withdrawn: Vec<(IpAddr, u8)>,
    origin_igp: bool,
    as_path: Vec<u32>,
    next_hop: Option<IpAddr>,
    med: Option<u32>,
    local_pref: Option<u32>,
    others: Vec<(u8, Vec<u8>)>,
}

type IpAddr = std::net::IpAddr;

fn addresses(addrs: &BgpAddrs) -> Vec<(IpAddr, u8)> {
    match addrs {
        BgpAddrs::None => Vec::new(),
        BgpAddrs::IPV4U(list) => list.iter().map(|net| (net.addr.into(), net.prefixlen)).collect(),
        BgpAddrs::IPV6U(list) => list.iter().map(|net| (net.addr.into(), net.prefixlen)).collect(),
        other => panic!("{other:?}"),
    }
}

fn seen(bytes: &[u8], session: Session) -> Seen {
    let mut peer = BgpSessionParams::new(65001, 9, BgpTransportMode::IPv4, std::net::Ipv4Addr::LOCALHOST, Vec::new());
    peer.has_as32bit = session.four_octet_as;
    peer.fuzzy_pathid = false;
    let (kind, len) = peer.decode_message_head(bytes).unwrap();
    assert_eq!((kind, len), (BgpMessageType::Update, bytes.len() - 19));
    let mut update = BgpUpdateMessage::new();
    update.decode_from(&peer, &bytes[19..]).unwrap();
    let mut seen =
        Seen { announced: addresses(&update.updates), withdrawn: addresses(&update.withdraws), ..Seen::default() };
    for attribute in update.attrs {
        match attribute {
            BgpAttrItem::Origin(origin) => seen.origin_igp = matches!(origin.value, BgpAttrOrigin::Igp),
            BgpAttrItem::ASPath(path) => {
                for segment in path.value {
                    let BgpASitem::Seq(sequence) = segment else { panic!("{segment:?}") };
                    seen.as_path.extend(sequence.value.iter().map(|asn| asn.value));
                }
            }
            BgpAttrItem::NextHop(hop) => seen.next_hop = Some(hop.value),
            BgpAttrItem::MED(med) => seen.med = Some(med.value),
            BgpAttrItem::LocalPref(preference) => seen.local_pref = Some(preference.value),
            BgpAttrItem::MPUpdates(mp) => {
                let BgpAddr::V6(next_hop) = mp.nexthop else { panic!("{:?}", mp.nexthop) };
                seen.next_hop = Some(next_hop.into());
                seen.announced.extend(addresses(&mp.addrs));
            }
            BgpAttrItem::MPWithdraws(mp) => seen.withdrawn.extend(addresses(&mp.addrs)),
            BgpAttrItem::Unknown(other) => seen.others.push((other.params.typecode, other.value)),
            other => panic!("{other:?}"),
        }
    }
    seen
}

fn network(prefix: IpNetwork) -> (IpAddr, u8) {
    (prefix.network(), prefix.prefix())
}

fn sent(update: bgp::Update, session: Session) -> Seen {
    seen(&bgp::encode(&bgp::Outgoing::Update(update), &session), session)
}

proptest! {
    #[test]
    fn announce_is_read_as_meant(route in routes(), internal in any::<bool>()) {
        let expected = Seen {
            announced: vec![network(route.prefix)],
            origin_igp: true,
            as_path: route.as_path.clone(),
            next_hop: Some(route.next_hop.address()),
            med: route.med,
            local_pref: route.local_pref.filter(|_| internal),
            ..Seen::default()
        };
        prop_assert_eq!(sent(bgp::Update::Announce(route), if internal { IBGP } else { EBGP }), expected);
    }

    #[test]
    fn announce_to_a_two_octet_peer_is_read_as_meant(route in routes()) {
        let path = route.as_path.clone();
        let seen = sent(bgp::Update::Announce(route), TWO_OCTET);
        let two_octets: Vec<u32> = path.iter().map(|&asn| if asn > 65535 { 23456 } else { asn }).collect();
        prop_assert_eq!(&seen.as_path, &two_octets);
        let mut as4_path = vec![2, u8::try_from(path.len()).unwrap()];
        as4_path.extend(path.iter().flat_map(|asn| asn.to_be_bytes()));
        let expected = if two_octets == path { Vec::new() } else { vec![(17, as4_path)] };
        prop_assert_eq!(seen.others, expected);
    }

    #[test]
    fn withdraw_is_read_as_meant(prefix in prefixes()) {
        let expected = Seen { withdrawn: vec![network(prefix)], ..Seen::default() };
        prop_assert_eq!(sent(bgp::Update::Withdraw(prefix), EBGP), expected);
    }
}

#[test]
fn end_of_rib_is_read_as_nothing() {
    for family in [bgp::Family::Ipv4Unicast, bgp::Family::Ipv6Unicast] {
        assert_eq!(sent(bgp::Update::EndOfRib(family), EBGP), Seen::default());
    }
}
