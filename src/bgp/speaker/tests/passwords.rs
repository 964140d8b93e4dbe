//! Passwords that change: on our side, on the peer's, on both.

use super::*;
use crate::bgp::md5::Counters;

fn set_key(listener: &TcpListener, word: &str) {
    sockopt::set_md5_key(listener, listener.local_addr().unwrap().ip(), &word.into()).unwrap();
}

/// A listener with this password, and a peer that has another or the same.
fn keyed(theirs: &str, ours: &str) -> (TcpListener, PeerSettings) {
    let listener = listen();
    set_key(&listener, theirs);
    let peer = PeerSettings { password: Some(ours.into()), ..settings(&listener) };
    (listener, peer)
}

/// How many segments came with another signature than the expected one: on the loopback the peer's count is ours.
fn refused() -> u64 {
    Counters::parse(&std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap()).unwrap().failure
}

fn wait_refused(before: u64) {
    let deadline = clock::now() + AT_LAST;
    while refused() == before {
        assert!(clock::now() < deadline, "no segment with the wrong password came");
        thread::yield_now();
    }
}

/// Changes the password to one that the peer does not take yet, and waits until it has refused it.
pub(super) fn change_too_early(running: &Running, peer: &PeerSettings) {
    let before = refused();
    running.handle.change_password(&peer.key(), "new".into());
    wait_refused(before);
}

#[test]
fn a_session_outlives_a_change_until_the_peer_takes_the_new_password() {
    let (listener, peer) = keyed("old", "old");
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    change_too_early(&running, &peer);
    assert_eq!(script.available(), Vec::<Vec<u8>>::new());
    assert_eq!(running.wait(&peer, |_| true).established_count, 1);

    set_key(&listener, "new");
    // The connection that only asks says nothing.
    let asking = Script::accept(&listener);
    assert_eq!(asking.recv(), Err(ErrorKind::ConnectionReset));
    script.expect(&frame(3, "06 06"));
    script.expect_end();
    drop(script);
    drop(Script::with_route(&listener));
    running.stop("");
}

#[test]
fn a_change_ends_the_wait_of_an_attempt_with_the_former_password() {
    let (listener, peer) = keyed("new", "old");
    let before = refused();
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    wait_refused(before);
    let start = clock::now();
    running.handle.change_password(&peer.key(), "new".into());
    let script = Script::with_route(&listener);
    assert!(clock::now() - start < fsm::CONNECT_TIMEOUT, "the attempt was waited for");
    assert_eq!(running.wait(&peer, PeerStatus::established).last_error, None);
    drop(script);
    running.stop("");
}

#[test]
fn a_peer_that_takes_the_new_password_during_a_graceful_shutdown_is_not_hurried() {
    let (listener, peer) = keyed("old", "old");
    // Longer than the peer goes unasked.
    let peer = PeerSettings { graceful_shutdown: Some(Duration::from_secs(5)), ..peer };
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    change_too_early(&running, &peer);
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect(&leaving::marked());
    set_key(&listener, "new");
    script.expect_goodbye("maintenance");
    drop(script);
    running.join();
}

#[test]
fn a_session_lost_during_a_change_comes_back_with_whichever_password_the_peer_has() {
    let (listener, peer) = keyed("old", "old");
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    change_too_early(&running, &peer);
    drop(script);
    // The new password is tried first and met with silence.
    let script = Script::with_route(&listener);
    drop(script);
    running.stop("");
}
