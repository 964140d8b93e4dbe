//! rustbgpd-wire, into our words.

use std::net::IpAddr;

use bytes::Bytes;
use rustbgpd_wire::{Afi, AsPathSegment, MAX_MESSAGE_LEN, Message, Origin, PathAttribute, Prefix, decode_message};

use super::Seen;
use crate::wire::bgp::{Capability, Community, Family, Notification, Open, Session};

pub(super) fn message(bytes: &[u8]) -> Message {
    let mut bytes = Bytes::copy_from_slice(bytes);
    let message = decode_message(&mut bytes, MAX_MESSAGE_LEN).unwrap();
    assert!(bytes.is_empty());
    message
}

fn network(prefix: Prefix) -> (IpAddr, u8) {
    match prefix {
        Prefix::V4(prefix) => (prefix.addr.into(), prefix.len),
        Prefix::V6(prefix) => (prefix.addr.into(), prefix.len),
    }
}

pub(super) fn seen(bytes: &[u8], session: Session) -> Seen {
    let Message::Update(update) = message(bytes) else { panic!("{bytes:02x?}") };
    let update = update.parse(session.four_octet_as, false, &[]).unwrap();
    let mut seen = Seen {
        announced: update.announced.iter().map(|entry| network(Prefix::V4(entry.prefix))).collect(),
        withdrawn: update.withdrawn.iter().map(|entry| network(Prefix::V4(entry.prefix))).collect(),
        ..Seen::default()
    };
    for attribute in update.attributes {
        match attribute {
            PathAttribute::Origin(origin) => seen.origin_igp = origin == Origin::Igp,
            PathAttribute::AsPath(path) => {
                for segment in path.segments {
                    let AsPathSegment::AsSequence(sequence) = segment else { panic!("{segment:?}") };
                    seen.as_path.extend(sequence);
                }
            }
            PathAttribute::NextHop(address) => seen.next_hop = Some(address.into()),
            PathAttribute::Med(value) => seen.med = Some(value),
            PathAttribute::LocalPref(value) => seen.local_pref = Some(value),
            PathAttribute::Communities(list) => {
                seen.communities.extend(list.into_iter().map(Community::Standard));
            }
            PathAttribute::ExtendedCommunities(list) => {
                seen.communities.extend(list.iter().map(|it| Community::Extended(it.as_u64().to_be_bytes())));
            }
            PathAttribute::LargeCommunities(list) => seen.communities.extend(list.iter().map(|it| Community::Large {
                asn: it.global_admin,
                first: it.local_data1,
                second: it.local_data2,
            })),
            PathAttribute::MpReachNlri(mp) => {
                seen.next_hop = Some(mp.next_hop);
                seen.link_local = mp.link_local_next_hop.map(IpAddr::V6);
                seen.announced.extend(mp.announced.iter().map(|entry| network(entry.prefix)));
            }
            PathAttribute::MpUnreachNlri(mp) => {
                seen.withdrawn.extend(mp.withdrawn.iter().map(|entry| network(entry.prefix)));
            }
            PathAttribute::Unknown(other) => seen.others.push((other.type_code, other.data.to_vec())),
            other => panic!("{other:?}"),
        }
    }
    seen
}

/// What it read, which is compared with what we meant: a capability it has no name for stays as it is.
pub(super) fn open(bytes: &[u8]) -> Open {
    let Message::Open(open) = message(bytes) else { panic!("{bytes:02x?}") };
    assert_eq!(open.version, 4);
    let family = |afi| match afi {
        Afi::Ipv4 => Family::Ipv4Unicast,
        Afi::Ipv6 => Family::Ipv6Unicast,
        other => panic!("{other:?}"),
    };
    let mut asn = u32::from(open.my_as);
    let mut capabilities = Vec::new();
    for capability in open.capabilities {
        capabilities.push(match capability {
            rustbgpd_wire::Capability::MultiProtocol { afi, .. } => Capability::Multiprotocol(family(afi)),
            rustbgpd_wire::Capability::RouteRefresh => Capability::RouteRefresh,
            rustbgpd_wire::Capability::ExtendedNextHop(list) => {
                let [only] = list.as_slice() else { panic!("{list:?}") };
                assert_eq!((only.nlri_afi, only.next_hop_afi), (Afi::Ipv4, Afi::Ipv6));
                Capability::ExtendedNextHop
            }
            rustbgpd_wire::Capability::FourOctetAs { asn: four } => {
                asn = four;
                Capability::FourOctetAs(four)
            }
            other => {
                let mut bytes = Vec::new();
                other.encode(&mut bytes).unwrap();
                Capability::Other { code: bytes[0], value: bytes[2..].to_vec() }
            }
        });
    }
    Open { asn, hold_time: open.hold_time, id: open.bgp_identifier, capabilities }
}

pub(super) fn notification(bytes: &[u8]) -> Notification {
    let Message::Notification(read) = message(bytes) else { panic!("{bytes:02x?}") };
    Notification { code: read.code.as_u8(), subcode: read.subcode, data: read.data.to_vec() }
}
