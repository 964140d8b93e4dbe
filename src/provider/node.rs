//! Follows this node's Node object: by its name, else by its hostname label.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use tokio::sync::watch;

use super::annotations;
use super::board::Board;
use crate::clock::{now, sleep_until};
use crate::config::{Config, ProviderConfig};
use crate::kube::{CallError, Endpoints, Follow, Keeper, Refusal, Route, Seen, Select, Settings};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two looks for the object while the API does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// And while it answers that there is none: the names of all nodes were read.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// So many nodes are read at a time.
const PAGE: u32 = 500;
/// A watch is kept for 30 s and begun again: one that says nothing for so long is dead.
const QUIET: Duration = Duration::from_secs(60);
/// The label that the kubelet sets to its host's name.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Whose troubles they are.
const NODE: &str = "node";
const ANNOTATIONS: &str = "annotations";

/// One that has not asked yet.
#[derive(Debug)]
pub(super) struct Follower {
    endpoints: Endpoints,
    keeper: Keeper,
    /// This node's name, lower case.
    name: String,
    /// Whose annotations are read, if any are.
    prefix: Option<String>,
    wants_labels: bool,
}

impl Follower {
    /// `None`: nothing of the configuration hangs on it. `vips`: calls never go through them.
    pub(super) fn new(config: &Config, vips: watch::Receiver<Vec<IpAddr>>) -> Option<Self> {
        let prefix = match &config.provider {
            Some(ProviderConfig::Annotations { prefix }) => Some(prefix.clone()),
            Some(ProviderConfig::Metal(_)) | None => None,
        };
        if prefix.is_none() && !config.depends_on_labels {
            return None;
        }
        // A list of its own: without election there is no other one.
        let (endpoints, keeper) = Endpoints::new(Settings {
            kubeconfig: config.kubeconfig.clone(),
            api_port: config.api_port,
            vips,
            call_limit: LIMIT,
            leases_in: None,
        });
        let (name, wants_labels) = (config.node_name.clone(), config.depends_on_labels);
        Some(Self { endpoints, keeper, name, prefix, wants_labels })
    }

    /// Follows it for ever. What it said last holds while the API does not answer, and when the object is deleted.
    pub(super) async fn run(self, board: Board) {
        let Self { endpoints, keeper, name, prefix, wants_labels } = self;
        board.change(|told| told.trouble(NODE, vec![format!("the API server has not told of node {name} yet")]));
        let see = |node: Node| {
            let found = node.metadata.name.unwrap_or_default();
            let annotations = node.metadata.annotations.unwrap_or_default();
            let said = prefix.as_ref().map(|prefix| annotations::read(prefix, &found, &annotations));
            let labels = node.metadata.labels.unwrap_or_default();
            board.change(|told| {
                told.trouble(NODE, Vec::new());
                if let Some(said) = said {
                    told.provided(ANNOTATIONS, said);
                }
                if wants_labels {
                    told.learned.node_labels = Some(labels);
                }
            });
        };
        let follow = async {
            let mut route = endpoints.route("node");
            loop {
                let found = find(&mut route, &name, &board).await;
                follow(endpoints.route("node"), &found, see).await;
                sleep_until(now() + RETRY).await;
            }
        };
        tokio::join!(keeper.run(), follow);
    }
}

/// Tells of each state of the object until it is gone.
async fn follow(route: Route, name: &str, see: impl Fn(Node)) {
    let select = Select::Fields(format!("metadata.name={name}"));
    let mut nodes = Follow::<Node>::of_cluster(route, select, LIMIT);
    loop {
        match nodes.next(QUIET).await {
            Seen::All { items, .. } => match items.into_iter().next() {
                Some(node) => see(node),
                None => return,
            },
            Seen::One(node) => see(node),
            Seen::Gone(_) => return,
        }
    }
}

/// The name of the object; tries until there is one.
async fn find(route: &mut Route, name: &str, board: &Board) -> String {
    loop {
        let pause = match look(route, name).await {
            Ok(Ok(found)) => {
                if found != name {
                    tracing::info!(node = found, host = name, "found this node by its hostname label");
                }
                return found;
            }
            Ok(Err(none)) => {
                board.change(|told| told.trouble(NODE, vec![none]));
                LOOK_AGAIN
            }
            Err(error) => {
                let wrong = format!("failed to read the Node object {name}: {error}");
                board.change(|told| told.trouble(NODE, vec![wrong]));
                RETRY
            }
        };
        sleep_until(now() + pause).await;
    }
}

/// The name of the object, or why there is none; an error where the API does not say.
async fn look(route: &mut Route, name: &str) -> Result<Result<String, String>, CallError> {
    let wanted = name.to_owned();
    match route.call(LIMIT, |client| async move { Api::<Node>::all(client).get_metadata(&wanted).await }).await {
        Ok(_) => return Ok(Ok(name.to_owned())),
        Err(CallError::Answer(Refusal::NotFound(_))) => {}
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    let mut page = ListParams::default().labels(HOSTNAME).limit(PAGE);
    loop {
        let params = page.clone();
        let read = route.call(LIMIT, |client| async move { Api::<Node>::all(client).list_metadata(&params).await });
        let list = read.await?;
        for node in list.items {
            let label = node.metadata.labels.as_ref().and_then(|labels| labels.get(HOSTNAME));
            if label.is_some_and(|label| label.eq_ignore_ascii_case(name)) {
                found.extend(node.metadata.name);
            }
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(only(found, name)),
        }
    }
}

/// The only one of the nodes with this host name.
fn only(mut found: Vec<String>, name: &str) -> Result<String, String> {
    let remedy = "give this node's name in Kubernetes by --nodeName (vip_nodename)";
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!("there is no node {name}, and none whose label {HOSTNAME} is {name}; {remedy}")),
        several => Err(format!("the label {HOSTNAME} is {name} on several nodes, {}; {remedy}", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_has_the_label() {
        let only = |found: &[&str]| only(found.iter().map(|name| (*name).to_owned()).collect(), "h1");
        assert_eq!(only(&["n1"]), Ok("n1".to_owned()));
        let remedy = "give this node's name in Kubernetes by --nodeName (vip_nodename)";
        let none = format!("there is no node h1, and none whose label kubernetes.io/hostname is h1; {remedy}");
        let two = format!("the label kubernetes.io/hostname is h1 on several nodes, n1, n2; {remedy}");
        assert_eq!((only(&[]), only(&["n2", "n1"])), (Err(none), Err(two)));
    }
}
