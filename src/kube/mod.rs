//! The way to the Kubernetes API: which servers to ask, in which order, and what their refusals mean.
//!
//! [`Endpoints::new`] gives the list and the [`Keeper`] that keeps it; each user of the API takes a [`Route`] and
//! calls through it. A call lasts no longer than its limit, is never repeated behind the caller's back, and a server
//! that does not answer it is left for the next one.

mod asker;
mod credentials;
mod endpoints;
mod fault;
mod follow;
mod https;
#[cfg(test)]
pub(crate) mod mock;
pub mod rights;
mod route;
mod validity;

pub use asker::{Asker, Question, Trouble};
pub use credentials::CredentialsError;
pub use endpoints::{Endpoint, Endpoints, Keeper, Settings, endpoints_now};
pub use fault::{CallError, Refusal};
pub use follow::{Follow, Scope, Seen, Select};
pub use https::{Https, HttpsAnswer, HttpsError, HttpsRequest};
pub use route::Route;
pub use validity::{Validity, validity};
