//! `--drainOnCordon`: a node that is cordoned in Kubernetes is drained.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use tokio::sync::watch;

use super::draining::{Drains, set_cordoned};
use super::stations::Stations;
use crate::clock::{now, sleep_until};
use crate::config::Config;
use crate::kube::{CallError, Endpoints, Refusal, Route, Settings};

/// How often the API is asked. Whoever cordons a node has time; a watch would cost the API server a connection and us
/// the handling of its gaps.
const EVERY: Duration = Duration::from_secs(2);
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Follows this node's own object where that is asked for.
pub(super) fn watch(
    stations: &mut Stations,
    config: &Config,
    vips: watch::Receiver<Vec<IpAddr>>,
    drains: watch::Sender<Drains>,
) {
    if !config.drain_on_cordon {
        return;
    }
    // A list of its own: without election there is no other one.
    let (endpoints, keeper) = Endpoints::new(Settings {
        kubeconfig: config.kubeconfig.clone(),
        api_port: config.api_port,
        vips,
        call_limit: LIMIT,
        leases_in: None,
    });
    let node = config.node_name.clone();
    stations.spawn("the watch over cordons", async move {
        let route = endpoints.route("node");
        tokio::join!(keeper.run(), follow(route, node, drains));
        Ok(())
    });
}

/// Follows the Node object of this name, for as long as the process runs. While the API does not answer, what it said
/// last holds: a node is drained neither because its API server died nor undrained.
async fn follow(mut route: Route, name: String, drains: watch::Sender<Drains>) {
    let mut refused = None;
    loop {
        let wanted = name.clone();
        let node = route.call(LIMIT, |client| async move { Api::<Node>::all(client).get(&wanted).await }).await;
        let fault = match node {
            Ok(node) => {
                set_cordoned(&drains, is_cordoned(&node));
                None
            }
            Err(CallError::Answer(Refusal::NotFound(_))) => Some(format!(
                "there is no node {name}: give this one's name in Kubernetes by --nodeName (vip_nodename)"
            )),
            Err(CallError::Answer(refusal)) => Some(format!("{refusal} (may this account get nodes?)")),
            // The route says so itself.
            Err(CallError::Failed(_) | CallError::Denied(_)) => refused.clone(),
        };
        if let Some(reason) = fault.as_ref().filter(|_| fault != refused) {
            let cordoned = drains.borrow().cordoned;
            tracing::warn!(reason, cordoned, "failed to see whether this node is cordoned; what was seen last holds");
        }
        refused = fault;
        sleep_until(now() + EVERY).await;
    }
}

fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::NodeSpec;

    use super::*;

    #[test]
    fn only_a_node_that_says_so_is_cordoned() {
        let node = |spec: Option<Option<bool>>| {
            let spec = spec.map(|unschedulable| NodeSpec { unschedulable, ..NodeSpec::default() });
            is_cordoned(&Node { spec, ..Node::default() })
        };
        assert_eq!([None, Some(None), Some(Some(false)), Some(Some(true))].map(node), [false, false, false, true]);
    }
}
