use std::net::Ipv4Addr;

use secrecy::ExposeSecret as _;

use super::*;

fn read_all(annotations: &[(&str, &str)]) -> Result<Provided, Vec<String>> {
    let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    read("x.io", "n1", &annotations)
}

const PLAIN: [(&str, &str); 4] = [
    ("x.io/node-asn", "65010"),
    ("x.io/src-ip", "10.0.0.11"),
    ("x.io/peer-asn", "65001"),
    ("x.io/peer-ip", "10.0.0.1"),
];

/// `PLAIN` with these in place of those of the same key; an empty value takes one away.
fn plain_but(changes: &[(&'static str, &'static str)]) -> Result<Provided, Vec<String>> {
    let mut all: BTreeMap<&str, &str> = PLAIN.into_iter().collect();
    all.extend(changes.iter().copied());
    read_all(&all.into_iter().collect::<Vec<_>>())
}

fn wrong(changes: &[(&'static str, &'static str)]) -> Vec<String> {
    plain_but(changes).unwrap_err()
}

fn peer(address: &str, key: &str) -> ProvidedPeer {
    let label = format!("peer {address} ({key})");
    let address = address.parse().unwrap();
    ProvidedPeer { address, asn: 65001, password: None, multihop: false, source_ip: None, label }
}

fn provided(peers: Vec<ProvidedPeer>) -> Provided {
    let node = Ipv4Addr::new(10, 0, 0, 11);
    Provided {
        source: "the annotations x.io/… of node n1".to_owned(),
        local_as: Some(65010),
        router_id: Some(node),
        source_ip: Some(node.into()),
        peers,
    }
}

#[test]
fn both_spellings_of_index_0_say_the_same() {
    let expected = Ok(provided(vec![peer("10.0.0.1", "x.io/peer-ip")]));
    assert_eq!(read_all(&PLAIN), expected);
    assert_eq!(plain_but(&[("x.io/bgp-peers-0-node-asn", "65010"), ("x.io/bgp-peers-0-peer-ip", " 10.0.0.1,")]), {
        Ok(provided(vec![peer("10.0.0.1", "x.io/bgp-peers-0-peer-ip")]))
    });
    let numbered = PLAIN.map(|(key, value)| (key.replace("x.io/", "x.io/bgp-peers-0-"), value));
    let numbered: Vec<_> = numbered.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    assert_eq!(read_all(&numbered), Ok(provided(vec![peer("10.0.0.1", "x.io/bgp-peers-0-peer-ip")])));
    let others = [
        ("y.io/node-asn", "1"),
        ("x.io.y/node-asn", "2"),
        ("x.io/network-4-asn", "3"),
        ("x.io/bgp-peers--1-node-asn", "4"),
        ("x.io/bgp-peers-+1-node-asn", "5"),
        ("x.io/bgp-peers-1-node-asn-", "6"),
        ("x.io/bgp-peers-99999999999-node-asn", "7"),
        ("x.io/bgp-pass", ""),
        ("x.io/bgp-peers-1-peer-asn", "65002"),
    ];
    assert_eq!(plain_but(&others), expected);
}

#[test]
fn an_index_inherits_what_it_does_not_say_and_peers_come_in_order() {
    let said = plain_but(&[
        ("x.io/bgp-pass", "c2VjcmV0"),
        ("x.io/peer-multi-hop", "true"),
        ("x.io/peer-ip", "10.0.0.9, 10.0.0.1"),
        ("x.io/bgp-peers-10-peer-ip", "10.0.0.4"),
        ("x.io/bgp-peers-10-src-ip", "10.0.0.12"),
        ("x.io/bgp-peers-2-peer-ip", "10.0.0.3"),
        ("x.io/bgp-peers-2-node-asn", "65010"),
        ("x.io/bgp-peers-2-src-ip", "10.0.0.11"),
        ("x.io/bgp-peers-2-peer-asn", "65002"),
        ("x.io/bgp-peers-2-bgp-pass", "b3RoZXIK"),
        ("x.io/bgp-peers-2-peer-multi-hop", "false"),
        ("x.io/bgp-peers-3-peer-ip", "10.0.0.1"),
    ]);
    let with = |address: &str, key: &str| ProvidedPeer {
        password: Some("secret".into()),
        multihop: true,
        ..peer(address, key)
    };
    assert_eq!(
        said,
        Ok(provided(vec![
            with("10.0.0.9", "x.io/peer-ip"),
            with("10.0.0.1", "x.io/peer-ip"),
            ProvidedPeer {
                asn: 65002,
                // What echo adds is not part of it.
                password: Some("other".into()),
                ..peer("10.0.0.3", "x.io/bgp-peers-2-peer-ip")
            },
            ProvidedPeer {
                source_ip: Some(Ipv4Addr::new(10, 0, 0, 12).into()),
                ..with("10.0.0.4", "x.io/bgp-peers-10-peer-ip")
            },
        ]))
    );
    let said = said.unwrap();
    assert_eq!(said.peers[0].password.as_ref().map(|secret| secret.expose_secret()), Some("secret"));
    assert!(!format!("{said:?}").contains("secret"));
}

#[test]
fn an_ipv6_source_leaves_the_router_id_to_be_derived() {
    let said = plain_but(&[("x.io/src-ip", "2001:db8::11"), ("x.io/peer-ip", "2001:db8::1")]);
    let expected = Provided {
        router_id: None,
        source_ip: Some("2001:db8::11".parse().unwrap()),
        ..provided(vec![peer("2001:db8::1", "x.io/peer-ip")])
    };
    assert_eq!(said, Ok(expected));
}

#[test]
fn all_that_is_missing_is_said_at_once() {
    let missing = |field: &str, n: &str| format!("x.io/{field} (or x.io/bgp-peers-{n}-{field}) is missing");
    let all =
        [missing("node-asn", "0"), missing("src-ip", "0"), missing("peer-ip", "N"), missing("peer-asn", "0")].to_vec();
    assert_eq!(read_all(&[]), Err(all.clone()));
    let empty = PLAIN.map(|(key, _)| (key, " "));
    assert_eq!(read_all(&empty), Err(all));
    assert_eq!(wrong(&[("x.io/peer-ip", ",")]), [missing("peer-ip", "N")]);
    for (n, field) in [("0", "node-asn"), ("0", "src-ip"), ("0", "peer-asn"), ("N", "peer-ip")] {
        let key = PLAIN.map(|(key, _)| key).into_iter().find(|key| key.ends_with(field)).unwrap();
        assert_eq!(wrong(&[(key, "")]), [missing(field, n)]);
    }
    // Inherited it can be only from index 0.
    let changes = [("x.io/peer-asn", ""), ("x.io/bgp-peers-1-peer-asn", "65002")];
    assert_eq!(wrong(&changes), [missing("peer-asn", "0")]);
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_no_password() {
    let base64 = "x.io/bgp-pass: the value (not shown) is not base64, as printf %s PASSWORD | base64 writes it";
    let said = wrong(&[
        ("x.io/node-asn", "65010"),
        ("x.io/bgp-peers-1-node-asn", "65011"),
        ("x.io/bgp-peers-0-src-ip", "10.0.0.12"),
        ("x.io/peer-asn", "0"),
        ("x.io/bgp-peers-1-peer-asn", "x"),
        ("x.io/peer-ip", "10.0.0.1,router,fe80::1%eth0"),
        ("x.io/bgp-peers-1-peer-ip", "10.0.0.2"),
        ("x.io/bgp-pass", "hunter2"),
        ("x.io/bgp-peers-0-bgp-pass", "aHVudGVyMg=="),
        ("x.io/peer-multi-hop", "True"),
        ("x.io/bgp-peers-1-bgp-pass", "AA=="),
        ("x.io/bgp-peers-1-src-ip", "n1"),
    ]);
    assert_eq!(
        said,
        [
            "x.io/node-asn is 65010 and x.io/bgp-peers-1-node-asn is 65011; a node has one AS number",
            "x.io/bgp-peers-0-src-ip is \"10.0.0.12\" and x.io/src-ip is \"10.0.0.11\"; they mean the same, give one of \
             them",
            "x.io/peer-asn: AS number \"0\" is reserved (RFC 7607); expected 1 to 4294967295",
            "x.io/bgp-pass and x.io/bgp-peers-0-bgp-pass differ; they mean the same, give one of them",
            base64,
            "x.io/peer-multi-hop: \"True\" is neither \"true\" nor \"false\"",
            "x.io/peer-ip: address 2 (not shown) is not an IP address; expected a router's",
            "x.io/peer-ip: address 3 (not shown) is not an IP address; expected a router's",
            "x.io/bgp-peers-1-peer-asn: AS number \"x\" is not one; expected 1 to 4294967295, in plain decimal",
            "x.io/bgp-peers-1-bgp-pass: the password has a NUL byte in it",
            "x.io/bgp-peers-1-src-ip: \"n1\" is not an IP address; expected one of this node's own",
        ]
    );
    assert_eq!(wrong(&[("x.io/bgp-pass", "hunter2")]), [base64]);
    let long = "x.io/bgp-pass: the password has 81 bytes; TCP-MD5 takes 80 at most";
    assert_eq!(wrong(&[("x.io/bgp-pass", "eHh4".repeat(27).leak())]), [long]);
}

/// A peer as the variable has it, in the place of what the annotation is for.
#[test]
fn a_password_in_the_wrong_annotation_is_not_shown() {
    let peer = "10.0.0.1:65001:hun,ter2";
    let said = wrong(&[
        ("x.io/node-asn", "65010:hunter2"),
        ("x.io/src-ip", peer),
        ("x.io/bgp-peers-0-src-ip", "10.0.0.12:hunter2"),
        ("x.io/peer-asn", "65001:hunter2"),
        ("x.io/peer-ip", peer),
        ("x.io/peer-multi-hop", "true:hunter2"),
    ]);
    assert_eq!(
        said,
        [
            "x.io/node-asn: AS number \"65010\" and more (not shown) is not one; expected 1 to 4294967295, in plain decimal",
            "x.io/bgp-peers-0-src-ip is \"10.0.0.12\" and more (not shown) and x.io/src-ip is \"10.0.0.1\" and more (not \
             shown); they mean the same, give one of them",
            "x.io/bgp-peers-0-src-ip: \"10.0.0.12\" and more (not shown) is not an IP address; expected one of this node's \
             own",
            "x.io/peer-asn: AS number \"65001\" and more (not shown) is not one; expected 1 to 4294967295, in plain decimal",
            "x.io/peer-multi-hop: \"true\" and more (not shown) is neither \"true\" nor \"false\"",
            "x.io/peer-ip: address 1 (not shown) is not an IP address; expected a router's",
            "x.io/peer-ip: address 2 (not shown) is not an IP address; expected a router's",
        ]
    );
}

proptest::proptest! {
    /// Any annotations give a word or mistakes, and never a password.
    #[test]
    fn any_annotations(
        all in proptest::collection::vec(
            ("(bgp-peers-[0-9]{1,2}-)?(node-asn|src-ip|peer-asn|peer-ip|peer-multi-hop)", "[a-f0-9:.,]{0,12}|\\PC{0,5}"),
            0..12,
        ),
        password in "[G-Z]{9}",
    ) {
        let mut annotations: BTreeMap<String, String> =
            all.into_iter().map(|(key, value)| (format!("x.io/{key}"), value)).collect();
        annotations.insert("x.io/bgp-pass".to_owned(), password.clone());
        let said = read("x.io", "n1", &annotations);
        let shown = format!("{said:?}");
        proptest::prop_assert!(!shown.contains(&password));
    }
}
