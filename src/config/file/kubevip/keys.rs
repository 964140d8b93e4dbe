//! The keys of kube-vip's files, of every era.

/// A key.
pub(super) struct Key {
    /// As kube-vip spells it.
    pub name: &'static str,
    pub means: Means,
}

/// What a key means here.
#[derive(Clone, Copy)]
pub(super) enum Means {
    /// The option of this flag, or of this variable where there is no flag.
    Option(&'static str),
    /// A mapping with these keys.
    Section(&'static [Key]),
    /// The list of BGP peers.
    Peers,
    /// The peer of `--peerAddress`.
    SinglePeer,
    /// Raft's peers.
    RaftPeers,
    /// Read elsewhere, with what it belongs to.
    Part,
    /// Nothing; why.
    Nothing(&'static str),
}

const fn key(name: &'static str, option: &'static str) -> Key {
    Key { name, means: Means::Option(option) }
}

const fn means(name: &'static str, means: Means) -> Key {
    Key { name, means }
}

const fn nothing(name: &'static str, why: &'static str) -> Key {
    means(name, Means::Nothing(why))
}

const BALANCER: &str = "vipcast forwards nothing: the node that has the virtual IP serves it";

/// Those of the document. Where eras differ in a name, both are there; the newer one first.
pub(super) static TOP: &[Key] = &[
    // The raft era: 0.1.1 to 0.3.9.
    means("localPeer", Means::RaftPeers),
    means("remotePeers", Means::RaftPeers),
    key("addPeersAsBackends", "addPeersToLB"),
    means("singleNode", Means::Part),
    key("startAsLeader", "startAsLeader"),
    key("gratuitousARP", "arp"),
    nothing("loadBalancers", BALANCER),
    // What stayed, and the 0.3 releases.
    key("vip", "vip"),
    key("address", "address"),
    key("vipCidr", "vipSubnet"),
    key("vipSubnet", "vipSubnet"),
    key("interface", "interface"),
    key("servicesInterface", "serviceInterface"),
    key("port", "port"),
    key("namespace", "namespace"),
    key("serviceNamespace", "svc_namespace"),
    key("ddns", "ddns"),
    key("enableARP", "arp"),
    key("enableBGP", "bgp"),
    key("enableWireguard", "wireguard"),
    key("enableRoutingTable", "table"),
    key("enableControlPlane", "controlplane"),
    key("enableControlPane", "controlplane"),
    key("detectControlPlane", "autodetectcp"),
    key("enableServices", "services"),
    key("enableServicesElection", "servicesElection"),
    key("enableLoadBalancer", "enableLoadBalancer"),
    key("loadBalancerPort", "lbPort"),
    key("lbPort", "lbPort"),
    key("loadBalancerForwardingMethod", "lbForwardingMethod"),
    key("lbForwardingMethod", "lbForwardingMethod"),
    key("prometheusHTTPServer", "prometheusHTTPServer"),
    key("logging", "log"),
    key("annotations", "annotations"),
    // Election.
    key("enableLeaderElection", "leaderElection"),
    key("leaderElectionType", "leaderElectionType"),
    key("leaseName", "leaseName"),
    key("leaseDuration", "leaseDuration"),
    key("renewDeadline", "leaseRenewDuration"),
    key("retryPeriod", "leaseRetry"),
    nothing("leaseAnnotations", "the lease carries vipcast's own annotations"),
    key("servicesLeaseName", "servicesLeaseName"),
    means("etcd", Means::Section(ETCD)),
    // BGP.
    means("bgpConfig", Means::Section(BGP)),
    means("bgpPeerConfig", Means::SinglePeer),
    key("bgpPeers", "bgppeers"),
    key("bgpAttachIPToInterface", "bgpAttachIPToInterface"),
    key("mpbgpNexthop", "mpbgpNexthop"),
    key("mpbgpIPv4", "mpbgpIPv4"),
    key("mpbgpIPv6", "mpbgpIPv6"),
    means("zebra", Means::Section(ZEBRA)),
    means("healthCheck", Means::Section(HEALTH)),
    means("controlPlaneHealthCheck", Means::Section(HEALTH)),
    // Clouds.
    key("enablePacket", "metal"),
    key("packetAPIKey", "metalKey"),
    key("packetProject", "metalProject"),
    key("packetProjectID", "metalProjectID"),
    key("enableMetal", "metal"),
    key("metalAPIKey", "metalKey"),
    key("metalProject", "metalProject"),
    key("metalProjectID", "metalProjectID"),
    key("providerConfig", "provider-config"),
    // The rest of today's.
    key("nodeName", "nodeName"),
    key("leaseNodeName", "nodeName"),
    key("k8sConfigFile", "k8sConfigPath"),
    key("kubernetesAddr", "kubernetes_addr"),
    key("enableNodeLabeling", "enableNodeLabeling"),
    key("loadBalancerClassOnly", "lbClassOnly"),
    key("lbClassOnly", "lbClassOnly"),
    key("loadBalancerClassName", "lbClassName"),
    key("lbClassName", "lbClassName"),
    key("loadBalancerClassLegacyHandling", "lbClassNameLegacyHandling"),
    key("lbClassNameLegacyHandling", "lbClassNameLegacyHandling"),
    key("enableServiceSecurity", "onlyAllowTrafficServicePorts"),
    key("arpBroadcastRate", "vip_arpRate"),
    key("routingTableID", "tableID"),
    key("routingTableType", "tableType"),
    key("routingProtocol", "routingProtocol"),
    key("cleanRoutingTable", "cleanRoutingTable"),
    key("egressPodCidr", "egress_podcidr"),
    key("egressServiceCidr", "egress_servicecidr"),
    key("egressWithNftables", "egressWithNftables"),
    key("egressClean", "egress_clean"),
    key("enableInternalSNAT", "egress_enableinternalsnat"),
    key("dnsMode", "dnsMode"),
    key("dnsDualStackMode", "dnsMode"),
    key("dhcpMode", "dhcpMode"),
    key("dhcpDualStackMode", "dhcpMode"),
    key("dhcpBackoffAttempts", "dhcpBackoffAttempts"),
    key("disableServiceUpdates", "disableServiceUpdates"),
    key("enableEndpoints", "enableEndpoints"),
    key("enableEndpointSlices", "enableEndpointSlices"),
    key("mirrorDestInterface", "mirrorDestInterface"),
    key("iptablesBackend", "iptables_backend"),
    key("backendHealthCheckInterval", "backend_health_check_interval"),
    key("loInterfaceGlobalScope", "loInterfaceGlobalScope"),
    key("healthCheckPort", "healthCheckPort"),
    key("enableUPNP", "enable_upnp"),
    key("preserveVipOnLeadershipLoss", "preserveVipOnLeadershipLoss"),
    key("loseLeadership", "loseLeadership"),
    key("loseLeadershipTimeoutSeconds", "vip_loseleadership_timeout_seconds"),
    key("allowInterfaceNotUp", "allowInterfaceNotUp"),
    key("skipDAD", "vip_skipdad"),
    key("perServiceElectionOnDemand", "perServiceElectionOnDemand"),
    key("instanceName", "instanceName"),
    key("debounceTime", "debounceTime"),
    nothing("configFile", "a file cannot name another one"),
];

static ETCD: &[Key] = &[
    key("caFile", "etcdCACert"),
    key("clientCertFile", "etcdCert"),
    key("clientKeyFile", "etcdKey"),
    key("endpoints", "etcdEndpoints"),
];

static BGP: &[Key] = &[
    key("as", "localAS"),
    key("routerID", "bgpRouterID"),
    key("sourceIP", "sourceIP"),
    key("sourceIF", "sourceIF"),
    key("holdTime", "bgpHoldTimer"),
    key("keepaliveInterval", "bgpKeepAliveInterval"),
    key("mpbgpNexthop", "mpbgpNexthop"),
    key("mpbgpIPv4", "mpbgpIPv4"),
    key("mpbgpIPv6", "mpbgpIPv6"),
    means("peers", Means::Peers),
    means("zebra", Means::Section(ZEBRA)),
];

static ZEBRA: &[Key] = &[
    key("enabled", "zebra"),
    key("url", "zebraUrl"),
    key("version", "zebraVersion"),
    key("softwareName", "zebraSoftwareName"),
];

static HEALTH: &[Key] = &[
    key("address", "controlPlaneHealthCheckAddress"),
    key("periodSeconds", "controlPlaneHealthCheckPeriodSeconds"),
    key("timeoutSeconds", "controlPlaneHealthCheckTimeoutSeconds"),
    key("failureThreshold", "controlPlaneHealthCheckFailureThreshold"),
    key("caPath", "controlPlaneHealthCheckCAPath"),
];

/// Those of the peer that has options of its own.
pub(super) static SINGLE_PEER: &[Key] = &[
    key("address", "peerAddress"),
    key("as", "peerAS"),
    key("password", "peerPass"),
    key("multiHop", "multihop"),
    // Taken with the address.
    means("port", Means::Part),
];

/// Those of a peer of the list: read by hand, so that all of them are one peer.
pub(super) static PEER: &[Key] = &[
    means("address", Means::Part),
    means("port", Means::Part),
    means("interface", Means::Part),
    means("as", Means::Part),
    means("password", Means::Part),
    means("multiHop", Means::Part),
    means("mpbgpNexthop", Means::Part),
    means("mpbgpIPv4", Means::Part),
    means("mpbgpIPv6", Means::Part),
    means("bfdEnabled", Means::Part),
    means("bfdReceiveInterval", Means::Part),
    means("bfdTransmitInterval", Means::Part),
    means("bfdDetectMultiplier", Means::Part),
];
