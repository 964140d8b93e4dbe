//! An API server that wants to know who asks.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::anycast::with_own_check;
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::apiserver::PORT;
use crate::parts::router::{Conf, Kind, Router};
use crate::scenarios::SOON;
use crate::scenarios::expect::wait_equal;
use crate::site::PREFIX;
use crate::wait;

/// An API server's start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Who may see `/readyz`: everybody, unless somebody changes it.
const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:public-info-viewer";
/// Whether an API server that starts makes it what it was.
const AUTOUPDATE: &str = "/metadata/annotations/rbac.authorization.kubernetes.io~1autoupdate";

/// n1's API server answers nobody unknown, n2's lets them see nothing. Both nodes serve with the kubeconfig's credentials; with an
/// authority alone neither does, and the log says why.
pub(in crate::scenarios) fn shown(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf { multipath: true, ..Conf::new(Kind::Bird) })?;
    let known = json!([{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}]);
    let before = bind(cluster, &known, "false")?;
    let server = cluster.servers.first_mut().context("no API server")?;
    let played = server.run_with(&["--anonymous-auth=false"]).and_then(|()| serve(cluster, &bird));
    // For those that come after.
    bind(cluster, &before, "true")?;
    played
}

fn serve(cluster: &mut Cluster, bird: &Router) -> Result<()> {
    for (number, code) in [(1, "401"), (2, "403")] {
        let ask = ["-sk", "-o", "/dev/null", "-w", "%{http_code}", &format!("https://127.0.0.1:{PORT}/readyz")];
        wait::until(&format!("{code} for whoever asks n{number}'s API server"), START, || {
            let said = cluster.site.node(number)?.exec("curl", &ask)?;
            ensure!(said == code, "it says {said}");
            Ok(())
        })?;
        // Without credentials it is unfit, and the fault is named.
        let known = with_own_check(cluster, number, &[bird])?;
        let unknown = known.clone().flag("k8sConfigPath", "/nowhere/admin.conf");
        let unknown = unknown.flag("controlPlaneHealthCheckCAPath", cluster.pki.authority.display());
        let vipcast = cluster.site.vipcast(number, &unknown)?;
        vipcast.log().wait_line(vipcast.began(), &["unfit to serve", code], SOON)?;
        ensure!(bird.paths(PREFIX)?.iter().all(|path| path.next_hop != node_address(number)), "it announces");
        vipcast.kill();
        cluster.site.vipcast(number, &known)?;
        let nodes: Vec<u8> = (1..=number).collect();
        wait_equal(bird, &nodes)?;
    }
    Ok(())
}

/// Binds these to the role; who were bound before.
fn bind(cluster: &Cluster, subjects: &Value, autoupdate: &str) -> Result<Value> {
    let api = cluster.api(3)?;
    let (code, mut binding) = api.request("GET", BINDING, None)?;
    ensure!(code == 200, "GET {BINDING}: {code} {binding}");
    let before = std::mem::replace(binding.pointer_mut("/subjects").context("no subjects")?, subjects.clone());
    *binding.pointer_mut(AUTOUPDATE).context("no autoupdate")? = json!(autoupdate);
    let (code, answer) = api.request("PUT", BINDING, Some(&binding))?;
    ensure!(code == 200, "PUT {BINDING}: {code} {answer}");
    Ok(before)
}
