//! Scenario 37, next hops and families: own, fixed, kube-vip's modes, one family only, IPv4 by IPv6.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::expect::{PREFIX6, Undo, Watch, external, wait_paths};
use super::{Run, SOON, Scenario};
use crate::host::Host;
use crate::lab::{Net, VIP, VIP6, node_address, node_address6};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Family, Kind, Neighbor, Path, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

/// The theme's scenarios.
pub(super) const NEXT_HOPS: &[Scenario] = &[
    Scenario {
        name: "37-next-hop",
        shows: "next hops: our own, one family fixed, both fixed, each router another",
        run: Run::Site(fixed),
    },
    Scenario {
        name: "37-mpbgp-nexthop",
        shows: "kube-vip's mpbgp_nexthop: fixed, auto_sourceip, auto_sourceif",
        run: Run::Site(mpbgp),
    },
    Scenario {
        name: "37-one-family",
        shows: "one family by our choice and by the router's: that VIP alone, and the log says why",
        run: Run::Site(one_family),
    },
    Scenario {
        name: "37-required-families",
        shows: "a router without a family we insist on: refused with 2/7 and the family, as its own log shows",
        run: Run::Site(required_families),
    },
    Scenario {
        name: "37-ipv4-by-ipv6",
        shows: "IPv4 VIP with an IPv6 next hop (RFC 8950) in three routers, forwarded there by two kernels",
        run: Run::Site(four_by_six),
    },
];

/// Another address of node 1 on the data network.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 111);

/// Both VIPs, with all four routers as peers over IPv4.
fn spec(site: &Site, number: u8) -> Spec {
    let spec = site.spec(number, &[]).flag("address", format!("{VIP},{VIP6}"));
    Kind::ALL.into_iter().fold(spec, |spec, kind| spec.peer(kind.address(), kind.asn(), "", false))
}

fn by(prefix: &str, next_hop: impl Into<IpAddr>) -> Path {
    Path { prefix: prefix.to_owned(), ..external(next_hop.into(), None) }
}

fn leave(vipcast: &Process) -> Result<()> {
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    Ok(())
}

/// Each peer has its own setting: nothing, `self`, one family fixed, both fixed.
pub(super) fn fixed(site: &mut Site) -> Result<()> {
    let neighbors = vec![Neighbor::new(node_address(1))];
    // Node 2's addresses: a next hop may be any host of the network (RFC 4271 §5.1.3).
    let (other, other6) = (node_address(2), node_address6(2));
    let cases = [
        (Kind::Gobgpd, "next-hop=self".to_owned(), node_address(1), node_address6(1)),
        (Kind::Bird, format!("next-hop={other}"), other, node_address6(1)),
        (Kind::Frr, format!("next-hop={other6}"), node_address(1), other6),
        (Kind::Openbgpd, format!("next-hop={other} {other6}"), other, other6),
    ];
    let options = cases.each_ref().map(|(kind, words, ..)| format!("{};{words}", kind.address()));
    let mut routers = Vec::new();
    for (kind, _, four, six) in cases {
        let conf = Conf { neighbors: neighbors.clone(), ..Conf::new(kind) };
        routers.push((site.router(kind, conf)?, four, six));
    }
    let spec = spec(site, 1).flag("bgpPeerOptions", options.join(","));
    site.vipcast(1, &spec)?;
    for (router, four, six) in &routers {
        wait_paths(router, PREFIX, &[by(PREFIX, *four)])?;
        wait_paths(router, PREFIX6, &[by(PREFIX6, *six)])?;
    }
    Ok(())
}

/// kube-vip's `mpbgp_nexthop`: the other family's next hop is fixed, or found beside the source address or on the source
/// interface.
pub(super) fn mpbgp(site: &mut Site) -> Result<()> {
    let node = site.node(1)?.clone();
    let device = Net::Data.device();
    let _other = Undo::ip(
        &node,
        &format!("address add {OTHER}/24 dev {device}"),
        &format!("address del {OTHER}/24 dev {device}"),
    )?;
    let neighbors = vec![Neighbor::new(node_address(1)), Neighbor::new(OTHER.into())];
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(site.router(kind, Conf { neighbors: neighbors.clone(), ..Conf::new(kind) })?);
    }
    let fixed = spec(site, 1).env("mpbgp_nexthop", "fixed").env("mpbgp_ipv6", node_address6(2));
    let by_address = spec(site, 1).env("mpbgp_nexthop", "auto_sourceip").flag("sourceIP", OTHER);
    let by_interface = spec(site, 1).env("mpbgp_nexthop", "auto_sourceif").flag("sourceIF", device);
    let cases = [
        (fixed, node_address(1), node_address6(2)),
        (by_address, OTHER.into(), node_address6(1)),
        (by_interface, node_address(1), node_address6(1)),
    ];
    for (spec, four, six) in cases {
        let vipcast = site.vipcast(1, &spec)?;
        for router in &routers {
            wait_paths(router, PREFIX, &[by(PREFIX, four)])?;
            wait_paths(router, PREFIX6, &[by(PREFIX6, six)])?;
        }
        leave(&vipcast)?;
    }
    Ok(())
}

/// One family only, by our choice and by the router's.
pub(super) fn one_family(site: &mut Site) -> Result<()> {
    let cases = [
        (Kind::Gobgpd, "families=ipv4", Family::BOTH.to_vec(), [true, false]),
        (Kind::Bird, "families=ipv6", Family::BOTH.to_vec(), [false, true]),
        (Kind::Frr, "families=ipv4 ipv6", vec![Family::V4], [true, false]),
        (Kind::Openbgpd, "families=ipv4 ipv6", vec![Family::V6], [false, true]),
    ];
    let options = cases.each_ref().map(|(kind, words, ..)| format!("{};{words}", kind.address()));
    let mut routers = Vec::new();
    for (kind, _, families, carried) in cases {
        let neighbors = vec![Neighbor { families, ..Neighbor::new(node_address(1)) }];
        routers.push((site.router(kind, Conf { neighbors, ..Conf::new(kind) })?, carried));
    }
    let spec = spec(site, 1).flag("bgpPeerOptions", options.join(","));
    let vipcast = site.vipcast(1, &spec)?;
    for (router, carried) in &routers {
        router.wait_established(node_address(1), SOON)?;
        for (prefix, next_hop, carried) in
            [(PREFIX, node_address(1), carried[0]), (PREFIX6, node_address6(1), carried[1])]
        {
            if carried {
                wait_paths(router, prefix, &[by(prefix, next_hop)])?;
            } else {
                let peer = format!("peer={}:179 ", router.kind().address());
                let said = [&peer, prefix, "route not announced", "the peer does not carry this address family"];
                vipcast.log().wait_line(vipcast.began(), &said, SOON)?;
                let paths = router.paths(prefix)?;
                ensure!(paths.is_empty(), "{} has {paths:?}", router.kind());
            }
        }
    }
    Ok(())
}

/// A router that lacks a family we insist on is told which (RFC 5492 §5), and one that has it is taken.
pub(super) fn required_families(site: &mut Site) -> Result<()> {
    let cases = [
        (Kind::Bird, Family::BOTH.to_vec(), None),
        (
            Kind::Frr,
            vec![Family::V4],
            Some("2/7 (OPEN Message Error/Unsupported Capability) 6 bytes 01 04 00 02 00 01"),
        ),
        (
            Kind::Openbgpd,
            vec![Family::V6],
            Some("received notification: error in OPEN message, unsupported capability"),
        ),
    ];
    let options = cases.each_ref().map(|(kind, ..)| format!("{};require-families", kind.address()));
    let mut routers = Vec::new();
    for (kind, families, said) in cases {
        let neighbors = vec![Neighbor { families, ..Neighbor::new(node_address(1)) }];
        routers.push((site.router(kind, Conf { neighbors, ..Conf::new(kind) })?, said));
    }
    let spec = spec(site, 1).flag("bgpPeerOptions", options.join(","));
    let vipcast = site.vipcast(1, &spec)?;
    for (router, said) in &routers {
        let session = Watch::from_start(&vipcast, router.kind().address());
        let Some(said) = said else {
            router.wait_established(node_address(1), SOON)?;
            continue;
        };
        let reason = session.wait_failure()?;
        ensure!(reason.starts_with("sent NOTIFICATION: OPEN Message Error/Unsupported Capability (2/7)"), "{reason:?}");
        router.log()?.wait_line(0, &[said], SOON)?;
        session.never_up()?;
    }
    Ok(())
}

/// Sessions over IPv6 only: the IPv4 VIP has an IPv6 next hop where the router takes it, and traffic goes there.
pub(super) fn four_by_six(site: &mut Site) -> Result<()> {
    let extended = |kind| kind != Kind::Openbgpd;
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        let neighbor = Neighbor { extended_next_hop: extended(kind), ..Neighbor::new(node_address6(1)) };
        routers.push(site.router(kind, Conf { neighbors: vec![neighbor], ..Conf::new(kind) })?);
    }
    let options: Vec<String> = Kind::ALL.iter().map(|kind| format!("{};extended-next-hop", kind.address6())).collect();
    let spec = site.spec(1, &[]).flag("address", format!("{VIP},{VIP6}")).flag("bgpPeerOptions", options.join(","));
    let spec = Kind::ALL.into_iter().fold(spec, |spec, kind| spec.peer(kind.address6(), kind.asn(), "", false));
    let vipcast = site.vipcast(1, &spec)?;
    for router in &routers {
        // OpenBGPD 7.7 does not know RFC 8950: it gets the IPv4 address beside our end, as without the option.
        let next_hop = if extended(router.kind()) { node_address6(1) } else { node_address(1) };
        wait_paths(router, PREFIX, &[by(PREFIX, next_hop)])?;
        wait_paths(router, PREFIX6, &[by(PREFIX6, node_address6(1))])?;
        if router.kind().forwards() {
            kernel_goes_to(router, site.node(1)?)?;
            site.lab.client_via(router.kind().number())?;
            let probe = Probe::start(&site.lab.client, IpAddr::V4(VIP), Duration::from_millis(10))?;
            probe.wait_answer(1, clock::now(), SOON)?;
        }
    }
    leave(&vipcast)?;
    routers.iter().try_for_each(|router| router.wait_gone(PREFIX, None, SOON))
}

/// Waits until the router's kernel forwards the IPv4 VIP to an IPv6 address of this node: its global one, or where the
/// router prefers that (FRR) the link-local one beside it.
fn kernel_goes_to(router: &Router, node: &Host) -> Result<()> {
    let addresses: Vec<IpAddr> = node.addresses(Net::Data.device())?.into_iter().filter(IpAddr::is_ipv6).collect();
    wait::until(&format!("{}'s kernel to forward {VIP} to {}", router.kind(), node.name()), SOON, || {
        let routes: Value = serde_json::from_str(&router.host().ip(&format!("-j route show {VIP}"))?)?;
        let via = routes.pointer("/0/via/host").and_then(Value::as_str).with_context(|| format!("{routes}"))?;
        ensure!(addresses.contains(&via.parse()?), "it is {routes}");
        Ok(())
    })
}
