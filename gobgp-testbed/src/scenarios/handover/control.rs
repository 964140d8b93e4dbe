//! The control run: the router alone replaces a route. gobgpd plays the nodes' part, by hand; the VIPs are bound on
//! both, and stay so.

use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::crowd::{Crowd, Toll};
use crate::clock;
use crate::lab::{NODE_AS, Net, VIP, VIP6, node_address, node_address6};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::PREFIX6;
use crate::site::{PREFIX, Site};

/// How often each router moves the routes.
const ROUNDS: u32 = 4;
/// gobgpd dials in its own time.
const DIAL: Duration = Duration::from_secs(30);
/// How long both routes stand, as in a handover.
const BOTH: Duration = Duration::from_millis(500);

/// Each router is told of a better route, and half a second later that the old one is gone.
pub(super) fn replaced_routes(site: &mut Site) -> Result<()> {
    for kind in [Kind::Bird, Kind::Frr] {
        let tolls = replace(site, kind, ROUNDS, false)?;
        report(kind, &tolls);
    }
    Ok(())
}

/// So often by one router, with real-time scheduling for all that takes part or as it comes.
pub(super) fn replace(site: &mut Site, kind: Kind, rounds: u32, hurried: bool) -> Result<Vec<Toll>> {
    let router = site.router(kind, Conf::new(kind))?;
    let speakers = [speaker(site, kind, 1)?, speaker(site, kind, 2)?];
    site.lab.client_via(kind.number())?;
    for number in [1, 2] {
        router.wait_established(node_address(number), DIAL)?;
    }
    announce(&speakers[0], 1, rounds + 1)?;
    wait_best(&router, 1)?;
    let crowd = Crowd::gather(&site.lab, 1)?;
    if hurried {
        crowd.hurry()?;
        speakers.iter().chain([&router]).try_for_each(|router| router.hurry())?;
    }
    let changes = kernel_changes(&router)?;
    let mut tolls = Vec::new();
    for round in 0..rounds {
        let (next, med) = (if round % 2 == 0 { 2 } else { 1 }, rounds - round);
        let [old, new] = if next == 2 { [&speakers[0], &speakers[1]] } else { [&speakers[1], &speakers[0]] };
        let from = clock::now();
        announce(new, next, med)?;
        wait_best(&router, next)?;
        sleep(BOTH);
        old.delete_all()?;
        crowd.wait_served(next, clock::now())?;
        sleep(BOTH);
        tolls.extend(crowd.toll(from, clock::now())?);
    }
    report_changes(kind, rounds, &changes);
    speakers.iter().try_for_each(|speaker| speaker.stop())?;
    Ok(tolls)
}

fn speaker(site: &mut Site, kind: Kind, number: u8) -> Result<Rc<Router>> {
    let node = site.node(number)?.clone();
    node.ip(&format!("address replace {VIP}/32 dev lo"))?;
    node.ip(&format!("address replace {VIP6}/128 dev lo nodad"))?;
    let neighbors = vec![Neighbor { asn: kind.asn(), dial: true, ..Neighbor::new(kind.address()) }];
    let conf = Conf { asn: NODE_AS, router_id: Net::Data.v4(10 + number), neighbors, ..Conf::new(Kind::Gobgpd) };
    site.router_on(&node, Kind::Gobgpd, conf)
}

fn announce(speaker: &Router, number: u8, med: u32) -> Result<()> {
    speaker.originate(PREFIX, node_address(number), med)?;
    speaker.originate(PREFIX6, node_address6(number), med)
}

fn wait_best(router: &Router, number: u8) -> Result<()> {
    router.wait_best(PREFIX, node_address(number), SOON)?;
    router.wait_best(PREFIX6, node_address6(number), SOON).map(drop)
}

/// The changes of the kernel's routes to the VIPs, as they come.
fn kernel_changes(router: &Router) -> Result<[Process; 2]> {
    let monitor = |family: &str, name| {
        router.host().spawn(name, std::path::Path::new("/sbin/ip"), |command| {
            command.args([family, "monitor", "route"]);
        })
    };
    Ok([monitor("-4", "routes4")?, monitor("-6", "routes6")?])
}

/// Whether the router replaced a route, or took it out first.
fn report_changes(kind: Kind, rounds: u32, changes: &[Process; 2]) {
    for (monitor, (family, vip)) in changes.iter().zip([("IPv4", VIP.to_string()), ("IPv6", VIP6.to_string())]) {
        let said = monitor.said();
        let about = |line: &&str| line.contains(&vip);
        let (out, all): (Vec<&str>, Vec<&str>) =
            said.lines().filter(about).partition(|line| line.starts_with("Deleted"));
        println!(
            "    figure: {kind} {family}: {rounds} changes, the kernel's route was put in {} times and taken out {} times",
            all.len(),
            out.len()
        );
    }
}

fn report(kind: Kind, tolls: &[Toll]) {
    for family in ["IPv4", "IPv6"] {
        let of = || tolls.iter().filter(|toll| toll.family == family);
        let lost: Vec<usize> = of().map(|toll| toll.lost).collect();
        let (failed, cut): (Vec<usize>, Vec<usize>) = of().map(|toll| (toll.failed.len(), toll.cut.len())).unzip();
        println!(
            "    figure: {kind} {family}: lost questions {lost:?}, failed {failed:?}, reset {cut:?} connections a change"
        );
    }
    for toll in tolls {
        println!("      {toll}");
    }
}
