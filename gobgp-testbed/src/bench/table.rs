//! Many VIPs, by one node to one router and to four: until they are in the routers' tables, and until they are gone;
//! then gobgpd in vipcast's place. The routers are BIRD, which writes none of it to its kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{
    BIND, Figure, Figures, GONE_FOUR, GONE_ONE, MEMORY_FOUR, MEMORY_ONE, TABLE_FOUR, TABLE_ONE, UNBIND, Who,
};
use super::{PATIENCE, millis};
use crate::host::Host;
use crate::lab::{NODE_AS, Net};
use crate::parts::capture::{Capture, What};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::site::Site;
use crate::{clock, wait};

/// How many VIPs.
const VIPS: usize = 10_000;
/// How often each is measured.
const RUNS: u32 = 3;
/// The node's number in the lab, and the first router's.
const NODE: u8 = 120;
const ROUTERS: u8 = 201;
/// What tcpdump keeps: all of the traffic would cost the node more than the announcement.
const SYNS: &str = "tcp port 179 and tcp[tcpflags] & tcp-syn != 0";

/// With how many routers, and where the figures go.
struct Size {
    routers: u8,
    table: &'static Figure,
    gone: &'static Figure,
    memory: &'static Figure,
}

const SIZES: [Size; 2] = [
    Size { routers: 1, table: &TABLE_ONE, gone: &GONE_ONE, memory: &MEMORY_ONE },
    Size { routers: 4, table: &TABLE_FOUR, gone: &GONE_FOUR, memory: &MEMORY_FOUR },
];

/// The node, its routers that are not running yet, and who dials them.
struct Stage {
    node: Host,
    routers: Vec<Host>,
    wire: Capture,
}

pub(super) fn measure(site: &mut Site, figures: &mut Figures) -> Result<()> {
    // Devices of hosts that went stay for a moment: each stage has names of its own.
    let mut names = (0_u32..).map(|number| format!("t{number}"));
    let mut stage = |size: &Size| Stage::build(site, &names.next().unwrap_or_default(), size.routers);
    for run in 1..=RUNS {
        for size in &SIZES {
            println!("  run {run} of {RUNS}, {} routers", size.routers);
            stage(size)?.vipcast(site, size, figures)?;
            stage(size)?.gobgpd(size, figures)?;
        }
    }
    Ok(())
}

/// 10.9.0.0 and on.
fn vips() -> Vec<Ipv4Addr> {
    let first = u32::from(Ipv4Addr::new(10, 9, 0, 0));
    (first..).take(VIPS).map(Ipv4Addr::from).collect()
}

fn address(index: u8) -> IpAddr {
    IpAddr::V4(Net::Data.v4(ROUTERS + index))
}

impl Stage {
    fn build(site: &Site, name: &str, routers: u8) -> Result<Self> {
        let node = site.lab.host(name, &[(Net::Data, NODE)])?;
        let router = |index| site.lab.host(&format!("{name}r{index}"), &[(Net::Data, ROUTERS + index)]);
        let routers = (0..routers).map(router);
        let wire = Capture::of(&node, Net::Data, SYNS)?;
        Ok(Self { routers: routers.collect::<Result<_>>()?, wire, node })
    }

    /// All routers, and how long after the node's connection to each its table was full; the longest counts.
    fn start_routers(&self) -> Result<(Vec<Router>, f64)> {
        let neighbors = vec![Neighbor::new(IpAddr::V4(Net::Data.v4(NODE)))];
        // None is dialled before all are there: the time of one must not include the start of another.
        self.node.nft("table inet gate { chain output { type filter hook output priority 0; tcp dport 179 reject with tcp reset; }; }")?;
        let mut routers = Vec::new();
        for (index, host) in (0..).zip(&self.routers) {
            let router_id = Net::Data.v4(ROUTERS + index);
            let conf = Conf { router_id, hold: 90, bare: true, neighbors: neighbors.clone(), ..Conf::new(Kind::Bird) };
            routers.push(Router::start(Kind::Bird, host, conf)?);
        }
        self.node.nft("delete table inet gate")?;
        let full = until_count(&routers, VIPS)?;
        let syns = self.wire.seen()?;
        let mut longest = 0.0_f64;
        for (index, full) in (0..).zip(full) {
            let is_dial = |seen: &&crate::parts::capture::Seen| seen.to == address(index) && seen.at < full;
            let dialled = syns.iter().filter(|seen| seen.what == What::Syn).rfind(is_dial);
            longest = longest.max(millis(dialled.context("the node did not dial")?.at, full));
        }
        Ok((routers, longest))
    }

    fn vipcast(&self, site: &Site, size: &Size, figures: &mut Figures) -> Result<()> {
        let list = vips().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let spec = site.spec(NODE - 10, &[]).flag("address", list).flag("bgpHoldTimer", 90);
        let spec = (0..size.routers).fold(spec, |spec, index| spec.peer(address(index), Kind::Bird.asn(), "", false));
        let start = clock::now();
        let vipcast = spec.start(&self.node)?;
        // Asking the kernel again and again would slow it down.
        vipcast.log().wait_line(vipcast.began(), &["address bound more="], PATIENCE)?;
        figures.add(&BIND, Who::Vipcast, millis(start, clock::now()));
        let (routers, table) = self.start_routers()?;
        figures.add(size.table, Who::Vipcast, table);
        figures.add(size.memory, Who::Vipcast, kib(vipcast.resident_kib()?)?);
        let term = clock::now();
        vipcast.term()?;
        figures.add(size.gone, Who::Vipcast, last(term, &until_count(&routers, 0)?));
        let status = vipcast.wait_exit(PATIENCE)?;
        figures.add(&UNBIND, Who::Vipcast, millis(term, clock::now()));
        ensure!(status.success(), "vipcast ended with {status}");
        self.wait_bound(0)
    }

    fn wait_bound(&self, count: usize) -> Result<()> {
        wait::until(&format!("{count} addresses on the node"), PATIENCE, || {
            let bound = self.node.addresses("lo")?.into_iter().filter(|address| !address.is_loopback()).count();
            ensure!(bound == count, "{bound}");
            Ok(())
        })
    }

    /// The same from gobgpd, which is given the routes before the routers are there, and told to delete them.
    fn gobgpd(&self, size: &Size, figures: &mut Figures) -> Result<()> {
        let asn = Kind::Bird.asn();
        let neighbor = |index| Neighbor { asn, dial: true, ..Neighbor::new(address(index)) };
        let neighbors = (0..size.routers).map(neighbor).collect();
        let id = Net::Data.v4(NODE);
        let conf = Conf { asn: NODE_AS, router_id: id, hold: 90, neighbors, ..Conf::new(Kind::Gobgpd) };
        let speaker = Router::start(Kind::Gobgpd, &self.node, conf)?;
        speaker.originate_all(id, &vips())?;
        let (routers, table) = self.start_routers()?;
        figures.add(size.table, Who::Gobgpd, table);
        let memory = speaker.processes().first().context("gobgpd is not running")?.resident_kib()?;
        figures.add(size.memory, Who::Gobgpd, kib(memory)?);
        let start = clock::now();
        speaker.delete_all()?;
        figures.add(size.gone, Who::Gobgpd, last(start, &until_count(&routers, 0)?));
        speaker.stop()
    }
}

fn kib(value: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(value)?))
}

fn last(from: Duration, moments: &[Duration]) -> f64 {
    moments.iter().map(|at| millis(from, *at)).fold(0.0, f64::max)
}

/// When each router's table first had so many routes.
fn until_count(routers: &[Router], count: usize) -> Result<Vec<Duration>> {
    let mut reached: Vec<Option<Duration>> = vec![None; routers.len()];
    wait::until(&format!("{count} routes"), PATIENCE, || {
        for (router, reached) in routers.iter().zip(&mut reached).filter(|(_, reached)| reached.is_none()) {
            *reached = (router.count()? == count).then(clock::now);
        }
        ensure!(reached.iter().all(Option::is_some), "reached at {reached:?}");
        Ok(())
    })?;
    Ok(reached.into_iter().flatten().collect())
}
