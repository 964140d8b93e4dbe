//! Communities: standard (RFC 1997), extended (RFC 4360, RFC 5668) and large (RFC 8092), as text and as a set.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

/// Names of the registry "BGP Well-known Communities", with the document that gives each its meaning.
const WELL_KNOWN: [(&str, u32); 9] = [
    ("graceful-shutdown", 0xffff_0000),   // RFC 8326
    ("accept-own", 0xffff_0001),          // RFC 7611
    ("llgr-stale", 0xffff_0006),          // RFC 9494
    ("no-llgr", 0xffff_0007),             // RFC 9494
    ("blackhole", 0xffff_029a),           // RFC 7999
    ("no-export", 0xffff_ff01),           // RFC 1997
    ("no-advertise", 0xffff_ff02),        // RFC 1997
    ("no-export-subconfed", 0xffff_ff03), // RFC 1997
    ("no-peer", 0xffff_ff04),             // RFC 3765
];

/// The first octet of an extended community: what its administrator is (RFC 7153 §5.1).
const TWO_OCTET_AS: u8 = 0;
const IPV4_ADDRESS: u8 = 1;
const FOUR_OCTET_AS: u8 = 2;
/// RFC 4360 §2, in the same octet: such a one stays within the AS.
const NON_TRANSITIVE: u8 = 0x40;

/// The second octet and how we write it (RFC 4360 §4, §5).
const ROUTE_TARGET: (&str, u8) = ("rt", 2);
const ROUTE_ORIGIN: (&str, u8) = ("soo", 3);

/// One community. They sort as their attributes do in an UPDATE, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997: written `65000:1`, or by its well-known name.
    Standard(u32),
    /// RFC 4360: written `rt:65000:1`, `soo:192.0.2.1:1`, `rt:4200000001:1`; with four octets for a number that fits
    /// two `rt:65000L:1`; any other kind by its sixteen hexadecimal digits, `ext:4004fde800000001`.
    Extended([u8; 8]),
    /// RFC 8092: written `65000:1:2`.
    Large {
        /// Global Administrator.
        asn: u32,
        /// Local Data Part 1.
        first: u32,
        /// Local Data Part 2.
        second: u32,
    },
}

impl Community {
    /// RFC 8326 §4: the route is about to go.
    pub const GRACEFUL_SHUTDOWN: Self = Self::Standard(0xffff_0000);

    /// Whether it may leave the AS: all may but extended ones that say otherwise (RFC 4360 §6).
    #[must_use]
    pub const fn is_transitive(self) -> bool {
        match self {
            Self::Extended([kind, ..]) => kind & NON_TRANSITIVE == 0,
            Self::Standard(_) | Self::Large { .. } => true,
        }
    }

    /// Octets of one in its attribute.
    const fn len(self) -> usize {
        match self {
            Self::Standard(_) => 4,
            Self::Extended(_) => 8,
            Self::Large { .. } => 12,
        }
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Standard(number) => match WELL_KNOWN.iter().find(|(_, known)| *known == number) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{}:{}", number >> 16, number & 0xffff),
            },
            Self::Extended(octets) => extended(octets, f),
            Self::Large { asn, first, second } => write!(f, "{asn}:{first}:{second}"),
        }
    }
}

fn extended(octets: [u8; 8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [kind, role, a, b, c, d, e, g] = octets;
    let named = [ROUTE_TARGET, ROUTE_ORIGIN].into_iter().find(|(_, known)| *known == role);
    match (kind, named) {
        (TWO_OCTET_AS, Some((role, _))) => {
            write!(f, "{role}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g]))
        }
        (IPV4_ADDRESS, Some((role, _))) => {
            write!(f, "{role}:{}:{}", Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, g]))
        }
        (FOUR_OCTET_AS, Some((role, _))) => {
            let asn = u32::from_be_bytes([a, b, c, d]);
            let mark = if u16::try_from(asn).is_ok() { "L" } else { "" };
            write!(f, "{role}:{asn}{mark}:{}", u16::from_be_bytes([e, g]))
        }
        _ => write!(f, "ext:{:016x}", u64::from_be_bytes(octets)),
    }
}

/// As it is written.
impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no community; fits after the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommunityError {
    /// It has the shape of none.
    #[error("is not a community; expected one like 65000:1, 65000:1:2, rt:65000:1, soo:65000:1 or no-export")]
    Shape,
    /// A part of a standard one is no number of two octets.
    #[error("is not a community; both parts are 0 to 65535, and a longer AS number takes a large one, AS:N:N")]
    Standard,
    /// A part of a large one is no number of four octets.
    #[error("is not a large community; its three parts are 0 to 4294967295")]
    Large,
    /// The parts of an extended one do not fit.
    #[error(
        "is not an extended community; expected AS:N or IPv4:N behind \"rt:\" or \"soo:\", N 0 to 65535 unless the AS \
         number is that short too"
    )]
    Extended,
    /// An extended one by its digits.
    #[error("is not an extended community; expected 16 hexadecimal digits behind \"ext:\"")]
    Digits,
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if let Some((_, number)) = WELL_KNOWN.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Standard(*number));
        }
        let parts: Vec<&str> = text.split(':').collect();
        match *parts.as_slice() {
            ["ext", digits] => raw_extended(digits).ok_or(CommunityError::Digits),
            ["rt", admin, number] => administered(ROUTE_TARGET.1, admin, number).ok_or(CommunityError::Extended),
            ["soo" | "origin", admin, number] => {
                administered(ROUTE_ORIGIN.1, admin, number).ok_or(CommunityError::Extended)
            }
            ["rt" | "soo" | "origin", ..] => Err(CommunityError::Extended),
            [high, low] if is_number(high) && is_number(low) => standard(high, low).ok_or(CommunityError::Standard),
            [asn, first, second] if [asn, first, second].into_iter().all(is_number) => {
                large(asn, first, second).ok_or(CommunityError::Large)
            }
            _ => Err(CommunityError::Shape),
        }
    }
}

/// Digits and nothing else, not even the sign that Rust's numbers may have.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn number<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| is_number(text))
}

fn standard(high: &str, low: &str) -> Option<Community> {
    Some(Community::Standard(u32::from(number::<u16>(high)?) << 16 | u32::from(number::<u16>(low)?)))
}

fn large(asn: &str, first: &str, second: &str) -> Option<Community> {
    Some(Community::Large { asn: number(asn)?, first: number(first)?, second: number(second)? })
}

fn raw_extended(digits: &str) -> Option<Community> {
    let is_hex = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let octets = u64::from_str_radix(digits, 16).ok().filter(|_| is_hex)?.to_be_bytes();
    Some(Community::Extended(octets))
}

/// The administrator's shape decides how many octets it has, and so how many the number has.
fn administered(role: u8, admin: &str, text: &str) -> Option<Community> {
    let long = |kind, [a, b, c, d]: [u8; 4]| {
        let [e, g] = number::<u16>(text)?.to_be_bytes();
        Some(Community::Extended([kind, role, a, b, c, d, e, g]))
    };
    if let Ok(address) = admin.parse::<Ipv4Addr>() {
        return long(IPV4_ADDRESS, address.octets());
    }
    if let Some(asn) = admin.strip_suffix('L') {
        return long(FOUR_OCTET_AS, number::<u32>(asn)?.to_be_bytes());
    }
    let asn = number::<u32>(admin)?;
    let Ok(short) = u16::try_from(asn) else { return long(FOUR_OCTET_AS, asn.to_be_bytes()) };
    let ([a, b], [c, d, e, g]) = (short.to_be_bytes(), number::<u32>(text)?.to_be_bytes());
    Some(Community::Extended([TWO_OCTET_AS, role, a, b, c, d, e, g]))
}

/// A set of communities, sorted. The empty one owns no memory, and a copy shares it with the original.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Communities(Option<Arc<[Community]>>);

impl Communities {
    /// The most octets a route's communities may take in an UPDATE: they fit with a path of 150 ASNs in every form of
    /// a session. What is beyond the end of a message is not sent.
    pub const MAX_LEN: usize = 3072;

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = Community> + '_ {
        self.0.iter().flat_map(|list| list.iter().copied())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(_), Some(_)) => self.iter().chain(other.iter()).collect(),
        }
    }

    /// With this one too.
    #[must_use]
    pub fn with(&self, community: Community) -> Self {
        self.iter().chain([community]).collect()
    }

    /// Octets they take in an UPDATE, attribute headers included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        const HEADER: usize = 4;
        let mut lens = [0; 3];
        for community in self.iter() {
            let [standard, extended, large] = &mut lens;
            let len = match community {
                Community::Standard(_) => standard,
                Community::Extended(_) => extended,
                Community::Large { .. } => large,
            };
            *len += community.len();
        }
        lens.into_iter().filter(|len| *len != 0).map(|len| HEADER + len).sum()
    }
}

impl FromIterator<Community> for Communities {
    fn from_iter<I: IntoIterator<Item = Community>>(communities: I) -> Self {
        let mut list: Vec<Community> = communities.into_iter().collect();
        list.sort_unstable();
        list.dedup();
        Self((!list.is_empty()).then(|| list.into()))
    }
}

/// With spaces between them.
impl fmt::Display for Communities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, community) in self.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{community}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Communities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
