//! What must hold for any bytes, one function a target. A target panics where it does not hold.
//!
//! `tests/fuzz.rs` of vipcast includes this file and calls the same functions: a short smoke that needs no fuzzer.

pub mod seeds;
pub mod words;

use vipcast::config::options::OPTIONS;
use vipcast::config::{Command, Facts, RawConfig, check};
use vipcast::wire::bfd;
use vipcast::wire::bgp::{
    Capability, HEADER_LEN, Inbox, MAX_LEN, Message, MessageType, Notification, Outcome, Outgoing, Session, decode,
    encode, frame_len,
};
use vipcast::wire::ndp;

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("message", message),
    ("open", open),
    ("update", update),
    ("notification", notification),
    ("stream", stream),
    ("text", text),
    ("bfd", bfd),
    ("ndp", ndp),
];

/// Everything that changes the form of messages.
fn sessions() -> [Session; 4] {
    let session = |four_octet_as, ibgp| Session { four_octet_as, ibgp };
    [session(true, false), session(true, true), session(false, false), session(false, true)]
}

/// Bytes as they come: the header decides what they are.
pub fn message(bytes: &[u8]) {
    if let Ok(Some(length)) = frame_len(bytes) {
        assert!((HEADER_LEN..=MAX_LEN).contains(&length) && length <= bytes.len(), "a message of {length} octets");
        for session in sessions() {
            judge(&bytes[..length], &session);
        }
    }
    // What no `frame_len` has cut is refused, not read.
    for session in sessions() {
        judge(bytes, &session);
    }
}

/// The body of an OPEN.
pub fn open(body: &[u8]) {
    framed(MessageType::Open, body);
}

/// The body of an UPDATE.
pub fn update(body: &[u8]) {
    framed(MessageType::Update, body);
}

/// The body of a NOTIFICATION.
pub fn notification(body: &[u8]) {
    framed(MessageType::Notification, body);
}

fn framed(kind: MessageType, body: &[u8]) {
    let body = &body[..body.len().min(MAX_LEN - HEADER_LEN)];
    let mut frame = vec![0xff; 16];
    frame.extend(u16::try_from(HEADER_LEN + body.len()).unwrap_or(u16::MAX).to_be_bytes());
    frame.push(kind.octet());
    frame.extend(body);
    for session in sessions() {
        judge(&frame, &session);
    }
}

/// Decodes; what the peer or the log would be told of it is one short line, and what we can send we read as the same.
fn judge(frame: &[u8], session: &Session) {
    let decoded = decode(frame, session);
    let again = match &decoded {
        Err(notification) => {
            one_line(&notification.to_string());
            Some(Outgoing::Notification(notification.clone()))
        }
        Ok(Message::Notification(notification)) => {
            one_line(&notification.to_string());
            Some(Outgoing::Notification(notification.clone()))
        }
        Ok(Message::Update(update)) => {
            if let Outcome::AttributeDiscard(text) | Outcome::TreatAsWithdraw(text) = &update.outcome {
                one_line(text);
            }
            None
        }
        Ok(Message::Open(open)) => {
            let octets = |capability: &Capability| match capability {
                Capability::Multiprotocol(_) | Capability::FourOctetAs(_) => 6,
                Capability::ExtendedNextHop => 8,
                Capability::RouteRefresh => 2,
                Capability::Other { value, .. } => 2 + value.len(),
            };
            // We send one parameter of 255 octets at most.
            let fits = open.capabilities.iter().map(octets).sum::<usize>() <= 253;
            fits.then(|| Outgoing::Open(open.clone()))
        }
        Ok(Message::Keepalive) => Some(Outgoing::Keepalive),
        Ok(Message::RouteRefresh(family)) => family.map(Outgoing::RouteRefresh),
    };
    let Some(again) = again else { return };
    let bytes = encode(&again, session);
    assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())), "{again:?}");
    let expected = decoded.unwrap_or_else(Message::Notification);
    assert_eq!(decode(&bytes, session), Ok(expected), "{again:?}");
}

fn one_line(text: &str) {
    assert!(!text.contains(char::is_control) && text.len() < 3000, "{text:?}");
}

/// A stream gives the same messages, and ends with the same error, wherever it is cut.
pub fn stream(bytes: &[u8]) {
    /// Every byte of the longest message, and of the next one's header.
    const CUTS: usize = MAX_LEN + HEADER_LEN;
    let whole = taken([bytes]);
    assert_eq!(taken(bytes.chunks(1)), whole, "octet by octet");
    for at in 0..=bytes.len().min(CUTS) {
        assert_eq!(taken([&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
    }
}

/// What is taken of a stream that arrives in these pieces, and the error that ends it.
fn taken<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<Notification>) {
    let (mut inbox, mut frames) = (Inbox::default(), Vec::new());
    for piece in pieces {
        inbox.push(piece);
        loop {
            match inbox.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// A BFD control packet: what is taken is written again as the same.
pub fn bfd(bytes: &[u8]) {
    match bfd::decode(bytes) {
        Ok(packet) => assert_eq!(bfd::decode(&packet.encode()), Ok(packet)),
        Err(discard) => one_line(&discard.to_string()),
    }
}

/// An ICMPv6 message of anybody on the link: only what RFC 4861 §6.1 takes is a neighbour's word, and it says what its
/// octets say.
pub fn ndp(bytes: &[u8]) {
    for hop_limit in [None, Some(0), Some(254), Some(255)] {
        let Some(message) = ndp::decode(bytes, hop_limit) else { continue };
        assert_eq!(bytes[1], 0, "a code that nobody defined");
        let at = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        match message {
            ndp::Message::EchoReply { identifier, sequence } => {
                assert_eq!((bytes[0], at(4), at(6)), (ndp::ECHO_REPLY, identifier, sequence));
            }
            ndp::Message::RouterSolicitation => {
                assert_eq!((bytes[0], hop_limit), (ndp::ROUTER_SOLICITATION, Some(255)));
                assert!(bytes.len() >= 8, "{} octets", bytes.len());
            }
            ndp::Message::RouterAdvertisement { lifetime } => {
                let said = (bytes[0], u64::from(at(6)), hop_limit);
                assert_eq!(said, (ndp::ROUTER_ADVERTISEMENT, lifetime.as_secs(), Some(255)));
                assert!(bytes.len() >= 16, "{} octets", bytes.len());
            }
        }
    }
}

/// Lines `flag value` on top of a good configuration: a configuration, or mistakes that each fit on a line.
pub fn text(bytes: &[u8]) {
    const BASE: &[(&str, &str)] = &[
        ("bgp", "true"),
        ("controlplane", "true"),
        ("address", "10.88.0.40"),
        ("nodeName", "n1"),
        ("bgppeers", "10.0.0.1:65001"),
    ];
    let Ok(text) = str::from_utf8(bytes) else { return };
    let given: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let base = BASE.iter().copied().filter(|(flag, _)| !given.iter().any(|(other, _)| other == flag));
    let named = |flag: &str| OPTIONS.iter().copied().find(|spec| spec.flag == flag);
    let words = base.chain(given.iter().copied()).filter_map(|(flag, value)| Some((named(flag)?, value.to_owned())));
    let raw = RawConfig::new(words, Vec::new());
    let findings = match check(&raw, Command::Manager, &Facts::default()) {
        Ok(checked) => checked.warnings,
        Err(mistakes) => {
            assert!(!mistakes.0.is_empty());
            mistakes.0
        }
    };
    for finding in findings.iter().chain(&raw.conflicts()) {
        let said = finding.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
    }
}
