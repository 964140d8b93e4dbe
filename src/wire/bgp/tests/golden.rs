//! What we send, byte for byte. The first three bodies are those that BIRD, GoBGP, OpenBGPD and ExaBGP emit too.

use std::net::IpAddr;

use super::*;

fn route(prefix: &str, next_hop: &str, as_path: &[u32]) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        next_hop: next_hop.parse::<IpAddr>().unwrap().into(),
        as_path: as_path.to_vec(),
        med: None,
        local_pref: None,
        communities: Communities::default(),
    }
}

fn communities(text: &str) -> Communities {
    text.split(' ').map(|one| one.parse::<Community>().unwrap()).collect()
}

#[track_caller]
fn sends(update: Update, session: Session, body: &str) {
    assert_eq!(encode(&Outgoing::Update(update), &session), message(2, &hex(body)));
}

#[test]
fn announce_ipv4() {
    let update = Update::Announce(route("10.99.0.1/32", "127.0.0.1", &[65001]));
    let bytes = encode(&Outgoing::Update(update), &EBGP);
    let header = "ffffffffffffffffffffffffffffffff 0030 02";
    let body = "0000 0014 40010100 4002 06 0201 0000FDE9 4003 04 7F000001 20 0A630001";
    assert_eq!(bytes, hex(&format!("{header} {body}")));
}

#[test]
fn withdraw_ipv4() {
    sends(Update::Withdraw("10.99.0.1/32".parse().unwrap()), EBGP, "0005 200A630001 0000");
}

#[test]
fn end_of_rib_ipv4() {
    let bytes = encode(&Outgoing::Update(Update::EndOfRib(Family::Ipv4Unicast)), &EBGP);
    assert_eq!(bytes, hex("ffffffffffffffffffffffffffffffff 0017 02 00000000"));
}

#[test]
fn announce_ipv4_with_med_and_on_ibgp_with_local_pref() {
    let internal = Route { med: Some(7), local_pref: Some(200), ..route("10.99.0.1/32", "192.0.2.1", &[]) };
    let body = "0000 001c 40010100 400200 4003 04 c0000201 8004 04 00000007 4005 04 000000c8 20 0A630001";
    sends(Update::Announce(internal), IBGP, body);
}

#[test]
fn local_pref_is_never_sent_to_an_external_peer() {
    let external = Route { local_pref: Some(200), ..route("10.99.0.1/32", "192.0.2.1", &[65001]) };
    sends(Update::Announce(external), EBGP, "0000 0014 40010100 4002 06 0201 0000FDE9 4003 04 c0000201 20 0A630001");
}

#[test]
fn announce_ipv6_has_mp_reach_first() {
    let six = Route { med: Some(7), ..route("2001:db8::40/128", "2001:db8::1", &[65001]) };
    sends(
        Update::Announce(six),
        EBGP,
        "0000 003d
         800e 26 0002 01 10 20010db8000000000000000000000001 00 80 20010db8000000000000000000000040
         40010100 4002 06 0201 0000FDE9 8004 04 00000007",
    );
}

#[test]
fn announce_ipv6_with_a_link_local_next_hop_behind_the_global_one() {
    let (global, link_local) = ("2001:db8::1".parse().unwrap(), Some("fe80::1".parse().unwrap()));
    let next_hop = NextHop::V6 { global, link_local };
    assert_eq!(next_hop.to_string(), "2001:db8::1 (fe80::1)");
    sends(
        Update::Announce(Route { next_hop, ..route("2001:db8::/32", "::", &[65001]) }),
        EBGP,
        "0000 003a
         800e 2a 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 20 20010db8
         40010100 4002 06 0201 0000FDE9",
    );
}

#[test]
fn announce_ipv4_over_ipv6_has_its_prefix_in_mp_reach() {
    sends(
        Update::Announce(route("10.99.0.1/32", "2001:db8::1", &[65001])),
        EBGP,
        "0000 002a
         800e 1a 0001 01 10 20010db8000000000000000000000001 00 20 0a630001
         40010100 4002 06 0201 0000FDE9",
    );
}

#[test]
fn communities_go_out_sorted_in_the_order_of_their_attributes() {
    let communities = communities("65000:1:2 rt:65000:1 no-export 65000:2 ext:4004fde800000001 65000:1");
    let tagged = Route { communities, ..route("10.99.0.1/32", "192.0.2.1", &[4_200_000_001]) };
    let first = "40010100 4002 06 0201 fa56ea01 4003 04 c0000201 c008 0c fde80001 fde80002 ffffff01";
    let last = "c020 0c 0000fde8 00000001 00000002";
    let external = format!("0000 003d {first} c010 08 0002fde800000001 {last} 20 0A630001");
    sends(Update::Announce(tagged.clone()), EBGP, &external);
    let internal = format!("0000 0045 {first} c010 10 0002fde800000001 4004fde800000001 {last} 20 0A630001");
    sends(Update::Announce(tagged.clone()), IBGP, &internal);
    let two_octets = "0000 0044
         40010100 4002 04 0201 5ba0 4003 04 c0000201 c008 0c fde80001 fde80002 ffffff01
         c010 08 0002fde800000001 c011 06 0201 fa56ea01 c020 0c 0000fde8 00000001 00000002 20 0A630001";
    sends(Update::Announce(tagged), TWO_OCTET, two_octets);
}

#[test]
fn ipv4_next_hop_of_an_ipv6_prefix_goes_out_mapped() {
    sends(
        Update::Announce(route("2001:db8::/32", "192.0.2.1", &[65001])),
        EBGP,
        "0000 002a
         800e 1a 0002 01 10 00000000000000000000ffffc0000201 00 20 20010db8
         40010100 4002 06 0201 0000FDE9",
    );
}

#[test]
fn withdraw_ipv6_is_mp_unreach_and_nothing_else() {
    sends(
        Update::Withdraw("2001:db8::40/128".parse().unwrap()),
        EBGP,
        "0000 0017 800f 14 0002 01 80 20010db8000000000000000000000040",
    );
}

#[test]
fn end_of_rib_ipv6() {
    sends(Update::EndOfRib(Family::Ipv6Unicast), EBGP, "0000 0006 800f 03 0002 01");
}

#[test]
fn two_octet_session_without_large_asn_has_no_as4_path() {
    sends(
        Update::Announce(route("10.99.0.1/32", "192.0.2.1", &[65001])),
        TWO_OCTET,
        "0000 0012 40010100 4002 04 0201 FDE9 4003 04 c0000201 20 0A630001",
    );
}

#[test]
fn two_octet_session_with_large_asn_has_as_trans_and_as4_path() {
    sends(
        Update::Announce(route("10.99.0.1/32", "192.0.2.1", &[4_200_000_001, 65001])),
        TWO_OCTET,
        "0000 0021 40010100 4002 06 0202 5ba0 FDE9 4003 04 c0000201 c011 0a 0202 fa56ea01 0000fde9 20 0A630001",
    );
}

#[test]
fn host_bits_are_not_sent() {
    sends(Update::Withdraw("10.99.7.1/20".parse().unwrap()), EBGP, "0004 140A6300 0000");
    sends(Update::Withdraw("0.0.0.0/0".parse().unwrap()), EBGP, "0001 00 0000");
}

#[test]
fn long_path_is_cut_into_segments_and_has_an_extended_length() {
    let path = vec![65001; 300];
    let mut value = hex("02ff");
    value.extend(hex("0000fde9").repeat(255));
    value.extend(hex("022d"));
    value.extend(hex("0000fde9").repeat(45));
    let mut attributes = hex("40010100 5002 04b4");
    attributes.extend(value);
    attributes.extend(hex("4003 04 c0000201"));
    let mut body = hex("0000");
    body.extend(field16(&attributes));
    body.extend(hex("20 0A630001"));
    let update = Update::Announce(route("10.99.0.1/32", "192.0.2.1", &path));
    assert_eq!(encode(&Outgoing::Update(update), &EBGP), message(2, &body));
}

#[test]
fn longest_path_fits_a_message_in_every_form() {
    let many: Communities = (0..500).map(Community::Standard).collect();
    let fits = |next_hop: &str, prefix: &str, session| {
        let path = route(prefix, next_hop, &vec![4_200_000_001; 5000]);
        let long = Route { med: Some(1), local_pref: Some(1), communities: many.clone(), ..path };
        let bytes = encode(&Outgoing::Update(Update::Announce(long)), &session);
        assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())));
        assert!(matches!(
            decode(&bytes, &session),
            Ok(Message::Update(ReceivedUpdate { announced: 1, outcome: Outcome::Accepted, .. }))
        ));
    };
    for session in [EBGP, IBGP, TWO_OCTET, Session { ibgp: true, ..TWO_OCTET }] {
        fits("192.0.2.1", "10.99.0.1/32", session);
        fits("2001:db8::1", "2001:db8::40/128", session);
    }
}

#[test]
fn open_with_our_capabilities() {
    let open = Open {
        asn: 4_200_000_001,
        hold_time: 9,
        id: Ipv4Addr::new(192, 0, 2, 1),
        capabilities: vec![
            Capability::Multiprotocol(Family::Ipv4Unicast),
            Capability::Multiprotocol(Family::Ipv6Unicast),
            Capability::RouteRefresh,
            Capability::FourOctetAs(4_200_000_001),
            Capability::ExtendedNextHop,
        ],
    };
    let bytes = message(
        1,
        &hex("04 5ba0 0009 c0000201 1e 02 1c 0104 00010001 0104 00020001 0200 4104 fa56ea01 0506 000100010002"),
    );
    assert_eq!(encode(&Outgoing::Open(open.clone()), &EBGP), bytes);
    assert_eq!(decode(&bytes, &EBGP), Ok(Message::Open(open)));
}

#[test]
fn open_without_capabilities() {
    let open = Open { asn: 65001, hold_time: 0, id: Ipv4Addr::new(224, 0, 0, 1), capabilities: Vec::new() };
    let bytes = message(1, &hex("04 fde9 0000 e0000001 00"));
    assert_eq!(encode(&Outgoing::Open(open.clone()), &EBGP), bytes);
    assert_eq!(decode(&bytes, &EBGP), Ok(Message::Open(open)));
}

#[test]
fn keepalive() {
    let bytes = hex("ffffffffffffffffffffffffffffffff 0013 04");
    assert_eq!(encode(&Outgoing::Keepalive, &EBGP), bytes);
    assert_eq!(decode(&bytes, &EBGP), Ok(Message::Keepalive));
}

#[test]
fn route_refresh() {
    let bytes = hex("ffffffffffffffffffffffffffffffff 0017 05 0002 00 01");
    assert_eq!(encode(&Outgoing::RouteRefresh(Family::Ipv6Unicast), &EBGP), bytes);
    assert_eq!(decode(&bytes, &EBGP), Ok(Message::RouteRefresh(Some(Family::Ipv6Unicast))));
}

#[test]
fn cease_with_text() {
    let cease = Notification::administrative_shutdown("bye");
    let bytes = hex("ffffffffffffffffffffffffffffffff 0019 03 06 02 03 627965");
    assert_eq!(encode(&Outgoing::Notification(cease.clone()), &EBGP), bytes);
    assert_eq!(decode(&bytes, &EBGP), Ok(Message::Notification(cease)));
}
