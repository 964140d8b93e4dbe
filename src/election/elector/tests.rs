//! Transcripts: what goes in, and all that comes out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::election::record::{INSTANCE, MicroTime, Spec, TERM};

/// The wall clock, in seconds, when the virtual clock starts.
const EPOCH: u64 = 1_700_000_000;

fn ms(ms: u64) -> Instant {
    Instant::from_boot(Duration::from_millis(ms))
}

fn wall(at: u64) -> MicroTime {
    MicroTime(i64::try_from(EPOCH * 1_000_000 + at * 1_000).unwrap())
}

fn at(at: u64) -> Moment {
    Moment { now: ms(at), wall: wall(at) }
}

fn version(n: u64) -> Version {
    Version(n.to_string())
}

fn elector() -> Elector {
    let config = LeaseConfig {
        name: "plndr-cp-lock".to_owned(),
        namespace: "kube-system".to_owned(),
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
    };
    Elector::new(config, "Node-A", "a1".to_owned())
}

/// A record as client-go or another vipcast writes it.
fn record(v: u64, holder: &str, seconds: i32, renewed: u64) -> Record {
    Record {
        version: version(v),
        spec: Spec {
            holder: Some(holder.to_owned()),
            duration_seconds: Some(seconds),
            acquire_time: Some(wall(0)),
            renew_time: Some(wall(renewed)),
            transitions: Some(3),
            ..Spec::default()
        },
        ..Record::default()
    }
}

fn marked(mut record: Record, instance: &str, term: u64) -> Record {
    record.annotations.insert(INSTANCE.to_owned(), instance.to_owned());
    record.annotations.insert(TERM.to_owned(), term.to_string());
    record
}

/// A record as this process writes it.
fn ours(v: u64, term: u64, acquired: u64, renewed: u64, transitions: i32) -> Record {
    let mut record = marked(record(v, "node-a", 15, renewed), "a1", term);
    record.spec.acquire_time = Some(wall(acquired));
    record.spec.transitions = Some(transitions);
    record
}

fn created(record: Record) -> Record {
    Record { version: Version::default(), ..record }
}

fn with_version(record: Record, v: u64) -> Record {
    Record { version: version(v), ..record }
}

fn seen(record: Record) -> Input {
    Input::Seen { version: record.version.clone(), record: Some(record) }
}

fn gone(v: u64) -> Input {
    Input::Seen { version: version(v), record: None }
}

fn got(attempt: u64, record: Option<Record>) -> Input {
    Input::Got { attempt: Attempt(attempt), result: Ok(record) }
}

fn wrote(attempt: u64, record: Record) -> Input {
    Input::Wrote { attempt: Attempt(attempt), result: Ok(record) }
}

fn refused(attempt: u64, error: WriteError) -> Input {
    Input::Wrote { attempt: Attempt(attempt), result: Err(error) }
}

fn failed(attempt: u64) -> Input {
    refused(attempt, WriteError::Failed("no answer".to_owned()))
}

fn get(attempt: u64) -> Action {
    Action::Get { attempt: Attempt(attempt) }
}

fn create(attempt: u64, record: Record) -> Action {
    Action::Create { attempt: Attempt(attempt), record: created(record) }
}

fn update(attempt: u64, record: Record) -> Action {
    Action::Update { attempt: Attempt(attempt), record }
}

fn report(event: Event) -> Action {
    Action::Report(event)
}

fn actions(elector: &mut Elector) -> Vec<Action> {
    std::iter::from_fn(|| elector.poll_action()).collect()
}

fn handle(elector: &mut Elector, when: u64, input: Input) -> Vec<Action> {
    elector.handle(at(when), input);
    actions(elector)
}

fn timeout(elector: &mut Elector, when: u64) -> Vec<Action> {
    elector.handle_timeout(at(when));
    actions(elector)
}

fn follower(holder: &str) -> Leadership {
    Leadership::Follower { holder: Some(holder.to_owned()) }
}

fn nobody() -> Leadership {
    Leadership::Follower { holder: None }
}

fn held(until: u64, term: u64) -> Leadership {
    Leadership::Held { until: ms(until), term }
}

/// A holder since 1.0 s, object version 10, transitions 0; the write was sent at 1.0 s and answered at 1.2 s.
fn holder() -> Elector {
    let mut e = elector();
    assert_eq!(timeout(&mut e, 900), [get(1)]);
    let claim = ours(10, EPOCH + 1, 1000, 1000, 0);
    assert_eq!(handle(&mut e, 1000, got(1, None)), [create(2, claim.clone())]);
    let became = report(Event::BecameHolder { term: EPOCH + 1 });
    assert_eq!(handle(&mut e, 1200, wrote(2, claim)), [became]);
    e
}

#[test]
fn creates_an_absent_lease_and_counts_from_before_it_was_sent() {
    let mut e = holder();
    assert_eq!(e.leadership(ms(1200)), held(11_000, EPOCH + 1));
    assert_eq!(e.leadership(ms(10_999)), held(11_000, EPOCH + 1));
    assert_eq!(e.leadership(ms(11_000)), follower("node-a"));
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
    assert_eq!(e.leadership(ms(11_000)), follower("node-a"));
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
    assert_eq!(e.leadership(ms(10_000)), follower("node-a"));
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
    assert_eq!(e.leadership(ms(1000)), follower("node-b"));
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
fn a_restored_older_record_of_ours_ends_the_entitlement() {
    let mut e = holder();
    timeout(&mut e, 3000);
    handle(&mut e, 3100, wrote(3, ours(20, EPOCH + 1, 1000, 3000, 0)));
    // The watch shows the older record: perhaps it is only late.
    assert_eq!(handle(&mut e, 3200, seen(ours(10, EPOCH + 1, 1000, 1000, 0))), [get(4)]);
    assert_eq!(e.leadership(ms(3200)), held(13_000, EPOCH + 1));
    let restored = ours(10, EPOCH + 1, 1000, 1000, 0);
    assert_eq!(handle(&mut e, 3300, got(4, Some(restored.clone()))), [report(Event::Lost(Loss::WentBack))]);
    assert_eq!(e.leadership(ms(3300)), follower("node-a"));
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
    assert_eq!(e.leadership(ms(3200)), follower("node-b"));
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
    assert_eq!(e.leadership(ms(2000)), follower("node-b"));
}

#[test]
fn a_second_vipcast_on_this_node_makes_us_stand_down() {
    let mut e = holder();
    let twin = |v, renewed| marked(record(v, "node-a", 15, renewed), "a2", EPOCH + 2);
    assert_eq!(
        handle(&mut e, 2000, seen(twin(11, 2000))),
        [report(Event::Lost(Loss::Twin)), report(Event::Twin { instance: Some("a2".to_owned()) })]
    );
    assert_eq!(e.leadership(ms(2000)), follower("node-a"));
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
fn a_restart_within_the_lease_resumes_at_once_in_a_new_term() {
    let mut e = elector();
    timeout(&mut e, 0);
    let predecessor = marked(record(10, "node-a", 15, 0), "a0", EPOCH + 7);
    let claim = ours(10, EPOCH + 8, 0, 1000, 3);
    assert_eq!(handle(&mut e, 1000, got(1, Some(predecessor))), [update(2, claim.clone())]);
    let became = report(Event::BecameHolder { term: EPOCH + 8 });
    assert_eq!(handle(&mut e, 1100, wrote(2, with_version(claim, 11))), [became]);
}

#[test]
fn a_predecessor_that_lives_is_a_twin() {
    let mut e = elector();
    timeout(&mut e, 0);
    let living = |v, renewed| marked(record(v, "node-a", 15, renewed), "a0", EPOCH + 7);
    assert_eq!(handle(&mut e, 1000, got(1, Some(living(10, 0)))), [update(2, ours(10, EPOCH + 8, 0, 1000, 3))]);
    assert_eq!(handle(&mut e, 1100, refused(2, WriteError::Conflict)), [get(3)]);
    let twin = report(Event::Twin { instance: Some("a0".to_owned()) });
    assert_eq!(handle(&mut e, 1200, got(3, Some(living(11, 1050)))), [twin]);
    assert_eq!(e.next_deadline(), Some(ms(16_200)));
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
fn every_renewal_changes_the_record() {
    let mut e = holder();
    // The wall clock was set back to the very value that stands in the record.
    e.handle_timeout(Moment { now: ms(3000), wall: wall(1000) });
    let mut renewal = ours(10, EPOCH + 1, 1000, 1000, 0);
    renewal.spec.renew_time = Some(MicroTime(wall(1000).0 + 1));
    assert_eq!(actions(&mut e), [update(3, renewal)]);
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
    assert_eq!(e.leadership(ms(3400)), follower("node-a"));
    assert_eq!(e.next_deadline(), Some(ms(18_200)));
}

fn released(renewed: u64, v: u64, term: u64) -> Record {
    let mut record = ours(v, term, renewed, renewed, 0);
    record.spec.holder = Some(String::new());
    record.spec.duration_seconds = Some(1);
    record
}

#[test]
fn gives_back_what_it_holds() {
    let mut e = holder();
    e.release(at(2000));
    let free = released(2000, 10, EPOCH + 1);
    assert_eq!(actions(&mut e), [report(Event::Lost(Loss::Released)), update(3, free.clone())]);
    assert_eq!(e.leadership(ms(2000)), follower("node-a"));
    let done = report(Event::Released { given_back: true });
    assert_eq!(handle(&mut e, 2100, wrote(3, with_version(free.clone(), 11))), [done]);
    // No candidate any more.
    assert_eq!(handle(&mut e, 2200, seen(with_version(free, 11))), []);
    assert_eq!(e.next_deadline(), None);
    assert_eq!(e.leadership(ms(2200)), nobody());
}

#[test]
fn gives_back_what_a_write_on_its_way_brought() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, None));
    e.release(at(100));
    assert_eq!(actions(&mut e), []);
    let free = released(200, 10, EPOCH);
    assert_eq!(handle(&mut e, 200, wrote(2, ours(10, EPOCH, 0, 0, 0))), [update(3, free)]);
    assert_eq!(e.leadership(ms(200)), follower("node-a"));
}

#[test]
fn a_lost_answer_is_looked_up_before_leaving() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, None));
    e.release(at(100));
    assert_eq!(handle(&mut e, 2000, failed(2)), [get(3)]);
    assert_eq!(handle(&mut e, 2100, got(3, None)), [report(Event::Released { given_back: false })]);
}

#[test]
fn gives_back_nothing_that_is_not_its_own() {
    let mut e = elector();
    timeout(&mut e, 0);
    handle(&mut e, 0, got(1, Some(record(10, "node-b", 15, 0))));
    e.release(at(100));
    assert_eq!(actions(&mut e), [report(Event::Released { given_back: false })]);

    let mut e = holder();
    e.release(at(2000));
    actions(&mut e);
    assert_eq!(handle(&mut e, 2100, refused(3, WriteError::Conflict)), [get(4)]);
    assert_eq!(
        handle(&mut e, 2200, got(4, Some(record(12, "node-b", 15, 2050)))),
        [report(Event::NewHolder { holder: Some("node-b".to_owned()) }), report(Event::Released { given_back: false })]
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
