//! Prefixes as UPDATE carries them: length in bits, then as few octets as hold it (RFC 4271 §4.3, RFC 4760 §5).

use ipnetwork::IpNetwork;

use super::Family;
use crate::wire::reader::Reader;

/// How many prefixes a field holds. `None`: one is longer than its family's addresses, or cut off (RFC 7606 §5.3).
pub(super) fn count(field: &[u8], family: Family) -> Option<usize> {
    let max = match family {
        Family::Ipv4Unicast => 32,
        Family::Ipv6Unicast => 128,
    };
    let mut reader = Reader::new(field);
    let mut count = 0;
    while !reader.is_empty() {
        let bits = reader.u8().filter(|&bits| bits <= max)?;
        reader.take(octets(bits))?;
        count += 1;
    }
    Some(count)
}

/// The network of the prefix; host bits go out as zero.
pub(super) fn encode(prefix: IpNetwork, out: &mut Vec<u8>) {
    out.push(prefix.prefix());
    let len = octets(prefix.prefix());
    match prefix {
        IpNetwork::V4(prefix) => out.extend(prefix.network().octets().into_iter().take(len)),
        IpNetwork::V6(prefix) => out.extend(prefix.network().octets().into_iter().take(len)),
    }
}

/// How many octets it takes.
pub(super) fn len(prefix: IpNetwork) -> usize {
    1 + octets(prefix.prefix())
}

fn octets(bits: u8) -> usize {
    usize::from(bits).div_ceil(8)
}
