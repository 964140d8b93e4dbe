//! What `manifest rbac` grants: enough, and no more.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{account, collection, documents, name, run};
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::api::Api;
use crate::parts::kubelet::Kubelet;
use crate::parts::router::{Conf, Kind};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::wait;

/// What the API server says to what is not granted, and vipcast with it.
const DENIED: &str = "(403 ";
/// Long enough for every kind of request to be made.
const ALL_ASKED: Duration = Duration::from_secs(5);

/// One verb of a rule.
#[derive(Clone, Debug)]
struct Right {
    rule: usize,
    verb: usize,
    /// In the API server's words.
    denial: String,
}

/// With all of it three nodes elect, hand over and heed a cordon, and nothing is refused. Without any one right of it
/// that right is missed.
pub(super) fn rights(cluster: &mut Cluster) -> Result<()> {
    let api = cluster.api(1)?;
    let (yaml, _) = run(&cluster.site.lab.ops, &["manifest", "rbac"])?;
    let objects = documents(&yaml)?;
    for object in &objects {
        apply(&api, object)?;
    }
    let role = objects.iter().find(|object| object.get("kind") == Some(&"ClusterRole".into())).context("no role")?;
    for number in 1..=3 {
        make_node(&api, number)?;
    }
    let outcome = enough(cluster).and_then(|()| no_more(cluster, &api, role));
    // What the other scenarios' user is bound to.
    api.delete("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:kube-vip-role")?;
    api.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:kube-vip-binding")?;
    for number in 1..=3 {
        api.delete(&format!("/api/v1/nodes/n{number}"))?;
    }
    api.grant_kube_vip_role()?;
    outcome
}

/// Makes an object, or puts it in the place of the one there: kube-vip's role has the same name.
fn apply(api: &Api, object: &Value) -> Result<()> {
    let (code, _) = api.request("POST", &collection(object)?, Some(object))?;
    if code == 409 {
        let (code, answer) = api.request("PUT", &format!("{}/{}", collection(object)?, name(object)), Some(object))?;
        ensure!(code == 200, "PUT {}: {code} {answer}", name(object));
        return Ok(());
    }
    ensure!(code == 201, "POST {}: {code}", name(object));
    Ok(())
}

/// A Node object whose annotations say who the peer is.
fn make_node(api: &Api, number: u8) -> Result<()> {
    let annotations = json!({
        "vipcast.test/node-asn": "65000", "vipcast.test/peer-asn": "65001", "vipcast.test/peer-ip": "10.77.0.1",
        "vipcast.test/src-ip": node_address(number).to_string(),
    });
    let metadata = json!({"name": format!("n{number}"), "annotations": annotations});
    api.create("/api/v1/nodes", &json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}))
}

/// The DaemonSet's pod on a node, under a service account and with a lease of this name.
fn start(cluster: &Cluster, number: u8, user: &str, lease: &str) -> Result<Process> {
    let (yaml, _) = run(
        &cluster.site.lab.ops,
        &[
            "manifest",
            "daemonset",
            "--inCluster",
            "--interface",
            "lo",
            "--address",
            "10.88.0.40",
            "--controlplane",
            "--bgp",
            "--leaderElection",
            "--localAS",
            "65000",
            "--annotations",
            "vipcast.test",
            "--drainOnCordon",
            "--leaseName",
            lease,
        ],
    )?;
    let kubelet = Kubelet::new(cluster.site.node(number)?)?.account(account(cluster, user, number)?);
    kubelet.start(documents(&yaml)?.first().context("nothing printed")?)
}

fn enough(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let nodes =
        (1..=3).map(|number| start(cluster, number, "kube-vip", "plndr-cp-lock")).collect::<Result<Vec<_>>>()?;
    let leader = cluster.wait_leader(SOON)?;
    gobgpd.wait_best(PREFIX, node_address(leader), SOON)?;
    let process = nodes.get(usize::from(leader) - 1).context("no such node")?;
    wait::until("others to be known as fit", SOON, || {
        ensure!(process.said().contains("other nodes fit to hold the lease"), "none is");
        Ok(())
    })?;
    let cordon = json!([{"op": "add", "path": "/spec/unschedulable", "value": true}]);
    cluster.api(1)?.patch(&format!("/api/v1/nodes/n{leader}"), &cordon)?;
    let next = cluster.wait_holder_other_than(leader, SOON)?;
    gobgpd.wait_best(PREFIX, node_address(next), SOON)?;
    wait::holds("nothing is refused", ALL_ASKED, || {
        let refused = nodes.iter().map(Process::said).find(|said| said.contains(DENIED));
        ensure!(refused.is_none(), "{}", refused.unwrap_or_default());
        Ok(())
    })
}

fn no_more(cluster: &mut Cluster, api: &Api, role: &Value) -> Result<()> {
    let rights = all(role)?;
    for (n, right) in rights.iter().enumerate() {
        grant_without(api, role, right, &format!("minus-{n}"))?;
    }
    for (batch, rights) in rights.chunks(3).enumerate() {
        let mut running = Vec::new();
        for ((n, right), number) in rights.iter().enumerate().zip(1..) {
            let user = format!("minus-{}", batch * 3 + n);
            running.push((right, start(cluster, number, &user, &user)?));
        }
        for (right, process) in &running {
            wait::until(&format!("vipcast to miss {}", right.denial), SOON, || {
                // The log quotes what quotes.
                ensure!(
                    process.said().replace('\\', "").contains(&right.denial),
                    "it does not:\n{}",
                    process.log().tail(30)
                );
                Ok(())
            })?;
        }
    }
    println!("    figure: {} rights granted, each of them missed when it is taken away", rights.len());
    Ok(())
}

/// Every verb of every rule.
fn all(role: &Value) -> Result<Vec<Right>> {
    let mut rights = Vec::new();
    for (rule, value) in role.get("rules").and_then(Value::as_array).context("no rules")?.iter().enumerate() {
        let resource = value.pointer("/resources/0").and_then(Value::as_str).context("no resource")?;
        for (verb, word) in value.get("verbs").and_then(Value::as_array).context("no verbs")?.iter().enumerate() {
            let denial = format!("cannot {} resource \"{resource}\"", word.as_str().context("a verb is no text")?);
            rights.push(Right { rule, verb, denial });
        }
    }
    Ok(rights)
}

/// A service account with all of the role but one right.
fn grant_without(api: &Api, role: &Value, right: &Right, user: &str) -> Result<()> {
    let mut role = role.clone();
    *role.pointer_mut("/metadata/name").context("no name")? = user.into();
    let rules = role.get_mut("rules").and_then(Value::as_array_mut).context("no rules")?;
    let verbs = rules.get_mut(right.rule).and_then(|rule| rule.get_mut("verbs")).and_then(Value::as_array_mut);
    let verbs = verbs.context("no verbs")?;
    verbs.remove(right.verb);
    if verbs.is_empty() {
        rules.remove(right.rule);
    }
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"kind": "ServiceAccount", "name": user, "namespace": "kube-system"}],
    });
    api.create(&collection(&role)?, &role)?;
    api.create(&collection(&binding)?, &binding)
}
