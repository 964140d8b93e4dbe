//! Planned handover, from both ends, and who may stand at all.

use super::*;

const TERM_A: u64 = EPOCH + 1;

fn noted(mut record: Record, notes: &[(&str, String)]) -> Record {
    record.annotations.extend(notes.iter().map(|(key, text)| ((*key).to_owned(), text.clone())));
    record
}

fn candidate(node: &str, instance: &str) -> Candidate {
    Candidate { node: node.to_owned(), instance: instance.to_owned() }
}

/// Our renewal, sent at `renewed`, that offers the lease to a process.
fn offering(v: u64, renewed: u64, to: &str) -> Record {
    noted(ours(v, TERM_A, 1000, renewed, 0), &[(OFFER, format!("{TERM_A} {} {to}", wall(renewed).0))])
}

/// The record of node-b, which took it from us.
fn taken(v: u64, renewed: u64, acknowledged: bool) -> Record {
    let term = TERM_A + 5;
    let record = marked(record(v, "node-b", 15, renewed), "b1", term);
    let from = (FROM, format!("{TERM_A} a1"));
    match acknowledged {
        true => noted(record, &[from, (ACKNOWLEDGED, term.to_string())]),
        false => noted(record, &[from]),
    }
}

fn ending(until: u64) -> Leadership {
    Leadership::Held { until: ms(until), term: TERM_A, prepend: 0, successor: Some("node-b".to_owned()) }
}

fn offered(to: &str) -> Action {
    report(Event::Offered { to: to.to_owned() })
}

fn over(to: Option<&str>) -> Action {
    report(Event::HandedOver { to: to.map(str::to_owned) })
}

fn new_holder(name: &str) -> Action {
    report(Event::NewHolder { holder: Some(name.to_owned()) })
}

/// A holder that leaves, has offered the lease to node-b in version 11, at 2.0 s, and knows that this was written.
fn leaving() -> Elector {
    let mut e = holder();
    e.set_candidates(at(1500), vec![candidate("node-b", "b1")]);
    assert_eq!(actions(&mut e), []);
    e.hand_over(at(2000));
    let offer = offering(10, 2000, "b1");
    assert_eq!(actions(&mut e), [update(3, offer.clone())]);
    assert_eq!(handle(&mut e, 2100, wrote(3, with_version(offer, 11))), [offered("node-b")]);
    e
}

#[test]
fn who_leaves_speaks_until_shortly_after_the_successor_does() {
    let mut e = leaving();
    assert_eq!(e.leadership(ms(2100)), held(12_000, TERM_A));
    let hands_over = report(Event::HandingOver { to: "node-b".to_owned() });
    assert_eq!(handle(&mut e, 2200, seen(taken(12, 2150, false))), [hands_over, new_holder("node-b")]);
    assert_eq!(e.leadership(ms(2200)), ending(12_000));
    assert_eq!(handle(&mut e, 2300, seen(taken(13, 2250, true))), []);
    assert_eq!(e.leadership(ms(2300)), ending(3050));
    assert_eq!(e.next_deadline(), Some(ms(3050)));
    // A later renewal does not lengthen it.
    assert_eq!(handle(&mut e, 2500, seen(taken(14, 2450, true))), []);
    assert_eq!(timeout(&mut e, 3049), []);
    let lost = report(Event::Lost(Loss::HandedOver { to: "node-b".to_owned(), acknowledged: true }));
    assert_eq!(timeout(&mut e, 3050), [lost, over(Some("node-b"))]);
    assert_eq!(e.leadership(ms(3050)), follower("node-b", 17_500));
    assert_eq!(e.next_deadline(), None);
}

#[test]
fn a_successor_that_falls_silent_is_waited_for_until_our_own_end() {
    let mut e = leaving();
    handle(&mut e, 2200, seen(taken(12, 2150, false)));
    assert_eq!(timeout(&mut e, 11_999), []);
    let lost = report(Event::Lost(Loss::HandedOver { to: "node-b".to_owned(), acknowledged: false }));
    assert_eq!(timeout(&mut e, 12_000), [lost, over(Some("node-b"))]);
}

#[test]
fn anybody_else_in_the_record_ends_the_handover_at_once() {
    let others =
        [seen(record(13, "node-c", 15, 2250)), seen(marked(taken(13, 2250, true), "b2", TERM_A + 6)), gone(13)];
    for other in others {
        let mut e = leaving();
        handle(&mut e, 2200, seen(taken(12, 2150, false)));
        let lost = report(Event::Lost(Loss::HandedOver { to: "node-b".to_owned(), acknowledged: false }));
        assert_eq!(handle(&mut e, 2300, other)[..2], [lost, over(Some("node-b"))]);
        assert!(matches!(e.leadership(ms(2300)), Leadership::Follower { .. }));
    }
}

#[test]
fn who_takes_it_without_our_offer_ends_our_term_at_once() {
    let strangers = [
        marked(record(12, "node-b", 15, 2150), "b1", TERM_A + 5),
        noted(taken(12, 2150, true), &[(FROM, format!("{} a1", TERM_A - 1))]),
        noted(taken(12, 2150, true), &[(FROM, format!("{TERM_A} a2"))]),
        marked(taken(12, 2150, true), "b1", TERM_A),
    ];
    for stranger in strangers {
        let mut e = leaving();
        let lost = report(Event::Lost(Loss::Taken { by: Some("node-b".to_owned()) }));
        assert_eq!(handle(&mut e, 2200, seen(stranger)), [lost, new_holder("node-b"), over(None)]);
        assert_eq!(e.leadership(ms(2200)), follower("node-b", 17_200));
    }
}

#[test]
fn an_offer_that_nobody_takes_is_taken_back_and_made_to_the_next() {
    let mut e = leaving();
    e.set_candidates(at(2500), vec![candidate("node-b", "b1"), candidate("node-c", "c1")]);
    assert_eq!(actions(&mut e), []);
    let offer = offering(11, 4000, "c1");
    assert_eq!(timeout(&mut e, 4000), [update(4, offer.clone())]);
    assert_eq!(handle(&mut e, 4000, wrote(4, with_version(offer, 12))), [offered("node-c")]);
    let renewal = ours(12, TERM_A, 1000, 6000, 0);
    assert_eq!(timeout(&mut e, 6000), [update(5, renewal.clone())]);
    assert_eq!(handle(&mut e, 6100, wrote(5, with_version(renewal, 13))), [over(None)]);
    // It is still held, and renewed, until it is given back.
    assert_eq!(e.leadership(ms(6100)), held(16_000, TERM_A));
    assert_eq!(e.next_deadline(), Some(ms(8000)));
}

#[test]
fn who_leaves_alone_waits_for_nobody() {
    let mut e = holder();
    e.hand_over(at(2000));
    assert_eq!(actions(&mut e), [over(None)]);
    assert_eq!(e.leadership(ms(2000)), held(11_000, TERM_A));

    let mut e = elector();
    timeout(&mut e, 0);
    e.hand_over(at(100));
    assert_eq!(handle(&mut e, 200, got(1, None)), [over(None)]);
    assert_eq!(e.next_deadline(), None);
}

#[test]
fn who_leaves_waits_no_longer_than_two_retry_periods_for_an_offer_to_be_written() {
    let mut e = holder();
    e.set_candidates(at(1500), vec![candidate("node-b", "b1")]);
    e.hand_over(at(2000));
    let asked = |attempt, when| update(attempt, offering(10, when, "b1"));
    assert_eq!(actions(&mut e), [asked(3, 2000)]);
    assert_eq!(handle(&mut e, 4000, failed(3)), [asked(4, 4000)]);
    let renewal = update(5, ours(10, TERM_A, 1000, 6000, 0));
    assert_eq!(handle(&mut e, 6000, failed(4)), [over(None), renewal]);
    assert_eq!(e.leadership(ms(6000)), held(11_000, TERM_A));
}

#[test]
fn an_unfit_holder_hands_over_after_its_dwell_time_and_stays_where_nobody_is_fit() {
    let mut e = holder();
    e.set_fitness(at(1500), Fitness::Unfit);
    assert_eq!(e.next_deadline(), Some(ms(3000)));
    assert_eq!(e.leadership(ms(1500)), held(11_000, TERM_A));
    e.set_candidates(at(1600), vec![candidate("node-b", "b1")]);
    assert_eq!(actions(&mut e), []);
    let mut version = 10;
    for (attempt, when) in [(3, 3000), (4, 5000), (5, 7000), (6, 9000), (7, 11_000)] {
        let renewal = ours(version, TERM_A, 1000, when, 0);
        assert_eq!(timeout(&mut e, when), [update(attempt, renewal.clone())]);
        version += 1;
        assert_eq!(handle(&mut e, when, wrote(attempt, with_version(renewal, version))), []);
    }
    // It was taken at 1.2 s.
    assert_eq!(e.next_deadline(), Some(ms(11_200)));
    // In a later second than the renewal before.
    let offer = offering(version, 12_200, "b1");
    assert_eq!(timeout(&mut e, 11_200), [update(8, offer.clone())]);
    // Nobody took it: it is taken back, and offered again a dwell time after.
    handle(&mut e, 11_200, wrote(8, with_version(offer, 16)));
    assert_eq!(timeout(&mut e, 13_200), [update(9, ours(16, TERM_A, 1000, 13_200, 0))]);
    handle(&mut e, 13_200, wrote(9, ours(17, TERM_A, 1000, 13_200, 0)));
    assert_eq!(timeout(&mut e, 15_200), [update(10, ours(17, TERM_A, 1000, 15_200, 0))]);
    assert_eq!(e.leadership(ms(15_200)), held(23_200, TERM_A));
}

#[test]
fn a_drained_holder_hands_over_at_once_and_claims_nothing_after() {
    let mut e = holder();
    e.set_candidates(at(1500), vec![candidate("node-b", "b1")]);
    e.set_fitness(at(1600), Fitness::Drained);
    assert_eq!(actions(&mut e), [update(3, offering(10, 2600, "b1"))]);
    handle(&mut e, 1700, wrote(3, offering(11, 2600, "b1")));
    handle(&mut e, 1800, seen(taken(12, 1750, true)));
    assert_eq!(e.leadership(ms(1800)), ending(2550));
    assert_eq!(timeout(&mut e, 2550).len(), 1);
    assert_eq!(timeout(&mut e, 60_000), []);
    assert_eq!(e.next_deadline(), None);
    // Until its operator wants it back.
    e.set_fitness(at(60_000), Fitness::Fit);
    let mut claim = ours(12, EPOCH + 60, 60_000, 60_000, 4);
    claim.annotations.retain(|key, _| key != ACKNOWLEDGED && key != FROM);
    assert_eq!(actions(&mut e), [update(4, claim)]);
}

/// What another holder offers to a process, in its term 7.
fn offer_of_b(v: u64, renewed: u64, to: &str) -> Record {
    let offer = format!("7 {} {to}", wall(renewed).0);
    noted(marked(record(v, "node-b", 15, renewed), "b1", 7), &[(OFFER, offer)])
}

/// The claim of what `offer_of_b` offers.
fn claim_from_b(v: u64, when: u64) -> Record {
    noted(ours(v, EPOCH + when / 1000, when, when, 4), &[(FROM, "7 b1".to_owned())])
}

#[test]
fn an_offer_is_taken_at_once_and_acknowledged_when_the_routes_are_out() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
    let claim = claim_from_b(11, 3000);
    assert_eq!(handle(&mut e, 3000, seen(offer_of_b(11, 2900, "a1"))), [update(2, claim.clone())]);
    let became = report(Event::BecameHolder { term: EPOCH + 3 });
    let took = report(Event::TookOver { from: "b1".to_owned() });
    assert_eq!(handle(&mut e, 3100, wrote(2, with_version(claim.clone(), 12))), [became, took]);
    assert_eq!(e.leadership(ms(3100)), held(13_000, EPOCH + 3));
    // The word of an earlier term is none.
    e.announced(at(3150), EPOCH + 2);
    assert_eq!(actions(&mut e), []);
    e.announced(at(3200), EPOCH + 3);
    let mut renewal = noted(with_version(claim, 12), &[(ACKNOWLEDGED, (EPOCH + 3).to_string())]);
    renewal.spec.renew_time = Some(wall(4200));
    assert_eq!(actions(&mut e), [update(3, renewal.clone())]);
    assert_eq!(handle(&mut e, 3300, wrote(3, with_version(renewal, 13))), []);
    // Said once: the next renewal has its own time again.
    e.announced(at(3400), EPOCH + 3);
    assert_eq!(actions(&mut e), []);
    assert_eq!(e.next_deadline(), Some(ms(5200)));
}

/// The watch shows what we wrote before the answer comes, and our routes are out in between.
#[test]
fn a_late_answer_takes_back_no_word() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
    let claim = claim_from_b(11, 3000);
    assert_eq!(handle(&mut e, 3000, seen(offer_of_b(11, 2900, "a1"))), [update(2, claim.clone())]);
    let claim = with_version(claim, 12);
    assert_eq!(handle(&mut e, 3100, seen(claim.clone())).len(), 2);
    e.announced(at(3110), EPOCH + 3);
    assert_eq!(actions(&mut e), []);
    let mut renewal = noted(claim.clone(), &[(ACKNOWLEDGED, (EPOCH + 3).to_string())]);
    renewal.spec.renew_time = Some(wall(4200));
    assert_eq!(handle(&mut e, 3200, wrote(2, claim)), [update(3, renewal)]);
}

/// The same of an offer: it is reported once.
#[test]
fn an_offer_that_the_watch_showed_first_is_reported_once() {
    let mut e = holder();
    e.set_candidates(at(1500), vec![candidate("node-b", "b1")]);
    e.hand_over(at(2000));
    let offer = offering(10, 2000, "b1");
    assert_eq!(actions(&mut e), [update(3, offer.clone())]);
    let offer = with_version(offer, 11);
    assert_eq!(handle(&mut e, 2050, seen(offer.clone())), [offered("node-b")]);
    assert_eq!(handle(&mut e, 2100, wrote(3, offer)), []);
}

#[test]
fn a_lease_that_comes_back_at_once_is_ours_again() {
    let mut e = holder();
    e.set_candidates(at(1500), vec![candidate("node-b", "b1")]);
    e.set_fitness(at(1600), Fitness::Drained);
    actions(&mut e);
    handle(&mut e, 1700, wrote(3, offering(11, 2000, "b1")));
    handle(&mut e, 1800, seen(taken(12, 1750, true)));
    assert_eq!(e.leadership(ms(1800)), ending(2550));
    e.set_fitness(at(1900), Fitness::Fit);
    let back = noted(taken(13, 1950, true), &[(OFFER, format!("{} {} a1", TERM_A + 5, wall(1950).0))]);
    let asked = handle(&mut e, 2000, seen(back));
    let [Action::Update { attempt: Attempt(4), record: claim }] = &asked[..] else { panic!("{asked:?}") };
    let term = TERM_A + 6;
    let ended = report(Event::Lost(Loss::HandedOver { to: "node-b".to_owned(), acknowledged: true }));
    let news = [ended, report(Event::BecameHolder { term }), report(Event::TookOver { from: "b1".to_owned() })];
    assert_eq!(handle(&mut e, 2100, wrote(4, with_version(claim.clone(), 14))), news);
    assert_eq!(e.leadership(ms(2100)), held(12_000, term));
    assert_eq!(timeout(&mut e, 2550), []);
}

#[test]
fn an_offer_to_another_process_or_of_another_record_is_none() {
    let mut renewed = offer_of_b(11, 2900, "a1");
    renewed.spec.renew_time = Some(wall(2950));
    let mut released = offer_of_b(11, 2900, "a1");
    released.spec.holder = Some("node-c".to_owned());
    released.annotations.insert(TERM.to_owned(), "8".to_owned());
    for stale in [renewed, released, offer_of_b(11, 2900, "a0"), offer_of_b(11, 2900, "b1")] {
        let mut e = elector();
        timeout(&mut e, 0);
        handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
        let writes = handle(&mut e, 3000, seen(stale)).into_iter().filter(|a| !matches!(a, Action::Report(_))).count();
        assert_eq!(writes, 0);
        assert_eq!(e.next_deadline(), Some(ms(18_000)));
    }
}

#[test]
fn an_offer_in_a_restored_record_is_over() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(20, "node-c", 15, 0))));
    assert_eq!(handle(&mut e, 3000, seen(offer_of_b(11, 2900, "a1"))), [get(2)]);
    assert_eq!(handle(&mut e, 3000, got(2, Some(offer_of_b(11, 2900, "a1")))), [new_holder("node-b")]);
    assert_eq!(e.next_deadline(), Some(ms(18_000)));
}

#[test]
fn nobody_takes_an_offer_who_is_not_fit() {
    let unfit = [Fitness::Unknown, Fitness::Starting, Fitness::Unheard, Fitness::Unfit, Fitness::Drained];
    for fitness in unfit {
        let mut e = elector();
        e.set_fitness(at(0), fitness);
        actions(&mut e);
        handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
        assert_eq!(handle(&mut e, 3000, seen(offer_of_b(11, 2900, "a1"))), []);
    }
}

#[test]
fn a_node_that_no_router_hears_stands_last_and_only_where_nobody_is_fit() {
    let mut e = elector();
    e.set_fitness(at(0), Fitness::Unheard);
    actions(&mut e);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
    assert_eq!(e.next_deadline(), Some(ms(19_000)));
    e.set_candidates(at(100), vec![candidate("node-c", "c1")]);
    assert_eq!(e.next_deadline(), None);
    e.set_candidates(at(200), vec![]);
    assert_eq!(timeout(&mut e, 18_999), []);
    assert_eq!(timeout(&mut e, 19_000).len(), 1);
}

#[test]
fn nothing_is_claimed_before_the_first_check() {
    for fitness in [Fitness::Unknown, Fitness::Unfit, Fitness::Drained] {
        let mut e = elector();
        e.set_fitness(at(0), fitness);
        actions(&mut e);
        assert_eq!(handle(&mut e, 0, got(1, None)), []);
        assert_eq!(e.next_deadline(), None);
        e.set_fitness(at(500), Fitness::Fit);
        assert_eq!(actions(&mut e), [create(2, ours(0, EPOCH, 500, 500, 0))]);
    }
}

#[test]
fn a_killed_holder_resumes_its_lease_once_a_minute() {
    let predecessor = marked(record(10, "node-a", 15, 0), "a0", 7);
    let mut e = elector();
    timeout(&mut e, 1000);
    let claim = resumed(ours(10, EPOCH + 1, 0, 1000, 3));
    assert_eq!(handle(&mut e, 1000, got(1, Some(predecessor))), [update(2, claim.clone())]);
    handle(&mut e, 1000, wrote(2, with_version(claim.clone(), 11)));
    // The mark stands for a minute.
    let mut renewal = with_version(claim, 11);
    renewal.spec.renew_time = Some(wall(3000));
    assert_eq!(timeout(&mut e, 3000), [update(3, renewal.clone())]);
    handle(&mut e, 3000, wrote(3, with_version(renewal.clone(), 12)));
    let mut later = with_version(renewal.clone(), 12);
    later.annotations.remove(RESUMED);
    later.spec.renew_time = Some(wall(61_000));
    let asked = timeout(&mut e, 61_000);
    assert_eq!(asked, [report(Event::Lost(Loss::Expired)), update(4, later)]);

    // The next process within that minute waits the lease out, as a stranger would.
    let mut e = elector();
    timeout(&mut e, 5000);
    assert_eq!(handle(&mut e, 5000, got(1, Some(with_version(renewal, 13)))), []);
    assert_eq!(e.leadership(ms(5000)), nobody());
    assert_eq!(e.next_deadline(), Some(ms(20_000)));
}
