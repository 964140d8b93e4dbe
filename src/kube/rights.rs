//! What an account may do, asked of the API itself.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use super::fault::CallError;

/// Something to do with objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The API group; empty: the core group.
    pub group: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// The verb of RBAC.
    pub verb: &'static str,
}

/// What a holder does each second.
pub const LEASE_WRITE: Right = Right { group: "coordination.k8s.io", resource: "leases", verb: "update" };

/// Whether the account of `client` may do that, in this namespace or in all. (Every account may ask.)
///
/// # Errors
/// When the API does not say within `limit`.
pub async fn may(client: Client, right: Right, namespace: Option<&str>, limit: Duration) -> Result<bool, CallError> {
    let attributes = ResourceAttributes {
        group: Some(right.group.to_owned()),
        resource: Some(right.resource.to_owned()),
        verb: Some(right.verb.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let (api, params) = (Api::<SelfSubjectAccessReview>::all(client), PostParams::default());
    let answer = tokio::time::timeout(limit, api.create(&params, &review)).await;
    let review = answer.map_err(|_| CallError::timeout(limit))?.map_err(CallError::from)?;
    Ok(review.status.is_some_and(|status| status.allowed))
}
