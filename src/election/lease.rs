//! The elector's shell: the Lease through the Kubernetes API, the two clocks, the log.

mod convert;
mod observe;

use std::io;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock::{self, Timer};
use crate::config::LeaseConfig;
use crate::election::access::Access;
use crate::election::elector::{Action, Attempt, Elector, Event, Input, Loss, Moment, WriteError};
use crate::election::fence::{Fence, Notice};
use crate::election::record::{MicroTime, Record};
use crate::election::story::Story;
use crate::election::{Candidate, Condition, Leadership};
use crate::kube::{CallError, Endpoints, Refusal, Route};
use crate::time::Instant;

/// What the watch saw and the elector did not take yet. When it is full the watch waits: the elector takes at once.
const SEEN: usize = 4;

/// What the election has to know of this node and of others.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// How this node is.
    pub condition: watch::Receiver<Condition>,
    /// Other nodes that are fit to, best first.
    pub candidates: watch::Receiver<Vec<Candidate>>,
    /// Whether no other vipcast is known, fit or not.
    pub alone: watch::Receiver<bool>,
    /// Whether nothing is bound here, so that nothing of ours is announced any more.
    pub silent: watch::Receiver<bool>,
    /// The term whose routes are out: bound, and told to every peer whose session is up.
    pub announced: watch::Receiver<Option<u64>>,
    /// For how long routers may keep its routes when it falls silent.
    pub stale: watch::Receiver<Duration>,
    /// Its fence by AS path.
    pub fence: Fence,
}

/// The election for one lease.
#[derive(Debug)]
pub struct LeaseElection {
    config: LeaseConfig,
    elector: Elector,
    endpoints: Endpoints,
    circumstances: Circumstances,
    order: watch::Receiver<Order>,
    identity: String,
    /// The last other holder that did not give the lease back, and whether its terms are in the record: kube-vip
    /// leaves a vipcast's annotations as they are, or has none.
    other: Option<(String, bool)>,
    /// What the API last refused, so that it is said once.
    refused: Option<String>,
    /// Where a handover that was asked for ends.
    handed_over: watch::Sender<bool>,
    /// For people.
    story: watch::Sender<Story>,
    /// Whether this account may read the lease.
    access: watch::Sender<Access>,
}

/// What the end of this process asks of the election.
#[derive(Clone, Copy, Debug)]
enum Order {
    Stand,
    HandOver,
    /// Give the lease back, by then.
    Release(Instant),
}

/// Ends the election.
#[derive(Clone, Debug)]
pub struct Releaser {
    order: watch::Sender<Order>,
    handed_over: watch::Receiver<bool>,
}

impl Releaser {
    /// Stands no more. Where the lease is ours it is offered to whoever is fit; done when that node speaks, or when
    /// nobody takes it. Then the lease is still ours, and renewed.
    pub async fn hand_over(&mut self) {
        self.order.send_replace(Order::HandOver);
        // The election is over: nothing is left to hand over.
        let _ = self.handed_over.wait_for(|handed_over| *handed_over).await;
    }

    /// Ends the election: the lease is given back if it is ours, until `deadline` at the latest. Call it when nothing
    /// is announced any more; until then a held lease is renewed.
    pub async fn release(mut self, deadline: Instant) {
        self.order.send_replace(Order::Release(deadline));
        // The sender goes when the run is over: an error is what is awaited.
        while self.handed_over.changed().await.is_ok() {}
    }
}

impl LeaseElection {
    /// A candidate: `identity` is the node's name, `instance` the id of this process ([`crate::election::instance`]).
    #[must_use]
    pub fn new(
        config: LeaseConfig,
        identity: &str,
        instance: String,
        endpoints: Endpoints,
        circumstances: Circumstances,
    ) -> (Self, Releaser) {
        let (order_tx, order) = watch::channel(Order::Stand);
        let (handed_over, handed_over_rx) = watch::channel(false);
        let identity = identity.to_lowercase();
        let mut elector = Elector::new(config.clone(), &identity, instance);
        elector.set_fence(circumstances.fence.clone());
        let election = Self {
            config,
            elector,
            endpoints,
            circumstances,
            order,
            identity,
            other: None,
            refused: None,
            handed_over,
            story: watch::Sender::default(),
            access: watch::Sender::default(),
        };
        (election, Releaser { order: order_tx, handed_over: handed_over_rx })
    }

    /// How the lease came to whoever holds it.
    #[must_use]
    pub fn story(&self) -> watch::Receiver<Story> {
        self.story.subscribe()
    }

    /// Whether this account may read the lease.
    #[must_use]
    pub fn access(&self) -> watch::Receiver<Access> {
        self.access.subscribe()
    }

    /// Stands for election and publishes the leadership, until it was released through the [`Releaser`].
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub async fn run(mut self, tx: watch::Sender<Leadership>) -> io::Result<()> {
        let (mut due, mut grace) = (Timer::new()?, Timer::new()?);
        let (seen_tx, mut seen) = mpsc::channel(SEEN);
        // The tasks end with the run.
        let mut tasks = JoinSet::new();
        tasks.spawn(observe::run(self.config.clone(), self.endpoints.route("lease watch"), seen_tx));
        let mut requests =
            Requests { config: self.config.clone(), idle: Some(self.endpoints.route("lease")), flying: None };
        self.tell();
        loop {
            let released = self.drain(&mut requests);
            publish(&tx, self.elector.leadership(clock::now()));
            let deadline = match *self.order.borrow() {
                Order::Release(deadline) => Some(deadline),
                Order::Stand | Order::HandOver => None,
            };
            if released || deadline.is_some_and(|deadline| clock::now() >= deadline) {
                return Ok(());
            }
            let next = self.elector.next_deadline();
            tokio::select! {
                biased;
                (sent, answer) = requests.answer() => {
                    self.complain(answer.refused);
                    if let Some(denied) = answer.denied {
                        self.access.send_modify(|access| access.hear(sent, denied));
                    }
                    self.take(answer.input);
                }
                Some(input) = seen.recv() => self.take(input),
                Ok(()) = self.order.changed() => self.obey(),
                Ok(()) = self.circumstances.condition.changed() => self.tell(),
                Ok(()) = self.circumstances.candidates.changed() => self.tell(),
                Ok(()) = self.circumstances.alone.changed() => self.tell(),
                Ok(()) = self.endpoints.changed() => self.tell(),
                Ok(()) = self.circumstances.silent.changed() => self.tell(),
                Ok(()) = self.circumstances.announced.changed() => self.tell(),
                Ok(()) = self.circumstances.stale.changed() => self.tell(),
                () = due.until(next) => self.elector.handle_timeout(moment()),
                () = grace.until(deadline) => {}
            }
        }
    }

    /// Tells the elector how this node and the others stand.
    fn tell(&mut self) {
        let Circumstances { condition, candidates, alone, silent, announced, stale, fence: _ } =
            &mut self.circumstances;
        self.elector.set_stale(*stale.borrow_and_update());
        self.elector.set_fitness(moment(), condition.borrow_and_update().fitness);
        self.elector.set_candidates(moment(), candidates.borrow_and_update().clone());
        // Where this node has the only API server nobody could do better.
        let alone = *alone.borrow_and_update() && self.endpoints.has_others();
        self.elector.set_alone(moment(), alone);
        if *silent.borrow_and_update() {
            self.elector.silent(moment());
        }
        if let Some(term) = *announced.borrow_and_update() {
            self.elector.announced(moment(), term);
        }
    }

    fn obey(&mut self) {
        match *self.order.borrow_and_update() {
            Order::Stand => {}
            Order::HandOver => self.elector.hand_over(moment()),
            Order::Release(_) => self.elector.release(moment()),
        }
    }

    fn take(&mut self, input: Input) {
        if let Input::Seen { record: Some(record), .. } | Input::Got { result: Ok(Some(record)), .. } = &input {
            self.tell_story(|story| story.see(record));
            match record.spec.holder() {
                Some(holder) if holder == self.identity => {}
                Some(holder) => {
                    self.other = Some((holder.to_owned(), record.is_of_vipcast()));
                }
                None => self.other = None,
            }
        }
        self.elector.handle(moment(), input);
    }

    fn tell_story(&self, tell: impl FnOnce(&mut Story)) {
        self.story.send_if_modified(|story| {
            let before = story.clone();
            tell(story);
            *story != before
        });
    }

    /// Says once what the API refuses.
    fn complain(&mut self, refused: Option<String>) {
        if let Some(reason) = refused.as_ref().filter(|_| self.refused != refused) {
            let lease = format!("{}/{}", self.config.namespace, self.config.name);
            tracing::warn!(
                lease,
                reason,
                "the API refuses access to the lease; trying again (may this account get, list, watch, create and update \
                 leases here, and is there such a namespace?)"
            );
        }
        self.refused = refused;
    }

    /// Does what the elector wants; `true` when it has nothing left to do.
    fn drain(&mut self, requests: &mut Requests) -> bool {
        let mut released = false;
        while let Some(action) = self.elector.poll_action() {
            match action {
                Action::Get { attempt } => requests.start(Request::Get, attempt),
                Action::Create { attempt, record } => requests.start(Request::Create(record), attempt),
                Action::Update { attempt, record } => requests.start(Request::Update(record), attempt),
                Action::Report(event) => {
                    released |= matches!(event, Event::Released { .. });
                    if matches!(event, Event::HandedOver { .. }) {
                        self.handed_over.send_replace(true);
                    }
                    self.tell_story(|story| story.hear(&event));
                    self.log(&event);
                }
            }
        }
        released
    }

    fn log(&mut self, event: &Event) {
        let lease = format!("{}/{}", self.config.namespace, self.config.name);
        match event {
            Event::BecameHolder { term } => {
                tracing::info!(lease, term, "became the holder of the lease");
                if let Some((holder, false)) = self.other.take() {
                    tracing::warn!(
                        lease,
                        holder,
                        "the last holder writes no term, so it is kube-vip or another stranger: its routes carry no MED, \
                         which routers read as the best; should it still stand, only the router's timers clear its route"
                    );
                }
            }
            Event::TookOver { from } => {
                tracing::info!(lease, from, "the last holder offered it to us, and speaks until our routes are out");
            }
            Event::Offered { to } => tracing::info!(lease, to, "offering the lease"),
            Event::HandingOver { to } => {
                tracing::info!(lease, to, "the lease is taken; speaking until its routes are out")
            }
            Event::HandedOver { to: Some(_) } => {}
            Event::HandedOver { to: None } => tracing::info!(lease, "there is nobody to hand the lease to"),
            Event::Lost(loss @ Loss::HandedOver { .. }) => {
                tracing::info!(lease, reason = %loss, "the lease is handed over")
            }
            Event::Fence(notice) => tell_of_fence(&lease, *notice),
            Event::Lost(loss @ (Loss::Released | Loss::GivesWay)) => {
                tracing::info!(lease, reason = %loss, "leaving the lease")
            }
            Event::Lost(loss) => tracing::warn!(lease, reason = %loss, "lost the lease"),
            Event::Twin { instance } => tracing::error!(
                lease,
                instance,
                "another process on this node (a second vipcast, or kube-vip) stands for election under this node's \
                 name; standing down: stop one of them"
            ),
            Event::ConfigDiffers { record, ours } => tracing::warn!(
                lease,
                record,
                ours,
                "the holder's lease duration (seconds) is not ours; everybody waits for the longer: make them equal"
            ),
            Event::NewHolder { holder: Some(holder) } => tracing::info!(lease, holder, "the lease has a new holder"),
            Event::NewHolder { holder: None } => tracing::info!(lease, "the lease is free"),
            Event::GaveWay => tracing::info!(lease, "gave the lease back; standing again when this node is fit"),
            Event::Released { given_back: true } => tracing::info!(lease, "gave the lease back"),
            Event::Released { given_back: false } => tracing::info!(lease, "the lease is not ours to give back"),
        }
    }
}

fn tell_of_fence(lease: &str, notice: Notice) {
    match notice {
        Notice::Spent { clear_in } => tracing::error!(
            lease,
            seconds = clear_in.as_secs(),
            "the fence by AS path is spent: a route as short as ours may still stand from holders before us, so routers may \
             stay with it for that long; then the margin is restored"
        ),
        Notice::OtherAs { theirs, ours } => tracing::warn!(
            lease,
            theirs,
            ours,
            "the last holder is in another AS, and routers do not compare MED between ASes: the fence by AS path is on; \
             set --bgpASPathFence (bgp_as_path_fence) on every node, so that it holds from the first take-over on"
        ),
        Notice::Restored => tracing::info!(lease, "the margin of the fence by AS path is restored"),
    }
}

/// What the elector asks of the API.
enum Request {
    Get,
    Create(Record),
    Update(Record),
}

/// One request at a time, each for [`LeaseConfig::attempt_limit`] at most.
struct Requests {
    config: LeaseConfig,
    idle: Option<Route>,
    flying: Option<(Instant, BoxFuture<'static, (Route, Answer)>)>,
}

impl Requests {
    fn start(&mut self, request: Request, attempt: Attempt) {
        // The elector has one attempt on its way at most: the route is here.
        let Some(route) = self.idle.take() else { return };
        self.flying = Some((clock::now(), Box::pin(perform(self.config.clone(), route, request, attempt))));
    }

    /// The answer, once there is one, and when it was asked for.
    async fn answer(&mut self) -> (Instant, Answer) {
        let Some((sent, flight)) = self.flying.as_mut() else {
            return std::future::pending().await;
        };
        let (sent, (route, answer)) = (*sent, flight.await);
        (self.idle, self.flying) = (Some(route), None);
        (sent, answer)
    }
}

/// What a request came to.
struct Answer {
    input: Input,
    /// The API's words where it refused for good reason, no mere conflict.
    refused: Option<String>,
    /// Whether this account may not read the lease; `None`: that was not the question, or nobody answered.
    denied: Option<bool>,
}

async fn perform(config: LeaseConfig, mut route: Route, request: Request, attempt: Attempt) -> (Route, Answer) {
    let limit = config.attempt_limit();
    let api = |client| Api::<Lease>::namespaced(client, &config.namespace);
    let params = PostParams::default();
    let answer = match request {
        Request::Get => {
            let name = &config.name;
            let answer = route.call(limit, |client| async move { api(client).get(name).await }).await;
            let (result, refused, denied) = match answer {
                Ok(lease) => (Ok(Some(convert::record(lease))), None, Some(false)),
                Err(CallError::Answer(Refusal::NotFound(_))) => (Ok(None), None, Some(false)),
                Err(CallError::Answer(refusal)) => (Err(refusal.to_string()), Some(refusal.to_string()), None),
                Err(CallError::Denied(reason)) => (Err(reason), None, Some(true)),
                Err(CallError::Failed(reason)) => (Err(reason), None, None),
            };
            Answer { input: Input::Got { attempt, result }, refused, denied }
        }
        Request::Create(record) => {
            let lease = convert::lease(&record, &config);
            let result = route.call(limit, |client| async move { api(client).create(&params, &lease).await }).await;
            wrote(attempt, result, true)
        }
        Request::Update(record) => {
            let lease = convert::lease(&record, &config);
            let name = &config.name;
            let result =
                route.call(limit, |client| async move { api(client).replace(name, &params, &lease).await }).await;
            wrote(attempt, result, false)
        }
    };
    (route, answer)
}

fn wrote(attempt: Attempt, result: Result<Lease, CallError>, create: bool) -> Answer {
    let answered = matches!(result, Err(CallError::Answer(_)));
    let result = result.map(convert::record).map_err(|error| convert::write_error(error, create));
    let refused = match &result {
        Err(WriteError::Failed(reason)) if answered => Some(reason.clone()),
        Ok(_) | Err(_) => None,
    };
    Answer { input: Input::Wrote { attempt, result }, refused, denied: None }
}

fn publish(tx: &watch::Sender<Leadership>, leadership: Leadership) {
    tx.send_if_modified(|published| {
        let changed = *published != leadership;
        *published = leadership;
        changed
    });
}

/// Now, on both clocks.
pub(super) fn moment() -> Moment {
    #[expect(clippy::disallowed_methods, reason = "written into the record and the term's floor, never compared")]
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment { now: clock::now(), wall: MicroTime(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX)) }
}

#[cfg(test)]
mod tests;
