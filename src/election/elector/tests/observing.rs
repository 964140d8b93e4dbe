//! A candidate that does not hold the lease: whom it waits for, and how long.

use super::*;

#[test]
fn waits_for_the_longer_duration_since_the_last_change() {
    let mut e = elector();
    timeout(&mut e, 0);
    let theirs = record(10, "node-b", 30, 0);
    assert_eq!(
        handle(&mut e, 1000, got(1, Some(theirs.clone()))),
        [
            report(Event::NewHolder { holder: Some("node-b".to_owned()) }),
            report(Event::ConfigDiffers { record: 30, ours: 15 })
        ]
    );
    assert_eq!(e.leadership(ms(1000)), follower("node-b", 31_000));
    assert_eq!(e.next_deadline(), Some(ms(31_000)));
    // A renewal is a change; annotations and versions are none.
    assert_eq!(handle(&mut e, 2000, seen(record(11, "node-b", 30, 2000))), []);
    let annotated = marked(record(12, "node-b", 30, 2000), "b1", EPOCH + 500);
    assert_eq!(handle(&mut e, 20_000, seen(annotated.clone())), []);
    assert_eq!(timeout(&mut e, 31_999), []);
    let mut claim = ours(12, EPOCH + 501, 32_000, 32_000, 4);
    assert_eq!(timeout(&mut e, 32_000), [update(2, claim.clone())]);
    claim.version = version(13);
    assert_eq!(handle(&mut e, 32_100, wrote(2, claim)), [report(Event::BecameHolder { term: EPOCH + 501 })]);
}

#[test]
fn own_duration_counts_where_it_is_longer() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 5, 0))));
    assert_eq!(e.next_deadline(), Some(ms(15_000)));
}

#[test]
fn takes_what_was_released_at_once() {
    let newer = Spec { duration_seconds: Some(1), ..record(0, "", 1, 500).spec };
    let older =
        Spec { holder: Some(String::new()), duration_seconds: Some(15), transitions: Some(3), ..Spec::default() };
    for (spec, transitions) in [(newer, 4), (older, 4), (Spec::default(), 1)] {
        let mut e = elector();
        timeout(&mut e, 0);
        let free = Record { version: version(10), spec, ..Record::default() };
        let claim = ours(10, EPOCH + 1, 1000, 1000, transitions);
        assert_eq!(handle(&mut e, 1000, got(1, Some(free))), [update(2, claim)]);
    }
}

#[test]
fn a_release_seen_by_a_waiting_observer_is_taken_at_once() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
    assert_eq!(
        handle(&mut e, 4000, seen(record(11, "", 1, 3900))),
        [report(Event::NewHolder { holder: None }), update(2, ours(11, EPOCH + 4, 4000, 4000, 4))]
    );
    // Somebody else was faster.
    assert_eq!(handle(&mut e, 4010, refused(2, WriteError::Conflict)), [get(3)]);
    assert_eq!(
        handle(&mut e, 4020, got(3, Some(record(12, "node-c", 15, 4005)))),
        [report(Event::NewHolder { holder: Some("node-c".to_owned()) })]
    );
    assert_eq!(e.next_deadline(), Some(ms(19_020)));
}

#[test]
fn an_observer_waits_out_a_deleted_record() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
    assert_eq!(handle(&mut e, 5000, gone(11)), []);
    assert_eq!(e.next_deadline(), Some(ms(15_000)));
    assert_eq!(timeout(&mut e, 15_000), [create(2, ours(0, EPOCH + 15, 15_000, 15_000, 0))]);
    assert_eq!(handle(&mut e, 15_100, refused(2, WriteError::AlreadyExists)), [get(3)]);
    assert_eq!(
        handle(&mut e, 15_200, got(3, Some(record(12, "node-c", 15, 15_000)))),
        [report(Event::NewHolder { holder: Some("node-c".to_owned()) })]
    );
}

#[test]
fn a_restart_within_the_lease_resumes_at_once_in_a_new_term() {
    let mut e = elector();
    timeout(&mut e, 0);
    let predecessor = marked(record(10, "node-a", 15, 0), "a0", EPOCH + 7);
    let claim = resumed(ours(10, EPOCH + 8, 0, 1000, 3));
    assert_eq!(handle(&mut e, 1000, got(1, Some(predecessor))), [update(2, claim.clone())]);
    let became = report(Event::BecameHolder { term: EPOCH + 8 });
    assert_eq!(handle(&mut e, 1100, wrote(2, with_version(claim, 11))), [became]);
}

#[test]
fn a_predecessor_that_lives_is_a_twin() {
    let mut e = elector();
    timeout(&mut e, 0);
    let living = |v, renewed| marked(record(v, "node-a", 15, renewed), "a0", EPOCH + 7);
    let claim = resumed(ours(10, EPOCH + 8, 0, 1000, 3));
    assert_eq!(handle(&mut e, 1000, got(1, Some(living(10, 0)))), [update(2, claim)]);
    assert_eq!(handle(&mut e, 1100, refused(2, WriteError::Conflict)), [get(3)]);
    let twin = report(Event::Twin { instance: Some("a0".to_owned()) });
    assert_eq!(handle(&mut e, 1200, got(3, Some(living(11, 1050)))), [twin]);
    assert_eq!(e.next_deadline(), Some(ms(16_200)));
}

#[test]
fn the_term_is_above_everything_seen() {
    let mut e = elector();
    timeout(&mut e, 0);
    // Seen once, then gone from the record: still a floor.
    let high = marked(record(10, "node-b", 15, 0), "b1", EPOCH + 9000);
    handle(&mut e, 0, got(1, Some(high)));
    assert_eq!(
        handle(&mut e, 1000, seen(record(11, "", 1, 900))),
        [report(Event::NewHolder { holder: None }), update(2, ours(11, EPOCH + 9001, 1000, 1000, 4))]
    );
}

#[test]
fn says_once_that_configurations_differ() {
    let mut e = elector();
    timeout(&mut e, 0);
    let first = handle(&mut e, 0, got(1, Some(record(10, "node-b", 5, 0))));
    let again = handle(&mut e, 1000, seen(record(11, "node-b", 5, 1000)));
    let other = handle(&mut e, 2000, seen(record(12, "node-b", 6, 2000)));
    let named = report(Event::NewHolder { holder: Some("node-b".to_owned()) });
    let differs = |record| report(Event::ConfigDiffers { record, ours: 15 });
    assert_eq!((first, again, other), (vec![named, differs(5)], vec![], vec![differs(6)]));
}

#[test]
fn what_caches_show_from_before_a_restore_changes_nothing() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(20, "node-b", 15, 0))));
    // Restored: what was ours once is nobody's twin, and waited out.
    assert_eq!(handle(&mut e, 1000, seen(ours(10, EPOCH, 0, 0, 0))), [get(2)]);
    assert_eq!(handle(&mut e, 1100, got(2, Some(ours(10, EPOCH, 0, 0, 0)))), []);
    assert_eq!(e.next_deadline(), Some(ms(16_100)));
    // A list from a cache of the future that never was: the read says what is, and the wait goes on.
    assert_eq!(handle(&mut e, 6000, seen(record(20, "node-b", 15, 0))), [get(3)]);
    assert_eq!(handle(&mut e, 6100, got(3, Some(ours(10, EPOCH, 0, 0, 0)))), []);
    assert_eq!(e.next_deadline(), Some(ms(16_100)));
    // Newer than all that: believed again.
    let newer = report(Event::NewHolder { holder: Some("node-c".to_owned()) });
    assert_eq!(handle(&mut e, 7000, seen(record(21, "node-c", 15, 7000))), [newer]);
    assert_eq!(e.next_deadline(), Some(ms(22_000)));
}

#[test]
fn an_empty_record_that_is_no_release_is_waited_out() {
    let empty = |v, uid: &str| Record { uid: uid.to_owned(), ..record(v, "", 15, 0) };
    let free = || report(Event::NewHolder { holder: None });
    let observer = || {
        let mut e = elector();
        timeout(&mut e, 0);
        handle(&mut e, 0, got(1, Some(Record { uid: "a".to_owned(), ..record(10, "node-b", 15, 0) })));
        e
    };
    // Deleted and made anew, seen in two steps or in one.
    let mut e = observer();
    handle(&mut e, 1000, gone(11));
    assert_eq!(handle(&mut e, 1100, seen(empty(12, "b"))), [free()]);
    assert_eq!(e.next_deadline(), Some(ms(15_000)));
    let mut e = observer();
    assert_eq!(handle(&mut e, 1100, seen(empty(12, "b"))), [free()]);
    assert_eq!(e.next_deadline(), Some(ms(15_000)));
    // The same object, but older than its holder's record: restored.
    let mut e = observer();
    handle(&mut e, 1000, seen(empty(9, "a")));
    assert_eq!(handle(&mut e, 1100, got(2, Some(empty(9, "a")))), [free()]);
    assert_eq!(e.next_deadline(), Some(ms(15_000)));
}

#[test]
fn a_standby_speaks_on_when_the_lease_is_given_back_or_deleted_until_another_may_have_it() {
    let standing_by = |holder: Option<&str>, until| Leadership::Follower {
        holder: holder.map(str::to_owned),
        standby_until: Some(ms(until)),
    };
    let released = record(11, "", 1, 4000);
    for after in [seen(released), gone(11)] {
        let mut e = elector();
        e.fitness = Fitness::Unknown;
        assert_eq!(timeout(&mut e, 0), [get(1)]);
        handle(&mut e, 100, got(1, Some(record(10, "node-b", 15, 0))));
        // The lease of 15 s, and one attempt.
        assert_eq!(e.leadership(ms(100)), standing_by(Some("node-b"), 17_100));
        handle(&mut e, 4000, after);
        assert_eq!(e.leadership(ms(4000)), standing_by(None, 17_100));
    }
    // What was free when it was seen first had no live holder.
    let mut e = elector();
    e.fitness = Fitness::Unknown;
    timeout(&mut e, 0);
    handle(&mut e, 100, got(1, Some(record(10, "", 1, 0))));
    assert_eq!(e.leadership(ms(100)), nobody());
}

/// Whose times are counted on from a restored record comes by where it was before.
#[test]
fn a_record_that_went_back_is_waited_out_anew_even_if_it_looks_the_same() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(20, "node-b", 15, 7000))));
    assert_eq!(handle(&mut e, 14_000, seen(record(12, "node-b", 15, 7000))), [get(2)]);
    assert_eq!(handle(&mut e, 14_100, got(2, Some(record(12, "node-b", 15, 7000)))), []);
    assert_eq!(e.next_deadline(), Some(ms(29_100)));
}

#[test]
fn an_answer_that_the_watch_overtook_is_no_record_that_went_back() {
    let mut e = holder();
    // Something old makes it ask; then somebody annotates the record, which the watch shows before the answer comes.
    assert_eq!(handle(&mut e, 1300, seen(record(9, "node-b", 15, 0))), [get(3)]);
    let ours = |v| ours(v, EPOCH + 1, 1000, 1000, 0);
    assert_eq!(handle(&mut e, 1310, seen(ours(12))), []);
    assert_eq!(handle(&mut e, 1320, got(3, Some(ours(10)))), [get(4)]);
    assert_eq!(e.leadership(ms(1320)), held(11_000, EPOCH + 1));
    assert_eq!(handle(&mut e, 1330, got(4, Some(ours(12)))), []);
    assert_eq!((e.leadership(ms(1330)), e.next_deadline()), (held(11_000, EPOCH + 1), Some(ms(3000))));
}
