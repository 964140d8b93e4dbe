use super::*;

/// What `sample config` of 0.1.1 prints, with a cluster's addresses; BGP is what came later.
const RAFT: &str = "remotePeers:
- id: server2
  address: 192.168.0.2
  port: 10000
localPeer:
  id: server1
  address: 192.168.0.1
  port: 10000
vip: 10.88.0.40
gratuitousARP: false
singleNode: true
startAsLeader: true
interface: eth0
enableBGP: true
bgpPeers: ['10.0.0.1:65001:GGGG:false']
loadBalancers:
- name: Kubernetes Control Plane
  type: tcp
  port: 6443
  bindToVip: false
  backends:
  - port: 6444
    address: 192.168.0.1
    url: ''
";

#[test]
fn the_raft_era() {
    let (config, warnings) = good("/vip.yaml", RAFT);
    assert_eq!(config.vips.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.88.0.40/32"]);
    assert_eq!((config.interface.as_deref(), config.election), (Some("eth0"), None));
    let single = "/vip.yaml:11:13 singleNode: means no election, as in kube-vip: every node with this file announces; with \
                  more than one of them, take it out and set enableLeaderElection: true";
    let balancer = "/vip.yaml:16:1 loadBalancers: is ignored: vipcast forwards nothing: the node that has the virtual IP \
                    serves it";
    assert!([single, balancer].iter().all(|said| warnings.iter().any(|warning| warning == said)), "{warnings:?}");
}

/// The keys of 0.1.5 and later are Go's names: in any case.
#[test]
fn pascal_case_is_the_same() {
    let pascal = "EnableBGP: yes\nVIP: 10.88.0.40\nInterface: eth0\nBGPConfig:\n  AS: 65002\n  RouterID: 10.0.0.5\n  Peers:\n  \
                  - Address: 10.0.0.1\n    AS: 65001\n    Password: 'a,b:c;d'\n    MultiHop: true\n";
    let camel = "enableBGP: true\nvip: 10.88.0.40\ninterface: eth0\nbgpConfig:\n  as: 65002\n  routerID: 10.0.0.5\n  peers:\n  \
                 - address: 10.0.0.1\n    as: 65001\n    password: 'a,b:c;d'\n    multiHop: true\n";
    for text in [pascal, camel] {
        let (config, warnings) = good("/f.yaml", text);
        assert_eq!(warnings, Vec::<String>::new());
        let peer = ("10.0.0.1:179".to_owned(), 65001, Some("a,b:c;d".to_owned()), true, Source::Any);
        assert_eq!((config.bgp.local_as, peers(&config)), (65002, vec![peer]));
        assert_eq!(config.bgp.router_id, Some(Ipv4Addr::new(10, 0, 0, 5)));
    }
}

#[test]
fn the_0_3_releases_and_todays() {
    let text = "enableBGP: true\nenableControlPane: true\nvipCidr: '32'\naddress: 10.88.0.40\nport: 8443\nnamespace: ha\n\
                enableLeaderElection: true\nleaseDuration: 15\nrenewDeadline: 10\nretryPeriod: 2\nleaseName: lock\n\
                nodeName: CP-7\nk8sConfigFile: /k\nlogging: -4\n\
                bgpPeerConfig: {address: 10.0.0.2, as: 65004, password: pw, port: 1179}\n\
                bgpConfig:\n  as: 65003\n  holdTime: 9\n  keepaliveInterval: 3\n  sourceIP: 10.0.0.5\n  peers:\n  - address: \
                10.0.0.1\n    port: 2179\n    as: 65001\n    bfdEnabled: true\n    bfdReceiveInterval: 100\n    \
                bfdTransmitInterval: 0\n  - interface: eth1\n";
    let (config, _) = good("/f.yml", text);
    let source = Source::Address([10, 0, 0, 5].into());
    assert_eq!(
        peers(&config),
        vec![
            ("10.0.0.1:2179".to_owned(), 65001, None, false, source.clone()),
            ("eth1:179".to_owned(), 0, None, false, Source::Any),
            ("10.0.0.2:1179".to_owned(), 65004, Some("pw".to_owned()), false, source),
        ]
    );
    let rx = Duration::from_millis(100);
    assert_eq!(config.bgp.peers[0].bfd, Some(BfdConfig { rx, ..BfdConfig::default() }));
    assert_eq!((config.api_port, config.node_name.as_str(), config.kubeconfig), (8443, "cp-7", PathBuf::from("/k")));
    let lease = config.election.unwrap();
    assert_eq!(
        (lease.name.as_str(), lease.namespace.as_str(), lease.duration),
        ("lock", "ha", Duration::from_secs(15))
    );
    assert_eq!((config.bgp.hold_time, config.log.level), (Duration::from_secs(9), LogLevel::Debug));
}

/// `sample config` since 0.1.5 prints the whole of Go's structures: a zero, an empty text and null are nothing said.
#[test]
fn zeros_of_go_say_nothing() {
    let zeros = "LocalPeer: {ID: '', Address: '', Port: 0}\nRemotePeers: []\nPort: 0\nLBPort: 0\nVIPCIDR: ''\nNamespace: ''\n\
                 LeaseName: ''\nLeaseDuration: 0\nRenewDeadline: 0\nRetryPeriod: 0\nRoutingTableID: 0\nLogging: 0\n\
                 HealthCheckPort: 0\nLoadBalancers: null\nEtcd: {CAFile: '', Endpoints: null}\nBGPPeers: null\n\
                 BGPPeerConfig: {Address: '', Port: 0, AS: 0, Password: '', MultiHop: false}\n\
                 HealthCheck: {Address: '', PeriodSeconds: 0, TimeoutSeconds: 0, FailureThreshold: 0, CAPath: ''}\n\
                 BGPConfig: {AS: 0, RouterID: '', SourceIP: '', SourceIF: '', HoldTime: 0, KeepaliveInterval: 0, Peers: \
                 [{Address: 10.0.0.1, AS: 65001}], Zebra: {Enabled: false, URL: '', Version: 0, SoftwareName: ''}}\n";
    let plain = "BGPConfig: {Peers: [{Address: 10.0.0.1, AS: 65001}]}\n";
    let read = |more: &str| {
        let text = format!("EnableBGP: true\nEnableLeaderElection: true\nVIP: 10.88.0.40\nInterface: eth0\n{more}");
        let (mut config, warnings) = good("/f.yaml", &text);
        let peers = peers(&config);
        config.bgp.peers.clear();
        (format!("{config:?}"), peers, warnings.into_iter().filter(|line| line.contains("/f.yaml")).collect::<Vec<_>>())
    };
    assert_eq!(read(zeros), read(plain));
    assert_eq!(read(zeros).2, Vec::<String>::new());
    // In quotes Go would take it for text.
    let quoted =
        "EnableBGP: true\nVIP: 10.88.0.40\nBGPConfig: {AS: '0', Peers: [{Address: 10.0.0.1, AS: '65001:GGGG'}]}\n";
    assert_eq!(
        wrong("/f.yaml", quoted),
        [
            "/f.yaml:3:54 BGPConfig.Peers[0].AS: AS number \"65001\" and more (not shown) is not one; expected 1 to 4294967295, \
             in plain decimal",
            "/f.yaml:3:17 BGPConfig.AS: AS number \"0\" is reserved (RFC 7607); expected 1 to 4294967295",
        ]
    );
}

#[test]
fn what_kube_vip_drops_is_said() {
    let text = format!(
        "{}enableBPG: true\nfoo: 1\nconfigFile: /x\n",
        "enableBGP: true\nvip: 10.88.0.40\nbgpPeers: '10.0.0.1:1'\n"
    );
    let (_, warnings) = good("/f.yaml", &text);
    assert_eq!(
        warnings,
        [
            "/f.yaml:4:1 enableBPG: is not a key of kube-vip's, and is ignored; did you mean enableBGP?",
            "/f.yaml:5:1 foo: is not a key of kube-vip's, and is ignored",
            "/f.yaml:6:1 configFile: is ignored: a file cannot name another one",
        ]
    );
}

#[test]
fn mistakes_have_their_places() {
    let text = "enableBGP: maybe\nenablebgp: true\nvip: {a: b}\nbgpConfig:\n  as: x\n  peers:\n  - {address: router, as: 1}\n  \
                - {address: 10.0.0.1, multiHop: GGGG}\n  - {address: 10.0.0.2, as: 2, bfdEnabled: 1, bfdReceiveInterval: 5}\n";
    assert_eq!(
        wrong("/f.yaml", text),
        [
            "/f.yaml:2:1 enablebgp: is there twice, first in line 1, as letters count the same in either case",
            "/f.yaml:3:6 vip: is a mapping; expected one value",
            "/f.yaml:7:15 bgpConfig.peers[0].address: is not an IP address (not shown); host names are not supported",
            "/f.yaml:8:5 bgpConfig.peers[1]: has no as; expected the peer's AS number, 1 to 4294967295",
            "/f.yaml:8:35 bgpConfig.peers[1].multiHop: is not one (not shown); expected true or false",
            "/f.yaml:9:44 bgpConfig.peers[2].bfdEnabled: bfd rx 5 is not one; expected 10 to 1000 (milliseconds)",
            "/f.yaml:1:12 enableBGP: \"maybe\" is not a boolean; expected true or false (1, t, T, 0, f, F)",
            "/f.yaml:5:7 bgpConfig.as: AS number \"x\" is not one; expected 1 to 4294967295, in plain decimal",
        ]
    );
}

#[test]
fn raft_that_is_really_asked_for_is_refused() {
    let text = RAFT.replace("singleNode: true", "singleNode: false").replace("enableBGP: true\n", "");
    let said = wrong("/vip.yaml", &text);
    assert!(said.iter().any(|line| line.contains("raft")), "{said:?}");
}

#[test]
fn metal_of_the_0_3_releases() {
    let text = "enableBGP: true\naddress: 10.88.0.40\nenablePacket: true\npacketAPIKey: GGGG\npacketProjectID: x\n";
    let words = File::parse("/f.yaml", text).unwrap().words("cp-1", None);
    let raw = raw(&[], &[]).with_file(words);
    let said = ["metal", "metalKey", "metalProjectID"].map(|flag| raw.get(spec(flag)).text.to_owned());
    assert_eq!(said, ["true", "GGGG", "x"]);
    assert!(!format!("{raw:?}").contains("GGGG"));
}
