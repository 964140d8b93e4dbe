//! RFC 4271 §6.3 and RFC 7606: the frame of an UPDATE, its prefixes, and its attributes taken together.

use super::*;

pub(super) const ORIGIN: &str = "40010100";
pub(super) const AS_PATH: &str = "4002 06 0201 0000fde9";
pub(super) const NEXT_HOP: &str = "4003 04 c0000201";
/// ORIGIN, AS_PATH and NEXT_HOP of an external peer.
pub(super) const MANDATORY: &str = "40010100 4002 06 0201 0000fde9 4003 04 c0000201";
pub(super) const PREFIX: &str = "20 0a630001";
const MP_REACH: &str = "800e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8";

/// Reads an UPDATE of these three parts.
pub(super) fn update(session: Session, withdrawn: &str, attributes: &str, nlri: &str) -> Result<Message, Notification> {
    let mut body = field16(&hex(withdrawn));
    body.extend(field16(&hex(attributes)));
    body.extend(hex(nlri));
    decode(&message(2, &body), &session)
}

fn counted(announced: usize, withdrawn: usize, outcome: Outcome) -> Result<Message, Notification> {
    Ok(Message::Update(ReceivedUpdate { announced, withdrawn, outcome }))
}

pub(super) fn accepted(announced: usize, withdrawn: usize) -> Result<Message, Notification> {
    counted(announced, withdrawn, Outcome::Accepted)
}

pub(super) fn discarded(announced: usize, text: &str) -> Result<Message, Notification> {
    counted(announced, 0, Outcome::AttributeDiscard(text.to_owned()))
}

pub(super) fn treated_as_withdraw(announced: usize, text: &str) -> Result<Message, Notification> {
    counted(announced, 0, Outcome::TreatAsWithdraw(text.to_owned()))
}

pub(super) fn reset(error: (u8, u8), data: &str) -> Result<Message, Notification> {
    Err(notification(error, data))
}

#[test]
fn prefixes_are_counted() {
    assert_eq!(update(EBGP, "18 0a0000 00", MANDATORY, "20 0a630001 19 0a630080 00"), accepted(3, 2));
}

#[test]
fn end_of_rib_is_an_update_of_nothing() {
    assert_eq!(update(EBGP, "", "", ""), accepted(0, 0));
    assert_eq!(update(EBGP, "", "800f 03 0002 01", ""), accepted(0, 0));
}

/// CVE-2026-37462: GoBGP 4.3.0 subtracted these into an underflow.
#[test]
fn lengths_that_do_not_fit_the_message_are_3_1() {
    for body in ["0001 0000", "0003 0000", "ffff 0000", "0000 0001", "0000 ffff 40010100", "0002 0a00 00"] {
        assert_eq!(decode(&message(2, &hex(body)), &EBGP), reset((3, 1), ""), "{body}");
    }
}

#[test]
fn prefix_longer_than_its_address_is_3_10() {
    assert_eq!(update(EBGP, "", MANDATORY, "21 0a63000100"), reset((3, 10), ""));
    assert_eq!(update(EBGP, "21 0a63000100", "", ""), reset((3, 10), ""));
}

#[test]
fn truncated_prefix_is_3_10() {
    assert_eq!(update(EBGP, "", MANDATORY, "20 0a6300"), reset((3, 10), ""));
    assert_eq!(update(EBGP, "18 0a63", "", ""), reset((3, 10), ""));
}

/// CVE-2023-41358: FRR on prefixes without any attribute.
#[test]
fn prefixes_without_attributes_are_treated_as_withdraw() {
    assert_eq!(update(EBGP, "", "", PREFIX), treated_as_withdraw(1, "ORIGIN (1) is missing"));
}

#[test]
fn missing_mandatory_attribute_is_treated_as_withdraw() {
    let without = |attributes: [&str; 2]| update(EBGP, "", &attributes.concat(), PREFIX);
    assert_eq!(without([AS_PATH, NEXT_HOP]), treated_as_withdraw(1, "ORIGIN (1) is missing"));
    assert_eq!(without([ORIGIN, NEXT_HOP]), treated_as_withdraw(1, "AS_PATH (2) is missing"));
    assert_eq!(without([ORIGIN, AS_PATH]), treated_as_withdraw(1, "NEXT_HOP (3) is missing"));
}

#[test]
fn local_pref_is_mandatory_on_ibgp() {
    let local_pref = format!("{MANDATORY} 4005 04 00000064");
    assert_eq!(update(IBGP, "", &local_pref, PREFIX), accepted(1, 0));
    assert_eq!(update(IBGP, "", MANDATORY, PREFIX), treated_as_withdraw(1, "LOCAL_PREF (5) is missing"));
}

#[test]
fn multiprotocol_routes_need_no_next_hop_attribute() {
    assert_eq!(update(EBGP, "", &[MP_REACH, ORIGIN, AS_PATH].concat(), ""), accepted(1, 0));
    assert_eq!(update(EBGP, "", &[MP_REACH, ORIGIN].concat(), ""), treated_as_withdraw(1, "AS_PATH (2) is missing"));
}

/// CVE-2023-46753: FRR on an UPDATE with nothing but an unknown transitive attribute.
#[test]
fn only_an_unknown_transitive_attribute_is_treated_as_withdraw() {
    assert_eq!(update(EBGP, "", "c0fa 01 00", PREFIX), treated_as_withdraw(1, "ORIGIN (1) is missing"));
    assert_eq!(update(EBGP, "", "c0fa 01 00", ""), accepted(0, 0));
}

/// CVE-2023-47234: FRR on MP_UNREACH_NLRI beside some, but not all, mandatory attributes.
#[test]
fn withdrawals_need_no_mandatory_attributes() {
    assert_eq!(update(EBGP, PREFIX, "", ""), accepted(0, 1));
    assert_eq!(update(EBGP, "", &["800f 08 0002 01 20 20010db8", ORIGIN].concat(), ""), accepted(0, 1));
}

/// CVE-2023-47235: FRR on an End-of-RIB that is not alone.
#[test]
fn malformed_end_of_rib_is_nothing() {
    assert_eq!(update(EBGP, "", &["800f 03 0002 01", ORIGIN].concat(), ""), accepted(0, 0));
    assert_eq!(update(EBGP, "", "800f 03 0007 09", ""), accepted(0, 0));
}

#[test]
fn duplicate_attribute_is_discarded_even_if_malformed() {
    let twice = format!("{MANDATORY} 4001 02 0909");
    assert_eq!(update(EBGP, "", &twice, PREFIX), discarded(1, "ORIGIN (1) is there twice"));
    let unknown = format!("{MANDATORY} c0fa 00 c0fa 00");
    assert_eq!(update(EBGP, "", &unknown, PREFIX), discarded(1, "attribute 250 is there twice"));
}

#[test]
fn duplicate_mp_reach_or_mp_unreach_is_3_1() {
    assert_eq!(update(EBGP, "", &[MP_REACH, MP_REACH, ORIGIN, AS_PATH].concat(), ""), reset((3, 1), ""));
    assert_eq!(update(EBGP, "", "800f 03 0002 01 800f 03 0002 01", ""), reset((3, 1), ""));
}

/// CVE-2026-41642: GoBGP on a nil attribute.
#[test]
fn unknown_well_known_attribute_is_3_2_with_the_attribute() {
    let with = |attribute: &str| update(EBGP, "", &[MANDATORY, attribute].concat(), PREFIX);
    assert_eq!(with("40fa 02 abcd"), reset((3, 2), "40fa02abcd"));
    assert_eq!(with("50fa 0002 abcd"), reset((3, 2), "50fa0002abcd"));
    assert_eq!(with("0000 00"), reset((3, 2), "000000"));
}

/// Tunnel Encapsulation, ELC and a free one, whatever they hold (VU#347067: FRR, OpenBGPD, EXOS and Junos reset).
#[test]
fn unknown_optional_attribute_is_ignored() {
    let strange = format!("{MANDATORY} c017 03 ffffff c01c 01 00 80fa 00 d0fb 0001 00");
    assert_eq!(update(EBGP, "", &strange, PREFIX), accepted(1, 0));
}

#[test]
fn attribute_that_overruns_the_block_is_treated_as_withdraw() {
    let text = "the attributes end in the middle of one";
    for rest in ["80", "8004", "8004 04 000000", "9004 00", "9004 ffff 00000000"] {
        let attributes = [MANDATORY, rest].concat();
        assert_eq!(update(EBGP, "", &attributes, PREFIX), treated_as_withdraw(1, text), "{rest}");
    }
}

/// RFC 7606 §5.2.
#[test]
fn broken_attributes_without_prefixes_are_3_1() {
    assert_eq!(update(EBGP, PREFIX, "4001 01 09", ""), reset((3, 1), ""));
    assert_eq!(update(EBGP, "", "8004 04 00", ""), reset((3, 1), ""));
    assert_eq!(update(EBGP, "", "4006 01 00", ""), discarded(0, "ATOMIC_AGGREGATE (6) is malformed, 1 octets: 0x00"));
}

#[test]
fn gravest_outcome_wins_and_keeps_its_first_text() {
    let attributes = "4006 01 00 4001 01 09 4002 00 4003 04 c0000201 4006 00";
    let text = "ORIGIN (1) is malformed, 1 octets: 0x09";
    assert_eq!(update(EBGP, "", attributes, PREFIX), treated_as_withdraw(1, text));
    assert_eq!(update(EBGP, "", &[attributes, "40fa 00"].concat(), PREFIX), reset((3, 2), "40fa00"));
}

/// CVE-2023-46752 and RFC 7606 §7.11.
#[test]
fn mp_reach_that_cannot_be_read_is_3_9_with_the_attribute() {
    for mp_reach in [
        "800e 00",
        "800e 02 0002",
        "800e 03 0002 01",
        "800e 04 0002 01 10",
        "800e 14 0002 01 10 20010db8000000000000000000000001",
        "800e 09 0002 01 04 c0000201 00",
        "800e 0a 0001 01 05 c000020100 00",
        "800e 16 0002 01 10 20010db8000000000000000000000001 00 81",
        "800e 19 0002 01 10 20010db8000000000000000000000001 00 20 20010d",
    ] {
        let attributes = [mp_reach, ORIGIN, AS_PATH].concat();
        assert_eq!(update(EBGP, "", &attributes, ""), reset((3, 9), mp_reach), "{mp_reach}");
    }
}

#[test]
fn mp_unreach_that_cannot_be_read_is_3_9_with_the_attribute() {
    for mp_unreach in ["800f 00", "800f 02 0002", "800f 04 0002 01 81", "800f 06 0002 01 20 2001", "800f 04 0001 01 21"]
    {
        assert_eq!(update(EBGP, "", mp_unreach, ""), reset((3, 9), mp_unreach), "{mp_unreach}");
    }
}

/// CVE-2023-38406, -38407, CVE-2026-37457, CVE-2026-5107: flowspec, labelled and EVPN routes of FRR.
#[test]
fn multiprotocol_of_another_family_is_ignored() {
    for mp in ["800e 08 0001 85 00 00 02 0301", "800e 06 0019 46 00 00 ff", "800f 04 0001 04 ff", "800e 03 0001 80"] {
        assert_eq!(update(EBGP, "", &[mp, ORIGIN].concat(), ""), accepted(0, 0), "{mp}");
    }
}

#[test]
fn mp_reach_with_a_link_local_address_is_read() {
    let both = "800e 2a 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 20 20010db8";
    assert_eq!(update(EBGP, "", &[both, ORIGIN, AS_PATH].concat(), ""), accepted(1, 0));
}

#[test]
fn mp_reach_of_ipv4_is_read_with_either_next_hop() {
    let four = "800e 0e 0001 01 04 c0000201 00 20 0a630001";
    let six = "800e 1a 0001 01 10 20010db8000000000000000000000001 00 20 0a630001";
    assert_eq!(update(EBGP, "", &[four, ORIGIN, AS_PATH].concat(), ""), accepted(1, 0));
    assert_eq!(update(EBGP, "", &[six, ORIGIN, AS_PATH].concat(), ""), accepted(1, 0));
}

/// CVE-2026-37458: FRR on such next hops.
#[test]
fn mp_reach_with_a_martian_next_hop_is_treated_as_withdraw() {
    for next_hop in ["00", "01"].map(|last| format!("{}{last}", "00".repeat(15))).iter().chain([&"ff".repeat(16)]) {
        let mp_reach = format!("800e 1a 0002 01 10 {next_hop} 00 20 20010db8");
        let text = "MP_REACH_NLRI (14) has no usable next hop";
        assert_eq!(update(EBGP, "", &[&mp_reach, ORIGIN, AS_PATH].concat(), ""), treated_as_withdraw(1, text));
    }
}

#[test]
fn mp_reach_behind_other_attributes_and_beside_prefixes_is_read() {
    let attributes = [MANDATORY, MP_REACH, "800f 08 0002 01 20 20010db8"].concat();
    assert_eq!(update(EBGP, PREFIX, &attributes, PREFIX), accepted(2, 2));
}
