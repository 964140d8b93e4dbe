//! What is wrong, what is odd, and the words it is said in.

use super::*;

#[test]
fn all_mistakes_at_once() {
    let flags = [
        ("arp", "true"),
        ("address", "10.88.0.40/24"),
        ("interface", "far-too-long-name"),
        ("port", "0"),
        ("leaderElection", "yes"),
        ("localAS", "0"),
        ("bgpRouterID", "0.0.0.0"),
        ("bgpHoldTimer", "2"),
        ("sourceIP", "10.0.0.9"),
        ("sourceIF", "eth0"),
        ("bgppeers", "fd00::1:65001"),
        ("nodeName", "a b"),
        ("logFormat", "xml"),
    ];
    assert_eq!(
        mistakes(&flags, &[("vip_leaseduration", "x"), ("vip_loglevel", "info")]),
        [
            "--arp (vip_arp): ARP mode: not built yet, only the control plane over BGP is; turn it off",
            "--address (address): \"10.88.0.40/24\" is more than one address; expected 10.88.0.40 or 10.88.0.40/32",
            "--interface (vip_interface): \"far-too-long-name\" is not the name of an interface; expected 1 to 15 bytes \
         without \"/\", \":\" or white space",
            "--port (port): \"0\" is not a port; expected 1 to 65535",
            "--leaderElection (vip_leaderelection): \"yes\" is not a boolean; expected true or false (1, t, T, 0, f, F)",
            "vip_leaseduration (--leaseDuration): \"x\" is not a number of seconds; expected 1 to 2147483647",
            "--localAS (bgp_as): AS number \"0\" is reserved (RFC 7607); expected 1 to 4294967295",
            "--bgpRouterID (bgp_routerid): \"0.0.0.0\" is not a BGP Identifier; expected an IPv4 address but 0.0.0.0",
            "--bgpHoldTimer (bgp_hold_time): \"2\" is not a hold time; expected 0, or 3 to 65535 s (RFC 4271 §4.2)",
            "--sourceIP (bgp_sourceip): \"10.0.0.9\" is given together with --sourceIF (bgp_sourceif); give one of them",
            "--bgppeers (bgp_peers): peer 1: an IPv6 address stands in brackets: [2001:db8::1]:65001",
            "--nodeName (vip_nodename): \"a b\" is not a node name; expected letters, digits, \"-\" and \".\", at most 253 \
         bytes",
            "vip_loglevel (--log): \"info\" is not a log level; expected -4 (debug), 0 (info), 4 (warn) or 8 (error)",
            "--logFormat (log_format): \"xml\" is not a form of log lines; expected text or json",
        ]
    );
}

#[test]
fn nothing_given_at_all() {
    let wrong = check(&raw(&[], &[]), Command::Manager, &Facts::default()).unwrap_err();
    assert_eq!(
        lines(&wrong.0),
        [
            "--bgp (bgp_enable): no mode is on, and BGP is the only one built so far; add --bgp",
            "--controlplane (cp_enable): no features are enabled; add --controlplane",
            "--address (address): no virtual IP is given; expected an IPv4 or IPv6 address",
            "--bgppeers (bgp_peers): no peer is given; expected host:AS here, or an address by --peerAddress",
            "--nodeName (vip_nodename): not given, and the host has no name; give the node's name in Kubernetes",
        ]
    );
    let flags = [("address", "10.0.0.40"), ("bgppeers", "10.0.0.1:1")];
    let wrong = check(&raw(&flags, &[]), Command::Start, &facts()).unwrap_err();
    assert_eq!(lines(&wrong.0), ["--bgp (bgp_enable): no mode is on, and BGP is the only one built so far; add --bgp"]);
}

/// Flags beyond the good ones, and the one line they get.
type Case = (&'static [(&'static str, &'static str)], &'static str);

/// Each wrong in one thing.
const WRONG: &[Case] = &[
    (
        &[("table", "1")],
        "--table (vip_routingtable): routing-table mode: not built yet, only the control plane over BGP is; turn it off",
    ),
    (
        &[("wireguard", "1")],
        "--wireguard (vip_wireguard): WireGuard mode: not built yet, only the control plane over BGP is; turn it off",
    ),
    (
        &[("services", "1")],
        "--services (svc_enable): Services of type LoadBalancer: not built yet, only the control plane over BGP is; turn it off",
    ),
    (
        &[("address", "vip.example.com")],
        "--address (address): \"vip.example.com\" is not an IP address; DNS names are not supported yet",
    ),
    (
        &[("address", "10.0.0")],
        "--address (address): \"10.0.0\" is not an IP address; expected one like 10.0.0.40 or 2001:db8::40",
    ),
    (&[("address", " , ")], "--address (address): holds no address; give at least one IPv4 or IPv6 address"),
    (&[("address", "10.0.0.4,10.0.0.4/32")], "--address (address): \"10.0.0.4/32\" is there twice"),
    (
        &[("address", "2001:db8::4/64")],
        "--address (address): \"2001:db8::4/64\" is more than one address; expected 2001:db8::4 or 2001:db8::4/128",
    ),
    (
        &[("address", "0.0.0.0")],
        "--address (address): \"0.0.0.0\" is the unspecified address; expected an address that routers can forward to",
    ),
    (
        &[("address", "::1")],
        "--address (address): \"::1\" is a loopback address; expected an address that routers can forward to",
    ),
    (
        &[("address", "239.0.0.1")],
        "--address (address): \"239.0.0.1\" is a multicast address; expected an address that routers can forward to",
    ),
    (
        &[("address", "fe80::1")],
        "--address (address): \"fe80::1\" is a link-local address; expected an address that routers can forward to",
    ),
    (
        &[("address", "::ffff:10.0.0.1")],
        "--address (address): \"::ffff:10.0.0.1\" is an IPv4 address written as IPv6; expected an address that routers can forward to",
    ),
    (
        &[("vipSubnet", "auto")],
        "--vipSubnet (vip_subnet): \"auto\" works in ARP mode only; leave it out, or give 32 or 128",
    ),
    (&[("vipSubnet", "129")], "--vipSubnet (vip_subnet): \"129\" is not a mask; expected 32 or 128"),
    (
        &[("localAS", "4294967296")],
        "--localAS (bgp_as): AS number \"4294967296\" is not one; expected 1 to 4294967295, in plain decimal",
    ),
    (
        &[("localAS", "23456")],
        "--localAS (bgp_as): AS number \"23456\" is AS_TRANS, a stand-in for 4-octet numbers (RFC 6793 §9); give the real number",
    ),
    (
        &[("peerAS", "-1")],
        "--peerAS (bgp_peeras): AS number \"-1\" is not one; expected 1 to 4294967295, in plain decimal",
    ),
    (
        &[("bgpHoldTimer", "65536")],
        "--bgpHoldTimer (bgp_hold_time): \"65536\" is not a hold time; expected 0, or 3 to 65535 s (RFC 4271 §4.2)",
    ),
    (
        &[("bgpHoldTimer", "9"), ("bgpKeepAliveInterval", "9")],
        "--bgpKeepAliveInterval (bgp_keepalive_interval): 9 s is not shorter than the 9 s of --bgpHoldTimer (bgp_hold_time); a third of it is usual",
    ),
    (
        &[("bgpKeepAliveInterval", "0")],
        "--bgpKeepAliveInterval (bgp_keepalive_interval): 0 sends none, so the peer's hold time of 30 s would end every session",
    ),
    (
        &[("peerAddress", "router")],
        "--peerAddress (bgp_peeraddress): \"router\" is not the address of a peer; expected an IP address, or one with a port as 10.0.0.1:179 or [2001:db8::1]:179",
    ),
    // As in --bgppeers, with a password.
    (
        &[("peerAddress", "10.0.0.1:65001:hunter2")],
        "--peerAddress (bgp_peeraddress): \"10.0.0.1\" and more is not the address of a peer; expected an IP address, or one with a port as 10.0.0.1:179 or [2001:db8::1]:179",
    ),
    (
        &[("peerAddress", "[2001:db8::1]:65001:hunter2")],
        "--peerAddress (bgp_peeraddress): \"[2001:db8::1]\" and more is not the address of a peer; expected an IP address, or one with a port as 10.0.0.1:179 or [2001:db8::1]:179",
    ),
    (
        &[("peerAddress", "[2001:db8::1:65001:hunter2")],
        "--peerAddress (bgp_peeraddress): \"[2001\" and more is not the address of a peer; expected an IP address, or one with a port as 10.0.0.1:179 or [2001:db8::1]:179",
    ),
    (
        &[("peerAddress", "10.0.0.1")],
        "--peerAddress (bgp_peeraddress): \"10.0.0.1\": is there twice, with this address and port",
    ),
    (
        &[("peerAddress", "10.88.0.40")],
        "--peerAddress (bgp_peeraddress): \"10.88.0.40\": is a virtual IP of ours; expected the router's own address",
    ),
    (
        &[("peerAddress", "224.0.0.5")],
        "--peerAddress (bgp_peeraddress): \"224.0.0.5\": is a multicast address; expected the router's own address",
    ),
    (
        &[("bgppeers", "[fe80::1]:1")],
        "--bgppeers (bgp_peers): peer 1 (fe80::1): is a link-local address; say by --sourceIF on which interface",
    ),
    (
        &[("sourceIP", "eth0")],
        "--sourceIP (bgp_sourceip): \"eth0\" is not an IP address; expected one of this node's addresses",
    ),
    (
        &[("sourceIP", "10.88.0.40")],
        "--sourceIP (bgp_sourceip): \"10.88.0.40\" is a virtual IP; expected one of this node's own addresses",
    ),
    (
        &[("sourceIP", "2001:db8::9")],
        "--sourceIP (bgp_sourceip): \"2001:db8::9\" is IPv6, but every peer is IPv4: peer 1 (10.0.0.1); give an IPv4 address",
    ),
    (
        &[("peerAddress", "10.0.0.2"), ("peerPass", "GGGG"), ("peerPassFile", "/p")],
        "--peerPass (bgp_peerpass): is given together with --peerPassFile (bgp_peerpass_file) \"/p\"; give one of them",
    ),
    (
        &[("leaderElection", "1"), ("leaseDuration", "3")],
        "--leaseRenewDuration (vip_renewdeadline): 3 s is not shorter than the 3 s of --leaseDuration (vip_leaseduration): a holder would announce beyond its lease",
    ),
    (
        &[("leaderElection", "1"), ("leaseDuration", "9"), ("leaseRenewDuration", "6"), ("leaseRetry", "5")],
        "--leaseRenewDuration (vip_renewdeadline): 6 s is not longer than 1.2 times the 5 s of --leaseRetry (vip_retryperiod): no renewal could be tried again",
    ),
    (
        &[("leaderElection", "1"), ("leaseRetry", "0")],
        "--leaseRetry (vip_retryperiod): \"0\" is not a number of seconds; expected 1 to 2147483647",
    ),
    (
        &[("leaderElection", "1"), ("leaseName", "kubevip-web")],
        "--leaseName (vip_leasename): \"kubevip-web\" is the name of a Service's lease in kube-vip; expected one that does not begin with \"kubevip-\"",
    ),
    (
        &[("leaderElection", "1"), ("leaseName", "a/b/c")],
        "--leaseName (vip_leasename): \"a/b/c\" is not the name of a lease; expected lower-case letters, digits and \"-\"",
    ),
    (
        &[("leaderElection", "1"), ("namespace", "Kube")],
        "--namespace (cp_namespace): \"Kube\" is not the name of a namespace; expected lower-case letters, digits and \"-\"",
    ),
    (
        &[("log", "")],
        "--log (vip_loglevel): \"\" is not a log level; expected -4 (debug), 0 (info), 4 (warn) or 8 (error)",
    ),
];

#[test]
fn single_mistakes() {
    for (flags, expected) in WRONG {
        assert_eq!(mistakes(flags, &[]), [*expected], "{flags:?}");
    }
}

/// Each good and worth a warning.
const ODD: &[Case] = &[
    (&[("vip", "10.0.0.9")], "--vip (vip_address): \"10.0.0.9\" is ignored, because --address (address) is given too"),
    (
        &[("vipSubnet", "32,/24")],
        "--vipSubnet (vip_subnet): \"/24\": BGP announces host routes all the same, /32 and /128",
    ),
    (
        &[("peerPass", "GGGG")],
        "--peerPass (bgp_peerpass): has no effect: it is for the peer of --peerAddress, and there is none",
    ),
    (
        &[("multihop", "true")],
        "--multihop (bgp_multihop): has no effect: it is for the peer of --peerAddress, and there is none",
    ),
    (
        &[("bgppeers", "10.0.0.1:1:::::t;300000;;")],
        "--bgppeers (bgp_peers): peer 1 (10.0.0.1): bfd rx 300000 is taken for microseconds, that is 300 ms; the unit here is milliseconds",
    ),
    (
        &[("bgppeers", "10.0.0.1:1,[fd00::1]:1"), ("sourceIP", "10.0.0.9")],
        "--sourceIP (bgp_sourceip): is not used for peer 2 (fd00::1), which is of the other family",
    ),
    (&[("log", "5")], "--log (vip_loglevel): 5 has no name of its own and is taken as 8 (error)"),
    (
        &[("leaderElection", "1"), ("bgpHoldTimer", "0")],
        "--bgpHoldTimer (bgp_hold_time): 0: no timer at the router ever clears the route of a holder that died or was cut off, so traffic may go to it without bound; give 3 or more",
    ),
];

#[test]
fn odd_but_possible() {
    for (flags, expected) in ODD {
        assert_eq!(warnings(flags, &[]), [*expected], "{flags:?}");
    }
    assert_eq!(warnings(&[("bgpHoldTimer", "0"), ("bgpKeepAliveInterval", "0")], &[]), Vec::<String>::new());
}

#[test]
fn an_interface_the_host_does_not_have() {
    let facts = Facts { interfaces: Some(vec!["lo".to_owned(), "eth0".to_owned()]), ..facts() };
    let Err(Mistakes(found)) = checked(&[("interface", "eth1")], &[], &facts) else { panic!("eth1 was taken") };
    assert_eq!(
        lines(&found),
        ["--interface (vip_interface): \"eth1\" is not an interface of this host; it has lo, eth0"]
    );
}
