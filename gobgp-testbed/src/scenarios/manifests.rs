//! Scenario 55: manifests. Those that vipcast prints, and those of kube-vip that it must run with: read as a kubelet reads
//! them, and posted to a real API server.

mod eras;
mod posted;
mod printed;
mod rights;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Run, Scenario};
use crate::cluster::Cluster;
use crate::host::Host;
use crate::parts::api::Api;
use crate::parts::kubelet::{Account, Kubelet};
use crate::paths;

/// The theme's scenarios.
pub(super) const MANIFESTS: &[Scenario] = &[
    Scenario {
        name: "55-posted",
        shows: "every golden manifest: taken by the API server (dry run, strict); ours over kube-vip's DaemonSets of two eras",
        run: Run::Cluster(posted::posted),
    },
    Scenario {
        name: "55-printed",
        shows: "the static pod that is printed, run as a kubelet does, with its capabilities and probes, secrets put where it says",
        run: Run::Cluster(printed::printed),
    },
    Scenario {
        name: "55-eras",
        shows: "kube-vip's manifests of every era, but for the image unchanged: started, route seen, left in good order",
        run: Run::Cluster(eras::eras),
    },
    Scenario {
        name: "55-rights",
        shows: "the DaemonSet with what `manifest rbac` grants: nothing refused; each right taken away alone: missed, and named",
        run: Run::Cluster(rights::rights),
    },
];

/// A directory of golden files.
fn golden(directory: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(directory)
}

/// The documents of a YAML file.
pub(super) fn documents(text: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(text)?)
}

/// Runs the vipcast under test to its end on a host; what it printed, and what it said.
pub(super) fn run(host: &Host, words: &[&str]) -> Result<(String, String)> {
    let mut command = host.command(paths::vipcast()?);
    let output = command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "vipcast {words:?} ended with {}: {said}", output.status);
    Ok((String::from_utf8(output.stdout)?, said))
}

/// Where objects like this one are.
fn collection(object: &Value) -> Result<String> {
    let kind = object.get("kind").and_then(Value::as_str).context("an object without kind")?;
    let group = match object.get("apiVersion").and_then(Value::as_str).context("an object without apiVersion")? {
        "v1" => "/api/v1".to_owned(),
        group => format!("/apis/{group}"),
    };
    let plural = format!("{}s", kind.to_lowercase());
    Ok(match object.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}"),
        None => format!("{group}/{plural}"),
    })
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// A service account of kube-system, made where it is not there.
fn account(cluster: &Cluster, name: &str, number: u8) -> Result<Account> {
    let api = cluster.api(1)?;
    make_account(&api, name)?;
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
    let path = format!("/api/v1/namespaces/kube-system/serviceaccounts/{name}/token");
    let (code, answer) = api.request("POST", &path, Some(&request))?;
    let token = answer.pointer("/status/token").and_then(Value::as_str);
    let token = token.with_context(|| format!("no token for {name}: {code} {answer}"))?.to_owned();
    let server = crate::lab::Net::Management.v4(10 + number).to_string();
    Ok(Account { token, authority: cluster.pki.authority.clone(), server })
}

pub(super) fn make_account(api: &Api, name: &str) -> Result<()> {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "kube-system"}});
    api.create(&collection(&account)?, &account)
}

/// A kubelet of a node that has the kubeconfig of its own API server where kubeadm puts it.
pub(super) fn kubelet(cluster: &Cluster, number: u8) -> Result<Kubelet> {
    let kubelet = Kubelet::new(cluster.site.node(number)?)?;
    kubelet.write("/etc/kubernetes/admin.conf", &std::fs::read_to_string(cluster.kubeconfig(number)?)?)?;
    Ok(kubelet)
}
