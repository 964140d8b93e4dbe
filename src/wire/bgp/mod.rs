//! BGP-4 messages (RFC 4271) of a stub announcer: OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH.
//!
//! What this does not do: it keeps no received route (they are checked as RFC 7606 says, counted and dropped), and
//! it knows no address family but IPv4 and IPv6 unicast.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

/// An address family this speaker carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
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
    /// Any other, or a family we do not carry.
    Other {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What we tell a peer about routes: one thing a message (RFC 7606 §5.1).
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
    /// Where to send its packets; of the prefix's family.
    pub next_hop: IpAddr,
    /// AS_SEQUENCE, ours first; empty on iBGP.
    pub as_path: Vec<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, iBGP only.
    pub local_pref: Option<u32>,
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
