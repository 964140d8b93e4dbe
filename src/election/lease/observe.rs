//! The watch on the one Lease: whatever changes is seen at once, and followers cost the API nothing.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::sync::mpsc;

use super::convert;
use crate::clock;
use crate::config::LeaseConfig;
use crate::election::elector::Input;
use crate::election::record::{Record, Version};
use crate::kube::{CallError, Refusal, Route};

/// For how many seconds the server is asked to keep a watch.
const WATCH_SECONDS: u32 = 30;
/// Between two lists after a failure, so that a server that refuses at once is not asked in a circle.
const RELIST_PAUSE: Duration = Duration::from_millis(250);

/// How a watch ended.
enum End {
    /// The server's time was up: go on from this version.
    Resume(Version),
    /// There is a gap: list anew, after a pause where something failed.
    Relist { pause: bool },
    /// Nobody wants to know any more.
    Closed,
}

/// Lists, then watches, for ever; each version that is seen goes to `seen`.
pub(super) async fn run(config: LeaseConfig, mut route: Route, seen: mpsc::Sender<Input>) {
    let mut watcher = Watcher { config, seen, quiet: Duration::ZERO };
    watcher.quiet = watcher.config.duration;
    let mut end = End::Relist { pause: false };
    loop {
        end = match end {
            End::Closed => return,
            End::Resume(version) => watcher.watch(&mut route, version).await,
            End::Relist { pause } => {
                if pause {
                    tokio::time::sleep(RELIST_PAUSE).await;
                }
                watcher.list(&mut route).await
            }
        };
    }
}

struct Watcher {
    config: LeaseConfig,
    seen: mpsc::Sender<Input>,
    /// The longest a live holder leaves the record unchanged: after that the watch itself is doubted.
    quiet: Duration,
}

impl Watcher {
    async fn list(&mut self, route: &mut Route) -> End {
        let selector = ListParams::default().fields(&format!("metadata.name={}", self.config.name));
        let namespace = self.config.namespace.clone();
        let listed = route.call(self.config.attempt_limit(), |client| async move {
            Api::<Lease>::namespaced(client, &namespace).list(&selector).await
        });
        let list = match listed.await {
            Ok(list) => list,
            Err(CallError::Answer(refusal)) => {
                tracing::warn!(reason = %refusal, "failed to list the lease");
                return End::Relist { pause: true };
            }
            Err(CallError::Failed(_)) => return End::Relist { pause: true },
        };
        let at = Version(list.metadata.resource_version.unwrap_or_default());
        let record = list.items.into_iter().next().map(convert::record);
        let version = record.as_ref().map_or_else(|| at.clone(), |record| record.version.clone());
        match self.tell(version, record).await {
            true => End::Resume(at),
            false => End::Closed,
        }
    }

    async fn watch(&mut self, route: &mut Route, from: Version) -> End {
        let params = WatchParams {
            bookmarks: true,
            ..WatchParams::default().fields(&format!("metadata.name={}", self.config.name)).timeout(WATCH_SECONDS)
        };
        let (namespace, start) = (self.config.namespace.clone(), from.0.clone());
        let opening = clock::now();
        let opened = route.call(self.config.attempt_limit(), |client| async move {
            Api::<Lease>::namespaced(client, &namespace).watch(&params, &start).await
        });
        let mut events = match opened.await {
            Ok(events) => pin!(events),
            Err(CallError::Answer(Refusal::Expired)) => return End::Relist { pause: true },
            Err(_) => return End::Relist { pause: true },
        };
        let mut at = from;
        loop {
            let event = match tokio::time::timeout(self.quiet, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => {
                    route.leave(&format!("the watch broke: {error}"));
                    return End::Relist { pause: true };
                }
                // A server that ends every watch at once is not asked in a circle.
                Ok(None) if clock::now() < opening + RELIST_PAUSE => return End::Relist { pause: true },
                Ok(None) => return End::Resume(at),
                Err(_) => {
                    route
                        .doubt(&format!("nobody renewed the lease for {:?}, or this server does not tell", self.quiet));
                    return End::Relist { pause: false };
                }
            };
            match self.take(event).await {
                Ok(version) => at = version,
                Err(end) => return end,
            }
        }
    }

    /// Passes an event on; `Ok` is the version up to which everything was seen.
    async fn take(&mut self, event: WatchEvent<Lease>) -> Result<Version, End> {
        let (version, record) = match event {
            WatchEvent::Added(lease) | WatchEvent::Modified(lease) => {
                let record = convert::record(lease);
                (record.version.clone(), Some(record))
            }
            WatchEvent::Deleted(lease) => (convert::record(lease).version, None),
            WatchEvent::Bookmark(bookmark) => return Ok(Version(bookmark.metadata.resource_version)),
            WatchEvent::Error(status) => {
                tracing::debug!(reason = %status.message, "the lease watch ended with an error");
                return Err(End::Relist { pause: status.code != 410 });
            }
        };
        match self.tell(version.clone(), record).await {
            true => Ok(version),
            false => Err(End::Closed),
        }
    }

    async fn tell(&mut self, version: Version, record: Option<Record>) -> bool {
        let theirs = record.as_ref().and_then(|record| record.spec.duration()).unwrap_or_default();
        self.quiet = self.config.duration.max(theirs);
        self.seen.send(Input::Seen { version, record }).await.is_ok()
    }
}
