//! From the election to the facts: who may speak.

use tokio::sync::watch;

use super::Error;
use super::stations::{Lease, Stations};
use crate::config::{Config, LeaseConfig};
use crate::election::{Leadership, LeaseElection};
use crate::kube::{Endpoints, Settings};
use crate::vip::{Facts, Holder, Standing};

/// The facts before anything is known of an election.
pub(super) fn facts(config: &Config) -> Facts {
    let standing = match config.election {
        Some(_) => Standing::Follower(Holder::Unknown),
        None => Standing::Everyone,
    };
    Facts { vips: config.vips.clone(), attributes: config.vip_attributes.clone(), standing }
}

/// Stands for election; its results flow into `facts`.
pub(super) fn stand(
    stations: &mut Stations,
    config: &Config,
    lease: LeaseConfig,
    facts: watch::Sender<Facts>,
) -> Lease {
    let (endpoints, keeper) = Endpoints::new(Settings {
        kubeconfig: config.kubeconfig.clone(),
        api_port: config.api_port,
        vips: config.vips.iter().map(|vip| vip.address()).collect(),
        call_limit: lease.attempt_limit(),
    });
    let nonce = format!("{:016x}", rand::random::<u64>());
    let (election, releaser) = LeaseElection::new(lease, &config.node_name, &nonce, endpoints);
    let (leadership, leadership_rx) = watch::channel(Leadership::Follower { holder: None });
    stations.spawn("the list of API endpoints", async move {
        keeper.run().await;
        Ok(())
    });
    stations.spawn("the election", async move { election.run(leadership).await.map_err(Error::Io) });
    let follow = tokio::spawn(follow(leadership_rx, facts, config.node_name.clone())).abort_handle();
    Lease { releaser, follow }
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
        Leadership::Held { until, term } => Standing::Holder { until: *until, term: *term, prepend: 0 },
        Leadership::Follower { holder: None } => Standing::Follower(Holder::Unknown),
        Leadership::Follower { holder: Some(holder) } if holder == node_name => Standing::Follower(Holder::Twin),
        Leadership::Follower { holder: Some(_) } => Standing::Follower(Holder::Elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_holder_under_our_own_name_is_a_twin() {
        let follower =
            |holder: Option<&str>| standing(&Leadership::Follower { holder: holder.map(str::to_owned) }, "n1");
        assert_eq!(
            [follower(None), follower(Some("n1")), follower(Some("n2"))],
            [Holder::Unknown, Holder::Twin, Holder::Elsewhere].map(Standing::Follower)
        );
    }
}
