//! The station between what is desired and the speaker and the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;
use tokio::sync::watch;

use super::schedule::{Steps, View, routes, steps};
use crate::bgp::{PeerKey, PeerStatus, RouteSet};
use crate::clock::{Timer, now};
use crate::time::Instant;
use crate::vip::{Facts, Vip, desired};

/// How often the kernel is asked whether what should be bound still is, and a failed binding is tried again.
const VERIFY_EVERY: Duration = Duration::from_secs(5);

/// What became of each address.
pub type Outcomes<E> = Result<Vec<Result<bool, E>>, E>;

/// Who binds addresses: [`crate::net::Addresses`], or a test.
pub trait Binder: Send + 'static {
    /// Its error.
    type Error: std::fmt::Display + Send;
    /// Binds and verifies each; in their order, `true`: it was not there before. The outer error is about all.
    fn bind(&self, addresses: &[IpAddr]) -> impl Future<Output = Outcomes<Self::Error>> + Send;
    /// Unbinds each; in their order, `false`: it was not there. The outer error is about all.
    fn unbind(&self, addresses: &[IpAddr]) -> impl Future<Output = Outcomes<Self::Error>> + Send;
}

impl Binder for crate::net::Addresses {
    type Error = crate::net::Error;

    async fn bind(&self, addresses: &[IpAddr]) -> Outcomes<Self::Error> {
        Self::bind(self, addresses).await
    }

    async fn unbind(&self, addresses: &[IpAddr]) -> Outcomes<Self::Error> {
        Self::unbind(self, addresses).await
    }
}

/// Who knows which routes peers still hold from us: the speaker's status board, or a test.
pub trait Held: Send + 'static {
    /// Routes some peer may still hold from us: announced, or withdrawn and not yet delivered.
    fn outstanding(&mut self) -> BTreeSet<IpNetwork>;
    /// Waits until that may have changed; `false`: it never will again.
    fn changed(&mut self) -> impl Future<Output = bool> + Send;
}

impl Held for watch::Receiver<BTreeMap<PeerKey, PeerStatus>> {
    fn outstanding(&mut self) -> BTreeSet<IpNetwork> {
        self.borrow_and_update().values().flat_map(|status| status.outstanding.iter().copied()).collect()
    }

    async fn changed(&mut self) -> bool {
        Self::changed(self).await.is_ok()
    }
}

/// Makes facts true. One task; publishes what is bound.
#[derive(Debug)]
pub struct Announcer<B, H> {
    binder: B,
    facts: watch::Receiver<Facts>,
    held: H,
    routes: watch::Sender<RouteSet>,
    bound: watch::Sender<BTreeSet<Vip>>,
    /// Why addresses are not bound that should be.
    failures: watch::Sender<BTreeMap<Vip, String>>,
    leftover: BTreeSet<Vip>,
}

impl<B: Binder, H: Held> Announcer<B, H> {
    /// `leftover`: VIPs that an earlier process left bound. The receivers say what to announce and what is bound.
    pub fn new(
        binder: B,
        leftover: BTreeSet<Vip>,
        facts: watch::Receiver<Facts>,
        held: H,
    ) -> (Self, watch::Receiver<RouteSet>, watch::Receiver<BTreeSet<Vip>>) {
        let (routes, routes_rx) = watch::channel(RouteSet::new());
        let (bound, bound_rx) = watch::channel(leftover.clone());
        let failures = watch::Sender::default();
        (Self { binder, facts, held, routes, bound, failures, leftover }, routes_rx, bound_rx)
    }

    /// Why addresses are not bound that should be.
    pub fn failures(&self) -> watch::Receiver<BTreeMap<Vip, String>> {
        self.failures.subscribe()
    }

    /// Runs until the facts' sender is gone.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub async fn run(mut self) -> std::io::Result<()> {
        let mut timer = Timer::new()?;
        let mut verify_at = now() + VERIFY_EVERY;
        loop {
            let deadline = self.settle(&mut verify_at).await;
            tokio::select! {
                changed = self.facts.changed() => if changed.is_err() { return Ok(()) },
                more = self.held.changed() => if !more { return Ok(()) },
                () = timer.until(Some(deadline)) => {}
            }
        }
    }

    /// Takes all steps that can be taken now; returns when to look again unless something changes before.
    async fn settle(&mut self, verify_at: &mut Instant) -> Instant {
        let facts = self.facts.borrow_and_update().clone();
        let verify = now() >= *verify_at;
        if verify {
            *verify_at = now() + VERIFY_EVERY;
            let (wanted, _) = desired(&facts, now());
            self.bind(wanted.keys().copied().collect()).await;
        }
        let todo = self.publish(&facts);
        self.bind(todo.bind).await;
        let todo = self.publish(&facts);
        self.unbind(todo.unbind).await;
        let (_, next) = desired(&facts, now());
        next.map_or(*verify_at, |next| next.min(*verify_at))
    }

    /// Says what to announce, then what remains to do. The desired set is made anew from the clock each time: binding
    /// may have taken longer than the entitlement lasts. What peers hold is read after the routes were sent: only
    /// then it includes all that a peer may still be told.
    fn publish(&mut self, facts: &Facts) -> Steps {
        let (wanted, _) = desired(facts, now());
        let mut view = View { bound: self.bound.borrow().clone(), leftover: self.leftover.clone(), ..View::default() };
        let announced = routes(&wanted, &view);
        self.routes.send_if_modified(|routes| {
            let differs = *routes != announced;
            *routes = announced;
            differs
        });
        view.outstanding = self.held.outstanding();
        steps(&wanted, &view, facts.standing.into())
    }

    async fn bind(&mut self, vips: Vec<Vip>) {
        if vips.is_empty() {
            return;
        }
        let mut there = self.bound.borrow().clone();
        let mut failures = BTreeMap::new();
        match self.binder.bind(&addresses(&vips)).await {
            Ok(outcomes) => {
                let mut new = Listed::new("address bound");
                for (vip, outcome) in vips.iter().zip(outcomes) {
                    if let Err(error) = &outcome {
                        failures.insert(*vip, error.to_string());
                    }
                    self.note_bound(&mut there, *vip, outcome, &mut new);
                }
                new.finish();
            }
            Err(error) => {
                tracing::error!(count = vips.len(), %error, "failed to bind addresses, so they are not announced from here");
                for vip in &vips {
                    there.remove(vip);
                    failures.insert(*vip, error.to_string());
                }
            }
        }
        self.set_failures(&vips, failures);
        self.set_bound(there);
    }

    /// What became of those that were tried.
    fn set_failures(&self, tried: &[Vip], failures: BTreeMap<Vip, String>) {
        self.failures.send_if_modified(|known| {
            let before = known.clone();
            known.retain(|vip, _| !tried.contains(vip));
            known.extend(failures);
            *known != before
        });
    }

    fn note_bound(&mut self, there: &mut BTreeSet<Vip>, vip: Vip, outcome: Result<bool, B::Error>, new: &mut Listed) {
        match outcome {
            Ok(is_new) => {
                if is_new {
                    new.tell(vip);
                }
                self.leftover.remove(&vip);
                there.insert(vip);
            }
            Err(error) => {
                tracing::error!(%vip, %error, "failed to bind the address, so it is not announced from here");
                there.remove(&vip);
            }
        }
    }

    async fn unbind(&mut self, vips: Vec<Vip>) {
        if vips.is_empty() {
            return;
        }
        let mut there = self.bound.borrow().clone();
        match self.binder.unbind(&addresses(&vips)).await {
            Ok(outcomes) => {
                let mut gone = Listed::new("address unbound");
                for (vip, outcome) in vips.iter().zip(outcomes) {
                    match outcome {
                        Ok(was_there) => {
                            if was_there {
                                gone.tell(*vip);
                            }
                            self.leftover.remove(vip);
                            there.remove(vip);
                        }
                        Err(error) => tracing::error!(%vip, %error, "failed to unbind the address; trying again"),
                    }
                }
                gone.finish();
            }
            Err(error) => tracing::error!(count = vips.len(), %error, "failed to unbind addresses; trying again"),
        }
        self.set_bound(there);
    }

    fn set_bound(&self, there: BTreeSet<Vip>) {
        self.bound.send_if_modified(|bound| {
            let differs = *bound != there;
            *bound = there;
            differs
        });
    }
}

/// A line a VIP in the log, but not thousands.
struct Listed {
    what: &'static str,
    count: usize,
}

impl Listed {
    const LINES: usize = 50;

    const fn new(what: &'static str) -> Self {
        Self { what, count: 0 }
    }

    fn tell(&mut self, vip: Vip) {
        self.count += 1;
        if self.count <= Self::LINES {
            tracing::info!(%vip, "{}", self.what);
        }
    }

    fn finish(self) {
        if self.count > Self::LINES {
            tracing::info!(more = self.count - Self::LINES, "{}", self.what);
        }
    }
}

fn addresses(vips: &[Vip]) -> Vec<IpAddr> {
    vips.iter().map(|vip| vip.address()).collect()
}
