//! Leaving with a graceful shutdown (RFC 8326).

use super::*;

/// [`announced`] with the community GRACEFUL_SHUTDOWN.
pub(super) fn marked() -> Vec<u8> {
    update("0000 001B 40010100 4002 06 0201 0000FDE9 4003 04 7F000001 C008 04 FFFF0000 20 0A630001")
}

fn graceful(listener: &TcpListener, time: Duration) -> PeerSettings {
    PeerSettings { graceful_shutdown: Some(time), ..settings(listener) }
}

#[test]
fn routes_are_marked_before_they_are_withdrawn() {
    const TIME: Duration = Duration::from_millis(300);
    let listener = listen();
    let peer = PeerSettings { shutdown_text: Some("rack 7 moves".to_owned()), ..graceful(&listener, TIME) };
    let running = Running::start(vec![peer], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let asked = clock::now();
    running.handle.stop("maintenance", asked + AT_LAST);
    script.expect(&marked());
    // A peer that asks meanwhile is told the same.
    script.send(&frame(5, "0001 00 01"));
    script.expect(&marked());
    script.expect(&end_of_rib_v4());
    script.expect(&withdrawn());
    assert!(clock::now() - asked >= TIME);
    script.expect(&cease("rack 7 moves"));
    script.expect_end();
    drop(script);
    running.join();
}

#[test]
fn routes_that_are_lost_meanwhile_go_at_once() {
    let listener = listen();
    let peer = graceful(&listener, AT_LAST * 2);
    let running = Running::start(vec![peer], routes(Until::Forever));
    let script = Script::with_route(&listener);
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect(&marked());
    running.routes.send_replace(RouteSet::new());
    script.expect_goodbye("maintenance");
    drop(script);
    running.join();
}

#[test]
fn an_entitlement_that_ends_meanwhile_cuts_the_session() {
    let listener = listen();
    let until = clock::now() + Duration::from_secs(2);
    let running = Running::start(vec![graceful(&listener, AT_LAST * 2)], routes(Until::At(until)));
    let script = Script::with_route(&listener);
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect(&marked());
    assert_eq!(script.recv(), Err(ErrorKind::ConnectionReset));
    assert!(clock::now() >= until);
    running.join();
}

#[test]
fn without_routes_there_is_nothing_to_wait_for() {
    let listener = listen();
    let running = Running::start(vec![graceful(&listener, AT_LAST * 2)], RouteSet::new());
    let script = Script::establish(&listener);
    script.expect(&end_of_rib_v4());
    script.expect(&end_of_rib_v6());
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect(&cease("maintenance"));
    script.expect_end();
    drop(script);
    running.join();
}

#[test]
fn a_mark_comes_and_goes_without_an_end() {
    let listener = listen();
    let running = Running::start(vec![graceful(&listener, AT_LAST)], routes(Until::Forever));
    let script = Script::with_route(&listener);
    for (about_to_go, update) in [(true, marked()), (false, announced()), (true, marked())] {
        running.handle.mark_about_to_go(about_to_go);
        script.expect(&update);
    }
    running.routes.send_replace(RouteSet::new());
    script.expect(&withdrawn());
    drop(script);
    running.stop("maintenance");
}

#[test]
fn the_last_words_of_each_side_are_kept() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    // Cease, Administrative Shutdown, "bye".
    script.send(&frame(3, "06 02 03 627965"));
    let status = running.wait(&peer, |status| status.last_down.is_some());
    let text = |said: Option<crate::bgp::Said>| said.map(|said| said.text);
    let received = "Cease/Administrative Shutdown (6/2): \"bye\"";
    assert_eq!(
        (text(status.last_sent), text(status.last_received), text(status.last_down)),
        (None, Some(received.to_owned()), Some(format!("received NOTIFICATION: {received}")))
    );
    let script = Script::establish(&listener);
    // An OPEN does not belong into a session that is up.
    script.send(&peer_open());
    let status = running.wait(&peer, |status| status.last_sent.is_some());
    assert_eq!(
        text(status.last_sent).as_deref(),
        Some("Finite State Machine Error/Receive Unexpected Message in Established State (5/3): 0x01")
    );
    drop(script);
    running.stop("maintenance");
}
