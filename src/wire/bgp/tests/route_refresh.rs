//! ROUTE-REFRESH (RFC 2918).

use super::*;

#[track_caller]
fn reads(body: &str, family: Option<Family>) {
    assert_eq!(decode(&message(5, &hex(body)), &EBGP), Ok(Message::RouteRefresh(family)));
}

#[test]
fn family_of_ours_is_asked_for() {
    reads("0001 00 01", Some(Family::Ipv4Unicast));
    reads("0002 00 01", Some(Family::Ipv6Unicast));
}

#[test]
fn unknown_family_is_ignored() {
    reads("0001 00 80", None);
    reads("4004 00 47", None);
}

/// RFC 2918 §3: without RFC 7313 the octet means nothing.
#[test]
fn reserved_octet_is_ignored() {
    reads("0001 01 01", Some(Family::Ipv4Unicast));
}

/// CVE-2023-41360: FRR read past the end of such filters.
#[test]
fn filters_nobody_agreed_on_are_ignored() {
    reads("0001 00 01 01 40 ffff", None);
    reads("0001 00 01 00", None);
}
