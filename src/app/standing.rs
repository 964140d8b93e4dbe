//! From the election to the facts: who may speak.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;
use tokio::sync::watch;

use super::Error;
use super::stations::{Lease, Stations};
use crate::bgp::{PeerKey, PeerStatus};
use crate::config::{Config, LeaseConfig};
use crate::election::{Circumstances, Fitness, Leadership, LeaseElection, instance};
use crate::kube::{Endpoints, Settings};
use crate::vip::{Facts, Holder, Standing, Vip};

/// The facts before anything is known of an election.
pub(super) fn facts(config: &Config) -> Facts {
    let standing = match config.election {
        Some(_) => Standing::Follower(Holder::Unknown),
        None => Standing::Everyone,
    };
    Facts { vips: config.vips.clone(), attributes: config.vip_attributes.clone(), standing }
}

/// What the election hears of the announcements.
pub(super) struct Announcements {
    /// The VIPs that are bound.
    pub(super) bound: watch::Receiver<BTreeSet<Vip>>,
    /// The peers.
    pub(super) peers: watch::Receiver<BTreeMap<PeerKey, PeerStatus>>,
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
        vips: config.vips.iter().map(|vip| vip.address()).collect(),
        call_limit: lease.attempt_limit(),
    });
    let id = instance(&config.node_name, &format!("{:016x}", rand::random::<u64>()));
    let (announced, announced_rx) = watch::channel(None);
    let circumstances = Circumstances {
        fitness: watch::channel(Fitness::Fit).1,
        candidates: watch::channel(Vec::new()).1,
        announced: announced_rx,
    };
    let (election, releaser) = LeaseElection::new(lease, &config.node_name, id, endpoints, circumstances);
    let (leadership, leadership_rx) = watch::channel(Leadership::UNKNOWN);
    stations.spawn("the list of API endpoints", async move {
        keeper.run().await;
        Ok(())
    });
    stations.spawn("the election", async move { election.run(leadership).await.map_err(Error::Io) });
    stations.spawn("the word of what is announced", tell_announced(facts.subscribe(), announcements, announced));
    let follow = tokio::spawn(follow(leadership_rx, facts, config.node_name.clone())).abort_handle();
    Lease { releaser, follow }
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
            announced_in(&facts, &bound, &announcements.peers.borrow_and_update())
        };
        announced.send_if_modified(|known| {
            let differs = *known != term;
            *known = term;
            differs
        });
        let more = tokio::select! {
            more = facts.changed() => more,
            more = announcements.bound.changed() => more,
            more = announcements.peers.changed() => more,
        };
        if more.is_err() {
            return Ok(());
        }
    }
}

/// The term in which all VIPs are bound and told to every peer whose session is up, one at least. What cannot be told
/// to a peer is not waited for.
fn announced_in(facts: &Facts, bound: &BTreeSet<Vip>, peers: &BTreeMap<PeerKey, PeerStatus>) -> Option<u64> {
    let Standing::Holder { term, .. } = facts.standing else { return None };
    let routes: BTreeSet<IpNetwork> = facts.vips.iter().map(|vip| vip.network()).collect();
    let mut up = peers.values().filter(|status| status.established()).peekable();
    let is_told = |status: &PeerStatus| {
        routes.iter().all(|route| status.announced.contains_key(route) || status.unsendable.contains_key(route))
    };
    let is_out = up.peek().is_some() && up.all(is_told) && facts.vips.iter().all(|vip| bound.contains(vip));
    is_out.then_some(term)
}

/// Ends with the election.
async fn follow(mut leadership: watch::Receiver<Leadership>, facts: watch::Sender<Facts>, node_name: String) {
    while leadership.changed().await.is_ok() {
        let standing = standing(&leadership.borrow_and_update(), &node_name);
        facts.send_if_modified(|facts| {
            let differs = facts.standing != standing;
            facts.standing = standing;
            differs
        });
    }
}

fn standing(leadership: &Leadership, node_name: &str) -> Standing {
    match leadership {
        Leadership::Held { until, term, .. } => Standing::Holder { until: *until, term: *term, prepend: 0 },
        Leadership::Follower { holder: None, .. } => Standing::Follower(Holder::Unknown),
        Leadership::Follower { holder: Some(holder), .. } if holder == node_name => Standing::Follower(Holder::Twin),
        Leadership::Follower { holder: Some(_), .. } => Standing::Follower(Holder::Elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_holder_under_our_own_name_is_a_twin() {
        let follower = |holder: Option<&str>| {
            standing(&Leadership::Follower { holder: holder.map(str::to_owned), standby_until: None }, "n1")
        };
        assert_eq!(
            [follower(None), follower(Some("n1")), follower(Some("n2"))],
            [Holder::Unknown, Holder::Twin, Holder::Elsewhere].map(Standing::Follower)
        );
    }
}
