//! Why an attempt to connect found only silence, as far as TCP-MD5 (RFC 2385) has to do with it: a wrong key makes no
//! error. Pure.
//!
//! The kernel drops a segment whose signature is not what the socket expects where that *arrives*, and counts it
//! there. What a Linux router (BIRD, FRR) lets this side see, by the scenario `33-md5-verdicts`:
//!
//! | case | connect | our counters | SYN without a key |
//! |---|---|---|---|
//! | the peer has another password | silence | none | silence |
//! | the peer has none | silence | none | answered |
//! | the peer has one, we have none | silence | none | (is the attempt itself) |
//! | nothing listens there | silence: Linux answers no signed SYN | none | refused |
//! | a firewall drops | silence | none | silence |
//! | a firewall resets | silence: its RST has no signature | NotFound | refused |
//! | a firewall refuses by ICMP | refused, or no route to host | none | – |
//! | down, on our network | no route to host after 3 s (no answer to ARP) | none | – |
//! | down, behind a router | silence, or what that router says by ICMP | none | silence |
//! | dials us with another password | (is its attempt) | Failure | silence |
//! | dials us without one | (is its attempt) | NotFound | answered |
//! | dials us, who have none, with one | (is its attempt) | Unexpected | – |
//!
//! The last three rows, where the peer dials us, follow from the kernel's rules: the scenario does not try them.
//!
//! The counters alone tell little apart where we dial: a second SYN without a signature does. It is sent late in an
//! attempt that met only silence, says nothing, and is reset as soon as it is answered: no session without its key.

use std::fmt;

use super::settings::PeerKey;

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

/// How the peer took a SYN that asked for nothing but an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a SYN of its own.
    Accepted,
    /// With a reset, or a firewall did.
    Refused,
    /// With nothing.
    Silence,
}

/// What is known about an attempt to connect that found only silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Whether there is a password for the peer.
    pub has_password: bool,
    /// How far the counters went during the attempt.
    pub counters: Counters,
    /// What became of a SYN without a signature; `None`: none was sent, or nothing is known.
    pub unsigned: Option<Answer>,
    /// Other peers, with a password as this one or without as this one, of whom nothing was heard at the same time:
    /// the counters may be theirs.
    pub others: Vec<PeerKey>,
}

/// What that means, for the operator.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MD5: ")?;
        self.counted(f)?;
        f.write_str(match (self.has_password, self.unsigned) {
            (true, Some(Answer::Accepted)) => {
                "a signed SYN was not answered and an unsigned one was: the peer has no password for us"
            }
            (true, Some(Answer::Refused)) => {
                "an unsigned SYN was refused: the port is closed, or a firewall refuses us"
            }
            (true, Some(Answer::Silence)) => {
                "no SYN was answered, signed or not: the peer has another password for us, or is down or filtered"
            }
            (true, None) => {
                "nothing was answered: the peer has another password for us or none, or is down or filtered"
            }
            (false, _) => "no password is set here: the peer has one for us, or is down or filtered",
        })
    }
}

impl Evidence {
    fn counted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { failure, not_found, unexpected } = self.counters;
        // What cannot be this peer's is not told of it.
        let seen = match self.has_password {
            true => [(failure, "signed with another password"), (not_found, "without a signature")],
            false => [(unexpected, "with a signature"), (0, "")],
        };
        for (count, what) in seen.into_iter().filter(|(count, _)| *count > 0) {
            let segments = if count == 1 { "segment" } else { "segments" };
            write!(f, "{count} {segments} {what} came from ")?;
            self.suspects(f)?;
            f.write_str("; ")?;
        }
        Ok(())
    }

    /// The counters are those of the whole network namespace.
    fn suspects(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.others.is_empty() {
            return f.write_str("the peer");
        }
        f.write_str("one of this peer")?;
        self.others.iter().try_for_each(|other| write!(f, ", {other}"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const NETSTAT: &str = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted\n\
                           TcpExt: 9 3 4 5 6\nIpExt: InNoRoutes InTruncatedPkts\nIpExt: 1 2\n";
    const NONE: Counters = Counters { failure: 0, not_found: 0, unexpected: 0 };

    #[test]
    fn reads_the_counters_by_name() {
        assert_eq!(Counters::parse(NETSTAT), Some(Counters { failure: 5, not_found: 3, unexpected: 4 }));
        assert_eq!(Counters::parse("TcpExt: A B\nTcpExt: 1 2\n"), Some(Counters::default()));
        assert_eq!(Counters::parse("IpExt: A\nIpExt: 1\n"), None);
        assert_eq!(Counters::parse("TcpExt: TCPMD5Failure\n"), None);
        assert_eq!(Counters::parse("TcpExt: TCPMD5Failure\nTcpExt: x\n"), None);
    }

    #[test]
    fn counts_since_an_earlier_moment() {
        let before = Counters { failure: 1, not_found: 1, unexpected: 1 };
        let after = Counters { failure: 3, not_found: 2, unexpected: 1 };
        assert_eq!(after.since(before), Counters { failure: 2, not_found: 1, unexpected: 0 });
        assert_eq!(before.since(after), NONE);
    }

    fn said(has_password: bool, counters: Counters, unsigned: Option<Answer>) -> String {
        Evidence { has_password, counters, unsigned, others: Vec::new() }.to_string()
    }

    #[test]
    fn the_answer_to_an_unsigned_syn_decides_where_nothing_is_counted() {
        assert_eq!(
            [Some(Answer::Accepted), Some(Answer::Refused), Some(Answer::Silence), None].map(|a| said(true, NONE, a)),
            [
                "MD5: a signed SYN was not answered and an unsigned one was: the peer has no password for us",
                "MD5: an unsigned SYN was refused: the port is closed, or a firewall refuses us",
                "MD5: no SYN was answered, signed or not: the peer has another password for us, or is down or filtered",
                "MD5: nothing was answered: the peer has another password for us or none, or is down or filtered",
            ]
        );
        assert_eq!(
            said(false, NONE, None),
            "MD5: no password is set here: the peer has one for us, or is down or filtered"
        );
    }

    #[test]
    fn what_was_counted_comes_first_and_only_what_can_be_this_peers() {
        let all = Counters { failure: 1, not_found: 2, unexpected: 3 };
        assert_eq!(
            said(true, all, Some(Answer::Silence)),
            "MD5: 1 segment signed with another password came from the peer; 2 segments without a signature came from \
             the peer; no SYN was answered, signed or not: the peer has another password for us, or is down or filtered"
        );
        assert_eq!(
            said(false, all, None),
            "MD5: 3 segments with a signature came from the peer; no password is set here: the peer has one for us, or \
             is down or filtered"
        );
    }

    #[test]
    fn several_silent_peers_share_the_counters() {
        let others =
            ["192.0.2.2:179", "[2001:db8::2]:1790"].map(|text| PeerKey::from(text.parse::<SocketAddr>().unwrap()));
        let counters = Counters { not_found: 4, ..NONE };
        let evidence =
            Evidence { has_password: true, counters, unsigned: Some(Answer::Refused), others: others.to_vec() };
        assert_eq!(
            evidence.to_string(),
            "MD5: 4 segments without a signature came from one of this peer, 192.0.2.2:179, [2001:db8::2]:1790; an \
             unsigned SYN was refused: the port is closed, or a firewall refuses us"
        );
        // Where nothing was counted there is nothing to share.
        let silent = Evidence { counters: NONE, unsigned: Some(Answer::Silence), ..evidence };
        assert_eq!(silent.to_string(), said(true, NONE, Some(Answer::Silence)));
    }
}
