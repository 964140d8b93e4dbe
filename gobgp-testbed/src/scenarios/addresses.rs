//! Whose addresses vipcast touches: its own, and what kube-vip or a crash left; never the node's.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::SOON;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{Net, VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::site::PREFIX;
use crate::wait;

/// An operator's own address beside the VIP.
const OPERATORS: &str = "10.99.99.99/32";

/// kube-vip left the VIP bound on the node that leads and on one that follows.
pub(super) fn left_behind(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    for number in [1, 2] {
        let node = cluster.site.node(number)?;
        node.ip(&format!("address add {VIP}/32 dev lo"))?;
        node.ip(&format!("address add {OPERATORS} dev lo"))?;
        let spec = cluster.spec(number, &[&gobgpd])?;
        cluster.site.vipcast(number, &spec)?;
        cluster.wait_holder("n1", SOON)?;
    }
    gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    // On the leader it is bound anew, so that nothing there takes it as a source; the follower's goes.
    wait::until("n1's VIP to have scope host", SOON, || {
        let scopes = scopes(cluster.site.node(1)?, "lo")?;
        ensure!(scopes.contains(&(format!("{VIP}/32"), "host".to_owned())), "n1 has {scopes:?}");
        Ok(())
    })?;
    wait::until("n2's VIP to go", SOON, || cluster.site.node(2)?.expect_address("lo", IpAddr::V4(VIP), false))?;
    for number in [1, 2] {
        let node = cluster.site.node(number)?;
        let scopes = scopes(node, "lo")?;
        ensure!(scopes.contains(&(OPERATORS.to_owned(), "global".to_owned())), "{} has {scopes:?}", node.name());
        node.ip(&format!("address del {OPERATORS} dev lo"))?;
    }
    Ok(())
}

/// A VIP that is the node's own address in its network: refused, and left alone.
pub(super) fn the_nodes_own(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let own = Net::Data.v4(13);
    let before = scopes(cluster.site.node(3)?, Net::Data.device())?;
    let spec = cluster.spec(3, &[&gobgpd])?.flag("address", own).flag("interface", Net::Data.device());
    let vipcast = cluster.site.vipcast(3, &spec)?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(1), "it ended with {status}");
    let said = vipcast.said();
    let expected = format!("failed to use the VIP {own}: it is bound on data0 as /24");
    ensure!(said.contains(&expected), "it said {said:?}");
    ensure!(scopes(cluster.site.node(3)?, Net::Data.device())? == before, "the node's addresses changed");
    Ok(())
}

/// The addresses of a device with their scopes.
fn scopes(host: &Host, device: &str) -> Result<Vec<(String, String)>> {
    let said: Value = serde_json::from_str(&host.ip(&format!("-j address show dev {device}"))?)?;
    let infos = said.pointer("/0/addr_info").and_then(Value::as_array).context("ip shows no addresses")?;
    let word = |info: &Value, key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let entry = |info: &Value| {
        let length = info.get("prefixlen").and_then(Value::as_u64).unwrap_or_default();
        (format!("{}/{length}", word(info, "local")), word(info, "scope"))
    };
    Ok(infos.iter().map(entry).collect())
}
