//! What each target begins with: the fixtures, cut to what it reads.

use std::collections::BTreeMap;
use std::path::Path;

#[path = "../../format.rs"]
mod format;

/// A first input: the target, a name, the bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// What comes to a raw ICMPv6 socket (RFC 4861 §4.1, §4.2; RFC 4443 §4.2): FRR 8.4's advertisement among it.
const ICMPV6: &[(&str, &[u8])] = &[
    ("frr", &[134, 0, 0x12, 0x34, 64, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xa6, 0xc9, 0x67, 0xc8, 0x65, 0xc8]),
    // With a prefix (§4.6.2) behind the link-layer address's option.
    (
        "prefix",
        &[
            134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1, 3, 4, 64, 0xc0, 0, 0, 14, 16, 0,
            0, 7, 8, 0, 0, 0, 0, 0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
    ),
    ("solicitation", &[133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1]),
    ("reply", &[129, 0, 0, 0, 0x12, 0x34, 0, 2, 1, 2, 3, 4]),
];

/// All of them, from the fixtures below `root` (bgp-fixtures/).
pub fn seeds(root: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut streams: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for fixture in format::read_all(root).into_iter().filter(|fixture| fixture.one("kind") == "message") {
        let (router, _) = fixture.name.split_once('/').unwrap();
        streams.entry(router.to_owned()).or_default().extend(&fixture.bytes);
        let name = fixture.name.replace('/', "-");
        let body = match fixture.bytes[18] {
            1 => Some("open"),
            2 => Some("update"),
            3 => Some("notification"),
            _ => None,
        };
        seeds.extend(body.map(|target| (target, name.clone(), fixture.bytes[19..].to_vec())));
        seeds.push(("message", name, fixture.bytes));
    }
    seeds.extend(streams.into_iter().map(|(router, stream)| ("stream", router, stream)));
    let words = super::words::LINES.iter().enumerate();
    seeds.extend(words.map(|(number, lines)| ("text", number.to_string(), lines.as_bytes().to_vec())));
    // A session that comes up, is polled and goes down (RFC 5880 §4.1), and one with an authentication section.
    let packet = |state: u8, length: u8| {
        let mut bytes = vec![0x20, state, 3, length, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend([0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0, 0, 0, 0]);
        bytes.resize(usize::from(length), 1);
        bytes
    };
    for (name, state, length) in [("down", 0x40, 24), ("init", 0x80, 24), ("poll", 0xe0, 24), ("key", 0xc4, 32)] {
        seeds.push(("bfd", name.to_owned(), packet(state, length)));
    }
    seeds.extend(ICMPV6.iter().map(|(name, bytes)| ("ndp", (*name).to_owned(), bytes.to_vec())));
    seeds
}
