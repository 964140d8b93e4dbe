//! A router under one roof, whichever program it is: configuration in, paths and sessions out.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::mrt;
pub use super::neighbor::Neighbor;
pub use super::path::{Origin, Path, Session};
use super::{bird, exabgp, frr, gobgpd, openbgpd};
use crate::host::Host;
use crate::lab::Net;
use crate::process::{Log, Process};
use crate::wait;

/// Which program the router is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// GoBGP 4: shows the table best, does not forward.
    Gobgpd,
    /// BIRD 2: forwards.
    Bird,
    /// FRR: forwards.
    Frr,
    /// `OpenBGPD`: does not forward here.
    Openbgpd,
    /// `ExaBGP`: has no table of its own and chooses no best path; what it heard last of each peer stands for one.
    Exabgp,
}

impl Kind {
    /// The four that are routers in earnest.
    pub const ALL: [Self; 4] = [Self::Gobgpd, Self::Bird, Self::Frr, Self::Openbgpd];

    /// Its number in the lab's networks.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Gobgpd => 1,
            Self::Bird => 2,
            Self::Frr => 3,
            Self::Openbgpd => 4,
            Self::Exabgp => 5,
        }
    }

    /// Its AS number in the lab.
    #[must_use]
    pub fn asn(self) -> u32 {
        65000 + u32::from(self.number())
    }

    /// Its address on the data network.
    #[must_use]
    pub fn address(self) -> IpAddr {
        IpAddr::V4(Net::Data.v4(self.number()))
    }

    /// Its IPv6 address there.
    #[must_use]
    pub fn address6(self) -> IpAddr {
        IpAddr::V6(Net::Data.v6(self.number()))
    }

    /// Whether a route with the community `GRACEFUL_SHUTDOWN` is its last choice (RFC 8326 §4.2).
    #[must_use]
    pub fn obeys_graceful_shutdown(self) -> bool {
        matches!(self, Self::Bird | Self::Frr | Self::Openbgpd)
    }

    /// Whether its CLI shows the `LOCAL_PREF` it gave an external route.
    #[must_use]
    pub fn shows_local_pref(self) -> bool {
        matches!(self, Self::Bird | Self::Openbgpd)
    }

    /// Whether it writes routes to its kernel, and so has a leg in the client's network.
    #[must_use]
    pub fn forwards(self) -> bool {
        matches!(self, Self::Bird | Self::Frr)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gobgpd => "gobgpd",
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::Openbgpd => "openbgpd",
            Self::Exabgp => "exabgp",
        })
    }
}

/// What a session carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4 unicast.
    V4,
    /// IPv6 unicast.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The word that goes before "unicast" in most configurations.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

/// What a router is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf {
    /// Its own AS.
    pub asn: u32,
    /// Its router ID.
    pub router_id: Ipv4Addr,
    /// Where it listens.
    pub port: u16,
    /// The hold time it offers, seconds.
    pub hold: u16,
    /// How often it sends KEEPALIVEs, seconds; `None`: at a third of the hold time.
    pub keepalive: Option<u16>,
    /// Its peers.
    pub neighbors: Vec<Neighbor>,
    /// Use equal paths together.
    pub multipath: bool,
    /// Write no route to the kernel (BIRD only; the others that forward do).
    pub bare: bool,
    /// Prefixes it announces to its peers, to make noise (BIRD only; see [`Router::flap`]).
    pub flood: u32,
    /// Keep the program's own waiting time after a session error (BIRD: 60–300 s) instead of a short one.
    pub patient: bool,
    /// FRR only: zebra takes each route over at once, instead of collecting them for 10 ms.
    pub prompt: bool,
}

impl Conf {
    /// The lab's router of this kind with the three nodes as peers, hold time 9 s.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            asn: kind.asn(),
            router_id: Net::Data.v4(kind.number()),
            port: 179,
            hold: 9,
            keepalive: None,
            neighbors: (11..=13).map(|number| Neighbor::new(IpAddr::V4(Net::Data.v4(number)))).collect(),
            multipath: false,
            bare: false,
            flood: 0,
            patient: false,
            prompt: false,
        }
    }

    /// The keepalive interval.
    #[must_use]
    pub fn keepalive(&self) -> u16 {
        self.keepalive.unwrap_or(self.hold / 3)
    }

    /// The hops that must be configured: only external sessions are tied to one.
    pub(crate) fn ebgp_multihop(&self, neighbor: &Neighbor) -> Option<u8> {
        neighbor.multihop.filter(|_| neighbor.asn != self.asn)
    }
}

/// A running router.
#[derive(Debug)]
pub struct Router {
    kind: Kind,
    host: Host,
    conf: RefCell<Conf>,
    processes: RefCell<Vec<Process>>,
}

impl Router {
    /// Starts the program and waits until its CLI answers.
    ///
    /// # Errors
    /// When it is not installed, does not start, or does not answer in time.
    pub fn start(kind: Kind, host: &Host, conf: Conf) -> Result<Self> {
        let router = Self { kind, host: host.clone(), conf: RefCell::new(conf), processes: RefCell::default() };
        router.launch()?;
        Ok(router)
    }

    fn launch(&self) -> Result<()> {
        let conf = self.conf.borrow().clone();
        let processes = match self.kind {
            Kind::Gobgpd => vec![gobgpd::start(&self.host, &conf)?],
            Kind::Bird => vec![bird::start(&self.host, &conf)?],
            Kind::Frr => frr::start(&self.host, &conf)?,
            Kind::Openbgpd => vec![openbgpd::start(&self.host, &conf)?],
            Kind::Exabgp => vec![exabgp::start(&self.host, &conf)?],
        };
        self.processes.replace(processes);
        let listening = format!("{} to know its peers", self.kind);
        wait::until(&listening, Duration::from_secs(20), || {
            self.processes.borrow().iter().try_for_each(Process::alive)?;
            let known = self.sessions()?.len();
            ensure!(known == conf.neighbors.len(), "{known} peers");
            Ok(())
        })
    }

    /// Which program it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its processes; none while it is not running.
    #[must_use]
    pub fn processes(&self) -> Ref<'_, [Process]> {
        Ref::map(self.processes.borrow(), Vec::as_slice)
    }

    /// Real-time scheduling, see [`Process::hurry`].
    ///
    /// # Errors
    /// When it is refused.
    pub fn hurry(&self) -> Result<()> {
        self.processes.borrow().iter().try_for_each(Process::hurry)
    }

    /// Its log (FRR: bgpd's).
    ///
    /// # Errors
    /// When it is not running.
    pub fn log(&self) -> Result<Log> {
        let processes = self.processes.borrow();
        Ok(processes.last().with_context(|| format!("{} is not running", self.kind))?.log().clone())
    }

    /// Ends it in good order (SIGTERM): its peers get a Cease.
    ///
    /// # Errors
    /// When it does not end within 10 s.
    pub fn stop(&self) -> Result<()> {
        for process in self.processes.take().iter().rev() {
            process.term()?;
            process.wait_exit(Duration::from_secs(10))?;
        }
        Ok(())
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        self.processes.take();
    }

    /// Freezes it: sessions stay, nothing is answered.
    ///
    /// # Errors
    /// When it is not running.
    pub fn freeze(&self) -> Result<()> {
        self.processes.borrow().iter().try_for_each(Process::freeze)
    }

    /// Undoes [`Router::freeze`].
    ///
    /// # Errors
    /// When it is not running.
    pub fn thaw(&self) -> Result<()> {
        self.processes.borrow().iter().try_for_each(Process::thaw)
    }

    /// Starts it again after [`Router::stop`] or [`Router::kill`].
    ///
    /// # Errors
    /// As [`Router::start`].
    pub fn restart(&self) -> Result<()> {
        self.launch()
    }

    /// All paths to a prefix; none is an empty list.
    ///
    /// # Errors
    /// When the CLI fails or prints something unknown.
    pub fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        match self.kind {
            Kind::Gobgpd => gobgpd::paths(&self.host, prefix),
            Kind::Bird => bird::paths(&self.host, prefix),
            Kind::Frr => frr::paths(&self.host, prefix),
            Kind::Openbgpd => openbgpd::paths(&self.host, prefix),
            Kind::Exabgp => exabgp::paths(&self.host, prefix),
        }
        .with_context(|| format!("failed to read the table of {}", self.kind))
    }

    /// The path in use.
    ///
    /// # Errors
    /// As [`Router::paths`].
    pub fn best(&self, prefix: &str) -> Result<Option<Path>> {
        Ok(self.paths(prefix)?.into_iter().find(|path| path.best))
    }

    /// All sessions.
    ///
    /// # Errors
    /// When the CLI fails or prints something unknown.
    pub fn sessions(&self) -> Result<Vec<Session>> {
        match self.kind {
            Kind::Gobgpd => gobgpd::sessions(&self.host),
            Kind::Bird => bird::sessions(&self.host),
            Kind::Frr => frr::sessions(&self.host),
            Kind::Openbgpd => openbgpd::sessions(&self.host),
            Kind::Exabgp => exabgp::sessions(&self.host, &self.conf.borrow().neighbors),
        }
        .with_context(|| format!("failed to read the sessions of {}", self.kind))
    }

    /// The session with one peer.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn session(&self, peer: IpAddr) -> Result<Session> {
        let all = self.sessions()?;
        all.into_iter()
            .find(|session| session.peer == peer)
            .with_context(|| format!("{} has no peer {peer}", self.kind))
    }

    /// What this router says of the session with a peer that would be another of another session: how often it came up,
    /// or when.
    ///
    /// # Errors
    /// When there is no such session, or the program does not say it (OpenBGPD, ExaBGP).
    pub fn up_mark(&self, peer: IpAddr) -> Result<String> {
        match self.kind {
            Kind::Gobgpd => gobgpd::up_mark(&self.host, peer),
            Kind::Bird => bird::up_mark(&self.host, peer),
            Kind::Frr => frr::up_mark(&self.host, peer),
            Kind::Openbgpd | Kind::Exabgp => bail!("{} does not say it", self.kind),
        }
    }

    /// Waits until the best path to `prefix` points at `next_hop`, and returns it.
    ///
    /// # Errors
    /// When it does not in time; with what is there.
    pub fn wait_best(&self, prefix: &str, next_hop: IpAddr, within: Duration) -> Result<Path> {
        wait::until(&format!("{prefix} via {next_hop} in {}", self.kind), within, || {
            let paths = self.paths(prefix)?;
            let best = paths.iter().find(|path| path.best && path.next_hop == next_hop);
            best.cloned().with_context(|| format!("{paths:?}"))
        })
    }

    /// Waits until there is no path to `prefix` from `next_hop` (from anyone, where `None`).
    ///
    /// # Errors
    /// When it is still there in the end.
    pub fn wait_gone(&self, prefix: &str, next_hop: Option<IpAddr>, within: Duration) -> Result<()> {
        wait::until(&format!("{prefix} to leave {}", self.kind), within, || {
            let paths = self.paths(prefix)?;
            ensure!(!paths.iter().any(|path| next_hop.is_none_or(|hop| hop == path.next_hop)), "{paths:?}");
            Ok(())
        })
    }

    /// Waits until the session with `peer` is up.
    ///
    /// # Errors
    /// When it is not in time; with its state.
    pub fn wait_established(&self, peer: IpAddr, within: Duration) -> Result<()> {
        wait::until(&format!("{} to have a session with {peer}", self.kind), within, || {
            let session = self.session(peer)?;
            ensure!(session.established, "{session:?}");
            Ok(())
        })
    }

    /// Changes the password of a neighbour while it runs. Not for gobgpd and `ExaBGP`.
    ///
    /// # Errors
    /// When the router is none of the others, or refuses.
    pub fn set_password(&self, neighbor: IpAddr, password: &str) -> Result<()> {
        let mut conf = self.conf.borrow_mut();
        let known = conf.neighbors.iter_mut().find(|known| known.address == neighbor);
        known.with_context(|| format!("{} has no peer {neighbor}", self.kind))?.password = Some(password.to_owned());
        match self.kind {
            Kind::Bird => bird::reload(&self.host, &conf),
            Kind::Frr => frr::set_password(&self.host, &conf, neighbor, password),
            Kind::Openbgpd => openbgpd::reload(&self.host, &conf),
            Kind::Gobgpd | Kind::Exabgp => anyhow::bail!("{} changes no password while it runs", self.kind),
        }
    }

    /// Withdraws (`false`) or announces all of [`Conf::flood`] at once. BIRD only.
    ///
    /// # Errors
    /// When the router is not BIRD or refuses.
    pub fn flap(&self, announced: bool) -> Result<()> {
        ensure!(self.kind == Kind::Bird, "only bird floods");
        bird::flap(&self.host, announced)
    }

    /// Originates a route with this next hop and MED, where gobgpd plays the node's part.
    ///
    /// # Errors
    /// When the router is not gobgpd or refuses.
    pub fn originate(&self, prefix: &str, next_hop: IpAddr, med: u32) -> Result<()> {
        ensure!(self.kind == Kind::Gobgpd, "only gobgpd originates");
        gobgpd::originate(&self.host, prefix, next_hop, med)
    }

    /// Originates host routes to all of these with this next hop, where gobgpd plays the node's part.
    ///
    /// # Errors
    /// When the router is not gobgpd or refuses.
    pub fn originate_all(&self, next_hop: Ipv4Addr, prefixes: &[Ipv4Addr]) -> Result<()> {
        ensure!(self.kind == Kind::Gobgpd, "only gobgpd originates");
        let conf = self.conf.borrow();
        gobgpd::originate_all(&self.host, &mrt::table(conf.asn, conf.router_id, next_hop, prefixes))
    }

    /// Withdraws all it originates, where gobgpd plays the node's part.
    ///
    /// # Errors
    /// When the router is not gobgpd or refuses.
    pub fn delete_all(&self) -> Result<()> {
        ensure!(self.kind == Kind::Gobgpd, "only gobgpd originates");
        gobgpd::delete_all(&self.host)
    }

    /// How many routes are in its table. BIRD only.
    ///
    /// # Errors
    /// When the router is not BIRD, or its CLI fails.
    pub fn count(&self) -> Result<usize> {
        ensure!(self.kind == Kind::Bird, "only bird counts");
        bird::count(&self.host)
    }

    /// Its own AS.
    #[must_use]
    pub fn asn(&self) -> u32 {
        self.conf.borrow().asn
    }

    /// A report for a failed scenario: sessions and paths.
    #[must_use]
    pub fn report(&self, prefix: &str) -> String {
        if self.processes.borrow().is_empty() {
            return format!("{}: not running", self.kind);
        }
        let mut lines = vec![format!("{}:", self.kind)];
        match self.sessions() {
            Ok(sessions) => lines.extend(sessions.iter().map(|session| format!("  {session:?}"))),
            Err(error) => lines.push(format!("  {error:#}")),
        }
        match self.paths(prefix) {
            Ok(paths) => lines.extend(paths.iter().map(|path| format!("  {path:?}"))),
            Err(error) => lines.push(format!("  {error:#}")),
        }
        lines.join("\n")
    }
}
