//! The sockets on which peers may dial us.
//!
//! They are bound and hold the TCP-MD5 keys of all peers before they listen: a connection that comes to a listener
//! without the key is taken unsigned, and one that comes to a wrong key finds silence. Who is no peer that we wait for
//! gets a Cease, Connection Rejected (RFC 4486 §4), and nothing of it reaches a peer's machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::RecvFlags;
use secrecy::{ExposeSecret, SecretString};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::error::Error;
use super::settings::{Connect, LocalEnd, PeerHost, PeerKey, PeerSettings, SpeakerConfig};
use super::{socket, sockopt};
use crate::clock::{now, sleep_until};
use crate::wire::bgp::{Notification, Outgoing, Session, encode, error};

/// Connections of one peer that wait for its machine. It takes the last of them, and a peer that dials anew has given
/// up the former ones; there is no room for more.
const WAITING: usize = 2;

/// Connections that wait for us in the kernel.
const BACKLOG: i32 = 32;

/// The pause after an accept that failed, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

/// All sockets, bound and listening, by the address that was asked for.
type Sockets = Arc<Mutex<BTreeMap<SocketAddr, Socket>>>;

/// Where peers may dial us.
#[derive(Debug)]
pub(super) struct Listener {
    sockets: Sockets,
    doors: watch::Sender<Doors>,
    /// The task of each socket; it ends when this is dropped.
    accepting: BTreeMap<SocketAddr, JoinSet<()>>,
    addresses: watch::Sender<Vec<SocketAddr>>,
}

/// The doors of the peers that may dial us.
type Doors = BTreeMap<PeerKey, Door>;

/// Where a peer's connections go.
#[derive(Debug)]
pub(super) struct Door {
    peer: PeerKey,
    source: LocalEnd,
    queue: mpsc::Sender<TcpStream>,
}

impl Door {
    /// The door of a peer, and its inner side.
    pub(super) fn new(peer: &PeerSettings) -> (Self, mpsc::Receiver<TcpStream>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Self { peer: peer.key(), source: peer.source.clone(), queue }, waiting)
    }

    /// Whether a connection is this peer's, and came to the end it is to come to.
    fn is_for(&self, remote: SocketAddr, local: SocketAddr) -> bool {
        let from = match &self.peer.host {
            PeerHost::Address(address) => *address == remote.ip(),
            PeerHost::Interface(name) => socket::is_link_local(remote.ip()) && is_scope(remote, name),
        };
        from && match &self.source {
            LocalEnd::Any => true,
            LocalEnd::Address(address) => *address == local.ip(),
            LocalEnd::Interface(name) if socket::is_link_local(remote.ip()) => is_scope(remote, name),
            LocalEnd::Interface(name) => sockopt::local_addresses()
                .is_ok_and(|all| all.iter().any(|own| own.interface == *name && own.address == local.ip())),
        }
    }
}

fn is_scope(remote: SocketAddr, name: &str) -> bool {
    match remote {
        SocketAddr::V4(_) => false,
        SocketAddr::V6(v6) => socket::interface_index(name).is_ok_and(|index| index == v6.scope_id()),
    }
}

impl PeerSettings {
    /// Whether it may dial us.
    pub(super) const fn is_awaited(&self) -> bool {
        match self.connect {
            Connect::Active => false,
            Connect::Passive | Connect::Both => true,
        }
    }
}

impl Listener {
    /// Binds what the peers that may dial us need; nothing, where there is none.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn bind(config: &SpeakerConfig) -> Result<Self, Error> {
        let sockets: Result<BTreeMap<_, _>, Error> =
            places(config)?.into_iter().map(|(at, peers)| Ok((at, listen(at, &peers)?))).collect();
        let listener = Self {
            sockets: Arc::new(Mutex::new(sockets?)),
            doors: watch::Sender::default(),
            accepting: BTreeMap::new(),
            addresses: watch::Sender::default(),
        };
        listener.tell();
        Ok(listener)
    }

    /// Where it listens.
    pub(super) fn addresses(&self) -> watch::Receiver<Vec<SocketAddr>> {
        self.addresses.subscribe()
    }

    fn tell(&self) {
        let sockets = lock(&self.sockets);
        self.addresses
            .send_replace(sockets.values().filter_map(|socket| socket.local_addr().ok()?.as_socket()).collect());
    }

    /// The keys of the sockets, to be changed.
    pub(super) fn keys(&self) -> ListenerKeys {
        ListenerKeys(self.sockets.clone())
    }

    /// From now on a peer's connections go through this door.
    pub(super) fn open(&self, peer: PeerKey, door: Door) {
        self.doors.send_modify(|doors| {
            doors.insert(peer, door);
        });
    }

    /// From now on a peer's connections are refused.
    pub(super) fn shut(&self, peer: &PeerKey) {
        self.doors.send_modify(|doors| {
            doors.remove(peer);
        });
    }

    /// Takes connections from all sockets until this is dropped. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the runtime does not take the sockets.
    pub(super) fn accept(&mut self) -> io::Result<()> {
        for (at, socket) in &*lock(&self.sockets) {
            if self.accepting.contains_key(at) {
                continue;
            }
            let listener = TcpListener::from_std(socket.try_clone()?.into())?;
            let mut task = JoinSet::new();
            task.spawn(accept(listener, self.doors.subscribe()));
            self.accepting.insert(*at, task);
        }
        Ok(())
    }

    /// Listens where the peers of another configuration are to dial us, and no more where only former ones were; keys
    /// come and go with the peers. Connections that were accepted are not touched. `before` has the passwords of now.
    ///
    /// # Errors
    /// The first thing that is wrong: it listens where it did, with the keys that were there.
    pub(super) async fn reshape(&mut self, before: &SpeakerConfig, after: &SpeakerConfig) -> Result<(), Error> {
        let (former, wanted) = (places(before)?, places(after)?);
        let new: Vec<SocketAddr> = wanted.keys().filter(|at| !former.contains_key(at)).copied().collect();
        let gone: Vec<SocketAddr> = former.keys().filter(|at| !wanted.contains_key(at)).copied().collect();
        // One address and all of them cannot be listened at together.
        let in_the_way: Vec<_> = gone.iter().filter(|at| new.iter().any(|new| overlap(at, new))).copied().collect();
        self.close(&in_the_way).await;
        let bound: Result<Vec<_>, Error> = new
            .iter()
            .filter_map(|at| Some((at, wanted.get(at)?)))
            .map(|(at, peers)| Ok((*at, listen(*at, peers)?)))
            .collect();
        let result = bound.and_then(|bound| self.take_in(bound, keyed(before), &wanted));
        match &result {
            Ok(()) => self.close(&gone).await,
            Err(_) => {
                self.close(&new).await;
                if let Err(error) = self.set_keys(&former, &keyed(after)) {
                    tracing::error!(%error, "failed to set the former passwords again where peers dial us");
                }
                self.listen_again(&in_the_way, &former);
            }
        }
        self.tell();
        result
    }

    /// Takes connections from these sockets too, and has all of them know the wanted keys.
    fn take_in(
        &mut self,
        bound: Vec<(SocketAddr, Socket)>,
        former: BTreeSet<IpAddr>,
        wanted: &Places<'_>,
    ) -> Result<(), Error> {
        self.set_keys(wanted, &former)?;
        lock(&self.sockets).extend(bound);
        self.accept().map_err(Error::Accept)
    }

    /// Has the sockets at these places know the keys of their peers, and no more those of the others.
    fn set_keys(&self, places: &Places<'_>, others: &BTreeSet<IpAddr>) -> Result<(), Error> {
        let sockets = lock(&self.sockets);
        for (at, peers) in places {
            let Some(socket) = sockets.get(at) else { continue };
            peers.iter().try_for_each(|peer| set_key(socket, peer))?;
            let is_keyed = |address: &IpAddr| {
                let host = PeerHost::Address(*address);
                peers.iter().any(|peer| peer.host == host && peer.password.is_some())
            };
            for address in others.iter().filter(|address| address.is_ipv4() == at.is_ipv4() && !is_keyed(address)) {
                // Not every socket has each of them.
                let _ = sockopt::remove_md5_key(socket, *address);
            }
        }
        Ok(())
    }

    async fn close(&mut self, places: &[SocketAddr]) {
        for at in places {
            if let Some(mut task) = self.accepting.remove(at) {
                // Its descriptor is closed by then.
                task.shutdown().await;
            }
            lock(&self.sockets).remove(at);
        }
    }

    /// What was closed for another socket that then was not to be had.
    fn listen_again(&mut self, places: &[SocketAddr], former: &Places<'_>) {
        for (at, peers) in former.iter().filter(|(at, _)| places.contains(at)) {
            match listen(*at, peers) {
                Ok(socket) => {
                    lock(&self.sockets).insert(*at, socket);
                }
                Err(error) => tracing::error!(%at, %error, "failed to listen again where it was given up for a moment"),
            }
        }
        if let Err(error) = self.accept() {
            tracing::error!(%error, "failed to accept connections again");
        }
    }
}

fn lock(sockets: &Sockets) -> MutexGuard<'_, BTreeMap<SocketAddr, Socket>> {
    sockets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where to listen, and for whom.
type Places<'a> = BTreeMap<SocketAddr, Vec<&'a PeerSettings>>;

fn places(config: &SpeakerConfig) -> Result<Places<'_>, Error> {
    let peers: Vec<_> = config.peers.iter().filter(|peer| peer.is_awaited()).collect();
    for (number, peer) in peers.iter().enumerate() {
        let twin = peers.iter().take(number).find(|other| other.host == peer.host);
        if let Some(twin) = twin {
            return Err(Error::SameHost { one: twin.key(), other: peer.key() });
        }
        // Before any socket is touched.
        key_of(peer)?;
    }
    let mut places = Places::new();
    for is_v4 in [true, false] {
        let family: Vec<_> = peers.iter().copied().filter(|peer| is_of(peer, is_v4)).collect();
        for address in ends(&family, is_v4) {
            places.insert(SocketAddr::new(address, config.listen_port), family.clone());
        }
    }
    Ok(places)
}

/// The addresses that have a key where we listen.
fn keyed(config: &SpeakerConfig) -> BTreeSet<IpAddr> {
    let keyed = config.peers.iter().filter(|peer| peer.is_awaited() && peer.password.is_some());
    keyed.filter_map(|peer| if let PeerHost::Address(address) = peer.host { Some(address) } else { None }).collect()
}

/// Whether only one of them can be listened at. Port 0 is another one each time.
fn overlap(one: &SocketAddr, other: &SocketAddr) -> bool {
    let is_same_end = one.port() == other.port() && one.port() != 0 && one.is_ipv4() == other.is_ipv4();
    is_same_end && (one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// The TCP-MD5 keys that the listening sockets have.
#[derive(Clone, Debug)]
pub(super) struct ListenerKeys(Sockets);

impl ListenerKeys {
    /// From now on connections of this peer must be signed with this key; those that are made keep theirs.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn set(&self, peer: IpAddr, password: &SecretString) -> io::Result<()> {
        let sockets = lock(&self.0);
        let mut of_family = sockets.iter().filter(|(at, _)| at.is_ipv4() == peer.is_ipv4());
        of_family.try_for_each(|(_, socket)| sockopt::set_md5_key(socket, peer, password))
    }
}

/// An unnumbered peer is found by IPv6.
const fn is_of(peer: &PeerSettings, is_v4: bool) -> bool {
    match peer.host {
        PeerHost::Address(address) => address.is_ipv4() == is_v4,
        PeerHost::Interface(_) => !is_v4,
    }
}

/// Where to listen for these peers: at the addresses that are their source, if each has one.
fn ends(peers: &[&PeerSettings], is_v4: bool) -> BTreeSet<IpAddr> {
    let named = |peer: &&PeerSettings| match peer.source {
        LocalEnd::Address(address) => Some(address),
        LocalEnd::Any | LocalEnd::Interface(_) => None,
    };
    let any = || if is_v4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let all: Option<BTreeSet<IpAddr>> = peers.iter().map(named).collect();
    all.unwrap_or_else(|| [any()].into())
}

/// A socket that listens at this address, with the keys of these peers.
fn listen(at: SocketAddr, peers: &[&PeerSettings]) -> Result<Socket, Error> {
    let failed = |step: &'static str| move |source| Error::Listen { at, step, source };
    let domain = Domain::for_address(at);
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))
        .map_err(failed("open a socket to listen"))?;
    let prepare = || -> io::Result<()> {
        socket.set_reuse_address(true)?;
        // RFC 5082 §3: whatever is answered before we know who it is goes with the TTL that every peer takes.
        if at.is_ipv4() {
            socket.set_ttl_v4(u8::MAX.into())?;
            socket.set_tos_v4(socket::TRAFFIC_CLASS)?;
            // An address that comes later, by DHCP say, is no reason not to start.
            socket.set_freebind_v4(true)
        } else {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(u8::MAX.into())?;
            socket.set_tclass_v6(socket::TRAFFIC_CLASS)?;
            socket.set_freebind_v6(true)
        }
    };
    prepare().map_err(failed("set the options of the socket that listens"))?;
    for peer in peers {
        set_key(&socket, peer)?;
    }
    socket.bind(&at.into()).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { at },
        io::ErrorKind::PermissionDenied => Error::PortDenied { at },
        _ => failed("bind to listen")(source),
    })?;
    socket.listen(BACKLOG).map_err(|source| match source.kind() {
        // Two sockets may be bound there while neither listens.
        io::ErrorKind::AddrInUse => Error::PortInUse { at },
        _ => failed("listen")(source),
    })?;
    Ok(socket)
}

/// The address and the password of a peer that has one.
fn key_of(peer: &PeerSettings) -> Result<Option<(IpAddr, &SecretString)>, Error> {
    let (Some(password), key) = (&peer.password, peer.key()) else { return Ok(None) };
    let PeerHost::Address(address) = peer.host else { return Err(Error::AwaitedUnnumbered(key)) };
    let length = password.expose_secret().len();
    if !(1..=sockopt::LONGEST_KEY).contains(&length) {
        return Err(Error::PasswordLength { peer: key, length });
    }
    Ok(Some((address, password)))
}

fn set_key(socket: &Socket, peer: &PeerSettings) -> Result<(), Error> {
    let Some((address, password)) = key_of(peer)? else { return Ok(()) };
    let refused = |source| Error::Md5Refused { peer: peer.key(), source };
    sockopt::set_md5_key(socket, address, password).map_err(refused)
}

async fn accept(listener: TcpListener, doors: watch::Receiver<Doors>) {
    let (mut strangers, mut failing) = (0_u64, false);
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                failing = false;
                if let Err(why) = show_in(stream, remote, &doors.borrow()) {
                    strangers += 1;
                    tracing::debug!(%remote, why, total = strangers, "connection refused");
                }
            }
            Err(error) if is_the_connections(&error) => {}
            Err(error) => {
                // What is missing (descriptors, memory) comes back; the port does not, if we gave it up.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                }
                sleep_until(now() + PAUSE).await;
            }
        }
    }
}

/// accept(2): errors of the network that are those of one connection.
fn is_the_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted | NetworkDown)
}

fn show_in(stream: TcpStream, remote: SocketAddr, doors: &Doors) -> Result<(), &'static str> {
    let local = stream.local_addr().map_err(|_| "it has gone")?;
    let (stream, why) = match doors.values().find(|door| door.is_for(remote, local)) {
        None => (stream, "nobody there is waited for, at this address of ours"),
        Some(door) => match door.queue.try_send(stream) {
            Ok(()) => return Ok(()),
            Err(error) => (error.into_inner(), "too many connections of this peer wait already"),
        },
    };
    refuse(&stream, &Notification::plain(error::CEASE_CONNECTION_REJECTED));
    Err(why)
}

/// Ends a connection that nothing was said on with this, as far as it can be sent at once.
pub(super) fn refuse(stream: &TcpStream, why: &Notification) {
    let bytes = encode(&Outgoing::Notification(why.clone()), &Session::default());
    // An empty socket has room for it; whether it arrives is the peer's business.
    let _ = rustix::net::send(stream, &bytes, rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL);
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Write);
    // What was not read when a socket is closed makes the end of it a reset, which may overtake what was said.
    let _ = rustix::net::recv(stream, &mut [0_u8; 4096], RecvFlags::DONTWAIT);
}
