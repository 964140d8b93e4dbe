use std::net::IpAddr;

use super::*;

const PREFIX: (&str, &str) = ("annotations", "metal.equinix.com");

fn peer(address: &str, asn: u32) -> ProvidedPeer {
    let address: IpAddr = address.parse().unwrap();
    let label = format!("peer-ip {address}");
    ProvidedPeer { address, asn, password: None, multihop: false, source_ip: None, label }
}

fn provided(peers: Vec<ProvidedPeer>) -> Provided {
    Provided {
        source: "the annotations of n1".to_owned(),
        local_as: Some(65010),
        router_id: Some(Ipv4Addr::new(10, 0, 0, 11)),
        source_ip: Some(Ipv4Addr::new(10, 0, 0, 11).into()),
        peers,
    }
}

fn with(provided: Option<Provided>, flags: &[(&str, &str)]) -> Result<Checked, Mistakes> {
    let flags: Vec<_> = flags.iter().chain(&[PREFIX, ("bgppeers", "")]).copied().collect();
    checked(&flags, &[], &Facts { provided, ..facts() })
}

fn wrong(provided: Provided, flags: &[(&str, &str)]) -> Vec<String> {
    lines(&with(Some(provided), flags).unwrap_err().0)
}

#[test]
fn while_the_provider_says_nothing_there_are_no_peers() {
    let options = [("bgpPeerOptions", "10.9.9.9;prepend=2"), ("mpbgpIPv4", "10.0.0.9"), ("vipOptions", "*;prepend=1")];
    let Checked { config, warnings, .. } = with(None, &options).unwrap();
    assert_eq!((peers(&config), warnings), (vec![], vec![]));
    assert_eq!(config.provider, Some(ProviderConfig::Annotations { prefix: "metal.equinix.com".to_owned() }));
    let learned = Learned { provided: Some(provided(vec![])), node_labels: None };
    let is_complete = |learned| (config.is_learned(), config.is_complete(learned));
    assert_eq!((is_complete(&Learned::default()), is_complete(&learned)), ((true, false), (true, true)));
    let plain = super::config(&[], &[]);
    assert_eq!((plain.provider.clone(), plain.is_learned(), plain.is_complete(&learned)), (None, false, true));
}

#[test]
fn what_a_provider_says_lies_over_the_words() {
    let given = provided(vec![
        ProvidedPeer { password: Some("GGGG".into()), multihop: true, ..peer("10.0.0.1", 65001) },
        ProvidedPeer { source_ip: Some("2001:db8::11".parse().unwrap()), ..peer("2001:db8::1", 65001) },
        peer("2001:db8::2", 65001),
    ]);
    let words = [
        ("localAS", "65020"),
        ("bgpRouterID", "192.0.2.1"),
        ("sourceIF", "eth0"),
        ("peerAddress", "10.0.0.9"),
        ("peerPass", "HHHH"),
        ("bgpPeerOptions", "*;med=7"),
        ("bgpPeerOptions", "10.0.0.9;bfd"),
        ("bgpHoldTimer", "9"),
    ];
    let raw_words: Vec<_> = BASE.iter().chain(&words).chain(&[PREFIX]).copied().collect();
    let facts = Facts { provided: Some(given.clone()), ..facts() };
    let Checked { config, warnings, .. } = check(&raw(&raw_words, &[]), Command::Manager, &facts).unwrap();
    let source = |text: &str| Source::Address(text.parse().unwrap());
    assert_eq!(
        peers(&config),
        [
            ("10.0.0.1:179".to_owned(), 65001, Some("GGGG".to_owned()), true, source("10.0.0.11")),
            ("[2001:db8::1]:179".to_owned(), 65001, None, false, source("2001:db8::11")),
            ("[2001:db8::2]:179".to_owned(), 65001, None, false, Source::Any),
        ]
    );
    assert_eq!((config.bgp.local_as, config.bgp.router_id), (65010, given.router_id));
    assert_eq!((config.bgp.hold_time.as_secs(), config.bgp.peers[0].attributes.med), (9, Some(7)));
    assert_eq!(
        lines(&warnings),
        [
            "--localAS (bgp_as): 65020 is not used, but 65010 of the annotations of n1",
            "--bgpRouterID (bgp_routerid): 192.0.2.1 is not used, but 10.0.0.11 of the annotations of n1",
            "--sourceIF (bgp_sourceif): \"eth0\" is not used, but 10.0.0.11 of the annotations of n1",
            "--bgppeers (bgp_peers): is not used: the peers are those of --annotations (annotation)",
            "--peerAddress (bgp_peeraddress): is not used: the peers are those of --annotations (annotation)",
            "--annotations (annotation): the source 10.0.0.11 is not used for peer-ip 2001:db8::2, which is of the other \
             family",
            "--bgpPeerOptions (bgp_peer_options): \"10.0.0.9\" is no peer at present; the peers are 10.0.0.1:179, \
             [2001:db8::1]:179, [2001:db8::2]:179",
        ]
    );
    assert!(!format!("{config:?} {given:?}").contains("GGGG"));
}

#[test]
fn the_words_count_where_a_provider_says_nothing() {
    let given =
        Provided { local_as: None, router_id: None, source_ip: None, ..provided(vec![peer("10.0.0.1", 65001)]) };
    let words = [("localAS", "65020"), ("bgpRouterID", "192.0.2.1"), ("sourceIP", "10.0.0.12")];
    let Checked { config, warnings, .. } = with(Some(given), &words).unwrap();
    let source = Source::Address(Ipv4Addr::new(10, 0, 0, 12).into());
    assert_eq!(peers(&config), [("10.0.0.1:179".to_owned(), 65001, None, false, source)]);
    assert_eq!((config.bgp.local_as, config.bgp.router_id), (65020, Some(Ipv4Addr::new(192, 0, 2, 1))));
    assert_eq!(warnings, vec![]);
}

#[test]
fn what_a_provider_says_is_checked_as_words_are() {
    let name = "--annotations (annotation): ";
    let said = |text: &str| vec![format!("{name}{text}")];
    assert_eq!(wrong(provided(vec![]), &[]), said("no peer is named"));
    assert_eq!(
        wrong(provided(vec![peer("10.88.0.40", 1), peer("10.0.0.1", 1), peer("10.0.0.1", 2)]), &[]),
        [
            said("peer-ip 10.88.0.40: is a virtual IP of ours; expected the router's own address"),
            said("peer-ip 10.0.0.1: is there twice, with this address and port"),
        ]
        .concat()
    );
    let at = |ip: &str| Provided { source_ip: Some(ip.parse().unwrap()), ..provided(vec![peer("10.0.0.1", 1)]) };
    assert_eq!(
        wrong(at("10.88.0.40"), &[]),
        said("the source 10.88.0.40 is a virtual IP; expected one of this node's own addresses")
    );
    assert_eq!(
        wrong(at("2001:db8::11"), &[]),
        said("\"2001:db8::11\" is IPv6, but every peer is IPv4: peer-ip 10.0.0.1; give an IPv4 address")
    );
    let own = ProvidedPeer { source_ip: Some("2001:db8::11".parse().unwrap()), ..peer("10.0.0.1", 1) };
    assert_eq!(
        wrong(provided(vec![own]), &[]),
        said("peer-ip 10.0.0.1: the source 2001:db8::11 is not of the peer's family")
    );
}

#[test]
fn a_prefix_is_what_kubernetes_takes() {
    for prefix in ["metal.equinix.com", "bgp", "Metal.Equinix.com", "a-1.b"] {
        assert!(checked(&[("annotations", prefix)], &[], &facts()).is_ok(), "{prefix}");
    }
    for prefix in ["metal.equinix.com/", "bgp/node-asn", "-a", "a..b", "a_b", "é"] {
        let expected = "expected what stands before the slash in their keys, a DNS name such as metal.equinix.com";
        let said = format!("--annotations (annotation): {prefix:?} is not the prefix of annotations; {expected}");
        assert_eq!(mistakes(&[("annotations", prefix)], &[]), [said]);
    }
    let both = [("annotation", "a.example"), ("annotations", "b.example")];
    let config = config(&[], &both);
    assert_eq!(config.provider, Some(ProviderConfig::Annotations { prefix: "a.example".to_owned() }));
}
