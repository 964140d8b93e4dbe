//! The announcer with a kernel that only takes notes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::announcer::Outcomes;
use super::{Announcer, Binder, Held};
use crate::bgp::RouteSet;
use crate::clock::now;
use crate::vip::{Facts, Holder, Standing, Vip};

/// What was asked of it, in order.
#[derive(Clone, Default)]
struct Notes {
    calls: Arc<Mutex<Vec<String>>>,
    refuse: bool,
}

impl Notes {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Binder for Notes {
    type Error = &'static str;

    async fn bind(&self, addresses: &[IpAddr]) -> Outcomes<Self::Error> {
        let bind = |address: &IpAddr| {
            self.note(format!("bind {address}"));
            if self.refuse { Err("refused") } else { Ok(true) }
        };
        Ok(addresses.iter().map(bind).collect())
    }

    async fn unbind(&self, addresses: &[IpAddr]) -> Outcomes<Self::Error> {
        let unbind = |address: &IpAddr| {
            self.note(format!("unbind {address}"));
            Ok(true)
        };
        Ok(addresses.iter().map(unbind).collect())
    }
}

impl Held for watch::Receiver<BTreeSet<ipnetwork::IpNetwork>> {
    fn outstanding(&mut self) -> BTreeSet<ipnetwork::IpNetwork> {
        self.borrow_and_update().clone()
    }

    async fn changed(&mut self) -> bool {
        Self::changed(self).await.is_ok()
    }
}

fn vip() -> Vip {
    Vip::new("192.0.2.1".parse().unwrap())
}

fn facts(standing: Standing) -> Facts {
    Facts { vips: vec![vip()], attributes: BTreeMap::new(), standing }
}

fn holder(lasting: Duration) -> Facts {
    facts(Standing::Holder { until: now() + lasting, term: 1, prepend: 0 })
}

struct Bench {
    notes: Notes,
    facts: watch::Sender<Facts>,
    outstanding: watch::Sender<BTreeSet<ipnetwork::IpNetwork>>,
    routes: watch::Receiver<RouteSet>,
    bound: watch::Receiver<BTreeSet<Vip>>,
    failures: watch::Receiver<BTreeMap<Vip, String>>,
}

fn bench(first: Facts, leftover: BTreeSet<Vip>, refuse: bool) -> Bench {
    let notes = Notes { refuse, ..Notes::default() };
    let (facts, facts_rx) = watch::channel(first);
    let (outstanding, outstanding_rx) = watch::channel(BTreeSet::new());
    let (announcer, routes, bound) = Announcer::new(notes.clone(), leftover, facts_rx, outstanding_rx);
    let failures = announcer.failures();
    tokio::spawn(announcer.run());
    Bench { notes, facts, outstanding, routes, bound, failures }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

impl Bench {
    async fn announced(&mut self, yes: bool) {
        soon("route", self.routes.wait_for(|r| r.contains_key(&vip().network()) == yes)).await.unwrap();
    }

    async fn bound(&mut self, yes: bool) {
        soon("address", self.bound.wait_for(|b| b.contains(&vip()) == yes)).await.unwrap();
    }
}

#[tokio::test]
async fn binds_then_announces_and_unbinds_only_after_delivery() {
    let mut bench = bench(facts(Standing::Follower(Holder::Unknown)), BTreeSet::new(), false);
    bench.facts.send_replace(holder(Duration::from_secs(60)));
    bench.announced(true).await;
    assert_eq!(bench.notes.calls(), ["bind 192.0.2.1"]);

    bench.outstanding.send_replace(BTreeSet::from([vip().network()]));
    bench.facts.send_replace(facts(Standing::Follower(Holder::Elsewhere)));
    bench.announced(false).await;
    assert_eq!(bench.notes.calls(), ["bind 192.0.2.1"]);

    bench.outstanding.send_replace(BTreeSet::new());
    bench.bound(false).await;
    assert_eq!(bench.notes.calls(), ["bind 192.0.2.1", "unbind 192.0.2.1"]);
}

#[tokio::test]
async fn an_entitlement_that_runs_out_ends_by_itself() {
    let mut bench = bench(holder(Duration::from_millis(400)), BTreeSet::new(), false);
    bench.announced(true).await;
    bench.announced(false).await;
    bench.bound(false).await;
    assert_eq!(bench.notes.calls(), ["bind 192.0.2.1", "unbind 192.0.2.1"]);
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_never_announced() {
    let mut bench = bench(holder(Duration::from_millis(300)), BTreeSet::new(), true);
    soon("attempt", async {
        while bench.notes.calls().is_empty() {
            tokio::task::yield_now().await
        }
    })
    .await;
    let refused = BTreeMap::from([(vip(), "refused".to_owned())]);
    soon("reason", bench.failures.wait_for(|failures| *failures == refused)).await.unwrap();
    bench.facts.send_replace(facts(Standing::Follower(Holder::Elsewhere)));
    bench.bound(false).await;
    assert_eq!(*bench.routes.borrow_and_update(), BTreeMap::new());
}

#[tokio::test]
async fn a_leftover_goes_when_another_node_holds_and_stays_with_a_twin() {
    let mut bench = bench(facts(Standing::Follower(Holder::Twin)), BTreeSet::from([vip()]), false);
    bench.facts.send_replace(facts(Standing::Follower(Holder::Unknown)));
    bench.facts.send_replace(facts(Standing::Follower(Holder::Elsewhere)));
    bench.bound(false).await;
    assert_eq!(bench.notes.calls(), ["unbind 192.0.2.1"]);
}
