//! Twins: a second candidate under a node's own name.

use std::net::IpAddr;

use anyhow::{Result, ensure};

use super::duel::text;
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::contend::{Candidacy, Contender, Timing, Version};
use crate::parts::router::{Conf, Kind};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::wait;

const TWIN: &str = "another process on this node (a second vipcast, or kube-vip) stands for election under this node's \
                    name; standing down: stop one of them";

/// A second vipcast with the same node name, on the same node, with another router: it takes the first for its
/// predecessor and resumes; the first notices, stands down, and never touches the address.
pub(in crate::scenarios) fn second_vipcast(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let first_spec = cluster.spec(1, &[&gobgpd])?.flag("logFormat", "json");
    let first = cluster.site.vipcast(1, &first_spec)?;
    gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    let monitor = watch_addresses(cluster)?;

    let second_spec = cluster.spec(1, &[&bird])?.flag("logFormat", "json");
    let second = second_spec.start_as("twin", cluster.site.node(1)?)?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    gobgpd.wait_gone(PREFIX, None, SOON)?;
    let lease = cluster.wait_holder("n1", SOON)?;
    let instance = lease.annotation("vipcast.io/instance").unwrap_or_default().to_owned();
    let line = twin_line(&first)?;
    ensure!(text(&line, "level") == "ERROR" && text(&line, "instance") == instance, "{line} but {:#}", lease.0);
    first.alive()?;
    ensure!(gobgpd.session(node_address(1))?.established, "the first vipcast's session is gone");

    // The first goes: the lease, the route and the address are the second's and stay.
    first.term()?;
    let status = first.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "the first vipcast ended with {status}");
    let lease = cluster.wait_holder("n1", SOON)?;
    ensure!(lease.annotation("vipcast.io/instance") == Some(&instance), "{:#}", lease.0);
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    never_removed(cluster, &monitor)?;
    second.alive()
}

/// A client-go candidate (so is kube-vip) that holds the lease under the node's name: noticed and named, the route
/// goes, the address stays. When it is gone vipcast leads again.
pub(in crate::scenarios) fn same_identity(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let spec = cluster.spec(1, &[&gobgpd])?.flag("logFormat", "json");
    let vipcast = cluster.site.vipcast(1, &spec)?;
    gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    let monitor = watch_addresses(cluster)?;

    let candidacy =
        Candidacy { lease: "plndr-cp-lock", identity: "n1", version: Version::Current, timing: Timing::FAST };
    let twin = Contender::start(cluster.site.node(1)?, &cluster.kubeconfig(1)?, candidacy)?;
    twin.wait_said("started leading", SOON)?;
    gobgpd.wait_gone(PREFIX, None, SOON)?;
    let line = twin_line(&vipcast)?;
    ensure!(text(&line, "level") == "ERROR", "{line}");
    twin.process().alive()?;
    ensure!(gobgpd.session(node_address(1))?.established, "vipcast's session is gone");
    twin.process().kill();
    gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    never_removed(cluster, &monitor)?;
    vipcast.alive()
}

fn twin_line(vipcast: &Process) -> Result<serde_json::Value> {
    let line = wait::until("vipcast to name its twin", SOON, || {
        let said = vipcast.said();
        let line = said.lines().find(|line| line.contains(TWIN)).map(str::to_owned);
        line.ok_or_else(|| anyhow::anyhow!("its last line is {:?}", said.lines().last()))
    })?;
    Ok(serde_json::from_str(&line)?)
}

/// Every change of an address on n1 from now on.
fn watch_addresses(cluster: &Cluster) -> Result<Process> {
    let monitor = cluster.site.node(1)?.spawn("addresses", std::path::Path::new("/usr/sbin/ip"), |command| {
        command.args(["monitor", "address"]);
    })?;
    // It listens once it reports what happens.
    let node = cluster.site.node(1)?;
    node.ip("address add 192.0.2.1/32 dev lo")?;
    wait::until("`ip monitor` to listen", SOON, || {
        node.ip("address del 192.0.2.1/32 dev lo")?;
        node.ip("address add 192.0.2.1/32 dev lo")?;
        ensure!(monitor.said().contains("192.0.2.1"), "it says nothing");
        Ok(())
    })?;
    node.ip("address del 192.0.2.1/32 dev lo")?;
    Ok(monitor)
}

fn never_removed(cluster: &Cluster, monitor: &Process) -> Result<()> {
    monitor.alive()?;
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), true)?;
    let said = monitor.said();
    let touched: Vec<&str> = said.lines().filter(|line| line.contains(&VIP.to_string())).collect();
    ensure!(touched.is_empty(), "the address was touched: {touched:?}");
    Ok(())
}
