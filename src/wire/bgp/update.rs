//! UPDATE (RFC 4271 §4.3): what a received one amounts to under RFC 7606, and the three kinds we send.

use ipnetwork::IpNetwork;

use super::attribute::{self, Attribute, Flaw};
use super::notification::error;
use super::{Communities, Community, Family, NextHop, Notification, Outcome, ReceivedUpdate, Route, Session, Update};
use super::{header, multiprotocol, open, prefix};
use crate::wire::reader::Reader;

/// # Errors
/// What RFC 7606 leaves to a session reset: lengths that do not fit, prefixes that cannot be read, an unknown
/// well-known attribute, a multiprotocol attribute twice or unreadable.
pub(super) fn decode(body: &[u8], session: &Session) -> Result<ReceivedUpdate, Notification> {
    let malformed = || Notification::plain(error::MALFORMED_ATTRIBUTE_LIST);
    let invalid = || Notification::plain(error::INVALID_NETWORK_FIELD);
    let mut reader = Reader::new(body);
    let withdrawn = reader.field16().ok_or_else(malformed)?;
    let attributes = reader.field16().ok_or_else(malformed)?;
    let announced = prefix::count(reader.rest(), Family::Ipv4Unicast).ok_or_else(invalid)?;
    let withdrawn = prefix::count(withdrawn, Family::Ipv4Unicast).ok_or_else(invalid)?;
    let mut scan = Scan::new(announced, withdrawn);
    scan.attributes(attributes, session)?;
    scan.finish(announced != 0, session)
}

/// What is known of an UPDATE while its attributes are read.
struct Scan {
    seen: [bool; 256],
    /// An MP_REACH_NLRI of a family of ours was there.
    reach_of_ours: bool,
    announced: usize,
    withdrawn: usize,
    outcome: Outcome,
}

impl Scan {
    const fn new(announced: usize, withdrawn: usize) -> Self {
        Self { seen: [false; 256], reach_of_ours: false, announced, withdrawn, outcome: Outcome::Accepted }
    }

    fn attributes(&mut self, block: &[u8], session: &Session) -> Result<(), Notification> {
        let mut reader = Reader::new(block);
        while !reader.is_empty() {
            let Some(attribute) = Attribute::take(&mut reader) else {
                // RFC 7606 §4: the block's own length still says where the prefixes begin.
                self.withdraw("the attributes end in the middle of one".to_owned());
                return Ok(());
            };
            if self.mark_seen(attribute.code) {
                self.duplicate(attribute.code)?;
                continue;
            }
            match attribute.check(session) {
                Ok(()) => {}
                Err(Flaw::Discard(text)) => self.discard(text),
                Err(Flaw::Withdraw(text)) => self.withdraw(text),
                Err(Flaw::Reset(notification)) => return Err(notification),
            }
            self.multiprotocol(&attribute)?;
        }
        Ok(())
    }

    /// Whether it was seen before.
    fn mark_seen(&mut self, code: u8) -> bool {
        self.seen.get_mut(usize::from(code)).is_some_and(|seen| std::mem::replace(seen, true))
    }

    fn has_seen(&self, code: u8) -> bool {
        self.seen.get(usize::from(code)).is_some_and(|&seen| seen)
    }

    /// RFC 7606 §3(g): the first one counts, but which of two sets of prefixes is meant nobody can say.
    fn duplicate(&mut self, code: u8) -> Result<(), Notification> {
        if matches!(code, attribute::MP_REACH_NLRI | attribute::MP_UNREACH_NLRI) {
            return Err(Notification::plain(error::MALFORMED_ATTRIBUTE_LIST));
        }
        self.discard(format!("{} is there twice", attribute::label(code)));
        Ok(())
    }

    fn multiprotocol(&mut self, attribute: &Attribute<'_>) -> Result<(), Notification> {
        let unreadable = || attribute.quoted(error::OPTIONAL_ATTRIBUTE);
        match attribute.code {
            attribute::MP_REACH_NLRI => {
                if let Some(reach) = multiprotocol::decode_reach(attribute.value).ok_or_else(unreadable)? {
                    self.reach_of_ours = true;
                    self.announced += reach.count;
                    if reach.martian {
                        self.withdraw(format!("{} has no usable next hop", attribute::label(attribute.code)));
                    }
                }
            }
            attribute::MP_UNREACH_NLRI => {
                let count = multiprotocol::decode_unreach(attribute.value).ok_or_else(unreadable)?;
                self.withdrawn += count.unwrap_or(0);
            }
            _ => {}
        }
        Ok(())
    }

    /// The first text of the gravest outcome stays.
    fn discard(&mut self, text: String) {
        if self.outcome == Outcome::Accepted {
            self.outcome = Outcome::AttributeDiscard(text);
        }
    }

    fn withdraw(&mut self, text: String) {
        if !matches!(self.outcome, Outcome::TreatAsWithdraw(_)) {
            self.outcome = Outcome::TreatAsWithdraw(text);
        }
    }

    fn finish(mut self, has_nlri: bool, session: &Session) -> Result<ReceivedUpdate, Notification> {
        if let Some(code) = self.missing(has_nlri, session) {
            self.withdraw(format!("{} is missing", attribute::label(code)));
        }
        // RFC 7606 §5.2: without a prefix nobody knows which routes the broken attributes were meant for.
        let reaches = has_nlri || self.has_seen(attribute::MP_REACH_NLRI);
        if !reaches && matches!(self.outcome, Outcome::TreatAsWithdraw(_)) {
            return Err(Notification::plain(error::MALFORMED_ATTRIBUTE_LIST));
        }
        Ok(ReceivedUpdate { announced: self.announced, withdrawn: self.withdrawn, outcome: self.outcome })
    }

    /// The first mandatory attribute that is not there (RFC 4271 §5, RFC 4760 §3, RFC 7606 §3(d)).
    fn missing(&self, has_nlri: bool, session: &Session) -> Option<u8> {
        let routes = has_nlri || self.reach_of_ours;
        [
            (attribute::ORIGIN, routes),
            (attribute::AS_PATH, routes),
            (attribute::NEXT_HOP, has_nlri),
            (attribute::LOCAL_PREF, routes && session.ibgp),
        ]
        .into_iter()
        .find_map(|(code, mandatory)| (mandatory && !self.has_seen(code)).then_some(code))
    }
}

pub(super) fn encode(update: &Update, session: &Session) -> Vec<u8> {
    match update {
        Update::Announce(Route { prefix, .. }) | Update::Withdraw(prefix) => encode_all(update, &[*prefix], session),
        Update::EndOfRib(_) => encode_all(update, &[], session),
    }
}

/// The same of all these prefixes, which are of one family.
pub(super) fn encode_all(update: &Update, prefixes: &[IpNetwork], session: &Session) -> Vec<u8> {
    match update {
        Update::Announce(route) => announce(route, prefixes, session),
        Update::Withdraw(IpNetwork::V4(_)) => body(&field(prefixes), &[], &[]),
        Update::Withdraw(IpNetwork::V6(_)) => unreach(Family::Ipv6Unicast, prefixes),
        Update::EndOfRib(Family::Ipv4Unicast) => body(&[], &[], &[]),
        Update::EndOfRib(Family::Ipv6Unicast) => unreach(Family::Ipv6Unicast, &[]),
    }
}

/// Attributes in the order of their codes (RFC 4271 §5), but MP_REACH_NLRI before them all (RFC 7606 §5.1).
fn announce(route: &Route, prefixes: &[IpNetwork], session: &Session) -> Vec<u8> {
    let mut attributes = Vec::with_capacity(96);
    let own_next_hop = match (route.prefix, route.next_hop) {
        (IpNetwork::V4(_), NextHop::V4(next_hop)) => Some(next_hop.octets()),
        (IpNetwork::V4(_), NextHop::V6 { .. }) | (IpNetwork::V6(_), NextHop::V4(_) | NextHop::V6 { .. }) => None,
    };
    if own_next_hop.is_none() {
        let value = multiprotocol::encode_reach(Family::of(route.prefix), prefixes, route.next_hop);
        attribute::push(&mut attributes, attribute::MP_REACH_NLRI, &value);
    }
    attribute::push(&mut attributes, attribute::ORIGIN, &[0]); // IGP
    attribute::push(&mut attributes, attribute::AS_PATH, &as_path(&route.as_path, session));
    if let Some(next_hop) = own_next_hop {
        attribute::push(&mut attributes, attribute::NEXT_HOP, &next_hop);
    }
    if let Some(med) = route.med {
        attribute::push(&mut attributes, attribute::MULTI_EXIT_DISC, &med.to_be_bytes());
    }
    // RFC 4271 §5.1.5: never to an external peer.
    if let Some(local_pref) = route.local_pref.filter(|_| session.ibgp) {
        attribute::push(&mut attributes, attribute::LOCAL_PREF, &local_pref.to_be_bytes());
    }
    let nlri = own_next_hop.map(|_| field(prefixes)).unwrap_or_default();
    last_attributes(&mut attributes, nlri.len(), route, session);
    body(&[], &attributes, &nlri)
}

/// From COMMUNITIES (8) on: the communities, with AS4_PATH (17) among them.
fn last_attributes(attributes: &mut Vec<u8>, nlri_len: usize, route: &Route, session: &Session) {
    let mut as4_path = Vec::new();
    if !session.four_octet_as && route.as_path.iter().any(|&asn| asn > u32::from(u16::MAX)) {
        attribute::push(&mut as4_path, attribute::AS4_PATH, &four_octet_path(&route.as_path));
    }
    let taken = header::HEADER_LEN + 4 + attributes.len() + as4_path.len() + nlri_len;
    let mut room = header::MAX_LEN.saturating_sub(taken);
    let [standard, extended, large] = community_values(&route.communities, session);
    push_list(attributes, &mut room, attribute::COMMUNITIES, &standard, 4);
    push_list(attributes, &mut room, attribute::EXTENDED_COMMUNITIES, &extended, 8);
    attributes.extend(as4_path);
    push_list(attributes, &mut room, attribute::LARGE_COMMUNITIES, &large, 12);
}

/// The values of the three attributes, sorted; RFC 4360 §6: non-transitive ones do not leave the AS.
fn community_values(communities: &Communities, session: &Session) -> [Vec<u8>; 3] {
    let [mut standard, mut extended, mut large] = [(); 3].map(|()| Vec::new());
    for community in communities.iter().filter(|community| session.ibgp || community.is_transitive()) {
        match community {
            Community::Standard(number) => standard.extend(number.to_be_bytes()),
            Community::Extended(octets) => extended.extend(octets),
            Community::Large { asn, first, second } => {
                large.extend([asn, first, second].map(u32::to_be_bytes).concat())
            }
        }
    }
    [standard, extended, large]
}

/// Appends an attribute of the values of `size` octets each, as many as there is room for in the message; none at all
/// where there are none.
fn push_list(out: &mut Vec<u8>, room: &mut usize, code: u8, values: &[u8], size: usize) {
    let fits = |len: usize| attribute::encoded_len(len) <= *room;
    let len = if fits(values.len()) {
        values.len()
    } else {
        (1..).map(|n| n * size).take_while(|&len| fits(len)).last().unwrap_or(0)
    };
    if let Some(values) = values.get(..len).filter(|values| !values.is_empty()) {
        attribute::push(out, code, values);
        *room = room.saturating_sub(attribute::encoded_len(len));
    }
}

/// RFC 6793 §4.2.2: to a peer with two octets, AS_TRANS stands for what does not fit, and AS4_PATH has the truth.
fn as_path(path: &[u32], session: &Session) -> Vec<u8> {
    if session.four_octet_as {
        return four_octet_path(path);
    }
    attribute::encode_path(path, |asn| u16::try_from(asn).unwrap_or(open::AS_TRANS).to_be_bytes().to_vec())
}

fn four_octet_path(path: &[u32]) -> Vec<u8> {
    attribute::encode_path(path, |asn| asn.to_be_bytes().to_vec())
}

fn unreach(family: Family, withdrawn: &[IpNetwork]) -> Vec<u8> {
    let mut attributes = Vec::new();
    attribute::push(&mut attributes, attribute::MP_UNREACH_NLRI, &multiprotocol::encode_unreach(family, withdrawn));
    body(&[], &attributes, &[])
}

fn field(prefixes: &[IpNetwork]) -> Vec<u8> {
    let mut field = Vec::new();
    prefixes.iter().for_each(|&prefix| prefix::encode(prefix, &mut field));
    field
}

fn body(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + withdrawn.len() + attributes.len() + nlri.len());
    body.extend(header::len16(withdrawn.len()));
    body.extend(withdrawn);
    body.extend(header::len16(attributes.len()));
    body.extend(attributes);
    body.extend(nlri);
    body
}
