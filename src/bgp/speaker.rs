//! The speaker: all peers, each in a task of its own, so that one's trouble never disturbs another; and what the rest
//! of the program may ask of it.

mod crew;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use super::changes::Changes;
use super::error::Error;
use super::finder;
use super::fsm;
use super::gtsm;
use super::listener::Listener;
use super::peer::{PeerStatus, StopOrder};
use super::settings::{Hops, LocalEnd, Passwords, PeerHost, PeerKey, PeerSettings, SpeakerConfig};
use super::socket::Target;
use super::{RouteSet, fsm::SEND_HOLD_WITHOUT_HOLD};
use crate::time::Instant;
use crew::Crew;

/// TTL where none is asked for: an eBGP peer is one hop away (RFC 4271 §5.1.3), one in our own AS may be anywhere.
const TTL_EBGP: u8 = 1;
const TTL_IBGP: u8 = 64;

/// Changes of the configuration that wait for the speaker. Whoever asks for one waits for its answer, so there is room
/// for one; a second asker waits for the first.
const ORDERS: usize = 1;

/// All peers, ready to be dialled or waited for.
#[derive(Debug)]
pub struct Speaker {
    crew: Crew,
    orders: mpsc::Receiver<Order>,
    stop: watch::Receiver<Option<StopOrder>>,
}

/// Another configuration, and who waits for what becomes of it.
#[derive(Debug)]
struct Order {
    config: SpeakerConfig,
    answer: oneshot::Sender<Result<Changes, Error>>,
}

/// What the rest of the program holds of a running speaker. When the last one is dropped the speaker stops.
#[derive(Clone, Debug)]
pub struct SpeakerHandle {
    config: watch::Receiver<SpeakerConfig>,
    board: Arc<watch::Sender<BTreeMap<PeerKey, PeerStatus>>>,
    passwords: Arc<watch::Sender<Passwords>>,
    orders: mpsc::Sender<Order>,
    stop: Arc<watch::Sender<Option<StopOrder>>>,
    marked: Arc<watch::Sender<bool>>,
    listens_at: watch::Receiver<Vec<SocketAddr>>,
}

impl SpeakerHandle {
    /// How each peer stands: those of the configuration, and removed ones until they are gone. Hold no borrow of it
    /// while sending a set of routes: a peer that takes routes up writes its status in between.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BTreeMap<PeerKey, PeerStatus>> {
        self.board.subscribe()
    }

    /// The configuration that is in force.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<SpeakerConfig> {
        self.config.clone()
    }

    /// The longest graceful shutdown of all peers: sessions end that much later.
    #[must_use]
    pub fn graceful_shutdown(&self) -> Duration {
        self.config.borrow().peers.iter().filter_map(|peer| peer.graceful_shutdown).max().unwrap_or_default()
    }

    /// Where peers may dial us; nowhere, unless one of them is to.
    #[must_use]
    pub fn listens_at(&self) -> Vec<SocketAddr> {
        self.listens_at.borrow().clone()
    }

    /// Gives a peer another password, 1 to 80 bytes. An attempt to connect gives way to one with it. A session goes on
    /// until the peer takes the new password, which it is asked by a connection that is reset at once, and is then made
    /// anew (Cease 6/6). A peer that had no password keeps none.
    pub fn change_password(&self, peer: &PeerKey, password: SecretString) {
        self.passwords.send_modify(|passwords| {
            passwords.insert(peer.clone(), password);
        });
    }

    /// A configuration with the passwords that [`SpeakerHandle::change_password`] gave its peers since it was made, for one
    /// that is not to change them.
    #[must_use]
    pub fn with_passwords_of_now(&self, config: SpeakerConfig) -> SpeakerConfig {
        crew::with_passwords(config, &self.passwords.borrow())
    }

    /// Changes the peers of the running speaker to those of `config`, and what else is in it. Peers are told apart by
    /// their keys; what becomes of each is in the answer, and begins with it. One that is equal is not touched, nor its
    /// BFD session. A removed one has its routes withdrawn and is told Cease 6/3, after its graceful shutdown where it
    /// has one; another local AS, router ID, hold time or keepalive makes all sessions anew.
    ///
    /// # Errors
    /// What is wrong with it: nothing was changed then.
    pub async fn set_peers(&self, config: SpeakerConfig) -> Result<Changes, Error> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order { config, answer }).await.map_err(|_| Error::Ending)?;
        answered.await.map_err(|_| Error::Ending)?
    }

    /// Whether routes are announced as about to go (RFC 8326) to the peers that have a graceful shutdown, for as long as
    /// this holds: they are to take any other path while this one still works. The sessions stay.
    pub fn mark_about_to_go(&self, marked: bool) {
        self.marked.send_if_modified(|before| std::mem::replace(before, marked) != marked);
    }

    /// Ends all sessions in good order: withdraw, deliver, Cease 6/2 with this text (RFC 9003), close. What is not
    /// done by `deadline` is cut. [`Speaker::run`] returns then. Peers with a graceful shutdown
    /// ([`PeerSettings::graceful_shutdown`]) have that first, and so much more time.
    pub fn stop(&self, text: impl Into<String>, deadline: Instant) {
        self.stop.send_replace(Some(StopOrder { text: text.into(), deadline }));
    }
}

impl Speaker {
    /// Checks what can be checked without a peer: the timers, the source addresses, that the kernel takes every
    /// password. Listens, where a peer may dial us. Starts the watchdog's thread, and BFD's where a peer has it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(mut config: SpeakerConfig) -> Result<(Self, SpeakerHandle), Error> {
        config.check()?;
        let listener = Listener::bind(&config)?;
        let (stop, stopped) = watch::channel(None);
        let (mark, marked) = watch::channel(false);
        let (orders, ordered) = mpsc::channel(ORDERS);
        let listens_at = listener.addresses();
        let crew = Crew::new(config, listener, stopped.clone(), marked)?;
        let handle = SpeakerHandle {
            config: crew.config(),
            board: crew.board(),
            passwords: crew.passwords(),
            orders,
            stop: Arc::new(stop),
            marked: Arc::new(mark),
            listens_at,
        };
        Ok((Self { crew, orders: ordered, stop: stopped }, handle))
    }

    /// Dials all peers and tells them `routes` until it is told to stop. If the sender of `routes` is dropped nobody
    /// vouches for them any more: they are withdrawn.
    ///
    /// # Errors
    /// When the kernel gives no timer for a peer, or the runtime does not take the sockets; no peer was dialled then.
    pub async fn run(self, routes: watch::Receiver<RouteSet>) -> Result<(), Error> {
        let Self { mut crew, mut orders, mut stop } = self;
        crew.begin(routes)?;
        let mut leaving = false;
        while !(leaving && crew.is_idle()) {
            tokio::select! {
                biased;
                // Ordered, or nobody is left who could: the peers see it themselves.
                _ = stop.changed(), if !leaving => leaving = true,
                ended = crew.ended() => crew.take_over(ended, leaving),
                Some(Order { config, answer }) = orders.recv(), if !leaving => {
                    // Who asked may have given up.
                    let _ = answer.send(crew.change(config).await);
                }
            }
        }
        Ok(())
    }
}

impl SpeakerConfig {
    /// Settles what follows from something else, and checks what can be checked without a peer.
    fn check(&mut self) -> Result<(), Error> {
        let seconds = self.hold_time.as_secs();
        if matches!(seconds, 1 | 2) || seconds > u16::MAX.into() || self.hold_time.subsec_nanos() != 0 {
            return Err(Error::HoldTime(seconds));
        }
        self.peers.iter_mut().for_each(PeerSettings::settle);
        let mut keys = BTreeSet::new();
        for peer in &self.peers {
            peer.check(self)?;
            let has_bfd = |other: &&PeerSettings| other.bfd.is_some() && other.host == peer.host;
            let twin = self.peers.iter().find(has_bfd).filter(|twin| twin.key() != peer.key());
            if let (Some(twin), true) = (twin, peer.bfd.is_some()) {
                return Err(Error::SameHostBfd { one: twin.key(), other: peer.key() });
            }
            if !keys.insert(peer.key()) {
                return Err(Error::Duplicate(peer.key()));
            }
        }
        Ok(())
    }
}

impl PeerSettings {
    /// An unnumbered peer is on its interface, and so is our end.
    fn settle(&mut self) {
        if let PeerHost::Interface(name) = &self.host {
            self.source = LocalEnd::Interface(name.clone());
        }
    }

    fn check(&self, config: &SpeakerConfig) -> Result<(), Error> {
        match self.source {
            LocalEnd::Address(address) if self.avoid_source.contains(&address) => {
                return Err(Error::SourceIsVip { peer: self.key(), address });
            }
            LocalEnd::Address(_) | LocalEnd::Any | LocalEnd::Interface(_) => {}
        }
        if let PeerHost::Interface(name) = &self.host {
            finder::check(name).map_err(|source| Error::Finder { peer: self.key(), source })?;
        }
        self.target(config).probe()
    }

    pub(super) fn target(&self, config: &SpeakerConfig) -> Target {
        let address = match self.host {
            PeerHost::Address(address) => address,
            // Until its own is found; of the right family and scope for what is checked before.
            PeerHost::Interface(_) => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)),
        };
        let ttl = match self.hops {
            Hops::Default if self.asn == Some(config.local_as) => TTL_IBGP,
            Hops::Default => TTL_EBGP,
            Hops::Multihop(ttl) => ttl,
            Hops::Security(_) => u8::MAX,
        };
        let peer = SocketAddr::new(address, self.port);
        let lowest_ttl = match self.hops {
            Hops::Security(hops) => Some(gtsm::lowest_ttl(hops)),
            Hops::Default | Hops::Multihop(_) => None,
        };
        Target { peer, password: self.password.clone(), ttl, lowest_ttl, source: self.source.clone() }
    }

    fn machine(&self, config: &SpeakerConfig, seed: u64) -> fsm::Config {
        fsm::Config {
            local_as: config.local_as,
            router_id: config.router_id,
            peer_as: self.asn,
            hold_time: u16::try_from(config.hold_time.as_secs()).unwrap_or(u16::MAX),
            keepalive: config.keepalive,
            families: self.families.clone(),
            require_families: self.require_families,
            extended_next_hop: self.extended_next_hop,
            seed,
        }
    }
}

/// How long the kernel waits for an acknowledgement (TCP_USER_TIMEOUT): just short of the hold time, after which the
/// peer would end the session anyway. `None`: no hold time, or none is negotiated yet.
pub(super) fn user_timeout(hold_time: Option<Duration>) -> Duration {
    hold_time.unwrap_or(SEND_HOLD_WITHOUT_HOLD) * 9 / 10
}

#[cfg(test)]
mod tests;
