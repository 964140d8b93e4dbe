//! OPEN (RFC 4271 §4.2, §6.2), its optional parameters in both forms (RFC 9072), and the AS number's two places
//! (RFC 6793). What the peer's configuration decides (its AS, its identifier against ours) is the state machine's.

use std::net::Ipv4Addr;

use super::notification::error;
use super::{Capability, Notification, Open, capability, header};
use crate::wire::reader::Reader;

/// What the two-octet AS field says where the number does not fit it (RFC 6793 §9).
pub(super) const AS_TRANS: u16 = 23456;

const VERSION: u8 = 4;
const PARAMETER_CAPABILITIES: u8 = 2;
/// RFC 9072 §2: as the type of the first parameter, the extended form follows.
const PARAMETER_EXTENDED: u8 = 255;

/// Capabilities kept of one OPEN. The usual form has room for 127, the extended one for thousands; they stay bounded.
const MAX_CAPABILITIES: usize = 256;

/// # Errors
/// The first rule of RFC 4271 §6.2 that the OPEN breaks.
pub(super) fn decode(body: &[u8]) -> Result<Open, Notification> {
    let malformed = || Notification::plain(error::OPEN_UNSPECIFIC);
    let mut reader = Reader::new(body);
    if reader.u8().ok_or_else(malformed)? != VERSION {
        // The data is a two-octet number (RFC 4271 §6.2), unlike the field.
        return Err(Notification::with_data(error::UNSUPPORTED_VERSION, u16::from(VERSION).to_be_bytes().to_vec()));
    }
    let asn = reader.u16().ok_or_else(malformed)?;
    let hold_time = reader.u16().ok_or_else(malformed)?;
    let id = Ipv4Addr::from(reader.array::<4>().ok_or_else(malformed)?);
    if asn == 0 {
        return Err(Notification::plain(error::BAD_PEER_AS));
    }
    if matches!(hold_time, 1 | 2) {
        return Err(Notification::plain(error::UNACCEPTABLE_HOLD_TIME));
    }
    // RFC 6286 §2.1: any number but zero, also one that is no host address.
    if id.is_unspecified() {
        return Err(Notification::plain(error::BAD_IDENTIFIER));
    }
    let capabilities = parameters(reader)?;
    let asn = four_octet_as(&capabilities).unwrap_or_else(|| u32::from(asn));
    // RFC 7607 §2 forbids the zero in the capability too.
    if asn == 0 {
        return Err(Notification::plain(error::BAD_PEER_AS));
    }
    Ok(Open { asn, hold_time, id, capabilities })
}

/// The AS number of the capability, where there is one: it wins over the field (RFC 6793 §4.1).
fn four_octet_as(capabilities: &[Capability]) -> Option<u32> {
    capabilities.iter().find_map(|capability| match capability {
        Capability::FourOctetAs(asn) => Some(*asn),
        Capability::Multiprotocol(_)
        | Capability::RouteRefresh
        | Capability::ExtendedNextHop
        | Capability::Other { .. } => None,
    })
}

/// The optional parameters: length octet and what follows it.
fn parameters(reader: Reader<'_>) -> Result<Vec<Capability>, Notification> {
    let malformed = || Notification::plain(error::OPEN_UNSPECIFIC);
    let (list, extended) = parameter_list(reader).ok_or_else(malformed)?;
    let mut capabilities = Vec::new();
    let mut reader = Reader::new(list);
    while !reader.is_empty() {
        let kind = reader.u8().ok_or_else(malformed)?;
        let value = if extended { reader.field16() } else { reader.field8() }.ok_or_else(malformed)?;
        if kind != PARAMETER_CAPABILITIES {
            return Err(Notification::plain(error::UNSUPPORTED_PARAMETER));
        }
        capability::decode_all(value, &mut capabilities, MAX_CAPABILITIES).ok_or_else(malformed)?;
    }
    Ok(capabilities)
}

/// The list of parameters, and whether their lengths have two octets. `None`: its length is not that of the message.
fn parameter_list(mut reader: Reader<'_>) -> Option<(&[u8], bool)> {
    let len = reader.u8()?;
    // RFC 9072 §2: the type octet alone decides, whatever the length octet says, as long as it is not zero.
    if len != 0 && reader.rest().first() == Some(&PARAMETER_EXTENDED) {
        reader.u8()?;
        let list = reader.field16()?;
        return reader.is_empty().then_some((list, true));
    }
    (reader.rest().len() == usize::from(len)).then_some((reader.rest(), false))
}

/// All capabilities in one parameter; those beyond its 255 octets are left out.
pub(super) fn encode(open: &Open) -> Vec<u8> {
    let asn = u16::try_from(open.asn).unwrap_or(AS_TRANS);
    let mut body = vec![VERSION];
    body.extend(asn.to_be_bytes());
    body.extend(open.hold_time.to_be_bytes());
    body.extend(open.id.octets());
    let mut value = Vec::new();
    for bytes in open.capabilities.iter().map(capability::encode) {
        // The parameter's own two octets count in the length of them all.
        if 2 + value.len() + bytes.len() <= usize::from(u8::MAX) {
            value.extend(bytes);
        }
    }
    if value.is_empty() {
        body.push(0);
    } else {
        body.extend([header::len8(2 + value.len()), PARAMETER_CAPABILITIES, header::len8(value.len())]);
        body.extend(value);
    }
    body
}
