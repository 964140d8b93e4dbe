use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;
use crate::config::mpbgp::Mode;

/// A peer as plain values: host, AS, password, multihop, port, notes.
type Plain = (String, Option<u32>, Option<String>, bool, u16, Vec<String>);

fn list(text: &str) -> Vec<Result<Plain, Vec<String>>> {
    let plain = |peer: PeerText| {
        let password = peer.password.map(|p| p.expose_secret().to_owned());
        (peer.host.to_string(), peer.asn, password, peer.multihop, peer.port, peer.notes)
    };
    parse_list(text).into_iter().map(|peer| peer.map(plain)).collect()
}

fn peer(address: &str, asn: u32, password: &str, multihop: bool, port: u16, notes: &[&'static str]) -> Vec<Plain> {
    let password = (!password.is_empty()).then(|| password.to_owned());
    vec![(address.to_owned(), Some(asn), password, multihop, port, notes.iter().map(ToString::to_string).collect())]
}

#[test]
fn every_form_of_kube_vip_is_read() {
    let cases = [
        ("10.0.0.1:65001", peer("10.0.0.1", 65001, "", false, 179, &[])),
        (" 10.0.0.1 :65001 ", peer("10.0.0.1", 65001, "", false, 179, &[])),
        ("10.0.0.1:4200000000:pw", peer("10.0.0.1", 4_200_000_000, "pw", false, 179, &[])),
        ("10.0.0.1:65001::false", peer("10.0.0.1", 65001, "", false, 179, &[])),
        ("10.0.0.1:65001:p/w]=;:true", peer("10.0.0.1", 65001, "p/w]=;", true, 179, &[])),
        ("10.0.0.1:65001:pw:T:1179", peer("10.0.0.1", 65001, "pw", true, 1179, &[])),
        ("10.0.0.1:65001:pw::", peer("10.0.0.1", 65001, "pw", false, 179, &[])),
        ("[2001:db8::1]:65001", peer("[2001:db8::1]", 65001, "", false, 179, &[])),
        ("[2001:db8::1]:65001:pw:1:2179", peer("[2001:db8::1]", 65001, "pw", true, 2179, &[])),
        ("unnumbered:eth0:65001:pw::180", peer("eth0", 65001, "pw", false, 180, &[])),
        ("10.0.0.1:65001:::::false;;;;x", peer("10.0.0.1", 65001, "", false, 179, &[])),
    ];
    for (text, expected) in cases {
        assert_eq!(list(text), expected.into_iter().map(Ok).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn the_as_of_an_unnumbered_peer_may_be_absent() {
    for text in ["unnumbered:eth0", "unnumbered:eth0::pw", "unnumbered:eth0 "] {
        let [Ok((host, asn, ..))] = &list(text)[..] else { panic!("{text}") };
        assert_eq!((host.as_str(), *asn), ("eth0", None), "{text}");
    }
}

#[test]
fn next_hops_of_both_families_are_read_in_every_form() {
    let (four, six) = (Some([10, 0, 0, 9].into()), Some("2001:db8::9".parse().unwrap()));
    let fixed = |ipv4, ipv6| MpBgp { mode: Some(Mode::Fixed), ipv4, ipv6 };
    let mode = |mode| MpBgp { mode: Some(mode), ..MpBgp::default() };
    let cases = [
        (":::179:mpbgp_nexthop=fixed", mode(Mode::Fixed)),
        (":::179:mpbgp_nexthop=auto_sourceip", mode(Mode::SourceIp)),
        ("::false/mpbgp_nexthop=auto_sourceif", mode(Mode::SourceIf)),
        ("::false:180/mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::9", fixed(None, six)),
        (":::179:mpbgp_nexthop=fixed;mpbgp_ipv4=10.0.0.9", fixed(four, None)),
        (":::179:mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::9;mpbgp_ipv4=10.0.0.9", fixed(four, six)),
        (":::179:mpbgp_nexthop=fixed;mpbgp_ipv4=10.0.0.9;mpbgp_ipv6=[2001:db8::9]", fixed(four, six)),
        (":::179:mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::9:", fixed(None, six)),
        (":::179:mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::9:false;300;300;3", fixed(None, six)),
        ("", MpBgp::default()),
    ];
    for (text, expected) in cases {
        let [Ok(peer)] = &parse_list(&format!("10.0.0.1:1{text}"))[..] else { panic!("{text}") };
        assert_eq!((peer.mpbgp, peer.bfd), (expected, None), "{text}");
    }
}

#[test]
fn bfd_is_the_last_field_whatever_colons_an_ipv6_address_has() {
    let note = "bfd rx 300000 is taken for microseconds, that is 300 ms; the unit here is milliseconds";
    for before in ["", "mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::1"] {
        let [Ok(peer)] = &parse_list(&format!("10.0.0.1:1::::{before}:true;300000;;"))[..] else { panic!("{before}") };
        assert_eq!((peer.bfd, &peer.notes), (Some(BfdConfig::default()), &vec![note.to_owned()]), "{before}");
    }
}

#[test]
fn peers_are_told_apart_by_commas_and_empty_ones_count_for_nothing() {
    let both = [peer("10.0.0.1", 1, "", false, 179, &[]), peer("10.0.0.2", 2, "", false, 179, &[])].concat();
    assert_eq!(list(",10.0.0.1:1,, 10.0.0.2:2,"), both.into_iter().map(Ok).collect::<Vec<_>>());
    assert_eq!(list(""), vec![]);
    assert_eq!(list(" , "), vec![]);
}

#[test]
fn white_space_around_a_password_is_kept_and_said() {
    let note = "the password begins or ends with white space, which is part of it";
    let kept = peer("10.0.0.1", 1, "pw ", false, 179, &[note]);
    assert_eq!(list("10.0.0.1:1:pw "), kept.into_iter().map(Ok).collect::<Vec<_>>());
}

#[test]
fn each_mistake_says_what_was_expected() {
    let long = format!("10.0.0.1:1:{}", "x".repeat(81));
    let torn = "a password with a colon or a comma cannot stand here: use --peerPassFile";
    let cases: &[(&str, &[&str])] = &[
        ("10.0.0.1", &["AS number is missing; expected host:AS, AS 1 to 4294967295"]),
        ("10.0.0.1:0", &["AS number \"0\" is reserved (RFC 7607); expected 1 to 4294967295"]),
        ("10.0.0.1:1.1", &["AS number \"1.1\" is not one; expected 1 to 4294967295, in plain decimal"]),
        ("10.0.0.1:4294967296", &["AS number \"4294967296\" is not one; expected 1 to 4294967295, in plain decimal"]),
        ("router:1", &["\"router\" is not an IP address; host names are not supported"]),
        ("10.0.0.256:1", &["\"10.0.0.256\" is not an IP address; host names are not supported"]),
        ("fd00::1:65001", &["an IPv6 address stands in brackets: [2001:db8::1]:65001"]),
        ("::1:65001", &["an IPv6 address stands in brackets: [2001:db8::1]:65001"]),
        ("[fd00::1:65001", &["\"[\" without \"]\"; an IPv6 address stands in brackets: [2001:db8::1]:65001"]),
        (
            "[10.0.0.1]:1",
            &["has no IPv6 address in the brackets; an IPv6 address stands in brackets: [2001:db8::1]:65001"],
        ),
        ("[fe80::1%eth0]:1", &["has a zone in the brackets; use --sourceIF for a link-local peer"]),
        ("[fd00::1]x:1", &["has something between \"]\" and \":\"; expected [2001:db8::1]:65001"]),
        ("unnumbered:", &["\"\" is not the name of an interface; expected unnumbered:eth0"]),
        ("unnumbered:a b:1", &["\"a b\" is not the name of an interface; expected unnumbered:eth0"]),
        ("10.0.0.1:1::yes:0", &["multihop \"yes\" is not true or false", "port \"0\" is not one; expected 1 to 65535"]),
        (
            "10.0.0.1:1:pa:ss:word",
            &[
                &format!("multihop (not shown) is not true or false; {torn}"),
                &format!("port (not shown) is not one; expected 1 to 65535; {torn}"),
            ],
        ),
        ("10.0.0.1:1:::179:mpbgp_nexthop", &["\"mpbgp_nexthop\" is missing a value (expected key=value)"]),
        (
            "10.0.0.1:1:::179:mpbgp_ipv5=1",
            &["\"mpbgp_ipv5\" is not supported; expected mpbgp_nexthop, mpbgp_ipv4 or mpbgp_ipv6"],
        ),
        (
            "10.0.0.1:1:::179:mpbgp_nexthop=auto",
            &["mpbgp_nexthop \"auto\" is not a mode of next hops; expected fixed, auto_sourceip or auto_sourceif"],
        ),
        ("10.0.0.1:1:::179:mpbgp_ipv4=2001:db8::1", &["mpbgp_ipv4 \"2001:db8::1\" is not an IPv4 address"]),
        ("10.0.0.1:1/mpbgp_ipv6=10.0.0.1", &["mpbgp_ipv6 \"10.0.0.1\" is not an IPv6 address"]),
        ("10.0.0.1:1:::::true;1;1", &["bfd is not \"enabled;rx;tx;multiplier\", as in true;300;300;3"]),
        ("10.0.0.1:1:::::true;a;1;1", &["bfd has a value that is not a number; expected true;300;300;3"]),
        ("10.0.0.1:1:::::::", &["has more than 7 fields; a password cannot hold a colon here: use --peerPassFile"]),
        ("10.0.0.1:1:a\0b", &["the password has a NUL byte in it"]),
        (&long, &["the password has 81 bytes; TCP-MD5 takes 80 at most"]),
    ];
    for (text, expected) in cases {
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(list(text), vec![Err(expected)], "{text}");
    }
}

#[test]
fn the_rest_of_a_torn_password_is_not_shown() {
    let hidden = "(not shown) is not an IP address; host names are not supported".to_owned();
    let mut expected: Vec<_> = peer("10.0.0.1", 1, "pa", false, 179, &[]).into_iter().map(Ok).collect();
    expected.push(Err(vec![hidden]));
    assert_eq!(list("10.0.0.1:1:pa,ss"), expected);
}

#[test]
fn a_lone_address_takes_a_port() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(parse_address("10.0.0.1"), Some((ip("10.0.0.1"), 179)));
    assert_eq!(parse_address("10.0.0.1:1179"), Some((ip("10.0.0.1"), 1179)));
    assert_eq!(parse_address("fd00::1"), Some((ip("fd00::1"), 179)));
    assert_eq!(parse_address("[fd00::1]"), Some((ip("fd00::1"), 179)));
    assert_eq!(parse_address("[fd00::1]:1179"), Some((ip("fd00::1"), 1179)));
    for bad in ["", "router", "10.0.0.1:0", "10.0.0.1:65536", "[10.0.0.1]", "[fe80::1%2]:179", "[fd00::1"] {
        assert_eq!(parse_address(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC*", list_like in "[0-9a-f:.,\\[\\]/;= ]{0,60}") {
        parse_list(&text);
        parse_list(&list_like);
        parse_address(&text);
        parse_address(&list_like);
    }

    /// Whatever a password tears apart, and whatever form the host has, no piece of it turns up in a message.
    #[test]
    fn no_piece_of_a_password_is_shown(
        before in "(10\\.0\\.0\\.9:65001(::false)?,){0,2}",
        host in "10\\.0\\.0\\.1|10\\.0\\.0\\.300|router|\\[fd00::1\\]|\\[fd00::1|fd00::1|fd00:1:2:3:4:5:6:7|\\[fd00::1\\]x|\\[x\\]",
        asn in "65001|0|99999999999|6x",
        pieces in prop::collection::vec("[G-Z]{8}", 1..4),
        glue in "[:,;=/\\[\\]. ]|::|/mpbgp_|:::::|,\\[",
        after in "(:x)?(:x)?(:x=y)?(:z)?(,x)?",
    ) {
        let text = format!("{before}{host}:{asn}:{}{after}", pieces.join(&glue));
        let shown = parse_list(&text)
            .into_iter()
            .map(|peer| match peer {
                Ok(peer) => format!("{peer:?}"),
                Err(wrong) => wrong.join("\n"),
            })
            .collect::<Vec<_>>()
            .join("\n");
        for piece in pieces {
            prop_assert!(!shown.contains(&piece), "{text} shows {piece}: {shown}");
        }
    }
}
