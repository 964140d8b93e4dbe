//! README's static pod: the API server takes it, and vipcast started with its words does the main job.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::parts::vipcast::Spec;
use crate::site::PREFIX;

const PODS: &str = "/api/v1/namespaces/kube-system/pods?dryRun=All";
const ACCOUNTS: &str = "/api/v1/namespaces/kube-system/serviceaccounts";

pub(super) fn static_pod(cluster: &mut Cluster) -> Result<()> {
    let pod = manifest()?;
    let api = cluster.api(1)?;
    // A controller manager makes this one; none runs here, and the API server wants to see it.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    api.create(ACCOUNTS, &account)?;
    let (code, answer) = api.request("POST", PODS, Some(&pod))?;
    ensure!(code == 201, "the API server answered {code} to README's pod: {answer}");

    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    for number in 1..=3 {
        // No kubelet mounts the kubeconfig and names the host here: two variables say it instead.
        let spec = spec(&pod)?
            .env("k8s_config_file", cluster.kubeconfig(number)?.display())
            .env("vip_nodename", cluster.site.node(number)?.name());
        cluster.site.vipcast(number, &spec)?;
    }
    let leader = cluster.wait_leader(SOON)?;
    gobgpd.wait_best(PREFIX, node_address(leader), SOON)?;
    cluster.site.node(leader)?.expect_address("lo", IpAddr::V4(VIP), true)
}

/// The one YAML block of README.md.
fn manifest() -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    serde_saphyr::from_str(block.context("README.md has no YAML block")?).context("README.md's YAML block")
}

/// The container's arguments and environment.
fn spec(pod: &Value) -> Result<Spec> {
    let container = pod.pointer("/spec/containers/0").context("the pod has no container")?;
    ensure!(container.get("args") == Some(&json!(["manager"])), "the arguments are {:?}", container.get("args"));
    let variables = container.get("env").and_then(Value::as_array).context("the container has no env")?;
    let word = |variable: &Value, key: &str| variable.get(key).and_then(Value::as_str).map(str::to_owned);
    variables.iter().try_fold(Spec::manager(), |spec, variable| {
        let name = word(variable, "name").context("a variable without a name")?;
        let value = word(variable, "value").with_context(|| format!("{name} has no value"))?;
        Ok(spec.env(&name, value))
    })
}
