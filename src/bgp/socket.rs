//! The socket of a session, from nothing to a connection under way.
//!
//! Every option is set before the SYN goes out, and any that fails ends the attempt: a session without its key, its
//! TTL or its source would be another session than the one asked for.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use ipnetwork::IpNetwork;
use secrecy::{ExposeSecret, SecretString};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use super::error::Error;
use super::settings::{LocalEnd, PeerKey};
use super::sockopt::{self, LocalAddress};

/// Internet control, CS6: what routers give BGP.
pub(super) const TRAFFIC_CLASS: u32 = 0xc0;

/// TCP keepalive (RFC 9293 §3.8.4): after this silence the peer's kernel is asked whether it is there, and again at the
/// interval. Nothing else asks with hold time 0, or while the peer's OPEN is awaited. How long it may stay silent is
/// what [`set_user_timeout`] says: with that set, Linux counts the time instead of the probes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5));

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Target {
    /// The peer.
    pub peer: SocketAddr,
    /// The TCP-MD5 key.
    pub password: Option<SecretString>,
    /// TTL or hop limit of what we send.
    pub ttl: u8,
    /// The lowest with which anything may arrive (GTSM, RFC 5082).
    pub lowest_ttl: Option<u8>,
    /// Our end.
    pub source: LocalEnd,
}

impl Target {
    /// A connection under way: writable once it is made or has failed. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The step that failed.
    pub fn connect(&self, is_vip: &dyn Fn(IpAddr) -> bool) -> Result<TcpStream, Error> {
        let socket = self.socket()?;
        if let LocalEnd::Interface(name) = &self.source {
            socket.bind_device(Some(name.as_bytes())).map_err(|e| self.failed("bind to the source interface", e))?;
        }
        if let Some(source) = self.source_address(is_vip)? {
            socket
                .bind(&SocketAddr::new(source, 0).into())
                .map_err(|e| self.failed("bind to the source address", e))?;
        }
        match socket.connect(&self.remote()?) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(e) => return Err(self.failed("connect", e)),
        }
        TcpStream::from_std(socket.into()).map_err(|e| self.failed("register the socket", e))
    }

    /// The two ends that a connection made now would have; their ports mean nothing.
    ///
    /// # Errors
    /// The step that failed.
    pub fn ends(&self, is_vip: &dyn Fn(IpAddr) -> bool) -> Result<(SocketAddr, SocketAddr), Error> {
        let local = match self.source_address(is_vip)? {
            Some(address) => address,
            None => self.route_from(None).map_err(|e| self.failed("find a route", e))?,
        };
        let remote = self.remote()?.as_socket().unwrap_or(self.peer);
        let local = match (local, remote) {
            (IpAddr::V6(v6), SocketAddr::V6(remote)) => SocketAddrV6::new(v6, 0, 0, remote.scope_id()).into(),
            (local, _) => SocketAddr::new(local, 0),
        };
        Ok((local, remote))
    }

    /// Checks that the kernel takes the key of this peer, if there is one (fail closed).
    ///
    /// # Errors
    /// When it does not.
    pub fn probe(&self) -> Result<(), Error> {
        if self.password.is_some() { self.socket().map(|_| ()) } else { Ok(()) }
    }

    /// Whether the peer is on no network of this node, while our packets get past no router (TTL 1), or its must not.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        (self.ttl == 1 || self.lowest_ttl == Some(u8::MAX)) && is_on_our_link(self.peer.ip()).is_ok_and(|is| !is)
    }

    /// Gives a connection that the peer made the options of one that we make. Its key, if there is one, it has from
    /// the socket that listened.
    ///
    /// # Errors
    /// The step that failed.
    pub fn adopt(&self, stream: &TcpStream) -> Result<(), Error> {
        let socket = SockRef::from(stream);
        self.set_options(&socket)
    }

    /// A socket of the peer's family with all its options, bound to nothing.
    fn socket(&self) -> Result<Socket, Error> {
        let domain = Domain::for_address(self.peer);
        let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))
            .map_err(|e| self.failed("open a socket", e))?;
        if self.peer.is_ipv6() {
            // A v4-mapped peer would slip past the key, which is set for the pure address.
            socket.set_only_v6(true).map_err(|e| self.failed("set IPv6 only", e))?;
        }
        self.set_options(&socket)?;
        if let Some(password) = &self.password {
            let (peer, length) = (PeerKey::from(self.peer), password.expose_secret().len());
            if !(1..=sockopt::LONGEST_KEY).contains(&length) {
                return Err(Error::PasswordLength { peer, length });
            }
            sockopt::set_md5_key(&socket, self.peer.ip(), password)
                .map_err(|source| Error::Md5Refused { peer, source })?;
        }
        Ok(socket)
    }

    fn set_options(&self, socket: &Socket) -> Result<(), Error> {
        self.set_hops(socket).map_err(|e| self.failed("set the TTL", e))?;
        if let Some(lowest) = self.lowest_ttl {
            sockopt::set_lowest_ttl(socket, self.peer.ip(), lowest)
                .map_err(|source| Error::TtlRefused { peer: self.peer.into(), source })?;
        }
        let keepalive = socket.set_tcp_keepalive(&KEEPALIVE);
        keepalive.and_then(|()| socket.set_tcp_nodelay(true)).map_err(|e| self.failed("set TCP options", e))
    }

    fn set_hops(&self, socket: &Socket) -> io::Result<()> {
        match self.peer {
            SocketAddr::V4(_) => {
                socket.set_ttl_v4(self.ttl.into())?;
                socket.set_tos_v4(TRAFFIC_CLASS)
            }
            SocketAddr::V6(_) => {
                socket.set_unicast_hops_v6(self.ttl.into())?;
                socket.set_tclass_v6(TRAFFIC_CLASS)
            }
        }
    }

    /// The peer's address; a link-local one needs the interface.
    fn remote(&self) -> Result<SockAddr, Error> {
        let (SocketAddr::V6(v6), LocalEnd::Interface(name)) = (self.peer, &self.source) else {
            return Ok(self.peer.into());
        };
        let index = interface_index(name).map_err(|e| self.failed("find the source interface", e))?;
        let scope = if v6.ip().is_unicast_link_local() { index } else { 0 };
        Ok(SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope).into())
    }

    /// The address to bind to; `None` leaves it to the kernel, which then takes no VIP.
    fn source_address(&self, is_vip: &dyn Fn(IpAddr) -> bool) -> Result<Option<IpAddr>, Error> {
        let peer = self.peer.ip();
        if let LocalEnd::Address(address) = self.source {
            return if is_vip(address) {
                Err(Error::SourceIsVip { peer: self.peer.into(), address })
            } else {
                Ok(Some(address))
            };
        }
        let vip = match self.route_from(None) {
            Ok(address) if is_vip(address) => address,
            Ok(_) => return Ok(None),
            Err(e) => return Err(self.failed("find a route", e)),
        };
        let addresses = sockopt::local_addresses().map_err(|e| self.failed("list the addresses of this node", e))?;
        let mut others: Vec<_> = addresses.into_iter().filter(|local| self.may_use(local, is_vip)).collect();
        // On the peer's own subnet first, where the peer needs no route to our next hop; those of `lo` last.
        others.sort_by_key(|local| (!is_on_link(local, peer), local.interface == "lo"));
        let reaches = |local: &LocalAddress| self.route_from(Some(local.address)).is_ok();
        match others.iter().find(|local| reaches(local)) {
            Some(local) => Ok(Some(local.address)),
            None => Err(Error::NoSource { peer: self.peer.into(), vip }),
        }
    }

    fn may_use(&self, local: &LocalAddress, is_vip: &dyn Fn(IpAddr) -> bool) -> bool {
        let scope = match local.address {
            IpAddr::V4(v4) => !v4.is_loopback(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        };
        let on_interface = match &self.source {
            LocalEnd::Interface(name) => *name == local.interface,
            LocalEnd::Any | LocalEnd::Address(_) => true,
        };
        scope && on_interface && local.address.is_ipv4() == self.peer.is_ipv4() && !is_vip(local.address)
    }

    /// The source the kernel takes towards the peer, from `source` if given. Connecting a UDP socket sends nothing.
    fn route_from(&self, source: Option<IpAddr>) -> io::Result<IpAddr> {
        let udp = Socket::new(Domain::for_address(self.peer), Type::DGRAM.cloexec(), Some(Protocol::UDP))?;
        if let LocalEnd::Interface(name) = &self.source {
            udp.bind_device(Some(name.as_bytes()))?;
        }
        if let Some(source) = source {
            udp.bind(&SocketAddr::new(source, 0).into())?;
        }
        udp.connect(&self.remote().map_err(io::Error::other)?)?;
        let local = udp.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an IP socket"))?;
        Ok(local.ip())
    }

    fn failed(&self, step: &'static str, source: io::Error) -> Error {
        Error::Socket { peer: self.peer.into(), step, source }
    }
}

/// Whether an address is on a network of this node.
///
/// # Errors
/// When the kernel does not list its addresses.
pub fn is_on_our_link(address: IpAddr) -> io::Result<bool> {
    Ok(sockopt::local_addresses()?.iter().any(|local| is_on_link(local, address)))
}

fn is_on_link(local: &LocalAddress, peer: IpAddr) -> bool {
    IpNetwork::with_netmask(local.address, local.netmask).is_ok_and(|network| network.contains(peer))
}

/// The address of the other family than `local`'s that is to be the next hop of a session from `local`: on the same
/// interface, so that it is on the network the peer knows us by, and no other one of this host (a container bridge,
/// say). The first that the kernel lists is its primary one. `may_be`: whether an address may be a next hop at all.
pub(super) fn other_family_hop(
    addresses: &[LocalAddress],
    local: IpAddr,
    may_be: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let is_owner = |name: &str| addresses.iter().any(|own| own.address == local && own.interface == name);
    let others = addresses.iter().filter(|other| other.address.is_ipv4() != local.is_ipv4());
    let hops = others.filter(|other| is_owner(&other.interface)).map(|other| other.address);
    hops.filter(|hop| !is_link_local(*hop)).find(|hop| may_be(*hop))
}

/// Our link-local address on the interface of a session from `local`, if that is one over IPv6 and `peer` is on the
/// same link; of several the first that the kernel lists.
pub(super) fn link_local_hop(addresses: &[LocalAddress], local: IpAddr, peer: IpAddr) -> Option<Ipv6Addr> {
    let IpAddr::V6(own) = local else { return None };
    if own.is_unicast_link_local() {
        return Some(own);
    }
    let link = addresses.iter().find(|entry| entry.address == local && is_on_link(entry, peer))?;
    addresses.iter().filter(|other| other.interface == link.interface).find_map(|other| match other.address {
        IpAddr::V6(v6) => Some(v6).filter(Ipv6Addr::is_unicast_link_local),
        IpAddr::V4(_) => None,
    })
}

pub(super) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The index of an interface.
pub(super) fn interface_index(name: &str) -> io::Result<u32> {
    let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    Ok(rustix::net::netdevice::name_to_index(&udp, name)?)
}

/// Sets how long the peer may leave bytes unacknowledged before the kernel gives the connection up. Only for one that
/// is made: Linux takes the time for that of the SYN too, and a silent peer would end as an error of the kernel's
/// instead of our own limit, after which the MD5 counters are asked.
///
/// # Errors
/// What the kernel answers.
pub fn set_user_timeout(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
}

#[cfg(test)]
mod tests;
