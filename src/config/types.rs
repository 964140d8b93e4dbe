//! What a valid configuration is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::{HealthConfig, Learned, MetalConfig, ProviderConfig};
use crate::vip::{Attributes, Vip};

/// Everything the daemon needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's name: the identity in the lease, lower case.
    pub node_name: String,
    /// The virtual IPs of the control plane; at least one.
    pub vips: Vec<Vip>,
    /// What some of them are announced with.
    pub vip_attributes: BTreeMap<Vip, Attributes>,
    /// The interface the VIPs are bound to; `None`: the one of the default route, else `lo`.
    pub interface: Option<String>,
    /// The API server's port behind the VIP, and on 127.0.0.1.
    pub api_port: u16,
    /// The BGP speaker.
    pub bgp: BgpConfig,
    /// Who says the peers while running; `None`: the words.
    pub provider: Option<ProviderConfig>,
    /// Whose API points the virtual IPs at the holder of the lease, in place of BGP; then there are no peers, and always an
    /// election.
    pub eip: Option<MetalConfig>,
    /// Whether something of it hangs on this node's labels.
    pub depends_on_labels: bool,
    /// The election; `None`: every node announces.
    pub election: Option<LeaseConfig>,
    /// The check of what is behind the VIPs; `None`: none is made.
    pub health: Option<HealthConfig>,
    /// The kubeconfig file; where it is absent the service account's is used.
    pub kubeconfig: PathBuf,
    /// The control socket's absolute path; `None`: there is none.
    pub control_socket: Option<PathBuf>,
    /// The port at which `/healthz` answers, on all addresses; `None`: none.
    pub health_port: Option<u16>,
    /// Whether this node is drained while it is cordoned.
    pub drain_on_cordon: bool,
    /// What is logged, and how.
    pub log: LogConfig,
}

impl Config {
    /// Whether something is learned while running: this node's Node object or a cloud's API is followed.
    #[must_use]
    pub const fn is_learned(&self) -> bool {
        self.provider.is_some() || self.depends_on_labels
    }

    /// Whether what it was made with is all that it waits for.
    #[must_use]
    pub const fn is_complete(&self, learned: &Learned) -> bool {
        (self.provider.is_none() || learned.provided.is_some())
            && (!self.depends_on_labels || learned.node_labels.is_some())
    }
}

/// Our side of every BGP session.
#[derive(Clone, Debug)]
pub struct BgpConfig {
    /// Our AS number, never 0.
    pub local_as: u32,
    /// Our BGP Identifier; `None`: derived from the node's addresses at start.
    pub router_id: Option<Ipv4Addr>,
    /// The interface whose IPv4 address is our BGP Identifier unless that is given.
    pub router_interface: Option<String>,
    /// The hold time we offer: zero, or 3 s and more (RFC 4271 §4.2). Whole seconds.
    pub hold_time: Duration,
    /// The longest time between our KEEPALIVEs; the negotiated hold time / 3 where that is shorter.
    pub keepalive: Duration,
    /// The port at which peers may dial us; bound only where one of them is to. Never 0.
    pub listen_port: u16,
    /// Whether a node that does not hold the lease announces too, as the routers' last choice.
    pub standby: bool,
    /// By how many prepends each holder's AS path is shorter than the one's before it, 1 to 10; `None`: by none, unless
    /// their ASes differ.
    pub as_path_fence: Option<u8>,
    /// The peers; at least one, unless a provider has not said them yet.
    pub peers: Vec<PeerConfig>,
}

/// One peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Where it is.
    pub host: PeerHost,
    /// Its TCP port, 179 unless said.
    pub port: u16,
    /// Its AS number, never 0; equal to ours means iBGP. `None`: any but ours.
    pub asn: Option<u32>,
    /// What the operator calls it.
    pub description: Option<String>,
    /// The TCP-MD5 key (RFC 2385), 1 to 80 bytes.
    pub password: Option<SecretString>,
    /// The file the password is from: when its content changes, so does the password.
    pub password_file: Option<PathBuf>,
    /// How far away it is.
    pub hops: Hops,
    /// Who makes the connection.
    pub connect: Connect,
    /// Where our end of the connection is bound.
    pub source: Source,
    /// Whether IPv4 routes are offered.
    pub ipv4: bool,
    /// Whether IPv6 routes are offered.
    pub ipv6: bool,
    /// Whether a peer that does not carry all of them is refused (RFC 5492 §5).
    pub require_families: bool,
    /// Whether IPv4 routes may have an IPv6 next hop (RFC 8950).
    pub extended_next_hop: bool,
    /// The next hop of IPv4 routes; `None`: our end of the session, or the address beside it.
    pub next_hop_v4: Option<Ipv4Addr>,
    /// The next hop of IPv6 routes, as above.
    pub next_hop_v6: Option<Ipv6Addr>,
    /// What its routes carry besides.
    pub attributes: Attributes,
    /// Detection of a dead path; `None`: the hold time alone.
    pub bfd: Option<BfdConfig>,
    /// What its operator reads when we leave (RFC 9003); `None`: a text of ours.
    pub shutdown_text: Option<String>,
    /// How long routes carry the community GRACEFUL_SHUTDOWN (RFC 8326) before they are withdrawn when we leave.
    pub graceful_shutdown: Option<Duration>,
}

impl PeerConfig {
    /// What messages call it: where it is, and its port.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A peer that we dial, with nothing special about it. A session with an unnumbered one runs over IPv6, so its IPv4
    /// routes have an IPv6 next hop.
    #[must_use]
    pub fn new(host: PeerHost, port: u16, asn: Option<u32>) -> Self {
        let extended_next_hop = matches!(host, PeerHost::Interface(_));
        Self {
            host,
            port,
            asn,
            description: None,
            password: None,
            password_file: None,
            hops: Hops::Default,
            connect: Connect::Active,
            source: Source::Any,
            ipv4: true,
            ipv6: true,
            require_families: false,
            extended_next_hop,
            next_hop_v4: None,
            next_hop_v6: None,
            attributes: Attributes::default(),
            bfd: None,
            shutdown_text: None,
            graceful_shutdown: None,
        }
    }
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerHost {
    /// At this address.
    Address(IpAddr),
    /// Unnumbered: the router found on this interface.
    Interface(String),
}

impl PeerHost {
    /// Its address, if it has one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Interface(_) => None,
        }
    }
}

/// As in front of a port: IPv6 in brackets.
impl fmt::Display for PeerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Interface(name) => f.write_str(name),
        }
    }
}

/// How far away a peer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hops {
    /// On the same network, or in our own AS.
    #[default]
    Default,
    /// Routers stand between us and an eBGP peer.
    Multihop,
    /// GTSM (RFC 5082): at most so many hops, 1 is the same network.
    Security(u8),
}

/// Who makes the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connect {
    /// We dial.
    #[default]
    Active,
    /// The peer dials.
    Passive,
    /// Either.
    Both,
}

/// BFD with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdConfig {
    /// The shortest interval of packets we send, once Up: 10 ms to 1 s.
    pub tx: Duration,
    /// The shortest interval of packets we take: 10 ms to 1 s.
    pub rx: Duration,
    /// After so many of our intervals without a packet of ours the peer gives us up: 3 to 255.
    pub multiplier: u8,
    /// Whether there is no BGP session before BFD is Up.
    pub strict: bool,
}

impl Default for BfdConfig {
    /// As kube-vip documents it: 300 ms, three times.
    fn default() -> Self {
        let interval = Duration::from_millis(300);
        Self { tx: interval, rx: interval, multiplier: 3, strict: false }
    }
}

/// The local end of a BGP connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The kernel chooses (never a VIP).
    #[default]
    Any,
    /// This local address.
    Address(IpAddr),
    /// This interface (SO_BINDTODEVICE).
    Interface(String),
}

/// The lease that decides who announces. Checked: `duration` > `renew_deadline` > 1.2 × `retry_period`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseConfig {
    /// The Lease object's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// How long others wait since they last saw the record change. Whole seconds.
    pub duration: Duration,
    /// How long a holder speaks after the last successful renewal was sent.
    pub renew_deadline: Duration,
    /// The time between attempts.
    pub retry_period: Duration,
}

impl LeaseConfig {
    /// The longest time one attempt may take: so short that between a renewal that falls due and the renew deadline
    /// three API servers can be asked, the first two of which are silent. Never more than a retry period.
    #[must_use]
    pub fn attempt_limit(&self) -> Duration {
        const SERVERS: u32 = 3;
        const SHORTEST: Duration = Duration::from_millis(300);
        let slack = self.renew_deadline.saturating_sub(self.retry_period);
        (slack / SERVERS).max(SHORTEST).min(self.retry_period)
    }
}

/// Logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The lowest level that is written.
    pub level: LogLevel,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Levels, by kube-vip's numbers: -4 debug, 0 info, 4 warn, 8 error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Every message on the wire.
    Debug,
    /// State changes.
    Info,
    /// What needs attention.
    Warn,
    /// What failed.
    Error,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
