//! What is set for single peers and virtual IPs.

use std::net::Ipv6Addr;

use super::*;
use crate::wire::bgp::{Communities, Community};

const TWO: (&str, &str) = ("bgppeers", "10.0.0.1:65001,[2001:db8::1]:65000");
const VIPS: (&str, &str) = ("address", "10.88.0.40,2001:db8::40");

fn communities(text: &str) -> Communities {
    text.split(' ').map(|one| one.parse::<Community>().unwrap()).collect()
}

/// The peers of these options, next to the two and the two virtual IPs.
fn tuned(items: &str) -> Vec<PeerConfig> {
    config(&[TWO, VIPS, ("bgpPeerOptions", items)], &[]).bgp.peers
}

/// A peer as it is shown: every field by equality.
fn shown(peers: &[PeerConfig]) -> Vec<String> {
    peers.iter().map(|peer| format!("{peer:?}")).collect()
}

fn wrong(flags: &[(&str, &str)]) -> Vec<String> {
    let all: Vec<_> = [TWO, VIPS].into_iter().filter(|(flag, _)| flags.iter().all(|(f, _)| f != flag)).collect();
    mistakes(&[&all, flags].concat(), &[])
}

fn plain() -> [PeerConfig; 2] {
    let peer = |host: &str, asn| PeerConfig::new(PeerHost::Address(host.parse().unwrap()), 179, Some(asn));
    [peer("10.0.0.1", 65001), peer("2001:db8::1", 65000)]
}

#[test]
fn every_setting_is_put_upon_the_peer_that_is_named() {
    let [first, second] = plain();
    let six: Ipv6Addr = "2001:db8::9".parse().unwrap();
    let items = "10.0.0.1;ttl-security=2;community=65000:1 no-export;med=1;prepend=3;next-hop=10.0.0.9 2001:db8::9;\
                 families=ipv4;require-families;connect=both;description=leaf 1;shutdown-text=bye;\
                 graceful-shutdown=500;bfd;bfd-rx=50;bfd-tx=100;bfd-multiplier=5;bfd-strict,\
                 2001:db8::1;local-pref=300;extended-next-hop";
    let first = PeerConfig {
        hops: Hops::Security(2),
        attributes: Attributes {
            communities: communities("65000:1 no-export"),
            med: Some(1),
            prepend: Some(3),
            ..Attributes::default()
        },
        next_hop_v4: Some(Ipv4Addr::new(10, 0, 0, 9)),
        next_hop_v6: Some(six),
        ipv6: false,
        require_families: true,
        connect: Connect::Both,
        description: Some("leaf 1".to_owned()),
        shutdown_text: Some("bye".to_owned()),
        graceful_shutdown: Some(Duration::from_millis(500)),
        bfd: Some(BfdConfig {
            rx: Duration::from_millis(50),
            tx: Duration::from_millis(100),
            multiplier: 5,
            strict: true,
        }),
        ..first
    };
    let attributes = Attributes { local_pref: Some(300), ..Attributes::default() };
    let second = PeerConfig { attributes, extended_next_hop: true, ..second };
    assert_eq!(shown(&tuned(items)), shown(&[first, second]));
    assert_eq!(warnings(&[TWO, VIPS, ("bgpPeerOptions", items)], &[]), Vec::<String>::new());
}

#[test]
fn what_is_said_of_one_peer_counts_before_what_is_said_of_all_key_by_key() {
    let items = "[2001:db8::1]:179;med=3;bfd=false,2001:db8::1;med=2;prepend=0,*;med=1;prepend=1;bfd;bfd-rx=20";
    let [first, second] = plain();
    let of = |med, prepend| Attributes { med: Some(med), prepend: Some(prepend), ..Attributes::default() };
    let bfd = Some(BfdConfig { rx: Duration::from_millis(20), ..BfdConfig::default() });
    let expected = [PeerConfig { attributes: of(1, 1), bfd, ..first }, PeerConfig { attributes: of(3, 0), ..second }];
    assert_eq!(shown(&tuned(items)), shown(&expected));
}

#[test]
fn peers_are_named_by_address_address_and_port_or_interface() {
    let list = "10.0.0.1:1,10.0.0.1:1::false:1179,unnumbered:eth0";
    let meds = |items: &str| {
        let peers = config(&[("bgppeers", list), ("bgpPeerOptions", items)], &[]).bgp.peers;
        peers.iter().map(|peer| peer.attributes.med).collect::<Vec<_>>()
    };
    assert_eq!(meds("10.0.0.1;med=1"), [Some(1), Some(1), None]);
    assert_eq!(meds("10.0.0.1:1179;med=1"), [None, Some(1), None]);
    assert_eq!(meds("eth0;med=1"), [None, None, Some(1)]);
    assert_eq!(meds("unnumbered:eth0;med=1"), [None, None, Some(1)]);
    assert_eq!(meds("*;med=1"), [Some(1); 3]);
}

#[test]
fn virtual_ips_have_what_is_set_for_them() {
    let given = |items: &str| config(&[VIPS, ("vipOptions", items)], &[]).vip_attributes;
    let [four, six] = ["10.88.0.40", "2001:db8::40"].map(|ip| Vip::new(ip.parse().unwrap()));
    let tagged = Attributes { communities: communities("1:1"), med: Some(1), ..Attributes::default() };
    let other = Attributes { communities: communities("2:2"), local_pref: Some(9), prepend: Some(2), ..tagged.clone() };
    assert_eq!(given("10.88.0.40;community=1:1;med=1"), [(four, tagged.clone())].into());
    let items = "2001:db8::40/128;community=2:2;local-pref=9;prepend=2,*;community=1:1;med=1";
    assert_eq!(given(items), [(four, tagged), (six, other)].into());
}

#[test]
fn an_unnumbered_peer_takes_any_as_and_ipv4_routes_over_ipv6() {
    let list = "unnumbered:eth0,unnumbered:eth1:65001:pw";
    let flags = [("bgppeers", list), ("sourceIF", "eth1")];
    let Checked { config, warnings, .. } = checked(&flags, &[], &facts()).unwrap();
    let peer = |name: &str, asn| PeerConfig {
        extended_next_hop: true,
        ..PeerConfig::new(PeerHost::Interface(name.to_owned()), 179, asn)
    };
    let (source, password) = (Source::Interface("eth1".to_owned()), Some("pw".into()));
    let expected = [peer("eth0", None), PeerConfig { source, password, ..peer("eth1", Some(65001)) }];
    assert_eq!(shown(&config.bgp.peers), shown(&expected));
    let unused = "--sourceIF (bgp_sourceif): is not used for peer 1 (unnumbered on eth0): its sessions run over eth0";
    assert_eq!(lines(&warnings), [unused]);
    let facts = Facts { interfaces: Some(vec!["lo".to_owned(), "eth1".to_owned()]), ..facts() };
    // It may come later.
    let missing = "--bgppeers (bgp_peers): peer 1 (unnumbered on eth0): there is no such interface on this host yet, and \
                   the session waits for it; it has lo, eth1";
    assert_eq!(lines(&checked(&flags, &[], &facts).unwrap().warnings), [missing, unused]);
}

#[test]
fn next_hops_as_kube_vip_has_them() {
    let hops = |peers: &str, flags: &[(&str, &str)], variables: &[(&str, &str)]| {
        let flags: Vec<_> = flags.iter().copied().chain([("bgppeers", peers)]).collect();
        let hop = |peer: PeerConfig| (peer.next_hop_v4, peer.next_hop_v6, peer.source);
        config(&flags, variables).bgp.peers.into_iter().map(hop).collect::<Vec<_>>()
    };
    let (four, six): (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(10, 0, 0, 9), "2001:db8::9".parse().unwrap());
    let global = [("mpbgp_nexthop", "fixed"), ("mpbgp_ipv4", "10.0.0.9"), ("mpbgp_ipv6", "2001:db8::9")];
    let both = "10.0.0.1:1,[2001:db8::1]:2";
    assert_eq!(
        hops(both, &[], &global),
        [(Some(four), Some(six), Source::Address(four.into())), (Some(four), Some(six), Source::Address(six.into()))]
    );
    // A source that is given stays, and what a peer says itself counts first.
    let eth0 = Source::Interface("eth0".to_owned());
    let own = "10.0.0.1:1:::179:mpbgp_ipv4=10.0.0.8,10.0.0.2:1:::179:mpbgp_nexthop=auto_sourceif";
    assert_eq!(
        hops(own, &[("sourceIF", "eth0")], &global),
        [(Some(Ipv4Addr::new(10, 0, 0, 8)), Some(six), eth0.clone()), (None, None, eth0)]
    );
    let auto = [("mpbgp_nexthop", "auto_sourceip"), ("bgp_sourceip", "10.0.0.7")];
    assert_eq!(hops("10.0.0.1:1", &[], &auto), [(None, None, Source::Address(Ipv4Addr::new(10, 0, 0, 7).into()))]);
    // Our own option is the last word.
    let options = [("bgpPeerOptions", "*;next-hop=10.0.0.6")];
    let expected = (Some(Ipv4Addr::new(10, 0, 0, 6)), None, Source::Address(four.into()));
    assert_eq!(hops("10.0.0.1:1", &options, &global), [expected]);
}

#[test]
fn what_is_wrong_with_next_hops_is_said() {
    let peer = |options: &str| format!("10.0.0.1:1:::179:{options}");
    let said = |text: &str| vec![format!("--bgppeers (bgp_peers): peer 1 (10.0.0.1): {text}")];
    let cases = [
        ("mpbgp_nexthop=fixed", "mpbgp_nexthop=fixed has no address; give mpbgp_ipv4, mpbgp_ipv6 or both"),
        ("mpbgp_nexthop=auto_sourceip", "mpbgp_nexthop=auto_sourceip needs --sourceIP (bgp_sourceip)"),
        ("mpbgp_nexthop=auto_sourceif", "mpbgp_nexthop=auto_sourceif needs --sourceIF (bgp_sourceif)"),
        (
            "mpbgp_nexthop=fixed;mpbgp_ipv4=10.88.0.40",
            "the next hop 10.88.0.40 is a virtual IP of ours; expected an address that leads here",
        ),
        (
            "mpbgp_nexthop=fixed;mpbgp_ipv4=127.0.0.1",
            "the next hop 127.0.0.1 is a loopback address; expected an address that routers can forward to",
        ),
    ];
    for (options, text) in cases {
        assert_eq!(mistakes(&[("bgppeers", &peer(options))], &[]), said(text), "{options}");
    }
    assert_eq!(
        mistakes(&[("mpbgpNexthop", "auto"), ("mpbgpIPv4", "x")], &[("mpbgp_ipv6", "10.0.0.1")]),
        [
            "--mpbgpNexthop (mpbgp_nexthop): \"auto\" is not a mode of next hops; expected fixed, auto_sourceip or \
             auto_sourceif",
            "--mpbgpIPv4 (mpbgp_ipv4): \"x\" is not an IPv4 address",
            "mpbgp_ipv6 (--mpbgpIPv6): \"10.0.0.1\" is not an IPv6 address",
        ]
    );
}

#[test]
fn next_hops_that_no_peer_takes_are_said() {
    let said = |list: &str, flags: &[(&str, &str)]| warnings(&[&[("bgppeers", list)], flags].concat(), &[]);
    let unused = |flag: &str| {
        format!(
            "--mpbgpIPv{flag} (mpbgp_ipv{flag}): has no effect: no peer takes it, by the mode fixed of --mpbgpNexthop \
             (mpbgp_nexthop) or of its own text"
        )
    };
    let (four, six) = (("mpbgpIPv4", "10.0.0.9"), ("mpbgpIPv6", "2001:db8::9"));
    assert_eq!(said("10.0.0.1:1", &[four, six]), [unused("4"), unused("6")]);
    let auto = [four, ("mpbgpNexthop", "auto_sourceif"), ("sourceIF", "eth0")];
    assert_eq!(said("10.0.0.1:1", &auto), [unused("4")]);
    assert_eq!(said("10.0.0.1:1", &[four, ("mpbgpNexthop", "fixed")]), Vec::<String>::new());
    // The only peer in the mode has an address of its own for IPv4.
    let one = "10.0.0.1:1:::179:mpbgp_nexthop=fixed;mpbgp_ipv4=10.0.0.8,10.0.0.2:1";
    assert_eq!(said(one, &[four, six]), [unused("4")]);
    let own =
        "10.0.0.1:1:::179:mpbgp_ipv4=10.0.0.8,10.0.0.2:1:::179:mpbgp_nexthop=auto_sourceif;mpbgp_ipv6=2001:db8::8";
    let idle = |peer: &str, family| {
        format!("--bgppeers (bgp_peers): peer {peer}: mpbgp_ipv{family} has no effect but with mpbgp_nexthop=fixed")
    };
    assert_eq!(said(own, &[("sourceIF", "eth0")]), [idle("1 (10.0.0.1)", 4), idle("2 (10.0.0.2)", 6)]);
}

#[test]
fn all_mistakes_of_items_at_once() {
    let of_peers = "10.0.0.1;med=x;foo,eth0;med=1,a/b;med=1,*;med=1,*;med=2";
    let of_vips = "10.0.0.1;med=1,x;med=1";
    let peers = "--bgpPeerOptions (bgp_peer_options): ";
    let vips = "--vipOptions (vip_options): ";
    let keys = "community, med, local-pref, prepend, ttl-security, next-hop, families, require-families, \
                extended-next-hop, connect, description, shutdown-text, graceful-shutdown, password-file, bfd, bfd-rx, \
                bfd-tx, bfd-multiplier, bfd-strict";
    assert_eq!(
        wrong(&[("bgpPeerOptions", of_peers), ("vipOptions", of_vips)]),
        [
            format!("{vips}item 2 is not a virtual IP; expected its address, or * for all"),
            format!("{peers}\"10.0.0.1\": med \"x\" is not a number; expected 0 to 4294967295"),
            format!("{peers}\"10.0.0.1\": unknown key \"foo\"; expected one of {keys}"),
            format!("{peers}item 3 is not a peer; expected its address, its interface, or * for all"),
            format!("{peers}\"*\" is there twice; put all of its settings in one item"),
        ]
    );
    assert_eq!(
        wrong(&[
            ("bgpPeerOptions", "eth0;med=1,10.0.0.1:180;med=1"),
            ("vipOptions", of_vips.split(',').next().unwrap())
        ]),
        [
            format!("{vips}\"10.0.0.1\" is no virtual IP; they are 10.88.0.40, 2001:db8::40"),
            format!("{peers}item 1 is no peer; the peers are 10.0.0.1:179, [2001:db8::1]:179"),
            format!("{peers}\"10.0.0.1:180\" is no peer; the peers are 10.0.0.1:179, [2001:db8::1]:179"),
        ]
    );
}

#[test]
fn settings_that_cannot_be_together_are_refused() {
    let peers = "--bgpPeerOptions (bgp_peer_options): 10.0.0.1:179: ";
    let refused = |list: &str, items: &str, text: &str| {
        assert_eq!(mistakes(&[("bgppeers", list), ("bgpPeerOptions", items)], &[]), [format!("{peers}{text}")]);
    };
    refused(
        "10.0.0.1:1::true",
        "*;ttl-security=3",
        "ttl-security and multihop exclude each other; leave multihop out, ttl-security=N says how far away the peer may be",
    );
    refused("10.0.0.1:1", "*;bfd-rx=50", "bfd-rx has no effect, as BFD is not on for this peer; add bfd");
    refused(
        "10.0.0.1:1:GGGG",
        "*;password-file=/p",
        "password-file: this peer has a password already; give one of them",
    );
    refused("10.0.0.1:1", "*;password-file=/p", "password-file \"/p\" was not read");
    refused(
        "10.0.0.1:1",
        "*;next-hop=10.88.0.40",
        "next-hop 10.88.0.40 is a virtual IP of ours; expected an address that leads here",
    );
    refused(
        "10.0.0.1:1",
        "*;next-hop=fe80::1",
        "next-hop fe80::1 is a link-local address; expected an address that routers can forward to",
    );
}

#[test]
fn bfd_is_for_one_of_the_peers_at_an_address() {
    let list = ("bgppeers", "10.0.0.1:1::false:179,10.0.0.1:1::false:180,10.0.0.2:1");
    assert_eq!(
        mistakes(&[list, ("bgpPeerOptions", "*;bfd")], &[]),
        ["--bgpPeerOptions (bgp_peer_options): 10.0.0.1:179 and 10.0.0.1:180 have one address, and both have BFD; \
             expected it on one of them"]
    );
    let peers = config(&[list, ("bgpPeerOptions", "*;bfd,10.0.0.1:180;bfd=false")], &[]).bgp.peers;
    assert_eq!(peers.iter().map(|peer| peer.bfd.is_some()).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn a_password_file_of_a_peer_is_read_and_kept_for_its_changes() {
    let flags = [TWO, ("bgpPeerOptions", "10.0.0.1;password-file=/a,2001:db8::1;password-file=/b")];
    let raw = raw(&flags, &[]);
    assert_eq!(password_files(&raw), [PathBuf::from("/a"), PathBuf::from("/b")]);
    let content = |text: &str| Ok(SecretSlice::from(text.as_bytes().to_vec()));
    let facts =
        Facts { password_files: [("/a".into(), content("one")), ("/b".into(), content("two\n"))].into(), ..facts() };
    let Checked { config, warnings, .. } = checked(&flags, &[], &facts).unwrap();
    let read =
        |peer: &PeerConfig| (peer.password.as_ref().unwrap().expose_secret().to_owned(), peer.password_file.clone());
    let expected = [("one".to_owned(), Some("/a".into())), ("two".to_owned(), Some("/b".into()))];
    assert_eq!(config.bgp.peers.iter().map(read).collect::<Vec<_>>(), expected);
    let trimmed = "--bgpPeerOptions (bgp_peer_options): [2001:db8::1]:179: password-file \"/b\": the line break at its end \
                   is not part of the password";
    assert_eq!(lines(&warnings), [trimmed]);
}

#[test]
fn communities_of_a_peer_and_a_virtual_ip_fit_a_message_together() {
    let many = |first: u32| (0..400).map(|n| format!("{first}:{n}")).collect::<Vec<_>>().join(" ");
    let peers = format!("10.0.0.1;community={}", many(1));
    let vips = format!("*;community={}", many(2));
    assert_eq!(
        wrong(&[("bgpPeerOptions", &peers), ("vipOptions", &vips)]),
        [
            "--vipOptions (vip_options): 10.88.0.40: its communities and those of 10.0.0.1:179 take 3204 bytes; 3072 are the \
          most"
        ]
    );
}

#[test]
fn what_has_no_effect_or_turns_the_fence_off_is_said() {
    let peers = "--bgpPeerOptions (bgp_peer_options): ";
    let said = |items: &str, more: &[(&str, &str)]| warnings(&[&[TWO, ("bgpPeerOptions", items)], more].concat(), &[]);
    assert_eq!(said("*;local-pref=1;prepend=1;extended-next-hop", &[]), Vec::<String>::new());
    assert_eq!(
        said("10.0.0.1;local-pref=1;extended-next-hop,2001:db8::1;prepend=1", &[("localAS", "65000")]),
        [
            format!("{peers}\"10.0.0.1\": local-pref has no effect but on a peer in our own AS"),
            format!("{peers}\"10.0.0.1\": extended-next-hop has no effect but on a session over IPv6"),
            format!("{peers}\"2001:db8::1\": prepend has no effect but on a peer in another AS"),
        ]
    );
    let fence = "takes the place of the one that falls or rises with each holder of the lease, so a router may stay with \
                 the route of a holder that died until its hold time is over, up to 60 s";
    assert_eq!(said("*;med=1", &[("vipOptions", "*;med=1")]), Vec::<String>::new());
    assert_eq!(
        said("*;med=1", &[("vipOptions", "10.88.0.40;local-pref=1"), ("leaderElection", "true")]),
        [
            format!("{peers}\"*\": med {fence}"),
            format!("--vipOptions (vip_options): \"10.88.0.40\": local-pref {fence}"),
        ]
    );
    // No peer hears of it, so the fence's stays.
    let vips = "--vipOptions (vip_options): ";
    let local_pref = [("localAS", "1"), ("vipOptions", "*;local-pref=1;prepend=1"), ("leaderElection", "true")];
    assert_eq!(
        said("10.0.0.1;local-pref=1", &local_pref),
        [
            format!("{peers}\"10.0.0.1\": local-pref has no effect but on a peer in our own AS"),
            format!("{vips}\"*\": local-pref has no effect but on a peer in our own AS"),
        ]
    );
    assert_eq!(
        warnings(&[("localAS", "65001"), ("vipOptions", "*;local-pref=1;prepend=1")], &[]),
        [format!("{vips}\"*\": prepend has no effect but on a peer in another AS")]
    );
}

#[test]
fn a_drain_that_a_pod_has_no_time_for_is_said() {
    let said = |items: &str| warnings(&[TWO, ("bgpPeerOptions", items)], &[]);
    assert_eq!(said("*;graceful-shutdown=10000"), Vec::<String>::new());
    assert_eq!(
        said("*;graceful-shutdown=60000,10.0.0.1;graceful-shutdown=0,2001:db8::1;graceful-shutdown=10001"),
        [
            "--bgpPeerOptions (bgp_peer_options): graceful-shutdown=10001: in a pod terminationGracePeriodSeconds (30 by \
             default) must be 31 or more, or the kubelet kills vipcast before it has left"
        ]
    );
}
