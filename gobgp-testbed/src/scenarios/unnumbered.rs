//! Scenario 28: unnumbered peers: the router that is found on an interface without any address but link-local ones.

use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{PREFIX6, Undo, Watch, external, figure, wait_paths};
use crate::clock;
use crate::host::Host;
use crate::lab::{NODE_AS, Net, VIP, VIP6};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::wait;

/// The device at both ends of the cable.
const CABLE: &str = "cable0";
/// The first router's number in the client's network.
const NUMBER: u8 = 30;
/// Hold time 3, so that a dead router is noticed soon.
const HOLD: u16 = 3;
const ABSENT: &str = "there is no interface cable0 on this node now: the session waits for it";

/// FRR finds the node by the router advertisements it sends, and BIRD is told its link-local address.
pub(super) fn interface(site: &mut Site) -> Result<()> {
    [Kind::Frr, Kind::Bird].into_iter().try_for_each(|kind| with_router(site, kind))
}

fn with_router(site: &mut Site, kind: Kind) -> Result<()> {
    let spec = site.spec(1, &[]).peer_text(format!("unnumbered:{CABLE}"));
    let spec = spec.flag("bgpHoldTimer", HOLD).flag("bgpKeepAliveInterval", 1).flag("address", format!("{VIP},{VIP6}"));
    let vipcast = site.vipcast(1, &spec)?;
    let session = Watch::on_interface(&vipcast, CABLE);
    let reason = session.wait_failure()?;
    ensure!(reason == ABSENT, "without the interface: {reason:?}");

    let node = site.node(1)?.clone();
    let number = NUMBER + kind.number();
    let host = site.lab.forwarding_host(&format!("un{kind}"), &[(Net::Client, number)])?;
    site.lab.cable(&node, &host, CABLE)?;
    site.lab.client_via(number)?;
    let ours = link_local(&node, CABLE)?;
    let router = start(site, kind, &host, ours)?;
    let first = clock::now();
    routes_are_there(site, &router, &node, ours)?;
    figure(&format!("{kind} listens, to both routes and both pings through it"), clock::since(first));

    // Another router at the cable: another MAC and link-local address, and nothing said by the one before.
    let before = link_local(&host, CABLE)?;
    host.ip(&format!("link set {CABLE} down"))?;
    let silence = Undo::table(
        &host,
        &format!("chain output {{ type filter hook output priority 0; ip6 saddr {before} drop; }}"),
    )?;
    router.kill();
    host.ip(&format!("link set {CABLE} address 02:00:00:00:77:0{}", if kind == Kind::Frr { 1 } else { 2 }))?;
    host.ip(&format!("link set {CABLE} up"))?;
    let after = link_local(&host, CABLE)?;
    ensure!(before != after, "the router is still {before}");
    let plugged = clock::now();
    router.restart()?;
    routes_are_there(site, &router, &node, ours)?;
    figure(
        &format!("another {kind} in its place ({before}, now {after}), to both routes and pings"),
        clock::since(plugged),
    );
    drop(silence);
    let found = vipcast.log().since(vipcast.began()).lines().filter(|line| line.contains("router found")).count();
    ensure!(found == 2, "a router was found {found} times");

    leave(&vipcast)?;
    router.wait_gone(PREFIX, None, SOON)?;
    router.stop()?;
    node.ip(&format!("link del {CABLE}"))?;
    site.reset()
}

fn start(site: &mut Site, kind: Kind, host: &Host, node: Ipv6Addr) -> Result<Rc<Router>> {
    let neighbor =
        Neighbor { extended_next_hop: true, interface: Some(CABLE.to_owned()), ..Neighbor::new(IpAddr::V6(node)) };
    site.router_on(host, kind, Conf { neighbors: vec![neighbor], hold: HOLD, ..Conf::new(kind) })
}

/// In the router's table, in its kernel by the node's link-local address, and for the client.
fn routes_are_there(site: &Site, router: &Router, node: &Host, ours: Ipv6Addr) -> Result<()> {
    let four = external(IpAddr::V6(ours), None);
    let six = Path { prefix: PREFIX6.to_owned(), ..four.clone() };
    wait_paths(router, PREFIX, &[four])?;
    wait_paths(router, PREFIX6, &[six])?;
    for (vip, words) in [(IpAddr::V4(VIP), "via inet6"), (IpAddr::V6(VIP6), "via")] {
        let expected = format!("{words} {ours} dev {CABLE} ");
        wait::until(&format!("{}'s kernel to send {vip} to {ours}", router.kind()), SOON, || {
            let said = router.host().ip(&format!("route get {vip}"))?;
            ensure!(said.contains(&expected), "it says {said:?}");
            Ok(())
        })?;
    }
    // The way back, by the router's link-local address.
    let back = link_local(router.host(), CABLE)?;
    node.ip(&format!("route replace 10.79.0.0/24 via inet6 {back} dev {CABLE}"))?;
    node.ip(&format!("-6 route replace fd79::/64 via {back} dev {CABLE}"))?;
    for vip in [IpAddr::V4(VIP), IpAddr::V6(VIP6)] {
        let ping = Probe::start(&site.lab.client, vip, Duration::from_millis(50))?;
        wait::until(&format!("{vip} to answer the client"), SOON, || {
            ensure!(!ping.answers()?.is_empty(), "nothing comes back");
            Ok(())
        })?;
    }
    Ok(())
}

pub(super) fn link_local(host: &Host, device: &str) -> Result<Ipv6Addr> {
    let all = host.addresses(device)?;
    let found = all.iter().find_map(|address| match address {
        IpAddr::V6(v6) => Some(*v6).filter(Ipv6Addr::is_unicast_link_local),
        IpAddr::V4(_) => None,
    });
    found.with_context(|| format!("{device} of {} has {all:?}", host.name()))
}

fn leave(vipcast: &Process) -> Result<()> {
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    Ok(())
}

/// A network with several routers: they are named, and none is chosen.
pub(super) fn several(site: &mut Site) -> Result<()> {
    let mut routers = Vec::new();
    for kind in [Kind::Bird, Kind::Frr] {
        routers.push(site.router_host(kind)?);
    }
    let spec = site.spec(1, &[]).peer_text(format!("unnumbered:{}:{NODE_AS}1", Net::Data.device()));
    let vipcast = site.vipcast(1, &spec)?;
    let session = Watch::on_interface(&vipcast, Net::Data.device());
    let reason = session.wait_failure()?;
    println!("    {reason}");
    for host in &routers {
        let own = link_local(host, Net::Data.device())?;
        ensure!(reason.contains(&own.to_string()), "{own} of {} is not named: {reason:?}", host.name());
    }
    ensure!(reason.starts_with("on data0 several neighbours could be the router: "), "{reason:?}");
    session.never_up()
}
