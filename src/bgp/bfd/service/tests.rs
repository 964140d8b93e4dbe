use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::num::NonZeroU32;

use super::*;
use crate::bgp::bfd::Reach;
use crate::clock;
use crate::wire::bfd::{Packet, decode};

const SETTINGS: BfdSettings =
    BfdSettings { tx: Duration::from_millis(50), rx: Duration::from_millis(40), multiplier: 3, strict: false };

/// A loopback address that no other test has, nor another run of this one.
fn own_address() -> IpAddr {
    Ipv4Addr::from_bits(0x7f00_0000 | rand::random_range(0x10000..0xff_fffe)).into()
}

fn path(local: IpAddr, remote: IpAddr) -> Path {
    Path { local, remote, scope: 0, interface: None, reach: Reach::Single }
}

fn handle(service: &Service, path: Path) -> Handle {
    let handle = service.session(SETTINGS, clock::now());
    handle.aim(path);
    handle
}

/// Waits until the status is as asked.
async fn wait(handle: &mut Handle, what: &str, is_it: impl Fn(&Status) -> bool) -> Status {
    let limit = clock::now() + Duration::from_secs(10);
    loop {
        let status = handle.status();
        if is_it(&status) {
            return status;
        }
        tokio::select! {
            () = handle.changed() => {}
            () = clock::sleep_until(limit) => panic!("no {what}: {status:?}"),
        }
    }
}

fn is(state: State) -> impl Fn(&Status) -> bool {
    move |status| status.view.state == state
}

#[tokio::test]
async fn two_ends_come_up_and_one_taken_down_is_no_failure_to_the_other() {
    let service = Service::start().unwrap();
    let ends = [own_address(), own_address()];
    let mut one = handle(&service, path(ends[0], ends[1]));
    let mut two = handle(&service, path(ends[1], ends[0]));
    for end in [&mut one, &mut two] {
        let up = |status: &Status| status.view.state == State::Up && status.view.remote_state == State::Up;
        let status = wait(end, "Up", up).await;
        assert_eq!((status.ups, status.failures, status.last_cause), (1, 0, Some(Cause::Handshake)));
        let slow = |status: &Status| status.view.detection_time == Some(Duration::from_millis(150));
        let status = wait(end, "fast packets", slow).await;
        assert_eq!(status.view.interval, Some(Duration::from_millis(50)));
    }
    one.take_down();
    let status = wait(&mut two, "Down", is(State::Down)).await;
    assert_eq!((status.failures, status.last_cause), (0, Some(Cause::RemoteAdminDown)));
    assert!(wait(&mut one, "AdminDown", is(State::AdminDown)).await.trouble.is_none());
    assert!(one.is_over() && !two.is_over());
}

/// A peer that says what the test wants.
struct Scripted {
    socket: UdpSocket,
    to: (IpAddr, u16),
    packet: Packet,
}

impl Scripted {
    fn new(own: IpAddr, theirs: IpAddr) -> Self {
        let socket = UdpSocket::bind((own, 3784)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.set_ttl(255).unwrap();
        let packet = Packet {
            diagnostic: Diagnostic::NONE,
            state: State::Down,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            multiplier: 3,
            my_discriminator: NonZeroU32::MIN,
            your_discriminator: None,
            desired_min_tx: 100_000,
            required_min_rx: 1_000_000,
            required_min_echo_rx: 0,
        };
        Self { socket, to: (theirs, 3784), packet }
    }

    fn say(&self, state: State) {
        let packet = Packet { state, ..self.packet };
        self.socket.send_to(&packet.encode(), self.to).unwrap();
    }

    /// The next packet.
    fn hear(&mut self) -> Packet {
        let mut bytes = [0; 100];
        let (octets, from) = self.socket.recv_from(&mut bytes).unwrap();
        assert!(from.port() >= 49152, "{from}");
        let packet = decode(&bytes[..octets]).unwrap();
        self.packet.your_discriminator = Some(packet.my_discriminator);
        packet
    }
}

#[tokio::test]
async fn a_silence_is_a_failure_and_what_is_not_the_peers_is_ignored() {
    let service = Service::start().unwrap();
    let (own, theirs) = (own_address(), own_address());
    let mut peer = Scripted::new(theirs, own);
    let mut handle = handle(&service, path(own, theirs));
    let first = peer.hear();
    assert_eq!((first.state, first.your_discriminator, first.desired_min_tx), (State::Down, None, 1_000_000));

    // From one hop further away: not heard.
    peer.socket.set_ttl(254).unwrap();
    peer.say(State::Down);
    let status = wait(&mut handle, "ignored packet", |status| status.ignored.is_some()).await;
    assert_eq!(status.ignored.as_deref(), Some("TTL 254, expected 255 or more"));
    assert_eq!((status.view.state, status.ups), (State::Down, 0));
    peer.socket.set_ttl(255).unwrap();

    // Of another session: not heard.
    let strange = Packet { your_discriminator: NonZeroU32::new(first.my_discriminator.get() ^ 1), ..peer.packet };
    peer.socket.send_to(&strange.encode(), peer.to).unwrap();
    peer.say(State::Init);
    let status = wait(&mut handle, "Up", is(State::Up)).await;
    assert_eq!(status.ignored, None);
    assert_eq!(status.view.detection_time, Some(Duration::from_millis(300)));
    let heard_at = clock::now();
    let status = wait(&mut handle, "Down", is(State::Down)).await;
    assert_eq!((status.failures, status.last_failure), (1, Some(Cause::Expired(Duration::from_millis(300)))));
    assert!(status.since - heard_at <= Duration::from_secs(5), "{:?}", status.since - heard_at);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_taken_when_it_is_free() {
    let service = Service::start().unwrap();
    let (own, theirs) = (own_address(), own_address());
    let other = UdpSocket::bind((own, 3784)).unwrap();
    let mut handle = handle(&service, path(own, theirs));
    let status = wait(&mut handle, "trouble", |status| status.trouble.is_some()).await;
    let expected = format!("UDP port 3784 of {own} is taken: another BFD daemon runs on this node, stop it");
    assert_eq!(status.trouble, Some(expected));
    drop(other);
    wait(&mut handle, "no trouble", |status| status.trouble.is_none()).await;
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle_when_the_peer_was_told() {
    let service = Service::start().unwrap();
    let (own, theirs) = (own_address(), own_address());
    let shared = Arc::downgrade(&service.0.0);
    let handle = handle(&service, path(own, theirs));
    let mut peer = Scripted::new(theirs, own);
    peer.hear();
    drop((service, handle));
    assert_eq!(peer.hear().state, State::AdminDown);
    let limit = clock::now() + Duration::from_secs(10);
    while shared.strong_count() > 0 {
        assert!(clock::now() < limit, "the thread lives");
        clock::sleep_until(clock::now() + Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_session_that_never_began_is_over_all_the_same() {
    let service = Service::start().unwrap();
    let path = path(own_address(), own_address());
    for path in [None, Some(path)] {
        let mut handle = service.session(SETTINGS, clock::now());
        // At once, so that the thread sees no session between.
        service.0.0.want(|table| {
            let wanted = table.sessions.get_mut(&handle.number).unwrap();
            (wanted.path, wanted.is_over) = (path, true);
        });
        let status = wait(&mut handle, "AdminDown", is(State::AdminDown)).await;
        assert_eq!((status.ups, status.failures, handle.is_over()), (0, 0, true));
    }
}

#[tokio::test]
async fn two_sessions_between_the_same_ends_are_one_too_many() {
    let service = Service::start().unwrap();
    let (own, theirs) = (own_address(), own_address());
    let mut peer = Scripted::new(theirs, own);
    let mut one = handle(&service, path(own, theirs));
    let first = peer.hear();
    let mut two = handle(&service, path(own, theirs));
    let status = wait(&mut two, "trouble", |status| status.trouble.is_some()).await;
    let expected = format!("another peer's BFD runs between {own} and {theirs}: give BFD to one of them");
    assert_eq!((status.trouble, status.view.state), (Some(expected), State::Down));
    peer.say(State::Init);
    wait(&mut one, "Up", is(State::Up)).await;
    drop(one);
    // The peer hears the end of the one, then the beginning of the other.
    wait(&mut two, "no trouble", |status| status.trouble.is_none()).await;
    let next = std::iter::repeat_with(|| peer.hear()).find(|next| next.my_discriminator != first.my_discriminator);
    assert_eq!(next.unwrap().state, State::Down);
}
