//! What holds for any bytes and any message.

use std::net::Ipv6Addr;

use ipnetwork::{Ipv4Network, Ipv6Network};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

pub(super) fn sessions() -> impl Strategy<Value = Session> {
    (any::<bool>(), any::<bool>()).prop_map(|(four_octet_as, ibgp)| Session { four_octet_as, ibgp })
}

pub(super) fn prefixes() -> impl Strategy<Value = IpNetwork> {
    let four = (any::<Ipv4Addr>(), 0..=32_u8).prop_map(|(a, len)| Ipv4Network::new(a, len).unwrap().into());
    let six = (any::<Ipv6Addr>(), 0..=128_u8).prop_map(|(a, len)| Ipv6Network::new(a, len).unwrap().into());
    prop_oneof![four, six]
}

/// Routes that a peer accepts: an own next hop that is a host's, on iBGP with LOCAL_PREF.
pub(super) fn routes() -> impl Strategy<Value = Route> {
    let rest = (any::<u16>(), vec(1..=u32::MAX, 1..40), any::<Option<u32>>(), any::<u32>());
    (prefixes(), rest).prop_map(|(prefix, (host, as_path, med, local_pref))| {
        let next_hop = match prefix {
            IpNetwork::V4(_) => NextHop::V4(Ipv4Addr::from_bits(0xc000_0000 | u32::from(host))),
            IpNetwork::V6(_) => NextHop::V6 { global: global(host), link_local: None },
        };
        Route { prefix, next_hop, as_path, med, local_pref: Some(local_pref), communities: Communities::default() }
    })
}

fn global(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)
}

pub(super) fn communities() -> impl Strategy<Value = Communities> {
    let one = prop_oneof![
        any::<u32>().prop_map(Community::Standard),
        any::<[u8; 8]>().prop_map(Community::Extended),
        (0_u8..4, 2_u8..4, any::<[u8; 6]>())
            .prop_map(|(kind, role, [a, b, c, d, e, f])| Community::Extended([kind, role, a, b, c, d, e, f])),
        any::<[u32; 3]>().prop_map(|[asn, first, second]| Community::Large { asn, first, second }),
    ];
    vec(one, 0..30).prop_map(|list| list.into_iter().collect())
}

/// The same with communities, and with IPv6 next hops of every kind for both families.
pub(super) fn decorated_routes() -> impl Strategy<Value = Route> {
    let next_hops = prop_oneof![
        Just(None),
        (any::<u16>(), any::<Option<u16>>()).prop_map(|(host, link_local)| {
            let link_local = link_local.map(|host| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host));
            Some(NextHop::V6 { global: global(host), link_local })
        }),
    ];
    (routes(), communities(), next_hops).prop_map(|(route, communities, next_hop)| Route {
        communities,
        next_hop: next_hop.unwrap_or(route.next_hop),
        ..route
    })
}

pub(super) fn updates() -> impl Strategy<Value = Update> {
    prop_oneof![
        decorated_routes().prop_map(Update::Announce),
        prefixes().prop_map(Update::Withdraw),
        Just(Update::EndOfRib(Family::Ipv4Unicast)),
        Just(Update::EndOfRib(Family::Ipv6Unicast)),
    ]
}

fn capabilities() -> impl Strategy<Value = Capability> {
    prop_oneof![
        Just(Capability::Multiprotocol(Family::Ipv4Unicast)),
        Just(Capability::Multiprotocol(Family::Ipv6Unicast)),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedNextHop),
        (66_u8.., vec(any::<u8>(), 0..20)).prop_map(|(code, value)| Capability::Other { code, value }),
    ]
}

pub(super) fn opens() -> impl Strategy<Value = Open> {
    let hold_time = prop_oneof![Just(0), 3_u16..];
    (1_u32.., hold_time, 1_u32.., vec(capabilities(), 0..10), any::<bool>()).prop_map(
        |(asn, hold_time, id, mut capabilities, four_octet)| {
            // A number that does not fit the field is sent with the capability only.
            if four_octet || asn > u32::from(u16::MAX) {
                capabilities.push(Capability::FourOctetAs(asn));
            }
            Open { asn, hold_time, id: Ipv4Addr::from_bits(id), capabilities }
        },
    )
}

pub(super) fn notifications() -> impl Strategy<Value = Notification> {
    (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..300)).prop_map(|(c, s, data)| Notification::with_data((c, s), data))
}

fn outgoing() -> impl Strategy<Value = Outgoing> {
    prop_oneof![
        opens().prop_map(Outgoing::Open),
        updates().prop_map(Outgoing::Update),
        notifications().prop_map(Outgoing::Notification),
        Just(Outgoing::Keepalive),
        Just(Outgoing::RouteRefresh(Family::Ipv4Unicast)),
    ]
}

/// A message of ours with some of its octets changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (outgoing(), sessions(), vec((any::<Index>(), any::<u8>()), 0..6)).prop_map(|(message, session, changes)| {
        let mut bytes = encode(&message, &session);
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        bytes
    })
}

/// What a message we send must be read as.
fn expected(message: &Outgoing) -> Message {
    let counted =
        |announced, withdrawn| Message::Update(ReceivedUpdate { announced, withdrawn, outcome: Outcome::Accepted });
    match message {
        Outgoing::Open(open) => Message::Open(open.clone()),
        Outgoing::Update(Update::Announce(_)) => counted(1, 0),
        Outgoing::Update(Update::Withdraw(_)) => counted(0, 1),
        Outgoing::Update(Update::EndOfRib(_)) => counted(0, 0),
        Outgoing::Notification(notification) => Message::Notification(notification.clone()),
        Outgoing::Keepalive => Message::Keepalive,
        Outgoing::RouteRefresh(family) => Message::RouteRefresh(Some(*family)),
    }
}

/// An octet more never changes what was found, and a whole message is never kept waiting.
fn frame_len_is_steady(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut found = Ok(None);
    for there in 0..=bytes.len() {
        let now = frame_len(&bytes[..there]);
        match &found {
            Ok(None) => {}
            settled => prop_assert_eq!(&now, settled),
        }
        if let Ok(Some(len)) = now {
            prop_assert!(len <= there);
            prop_assert!((HEADER_LEN..=MAX_LEN).contains(&len));
        }
        found = now;
    }
    if bytes.len() >= MAX_LEN {
        prop_assert_ne!(found, Ok(None));
    }
    Ok(())
}

fn nothing_panics(bytes: &[u8], session: &Session) -> Result<(), TestCaseError> {
    let shown = match decode(bytes, session) {
        Ok(Message::Notification(notification)) | Err(notification) => notification.to_string(),
        Ok(Message::Update(update)) => match update.outcome {
            Outcome::Accepted => String::new(),
            Outcome::AttributeDiscard(text) | Outcome::TreatAsWithdraw(text) => text,
        },
        Ok(Message::Open(open)) => {
            prop_assert!(open.capabilities.len() <= 256);
            String::new()
        }
        Ok(Message::Keepalive | Message::RouteRefresh(_)) => String::new(),
    };
    prop_assert!(!shown.contains(char::is_control), "{shown:?}");
    prop_assert!(shown.len() < 3000, "{} octets", shown.len());
    Ok(())
}

proptest! {
    #[test]
    fn a_community_is_read_as_it_is_written(communities in communities()) {
        let read: Result<Communities, _> = communities.to_string().split_whitespace().map(str::parse).collect();
        prop_assert_eq!(read, Ok(communities));
    }

    #[test]
    fn no_text_that_is_no_community_panics(text in "(rt|soo|ext|0|65000)?:?[0-9a-fL.:+]{0,30}") {
        let _ = text.parse::<Community>();
    }

    #[test]
    fn the_length_of_communities_is_what_they_add(route in decorated_routes()) {
        let bare = Route { communities: Communities::default(), ..route.clone() };
        let len = |route| encode(&Outgoing::Update(Update::Announce(route)), &Session { ibgp: true, four_octet_as: true }).len();
        let (with, without, bound) = (len(route.clone()), len(bare), route.communities.encoded_len());
        prop_assert!(with <= without + bound && without + bound <= with + 3, "{with} {without} {bound}");
    }

    #[test]
    fn what_is_sent_can_be_read(message in outgoing(), session in sessions()) {
        let bytes = encode(&message, &session);
        prop_assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(decode(&bytes, &session), Ok(expected(&message)));
    }

    #[test]
    fn any_body_of_any_type_is_judged(kind in any::<u8>(), body in vec(any::<u8>(), 0..600), session in sessions()) {
        nothing_panics(&message(kind, &body), &session)?;
    }

    #[test]
    fn any_attributes_are_judged(
        attributes in vec((any::<u8>(), 0_u8..42, vec(any::<u8>(), 0..40)), 0..12),
        nlri in vec(any::<u8>(), 0..8),
        session in sessions(),
    ) {
        let mut block = Vec::new();
        for (flags, code, value) in attributes {
            let len = u8::try_from(value.len()).unwrap();
            block.extend([flags & 0xef, code, len]);
            block.extend(value);
        }
        let mut body = vec![0, 0];
        body.extend(field16(&block));
        body.extend(nlri);
        nothing_panics(&message(2, &body), &session)?;
    }

    #[test]
    fn any_bytes_are_judged(bytes in vec(any::<u8>(), 0..100), session in sessions()) {
        nothing_panics(&bytes, &session)?;
        frame_len_is_steady(&bytes)?;
    }

    #[test]
    fn mutated_messages_are_judged(bytes in mutated(), session in sessions()) {
        nothing_panics(&bytes, &session)?;
    }

    #[test]
    fn every_split_of_a_stream_finds_the_same(first in mutated(), second in mutated()) {
        frame_len_is_steady(&[first, second].concat())?;
    }
}
