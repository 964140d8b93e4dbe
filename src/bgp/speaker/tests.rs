//! The speaker against a scripted peer over real sockets on the loopback.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use ipnetwork::IpNetwork;
use secrecy::SecretString;

use super::*;
use crate::bgp::fsm::StateName;
use crate::bgp::settings::BfdSettings;
use crate::bgp::{RouteWish, sockopt};
use crate::clock;
use crate::time::Until;
use crate::wire::bgp::{Capability, Family, Notification, Open, Outgoing, Session, encode};

mod changes;
mod failures;
mod incoming;
mod leaving;
mod passwords;
mod sessions;
mod ttl;

/// A limit for what happens at once, on a machine that may be busy.
const AT_LAST: Duration = Duration::from_secs(20);

const KEEPALIVE: [u8; 19] = {
    let mut frame = [0xff; 19];
    (frame[16], frame[17], frame[18]) = (0, 19, 4);
    frame
};

/// A frame of this type with a body given in hexadecimal.
fn frame(kind: u8, body: &str) -> Vec<u8> {
    let digits: Vec<u8> = body.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    let body: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
    [vec![0xff; 16], length.to_vec(), vec![kind], body].concat()
}

fn update(body: &str) -> Vec<u8> {
    frame(2, body)
}

/// 10.99.0.1/32 from AS 65001 by 127.0.0.1: bgp-requirements' golden bytes, as four routers send them.
fn announced() -> Vec<u8> {
    update("0000 0014 40010100 4002 06 0201 0000FDE9 4003 04 7F000001 20 0A630001")
}

fn withdrawn() -> Vec<u8> {
    update("0005 200A630001 0000")
}

fn end_of_rib_v4() -> Vec<u8> {
    update("00000000")
}

fn end_of_rib_v6() -> Vec<u8> {
    update("0000 0006 800F03 0002 01")
}

fn vip() -> IpNetwork {
    "10.99.0.1/32".parse().unwrap()
}

fn routes(until: Until) -> RouteSet {
    [(vip(), RouteWish::new(until))].into()
}

fn our_open() -> Vec<u8> {
    let capabilities = vec![
        Capability::Multiprotocol(Family::Ipv4Unicast),
        Capability::Multiprotocol(Family::Ipv6Unicast),
        Capability::RouteRefresh,
        Capability::FourOctetAs(65001),
    ];
    let open = Open { asn: 65001, hold_time: 90, id: Ipv4Addr::new(10, 0, 0, 1), capabilities };
    encode(&Outgoing::Open(open), &Session::default())
}

fn peer_open() -> Vec<u8> {
    let capabilities = vec![
        Capability::Multiprotocol(Family::Ipv4Unicast),
        Capability::Multiprotocol(Family::Ipv6Unicast),
        Capability::RouteRefresh,
        Capability::FourOctetAs(65000),
    ];
    let open = Open { asn: 65000, hold_time: 90, id: Ipv4Addr::new(10, 0, 0, 254), capabilities };
    encode(&Outgoing::Open(open), &Session::default())
}

fn cease(text: &str) -> Vec<u8> {
    encode(&Outgoing::Notification(Notification::administrative_shutdown(text)), &Session::default())
}

fn settings(listener: &TcpListener) -> PeerSettings {
    let local = listener.local_addr().unwrap();
    PeerSettings {
        avoid_source: vec![vip().ip()],
        loopback_next_hop: true,
        ..PeerSettings::new(PeerHost::Address(local.ip()), local.port(), Some(65000))
    }
}

fn config(peers: Vec<PeerSettings>) -> SpeakerConfig {
    SpeakerConfig {
        local_as: 65001,
        router_id: Ipv4Addr::new(10, 0, 0, 1),
        hold_time: Duration::from_secs(90),
        keepalive: Duration::from_secs(30),
        listen_port: 0,
        peers,
    }
}

/// A listener with room for the connections of one test.
fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A speaker that runs in a thread and a runtime of its own.
struct Running {
    handle: SpeakerHandle,
    routes: watch::Sender<RouteSet>,
    runtime: tokio::runtime::Handle,
    thread: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start(peers: Vec<PeerSettings>, wanted: RouteSet) -> Self {
        Self::start_with(config(peers), wanted)
    }

    fn start_with(config: SpeakerConfig, wanted: RouteSet) -> Self {
        let (speaker, handle) = Speaker::new(config).unwrap();
        let (routes, receiver) = watch::channel(wanted);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let inside = runtime.handle().clone();
        let thread = thread::spawn(move || runtime.block_on(speaker.run(receiver)));
        Self { handle, routes, runtime: inside, thread }
    }

    /// Waits until the status of a peer is as wanted.
    fn wait(&self, peer: &PeerSettings, wanted: impl Fn(&PeerStatus) -> bool) -> PeerStatus {
        let deadline = clock::now() + AT_LAST;
        loop {
            let status = self.handle.status().borrow()[&peer.key()].clone();
            if wanted(&status) {
                return status;
            }
            assert!(clock::now() < deadline, "still {status:?}");
            thread::yield_now();
        }
    }

    fn stop(self, text: &str) {
        self.handle.stop(text, clock::now() + AT_LAST);
        self.join();
    }

    fn join(self) {
        self.thread.join().unwrap().unwrap();
    }
}

/// The peer's end of a connection.
struct Script {
    stream: TcpStream,
}

impl Script {
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(AT_LAST)).unwrap();
        Self { stream }
    }

    fn send(&self, bytes: &[u8]) {
        (&self.stream).write_all(bytes).unwrap();
    }

    /// The next message.
    fn recv(&self) -> Result<Vec<u8>, ErrorKind> {
        let mut frame = vec![0; 19];
        (&self.stream).read_exact(&mut frame).map_err(|error| error.kind())?;
        let length = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        frame.resize(length, 0);
        (&self.stream).read_exact(&mut frame[19..]).map_err(|error| error.kind())?;
        Ok(frame)
    }

    /// The messages that are there already.
    fn available(&self) -> Vec<Vec<u8>> {
        self.stream.set_nonblocking(true).unwrap();
        let frames = std::iter::from_fn(|| self.recv().ok()).collect();
        self.stream.set_nonblocking(false).unwrap();
        frames
    }

    fn expect(&self, frame: &[u8]) {
        assert_eq!(self.recv().as_deref(), Ok(frame));
    }

    /// Takes part until the session is up.
    fn establish(listener: &TcpListener) -> Self {
        let script = Self::accept(listener);
        script.expect(&our_open());
        script.send(&peer_open());
        script.expect(&KEEPALIVE);
        script.send(&KEEPALIVE);
        script
    }

    /// Takes part until the route and the End-of-RIBs are told.
    fn with_route(listener: &TcpListener) -> Self {
        let script = Self::establish(listener);
        for frame in [announced(), end_of_rib_v4(), end_of_rib_v6()] {
            script.expect(&frame);
        }
        script
    }

    /// The route is withdrawn, the session ended with this text, and the stream too.
    fn expect_goodbye(&self, text: &str) {
        self.expect(&withdrawn());
        self.expect(&cease(text));
        self.expect_end();
    }

    /// The stream ends in good order: no reset.
    fn expect_end(&self) {
        assert_eq!((&self.stream).read(&mut [0; 1]).map_err(|error| error.kind()), Ok(0));
    }
}
