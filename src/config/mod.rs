//! The configuration: one valid value, or all that is wrong with it at once. Pure.
//!
//! Two passes: words (flags and variables, by the table in [`options`]) become a [`RawConfig`] in which each value
//! knows where it came from; [`check`] turns that into a [`Config`], or into every mistake in it.

mod bfd;
mod change;
mod check;
mod compatibility;
mod file;
mod finding;
mod health;
mod items;
mod metal;
mod mpbgp;
pub mod options;
mod outlook;
mod password;
mod peer;
mod provided;
mod raw;
mod reference;
mod scalar;
mod settings;
mod types;
mod withheld;

pub use crate::vip::Attributes;
pub use check::{Checked, Command, Facts, check};
pub use compatibility::compatibility;
pub use file::{File, FileWords, Place, schema};
pub use finding::{Finding, Mistakes};
pub use health::{HealthConfig, HealthTarget};
#[cfg(feature = "daemon")]
pub(crate) use items::distance;
pub use metal::{MetalConfig, MetalDevice, MetalProject};
pub use outlook::{Failure, Outage, Prospect, ROUTER_SLACK, outlook, outlook_table};
pub use password::{FilePassword, password_files};
pub(crate) use peer::before_colon;
pub use peer::{asn, password_rules};
pub use provided::{Learned, Provided, ProvidedPeer, ProviderConfig};
pub use raw::{Given, Origin, RawConfig};
pub use reference::reference;
#[cfg(feature = "daemon")]
pub(crate) use scalar::go_bool;
pub use types::{
    BfdConfig, BgpConfig, Config, Connect, Hops, LeaseConfig, LogConfig, LogFormat, LogLevel, PeerConfig, PeerHost,
    Source,
};
pub use withheld::{Withheld, with_password_file, without_passwords};

#[cfg(test)]
mod tests;
