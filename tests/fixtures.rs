//! Replays `bgp-fixtures/`: what real routers sent is read as it was meant, and written again as the same.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic, and says where")]

#[path = "../bgp-fixtures/format.rs"]
mod format;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use bytes::Bytes;
use format::{Fixture, read_all};
use ipnetwork::IpNetwork;
use rustbgpd_wire::{AsPathSegment, ParsedUpdate, PathAttribute, decode_message};
use vipcast::wire::bgp::{
    Capability, Communities, Community, Family, Message, NextHop, Notification, Outcome, Outgoing, ReceivedUpdate,
    Route, Session, Update, decode, encode, frame_len,
};

fn fixtures(kind: &str) -> Vec<Fixture> {
    read_all(Path::new("bgp-fixtures")).into_iter().filter(|fixture| fixture.one("kind") == kind).collect()
}

fn session(fixture: &Fixture) -> Session {
    match fixture.one("session") {
        "external, four-octet AS" => Session { four_octet_as: true, ibgp: false },
        "internal, four-octet AS" => Session { four_octet_as: true, ibgp: true },
        other => panic!("{}: session {other:?}", fixture.name),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Said of a route whose next hop is a loopback address, as OpenBGPD 7.7 sends for IPv6 over IPv4: it is checked and
/// counts as withdrawn (RFC 4271 §6.3, RFC 7606 §7.11).
const NOBODY: &str = " by way of nobody";

/// A message in the fixtures' own notation. Of an UPDATE we keep how many routes there are, not which.
fn said(message: &Message) -> String {
    match message {
        Message::Open(open) => {
            let words: Vec<String> = open.capabilities.iter().map(capability).collect();
            let words = words.join(" ");
            format!("OPEN as {} hold {} id {} capabilities [{words}]", open.asn, open.hold_time, open.id)
        }
        Message::Update(ReceivedUpdate { announced, withdrawn, outcome }) => {
            let way = match outcome {
                Outcome::Accepted => "",
                Outcome::TreatAsWithdraw(why) if why == "MP_REACH_NLRI (14) has no usable next hop" => NOBODY,
                other => panic!("{other:?}"),
            };
            format!("UPDATE announces {announced} withdraws {withdrawn}{way}")
        }
        Message::Notification(notification) => {
            let Notification { code, subcode, data } = notification;
            match notification.text() {
                Some(text) => format!("NOTIFICATION {code}/{subcode} {text:?}"),
                None if data.is_empty() => format!("NOTIFICATION {code}/{subcode}"),
                None => format!("NOTIFICATION {code}/{subcode} 0x{}", hex(data)),
            }
        }
        Message::Keepalive => "KEEPALIVE".to_owned(),
        Message::RouteRefresh(Some(Family::Ipv4Unicast)) => "ROUTE-REFRESH ipv4".to_owned(),
        Message::RouteRefresh(Some(Family::Ipv6Unicast)) => "ROUTE-REFRESH ipv6".to_owned(),
        Message::RouteRefresh(None) => "ROUTE-REFRESH other".to_owned(),
    }
}

fn capability(capability: &Capability) -> String {
    match capability {
        Capability::Multiprotocol(Family::Ipv4Unicast) => "1=00010001".to_owned(),
        Capability::Multiprotocol(Family::Ipv6Unicast) => "1=00020001".to_owned(),
        Capability::RouteRefresh => "2=".to_owned(),
        Capability::ExtendedNextHop => "5=000100010002".to_owned(),
        Capability::FourOctetAs(asn) => format!("65={asn:08x}"),
        Capability::Other { code, value } => format!("{code}={}", hex(value)),
    }
}

/// The prefixes in the brackets behind a word of `means`.
fn listed(means: &str, word: &str) -> Vec<String> {
    let list = means.split_once(&format!("{word} [")).and_then(|(_, rest)| rest.split_once(']'));
    list.map(|(list, _)| list.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// What `means` says, with routes counted.
fn counted(means: &str) -> String {
    if means.starts_with("UPDATE") {
        let count = |word| listed(means, word).len();
        let way = if means.ends_with(NOBODY) { NOBODY } else { "" };
        format!("UPDATE announces {} withdraws {}{way}", count("announces"), count("withdraws"))
    } else {
        means.to_owned()
    }
}

#[test]
fn every_message_is_read_as_it_was_meant() {
    let messages = fixtures("message");
    for fixture in &messages {
        let bytes = &fixture.bytes;
        assert_eq!(frame_len(bytes), Ok(Some(bytes.len())), "{}", fixture.name);
        let message = decode(bytes, &session(fixture)).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        assert_eq!(said(&message), counted(fixture.one("means")), "{}", fixture.name);
    }
    let mut routers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (router, name) in messages.iter().filter_map(|fixture| fixture.name.split_once('/')) {
        routers.entry(router).or_default().insert(name.trim_end_matches(".txt"));
    }
    let expected = MORE.map(|(router, more)| (router, EVERY_ROUTER.iter().chain(more).copied().collect()));
    assert_eq!(routers, BTreeMap::from(expected));
}

/// The messages that `testbed fixtures` asks of every router.
const EVERY_ROUTER: &[&str] = &[
    "open",
    "keepalive",
    "announce-ipv4",
    "announce-ipv4-internal",
    "announce-ipv6",
    "announce-ipv6-over-ipv6",
    "withdraw-ipv4",
    "withdraw-ipv6",
    "shutdown",
    "hold-timer-expired",
    "bad-peer-as",
];

/// What some say besides: gobgpd cannot be told to ask again, and not all mark the end of their routes.
const MORE: [(&str, &[&str]); 5] = [
    ("bird", &["route-refresh", "end-of-rib-ipv4", "end-of-rib-ipv6"]),
    ("exabgp", &["route-refresh", "end-of-rib-ipv4"]),
    ("frr", &["route-refresh"]),
    ("gobgpd", &[]),
    ("openbgpd", &["route-refresh"]),
];

#[test]
fn what_is_no_update_is_written_again_as_the_same() {
    for fixture in fixtures("message") {
        let session = session(&fixture);
        let again = match decode(&fixture.bytes, &session).unwrap() {
            Message::Update(_) => continue,
            Message::Open(open) => Outgoing::Open(open),
            Message::Notification(notification) => Outgoing::Notification(notification),
            Message::Keepalive => Outgoing::Keepalive,
            Message::RouteRefresh(family) => Outgoing::RouteRefresh(family.unwrap()),
        };
        let bytes = encode(&again, &session);
        // Some put each capability into a parameter of its own; what they mean is the same.
        if !matches!(again, Outgoing::Open(_)) {
            assert_eq!(bytes, fixture.bytes, "{}", fixture.name);
        }
        assert_eq!(said(&decode(&bytes, &session).unwrap()), fixture.one("means"), "{}", fixture.name);
    }
}

/// An UPDATE as another codec reads it; its attributes in an order of their own, since those on the wire differ.
fn third_party(bytes: &[u8]) -> ParsedUpdate {
    let decoded = decode_message(&mut Bytes::copy_from_slice(bytes), rustbgpd_wire::MAX_MESSAGE_LEN).unwrap();
    let rustbgpd_wire::Message::Update(update) = decoded else { panic!("{decoded:?}") };
    let mut parsed = update.parse(true, false, &[]).unwrap();
    parsed.attributes.sort_by_key(|attribute| format!("{attribute:?}"));
    parsed
}

/// The prefixes that an UPDATE announces and withdraws.
fn prefixes(update: &ParsedUpdate) -> [Vec<String>; 2] {
    let mut announced: Vec<String> = update.announced.iter().map(|entry| entry.prefix.to_string()).collect();
    let mut withdrawn: Vec<String> = update.withdrawn.iter().map(|entry| entry.prefix.to_string()).collect();
    for attribute in &update.attributes {
        match attribute {
            PathAttribute::MpReachNlri(mp) => announced.extend(mp.announced.iter().map(|it| it.prefix.to_string())),
            PathAttribute::MpUnreachNlri(mp) => withdrawn.extend(mp.withdrawn.iter().map(|it| it.prefix.to_string())),
            _ => {}
        }
    }
    [announced, withdrawn]
}

/// The route that an UPDATE of one prefix tells of, or its withdrawal.
fn update(parsed: &ParsedUpdate) -> Update {
    let prefix = |text: &String| text.parse::<IpNetwork>().unwrap();
    let [announced, withdrawn] = prefixes(parsed);
    let announced = match (announced.as_slice(), withdrawn.as_slice()) {
        ([one], []) => prefix(one),
        ([], [one]) => return Update::Withdraw(prefix(one)),
        other => panic!("{other:?}"),
    };
    let (mut as_path, mut med, mut local_pref) = (Vec::new(), None, None);
    let (mut next_hop, mut communities) = (None, Vec::new());
    for attribute in &parsed.attributes {
        match attribute {
            PathAttribute::Origin(rustbgpd_wire::Origin::Igp) => {}
            PathAttribute::AsPath(path) => match path.segments.as_slice() {
                [] => {}
                [AsPathSegment::AsSequence(asns)] => as_path.clone_from(asns),
                other => panic!("{other:?}"),
            },
            PathAttribute::NextHop(address) => next_hop = Some(NextHop::V4(*address)),
            PathAttribute::MpReachNlri(mp) => {
                let IpAddr::V6(global) = mp.next_hop else { panic!("{mp:?}") };
                next_hop = Some(NextHop::V6 { global, link_local: mp.link_local_next_hop });
            }
            PathAttribute::Med(value) => med = Some(*value),
            PathAttribute::LocalPref(value) => local_pref = Some(*value),
            PathAttribute::Communities(all) => communities.extend(all.iter().copied().map(Community::Standard)),
            PathAttribute::LargeCommunities(all) => communities.extend(all.iter().map(|large| Community::Large {
                asn: large.global_admin,
                first: large.local_data1,
                second: large.local_data2,
            })),
            other => panic!("{other:?}"),
        }
    }
    let communities: Communities = communities.into_iter().collect();
    let next_hop = next_hop.unwrap();
    Update::Announce(Route { prefix: announced, next_hop, as_path, med, local_pref, communities })
}

#[test]
fn every_route_is_written_again_as_another_codec_reads_it() {
    let mut seen = 0;
    for fixture in fixtures("message").iter().filter(|fixture| fixture.one("means").starts_with("UPDATE announces")) {
        let theirs = third_party(&fixture.bytes);
        let means = fixture.one("means");
        assert_eq!(prefixes(&theirs), [listed(means, "announces"), listed(means, "withdraws")], "{}", fixture.name);
        let ours = encode(&Outgoing::Update(update(&theirs)), &session(fixture));
        let ours = third_party(&ours);
        assert_eq!(prefixes(&ours), prefixes(&theirs), "{}", fixture.name);
        // ExaBGP sends attributes with a withdrawal, which mean nothing there.
        if listed(means, "withdraws").is_empty() {
            assert_eq!(ours, theirs, "{}", fixture.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 5 * 6);
}

/// The digest that RFC 2385 §2.0 asks for, and the one in the segment.
fn digests(fixture: &Fixture, key: &str) -> ([u8; 16], [u8; 16]) {
    const CHECKSUM: std::ops::Range<usize> = 16..18;
    let segment = &fixture.bytes;
    let octets = |field: &str| match fixture.one(field).parse().unwrap() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (source, destination) = (octets("source"), octets("destination"));
    let mut text = [source.as_slice(), &destination].concat();
    // The pseudo-header: RFC 793 §3.1, RFC 8200 §8.1.
    if source.len() == 4 {
        text.extend([0, 6]);
        text.extend(u16::try_from(segment.len()).unwrap().to_be_bytes());
    } else {
        text.extend(u32::try_from(segment.len()).unwrap().to_be_bytes());
        text.extend([0, 0, 0, 6]);
    }
    // The header without options, its checksum taken for zero.
    let mut header = segment[..20].to_vec();
    header[CHECKSUM].fill(0);
    text.extend(header);
    let data = usize::from(segment[12] >> 4) * 4;
    text.extend(&segment[data..]);
    text.extend(key.as_bytes());
    (md5::compute(text).0, option(&segment[20..data]))
}

/// The TCP option of kind 19.
fn option(mut options: &[u8]) -> [u8; 16] {
    loop {
        match options {
            [1, rest @ ..] => options = rest,
            [19, 18, digest @ ..] => return digest[..16].try_into().unwrap(),
            [_, length, ..] => options = &options[usize::from(*length)..],
            _ => panic!("no MD5 option in {options:02x?}"),
        }
    }
}

#[test]
fn the_right_key_verifies_and_every_other_is_proven_wrong() {
    let segments = fixtures("segment");
    let mut wrong = 0;
    for fixture in &segments {
        let (key, signed_with) = (fixture.one("key"), fixture.one("signed-with"));
        for tried in [key, signed_with, "correct-hors", "correct-horse ", "Correct-horse", ""] {
            let (computed, carried) = digests(fixture, tried);
            assert_eq!(computed == carried, tried == signed_with, "{} under {tried:?}", fixture.name);
        }
        wrong += usize::from(key != signed_with);
    }
    // Of each router two over IPv4, one over IPv6, and one that was signed with another key.
    assert_eq!((segments.len(), wrong), (20, 5));
}
