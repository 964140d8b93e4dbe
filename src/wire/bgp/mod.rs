//! BGP-4 messages (RFC 4271) of a stub announcer: OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH.
//!
//! A receiver cuts the stream with an [`Inbox`] and gives each message to [`decode`]; a sender calls [`encode`]. What
//! is wrong with a peer's bytes comes back as the [`Notification`] to send, or as the [`Outcome`] of an UPDATE that
//! does not end the session.
//!
//! What this does not do: it keeps no received route (they are checked as RFC 7606 says, counted and dropped), and
//! it knows no address family but IPv4 and IPv6 unicast.

mod attribute;
mod capability;
mod community;
mod header;
mod inbox;
mod multiprotocol;
mod next_hop;
mod notification;
mod open;
mod pack;
mod prefix;
mod update;

use std::net::Ipv4Addr;

use ipnetwork::IpNetwork;

pub use community::{Communities, Community, CommunityError};
pub use header::{HEADER_LEN, MAX_LEN, MessageType, frame_len, message_type};
pub use inbox::Inbox;
pub use next_hop::NextHop;
pub use notification::{ErrorCode, error};
pub use pack::Packer;

use crate::wire::reader::Reader;

/// An address family this speaker carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
}

impl Family {
    /// The family of a prefix.
    #[must_use]
    pub const fn of(prefix: IpNetwork) -> Self {
        match prefix {
            IpNetwork::V4(_) => Self::Ipv4Unicast,
            IpNetwork::V6(_) => Self::Ipv6Unicast,
        }
    }

    const fn afi_safi(self) -> (u16, u8) {
        match self {
            Self::Ipv4Unicast => (1, 1),
            Self::Ipv6Unicast => (2, 1),
        }
    }

    const fn from_afi_safi(afi: u16, safi: u8) -> Option<Self> {
        match (afi, safi) {
            (1, 1) => Some(Self::Ipv4Unicast),
            (2, 1) => Some(Self::Ipv6Unicast),
            _ => None,
        }
    }
}

/// A message a peer sent us, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// RFC 4271 §4.2.
    Open(Open),
    /// RFC 4271 §4.3: its routes are already dropped.
    Update(ReceivedUpdate),
    /// RFC 4271 §4.5.
    Notification(Notification),
    /// RFC 4271 §4.4.
    Keepalive,
    /// RFC 2918: the peer asks for our routes of a family again. `None`: a family or a form we do not carry; ignore.
    RouteRefresh(Option<Family>),
}

impl Message {
    /// Its type, as an error about it quotes it.
    #[must_use]
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::Open,
            Self::Update(_) => MessageType::Update,
            Self::Notification(_) => MessageType::Notification,
            Self::Keepalive => MessageType::Keepalive,
            Self::RouteRefresh(_) => MessageType::RouteRefresh,
        }
    }
}

/// A message we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// RFC 4271 §4.2.
    Open(Open),
    /// RFC 4271 §4.3.
    Update(Update),
    /// RFC 4271 §4.5.
    Notification(Notification),
    /// RFC 4271 §4.4.
    Keepalive,
    /// RFC 2918.
    RouteRefresh(Family),
}

/// An OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The AS number: the four-octet capability's where there is one (RFC 6793), else the field's.
    pub asn: u32,
    /// Seconds: 0, or 3 and more.
    pub hold_time: u16,
    /// The BGP Identifier.
    pub id: Ipv4Addr,
    /// In the order of the message.
    pub capabilities: Vec<Capability>,
}

/// A capability (RFC 5492).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// RFC 4760.
    Multiprotocol(Family),
    /// RFC 2918.
    RouteRefresh,
    /// RFC 6793.
    FourOctetAs(u32),
    /// RFC 8950: IPv4 unicast routes may have an IPv6 next hop. What else the capability lists is not kept.
    ExtendedNextHop,
    /// Any other, or a family we do not carry.
    Other {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What we tell a peer about routes: one thing a message (RFC 7606 §5.1), though of many prefixes by a [`Packer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A route.
    Announce(Route),
    /// No more a route to this prefix.
    Withdraw(IpNetwork),
    /// RFC 4724 §2: all routes of the family are sent.
    EndOfRib(Family),
}

/// One route as it stands in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destination.
    pub prefix: IpNetwork,
    /// Where to send its packets.
    pub next_hop: NextHop,
    /// AS_SEQUENCE, ours first; empty on iBGP. What is beyond 510 is not sent.
    pub as_path: Vec<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; an external peer is never sent one.
    pub local_pref: Option<u32>,
    /// COMMUNITIES, EXTENDED COMMUNITIES and LARGE_COMMUNITY. An external peer is not sent those that are to stay in
    /// our AS (RFC 4360 §6).
    pub communities: Communities,
}

/// What a received UPDATE amounted to. Its routes are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedUpdate {
    /// Prefixes announced, before any treat-as-withdraw.
    pub announced: usize,
    /// Prefixes withdrawn.
    pub withdrawn: usize,
    /// What was wrong with it that does not end the session.
    pub outcome: Outcome,
}

/// RFC 7606 §2: how an error in an UPDATE is handled, short of a session reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was wrong.
    Accepted,
    /// An attribute was ignored; the text names it.
    AttributeDiscard(String),
    /// The routes count as withdrawn; the text says why.
    TreatAsWithdraw(String),
}

/// A NOTIFICATION: the error that ends a session, ours or the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// RFC 4271 §4.5.
    pub code: u8,
    /// Its subcode.
    pub subcode: u8,
    /// What belongs to it; for Cease 6/2 and 6/4 the text of RFC 9003 with its length octet.
    pub data: Vec<u8>,
}

/// What was negotiated that changes the form of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Both sides speak four-octet AS numbers (RFC 6793): AS_PATH has them.
    pub four_octet_as: bool,
    /// The peer is in our own AS: LOCAL_PREF is expected, and AS_PATH may be empty.
    pub ibgp: bool,
}

/// One message, which an [`Inbox`] (or [`frame_len`]) has cut from the stream.
///
/// # Errors
/// What to tell the peer before closing, unless the message is itself a NOTIFICATION (see [`message_type`]).
pub fn decode(frame: &[u8], session: &Session) -> Result<Message, Notification> {
    let (kind, body) = header::split(frame)?;
    match kind {
        MessageType::Open => open::decode(body).map(Message::Open),
        MessageType::Update => update::decode(body, session).map(Message::Update),
        // The header's check has made sure of the two octets it needs.
        MessageType::Notification => notification::decode(body)
            .map(Message::Notification)
            .ok_or_else(|| Notification::plain(error::BAD_MESSAGE_LENGTH)),
        MessageType::Keepalive => Ok(Message::Keepalive),
        MessageType::RouteRefresh => Ok(Message::RouteRefresh(refreshed(body))),
    }
}

/// RFC 2918 §3. The third octet is reserved: its meaning in RFC 7313 is for peers that agreed on it. A longer one
/// carries filters (RFC 5291) that we did not agree on either.
fn refreshed(body: &[u8]) -> Option<Family> {
    let mut reader = Reader::new(body);
    let (afi, _reserved, safi) = (reader.u16()?, reader.u8()?, reader.u8()?);
    reader.is_empty().then(|| Family::from_afi_safi(afi, safi))?
}

/// The bytes of one message, at most [`MAX_LEN`].
#[must_use]
pub fn encode(message: &Outgoing, session: &Session) -> Vec<u8> {
    match message {
        Outgoing::Open(open) => header::frame(MessageType::Open, &open::encode(open)),
        Outgoing::Update(update) => header::frame(MessageType::Update, &update::encode(update, session)),
        Outgoing::Notification(notification) => {
            header::frame(MessageType::Notification, &notification::encode(notification))
        }
        Outgoing::Keepalive => header::frame(MessageType::Keepalive, &[]),
        Outgoing::RouteRefresh(family) => {
            let (afi, safi) = family.afi_safi();
            let [high, low] = afi.to_be_bytes();
            header::frame(MessageType::RouteRefresh, &[high, low, 0, safi])
        }
    }
}

#[cfg(test)]
mod tests;
