//! RFC 4271 §6.2, RFC 5492, RFC 6286, RFC 6793, RFC 7607, RFC 9072: what is read of an OPEN and what it is refused for.

use super::*;

/// Version 4, AS 65001, hold 9, identifier 192.0.2.1; what follows starts with the parameters' length.
fn open(parameters: &str) -> Result<Message, Notification> {
    decode(&message(1, &hex(&format!("04 fde9 0009 c0000201 {parameters}"))), &EBGP)
}

fn accepted(asn: u32, capabilities: Vec<Capability>) -> Result<Message, Notification> {
    Ok(Message::Open(Open { asn, hold_time: 9, id: Ipv4Addr::new(192, 0, 2, 1), capabilities }))
}

#[track_caller]
fn refused(body: &str, error: (u8, u8), data: &str) {
    assert_eq!(decode(&message(1, &hex(body)), &EBGP), Err(notification(error, data)));
}

#[test]
fn version_other_than_4_is_2_1_with_the_version_in_two_octets() {
    refused("03 fde9 0009 c0000201 00", (2, 1), "0004");
    refused("05 0000 0001 00000000 ff", (2, 1), "0004");
}

#[test]
fn as_0_is_2_2() {
    refused("04 0000 0009 c0000201 00", (2, 2), "");
}

#[test]
fn as_0_in_the_capability_is_2_2() {
    refused("04 fde9 0009 c0000201 08 02 06 4104 00000000", (2, 2), "");
}

#[test]
fn hold_time_1_and_2_are_2_6() {
    refused("04 fde9 0001 c0000201 00", (2, 6), "");
    refused("04 fde9 0002 c0000201 00", (2, 6), "");
}

#[test]
fn hold_time_0_and_3_and_more_are_legal() {
    for hold_time in [0, 3, 65535] {
        let body = hex(&format!("04 fde9 {hold_time:04x} c0000201 00"));
        let id = Ipv4Addr::new(192, 0, 2, 1);
        let expected = Open { asn: 65001, hold_time, id, capabilities: Vec::new() };
        assert_eq!(decode(&message(1, &body), &EBGP), Ok(Message::Open(expected)));
    }
}

#[test]
fn identifier_0_is_2_3() {
    refused("04 fde9 0009 00000000 00", (2, 3), "");
}

/// RFC 6286 §2.1.
#[test]
fn identifier_that_is_no_host_address_is_legal() {
    let expected = Open { asn: 65001, hold_time: 9, id: Ipv4Addr::new(255, 255, 255, 255), capabilities: Vec::new() };
    assert_eq!(decode(&message(1, &hex("04 fde9 0009 ffffffff 00")), &EBGP), Ok(Message::Open(expected)));
}

#[test]
fn unknown_optional_parameter_is_2_4() {
    assert_eq!(open("02 01 00"), Err(notification((2, 4), "")));
    assert_eq!(open("06 02 02 0200 ff 00"), Err(notification((2, 4), "")));
}

#[test]
fn parameters_length_that_is_not_the_messages_is_2_0() {
    for parameters in ["02", "00 02", "03 02 00", "01 02 00", "01 02"] {
        assert_eq!(open(parameters), Err(notification((2, 0), "")), "{parameters}");
    }
}

/// CVE-2022-37032: FRR read a capability past its parameter.
#[test]
fn malformed_capability_length_is_2_0() {
    for parameters in [
        "04 02 02 0201",            // RouteRefresh with a value past the end
        "05 02 03 0201 00",         // RouteRefresh with a value
        "03 02 01 02",              // a code without a length
        "07 02 05 0103 000101",     // Multiprotocol one short
        "09 02 07 0105 0001000100", // Multiprotocol one long
        "07 02 05 4103 000001",     // four-octet AS one short
        "09 02 07 4105 0000000100", // four-octet AS one long
        "05 02 03 4b05 00",         // software version past the end (CVE-2023-41361)
        "03 02 03 02",              // parameter past the list
    ] {
        assert_eq!(open(parameters), Err(notification((2, 0), "")), "{parameters}");
    }
}

#[test]
fn unknown_capability_is_kept() {
    let capabilities = vec![
        Capability::Other { code: 64, value: hex("4078") },
        Capability::RouteRefresh,
        Capability::Other { code: 255, value: Vec::new() },
    ];
    assert_eq!(open("0a 02 08 4002 4078 0200 ff00"), accepted(65001, capabilities));
}

#[test]
fn family_of_others_is_kept_as_it_is() {
    let capabilities = vec![
        Capability::Multiprotocol(Family::Ipv4Unicast),
        Capability::Other { code: 1, value: hex("00190046") },
        Capability::Multiprotocol(Family::Ipv6Unicast),
    ];
    // The third octet is reserved and ignored (RFC 4760 §8).
    assert_eq!(open("14 02 12 0104 0001ff01 0104 00190046 0104 00020001"), accepted(65001, capabilities));
}

#[test]
fn capabilities_in_several_parameters_are_one_list() {
    let capabilities = vec![Capability::RouteRefresh, Capability::Other { code: 6, value: Vec::new() }];
    assert_eq!(open("0a 02 02 0200 02 00 02 02 0600"), accepted(65001, capabilities));
}

#[test]
fn four_octet_capability_wins_over_the_field() {
    let capabilities = vec![Capability::FourOctetAs(4_200_000_001)];
    let body = hex("04 5ba0 0009 c0000201 08 02 06 4104 fa56ea01");
    assert_eq!(decode(&message(1, &body), &EBGP), accepted(4_200_000_001, capabilities.clone()));
    assert_eq!(open("08 02 06 4104 fa56ea01"), accepted(4_200_000_001, capabilities));
}

#[test]
fn extended_next_hop_is_read_where_it_is_of_ipv4_unicast_by_ipv6() {
    assert_eq!(open("0a 02 08 0506 000100010002"), accepted(65001, vec![Capability::ExtendedNextHop]));
    // FRR lists labelled unicast and VPNs as well.
    let three = "16 02 14 0512 000100040002 000100010002 000100800002";
    assert_eq!(open(three), accepted(65001, vec![Capability::ExtendedNextHop]));
    let value = hex("000100800002");
    assert_eq!(open("0a 02 08 0506 000100800002"), accepted(65001, vec![Capability::Other { code: 5, value }]));
    for cut in ["09 02 07 0505 0001000100", "0b 02 09 0507 00010001000200"] {
        refused(&format!("04 fde9 0009 c0000201 {cut}"), (2, 0), "");
    }
}

#[test]
fn rfc_9072_form_is_read() {
    assert_eq!(open("ff ff 0005 02 0002 0200"), accepted(65001, vec![Capability::RouteRefresh]));
    assert_eq!(open("ff ff 0000"), accepted(65001, Vec::new()));
}

#[test]
fn rfc_9072_form_is_read_whatever_the_short_length_says() {
    assert_eq!(open("01 ff 0005 02 0002 0200"), accepted(65001, vec![Capability::RouteRefresh]));
}

#[test]
fn rfc_9072_form_longer_than_the_usual_one_is_read() {
    let mut body = hex("04 fde9 0009 c0000201 ff ff 012f 02 012c 4bff");
    body.extend([0x61; 255]);
    body.extend(hex("4929"));
    body.extend([0x62; 41]);
    let capabilities = vec![
        Capability::Other { code: 0x4b, value: vec![0x61; 255] },
        Capability::Other { code: 0x49, value: vec![0x62; 41] },
    ];
    assert_eq!(decode(&message(1, &body), &EBGP), accepted(65001, capabilities));
}

/// CVE-2022-36440, -40302, -40318, -43681: FRR on extended parameters shorter than their headers.
#[test]
fn rfc_9072_form_that_does_not_fit_is_2_0() {
    for parameters in [
        "ff ff",
        "ff ff 00",
        "ff ff 0001",
        "ff ff 0001 02",
        "ff ff 0002 02 00",
        "ff ff 0004 02 0002 02",
        "ff ff 0005 02 0002 0200 00",
        "ff ff 0004 02 0002 0200",
        "00 ff 0005 02 0002 0200",
    ] {
        assert_eq!(open(parameters), Err(notification((2, 0), "")), "{parameters}");
    }
}

#[test]
fn rfc_9072_form_with_unknown_parameter_is_2_4() {
    assert_eq!(open("ff ff 0003 01 0000"), Err(notification((2, 4), "")));
}

#[test]
fn capabilities_kept_are_bounded_and_the_rest_is_checked() {
    let many = |last: &str| {
        let mut capabilities = hex("4200").repeat(1000);
        capabilities.extend(hex(last));
        let mut parameter = hex("02");
        parameter.extend(field16(&capabilities));
        let mut body = hex("04 fde9 0009 c0000201 ff ff");
        body.extend(field16(&parameter));
        decode(&message(1, &body), &EBGP)
    };
    let kept = vec![Capability::Other { code: 0x42, value: Vec::new() }; 256];
    assert_eq!(many("0200"), accepted(65001, kept));
    assert_eq!(many("0201"), Err(notification((2, 0), "")));
}

#[test]
fn capabilities_that_do_not_fit_are_not_sent() {
    let long = Capability::Other { code: 9, value: vec![7; 251] };
    let sent = |capabilities: Vec<Capability>| {
        let open = Open { asn: 65001, hold_time: 9, id: Ipv4Addr::new(192, 0, 2, 1), capabilities };
        decode(&encode(&Outgoing::Open(open), &EBGP), &EBGP)
    };
    assert_eq!(sent(vec![long.clone()]), accepted(65001, vec![long.clone()]));
    let too_many = vec![Capability::RouteRefresh, long, Capability::FourOctetAs(65001)];
    assert_eq!(sent(too_many), accepted(65001, vec![Capability::RouteRefresh, Capability::FourOctetAs(65001)]));
}
