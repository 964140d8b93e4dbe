//! What the rest of the program may know about a peer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnetwork::IpNetwork;
use tokio::sync::watch;

use crate::bgp::adj_out::Unsendable;
use crate::bgp::bfd;
use crate::bgp::fsm::{Negotiated, StateName};
use crate::bgp::settings::PeerKey;
use crate::time::{Instant, Until};

/// How a peer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Whether there is a password for it (TCP-MD5).
    pub has_password: bool,
    /// The state of its session.
    pub state: StateName,
    /// Since when.
    pub since: Instant,
    /// The address of the router that was found last, where the peer is unnumbered.
    pub found: Option<Ipv6Addr>,
    /// Our end of the connection.
    pub local: Option<SocketAddr>,
    /// What was negotiated, in OpenConfirm (from its OPEN on) and Established; its hold time bounds how long the peer
    /// keeps our routes when we vanish.
    pub negotiated: Option<Negotiated>,
    /// Routes that the peer may hold from us or is about to be told: announced, or withdrawn and not known to be
    /// delivered. An address may be taken down once no peer has it here: whatever a peer is going to be told
    /// stands here before the sender of the routes can send the next set.
    pub outstanding: BTreeSet<IpNetwork>,
    /// Routes the peer was told, and since when.
    pub announced: BTreeMap<IpNetwork, Instant>,
    /// Where the peer is known to have all routes as they are wanted, delivered: the first end of their entitlements,
    /// which tells one set of wishes from the next.
    pub settled: Option<Until>,
    /// Routes that are wanted but cannot be sent to this peer, and why.
    pub unsendable: BTreeMap<IpNetwork, Unsendable>,
    /// How often the session came up.
    pub established_count: u64,
    /// How its BFD session stands, where it has one.
    pub bfd: Option<bfd::Status>,
    /// Why the last session or attempt ended.
    pub last_error: Option<String>,
    /// Why the last session that was up ended.
    pub last_down: Option<Said>,
    /// The last NOTIFICATION to the peer.
    pub last_sent: Option<Said>,
    /// The last NOTIFICATION from it.
    pub last_received: Option<Said>,
}

/// Something that was said once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: Instant,
    /// What, on one line.
    pub text: String,
}

impl PeerStatus {
    /// How a peer stands that was never dialled.
    #[must_use]
    pub const fn unknown(now: Instant, has_password: bool) -> Self {
        Self {
            has_password,
            state: StateName::Idle,
            since: now,
            found: None,
            local: None,
            negotiated: None,
            outstanding: BTreeSet::new(),
            announced: BTreeMap::new(),
            settled: None,
            unsendable: BTreeMap::new(),
            established_count: 0,
            bfd: None,
            last_error: None,
            last_down: None,
            last_sent: None,
            last_received: None,
        }
    }

    /// Whether the session is up.
    #[must_use]
    pub const fn established(&self) -> bool {
        matches!(self.state, StateName::Established)
    }
}

/// The status of all peers, each written by its own task.
pub(in crate::bgp) type Board = watch::Sender<BTreeMap<PeerKey, PeerStatus>>;

/// One peer's place on the board.
#[derive(Debug)]
pub(in crate::bgp) struct Report {
    board: Arc<Board>,
    key: PeerKey,
}

impl Report {
    pub(in crate::bgp) const fn new(board: Arc<Board>, key: PeerKey) -> Self {
        Self { board, key }
    }

    /// The other peers, with a password or without, that were silent at any time since `began`: dialled in vain, or
    /// still being dialled.
    pub(super) fn silent_since(&self, began: Instant, has_password: bool) -> Vec<PeerKey> {
        let board = self.board.borrow();
        let is_silent = |status: &PeerStatus| match status.state {
            // What dials us in vain is counted as what we dial.
            StateName::Connect | StateName::Active => true,
            StateName::Idle => status.since >= began,
            StateName::OpenSent | StateName::OpenConfirm | StateName::Established => false,
        };
        let others = board.iter().filter(|(key, status)| **key != self.key && status.has_password == has_password);
        others.filter(|(_, status)| is_silent(status)).map(|(key, _)| key.clone()).collect()
    }

    /// Changes the status; who watches is told only if that made a difference.
    pub(super) fn update(&self, change: impl FnOnce(&mut PeerStatus)) {
        self.board.send_if_modified(|board| {
            let Some(status) = board.get_mut(&self.key) else { return false };
            let before = status.clone();
            change(status);
            *status != before
        });
    }
}
