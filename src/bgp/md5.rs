//! What the kernel's counters say about TCP-MD5 (RFC 2385): a wrong key makes no error, only silence.

use std::fmt;

/// The TcpExt counters of segments whose signature was not what the socket expects. They count where the bad segment
/// arrives, for the whole network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// TCPMD5Failure: signed with another key.
    pub failure: u64,
    /// TCPMD5NotFound: not signed, though we have a key for the peer.
    pub not_found: u64,
    /// TCPMD5Unexpected: signed, though we have no key for the peer.
    pub unexpected: u64,
}

impl Counters {
    /// Reads them from the text of `/proc/net/netstat`; one that the kernel does not have counts as 0, and `None` is a
    /// text without the line.
    #[must_use]
    pub fn parse(netstat: &str) -> Option<Self> {
        let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
        let (names, values) = (lines.next()?, lines.next()?);
        let mut counters = Self::default();
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            let counter = match name {
                "TCPMD5Failure" => &mut counters.failure,
                "TCPMD5NotFound" => &mut counters.not_found,
                "TCPMD5Unexpected" => &mut counters.unexpected,
                _ => continue,
            };
            *counter = value.parse().ok()?;
        }
        Some(counters)
    }

    /// How far they went since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            failure: self.failure.saturating_sub(earlier.failure),
            not_found: self.not_found.saturating_sub(earlier.not_found),
            unexpected: self.unexpected.saturating_sub(earlier.unexpected),
        }
    }
}

/// What the counters' increase during an attempt to connect with a password means, for the operator.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failure, not_found, unexpected } = *self;
        if *self == Self::default() {
            return f.write_str(
                "MD5: nothing with a bad signature came back, so the peer is down or filtered, or has another password \
                 or none and dropped our SYN",
            );
        }
        let mut separator = "MD5: ";
        let mut say = |count: u64, what: &str| {
            if count == 0 {
                return Ok(());
            }
            let result = write!(f, "{separator}{count} {what}");
            separator = "; ";
            result
        };
        say(not_found, "unsigned segments came back: the port is closed or the peer has no password for us")?;
        say(failure, "segments came back with another signature: the passwords differ")?;
        say(unexpected, "signed segments came from a peer for which there is no password here")?;
        f.write_str(" (counted for this whole network namespace: where several peers have a password, it may be any)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETSTAT: &str = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted\n\
                           TcpExt: 9 3 4 5 6\nIpExt: InNoRoutes InTruncatedPkts\nIpExt: 1 2\n";

    #[test]
    fn reads_the_counters_by_name() {
        assert_eq!(Counters::parse(NETSTAT), Some(Counters { failure: 5, not_found: 3, unexpected: 4 }));
        assert_eq!(Counters::parse("TcpExt: A B\nTcpExt: 1 2\n"), Some(Counters::default()));
        assert_eq!(Counters::parse("IpExt: A\nIpExt: 1\n"), None);
        assert_eq!(Counters::parse("TcpExt: TCPMD5Failure\n"), None);
        assert_eq!(Counters::parse("TcpExt: TCPMD5Failure\nTcpExt: x\n"), None);
    }

    #[test]
    fn says_what_an_increase_means() {
        let before = Counters { failure: 1, not_found: 1, unexpected: 1 };
        let after = Counters { failure: 3, not_found: 2, unexpected: 1 };
        assert_eq!(
            after.since(before).to_string(),
            "MD5: 1 unsigned segments came back: the port is closed or the peer has no password for us; 2 segments came \
             back with another signature: the passwords differ (counted for this whole network namespace: where \
             several peers have a password, it may be any)"
        );
        assert_eq!(
            before.since(before).to_string(),
            "MD5: nothing with a bad signature came back, so the peer is down or filtered, or has another password or \
             none and dropped our SYN"
        );
    }
}
