//! One node and one router: from start to route, from SIGTERM to withdrawal; then gobgpd in vipcast's place.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{
    ESTABLISHED, FIRST_UPDATE, Figures, LEASE_ROUTE, LEASE_WIRE, ROUTE_ALONE, ROUTE_LEASE, TERM_GONE, TERM_WIRE, Who,
};
use super::{PATIENCE, RUNS, millis};
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{NODE_AS, Net, node_address};
use crate::parts::capture::{Capture, Seen, What};
use crate::parts::rib::{Change, Rib};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::parts::vipcast::Spec;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Node 1, the router, and what is seen of both.
struct Stage {
    node: Host,
    address: IpAddr,
    router: Rc<Router>,
    wire: Capture,
    rib: Rib,
}

pub(super) fn measure(cluster: &mut Cluster, figures: &mut Figures) -> Result<()> {
    let router = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let node = cluster.site.node(1)?.clone();
    let wire = Capture::start(&node, Net::Data)?;
    let rib = Rib::watch(&router)?;
    let leased = cluster.spec(1, &[&router])?;
    let alone = leased.clone().without("leaderElection");
    let stage = Stage { node, address: node_address(1), router, wire, rib };
    for run in 1..=RUNS {
        println!("  run {run} of {RUNS}");
        stage.without_lease(&alone, figures)?;
        stage.with_lease(&leased, figures)?;
        stage.gobgpd(figures)?;
    }
    Ok(())
}

impl Stage {
    /// The route is wanted from the first moment on: what delays it is the session alone.
    fn without_lease(&self, spec: &Spec, figures: &mut Figures) -> Result<()> {
        self.wait_ready()?;
        let start = clock::now();
        let vipcast = spec.start(&self.node)?;
        self.session(start, Who::Vipcast, figures)?;
        vipcast.term()?;
        self.gone(start)?;
        vipcast.wait_exit(PATIENCE).map(drop)
    }

    /// The main job: nobody else wants the lease.
    fn with_lease(&self, spec: &Spec, figures: &mut Figures) -> Result<()> {
        self.wait_ready()?;
        let start = clock::now();
        let vipcast = spec.start(&self.node)?;
        let route = self.route(start)?;
        let announced = self.announced(start)?;
        let line = vipcast.log().wait_line(vipcast.began(), &["became the holder of the lease"], PATIENCE)?;
        let held = line.split_whitespace().next().and_then(|text| clock::from_text(text).ok());
        let held = held.with_context(|| format!("no time stamp in {line:?}"))?;
        figures.add(&ROUTE_LEASE, Who::Vipcast, millis(start, route));
        figures.add(&LEASE_WIRE, Who::Vipcast, millis(held, announced));
        figures.add(&LEASE_ROUTE, Who::Vipcast, millis(held, route));
        let term = clock::now();
        vipcast.term()?;
        let withdrawn = self.sent("the withdrawal", term, |what| what == What::Withdraw)?;
        figures.add(&TERM_WIRE, Who::Vipcast, millis(term, withdrawn));
        figures.add(&TERM_GONE, Who::Vipcast, millis(term, self.gone(term)?));
        let status = vipcast.wait_exit(PATIENCE)?;
        ensure!(status.success(), "vipcast ended with {status}");
        Ok(())
    }

    /// The same from gobgpd. Leaving, it sends no withdrawal: its NOTIFICATION or the end of the connection is one.
    fn gobgpd(&self, figures: &mut Figures) -> Result<()> {
        self.wait_ready()?;
        let kind = self.router.kind();
        let neighbors = vec![Neighbor { asn: kind.asn(), dial: true, ..Neighbor::new(kind.address()) }];
        let conf = Conf { asn: NODE_AS, router_id: Net::Data.v4(11), neighbors, ..Conf::new(Kind::Gobgpd) };
        let start = clock::now();
        let speaker = Router::start(Kind::Gobgpd, &self.node, conf)?;
        speaker.originate(PREFIX, self.address, 7)?;
        self.session(start, Who::Gobgpd, figures)?;
        let term = clock::now();
        speaker.stop()?;
        let ends = |what| matches!(what, What::Withdraw | What::Notification(..) | What::Fin | What::Reset);
        let withdrawn = self.sent("the end", term, ends)?;
        figures.add(&TERM_WIRE, Who::Gobgpd, millis(term, withdrawn));
        figures.add(&TERM_GONE, Who::Gobgpd, millis(term, self.gone(term)?));
        Ok(())
    }

    fn session(&self, start: Duration, who: Who, figures: &mut Figures) -> Result<()> {
        let route = self.route(start)?;
        let announced = self.announced(start)?;
        let established = established(&self.wire.seen()?, start, self.address)?;
        figures.add(&ESTABLISHED, who, millis(start, established));
        figures.add(&FIRST_UPDATE, who, millis(established, announced));
        figures.add(&ROUTE_ALONE, who, millis(start, route));
        Ok(())
    }

    /// After each session's end gobgpd refuses connections for a while.
    fn wait_ready(&self) -> Result<()> {
        /// `SessionState` of gobgp's API: waiting to be dialled.
        const ACTIVE: &str = "session_state 3";
        wait::until("the router to wait for the node", PATIENCE, || {
            let session = self.router.session(self.address)?;
            ensure!(session.state == ACTIVE, "{session:?}");
            Ok(())
        })
    }

    fn route(&self, from: Duration) -> Result<Duration> {
        let there = |change: &Change| change.prefix == PREFIX && !change.gone;
        Ok(self.rib.wait("the route", from, PATIENCE, there)?.at)
    }

    fn gone(&self, from: Duration) -> Result<Duration> {
        let gone = |change: &Change| change.prefix == PREFIX && change.gone;
        Ok(self.rib.wait("the route's end", from, PATIENCE, gone)?.at)
    }

    fn announced(&self, from: Duration) -> Result<Duration> {
        self.sent("the announcement", from, |what| what == What::Announce)
    }

    fn sent(&self, name: &str, from: Duration, wanted: impl Fn(What) -> bool) -> Result<Duration> {
        Ok(self.wire.wait(name, from, PATIENCE, |seen| seen.from == self.address && wanted(seen.what))?.at)
    }
}

/// When both KEEPALIVEs that open the session had passed.
fn established(seen: &[Seen], from: Duration, node: IpAddr) -> Result<Duration> {
    let keepalives = seen.iter().filter(|seen| seen.at >= from && seen.what == What::Keepalive);
    let first = |ours: bool| keepalives.clone().find(|seen| (seen.from == node) == ours).map(|seen| seen.at);
    let both = first(true).zip(first(false)).with_context(|| format!("no session in {seen:?}"))?;
    Ok(both.0.max(both.1))
}
