//! What goes to the peer: routes into the Adj-RIB-Out, bytes to the kernel, and the end of what is over.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::Peer;
use super::link::Link;
use super::status::Report;
use super::stop::Stopping;
use crate::bgp::RouteSet;
use crate::bgp::adj_out::{AdjOut, Told};
use crate::bgp::fsm::{BySide, Input, Side};
use crate::bgp::settings::PeerSettings;
use crate::clock;
use crate::time::{Instant, Until};
use crate::wire::bgp::{Packer, Route, Update};

/// Routes of one turn that get a line of their own in the log; of more, it says how many.
const LISTED: usize = 50;

const OVER: &str = "the entitlement ran out before a withdrawal was delivered: connection reset";
const WATCHDOG: &str = "the entitlement ran out while this program hung: connection reset by the watchdog";

impl Peer {
    /// Tells the Adj-RIB-Out what is wanted, and the peer what follows from it.
    pub(super) fn take_routes(&mut self, now: Instant, side: Side) {
        self.want(now, side);
        let session = self.fsm.session(side);
        let Some(live) = self.links[side].open() else { return };
        let Some(adj) = &mut live.adj_out else { return };
        let (mut messages, mut count, mut more) = (Packer::new(&session), 0_usize, 0_usize);
        while live.connection.has_room(messages.len()) {
            let Some(next) = adj.poll(now) else { break };
            count += 1;
            if count <= LISTED {
                log(&self.settings, &next);
            } else if next.is_news() {
                more += 1;
            }
            // Withdrawals come first, and are delivered whatever becomes of the announcements behind them.
            if adj.has_unplaced() && !matches!(next.update, Update::Withdraw(_)) {
                live.connection.queue_packed(std::mem::replace(&mut messages, Packer::new(&session)));
                adj.told_at(live.connection.queued());
            }
            messages.push(next.update);
        }
        if more > 0 {
            let (peer, description) = (self.settings.key(), self.settings.description());
            tracing::info!(%peer, description, more, "more was told than is listed");
        }
        let told = count > 0;
        live.connection.queue_packed(messages);
        adj.told_at(live.connection.queued());
        if told {
            live.delivery.expect();
        }
        // What is outstanding was reported when it was wanted; what is announced once all of it is.
        if told && adj.is_told() {
            report_routes(now, &self.wiring.report, &self.links);
        }
    }

    fn want(&mut self, now: Instant, side: Side) {
        let Some(live) = self.links[side].open().filter(|_| self.routes_new) else { return };
        let Some(adj) = &mut live.adj_out else { return };
        self.routes_new = false;
        // While this is borrowed nobody can send the next set: see `PeerStatus::outstanding`.
        let routes = self.wiring.routes.borrow_and_update();
        let unsendable = adj.unsendable().clone();
        let draining = self.stopping.as_ref().is_some_and(Stopping::is_draining);
        let marked = self.settings.graceful_shutdown.is_some() && *self.wiring.marked.borrow_and_update();
        adj.set_about_to_go(draining || marked);
        if self.routes_open && (draining || self.stopping.is_none()) {
            adj.want(now, &routes);
        } else {
            adj.want(now, &RouteSet::new());
        }
        for (prefix, why) in adj.unsendable().iter().filter(|(prefix, _)| !unsendable.contains_key(prefix)) {
            let (peer, description) = (self.settings.key(), self.settings.description());
            tracing::warn!(%peer, description, %prefix, %why, "route not announced");
        }
        report_routes(now, &self.wiring.report, &self.links);
    }

    /// Gives the kernel what it takes, looking at the clock before each byte goes.
    pub(super) fn write(&mut self, side: Side) {
        loop {
            let Link::Live(live) = &mut self.links[side] else { return };
            live.arm();
            if live.connection.is_flushed() {
                return;
            }
            let now = clock::now();
            if live.is_over(now) {
                return self.cut_if_over(now, side);
            }
            match live.connection.write() {
                Ok(true) => self.fsm.handle(now, side, Input::Unblocked),
                Ok(false) => return self.fsm.handle(now, side, Input::Blocked),
                Err(error) => return self.lost(now, side, &format!("write: {error}")),
            }
        }
    }

    /// What is over and not delivered as withdrawn is taken from the peer with the connection.
    pub(super) fn cut_if_over(&mut self, now: Instant, side: Side) {
        let why = match &self.links[side] {
            Link::Live(live) if live.guard.fired() => WATCHDOG,
            Link::Live(live) if live.is_over(now) => OVER,
            Link::Live(_) | Link::Finding(_) | Link::Dialing(_) | Link::None => return,
        };
        self.reset_link(side);
        self.lost(now, side, why);
    }

    pub(super) fn check_delivery(&mut self, side: Side) {
        let Link::Live(live) = &mut self.links[side] else { return };
        let now = clock::now();
        if live.check_delivery(now) {
            report_routes(now, &self.wiring.report, &self.links);
        }
    }

    /// Carries on with the end of a connection: our side ends when all is written, the rest when the peer's does.
    pub(super) fn check_closing(&mut self, side: Side) {
        let now = clock::now();
        let Link::Live(live) = &mut self.links[side] else { return };
        let Some(deadline) = live.closing else { return };
        if live.connection.is_flushed() && !live.is_shut {
            live.is_shut = true;
            if live.connection.shutdown().is_err() {
                return self.closed(now, side);
            }
        }
        if now >= deadline {
            self.closed(now, side);
        }
    }

    pub(super) fn closed(&mut self, now: Instant, side: Side) {
        self.drop_link(side);
        if side == Side::Outgoing && std::mem::take(&mut self.dial_pending) {
            self.dial(now);
        }
    }
}

/// A peer may ask for the same again as often as it likes: that is nothing for an operator's log.
fn log(peer: &PeerSettings, told: &Told) {
    let (peer, description) = (peer.key(), peer.description());
    match &told.update {
        Update::Announce(Route { prefix, .. }) if told.is_repeated => {
            tracing::debug!(%peer, description, %prefix, "route announced again");
        }
        Update::Announce(Route { prefix, next_hop, med, communities, .. }) => {
            let communities = (!communities.is_empty()).then(|| tracing::field::display(communities));
            tracing::info!(%peer, description, %prefix, %next_hop, med, communities, "route announced");
        }
        Update::Withdraw(prefix) => tracing::info!(%peer, description, %prefix, "route withdrawn"),
        Update::EndOfRib(family) => tracing::debug!(%peer, description, ?family, "all routes told"),
    }
}

/// What the peer has of us is what it was told on either connection, until that one is gone.
pub(super) fn report_routes(now: Instant, report: &Report, links: &BySide<Link>) {
    let mut told = links.iter().filter_map(Link::told);
    let first = told.next().map(|adj| (adj.outstanding(), adj.announced(), adj.unsendable().clone()));
    let (mut outstanding, mut announced, mut unsendable) = first.unwrap_or_default();
    for adj in told {
        outstanding.extend(adj.outstanding());
        announced.extend(adj.announced());
        unsendable.extend(adj.unsendable().clone());
    }
    let settled: Option<Vec<Until>> = links.iter().filter_map(Link::told).map(AdjOut::settled).collect();
    let settled = settled.and_then(|all| all.into_iter().min());
    report.update(|status| {
        status.settled = settled;
        status.outstanding = outstanding;
        status.announced = since(&status.announced, announced, now);
        status.unsendable = unsendable;
    });
}

/// What is announced, each since the peer was first told all of it without a break.
fn since(
    before: &BTreeMap<IpNetwork, Instant>,
    announced: BTreeSet<IpNetwork>,
    now: Instant,
) -> BTreeMap<IpNetwork, Instant> {
    announced.into_iter().map(|prefix| (prefix, before.get(&prefix).copied().unwrap_or(now))).collect()
}
