//! The Generalized TTL Security Mechanism (RFC 5082): what it asks of a socket, and what a failed attempt under it
//! may mean. Pure.
//!
//! We send with 255 and take only what arrives with 256 - hops or more; a packet from farther away cannot have that.
//! Errors by ICMP come with any TTL (§2.2, §3): Linux takes one for such a socket only where the packet quoted in it
//! had not come farther than that either, and none ends a session that is up.

use std::fmt;

/// The lowest TTL or hop limit with which a packet may arrive that comes over at most `hops` hops, 1 being the same
/// network.
#[must_use]
pub const fn lowest_ttl(hops: u8) -> u8 {
    // 256 - hops, which for the lowest value that makes sense, 1, is 255.
    u8::MAX - hops.saturating_sub(1)
}

/// How many segments this network namespace dropped for their TTL, from the text of `/proc/net/netstat`; `None` where
/// the kernel does not count them.
#[must_use]
pub fn dropped(netstat: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut counters = names.split_whitespace().zip(values.split_whitespace());
    counters.find(|(name, _)| *name == "TCPMinTTLDrop")?.1.parse().ok()
}

/// What is known about an attempt to connect that found only silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How far away the peer may be.
    pub hops: u8,
    /// How many segments were dropped for their TTL meanwhile, if that is known.
    pub dropped: Option<u64>,
}

/// What that means, for the operator.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lowest = lowest_ttl(self.hops);
        let away =
            if self.hops == 1 { "not on our network".to_owned() } else { format!("over {} hops away", self.hops) };
        match self.dropped {
            Some(0) => write!(f, "ttl-security is on: no segment came, not even one with a TTL below {lowest}"),
            Some(dropped) => write!(
                f,
                "ttl-security is on: {dropped} segment{} with a TTL below {lowest} came and {} dropped: the peer has no \
                 ttl-security for us, or is {away}, or its port is closed (a reset has an ordinary TTL)",
                if dropped == 1 { "" } else { "s" },
                if dropped == 1 { "was" } else { "were" },
            ),
            None => write!(
                f,
                "ttl-security is on: segments with a TTL below {lowest} are dropped, as they come where the peer has no \
                 ttl-security for us or is {away}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_may_lose_one_hop_less_than_it_may_come_over() {
        assert_eq!([1, 2, 254, 255].map(lowest_ttl), [255, 254, 2, 1]);
    }

    #[test]
    fn the_kernels_counter_is_found_by_name() {
        let netstat =
            "TcpExt: SyncookiesSent TCPMinTTLDrop TCPMD5Failure\nTcpExt: 1 22 3\nIpExt: InNoRoutes\nIpExt: 0\n";
        assert_eq!(dropped(netstat), Some(22));
        assert_eq!(dropped("TcpExt: SyncookiesSent\nTcpExt: 1\n"), None);
        assert_eq!(dropped(""), None);
    }

    #[test]
    fn the_evidence_names_what_to_look_at() {
        let say = |hops, dropped| Evidence { hops, dropped }.to_string();
        assert_eq!(say(1, Some(0)), "ttl-security is on: no segment came, not even one with a TTL below 255");
        assert_eq!(
            say(1, Some(1)),
            "ttl-security is on: 1 segment with a TTL below 255 came and was dropped: the peer has no ttl-security for \
             us, or is not on our network, or its port is closed (a reset has an ordinary TTL)"
        );
        assert_eq!(
            say(2, Some(3)),
            "ttl-security is on: 3 segments with a TTL below 254 came and were dropped: the peer has no ttl-security \
             for us, or is over 2 hops away, or its port is closed (a reset has an ordinary TTL)"
        );
        assert_eq!(
            say(2, None),
            "ttl-security is on: segments with a TTL below 254 are dropped, as they come where the peer has no \
             ttl-security for us or is over 2 hops away"
        );
    }
}
