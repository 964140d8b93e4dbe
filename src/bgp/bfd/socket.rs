//! The UDP sockets of BFD: where sessions send from, and where their packets arrive.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::bgp::sockopt::datagram;

/// RFC 5881 §4.
const SINGLE_HOP: u16 = 3784;
/// RFC 5883 §5.
const MULTIHOP: u16 = 4784;
/// RFC 5881 §4: the source port, the same for all packets of a session and no other session's.
const SOURCE_PORTS: RangeInclusive<u16> = 49152..=65535;
/// How many ports are tried; each of them is taken with a probability of next to nothing.
const TRIES: u8 = 32;
/// Internet control, CS6: what routers give BFD.
const TRAFFIC_CLASS: u32 = 0xc0;
/// RFC 5881 §5, RFC 5082: what was forwarded by anybody has less.
pub(super) const FULL_TTL: u8 = u8::MAX;

/// How far away the peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// On the same link (RFC 5881): packets arrive with TTL 255.
    Single,
    /// Routers may stand between (RFC 5883): packets arrive with this TTL or more.
    Multihop(u8),
}

impl Reach {
    /// The least TTL or hop limit a packet may arrive with.
    pub(super) const fn least_ttl(self) -> u8 {
        match self {
            Self::Single => FULL_TTL,
            Self::Multihop(least) => least,
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Single => SINGLE_HOP,
            Self::Multihop(_) => MULTIHOP,
        }
    }
}

/// Between which ends a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// The index of the interface where the addresses are link-local; else 0.
    pub scope: u32,
    /// The interface, where the BGP session is tied to one.
    pub interface: Option<String>,
    /// How far away it is.
    pub reach: Reach,
}

impl Path {
    /// Where its packets arrive.
    pub(super) fn endpoint(&self) -> Endpoint {
        let (local, scope, interface) = (self.local, self.scope, self.interface.clone());
        Endpoint { local, scope, interface, port: self.reach.port() }
    }

    /// A socket that sends to the peer, from a port of its own.
    pub(super) fn sender(&self) -> io::Result<Sender> {
        let endpoint = self.endpoint();
        let socket = endpoint.open()?;
        if self.local.is_ipv4() {
            socket.set_ttl_v4(FULL_TTL.into())?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
        } else {
            socket.set_unicast_hops_v6(FULL_TTL.into())?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        }
        let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            match socket.bind(&address(self.local, rand::random_range(SOURCE_PORTS), self.scope)) {
                Ok(()) => return Ok(Sender { socket, to: address(self.remote, endpoint.port, self.scope) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }
}

/// Sends a session's packets.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    to: SockAddr,
}

impl Sender {
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_to(bytes, &self.to).map(drop)
    }
}

/// Where packets arrive. Sessions that have this in common share a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    local: IpAddr,
    scope: u32,
    interface: Option<String>,
    pub(super) port: u16,
}

impl Endpoint {
    pub(super) fn listener(&self) -> io::Result<Listener> {
        let socket = self.open()?;
        datagram::tell_hops(&socket, self.local.is_ipv4())?;
        // No SO_REUSEADDR: another BFD daemon on this port would take packets that are ours, or we its own.
        socket.bind(&address(self.local, self.port, self.scope))?;
        Ok(Listener { socket, is_ipv4: self.local.is_ipv4() })
    }

    fn open(&self) -> io::Result<Socket> {
        let domain = Domain::for_address(SocketAddr::new(self.local, 0));
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        if self.local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if let Some(name) = &self.interface {
            socket.bind_device(Some(name.as_bytes()))?;
        }
        Ok(socket)
    }
}

/// Takes packets.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    is_ipv4: bool,
}

impl Listener {
    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The next packet that has arrived.
    pub(super) fn receive(&self) -> io::Result<datagram::Datagram> {
        datagram::receive(&self.socket, self.is_ipv4)
    }
}

fn address(ip: IpAddr, port: u16, scope: u32) -> SockAddr {
    match ip {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), port).into(),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
    }
}
