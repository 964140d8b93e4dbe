//! The table of options: flags, variables, defaults and help derive from these rows and from nothing else.

/// What a value looks like on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--x`, `--x=false`; never `--x false`.
    Switch,
    /// One value.
    Value,
    /// Values, by commas or by repeating the flag.
    List,
    /// One value that is never shown.
    Secret,
    /// Values that hold passwords and are never shown whole.
    SecretList,
}

impl Kind {
    /// Whether values of this kind stay out of every message.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretList)
    }

    /// Whether repeating the flag adds values; elsewhere the last one counts.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::SecretList)
    }
}

/// The headings of `--help` and of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The address.
    Vip,
    /// The speaker.
    Bgp,
    /// The lease.
    Election,
    /// The check of what is behind the address.
    Health,
    /// Who we are and where the API is.
    Node,
    /// The cloud that tells a node how to speak BGP, or moves the address.
    Metal,
    /// Logs.
    Log,
    /// What kube-vip has and vipcast refuses so far.
    NotBuilt,
}

impl Group {
    /// All, in the order they are shown.
    pub const ALL: [Self; 8] =
        [Self::Vip, Self::Bgp, Self::Election, Self::Health, Self::Node, Self::Metal, Self::Log, Self::NotBuilt];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Vip => "Virtual IP",
            Self::Bgp => "BGP",
            Self::Election => "Leader election",
            Self::Health => "Health check",
            Self::Node => "Node and Kubernetes",
            Self::Metal => "Equinix Metal, formerly Packet",
            Self::Log => "Logs",
            Self::NotBuilt => "Of kube-vip, not built yet: refused when on",
        }
    }
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The flag, without `--`; the option's identity.
    pub flag: &'static str,
    /// Its shorthand.
    pub short: Option<char>,
    /// Other spellings of the flag that kube-vip's documents or its old versions have.
    pub aliases: &'static [&'static str],
    /// The environment variables; the first that is set counts.
    pub variables: &'static [&'static str],
    /// Its shape.
    pub kind: Kind,
    /// What `--help` calls the value.
    pub value: &'static str,
    /// The default as text, empty where there is none.
    pub default: &'static str,
    /// What it is for, one line.
    pub help: &'static str,
    /// The heading it stands under.
    pub group: Group,
}

impl Spec {
    const fn switch(group: Group, flag: &'static str, variable: &'static [&'static str], help: &'static str) -> Self {
        Self::new(group, Kind::Switch, flag, variable, "BOOL", help).default("false")
    }

    const fn new(
        group: Group,
        kind: Kind,
        flag: &'static str,
        variables: &'static [&'static str],
        value: &'static str,
        help: &'static str,
    ) -> Self {
        Self { flag, short: None, aliases: &[], variables, kind, value, default: "", help, group }
    }

    const fn default(mut self, text: &'static str) -> Self {
        self.default = text;
        self
    }

    const fn alias(mut self, flags: &'static [&'static str]) -> Self {
        self.aliases = flags;
        self
    }

    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }
}

/// Makes a static of each row, and the table of all of them.
macro_rules! options {
    ($($group:ident { $($name:ident = $make:ident($($arg:expr),*)$(.$set:ident($val:expr))*;)* })*) => {
        $($(pub(crate) static $name: Spec = options!(@ $group $make $($arg),*)$(.$set($val))*;)*)*

        /// Every option there is.
        pub static OPTIONS: &[&Spec] = &[$($(&$name),*),*];
    };
    (@ $group:ident switch $($arg:expr),*) => { Spec::switch(Group::$group, $($arg),*) };
    (@ $group:ident value $($arg:expr),*) => { Spec::new(Group::$group, Kind::Value, $($arg),*) };
    (@ $group:ident list $($arg:expr),*) => { Spec::new(Group::$group, Kind::List, $($arg),*) };
    (@ $group:ident secret $($arg:expr),*) => { Spec::new(Group::$group, Kind::Secret, $($arg),*) };
    (@ $group:ident secrets $($arg:expr),*) => { Spec::new(Group::$group, Kind::SecretList, $($arg),*) };
}

options! {
    Vip {
        ADDRESS = list("address", &["address"], "IP", "the virtual IPs of the control plane, IPv4 or IPv6");
        VIP = list("vip", &["vip_address"], "IP", "older name of --address, read where that is absent");
        VIP_SUBNET = list("vipSubnet", &["vip_subnet", "vip_cidr"], "MASK",
            "mask of the virtual IPs; in BGP they are always announced as host routes, /32 and /128").alias(&["cidr"]);
        VIP_OPTIONS = list("vipOptions", &["vip_options"], "VIP;KEY=VALUE",
            "what single virtual IPs are announced with: VIP;key=value;…, or * for all; community, med, local-pref, prepend");
        INTERFACE = value("interface", &["vip_interface"], "NAME",
            "interface the virtual IPs are bound to; without it the one of the default route, else lo");
        PORT = value("port", &["port"], "PORT", "port of the API server").default("6443");
        CONTROL_PLANE = switch("controlplane", &["cp_enable"],
            "look after the control plane's virtual IP; `start` implies it").alias(&["controlPlane"]);
    }
    Bgp {
        BGP = switch("bgp", &["bgp_enable"], "announce the virtual IPs by BGP");
        LOCAL_AS = value("localAS", &["bgp_as"], "AS", "our AS number, 1 to 4294967295").default("65000");
        ROUTER_ID = value("bgpRouterID", &["bgp_routerid"], "IPV4",
            "our BGP Identifier; without it the node's own IPv4 address, or derived where there is none");
        BGP_PEERS = secrets("bgppeers", &["bgp_peers"], "PEER",
            "peers as host:AS[:password[:multihop[:port[:mpbgp[:bfd]]]]], IPv6 hosts in brackets, or unnumbered:interface");
        PEER_ADDRESS = value("peerAddress", &["bgp_peeraddress"], "IP",
            "one more peer; IP, IPv4:port or [IPv6]:port");
        PEER_AS = value("peerAS", &["bgp_peeras"], "AS", "AS number of the --peerAddress peer").default("65000");
        PEER_PASS = secret("peerPass", &["bgp_peerpass"], "PASSWORD",
            "TCP-MD5 password of the --peerAddress peer only, 1 to 80 bytes");
        PEER_PASS_FILE = value("peerPassFile", &["bgp_peerpass_file"], "PATH",
            "file that holds the TCP-MD5 password of the --peerAddress peer; keeps it out of the process list");
        MULTIHOP = switch("multihop", &["bgp_multihop"],
            "routers stand between us and the --peerAddress peer").alias(&["multiHop"]);
        BGP_PEER_OPTIONS = list("bgpPeerOptions", &["bgp_peer_options"], "PEER;KEY=VALUE",
            "what is special about single peers: PEER;key=value;…, or * for all; community, med, local-pref, prepend, \
             ttl-security, next-hop, families, require-families, extended-next-hop, connect, description, shutdown-text, \
             graceful-shutdown, password-file, bfd, bfd-rx, bfd-tx, bfd-multiplier, bfd-strict");
        MPBGP_NEXTHOP = value("mpbgpNexthop", &["mpbgp_nexthop"], "MODE",
            "next hops as kube-vip has them: fixed, auto_sourceip or auto_sourceif; without it our own addresses");
        MPBGP_IPV4 = value("mpbgpIPv4", &["mpbgp_ipv4"], "IPV4", "next hop of IPv4 routes, in the mode fixed");
        MPBGP_IPV6 = value("mpbgpIPv6", &["mpbgp_ipv6"], "IPV6", "next hop of IPv6 routes, in the mode fixed");
        ANNOTATIONS = value("annotations", &["annotation", "annotations"], "PREFIX",
            "take local AS, source and peers from this node's annotations PREFIX/node-asn, PREFIX/peer-ip and so on");
        SOURCE_IP = value("sourceIP", &["bgp_sourceip", "bgp_source_ip"], "IP",
            "local address of the sessions, for the peers of its family").alias(&["sourceip"]);
        SOURCE_IF = value("sourceIF", &["bgp_sourceif", "bgp_source_if"], "NAME",
            "interface the sessions are bound to; not together with --sourceIP").alias(&["sourceif"]);
        LISTEN_PORT = value("bgpListenPort", &["bgp_listen_port"], "PORT",
            "port at which peers may dial us that are set to (connect=passive or both)").default("179");
        HOLD_TIME = value("bgpHoldTimer", &["bgp_hold_time"], "SECONDS",
            "hold time we offer: 0, or 3 to 65535").default("30");
        KEEPALIVE = value("bgpKeepAliveInterval", &["bgp_keepalive_interval"], "SECONDS",
            "keepalive interval; unless given never more than a third of the hold time").default("10");
        STANDBY = switch("bgpStandby", &["bgp_standby"],
            "nodes that do not hold the lease announce too, worse than the holder: routers turn to them when it is gone");
        AS_PATH_FENCE = value("bgpASPathFence", &["bgp_as_path_fence"], "STEP",
            "each holder's AS path is so much shorter than the last one's, for routers that do not compare MED: 1 to 10 \
             prepends (3 for a leaf-spine fabric), or off; on by itself behind a holder in another AS").default("off");
    }
    Election {
        LEADER_ELECTION = switch("leaderElection", &["vip_leaderelection"],
            "only the holder of a Kubernetes lease announces; without it every node does (anycast)");
        LEASE_NAME = value("leaseName", &["vip_leasename"], "[NAMESPACE/]NAME", "the Lease object")
            .default("plndr-cp-lock");
        NAMESPACE = value("namespace", &["cp_namespace"], "NAME",
            "namespace of the lease; in a pod with a service account its namespace counts instead, as in kube-vip")
            .default("kube-system").short('n');
        LEASE_DURATION = value("leaseDuration", &["vip_leaseduration"], "SECONDS",
            "how long others wait since they last saw the lease change").default("5");
        RENEW_DEADLINE = value("leaseRenewDuration", &["vip_renewdeadline"], "SECONDS",
            "how long a holder announces after its last renewal; shorter than the lease").default("3");
        RETRY_PERIOD = value("leaseRetry", &["vip_retryperiod"], "SECONDS",
            "time between attempts; 1.2 times it is shorter than the renew deadline").default("1");
    }
    Health {
        HEALTH_ADDRESS = value("controlPlaneHealthCheckAddress", &["control_plane_health_check_address"], "URL",
            "what is asked whether this node is fit to serve; without it /readyz of its own API server; off: nothing is");
        HEALTH_PERIOD = value("controlPlaneHealthCheckPeriodSeconds", &["control_plane_health_check_period_seconds"],
            "SECONDS", "from one check to the next; 1, or 5 where an address is given");
        HEALTH_TIMEOUT = value("controlPlaneHealthCheckTimeoutSeconds", &["control_plane_health_check_timeout_seconds"],
            "SECONDS", "how long one check may take, at most the period; 1, or 3 where an address is given");
        HEALTH_FAILURES = value("controlPlaneHealthCheckFailureThreshold",
            &["control_plane_health_check_failure_threshold"], "CHECKS",
            "so many failed checks in a row make unfit, a refused connection at once; 3");
        HEALTH_CA = value("controlPlaneHealthCheckCAPath", &["control_plane_health_check_ca_path"], "PATH",
            "authority of the certificate; without it the kubeconfig's or the service account's, and the system's where \
             an address is given");
        HEALTH_SERVER_NAME = value("controlPlaneHealthCheckServerName", &["control_plane_health_check_server_name"],
            "NAME", "name in the certificate; without it kubernetes, or the host of the address where one is given");
        HEALTH_FAIL_OPEN = switch("controlPlaneHealthCheckFailOpen", &["control_plane_health_check_fail_open"],
            "without election: an unfit node announces too, by routes that are worse than any fit one's");
    }
    Node {
        NODE_NAME = value("nodeName", &["vip_nodename"], "NAME",
            "this node's identity in the lease; without it the host name, in lower case");
        KUBECONFIG = value("k8sConfigPath", &["k8s_config_file"], "PATH",
            "kubeconfig file; where it is absent the pod's service account is used")
            .default("/etc/kubernetes/admin.conf");
        CONFIG_FILE = value("config-file", &["config_file"], "PATH",
            "configuration file, YAML or JSON, in kube-vip's form or our own").alias(&["config"]).short('c');
        CONTROL_SOCKET = value("controlSocket", &["control_socket"], "PATH",
            "unix socket at which `vipcast status`, `drain` and `undrain` ask; off: none")
            .default("/run/vipcast/vipcast.sock");
        DRAIN_ON_CORDON = switch("drainOnCordon", &["drain_on_cordon"],
            "drain while this node is cordoned; needs to get nodes from the API");
    }
    Metal {
        METAL = switch("metal", &["vip_packet"],
            "ask Equinix Metal's API: with --bgp for this node's BGP neighbours, else to point the virtual IPs at the holder \
             (Elastic IP)").alias(&["packet"]);
        METAL_KEY = secret("metalKey", &["metal_key"], "TOKEN",
            "the API's token; else --metalKeyFile, else --provider-config, else --metalAuthToken").alias(&["packetKey"]);
        METAL_KEY_FILE = value("metalKeyFile", &["metal_key_file"], "PATH",
            "file that holds the token; keeps it out of the process list");
        METAL_AUTH_TOKEN = secret("metalAuthToken", &["PACKET_AUTH_TOKEN"], "TOKEN",
            "the token where nothing else says it: the variable is that of the vendor's own programs");
        METAL_PROJECT = value("metalProject", &["vip_packetproject"], "NAME",
            "name of the project, where its ID is not given").alias(&["packetProject"]);
        METAL_PROJECT_ID = value("metalProjectID", &["vip_packetprojectid"], "UUID",
            "ID of the project; else the one in --provider-config").alias(&["metalrojectID", "packetProjectID"]);
        PROVIDER_CONFIG = value("provider-config", &["provider_config"], "PATH",
            "JSON file with apiKey and projectId, as the vendor's cloud controller manager reads it");
        METAL_DEVICE = value("metalDevice", &["metal_device"], "NAME|UUID",
            "this node's device at the API; without it the one with this node's or this host's name");
        METAL_API = value("metalAPI", &["metal_api"], "URL", "base of the API's URLs, https only")
            .default("https://api.equinix.com/metal/v1");
        METAL_CA = value("metalCA", &["metal_ca"], "PATH",
            "one more authority that may sign the API's certificate, as a proxy has it; those of the web are built in");
    }
    Log {
        LOG = value("log", &["vip_loglevel"], "LEVEL",
            "lowest level that is logged: -4 debug, 0 info, 4 warn, 8 error").default("0");
        LOG_FORMAT = value("logFormat", &["log_format"], "FORMAT", "form of the log lines: text or json")
            .default("text");
    }
    NotBuilt {
        ARP = switch("arp", &["vip_arp"], "announce by ARP and NDP");
        TABLE = switch("table", &["vip_routingtable"], "announce by a routing table");
        WIREGUARD = switch("wireguard", &["vip_wireguard"], "announce through WireGuard");
        SERVICES = switch("services", &["svc_enable"], "look after Services of type LoadBalancer");
    }
}
