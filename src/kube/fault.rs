//! What an API server's refusal or silence means: an answer, or a reason to ask the next one.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;

/// Why a call has no result.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallError {
    /// An answer: another server would say the same.
    #[error("{0}")]
    Answer(Refusal),
    /// No answer of use; the next call asks the next server.
    #[error("{0}")]
    Failed(String),
    /// This account may not do that (403). As [`CallError::Failed`]: a server that has just started knows nobody's rights yet.
    #[error("{0}")]
    Denied(String),
}

/// What the API refused, as far as it matters to callers.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// The object changed since the version sent (409 Conflict).
    #[error("the object changed meanwhile")]
    Conflict,
    /// There is such an object (409 AlreadyExists).
    #[error("the object exists already")]
    AlreadyExists,
    /// There is no such object (404); for a creation: no such namespace.
    #[error("not found: {0}")]
    NotFound(String),
    /// The watch's version is too old (410): list anew.
    #[error("the version is too old")]
    Expired,
    /// The request is refused for what it says (400, 422 …).
    #[error("refused ({code} {reason}): {message}")]
    Other {
        /// The HTTP status.
        code: u16,
        /// Kubernetes' word for it.
        reason: String,
        /// Its explanation.
        message: String,
    },
}

impl CallError {
    /// The call took longer than `limit`.
    pub(super) fn timeout(limit: Duration) -> Self {
        Self::Failed(format!("no answer within {limit:?}"))
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => status_error(&status),
            other => Self::Failed(connection_error(&chain(&other))),
        }
    }
}

/// The meaning of a `Status`. A 404 without Kubernetes' own reason comes from something else that listens there.
pub(super) fn status_error(status: &Status) -> CallError {
    let refusal = match (status.code, status.reason.as_str()) {
        (409, "AlreadyExists") => Refusal::AlreadyExists,
        (409, _) => Refusal::Conflict,
        (404, "NotFound") => Refusal::NotFound(status.message.clone()),
        (410, _) => Refusal::Expired,
        (401, _) => {
            return failed(status, "the credentials are not accepted; renew the kubeconfig (kubeadm certs renew)");
        }
        (403, _) => return CallError::Denied(text(status, "not permitted; grant vipcast kube-vip's ClusterRole")),
        (404 | 408 | 429, _) => return failed(status, "the server cannot answer now"),
        (code, reason) if (400..500).contains(&code) => {
            Refusal::Other { code, reason: reason.to_owned(), message: status.message.clone() }
        }
        (_, _) => return failed(status, "the server has a fault"),
    };
    CallError::Answer(refusal)
}

fn failed(status: &Status, meaning: &str) -> CallError {
    CallError::Failed(text(status, meaning))
}

fn text(status: &Status, meaning: &str) -> String {
    format!("{meaning} ({} {}: {})", status.code, status.reason, status.message)
}

/// Names a certificate fault as what it is: of configuration.
fn connection_error(text: &str) -> String {
    if text.contains("peer certificate") || text.contains("UnknownIssuer") {
        return format!(
            "{text} (a fault of configuration: the API server's certificate must be signed by the kubeconfig's CA and \
             name the server, `kubernetes` where it is reached by address)"
        );
    }
    text.to_owned()
}

/// An error with all that caused it; what a cause repeats is said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
