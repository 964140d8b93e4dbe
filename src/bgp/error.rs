//! What can go wrong with the speaker's own set-up and sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::settings::PeerKey;

/// An error of the speaker; the text fits after "failed to start the BGP speaker: " or "failed to reach the peer: ".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A hold time BGP cannot express.
    #[error("hold time {0} s is not possible: it must be 0, or 3 to 65535 whole seconds")]
    HoldTime(u64),
    /// The same peer twice.
    #[error("peer {0} is configured twice: remove one of them")]
    Duplicate(PeerKey),
    /// The router of an unnumbered peer cannot be looked for.
    #[error("{source}; it is the interface of peer {peer}")]
    Finder {
        /// Whose.
        peer: PeerKey,
        /// What is wrong.
        source: super::finder::Error,
    },
    /// The password does not fit.
    #[error("the password of peer {peer} has {length} bytes: TCP-MD5 takes 1 to 80")]
    PasswordLength {
        /// Whose.
        peer: PeerKey,
        /// In bytes.
        length: usize,
    },
    /// The kernel does not do TCP-MD5.
    #[error(
        "the kernel refuses the TCP-MD5 key for peer {peer} ({source}): it needs CONFIG_TCP_MD5SIG; without a password \
         the session would be open to anybody, so none is made"
    )]
    Md5Refused {
        /// Whose.
        peer: PeerKey,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel does not check the TTL of what arrives.
    #[error(
        "the kernel refuses ttl-security for peer {peer} ({source}): it needs IP_MINTTL, for IPv6 IPV6_MINHOPCOUNT; without it \
         packets from anywhere would be taken, so there is no session"
    )]
    TtlRefused {
        /// Whose.
        peer: PeerKey,
        /// What the kernel says.
        source: io::Error,
    },
    /// The source address asked for is a VIP.
    #[error(
        "source address {address} for peer {peer} is a VIP: it moves away with the lease; name an address of this node"
    )]
    SourceIsVip {
        /// Whose session.
        peer: PeerKey,
        /// The VIP.
        address: IpAddr,
    },
    /// Only a VIP would do as source.
    #[error(
        "no source address for peer {peer}: the kernel would take the VIP {vip}, and no other address of this node reaches \
         the peer; give the node one, or name it (sourceIP)"
    )]
    NoSource {
        /// Whose session.
        peer: PeerKey,
        /// What the kernel would take.
        vip: IpAddr,
    },
    /// A step on the way to a connection.
    #[error("{step} for peer {peer}: {source}")]
    Socket {
        /// Whose session.
        peer: PeerKey,
        /// What was tried.
        step: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// The watchdog could not be started: without it nothing is announced.
    #[error("start the watchdog thread: {0}")]
    Watchdog(io::Error),
    /// BFD could not be started.
    #[error("start the BFD thread: {0}")]
    Bfd(io::Error),
    /// No timer for a peer.
    #[error("make a timer for peer {peer}: {source}")]
    Timer {
        /// Whose.
        peer: PeerKey,
        /// What the kernel says.
        source: io::Error,
    },
    /// Nobody knows from where it would come.
    #[error(
        "peer {0} is unnumbered and may dial us, so its password cannot be set: the kernel wants its address; give the \
         address, or let us dial it"
    )]
    AwaitedUnnumbered(PeerKey),
    /// Which of them a connection belongs to cannot be known.
    #[error("peers {one} and {other} have one address, and both may dial us: let us dial at least one of them")]
    SameHost {
        /// The first of them.
        one: PeerKey,
        /// The second.
        other: PeerKey,
    },
    /// BFD knows them by the address alone.
    #[error("peers {one} and {other} have one address, and both have BFD: give it to one of them")]
    SameHostBfd {
        /// The first of them.
        one: PeerKey,
        /// The second.
        other: PeerKey,
    },
    /// Somebody else listens there.
    #[error(
        "cannot listen for peers at {at}: the address is in use, probably by another BGP program on this host; stop it, or \
         choose another port (--bgpListenPort), or let us dial all peers"
    )]
    PortInUse {
        /// Where.
        at: SocketAddr,
    },
    /// Low ports are for the privileged.
    #[error(
        "cannot listen for peers at {at}: permission denied; give this program CAP_NET_BIND_SERVICE, or choose a port from \
         1024 on (--bgpListenPort), or let us dial all peers"
    )]
    PortDenied {
        /// Where.
        at: SocketAddr,
    },
    /// A step on the way to listening.
    #[error("{step} at {at}: {source}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// What was tried.
        step: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// It cannot be changed any more.
    #[error("the speaker is ending")]
    Ending,
    /// The runtime does not take the sockets.
    #[error("accept connections: {0}")]
    Accept(io::Error),
}
