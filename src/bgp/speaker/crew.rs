//! The peers' tasks: begun, changed and ended as the configuration wants them.
//!
//! ```text
//! change ─► check, prepare what can fail ─► listener ─► tell each task what is wanted of it ─► spawn the new ones
//! a task ended ─► its peer was removed: forgotten; it was to be made anew: another task goes on with it
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::bgp::RouteSet;
use crate::bgp::bfd;
use crate::bgp::changes::{Changes, Effect, effect};
use crate::bgp::error::Error;
use crate::bgp::listener::{Door, Listener};
use crate::bgp::peer::{Board, End, Peer, PeerStatus, Report, StopOrder, Wanted, Wiring};
use crate::bgp::settings::{Passwords, PeerKey, PeerSettings, SpeakerConfig};
use crate::bgp::watchdog::Watchdog;
use crate::clock::now;

/// What all tasks share, and the tasks.
#[derive(Debug)]
pub(super) struct Crew {
    config: watch::Sender<SpeakerConfig>,
    watchdog: Watchdog,
    /// Once a peer has had BFD: a second one would find the ports of the first taken while that says goodbye.
    bfd: Option<bfd::Service>,
    listener: Listener,
    board: Arc<Board>,
    passwords: Arc<watch::Sender<Passwords>>,
    stop: watch::Receiver<Option<StopOrder>>,
    marked: watch::Receiver<bool>,
    routes: watch::Receiver<RouteSet>,
    members: BTreeMap<PeerKey, Member>,
    tasks: JoinSet<()>,
}

/// A peer that has a task, or is to have one.
#[derive(Debug)]
struct Member {
    wanted: watch::Sender<Wanted>,
    /// What its task was begun with, and that configuration: what another one is compared with.
    begun: (SpeakerConfig, PeerSettings),
    task: Option<Id>,
    /// The connections that the next task of this peer is to take.
    incoming: Option<mpsc::Receiver<TcpStream>>,
}

/// A task that ended, and how.
pub(super) type Ended = (Id, Result<(), JoinError>);

impl Crew {
    pub(super) fn new(
        config: SpeakerConfig,
        listener: Listener,
        stop: watch::Receiver<Option<StopOrder>>,
        marked: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let watchdog = Watchdog::start().map_err(Error::Watchdog)?;
        let statuses = config.peers.iter().map(|peer| (peer.key(), unknown(peer))).collect();
        let mut crew = Self {
            config: watch::Sender::new(config.clone()),
            watchdog,
            bfd: None,
            listener,
            board: Arc::new(watch::Sender::new(statuses)),
            passwords: Arc::default(),
            stop,
            marked,
            // Until the run begins nobody vouches for any.
            routes: watch::channel(RouteSet::new()).1,
            members: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        crew.bfd = crew.service_for(&config)?;
        Ok(crew)
    }

    pub(super) fn config(&self) -> watch::Receiver<SpeakerConfig> {
        self.config.subscribe()
    }

    pub(super) fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    pub(super) fn passwords(&self) -> Arc<watch::Sender<Passwords>> {
        self.passwords.clone()
    }

    /// The BFD thread: the one that runs, else a new one where a peer has BFD.
    fn service_for(&self, config: &SpeakerConfig) -> Result<Option<bfd::Service>, Error> {
        let is_wanted = config.peers.iter().any(|peer| peer.bfd.is_some());
        match (&self.bfd, is_wanted) {
            (None, false) => Ok(None),
            (Some(running), _) => Ok(Some(running.clone())),
            (None, true) => bfd::Service::start().map(Some).map_err(Error::Bfd),
        }
    }

    /// Begins a task for each peer. All are prepared before the first is begun.
    pub(super) fn begin(&mut self, routes: watch::Receiver<RouteSet>) -> Result<(), Error> {
        self.routes = routes;
        let config = self.config.borrow().clone();
        let prepared: Vec<(Member, Peer)> = config
            .peers
            .iter()
            .map(|peer| self.prepare(&config, &self.with_password(peer), None))
            .collect::<Result<_, _>>()?;
        self.listener.accept().map_err(Error::Accept)?;
        prepared.into_iter().for_each(|(member, peer)| self.spawn(member, peer));
        Ok(())
    }

    /// The settings with the password of now: it may have changed since the configuration was made.
    fn with_password(&self, settings: &PeerSettings) -> PeerSettings {
        with_password(settings.clone(), &self.passwords.borrow())
    }

    /// A peer that is not dialled yet. `incoming`: the connections that already wait for it.
    fn prepare(
        &self,
        config: &SpeakerConfig,
        settings: &PeerSettings,
        incoming: Option<mpsc::Receiver<TcpStream>>,
    ) -> Result<(Member, Peer), Error> {
        let key = settings.key();
        let (wanted, wanted_rx) = watch::channel(Wanted { settings: settings.clone(), end: None });
        let wiring = Wiring {
            routes: self.routes.clone(),
            passwords: self.passwords.subscribe(),
            stop: self.stop.clone(),
            wanted: wanted_rx,
            marked: self.marked.clone(),
            report: Report::new(self.board.clone(), key.clone()),
            watchdog: self.watchdog.clone(),
            bfd: self.bfd.clone(),
            incoming: incoming.or_else(|| self.open_door(settings)),
            listener: settings.is_awaited().then(|| self.listener.keys()),
        };
        let peer =
            Peer::new(settings.machine(config, rand::random()), settings.target(config), settings.clone(), wiring);
        let peer = peer.map_err(|source| Error::Timer { peer: key, source })?;
        Ok((Member { wanted, begun: (config.clone(), settings.clone()), task: None, incoming: None }, peer))
    }

    fn open_door(&self, settings: &PeerSettings) -> Option<mpsc::Receiver<TcpStream>> {
        settings.is_awaited().then(|| {
            let (door, waiting) = Door::new(settings);
            self.listener.open(settings.key(), door);
            waiting
        })
    }

    fn spawn(&mut self, mut member: Member, peer: Peer) {
        let settings = member.begun.1.clone();
        self.board.send_modify(|board| {
            let status = board.entry(settings.key()).or_insert_with(|| unknown(&settings));
            status.has_password = settings.password.is_some();
            status.bfd = None;
        });
        member.task = Some(self.tasks.spawn(peer.run()).id());
        self.members.insert(settings.key(), member);
    }

    /// Whether no task runs.
    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The next task that ends; never, where there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, Ok(())),
            Some(Err(error)) => (error.id(), Err(error)),
            None => std::future::pending().await,
        }
    }

    /// A task ended: forgets its peer, or goes on with it in another one.
    pub(super) fn take_over(&mut self, (id, how): Ended, leaving: bool) {
        let Some(key) = self.members.iter().find_map(|(key, member)| (member.task == Some(id)).then(|| key.clone()))
        else {
            return;
        };
        let Some(member) = self.members.remove(&key) else { return };
        let config = self.config.borrow().clone();
        match (config.peers.iter().find(|peer| peer.key() == key), how) {
            (None, _) => self.forget(&key),
            (Some(_), Ok(())) if leaving => {}
            (Some(settings), Ok(())) => match self.prepare(&config, &self.with_password(settings), member.incoming) {
                Ok((member, peer)) => self.spawn(member, peer),
                Err(error) => self.fail(&key, &error.to_string()),
            },
            // The same again would most likely fail in the same way.
            (Some(_), Err(error)) => self.fail(&key, &error.to_string()),
        }
    }

    fn forget(&self, key: &PeerKey) {
        self.passwords.send_if_modified(|passwords| passwords.remove(key).is_some());
        self.board.send_modify(|board| {
            board.remove(key);
        });
    }

    /// Nothing runs for this peer until the configuration changes.
    fn fail(&self, key: &PeerKey, error: &str) {
        tracing::error!(peer = %key, error, "a peer's task failed: it has no session until the configuration changes");
        self.board.send_modify(|board| {
            if let Some(status) = board.get_mut(key) {
                status.last_error = Some(format!("its task failed: {error}"));
            }
        });
    }

    /// Makes another configuration true: all of it, or nothing where an error comes of it.
    pub(super) async fn change(&mut self, mut after: SpeakerConfig) -> Result<Changes, Error> {
        after.check()?;
        let before = self.config.borrow().clone();
        let changes = Changes::between(&before, &after);
        let service = self.service_for(&after)?;
        let bfd = std::mem::replace(&mut self.bfd, service);
        if let Err(error) = self.prepare_new(&before, &after).await {
            self.bfd = bfd;
            return Err(error);
        }
        for (key, member) in &mut self.members {
            match after.peers.iter().find(|peer| peer.key() == *key) {
                Some(settings) => member.change(&after, settings, &self.listener),
                None => member.remove(&self.listener),
            }
        }
        self.tell_passwords(&before, &after);
        let members = &self.members;
        // Of one whose task failed nothing else is left.
        self.board.send_if_modified(|board| {
            let count = board.len();
            board.retain(|key, _| members.contains_key(key) || after.peers.iter().any(|peer| peer.key() == *key));
            board.len() != count
        });
        self.config.send_replace(after);
        Ok(changes)
    }

    /// Begins what is new, after what may fail of the rest.
    async fn prepare_new(&mut self, before: &SpeakerConfig, after: &SpeakerConfig) -> Result<(), Error> {
        let is_new = |peer: &&PeerSettings| !self.members.contains_key(&peer.key());
        let prepared: Result<Vec<(Member, Peer)>, Error> =
            after.peers.iter().filter(is_new).map(|peer| self.prepare(after, peer, None)).collect();
        let shaped = match &prepared {
            Ok(_) => {
                let before = with_passwords(before.clone(), &self.passwords.borrow());
                self.listener.reshape(&before, after).await
            }
            Err(_) => Ok(()),
        };
        match (prepared, shaped) {
            (Ok(prepared), Ok(())) => {
                prepared.into_iter().for_each(|(member, peer)| self.spawn(member, peer));
                Ok(())
            }
            (Err(error), _) | (_, Err(error)) => {
                after.peers.iter().filter(|peer| !self.members.contains_key(&peer.key())).for_each(|peer| {
                    self.listener.shut(&peer.key());
                });
                Err(error)
            }
        }
    }

    /// Whose password is another one than before hears of it; the peer sees to the rest.
    fn tell_passwords(&self, before: &SpeakerConfig, after: &SpeakerConfig) {
        let had_one = |key: PeerKey| before.peers.iter().any(|peer| peer.key() == key && peer.password.is_some());
        let with_one = after.peers.iter().filter(|peer| had_one(peer.key()));
        let told: Passwords = with_one.filter_map(|peer| Some((peer.key(), peer.password.clone()?))).collect();
        // Whoever is not in it has the one of its settings, or none.
        self.passwords.send_modify(|passwords| *passwords = told);
    }
}

impl Member {
    /// Says what is wanted of the task; where that needs another one, connections of the peer's wait for it.
    fn change(&mut self, config: &SpeakerConfig, settings: &PeerSettings, listener: &Listener) {
        let is_other = effect((&self.begun.0, &self.begun.1), (config, settings)) == Effect::Restarted;
        // A task that was told to go has lost its door.
        let is_to_end = is_other || (self.wanted.borrow().end.is_some() && settings.is_awaited());
        if is_to_end && settings.is_awaited() {
            let (door, waiting) = Door::new(settings);
            listener.open(settings.key(), door);
            self.incoming = Some(waiting);
        } else if is_to_end {
            listener.shut(&settings.key());
            self.incoming = None;
        }
        self.wanted.send_replace(Wanted { settings: settings.clone(), end: is_to_end.then_some(End::Changed) });
    }

    fn remove(&mut self, listener: &Listener) {
        let key = self.begun.1.key();
        listener.shut(&key);
        self.incoming = None;
        self.wanted.send_if_modified(|wanted| {
            let is_news = wanted.end != Some(End::Removed);
            wanted.end = Some(End::Removed);
            is_news
        });
    }
}

fn with_password(settings: PeerSettings, passwords: &Passwords) -> PeerSettings {
    let key = settings.key();
    let password = settings.password.map(|given| passwords.get(&key).cloned().unwrap_or(given));
    PeerSettings { password, ..settings }
}

/// A configuration with the passwords that its peers were given since.
pub(super) fn with_passwords(config: SpeakerConfig, passwords: &Passwords) -> SpeakerConfig {
    let peers = config.peers.into_iter().map(|peer| with_password(peer, passwords)).collect();
    SpeakerConfig { peers, ..config }
}

fn unknown(peer: &PeerSettings) -> PeerStatus {
    PeerStatus::unknown(now(), peer.password.is_some())
}
