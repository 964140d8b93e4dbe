use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules { period: Duration::from_secs(1), fall: 3, rise: 2 };

fn at(millis: u64) -> Instant {
    Instant::from_boot(Duration::from_millis(millis))
}

fn failed() -> Outcome {
    Outcome::Failed("500".to_owned())
}

fn refused() -> Outcome {
    Outcome::Refused("refused".to_owned())
}

fn fault() -> Outcome {
    Outcome::Fault("certificate".to_owned())
}

/// The verdict after each of these, one a second.
fn verdicts(outcomes: &[Outcome]) -> Vec<State> {
    let mut gate = Gate::new(RULES, at(0));
    let mut after = |(n, outcome): (u64, &Outcome)| {
        gate.take(at(1000 * n), at(1000 * n + 5), outcome.clone(), 100);
        gate.health().state
    };
    (0..).zip(outcomes).map(&mut after).collect()
}

use Outcome::Good as Ok;
use State::{Bad, Good};

#[test]
fn the_first_good_check_is_enough_and_so_is_the_first_bad_one() {
    assert_eq!(Gate::new(RULES, at(7)).health(), &Health { state: State::Unknown, since: at(7), last_error: None });
    assert_eq!(verdicts(&[Ok]), [Good]);
    // Not fit yet, so one good check is enough still.
    assert_eq!(verdicts(&[failed(), refused(), Ok]), [Bad, Bad, Good]);
}

#[test]
fn three_failures_in_a_row_fall_and_two_successes_in_a_row_rise() {
    let seen = [Ok, failed(), failed(), Ok, failed(), failed(), failed(), Ok, failed(), Ok, Ok];
    assert_eq!(verdicts(&seen), [Good, Good, Good, Good, Good, Good, Bad, Bad, Bad, Bad, Good]);
}

#[test]
fn a_refused_connection_and_a_fault_are_bad_at_once() {
    assert_eq!(verdicts(&[Ok, refused(), Ok, Ok]), [Good, Bad, Bad, Good]);
    assert_eq!(verdicts(&[Ok, fault(), Ok, Ok]), [Good, Bad, Bad, Good]);
}

#[test]
fn the_verdict_says_since_when_and_what_failed_last() {
    let mut gate = Gate::new(RULES, at(0));
    gate.take(at(0), at(5), Ok, 0);
    gate.take(at(1000), at(1007), failed(), 0);
    let failure = |millis, text: &str| Some(Failure { at: at(millis), text: text.to_owned() });
    assert_eq!(gate.health(), &Health { state: Good, since: at(5), last_error: failure(1007, "500") });
    gate.take(at(2000), at(2009), refused(), 0);
    assert_eq!(gate.health(), &Health { state: Bad, since: at(2009), last_error: failure(2009, "refused") });
    gate.take(at(3000), at(3009), failed(), 0);
    assert_eq!(gate.health(), &Health { state: Bad, since: at(2009), last_error: failure(3009, "500") });
}

#[test]
fn checks_are_a_period_apart_give_or_take_a_tenth_and_never_overlap() {
    let mut gate = Gate::new(RULES, at(0));
    assert_eq!(gate.next_check(), at(0));
    let next = |gate: &mut Gate, began, over, dice| {
        gate.take(at(began), at(over), Ok, dice);
        gate.next_check()
    };
    assert_eq!(next(&mut gate, 0, 3, 0), at(900));
    assert_eq!(next(&mut gate, 900, 905, 200), at(2000));
    assert_eq!(next(&mut gate, 2000, 2005, 100), at(3000));
    assert_eq!(next(&mut gate, 3000, 3999, 0), at(3999));
}

#[test]
fn before_the_first_good_check_they_are_a_quarter_of_a_period_apart() {
    let mut gate = Gate::new(RULES, at(0));
    let next = |gate: &mut Gate, began, outcome| {
        gate.take(at(began), at(began + 1), outcome, 100);
        gate.next_check()
    };
    assert_eq!(next(&mut gate, 0, refused()), at(250));
    assert_eq!(next(&mut gate, 250, failed()), at(500));
    assert_eq!(next(&mut gate, 500, Ok), at(1500));
    assert_eq!(next(&mut gate, 1500, refused()), at(2500));
}

proptest! {
    /// Whatever comes: no verdict changes but by the counts.
    #[test]
    fn verdicts_change_by_the_counts_alone(kinds in prop::collection::vec(0u8..10, 1..200)) {
        let outcomes: Vec<Outcome> =
            kinds.iter().map(|kind| match kind { 0..=4 => Ok, 5..=8 => failed(), _ => refused() }).collect();
        let seen = verdicts(&outcomes);
        for (n, pair) in seen.windows(2).enumerate() {
            let before = &outcomes[..=n + 1];
            let last = |count: usize| &before[before.len() - count.min(before.len())..];
            match (pair[0], pair[1]) {
                (Good, Bad) => {
                    let three = last(3);
                    let certain = matches!(outcomes[n + 1], Outcome::Refused(_));
                    prop_assert!(certain || (three.len() == 3 && three.iter().all(|o| *o != Ok)));
                }
                (Bad, Good) if seen[..=n].contains(&Good) => prop_assert!(last(2).iter().all(|o| *o == Ok)),
                (Bad, Good) => prop_assert_eq!(&outcomes[n + 1], &Ok),
                _ => {}
            }
        }
    }
}
