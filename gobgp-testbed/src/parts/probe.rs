//! The client's ping: every few milliseconds, each answer with its time and the node that gave it.
//!
//! The helper runs inside the client's namespace and prints one line per answer: when the question was sent, when the
//! answer came (nanoseconds since boot), the TTL it came with, which tells the node (see [`crate::lab`]), and the
//! question's number.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::host::Host;
use crate::lab::node_by_ttl;
use crate::process::Process;
use crate::{clock, paths, wait};

/// One answered question. Times since boot, as [`clock::now`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When the question was sent.
    pub sent: Duration,
    /// When the answer came.
    pub received: Duration,
    /// The node (1 to 3), where the answer tells (IPv4 only).
    pub node: Option<u8>,
}

/// A ping in progress.
#[derive(Debug)]
pub struct Probe {
    process: Process,
}

impl Probe {
    /// Starts to ping `target` from `host`.
    ///
    /// # Errors
    /// When the helper cannot be started.
    pub fn start(host: &Host, target: IpAddr, every: Duration) -> Result<Self> {
        // One log each, for both families at once.
        let name = if target.is_ipv4() { "probe" } else { "probe6" };
        let process = host.spawn(name, &paths::myself()?, |command| {
            command.args(["probe", &target.to_string(), &every.as_micros().to_string()]);
        })?;
        Ok(Self { process })
    }

    /// Real-time scheduling, see [`Process::hurry`].
    ///
    /// # Errors
    /// When it is refused.
    pub fn hurry(&self) -> Result<()> {
        self.process.hurry()
    }

    /// All answers so far, oldest first.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn answers(&self) -> Result<Vec<Answer>> {
        self.process.alive()?;
        Ok(self.process.log().since(self.process.began()).lines().filter_map(parse).collect())
    }

    /// The longest time without an answer between two moments; the moments themselves count as answers.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn silence(&self, from: Duration, to: Duration) -> Result<Duration> {
        Ok(longest_silence(&self.answers()?, from, to))
    }

    /// How many questions between the first and the last answered one after `from` got no answer.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn lost(&self, from: Duration) -> Result<usize> {
        self.process.alive()?;
        let said = self.process.said();
        let answered =
            said.lines().filter_map(|line| Some((parse(line)?.sent, line.rsplit(' ').next()?.parse().ok()?)));
        Ok(gaps(answered.filter(|(sent, _)| *sent >= from).collect()))
    }

    /// How many questions sent after `from` each node answered.
    ///
    /// # Errors
    /// When the helper has ended.
    pub fn answered_by(&self, from: Duration) -> Result<BTreeMap<Option<u8>, usize>> {
        let mut counts = BTreeMap::new();
        for answer in self.answers()?.iter().filter(|answer| answer.sent >= from) {
            *counts.entry(answer.node).or_default() += 1;
        }
        Ok(counts)
    }

    /// Waits for an answer by `node` to a question sent after `from`; the first one's arrival.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn wait_answer(&self, node: u8, from: Duration, within: Duration) -> Result<Duration> {
        wait::until(&format!("node n{node} to answer the ping"), within, || {
            let answers = self.answers()?;
            let first = answers.iter().find(|answer| answer.sent >= from && answer.node == Some(node));
            first.map(|answer| answer.received).with_context(|| format!("the last answer is {:?}", answers.last()))
        })
    }
}

fn parse(line: &str) -> Option<Answer> {
    let mut words = line.split(' ');
    let mut time = || Some(Duration::from_nanos(words.next()?.parse().ok()?));
    let (sent, received) = (time()?, time()?);
    Some(Answer { sent, received, node: node_by_ttl(words.next()?.parse().ok()?) })
}

fn longest_silence(answers: &[Answer], from: Duration, to: Duration) -> Duration {
    let between = answers.iter().map(|answer| answer.received).filter(|time| (from..=to).contains(time));
    let mut last = from;
    let mut longest = Duration::ZERO;
    for time in between.chain([to]) {
        longest = longest.max(time.saturating_sub(last));
        last = time;
    }
    longest
}

/// The numbers left out, by questions in any order: when each was sent, and its number, which comes round.
fn gaps(mut answered: Vec<(Duration, u16)>) -> usize {
    answered.sort();
    let numbers = answered.iter().map(|(_, number)| *number);
    let next = numbers.clone().skip(1);
    numbers.zip(next).map(|(before, number)| usize::from(number.wrapping_sub(before).saturating_sub(1))).sum()
}

/// The helper's whole life: asks every `every`, prints the answers, never ends by itself.
///
/// # Errors
/// When raw sockets are refused or the output is gone.
pub fn helper(target: IpAddr, every: Duration) -> Result<()> {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    let asking = socket.try_clone()?;
    let id = u16::try_from(std::process::id() & 0xffff)?;
    thread::spawn(move || ask(&asking, target, id, every));
    let mut packet = [0; 2048];
    loop {
        let length = match socket.read(&mut packet) {
            // A router's "unreachable" surfaces as an error of the socket: no answer, that is all.
            Err(error) if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                continue;
            }
            other => other?,
        };
        let received = clock::now().as_nanos();
        if let Some((sent, ttl, number)) = packet.get(..length).and_then(|packet| answer(packet, target, id)) {
            // Unbuffered on purpose: a reader sees it at once.
            writeln!(std::io::stdout(), "{sent} {received} {ttl} {number}")?;
        }
    }
}

fn ask(socket: &Socket, target: IpAddr, id: u16, every: Duration) {
    let to = SocketAddr::new(target, 0).into();
    let mut next = clock::now();
    for sequence in (0..=u16::MAX).cycle() {
        let sent = u64::try_from(clock::now().as_nanos()).unwrap_or(u64::MAX);
        // What cannot be sent is a question without an answer.
        let _ = socket.send_to(&question(target, id, sequence, sent), &to);
        next += every;
        sleep(next.saturating_sub(clock::now()));
    }
}

/// An ICMP echo request (RFC 792, RFC 4443 §4.1) whose data is the time of sending. For IPv6 the kernel adds the
/// checksum.
fn question(target: IpAddr, id: u16, sequence: u16, sent: u64) -> Vec<u8> {
    let kind = if target.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(id.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(sent.to_be_bytes());
    if target.is_ipv4() {
        let words =
            packet.chunks_exact(2).map(|pair| pair.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)));
        let sum: u32 = words.sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let [_, _, high, low] = (!(folded + (folded >> 16))).to_be_bytes();
        packet.splice(2..4, [high, low]);
    }
    packet
}

/// The time of sending, the TTL and the number, where this is the answer to one of our questions. IPv4 comes with its header.
fn answer(packet: &[u8], target: IpAddr, id: u16) -> Option<(u64, u8, u16)> {
    let (kind, ttl, message) = match target {
        IpAddr::V4(_) => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            (0, *packet.get(8)?, packet.get(header..)?)
        }
        IpAddr::V6(_) => (129, 0, packet),
    };
    let ours = *message.first()? == kind && message.get(4..6)? == id.to_be_bytes();
    let sent = u64::from_be_bytes(message.get(8..16)?.try_into().ok()?);
    let number = u16::from_be_bytes(message.get(6..8)?.try_into().ok()?);
    ours.then_some((sent, ttl, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64, node: u8) -> Answer {
        let time = Duration::from_millis(millis);
        Answer { sent: time, received: time, node: Some(node) }
    }

    #[test]
    fn silence_counts_from_edge_to_edge() {
        let answers = [at(100, 1), at(110, 1), at(400, 2), at(410, 2)];
        let silence = |from, to| longest_silence(&answers, Duration::from_millis(from), Duration::from_millis(to));
        let millis = Duration::from_millis;
        assert_eq!(
            [silence(100, 410), silence(0, 110), silence(105, 120), silence(405, 1000), silence(500, 700)],
            [millis(290), millis(100), millis(10), millis(590), millis(200)]
        );
    }

    #[test]
    fn questions_without_an_answer_leave_gaps() {
        let answered = |numbers: &[u16]| {
            let sent = (1..).map(Duration::from_millis);
            let mut all: Vec<_> = sent.zip(numbers.iter().copied()).collect();
            all.reverse();
            gaps(all)
        };
        assert_eq!([answered(&[]), answered(&[7]), answered(&[65_534, 65_535, 0, 1])], [0; 3]);
        assert_eq!([answered(&[1, 3]), answered(&[65_535, 2, 3, 6])], [1, 4]);
    }

    #[test]
    fn the_question_is_an_echo_request_with_its_checksum() {
        let packet = question(IpAddr::from([10, 88, 0, 40]), 0x1234, 1, 5);
        assert_eq!(packet, [8, 0, 0xe5, 0xc5, 0x12, 0x34, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
    }

    #[test]
    fn the_answer_is_recognised_by_its_id() {
        let mut packet = vec![0x45; 20];
        packet[8] = 119;
        packet.extend([0, 0, 0, 0, 0x12, 0x34, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
        let target = IpAddr::from([10, 88, 0, 40]);
        assert_eq!(answer(&packet, target, 0x1234), Some((5, 119, 1)));
        assert_eq!(answer(&packet, target, 0x1235), None);
    }
}
