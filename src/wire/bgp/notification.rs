//! NOTIFICATION: why a session ends (RFC 4271 §4.5), its codes, and how a log shows it.

use std::fmt;

use super::Notification;
use super::header::{HEADER_LEN, MAX_LEN, MessageType};
use super::{Capability, capability};
use crate::wire::hex::Hex;

/// An error code with its subcode, as IANA's registry "BGP Error (Notification) Codes" has them.
pub type ErrorCode = (u8, u8);

/// The codes, each with its subcode.
pub mod error {
    use super::ErrorCode;

    /// RFC 4271 §6.1: the marker is not all ones.
    pub const CONNECTION_NOT_SYNCHRONIZED: ErrorCode = (1, 1);
    /// RFC 4271 §6.1; data: the Length field.
    pub const BAD_MESSAGE_LENGTH: ErrorCode = (1, 2);
    /// RFC 4271 §6.1; data: the type octet.
    pub const BAD_MESSAGE_TYPE: ErrorCode = (1, 3);

    /// RFC 4271 §6.2, RFC 5492 §5: an OPEN that cannot be read.
    pub const OPEN_UNSPECIFIC: ErrorCode = (2, 0);
    /// RFC 4271 §6.2; data: the version we speak, in two octets.
    pub const UNSUPPORTED_VERSION: ErrorCode = (2, 1);
    /// RFC 4271 §6.2, RFC 7607 §2.
    pub const BAD_PEER_AS: ErrorCode = (2, 2);
    /// RFC 6286 §2.2.
    pub const BAD_IDENTIFIER: ErrorCode = (2, 3);
    /// RFC 4271 §6.2.
    pub const UNSUPPORTED_PARAMETER: ErrorCode = (2, 4);
    /// RFC 4271 §6.2.
    pub const UNACCEPTABLE_HOLD_TIME: ErrorCode = (2, 6);
    /// RFC 5492 §5; data: the capabilities we miss.
    pub const UNSUPPORTED_CAPABILITY: ErrorCode = (2, 7);

    /// RFC 4271 §6.3: an UPDATE whose parts do not fit.
    pub const MALFORMED_ATTRIBUTE_LIST: ErrorCode = (3, 1);
    /// RFC 4271 §6.3; data: the attribute.
    pub const UNRECOGNIZED_WELL_KNOWN: ErrorCode = (3, 2);
    /// RFC 4760 §7, RFC 7606 §7.11; data: the attribute.
    pub const OPTIONAL_ATTRIBUTE: ErrorCode = (3, 9);
    /// RFC 4271 §6.3.
    pub const INVALID_NETWORK_FIELD: ErrorCode = (3, 10);

    /// RFC 4271 §6.5.
    pub const HOLD_TIMER_EXPIRED: ErrorCode = (4, 0);

    /// RFC 6608 §3; data: the type octet of the message.
    pub const UNEXPECTED_IN_OPEN_SENT: ErrorCode = (5, 1);
    /// RFC 6608 §3; data: the type octet of the message.
    pub const UNEXPECTED_IN_OPEN_CONFIRM: ErrorCode = (5, 2);
    /// RFC 6608 §3; data: the type octet of the message.
    pub const UNEXPECTED_IN_ESTABLISHED: ErrorCode = (5, 3);

    /// RFC 4486 §3.
    pub const CEASE_MAXIMUM_PREFIXES: ErrorCode = (6, 1);
    /// RFC 4486 §3; data: RFC 9003's text.
    pub const CEASE_ADMINISTRATIVE_SHUTDOWN: ErrorCode = (6, 2);
    /// RFC 4486 §3.
    pub const CEASE_PEER_DECONFIGURED: ErrorCode = (6, 3);
    /// RFC 4486 §3; data: RFC 9003's text.
    pub const CEASE_ADMINISTRATIVE_RESET: ErrorCode = (6, 4);
    /// RFC 4486 §3.
    pub const CEASE_CONNECTION_REJECTED: ErrorCode = (6, 5);
    /// RFC 4486 §3.
    pub const CEASE_CONFIGURATION_CHANGE: ErrorCode = (6, 6);
    /// RFC 4486 §3.
    pub const CEASE_COLLISION: ErrorCode = (6, 7);
    /// RFC 4486 §3.
    pub const CEASE_OUT_OF_RESOURCES: ErrorCode = (6, 8);
    /// RFC 8538 §3.
    pub const CEASE_HARD_RESET: ErrorCode = (6, 9);
    /// RFC 9384 §2.
    pub const CEASE_BFD_DOWN: ErrorCode = (6, 10);
}

/// The longest text RFC 9003 §2 has room for, in octets.
const MAX_TEXT: usize = 255;

impl Notification {
    /// One that carries no data.
    #[must_use]
    pub const fn plain((code, subcode): ErrorCode) -> Self {
        Self { code, subcode, data: Vec::new() }
    }

    /// One with the data that its RFC asks for.
    #[must_use]
    pub const fn with_data((code, subcode): ErrorCode, data: Vec<u8>) -> Self {
        Self { code, subcode, data }
    }

    /// Cease 6/2 with a text for the peer's operator (RFC 9003), cut to 255 octets between two characters.
    #[must_use]
    pub fn administrative_shutdown(text: &str) -> Self {
        Self::with_data(error::CEASE_ADMINISTRATIVE_SHUTDOWN, communication(text))
    }

    /// The peer was silent for the hold time.
    #[must_use]
    pub const fn hold_timer_expired() -> Self {
        Self::plain(error::HOLD_TIMER_EXPIRED)
    }

    /// A message that the state does not allow: `error` is one of the three `UNEXPECTED_IN_…`.
    #[must_use]
    pub fn unexpected_message(error: ErrorCode, kind: MessageType) -> Self {
        Self::with_data(error, vec![kind.octet()])
    }

    /// The peer lacks what the operator requires (RFC 5492 §5): these capabilities.
    #[must_use]
    pub fn unsupported_capability(missing: &[Capability]) -> Self {
        Self::with_data(error::UNSUPPORTED_CAPABILITY, capability::encode_all(missing))
    }

    /// Code and subcode.
    #[must_use]
    pub const fn error(&self) -> ErrorCode {
        (self.code, self.subcode)
    }

    /// The text of RFC 9003, if this may have one and its length fits. It is the peer's: escape it before showing it.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if !matches!(self.error(), error::CEASE_ADMINISTRATIVE_SHUTDOWN | error::CEASE_ADMINISTRATIVE_RESET) {
            return None;
        }
        let (&len, text) = self.data.split_first()?;
        (text.len() == usize::from(len)).then(|| str::from_utf8(text).ok())?
    }
}

/// RFC 9003 §2: length octet, then UTF-8.
fn communication(text: &str) -> Vec<u8> {
    let text = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
    let mut data = Vec::with_capacity(1 + text.len());
    data.push(super::header::len8(text.len()));
    data.extend(text.as_bytes());
    data
}

/// The header's check has made sure of the two octets.
pub(super) fn decode(body: &[u8]) -> Option<Notification> {
    let (&[code, subcode], data) = body.split_first_chunk()?;
    Some(Notification { code, subcode, data: data.to_vec() })
}

/// Data that is too long for a message is cut.
pub(super) fn encode(notification: &Notification) -> Vec<u8> {
    let mut body = vec![notification.code, notification.subcode];
    body.extend(notification.data.iter().take(MAX_LEN - HEADER_LEN - body.len()));
    body
}

/// `Cease/Administrative Shutdown (6/2): "text"`, on one line whatever the peer wrote: a text is escaped, other data
/// is hexadecimal.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, subcode) = self.error();
        match code_name(code) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "error code {code}")?,
        }
        match subcode_name(self.error()) {
            Some(name) => write!(f, "/{name}")?,
            None if subcode == 0 => {}
            None => write!(f, "/subcode {subcode}")?,
        }
        write!(f, " ({code}/{subcode})")?;
        match self.text() {
            Some("") => Ok(()),
            Some(text) => write!(f, ": {text:?}"),
            None if self.data.is_empty() => Ok(()),
            None => write!(f, ": {}", Hex(&self.data)),
        }
    }
}

const fn code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "Message Header Error",
        2 => "OPEN Message Error",
        3 => "UPDATE Message Error",
        4 => "Hold Timer Expired",
        5 => "Finite State Machine Error",
        6 => "Cease",
        7 => "ROUTE-REFRESH Message Error",
        8 => "Send Hold Timer Expired",
        _ => return None,
    })
}

/// Names as in IANA's registry.
const fn subcode_name(error: ErrorCode) -> Option<&'static str> {
    Some(match error {
        error::CONNECTION_NOT_SYNCHRONIZED => "Connection Not Synchronized",
        error::BAD_MESSAGE_LENGTH => "Bad Message Length",
        error::BAD_MESSAGE_TYPE => "Bad Message Type",
        error::OPEN_UNSPECIFIC => "Unspecific",
        error::UNSUPPORTED_VERSION => "Unsupported Version Number",
        error::BAD_PEER_AS => "Bad Peer AS",
        error::BAD_IDENTIFIER => "Bad BGP Identifier",
        error::UNSUPPORTED_PARAMETER => "Unsupported Optional Parameter",
        error::UNACCEPTABLE_HOLD_TIME => "Unacceptable Hold Time",
        error::UNSUPPORTED_CAPABILITY => "Unsupported Capability",
        (2, 11) => "Role Mismatch",
        error::MALFORMED_ATTRIBUTE_LIST => "Malformed Attribute List",
        error::UNRECOGNIZED_WELL_KNOWN => "Unrecognized Well-known Attribute",
        (3, 3) => "Missing Well-known Attribute",
        (3, 4) => "Attribute Flags Error",
        (3, 5) => "Attribute Length Error",
        (3, 6) => "Invalid ORIGIN Attribute",
        (3, 8) => "Invalid NEXT_HOP Attribute",
        error::OPTIONAL_ATTRIBUTE => "Optional Attribute Error",
        error::INVALID_NETWORK_FIELD => "Invalid Network Field",
        (3, 11) => "Malformed AS_PATH",
        error::UNEXPECTED_IN_OPEN_SENT => "Receive Unexpected Message in OpenSent State",
        error::UNEXPECTED_IN_OPEN_CONFIRM => "Receive Unexpected Message in OpenConfirm State",
        error::UNEXPECTED_IN_ESTABLISHED => "Receive Unexpected Message in Established State",
        error::CEASE_MAXIMUM_PREFIXES => "Maximum Number of Prefixes Reached",
        error::CEASE_ADMINISTRATIVE_SHUTDOWN => "Administrative Shutdown",
        error::CEASE_PEER_DECONFIGURED => "Peer De-configured",
        error::CEASE_ADMINISTRATIVE_RESET => "Administrative Reset",
        error::CEASE_CONNECTION_REJECTED => "Connection Rejected",
        error::CEASE_CONFIGURATION_CHANGE => "Other Configuration Change",
        error::CEASE_COLLISION => "Connection Collision Resolution",
        error::CEASE_OUT_OF_RESOURCES => "Out of Resources",
        error::CEASE_HARD_RESET => "Hard Reset",
        error::CEASE_BFD_DOWN => "BFD Down",
        (7, 1) => "Invalid Message Length",
        _ => return None,
    })
}
