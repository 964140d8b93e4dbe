//! Peers that come, go and change while the speaker runs.

use std::net::{Ipv6Addr, SocketAddr};

use secrecy::ExposeSecret as _;

use super::*;
use crate::bgp::settings::{Attributes, Connect};
use crate::bgp::{Changes, Error};
use crate::wire::bgp::{Communities, Community};

fn notification(code: (u8, u8)) -> Vec<u8> {
    encode(&Outgoing::Notification(Notification::plain(code)), &Session::default())
}

impl Running {
    fn set(&self, peers: Vec<PeerSettings>) -> Result<Changes, Error> {
        self.runtime.block_on(self.handle.set_peers(config(peers)))
    }

    /// Waits until the board has these peers alone.
    fn wait_for_peers(&self, peers: &[&PeerSettings]) {
        let deadline = clock::now() + AT_LAST;
        let wanted: Vec<PeerKey> = peers.iter().map(|peer| peer.key()).collect();
        while !self.handle.status().borrow().keys().eq(&wanted) {
            assert!(clock::now() < deadline, "still {:?}", self.handle.status().borrow().keys());
            thread::yield_now();
        }
    }

    fn times_up(&self, peer: &PeerSettings) -> u64 {
        self.handle.status().borrow()[&peer.key()].established_count
    }
}

#[test]
fn a_peer_comes_and_goes_while_another_ones_session_stays() {
    let (listener, other) = (listen(), listen());
    let (stays, comes) = (settings(&listener), settings(&other));
    let running = Running::start(vec![stays.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let both = vec![stays.clone(), comes.clone()];
    let added = Changes { added: vec![comes.key()], ..Changes::default() };
    assert_eq!(running.set(both.clone()).unwrap(), added);
    let new = Script::with_route(&other);
    assert_eq!(running.set(both).unwrap(), Changes::default());

    let removed = Changes { removed: vec![comes.key()], ..Changes::default() };
    assert_eq!(running.set(vec![stays.clone()]).unwrap(), removed);
    new.expect(&withdrawn());
    new.expect(&notification((6, 3)));
    new.expect_end();
    // It is on the board until the router has closed its side: what it holds from us keeps addresses bound.
    assert_eq!(running.handle.status().borrow().len(), 2);
    drop(new);
    running.wait_for_peers(&[&stays]);
    assert_eq!((script.available(), running.times_up(&stays)), (Vec::<Vec<u8>>::new(), 1));
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect_goodbye("maintenance");
    drop(script);
    running.join();
}

#[test]
fn communities_change_in_the_running_session() {
    let listener = listen();
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let communities = Communities::default().with(Community::GRACEFUL_SHUTDOWN);
    let with = PeerSettings { attributes: Attributes { communities, ..Attributes::default() }, ..peer.clone() };
    let adjusted = Changes { adjusted: vec![peer.key()], ..Changes::default() };
    assert_eq!(running.set(vec![with]).unwrap(), adjusted);
    script.expect(&leaving::marked());
    // What is said at the end follows too.
    let text = Some("rack 7 moves".to_owned());
    assert_eq!(running.set(vec![PeerSettings { shutdown_text: text, ..peer.clone() }]).unwrap(), adjusted);
    script.expect(&announced());
    assert_eq!(running.times_up(&peer), 1);
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect_goodbye("rack 7 moves");
    drop(script);
    running.join();
}

#[test]
fn a_changed_peer_is_made_anew_alone() {
    let (listener, other) = (listen(), listen());
    let (changes, stays) = (settings(&listener), settings(&other));
    let running = Running::start(vec![changes.clone(), stays.clone()], routes(Until::Forever));
    let (script, untouched) = (Script::with_route(&listener), Script::with_route(&other));
    let strict = PeerSettings { require_families: true, ..changes.clone() };
    let restarted = Changes { restarted: vec![changes.key()], ..Changes::default() };
    assert_eq!(running.set(vec![strict, stays.clone()]).unwrap(), restarted);
    script.expect(&notification((6, 6)));
    script.expect_end();
    drop(script);
    drop(Script::with_route(&listener));
    assert_eq!((running.times_up(&changes), running.times_up(&stays)), (2, 1));
    assert_eq!(untouched.available(), Vec::<Vec<u8>>::new());
    drop(untouched);
    running.stop("");
}

#[test]
fn a_removed_peer_has_its_graceful_shutdown_and_may_come_back_meanwhile() {
    let listener = listen();
    let peer = PeerSettings { graceful_shutdown: Some(AT_LAST * 2), ..settings(&listener) };
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    running.set(vec![]).unwrap();
    script.expect(&leaving::marked());
    let added = Changes { added: vec![peer.key()], ..Changes::default() };
    assert_eq!(running.set(vec![peer.clone()]).unwrap(), added);
    script.expect(&announced());
    assert_eq!(running.times_up(&peer), 1);
    // The end of all of it waits for nothing.
    running.set(vec![]).unwrap();
    script.expect(&leaving::marked());
    running.handle.stop("maintenance", clock::now() + AT_LAST);
    script.expect(&withdrawn());
    script.expect(&notification((6, 3)));
    script.expect_end();
    drop(script);
    running.join();
}

#[test]
fn another_hold_time_makes_all_sessions_anew() {
    let (listener, other) = (listen(), listen());
    let peers = vec![settings(&listener), settings(&other)];
    let running = Running::start(peers.clone(), routes(Until::Forever));
    let scripts = [Script::with_route(&listener), Script::with_route(&other)];
    let keepalive = Duration::from_secs(10);
    let order = running.handle.set_peers(SpeakerConfig { keepalive, ..config(peers) });
    assert_eq!(running.runtime.block_on(order).unwrap().restarted.len(), 2);
    for script in scripts {
        script.expect(&notification((6, 6)));
        script.expect_end();
    }
    drop((Script::with_route(&listener), Script::with_route(&other)));
    running.stop("");
}

#[test]
fn a_change_that_is_wrong_changes_nothing() {
    let (listener, other) = (listen(), listen());
    let peer = settings(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let twice = settings(&other);
    let error = running.set(vec![twice.clone(), twice.clone()]).unwrap_err().to_string();
    assert_eq!(error, format!("peer {} is configured twice: remove one of them", twice.key()));
    // Somebody else listens there.
    let port = listener.local_addr().unwrap().port();
    let awaited = PeerSettings {
        connect: Connect::Passive,
        ..PeerSettings::new(PeerHost::Address(Ipv4Addr::new(127, 0, 0, 9).into()), 179, Some(65000))
    };
    let order = SpeakerConfig { listen_port: port, ..config(vec![awaited]) };
    let error = running.runtime.block_on(running.handle.set_peers(order)).unwrap_err();
    assert!(matches!(error, Error::PortInUse { .. }), "{error}");
    running.wait_for_peers(&[&peer]);
    assert_eq!((script.available(), running.times_up(&peer)), (Vec::<Vec<u8>>::new(), 1));
    assert_eq!(running.handle.config().borrow().peers.len(), 1);
    drop(script);
    running.stop("");
}

#[test]
fn a_change_that_is_wrong_leaves_keys_as_they_are() {
    let unused = listen();
    let passive = |peer: PeerSettings| PeerSettings { connect: Connect::Passive, ..peer };
    let awaited = passive(PeerSettings { password: Some("first".into()), ..settings(&unused) });
    let of_v6 = passive(PeerSettings::new(PeerHost::Address(Ipv6Addr::LOCALHOST.into()), 179, Some(65000)));
    let running = Running::start(vec![awaited.clone(), of_v6.clone()], routes(Until::Forever));
    let dial = |password| Script::try_dial(Ipv4Addr::LOCALHOST, end_v4(&running), Some(password));
    let script = dial("first").unwrap();
    script.come_up();
    running.handle.change_password(&awaited.key(), "now".into());
    let deadline = clock::now() + AT_LAST;
    while dial("now").is_err() {
        assert!(clock::now() < deadline, "the new password is not taken");
    }
    let unnumbered = PeerSettings::new(PeerHost::Interface("lo".to_owned()), 179, Some(65000));
    let unnumbered = passive(PeerSettings { password: Some("GG".into()), ..unnumbered });
    let other = PeerSettings { password: Some("next".into()), ..awaited };
    let error = running.set(vec![other, of_v6, unnumbered.clone()]).unwrap_err();
    assert!(matches!(&error, Error::AwaitedUnnumbered(key) if *key == unnumbered.key()), "{error}");
    assert!(dial("next").is_err());
    dial("now").unwrap();
    drop(script);
    running.stop("");
}

fn end_v4(running: &Running) -> SocketAddr {
    let end = running.handle.listens_at().into_iter().find(SocketAddr::is_ipv4).unwrap();
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), end.port())
}

#[test]
fn a_configuration_that_is_sent_again_keeps_newer_passwords() {
    let unused = listen();
    let first = PeerSettings { password: Some("first".into()), ..settings(&unused) };
    let open = PeerSettings { password: None, ..settings(&listen()) };
    let running = Running::start(vec![first.clone(), open.clone()], routes(Until::Forever));
    running.handle.change_password(&first.key(), "now".into());
    running.handle.change_password(&open.key(), "none".into());
    let words = |config: &SpeakerConfig| -> Vec<Option<String>> {
        let word = |peer: &PeerSettings| peer.password.as_ref().map(|word| word.expose_secret().to_owned());
        config.peers.iter().map(word).collect()
    };
    let now = [Some("now".to_owned()), None];
    let again = running.handle.with_passwords_of_now(config(vec![first.clone(), open.clone()]));
    assert_eq!(words(&again), now);
    running.set(again.peers).unwrap();
    assert_eq!(words(&running.handle.config().borrow()), now);
    // And the speaker has not gone back to the former one.
    assert_eq!(words(&running.handle.with_passwords_of_now(config(vec![first, open]))), now);
    running.stop("");
}

#[test]
fn doors_and_keys_of_those_who_dial_us_come_and_go() {
    let unused = listen();
    let dialled = settings(&unused);
    let awaited = PeerSettings { connect: Connect::Passive, password: Some("GG".into()), ..settings(&unused) };
    let running = Running::start(vec![], routes(Until::Forever));
    assert_eq!(running.handle.listens_at(), []);
    running.set(vec![awaited.clone()]).unwrap();
    let to = incoming::end_of(&running);
    let script = Script::try_dial(Ipv4Addr::LOCALHOST, to, Some("GG")).unwrap();
    script.come_up();
    // Without its key nobody gets in; and a new one counts for the next connection.
    assert!(Script::try_dial(Ipv4Addr::LOCALHOST, to, None).is_err());
    // From now on we dial: the session is another one, nobody listens.
    running.set(vec![dialled.clone()]).unwrap();
    script.expect(&notification((6, 6)));
    script.expect_end();
    drop(script);
    assert_eq!(running.handle.listens_at(), []);
    assert!(Script::try_dial(Ipv4Addr::LOCALHOST, to, None).is_err());
    drop(Script::with_route(&unused));
    assert_eq!(running.times_up(&dialled), 2);
    running.set(vec![]).unwrap();
    running.wait_for_peers(&[]);
    // And back, by one address and then by all.
    let source = LocalEnd::Address(Ipv4Addr::LOCALHOST.into());
    running.set(vec![PeerSettings { source, password: None, ..awaited.clone() }]).unwrap();
    assert!(incoming::end_of(&running).ip().is_loopback());
    running.set(vec![PeerSettings { password: None, ..awaited }]).unwrap();
    let script = Script::dial(incoming::end_of(&running));
    script.come_up();
    drop(script);
    running.stop("");
}

#[test]
fn a_changed_password_has_its_own_way() {
    let listener = listen();
    let host = listener.local_addr().unwrap().ip();
    sockopt::set_md5_key(&listener, host, &"old".into()).unwrap();
    let old = PeerSettings { password: Some("old".into()), ..settings(&listener) };
    let running = Running::start(vec![old.clone()], routes(Until::Forever));
    let script = Script::with_route(&listener);
    let new = PeerSettings { password: Some("new".into()), ..old.clone() };
    let adjusted = Changes { adjusted: vec![old.key()], ..Changes::default() };
    assert_eq!(running.set(vec![new]).unwrap(), adjusted);
    // The session lives until the peer takes the new one.
    assert_eq!(running.times_up(&old), 1);
    sockopt::set_md5_key(&listener, host, &"new".into()).unwrap();
    let asking = Script::accept(&listener);
    assert_eq!(asking.recv(), Err(ErrorKind::ConnectionReset));
    script.expect(&notification((6, 6)));
    script.expect_end();
    drop(script);
    drop(Script::with_route(&listener));
    running.stop("");
}

#[test]
fn a_thousand_changes_leave_no_task_behind() {
    const CHANGES: usize = 1_000;
    let (listener, other) = (listen(), listen());
    let (one, two) = (settings(&listener), settings(&other));
    let awaited = PeerSettings { connect: Connect::Both, password: Some("GG".into()), ..two.clone() };
    let interval = Duration::from_millis(300);
    let bfd = Some(BfdSettings { tx: interval, rx: interval, multiplier: 3, strict: false });
    let steps = [
        vec![one.clone()],
        vec![one.clone(), two.clone()],
        vec![PeerSettings { bfd, ..one.clone() }, two],
        vec![one, awaited.clone()],
        vec![awaited],
        vec![],
    ];
    let running = Running::start(vec![], routes(Until::Forever));
    running.set(vec![]).unwrap();
    let tasks = || running.runtime.metrics().num_alive_tasks();
    let before = tasks();
    for step in (0..CHANGES).map(|n| &steps[n % steps.len()]) {
        running.set(step.clone()).unwrap();
    }
    running.set(vec![]).unwrap();
    running.wait_for_peers(&[]);
    let deadline = clock::now() + AT_LAST;
    while tasks() != before {
        assert!(clock::now() < deadline, "{} tasks, {before} before", tasks());
        thread::yield_now();
    }
    running.stop("");
}
