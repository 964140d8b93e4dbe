//! Peers that dial us: who is taken, and what is kept where both do.

use std::net::SocketAddr;

use secrecy::SecretString;
use socket2::{Domain, Socket, Type};

use super::passwords::change_too_early;
use super::*;
use crate::bgp::settings::Connect;
use crate::wire::bgp::error;

/// A peer at 127.0.0.1 that may dial us; where it is to be dialled, at this port.
fn awaited(connect: Connect, listener: &TcpListener) -> PeerSettings {
    PeerSettings { connect, ..settings(listener) }
}

fn notification(code: (u8, u8)) -> Vec<u8> {
    encode(&Outgoing::Notification(Notification::plain(code)), &Session::default())
}

/// Where the speaker listens on the loopback.
pub(super) fn end_of(running: &Running) -> SocketAddr {
    let port = running.handle.listens_at()[0].port();
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

impl Script {
    /// Dials the speaker, from this address and with this key.
    pub(super) fn try_dial(from: Ipv4Addr, to: SocketAddr, password: Option<&str>) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(password) = password {
            sockopt::set_md5_key(&socket, to.ip(), &SecretString::from(password))?;
        }
        socket.bind(&SocketAddr::new(from.into(), 0).into())?;
        socket.connect_timeout(&to.into(), Duration::from_millis(1500))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(AT_LAST))?;
        Ok(Self { stream })
    }

    pub(super) fn dial(to: SocketAddr) -> Self {
        Self::try_dial(Ipv4Addr::LOCALHOST, to, None).unwrap()
    }

    /// Takes part until the session is up and the route told.
    pub(super) fn come_up(&self) {
        self.expect(&our_open());
        self.send(&peer_open());
        self.expect(&KEEPALIVE);
        self.send(&KEEPALIVE);
        for frame in [announced(), end_of_rib_v4(), end_of_rib_v6()] {
            self.expect(&frame);
        }
    }

    fn expect_refusal(&self, code: (u8, u8)) {
        self.expect(&notification(code));
        self.expect_end();
    }
}

#[test]
fn a_peer_that_is_waited_for_dials_and_is_never_dialled() {
    let listener = listen();
    let peer = awaited(Connect::Passive, &listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    running.wait(&peer, |status| status.state == StateName::Active);
    for round in 1..=2 {
        let script = Script::dial(end_of(&running));
        script.come_up();
        let status = running.wait(&peer, |status| status.announced.contains_key(&vip()));
        assert_eq!((status.local, status.established_count), (Some(script.stream.peer_addr().unwrap()), round));
        drop(script);
        running.wait(&peer, |status| !status.established());
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    running.stop("");
}

#[test]
fn a_session_that_the_peer_made_ends_in_good_order() {
    let listener = listen();
    let peer = awaited(Connect::Passive, &listener);
    let running = Running::start(vec![peer], routes(Until::Forever));
    let script = Script::dial(end_of(&running));
    script.come_up();
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect_goodbye("maintenance");
    drop(script);
    running.join();
}

#[test]
fn who_is_no_peer_is_refused() {
    let listener = listen();
    let running = Running::start(vec![awaited(Connect::Passive, &listener)], RouteSet::new());
    let stranger = Script::try_dial(Ipv4Addr::new(127, 0, 0, 2), end_of(&running), None).unwrap();
    stranger.expect_refusal(error::CEASE_CONNECTION_REJECTED);
    running.stop("");
}

#[test]
fn a_second_connection_is_refused_while_there_is_a_session() {
    for connect in [Connect::Passive, Connect::Both] {
        let listener = listen();
        let peer = awaited(connect, &listener);
        let running = Running::start(vec![peer.clone()], routes(Until::Forever));
        let script =
            if connect == Connect::Both { Script::with_route(&listener) } else { Script::dial(end_of(&running)) };
        if connect == Connect::Passive {
            script.come_up();
        }
        running.wait(&peer, PeerStatus::established);
        for _ in 0..3 {
            Script::dial(end_of(&running)).expect_refusal(error::CEASE_COLLISION);
        }
        let status = running.wait(&peer, |_| true);
        assert_eq!((status.established_count, status.announced.contains_key(&vip())), (1, true));
        drop(script);
        running.stop("");
    }
}

/// Both ends have dialled; the peer's OPEN comes on our connection first, or on its own.
fn collision(outgoing_first: bool) {
    let listener = listen();
    let peer = awaited(Connect::Both, &listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let ours = Script::accept(&listener);
    let theirs = Script::dial(end_of(&running));
    ours.expect(&our_open());
    theirs.expect(&our_open());
    if outgoing_first {
        ours.send(&peer_open());
        ours.expect(&KEEPALIVE);
    }
    // The peer has the higher Identifier.
    theirs.send(&peer_open());
    theirs.expect(&KEEPALIVE);
    ours.expect_refusal(error::CEASE_COLLISION);
    theirs.send(&KEEPALIVE);
    for frame in [announced(), end_of_rib_v4(), end_of_rib_v6()] {
        theirs.expect(&frame);
    }
    let status = running.wait(&peer, |status| status.announced.contains_key(&vip()));
    assert_eq!(status.local, Some(theirs.stream.peer_addr().unwrap()));
    assert_eq!((status.established_count, status.last_error), (1, None));
    // The loser's end takes nothing from the session.
    drop(ours);
    running.routes.send_replace(RouteSet::new());
    theirs.expect(&withdrawn());
    drop(theirs);
    running.stop("");
}

#[test]
fn of_two_connections_the_one_of_the_higher_identifier_stays() {
    collision(true);
    collision(false);
}

#[test]
fn the_lower_identifier_loses_its_connection() {
    let listener = listen();
    let peer = awaited(Connect::Both, &listener);
    let config = SpeakerConfig { router_id: Ipv4Addr::new(10, 0, 0, 255), ..config(vec![peer.clone()]) };
    let running = Running::start_with(config, RouteSet::new());
    let ours = Script::accept(&listener);
    let theirs = Script::dial(end_of(&running));
    theirs.recv().unwrap();
    theirs.send(&peer_open());
    theirs.expect(&KEEPALIVE);
    ours.recv().unwrap();
    ours.send(&peer_open());
    ours.expect(&KEEPALIVE);
    theirs.expect_refusal(error::CEASE_COLLISION);
    ours.send(&KEEPALIVE);
    running.wait(&peer, PeerStatus::established);
    drop((ours, theirs));
    running.stop("");
}

#[test]
fn only_our_source_address_is_for_a_peer_that_has_one() {
    let listener = listen();
    let other: Ipv4Addr = "127.0.0.3".parse().unwrap();
    let peer = PeerSettings { source: LocalEnd::Address(other.into()), ..awaited(Connect::Passive, &listener) };
    let running = Running::start(vec![peer], routes(Until::Forever));
    let end = running.handle.listens_at()[0];
    assert_eq!(end.ip(), IpAddr::V4(other));
    let elsewhere = Script::try_dial(Ipv4Addr::LOCALHOST, end_of(&running), None).map(|_| ()).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::ConnectionRefused);
    let script = Script::dial(end);
    script.expect(&our_open());
    drop(script);
    running.stop("");
}

#[test]
fn a_vip_is_never_our_end() {
    let listener = listen();
    let vip: Ipv4Addr = "127.0.0.9".parse().unwrap();
    let peer = PeerSettings { avoid_source: vec![vip.into()], ..awaited(Connect::Passive, &listener) };
    let running = Running::start(vec![peer], RouteSet::new());
    let script = Script::dial(SocketAddr::new(vip.into(), end_of(&running).port()));
    script.expect_refusal(error::CEASE_CONNECTION_REJECTED);
    running.stop("");
}

#[test]
fn only_the_right_password_finds_us() {
    let listener = listen();
    let peer = PeerSettings { password: Some("right".into()), ..awaited(Connect::Passive, &listener) };
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let dial = |password| Script::try_dial(Ipv4Addr::LOCALHOST, end_of(&running), password);
    for wrong in [None, Some("wrong")] {
        assert_eq!(dial(wrong).map(|_| ()).unwrap_err().kind(), ErrorKind::TimedOut);
    }
    let script = dial(Some("right")).unwrap();
    script.come_up();
    // The session keeps its password; the next connection has the new one.
    running.handle.change_password(&peer.key(), "new".into());
    running.wait(&peer, PeerStatus::established);
    let deadline = clock::now() + AT_LAST;
    while dial(Some("new")).map(|second| second.expect_refusal(error::CEASE_COLLISION)).is_err() {
        assert!(clock::now() < deadline, "the new password is not taken");
    }
    running.routes.send_replace(RouteSet::new());
    script.expect(&withdrawn());
    drop(script);
    running.wait(&peer, |status| !status.established());
    dial(Some("new")).unwrap().expect(&our_open());
    running.stop("");
}

#[test]
fn a_session_under_the_new_password_has_no_more_to_do_with_the_former() {
    let listener = listen();
    let set_key = |word: &str| sockopt::set_md5_key(&listener, Ipv4Addr::LOCALHOST.into(), &word.into()).unwrap();
    set_key("old");
    let peer = PeerSettings { password: Some("old".into()), ..awaited(Connect::Both, &listener) };
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let dial = |password| Script::try_dial(Ipv4Addr::LOCALHOST, end_of(&running), Some(password)).unwrap();
    let ours = Script::accept(&listener);
    let theirs = dial("old");
    theirs.come_up();
    drop(ours);
    change_too_early(&running, &peer);
    // The peer's next connection comes before it takes ours, which is asked for again every other second.
    drop(theirs);
    let theirs = dial("new");
    theirs.come_up();
    set_key("new");
    theirs.stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    assert_eq!(theirs.recv(), Err(ErrorKind::WouldBlock));
    assert_eq!(running.wait(&peer, |_| true).established_count, 2);
    drop(theirs);
    running.stop("");
}

/// One that is taken and goes no further, and as many behind it as may wait.
fn fill(dial: impl Fn() -> Script) -> (Script, [Script; 2]) {
    let taken = dial();
    taken.expect(&our_open());
    let waiting = [dial(), dial()];
    // They wait there when the next one finds no room.
    dial().expect_refusal(error::CEASE_CONNECTION_REJECTED);
    (taken, waiting)
}

#[test]
fn a_connection_that_waited_proves_no_password_that_came_later() {
    let listener = listen();
    let peer = PeerSettings { password: Some("old".into()), ..awaited(Connect::Passive, &listener) };
    let running = Running::start(vec![peer.clone()], RouteSet::new());
    let dial = || Script::try_dial(Ipv4Addr::LOCALHOST, end_of(&running), Some("old")).unwrap();
    let (taken, waiting) = fill(dial);
    running.handle.change_password(&peer.key(), "new".into());
    waiting.iter().for_each(Script::expect_end);
    drop(taken);
    running.stop("");
}

#[test]
fn a_connection_that_ended_while_it_waited_is_not_taken() {
    let listener = listen();
    let peer = awaited(Connect::Passive, &listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let (taken, waiting) = fill(|| Script::dial(end_of(&running)));
    waiting[1].send(&peer_open());
    drop(waiting);
    taken.send(&cease("x"));
    let failure = running.wait(&peer, |status| status.last_error.is_some()).last_error;
    running.wait(&peer, |status| status.state == StateName::Active);
    let script = Script::dial(end_of(&running));
    script.come_up();
    assert_eq!(running.wait(&peer, PeerStatus::established).last_error, failure);
    drop((taken, script));
    running.stop("");
}

#[test]
fn a_port_in_use_and_two_peers_at_one_address_are_errors() {
    let refusal = |config| Speaker::new(config).map(|_| ()).unwrap_err().to_string();
    let (listener, other) = (listen(), listen());
    let peer = awaited(Connect::Passive, &listener);
    let port = listener.local_addr().unwrap().port();
    assert_eq!(
        refusal(SpeakerConfig { listen_port: port, ..config(vec![peer.clone()]) }),
        format!(
            "cannot listen for peers at 0.0.0.0:{port}: the address is in use, probably by another BGP program on this \
             host; stop it, or choose another port (--bgpListenPort), or let us dial all peers"
        )
    );
    let twin = awaited(Connect::Both, &other);
    assert_eq!(
        refusal(config(vec![peer.clone(), twin.clone()])),
        format!(
            "peers {} and {} have one address, and both may dial us: let us dial at least one of them",
            peer.key(),
            twin.key()
        )
    );
    // Without a peer that may dial us nothing listens.
    let (_, handle) = Speaker::new(config(vec![settings(&listener)])).unwrap();
    assert_eq!(handle.listens_at(), []);
}
