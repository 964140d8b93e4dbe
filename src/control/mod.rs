//! The control socket: what this node does and why, in one document, and draining it by hand.
//!
//! ```text
//! vipcast status ─► one JSON line ─► /run/vipcast/vipcast.sock ─► Server ─► Node (app) ─► one JSON line ─► table
//! ```
//!
//! What this does not do: it decides nothing. `app` joins the document from what the stations publish, and carries
//! out what is asked for.

#[cfg(feature = "daemon")]
pub mod client;
pub mod events;
pub mod protocol;
#[cfg(feature = "daemon")]
mod server;
pub mod status;
pub mod table;
pub mod wall;

#[cfg(feature = "daemon")]
pub use server::{Node, Server};
