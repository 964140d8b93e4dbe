//! Two nodes, the first leading, and the client's ping: where scenarios 4 and 5 begin, and what must hold at their end.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::external;
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::api::Lease;
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Path, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

pub(super) const LO: &str = "lo";
pub(super) const VIP_ADDRESS: IpAddr = IpAddr::V4(VIP);
/// The renew deadline in [`Cluster::spec`].
const RENEW_DEADLINE: Duration = Duration::from_secs(3);
/// A Lease not renewed for this long, twice the retry period there, is not renewed any more.
const RENEWALS_OVER: Duration = Duration::from_secs(2);
/// How long the ping goes on after all is over: traffic that returns does so at once.
const AFTERMATH: Duration = Duration::from_secs(3);
/// The client asks this often.
const PING: Duration = Duration::from_millis(5);
/// Routers refuse a new connection beside one they believe alive, and find out by their next KEEPALIVE.
const SESSION_BACK: Duration = Duration::from_secs(60);

/// vipcast on n1, which leads, and on n2.
pub(super) struct Pair {
    pub(super) routers: Vec<Rc<Router>>,
    pub(super) one: Rc<Process>,
    two: Rc<Process>,
    /// Of n1's route.
    med: u32,
    pub(super) probe: Probe,
}

/// The VIP on n2.
pub(super) struct Moved {
    /// Of n2's route.
    pub(super) med: u32,
    lease: Lease,
    /// n2's first answer to the client.
    pub(super) first_answer: Duration,
}

impl Pair {
    /// With these routers and this hold time on both sides. All of them have n1's route and nothing else.
    pub(super) fn start(cluster: &mut Cluster, kinds: &[Kind], hold: u16) -> Result<Self> {
        let conf = |kind| Conf { hold, ..Conf::new(kind) };
        let routers: Vec<_> = kinds.iter().map(|&kind| cluster.site.router(kind, conf(kind))).collect::<Result<_>>()?;
        let one = start(cluster, 1, &routers, hold)?;
        lease_of(cluster, "n1", SOON)?;
        let two = start(cluster, 2, &routers, hold)?;
        for router in &routers {
            router.wait_established(node_address(1), SOON)?;
            router.wait_established(node_address(2), SOON)?;
        }
        let first = routers.first().context("a router is needed")?;
        let med = first.wait_best(PREFIX, node_address(1), SOON)?.med.context("a route under a lease without MED")?;
        let probe = Probe::start(&cluster.site.lab.client, VIP_ADDRESS, PING)?;
        let pair = Self { routers, one, two, med, probe };
        pair.expect_tables(&[pair.before(true)])?;
        pair.probe.wait_answer(1, Duration::ZERO, SOON)?;
        Ok(pair)
    }

    /// n1's route, in use or stale.
    pub(super) fn before(&self, best: bool) -> Route {
        Route { node: 1, med: self.med, best }
    }

    /// Waits until each router has these routes and no others.
    pub(super) fn expect_tables(&self, routes: &[Route]) -> Result<()> {
        self.routers.iter().try_for_each(|router| expect_table(router, routes))
    }

    /// When n1 cannot renew any more: the end of its entitlement by its last record. A record whose answer it did not
    /// get any more entitles it to nothing, so the true end may be a retry period earlier.
    pub(super) fn entitled_until(cluster: &Cluster) -> Result<Duration> {
        wait::until("n1 to stop renewing the Lease", SOON, || {
            let lease = lease(cluster)?;
            ensure!(lease.holder() == "n1", "it is held by {:?}", lease.holder());
            let age = clock::since(lease.renewed()?);
            ensure!(age > RENEWALS_OVER, "it was renewed {age:?} ago");
            Ok(lease.renewed()? + RENEW_DEADLINE)
        })
    }

    /// Waits until n1's route has left all routers; when each was seen without it, against n1's entitlement.
    pub(super) fn wait_withdrawn(&self, until: Duration) -> Result<Vec<Offset>> {
        let one = node_address(1);
        let gone = self.routers.iter().map(|router| {
            router.wait_gone(PREFIX, Some(one), SOON)?;
            let offset = Offset::of(clock::now(), until);
            println!("    figure: route gone from {} {offset} the end of the entitlement", router.kind());
            Ok(offset)
        });
        gone.collect()
    }

    /// Waits until n2 holds the Lease, announces with a lower MED and answers the client.
    pub(super) fn wait_moved(&self, cluster: &Cluster) -> Result<Moved> {
        let lease = lease_of(cluster, "n2", SOON)?;
        let first = self.routers.first().context("a router is needed")?;
        let med = first.wait_best(PREFIX, node_address(2), SOON)?.med.context("a route under a lease without MED")?;
        ensure!(med < self.med, "the later term's MED {med} is not below {}", self.med);
        let first_answer = self.probe.wait_answer(2, Duration::ZERO, SOON)?;
        Ok(Moved { med, lease, first_answer })
    }

    /// n1 is a follower with its sessions up and the address gone; n2 has been serving alone since it began to, in the
    /// term it began with.
    pub(super) fn expect_settled(&self, cluster: &Cluster, moved: &Moved) -> Result<()> {
        let node = cluster.site.node(1)?;
        wait::until("n1 to unbind the VIP", SOON, || node.expect_address(LO, VIP_ADDRESS, false))?;
        for router in &self.routers {
            router.wait_established(node_address(1), SESSION_BACK)?;
        }
        self.expect_tables(&[moved.route()])?;
        self.expect_no_return(moved)?;
        node.expect_address(LO, VIP_ADDRESS, false)?;
        self.expect_tables(&[moved.route()])?;
        let now = lease(cluster)?;
        let (before, after) = (moved.lease.transitions(), now.transitions());
        ensure!(now.holder() == "n2" && after == before, "the Lease moved again: {before} -> {:#}", now.0);
        self.one.alive()?;
        self.two.alive()
    }

    /// From n2's first answer to a while from now nobody else has answered the client.
    pub(super) fn expect_no_return(&self, moved: &Moved) -> Result<()> {
        self.probe.wait_answer(2, clock::now() + AFTERMATH, SOON)?;
        let answers = self.probe.answered_by(moved.first_answer)?;
        let by: Vec<_> = answers.keys().copied().collect();
        ensure!(by == [Some(2)], "after n2's first answer, answers came from: {answers:?}");
        Ok(())
    }
}

impl Moved {
    /// n2's route, in use.
    pub(super) fn route(&self) -> Route {
        Route { node: 2, med: self.med, best: true }
    }
}

/// What a router's table says of a node's route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    node: u8,
    med: u32,
    best: bool,
}

fn expect_table(router: &Router, routes: &[Route]) -> Result<()> {
    let path = |route: &Route| Path {
        local_pref: router.kind().shows_local_pref().then_some(100),
        best: route.best,
        ..external(node_address(route.node), Some(route.med))
    };
    let expected: Vec<Path> = routes.iter().map(path).collect();
    wait::until(&format!("{} to have {routes:?}", router.kind()), SOON, || {
        let mut paths = router.paths(PREFIX)?;
        paths.sort_by_key(|path| path.next_hop);
        ensure!(paths == expected, "{paths:?}");
        Ok(())
    })
}

fn start(cluster: &mut Cluster, number: u8, routers: &[Rc<Router>], hold: u16) -> Result<Rc<Process>> {
    let spec = spec(cluster, number, routers, hold)?;
    cluster.site.vipcast(number, &spec)
}

/// How a node's vipcast is started, with these routers and this hold time.
pub(super) fn spec(cluster: &Cluster, number: u8, routers: &[Rc<Router>], hold: u16) -> Result<Spec> {
    let routers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    Ok(cluster.spec(number, &routers)?.flag("bgpHoldTimer", hold).flag("bgpKeepAliveInterval", hold / 3))
}

/// The Lease, asked of n2's API server: n1's may be out of reach.
pub(super) fn lease(cluster: &Cluster) -> Result<Lease> {
    cluster.api(2)?.lease()?.context("there is no Lease")
}

fn lease_of(cluster: &Cluster, holder: &str, within: Duration) -> Result<Lease> {
    wait::until(&format!("the Lease to be held by {holder}"), within, || {
        let lease = lease(cluster)?;
        ensure!(lease.holder() == holder, "it is held by {:?}", lease.holder());
        Ok(lease)
    })
}

/// When a line of vipcast's log was written.
pub(super) fn written(line: &str) -> Result<Duration> {
    clock::from_text(line.split_whitespace().next().unwrap_or_default())
}

/// How far one moment is from another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Offset {
    Before(Duration),
    After(Duration),
}

impl Offset {
    pub(super) fn of(moment: Duration, from: Duration) -> Self {
        match moment.checked_sub(from) {
            Some(after) => Self::After(after),
            None => Self::Before(from.saturating_sub(moment)),
        }
    }

    /// Neither side by more than its bound.
    pub(super) fn expect(self, what: &str, before: Duration, after: Duration) -> Result<()> {
        let fine = match self {
            Self::Before(by) => by <= before,
            Self::After(by) => by <= after,
        };
        ensure!(fine, "{what} {self} the end of the entitlement");
        Ok(())
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before(by) => write!(f, "{:.0} ms before", by.as_secs_f64() * 1000.0),
            Self::After(by) => write!(f, "{:.0} ms after", by.as_secs_f64() * 1000.0),
        }
    }
}
