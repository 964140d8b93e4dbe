//! Scenario 46: hot standby with BFD 50 ms × 3: how long the client hears nothing, and who serves it afterwards.

mod planned;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::bfd::{FAST, peer_text};
use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::fabric::Fabric;
use crate::lab::{Cut, Net, VIP, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

pub(super) const STANDBY: &[Scenario] = &[
    Scenario {
        name: "46-standby-bird",
        shows: "the holder killed, cut off, without its uplink: a standby serves at once, and the returned one stays behind",
        run: Run::Cluster(|cluster| standby(cluster, Kind::Bird)),
    },
    Scenario {
        name: "46-standby-frr",
        shows: "the same with FRR",
        run: Run::Cluster(|cluster| standby(cluster, Kind::Frr)),
    },
    Scenario {
        name: "46-standby-handover",
        shows: "the holder leaves and comes back, BIRD and FRR: no ping lost, one route at every moment, status of each node",
        run: Run::Cluster(|cluster| {
            [Kind::Bird, Kind::Frr].into_iter().try_for_each(|kind| planned::leave(cluster, kind))
        }),
    },
    Scenario {
        name: "46-standby-fabric",
        shows: "behind two leaves and a spine, BIRD and FRR: the holder cut off, a standby in the other rack serves at once",
        run: Run::Cluster(|cluster| [Kind::Bird, Kind::Frr].into_iter().try_for_each(|kind| fabric(cluster, kind))),
    },
];

/// The hold time has no part in this.
const HOLD: u16 = 60;
/// A router that believes a session alive finds out by its next KEEPALIVE that the node has forgotten it.
const KEEPALIVE: u16 = 2;
/// The client asks this often.
const PING: Duration = Duration::from_millis(2);
/// Far above what is aimed at (0.2 s), and far below the lease and the hold time: the machine may be busy.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long the client is asked after a move or a return: traffic that goes astray does so at once.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// Our AS once, and five steps of three.
const STANDBY_PATH: usize = 16;

/// What happens to the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Killed,
    CutOff,
    UplinkDead,
}

fn standby(cluster: &mut Cluster, kind: Kind) -> Result<()> {
    let mut field = Field::build(cluster, kind)?;
    for blow in [Blow::Killed, Blow::CutOff, Blow::UplinkDead] {
        field.play(blow)?;
    }
    Ok(())
}

struct Field<'a> {
    cluster: &'a mut Cluster,
    router: Rc<Router>,
    vipcasts: BTreeMap<u8, Rc<Process>>,
}

impl<'a> Field<'a> {
    /// Three nodes with BFD behind one router; n1 was first.
    fn build(cluster: &'a mut Cluster, kind: Kind) -> Result<Self> {
        let neighbors = (1..=3).map(|node| Neighbor { bfd: Some(FAST), ..Neighbor::new(node_address(node)) }).collect();
        let conf = Conf { hold: HOLD, keepalive: Some(KEEPALIVE), neighbors, ..Conf::new(kind) };
        let router = cluster.site.router(kind, conf)?;
        // The nodes' answers go back by BIRD's host whoever sent the question.
        cluster.site.router_host(Kind::Bird)?;
        cluster.site.lab.client_via(kind.number())?;
        let mut field = Self { cluster, router, vipcasts: BTreeMap::new() };
        (1..=3).try_for_each(|node| field.start(node))?;
        Ok(field)
    }

    fn start(&mut self, node: u8) -> Result<()> {
        let kind = self.router.kind();
        let peer = peer_text(kind.address(), kind.asn(), false, FAST, "");
        let spec = self.cluster.spec(node, &[])?.peer_text(peer).switch("bgpStandby").flag("bgpHoldTimer", HOLD);
        self.vipcasts.insert(node, self.cluster.site.vipcast(node, &spec)?);
        if self.vipcasts.len() == 1 {
            self.cluster.wait_holder(&format!("n{node}"), SOON)?;
        }
        self.router.wait_bfd(node_address(node), "up", SOON, |session| session.is_up()).map(drop)
    }

    fn play(&mut self, blow: Blow) -> Result<()> {
        let holder = self.wait_settled()?;
        let probe = Probe::start(&self.cluster.site.lab.client, VIP.into(), PING)?;
        probe.wait_answer(holder, Duration::ZERO, SOON)?;
        let before = self.transitions(holder)?;
        let from = clock::now();
        self.deal(blow, holder)?;
        let next = wait_other(self.cluster, holder, || self.expect_one_way())?;
        let moved = probe.wait_answer(next, clock::now(), SOON)?;
        std::thread::sleep(AFTERWARDS);
        let silence = probe.silence(from, clock::now())?;
        println!(
            "    figure: n{holder} {blow:?}, {}: silence {:.0} ms; n{next} has the lease",
            self.router.kind(),
            silence.as_secs_f64() * 1000.0
        );
        ensure!(silence < AT_ONCE, "{blow:?}: {silence:?} of silence");

        let returned = clock::now();
        self.undo(blow, holder)?;
        ensure!(self.wait_settled()? == next, "the lease moved when n{holder} came back");
        std::thread::sleep(AFTERWARDS);
        let answered = probe.answered_by(moved.max(returned))?;
        let by: Vec<_> = answered.keys().copied().collect();
        ensure!(by == [Some(next)], "{blow:?}: after n{holder} came back, answers came from {answered:?}");
        let moves = self.transitions(next)? - before;
        ensure!(moves == 1, "{blow:?}: the lease moved {moves} times");
        Ok(())
    }

    /// Waits until the holder's path is the best and both others' are there, the last choice; who holds.
    fn wait_settled(&self) -> Result<u8> {
        wait::until("one holder's path and two standbys'", SOON * 2, || {
            let holder = self.cluster.wait_leader(Duration::ZERO)?;
            let paths = self.router.paths(PREFIX)?;
            let is_right = |path: &Path| {
                let is_holders = path.next_hop == node_address(holder);
                let (ases, worst) = (path.as_path.len(), path.med == Some(u32::MAX));
                path.best == is_holders && (ases, worst) == if is_holders { (1, false) } else { (STANDBY_PATH, true) }
            };
            ensure!(paths.len() == 3 && paths.iter().all(is_right), "n{holder} holds the lease: {paths:?}");
            Ok(holder)
        })
    }

    fn transitions(&self, node: u8) -> Result<u64> {
        Ok(self.cluster.api(node)?.lease()?.context("there is no Lease")?.transitions())
    }

    /// Fails for good where the router forwards to more than one node.
    fn expect_one_way(&self) -> Result<()> {
        let best = self.router.paths(PREFIX)?.into_iter().filter(|path| path.best).count();
        let installed = self.router.host().ip(&format!("route show {VIP}"))?;
        let ways = installed.matches("via ").count();
        if best > 1 || ways > 1 {
            return Err(wait::Hopeless(format!("{best} best paths, and in the kernel {installed:?}")).into());
        }
        Ok(())
    }

    fn deal(&self, blow: Blow, node: u8) -> Result<()> {
        let host = self.cluster.site.node(node)?;
        let cut = |net| self.cluster.site.lab.cut(host, net, Cut::Both);
        match blow {
            Blow::Killed => self.vipcasts.get(&node).context("a vipcast")?.kill(),
            Blow::CutOff => [Net::Data, Net::Management].into_iter().try_for_each(cut)?,
            Blow::UplinkDead => cut(Net::Data)?,
        }
        Ok(())
    }

    fn undo(&mut self, blow: Blow, node: u8) -> Result<()> {
        match blow {
            Blow::Killed => self.start(node),
            Blow::CutOff | Blow::UplinkDead => self.cluster.site.lab.heal_all(),
        }
    }
}

/// The holder in one rack, the standbys in the other, the AS-path fence on.
fn fabric(cluster: &mut Cluster, kind: Kind) -> Result<()> {
    cluster.reset()?;
    let fabric = Fabric::build(&mut cluster.site, kind, HOLD, Some(FAST))?;
    for node in 1..=3 {
        let spec = fabric.peered(cluster.spec(node, &[])?, node).flag("bgpHoldTimer", HOLD);
        cluster.site.vipcast(node, &spec.switch("bgpStandby").flag("bgpASPathFence", 3))?;
        if node == 1 {
            cluster.wait_holder("n1", SOON)?;
        }
        let leaf = fabric.leaf_of(node);
        leaf.wait_bfd(node_address(node), "up", SOON, |session| session.is_up())?;
        wait::until(&format!("n{node}'s path at its leaf"), SOON, || fabric.expect_standing(node, node == 1))?;
    }
    // Twelve prepends and two routers in between are still shorter than a standby's fifteen.
    let before = fabric.wait_all_toward(1, SOON)?.map(|path| path.as_path.len());
    ensure!(before == [13, 14, 15], "the paths at leaf, spine and other leaf have {before:?} ASes");
    let probe = Probe::start(&cluster.site.lab.client, VIP.into(), PING)?;
    probe.wait_answer(1, Duration::ZERO, SOON)?;
    let from = clock::now();
    let node = cluster.site.node(1)?.clone();
    [Net::Data, Net::Management].into_iter().try_for_each(|net| cluster.site.lab.cut(&node, net, Cut::Both))?;
    let next = wait_other(cluster, 1, || Ok(()))?;
    probe.wait_answer(next, clock::now(), SOON)?;
    std::thread::sleep(AFTERWARDS);
    let silence = probe.silence(from, clock::now())?;
    println!("    figure: a fabric of {kind}: silence {:.0} ms", silence.as_secs_f64() * 1000.0);
    ensure!(silence < AT_ONCE, "{silence:?} of silence");
    fabric.expect_all_toward(next).map(drop)
}

/// Waits until another node than this one, which may be out of reach, holds the lease; something must hold all the while.
fn wait_other(cluster: &Cluster, holder: u8, holds: impl Fn() -> Result<()>) -> Result<u8> {
    let asked = if holder == 1 { 2 } else { 1 };
    wait::until(&format!("another holder than n{holder}"), SOON * 2, || {
        holds()?;
        let lease = cluster.api(asked)?.lease()?.context("there is no Lease")?;
        let next = lease.holder().strip_prefix('n').and_then(|number| number.parse().ok());
        next.filter(|next| *next != holder).with_context(|| format!("it is held by {:?}", lease.holder()))
    })
}
