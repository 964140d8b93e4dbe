//! The speaker: all peers, each in a task of its own, so that one's trouble never disturbs another.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::bfd;
use super::error::Error;
use super::finder;
use super::fsm;
use super::gtsm;
use super::listener::{Door, Listener};
use super::peer::{Peer, PeerStatus, Report, StopOrder, Wiring};
use super::settings::{Hops, LocalEnd, Passwords, PeerHost, PeerKey, PeerSettings, SpeakerConfig};
use super::socket::Target;
use super::watchdog::Watchdog;
use super::{RouteSet, fsm::SEND_HOLD_WITHOUT_HOLD};
use crate::clock;
use crate::time::Instant;

/// TTL where none is asked for: an eBGP peer is one hop away (RFC 4271 §5.1.3), one in our own AS may be anywhere.
const TTL_EBGP: u8 = 1;
const TTL_IBGP: u8 = 64;

/// All peers, ready to be dialled or waited for.
#[derive(Debug)]
pub struct Speaker {
    config: SpeakerConfig,
    watchdog: Watchdog,
    bfd: Option<bfd::Service>,
    listener: Option<Listener>,
    board: Arc<watch::Sender<BTreeMap<PeerKey, PeerStatus>>>,
    passwords: watch::Receiver<Passwords>,
    stop: watch::Receiver<Option<StopOrder>>,
    marked: watch::Receiver<bool>,
}

/// What the rest of the program holds of a running speaker. When the last one is dropped the speaker stops.
#[derive(Clone, Debug)]
pub struct SpeakerHandle {
    board: Arc<watch::Sender<BTreeMap<PeerKey, PeerStatus>>>,
    passwords: Arc<watch::Sender<Passwords>>,
    stop: Arc<watch::Sender<Option<StopOrder>>>,
    marked: Arc<watch::Sender<bool>>,
    listens_at: Arc<[SocketAddr]>,
}

impl SpeakerHandle {
    /// How each peer stands. Hold no borrow of it while sending a set of routes: a peer that takes routes up writes
    /// its status in between.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BTreeMap<PeerKey, PeerStatus>> {
        self.board.subscribe()
    }

    /// Where peers may dial us; nowhere, unless one of them is to.
    #[must_use]
    pub fn listens_at(&self) -> &[SocketAddr] {
        &self.listens_at
    }

    /// Gives a peer another password, 1 to 80 bytes. An attempt to connect gives way to one with it. A session goes on
    /// until the peer takes the new password, which it is asked by a connection that is reset at once, and is then made
    /// anew (Cease 6/6). A peer that had no password keeps none.
    pub fn change_password(&self, peer: &PeerKey, password: SecretString) {
        self.passwords.send_modify(|passwords| {
            passwords.insert(peer.clone(), password);
        });
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
        let seconds = config.hold_time.as_secs();
        if matches!(seconds, 1 | 2) || seconds > u16::MAX.into() || config.hold_time.subsec_nanos() != 0 {
            return Err(Error::HoldTime(seconds));
        }
        let now = clock::now();
        config.peers.iter_mut().for_each(PeerSettings::settle);
        let mut statuses = BTreeMap::new();
        for peer in &config.peers {
            peer.check(&config)?;
            let has_bfd = |other: &&PeerSettings| other.bfd.is_some() && other.host == peer.host;
            let twin = config.peers.iter().find(has_bfd).filter(|twin| twin.key() != peer.key());
            if let (Some(twin), true) = (twin, peer.bfd.is_some()) {
                return Err(Error::SameHostBfd { one: twin.key(), other: peer.key() });
            }
            if statuses.insert(peer.key(), PeerStatus::unknown(now, peer.password.is_some())).is_some() {
                return Err(Error::Duplicate(peer.key()));
            }
        }
        let listener = Listener::bind(&config)?;
        let listens_at = listener.as_ref().map(Listener::addresses).unwrap_or_default().into();
        let watchdog = Watchdog::start().map_err(Error::Watchdog)?;
        let wanted = config.peers.iter().any(|peer| peer.bfd.is_some());
        let bfd = wanted.then(bfd::Service::start).transpose().map_err(Error::Bfd)?;
        let board = Arc::new(watch::Sender::new(statuses));
        let (stop, stopped) = watch::channel(None);
        let (passwords, changed) = watch::channel(Passwords::new());
        let (mark, marked) = watch::channel(false);
        let (passwords, stop, mark) = (Arc::new(passwords), Arc::new(stop), Arc::new(mark));
        let handle = SpeakerHandle { board: board.clone(), passwords, stop, marked: mark, listens_at };
        Ok((Self { config, watchdog, bfd, listener, board, passwords: changed, stop: stopped, marked }, handle))
    }

    /// Dials all peers and tells them `routes` until it is told to stop. If the sender of `routes` is dropped nobody
    /// vouches for them any more: they are withdrawn.
    ///
    /// # Errors
    /// When the kernel gives no timer for a peer, or the runtime does not take the sockets; no peer was dialled then.
    pub async fn run(self, routes: watch::Receiver<RouteSet>) -> Result<(), Error> {
        let (mut peers, mut doors) = (Vec::new(), Vec::new());
        let keys = self.listener.as_ref().map(Listener::keys);
        for settings in &self.config.peers {
            let wiring = Wiring {
                routes: routes.clone(),
                passwords: self.passwords.clone(),
                stop: self.stop.clone(),
                marked: self.marked.clone(),
                report: Report::new(self.board.clone(), settings.key()),
                watchdog: self.watchdog.clone(),
                bfd: self.bfd.clone(),
                incoming: settings.is_awaited().then(|| {
                    let (door, waiting) = Door::new(settings);
                    doors.push(door);
                    waiting
                }),
                listener: keys.clone().filter(|_| settings.is_awaited()),
            };
            let fsm = settings.machine(&self.config, rand::random());
            let peer = Peer::new(fsm, settings.target(&self.config), settings.clone(), wiring);
            peers.push(peer.map_err(|source| Error::Timer { peer: settings.key(), source })?);
        }
        // It ends when this is dropped.
        let _accepting = self.listener.map(|listener| listener.run(doors)).transpose().map_err(Error::Accept)?;
        // The peers' own ends are all that keeps the routes' sender waiting for a reader.
        drop(routes);
        let mut tasks: JoinSet<()> = peers.into_iter().map(Peer::run).collect();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a peer's task failed");
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

    fn target(&self, config: &SpeakerConfig) -> Target {
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
