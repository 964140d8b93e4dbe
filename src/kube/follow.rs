//! List, then watch, for ever: what a kind of object is now, and each change to it.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::serde::de::DeserializeOwned;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Client;
use kube::api::{Api, ListParams, Resource, WatchEvent, WatchParams};

use super::fault::{CallError, Refusal};
use super::route::Route;
use crate::clock;
use crate::time::Instant;

/// For how many seconds the server is asked to keep a watch.
const WATCH_SECONDS: u32 = 30;
/// Between two lists after a failure, so that a server that refuses at once is not asked in a circle.
const PAUSE: Duration = Duration::from_millis(250);

/// Which objects.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Their namespace; empty: they have none.
    pub namespace: String,
    /// Which of all there.
    pub select: Select,
}

/// Kubernetes' ways to name some of many objects.
#[derive(Clone, Debug)]
pub enum Select {
    /// By fields, `name=value`.
    Fields(String),
    /// By labels, `name=value`.
    Labels(String),
}

/// What was seen.
#[derive(Clone, Debug)]
pub enum Seen<K> {
    /// All that there are.
    All {
        /// The `resourceVersion` at which this was so.
        version: String,
        /// The objects.
        items: Vec<K>,
    },
    /// This one came or changed.
    One(K),
    /// This one was deleted; its version is the deletion's.
    Gone(K),
}

/// One follower of these objects.
#[derive(Debug)]
pub struct Follow<K> {
    route: Route,
    scope: Scope,
    api: fn(Client, &str) -> Api<K>,
    /// The longest a list or the beginning of a watch may take.
    limit: Duration,
    state: State<K>,
    /// What the API last refused, so that it is said once.
    refused: Option<Refusal>,
}

enum State<K> {
    List { pause: bool },
    Open { from: String },
    Watching { events: BoxStream<'static, kube::Result<WatchEvent<K>>>, at: String, opened: Instant },
}

impl<K> Debug for State<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::List { .. } => "List",
            Self::Open { .. } => "Open",
            Self::Watching { .. } => "Watching",
        })
    }
}

impl<K> Follow<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    /// Begins with a list. `limit` bounds each call.
    #[must_use]
    pub fn new(route: Route, scope: Scope, limit: Duration) -> Self {
        Self { route, scope, api: Api::namespaced, limit, state: State::List { pause: false }, refused: None }
    }
}

impl<K> Follow<K>
where
    K: Resource<Scope = ClusterResourceScope>,
    K::DynamicType: Default,
{
    /// Of a kind that has no namespaces.
    #[must_use]
    pub fn of_cluster(route: Route, select: Select, limit: Duration) -> Self {
        let scope = Scope { namespace: String::new(), select };
        let api = |client, _: &str| Api::all(client);
        Self { route, scope, api, limit, state: State::List { pause: false }, refused: None }
    }
}

impl<K> Follow<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
{
    /// Waits for what is to be seen next. Where nothing is for `quiet`, the watch itself is doubted: another server is
    /// asked for a list. Dropping the wait loses nothing; the next one may begin with a list.
    pub async fn next(&mut self, quiet: Duration) -> Seen<K> {
        loop {
            let state = std::mem::replace(&mut self.state, State::List { pause: false });
            let (state, seen) = match state {
                State::List { pause } => self.list(pause).await,
                State::Open { from } => (self.open(from).await, None),
                State::Watching { events, at, opened } => self.event(events, at, opened, quiet).await,
            };
            self.state = state;
            if let Some(seen) = seen {
                return seen;
            }
        }
    }

    async fn list(&mut self, pause: bool) -> (State<K>, Option<Seen<K>>) {
        if pause {
            tokio::time::sleep(PAUSE).await;
        }
        let params = match &self.scope.select {
            Select::Fields(fields) => ListParams::default().fields(fields),
            Select::Labels(labels) => ListParams::default().labels(labels),
        };
        let (api, namespace) = (self.api, self.scope.namespace.clone());
        let listed = self.route.call(self.limit, |client| async move { api(client, &namespace).list(&params).await });
        match listed.await {
            Ok(list) => {
                self.refused = None;
                let version = list.metadata.resource_version.unwrap_or_default();
                (State::Open { from: version.clone() }, Some(Seen::All { version, items: list.items }))
            }
            Err(CallError::Answer(refusal)) => {
                if self.refused.as_ref() != Some(&refusal) {
                    tracing::warn!(scope = ?self.scope, reason = %refusal, "the API refuses a list; trying again");
                    self.refused = Some(refusal);
                }
                (State::List { pause: true }, None)
            }
            // The route has said it.
            Err(CallError::Failed(_) | CallError::Denied(_)) => (State::List { pause: true }, None),
        }
    }

    async fn open(&mut self, from: String) -> State<K> {
        let params = match &self.scope.select {
            Select::Fields(fields) => WatchParams::default().fields(fields),
            Select::Labels(labels) => WatchParams::default().labels(labels),
        };
        let params = WatchParams { bookmarks: true, ..params.timeout(WATCH_SECONDS) };
        let (api, namespace, start) = (self.api, self.scope.namespace.clone(), from.clone());
        let opened = clock::now();
        let events =
            self.route.call(self.limit, |client| async move { api(client, &namespace).watch(&params, &start).await });
        match events.await {
            Ok(events) => State::Watching { events: events.boxed(), at: from, opened },
            Err(_) => State::List { pause: true },
        }
    }

    async fn event(
        &mut self,
        mut events: BoxStream<'static, kube::Result<WatchEvent<K>>>,
        at: String,
        opened: Instant,
        quiet: Duration,
    ) -> (State<K>, Option<Seen<K>>) {
        let event = match tokio::time::timeout(quiet, events.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => {
                self.route.leave(&format!("the watch broke: {error}"));
                return (State::List { pause: true }, None);
            }
            // A server that ends every watch at once is not asked in a circle.
            Ok(None) if clock::now() < opened + PAUSE => return (State::List { pause: true }, None),
            Ok(None) => return (State::Open { from: at }, None),
            Err(_) => {
                self.route.doubt(&format!("nothing changed for {quiet:?}, or this server does not tell"));
                return (State::List { pause: false }, None);
            }
        };
        let version = |object: &K| object.meta().resource_version.clone().unwrap_or_default();
        let (at, seen) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (version(&object), Some(Seen::One(object))),
            WatchEvent::Deleted(object) => (version(&object), Some(Seen::Gone(object))),
            WatchEvent::Bookmark(bookmark) => (bookmark.metadata.resource_version, None),
            WatchEvent::Error(status) => {
                tracing::debug!(reason = %status.message, "a watch ended with an error");
                return (State::List { pause: status.code != 410 }, None);
            }
        };
        (State::Watching { events, at, opened }, seen)
    }
}
