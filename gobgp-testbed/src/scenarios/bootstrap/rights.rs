//! Credentials whose rights come later.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Kubeadm, bind, expect_silence, only_the_first, unbind, wait_said};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::api::Api;
use crate::parts::apiserver;
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::control::Control;
use crate::scenarios::expect::figure;
use crate::site::PREFIX;
use crate::{clock, wait};

const DENIED: [&str; 3] = ["WARN", "API call failed", "not permitted"];

struct Stage {
    bird: Rc<Router>,
    kubeadm: Kubeadm,
    vipcast: Rc<Process>,
}

/// One API server, ready, and a vipcast on its node whose admin.conf may do nothing.
fn stage(cluster: &mut Cluster, super_admin: bool) -> Result<Stage> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let kubeadm = Kubeadm::on(cluster, 1)?;
    unbind(cluster)?;
    only_the_first(cluster)?;
    kubeadm.write(cluster, "admin.conf", &kubeadm.admin)?;
    if super_admin {
        kubeadm.write(cluster, "super-admin.conf", &kubeadm.super_admin)?;
    }
    let vipcast = cluster.site.vipcast(1, &kubeadm.spec(cluster, 1, &bird)?)?;
    bird.wait_established(node_address(1), SOON)?;
    Ok(Stage { bird, kubeadm, vipcast })
}

pub(super) fn late(cluster: &mut Cluster) -> Result<()> {
    let Stage { bird, vipcast, .. } = stage(cluster, false)?;
    wait_said(&vipcast, &DENIED)?;
    wait::holds("nothing to be bound or announced", Duration::from_secs(2), || expect_silence(cluster, &bird, 1))?;
    bind(&cluster.api(1)?)?;
    let bound = clock::now();
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    figure("the binding to the route", clock::since(bound));
    ensure!(!vipcast.said().contains("bootstrap"), "the bootstrap rule was applied: {}", vipcast.said());
    unbind(cluster)
}

pub(super) fn through_the_vip(cluster: &mut Cluster) -> Result<()> {
    let began = clock::now();
    let Stage { bird, kubeadm, vipcast } = stage(cluster, false)?;
    wait_said(&vipcast, &DENIED)?;
    wait_said(&vipcast, &["WARN", "binding the virtual IPs for this node alone", "bootstrap"])?;
    let node = cluster.site.node(1)?.clone();
    wait::until("the VIP to be bound", SOON, || node.expect_address("lo", IpAddr::V4(VIP), true))?;
    let document = Control::of(&node).wait(began, "/vips/0/bound", &json!(true))?;
    let expected = json!([{
        "address": VIP.to_string(), "wanted": true, "bound": true, "announced_to": [], "withdrawing_from": [],
        "why_not": "the API denies this account the lease, so it is bound for this node alone (bootstrap)",
    }]);
    ensure!(document.get("vips") == Some(&expected), "{document:#}");
    // It stays so, for as long as the API denies the lease: nobody is told.
    wait::holds("the VIP to be bound and announced to nobody", Duration::from_secs(5), || {
        node.expect_address("lo", IpAddr::V4(VIP), true)?;
        let paths = bird.paths(PREFIX)?;
        ensure!(paths.is_empty(), "BIRD has {paths:?}");
        Ok(())
    })?;
    let endpoint = format!("https://{VIP}:{}", apiserver::PORT);
    let kubeadm = Api {
        host: node.clone(),
        server: endpoint,
        authority: cluster.pki.authority.clone(),
        client: kubeadm.super_admin,
    };
    bind(&kubeadm)?;
    let bound = clock::now();
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    figure("the binding, made through the VIP, to the route", clock::since(bound));
    cluster.wait_holder("n1", SOON)?;
    node.expect_address("lo", IpAddr::V4(VIP), true)?;
    ensure!(!vipcast.said().contains("address unbound"), "the VIP was unbound: {}", vipcast.said());
    // What was once granted is no bootstrap, whatever is denied later.
    unbind(cluster)?;
    bird.wait_gone(PREFIX, None, SOON)?;
    wait::until("the VIP to be unbound", SOON, || node.expect_address("lo", IpAddr::V4(VIP), false))?;
    wait::holds("nothing to be bound again", Duration::from_secs(8), || expect_silence(cluster, &bird, 1))
}

pub(super) fn super_admin(cluster: &mut Cluster) -> Result<()> {
    let Stage { bird, vipcast, .. } = stage(cluster, true)?;
    wait_said(&vipcast, &["WARN", "using super-admin.conf beside it"])?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    bind(&cluster.api(1)?)?;
    let back = &["INFO", "super-admin.conf is not used any more"];
    vipcast.log().wait_line(vipcast.began(), back, SOON)?;
    wait::holds("the route to stay", Duration::from_secs(4), || {
        ensure!(bird.best(PREFIX)?.is_some(), "BIRD has no route");
        Ok(())
    })?;
    unbind(cluster)
}
