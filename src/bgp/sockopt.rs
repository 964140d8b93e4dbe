//! The kernel interfaces for which neither socket2 nor rustix has a wrapper: the TCP-MD5 key, the length of the send
//! queue, the addresses of this host, the TTL of a datagram, the scheduling of a thread. The only unsafe code of the
//! speaker.
#![expect(unsafe_code, reason = "kernel interfaces without a safe wrapper; each block says why it is sound")]

pub mod datagram;
pub mod scheduling;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use secrecy::{ExposeSecret, SecretString};

/// The longest key (`TCP_MD5SIG_MAXKEYLEN`), in bytes.
pub const LONGEST_KEY: usize = 80;

/// `struct tcp_md5sig` of `linux/tcp.h`.
#[repr(C, align(8))]
struct TcpMd5Sig {
    /// A `struct sockaddr_storage`.
    address: [u8; 128],
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    interface: libc::c_int,
    key: [u8; LONGEST_KEY],
}

const _: () = assert!(size_of::<TcpMd5Sig>() == 216, "the kernel's struct tcp_md5sig is 216 bytes");

/// Sets the TCP-MD5 key (RFC 2385) for segments to and from `peer`. The socket must be of the peer's family.
///
/// # Errors
/// `InvalidInput` for a key of no or more than [`LONGEST_KEY`] bytes, else what the kernel answers.
pub fn set_md5_key(socket: &impl AsFd, peer: IpAddr, key: &SecretString) -> io::Result<()> {
    let secret = key.expose_secret().as_bytes();
    match secret.len() {
        1..=LONGEST_KEY => put_md5_key(socket, peer, secret),
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

/// Takes the TCP-MD5 key for `peer` away again; connections that are made keep theirs.
///
/// # Errors
/// `NotFound` where there is none, else what the kernel answers.
pub fn remove_md5_key(socket: &impl AsFd, peer: IpAddr) -> io::Result<()> {
    // The kernel takes a key of length 0 as the order to delete one.
    put_md5_key(socket, peer, &[])
}

/// `secret` has at most [`LONGEST_KEY`] bytes.
fn put_md5_key(socket: &impl AsFd, peer: IpAddr, secret: &[u8]) -> io::Result<()> {
    let mut key = [0; LONGEST_KEY];
    for (place, byte) in key.iter_mut().zip(secret) {
        *place = *byte;
    }
    let option = TcpMd5Sig {
        address: socket_address(peer),
        flags: 0,
        prefix_len: 0,
        key_len: u16::try_from(secret.len()).map_err(io::Error::other)?,
        interface: 0,
        key,
    };
    set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG_EXT, &option)
}

/// What an option of the kernel's is made of: plain memory, every byte of which is initialised.
///
/// # Safety
/// The type has no padding.
unsafe trait Plain {}

// SAFETY: the fields of this `repr(C)` struct fill it: 128 + 1 + 1 + 2 + 4 + 80 bytes are the 216 asserted above.
unsafe impl Plain for TcpMd5Sig {}
// SAFETY: an integer.
unsafe impl Plain for libc::c_int {}
// SAFETY: integers, one after the other.
unsafe impl Plain for [u32; 8] {}

fn set(socket: &impl AsFd, level: libc::c_int, name: libc::c_int, value: &impl Plain) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(value)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for the whole call, `value` lives as long as the call, is as long as `length`
    // says and has no byte that is not initialised; the kernel copies it and keeps no pointer.
    let rc = unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, ptr::from_ref(value).cast(), length) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel drop what arrives from `peer`, whose family is the socket's, with a lower TTL or hop limit than
/// this (RFC 5082 §3). Sockets that a listener accepts take its value over.
///
/// # Errors
/// What the kernel answers; `ENOPROTOOPT` where it has no such check.
pub fn set_lowest_ttl(socket: &impl AsFd, peer: IpAddr, lowest: u8) -> io::Result<()> {
    let (level, name) = match peer {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MINTTL),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    set(socket, level, name, &libc::c_int::from(lowest))
}

/// A `sockaddr_in` or `sockaddr_in6` of port 0: the family, and the address at its place.
fn socket_address(address: IpAddr) -> [u8; 128] {
    let (family, place, octets) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, 4, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, 8, v6.octets().to_vec()),
    };
    // Both constants are below 16 bits.
    let family = u16::try_from(family).unwrap_or_default().to_ne_bytes();
    let mut storage = [0; 128];
    for (to, from) in storage.iter_mut().zip(family) {
        *to = from;
    }
    for (to, from) in storage.iter_mut().skip(place).zip(octets) {
        *to = from;
    }
    storage
}

/// Has a raw ICMPv6 socket hear messages of these types and no others (RFC 3542 §3.2).
///
/// # Errors
/// What the kernel answers.
pub fn pass_icmpv6(socket: &impl AsFd, types: &[u8]) -> io::Result<()> {
    /// ICMPV6_FILTER of `linux/icmpv6.h`: a bit for each type, set where it is blocked.
    const FILTER: libc::c_int = 1;
    let mut blocked = [u32::MAX; 8];
    for kind in types {
        if let Some(word) = blocked.get_mut(usize::from(kind / 32)) {
            *word &= !(1 << (kind % 32));
        }
    }
    set(socket, libc::IPPROTO_ICMPV6, FILTER, &blocked)
}

/// How many bytes given to the kernel the peer has not acknowledged (`SIOCOUTQ`, tcp(7)); an unacknowledged end of
/// the stream counts as one.
///
/// # Errors
/// What the kernel answers.
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for the whole call; this request writes one int, which `bytes` is.
    let rc = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if rc == 0 { u64::try_from(bytes).map_err(io::Error::other) } else { Err(io::Error::last_os_error()) }
}

/// An address of this host and the length of its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The interface that has it.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Its netmask.
    pub netmask: IpAddr,
}

/// All addresses of this host.
///
/// # Errors
/// What the kernel answers.
pub fn local_addresses() -> io::Result<Vec<LocalAddress>> {
    let mut head: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `head` is a valid place for the pointer this call writes.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = head;
    // SAFETY: getifaddrs made this list; each entry is valid until freeifaddrs below, and the list ends in null.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: both are null or point to a socket address whose size its family says.
        let (address, netmask) = unsafe { (ip(entry.ifa_addr), ip(entry.ifa_netmask)) };
        if let (Some(address), Some(netmask)) = (address, netmask) {
            // SAFETY: the name of an entry is a string that ends in NUL.
            let name = unsafe { std::ffi::CStr::from_ptr(entry.ifa_name) };
            let name = name.to_string_lossy();
            // For an IPv4 address with a label (`eth0:1`) the name is the label.
            let interface = name.split(':').next().unwrap_or_default().to_owned();
            found.push(LocalAddress { interface, address, netmask });
        }
    }
    // SAFETY: `head` came from getifaddrs, is freed once, and nothing borrowed from it is left.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// The IP address in a socket address, if it is one.
///
/// # Safety
/// `address` must be null or point to a socket address of the size that its family has.
unsafe fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: null is refused here; the caller vouches for the rest.
    let family = libc::c_int::from(unsafe { address.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: an address of this family is a sockaddr_in; the read does not ask for alignment.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: an address of this family is a sockaddr_in6; the read does not ask for alignment.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

/// Ends a connection with a reset, now, whoever else holds the socket open: what the kernel still has to send is
/// thrown away, and the peer sees an error (RFC 9293 §3.10.5, ABORT). `shutdown` would send what is queued first, and
/// `close` does nothing while another descriptor is open; connecting to no address is Linux's way to abort.
///
/// # Errors
/// What the kernel answers.
pub fn reset(socket: &impl AsFd) -> io::Result<()> {
    // Where the connection cannot be aborted (it is not made yet), closing it must not linger either.
    let linger = rustix::net::sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO));
    rustix::net::connect_unspec(socket).map_err(io::Error::from)?;
    linger.map_err(io::Error::from)
}

#[cfg(test)]
mod tests;
