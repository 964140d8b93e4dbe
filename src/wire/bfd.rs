//! Bytes ↔ BFD control packets (RFC 5880 §4.1), with the checks on receipt that need no session (§6.8.6).

use std::fmt;
use std::num::NonZeroU32;

use super::reader::Reader;

/// The length of a packet without authentication, in octets.
pub const LEN: usize = 24;

/// The length of the shortest packet with an authentication section.
const LEN_WITH_AUTHENTICATION: u8 = 26;

/// The protocol's version.
const VERSION: u8 = 1;

/// Where a session stands (RFC 5880 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Held down by an operator: says nothing about the path.
    AdminDown,
    /// Not up, or just created.
    Down,
    /// The remote system is heard, and does not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a session last left Up: the five bits of RFC 5880 §4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing to say.
    pub const NONE: Self = Self(0);
    /// The remote system was silent for the detection time.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// The remote system said that its session is not up.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// An operator holds the session down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// The lower five bits of `code`.
    #[must_use]
    pub const fn new(code: u8) -> Self {
        Self(code & 0x1f)
    }

    /// The number, 0 to 31.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

/// Names as in IANA's registry "BFD Diagnostic Codes".
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            code => return write!(f, "diagnostic {code}"),
        })
    }
}

/// A control packet without authentication. Intervals are in microseconds, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender's session last left Up.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// Asks for a packet with `is_final`.
    pub poll: bool,
    /// Answers one with `poll`. ("Final" on the wire; the word is reserved in Rust.)
    pub is_final: bool,
    /// The sender's BFD lives on when its control plane restarts.
    pub control_plane_independent: bool,
    /// The sender, while both are Up, does without periodic packets.
    pub demand: bool,
    /// After so many intervals without a packet the sender counts as gone; never 0.
    pub multiplier: u8,
    /// The sender's number for the session.
    pub my_discriminator: NonZeroU32,
    /// The receiver's number for it; `None`: not known to the sender, who is not Init or Up then.
    pub your_discriminator: Option<NonZeroU32>,
    /// The sender would send no faster than that.
    pub desired_min_tx: u32,
    /// The sender takes packets no faster than that; 0: it wants no periodic ones.
    pub required_min_rx: u32,
    /// The same for echo packets; 0: it reflects none.
    pub required_min_echo_rx: u32,
}

/// Why bytes are no packet that may be acted on: RFC 5880 §6.8.6 has such discarded in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discard {
    /// Less than a packet.
    #[error("a packet of {0} octets: a BFD control packet has 24 or more")]
    Short(usize),
    /// Another version than 1.
    #[error("version {0}: expected 1")]
    Version(u8),
    /// A Length field that does not fit.
    #[error("length field {length} in a packet of {octets} octets")]
    Length {
        /// The field.
        length: u8,
        /// What arrived.
        octets: usize,
    },
    /// Detect Mult 0.
    #[error("detection multiplier 0")]
    Multiplier,
    /// The bit that must not be set.
    #[error("the multipoint bit is set")]
    Multipoint,
    /// My Discriminator 0.
    #[error("my discriminator 0")]
    MyDiscriminator,
    /// Your Discriminator 0 in Init or Up.
    #[error("your discriminator 0 in state {0}")]
    YourDiscriminator(State),
    /// Authentication, of which we do none.
    #[error("the packet is authenticated, and no authentication is in use")]
    Authenticated,
}

/// Reads a packet. What follows the octets that its Length field counts is ignored.
///
/// # Errors
/// The first check of RFC 5880 §6.8.6 that fails.
pub fn decode(bytes: &[u8]) -> Result<Packet, Discard> {
    let short = || Discard::Short(bytes.len());
    let mut reader = Reader::new(bytes.get(..LEN).ok_or_else(short)?);
    let [first, flags, multiplier, length] = reader.array().ok_or_else(short)?;
    let mut word = || reader.array().map(u32::from_be_bytes).ok_or_else(short);
    let (mine, yours) = (word()?, word()?);
    let [desired_min_tx, required_min_rx, required_min_echo_rx] = [word()?, word()?, word()?];
    let set = |bit: u8| flags & bit != 0;
    let (state, authenticated) = (State::from_bits(flags >> 6), set(0x04));

    if first >> 5 != VERSION {
        return Err(Discard::Version(first >> 5));
    }
    let shortest = if authenticated { LEN_WITH_AUTHENTICATION } else { 24 };
    if length < shortest || usize::from(length) > bytes.len() {
        return Err(Discard::Length { length, octets: bytes.len() });
    }
    if multiplier == 0 {
        return Err(Discard::Multiplier);
    }
    if set(0x01) {
        return Err(Discard::Multipoint);
    }
    let my_discriminator = NonZeroU32::new(mine).ok_or(Discard::MyDiscriminator)?;
    let your_discriminator = NonZeroU32::new(yours);
    if your_discriminator.is_none() && matches!(state, State::Init | State::Up) {
        return Err(Discard::YourDiscriminator(state));
    }
    if authenticated {
        return Err(Discard::Authenticated);
    }
    Ok(Packet {
        diagnostic: Diagnostic::new(first),
        state,
        poll: set(0x20),
        is_final: set(0x10),
        control_plane_independent: set(0x08),
        demand: set(0x02),
        multiplier,
        my_discriminator,
        your_discriminator,
        desired_min_tx,
        required_min_rx,
        required_min_echo_rx,
    })
}

impl Packet {
    /// The packet's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = self.state.bits() << 6
            | bit(self.poll, 0x20)
            | bit(self.is_final, 0x10)
            | bit(self.control_plane_independent, 0x08)
            | bit(self.demand, 0x02);
        let words = [
            self.my_discriminator.get(),
            self.your_discriminator.map_or(0, NonZeroU32::get),
            self.desired_min_tx,
            self.required_min_rx,
            self.required_min_echo_rx,
        ];
        let head = [VERSION << 5 | self.diagnostic.code(), flags, self.multiplier, 24];
        let mut bytes = [0; LEN];
        for (to, from) in bytes.iter_mut().zip(head.into_iter().chain(words.into_iter().flat_map(u32::to_be_bytes))) {
            *to = from;
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
