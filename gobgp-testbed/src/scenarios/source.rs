//! Scenario 12: a VIP is never the source of BGP or API connections.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::SOON;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{Net, VIP, VIP6, node_address};
use crate::parts::apiserver;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::PREFIX;
use crate::wait;

const PREFIX6: &str = "fd88::40/128";
const BGP: u16 = 179;

/// The VIPs alone on `lo`, as vipcast binds them.
pub(super) fn only_on_lo(cluster: &mut Cluster) -> Result<()> {
    never_a_source(cluster, "lo", |_| Ok(()))?;
    let mut on_lo: Vec<IpAddr> = cluster.site.node(1)?.addresses("lo")?;
    on_lo.sort();
    let expected = ["10.88.0.40", "127.0.0.1", "::1", "fd88::40"].map(|text| text.parse::<IpAddr>());
    let expected: Vec<IpAddr> = expected.into_iter().collect::<Result<_, _>>()?;
    ensure!(on_lo == expected, "lo has {on_lo:?}");
    Ok(())
}

/// The VIPs on the uplink, as a kube-vip left them there: global addresses like the node's own, and routes to the
/// router that prefer them. Whoever leaves the choice to the kernel has a VIP as its source.
pub(super) fn preferred_on_the_uplink(cluster: &mut Cluster) -> Result<()> {
    let outcome = never_a_source(cluster, "data0", prefer_vips);
    let node = cluster.site.node(1)?;
    for words in ["route del 10.77.0.1/32", "-6 route del fd77::1/128"] {
        // What the scenario did not come to do needs no undoing.
        let _ = node.ip(words);
    }
    for address in [IpAddr::V4(VIP), IpAddr::V6(VIP6)] {
        let _ = node.ip(&format!("address del {address} dev data0"));
    }
    outcome
}

fn prefer_vips(node: &Host) -> Result<()> {
    node.ip(&format!("address add {VIP}/32 dev data0"))?;
    node.ip(&format!("address add {VIP6}/128 dev data0 nodad"))?;
    node.ip(&format!("route add 10.77.0.1/32 dev data0 src {VIP}"))?;
    node.ip(&format!("-6 route add fd77::1/128 dev data0 src {VIP6}"))?;
    for (peer, vip) in [("10.77.0.1", VIP.to_string()), ("fd77::1", VIP6.to_string())] {
        let route: Value = serde_json::from_str(&node.ip(&format!("-j route get {peer}"))?)?;
        let source = route.pointer("/0/prefsrc").and_then(Value::as_str);
        ensure!(source == Some(&vip), "the kernel would go to {peer} from {source:?}, so this shows nothing");
    }
    Ok(())
}

/// n1 leads with both VIPs on `interface`; then its router restarts and its API server dies, so that all connections
/// are made anew beside the bound VIPs.
fn never_a_source(cluster: &mut Cluster, interface: &str, arrange: impl FnOnce(&Host) -> Result<()>) -> Result<()> {
    let node = cluster.site.node(1)?.clone();
    count_vip_sources(&node)?;
    arrange(&node)?;
    let mut conf = Conf::new(Kind::Gobgpd);
    conf.neighbors.push(Neighbor::new(IpAddr::V6(Net::Data.v6(11))));
    let gobgpd = cluster.site.router(Kind::Gobgpd, conf)?;
    let spec: Spec = cluster
        .spec(1, &[&gobgpd])?
        .flag("address", format!("{VIP},{VIP6}"))
        .flag("interface", interface)
        .peer(IpAddr::V6(Net::Data.v6(1)), gobgpd.kind().asn(), "", false);
    let vipcast = cluster.site.vipcast(1, &spec)?;
    all_routes(&gobgpd)?;
    for vip in [IpAddr::V4(VIP), IpAddr::V6(VIP6)] {
        node.expect_address(interface, vip, true)?;
    }

    gobgpd.kill();
    gobgpd.restart()?;
    all_routes(&gobgpd)?;
    cluster.servers.first_mut().context("no API server")?.kill();
    let own = [node_address(1), IpAddr::V6(Net::Data.v6(11)), IpAddr::V4(Net::Management.v4(11))];
    let expected = BTreeSet::from([(own[0], BGP), (own[1], BGP), (own[2], apiserver::PORT)]);
    wait::until("vipcast's connections from the node's own addresses", SOON, || {
        let seen = connections(&node, &vipcast)?;
        ensure!(seen == expected, "{seen:?}");
        Ok(())
    })?;
    wait::holds("those connections", Duration::from_secs(2), || {
        let seen = connections(&node, &vipcast)?;
        ensure!(seen == expected, "{seen:?}");
        Ok(())
    })?;
    for peer in own.into_iter().take(2) {
        ensure!(gobgpd.session(peer)?.established, "gobgpd has no session with {peer}");
    }
    let packets = vip_sources(&node)?;
    println!("    figure: packets to BGP or API ports from a VIP on {interface}: {packets}");
    ensure!(packets == 0, "{packets} packets went to a BGP or API port from a VIP");
    vipcast.alive()
}

/// Both families over both sessions: the two routes, each by the node's own address.
fn all_routes(gobgpd: &Router) -> Result<()> {
    for peer in [node_address(1), IpAddr::V6(Net::Data.v6(11))] {
        gobgpd.wait_established(peer, SOON)?;
    }
    gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    gobgpd.wait_best(PREFIX6, IpAddr::V6(Net::Data.v6(11)), SOON)?;
    Ok(())
}

/// Own address and peer's port of each connection that this process has.
fn connections(node: &Host, process: &Process) -> Result<BTreeSet<(IpAddr, u16)>> {
    let table = node.exec("ss", &["-Htnp", "state", "established"])?;
    let owner = format!("pid={},", process.pid());
    let mut found = BTreeSet::new();
    for line in table.lines().filter(|line| line.contains(&owner)) {
        let ends: Vec<SocketAddr> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [ours, theirs] = ends[..] else { anyhow::bail!("ss printed {line:?}") };
        found.insert((ours.ip(), theirs.port()));
    }
    Ok(found)
}

/// Counts every packet that leaves the node from a VIP towards a BGP or API port; the VIP's own service answers from
/// such a port, which is something else.
fn count_vip_sources(node: &Host) -> Result<()> {
    node.nft(&format!(
        "table inet vips {{ counter seen {{ }}; chain out {{ type filter hook output priority 0; \
         ip saddr {VIP} tcp dport {{ {BGP}, {api} }} counter name seen; \
         ip6 saddr {VIP6} tcp dport {{ {BGP}, {api} }} counter name seen; }}; }}",
        api = apiserver::PORT
    ))
}

fn vip_sources(node: &Host) -> Result<u64> {
    let said: Value = serde_json::from_str(&node.exec("nft", &["-j", "list", "counter", "inet", "vips", "seen"])?)?;
    let all = said.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let mut packets = all.filter_map(|object| object.pointer("/counter/packets")?.as_u64());
    packets.next().with_context(|| format!("nft printed {said}"))
}
