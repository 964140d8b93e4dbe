//! The few ICMPv6 messages that find a router on a link: solicitation and advertisement (RFC 4861 §4.1, §4.2), and
//! the echo (RFC 4443 §4). Pure.
//!
//! Checksums are the kernel's business: a raw ICMPv6 socket computes them and drops what has a wrong one.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::reader::Reader;

/// All nodes on a link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on a link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// ICMPv6 types.
pub const ECHO_REQUEST: u8 = 128;
/// As above.
pub const ECHO_REPLY: u8 = 129;
/// As above.
pub const ROUTER_SOLICITATION: u8 = 133;
/// As above.
pub const ROUTER_ADVERTISEMENT: u8 = 134;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Somebody asks who is a router.
    RouterSolicitation,
    /// Somebody says he is one.
    RouterAdvertisement {
        /// How long he is a default router; zero: he is none.
        lifetime: Duration,
    },
    /// The answer to an echo request.
    EchoReply {
        /// The request's.
        identifier: u16,
        /// The request's.
        sequence: u16,
    },
}

/// Reads a message that arrived with this hop limit. `None`: another message, or one to be discarded (RFC 4861 §6.1):
/// Neighbour Discovery is of the link alone, so its hop limit is 255.
#[must_use]
pub fn decode(bytes: &[u8], hop_limit: Option<u8>) -> Option<Message> {
    let mut reader = Reader::new(bytes);
    let (kind, code) = (reader.u8()?, reader.u8()?);
    let _checksum = reader.u16()?;
    let is_of_the_link = code == 0 && hop_limit == Some(u8::MAX);
    match kind {
        ECHO_REPLY if code == 0 => Some(Message::EchoReply { identifier: reader.u16()?, sequence: reader.u16()? }),
        ROUTER_SOLICITATION if is_of_the_link => {
            let _reserved = (reader.u16()?, reader.u16()?);
            are_options(reader.rest()).then_some(Message::RouterSolicitation)
        }
        ROUTER_ADVERTISEMENT if is_of_the_link => {
            let (_hop_limit, _flags) = (reader.u8()?, reader.u8()?);
            let lifetime = Duration::from_secs(reader.u16()?.into());
            let _reachable_and_retransmit = (reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?);
            are_options(reader.rest()).then_some(Message::RouterAdvertisement { lifetime })
        }
        _ => None,
    }
}

/// Whether these are options (§4.6): a type, a length in units of 8 octets that is not 0, and as much as it says. The
/// last may be cut off where the socket keeps only the beginning of a message.
fn are_options(mut bytes: &[u8]) -> bool {
    while let [_, length, ..] = bytes {
        if *length == 0 {
            return false;
        }
        bytes = bytes.get(usize::from(*length) * 8..).unwrap_or_default();
    }
    true
}

/// Asks routers to advertise themselves.
#[must_use]
pub const fn router_solicitation() -> [u8; 8] {
    [ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]
}

/// Makes us known as a neighbour that is no default router, whose prefixes, hop limit and timers are unspecified.
#[must_use]
pub const fn router_advertisement() -> [u8; 16] {
    [ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Asks for an echo.
#[must_use]
pub const fn echo_request(identifier: u16, sequence: u16) -> [u8; 8] {
    let ([a, b], [c, d]) = (identifier.to_be_bytes(), sequence.to_be_bytes());
    [ECHO_REQUEST, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// FRR 8.4's, lifetime 30 s, with its link-layer address.
    const FRR: [u8; 24] =
        [134, 0, 0x12, 0x34, 64, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xa6, 0xc9, 0x67, 0xc8, 0x65, 0xc8];

    const FROM_FRR: Message = Message::RouterAdvertisement { lifetime: Duration::from_secs(30) };

    #[test]
    fn what_we_send_is_what_others_read() {
        let silent = Message::RouterAdvertisement { lifetime: Duration::ZERO };
        assert_eq!(decode(&router_advertisement(), Some(255)), Some(silent));
        assert_eq!(decode(&router_solicitation(), Some(255)), Some(Message::RouterSolicitation));
        let mut echo = echo_request(0x1234, 2);
        assert_eq!(decode(&echo, Some(64)), None);
        echo[0] = ECHO_REPLY;
        assert_eq!(decode(&echo, Some(64)), Some(Message::EchoReply { identifier: 0x1234, sequence: 2 }));
    }

    #[test]
    fn an_advertisement_is_of_the_link_and_whole() {
        assert_eq!(decode(&FRR, Some(255)), Some(FROM_FRR));
        assert_eq!(decode(&FRR, Some(254)), None);
        assert_eq!(decode(&FRR, None), None);
        assert_eq!(decode(&FRR[..15], Some(255)), None);
        let with = |at: usize, byte| {
            let mut bytes = FRR;
            bytes[at] = byte;
            decode(&bytes, Some(255))
        };
        assert_eq!(with(1, 1), None);
        // An option without a length.
        assert_eq!(with(17, 0), None);
        // One that goes on beyond what was kept.
        assert_eq!(with(17, 9), Some(FROM_FRR));
        assert_eq!(decode(&FRR[..17], Some(255)), Some(FROM_FRR));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_discarded(bytes: Vec<u8>, kind in 128_u8..136, hop_limit: Option<u8>) {
            let _ = decode(&bytes, hop_limit);
            let _ = decode(&[&[kind, 0], &bytes[..]].concat(), Some(255));
        }
    }
}
