//! README's static pod: what its command prints the API server takes, and it does the main job.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::manifests::{documents, kubelet, make_account, run};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::site::PREFIX;

const PODS: &str = "/api/v1/namespaces/kube-system/pods?dryRun=All";

pub(super) fn static_pod(cluster: &mut Cluster) -> Result<()> {
    let words = command()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (yaml, said) = run(&cluster.site.lab.ops, &words)?;
    ensure!(said.is_empty(), "it says {said}");
    let pod = documents(&yaml)?.into_iter().next().context("nothing printed")?;
    let api = cluster.api(1)?;
    // A controller manager makes this one; none runs here, and the API server wants to see it.
    make_account(&api, "default")?;
    let (code, answer) = api.request("POST", PODS, Some(&pod))?;
    ensure!(code == 201, "the API server answered {code} to README's pod: {answer}");

    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let _pods = (1..=3).map(|number| kubelet(cluster, number)?.start(&pod)).collect::<Result<Vec<_>>>()?;
    let leader = cluster.wait_leader(SOON)?;
    gobgpd.wait_best(PREFIX, node_address(leader), SOON)?;
    cluster.site.node(leader)?.expect_address("lo", IpAddr::V4(VIP), true)
}

/// The words of README's command, without the program's name, up to the pipe.
fn command() -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let command = text.split("```sh\nvipcast ").nth(1).and_then(|rest| rest.split('|').next());
    let command = command.context("README.md has no command that prints a static pod")?.replace("\\\n", " ");
    Ok(command.split_whitespace().map(str::to_owned).collect())
}
