//! What is said on the socket: one line of JSON each way, then the connection ends. Pure.

use serde::{Deserialize, Serialize};

use super::status::{Status, VERSION};

/// A request line is no longer than this, in bytes, its end included.
pub const LONGEST_REQUEST: usize = 1024;
/// Nor an answer: thousands of addresses with dozens of peers each fit.
pub const LONGEST_ANSWER: usize = 64 << 20;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// What is wanted.
    pub command: Command,
    /// Of a drain: whether it outlasts this process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// The document.
    Status,
    /// Announce nothing, hand the lease over, and stand for no election. The answer comes before that is done.
    Drain,
    /// The opposite.
    Undrain,
}

impl Request {
    /// A request in this version.
    #[must_use]
    pub const fn new(command: Command) -> Self {
        Self { version: VERSION, command, persistent: false }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The document; after `drain` and `undrain` too, as things stood then.
    Status(Box<Status>),
    /// Why nothing was done: a fragment that fits after "failed to ...".
    Error(String),
}
