//! The shell of [`candidates`]: writes this node's own note, reads the others'.
//!
//! It has connections of its own, and neither waits for the election nor is waited for by it.

use std::io;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;

use crate::clock::{self, Timer};
use crate::config::LeaseConfig;
use crate::election::candidates::{self, FITNESS, GONE_AFTER, LEASE, Note, PERIOD, REASON, Table};
use crate::election::lease::moment;
use crate::election::record::{INSTANCE, MicroTime, Version};
use crate::election::{Candidate, Condition};
use crate::kube::{CallError, Endpoints, Follow, Refusal, Route, Scope, Seen, Select};

/// This node among the candidates for one lease.
#[derive(Debug)]
pub struct Candidacy {
    config: LeaseConfig,
    node: String,
    instance: String,
    endpoints: Endpoints,
}

impl Candidacy {
    /// As [`super::LeaseElection::new`]: `identity` is the node's name, `instance` the id of this process
    /// ([`super::instance`]).
    #[must_use]
    pub fn new(config: LeaseConfig, identity: &str, instance: String, endpoints: Endpoints) -> Self {
        Self { config, instance, node: identity.to_lowercase(), endpoints }
    }

    /// Says what `own` is, on change and every ten seconds, and publishes what is known of others; for ever.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub async fn run(self, own: watch::Receiver<Condition>, others: Others) -> io::Result<()> {
        let watch = self.endpoints.route("candidates' watch");
        let write = Writer { route: self.endpoints.route("candidate"), stored: None, failed: None };
        tokio::try_join!(self.observe(watch, others), self.speak(write, own)).map(drop)
    }

    async fn observe(&self, route: Route, others: Others) -> io::Result<()> {
        let select = Select::Labels(format!("{LEASE}={}", self.config.name));
        let scope = Scope { namespace: self.config.namespace.clone(), select };
        let mut notes = Follow::<Lease>::new(route, scope, self.config.attempt_limit());
        let mut table = Table::new(clock::now(), &self.node);
        let mut due = Timer::new()?;
        loop {
            tokio::select! {
                seen = notes.next(GONE_AFTER) => self.take(&mut table, seen),
                () = due.until(table.next_deadline(clock::now())) => {}
            }
            others.publish(&table);
        }
    }

    fn take(&self, table: &mut Table, seen: Seen<Lease>) {
        let now = clock::now();
        match seen {
            Seen::All { version, items } => {
                let notes = items.into_iter().filter_map(|lease| self.note(lease)).collect();
                table.replace(now, &Version(version), notes);
            }
            Seen::One(lease) => {
                if let Some(note) = self.note(lease) {
                    table.set(now, note);
                }
            }
            Seen::Gone(lease) => {
                if let Some(note) = self.note(lease) {
                    table.remove(&note.candidate.node);
                }
            }
        }
    }

    /// The name of a node's own Lease.
    fn name_of(&self, node: &str) -> String {
        format!("{}.{node}", self.config.name)
    }

    /// What a Lease under our label says; nothing where it is not a candidate's own.
    fn note(&self, lease: Lease) -> Option<Note> {
        let spec = lease.spec?;
        let node = spec.holder_identity?;
        if lease.metadata.name? != self.name_of(&node) {
            return None;
        }
        let mut annotations = lease.metadata.annotations?;
        Some(Note {
            candidate: Candidate { node, instance: annotations.remove(INSTANCE)? },
            fitness: candidates::of_word(annotations.get(FITNESS)?),
            reason: annotations.remove(REASON).unwrap_or_default(),
            renewed: spec.renew_time.map(|time| MicroTime(time.0.as_microsecond())),
            version: Version(lease.metadata.resource_version.unwrap_or_default()),
        })
    }

    async fn speak(&self, mut writer: Writer, mut own: watch::Receiver<Condition>) -> io::Result<()> {
        let mut due = Timer::new()?;
        loop {
            let condition = own.borrow_and_update().clone();
            let pause = match writer.write(self, &condition).await {
                Ok(()) => PERIOD.mul_f64(rand::random_range(0.8..=1.0)),
                Err(()) => self.config.retry_period,
            };
            let next = clock::now() + pause;
            tokio::select! {
                Ok(()) = own.changed() => {}
                () = due.until(Some(next)) => {}
            }
        }
    }

    /// The object that says `condition`; what others put on `stored` stays.
    fn lease(&self, stored: Option<&Lease>, condition: &Condition) -> Lease {
        let mut lease = stored.cloned().unwrap_or_default();
        let kept = lease.metadata;
        let mut labels = kept.labels.unwrap_or_default();
        labels.insert(LEASE.to_owned(), self.config.name.clone());
        let mut annotations = kept.annotations.unwrap_or_default();
        annotations.insert(INSTANCE.to_owned(), self.instance.clone());
        annotations.insert(FITNESS.to_owned(), candidates::word(condition.fitness).to_owned());
        annotations.insert(REASON.to_owned(), condition.reason.clone());
        lease.metadata = ObjectMeta {
            name: Some(self.name_of(&self.node)),
            namespace: Some(self.config.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            managed_fields: None,
            ..kept
        };
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.node.clone()),
            lease_duration_seconds: i32::try_from(GONE_AFTER.as_secs()).ok(),
            renew_time: Timestamp::from_microsecond(moment().wall.0).ok().map(meta::MicroTime),
            ..LeaseSpec::default()
        });
        lease
    }
}

/// What is known of other nodes' vipcasts.
#[derive(Debug)]
pub struct Others {
    /// Who is fit, the best first.
    pub fit: watch::Sender<Vec<Candidate>>,
    /// Whether nobody was heard of for a while, fit or not.
    pub none: watch::Sender<bool>,
}

impl Others {
    fn publish(&self, table: &Table) {
        let now = clock::now();
        let (fit, none) = (table.fit(now), table.is_alone(now));
        self.fit.send_if_modified(|known| {
            let changed = *known != fit;
            if changed {
                let nodes: Vec<&str> = fit.iter().map(|candidate| candidate.node.as_str()).collect();
                tracing::info!(nodes = nodes.join(","), "other nodes fit to hold the lease, the best first");
            }
            *known = fit;
            changed
        });
        self.none.send_if_modified(|known| std::mem::replace(known, none) != none);
    }
}

/// Writes our note.
struct Writer {
    route: Route,
    /// As it was stored last; `None`: not known.
    stored: Option<Lease>,
    /// What the API last refused, so that it is said once.
    failed: Option<Refusal>,
}

impl Writer {
    async fn write(&mut self, candidacy: &Candidacy, condition: &Condition) -> Result<(), ()> {
        match self.attempt(candidacy, condition).await {
            Ok(stored) => {
                (self.stored, self.failed) = (Some(stored), None);
                Ok(())
            }
            Err(error) => {
                self.stored = None;
                self.complain(candidacy, error);
                Err(())
            }
        }
    }

    async fn attempt(&mut self, candidacy: &Candidacy, condition: &Condition) -> Result<Lease, CallError> {
        let limit = candidacy.config.attempt_limit();
        let namespace = candidacy.config.namespace.clone();
        let api = |client| Api::<Lease>::namespaced(client, &namespace);
        let name = candidacy.name_of(&candidacy.node);
        let stored = match self.stored.take() {
            Some(stored) => Some(stored),
            None => match self.route.call(limit, |client| async { api(client).get(&name).await }).await {
                Ok(stored) => Some(stored),
                Err(CallError::Answer(Refusal::NotFound(_))) => None,
                Err(error) => return Err(error),
            },
        };
        let lease = candidacy.lease(stored.as_ref(), condition);
        let params = PostParams::default();
        match stored {
            Some(_) => {
                self.route.call(limit, |client| async { api(client).replace(&name, &params, &lease).await }).await
            }
            None => self.route.call(limit, |client| async { api(client).create(&params, &lease).await }).await,
        }
    }

    /// Says once what the API refuses; failures to ask it are said by the route, and a conflict is none.
    fn complain(&mut self, candidacy: &Candidacy, error: CallError) {
        let CallError::Answer(refusal) = error else { return };
        let harmless = matches!(refusal, Refusal::Conflict | Refusal::AlreadyExists);
        if !harmless && self.failed.as_ref() != Some(&refusal) {
            let lease = format!("{}/{}", candidacy.config.namespace, candidacy.name_of(&candidacy.node));
            tracing::warn!(
                lease,
                reason = %refusal,
                "the API refuses this candidate's own lease; trying again: without it nobody hands over to this node"
            );
            self.failed = Some(refusal);
        }
    }
}

#[cfg(test)]
mod tests;
