//! BGP's bytes, made by hand (RFC 4271 §4), right or wrong as the test wants them.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};

/// Message types.
pub const OPEN: u8 = 1;
/// RFC 4271 §4.3.
pub const UPDATE: u8 = 2;
/// RFC 4271 §4.5.
pub const NOTIFICATION: u8 = 3;
/// RFC 2918.
pub const ROUTE_REFRESH: u8 = 5;

/// The KEEPALIVE, all of it.
pub const KEEPALIVE: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x13\x04";

/// End-of-RIB of IPv4 unicast (RFC 4724 §2), all of it.
pub const END_OF_RIB: &[u8] =
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x17\x02\x00\x00\x00\x00";

/// End-of-RIB of IPv6 unicast, all of it: an `MP_UNREACH_NLRI` without a prefix.
pub const END_OF_RIB6: &[u8] =
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x1d\x02\x00\x00\x00\x06\x80\x0f\x03\x00\x02\x01";

/// A message that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// When its last byte was read, as [`crate::clock::now`].
    pub at: Duration,
    /// Its type.
    pub kind: u8,
    /// What follows the header.
    pub body: Vec<u8>,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Message {
    /// The message that these bytes begin with, and its length; `None` while it is not whole.
    pub(super) fn first_of(bytes: &[u8], at: Duration) -> Result<Option<(Self, usize)>> {
        let Some(&[high, low, kind]) = bytes.get(16..19).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let marked = bytes.iter().take(16).all(|octet| *octet == 0xff);
        ensure!(marked && (19..=4096).contains(&length), "no BGP message: {bytes:02x?}");
        let Some(all) = bytes.get(..length) else { return Ok(None) };
        let body = all.get(19..).unwrap_or_default().to_vec();
        Ok(Some((Self { at, kind, body, bytes: all.to_vec() }, length)))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of type {}: {:02x?}", self.kind, self.body)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message with its marker and length.
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    header(19 + body.len(), kind, body)
}

/// A message that says it has this length, whatever it has.
#[must_use]
pub fn header(length: usize, kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff; 16], len16(length).as_slice(), &[kind], body].concat()
}

/// An OPEN's fixed fields and its optional parameters, with their length octet.
#[must_use]
pub fn open(asn: u16, hold: u16, id: Ipv4Addr, parameters: &[u8]) -> Vec<u8> {
    let counted = [&[len8(parameters.len())], parameters].concat();
    open_raw(4, asn, hold, id, &counted)
}

/// An OPEN, its parameters as they are.
#[must_use]
pub fn open_raw(version: u8, asn: u16, hold: u16, id: Ipv4Addr, rest: &[u8]) -> Vec<u8> {
    let fixed = [&[version], asn.to_be_bytes().as_slice(), &hold.to_be_bytes(), &id.octets()].concat();
    message(OPEN, &[&fixed, rest].concat())
}

/// An optional parameter; 2 is capabilities.
#[must_use]
pub fn parameter(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, len8(value.len())], value].concat()
}

/// A capability (RFC 5492).
#[must_use]
pub fn capability(code: u8, value: &[u8]) -> Vec<u8> {
    parameter(code, value)
}

/// IPv4 and IPv6 unicast, route refresh, this AS number in four octets.
#[must_use]
pub fn capabilities(asn: u32) -> Vec<u8> {
    [capability(1, &[0, 1, 0, 1]), capability(1, &[0, 2, 0, 1]), capability(2, &[]), capability(65, &asn.to_be_bytes())]
        .concat()
}

/// An UPDATE whose lengths are right.
#[must_use]
pub fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let parts = [&len16(withdrawn.len()), withdrawn, &len16(attributes.len()), attributes, nlri];
    message(UPDATE, &parts.concat())
}

/// A path attribute; its length has two octets where the flags say so.
#[must_use]
pub fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let length = if flags & 0x10 == 0 { vec![len8(value.len())] } else { len16(value.len()).to_vec() };
    [&[flags, code], length.as_slice(), value].concat()
}

/// A NOTIFICATION.
#[must_use]
pub fn notification(code: u8, subcode: u8, data: &[u8]) -> Vec<u8> {
    message(NOTIFICATION, &[&[code, subcode], data].concat())
}

/// A ROUTE-REFRESH.
#[must_use]
pub fn route_refresh(afi: u16, safi: u8) -> Vec<u8> {
    let [high, low] = afi.to_be_bytes();
    message(ROUTE_REFRESH, &[high, low, 0, safi])
}

fn len16(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn len8(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that four routers send for such a route.
    #[test]
    fn an_update_is_what_routers_send() {
        let path = attribute(0x40, 2, b"\x02\x01\x00\x00\xfd\xe9");
        let attributes = [attribute(0x40, 1, &[0]), path, attribute(0x40, 3, &[127, 0, 0, 1])].concat();
        let bytes = update(&[], &attributes, b"\x20\x0a\x63\x00\x01");
        let body =
            b"\0\0\0\x14\x40\x01\x01\0\x40\x02\x06\x02\x01\0\0\xfd\xe9\x40\x03\x04\x7f\0\0\x01\x20\x0a\x63\0\x01";
        assert_eq!(bytes, [&[0xff; 16], b"\x00\x30\x02".as_slice(), body].concat());
    }

    #[test]
    fn a_message_is_cut_from_the_stream_when_it_is_whole() {
        let bytes = [KEEPALIVE, END_OF_RIB].concat();
        let at = Duration::from_secs(1);
        let keepalive = Message { at, kind: 4, body: Vec::new(), bytes: KEEPALIVE.to_vec() };
        assert_eq!(Message::first_of(&bytes, at).unwrap(), Some((keepalive, 19)));
        assert_eq!(Message::first_of(&KEEPALIVE[..18], at).unwrap(), None);
        assert!(Message::first_of(&[0; 19], at).is_err());
    }
}
