//! RFC 7606 §3 and §7, attribute by attribute, and the RFCs that came after it.

use super::update::{MANDATORY, NEXT_HOP, ORIGIN, PREFIX, accepted, discarded, treated_as_withdraw, update};
use super::*;

/// A sound UPDATE of this peer with one more attribute.
fn with(session: Session, attribute: &str) -> Result<Message, Notification> {
    let mut attributes = match session.four_octet_as {
        true => MANDATORY.to_owned(),
        false => format!("{ORIGIN} 4002 04 0201 fde9 {NEXT_HOP}"),
    };
    if session.ibgp && !attribute.starts_with("4005") {
        attributes.push_str("4005 04 00000064");
    }
    attributes.push_str(attribute);
    update(session, "", &attributes, PREFIX)
}

fn malformed(name: &str, octets: usize, value: &str) -> String {
    format!("{name} is malformed, {octets} octets: 0x{value}")
}

/// Of a malformed attribute of `octets` zeros.
#[track_caller]
fn costs_the_routes(session: Session, head: &str, name: &str, octets: usize) {
    let zeros = "00".repeat(octets);
    let text = malformed(name, octets, &zeros);
    assert_eq!(with(session, &format!("{head} {octets:02x} {zeros}")), treated_as_withdraw(1, &text));
}

#[track_caller]
fn costs_itself(session: Session, head: &str, name: &str, octets: usize) {
    let zeros = "00".repeat(octets);
    let text = malformed(name, octets, &zeros);
    assert_eq!(with(session, &format!("{head} {octets:02x} {zeros}")), discarded(1, &text));
}

#[track_caller]
fn is_fine(session: Session, attribute: &str) {
    assert_eq!(with(session, attribute), accepted(1, 0), "{attribute}");
}

/// CVE-2026-42285 among others: GoBGP on an ORIGIN that is not transitive.
#[test]
fn wrong_flags_are_treated_as_withdraw() {
    let rest = "4002 06 0201 0000fde9 4003 04 c0000201";
    for flags in ["00", "80", "c0"] {
        let text = format!("ORIGIN (1) has the wrong flags, 0x{flags}");
        assert_eq!(update(EBGP, "", &format!("{flags}010100 {rest}"), PREFIX), treated_as_withdraw(1, &text));
    }
    let text = "MULTI_EXIT_DISC (4) has the wrong flags, 0xc0";
    assert_eq!(with(EBGP, "c004 04 00000000"), treated_as_withdraw(1, text));
    let text = "COMMUNITIES (8) has the wrong flags, 0x80";
    assert_eq!(with(EBGP, "8008 04 00000000"), treated_as_withdraw(1, text));
}

#[test]
fn partial_bit_and_the_unused_ones_are_not_judged() {
    is_fine(EBGP, "e008 04 00000000");
    is_fine(EBGP, "8f04 04 00000000");
}

#[test]
fn origin_of_another_length_or_value_is_treated_as_withdraw() {
    let rest = "4002 06 0201 0000fde9 4003 04 c0000201";
    for (octets, value) in [(0, ""), (2, "0000"), (1, "03")] {
        let attributes = format!("4001 {octets:02x} {value} {rest}");
        let text = malformed("ORIGIN (1)", octets, value);
        assert_eq!(update(EBGP, "", &attributes, PREFIX), treated_as_withdraw(1, &text));
    }
    for value in ["01", "02"] {
        assert_eq!(update(EBGP, "", &format!("4001 01 {value} {rest}"), PREFIX), accepted(1, 0));
    }
}

fn path(session: Session, value: &str) -> Result<Message, Notification> {
    let octets = value.len() / 2;
    update(session, "", &format!("{ORIGIN} 4002 {octets:02x} {value} {NEXT_HOP}"), PREFIX)
}

/// CVE-2026-41643 among others: GoBGP on a path of confederation segments only.
#[test]
fn malformed_as_path_is_treated_as_withdraw() {
    for value in [
        "02",                   // half a head
        "0200",                 // no ASN
        "02010000fd",           // one short
        "02020000fde9",         // one ASN short
        "02010000fde902",       // half a head behind
        "00010000fde9",         // no such type
        "03010000fde9",         // AS_CONFED_SEQUENCE
        "04010000fde9",         // AS_CONFED_SET
        "05010000fde9",         // no such type
        "020100000000",         // AS 0 (RFC 7607 §2)
        "02020000fde900000000", // AS 0 behind
    ] {
        let text = malformed("AS_PATH (2)", value.len() / 2, value);
        assert_eq!(path(EBGP, value), treated_as_withdraw(1, &text), "{value}");
    }
}

#[test]
fn empty_as_path_is_for_ibgp() {
    assert_eq!(path(EBGP, ""), treated_as_withdraw(1, "AS_PATH (2) is malformed, 0 octets: 0x"));
    let attributes = format!("{ORIGIN} 4002 00 {NEXT_HOP} 4005 04 00000064");
    assert_eq!(update(IBGP, "", &attributes, PREFIX), accepted(1, 0));
}

#[test]
fn as_path_has_the_width_of_the_session() {
    assert_eq!(path(EBGP, "01020000fde9fa56ea0102010000fde9"), accepted(1, 0));
    assert_eq!(path(TWO_OCTET, "0202fde95ba0"), accepted(1, 0));
    let text = malformed("AS_PATH (2)", 4, "0201fde9");
    assert_eq!(path(EBGP, "0201fde9"), treated_as_withdraw(1, &text));
    let text = malformed("AS_PATH (2)", 6, "02010000fde9");
    assert_eq!(path(TWO_OCTET, "02010000fde9"), treated_as_withdraw(1, &text));
}

/// CVE-2026-30405: GoBGP up to 4.2.0 on a short one.
#[test]
fn next_hop_of_another_length_or_no_host_is_treated_as_withdraw() {
    for value in ["", "c00002", "c000020100", "00000000", "7f000001", "e0000001", "ffffffff"] {
        let octets = value.len() / 2;
        let attributes = format!("{ORIGIN} 4002 06 0201 0000fde9 4003 {octets:02x} {value}");
        let text = malformed("NEXT_HOP (3)", octets, value);
        assert_eq!(update(EBGP, "", &attributes, PREFIX), treated_as_withdraw(1, &text), "{value}");
    }
}

#[test]
fn med_of_another_length_is_treated_as_withdraw() {
    costs_the_routes(EBGP, "8004", "MULTI_EXIT_DISC (4)", 0);
    costs_the_routes(EBGP, "8004", "MULTI_EXIT_DISC (4)", 3);
    costs_the_routes(EBGP, "8004", "MULTI_EXIT_DISC (4)", 5);
}

#[test]
fn local_pref_is_judged_on_ibgp_and_discarded_on_ebgp() {
    costs_the_routes(IBGP, "4005", "LOCAL_PREF (5)", 3);
    for attribute in ["4005 04 00000064", "4005 01 00", "c005 00"] {
        assert_eq!(with(EBGP, attribute), discarded(1, "LOCAL_PREF (5) is not for an external peer"));
    }
}

#[test]
fn atomic_aggregate_with_a_value_is_discarded() {
    costs_itself(EBGP, "4006", "ATOMIC_AGGREGATE (6)", 1);
    is_fine(EBGP, "4006 00");
}

#[test]
fn aggregator_of_another_length_or_of_as_0_is_discarded() {
    costs_itself(EBGP, "c007", "AGGREGATOR (7)", 6);
    costs_itself(TWO_OCTET, "c007", "AGGREGATOR (7)", 8);
    costs_itself(EBGP, "c007", "AGGREGATOR (7)", 8);
    costs_itself(TWO_OCTET, "c007", "AGGREGATOR (7)", 6);
    is_fine(EBGP, "c007 08 0000fde9 c0000201");
    is_fine(TWO_OCTET, "c007 06 fde9 c0000201");
}

#[test]
fn communities_not_whole_are_treated_as_withdraw() {
    for octets in [0, 3, 6] {
        costs_the_routes(EBGP, "c008", "COMMUNITIES (8)", octets);
    }
    is_fine(EBGP, "c008 08 fde90001 ffffff01");
}

#[test]
fn originator_id_is_judged_on_ibgp_and_discarded_on_ebgp() {
    costs_the_routes(IBGP, "8009", "ORIGINATOR_ID (9)", 3);
    is_fine(IBGP, "8009 04 c0000201");
    assert_eq!(with(EBGP, "8009 04 c0000201"), discarded(1, "ORIGINATOR_ID (9) is not for an external peer"));
}

#[test]
fn cluster_list_is_judged_on_ibgp_and_discarded_on_ebgp() {
    for octets in [0, 5] {
        costs_the_routes(IBGP, "800a", "CLUSTER_LIST (10)", octets);
    }
    is_fine(IBGP, "800a 08 c0000201 c0000202");
    assert_eq!(with(EBGP, "800a 04 c0000201"), discarded(1, "CLUSTER_LIST (10) is not for an external peer"));
}

#[test]
fn extended_communities_not_whole_are_treated_as_withdraw() {
    for octets in [0, 4, 12] {
        costs_the_routes(EBGP, "c010", "EXTENDED_COMMUNITIES (16)", octets);
    }
    is_fine(EBGP, "c010 08 0002fde900000001");
}

/// CVE-2026-37461.
#[test]
fn ipv6_extended_communities_not_whole_are_treated_as_withdraw() {
    for octets in [0, 8, 21] {
        costs_the_routes(EBGP, "c019", "IPV6_EXTENDED_COMMUNITIES (25)", octets);
    }
    is_fine(EBGP, &format!("c019 14 {}", "01".repeat(20)));
}

/// RFC 8092 §6.
#[test]
fn large_communities_not_whole_are_treated_as_withdraw() {
    for octets in [0, 8, 13] {
        costs_the_routes(EBGP, "c020", "LARGE_COMMUNITIES (32)", octets);
    }
    is_fine(EBGP, "c020 0c 0000fde90000000100000002");
}

/// RFC 9234 §5, which BIRD up to 2.0.8 mishandled.
#[test]
fn only_to_customer_of_another_length_is_treated_as_withdraw() {
    for octets in [0, 3, 8] {
        costs_the_routes(EBGP, "c023", "ONLY_TO_CUSTOMER (35)", octets);
    }
    is_fine(EBGP, "c023 04 0000fde9");
}

/// CVE-2024-31948: FRR on such TLVs.
#[test]
fn prefix_sid_that_does_not_fit_is_discarded() {
    costs_itself(EBGP, "c028", "PREFIX_SID (40)", 2);
    assert_eq!(with(EBGP, "c028 04 01 0007 00"), discarded(1, &malformed("PREFIX_SID (40)", 4, "01000700")),);
    is_fine(EBGP, "c028 0a 01 0007 00000000000001");
}

/// RFC 6793 §4.1, §6.
#[test]
fn as4_path_is_for_two_octet_sessions_and_discarded_if_malformed() {
    let sound = "c011 06 0201 fa56ea01";
    assert_eq!(with(EBGP, sound), discarded(1, "AS4_PATH (17) is not for a session with four-octet ASNs"));
    is_fine(TWO_OCTET, sound);
    is_fine(TWO_OCTET, "c011 06 0301 fa56ea01");
    for value in ["", "0201", "0201fa56ea", "0501fa56ea01", "0200", "020100000000"] {
        let octets = value.len() / 2;
        let text = malformed("AS4_PATH (17)", octets, value);
        assert_eq!(with(TWO_OCTET, &format!("c011 {octets:02x} {value}")), discarded(1, &text), "{value}");
    }
}

/// GHSA-frrj-87jh-2772: GoBGP on AS4_PATH before AS_PATH.
#[test]
fn as4_path_may_come_first() {
    let attributes = format!("c011 06 0201 fa56ea01 {ORIGIN} 4002 04 0201 5ba0 {NEXT_HOP}");
    assert_eq!(update(TWO_OCTET, "", &attributes, PREFIX), accepted(1, 0));
}

#[test]
fn as4_aggregator_is_for_two_octet_sessions_and_discarded_if_malformed() {
    let sound = "c012 08 fa56ea01 c0000201";
    assert_eq!(with(EBGP, sound), discarded(1, "AS4_AGGREGATOR (18) is not for a session with four-octet ASNs"));
    is_fine(TWO_OCTET, sound);
    costs_itself(TWO_OCTET, "c012", "AS4_AGGREGATOR (18)", 6);
    costs_itself(TWO_OCTET, "c012", "AS4_AGGREGATOR (18)", 8);
}

#[test]
fn malformed_value_in_a_log_is_cut() {
    let zeros = "00".repeat(99);
    let text = format!("COMMUNITIES (8) is malformed, 99 octets: 0x{} and 67 octets more", "00".repeat(32));
    assert_eq!(with(EBGP, &format!("c008 63 {zeros}")), treated_as_withdraw(1, &text));
}
