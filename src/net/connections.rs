//! Resets the TCP connections of an address that is about to go.
//!
//! Whoever still has one would not hear of it otherwise: the socket stays, but nothing reaches it any more, and a client
//! that only waits, as a watch does, waits for its own keepalive. The kernel's SOCK_DESTROY (`ss --kill`, since 4.5,
//! CONFIG_INET_DIAG_DESTROY) sends the client a reset. It must be done while the address is still there to send from.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// AF_NETLINK and its protocol NETLINK_SOCK_DIAG.
const NETLINK: i32 = 16;
const SOCK_DIAG: i32 = 4;
/// Message types and flags (linux/netlink.h, linux/sock_diag.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
/// nlmsghdr, inet_diag_req_v2 and inet_diag_msg up to its state and to its socket id, and that id.
const HEADER: usize = 16;
const REQUEST_LENGTH: usize = 56;
const STATE_AT: usize = 1;
const ID_AT: usize = 4;
const ID: usize = 48;
/// Address families and the protocol, as the request has them.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
/// States by their number (net/tcp_states.h): all in which a peer may still expect something. Not LISTEN, nor TIME_WAIT.
const STATES: u32 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << FIN_WAIT2 | 1 << 8 | 1 << 9 | 1 << 11;
const FIN_WAIT2: u8 = 5;
/// A dump comes in messages of up to 32 KiB.
const BUFFER: usize = 1 << 16;
/// An answer to one request repeats it.
const ANSWER: usize = 1 << 10;
/// ENOENT: the socket has gone meanwhile.
const ENOENT: i32 = 2;
/// EOPNOTSUPP: the kernel is built without the function, or (before 6.0) does not have it for this kind of socket.
const EOPNOTSUPP: i32 = 95;
/// The kernel answers at once; whoever waits for this must not wait for ever.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What came of a reset.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// So many connections are over.
    pub(super) count: usize,
    /// So many are not, or (one for each family) could not be listed.
    pub(super) failed: usize,
    /// Of these, so many because the kernel does not have the function.
    unsupported: usize,
    /// What the first of them failed with.
    pub(super) error: Option<io::Error>,
}

impl Outcome {
    /// Whether the kernel has no such function: nothing else went wrong, and nothing went well.
    pub(super) const fn is_unsupported(&self) -> bool {
        self.count == 0 && self.failed > 0 && self.unsupported == self.failed
    }

    /// Takes in the kernel's answer about one connection.
    fn take(&mut self, connection: &Connection, answer: io::Error) {
        match answer.raw_os_error() {
            Some(0) => self.count += 1,
            Some(ENOENT) => {}
            // One that was closed here lives on as a stub, which older kernels do not reset. Nobody uses it any more.
            Some(EOPNOTSUPP) if connection.state == FIN_WAIT2 => {}
            _ => self.fail(answer),
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.failed += 1;
        self.unsupported += usize::from(error.raw_os_error() == Some(EOPNOTSUPP));
        self.error.get_or_insert(error);
    }
}

/// A socket as the kernel names it, with its family and its state (net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Connection {
    family: u8,
    state: u8,
    id: [u8; ID],
}

impl Connection {
    /// Its own end. IPv4 on a socket for both families counts as IPv4.
    fn local(&self) -> Option<IpAddr> {
        // Ports, 2 octets each, come before the address.
        let octets: [u8; 16] = self.id.get(4..20)?.try_into().ok()?;
        match self.family {
            INET => octets.first_chunk::<4>().map(|four| Ipv4Addr::from(*four).into()),
            _ => Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical()),
        }
    }
}

/// Resets all TCP connections whose own end is one of `addresses`. Blocks for as long as the kernel takes to list its
/// sockets. What fails for one connection, or for one family, does not keep the others.
pub(super) fn reset(addresses: &BTreeSet<IpAddr>) -> Outcome {
    let mut outcome = Outcome::default();
    for family in [INET, INET6] {
        if let Err(error) = reset_family(family, addresses, &mut outcome) {
            outcome.fail(error);
        }
    }
    outcome
}

/// # Errors
/// When the kernel does not list its sockets, or does not answer: later answers would be taken for those of others.
fn reset_family(family: u8, addresses: &BTreeSet<IpAddr>, outcome: &mut Outcome) -> io::Result<()> {
    let mut socket = open()?;
    let connections = list(&mut socket, family)?;
    for connection in connections.iter().filter(|c| c.local().is_some_and(|local| addresses.contains(&local))) {
        outcome.take(connection, destroy(&mut socket, connection)?);
    }
    Ok(())
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(NETLINK), Type::DGRAM, Some(Protocol::from(SOCK_DIAG)))?;
    socket.set_read_timeout(Some(ANSWER_WITHIN))?;
    Ok(socket)
}

fn list(socket: &mut Socket, family: u8) -> io::Result<Vec<Connection>> {
    socket.write_all(&request(BY_FAMILY, REQUEST | DUMP, family, STATES, &[0; ID]))?;
    let mut connections = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = socket.read(&mut buffer)?;
        for message in messages(buffer.get(..length).unwrap_or_default()) {
            match message.kind {
                DONE => return Ok(connections),
                ERROR => return Err(refusal(message.body)),
                _ => connections.extend(connection(message.body)),
            }
        }
    }
}

/// The kernel's answer; number 0: done.
fn destroy(socket: &mut Socket, connection: &Connection) -> io::Result<io::Error> {
    socket.write_all(&request(DESTROY, REQUEST | ACK, connection.family, STATES, &connection.id))?;
    let mut buffer = vec![0; ANSWER];
    let length = socket.read(&mut buffer)?;
    let answer = messages(buffer.get(..length).unwrap_or_default()).next();
    Ok(refusal(answer.map(|message| message.body).unwrap_or_default()))
}

/// A message with an inet_diag_req_v2.
fn request(kind: u16, flags: u16, family: u8, states: u32, id: &[u8; ID]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + REQUEST_LENGTH);
    bytes.extend(u32::try_from(HEADER + REQUEST_LENGTH).unwrap_or_default().to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // Sequence number and sender: nothing else is asked on this socket.
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 0, 0]);
    bytes.extend(states.to_ne_bytes());
    bytes.extend(id);
    bytes
}

struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

/// The messages in what was read, each aligned to four octets; what is cut short ends them.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

/// The socket in an inet_diag_msg.
fn connection(body: &[u8]) -> Option<Connection> {
    let id = body.get(ID_AT..ID_AT + ID)?.try_into().ok()?;
    Some(Connection { family: *body.first()?, state: *body.get(STATE_AT)?, id })
}

/// The kernel's answer: a negative error number, 0 where it did what was asked.
fn refusal(body: &[u8]) -> io::Error {
    match body.first_chunk() {
        Some(code) => io::Error::from_raw_os_error(i32::from_ne_bytes(*code).wrapping_neg()),
        None => io::ErrorKind::UnexpectedEof.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn id(local: [u8; 16]) -> [u8; ID] {
        let mut id = [0; ID];
        id[4..20].copy_from_slice(&local);
        id
    }

    #[test]
    fn the_own_end_is_read_in_both_families() {
        let mut four = [0; 16];
        four[..4].copy_from_slice(&[192, 0, 2, 1]);
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        let six: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let local = |family, octets| Connection { family, state: 1, id: id(octets) }.local();
        let ends = [local(INET, four), local(INET6, mapped.octets()), local(INET6, six.octets())];
        assert_eq!(ends, ["192.0.2.1", "192.0.2.1", "2001:db8::1"].map(|text| text.parse().ok()));
    }

    #[test]
    fn what_is_cut_short_ends_the_messages() {
        let whole = request(BY_FAMILY, REQUEST, INET, STATES, &[7; ID]);
        assert_eq!(whole.len(), HEADER + REQUEST_LENGTH);
        let two = [whole.clone(), whole.clone()].concat();
        let lengths = |bytes: &[u8]| messages(bytes).map(|message| message.body.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&two), [REQUEST_LENGTH; 2]);
        assert_eq!(lengths(&two[..two.len() - 1]), [REQUEST_LENGTH]);
        assert_eq!(lengths(&[0; 3]), [0usize; 0]);
        // A length of nothing does not go round in a circle.
        assert_eq!(lengths(&[0; 64]), [0usize; 0]);
    }

    #[test]
    fn the_kernel_lists_a_connection_of_ours() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port().to_be_bytes();
        let all = list(&mut open().unwrap(), INET).unwrap();
        let ours: Vec<_> = all.iter().filter(|connection| connection.id[..2] == port).collect();
        let seen: Vec<_> = ours.iter().map(|connection| (connection.local(), connection.state)).collect();
        assert_eq!(seen, [("127.0.0.1".parse().ok(), 1)]);
    }

    #[test]
    fn one_that_fails_does_not_hide_the_others_and_the_kernel_is_blamed_only_where_it_is_to_blame() {
        let after = |answers: &[(u8, i32)]| {
            let mut outcome = Outcome::default();
            for (state, code) in answers {
                let connection = Connection { family: INET, state: *state, id: [0; ID] };
                outcome.take(&connection, io::Error::from_raw_os_error(*code));
            }
            let error = outcome.error.as_ref().and_then(io::Error::raw_os_error);
            (outcome.count, outcome.failed, error, outcome.is_unsupported())
        };
        assert_eq!(after(&[]), (0, 0, None, false));
        assert_eq!(after(&[(1, 0), (1, ENOENT), (FIN_WAIT2, EOPNOTSUPP), (1, 0)]), (2, 0, None, false));
        assert_eq!(after(&[(FIN_WAIT2, EOPNOTSUPP)]), (0, 0, None, false));
        assert_eq!(after(&[(1, EOPNOTSUPP), (8, EOPNOTSUPP)]), (0, 2, Some(EOPNOTSUPP), true));
        assert_eq!(after(&[(1, EOPNOTSUPP), (1, 1)]), (0, 2, Some(EOPNOTSUPP), false));
        assert_eq!(after(&[(1, 1), (1, EOPNOTSUPP), (1, 0)]), (1, 2, Some(1), false));
    }
}
