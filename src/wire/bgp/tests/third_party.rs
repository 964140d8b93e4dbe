//! What we send, read by two codecs that are not ours: two of one hand could share a mistake.

mod rustbgpd;

use ipnetwork::IpNetwork;
use proptest::prelude::*;
use zettabgp::prelude::*;

use super::properties::{decorated_routes, notifications, opens, prefixes, routes, updates};
use super::{EBGP, IBGP, Session, TWO_OCTET};
use crate::wire::bgp::{self, Capability, Community};

/// The third party's view of an UPDATE.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    announced: Vec<(IpAddr, u8)>,
    withdrawn: Vec<(IpAddr, u8)>,
    origin_igp: bool,
    as_path: Vec<u32>,
    next_hop: Option<IpAddr>,
    link_local: Option<IpAddr>,
    med: Option<u32>,
    local_pref: Option<u32>,
    communities: Vec<Community>,
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
            BgpAttrItem::CommunityList(list) => {
                seen.communities.extend(list.value.iter().map(|one| Community::Standard(one.value)));
            }
            BgpAttrItem::ExtCommunityList(list) => seen.communities.extend(list.value.iter().map(extended)),
            BgpAttrItem::LargeCommunityList(list) => seen
                .communities
                .extend(list.value.iter().map(|it| Community::Large { asn: it.ga, first: it.ldp1, second: it.ldp2 })),
            BgpAttrItem::MPWithdraws(mp) => seen.withdrawn.extend(addresses(&mp.addrs)),
            BgpAttrItem::Unknown(other) => seen.others.push((other.params.typecode, other.value)),
            other => panic!("{other:?}"),
        }
    }
    seen
}

fn extended(community: &BgpExtCommunity) -> Community {
    let [a, b] = community.a.to_be_bytes();
    let [c, d, e, f] = community.b.to_be_bytes();
    Community::Extended([community.ctype, community.subtype, a, b, c, d, e, f])
}

fn network(prefix: IpNetwork) -> (IpAddr, u8) {
    (prefix.network(), prefix.prefix())
}

/// As both read it.
#[track_caller]
fn sent(update: bgp::Update, session: Session) -> Seen {
    let bytes = bgp::encode(&bgp::Outgoing::Update(update), &session);
    let one = seen(&bytes, session);
    assert_eq!(rustbgpd::seen(&bytes, session), one);
    one
}

/// What an announcement must be read as by a peer with four-octet AS numbers.
fn meant(route: &bgp::Route, internal: bool) -> Seen {
    let communities = route.communities.iter().filter(|community| internal || community.is_transitive());
    Seen {
        announced: vec![network(route.prefix)],
        origin_igp: true,
        as_path: route.as_path.clone(),
        next_hop: Some(route.next_hop.address()),
        link_local: match route.next_hop {
            bgp::NextHop::V4(_) => None,
            bgp::NextHop::V6 { link_local, .. } => link_local.map(IpAddr::V6),
        },
        med: route.med,
        local_pref: route.local_pref.filter(|_| internal),
        communities: communities.collect(),
        ..Seen::default()
    }
}

proptest! {
    #[test]
    fn announce_is_read_as_meant(route in routes(), decorated in decorated_routes(), internal in any::<bool>()) {
        let route = bgp::Route { communities: decorated.communities, ..route };
        let expected = meant(&route, internal);
        prop_assert_eq!(sent(bgp::Update::Announce(route), if internal { IBGP } else { EBGP }), expected);
    }

    /// The forms of next hops that zettabgp 0.6.0 does not read (RFC 8950, RFC 2545), by the other one alone.
    #[test]
    fn announce_with_any_next_hop_is_read_as_meant(route in decorated_routes(), internal in any::<bool>()) {
        let session = if internal { IBGP } else { EBGP };
        let expected = meant(&route, internal);
        let bytes = bgp::encode(&bgp::Outgoing::Update(bgp::Update::Announce(route)), &session);
        prop_assert_eq!(rustbgpd::seen(&bytes, session), expected);
    }

    /// Many in few messages say what each says alone, in the same order.
    #[test]
    fn packed_updates_are_read_as_meant(list in proptest::collection::vec(updates(), 0..30), internal in any::<bool>()) {
        let session = if internal { IBGP } else { EBGP };
        let alone = |update: &bgp::Update| {
            rustbgpd::seen(&bgp::encode(&bgp::Outgoing::Update(update.clone()), &session), session)
        };
        let expected: Vec<Seen> = list.iter().map(alone).collect();
        let mut packer = bgp::Packer::new(&session);
        list.into_iter().for_each(|update| packer.push(update));
        let mut inbox = bgp::Inbox::default();
        inbox.push(&packer.finish());
        let mut read = Vec::new();
        while let Some(frame) = inbox.next_frame().unwrap() {
            read.extend(one_by_one(rustbgpd::seen(frame, session)));
        }
        prop_assert_eq!(inbox.next_type(), None);
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn open_is_read_as_meant(open in opens()) {
        let bytes = bgp::encode(&bgp::Outgoing::Open(open.clone()), &EBGP);
        prop_assert_eq!(rustbgpd::open(&bytes), open.clone());
        // zettabgp 0.6.0 is asked about what it knows only.
        let known = |one: &Capability| !matches!(one, Capability::Other { .. } | Capability::ExtendedNextHop);
        let capabilities: Vec<Capability> = open.capabilities.iter().filter(|one| known(one)).cloned().collect();
        let plain = bgp::Open { capabilities, ..open };
        let bytes = bgp::encode(&bgp::Outgoing::Open(plain.clone()), &EBGP);
        // It shows the field, and leaves the capability to its caller.
        let asn = u16::try_from(plain.asn).map_or(23456, u32::from);
        prop_assert_eq!(zettabgp_open(&bytes), bgp::Open { asn, ..plain });
    }

    #[test]
    fn notification_is_read_as_meant(notification in notifications()) {
        let bytes = bgp::encode(&bgp::Outgoing::Notification(notification.clone()), &EBGP);
        prop_assert_eq!(rustbgpd::notification(&bytes), notification);
    }

    #[test]
    fn announce_to_a_two_octet_peer_is_read_as_meant(route in routes()) {
        let (path, meant) = (route.as_path.clone(), meant(&route, false));
        let bytes = bgp::encode(&bgp::Outgoing::Update(bgp::Update::Announce(route)), &TWO_OCTET);
        // One puts the path together from AS4_PATH as RFC 6793 §4.2.3 says, the other shows what there is.
        prop_assert_eq!(rustbgpd::seen(&bytes, TWO_OCTET), meant);
        let seen = seen(&bytes, TWO_OCTET);
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

/// A message of several prefixes as so many messages of one.
fn one_by_one(seen: Seen) -> Vec<Seen> {
    let (announced, withdrawn) = (seen.announced.clone(), seen.withdrawn.clone());
    let rest = Seen { announced: Vec::new(), withdrawn: Vec::new(), ..seen };
    if announced.is_empty() && withdrawn.is_empty() {
        return vec![rest];
    }
    let announced = announced.into_iter().map(|prefix| Seen { announced: vec![prefix], ..rest.clone() });
    let withdrawn = withdrawn.into_iter().map(|prefix| Seen { withdrawn: vec![prefix], ..rest.clone() });
    announced.chain(withdrawn).collect()
}

fn zettabgp_open(bytes: &[u8]) -> bgp::Open {
    let peer = BgpSessionParams::new(65001, 9, BgpTransportMode::IPv4, std::net::Ipv4Addr::LOCALHOST, Vec::new());
    assert_eq!(peer.decode_message_head(bytes).unwrap(), (BgpMessageType::Open, bytes.len() - 19));
    let mut open = BgpOpenMessage::new();
    open.decode_from(&peer, &bytes[19..]).unwrap();
    let capabilities = open.caps.iter().map(|capability| match capability {
        BgpCapability::SafiIPv4u => Capability::Multiprotocol(bgp::Family::Ipv4Unicast),
        BgpCapability::SafiIPv6u => Capability::Multiprotocol(bgp::Family::Ipv6Unicast),
        BgpCapability::CapRR => Capability::RouteRefresh,
        BgpCapability::CapASN32(asn) => Capability::FourOctetAs(*asn),
        other => panic!("{other:?}"),
    });
    let capabilities = capabilities.collect();
    bgp::Open { asn: open.as_num, hold_time: open.hold_time, id: open.router_id, capabilities }
}

#[test]
fn keepalive_and_route_refresh_are_read_as_meant() {
    let bytes = bgp::encode(&bgp::Outgoing::Keepalive, &EBGP);
    let peer = BgpSessionParams::new(65001, 9, BgpTransportMode::IPv4, std::net::Ipv4Addr::LOCALHOST, Vec::new());
    assert_eq!(peer.decode_message_head(&bytes).unwrap(), (BgpMessageType::Keepalive, 0));
    assert_eq!(rustbgpd::message(&bytes), rustbgpd_wire::Message::Keepalive);
    for (family, afi) in [(bgp::Family::Ipv4Unicast, 1), (bgp::Family::Ipv6Unicast, 2)] {
        let read = rustbgpd::message(&bgp::encode(&bgp::Outgoing::RouteRefresh(family), &EBGP));
        let rustbgpd_wire::Message::RouteRefresh(refresh) = read else { panic!("{read:?}") };
        assert_eq!((refresh.afi_raw, refresh.subtype_raw, refresh.safi_raw, refresh.orf), (afi, 0, 1, None));
    }
}
