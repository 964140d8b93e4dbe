//! The keys of `--bgpPeerOptions` and `--vipOptions`: what can be set for one peer or one VIP, from text to meaning.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::scalar::{decimal, go_bool};
use super::{Connect, bfd};
use crate::wire::bgp::{Communities, Community};

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Communities(Communities),
    Med(u32),
    LocalPref(u32),
    Prepend(u8),
    TtlSecurity(u8),
    NextHop { v4: Option<Ipv4Addr>, v6: Option<Ipv6Addr> },
    Families { ipv4: bool, ipv6: bool },
    RequireFamilies(bool),
    ExtendedNextHop(bool),
    Connect(Connect),
    Description(String),
    ShutdownText(String),
    GracefulShutdown(Duration),
    PasswordFile(PathBuf),
    Bfd(bool),
    BfdRx(Duration),
    BfdTx(Duration),
    BfdMultiplier(u8),
    BfdStrict(bool),
}

/// A key of the grammar.
pub(super) struct Key {
    pub name: &'static str,
    /// What the reference calls its value.
    pub value: &'static str,
    /// What it is for, one line.
    pub help: &'static str,
    /// Whether a VIP can have it too.
    pub of_vip: bool,
    /// What the key alone means, if anything.
    pub bare: Option<&'static str>,
    /// The error fits after the key and the value in quotes.
    pub read: fn(&str) -> Result<Setting, String>,
}

const fn both(name: &'static str, value: &'static str, read: fn(&str) -> Result<Setting, String>) -> Key {
    Key { name, value, help: "", of_vip: true, bare: None, read }
}

const fn peer(name: &'static str, value: &'static str, read: fn(&str) -> Result<Setting, String>) -> Key {
    Key { of_vip: false, ..both(name, value, read) }
}

impl Key {
    const fn bare(self, text: &'static str) -> Self {
        Self { bare: Some(text), ..self }
    }

    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
}

/// All of them, in the order of the reference.
pub(super) static KEYS: &[Key] = &[
    both("community", "COMMUNITY …", communities).help(
        "communities of all kinds: `65000:1`, `65000:1:2`, `rt:65000:1`, `soo:192.0.2.1:1`, `ext:` and 16 hexadecimal \
         digits, `no-export` and the other well-known names",
    ),
    both("med", "0-4294967295", |text| number(text, 0..=u64::from(u32::MAX)).map(Setting::Med))
        .help("MULTI_EXIT_DISC; under a lease it turns the fence's off"),
    both("local-pref", "0-4294967295", |text| number(text, 0..=u64::from(u32::MAX)).map(Setting::LocalPref))
        .help("LOCAL_PREF, to iBGP peers; under a lease it turns the fence's off"),
    both("prepend", "0-25", |text| number(text, 0..=25).map(Setting::Prepend))
        .help("our AS so many times more in the AS path, to eBGP peers"),
    peer("ttl-security", "1-254", |text| number(text, 1..=254).map(Setting::TtlSecurity))
        .bare("1")
        .help("GTSM (RFC 5082): the peer is at most so many hops away; alone 1, the same network"),
    peer("next-hop", "self or ADDRESS …", next_hop)
        .help("next hop of the routes, at most one address a family; `self` is our end of the session"),
    peer("families", "ipv4 ipv6", families).help("the families offered; without it both"),
    peer("require-families", "BOOL", |text| switch(text).map(Setting::RequireFamilies))
        .bare("true")
        .help("refuse a peer that does not carry all of them (RFC 5492)"),
    peer("extended-next-hop", "BOOL", |text| switch(text).map(Setting::ExtendedNextHop))
        .bare("true")
        .help("IPv4 routes with an IPv6 next hop over a session over IPv6 (RFC 8950); on for unnumbered peers"),
    peer("connect", "active, passive or both", connect).help("who makes the connection; without it we do"),
    peer("description", "TEXT", |text| plain(text).map(Setting::Description)).help("what logs call the peer"),
    peer("shutdown-text", "TEXT", |text| plain(text).map(Setting::ShutdownText))
        .help("what the peer's operator reads when we leave (RFC 9003), up to 255 bytes"),
    peer("graceful-shutdown", "0-60000", |text| millis(text, 0..=60_000).map(Setting::GracefulShutdown))
        .help("so many milliseconds before we leave, routes are announced as about to go (RFC 8326)"),
    peer("password-file", "PATH", |text| Ok(Setting::PasswordFile(PathBuf::from(text))))
        .help("file that holds the TCP-MD5 password; a change of it is taken up"),
    peer("bfd", "BOOL", |text| switch(text).map(Setting::Bfd)).bare("true").help("BFD (RFC 5880): 300 ms, three times"),
    peer("bfd-rx", "10-1000", |text| millis(text, bfd::INTERVALS).map(Setting::BfdRx))
        .help("the shortest interval of packets we take, in milliseconds"),
    peer("bfd-tx", "10-1000", |text| millis(text, bfd::INTERVALS).map(Setting::BfdTx))
        .help("the shortest interval of packets we send, in milliseconds"),
    peer("bfd-multiplier", "3-255", multiplier).help("so many packets lost in a row are a dead path"),
    peer("bfd-strict", "BOOL", |text| switch(text).map(Setting::BfdStrict))
        .bare("true")
        .help("no BGP session before BFD is up"),
];

/// RFC 9003 §2, and as much for a description.
const LONGEST_TEXT: usize = 255;

/// A number within a range that its type holds.
fn number<N: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<N, String> {
    let number = decimal(text).filter(|n| range.contains(n)).and_then(|n| N::try_from(n).ok());
    number.ok_or_else(|| format!("is not a number; expected {} to {}", range.start(), range.end()))
}

fn millis(text: &str, range: RangeInclusive<u64>) -> Result<Duration, String> {
    let wrong = || format!("is not a number of milliseconds; expected {} to {}", range.start(), range.end());
    number(text, range.clone()).map(Duration::from_millis).map_err(|_| wrong())
}

fn multiplier(text: &str) -> Result<Setting, String> {
    let (start, end) = (*bfd::MULTIPLIERS.start(), *bfd::MULTIPLIERS.end());
    number(text, start.into()..=end.into()).map(Setting::BfdMultiplier)
}

fn switch(text: &str) -> Result<bool, String> {
    go_bool(text).ok_or_else(|| "is not a boolean; expected true or false, or the key alone".to_owned())
}

fn plain(text: &str) -> Result<String, String> {
    match text {
        _ if text.len() > LONGEST_TEXT => Err(format!("has {} bytes; expected {LONGEST_TEXT} at most", text.len())),
        _ if text.chars().any(char::is_control) => Err("has a control character in it".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn communities(text: &str) -> Result<Setting, String> {
    let read = |word: &str| word.parse::<Community>().map_err(|error| format!("has {word:?}, which {error}"));
    let communities: Communities = text.split_whitespace().map(read).collect::<Result<_, _>>()?;
    let len = communities.encoded_len();
    if len > Communities::MAX_LEN {
        return Err(format!("takes {len} bytes of a message; {} are the most", Communities::MAX_LEN));
    }
    Ok(Setting::Communities(communities))
}

fn next_hop(text: &str) -> Result<Setting, String> {
    if text == "self" {
        return Ok(Setting::NextHop { v4: None, v6: None });
    }
    let (mut v4, mut v6) = (None, None);
    for word in text.split_whitespace() {
        let twice = match word.parse() {
            Ok(IpAddr::V4(address)) => v4.replace(address).is_some(),
            Ok(IpAddr::V6(address)) => v6.replace(address).is_some(),
            Err(_) => return Err(format!("has {word:?}, which is no IP address; expected self, or addresses")),
        };
        if twice {
            return Err("has two addresses of one family; expected one of each at most".to_owned());
        }
    }
    Ok(Setting::NextHop { v4, v6 })
}

fn families(text: &str) -> Result<Setting, String> {
    let (mut ipv4, mut ipv6) = (false, false);
    for word in text.split_whitespace() {
        match word {
            "ipv4" => ipv4 = true,
            "ipv6" => ipv6 = true,
            _ => return Err(format!("has {word:?}, which is no address family; expected ipv4, ipv6 or both")),
        }
    }
    Ok(Setting::Families { ipv4, ipv6 })
}

fn connect(text: &str) -> Result<Setting, String> {
    match text {
        "active" => Ok(Setting::Connect(Connect::Active)),
        "passive" => Ok(Setting::Connect(Connect::Passive)),
        "both" => Ok(Setting::Connect(Connect::Both)),
        _ => Err("is not who makes the connection; expected active, passive or both".to_owned()),
    }
}
