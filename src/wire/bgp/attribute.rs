//! Path attributes: how they stand in an UPDATE (RFC 4271 §4.3), and what is wrong with a received one and what that
//! costs (RFC 7606 §3, §7).

use super::notification::error;
use super::{Notification, Session, header, multiprotocol};
use crate::wire::hex::Hex;
use crate::wire::reader::Reader;

pub(super) const ORIGIN: u8 = 1;
pub(super) const AS_PATH: u8 = 2;
pub(super) const NEXT_HOP: u8 = 3;
pub(super) const MULTI_EXIT_DISC: u8 = 4;
pub(super) const LOCAL_PREF: u8 = 5;
const ATOMIC_AGGREGATE: u8 = 6;
const AGGREGATOR: u8 = 7;
pub(super) const COMMUNITIES: u8 = 8;
const ORIGINATOR_ID: u8 = 9;
const CLUSTER_LIST: u8 = 10;
pub(super) const MP_REACH_NLRI: u8 = 14;
pub(super) const MP_UNREACH_NLRI: u8 = 15;
pub(super) const EXTENDED_COMMUNITIES: u8 = 16;
pub(super) const AS4_PATH: u8 = 17;
const AS4_AGGREGATOR: u8 = 18;
const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
pub(super) const LARGE_COMMUNITIES: u8 = 32;
const ONLY_TO_CUSTOMER: u8 = 35;
const PREFIX_SID: u8 = 40;

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED_LENGTH: u8 = 0x10;

const WELL_KNOWN: u8 = TRANSITIVE;
const OPTIONAL_TRANSITIVE: u8 = OPTIONAL | TRANSITIVE;

/// The most ASNs of a path that are sent: two full segments, which fit a message in every form of the session.
pub(super) const MAX_AS_PATH: usize = 510;

/// One attribute of a received UPDATE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    flags: u8,
    pub(super) code: u8,
    pub(super) value: &'a [u8],
    /// All of it, as a NOTIFICATION quotes it.
    raw: &'a [u8],
}

/// What an attribute that is wrong costs, from the least to the most (RFC 7606 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The attribute is ignored.
    Discard(String),
    /// The routes of the UPDATE count as withdrawn.
    Withdraw(String),
    /// The session ends.
    Reset(Notification),
}

/// What RFC 7606 §7 does about one that is malformed.
#[derive(Clone, Copy)]
enum Remedy {
    Discard,
    Withdraw,
}

/// Name, the Optional and Transitive flags it must have, and what a malformed one costs.
const fn known(code: u8) -> Option<(&'static str, u8, Remedy)> {
    use Remedy::{Discard, Withdraw};
    Some(match code {
        ORIGIN => ("ORIGIN", WELL_KNOWN, Withdraw),
        AS_PATH => ("AS_PATH", WELL_KNOWN, Withdraw),
        NEXT_HOP => ("NEXT_HOP", WELL_KNOWN, Withdraw),
        MULTI_EXIT_DISC => ("MULTI_EXIT_DISC", OPTIONAL, Withdraw),
        LOCAL_PREF => ("LOCAL_PREF", WELL_KNOWN, Withdraw),
        ATOMIC_AGGREGATE => ("ATOMIC_AGGREGATE", WELL_KNOWN, Discard),
        AGGREGATOR => ("AGGREGATOR", OPTIONAL_TRANSITIVE, Discard),
        COMMUNITIES => ("COMMUNITIES", OPTIONAL_TRANSITIVE, Withdraw),
        ORIGINATOR_ID => ("ORIGINATOR_ID", OPTIONAL, Withdraw),
        CLUSTER_LIST => ("CLUSTER_LIST", OPTIONAL, Withdraw),
        MP_REACH_NLRI => ("MP_REACH_NLRI", OPTIONAL, Withdraw),
        MP_UNREACH_NLRI => ("MP_UNREACH_NLRI", OPTIONAL, Withdraw),
        EXTENDED_COMMUNITIES => ("EXTENDED_COMMUNITIES", OPTIONAL_TRANSITIVE, Withdraw),
        AS4_PATH => ("AS4_PATH", OPTIONAL_TRANSITIVE, Discard),
        AS4_AGGREGATOR => ("AS4_AGGREGATOR", OPTIONAL_TRANSITIVE, Discard),
        IPV6_EXTENDED_COMMUNITIES => ("IPV6_EXTENDED_COMMUNITIES", OPTIONAL_TRANSITIVE, Withdraw),
        LARGE_COMMUNITIES => ("LARGE_COMMUNITIES", OPTIONAL_TRANSITIVE, Withdraw),
        ONLY_TO_CUSTOMER => ("ONLY_TO_CUSTOMER", OPTIONAL_TRANSITIVE, Withdraw),
        PREFIX_SID => ("PREFIX_SID", OPTIONAL_TRANSITIVE, Discard),
        _ => return None,
    })
}

/// What a log calls an attribute: `LOCAL_PREF (5)`, `attribute 77`.
pub(super) fn label(code: u8) -> String {
    match known(code) {
        Some((name, ..)) => format!("{name} ({code})"),
        None => format!("attribute {code}"),
    }
}

impl<'a> Attribute<'a> {
    /// Takes the next one. `None`: what is left is too short for it (RFC 7606 §4).
    pub(super) fn take(reader: &mut Reader<'a>) -> Option<Self> {
        let mut ahead = *reader;
        let flags = ahead.u8()?;
        let code = ahead.u8()?;
        let value = if flags & EXTENDED_LENGTH == 0 { ahead.field8() } else { ahead.field16() }?;
        let raw = reader.take(reader.rest().len() - ahead.rest().len())?;
        Some(Self { flags, code, value, raw })
    }

    /// The NOTIFICATION that quotes this attribute.
    pub(super) fn quoted(&self, error: (u8, u8)) -> Notification {
        Notification::with_data(error, self.raw.to_vec())
    }

    /// Judges flags and value; of the two multiprotocol attributes only the flags.
    pub(super) fn check(&self, session: &Session) -> Result<(), Flaw> {
        let Some((_, flags, remedy)) = known(self.code) else { return self.check_unknown() };
        let name = label(self.code);
        if let Some(reason) = self.unwanted(session) {
            return Err(Flaw::Discard(format!("{name} {reason}")));
        }
        // RFC 7606 §3(c). The Partial bit is not judged.
        if self.flags & OPTIONAL_TRANSITIVE != flags {
            return Err(Flaw::Withdraw(format!("{name} has the wrong flags, 0x{:02x}", self.flags)));
        }
        if self.is_well_formed(session) {
            return Ok(());
        }
        let text = format!("{name} is malformed, {} octets: {}", self.value.len(), Hex(self.value));
        Err(match remedy {
            Remedy::Discard => Flaw::Discard(text),
            Remedy::Withdraw => Flaw::Withdraw(text),
        })
    }

    /// RFC 4271 §6.3: a well-known attribute is one we must know. An optional one we do not know is none of our
    /// business, whatever is in it: nothing is passed on.
    fn check_unknown(&self) -> Result<(), Flaw> {
        if self.flags & OPTIONAL == 0 {
            return Err(Flaw::Reset(self.quoted(error::UNRECOGNIZED_WELL_KNOWN)));
        }
        Ok(())
    }

    /// Why this peer should not have sent it, where that makes it void before it is looked at.
    fn unwanted(&self, session: &Session) -> Option<&'static str> {
        match self.code {
            // RFC 7606 §7.5, §7.9, §7.10
            LOCAL_PREF | ORIGINATOR_ID | CLUSTER_LIST if !session.ibgp => Some("is not for an external peer"),
            // RFC 6793 §4.1
            AS4_PATH | AS4_AGGREGATOR if session.four_octet_as => Some("is not for a session with four-octet ASNs"),
            _ => None,
        }
    }

    fn is_well_formed(&self, session: &Session) -> bool {
        let asn_len = if session.four_octet_as { 4 } else { 2 };
        let len = self.value.len();
        let list_of = |size| len != 0 && len.is_multiple_of(size);
        match self.code {
            ORIGIN => matches!(self.value, [0..=2]),
            AS_PATH => path_is_well_formed(self.value, asn_len, 2) && (session.ibgp || len != 0),
            NEXT_HOP => <[u8; 4]>::try_from(self.value).is_ok_and(|hop| !multiprotocol::is_martian(hop.into())),
            MULTI_EXIT_DISC | LOCAL_PREF | ORIGINATOR_ID | ONLY_TO_CUSTOMER => len == 4,
            ATOMIC_AGGREGATE => len == 0,
            AGGREGATOR => len == asn_len + 4 && !begins_with_as_zero(self.value, asn_len),
            AS4_AGGREGATOR => len == 8 && !begins_with_as_zero(self.value, 4),
            // RFC 6793 §6: confederation segments do not make this one malformed, and it may not be empty.
            AS4_PATH => path_is_well_formed(self.value, 4, 4) && len != 0,
            COMMUNITIES | CLUSTER_LIST => list_of(4),
            EXTENDED_COMMUNITIES => list_of(8),
            LARGE_COMMUNITIES => list_of(12),
            IPV6_EXTENDED_COMMUNITIES => list_of(20),
            PREFIX_SID => tlvs_fit(self.value),
            _ => true,
        }
    }
}

/// RFC 7606 §7.2: known segment types, whole segments, none of them empty; and no AS 0 (RFC 7607 §2).
///
/// The types run from AS_SET (1) and AS_SEQUENCE (2) to those of a confederation (3, 4), which we are never in.
fn path_is_well_formed(value: &[u8], asn_len: usize, last_type: u8) -> bool {
    let mut reader = Reader::new(value);
    while !reader.is_empty() {
        let (Some(kind), Some(count)) = (reader.u8(), reader.u8()) else { return false };
        let Some(asns) = reader.take(usize::from(count) * asn_len) else { return false };
        let known = (1..=last_type).contains(&kind);
        if !known || count == 0 || asns.chunks_exact(asn_len).any(|asn| begins_with_as_zero(asn, asn_len)) {
            return false;
        }
    }
    true
}

fn begins_with_as_zero(value: &[u8], asn_len: usize) -> bool {
    value.iter().take(asn_len).all(|&octet| octet == 0)
}

/// RFC 8669 §6: type octet, length in two octets, value, to the end.
fn tlvs_fit(value: &[u8]) -> bool {
    let mut reader = Reader::new(value);
    while !reader.is_empty() {
        if reader.u8().and_then(|_| reader.field16()).is_none() {
            return false;
        }
    }
    true
}

/// Octets that [`push`] appends for a value of this length.
pub(super) const fn encoded_len(len: usize) -> usize {
    if len > u8::MAX as usize { 4 + len } else { 3 + len }
}

/// Appends an attribute that the table above knows, with its flags; the length has two octets where one does not do.
pub(super) fn push(out: &mut Vec<u8>, code: u8, value: &[u8]) {
    let flags = known(code).map_or(OPTIONAL, |(_, flags, _)| flags);
    match u8::try_from(value.len()) {
        Ok(len) => out.extend([flags, code, len]),
        Err(_) => {
            out.extend([flags | EXTENDED_LENGTH, code]);
            out.extend(header::len16(value.len()));
        }
    }
    out.extend(value);
}

/// The value of a path of one AS_SEQUENCE, in segments of at most 255; ASNs beyond [`MAX_AS_PATH`] are left out.
pub(super) fn encode_path(path: &[u32], asn: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    const AS_SEQUENCE: u8 = 2;
    let mut value = Vec::new();
    for segment in path.get(..MAX_AS_PATH).unwrap_or(path).chunks(usize::from(u8::MAX)) {
        value.extend([AS_SEQUENCE, header::len8(segment.len())]);
        value.extend(segment.iter().copied().flat_map(&asn));
    }
    value
}
