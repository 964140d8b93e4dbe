//! Scenario 36, what operators put on routes: communities, metrics, longer paths, per peer and per VIP, as four routers
//! see it.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use anyhow::Result;

use super::SOON;
use super::expect::{PREFIX6, external, fence, wait_paths};
use crate::cluster::Cluster;
use crate::lab::{NODE_AS, VIP, VIP6, node_address, node_address6};
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::site::{PREFIX, Site};

/// A second VIP, about which nothing is said.
const PLAIN: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 41);
const PLAIN_PREFIX: &str = "10.88.0.41/32";

/// All four routers in these ASes, with node 1 as their peer.
fn routers(site: &mut Site, asn: impl Fn(Kind) -> u32) -> Result<Vec<Rc<Router>>> {
    let neighbors = vec![Neighbor::new(node_address(1))];
    let conf = |kind| Conf { asn: asn(kind), neighbors: neighbors.clone(), ..Conf::new(kind) };
    Kind::ALL.into_iter().map(|kind| site.router(kind, conf(kind))).collect()
}

/// Starts node 1 with these options, one item a peer and one a VIP.
fn start(site: &mut Site, asn: impl Fn(Kind) -> u32, peers: &[String], vips: &[String]) -> Result<()> {
    let spec = site
        .spec(1, &[])
        .flag("address", format!("{VIP},{PLAIN},{VIP6}"))
        .flag("bgpPeerOptions", peers.join(","))
        .flag("vipOptions", vips.join(","));
    let spec = Kind::ALL.into_iter().fold(spec, |spec, kind| spec.peer(kind.address(), asn(kind), "", false));
    site.vipcast(1, &spec).map(drop)
}

fn communities_of(path: Path, words: &[&str], asn: u32) -> Path {
    let of_peer = [format!("{asn}:1"), format!("{asn}:1:2"), format!("rt:{asn}:3")];
    let communities = words.iter().map(|&word| word.to_owned()).chain(of_peer).collect();
    Path { communities, ..path }
}

/// Of all kinds, in all forms: what the peer and what the VIP has, together and each once.
pub(super) fn communities(site: &mut Site) -> Result<()> {
    const FOUR: &str =
        "no-export no-peer 65000:40 65002:1 4200000001:40:1 rt:4200000001:40 rt:10.0.0.1:40 soo:65000:40";
    let routers = routers(site, Kind::asn)?;
    let of_peer = |kind: Kind| {
        let (address, asn) = (kind.address(), kind.asn());
        format!("{address};community={asn}:1 {asn}:1:2 rt:{asn}:3")
    };
    let vips = [format!("{VIP};community={FOUR}"), format!("{VIP6};community=65535:65282")];
    start(site, Kind::asn, &Kind::ALL.map(of_peer), &vips)?;
    let four = [
        "65535:65281",
        "65535:65284",
        "65000:40",
        "65002:1",
        "4200000001:40:1",
        "rt:4200000001:40",
        "rt:10.0.0.1:40",
        "soo:65000:40",
    ];
    for router in &routers {
        let asn = router.kind().asn();
        let route = external(node_address(1), None);
        let expected = communities_of(route.clone(), &four, asn);
        wait_paths(router, PREFIX, &[expected])?;
        let plain = Path { prefix: PLAIN_PREFIX.to_owned(), ..route.clone() };
        wait_paths(router, PLAIN_PREFIX, &[communities_of(plain, &[], asn)])?;
        let six = Path { prefix: PREFIX6.to_owned(), next_hop: node_address6(1), ..route };
        wait_paths(router, PREFIX6, &[communities_of(six, &["65535:65282"], asn)])?;
    }
    Ok(())
}

/// The number of a router as a metric.
fn number(kind: Kind) -> u32 {
    u32::from(kind.number())
}

/// MED and prepends to other ASes: each peer's own, and what the VIP says before that. LOCAL_PREF stays inside.
pub(super) fn metrics(site: &mut Site) -> Result<()> {
    let routers = routers(site, Kind::asn)?;
    let of_peer = |kind: Kind| {
        let (address, number) = (kind.address(), number(kind));
        format!("{address};med={};prepend={number};local-pref=500", 50 + number)
    };
    let vips = [format!("{VIP};med=7;prepend=2"), format!("{VIP6};med=0;prepend=0")];
    start(site, Kind::asn, &Kind::ALL.map(of_peer), &vips)?;
    for router in &routers {
        let number = number(router.kind());
        let as_path = |prepends: u32| (0..=prepends).map(|_| NODE_AS).collect();
        let route = |prefix: &str, next_hop: IpAddr, med, prepends| {
            let prefix = prefix.to_owned();
            [Path { prefix, as_path: as_path(prepends), ..external(next_hop, Some(med)) }]
        };
        wait_paths(router, PREFIX, &route(PREFIX, node_address(1), 7, 2))?;
        wait_paths(router, PLAIN_PREFIX, &route(PLAIN_PREFIX, node_address(1), 50 + number, number))?;
        wait_paths(router, PREFIX6, &route(PREFIX6, node_address6(1), 0, 0))?;
    }
    Ok(())
}

/// LOCAL_PREF inside the AS; no prepends there, whatever is asked for.
pub(super) fn inside_the_as(site: &mut Site) -> Result<()> {
    let routers = routers(site, |_| NODE_AS)?;
    let of_peer = |kind: Kind| format!("{};local-pref={};prepend=3", kind.address(), 200 + number(kind));
    let vips = [format!("{VIP};local-pref=7;med=9")];
    start(site, |_| NODE_AS, &Kind::ALL.map(of_peer), &vips)?;
    for router in &routers {
        let inside = |path: Path, local_pref| [Path { as_path: Vec::new(), local_pref: Some(local_pref), ..path }];
        wait_paths(router, PREFIX, &inside(external(node_address(1), Some(9)), 7))?;
        let plain = Path { prefix: PLAIN_PREFIX.to_owned(), ..external(node_address(1), None) };
        wait_paths(router, PLAIN_PREFIX, &inside(plain, 200 + number(router.kind())))?;
    }
    Ok(())
}

/// Under a lease an operator's MED is sent in place of the fence's, to that peer alone, and the log says what is lost.
pub(super) fn under_a_lease(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let option = format!("{};med=5", Kind::Gobgpd.address());
    let spec = cluster.spec(1, &[&gobgpd, &bird])?.flag("bgpPeerOptions", option);
    let vipcast = cluster.site.vipcast(1, &spec)?;
    cluster.wait_holder("n1", SOON)?;
    wait_paths(&gobgpd, PREFIX, &[external(node_address(1), Some(5))])?;
    wait_paths(&bird, PREFIX, &[external(node_address(1), Some(fence(cluster)?.med))])?;
    let warning = ["WARN", "--bgpPeerOptions", "med takes the place of the one that falls"];
    vipcast.log().wait_line(vipcast.began(), &warning, SOON).map(drop)
}
