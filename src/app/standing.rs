//! From the election to the facts: who may speak.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;
use tokio::sync::watch;

use super::Error;
use super::speaking;
use super::stations::{Lease, Stations};
use crate::announce::Moves;
use crate::bgp::{PeerKey, PeerStatus};
use crate::clock::now;
use crate::config::{Config, LeaseConfig};
use crate::election::access::Access;
use crate::election::fence::{Fence, standby_prepend};
use crate::election::{Candidacy, Circumstances, Condition, Fitness, Leadership, LeaseElection, Others, instance};
use crate::kube::{Endpoints, Settings};
use crate::time::{Instant, Until};
use crate::vip::{Facts, Holder, Standing, Vip};

/// The facts before anything is known of an election or of this node's fitness.
pub(super) fn facts(config: &Config) -> Facts {
    let standing = Standing::Follower(Holder::Unknown);
    Facts { vips: config.vips.clone(), attributes: config.vip_attributes.clone(), standing }
}

/// What the election hears of this node.
pub(super) struct Announcements {
    /// Whether it is fit.
    pub(super) condition: watch::Receiver<Condition>,
    /// The VIPs of the configuration.
    pub(super) vips: watch::Receiver<Vec<IpAddr>>,
    /// The VIPs that are bound.
    pub(super) bound: watch::Receiver<BTreeSet<Vip>>,
    /// The peers.
    pub(super) peers: watch::Receiver<BTreeMap<PeerKey, PeerStatus>>,
    /// Elastic IPs, where they take the place of peers.
    pub(super) moves: Option<watch::Receiver<Moves>>,
}

/// Without election: who is fit announces. Aborting it ends the flow from the fitness to the facts.
pub(super) fn gate(
    mut condition: watch::Receiver<Condition>,
    fail_open: bool,
    facts: watch::Sender<Facts>,
) -> tokio::task::AbortHandle {
    let gate = async move {
        loop {
            let standing = without_election(condition.borrow_and_update().fitness, fail_open);
            set(&facts, standing);
            if condition.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::spawn(gate).abort_handle()
}

/// Nobody else needs to hear that no router hears us; and before the first check what an earlier process left may stay.
const fn without_election(fitness: Fitness, fail_open: bool) -> Standing {
    match fitness {
        Fitness::Unknown => Standing::Follower(Holder::Unknown),
        Fitness::Fit | Fitness::Starting | Fitness::Unheard => Standing::Everyone,
        Fitness::Unfit if fail_open => Standing::LastResort,
        Fitness::Unfit | Fitness::Drained => Standing::Unfit,
    }
}

/// Stands for election; its results flow into `facts`.
pub(super) fn stand(
    stations: &mut Stations,
    config: &Config,
    lease: LeaseConfig,
    facts: watch::Sender<Facts>,
    announcements: Announcements,
) -> Lease {
    let (endpoints, keeper) = Endpoints::new(Settings {
        kubeconfig: config.kubeconfig.clone(),
        api_port: config.api_port,
        vips: announcements.vips.clone(),
        call_limit: lease.attempt_limit(),
        leases_in: Some(lease.namespace.clone()),
    });
    let id = instance(&config.node_name, &format!("{:016x}", rand::random::<u64>()));
    let (announced, announced_rx) = watch::channel(None);
    let (stale, stale_rx) = watch::channel(speaking::stale_bound(Some(config.bgp.hold_time)));
    let (candidates, candidates_rx) = watch::channel(Vec::new());
    let (alone, alone_rx) = watch::channel(false);
    let (silent, silent_rx) = watch::channel(true);
    let (said, said_rx) = watch::channel(Condition::default());
    let (leaving, leaving_rx) = watch::channel(false);
    let circumstances = Circumstances {
        condition: announcements.condition.clone(),
        candidates: candidates_rx.clone(),
        alone: alone_rx,
        silent: silent_rx,
        announced: announced_rx,
        stale: stale_rx,
        fence: Fence::new(config.bgp.local_as, config.bgp.as_path_fence),
    };
    let candidacy = Candidacy::new(lease.clone(), &config.node_name, id.clone(), endpoints.clone());
    let renew_deadline = lease.renew_deadline;
    let (election, releaser) = LeaseElection::new(lease, &config.node_name, id, endpoints, circumstances);
    let (story, access) = (election.story(), election.access());
    let (leadership, leadership_rx) = watch::channel(Leadership::UNKNOWN);
    stations.spawn("the list of API endpoints", async move {
        keeper.run().await;
        Ok(())
    });
    stations.spawn("the election", async move { election.run(leadership).await.map_err(Error::Io) });
    let (peers, condition) = (announcements.peers.clone(), announcements.condition.clone());
    let others = Others { fit: candidates, none: alone };
    stations.spawn("the word of what is bound", tell_silent(announcements.bound.clone(), silent));
    stations.spawn("the candidates", async move { candidacy.run(said_rx, others).await.map_err(Error::Io) });
    tokio::spawn(say(condition.clone(), leaving_rx, said));
    stations.spawn("the watch over stale routes", speaking::follow_stale_bound(peers, stale));
    stations.spawn("the word of what is announced", tell_announced(facts.subscribe(), announcements, announced));
    let own = Own {
        name: config.node_name.clone(),
        standby: config.bgp.standby.then(|| standby_prepend(config.bgp.as_path_fence)),
        renew_deadline,
        serves_since: None,
        bootstrap: None,
    };
    let follow = tokio::spawn(follow(leadership_rx.clone(), condition, access, facts, own)).abort_handle();
    Lease { releaser, follow, leadership: leadership_rx, story, candidates: candidates_rx, leaving }
}

/// What other nodes hear of this one: how it is, and at the end that it leaves. Ends with what it hears itself.
async fn say(
    mut condition: watch::Receiver<Condition>,
    mut leaving: watch::Receiver<bool>,
    said: watch::Sender<Condition>,
) {
    loop {
        let now = match *leaving.borrow_and_update() {
            true => Condition { fitness: Fitness::Drained, reason: "vipcast is shutting down here".to_owned() },
            false => condition.borrow_and_update().clone(),
        };
        said.send_if_modified(|before| {
            let differs = *before != now;
            *before = now;
            differs
        });
        tokio::select! {
            Ok(()) = condition.changed() => {}
            Ok(()) = leaving.changed() => {}
            else => return,
        }
    }
}

/// Says when nothing is bound: it goes only after its routes have.
async fn tell_silent(mut bound: watch::Receiver<BTreeSet<Vip>>, silent: watch::Sender<bool>) -> Result<(), Error> {
    loop {
        let now = bound.borrow_and_update().is_empty();
        silent.send_if_modified(|before| std::mem::replace(before, now) != now);
        if bound.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Says in which term our routes are out.
async fn tell_announced(
    mut facts: watch::Receiver<Facts>,
    mut announcements: Announcements,
    announced: watch::Sender<Option<u64>>,
) -> Result<(), Error> {
    loop {
        let term = {
            let (facts, bound) = (facts.borrow_and_update(), announcements.bound.borrow_and_update());
            match &mut announcements.moves {
                None => announced_in(&facts, &bound, &announcements.peers.borrow_and_update()),
                Some(moves) => moved_in(&facts, &bound, &moves.borrow_and_update()),
            }
        };
        // Once is enough: what befalls a session later is no matter of the handover.
        announced.send_if_modified(|known| {
            let differs = term.is_some() && *known != term;
            *known = term.or(*known);
            differs
        });
        let more = tokio::select! {
            more = facts.changed() => more,
            more = announcements.bound.changed() => more,
            more = announcements.peers.changed() => more,
            more = changed(&mut announcements.moves) => more,
        };
        if more.is_err() {
            return Ok(());
        }
    }
}

/// The term in which all VIPs are bound and every peer whose session is up, one at least, has their routes as this term
/// wants them. What cannot be told to a peer is not waited for.
fn announced_in(facts: &Facts, bound: &BTreeSet<Vip>, peers: &BTreeMap<PeerKey, PeerStatus>) -> Option<u64> {
    let Standing::Holder { term, until, .. } = facts.standing else { return None };
    let routes: BTreeSet<IpNetwork> = facts.vips.iter().map(|vip| vip.network()).collect();
    let has_all = |status: &PeerStatus| status.settled == Some(Until::At(until));
    let takes_none = |status: &PeerStatus| routes.iter().all(|route| status.unsendable.contains_key(route));
    let up: Vec<&PeerStatus> = peers.values().filter(|status| status.established()).collect();
    let is_told =
        up.iter().any(|status| has_all(status)) && up.iter().all(|status| has_all(status) || takes_none(status));
    (is_told && facts.vips.iter().all(|vip| bound.contains(vip))).then_some(term)
}

/// The term in which all VIPs are bound, and assigned to this device: seen in this term, since what an earlier one left
/// may have been taken over.
fn moved_in(facts: &Facts, bound: &BTreeSet<Vip>, moves: &Moves) -> Option<u64> {
    let Standing::Holder { term, .. } = facts.standing else { return None };
    let is_here = |vip| bound.contains(vip) && moves.get(vip).is_some_and(|moved| moved.is_here_in(term));
    facts.vips.iter().all(is_here).then_some(term)
}

async fn changed(moves: &mut Option<watch::Receiver<Moves>>) -> Result<(), watch::error::RecvError> {
    match moves {
        Some(moves) => moves.changed().await,
        None => std::future::pending().await,
    }
}

/// Ends with the election.
async fn follow(
    mut leadership: watch::Receiver<Leadership>,
    mut condition: watch::Receiver<Condition>,
    mut access: watch::Receiver<Access>,
    facts: watch::Sender<Facts>,
    mut own: Own,
) {
    loop {
        let fitness = condition.borrow_and_update().fitness;
        let bootstrap = own.bootstrap(now(), fitness, *access.borrow_and_update());
        let standing = own.standing(&leadership.borrow_and_update(), fitness, bootstrap);
        tell_bootstrap(facts.borrow().standing, standing);
        set(&facts, standing);
        let more = tokio::select! {
            more = leadership.changed() => more,
            more = condition.changed() => more,
            more = access.changed() => more,
        };
        if more.is_err() {
            return;
        }
    }
}

fn set(facts: &watch::Sender<Facts>, standing: Standing) {
    facts.send_if_modified(|facts| {
        let differs = facts.standing != standing;
        facts.standing = standing;
        differs
    });
}

/// Says when the bootstrap rule begins to apply.
fn tell_bootstrap(before: Standing, standing: Standing) {
    let is_bootstrap = |standing| matches!(standing, Standing::Bootstrap { .. });
    if is_bootstrap(standing) && !is_bootstrap(before) {
        tracing::warn!(
            "the API server of this node is ready but denies this account the lease, which it never could read: binding the \
             virtual IPs for this node alone, so that kubeadm gets through; they are announced once the lease is held \
             (bootstrap: for ten minutes at most)"
        );
    }
}

/// What of this node decides what leadership means to it.
struct Own {
    name: String,
    /// How often a standby prepends our AS; `None`: it is none.
    standby: Option<u8>,
    /// The lease's.
    renew_deadline: Duration,
    /// Since when what is behind the VIP serves.
    serves_since: Option<Instant>,
    /// Until when the bootstrap rule applied last.
    bootstrap: Option<Instant>,
}

impl Own {
    /// Until when the bootstrap rule applies here: once the lease can be read, for as long as was granted before, in which
    /// it can be taken. Whether routers hear this node does not matter to it.
    fn bootstrap(&mut self, now: Instant, fitness: Fitness, access: Access) -> Option<Instant> {
        let serves = matches!(fitness, Fitness::Fit | Fitness::Starting | Fitness::Unheard);
        self.serves_since = serves.then(|| self.serves_since.unwrap_or(now));
        if access != Access::Granted {
            let applies = |since| access.bootstrap(since, self.renew_deadline);
            self.bootstrap = self.serves_since.and_then(applies);
        }
        self.bootstrap.filter(|until| serves && now < *until)
    }

    fn standing(&self, leadership: &Leadership, fitness: Fitness, bootstrap: Option<Instant>) -> Standing {
        let standby = self.standby.filter(|_| fitness == Fitness::Fit);
        match leadership {
            Leadership::Held { until, term, prepend, .. } => {
                Standing::Holder { until: *until, term: *term, prepend: *prepend }
            }
            Leadership::Follower { holder: Some(holder), .. } if *holder == self.name => {
                Standing::Follower(Holder::Twin)
            }
            Leadership::Follower { holder, standby_until } => match (standby, *standby_until, holder, bootstrap) {
                (Some(prepend), Some(until), _, _) => Standing::Standby { until, prepend },
                (_, _, None, Some(until)) => Standing::Bootstrap { until },
                (_, _, None, None) => Standing::Follower(Holder::Unknown),
                (_, _, Some(_), _) => Standing::Follower(Holder::Elsewhere),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::Moved;

    #[test]
    fn an_elastic_ip_that_was_here_in_another_term_is_not_announced_in_this() {
        let vip = Vip::new([192, 0, 2, 1].into());
        let standing = Standing::Holder { until: Instant::from_boot(Duration::from_secs(9)), term: 8, prepend: 0 };
        let facts = Facts { vips: vec![vip], attributes: BTreeMap::new(), standing };
        let moved = |here, seen_in| {
            let moves = Moves::from([(vip, Moved { here, seen_in, failure: None })]);
            moved_in(&facts, &BTreeSet::from([vip]), &moves)
        };
        assert_eq!(moved(Some(true), Some(8)), Some(8));
        assert_eq!([moved(Some(true), Some(7)), moved(Some(true), None), moved(None, Some(8))], [None; 3]);
    }

    #[test]
    fn without_election_the_fit_announce_and_the_unfit_only_where_it_must_not_become_empty() {
        let all = [Fitness::Unknown, Fitness::Starting, Fitness::Unheard, Fitness::Unfit, Fitness::Drained];
        let before = Standing::Follower(Holder::Unknown);
        let closed = [before, Standing::Everyone, Standing::Everyone, Standing::Unfit, Standing::Unfit];
        assert_eq!(all.map(|fitness| without_election(fitness, false)), closed);
        let open = [before, Standing::Everyone, Standing::Everyone, Standing::LastResort, Standing::Unfit];
        assert_eq!(all.map(|fitness| without_election(fitness, true)), open);
    }

    #[test]
    fn only_a_holder_under_our_own_name_is_a_twin() {
        let expected = [Holder::Unknown, Holder::Twin, Holder::Elsewhere].map(Standing::Follower);
        assert_eq!([None, Some("n1"), Some("n2")].map(|holder| follower(None, Fitness::Fit, holder, None)), expected);
    }

    fn follower(
        standby: Option<u8>,
        fitness: Fitness,
        holder: Option<&str>,
        standby_until: Option<Instant>,
    ) -> Standing {
        own(standby).standing(&Leadership::Follower { holder: holder.map(str::to_owned), standby_until }, fitness, None)
    }

    fn own(standby: Option<u8>) -> Own {
        Own {
            name: "n1".to_owned(),
            standby,
            renew_deadline: Duration::from_secs(3),
            serves_since: None,
            bootstrap: None,
        }
    }

    #[test]
    fn the_bootstrap_rule_is_for_a_node_that_serves_and_knows_no_holder() {
        let at = |seconds| Instant::from_boot(Duration::from_secs(seconds));
        let denied = |last| Access::Denied { first: at(0), last: at(last) };
        let mut own = own(None);
        assert_eq!(own.bootstrap(at(10), Fitness::Unfit, denied(10)), None);
        assert_eq!(own.bootstrap(at(11), Fitness::Starting, denied(10)), None);
        assert_eq!(own.bootstrap(at(12), Fitness::Fit, denied(12)), Some(at(15)));
        let follower =
            |holder: Option<&str>| Leadership::Follower { holder: holder.map(str::to_owned), standby_until: None };
        let standing = |holder| own.standing(&follower(holder), Fitness::Fit, Some(at(15)));
        assert_eq!(standing(None), Standing::Bootstrap { until: at(15) });
        assert_eq!(standing(Some("n2")), Standing::Follower(Holder::Elsewhere));
        assert_eq!(own.bootstrap(at(13), Fitness::Fit, Access::Granted), Some(at(15)));
        assert_eq!(own.bootstrap(at(15), Fitness::Fit, Access::Granted), None);
        assert_eq!(own.bootstrap(at(16), Fitness::Fit, denied(16)), Some(at(19)));
        assert_eq!(own.bootstrap(at(17), Fitness::Drained, denied(17)), None);
    }

    #[test]
    fn a_fit_standby_stands_by_behind_another_live_node() {
        let until = Instant::from_boot(Duration::from_secs(5));
        let fit = Fitness::Fit;
        let standing = [None, Some("n1"), Some("n2")].map(|holder| follower(Some(15), fit, holder, Some(until)));
        let standby = Standing::Standby { until, prepend: 15 };
        // Nobody: the lease was just given back, or deleted.
        let expected = [standby, Standing::Follower(Holder::Twin), standby];
        assert_eq!(standing, expected);
        let silent = Standing::Follower(Holder::Elsewhere);
        assert_eq!(follower(None, fit, Some("n2"), Some(until)), silent);
        assert_eq!(follower(Some(15), fit, Some("n2"), None), silent);
        for fitness in [Fitness::Unknown, Fitness::Starting, Fitness::Unheard, Fitness::Unfit, Fitness::Drained] {
            assert_eq!(follower(Some(15), fitness, Some("n2"), Some(until)), silent);
        }
    }
}
