//! Bytes and their meaning, both ways; every rule of the RFCs by a test that bears its name.

mod community;
mod golden;
mod header;
mod notification;
mod open;
mod pack;
mod properties;
mod route_refresh;
mod third_party;
mod update;
mod update_attributes;

use super::*;

const EBGP: Session = Session { four_octet_as: true, ibgp: false };
const IBGP: Session = Session { four_octet_as: true, ibgp: true };
const TWO_OCTET: Session = Session { four_octet_as: false, ibgp: false };

/// Bytes written in hexadecimal, with any white space.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A whole message, put together without the code under test.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff; 16];
    bytes.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// A field behind its length in two octets.
fn field16(bytes: &[u8]) -> Vec<u8> {
    let mut field = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    field.extend(bytes);
    field
}

fn notification((code, subcode): (u8, u8), data: &str) -> Notification {
    Notification { code, subcode, data: hex(data) }
}
