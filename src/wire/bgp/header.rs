//! The message header: marker, length, type (RFC 4271 §4.1, checked as §6.1 says).

use super::Notification;
use super::notification::error;

/// Octets of the header.
pub const HEADER_LEN: usize = 19;

/// The longest message, header included. RFC 8654's longer ones we do not offer.
pub const MAX_LEN: usize = 4096;

const MARKER: [u8; 16] = [0xff; 16];

/// What kind of message it is, by its type octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageType {
    /// RFC 4271 §4.2.
    Open = 1,
    /// RFC 4271 §4.3.
    Update = 2,
    /// RFC 4271 §4.5.
    Notification = 3,
    /// RFC 4271 §4.4.
    Keepalive = 4,
    /// RFC 2918 §3.
    RouteRefresh = 5,
}

impl MessageType {
    /// The octet on the wire.
    #[must_use]
    pub const fn octet(self) -> u8 {
        self as u8
    }

    const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            _ => None,
        }
    }

    /// RFC 4271 §6.1, RFC 2918 §3: a ROUTE-REFRESH may be longer, with the filters of RFC 5291.
    const fn may_have(self, len: usize) -> bool {
        match self {
            Self::Open => len >= 29,
            Self::Update | Self::RouteRefresh => len >= 23,
            Self::Notification => len >= 21,
            Self::Keepalive => len == HEADER_LEN,
        }
    }
}

/// The type of the message that `bytes` begin with; `None` while they are too few, or if no such type exists.
///
/// An error that [`frame_len`] or [`decode`](super::decode) finds in a NOTIFICATION is not to be answered
/// (RFC 4271 §6.4): the caller asks here before it sends one.
#[must_use]
pub fn message_type(bytes: &[u8]) -> Option<MessageType> {
    bytes.get(HEADER_LEN - 1).and_then(|&octet| MessageType::from_octet(octet))
}

/// How long the message is that `buf` begins with: `None` until all of it is there.
///
/// # Errors
/// What to tell the peer (RFC 4271 §6.1), as soon as the bytes received show it: Connection Not Synchronized at the
/// first octet of the marker that is not all ones, Bad Message Length and Bad Message Type once the header is there.
pub fn frame_len(buf: &[u8]) -> Result<Option<usize>, Notification> {
    if buf.iter().zip(MARKER).any(|(&octet, one)| octet != one) {
        return Err(Notification::plain(error::CONNECTION_NOT_SYNCHRONIZED));
    }
    let Some(&[high, low, octet]) = buf.get(MARKER.len()..HEADER_LEN).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let declared = u16::from_be_bytes([high, low]);
    let len = usize::from(declared);
    if !(HEADER_LEN..=MAX_LEN).contains(&len) {
        return Err(bad_length(declared));
    }
    let Some(kind) = MessageType::from_octet(octet) else {
        return Err(Notification::with_data(error::BAD_MESSAGE_TYPE, vec![octet]));
    };
    if !kind.may_have(len) {
        return Err(bad_length(declared));
    }
    Ok((buf.len() >= len).then_some(len))
}

/// Type and body of a frame that is one whole message.
pub(super) fn split(frame: &[u8]) -> Result<(MessageType, &[u8]), Notification> {
    let whole = frame_len(frame)? == Some(frame.len());
    match (message_type(frame), frame.get(HEADER_LEN..)) {
        (Some(kind), Some(body)) if whole => Ok((kind, body)),
        // Only a caller that did not cut the stream with `frame_len` gets here.
        _ => Err(bad_length(u16::try_from(frame.len()).unwrap_or(u16::MAX))),
    }
}

/// RFC 4271 §6.1: the data is the erroneous Length field.
fn bad_length(declared: u16) -> Notification {
    Notification::with_data(error::BAD_MESSAGE_LENGTH, declared.to_be_bytes().to_vec())
}

/// A message with this body, which its encoder keeps to `MAX_LEN - HEADER_LEN`.
pub(super) fn frame(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let len = HEADER_LEN + body.len();
    debug_assert!(len <= MAX_LEN, "{kind:?} of {len} octets");
    let mut frame = Vec::with_capacity(len);
    frame.extend(MARKER);
    frame.extend(len16(len));
    frame.push(kind.octet());
    frame.extend(body);
    frame
}

/// A length that is known to fit two octets.
pub(super) fn len16(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}

/// A length that is known to fit one octet.
pub(super) fn len8(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}
