//! Candidates that see each other's records; who takes the lease next is the test's choice.

use super::*;
use crate::election::record::{INSTANCE, MicroTime, Spec};

const AS: u32 = 65000;
/// Hold time 9 s.
const BOUND: Duration = Duration::from_secs(18);

fn at(seconds: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(seconds))
}

fn fence(asn: u32, step: Option<u8>) -> Fence {
    let mut fence = Fence::new(asn, step);
    fence.set_stale(BOUND);
    fence
}

fn notes(prepend: Option<u8>, stale: u64) -> Notes {
    Notes { asn: Some(AS), prepend, stale: Some(Duration::from_secs(stale)) }
}

/// A record by the process of this node, whose lease lasts 5 s.
fn record(node: &str, second: i64, notes: Notes) -> Record {
    let mut record = Record {
        spec: Spec {
            holder: Some(node.to_owned()),
            duration_seconds: Some(5),
            renew_time: Some(MicroTime(second * 1_000_000)),
            ..Spec::default()
        },
        ..Record::default()
    };
    record.annotations.insert(INSTANCE.to_owned(), format!("{node}/1"));
    notes.write(&mut record.annotations);
    record
}

/// Nodes `n0`, `n1`, … with a fence each.
struct Nodes(Vec<Fence>);

impl Nodes {
    fn new<const N: usize>(steps: [Option<u8>; N]) -> Self {
        Self(steps.map(|step| fence(AS, step)).into())
    }

    /// A node claims the lease and all see it: what it prepends, and what it tells people.
    fn take(&mut self, seconds: u64, node: usize, term: u64) -> (u8, Vec<Notice>) {
        let notes = self.0[node].claim(at(seconds));
        let notices = self.write(seconds, node, term, notes);
        (self.0[node].prepend(), notices)
    }

    /// It renews, once a second until then; what is noted in the end.
    fn renew(&mut self, seconds: std::ops::RangeInclusive<u64>, node: usize, term: u64) -> Notes {
        let mut noted = Notes::default();
        for second in seconds {
            self.0[node].handle_timeout(at(second));
            noted = self.0[node].renewal(at(second));
            self.write(second, node, term, noted);
        }
        noted
    }

    fn write(&mut self, seconds: u64, node: usize, term: u64, notes: Notes) -> Vec<Notice> {
        let record = record(&format!("n{node}"), i64::try_from(seconds).unwrap(), notes);
        let now = at(seconds);
        let mut notices = Vec::new();
        for (index, fence) in self.0.iter_mut().enumerate() {
            if index == node {
                notices = fence.took(now, term, &record);
            } else {
                fence.observe(now, &record);
            }
        }
        notices
    }
}

fn spent(seconds: u64) -> Vec<Notice> {
    vec![Notice::Spent { clear_in: Duration::from_secs(seconds) }]
}

#[test]
fn four_take_overs_within_one_stale_bound_are_each_a_step_shorter_and_the_fifth_is_not() {
    let mut nodes = Nodes::new([Some(3); 3]);
    let taken: Vec<_> = (0..6).map(|n: u64| nodes.take(n * 5, usize::try_from(n % 3).unwrap(), n + 1)).collect();
    let expected = [(12, vec![]), (9, vec![]), (6, vec![]), (3, vec![]), (0, vec![]), (0, spent(18))];
    assert_eq!(taken, expected);
}

#[test]
fn a_claim_notes_its_path_before_it_is_announced() {
    let mut nodes = Nodes::new([Some(3); 2]);
    assert_eq!(nodes.0[0].claim(at(0)), notes(Some(12), 18));
    nodes.take(0, 0, 1);
    assert_eq!(nodes.0[1].claim(at(5)), notes(Some(9), 18));
    // Nothing is announced before that claim is known to stand.
    assert_eq!(nodes.0[1].prepend(), 0);
}

#[test]
fn behind_a_holder_that_fell_silent_longer_ago_than_its_bound_the_margin_is_whole() {
    let mut nodes = Nodes::new([Some(3); 2]);
    nodes.take(0, 0, 1);
    // Its lease ends at 5, and routers may have its route until 23.
    assert_eq!(nodes.0[1].claim(at(22)).prepend, Some(9));
    assert_eq!(nodes.0[1].claim(at(23)).prepend, Some(12));
}

#[test]
fn the_margin_is_restored_first_on_the_wire_and_later_in_the_record() {
    let mut nodes = Nodes::new([Some(3); 3]);
    nodes.take(0, 0, 1);
    assert_eq!(nodes.take(5, 1, 2), (9, vec![]));
    assert_eq!(nodes.renew(6..=22, 1, 2), notes(Some(9), 18));
    let holder = &mut nodes.0[1];
    assert_eq!((holder.prepend(), holder.next_deadline(), holder.handle_timeout(at(22))), (9, Some(at(23)), None));
    assert_eq!(holder.handle_timeout(at(23)), Some(Notice::Restored));
    assert_eq!((holder.prepend(), holder.next_deadline(), holder.handle_timeout(at(24))), (12, None, None));
    // The last renewal with 9 was that of 22: its path may stand until 22 + 5 + 18.
    assert_eq!(nodes.renew(23..=44, 1, 2), notes(Some(9), 18));
    // Whoever takes over before the record says 12 reckons with a 9 that still stands.
    let mut early = Nodes(nodes.0.clone());
    assert_eq!(early.take(44, 2, 3), (6, vec![]));
    assert_eq!(nodes.renew(45..=45, 1, 2), notes(Some(12), 18));
    // What the others saw of 9 ends at 44 + 5 + 18.
    nodes.renew(46..=66, 1, 2);
    assert_eq!(nodes.take(67, 2, 3), (9, vec![]));
}

#[test]
fn a_spent_margin_is_restored_when_the_bound_has_passed() {
    let mut nodes = Nodes::new([Some(3); 2]);
    for term in 0..5 {
        nodes.take(term * 5, usize::try_from(term % 2).unwrap(), term);
    }
    assert_eq!(nodes.take(25, 1, 5), (0, spent(18)));
    assert_eq!(nodes.0[1].handle_timeout(at(42)), None);
    assert_eq!(nodes.0[1].handle_timeout(at(43)), Some(Notice::Restored));
    assert_eq!(nodes.0[1].prepend(), 12);
}

#[test]
fn of_holders_before_the_last_the_longest_bound_is_handed_on() {
    let mut nodes = Nodes::new([Some(3); 3]);
    nodes.0[0].set_stale(Duration::from_secs(180));
    nodes.take(0, 0, 1);
    nodes.take(10, 1, 2);
    assert_eq!(nodes.0[1].renewal(at(20)), notes(Some(9), 165));
    // One that starts now knows of the first holder by the second one's note alone.
    let mut late = fence(AS, Some(3));
    late.observe(at(20), &record("n1", 20, nodes.0[1].renewal(at(20))));
    assert_eq!(late.claim(at(180)), notes(Some(6), 18));
    assert_eq!(late.claim(at(190)).prepend, Some(12));
}

#[test]
fn kube_vip_in_between_is_as_short_as_can_be() {
    let mut nodes = Nodes::new([Some(3); 2]);
    nodes.take(0, 0, 1);
    // It keeps the annotations of the holder before it.
    let mut kube_vip = record("n9", 10, notes(Some(12), 18));
    kube_vip.annotations.insert(INSTANCE.to_owned(), "n0/1".to_owned());
    nodes.0[1].observe(at(10), &kube_vip);
    assert_eq!(nodes.take(15, 1, 2), (0, spent(60)));
    assert_eq!(nodes.0[1].renewal(at(15)), notes(Some(0), 60));
}

#[test]
fn a_holder_without_the_fence_is_as_short_as_can_be() {
    let mut nodes = Nodes::new([None, Some(3)]);
    assert_eq!(nodes.take(0, 0, 1), (0, vec![]));
    assert_eq!(nodes.0[0].renewal(at(0)), notes(None, 18));
    assert_eq!(nodes.take(5, 1, 2), (0, spent(18)));
}

#[test]
fn the_fence_comes_on_behind_another_as_and_stays_on() {
    let mut nodes = Nodes(vec![fence(65001, None), fence(AS, None), fence(AS, None)]);
    assert_eq!(nodes.take(0, 0, 1), (0, vec![]));
    let other = Notice::OtherAs { theirs: 65001, ours: AS };
    assert_eq!(nodes.take(5, 1, 2), (0, [vec![other], spent(18)].concat()));
    nodes.renew(6..=50, 1, 2);
    assert_eq!((nodes.0[1].prepend(), nodes.0[1].renewal(at(50))), (12, notes(Some(12), 18)));
    // The third is in the second one's AS, and the fourth's fence has to hold as well.
    nodes.renew(51..=75, 1, 2);
    assert_eq!(nodes.take(80, 2, 3), (9, vec![]));
    assert_eq!(nodes.take(85, 0, 4), (6, vec![Notice::OtherAs { theirs: AS, ours: 65001 }]));
}

#[test]
fn steps_may_differ_and_no_path_is_longer_than_the_nodes_own_margin() {
    let mut nodes = Nodes::new([Some(5), Some(3), Some(1)]);
    assert_eq!(nodes.take(0, 0, 1), (20, vec![]));
    assert_eq!(nodes.take(5, 1, 2), (12, vec![]));
    assert_eq!(nodes.take(10, 2, 3), (4, vec![]));
    assert_eq!(nodes.take(15, 0, 4), (0, vec![]));
    assert_eq!([None, Some(1), Some(LONGEST_STEP)].map(standby_prepend), [15, 5, 50]);
}

#[test]
fn a_lease_given_back_leaves_its_route_behind_all_the_same() {
    let mut nodes = Nodes::new([Some(3); 2]);
    nodes.take(0, 0, 1);
    let mut released = record("", 1, notes(Some(12), 18));
    released.spec.duration_seconds = Some(1);
    released.annotations.insert(INSTANCE.to_owned(), "n0/1".to_owned());
    nodes.0[1].observe(at(1), &released);
    assert_eq!(nodes.take(1, 1, 2), (9, vec![]));
}

#[test]
fn without_anything_configured_nothing_is_noted() {
    let mut fence = Fence::default();
    assert_eq!(fence.claim(at(0)), Notes::default());
    assert_eq!(fence.took(at(0), 1, &record("n1", 0, Notes::default())), []);
    assert_eq!((fence.prepend(), fence.renewal(at(1)), fence.next_deadline()), (0, Notes::default(), None));
}
