use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

#[test]
fn a_reset_reaches_the_peer_while_another_descriptor_is_open() {
    let (ours, mut peer) = loopback();
    let duplicate = rustix::io::fcntl_dupfd_cloexec(&ours, 0).unwrap();
    reset(&duplicate).unwrap();
    assert_eq!(peer.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    // Both descriptors are still open.
    drop((ours, duplicate));
}

#[test]
fn a_reset_throws_away_what_the_peer_did_not_take() {
    let (ours, mut peer) = loopback();
    ours.set_nonblocking(true).unwrap();
    while (&ours).write(&[7; 65536]).is_ok() {}
    assert!(unacknowledged(&ours).unwrap() > 0);
    reset(&ours).unwrap();
    let error = io::copy(&mut peer, &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_send_queue_is_empty_when_the_peer_has_everything() {
    let (ours, mut peer) = loopback();
    (&ours).write_all(&[7; 100]).unwrap();
    peer.read_exact(&mut [0; 100]).unwrap();
    // The peer's kernel may take its time for the acknowledgement.
    let deadline = crate::clock::now() + std::time::Duration::from_secs(10);
    while unacknowledged(&ours).unwrap() > 0 {
        assert!(crate::clock::now() < deadline, "never acknowledged");
        std::thread::yield_now();
    }
}

#[test]
fn keys_of_1_to_80_bytes_are_taken_and_no_others() {
    let v4 = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let v6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
    let (peer4, peer6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let set = |socket, peer, length| {
        set_md5_key(socket, peer, &SecretString::from("k".repeat(length))).map_err(|error| error.kind())
    };
    assert_eq!(set(&v4, peer4, 1), Ok(()));
    assert_eq!(set(&v4, peer4, 80), Ok(()));
    assert_eq!(set(&v6, peer6, 80), Ok(()));
    assert_eq!(set(&v4, peer4, 0), Err(ErrorKind::InvalidInput));
    assert_eq!(set(&v4, peer4, 81), Err(ErrorKind::InvalidInput));
    assert_eq!(set(&v4, peer6, 8), Err(ErrorKind::InvalidInput));
}

#[test]
fn the_loopback_address_is_an_address_of_this_host() {
    let loopback = LocalAddress {
        interface: "lo".into(),
        address: "127.0.0.1".parse().unwrap(),
        netmask: "255.0.0.0".parse().unwrap(),
    };
    assert!(local_addresses().unwrap().contains(&loopback));
}
