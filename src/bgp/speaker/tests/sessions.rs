//! Sessions that go well.

use super::*;
use crate::bgp::adj_out::Unsendable;

#[test]
fn a_session_comes_up_announces_withdraws_and_ends() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let local = script.stream.peer_addr().unwrap();
    let status = running.wait(&peer, |status| status.announced.contains_key(&vip()));
    let negotiated = status.negotiated.clone().unwrap();
    assert_eq!(negotiated.hold_time, Some(Duration::from_secs(90)));
    assert_eq!(
        status,
        PeerStatus {
            has_password: false,
            settled: status.settled,
            state: StateName::Established,
            since: status.since,
            found: None,
            local: Some(local),
            negotiated: Some(negotiated),
            outstanding: [vip()].into(),
            announced: status.announced.clone(),
            unsendable: BTreeMap::new(),
            established_count: 1,
            bfd: None,
            last_error: None,
            last_down: None,
            last_sent: None,
            last_received: None,
        }
    );
    let since: Vec<_> = status.announced.into_iter().collect();
    assert!(matches!(since.as_slice(), [(prefix, at)] if *prefix == vip() && *at >= status.since), "{since:?}");

    running.wait(&peer, |status| status.settled == Some(Until::Forever));

    running.routes.send_replace(RouteSet::new());
    script.expect(&withdrawn());
    running.wait(&peer, |status| status.outstanding.is_empty() && status.settled.is_none() && status.established());

    running.routes.send_replace(routes(Until::Forever));
    script.expect(&announced());
    // ROUTE-REFRESH of IPv4 unicast.
    script.send(&frame(5, "0001 00 01"));
    script.expect(&announced());
    script.expect(&end_of_rib_v4());

    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect_goodbye("maintenance");
    drop(script);
    running.join();
}

#[test]
fn what_is_not_outstanding_after_the_next_set_was_sent_will_not_be_announced() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], RouteSet::new());
    let script = Script::establish(&listener);
    script.expect(&end_of_rib_v4());
    script.expect(&end_of_rib_v6());
    for round in 0..300 {
        running.routes.send_replace(routes(Until::Forever));
        let is_taken_up = round % 3 == 0;
        if is_taken_up {
            running.wait(&peer, |status| !status.outstanding.is_empty());
        }
        for _ in 0..round * 50 {
            std::hint::spin_loop();
        }
        running.routes.send_replace(RouteSet::new());
        let over = running.handle.status().borrow()[&peer.key()].outstanding.is_empty();
        let at_once = if over { script.available() } else { vec![] };
        running.wait(&peer, |status| status.outstanding.is_empty());
        let later = script.available();
        // Never taken up, or announced and withdrawn; and nothing any more once nothing is outstanding.
        let told = [at_once, later.clone()].concat();
        assert!(told == [announced(), withdrawn()] || (told.is_empty() && !is_taken_up), "{told:?}");
        assert!(!over || later.is_empty(), "{later:?}");
    }
    drop(script);
    running.stop("");
}

#[test]
fn a_keepalive_that_came_during_a_pause_keeps_the_session() {
    let listener = listen();
    let peer = settings(&listener);
    let config = SpeakerConfig { hold_time: Duration::from_secs(3), ..config(vec![peer.clone()]) };
    let running = Running::start_with(config, RouteSet::new());
    let script = Script::accept(&listener);
    script.recv().unwrap();
    script.send(&peer_open());
    script.expect(&KEEPALIVE);
    script.send(&KEEPALIVE);
    let up = running.wait(&peer, PeerStatus::established);
    // The runtime hangs until the hold timer is due; the KEEPALIVE comes at once.
    let (hanging, hangs) = std::sync::mpsc::sync_channel::<()>(0);
    running.runtime.spawn(async move {
        hanging.send(()).unwrap();
        thread::sleep((up.since + Duration::from_millis(3300)) - clock::now());
    });
    hangs.recv().unwrap();
    script.send(&KEEPALIVE);
    script.expect(&end_of_rib_v4());
    script.expect(&end_of_rib_v6());
    // What follows the pause is a KEEPALIVE of ours (one may have come before it), and no NOTIFICATION.
    script.expect(&KEEPALIVE);
    script.expect(&KEEPALIVE);
    assert_eq!(running.wait(&peer, |_| true).last_error, None);
    drop(script);
    running.stop("");
}

#[test]
fn a_session_without_hold_time_announces_withdraws_and_ends() {
    let listener = listen();
    let peer = settings(&listener);
    let config = SpeakerConfig { hold_time: Duration::ZERO, ..config(vec![peer.clone()]) };
    let running = Running::start_with(config, routes(Until::Forever));
    let script = Script::accept(&listener);
    let mut open = our_open();
    (open[22], open[23]) = (0, 0);
    script.expect(&open);
    script.send(&peer_open());
    // The one KEEPALIVE that confirms the peer's OPEN; it is the only one.
    script.expect(&KEEPALIVE);
    script.send(&KEEPALIVE);
    for frame in [announced(), end_of_rib_v4(), end_of_rib_v6()] {
        script.expect(&frame);
    }
    let negotiated = running.wait(&peer, PeerStatus::established).negotiated.unwrap();
    assert_eq!((negotiated.hold_time, negotiated.keepalive), (None, None));
    script.stream.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    assert_eq!(script.recv(), Err(ErrorKind::WouldBlock));
    script.stream.set_read_timeout(Some(AT_LAST)).unwrap();
    running.routes.send_replace(RouteSet::new());
    script.expect(&withdrawn());
    running.handle.stop("", clock::now() + AT_LAST);
    script.expect(&cease(""));
    script.expect_end();
    drop(script);
    running.join();
}

#[test]
fn a_cease_arrives_though_the_peer_floods_us() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let flood = script.stream.try_clone().unwrap();
    let flooder = thread::spawn(move || {
        let updates = announced().repeat(1000);
        while (&flood).write_all(&updates).is_ok() {}
    });
    running.routes.send_replace(RouteSet::new());
    script.expect(&withdrawn());
    running.wait(&peer, |status| status.outstanding.is_empty());
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect(&cease("maintenance"));
    script.expect_end();
    script.stream.shutdown(std::net::Shutdown::Both).unwrap();
    running.join();
    flooder.join().unwrap();
}

/// Takes UPDATEs until so many host routes were announced or withdrawn in them.
fn prefixes(script: &Script, wanted: u32) -> u32 {
    /// The octets of a /32.
    const EACH: usize = 5;
    let mut seen = 0;
    while seen < wanted {
        let body = script.recv().unwrap().split_off(19);
        let field16 = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        let withdrawn = field16(0);
        let nlri = body.len() - 4 - withdrawn - field16(2 + withdrawn);
        seen += u32::try_from((withdrawn + nlri) / EACH).unwrap();
    }
    seen
}

#[test]
fn more_routes_than_the_write_buffer_holds_are_all_told_at_once() {
    const ROUTES: u32 = 10_000;
    let listener = listen();
    let prefix = |i: u32| IpNetwork::from(IpAddr::V4(Ipv4Addr::from_bits(0x0a40_0000 + i)));
    let wanted = (0..ROUTES).map(|i| (prefix(i), RouteWish::new(Until::Forever))).collect();
    let running = Running::start(vec![settings(&listener)], wanted);
    let script = Script::establish(&listener);
    let start = clock::now();
    // Nobody sends anything meanwhile, and the first KEEPALIVE is far away.
    assert_eq!(prefixes(&script, ROUTES), ROUTES);
    script.expect(&end_of_rib_v4());
    script.expect(&end_of_rib_v6());
    running.routes.send_replace(RouteSet::new());
    assert_eq!(prefixes(&script, ROUTES), ROUTES);
    assert!(clock::now() - start < Duration::from_secs(15), "it waited for a KEEPALIVE");
    drop(script);
    running.stop("");
}

#[test]
fn a_password_that_both_have_makes_a_session() {
    let listener = listen();
    let password = SecretString::from("s3cret");
    let peer = PeerSettings { password: Some(password.clone()), ..settings(&listener) };
    sockopt::set_md5_key(&listener, listener.local_addr().unwrap().ip(), &password).unwrap();
    let running = Running::start(vec![peer], routes(Until::Forever));
    let script = Script::with_route(&listener);
    drop(script);
    running.stop("");
}

#[test]
fn the_source_address_asked_for_is_our_end_and_the_next_hop() {
    let listener = listen();
    let source = "127.0.0.2".parse().unwrap();
    let peer = PeerSettings { source: LocalEnd::Address(source), ..settings(&listener) };
    let running = Running::start(vec![peer], routes(Until::Forever));
    let script = Script::establish(&listener);
    assert_eq!(script.stream.peer_addr().unwrap().ip(), source);
    script.expect(&update("0000 0014 40010100 4002 06 0201 0000FDE9 4003 04 7F000002 20 0A630001"));
    drop(script);
    running.stop("");
}

#[test]
fn an_ipv6_session_takes_ipv4_routes_with_the_ipv4_address_of_its_interface_as_next_hop() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let running = Running::start(vec![settings(&listener)], routes(Until::Forever));
    // 127.0.0.1 is the first IPv4 address of `lo`.
    drop(Script::with_route(&listener));
    running.stop("");
}

/// 2001:db8:99::1/128 from AS 65001 by ::1, MP_REACH_NLRI first (RFC 7606 §5.1).
fn announced_v6() -> Vec<u8> {
    let next_hop = "10 00000000000000000000000000000001";
    let vip = "80 20010DB8009900000000000000000001";
    update(&format!("0000 0036 800E26 0002 01 {next_hop} 00 {vip} 40010100 4002 06 0201 0000FDE9"))
}

fn vip_v6() -> IpNetwork {
    "2001:db8:99::1/128".parse().unwrap()
}

#[test]
fn an_ipv6_vip_is_announced_and_withdrawn_over_sessions_of_both_families() {
    for address in ["[::1]:0", "127.0.0.1:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let peer = settings(&listener);
        let wish = RouteWish::new(Until::Forever);
        let running = Running::start(vec![peer.clone()], [(vip_v6(), wish)].into());
        let script = Script::establish(&listener);
        for frame in [announced_v6(), end_of_rib_v4(), end_of_rib_v6()] {
            script.expect(&frame);
        }
        running.wait(&peer, |status| status.announced.contains_key(&vip_v6()));
        running.routes.send_replace(RouteSet::new());
        // MP_UNREACH_NLRI alone.
        script.expect(&update("0000 0017 800F14 0002 01 80 20010DB8009900000000000000000001"));
        drop(script);
        running.stop("");
    }
}

#[test]
fn without_an_address_of_its_family_on_the_interface_a_route_is_named_unsendable() {
    let listener = listen();
    let peer = PeerSettings { avoid_source: vec!["::1".parse().unwrap()], ..settings(&listener) };
    let wish = RouteWish::new(Until::Forever);
    let running = Running::start(vec![peer.clone()], [(vip_v6(), wish)].into());
    let script = Script::establish(&listener);
    script.expect(&end_of_rib_v4());
    script.expect(&end_of_rib_v6());
    let status = running.wait(&peer, |status| !status.unsendable.is_empty());
    assert_eq!(status.unsendable, [(vip_v6(), Unsendable::NoNextHop)].into());
    drop(script);
    running.stop("");
}

#[test]
fn a_dead_peer_does_not_disturb_another() {
    let (alive, dead) = (listen(), listen());
    // Connections to the second are made by its kernel, and nobody ever speaks.
    let peers = vec![settings(&dead), settings(&alive)];
    let running = Running::start(peers.clone(), routes(Until::Forever));
    let script = Script::with_route(&alive);
    running.routes.send_replace(RouteSet::new());
    script.expect(&withdrawn());
    assert_eq!(running.wait(&peers[0], |status| status.state == StateName::OpenSent).established_count, 0);
    drop(script);
    // The dead one never ends its side: the deadline does.
    running.handle.stop("", clock::now() + Duration::from_millis(200));
    running.join();
}
