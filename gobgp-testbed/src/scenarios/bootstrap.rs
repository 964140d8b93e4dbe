//! Scenario 56: kubeadm's first minutes: vipcast's static pod is there before the API server, its credentials before
//! their rights, and kubeadm itself speaks through the VIP.

mod places;
mod rights;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::expect::figure;
use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::api::Api;
use crate::parts::apiserver::{self, ApiServer};
use crate::parts::pki::Pair;
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// The theme's scenarios.
pub(super) const BOOTSTRAP: &[Scenario] = &[
    Scenario {
        name: "56-before-the-api",
        shows: "a static pod before its API server, kubeconfig absent, a directory, empty: it waits, and announces when ready",
        run: Run::Cluster(before_the_api),
    },
    Scenario {
        name: "56-rights-come-late",
        shows: "newer kubeadm: the lease is denied for a while, then the binding appears: waited out",
        run: Run::Cluster(rights::late),
    },
    Scenario {
        name: "56-rights-through-the-vip",
        shows: "kubeadm 1.29 to 1.33 makes the binding through the VIP: bound for this node alone, announced to nobody before",
        run: Run::Cluster(rights::through_the_vip),
    },
    Scenario {
        name: "56-super-admin",
        shows: "super-admin.conf beside admin.conf: used for as long as that one may not write leases",
        run: Run::Cluster(rights::super_admin),
    },
    Scenario {
        name: "56-name-and-port",
        shows: "a control-plane endpoint by name at port 8443, and 443; without --port a hint",
        run: Run::Cluster(places::name_and_port),
    },
    Scenario {
        name: "56-join",
        shows: "one more node with the same manifest: silent before its join, a candidate after it",
        run: Run::Cluster(join),
    },
    Scenario {
        name: "56-k3s-rke2",
        shows: "the kubeconfigs of k3s and RKE2 are found where they write them",
        run: Run::Cluster(places::k3s_and_rke2),
    },
];

/// API servers may take that long to start.
const START: Duration = Duration::from_secs(120);
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const BINDING: &str = "kubeadm:cluster-admins";

/// What kubeadm puts on a node.
struct Kubeadm {
    /// `/etc/kubernetes`.
    dir: PathBuf,
    /// In the group that is to be bound.
    admin: Pair,
    /// In `system:masters`.
    super_admin: Pair,
}

impl Kubeadm {
    /// Its directory on a node, empty, and no binding yet.
    fn on(cluster: &Cluster, number: u8) -> Result<Self> {
        let dir = cluster.site.node(number)?.file("kubernetes");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let admin = cluster.pki.client("kubeadm-admin", Some(BINDING))?;
        let super_admin = cluster.pki.client("kubeadm-super-admin", Some("system:masters"))?;
        Ok(Self { dir, admin, super_admin })
    }

    fn admin_conf(&self) -> PathBuf {
        self.dir.join("admin.conf")
    }

    /// Writes one of the kubeconfigs, for the control plane's endpoint: the VIP.
    fn write(&self, cluster: &Cluster, name: &str, client: &Pair) -> Result<()> {
        cluster.pki.kubeconfig(&self.dir.join(name), &format!("https://{VIP}:{}", apiserver::PORT), client)
    }

    /// vipcast's words on a node, as a static pod has them.
    fn spec(&self, cluster: &Cluster, number: u8, router: &Router) -> Result<Spec> {
        Ok(cluster.spec(number, &[router])?.flag("k8sConfigPath", self.admin_conf().display()))
    }
}

/// Takes the binding away, which an earlier scenario may have left.
fn unbind(cluster: &Cluster) -> Result<()> {
    cluster.api(1)?.delete(&format!("{BINDINGS}/{BINDING}"))
}

/// Makes the binding as kubeadm does.
fn bind(api: &Api) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": BINDING},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": BINDING}],
    });
    api.create(BINDINGS, &binding)
}

/// A node's API server.
fn server(cluster: &mut Cluster, number: u8) -> Result<&mut ApiServer> {
    let server = cluster.servers.get_mut(usize::from(number) - 1);
    server.with_context(|| format!("n{number} has no API server"))
}

/// Only node 1 has an API server.
fn only_the_first(cluster: &mut Cluster) -> Result<&mut ApiServer> {
    cluster.servers.iter_mut().skip(1).for_each(ApiServer::kill);
    server(cluster, 1)
}

/// Nothing bound on the node, nothing in the router.
fn expect_silence(cluster: &Cluster, router: &Router, number: u8) -> Result<()> {
    cluster.site.node(number)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    let paths = router.paths(PREFIX)?;
    ensure!(paths.is_empty(), "{} has {paths:?}", router.kind());
    Ok(())
}

fn wait_said(vipcast: &Process, words: &[&str]) -> Result<String> {
    vipcast.log().wait_line(vipcast.began(), words, SOON)
}

/// Lines of a level.
fn lines(vipcast: &Process, level: &str) -> usize {
    vipcast.log().of_last_start().lines().filter(|line| line.contains(level)).count()
}

/// More would be a log that fills up while nobody can do anything.
const FEW: usize = 12;

fn before_the_api(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let kubeadm = Kubeadm::on(cluster, 1)?;
    let masters = kubeadm.super_admin.clone();
    only_the_first(cluster)?.kill();
    let vipcast = cluster.site.vipcast(1, &kubeadm.spec(cluster, 1, &bird)?)?;
    bird.wait_established(node_address(1), SOON)?;
    let path = kubeadm.admin_conf();
    wait_said(&vipcast, &["ERROR", "no way to the Kubernetes API", "there is no kubeconfig"])?;
    fs::create_dir(&path)?;
    wait_said(&vipcast, &["ERROR", "no way to the Kubernetes API", "it is a directory"])?;
    fs::remove_dir(&path)?;
    fs::write(&path, "")?;
    wait_said(&vipcast, &["ERROR", "no way to the Kubernetes API", "it is empty"])?;
    kubeadm.write(cluster, "admin.conf", &masters)?;
    wait_said(&vipcast, &["API endpoints in order", "https://127.0.0.1:6443"])?;
    wait_said(&vipcast, &["API call failed", "https://127.0.0.1:6443"])?;
    expect_silence(cluster, &bird, 1)?;

    let first = server(cluster, 1)?;
    first.restart()?;
    let alarm = first.ready_alarm()?;
    first.wait_ready(START)?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    let routed = clock::now();
    let ready = wait::until("the alarm", SOON, || alarm.rang().context("it did not ring"))?;
    figure("first /readyz 200 to the route", routed.saturating_sub(ready));
    vipcast.alive()?;
    let said = (lines(&vipcast, " WARN "), lines(&vipcast, "ERROR"));
    ensure!(said.0 <= FEW && said.1 <= FEW, "{said:?} warnings and errors: {}", vipcast.said());
    // A control plane of one node: leaving and coming back.
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    bird.wait_gone(PREFIX, None, SOON)?;
    cluster.site.vipcast(1, &kubeadm.spec(cluster, 1, &bird)?)?;
    bird.wait_best(PREFIX, node_address(1), SOON).map(drop)
}

/// n3 has the manifest that n1 and n2 have, and nothing else yet.
fn join(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let kubeadm = Kubeadm::on(cluster, 3)?;
    let masters = kubeadm.super_admin.clone();
    server(cluster, 3)?.kill();
    let mut old: Vec<Rc<Process>> = Vec::new();
    for number in [1, 2] {
        let spec = cluster.spec(number, &[&bird])?;
        old.push(cluster.site.vipcast(number, &spec)?);
        bird.wait_established(node_address(number), SOON)?;
    }
    let leader = cluster.wait_leader(SOON)?;
    let joining = cluster.site.vipcast(3, &kubeadm.spec(cluster, 3, &bird)?)?;
    bird.wait_established(node_address(3), SOON)?;
    wait_said(&joining, &["ERROR", "no way to the Kubernetes API", "there is no kubeconfig"])?;
    let before: Vec<IpAddr> = bird.paths(PREFIX)?.iter().map(|path| path.next_hop).collect();
    ensure!(before == [node_address(leader)], "BIRD has paths by {before:?}");

    kubeadm.write(cluster, "admin.conf", &masters)?;
    server(cluster, 3)?.restart()?;
    server(cluster, 3)?.wait_ready(START)?;
    wait_fit(cluster, 3)?;
    ensure!(cluster.wait_leader(SOON)? == leader, "the VIP moved when a node joined");
    for vipcast in &old {
        vipcast.term()?;
    }
    cluster.wait_holder("n3", SOON)?;
    bird.wait_best(PREFIX, node_address(3), SOON)?;
    joining.alive()
}

/// Waits until a node says in its own Lease that it is fit.
fn wait_fit(cluster: &Cluster, number: u8) -> Result<()> {
    let path = format!("{}.n{number}", crate::parts::api::LEASE);
    wait::until(&format!("n{number} to be a fit candidate"), SOON, || {
        let lease = cluster.api(1)?.lease_at(&path)?.context("it says nothing")?;
        let fitness = lease.annotation("vipcast.io/fitness").unwrap_or_default();
        ensure!(fitness == "fit", "it says {fitness:?}");
        Ok(())
    })
}

/// The directory that stands for `/etc` in places where vipcast looks by itself.
fn etc(cluster: &Cluster, number: u8) -> Result<PathBuf> {
    let dir = cluster.site.node(number)?.file("etc");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Starts vipcast on a node where `/etc` is another directory.
fn with_etc(cluster: &Cluster, number: u8, etc: &Path, spec: &Spec) -> Result<Process> {
    let host = cluster.site.node(number)?;
    let program = crate::paths::vipcast()?;
    host.spawn("vipcast", Path::new("/usr/bin/unshare"), |command| {
        command.args(["-m", "sh", "-c", "mount --bind \"$1\" /etc && shift && exec \"$@\"", "sh"]);
        command.arg(etc).arg(program).args(spec.words());
        command.env("control_socket", crate::parts::vipcast::socket("vipcast", host));
    })
}
