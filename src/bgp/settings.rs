//! What the speaker is told about itself and each peer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::wire::bgp::{Communities, Family};

/// What the speaker must know.
#[derive(Clone, Debug)]
pub struct SpeakerConfig {
    /// Our AS.
    pub local_as: u32,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// The hold time we propose: 0, or 3 s and more, in whole seconds.
    pub hold_time: Duration,
    /// The longest interval of KEEPALIVEs.
    pub keepalive: Duration,
    /// The port at which peers may dial us; 0: any that is free.
    pub listen_port: u16,
    /// Whom to talk to.
    pub peers: Vec<PeerSettings>,
}

/// The passwords that changed since the start, by peer.
pub type Passwords = BTreeMap<PeerKey, SecretString>;

/// One peer.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Where it is.
    pub host: PeerHost,
    /// Its port.
    pub port: u16,
    /// Its AS; `None`: any but ours.
    pub asn: Option<u32>,
    /// What the operator calls it, for logs and status.
    pub description: Option<String>,
    /// The TCP-MD5 key at first, 1 to 80 bytes.
    pub password: Option<SecretString>,
    /// How far away it is.
    pub hops: Hops,
    /// Who dials.
    pub connect: Connect,
    /// Our end of the connection.
    pub source: LocalEnd,
    /// Addresses that are never our end nor a next hop: the VIPs. Those announced are avoided anyway.
    pub avoid_source: Vec<IpAddr>,
    /// The families we offer.
    pub families: BTreeSet<Family>,
    /// Whether a peer that does not carry all of them is refused (RFC 5492 §5).
    pub require_families: bool,
    /// Whether we offer IPv4 routes with an IPv6 next hop (RFC 8950).
    pub extended_next_hop: bool,
    /// The next hop of IPv4 routes.
    pub next_hop_v4: NextHop<Ipv4Addr>,
    /// The next hop of IPv6 routes.
    pub next_hop_v6: NextHop<Ipv6Addr>,
    /// What its routes carry besides; what a VIP says itself counts before this.
    pub attributes: Attributes,
    /// Detection of a dead path (RFC 5880); `None`: the hold time alone.
    pub bfd: Option<BfdSettings>,
    /// What the peer's operator reads when we leave (RFC 9003); `None`: the text of the order to stop.
    pub shutdown_text: Option<String>,
    /// How long routes carry the community GRACEFUL_SHUTDOWN (RFC 8326) before they are withdrawn when we leave.
    pub graceful_shutdown: Option<Duration>,
    /// Whether a loopback address may be a next hop: only where the peer is on this host, as in tests.
    pub loopback_next_hop: bool,
}

impl PeerSettings {
    /// A peer that we dial, with nothing special about it.
    #[must_use]
    pub fn new(host: PeerHost, port: u16, asn: Option<u32>) -> Self {
        Self {
            host,
            port,
            asn,
            description: None,
            password: None,
            hops: Hops::Default,
            connect: Connect::Active,
            source: LocalEnd::Any,
            avoid_source: Vec::new(),
            families: [Family::Ipv4Unicast, Family::Ipv6Unicast].into(),
            require_families: false,
            extended_next_hop: false,
            next_hop_v4: NextHop::Own,
            next_hop_v6: NextHop::Own,
            attributes: Attributes::default(),
            bfd: None,
            shutdown_text: None,
            graceful_shutdown: None,
            loopback_next_hop: false,
        }
    }

    /// Whether a session made with these would be the same one: all but what is taken up as it goes. Passwords are, from
    /// one to another.
    pub(super) fn makes_same_session_as(&self, other: &Self) -> bool {
        let parts = |peer: &Self| {
            let Self {
                host,
                port,
                asn,
                description: _,
                password,
                hops,
                connect,
                source,
                avoid_source: _,
                families,
                require_families,
                extended_next_hop,
                next_hop_v4,
                next_hop_v6,
                attributes: _,
                bfd,
                shutdown_text: _,
                graceful_shutdown: _,
                loopback_next_hop,
            } = peer.clone();
            let ends = (host, port, source, connect, hops, password.is_some());
            let open = (asn, families, require_families, extended_next_hop);
            (ends, open, (next_hop_v4, next_hop_v6, loopback_next_hop), bfd)
        };
        parts(self) == parts(other)
    }

    /// Whether what is taken up as a session goes is the same; which addresses it must not use shows nowhere.
    pub(super) fn goes_on_as(&self, other: &Self) -> bool {
        let parts = |peer: &Self| {
            let Self { description, attributes, shutdown_text, graceful_shutdown, .. } = peer.clone();
            (description, attributes, shutdown_text, graceful_shutdown)
        };
        let password = |peer: &Self| peer.password.as_ref().map(|password| password.expose_secret().to_owned());
        parts(self) == parts(other) && password(self) == password(other)
    }

    /// What names this peer.
    #[must_use]
    pub fn key(&self) -> PeerKey {
        PeerKey { host: self.host.clone(), port: self.port }
    }

    /// What the operator calls it, as a field of log lines.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerHost {
    /// At this address.
    Address(IpAddr),
    /// Unnumbered: the router that is found on this interface, by its link-local address.
    Interface(String),
}

impl PeerHost {
    /// The interface of an unnumbered one.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Address(_) => None,
            Self::Interface(name) => Some(name),
        }
    }
}

/// What names a peer: where it is, and its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    /// Where it is.
    pub host: PeerHost,
    /// Its port.
    pub port: u16,
}

impl From<SocketAddr> for PeerKey {
    fn from(address: SocketAddr) -> Self {
        Self { host: PeerHost::Address(address.ip()), port: address.port() }
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            PeerHost::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            PeerHost::Interface(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// How far away a peer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hops {
    /// TTL 1 to other ASes (RFC 4271 §5.1.3), 64 within our own.
    #[default]
    Default,
    /// Routers stand between: our packets have this TTL or hop limit.
    Multihop(u8),
    /// GTSM (RFC 5082): at most so many hops, 1 is the same network. We send 255, and what arrives with less than
    /// 256 - hops is dropped.
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
    /// Either; of two connections one stays (RFC 4271 §6.8).
    Both,
}

/// The local end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LocalEnd {
    /// Whatever the kernel takes, but never a VIP.
    #[default]
    Any,
    /// This address.
    Address(IpAddr),
    /// This interface.
    Interface(String),
}

/// The next hop of routes of one family; `A` is its address type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHop<A> {
    /// Our end of the session, or the address of that family beside it.
    #[default]
    Own,
    /// This one, whatever the session runs over.
    Fixed(A),
}

/// Path attributes that an operator sets, for a peer or for a route. None of them owns memory while it is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Sent besides those of the other.
    pub communities: Communities,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, to iBGP peers only.
    pub local_pref: Option<u32>,
    /// How often our AS stands in the AS path besides once; `None` is not at all. Not to iBGP peers.
    pub prepend: Option<u8>,
}

impl Attributes {
    /// The communities of both, and of the rest what this one says before what `other` does.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self {
            communities: self.communities.union(&other.communities),
            med: self.med.or(other.med),
            local_pref: self.local_pref.or(other.local_pref),
            prepend: self.prepend.or(other.prepend),
        }
    }
}

/// Bidirectional Forwarding Detection with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdSettings {
    /// The shortest interval of packets we send, once Up: 10 ms to 1 s.
    pub tx: Duration,
    /// The shortest interval of packets we take: 10 ms to 1 s.
    pub rx: Duration,
    /// After so many of our intervals without a packet of ours the peer gives us up: 3 to 255.
    pub multiplier: u8,
    /// Whether there is no BGP session before BFD is Up.
    pub strict: bool,
}
