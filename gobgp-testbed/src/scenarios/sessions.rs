//! Scenario 7, the forms a session can have: families, AS numbers, internal, multihop, port, source.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use anyhow::{Result, ensure};

use super::SOON;
use super::expect::{Fence, PREFIX6, Undo, Watch, external, fence, wait_paths};
use crate::cluster::Cluster;
use crate::lab::{NODE_AS, Net, VIP, VIP6, node_address};
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::PREFIX;

fn routers(cluster: &mut Cluster, conf: impl Fn(Kind) -> Conf) -> Result<Vec<Rc<Router>>> {
    Kind::ALL.into_iter().map(|kind| cluster.site.router(kind, conf(kind))).collect()
}

fn neighbors(addresses: &[IpAddr]) -> Vec<Neighbor> {
    addresses.iter().copied().map(Neighbor::new).collect()
}

/// Starts vipcast on a node and waits until the Lease is its own.
fn lead(cluster: &mut Cluster, number: u8, spec: &Spec) -> Result<(Rc<Process>, Fence)> {
    let vipcast = cluster.site.vipcast(number, spec)?;
    cluster.wait_holder(&format!("n{number}"), SOON)?;
    let fence = fence(cluster)?;
    Ok((vipcast, fence))
}

fn leave(vipcast: &Process) -> Result<()> {
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    Ok(())
}

/// Both VIPs over sessions of one family, then of the other: each route has a next hop of its own family.
pub(super) fn families(cluster: &mut Cluster) -> Result<()> {
    let (one, two) = (IpAddr::V6(Net::Data.v6(11)), node_address(2));
    let routers = routers(cluster, |kind| Conf { neighbors: neighbors(&[one, two]), ..Conf::new(kind) })?;
    for (number, over_six) in [(1, true), (2, false)] {
        let mut spec = cluster.spec(number, &[])?.flag("address", format!("{VIP},{VIP6}"));
        for kind in Kind::ALL {
            let router = if over_six { IpAddr::V6(Net::Data.v6(kind.number())) } else { kind.address() };
            spec = spec.peer(router, kind.asn(), "", false);
        }
        let (vipcast, fence) = lead(cluster, number, &spec)?;
        let four = external(node_address(number), Some(fence.med));
        let six = Path { prefix: PREFIX6.to_owned(), next_hop: IpAddr::V6(Net::Data.v6(10 + number)), ..four.clone() };
        for router in &routers {
            wait_paths(router, PREFIX, std::slice::from_ref(&four))?;
            wait_paths(router, PREFIX6, std::slice::from_ref(&six))?;
        }
        cluster.site.node(number)?.expect_address("lo", IpAddr::V6(VIP6), true)?;
        leave(&vipcast)?;
        for router in &routers {
            router.wait_gone(PREFIX, None, SOON)?;
            router.wait_gone(PREFIX6, None, SOON)?;
        }
        cluster.site.node(number)?.expect_address("lo", IpAddr::V6(VIP6), false)?;
    }
    Ok(())
}

/// Both ends beyond 16 bits, then the router's alone.
pub(super) fn four_octet_as(cluster: &mut Cluster) -> Result<()> {
    const OURS: u32 = 4_200_000_001;
    const ROUTER: u32 = 4_200_000_002;
    let mut peers = neighbors(&[node_address(1), node_address(2)]);
    if let Some(first) = peers.first_mut() {
        first.asn = OURS;
    }
    let routers = routers(cluster, |kind| Conf { asn: ROUTER, neighbors: peers.clone(), ..Conf::new(kind) })?;
    for (number, asn) in [(1, OURS), (2, NODE_AS)] {
        let spec = cluster.spec(number, &[])?.flag("localAS", asn);
        let spec = Kind::ALL.into_iter().fold(spec, |spec, kind| spec.peer(kind.address(), ROUTER, "", false));
        let (vipcast, fence) = lead(cluster, number, &spec)?;
        let expected = Path { as_path: vec![asn], ..external(node_address(number), Some(fence.med)) };
        for router in &routers {
            wait_paths(router, PREFIX, std::slice::from_ref(&expected))?;
        }
        leave(&vipcast)?;
    }
    Ok(())
}

/// One AS: no AS path, and the term is the `LOCAL_PREF`.
pub(super) fn ibgp(cluster: &mut Cluster) -> Result<()> {
    let routers = routers(cluster, |kind| Conf { asn: NODE_AS, ..Conf::new(kind) })?;
    let spec = cluster.spec(1, &[])?;
    let spec = Kind::ALL.into_iter().fold(spec, |spec, kind| spec.peer(kind.address(), NODE_AS, "", false));
    let (_vipcast, fence) = lead(cluster, 1, &spec)?;
    let internal =
        Path { as_path: Vec::new(), local_pref: Some(fence.local_pref), ..external(node_address(1), Some(fence.med)) };
    routers.iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(&internal)))
}

/// A port of the router's own choice, in both places where kube-vip takes one.
pub(super) fn port(cluster: &mut Cluster) -> Result<()> {
    const PORT: u16 = 1790;
    let routers = routers(cluster, |kind| Conf { port: PORT, ..Conf::new(kind) })?;
    let mut spec = cluster.spec(1, &[])?;
    for kind in [Kind::Gobgpd, Kind::Frr, Kind::Openbgpd] {
        spec = spec.peer_text(format!("{}:{}::false:{PORT}", kind.address(), kind.asn()));
    }
    let spec = spec.flag("peerAddress", format!("{}:{PORT}", Kind::Bird.address())).flag("peerAS", Kind::Bird.asn());
    let (_vipcast, fence) = lead(cluster, 1, &spec)?;
    let expected = external(node_address(1), Some(fence.med));
    routers.iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(&expected)))
}

/// Two hops away: not without `multihop`, and with it.
pub(super) fn multihop(cluster: &mut Cluster) -> Result<()> {
    let (_middle, far) = cluster.site.lab.far_host()?;
    let address = IpAddr::V4(Net::Far.v4(1));
    for kind in Kind::ALL {
        let peers = vec![Neighbor { multihop: Some(5), ..Neighbor::new(node_address(1)) }];
        let router = cluster.site.router_on(&far, kind, Conf { neighbors: peers, ..Conf::new(kind) })?;
        let near = cluster.spec(1, &[])?.peer(address, kind.asn(), "", false);
        let (vipcast, _) = lead(cluster, 1, &near)?;
        let session = Watch::from_start(&vipcast, address);
        let reason = session.wait_failure()?;
        let expected = "connect: No route to host (os error 113); the peer is on no network of this node, and without \
                        multihop our packets pass no router";
        ensure!(reason == expected, "{kind}: {reason:?}");
        session.never_up()?;
        leave(&vipcast)?;
        let far_away = cluster.spec(1, &[])?.peer(address, kind.asn(), "", true);
        let (vipcast, fence) = lead(cluster, 1, &far_away)?;
        wait_paths(&router, PREFIX, &[external(node_address(1), Some(fence.med))])?;
        leave(&vipcast)?;
        router.stop()?;
    }
    Ok(())
}

/// `--sourceIP`: another address of the node is our end and the next hop.
pub(super) fn source_ip(cluster: &mut Cluster) -> Result<()> {
    let second = Ipv4Addr::new(10, 77, 0, 111);
    let node = cluster.site.node(1)?.clone();
    let _address =
        Undo::ip(&node, &format!("address add {second}/24 dev data0"), &format!("address del {second}/24 dev data0"))?;
    let routers = routers(cluster, |kind| Conf { neighbors: neighbors(&[second.into()]), ..Conf::new(kind) })?;
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let spec = cluster.spec(1, &peers)?.flag("sourceIP", second);
    let (_vipcast, fence) = lead(cluster, 1, &spec)?;
    let expected = external(second.into(), Some(fence.med));
    routers.iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(&expected)))
}

/// `--sourceIF`: the node's routes lead to the routers over the wrong interface, and the session takes the right one.
pub(super) fn source_if(cluster: &mut Cluster) -> Result<()> {
    let node = cluster.site.node(1)?.clone();
    let mut detours = Vec::new();
    for kind in Kind::ALL {
        let detour = format!("{} dev mgmt0", kind.address());
        detours.push(Undo::ip(&node, &format!("route add {detour}"), &format!("route del {detour}"))?);
    }
    let routers = routers(cluster, Conf::new)?;
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let (vipcast, _) = lead(cluster, 1, &cluster.spec(1, &peers)?)?;
    for kind in Kind::ALL {
        let session = Watch::from_start(&vipcast, kind.address());
        session.wait_failure()?;
        session.never_up()?;
    }
    leave(&vipcast)?;
    let spec = cluster.spec(1, &peers)?.flag("sourceIF", Net::Data.device());
    let (_vipcast, fence) = lead(cluster, 1, &spec)?;
    let expected = external(node_address(1), Some(fence.med));
    routers.iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(&expected)))
}
