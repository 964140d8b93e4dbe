//! Record ↔ Lease object, and the API's refusals in the elector's words.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::config::LeaseConfig;
use crate::election::elector::WriteError;
use crate::election::record::{MicroTime, Record, Spec, Version};
use crate::kube::{CallError, Refusal};

/// What the object says. Its other metadata goes along as text; managed fields are the server's to keep.
pub(super) fn record(mut lease: Lease) -> Record {
    let version = Version(lease.metadata.resource_version.take().unwrap_or_default());
    let annotations = lease.metadata.annotations.take().unwrap_or_default();
    lease.metadata.managed_fields = None;
    let uid = lease.metadata.uid.clone().unwrap_or_default();
    let spec = lease.spec.unwrap_or_default();
    Record {
        version,
        uid,
        spec: Spec {
            holder: spec.holder_identity,
            duration_seconds: spec.lease_duration_seconds,
            acquire_time: spec.acquire_time.as_ref().map(micros),
            renew_time: spec.renew_time.as_ref().map(micros),
            transitions: spec.lease_transitions,
            strategy: spec.strategy,
            preferred_holder: spec.preferred_holder,
        },
        annotations,
        metadata: serde_json::to_string(&lease.metadata).unwrap_or_default(),
    }
}

/// The object that says `record`, for creation where it has no version.
pub(super) fn lease(record: &Record, config: &LeaseConfig) -> Lease {
    let kept: ObjectMeta = serde_json::from_str(&record.metadata).unwrap_or_default();
    let spec = record.spec.clone();
    Lease {
        metadata: ObjectMeta {
            name: Some(config.name.clone()),
            namespace: Some(config.namespace.clone()),
            resource_version: Some(record.version.0.clone()).filter(|version| !version.is_empty()),
            annotations: Some(record.annotations.clone()),
            ..kept
        },
        spec: Some(LeaseSpec {
            holder_identity: spec.holder,
            lease_duration_seconds: spec.duration_seconds,
            acquire_time: spec.acquire_time.and_then(time),
            renew_time: spec.renew_time.and_then(time),
            lease_transitions: spec.transitions,
            strategy: spec.strategy,
            preferred_holder: spec.preferred_holder,
        }),
    }
}

fn micros(time: &meta::MicroTime) -> MicroTime {
    MicroTime(time.0.as_microsecond())
}

/// `None` beyond the years that can be written (-9999 to 9999).
fn time(MicroTime(micros): MicroTime) -> Option<meta::MicroTime> {
    Timestamp::from_microsecond(micros).ok().map(meta::MicroTime)
}

/// Why a write failed.
pub(super) fn write_error(error: CallError, create: bool) -> WriteError {
    match error {
        CallError::Answer(Refusal::Conflict) => WriteError::Conflict,
        CallError::Answer(Refusal::AlreadyExists) => WriteError::AlreadyExists,
        // A creation that is "not found" lacks its namespace.
        CallError::Answer(Refusal::NotFound(_)) if !create => WriteError::NotFound,
        CallError::Answer(refusal) => WriteError::Failed(refusal.to_string()),
        CallError::Failed(text) | CallError::Denied(text) => WriteError::Failed(text),
    }
}
