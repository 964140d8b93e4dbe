use super::*;

const EXAMPLE: &str = include_str!("../../../../docs/examples/config.yaml");

/// A peer as plain values: name, AS, password, what it is called, BFD.
type Plain = (String, Option<u32>, Option<String>, Option<String>, Option<BfdConfig>);

fn shown(config: &Config) -> Vec<Plain> {
    let plain = |peer: &PeerConfig| {
        let password = peer.password.as_ref().map(|password| password.expose_secret().to_owned());
        (peer.name(), peer.asn, password, peer.description.clone(), peer.bfd)
    };
    config.bgp.peers.iter().map(plain).collect()
}

const RACK: &str = "topology.kubernetes.io/rack";

#[test]
fn the_example_of_the_reference_on_three_nodes() {
    let Checked { config, warnings, .. } = on("/f.yaml", EXAMPLE, "cp-1", Some(&[(RACK, "r1")])).unwrap();
    assert_eq!(lines(&warnings), Vec::<String>::new());
    let ms = Duration::from_millis;
    let bfd = BfdConfig { rx: ms(100), tx: ms(100), multiplier: 3, strict: false };
    let text = |text: &str| Some(text.to_owned());
    let leaves = vec![
        ("10.0.0.1:179".to_owned(), Some(65001), text("GGGG"), text("leaf-1"), Some(bfd)),
        (
            "10.0.0.2:179".to_owned(),
            Some(65001),
            text("commas, colons: and semicolons; all stand here"),
            text("leaf-2; maintained by ops, see wiki"),
            None,
        ),
    ];
    assert_eq!(shown(&config), leaves);
    assert_eq!(config.bgp.peers[0].password_file, Some(PathBuf::from("/etc/vipcast/password")));
    assert_eq!(config.bgp.peers[1].password_file, None);
    let vips: Vec<String> = config.vips.iter().map(ToString::to_string).collect();
    assert_eq!(vips, ["10.88.0.40/32", "2001:db8:88::40/128"]);
    let with: Vec<String> = config.vip_attributes.keys().map(ToString::to_string).collect();
    assert_eq!(with, ["2001:db8:88::40/128"]);
    assert_eq!(
        (config.interface.as_deref(), config.bgp.local_as, config.log.level),
        (Some("lo"), 65000, LogLevel::Info)
    );
    assert_eq!((config.bgp.hold_time, config.election.is_some()), (Duration::from_secs(9), true));
    assert!(config.depends_on_labels);

    let config = on("/f.yaml", EXAMPLE, "cp-3", Some(&[(RACK, "r2")])).unwrap().config;
    let unnumbered = ("eth1:179".to_owned(), None, text("GGGG"), None, Some(bfd));
    assert_eq!(shown(&config), vec![unnumbered]);
    assert_eq!(config.bgp.peers[0].hops, Hops::Security(1));
    assert_eq!(
        (config.interface.as_deref(), config.bgp.local_as, config.log.level),
        (Some("eth0"), 65002, LogLevel::Debug)
    );

    // The name in an override counts in any case, and another rack's override does not.
    let config = on("/f.yaml", &EXAMPLE.replace("cp-3", "CP-3"), "cp-3", Some(&[(RACK, "r3")])).unwrap().config;
    assert_eq!((config.interface.as_deref(), config.bgp.local_as), (Some("eth0"), 65000));
}

#[test]
fn labels_that_are_not_known_yet_are_waited_for() {
    let Checked { config, warnings, .. } = on("/f.yaml", EXAMPLE, "cp-1", None).unwrap();
    assert_eq!(
        (config.is_learned(), config.is_complete(&Learned::default()), config.bgp.peers.len()),
        (true, false, 0)
    );
    let said = "/f.yaml:36:5 overrides[0]: is for nodes with certain labels, and this node's are not known yet";
    assert_eq!(lines(&warnings), vec![said]);
}

#[test]
fn null_takes_away_and_lists_are_replaced() {
    let text = format!("{SMALL}election: {{}}\noverrides: [{{nodes: cp-1, election: null, vips: 10.88.0.41}}]\n");
    let (config, warnings) = good("/f.yaml", &text);
    assert_eq!((config.election, warnings), (None, vec![]));
    let vips: Vec<String> = config.vips.iter().map(ToString::to_string).collect();
    assert_eq!(vips, ["10.88.0.41/32"]);
}

#[test]
fn json_says_the_same() {
    let json = r#"{"apiVersion": "vipcast.io/v1alpha1", "kind": "Config", "vips": ["10.88.0.40"], "health": {"enabled": false},
        "bgp": {"localAS": "65002", "listenPort": 1790, "peers": [{"address": "10.0.0.1", "as": 65001, "multihop": true,
        "communities": "no-export", "families": ["ipv4"], "nextHop": "self", "connect": "both"}]}}"#;
    let (config, warnings) = good("/f.json", json);
    assert_eq!((config.health, config.bgp.listen_port, warnings), (None, 1790, vec![]));
    let peer = &config.bgp.peers[0];
    assert_eq!((peer.hops, peer.ipv4, peer.ipv6, peer.connect), (Hops::Multihop, true, false, Connect::Both));
    assert_eq!(config.bgp.local_as, 65002);
}

#[test]
fn every_mistake_at_once_with_its_place() {
    let text = "apiVersion: vipcast.io/v1alpha1
kind: Config
vips: [10.88.0.400, {address: 10.88.0.41, communities: [x]}]
interfaces: lo
bgp:
  localAs: 65000
  routerID: 0.0.0.0
  holdTimeSeconds: 2
  standby: \"true\"
  peers:
    - {address: 10.0.0.1:65001:GGGG, as: 65001}
    - {address: 10.0.0.1, as: 4294967296, password: 1234}
    - {address: 10.0.0.2, port: x, password:GGGG: 1}
    - {interface: eth0, address: 10.0.0.3, as: 1}
    - {as: 23456}
    - 10.0.0.9
election: {leaseDurationSeconds: 0}
log: {level: loud}
overrides:
  - bgp: {peers: []}
  - nodes: [cp-9]
    node: {name: x}
";
    let expected = [
        "/f.yaml:4:1 interfaces: unknown key; did you mean interface?",
        "/f.yaml:6:3 bgp.localAs: unknown key; did you mean localAS?",
        "/f.yaml:9:12 bgp.standby: is text, as it stands in quotes; expected true or false",
        "/f.yaml:12:31 bgp.peers[1].as: \"4294967296\" is none; expected a number, 1 to 4294967295",
        "/f.yaml:12:53 bgp.peers[1].password: is a number as YAML has it; put it in quotes",
        "/f.yaml:13:33 bgp.peers[2].port: \"x\" is none; expected a number, 1 to 65535",
        "/f.yaml:13:36 bgp.peers[2].(not shown): unknown key; expected one of address, interface, as, port, password, \
         passwordFile, multihop, ttlSecurity, connect, families, requireFamilies, extendedNextHop, nextHop, description, \
         shutdownText, gracefulShutdownMilliseconds, bfd, communities, med, localPref, prepend",
        "/f.yaml:16:7 bgp.peers[5]: is a single value; expected a mapping",
        "/f.yaml:17:34 election.leaseDurationSeconds: \"0\" is none; expected a number, 1 to 2147483647",
        "/f.yaml:18:14 log.level: \"loud\" is none; expected one of debug, info, warn, error",
        "/f.yaml:20:18 overrides[0].bgp.peers: is empty; expected a list of a mapping",
        "/f.yaml:3:8 vips[0]: \"10.88.0.400\" is not an IP address; expected one like 10.0.0.40 or 2001:db8::40",
        "/f.yaml:3:56 vips[1].communities: \"x\" has \"x\", which is not a community; expected one like 65000:1, \
         65000:1:2, rt:65000:1, soo:65000:1 or no-export",
        "/f.yaml:11:17 bgp.peers[0].address: is not an IP address (not shown); host names are not supported",
        "/f.yaml:14:7 bgp.peers[3]: has an address and an interface; give one of them",
        "/f.yaml:15:7 bgp.peers[4]: has no address; expected the peer's address, or interface for an unnumbered one",
        "/f.yaml:15:12 bgp.peers[4].as: AS number \"23456\" is AS_TRANS, a stand-in for 4-octet numbers (RFC 6793 §9); give \
         the real number",
        "/f.yaml:20:5 overrides[0]: is for no node; give nodes, nodeSelector or both",
        "/f.yaml:22:18 overrides[1].node.name: cannot be overridden: the overrides are chosen by it",
        "/f.yaml:7:13 bgp.routerID: \"0.0.0.0\" is not a BGP Identifier; expected an IPv4 address but 0.0.0.0",
        "/f.yaml:8:20 bgp.holdTimeSeconds: \"2\" is not a hold time; expected 0, or 3 to 65535 s (RFC 4271 §4.2)",
    ];
    assert_eq!(wrong("/f.yaml", text), expected);
}

#[test]
fn what_is_wrong_together_has_the_place_too() {
    let peers = |peers: &str| SMALL.replace("[{address: 10.0.0.1, as: 65001, password: GGGG}]", peers);
    let said = |text: &str| wrong("/f.yaml", &peers(text));
    assert_eq!(
        said("[{address: 10.0.0.1, as: 1}, {address: 10.0.0.1, as: 2}]"),
        ["/f.yaml:6:39 bgp.peers[1]: peer 10.0.0.1: is there twice, with this address and port"]
    );
    assert_eq!(
        said("[{address: 10.0.0.1, as: 1, passwordFile: /none}]"),
        ["/f.yaml:6:52 bgp.peers[0].passwordFile: password-file \"/none\" was not read"]
    );
    assert_eq!(
        said("[{address: 10.0.0.1, as: 1, bfd: {receiveMilliseconds: 9}, password: a, passwordFile: b}]"),
        [
            "/f.yaml:6:65 bgp.peers[0].bfd.receiveMilliseconds: \"9\" is none; expected a number, 10 to 1000",
            "/f.yaml:6:96 bgp.peers[0].passwordFile: is given together with password; give one of them",
        ]
    );
    assert_eq!(
        said("[{address: 10.0.0.1, as: 1, multihop: true, ttlSecurity: 2}]"),
        ["/f.yaml:6:67 bgp.peers[0].ttlSecurity: ttl-security and multihop exclude each other; leave multihop out, \
             ttl-security=N says how far away the peer may be",]
    );
    let long = format!("bgp:\n  peerDefaults: {{password: {}}}\n", "x".repeat(81));
    let said_once =
        wrong("/f.yaml", &peers("[{address: 10.0.0.1, as: 1}, {address: 10.0.0.2, as: 1}]").replace("bgp:\n", &long));
    assert_eq!(
        said_once,
        ["/f.yaml:5:28 bgp.peerDefaults.password: the password has 81 bytes; TCP-MD5 takes 80 at most"]
    );
    let long = format!("[{{address: 10.0.0.1, as: 1, password: {}}}]", "x".repeat(81));
    assert_eq!(
        said(&long),
        ["/f.yaml:6:48 bgp.peers[0].password: the password has 81 bytes; TCP-MD5 takes 80 at most"]
    );
}

#[test]
fn a_key_that_lacks_hides_no_other_mistake() {
    let said = wrong("/f.yaml", &SMALL.replace("kind: Config\n", "").replace("10.88.0.40", "x"));
    assert_eq!(
        said,
        [
            "/f.yaml:1:1: has no kind; expected \"Config\"",
            "/f.yaml:2:8 vips[0]: \"x\" is not an IP address; DNS names are not supported yet",
        ]
    );
}

#[test]
fn another_document_of_kubernetes_is_no_configuration() {
    let said = wrong("/f.yaml", "apiVersion: v1\nkind: Pod\n");
    assert_eq!(
        said,
        [
            "/f.yaml:1:13 apiVersion: \"v1\" is none; expected \"vipcast.io/v1alpha1\"",
            "/f.yaml:2:7 kind: \"Pod\" is none; expected \"Config\"",
        ]
    );
}

/// Each row of the table means something: its option and its setting exist.
#[test]
fn the_table_names_what_there_is() {
    let page = schema();
    assert_eq!(page.matches("\"description\": \"\"").count(), 0, "a key has no description");
}
