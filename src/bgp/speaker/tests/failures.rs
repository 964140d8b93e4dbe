//! Sessions that do not go well: what ends is ended, what is over is cut, and the next attempt comes.

use super::*;
use crate::bgp::watchdog;

/// How the stream ends for the peer, whatever is still in it.
fn end_of(script: &Script) -> Result<u64, ErrorKind> {
    std::io::copy(&mut &script.stream, &mut std::io::sink()).map_err(|error| error.kind())
}

#[test]
fn a_route_that_is_over_goes_with_a_reset_and_the_peer_is_dialled_again() {
    let listener = listen();
    let peer = settings(&listener);
    let until = clock::now() + Duration::from_millis(500);
    let running = Running::start(vec![peer.clone()], routes(Until::At(until)));
    let script = Script::with_route(&listener);
    assert_eq!(end_of(&script), Err(ErrorKind::ConnectionReset));
    assert!(clock::now() >= until);
    let status = running.wait(&peer, |status| status.last_error.is_some());
    assert_eq!(
        status.last_error.as_deref(),
        Some("the entitlement ran out before a withdrawal was delivered: connection reset")
    );
    // The new session is not told what is over.
    let again = Script::establish(&listener);
    again.expect(&end_of_rib_v4());
    again.expect(&end_of_rib_v6());
    drop(again);
    running.stop("");
}

#[test]
fn a_peer_that_does_not_read_loses_what_is_over() {
    let listener = listen();
    socket2::SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], RouteSet::new());
    let script = Script::establish(&listener);
    script.expect(&end_of_rib_v4());
    script.expect(&end_of_rib_v6());
    // More than the peer's kernel takes: the withdrawals wait behind it.
    let until = clock::now() + Duration::from_secs(1);
    let wish = RouteWish::new(Until::At(until));
    let many =
        (0..10_000_u32).map(|i| (IpNetwork::from(IpAddr::V4(Ipv4Addr::from_bits(0x0a40_0000 + i))), wish.clone()));
    running.routes.send_replace(many.collect());
    while rustix::io::ioctl_fionread(&script.stream).unwrap() == 0 {
        assert!(clock::now() < until, "nothing was told");
    }
    running.routes.send_replace(RouteSet::new());
    let status = running.wait(&peer, |status| !status.established());
    assert!(status.since >= until && status.outstanding.is_empty());
    assert_eq!(end_of(&script), Err(ErrorKind::ConnectionReset));
    running.handle.stop("", clock::now());
    running.join();
}

#[test]
fn the_watchdog_resets_what_is_over_while_the_runtime_hangs() {
    let listener = listen();
    let peer = settings(&listener);
    let until = clock::now() + Duration::from_secs(2);
    let running = Running::start(vec![peer.clone()], routes(Until::At(until)));
    let script = Script::with_route(&listener);
    let (release, hang) = std::sync::mpsc::sync_channel::<()>(0);
    running.runtime.spawn(async move { hang.recv().is_ok() });
    assert_eq!(end_of(&script), Err(ErrorKind::ConnectionReset));
    assert!(clock::now() >= until + watchdog::GRACE);
    release.send(()).unwrap();
    let status = running.wait(&peer, |status| status.last_error.is_some());
    assert_eq!(
        status.last_error.as_deref(),
        Some("the entitlement ran out while this program hung: connection reset by the watchdog")
    );
    assert!(status.outstanding.is_empty());
    running.handle.stop("", clock::now());
    running.join();
}

#[test]
fn malformed_bytes_are_answered_and_the_peer_is_dialled_again() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], RouteSet::new());
    let script = Script::accept(&listener);
    script.expect(&our_open());
    script.send(&frame(9, ""));
    script.expect(&frame(3, "01 03 09"));
    script.expect_end();
    drop(script);
    let status = running.wait(&peer, |status| status.last_error.is_some());
    assert_eq!(
        status.last_error.as_deref(),
        Some("sent NOTIFICATION: Message Header Error/Bad Message Type (1/3): 0x09")
    );
    drop(Script::establish(&listener));
    running.stop("");
}

#[test]
fn a_message_out_of_place_is_refused_whatever_is_wrong_in_it() {
    let listener = listen();
    let running = Running::start(vec![settings(&listener)], RouteSet::new());
    let early = Script::accept(&listener);
    early.expect(&our_open());
    // A prefix of 33 bits: in its place that would be an Invalid Network Field (3/10).
    early.send(&update("0000 0000 21 0A63000100"));
    early.expect(&frame(3, "05 01 02"));
    early.expect_end();
    drop(early);
    let late = Script::establish(&listener);
    late.expect(&end_of_rib_v4());
    late.expect(&end_of_rib_v6());
    // Version 5: in its place that would be an Unsupported Version Number (2/1).
    late.send(&frame(1, "05 FDE8 005A 0A0000FE 00"));
    late.expect(&frame(3, "05 03 01"));
    late.expect_end();
    drop(late);
    running.stop("");
}

#[test]
fn a_retry_that_is_due_while_the_peer_still_closes_waits_for_it() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    // The first retry is due within 0.25 s; this peer never ends its side, for which it has 1 s.
    let lingering = Script::accept(&listener);
    lingering.expect(&our_open());
    lingering.send(&frame(9, ""));
    lingering.expect(&frame(3, "01 03 09"));
    lingering.expect_end();
    let failed = running.wait(&peer, |status| status.last_error.is_some());
    let script = Script::with_route(&listener);
    let up = running.wait(&peer, PeerStatus::established);
    assert!(up.since >= failed.since + Duration::from_millis(990), "{:?} after the error", up.since - failed.since);
    // The attempt that waited is the one that came up.
    assert_eq!(up.last_error, failed.last_error);
    drop((lingering, script));
    running.stop("");
}

#[test]
fn a_stop_while_a_retry_waits_ends_both() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let lingering = Script::accept(&listener);
    lingering.expect(&our_open());
    lingering.send(&frame(9, ""));
    running.wait(&peer, |status| status.last_error.is_some());
    running.wait(&peer, |status| status.state == StateName::Connect);
    running.stop("");
    lingering.expect(&frame(3, "01 03 09"));
    lingering.expect_end();
    // Nothing else was dialled.
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_peer_that_ignores_our_end_is_left_at_the_deadline() {
    let listener = listen();
    let running = Running::start(vec![settings(&listener)], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let deadline = clock::now() + Duration::from_millis(700);
    running.handle.stop("maintenance", deadline);
    script.expect_goodbye("maintenance");
    // Its own side stays open.
    running.join();
    let now = clock::now();
    assert!(now >= deadline && now < deadline + AT_LAST, "{:?} after the deadline", now - deadline);
    drop(script);
}

#[test]
fn a_notification_is_shown_and_never_answered() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], RouteSet::new());
    let cases = [
        (cease("go away"), "received NOTIFICATION: Cease/Administrative Shutdown (6/2): \"go away\""),
        (frame(3, ""), "a NOTIFICATION came that is malformed: Message Header Error/Bad Message Length (1/2): 0x0013"),
    ];
    for (bytes, reason) in cases {
        let script = Script::accept(&listener);
        script.expect(&our_open());
        script.send(&bytes);
        script.expect_end();
        running.wait(&peer, |status| status.last_error.as_deref() == Some(reason));
    }
    running.stop("");
}

#[test]
fn another_password_is_silence_and_the_counters_say_so() {
    let listener = listen();
    let peer = PeerSettings { password: Some("ours".to_owned().into()), ..settings(&listener) };
    sockopt::set_md5_key(&listener, listener.local_addr().unwrap().ip(), &"theirs".to_owned().into()).unwrap();
    // A hold time shorter than the time for an attempt to connect: the kernel must not give it up before we do.
    let config = SpeakerConfig { hold_time: Duration::from_secs(3), ..config(vec![peer.clone()]) };
    let running = Running::start_with(config, routes(Until::Forever));
    let status = running.wait(&peer, |status| status.last_error.is_some());
    let error = status.last_error.unwrap();
    // On the loopback the SYN arrives in our own network namespace, so its counter is ours.
    let words: Vec<&str> = error.split(' ').filter(|word| word.parse::<u32>().is_err()).collect();
    assert_eq!(
        words.join(" "),
        "no connection within s; MD5: segments signed with another password came from the peer; segments without a \
         signature came from the peer; no SYN was answered, signed or not: the peer has another password for us, or is \
         down or filtered"
    );
    running.stop("");
}

#[test]
fn a_closed_port_is_named() {
    let listener = listen();
    let peer = settings(&listener);
    drop(listener);
    let running = Running::start(vec![peer.clone()], RouteSet::new());
    let status = running.wait(&peer, |status| status.last_error.is_some());
    assert_eq!(status.last_error.as_deref(), Some("connect: Connection refused (os error 111)"));
    running.stop("");
}

#[test]
fn routes_nobody_vouches_for_are_withdrawn_and_a_speaker_nobody_holds_stops() {
    let listener = listen();
    let running = Running::start(vec![settings(&listener)], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let Running { handle, routes, thread, .. } = running;
    drop(routes);
    script.expect(&withdrawn());
    drop(handle);
    script.expect(&cease(""));
    script.expect_end();
    drop(script);
    thread.join().unwrap().unwrap();
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    let refusal = |config| Speaker::new(config).map(|_| ()).unwrap_err().to_string();
    let with = |peer| config(vec![peer]);
    let peer = settings(&listen());
    assert_eq!(
        refusal(SpeakerConfig { hold_time: Duration::from_secs(2), ..config(vec![]) }),
        "hold time 2 s is not possible: it must be 0, or 3 to 65535 whole seconds"
    );
    assert_eq!(
        refusal(with(PeerSettings { password: Some("k".repeat(81).into()), ..peer.clone() })),
        format!("the password of peer {} has 81 bytes: TCP-MD5 takes 1 to 80", peer.key())
    );
    let source = LocalEnd::Address(vip().ip());
    assert_eq!(
        refusal(with(PeerSettings { source, ..peer.clone() })),
        format!(
            "source address 10.99.0.1 for peer {} is a VIP: it moves away with the lease; name an address of this node",
            peer.key()
        )
    );
    assert_eq!(
        refusal(config(vec![peer.clone(), peer.clone()])),
        format!("peer {} is configured twice: remove one of them", peer.key())
    );
    let interval = Duration::from_millis(300);
    let bfd = Some(BfdSettings { tx: interval, rx: interval, multiplier: 3, strict: false });
    let [one, other] = [1179, 1180].map(|port| PeerSettings { port, bfd, ..peer.clone() });
    assert_eq!(
        refusal(config(vec![one.clone(), other.clone()])),
        format!("peers {} and {} have one address, and both have BFD: give it to one of them", one.key(), other.key())
    );
    Speaker::new(config(vec![one, PeerSettings { bfd: None, ..other }])).unwrap();
}

/// The announcements behind a withdrawal in the stream wait for the peer to read; it does not wait for them.
#[test]
fn a_withdrawal_is_delivered_though_the_peer_does_not_read_what_follows() {
    let listener = listen();
    socket2::SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let many: RouteSet = (0..10_000_u32)
        .map(|i| (IpNetwork::from(IpAddr::V4(Ipv4Addr::from_bits(0x0a40_0000 + i))), RouteWish::new(Until::Forever)))
        .collect();
    running.routes.send_replace(many.clone());
    let status = running.wait(&peer, |status| !status.outstanding.contains(&vip()) && !status.outstanding.is_empty());
    assert_eq!(status.outstanding, many.into_keys().collect());
    assert!(rustix::io::ioctl_fionread(&script.stream).unwrap() < 16 * 1024, "the peer's kernel took everything");
    drop(script);
    running.stop("");
}
