//! What a router shows: the paths in its table, and its sessions.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;

/// RFC 4271 §5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `i`
    Igp,
    /// `e`
    Egp,
    /// `?`
    Incomplete,
}

impl Origin {
    /// From the words the four programs use.
    pub(crate) fn from_word(word: &str) -> Result<Self> {
        match word.to_ascii_lowercase().as_str() {
            "igp" => Ok(Self::Igp),
            "egp" => Ok(Self::Egp),
            "incomplete" => Ok(Self::Incomplete),
            _ => anyhow::bail!("unknown origin {word:?}"),
        }
    }
}

/// A path in the router's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// `10.88.0.40/32`
    pub prefix: String,
    /// Where it points.
    pub next_hop: IpAddr,
    /// The AS path, nearest first.
    pub as_path: Vec<u32>,
    /// ORIGIN.
    pub origin: Origin,
    /// `MULTI_EXIT_DISC`, where sent. `OpenBGPD` shows 0 for none.
    pub med: Option<u32>,
    /// `LOCAL_PREF`, where the program shows it.
    pub local_pref: Option<u32>,
    /// Communities of all kinds in one notation: see [`super::communities`].
    pub communities: BTreeSet<String>,
    /// The one in use.
    pub best: bool,
}

/// A session as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The peer.
    pub peer: IpAddr,
    /// Whether it is up.
    pub established: bool,
    /// The state in the router's own word.
    pub state: String,
    /// Why it ended last, in the router's own words; empty where it keeps none.
    pub last_error: String,
}
