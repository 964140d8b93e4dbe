//! What a valid configuration is made of.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::vip::Vip;

/// Everything the daemon needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's name: the identity in the lease, lower case.
    pub node_name: String,
    /// The virtual IPs of the control plane; at least one.
    pub vips: Vec<Vip>,
    /// The interface the VIPs are bound to; `None`: the one of the default route, else `lo`.
    pub interface: Option<String>,
    /// The API server's port behind the VIP, and on 127.0.0.1.
    pub api_port: u16,
    /// The BGP speaker.
    pub bgp: BgpConfig,
    /// The election; `None`: every node announces.
    pub election: Option<LeaseConfig>,
    /// The kubeconfig file; where it is absent the service account's is used.
    pub kubeconfig: PathBuf,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// Our side of every BGP session.
#[derive(Clone, Debug)]
pub struct BgpConfig {
    /// Our AS number, never 0.
    pub local_as: u32,
    /// Our BGP Identifier; `None`: derived from the node's addresses at start.
    pub router_id: Option<Ipv4Addr>,
    /// The hold time we offer: zero, or 3 s and more (RFC 4271 §4.2). Whole seconds.
    pub hold_time: Duration,
    /// The longest time between our KEEPALIVEs; the negotiated hold time / 3 where that is shorter.
    pub keepalive: Duration,
    /// The peers; at least one.
    pub peers: Vec<PeerConfig>,
}

/// One peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its address.
    pub address: IpAddr,
    /// Its TCP port, 179 unless said.
    pub port: u16,
    /// Its AS number, never 0; equal to ours means iBGP.
    pub asn: u32,
    /// The TCP-MD5 key (RFC 2385), 1 to 80 bytes.
    pub password: Option<SecretString>,
    /// Whether routers stand between us and an eBGP peer; otherwise TTL 1.
    pub multihop: bool,
    /// Where our end of the connection is bound.
    pub source: Source,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
