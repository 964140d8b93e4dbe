//! A holder that is not fit and knows no other vipcast.

use super::*;

const TERM: u64 = EPOCH + 1;

/// A holder since 1.2 s that renewed at 11.0 s, is not fit, and knows nobody else; its dwell time ends at 11.2 s.
fn in_the_way() -> Elector {
    let mut e = holder();
    e.set_alone(at(1500), true);
    e.set_fitness(at(2000), Fitness::Unfit);
    assert_eq!(actions(&mut e), []);
    for (attempt, sent) in (3..).zip([3000, 5000, 7000, 9000, 11_000]) {
        let renewal = ours(7 + attempt, TERM, 1000, sent, 0);
        let done = with_version(renewal.clone(), 8 + attempt);
        assert_eq!(timeout(&mut e, sent), [update(attempt, renewal)]);
        handle(&mut e, sent + 50, wrote(attempt, done));
    }
    assert_eq!((e.leadership(ms(11_199)), e.next_deadline()), (held(21_000, TERM), Some(ms(11_200))));
    e
}

/// The empty record after [`in_the_way`].
fn emptied(v: u64, renewed: u64) -> Record {
    let mut record = ours(v, TERM, renewed, renewed, 0);
    record.spec.holder = Some(String::new());
    record.spec.duration_seconds = Some(1);
    record
}

fn gives_way() -> Action {
    report(Event::Lost(Loss::GivesWay))
}

#[test]
fn it_falls_silent_then_gives_the_lease_back_and_stands_again_when_it_is_fit() {
    let mut e = in_the_way();
    assert_eq!(timeout(&mut e, 11_200), [gives_way()]);
    assert_eq!((e.leadership(ms(11_200)), e.next_deadline()), (nobody(), Some(ms(12_200))));
    e.silent(at(11_300));
    let free = emptied(15, 12_300);
    assert_eq!(actions(&mut e), [update(8, free.clone())]);
    assert_eq!(handle(&mut e, 11_350, wrote(8, with_version(free.clone(), 16))), [report(Event::GaveWay)]);
    // Not fit, it claims nothing that is free.
    assert_eq!((e.next_deadline(), e.leadership(ms(11_350))), (None, nobody()));
    e.set_fitness(at(20_000), Fitness::Fit);
    let mut claim = ours(16, EPOCH + 20, 20_000, 20_000, 1);
    claim.spec.acquire_time = Some(wall(20_000));
    assert_eq!(actions(&mut e), [update(9, claim)]);
}

#[test]
fn it_gives_the_lease_back_after_a_second_even_if_something_stays_bound() {
    let mut e = in_the_way();
    assert_eq!(timeout(&mut e, 11_200), [gives_way()]);
    assert_eq!(timeout(&mut e, 12_199), []);
    assert_eq!(timeout(&mut e, 12_200), [update(8, emptied(15, 12_200))]);
    // Tried again until it is known to be done, also when the entitlement would be over by itself.
    assert_eq!(handle(&mut e, 22_000, failed(8)), [update(9, emptied(15, 22_000))]);
}

#[test]
fn who_takes_it_meanwhile_is_followed() {
    let mut e = in_the_way();
    timeout(&mut e, 11_200);
    let theirs = record(16, "go", 15, 11_250);
    let new = report(Event::NewHolder { holder: Some("go".to_owned()) });
    assert_eq!(handle(&mut e, 11_300, seen(theirs)), [new]);
    e.silent(at(11_400));
    assert_eq!((actions(&mut e), e.leadership(ms(11_400))), (vec![], follower("go", 26_300)));
}

#[test]
fn a_renewal_that_shows_up_late_entitles_to_nothing_any_more() {
    let renewal = ours(15, TERM, 1000, 13_000, 0);
    let mut late = in_the_way();
    late.set_alone(at(11_100), false);
    assert_eq!(timeout(&mut late, 13_000), [update(8, renewal.clone())]);
    late.set_alone(at(13_100), true);
    // It ends with the answer: one request at a time.
    assert_eq!((actions(&mut late), late.leadership(ms(13_100))), (vec![], held(21_000, TERM)));
    assert_eq!(handle(&mut late, 14_900, failed(8)), [gives_way()]);
    assert_eq!(handle(&mut late, 14_950, seen(with_version(renewal, 16))), []);
    assert_eq!(late.leadership(ms(14_950)), nobody());
}

#[test]
fn it_stays_where_another_vipcast_is_known_or_it_is_not_its_api_server_that_fails() {
    let mut e = in_the_way();
    e.set_alone(at(11_100), false);
    let renewal = |attempt| update(attempt, ours(15, TERM, 1000, 13_000, 0));
    assert_eq!((timeout(&mut e, 13_000), e.leadership(ms(13_000))), (vec![renewal(8)], held(21_000, TERM)));
    for fitness in [Fitness::Unknown, Fitness::Fit, Fitness::Starting, Fitness::Unheard, Fitness::Drained] {
        let mut e = in_the_way();
        e.set_fitness(at(11_100), fitness);
        assert_eq!((timeout(&mut e, 13_000), e.leadership(ms(13_000))), (vec![renewal(8)], held(21_000, TERM)));
    }
}

#[test]
fn who_is_told_to_leave_meanwhile_gives_it_back_once() {
    let mut e = in_the_way();
    timeout(&mut e, 11_200);
    e.hand_over(at(11_250));
    assert_eq!(actions(&mut e), [report(Event::HandedOver { to: None })]);
    e.silent(at(11_300));
    let free = emptied(15, 12_300);
    assert_eq!(actions(&mut e), [update(8, free.clone())]);
    e.release(at(11_310));
    let done = report(Event::Released { given_back: true });
    assert_eq!(handle(&mut e, 11_350, wrote(8, with_version(free, 16))), [done]);
}
