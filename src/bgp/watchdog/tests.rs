use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};

use super::*;

fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

/// Waits until the connection ends, and says how and when.
fn end_of(mut peer: &TcpStream) -> (Result<usize, ErrorKind>, Instant) {
    let end = peer.read(&mut [0; 1]).map_err(|error| error.kind());
    (end, clock::now())
}

/// A limit for what happens at once, on a machine that may be busy.
const AT_LAST: Duration = Duration::from_secs(10);

/// How long nothing must happen.
const NOT_AT_ALL: Option<Duration> = Some(Duration::from_millis(400));

#[test]
fn what_is_over_is_reset_after_the_grace_though_the_session_hangs() {
    let watchdog = Watchdog::start().unwrap();
    let (ours, peer) = loopback();
    let guard = watchdog.guard(&ours).unwrap();
    let until = clock::now() + Duration::from_millis(50);
    guard.set(Some(until));
    let (end, at) = end_of(&peer);
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert!(at >= until + GRACE && at < until + AT_LAST, "{:?} after the end", at - until);
    // The session's own descriptor was open all the time.
    assert_eq!(ours.peer_addr().map_err(|error| error.kind()), Err(ErrorKind::NotConnected));
    assert!(guard.fired());
}

#[test]
fn what_is_renewed_or_withdrawn_in_time_is_left_alone() {
    let watchdog = Watchdog::start().unwrap();
    let (renewed, renewed_peer) = loopback();
    let (withdrawn, withdrawn_peer) = loopback();
    let guards = [watchdog.guard(&renewed).unwrap(), watchdog.guard(&withdrawn).unwrap()];
    let soon = clock::now() + Duration::from_millis(50);
    for guard in &guards {
        guard.set(Some(soon));
    }
    guards[0].set(Some(soon + Duration::from_secs(3600)));
    guards[1].set(None);
    for peer in [renewed_peer, withdrawn_peer] {
        peer.set_read_timeout(NOT_AT_ALL).unwrap();
        assert_eq!(end_of(&peer).0, Err(ErrorKind::WouldBlock));
    }
    assert_eq!(guards.map(|guard| guard.fired()), [false, false]);
}

#[test]
fn an_earlier_end_is_noticed_while_it_sleeps_for_a_later_one() {
    let watchdog = Watchdog::start().unwrap();
    let (late, _late_peer) = loopback();
    let (early, early_peer) = loopback();
    let guard = watchdog.guard(&late).unwrap();
    guard.set(Some(clock::now() + Duration::from_secs(3600)));
    let second = watchdog.guard(&early).unwrap();
    second.set(Some(clock::now() + Duration::from_millis(20)));
    early_peer.set_read_timeout(Some(AT_LAST)).unwrap();
    assert_eq!(end_of(&early_peer).0, Err(ErrorKind::ConnectionReset));
    assert!(!guard.fired());
}

#[test]
fn a_guard_that_is_dropped_keeps_no_connection_open() {
    let watchdog = Watchdog::start().unwrap();
    let (ours, peer) = loopback();
    let guard = watchdog.guard(&ours).unwrap();
    drop((guard, ours));
    peer.set_read_timeout(Some(AT_LAST)).unwrap();
    assert_eq!(end_of(&peer).0, Ok(0));
}

#[test]
fn connections_that_announce_nothing_do_not_fill_the_queue() {
    let watchdog = Watchdog::start().unwrap();
    let (ours, _peer) = loopback();
    let deadline = clock::now() + AT_LAST;
    let mut guards = Vec::new();
    while guards.len() < 3 * NEW_CONNECTIONS {
        match watchdog.guard(&ours) {
            Ok(guard) => guards.push(guard),
            Err(_) => thread::yield_now(),
        }
        assert!(clock::now() < deadline, "no room after {} connections", guards.len());
    }
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    let watchdog = Watchdog::start().unwrap();
    let alarm = Arc::downgrade(&watchdog.bell.0);
    let (ours, peer) = loopback();
    let guard = watchdog.guard(&ours).unwrap();
    drop(watchdog);
    guard.set(Some(clock::now() + Duration::from_millis(20)));
    assert_eq!(end_of(&peer).0, Err(ErrorKind::ConnectionReset), "a guard outlives the handle");
    drop(guard);
    let deadline = clock::now() + AT_LAST;
    while alarm.strong_count() > 0 {
        assert!(clock::now() < deadline, "the thread is still there");
        thread::yield_now();
    }
}
