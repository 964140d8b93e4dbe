//! Datagrams with the TTL or hop limit they arrived with, which only control messages tell (ip(7), ipv6(7)).

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use socket2::{MaybeUninitSlice, MsgHdrMut, SockAddr, Socket};

/// The octets of a datagram that are kept, from its beginning.
pub const KEPT: usize = 64;

/// Room for the control messages of one datagram; one of them is an int.
const CONTROL: usize = 64;

/// A datagram that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    bytes: [u8; KEPT],
    octets: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// Its TTL or hop limit on arrival; `None`: the kernel did not say.
    pub hops: Option<u8>,
}

impl Datagram {
    /// Its first [`KEPT`] octets at most.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.octets).unwrap_or_default()
    }
}

/// Has the kernel tell the TTL or hop limit of what arrives on a socket of this family.
///
/// # Errors
/// What the kernel answers.
pub fn tell_hops(socket: &Socket, is_ipv4: bool) -> io::Result<()> {
    if !is_ipv4 {
        return socket.set_recv_hoplimit_v6(true);
    }
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for the whole call, and `on` is an int as `length` says; the kernel copies it.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_RECVTTL,
            ptr::from_ref(&on).cast(),
            length,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The next datagram of a socket of this family that does not block.
///
/// # Errors
/// What the kernel answers; `WouldBlock`: there is none.
pub fn receive(socket: &Socket, is_ipv4: bool) -> io::Result<Datagram> {
    let mut bytes = [MaybeUninit::new(0_u8); KEPT];
    let mut control = [MaybeUninit::new(0_u8); CONTROL];
    // The kernel writes a sender of the socket's family, which is as long as this one.
    let mut from = SockAddr::from(if is_ipv4 {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    });
    let mut buffers = [MaybeUninitSlice::new(&mut bytes)];
    let mut message = MsgHdrMut::new().with_addr(&mut from).with_buffers(&mut buffers).with_control(&mut control);
    let octets = socket.recvmsg(&mut message, 0)?;
    let told = message.control_len();
    let from = from.as_socket().ok_or_else(|| io::Error::other("a datagram without a sender"))?;
    // SAFETY: every octet was given a value when the array was made; the kernel only overwrites them.
    let control = control.map(|octet| unsafe { octet.assume_init() });
    // SAFETY: as above.
    let bytes = bytes.map(|octet| unsafe { octet.assume_init() });
    let hops = hops(control.get(..told).unwrap_or_default());
    Ok(Datagram { bytes, octets: octets.min(KEPT), from, hops })
}

/// The TTL or hop limit among control messages. Each is a `struct cmsghdr` (its length, a level, a type), its data,
/// and padding up to the next multiple of a word (`CMSG_NXTHDR` of cmsg(3)).
fn hops(mut control: &[u8]) -> Option<u8> {
    const WORD: usize = size_of::<usize>();
    const INT: usize = size_of::<libc::c_int>();
    const HEAD: usize = (WORD + 2 * INT).next_multiple_of(WORD);
    loop {
        let (length, rest) = control.split_first_chunk::<WORD>()?;
        let length = usize::from_ne_bytes(*length);
        let (level, rest) = rest.split_first_chunk::<INT>()?;
        let (kind, _) = rest.split_first_chunk::<INT>()?;
        let is_hops = matches!(
            (libc::c_int::from_ne_bytes(*level), libc::c_int::from_ne_bytes(*kind)),
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT)
        );
        if is_hops {
            let value = control.get(HEAD..)?.first_chunk::<INT>()?;
            return u8::try_from(libc::c_int::from_ne_bytes(*value)).ok();
        }
        // A length of less than a header would go round for ever.
        control = control.get(length.max(HEAD).next_multiple_of(WORD)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: libc::c_int, kind: libc::c_int, data: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn the_hops_are_found_wherever_they_stand() {
        let other = message(libc::SOL_SOCKET, libc::SO_TIMESTAMP, &[1; 16]);
        let ttl = message(libc::IPPROTO_IP, libc::IP_TTL, &255_i32.to_ne_bytes());
        let limit = message(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &64_i32.to_ne_bytes());
        assert_eq!(hops(&ttl), Some(255));
        assert_eq!(hops(&[other.clone(), limit].concat()), Some(64));
        assert_eq!(hops(&other), None);
        assert_eq!(hops(&[]), None);
        assert_eq!(hops(&ttl[..17]), None);
        assert_eq!(hops(&[0; 64]), None);
    }

    #[test]
    fn a_datagram_comes_with_its_sender_and_its_hops() {
        for (address, is_ipv4) in [("127.0.0.1:0", true), ("[::1]:0", false)] {
            let socket = Socket::from(std::net::UdpSocket::bind(address).unwrap());
            socket.set_nonblocking(true).unwrap();
            tell_hops(&socket, is_ipv4).unwrap();
            let sender = Socket::from(std::net::UdpSocket::bind(address).unwrap());
            if is_ipv4 {
                sender.set_ttl_v4(254).unwrap();
            } else {
                sender.set_unicast_hops_v6(254).unwrap();
            }
            assert_eq!(receive(&socket, is_ipv4).map_err(|e| e.kind()), Err(io::ErrorKind::WouldBlock));
            sender.send_to(&[7; 100], &socket.local_addr().unwrap()).unwrap();
            let from = sender.local_addr().unwrap().as_socket().unwrap();
            let expected = Datagram { bytes: [7; KEPT], octets: KEPT, from, hops: Some(254) };
            assert_eq!(receive(&socket, is_ipv4).unwrap(), expected);
        }
    }
}
