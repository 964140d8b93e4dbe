//! vipcast puts a virtual IP in front of a Kubernetes control plane on bare metal.
//!
//! Each node runs one vipcast. The node that holds the lease binds the VIP and announces it to its routers; when its
//! entitlement runs out it stops by itself. Modules in the order of the data's way:
//!
//! ```text
//! argv, env ─► cli ─► config
//!                       │
//!   election ─ watch<Leadership> ─┐   may I speak?
//!   health   ─ watch<Health> ─────┴─► app joins them into plain Facts
//!                       │
//!   vip::desired(&Facts, now) ─► VipSet, each with its `until` ─► announce ─┬─► bgp::Speaker (adj_out → fsm → peer) ─► wire
//!                                                                           └─► net (addresses)
//! ```
//!
//! Whoever reads this page, `app.rs` and `vip/desired.rs` knows how it works. Without the feature `daemon` only the
//! pure part compiles: no clock, no socket, no async.

pub mod time;
pub mod vip;

pub mod config;

#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod clock;

pub mod election;
pub mod health;
#[cfg(feature = "daemon")]
pub mod kube;
pub mod provider;

#[cfg(feature = "daemon")]
pub mod announce;
pub mod bgp;
#[cfg(feature = "daemon")]
pub mod net;
pub mod wire;

pub mod control;

#[cfg(feature = "daemon")]
pub mod app;
#[cfg(feature = "daemon")]
pub mod http;
#[cfg(feature = "daemon")]
pub mod shutdown;
#[cfg(feature = "daemon")]
pub mod telemetry;
