//! From the health check, the sessions, the links and the operator to one word: is this node fit.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::net::SocketAddr;

use tokio::sync::watch;

use super::Error;
use super::stations::Stations;
use crate::bgp::{PeerKey, PeerStatus};
use crate::clock::{Timer, now};
use crate::config::{Config, HealthConfig, HealthTarget};
use crate::election;
use crate::election::Condition;
use crate::health::{Ask, Fitness, Health, Heard, Hearing, Outcome, Rules, Sessions, probe};
use crate::kube::{Asker, Question, Trouble};
use crate::net::{LinkWatch, Links, Owners};
use crate::time::{Instant, Said};

type Board = BTreeMap<PeerKey, PeerStatus>;

/// Starts all that decides whether this node is fit.
pub(super) fn watch(
    stations: &mut Stations,
    config: &Config,
    peers: watch::Receiver<Board>,
    drained: watch::Receiver<bool>,
) -> Result<(watch::Receiver<Condition>, watch::Receiver<Health>), Error> {
    let health = check(stations, config);
    let (links, owners) = LinkWatch::new()?;
    let (links_tx, links_rx) = watch::channel(Links::new());
    stations.spawn("the watch over links", async move { links.run(links_tx).await.map_err(Error::Net) });
    let (condition_tx, condition) = watch::channel(Condition::default());
    let roads = Roads { owners, known: BTreeMap::new() };
    let join = Join {
        health: health.clone(),
        peers,
        links: links_rx,
        drained,
        roads,
        needs_routers: config.eip.is_none(),
        published: Published::default(),
        condition: condition_tx,
    };
    stations.spawn("the watch over this node's fitness", async move { join.run().await.map_err(Error::Io) });
    Ok((condition, health))
}

/// Starts the health check, if there is one.
fn check(stations: &mut Stations, config: &Config) -> watch::Receiver<Health> {
    let (tx, health) = watch::channel(Health::off(now()));
    let Some(check) = config.health.clone() else {
        // Nobody writes it: it stays so.
        return health;
    };
    tx.send_replace(Health::unknown(now()));
    let asker = Asker::new(question(&check, config));
    let rules = Rules { period: check.period, fall: check.fall, rise: check.rise };
    let timeout = check.timeout;
    stations.spawn("the health check", async move { probe(rules, timeout, asker, tx).await.map_err(Error::Io) });
    health
}

pub(super) fn question(check: &HealthConfig, config: &Config) -> Question {
    let kubeconfig = match check.target {
        HealthTarget::Own { .. } => Some(config.kubeconfig.clone()),
        HealthTarget::Url(_) => None,
    };
    Question {
        url: check.target.url(),
        server_name: check.server_name.clone(),
        ca: check.ca.clone(),
        kubeconfig,
        limit: check.timeout,
    }
}

impl Ask for Asker {
    async fn ask(&mut self) -> Outcome {
        match Self::ask(self).await {
            Ok(()) => Outcome::Good,
            Err(Trouble::Failed(text)) => Outcome::Failed(text),
            Err(Trouble::Refused(text)) => Outcome::Refused(text),
            Err(Trouble::Fault(text)) => Outcome::Fault(text),
        }
    }
}

/// Joins all that is known.
struct Join {
    health: watch::Receiver<Health>,
    peers: watch::Receiver<Board>,
    links: watch::Receiver<Links>,
    drained: watch::Receiver<bool>,
    roads: Roads,
    /// Whether a router must hear this node; an Elastic IP needs none.
    needs_routers: bool,
    published: Published,
    condition: watch::Sender<Condition>,
}

impl Join {
    async fn run(mut self) -> std::io::Result<()> {
        let mut heard = Heard::new(now());
        let mut timer = Timer::new()?;
        loop {
            let established = established(&self.peers.borrow_and_update());
            self.roads.learn(&established).await;
            heard.see(now(), &self.roads.sessions(&established, &self.links.borrow_and_update()));
            let hearing = if self.needs_routers { heard.hearing(now()) } else { Hearing::Heard };
            let drained = *self.drained.borrow_and_update();
            let fitness = Fitness::join(&self.health.borrow_and_update(), hearing, drained);
            self.publish(fitness);
            let deadline = heard.next_deadline(now());
            tokio::select! {
                Ok(()) = self.health.changed() => {}
                Ok(()) = self.peers.changed() => {}
                Ok(()) = self.links.changed() => {}
                Ok(()) = self.drained.changed() => {}
                () = timer.until(deadline) => {}
            }
        }
    }

    fn publish(&mut self, fitness: Fitness) {
        let before = self.published.fitness.clone();
        if !self.published.is_news(now(), &fitness) {
            return;
        }
        match (&before, &fitness) {
            (_, Fitness::Unheard(why)) => tracing::warn!(reason = why, "no router hears this node"),
            (Fitness::Unheard(_), Fitness::Fit) => tracing::info!("a router hears this node again"),
            _ => {}
        }
        self.condition.send_replace(condition(fitness));
    }
}

/// What was published last. Each change is a write to the API: a reason that differs with every check must not be one.
#[derive(Debug, Default)]
struct Published {
    fitness: Fitness,
    reason: Said,
}

impl Published {
    /// Whether `fitness` is to be published at `now`; then it counts as published.
    fn is_news(&mut self, now: Instant, fitness: &Fitness) -> bool {
        let is_other = discriminant(&self.fitness) != discriminant(fitness);
        if is_other {
            self.reason = Said::default();
        }
        let reason = match fitness {
            Fitness::Unheard(why) | Fitness::Unfit(why) => why.as_str(),
            _ => "",
        };
        let is_news = *fitness != self.fitness && (self.reason.is_news(now, reason) || is_other);
        if is_news {
            self.fitness = fitness.clone();
        }
        is_news
    }
}

/// What the election makes of it.
fn condition(fitness: Fitness) -> Condition {
    let (fitness, reason) = match fitness {
        Fitness::Unknown => (election::Fitness::Unknown, "no health check is over yet".to_owned()),
        Fitness::Fit => (election::Fitness::Fit, String::new()),
        Fitness::Starting => (election::Fitness::Starting, "no session has come up since the start".to_owned()),
        Fitness::Unheard(why) => (election::Fitness::Unheard, why),
        Fitness::Unfit(why) => (election::Fitness::Unfit, why),
        Fitness::Drained => (election::Fitness::Drained, "drained by its operator".to_owned()),
    };
    Condition { fitness, reason }
}

/// The sessions that are up, each with our end of it.
fn established(board: &Board) -> BTreeMap<PeerKey, SocketAddr> {
    let up = board.iter().filter(|(_, status)| status.established());
    up.filter_map(|(key, status)| Some((key.clone(), status.local?))).collect()
}

/// Which link each session runs over: the one that has our end's address.
#[derive(Debug)]
struct Roads {
    owners: Owners,
    /// Our end, and the index of its link; `None`: no link has it, or its session is not bound to any. Looked up when
    /// the session comes up: a link that is taken down loses its addresses.
    known: BTreeMap<PeerKey, (SocketAddr, Option<u32>)>,
}

impl Roads {
    async fn learn(&mut self, established: &BTreeMap<PeerKey, SocketAddr>) {
        self.known.retain(|key, (local, _)| established.get(key) == Some(&*local));
        for (key, local) in established {
            if self.known.contains_key(key) {
                continue;
            }
            let found = match local {
                SocketAddr::V6(local) if local.scope_id() != 0 => Ok(Some(local.scope_id())),
                _ => self.owners.link_of(local.ip()).await,
            };
            let link = match found {
                Ok(link) => link,
                Err(error) => {
                    tracing::warn!(peer = %key, %error, "failed to find the link of a session; trying again");
                    continue;
                }
            };
            self.known.insert(key.clone(), (*local, link));
        }
    }

    fn sessions(&self, established: &BTreeMap<PeerKey, SocketAddr>, links: &Links) -> Sessions {
        let mut dark = BTreeSet::new();
        for key in established.keys() {
            let Some(index) = self.known.get(key).and_then(|(_, link)| *link) else { return Sessions::Some };
            match links.get(&index) {
                Some(link) if !link.has_carrier => dark.insert(link.name.clone()),
                Some(_) => return Sessions::Some,
                // Not listed yet, or gone; before the first list nothing can be said.
                None if links.is_empty() => return Sessions::Some,
                None => dark.insert(format!("the link with index {index}")),
            };
        }
        match dark.is_empty() {
            true => Sessions::None,
            false => Sessions::Dark(dark.into_iter().collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bgp::PeerHost;
    use crate::net::Link;

    fn key(last: u8) -> PeerKey {
        PeerKey { host: PeerHost::Address([10, 0, 0, last].into()), port: 179 }
    }

    fn local(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, last, 1], 40000))
    }

    fn link(name: &str, has_carrier: bool) -> Link {
        Link { name: name.to_owned(), has_carrier }
    }

    #[test]
    fn a_reason_that_changes_with_every_check_is_published_once_a_minute() {
        let mut published = Published::default();
        let mut is_news =
            |seconds, fitness: Fitness| published.is_news(Instant::from_boot(Duration::from_secs(seconds)), &fitness);
        let unfit = |why: &str| Fitness::Unfit(why.to_owned());
        assert!(!is_news(0, Fitness::Unknown));
        assert!(is_news(1, unfit("expired 1 seconds ago")));
        assert!(!is_news(2, unfit("expired 2 seconds ago")));
        assert!(!is_news(3, unfit("no answer")));
        assert!(is_news(61, unfit("no answer")));
        assert!(!is_news(62, unfit("500")));
        assert!(is_news(63, Fitness::Fit));
        assert!(is_news(64, unfit("500")));
    }

    #[tokio::test]
    async fn a_session_is_dark_when_its_link_is() {
        let (_, owners) = LinkWatch::new().unwrap();
        let known = [(key(1), (local(1), Some(1))), (key(2), (local(2), Some(2))), (key(3), (local(3), None))].into();
        let roads = Roads { owners, known };
        let sees = |peers: &[u8], links: &[(u32, Link)]| {
            let established = peers.iter().map(|n| (key(*n), local(*n))).collect();
            roads.sessions(&established, &links.iter().cloned().collect())
        };
        let dark = |names: &str| Sessions::Dark(names.to_owned());
        let both = |one, two| [(1, link("eth0", one)), (2, link("eth1", two))];
        assert_eq!(sees(&[], &both(true, true)), Sessions::None);
        assert_eq!(sees(&[1, 2], &both(false, true)), Sessions::Some);
        assert_eq!(sees(&[1], &both(false, true)), dark("eth0"));
        assert_eq!(sees(&[1, 2], &both(false, false)), dark("eth0, eth1"));
        assert_eq!(sees(&[1, 2, 3], &both(false, false)), Sessions::Some);
        assert_eq!(sees(&[2], &both(true, true)[..1]), dark("the link with index 2"));
        assert_eq!(sees(&[2], &[]), Sessions::Some);
    }
}
