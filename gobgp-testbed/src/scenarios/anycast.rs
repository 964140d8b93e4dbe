//! Scenario 9: no election, no Kubernetes: every node announces, and the routers share the traffic out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::SOON;
use super::expect::{Watch, timed, wait_equal};
use crate::cluster::Cluster;
use crate::lab::{Net, VIP, node_address};
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::wait;

/// The next hops in the router's kernel.
fn kernel_hops(router: &Router) -> Result<BTreeSet<IpAddr>> {
    let json: Value = serde_json::from_str(&router.host().ip(&format!("-j route show {VIP}"))?)?;
    let route = json.get(0).with_context(|| format!("no route to {VIP} in the kernel"))?;
    let hops = route.get("nexthops").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![route.clone()]);
    hops.iter().map(|hop| Ok(hop.get("gateway").and_then(Value::as_str).context("no gateway")?.parse()?)).collect()
}

/// Equal paths by these nodes and no others, and all in use where the router forwards.
fn expect_nodes(router: &Router, nodes: &[u8]) -> Result<()> {
    wait_equal(router, nodes)?;
    if router.kind().forwards() {
        let expected: BTreeSet<IpAddr> = nodes.iter().map(|number| node_address(*number)).collect();
        wait::until(&format!("{}'s kernel to use {nodes:?}", router.kind()), SOON, || {
            let hops = kernel_hops(router)?;
            ensure!(hops == expected, "{hops:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Who answers the client's requests, until all of `nodes` have; anyone else is an error.
fn expect_answers(cluster: &Cluster, nodes: &[u8]) -> Result<()> {
    let mut answered = BTreeSet::new();
    wait::until(&format!("answers from {nodes:?}"), Duration::from_secs(30), || {
        let node = cluster.https(IpAddr::V4(VIP))?;
        answered.insert(node);
        ensure!(answered.iter().copied().eq(nodes.iter().copied()), "so far {answered:?}");
        Ok(())
    })
}

fn start(cluster: &mut Cluster, number: u8, routers: &[&Router]) -> Result<Rc<Process>> {
    let spec = cluster.site.spec(number, routers);
    cluster.site.vipcast(number, &spec)
}

pub(super) fn equal_paths(cluster: &mut Cluster) -> Result<()> {
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(cluster.site.router(kind, Conf { multipath: true, ..Conf::new(kind) })?);
    }
    for kind in [Kind::Bird, Kind::Frr] {
        // Connections, not hosts, are shared out: the client is only one.
        cluster.site.router_host(kind)?.sysctl(&["net.ipv4.fib_multipath_hash_policy=1"])?;
    }
    // Kubernetes is out of reach from the start.
    for node in &cluster.site.lab.nodes {
        cluster.site.lab.carrier(node, Net::Management, false)?;
    }
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let mut vipcasts = Vec::new();
    for number in 1..=3 {
        vipcasts.push(start(cluster, number, &peers)?);
    }
    routers.iter().try_for_each(|router| expect_nodes(router, &[1, 2, 3]))?;
    let forwarding = || Kind::ALL.into_iter().filter(|kind| kind.forwards());
    for kind in forwarding() {
        cluster.site.lab.client_via(kind.number())?;
        expect_answers(cluster, &[1, 2, 3])?;
    }
    let [one, two, three] = vipcasts.as_slice() else { anyhow::bail!("three vipcasts are needed") };
    let others = [two, three];
    let watches: Vec<Watch<'_>> =
        others.iter().flat_map(|vipcast| Kind::ALL.map(|kind| Watch::new(vipcast, kind.address()))).collect();
    timed(
        "SIGTERM of one of three to two paths in all four routers",
        || one.term(),
        || routers.iter().try_for_each(|router| expect_nodes(router, &[2, 3])),
    )?;
    let status = one.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    for kind in forwarding() {
        cluster.site.lab.client_via(kind.number())?;
        expect_answers(cluster, &[2, 3])?;
    }
    watches.iter().try_for_each(Watch::undisturbed)
}
