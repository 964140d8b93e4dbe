//! Equinix Metal, formerly Packet: what its API says of this node's BGP sessions, and who has an Elastic IP there.
//!
//! `answers` and `fault` are pure: what an answer means, and what a refusal; [`Metal`] asks.

#[cfg_attr(not(feature = "daemon"), expect(dead_code, reason = "who asks is in the shell"))]
mod answers;
#[cfg(feature = "daemon")]
mod client;
mod fault;
#[cfg(feature = "daemon")]
mod follower;

pub use answers::{Assignment, Device};
#[cfg(feature = "daemon")]
pub use client::{Assignments, Metal};
pub use fault::{Again, Fault, pause};
#[cfg(feature = "daemon")]
pub(super) use follower::Follower;
