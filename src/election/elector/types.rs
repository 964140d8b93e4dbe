//! What goes into the elector and what comes out.

use std::fmt;

use super::draft::Origin;
use crate::election::Candidate;
use crate::election::fence::Notice;
use crate::election::record::{MicroTime, Record, Version};
use crate::time::Instant;

/// Now, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// The clock that entitlements are measured by.
    pub now: Instant,
    /// The wall clock: written into the record and the term's floor, never compared.
    pub wall: MicroTime,
}

/// Names one request to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The watch (or the list it began with) showed the object, or that there is none. It may be late: a watch lags
    /// behind writes, so what contradicts us here is asked for again before it is believed.
    Seen {
        /// The version at which this was so: the object's, or the list's or deletion's where it is gone.
        version: Version,
        /// The object; `None`: there is none.
        record: Option<Record>,
    },
    /// The answer to [`Action::Get`], a consistent read.
    Got {
        /// Which request.
        attempt: Attempt,
        /// The object, `None` where there is none, or why there was no answer.
        result: Result<Option<Record>, String>,
    },
    /// The answer to [`Action::Create`] or [`Action::Update`].
    Wrote {
        /// Which request.
        attempt: Attempt,
        /// The object as stored.
        result: Result<Record, WriteError>,
    },
}

/// Why a write was not done, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WriteError {
    /// Somebody wrote since the version we know (409).
    Conflict,
    /// There is no such object (404).
    NotFound,
    /// There is one already (409).
    AlreadyExists,
    /// Anything else; the write may have been done all the same.
    Failed(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read the object consistently (no resourceVersion), answer with [`Input::Got`].
    Get {
        /// Names the request.
        attempt: Attempt,
    },
    /// Create the object, answer with [`Input::Wrote`].
    Create {
        /// Names the request.
        attempt: Attempt,
        /// What to write.
        record: Record,
    },
    /// Replace the object if it still has the record's version, answer with [`Input::Wrote`].
    Update {
        /// Names the request.
        attempt: Attempt,
        /// What to write.
        record: Record,
    },
    /// Tell people.
    Report(Event),
}

/// What people want to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// We hold the lease and are entitled to speak.
    BecameHolder {
        /// Our term.
        term: u64,
    },
    /// The holder before us, a process by its instance id, offered it to us: it speaks until our routes are out.
    TookOver {
        /// Which.
        from: String,
    },
    /// We offer the lease.
    Offered {
        /// To this node.
        to: String,
    },
    /// A node that took our offer holds the lease; we speak until its routes are out.
    HandingOver {
        /// Its name.
        to: String,
    },
    /// The answer to [`super::Elector::hand_over`]: there is nothing more to wait for.
    HandedOver {
        /// Who has the lease; `None`: nobody took it, or it was not ours.
        to: Option<String>,
    },
    /// Of the fence by AS path.
    Fence(Notice),
    /// We are not entitled any more.
    Lost(Loss),
    /// Somebody on this node who is not this process uses our name.
    Twin {
        /// The instance id the record carries; kube-vip leaves ours or none.
        instance: Option<String>,
    },
    /// Another holder's lease duration is not ours: each waits for the longer.
    ConfigDiffers {
        /// Seconds in the record.
        record: i32,
        /// Seconds in our configuration.
        ours: i32,
    },
    /// Another holder than before was seen; `None`: nobody.
    NewHolder {
        /// Its name.
        holder: Option<String>,
    },
    /// The lease is given back, and we stand again: see [`Loss::GivesWay`].
    GaveWay,
    /// The lease is given back, or was not ours (any more).
    Released {
        /// Whether it was given back.
        given_back: bool,
    },
}

/// How an entitlement ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// No renewal was confirmed within the renew deadline.
    Expired,
    /// Somebody else holds it (`None`: somebody emptied it).
    Taken {
        /// Who.
        by: Option<String>,
    },
    /// The object was deleted.
    Deleted,
    /// The record is older than what we had written: etcd was restored.
    WentBack,
    /// A second process under our name renews it.
    Twin,
    /// We give it back ourselves.
    Released,
    /// We are not fit, and know nobody to hand it to, but others may stand that we do not know.
    GivesWay,
    /// The node that we handed it to speaks.
    HandedOver {
        /// Its name.
        to: String,
        /// Whether it said that its routes are out.
        acknowledged: bool,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("no renewal was confirmed within the renew deadline"),
            Self::Taken { by: Some(by) } => write!(f, "{by} holds it"),
            Self::Taken { by: None } => f.write_str("somebody else emptied it"),
            Self::Deleted => f.write_str("it was deleted"),
            Self::WentBack => f.write_str("the record is older than ours: etcd was restored"),
            Self::Twin => f.write_str("another process on this node renews it under our name"),
            Self::Released => f.write_str("we give it back"),
            Self::GivesWay => f.write_str("this node is not fit and knows no other vipcast: others may take it"),
            Self::HandedOver { to, acknowledged: true } => write!(f, "handed over to {to}, whose routes are out"),
            Self::HandedOver { to, acknowledged: false } => {
                write!(f, "handed over to {to}, which did not say in time that its routes are out")
            }
        }
    }
}

/// When what we know came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Freshness {
    /// A consistent answer that came after everything of ours that was answered.
    Certain,
    /// From the watch: perhaps late.
    PerhapsLate,
}

/// A write that was sent: what, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    pub attempt: Attempt,
    /// The moment before it was sent.
    pub sent: Instant,
    pub record: Record,
    pub kind: Kind,
}

/// What a write is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Claim {
        term: u64,
        origin: Origin,
    },
    Renewal {
        term: u64,
        /// Tells the holder before us that our routes are out.
        acknowledges: bool,
        /// To whom the lease is offered.
        offer: Option<Candidate>,
    },
    Release,
}

impl Kind {
    /// The term in which we hold the lease after it; `None`: we do not.
    pub(super) const fn term(&self) -> Option<u64> {
        match self {
            Self::Claim { term, .. } | Self::Renewal { term, .. } => Some(*term),
            Self::Release => None,
        }
    }
}

/// The lease in our hands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holding {
    pub record: Record,
    pub term: u64,
    pub until: Instant,
    pub renew_at: Instant,
    /// When we took it.
    pub taken_at: Instant,
    /// Who offered it to us speaks until we say that our routes are out.
    pub owes_word: bool,
    /// Whether they are.
    pub announced: bool,
    /// To whom it is offered.
    pub offer: Option<Candidate>,
    /// We are not entitled any more, and give it back then.
    pub gives_way: Option<Instant>,
}
