//! The fence by AS path: what records note, and what is prepended when.

use super::*;
use crate::election::fence::{Fence, Notice};
use crate::election::record::Notes;

/// Hold time 9 s.
const BOUND: u64 = 18;

fn fenced() -> Elector {
    let mut e = elector();
    e.set_fence(Fence::new(65000, Some(3)));
    e.set_stale(Duration::from_secs(BOUND));
    e
}

fn noting(mut record: Record, prepend: u8, stale: u64) -> Record {
    let stale = Some(Duration::from_secs(stale));
    Notes { asn: Some(65000), prepend: Some(prepend), stale }.write(&mut record.annotations);
    record
}

fn leading(until: u64, term: u64, prepend: u8) -> Leadership {
    Leadership::Held { until: ms(until), term, prepend, successor: None }
}

/// node-b's, with the AS-path fence.
fn theirs(v: u64, renewed: u64, term: u64, prepend: u8) -> Record {
    noting(marked(record(v, "node-b", 15, renewed), "node-b/1", term), prepend, BOUND)
}

/// The holder that took the lease 15 s after node-b's last renewal, one step shorter than that.
fn successor() -> Elector {
    let mut e = fenced();
    assert_eq!(timeout(&mut e, 0), [get(1)]);
    let last = theirs(10, 0, 7, 12);
    let new = report(Event::NewHolder { holder: Some("node-b".to_owned()) });
    assert_eq!(handle(&mut e, 100, got(1, Some(last))), [new]);
    let mut claim = noting(ours(10, EPOCH + 15, 15_100, 15_100, 4), 9, BOUND);
    claim.version = version(10);
    assert_eq!(timeout(&mut e, 15_100), [update(2, claim.clone())]);
    assert_eq!(e.leadership(ms(15_100)), follower("node-b", 15_100));
    let became = report(Event::BecameHolder { term: EPOCH + 15 });
    assert_eq!(handle(&mut e, 15_200, wrote(2, with_version(claim, 11))), [became]);
    e
}

#[test]
fn a_claim_notes_the_path_in_the_same_write_and_nothing_is_announced_before() {
    let e = successor();
    assert_eq!(e.leadership(ms(15_200)), leading(25_100, EPOCH + 15, 9));
}

#[test]
fn the_margin_comes_back_by_itself_and_into_the_record_later() {
    let mut e = successor();
    // node-b spoke until 15.1 at most, and routers may have its route for 18 s more.
    let mut now = 17_100;
    let mut attempt = 3;
    let mut restored = Vec::new();
    let mut noted = Vec::new();
    while now < 80_000 {
        for action in timeout(&mut e, now) {
            match action {
                Action::Update { record, .. } => {
                    noted.push((now, record.notes().prepend));
                    let stored = with_version(record, attempt + 100);
                    restored.extend(handle(&mut e, now, wrote(attempt, stored)));
                    attempt += 1;
                }
                other => restored.push(other),
            }
        }
        let path = match e.leadership(ms(now)) {
            Leadership::Held { prepend, .. } => prepend,
            Leadership::Follower { .. } => panic!("lost the lease at {now}"),
        };
        assert_eq!(path, if now < 33_100 { 9 } else { 12 }, "at {now}");
        now = u64::try_from(e.next_deadline().unwrap().since_boot().as_millis()).unwrap();
    }
    assert_eq!(restored, [report(Event::Fence(Notice::Restored))]);
    // The last renewal with a path of 9 on the wire was that of 33.1 s: it may stand for 15 + 18 s more.
    let first_full = noted.iter().find(|(_, prepend)| *prepend == Some(12)).unwrap();
    assert_eq!(noted.iter().rfind(|(_, prepend)| *prepend == Some(9)).unwrap().0 + 2000, first_full.0);
    assert!((64_000..=68_100).contains(&first_full.0), "{first_full:?}");
}

#[test]
fn who_hands_over_goes_on_with_its_own_path() {
    let mut e = successor();
    e.set_candidates(at(16_000), vec![Candidate { node: "node-b".to_owned(), instance: "node-b/2".to_owned() }]);
    e.hand_over(at(16_000));
    let [Action::Update { record: offer, .. }] = &actions(&mut e)[..] else { panic!("no offer") };
    assert_eq!(offer.notes().prepend, Some(9));
    handle(&mut e, 16_100, wrote(3, with_version(offer.clone(), 12)));
    let mut taken = noting(marked(record(13, "node-b", 15, 16_200), "node-b/2", EPOCH + 17), 6, BOUND);
    taken.annotations.insert(FROM.to_owned(), format!("{} a1", EPOCH + 15));
    handle(&mut e, 16_300, seen(taken));
    let speaking = e.leadership(ms(16_300));
    assert!(matches!(speaking, Leadership::Held { prepend: 9, successor: Some(_), .. }), "{speaking:?}");
}

#[test]
fn a_spent_margin_is_said_when_the_lease_is_taken() {
    let mut e = fenced();
    timeout(&mut e, 0);
    handle(&mut e, 100, got(1, Some(theirs(10, 0, 7, 0))));
    let [Action::Update { record: claim, .. }] = &timeout(&mut e, 15_100)[..] else { panic!("no claim") };
    assert_eq!(claim.notes().prepend, Some(0));
    let clear_in = Duration::from_millis(BOUND * 1000 - 100);
    let said = [Event::Fence(Notice::Spent { clear_in }), Event::BecameHolder { term: EPOCH + 15 }].map(report);
    assert_eq!(handle(&mut e, 15_200, wrote(2, with_version(claim.clone(), 11))), said);
}

#[test]
fn a_lease_given_back_keeps_the_notes() {
    let mut e = successor();
    e.release(at(16_000));
    let released = actions(&mut e);
    let noted = released.iter().find_map(|action| match action {
        Action::Update { record, .. } => Some(record.notes()),
        Action::Get { .. } | Action::Create { .. } | Action::Report(_) => None,
    });
    let expected = Notes { asn: Some(65000), prepend: Some(9), stale: Some(Duration::from_secs(BOUND)) };
    assert_eq!(noted, Some(expected));
}
