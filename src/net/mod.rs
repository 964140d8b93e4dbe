//! The kernel's addresses and links, over rtnetlink.
//!
//! Whose addresses may be removed: those marked as ours, and the configured VIPs where they are host addresses on the
//! configured interface (a crash, or kube-vip, may have left them there). Nothing else is ever touched.

mod address;
mod connections;
mod identity;
mod links;

pub use address::{Addresses, Error};
pub use identity::{Identity, router_id};
pub use links::{Link, LinkWatch, Links, Owners};
