//! Bidirectional Forwarding Detection: how a dead path is noticed within milliseconds (RFC 5880; single hop RFC 5881,
//! multihop RFC 5883).
//!
//! ```text
//! peer ─ Handle: aim(path), take_down() ─► Service ─► one plain thread: session ⇄ UDP sockets
//!   ▲                                                       │
//!   └──────────────────────── watch<Status> ◄───────────────┘
//! ```
//!
//! The thread shares no runtime with the BGP sessions: a busy runtime makes no false alarm. A frozen process sends
//! nothing, so the routers notice it.
//!
//! What this does not do: demand mode of our own, the echo function, authentication.

pub mod session;

#[cfg(feature = "daemon")]
mod service;
#[cfg(feature = "daemon")]
mod socket;
#[cfg(feature = "daemon")]
mod thread;

#[cfg(feature = "daemon")]
pub use service::{Handle, Service, Status};
#[cfg(feature = "daemon")]
pub use socket::{Path, Reach};
