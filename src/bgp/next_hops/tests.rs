use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::PeerHost;
use super::*;
use crate::wire::bgp::Session;

fn settings() -> PeerSettings {
    PeerSettings::new(PeerHost::Address(IpAddr::from([10, 0, 0, 2])), 179, Some(65000))
}

fn negotiated(extended_next_hop: bool) -> Negotiated {
    Negotiated {
        hold_time: None,
        keepalive: None,
        families: BTreeSet::new(),
        extended_next_hop,
        route_refresh: true,
        peer_id: Ipv4Addr::new(10, 0, 0, 2),
        session: Session::default(),
    }
}

#[track_caller]
fn chosen(session: &str, beside: Option<&str>, settings: &PeerSettings, extended: bool, expected: [Option<&str>; 2]) {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let own = OwnAddresses { session: ip(session), beside: beside.map(ip), link_local: None };
    let [v4, v6] = expected.map(|hop| hop.map(|hop| NextHop::from(ip(hop))));
    assert_eq!(NextHops::choose(&own, settings, &negotiated(extended)), NextHops { v4, v6 });
}

#[test]
fn our_own_addresses_are_next_hops_by_their_family() {
    let (four, six) = ("10.0.0.1", "2001:db8::1");
    chosen(four, None, &settings(), false, [Some(four), None]);
    chosen(four, Some(six), &settings(), false, [Some(four), Some(six)]);
    chosen(six, None, &settings(), false, [None, Some(six)]);
    chosen(six, Some(four), &settings(), false, [Some(four), Some(six)]);
    chosen("fe80::1", Some(four), &settings(), false, [Some(four), None]);
}

#[test]
fn what_the_operator_gives_counts_before_them_for_its_family() {
    let fixed = PeerSettings {
        next_hop_v4: Choice::Fixed(Ipv4Addr::new(192, 0, 2, 1)),
        next_hop_v6: Choice::Fixed("2001:db8:f::1".parse().unwrap()),
        ..settings()
    };
    chosen("10.0.0.1", None, &fixed, false, [Some("192.0.2.1"), Some("2001:db8:f::1")]);
    chosen("2001:db8::1", Some("10.0.0.1"), &fixed, true, [Some("192.0.2.1"), Some("2001:db8:f::1")]);
    let only_v6 = PeerSettings { next_hop_v4: Choice::Own, ..fixed };
    chosen("10.0.0.1", None, &only_v6, false, [Some("10.0.0.1"), Some("2001:db8:f::1")]);
}

/// RFC 2545 §3.
#[test]
fn on_a_shared_link_the_link_local_address_stands_behind_the_global_one_or_alone() {
    let (global, link_local) = ("2001:db8::1".parse().unwrap(), "fe80::1".parse().unwrap());
    let own = |session: IpAddr| OwnAddresses { session, beside: None, link_local: Some(link_local) };
    let hops = |own: OwnAddresses, extended| NextHops::choose(&own, &settings(), &negotiated(extended));
    let both = Some(NextHop::V6 { global, link_local: Some(link_local) });
    let alone = Some(NextHop::V6 { global: link_local, link_local: None });
    assert_eq!(hops(own(global.into()), false), NextHops { v4: None, v6: both });
    assert_eq!(hops(own(global.into()), true), NextHops { v4: both, v6: both });
    assert_eq!(hops(own(link_local.into()), false), NextHops { v4: None, v6: alone });
    // An IPv4 route needs no IPv4 address on the link.
    assert_eq!(hops(own(link_local.into()), true), NextHops { v4: alone, v6: alone });
    // What the operator gives may be anywhere.
    let fixed = PeerSettings { next_hop_v6: Choice::Fixed(global), ..settings() };
    let expected = NextHops { v4: None, v6: Some(NextHop::V6 { global, link_local: None }) };
    assert_eq!(NextHops::choose(&own(link_local.into()), &fixed, &negotiated(false)), expected);
}

/// RFC 8950: where it is agreed, and the session is one over IPv6.
#[test]
fn ipv4_routes_have_the_ipv6_next_hop_where_that_is_agreed() {
    let (four, six) = ("10.0.0.1", "2001:db8::1");
    chosen(six, None, &settings(), true, [Some(six), Some(six)]);
    chosen(six, Some(four), &settings(), true, [Some(six), Some(six)]);
    chosen(four, Some(six), &settings(), true, [Some(four), Some(six)]);
    chosen("fe80::1", Some(four), &settings(), true, [Some(four), None]);
    let fixed = PeerSettings { next_hop_v6: Choice::Fixed("2001:db8:f::1".parse().unwrap()), ..settings() };
    chosen(six, Some(four), &fixed, true, [Some("2001:db8:f::1"); 2]);
}
