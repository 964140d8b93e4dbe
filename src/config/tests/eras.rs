//! The environments that kube-vip's manifests of each era carry: each is taken as it is, or refused for its mode.

use super::*;

/// Peers, lease, warnings and notes, or the mistakes.
type Outcome = Result<(usize, bool, Vec<String>, Vec<String>), Vec<String>>;

/// What comes of an environment.
fn outcome(command: Command, variables: &[(&str, &str)]) -> Outcome {
    match check(&raw(&[], variables), command, &facts()) {
        Ok(Checked { config, warnings, notes }) => {
            Ok((config.bgp.peers.len(), config.election.is_some(), lines(&warnings), lines(&notes)))
        }
        Err(Mistakes(mistakes)) => Err(lines(&mistakes)),
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

const METRICS: &str = "prometheus_server (--prometheusHTTPServer): is ignored: metrics are not built yet, nothing listens \
                       there";

/// What is said of kube-vip's default hold time where the lease is given.
fn slow(peer: &str) -> String {
    format!(
        "--bgpHoldTimer (bgp_hold_time): {peer}:179: an uplink that dies silently is noticed after 30 s, by the hold time of \
         30 s, though the lease of 5 s would move sooner: worst case 31.6 s of silence; give this peer BFD, or a hold time \
         of 10 s or less"
    )
}

/// v1.2.3's `manifest daemonset --bgp --controlplane --leaderElection`.
const TODAY: &[(&str, &str)] = &[
    ("vip_arp", "false"),
    ("port", "6443"),
    ("vip_nodename", "n1"),
    ("vip_interface", "eth0"),
    ("dns_mode", "first"),
    ("dhcp_mode", "ipv4"),
    ("cp_enable", "true"),
    ("cp_namespace", "kube-system"),
    ("vip_leaderelection", "true"),
    ("vip_leasename", "plndr-cp-lock"),
    ("vip_leaseduration", "15"),
    ("vip_renewdeadline", "10"),
    ("vip_retryperiod", "2"),
    ("bgp_enable", "true"),
    ("bgp_routerid", "10.0.0.11"),
    ("bgp_as", "65000"),
    ("bgp_peeraddress", ""),
    ("bgp_peerpass", ""),
    ("bgp_peeras", "65000"),
    ("bgp_peers", "10.0.0.1:65001::false,10.0.0.2:65001::false"),
    ("address", "10.88.0.40"),
    ("prometheus_server", ":2112"),
];

#[test]
fn todays_daemonset() {
    let notes = owned(&[
        "dns_mode (--dnsMode): has no effect without virtual IPs by DNS name",
        "dhcp_mode (--dhcpMode): has no effect without virtual IPs by DNS name",
    ]);
    assert_eq!(outcome(Command::Manager, TODAY), Ok((2, true, owned(&[METRICS]), notes.clone())));
    assert_eq!(outcome(Command::Service, TODAY), Ok((2, true, owned(&[METRICS]), notes)));
}

#[test]
fn todays_daemonset_with_services() {
    let services = [("svc_enable", "true"), ("svc_leasename", "plndr-svcs-lock"), ("svc_election", "true")];
    let all: Vec<_> = TODAY.iter().chain(&services).copied().collect();
    let refused = "svc_enable (--services): Services of type LoadBalancer: not built yet, only the control plane over BGP \
                   is; turn it off";
    assert_eq!(outcome(Command::Manager, &all), Err(owned(&[refused])));
}

/// What the generator of v1.2.3 can add, none of it in the way.
#[test]
fn todays_extras() {
    let extras = [
        ("vip_allow_interface_not_up", "true"),
        ("vip_interfaceloglobal", "true"),
        ("cp_detect", "true"),
        ("vip_ddns", "false"),
        ("vip_subnet", "/24"),
        ("bgp_attach_ip_to_interface", "true"),
        ("vip_preserve_on_leadership_loss", "true"),
        ("enable_node_labeling", "true"),
        ("lb_enable", "false"),
        ("lb_port", "6443"),
        ("lb_fwdmethod", "local"),
        ("vip_arpRate", "3000"),
        ("debounce_time", "1s"),
        ("egress_withnftables", "true"),
        ("vip_skipdad", "true"),
    ];
    let all: Vec<_> = TODAY.iter().filter(|(name, _)| !name.starts_with('d')).chain(&extras).copied().collect();
    let warnings = owned(&[
        "enable_node_labeling (--enableNodeLabeling): is ignored: nodes are not labelled",
        "vip_preserve_on_leadership_loss (--preserveVipOnLeadershipLoss): is ignored: an address is unbound when its route is \
         withdrawn",
        "vip_interfaceloglobal (--loInterfaceGlobalScope): is ignored: addresses have scope host, so that they are nobody's \
         source address",
        METRICS,
        "vip_subnet (--vipSubnet): \"/24\": BGP announces host routes all the same, /32 and /128",
    ]);
    let notes = owned(&[
        "vip_arpRate: has no effect without ARP mode",
        "bgp_attach_ip_to_interface (--bgpAttachIPToInterface): has no effect without Services of type LoadBalancer",
        "debounce_time (--debounceTime): has no effect without Services of type LoadBalancer",
        "egress_withnftables (--egressWithNftables): has no effect without Services of type LoadBalancer",
        "lb_port (--lbPort): has no effect without a load balancer for the control plane",
        "lb_fwdmethod (--lbForwardingMethod): has no effect without a load balancer for the control plane",
        "vip_allow_interface_not_up (--allowInterfaceNotUp): has no effect: the interface need not be up",
        "cp_detect (--autodetectcp): has no effect: the node's own API server is asked first, by its certificate's name",
        "vip_skipdad: has no effect: there is none for virtual IPs",
    ]);
    assert_eq!(outcome(Command::Manager, &all), Ok((2, true, warnings, notes)));
}

/// v0.8's: `vip_cidr`, its own lease times, the older forms of peers.
#[test]
fn manifests_of_0_8() {
    let variables = [
        ("vip_arp", "false"),
        ("port", "6443"),
        ("vip_interface", "lo"),
        ("vip_cidr", "32"),
        ("dns_mode", "first"),
        ("cp_enable", "true"),
        ("cp_namespace", "kube-system"),
        ("vip_leaderelection", "true"),
        ("vip_leaseduration", "5"),
        ("vip_renewdeadline", "3"),
        ("vip_retryperiod", "1"),
        ("bgp_enable", "true"),
        ("bgp_routerid", ""),
        ("bgp_as", "65000"),
        ("bgp_peeraddress", "10.0.0.9"),
        ("bgp_peeras", "65001"),
        ("bgp_sourceif", "eth0"),
        ("bgp_peers", "10.0.0.1:65001::false/mpbgp_nexthop=auto_sourceif,10.0.0.2:65001"),
        ("vip_address", "10.88.0.40"),
        ("address", ""),
        ("prometheus_server", ":2112"),
    ];
    let notes = owned(&["dns_mode (--dnsMode): has no effect without virtual IPs by DNS name"]);
    assert_eq!(outcome(Command::Manager, &variables), Ok((3, true, vec![METRICS.to_owned(), slow("10.0.0.9")], notes)));
}

/// v0.3.7's `args: [manager]`: without election it carries raft's variables, with BGP as well.
#[test]
fn manifests_of_0_3_with_leftovers_of_raft() {
    let variables = [
        ("vip_arp", "false"),
        ("vip_interface", "eth0"),
        ("port", "6443"),
        ("vip_cidr", "32"),
        ("cp_enable", "true"),
        ("cp_namespace", "kube-system"),
        ("vip_ddns", "false"),
        ("svc_enable", "false"),
        ("vip_startleader", "false"),
        ("vip_addpeerstolb", "true"),
        ("vip_localpeer", "n1:10.0.0.11:10000"),
        ("bgp_enable", "true"),
        ("bgp_routerid", "10.0.0.11"),
        ("bgp_as", "65000"),
        ("bgp_peeraddress", "10.0.0.1"),
        ("bgp_peerpass", ""),
        ("bgp_peeras", "65001"),
        ("lb_enable", "false"),
        ("lb_backendport", "6443"),
        ("lb_bindtovip", "false"),
        ("vip_address", "10.88.0.40"),
        ("vip_peers", "n2:10.0.0.12:10000"),
    ];
    let raft =
        |name: &str| format!("{name}: is ignored: there is no raft, without --leaderElection every node announces");
    let warnings = vec![
        raft("vip_localpeer (--localPeer)"),
        raft("vip_peers (--remotePeers)"),
        raft("vip_addpeerstolb (--addPeersToLB)"),
    ];
    let without = "has no effect without a load balancer for the control plane";
    let notes = vec![
        format!("lb_bindtovip (--lbBindToVip): {without}"),
        format!("lb_backendport (--lbBackEndPort): {without}"),
        "vip_startleader (--startAsLeader): has no effect without raft among listed peers".to_owned(),
    ];
    assert_eq!(outcome(Command::Manager, &variables), Ok((1, false, warnings, notes.clone())));

    let elected: Vec<_> = variables.iter().copied().chain([("vip_leaderelection", "1")]).collect();
    let raft = |name: &str| format!("{name}: is ignored: there is no raft, the lease says which node announces");
    let warnings = vec![
        raft("vip_localpeer (--localPeer)"),
        raft("vip_peers (--remotePeers)"),
        raft("vip_addpeerstolb (--addPeersToLB)"),
    ];
    assert_eq!(outcome(Command::Start, &elected), Ok((1, true, warnings, notes)));
}

/// v0.3's documents: `args: [start]`, no `cp_enable`, no `vip_nodename`, no `port`.
#[test]
fn start_of_0_3() {
    let common = [
        ("vip_interface", "eth0"),
        ("vip_leaderelection", "true"),
        ("vip_leaseduration", "5"),
        ("vip_renewdeadline", "3"),
        ("vip_retryperiod", "1"),
        ("vip_address", "10.88.0.40"),
    ];
    let with = |more: &[(&'static str, &'static str)]| common.iter().chain(more).copied().collect::<Vec<_>>();
    let arp = "vip_arp (--arp): ARP mode: not built yet, only the control plane over BGP is; turn it off";
    assert_eq!(outcome(Command::Start, &with(&[("vip_arp", "true")])), Err(owned(&[arp])));
    let bgp = with(&[("bgp_enable", "true"), ("bgp_peeraddress", "10.0.0.1"), ("bgp_peeras", "65001")]);
    assert_eq!(outcome(Command::Start, &bgp), Ok((1, true, vec![slow("10.0.0.1")], vec![])));
}

/// Raft that is asked for: each of the members would announce for itself.
#[test]
fn start_among_listed_peers() {
    let variables = [
        ("vip_interface", "eth0"),
        ("vip_address", "10.88.0.40"),
        ("vip_arp", "false"),
        ("vip_localpeer", "n1:10.0.0.11:10000"),
        ("vip_peers", "n2:10.0.0.12:10000,n3:10.0.0.13:10000"),
    ];
    let raft = |name: &str| {
        format!(
            "{name}: raft among listed peers: not built yet, and each of them would announce for itself; add --bgp and \
             --leaderElection"
        )
    };
    assert_eq!(outcome(Command::Start, &variables), Err(vec![raft("vip_peers (--remotePeers)")]));
    assert_eq!(
        outcome(Command::Manager, &variables[..4]),
        Err(vec![
            raft("vip_localpeer (--localPeer)"),
            "--controlplane (cp_enable): no features are enabled; add --controlplane".to_owned(),
        ])
    );
}

#[test]
fn modes_that_are_not_built() {
    let refused = |name: &str, value: &str, said: &str| {
        let all: Vec<_> = TODAY.iter().copied().chain([(name, value)]).collect();
        let end = "not built yet, only the control plane over BGP is";
        assert_eq!(outcome(Command::Manager, &all), Err(vec![said.replace("…", end)]));
    };
    refused(
        "lb_enable",
        "true",
        "lb_enable (--enableLoadBalancer): a load balancer for the control plane: …; turn it off",
    );
    refused("vip_ddns", "1", "vip_ddns (--ddns): virtual IPs by DNS name: …; turn it off");
    refused("zebra_enable", "T", "zebra_enable (--zebra): routes to zebra: …; turn it off");
    let etcd = [("leaderElectionType", "etcd"), ("leaderElection", "true")];
    assert_eq!(
        mistakes(&etcd, &[]),
        ["--leaderElectionType: election by etcd: not built yet, only the control plane over BGP is; give kubernetes"]
    );
    assert_eq!(warnings(&[("leaderElectionType", "etcd")], &[]), [""; 0]);
    assert_eq!(
        mistakes(&[("leaderElectionType", "raft")], &[]),
        ["--leaderElectionType: \"raft\" is not a kind of election; expected kubernetes"]
    );
}

#[test]
fn lease_times_that_are_given_in_part() {
    let times = |variables: &[(&str, &str)]| {
        let Checked { config, warnings, .. } = checked(&[("leaderElection", "true")], variables, &facts()).unwrap();
        let lease = config.election.unwrap();
        let seconds = [lease.duration, lease.renew_deadline, lease.retry_period].map(|time| time.as_secs());
        (seconds, lines(&warnings).into_iter().filter(|line| line.contains("does not fit")).collect::<Vec<_>>())
    };
    assert_eq!(times(&[("vip_leaseduration", "5")]), ([5, 3, 1], vec![]));
    assert_eq!(times(&[("vip_leaseduration", "15")]), ([15, 3, 1], vec![]));
    let said = |name: &str, theirs: &str| {
        vec![format!(
            "{name}: does not fit vipcast's 5, 3 and 1 s, so what is not given is as in kube-vip since v1.1.0: {theirs}"
        )]
    };
    assert_eq!(
        times(&[("vip_renewdeadline", "10")]),
        (
            [15, 10, 2],
            said("vip_renewdeadline (--leaseRenewDuration)", "lease 15 s, renew deadline 10 s, retry period 2 s")
        )
    );
    assert_eq!(
        times(&[("vip_retryperiod", "4")]),
        ([15, 10, 4], said("vip_retryperiod (--leaseRetry)", "lease 15 s, renew deadline 10 s, retry period 4 s"))
    );
}
