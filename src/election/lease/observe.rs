//! The watch on the one Lease: whatever changes is seen at once, and followers cost the API nothing.

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::mpsc;

use super::convert;
use crate::config::LeaseConfig;
use crate::election::elector::Input;
use crate::election::record::{Record, Version};
use crate::kube::{Follow, Route, Scope, Seen, Select};

/// Follows the Lease for ever; each version that is seen goes to `seen`.
pub(super) async fn run(config: LeaseConfig, route: Route, seen: mpsc::Sender<Input>) {
    let select = Select::Fields(format!("metadata.name={}", config.name));
    let scope = Scope { namespace: config.namespace.clone(), select };
    let mut lease = Follow::<Lease>::new(route, scope, config.attempt_limit());
    // The longest a live holder leaves the record unchanged: after that the watch itself is doubted.
    let mut quiet = config.duration;
    loop {
        let (version, record) = match lease.next(quiet).await {
            Seen::All { version, items } => {
                let record = items.into_iter().next().map(convert::record);
                (record.as_ref().map_or(Version(version), |record: &Record| record.version.clone()), record)
            }
            Seen::One(lease) => {
                let record = convert::record(lease);
                (record.version.clone(), Some(record))
            }
            Seen::Gone(lease) => (convert::record(lease).version, None),
        };
        let theirs = record.as_ref().and_then(|record| record.spec.duration()).unwrap_or_default();
        quiet = config.duration.max(theirs);
        if seen.send(Input::Seen { version, record }).await.is_err() {
            return;
        }
    }
}
