//! Some seeds, so that `cargo test` sees what is broken; `gobgp-testbed/run test` plays many more. And each defect that
//! is made on purpose is found.

#![expect(clippy::panic, clippy::expect_used, reason = "a test may panic, and says where")]

use std::ops::Range;

use vipcast_simulation::{Broken, explain, play};

fn first_failure(broken: Option<Broken>, mut seeds: Range<u64>) -> Option<u64> {
    seeds.find(|&seed| play(seed, broken).is_err())
}

#[track_caller]
fn holds(seeds: Range<u64>) {
    if let Some(seed) = first_failure(None, seeds) {
        panic!("{}", explain(seed, None).unwrap_or_default());
    }
}

/// The promise that this defect breaks first.
fn found(broken: Broken) -> String {
    let seed = first_failure(Some(broken), 0..1000).expect("a seed below 1000 shows it");
    let story = explain(seed, Some(broken)).expect("it fails again");
    let promise = story.split(['(', ')']).nth(1).expect("the promise is named");
    promise.to_owned()
}

#[test]
fn every_promise_holds() {
    holds(0..500);
}

#[test]
fn every_promise_holds_in_others() {
    holds(500..1000);
}

#[test]
fn without_med_the_newest_holder_does_not_win() {
    assert_eq!(found(Broken::NoMedFence), "Newest");
}

#[test]
fn without_the_fence_by_as_path_a_fabric_stays_with_the_dead() {
    assert_eq!(found(Broken::NoPathFence), "Newest");
}

#[test]
fn a_standby_with_a_short_path_takes_the_traffic() {
    assert_eq!(found(Broken::NearStandby), "Newest");
}

#[test]
fn without_the_check_of_until_an_entitlement_does_not_end() {
    assert_eq!(found(Broken::NoUntilCheck), "Ends");
}

#[test]
fn counted_from_the_answer_an_entitlement_ends_too_late() {
    assert_eq!(found(Broken::UntilFromAnswer), "Ends");
}

#[test]
fn through_an_empty_record_two_announce() {
    assert_eq!(found(Broken::EmptyHandover), "One");
}

#[test]
fn a_stale_offer_takes_the_lease_from_whoever_holds_it() {
    assert_eq!(found(Broken::StaleOffer), "Taken");
}

#[test]
fn without_a_handover_traffic_is_lost() {
    assert_eq!(found(Broken::NoHandover), "Lossless");
}

#[test]
fn without_a_dwell_time_the_lease_goes_round() {
    assert_eq!(found(Broken::NoDwell), "Still");
}
