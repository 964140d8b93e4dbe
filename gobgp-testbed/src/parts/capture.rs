//! What passes a host's device on BGP's port: tcpdump's file, read as BGP messages with their times.

mod datagram;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::Host;
use crate::lab::Net;
use crate::process::Process;
use crate::{clock, wait};

pub use datagram::Datagram;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A connection begins.
    Syn,
    /// One side has no more to say.
    Fin,
    /// The connection is cut.
    Reset,
    /// OPEN.
    Open,
    /// An UPDATE that announces.
    Announce,
    /// An UPDATE that only withdraws.
    Withdraw,
    /// An UPDATE that says nothing: End-of-RIB.
    EndOfRib,
    /// NOTIFICATION: code and subcode.
    Notification(u8, u8),
    /// KEEPALIVE.
    Keepalive,
    /// Anything else: the type.
    Other(u8),
}

/// Something seen, when, and between whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Since boot, as [`clock::now`]: when the last byte of it passed.
    pub at: Duration,
    /// The sender.
    pub from: IpAddr,
    /// The receiver.
    pub to: IpAddr,
    /// What it was.
    pub what: What,
}

/// A whole message, header included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Since boot, as [`clock::now`]: when the last byte of it passed.
    pub at: Duration,
    /// The sender.
    pub from: IpAddr,
    /// The receiver.
    pub to: IpAddr,
    /// The message.
    pub bytes: Vec<u8>,
}

/// A TCP segment, header included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The sender.
    pub from: IpAddr,
    /// The receiver.
    pub to: IpAddr,
    /// The segment.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// Whether it begins a connection (SYN, not SYN-ACK).
    #[must_use]
    pub fn is_syn(&self) -> bool {
        self.bytes.get(13).is_some_and(|flags| flags & (SYN | ACK) == SYN)
    }

    /// Whether it answers one that does (SYN-ACK).
    #[must_use]
    pub fn is_syn_ack(&self) -> bool {
        self.bytes.get(13).is_some_and(|flags| flags & (SYN | ACK) == SYN | ACK)
    }

    /// Whether there is anything behind its header.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.bytes.get(12).is_some_and(|offset| usize::from(offset >> 4) * 4 < self.bytes.len())
    }
}

/// A capture in progress.
#[derive(Debug)]
pub struct Capture {
    _process: Process,
    file: PathBuf,
}

impl Capture {
    /// Starts tcpdump on a host's leg in `net`, and waits until it listens.
    ///
    /// # Errors
    /// When tcpdump is missing or does not start.
    pub fn start(host: &Host, net: Net) -> Result<Self> {
        Self::of(host, net, "tcp port 179")
    }

    /// The same of what this filter of tcpdump's lets through. TCP is read here and UDP by [`Capture::datagrams`]; the rest is for
    /// who reads [`Capture::file`].
    ///
    /// # Errors
    /// When tcpdump is missing, does not start, or does not know the filter.
    pub fn of(host: &Host, net: Net, filter: &str) -> Result<Self> {
        Self::on(host, net.device(), filter)
    }

    /// The same on all devices of a host, those to come included, for who reads [`Capture::file`]: its frames have
    /// another header than Ethernet's.
    ///
    /// # Errors
    /// As [`Capture::of`].
    pub fn everywhere(host: &Host, filter: &str) -> Result<Self> {
        Self::on(host, "any", filter)
    }

    fn on(host: &Host, device: &str, filter: &str) -> Result<Self> {
        let file = host.file("bgp.pcap");
        let process = host.spawn("tcpdump", Path::new("tcpdump"), |command| {
            command.args(["-i", device, "-U", "--immediate-mode", "--time-stamp-precision=nano", "-Z", "root"]);
            command.arg("-w").arg(&file).arg(filter);
        })?;
        process.log().wait_line(process.began(), &["listening on"], Duration::from_secs(10))?;
        Ok(Self { _process: process, file })
    }

    /// Everything seen since the start, oldest first.
    ///
    /// # Errors
    /// When the file is not what tcpdump writes.
    pub fn seen(&self) -> Result<Vec<Seen>> {
        Ok(self.read()?.seen)
    }

    /// All messages since the start, oldest first.
    ///
    /// # Errors
    /// As [`Capture::seen`].
    pub fn messages(&self) -> Result<Vec<Sent>> {
        Ok(self.read()?.messages)
    }

    /// All TCP segments since the start, oldest first.
    ///
    /// # Errors
    /// As [`Capture::seen`].
    pub fn packets(&self) -> Result<Vec<Packet>> {
        let file = self.bytes()?;
        let packet =
            |segment: Segment<'_>| Packet { from: segment.from.0, to: segment.to.0, bytes: segment.whole.to_vec() };
        Ok(frames(&file)?.into_iter().filter_map(|(_, frame)| segment(frame)).map(packet).collect())
    }

    /// The file that tcpdump writes.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.file).with_context(|| format!("failed to read {}", self.file.display()))
    }

    fn read(&self) -> Result<Reader> {
        let mut reader = Reader::default();
        for (stamp, frame) in frames(&self.bytes()?)? {
            reader.frame(clock::from_wall(stamp), frame);
        }
        Ok(reader)
    }

    /// Waits for the first of what is `wanted` after `from`.
    ///
    /// # Errors
    /// When nothing of it is seen in time.
    pub fn wait(&self, what: &str, from: Duration, within: Duration, wanted: impl Fn(&Seen) -> bool) -> Result<Seen> {
        wait::until(&format!("{what} on the wire"), within, || {
            let seen = self.seen()?;
            let found = seen.iter().find(|seen| seen.at >= from && wanted(seen));
            found.copied().with_context(|| format!("{seen:?}"))
        })
    }
}

/// The frames of a pcap file with nanosecond stamps in this machine's byte order; one not yet complete is left out.
fn frames(file: &[u8]) -> Result<Vec<(Duration, &[u8])>> {
    const MAGIC: u32 = 0xa1b2_3c4d;
    const HEADER: usize = 24;
    const RECORD: usize = 16;
    let number = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map(u32::from_ne_bytes)
    };
    let Some(mut rest) = file.get(HEADER..) else { return Ok(Vec::new()) };
    ensure!(number(file, 0) == Some(MAGIC), "not a pcap file with nanoseconds");
    let mut frames = Vec::new();
    while let (Some(seconds), Some(nanos), Some(length)) = (number(rest, 0), number(rest, 4), number(rest, 8)) {
        let end = RECORD + usize::try_from(length)?;
        let Some(frame) = rest.get(RECORD..end) else { break };
        frames.push((Duration::new(u64::from(seconds), nanos), frame));
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(frames)
}

/// Puts TCP's segments together to messages.
#[derive(Debug, Default)]
struct Reader {
    streams: BTreeMap<[(IpAddr, u16); 2], Stream>,
    seen: Vec<Seen>,
    messages: Vec<Sent>,
}

/// One direction of a connection: what is not yet a whole message, and the number of the next byte.
#[derive(Debug)]
struct Stream {
    next: u32,
    buffer: Vec<u8>,
}

impl Reader {
    fn frame(&mut self, at: Duration, frame: &[u8]) {
        let Some(Segment { from, to, sequence, flags, data, .. }) = segment(frame) else { return };
        let mut see = |what| self.seen.push(Seen { at, from: from.0, to: to.0, what });
        let stream = self.streams.entry([from, to]).or_insert(Stream { next: sequence, buffer: Vec::new() });
        if flags & SYN != 0 {
            *stream = Stream { next: sequence.wrapping_add(1), buffer: Vec::new() };
            see(What::Syn);
        }
        // What was sent before is skipped, what tcpdump missed is given up.
        let again = usize::try_from(stream.next.wrapping_sub(sequence)).unwrap_or(usize::MAX);
        if let Some(new) = data.get(if again < 1 << 31 { again } else { 0 }..).filter(|new| !new.is_empty()) {
            stream.next = sequence.wrapping_add(u32::try_from(data.len()).unwrap_or(0));
            stream.buffer.extend(new);
            while let Some(message) = take_message(&mut stream.buffer) {
                see(classify(message.get(TYPE..).unwrap_or_default()));
                self.messages.push(Sent { at, from: from.0, to: to.0, bytes: message });
            }
        }
        if flags & RESET != 0 {
            see(What::Reset);
        } else if flags & FIN != 0 {
            see(What::Fin);
        }
    }
}

/// Where a message's type is, behind marker and length.
const TYPE: usize = 18;

const ACK: u8 = 0x10;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RESET: u8 = 4;

struct Segment<'a> {
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    sequence: u32,
    flags: u8,
    whole: &'a [u8],
    data: &'a [u8],
}

const TCP: u8 = 6;

/// The TCP segment in an Ethernet frame.
fn segment(frame: &[u8]) -> Option<Segment<'_>> {
    let packet = frame.get(14..)?;
    let (source, destination, segment) = if frame.get(12..14)? == [0x08, 0x00] {
        (*packet.get(9)? == TCP).then_some(())?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
        // The packet may be shorter than the frame.
        let length = usize::from(word(packet, 2)?);
        (address(12)?, address(16)?, packet.get(header..length)?)
    } else {
        (*packet.get(6)? == TCP).then_some(())?;
        let address = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
        let length = usize::from(word(packet, 4)?);
        (address(8)?, address(24)?, packet.get(40..40 + length)?)
    };
    let data = segment.get(usize::from(segment.get(12)? >> 4) * 4..)?;
    let sequence = u32::from_be_bytes(segment.get(4..8)?.try_into().ok()?);
    let (from, to) = ((source, word(segment, 0)?), (destination, word(segment, 2)?));
    Some(Segment { from, to, sequence, flags: *segment.get(13)?, whole: segment, data })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The next whole message.
fn take_message(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(word(buffer, 16)?);
    let message = buffer.get(..length)?.to_vec();
    buffer.drain(..length);
    Some(message)
}

fn classify(message: &[u8]) -> What {
    match message {
        [1, ..] => What::Open,
        [2, body @ ..] => update(body).unwrap_or(What::Other(2)),
        [3, code, subcode, ..] => What::Notification(*code, *subcode),
        [4] => What::Keepalive,
        [kind, ..] => What::Other(*kind),
        [] => What::Other(0),
    }
}

fn update(body: &[u8]) -> Option<What> {
    const MP_REACH: u8 = 14;
    const MP_UNREACH: u8 = 15;
    let withdrawn = usize::from(word(body, 0)?);
    let attributes = body.get(2 + withdrawn..)?;
    let length = usize::from(word(attributes, 0)?);
    let prefixes = attributes.get(2 + length..)?;
    let mut rest = attributes.get(2..2 + length)?;
    let (mut announces, mut withdraws) = (!prefixes.is_empty(), withdrawn > 0);
    while let [flags, code, ..] = rest {
        let extended = flags & 0x10 != 0;
        let (start, length) = if extended { (4, usize::from(word(rest, 2)?)) } else { (3, usize::from(*rest.get(2)?)) };
        announces |= *code == MP_REACH;
        // Family and nothing else is End-of-RIB.
        withdraws |= *code == MP_UNREACH && length > 3;
        rest = rest.get(start + length..)?;
    }
    Some(match (announces, withdraws) {
        (true, _) => What::Announce,
        (false, true) => What::Withdraw,
        (false, false) => What::EndOfRib,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: [u8; 4] = [10, 77, 0, 11];
    const TO: [u8; 4] = [10, 77, 0, 1];

    fn frame(sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend(u16::try_from(40 + data.len()).unwrap().to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        frame.extend([FROM, TO].concat());
        frame.extend([0xb0, 0, 0, 179]);
        frame.extend(sequence.to_be_bytes());
        frame.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        frame.extend(data);
        // Short frames are padded on the way.
        frame.extend([0; 6]);
        frame
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
        [&[0xff; 16], length.as_slice(), &[kind], body].concat()
    }

    #[test]
    fn segments_become_messages_wherever_they_are_cut_and_once_only() {
        let bytes = [message(1, &[4; 10]), message(4, &[]), message(3, &[6, 2])].concat();
        let mut reader = Reader::default();
        let second = Duration::from_secs;
        reader.frame(second(1), &frame(99, SYN, &[]));
        reader.frame(second(2), &frame(100, 0, &bytes[..40]));
        reader.frame(second(3), &frame(100, 0, &bytes[..40]));
        reader.frame(second(4), &frame(130, 0, &bytes[30..]));
        reader.frame(second(5), &frame(168, FIN, &[]));
        let at = |seconds, what| Seen { at: second(seconds), from: FROM.into(), to: TO.into(), what };
        let expected = [
            at(1, What::Syn),
            at(2, What::Open),
            at(4, What::Keepalive),
            at(4, What::Notification(6, 2)),
            at(5, What::Fin),
        ];
        assert_eq!(reader.seen, expected);
    }

    #[test]
    fn updates_are_told_apart() {
        let prefix = [32, 10, 88, 0, 40];
        let origin = [0x40, 1, 1, 0];
        let announce = [&[0, 0, 0, 4], origin.as_slice(), &prefix].concat();
        let withdraw = [&[0, 5], prefix.as_slice(), &[0, 0]].concat();
        let gone6 = [0, 0, 0, 8, 0x80, 15, 5, 0, 2, 1, 8, 0xfd];
        let bodies = [announce.as_slice(), &withdraw, &gone6, &[0, 0, 0, 0], &[0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1], &[0]];
        let expected = [What::Announce, What::Withdraw, What::Withdraw, What::EndOfRib, What::EndOfRib, What::Other(2)];
        assert_eq!(bodies.map(|body| classify(&[&[2], body].concat())), expected);
    }

    #[test]
    fn a_frame_still_being_written_is_left_out() {
        let mut file = 0xa1b2_3c4d_u32.to_ne_bytes().to_vec();
        file.extend([0; 20]);
        for word in [5u32, 7, 3, 3] {
            file.extend(word.to_ne_bytes());
        }
        assert_eq!(frames(&file).unwrap(), []);
        file.extend([1, 2, 3]);
        assert_eq!(frames(&file).unwrap(), [(Duration::new(5, 7), [1, 2, 3].as_slice())]);
    }
}
