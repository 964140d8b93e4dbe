//! A holder: renewals, lost answers, and whatever ends an entitlement.

use std::collections::BTreeMap;

use super::*;

#[test]
fn creates_an_absent_lease_and_counts_from_before_it_was_sent() {
    let mut e = holder();
    assert_eq!(e.leadership(ms(1200)), held(11_000, EPOCH + 1));
    assert_eq!(e.leadership(ms(10_999)), held(11_000, EPOCH + 1));
    assert_eq!(e.leadership(ms(11_000)), nobody());
    assert_eq!(e.next_deadline(), Some(ms(3000)));
    // Early calls do nothing.
    assert_eq!(timeout(&mut e, 2999), []);
    let renewal = ours(10, EPOCH + 1, 1000, 3000, 0);
    assert_eq!(timeout(&mut e, 3000), [update(3, renewal.clone())]);
    // One on its way: nothing but the expiry is due.
    assert_eq!(e.next_deadline(), Some(ms(11_000)));
    assert_eq!(timeout(&mut e, 4000), []);
    assert_eq!(handle(&mut e, 4900, wrote(3, with_version(renewal, 11))), []);
    assert_eq!(e.leadership(ms(4900)), held(13_000, EPOCH + 1));
    assert_eq!(e.next_deadline(), Some(ms(5000)));
}

#[test]
fn the_entitlement_is_never_longer_than_the_record_says() {
    let mut e = elector();
    e.config.renew_deadline = Duration::from_secs(60);
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, None));
    handle(&mut e, 100, wrote(2, ours(10, EPOCH, 0, 0, 0)));
    assert_eq!(e.leadership(ms(100)), held(15_000, EPOCH));
}

#[test]
fn a_write_whose_answer_was_lost_counts_from_when_it_was_sent() {
    let mut e = holder();
    let lost = ours(10, EPOCH + 1, 1000, 3000, 0);
    assert_eq!(timeout(&mut e, 3000), [update(3, lost.clone())]);
    // Timed out; the next one is sent at once, with the version we know.
    let next = ours(10, EPOCH + 1, 1000, 5000, 0);
    assert_eq!(handle(&mut e, 5000, failed(3)), [update(4, next)]);
    assert_eq!(e.leadership(ms(5000)), held(11_000, EPOCH + 1));
    // It had been done, so ours now conflicts: read, and count from when the lost one was sent.
    assert_eq!(handle(&mut e, 5100, refused(4, WriteError::Conflict)), [get(5)]);
    let renewal = ours(11, EPOCH + 1, 1000, 5200, 0);
    assert_eq!(handle(&mut e, 5200, got(5, Some(with_version(lost, 11)))), [update(6, renewal)]);
    assert_eq!(e.leadership(ms(5200)), held(13_000, EPOCH + 1));
}

#[test]
fn the_watch_may_bring_the_success_before_the_answer() {
    let mut e = holder();
    let renewal = ours(10, EPOCH + 1, 1000, 3000, 0);
    assert_eq!(timeout(&mut e, 3000), [update(3, renewal.clone())]);
    assert_eq!(handle(&mut e, 3100, seen(with_version(renewal.clone(), 11))), []);
    assert_eq!(e.leadership(ms(3100)), held(13_000, EPOCH + 1));
    assert_eq!(handle(&mut e, 3200, wrote(3, with_version(renewal, 11))), []);
    assert_eq!(e.leadership(ms(3200)), held(13_000, EPOCH + 1));
    assert_eq!(e.next_deadline(), Some(ms(5000)));
}

#[test]
fn expires_by_itself_while_an_attempt_hangs_and_goes_on() {
    let mut e = holder();
    let hangs = ours(10, EPOCH + 1, 1000, 3000, 0);
    assert_eq!(timeout(&mut e, 3000), [update(3, hangs)]);
    assert_eq!(timeout(&mut e, 11_000), [report(Event::Lost(Loss::Expired))]);
    assert_eq!(e.leadership(ms(11_000)), nobody());
    assert_eq!(e.next_deadline(), None);
    // Nobody took it: the record is still ours, the term too.
    let renewal = ours(10, EPOCH + 1, 1000, 12_000, 0);
    assert_eq!(handle(&mut e, 12_000, failed(3)), [update(4, renewal.clone())]);
    let became = report(Event::BecameHolder { term: EPOCH + 1 });
    assert_eq!(handle(&mut e, 12_100, wrote(4, with_version(renewal, 12))), [became]);
    assert_eq!(e.leadership(ms(12_100)), held(22_000, EPOCH + 1));
}

#[test]
fn an_answer_after_the_end_of_its_own_entitlement_entitles_to_nothing() {
    let mut e = elector();
    timeout(&mut e, 0);
    let claim = ours(10, EPOCH, 0, 0, 0);
    assert_eq!(handle(&mut e, 0, got(1, None)), [create(2, claim.clone())]);
    // The process was frozen meanwhile.
    let renewal = ours(10, EPOCH, 0, 10_000, 0);
    assert_eq!(handle(&mut e, 10_000, wrote(2, claim)), [update(3, renewal)]);
    assert_eq!(e.leadership(ms(10_000)), nobody());
}

#[test]
fn failures_are_retried_four_times_a_period() {
    let mut e = holder();
    assert_eq!(timeout(&mut e, 3000), [update(3, ours(10, EPOCH + 1, 1000, 3000, 0))]);
    assert_eq!(handle(&mut e, 3010, failed(3)), []);
    assert_eq!(e.next_deadline(), Some(ms(3500)));
    assert_eq!(timeout(&mut e, 3499), []);
    assert_eq!(timeout(&mut e, 3500), [update(4, ours(10, EPOCH + 1, 1000, 3500, 0))]);
    // An answer to a request that was answered before is nothing.
    assert_eq!(handle(&mut e, 3510, failed(3)), []);
    assert_eq!(timeout(&mut e, 9000), []);
}

#[test]
fn deletion_ends_the_entitlement_and_is_waited_out() {
    let mut e = holder();
    assert_eq!(handle(&mut e, 2000, gone(12)), [report(Event::Lost(Loss::Deleted))]);
    assert_eq!(e.leadership(ms(2000)), nobody());
    // Our own record entitled nobody beyond its until.
    assert_eq!(e.next_deadline(), Some(ms(11_000)));
    assert_eq!(timeout(&mut e, 11_000), [create(3, ours(0, EPOCH + 11, 11_000, 11_000, 0))]);
}

#[test]
fn a_404_on_renewal_ends_the_entitlement() {
    let mut e = holder();
    timeout(&mut e, 3000);
    assert_eq!(handle(&mut e, 3100, refused(3, WriteError::NotFound)), [report(Event::Lost(Loss::Deleted))]);
    assert_eq!(e.leadership(ms(3100)), nobody());
    // The watch is late with what was deleted: asked again, not believed.
    assert_eq!(handle(&mut e, 3200, seen(ours(10, EPOCH + 1, 1000, 1000, 0))), [get(4)]);
    assert_eq!(handle(&mut e, 3300, got(4, None)), []);
    assert_eq!(e.next_deadline(), Some(ms(11_000)));
}

#[test]
fn a_restored_older_record_of_ours_ends_the_entitlement() {
    let mut e = holder();
    timeout(&mut e, 3000);
    handle(&mut e, 3100, wrote(3, ours(20, EPOCH + 1, 1000, 3000, 0)));
    // The watch shows the older record: perhaps it is only late.
    assert_eq!(handle(&mut e, 3200, seen(ours(10, EPOCH + 1, 1000, 1000, 0))), [get(4)]);
    assert_eq!(e.leadership(ms(3200)), held(13_000, EPOCH + 1));
    let restored = ours(10, EPOCH + 1, 1000, 1000, 0);
    assert_eq!(handle(&mut e, 3300, got(4, Some(restored.clone()))), [report(Event::Lost(Loss::WentBack))]);
    assert_eq!(e.leadership(ms(3300)), nobody());
    // In a new term, when nobody can rely on what we had written.
    assert_eq!(timeout(&mut e, 13_000), [update(5, ours(10, EPOCH + 13, 1000, 13_000, 0))]);
}

#[test]
fn old_news_from_the_watch_ends_nothing() {
    let mut e = holder();
    assert_eq!(handle(&mut e, 1300, seen(record(9, "node-b", 15, 0))), [get(3)]);
    let held_record = ours(10, EPOCH + 1, 1000, 1000, 0);
    assert_eq!(handle(&mut e, 1400, got(3, Some(held_record))), []);
    assert_eq!(e.leadership(ms(1400)), held(11_000, EPOCH + 1));
    assert_eq!(e.next_deadline(), Some(ms(3000)));
}

#[test]
fn a_restored_record_of_another_holder_is_waited_out() {
    let mut e = holder();
    timeout(&mut e, 3000);
    assert_eq!(handle(&mut e, 3100, refused(3, WriteError::Conflict)), [get(4)]);
    assert_eq!(
        handle(&mut e, 3200, got(4, Some(record(5, "node-b", 15, 0)))),
        [report(Event::Lost(Loss::WentBack)), report(Event::NewHolder { holder: Some("node-b".to_owned()) })]
    );
    assert_eq!(e.leadership(ms(3200)), follower("node-b", 18_200));
    assert_eq!(e.next_deadline(), Some(ms(18_200)));
}

#[test]
fn another_holder_ends_the_entitlement() {
    let mut e = holder();
    let taken = Loss::Taken { by: Some("node-b".to_owned()) };
    assert_eq!(
        handle(&mut e, 2000, seen(record(11, "node-b", 15, 2000))),
        [report(Event::Lost(taken)), report(Event::NewHolder { holder: Some("node-b".to_owned()) })]
    );
    assert_eq!(e.leadership(ms(2000)), follower("node-b", 17_000));
}

#[test]
fn a_second_vipcast_on_this_node_makes_us_stand_down() {
    let mut e = holder();
    let twin = |v, renewed| marked(record(v, "node-a", 15, renewed), "a2", EPOCH + 2);
    assert_eq!(
        handle(&mut e, 2000, seen(twin(11, 2000))),
        [report(Event::Lost(Loss::Twin)), report(Event::Twin { instance: Some("a2".to_owned()) })]
    );
    assert_eq!(e.leadership(ms(2000)), behind_twin());
    // It goes on: said once, and we stay down until it stops.
    assert_eq!(handle(&mut e, 4000, seen(twin(12, 4000))), []);
    assert_eq!(timeout(&mut e, 18_999), []);
    assert_eq!(timeout(&mut e, 19_000), [update(3, ours(12, EPOCH + 19, 0, 19_000, 3))]);
}

#[test]
fn kube_vip_on_this_node_is_a_twin_though_it_keeps_our_annotations() {
    let mut e = holder();
    let mut twin = ours(11, EPOCH + 1, 1000, 1700, 0);
    twin.spec.duration_seconds = Some(15);
    assert_eq!(
        handle(&mut e, 2000, seen(twin)),
        [report(Event::Lost(Loss::Twin)), report(Event::Twin { instance: Some("a1".to_owned()) })]
    );
    assert_eq!(e.next_deadline(), Some(ms(17_000)));
}

#[test]
fn an_annotation_by_somebody_else_costs_a_read_and_is_kept() {
    let mut e = holder();
    timeout(&mut e, 3000);
    assert_eq!(handle(&mut e, 3050, refused(3, WriteError::Conflict)), [get(4)]);
    let annotated = |mut record: Record| {
        record.annotations.insert("example.org/note".to_owned(), "kept".to_owned());
        record.metadata = "{\"labels\":{\"kept\":\"too\"}}".to_owned();
        record
    };
    let renewal = annotated(ours(11, EPOCH + 1, 1000, 3100, 0));
    let found = annotated(ours(11, EPOCH + 1, 1000, 1000, 0));
    assert_eq!(handle(&mut e, 3100, got(4, Some(found))), [update(5, renewal)]);
    assert_eq!(e.leadership(ms(3100)), held(11_000, EPOCH + 1));
}

#[test]
fn refusals_in_a_row_are_paced() {
    let mut e = holder();
    let mut when = 3000;
    let mut attempt = 3;
    let mut out = timeout(&mut e, when);
    for _ in 0..BURST {
        assert_eq!(out, [update(attempt, ours(7 + attempt, EPOCH + 1, 1000, when, 0))]);
        assert_eq!(handle(&mut e, when + 1, refused(attempt, WriteError::Conflict)), [get(attempt + 1)]);
        when += 2;
        out = handle(&mut e, when, got(attempt + 1, Some(ours(9 + attempt, EPOCH + 1, 1000, 1000, 0))));
        attempt += 2;
    }
    assert_eq!(out, [update(attempt, ours(7 + attempt, EPOCH + 1, 1000, when, 0))]);
    assert_eq!(handle(&mut e, when + 1, refused(attempt, WriteError::Conflict)), []);
    assert_eq!(e.next_deadline(), Some(ms(when + 500)));
}

#[test]
fn every_renewal_changes_the_record_as_client_go_sees_it() {
    // Set back to the very value that stands in the record, to less, and to an hour less, which is somebody's mistake.
    let hour = 3600 * 1_000_000;
    let cases = [
        (wall(1000), MicroTime(wall(1000).0 + 1_000_000)),
        (wall(200), wall(2200)),
        (MicroTime(wall(1000).0 - hour), MicroTime(wall(1000).0 - hour)),
    ];
    for (wall, written) in cases {
        let mut e = holder();
        e.handle_timeout(Moment { now: ms(3000), wall });
        let mut renewal = ours(10, EPOCH + 1, 1000, 1000, 0);
        renewal.spec.renew_time = Some(written);
        assert_eq!(actions(&mut e), [update(3, renewal)]);
    }
}

#[test]
fn a_write_that_was_done_is_not_taken_for_a_later_one_that_was_not() {
    let mut e = holder();
    // The wall clock was set back: both renewals follow the same record.
    let set_back = |when: u64| Moment { now: ms(when), wall: wall(500) };
    e.handle_timeout(set_back(3000));
    let lost = ours(10, EPOCH + 1, 1000, 2500, 0);
    assert_eq!(actions(&mut e), [update(3, lost.clone())]);
    e.handle(set_back(5000), failed(3));
    assert_eq!(actions(&mut e), [update(4, ours(10, EPOCH + 1, 1000, 3500, 0))]);
    // What the watch shows is the first, however often.
    for v in [11, 12] {
        assert_eq!(handle(&mut e, 5100, seen(with_version(lost.clone(), v))), []);
        assert_eq!(e.leadership(ms(5100)), held(13_000, EPOCH + 1));
    }
}

#[test]
fn an_answer_that_was_overtaken_is_asked_again() {
    let mut e = holder();
    let renewal = ours(10, EPOCH + 1, 1000, 3000, 0);
    assert_eq!(timeout(&mut e, 3000), [update(3, renewal.clone())]);
    let twin = marked(record(12, "node-a", 15, 3100), "a2", EPOCH + 2);
    handle(&mut e, 3200, seen(twin.clone()));
    assert_eq!(handle(&mut e, 3300, wrote(3, with_version(renewal, 11))), [get(4)]);
    assert_eq!(handle(&mut e, 3400, got(4, Some(twin))), []);
    assert_eq!(e.leadership(ms(3400)), behind_twin());
    assert_eq!(e.next_deadline(), Some(ms(18_200)));
}

#[test]
fn annotations_are_not_ours_to_lose() {
    let mut wanted = BTreeMap::new();
    wanted.insert(INSTANCE.to_owned(), "a1".to_owned());
    wanted.insert(TERM.to_owned(), (EPOCH + 1).to_string());
    let mut e = holder();
    // Somebody removed ours: no change of the record, and the next renewal writes them again.
    let stripped = Record { annotations: BTreeMap::new(), ..ours(11, EPOCH + 1, 1000, 1000, 0) };
    assert_eq!(handle(&mut e, 2000, seen(stripped)), []);
    let Some(Action::Update { record, .. }) = timeout(&mut e, 3000).pop() else { panic!("no renewal") };
    assert_eq!((record.version, record.annotations), (version(11), wanted));
}
