//! UDP over IPv4, as it passed.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::{Capture, frames, word};
use crate::clock;

/// A UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Since boot, as [`clock::now`].
    pub at: Duration,
    /// The sender.
    pub from: IpAddr,
    /// The receiver.
    pub to: IpAddr,
    /// The receiver's port.
    pub port: u16,
    /// The TTL it came by with.
    pub ttl: u8,
}

impl Capture {
    /// All UDP datagrams over IPv4 since the start, oldest first.
    ///
    /// # Errors
    /// As [`Capture::seen`].
    pub fn datagrams(&self) -> Result<Vec<Datagram>> {
        let file = self.bytes()?;
        Ok(frames(&file)?.into_iter().filter_map(|(stamp, frame)| datagram(clock::from_wall(stamp), frame)).collect())
    }
}

fn datagram(at: Duration, frame: &[u8]) -> Option<Datagram> {
    const UDP: u8 = 17;
    let packet = (frame.get(12..14)? == [0x08, 0x00]).then(|| frame.get(14..)).flatten()?;
    (*packet.get(9)? == UDP).then_some(())?;
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let (from, to) = (address(12)?, address(16)?);
    Some(Datagram { at, from, to, port: word(packet, header + 2)?, ttl: *packet.get(8)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_is_read_and_nothing_else() {
        let frame = |protocol| {
            let mut frame = vec![0; 12];
            frame.extend([0x08, 0x00, 0x45, 0, 0, 28, 0, 0, 0, 0, 62, protocol, 0, 0]);
            frame.extend([10, 77, 0, 11, 10, 78, 0, 1, 0xc0, 0, 0x12, 0xb0, 0, 8, 0, 0]);
            frame
        };
        let at = Duration::from_secs(1);
        let expected = Datagram { at, from: [10, 77, 0, 11].into(), to: [10, 78, 0, 1].into(), port: 4784, ttl: 62 };
        assert_eq!([17, 6].map(|protocol| datagram(at, &frame(protocol))), [Some(expected), None]);
    }
}
