//! The station that assigns Elastic IPs to this node's device while it holds the lease, and gives them up.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::eip::{Assigned, Keeper, Stand, Step, due};
use crate::clock::{Timer, now, sleep_until};
use crate::time::{Instant, Said};
use crate::vip::{Facts, Vip, desired};

/// How soon after an address was assigned the cloud is asked whether it still is; each time twice as long.
const VERIFY_FIRST: Duration = Duration::from_secs(2);
/// The longest time between two looks.
const VERIFY_LONGEST: Duration = Duration::from_secs(32);
/// How long after the loss of an address the cloud is asked again; it is taken back after a renewal, not before.
const WAIT: Duration = Duration::from_millis(500);
/// How long the cloud is left alone after a call that was broken off: its effect may be under way.
const SETTLE: Duration = Duration::from_millis(200);
/// No address needs more: remove, assign.
const STEPS: usize = 2;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What was to be done and why it was not; stands after "failed to ".
    pub text: String,
    /// When to try again.
    pub wait: Duration,
    /// Whether the cloud asks for that rest; else news of the lease end it.
    pub is_ordered: bool,
}

/// Who has each address, or why that is not known.
pub type Assignments = BTreeMap<IpAddr, Result<Assigned, String>>;

/// A cloud's API, or a test. A call that is dropped may have had its effect.
pub trait Elastic: Send + 'static {
    /// Who has these addresses.
    fn look(&mut self, addresses: &[IpAddr]) -> impl Future<Output = Result<Assignments, Trouble>> + Send;
    /// Assigns one that nobody has.
    fn attach(&mut self, address: IpAddr) -> impl Future<Output = Result<(), Trouble>> + Send;
    /// Removes an assignment; none by this ID is as good.
    fn detach(&mut self, id: &str) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// What is known of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Whether it is assigned to this node's device; `None`: not known.
    pub here: Option<bool>,
    /// The holder's term in which it was seen there; what was seen in another one says nothing of this.
    pub seen_in: Option<u64>,
    /// What stands in the way of what should be.
    pub failure: Option<String>,
}

impl Moved {
    /// Whether a holder in this term has it.
    #[must_use]
    pub fn is_here_in(&self, term: u64) -> bool {
        self.here == Some(true) && self.seen_in == Some(term)
    }

    fn new(here: bool, seen_in: Option<u64>) -> Self {
        Self { here: Some(here), seen_in: seen_in.filter(|_| here), failure: None }
    }
}

/// What is known of all addresses.
pub type Moves = BTreeMap<Vip, Moved>;

/// Who has one address, or why that is not known; the text stands after "failed to ".
type Found = Result<Assigned, String>;

/// Why a round was not finished.
enum Stop {
    /// This node stands otherwise now.
    Changed,
    Trouble(Trouble),
}

/// The station.
#[derive(Debug)]
pub struct Mover<E> {
    elastic: E,
    facts: watch::Receiver<Facts>,
    bound: watch::Receiver<BTreeSet<Vip>>,
    state: watch::Sender<Moves>,
    keepers: BTreeMap<Vip, Keeper>,
    /// Whether this process may have assigned anything that it did not give up.
    touched: bool,
    /// What was to be done when that was last looked at.
    last: Option<(Stand, BTreeSet<Vip>)>,
    /// Whether the cloud has answered once: what is wrong with the way there is to be known before an address must move.
    is_tried: bool,
    look_at: Instant,
    /// Before that the cloud does not want to be asked.
    rest_until: Instant,
    verify: Duration,
    said: Said,
}

impl<E: Elastic> Mover<E> {
    /// Nothing is asked yet. The receiver says what is known.
    pub fn new(
        elastic: E,
        facts: watch::Receiver<Facts>,
        bound: watch::Receiver<BTreeSet<Vip>>,
    ) -> (Self, watch::Receiver<Moves>) {
        let unknown = facts.borrow().vips.iter().map(|vip| (*vip, Moved::default())).collect();
        let (state, known) = watch::channel(unknown);
        let (keepers, at) = (BTreeMap::new(), now());
        let mover = Self {
            elastic,
            facts,
            bound,
            state,
            keepers,
            touched: false,
            last: None,
            is_tried: false,
            look_at: at,
            rest_until: at,
            verify: VERIFY_FIRST,
            said: Said::default(),
        };
        (mover, known)
    }

    /// Runs until the facts' sender is gone.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub async fn run(mut self) -> std::io::Result<()> {
        let mut timer = Timer::new()?;
        loop {
            let deadline = self.settle().await;
            tokio::select! {
                changed = self.facts.changed() => if changed.is_err() { return Ok(()) },
                changed = self.bound.changed() => if changed.is_err() { return Ok(()) },
                () = timer.until(deadline) => {}
            }
        }
    }

    /// Does what is to be done now; returns when to look again unless something changes before.
    async fn settle(&mut self) -> Option<Instant> {
        let facts = self.facts.borrow_and_update().clone();
        let stand = Stand::new(&facts, now(), self.touched);
        let held = self.held();
        let due = due(&facts, &self.bound.borrow_and_update(), stand, &held);
        let is_news = self.last.as_ref().is_none_or(|(last, vips)| last.is_other(stand) || *vips != due);
        if is_news {
            (self.look_at, self.verify) = (now(), VERIFY_FIRST);
        }
        self.last = Some((stand, due.clone()));
        let at = self.look_at.max(self.rest_until);
        let is_idle = self.is_tried && (due.is_empty() || (stand == Stand::GiveUp && self.is_gone(&due)));
        if !is_idle && now() >= at {
            let is_trial = due.is_empty();
            let asked = if is_trial { facts.vips.iter().copied().collect() } else { due };
            let pause = self.round(stand, &asked, is_trial).await;
            self.look_at = now() + pause;
            return Some(self.look_at.max(self.rest_until));
        }
        let (_, next) = desired(&facts, now());
        if is_idle { next } else { Some(next.map_or(at, |next| next.min(at))) }
    }

    /// The addresses that are assigned to this device, or may be.
    fn held(&self) -> BTreeSet<Vip> {
        let state = self.state.borrow();
        state.iter().filter(|(_, moved)| moved.here != Some(false)).map(|(vip, _)| *vip).collect()
    }

    fn is_gone(&self, vips: &BTreeSet<Vip>) -> bool {
        let state = self.state.borrow();
        vips.iter().all(|vip| state.get(vip).is_some_and(|moved| moved.here == Some(false)))
    }

    /// Looks, and takes all steps that follow unless it is a trial; how long to leave the cloud alone.
    async fn round(&mut self, stand: Stand, vips: &BTreeSet<Vip>, is_trial: bool) -> Duration {
        let done = if is_trial { self.trial(stand, vips).await } else { self.steps(stand, vips).await };
        let pause = match done {
            Ok(pause) => {
                self.is_tried = true;
                pause
            }
            // What was asked for may still happen: it is seen by the next look.
            Err(Stop::Changed) => SETTLE,
            Err(Stop::Trouble(Trouble { text, wait, is_ordered })) => {
                if is_ordered {
                    self.rest_until = now() + wait;
                }
                for vip in vips {
                    self.fail(*vip, &text);
                }
                wait
            }
        };
        self.say();
        pause
    }

    fn fail(&self, vip: Vip, text: &str) {
        self.publish(|state| state.entry(vip).or_default().failure = Some(text.to_owned()));
    }

    /// Says what stands in the way, if it was not said lately.
    fn say(&mut self) {
        let state = self.state.borrow();
        let texts: BTreeSet<&str> = state.values().filter_map(|moved| moved.failure.as_deref()).collect();
        let text = texts.into_iter().collect::<Vec<_>>().join("; ");
        drop(state);
        if text.is_empty() {
            self.said = Said::default();
        } else if self.said.is_news(now(), &text) {
            tracing::error!("failed to {text}");
        }
    }

    /// Looks and changes nothing there, whatever this node's stand: no address is due yet.
    async fn trial(&mut self, stand: Stand, vips: &BTreeSet<Vip>) -> Result<Duration, Stop> {
        let mut guard = Guard { facts: self.facts.clone(), stand, touched: self.touched };
        for (vip, found) in self.look(vips, &mut guard).await? {
            match found {
                Ok(seen) => {
                    let here = matches!(seen, Assigned::Here { .. });
                    self.publish(|state| *state.entry(vip).or_default() = Moved::new(here, None));
                }
                Err(text) => self.fail(vip, &text),
            }
        }
        Ok(VERIFY_LONGEST)
    }

    /// Who has each, or what this node failed to do to know it.
    async fn look(&mut self, vips: &BTreeSet<Vip>, guard: &mut Guard) -> Result<Vec<(Vip, Found)>, Stop> {
        let addresses: Vec<IpAddr> = vips.iter().map(|vip| vip.address()).collect();
        let mut seen = guard.call(self.elastic.look(&addresses)).await?;
        let of = |vip: &Vip| {
            let found = seen.remove(&vip.address())?;
            Some((*vip, found.map_err(|why| format!("find the Elastic IP {}: {why}", vip.address()))))
        };
        Ok(vips.iter().filter_map(of).collect())
    }

    async fn steps(&mut self, stand: Stand, vips: &BTreeSet<Vip>) -> Result<Duration, Stop> {
        let mut guard = Guard { facts: self.facts.clone(), stand, touched: self.touched };
        let (mut pause, mut is_whole) = (self.verify, true);
        for (vip, found) in self.look(vips, &mut guard).await? {
            let done = match found {
                Ok(assigned) => self.one(vip, assigned, &mut guard).await,
                Err(text) => Err(Stop::Trouble(Trouble { text, wait: VERIFY_LONGEST, is_ordered: false })),
            };
            let soon = match done {
                Ok(soon) => soon,
                // With this one: the others are not to wait for it.
                Err(Stop::Trouble(Trouble { text, wait, is_ordered: false })) => {
                    self.fail(vip, &text);
                    is_whole = false;
                    Some(wait)
                }
                Err(stop) => return Err(stop),
            };
            pause = soon.map_or(pause, |soon| soon.min(pause));
        }
        if stand == Stand::GiveUp && is_whole {
            self.touched = false;
        }
        self.verify = (self.verify * 2).min(VERIFY_LONGEST);
        Ok(pause)
    }

    /// All steps of one address; `Some`: look again after that.
    async fn one(&mut self, vip: Vip, mut seen: Assigned, guard: &mut Guard) -> Result<Option<Duration>, Stop> {
        let mut from = None;
        for _ in 0..STEPS {
            let stand = guard.stand_of(vip)?;
            match self.keepers.entry(vip).or_default().next(stand, &seen) {
                Step::Nothing => {
                    let here = matches!(seen, Assigned::Here { .. });
                    self.publish(|state| *state.entry(vip).or_default() = Moved::new(here, stand.term()));
                    return Ok(None);
                }
                Step::Wait => {
                    if self.state.borrow().get(&vip).is_some_and(|moved| moved.here == Some(true)) {
                        let to = device(&seen);
                        tracing::warn!(%vip, to, "the Elastic IP is not assigned to this device any more, and not by this node");
                    }
                    self.publish(|state| state.entry(vip).or_default().here = Some(false));
                    return Ok(Some(WAIT));
                }
                Step::Detach { id } => {
                    guard.call(self.elastic.detach(&id)).await?;
                    from = device(&seen).map(str::to_owned);
                    if from.is_none() {
                        tracing::info!(%vip, "the Elastic IP is given up");
                    }
                    seen = Assigned::Nobody;
                }
                Step::Attach => {
                    self.touched = true;
                    guard.touched = true;
                    self.publish(|state| state.entry(vip).or_default().here = None);
                    guard.call(self.elastic.attach(vip.address())).await?;
                    let from = from.take();
                    tracing::info!(%vip, from, "the Elastic IP is assigned to this device");
                    self.keepers.entry(vip).or_default().attached(stand);
                    self.publish(|state| *state.entry(vip).or_default() = Moved::new(true, stand.term()));
                    return Ok(None);
                }
            }
        }
        Ok(Some(VERIFY_FIRST))
    }

    fn publish(&self, change: impl FnOnce(&mut Moves)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }
}

/// Breaks calls off when this node stands otherwise: an entitlement that is over ends what it began.
struct Guard {
    facts: watch::Receiver<Facts>,
    stand: Stand,
    touched: bool,
}

impl Guard {
    /// How this node stands now, with its latest renewal.
    fn stand(&mut self) -> Result<Stand, Stop> {
        let stand = Stand::new(&self.facts.borrow_and_update(), now(), self.touched);
        if stand.is_other(self.stand) { Err(Stop::Changed) } else { Ok(stand) }
    }

    /// The same of one address: what is no VIP any more is given up.
    fn stand_of(&mut self, vip: Vip) -> Result<Stand, Stop> {
        let stand = self.stand()?;
        Ok(if self.facts.borrow().vips.contains(&vip) { stand } else { Stand::GiveUp })
    }

    async fn call<T>(&mut self, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Stop> {
        tokio::pin!(call);
        loop {
            self.stand()?;
            let (_, next) = desired(&self.facts.borrow(), now());
            tokio::select! {
                result = &mut call => return result.map_err(Stop::Trouble),
                Ok(()) = self.facts.changed() => {}
                () = over(next) => {}
            }
        }
    }
}

/// The other device that has it.
fn device(seen: &Assigned) -> Option<&str> {
    match seen {
        Assigned::Elsewhere { device, .. } => Some(device),
        Assigned::Nobody | Assigned::Here { .. } => None,
    }
}

async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
