//! Finds the router of an unnumbered peer over a raw ICMPv6 socket, as [`Lookup`] decides; and lets itself be found.
//!
//! A router that has an interface for a neighbour, as FRR does, takes a connection only from whom it has heard a router
//! advertisement. So we send one before each look-up and every ten seconds, as a router that is nobody's default
//! router: a host that hears it changes nothing.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::lookup::{Lookup, Sign, Unfound};
use super::sockopt;
use super::sockopt::datagram::{self, Datagram};
use crate::clock::{Timer, now};
use crate::time::Instant;
use crate::wire::ndp::{self, Message};

/// As often as FRR advertises itself to such a neighbour.
const ADVERTISE_EVERY: Duration = Duration::from_secs(10);
/// The shortest time between two advertisements.
const ADVERTISE_REST: Duration = Duration::from_secs(1);
/// Echo requests carry this, and one of the sequence numbers below.
const ECHO: u16 = 0x7670;
const TO_ROUTERS: u16 = 1;
const TO_NODES: u16 = 2;
/// How many messages are read in one go, so that a flood does not keep us from the rest.
const BATCH: usize = 64;

/// Why the router of an unnumbered peer is not found; the text fits after "connect: ".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interface is not there.
    #[error("there is no interface {0} on this node now: the session waits for it")]
    NoInterface(String),
    /// It has no address to speak from.
    #[error("{0} has no link-local address: it must be up, with IPv6 on")]
    NoAddress(String),
    /// Nobody is there, or too many are.
    #[error("on {interface} {unfound}")]
    Unfound {
        /// Where was looked.
        interface: String,
        /// What came of it.
        unfound: Unfound,
    },
    /// The kernel refuses the socket.
    #[error("look for the router on {interface}: {source}{}", hint(source))]
    Socket {
        /// Where.
        interface: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// The task that looks is gone.
    #[error("look for the router on {0}: the look-up was ended")]
    Ended(String),
}

fn hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { ": unnumbered peers need the capability NET_RAW" } else { "" }
}

type Answer = oneshot::Sender<Result<Ipv6Addr, Error>>;

/// A look-up under way.
#[derive(Debug)]
pub(super) struct Search {
    interface: String,
    answer: oneshot::Receiver<Result<Ipv6Addr, Error>>,
}

impl Search {
    /// Waits for the outcome. Cancel-safe; after it, never.
    pub(super) async fn outcome(&mut self) -> Result<Ipv6Addr, Error> {
        match (&mut self.answer).await {
            Ok(found) => found,
            Err(_) => Err(Error::Ended(self.interface.clone())),
        }
    }
}

/// Looks for the router of one unnumbered peer; ends when this is dropped.
#[derive(Debug)]
pub(super) struct Finder {
    interface: String,
    requests: mpsc::Sender<Answer>,
    _task: JoinSet<()>,
}

impl Finder {
    /// One for this interface, which may not be there yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When there is no timer left.
    pub(super) fn start(interface: &str) -> io::Result<Self> {
        // One at a time is asked for; who asks again has given up the one before.
        let (requests, asked) = mpsc::channel(1);
        let watch = Watch::new(interface.to_owned())?;
        let mut task = JoinSet::new();
        task.spawn(watch.run(asked));
        Ok(Self { interface: interface.to_owned(), requests, _task: task })
    }

    /// Begins a look-up; one under way is given up.
    pub(super) fn find(&self) -> Search {
        let (answer, outcome) = oneshot::channel();
        // Full only while the task has not run since the last one: that look-up is as good, but nobody waits for it
        // any more, so this one fails and the next attempt asks again.
        let _ = self.requests.try_send(answer);
        Search { interface: self.interface.clone(), answer: outcome }
    }
}

/// Whether the kernel gives us a raw socket at all.
///
/// # Errors
/// When it does not.
pub(super) fn check(interface: &str) -> Result<(), Error> {
    let socket = Socket::new(Domain::IPV6, Type::RAW.cloexec(), Some(Protocol::ICMPV6));
    socket.map(drop).map_err(|source| Error::Socket { interface: interface.to_owned(), source })
}

/// The interface and what is heard on it.
#[derive(Debug)]
struct Watch {
    interface: String,
    /// While the interface is there.
    socket: Option<Open>,
    lookup: Lookup,
    answer: Option<Answer>,
    advertise_at: Instant,
    advertised_at: Option<Instant>,
    timer: Timer,
}

#[derive(Debug)]
struct Open {
    socket: AsyncFd<Socket>,
    index: u32,
}

impl Watch {
    fn new(interface: String) -> io::Result<Self> {
        let (lookup, timer) = (Lookup::default(), Timer::new()?);
        Ok(Self { interface, socket: None, lookup, answer: None, advertise_at: now(), advertised_at: None, timer })
    }

    async fn run(mut self, mut asked: mpsc::Receiver<Answer>) {
        loop {
            self.act(now());
            let deadline = self.lookup.next_deadline().into_iter().chain([self.advertise_at]).min();
            tokio::select! {
                answer = asked.recv() => match answer {
                    Some(answer) => self.begin(answer),
                    None => return,
                },
                heard = Open::heard(self.socket.as_ref()) => self.hear(heard),
                () = self.timer.until(deadline) => {}
            }
        }
    }

    fn begin(&mut self, answer: Answer) {
        match self.open() {
            Ok(()) => {
                let now = now();
                self.lookup.begin(now);
                self.answer = Some(answer);
                self.advertise_soon(now);
            }
            Err(error) => {
                // Who asked may have given up.
                let _ = answer.send(Err(error));
            }
        }
    }

    /// Sees that the socket is one on the interface as it is now: it may be another one of the same name.
    fn open(&mut self) -> Result<(), Error> {
        let failed = |source| Error::Socket { interface: self.interface.clone(), source };
        let socket = Socket::new(Domain::IPV6, Type::RAW.nonblocking().cloexec(), Some(Protocol::ICMPV6));
        let socket = socket.map_err(failed)?;
        let Ok(index) = rustix::net::netdevice::name_to_index(&socket, &self.interface) else {
            self.socket = None;
            return Err(Error::NoInterface(self.interface.clone()));
        };
        let addresses = sockopt::local_addresses().map_err(failed)?;
        let is_link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !addresses.iter().any(|own| own.interface == self.interface && is_link_local(own.address)) {
            return Err(Error::NoAddress(self.interface.clone()));
        }
        if self.socket.as_ref().is_none_or(|open| open.index != index) {
            prepare(&socket, &self.interface, index).map_err(failed)?;
            #[expect(deprecated, reason = "a Socket owns its descriptor; the replacement is an unsafe function")]
            let socket = AsyncFd::new(socket).map_err(failed)?;
            self.socket = Some(Open { socket, index });
        }
        Ok(())
    }

    fn hear(&mut self, heard: io::Result<Vec<Datagram>>) {
        let now = now();
        let Ok(heard) = heard else {
            // It is opened anew with the next look-up or advertisement.
            self.socket = None;
            return;
        };
        for datagram in heard {
            let SocketAddr::V6(from) = datagram.from else { continue };
            // RFC 4861 §6.1.2. What comes from beyond the link is no neighbour.
            let from = *from.ip();
            if !from.is_unicast_link_local() {
                continue;
            }
            let sign = match ndp::decode(datagram.bytes(), datagram.hops) {
                Some(Message::RouterAdvertisement { lifetime }) => Sign::Advertisement { lifetime },
                Some(Message::EchoReply { identifier: ECHO, sequence: TO_ROUTERS }) => Sign::RouterEcho,
                Some(Message::EchoReply { identifier: ECHO, sequence: TO_NODES }) => Sign::NodeEcho,
                Some(Message::RouterSolicitation) => {
                    self.advertise_soon(now);
                    continue;
                }
                Some(Message::EchoReply { .. }) | None => continue,
            };
            if self.lookup.hear(now, from, sign) {
                self.advertise_soon(now);
            }
        }
    }

    fn advertise_soon(&mut self, now: Instant) {
        let soon = self.advertised_at.map_or(now, |at| at + ADVERTISE_REST);
        self.advertise_at = self.advertise_at.min(soon.max(now));
    }

    fn act(&mut self, now: Instant) {
        if now >= self.advertise_at {
            self.advertise_at = now + ADVERTISE_EVERY;
            self.advertised_at = Some(now);
            // Where there is no interface, an attempt to connect says so.
            if self.open().is_ok() {
                self.send(&ndp::router_advertisement(), ndp::ALL_NODES);
            }
        }
        if self.lookup.ask(now) {
            self.send(&ndp::router_solicitation(), ndp::ALL_ROUTERS);
            self.send(&ndp::echo_request(ECHO, TO_ROUTERS), ndp::ALL_ROUTERS);
            self.send(&ndp::echo_request(ECHO, TO_NODES), ndp::ALL_NODES);
        }
        if let Some(found) = self.lookup.outcome(now)
            && let Some(answer) = self.answer.take()
        {
            let interface = self.interface.clone();
            // Who asked may have given up.
            let _ = answer.send(found.map_err(|unfound| Error::Unfound { interface, unfound }));
        }
    }

    /// Sends, or does not: whatever is wrong with the link shows as silence, and the next round asks again.
    fn send(&self, bytes: &[u8], to: Ipv6Addr) {
        let Some(open) = &self.socket else { return };
        let to = SocketAddrV6::new(to, 0, 0, open.index);
        let _ = open.socket.get_ref().send_to(bytes, &to.into());
    }
}

impl Open {
    /// What arrived, at least one; never, where there is no socket.
    async fn heard(open: Option<&Self>) -> io::Result<Vec<Datagram>> {
        let Some(open) = open else { return std::future::pending().await };
        let mut ready = open.socket.readable().await?;
        let mut heard = Vec::new();
        while heard.len() < BATCH {
            match ready.try_io(|socket| datagram::receive(socket.get_ref(), false)) {
                Ok(datagram) => heard.push(datagram?),
                Err(_would_block) => break,
            }
        }
        Ok(heard)
    }
}

/// Everything about the socket: it hears what it has to on this interface and no more, and what it sends is of the
/// link (hop limit 255, RFC 4861 §4.1) and not for ourselves.
fn prepare(socket: &Socket, interface: &str, index: u32) -> io::Result<()> {
    sockopt::pass_icmpv6(socket, &[ndp::ECHO_REPLY, ndp::ROUTER_SOLICITATION, ndp::ROUTER_ADVERTISEMENT])?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_multicast_hops_v6(u8::MAX.into())?;
    socket.set_multicast_loop_v6(false)?;
    socket.join_multicast_v6(&ndp::ALL_ROUTERS, index)?;
    datagram::tell_hops(socket, false)
}
