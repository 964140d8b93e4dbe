//! UPDATEs in as few messages as they fit: routes with the same attributes share them (RFC 4271 §4.3), and so do
//! withdrawals of a family their message.

use ipnetwork::IpNetwork;

use super::header::{self, MAX_LEN};
use super::{Family, MessageType, Route, Session, Update, prefix, update};

/// Takes UPDATEs in the order in which they are to be told. Only neighbours share a message: the order stays.
#[derive(Debug)]
pub struct Packer<'a> {
    session: &'a Session,
    bytes: Vec<u8>,
    open: Option<Open>,
}

/// A message that others may still join.
#[derive(Debug)]
struct Open {
    first: Update,
    /// It alone.
    alone: Vec<u8>,
    /// All prefixes, the first one's too.
    prefixes: Vec<IpNetwork>,
    /// The message's length so far.
    len: usize,
}

impl<'a> Packer<'a> {
    /// Messages for this session.
    #[must_use]
    pub const fn new(session: &'a Session) -> Self {
        Self { session, bytes: Vec::new(), open: None }
    }

    /// The next thing to tell.
    pub fn push(&mut self, update: Update) {
        if let (Some(prefix), Some(open)) = (prefix_of(&update), &mut self.open)
            && open.takes(&update, prefix)
        {
            open.len += prefix::len(prefix);
            return open.prefixes.push(prefix);
        }
        self.close();
        let alone = header::frame(MessageType::Update, &update::encode(&update, self.session));
        match prefix_of(&update) {
            Some(prefix) => {
                let len = alone.len();
                self.open = Some(Open { first: update, alone, prefixes: vec![prefix], len });
            }
            None => self.bytes.extend(alone),
        }
    }

    /// How many bytes that is so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.open.as_ref().map_or(0, |open| open.len)
    }

    /// Whether nothing was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.close();
        self.bytes
    }

    fn close(&mut self) {
        let Some(Open { first, alone, prefixes, .. }) = self.open.take() else { return };
        if prefixes.len() == 1 {
            return self.bytes.extend(alone);
        }
        self.bytes.extend(header::frame(MessageType::Update, &update::encode_all(&first, &prefixes, self.session)));
    }
}

impl Open {
    fn takes(&self, update: &Update, prefix: IpNetwork) -> bool {
        /// An attribute of more than 255 octets has a length of two (RFC 4271 §4.3).
        const EXTENDED: usize = 1;
        let is_alike = match (&self.first, update) {
            (Update::Announce(first), Update::Announce(route)) => shares(first, route),
            (Update::Withdraw(first), Update::Withdraw(_)) => Family::of(*first) == Family::of(prefix),
            (Update::Announce(_) | Update::Withdraw(_) | Update::EndOfRib(_), _) => false,
        };
        is_alike && self.len + prefix::len(prefix) + EXTENDED <= MAX_LEN
    }
}

const fn prefix_of(update: &Update) -> Option<IpNetwork> {
    match update {
        Update::Announce(route) => Some(route.prefix),
        Update::Withdraw(prefix) => Some(*prefix),
        Update::EndOfRib(_) => None,
    }
}

/// Whether all but their prefixes is the same.
fn shares(one: &Route, other: &Route) -> bool {
    let Route { prefix, next_hop, as_path, med, local_pref, communities } = one;
    Family::of(*prefix) == Family::of(other.prefix)
        && (next_hop, as_path, med) == (&other.next_hop, &other.as_path, &other.med)
        && (local_pref, communities) == (&other.local_pref, &other.communities)
}
