//! Intervals, polls and demand (RFC 5880 §6.5, §6.6, §6.8.2 to §6.8.4, §6.8.7).

use super::*;

/// When periodic packets go out up to `end`, and whether each is a poll.
fn sent(session: &mut Session, end: u64) -> Vec<(u64, bool)> {
    let mut sent = vec![];
    while let Some(deadline) = session.next_deadline().filter(|deadline| *deadline <= at(end)) {
        session.handle_timeout(deadline);
        for action in actions(session) {
            match action {
                Action::Send(packet) => {
                    sent.push((u64::try_from(deadline.since_boot().as_millis()).unwrap(), packet.poll));
                }
                Action::Changed(change) => panic!("{change:?} at {deadline:?}"),
            }
        }
    }
    sent
}

/// The shortest and the longest time between two of them, to the millisecond below.
fn gaps(sent: &[(u64, bool)]) -> (u64, u64) {
    let gaps = || sent.windows(2).map(|pair| pair[1].0 - pair[0].0);
    (gaps().min().unwrap(), gaps().max().unwrap())
}

/// Hears this packet every 50 ms from `start` to `end`, and returns what is sent then.
fn hearing(session: &mut Session, packet: Packet, (start, end): (u64, u64)) -> Vec<(u64, bool)> {
    let mut all = vec![];
    for now in (start..end).step_by(50) {
        session.handle(at(now), Input::Received(packet));
        assert_eq!(actions(session), vec![]);
        all.extend(sent(session, now + 49));
    }
    all
}

#[test]
fn packets_come_once_a_second_with_jitter_from_the_first_moment_where_nobody_is_heard() {
    let mut session = Session::new(config());
    let sent = sent(&mut session, 200_000);
    assert_eq!(sent.first(), Some(&(0, false)));
    assert!(sent.iter().all(|(_, poll)| !poll));
    let (shortest, longest) = gaps(&sent);
    assert!((750..770).contains(&shortest) && (980..=1000).contains(&longest), "{shortest} to {longest} ms");
}

#[test]
fn a_slower_interval_of_our_own_is_kept_before_up() {
    let mut session = Session::new(Config { tx: ms(5000), ..config() });
    let (shortest, longest) = gaps(&sent(&mut session, 500_000));
    assert!(shortest >= 3750 && longest <= 5000, "{shortest} to {longest} ms");
}

#[test]
fn with_a_multiplier_of_one_the_jitter_ends_at_ninety_percent() {
    let mut session = Session::new(Config { multiplier: 1, ..config() });
    let (shortest, longest) = gaps(&sent(&mut session, 500_000));
    assert!((750..770).contains(&shortest) && (880..=900).contains(&longest), "{shortest} to {longest} ms");
}

#[test]
fn the_slower_of_what_we_send_and_the_peer_takes_is_our_interval() {
    for (required, interval) in [(150_000, 150), (1, 100), (100_000, 100), (2_000_000, 2000)] {
        let mut session = session(State::Up);
        let packet = Packet { required_min_rx: required, ..theirs(State::Up) };
        let (shortest, longest) = gaps(&hearing(&mut session, packet, (0, 100_000)));
        assert!(
            shortest + 1 >= interval * 3 / 4 && longest <= interval,
            "{shortest} to {longest} ms where the peer takes one in {required} us"
        );
        assert_eq!(session.view().interval, Some(ms(interval)));
    }
}

#[test]
fn a_peer_that_takes_more_again_gets_it_at_once() {
    let mut session = session(State::Up);
    session.handle(at(0), Input::Received(Packet { required_min_rx: 60_000_000, ..theirs(State::Up) }));
    session.sent = Some((at(0), 1000));
    assert_eq!(session.send_at(), Some(at(60_000)));
    session.handle(at(1000), Input::Received(theirs(State::Up)));
    assert_eq!(session.send_at(), Some(at(150)), "overdue: as soon as possible");
}

#[test]
fn a_peer_that_takes_no_periodic_packets_gets_none_but_is_answered() {
    let mut session = session(State::Up);
    let deaf = Packet { required_min_rx: 0, ..theirs(State::Up) };
    assert_eq!(hearing(&mut session, deaf, (0, 5000)), vec![]);
    assert_eq!(session.view().interval, None);
    session.handle(at(5000), Input::Received(Packet { poll: true, ..deaf }));
    assert_eq!(actions(&mut session), [Action::Send(Packet { is_final: true, ..ours(State::Up) })]);
}

#[test]
fn up_is_polled_until_the_peer_confirms_the_new_interval() {
    let mut session = session(State::Init);
    session.handle(at(0), Input::Received(theirs(State::Up)));
    let first = Action::Send(Packet { poll: true, ..ours(State::Up) });
    assert_eq!(actions(&mut session), [changed(State::Init, State::Up, Cause::Handshake), first]);
    let polls = hearing(&mut session, theirs(State::Up), (0, 1000));
    assert!(polls.len() >= 6 && polls.iter().all(|(_, poll)| *poll), "{polls:?}");
    session.handle(at(1000), Input::Received(Packet { is_final: true, ..theirs(State::Up) }));
    assert_eq!(actions(&mut session), vec![]);
    assert!(hearing(&mut session, theirs(State::Up), (1000, 2000)).iter().all(|(_, poll)| !poll));
}

#[test]
fn a_poll_of_the_peer_while_we_poll_is_answered_without_a_poll_in_the_same_packet() {
    let mut session = session(State::Init);
    session.handle(at(0), Input::Received(Packet { poll: true, ..theirs(State::Up) }));
    let answer = Action::Send(Packet { is_final: true, ..ours(State::Up) });
    assert_eq!(actions(&mut session), [changed(State::Init, State::Up, Cause::Handshake), answer]);
    assert!(sent(&mut session, 150).iter().all(|(_, poll)| *poll));
}

#[test]
fn in_demand_mode_periodic_packets_cease_while_both_are_up_and_nothing_is_polled() {
    let demand = Packet { demand: true, ..theirs(State::Up) };
    assert_eq!(hearing(&mut session(State::Up), demand, (0, 1000)), vec![]);
    // Not confirmed yet: the poll goes on.
    let mut polling = session(State::Init);
    polling.handle(at(0), Input::Received(demand));
    actions(&mut polling);
    assert!(!hearing(&mut polling, demand, (0, 1000)).is_empty());
}

#[test]
fn the_detection_time_is_the_peers_multiplier_times_the_slower_of_its_sending_and_our_taking() {
    for (multiplier, desired, expected) in [(4, 300_000, 1200), (3, 10_000, 600), (255, 1_000_000, 255_000)] {
        let mut session = session(State::Up);
        session.handle(at(0), Input::Received(Packet { multiplier, desired_min_tx: desired, ..theirs(State::Up) }));
        assert_eq!(session.view().detection_time, Some(ms(expected)));
    }
}

#[test]
fn intervals_of_any_size_are_only_long() {
    let mut session = session(State::Up);
    let (multiplier, desired_min_tx, required_min_rx) = (u8::MAX, u32::MAX, u32::MAX);
    let packet = Packet { multiplier, desired_min_tx, required_min_rx, ..theirs(State::Up) };
    session.handle(at(0), Input::Received(packet));
    let hour = Duration::from_micros(u32::MAX.into());
    let view = session.view();
    assert_eq!((view.interval, view.detection_time), (Some(hour), Some(hour * 255)));
}
