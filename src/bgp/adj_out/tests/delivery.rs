//! What the peer is known to have, or to have forgotten.

use super::*;

#[test]
fn a_withdrawal_is_outstanding_until_it_is_delivered() {
    let mut adj = with_a_and_b();
    assert!(!adj.delivered(100));
    adj.want(T0, &routes([(B, wish(Until::Forever, 5))]));
    assert_eq!(adj.announced(), [net(B)].into());
    assert_eq!(poll_all(&mut adj, T0), [withdraw(A)]);
    // Before its position is known nothing acknowledged is it.
    assert!(adj.has_unplaced() && !adj.delivered(u64::MAX));
    adj.told_at(128);
    assert!(!adj.has_unplaced() && !adj.delivered(127));
    assert_eq!((adj.outstanding(), adj.end()), ([net(A), net(B)].into(), Some(at(10))));
    assert!(adj.awaits_delivery());
    assert!(adj.delivered(128));
    assert_eq!((adj.outstanding(), adj.end()), ([net(B)].into(), None));
    assert!(!adj.awaits_delivery());
}

#[test]
fn what_is_wanted_is_settled_when_the_last_announcement_is_delivered() {
    let mut adj = with_a_and_b();
    adj.told_at(100);
    assert_eq!((adj.settled(), adj.awaits_delivery()), (None, true));
    assert!(!adj.delivered(99) && adj.delivered(100) && !adj.awaits_delivery());
    assert_eq!(adj.settled(), Some(Until::At(at(10))));
    // Another entitlement to the same needs no UPDATE; another path has to arrive.
    adj.want(T0, &routes([(A, wish(Until::At(at(30)), 5)), (B, wish(Until::At(at(40)), 5))]));
    assert_eq!((poll_all(&mut adj, T0), adj.settled()), (vec![], Some(Until::At(at(30)))));
    adj.want(T0, &routes([(A, wish(Until::At(at(30)), 4)), (B, wish(Until::At(at(40)), 5))]));
    assert_eq!(adj.settled(), None);
    assert_eq!(poll_all(&mut adj, T0), [announce(A, "10.0.0.1", 4)]);
    assert_eq!(adj.settled(), None);
    adj.told_at(150);
    assert!(!adj.delivered(149) && adj.settled().is_none() && adj.delivered(150));
    assert_eq!(adj.settled(), Some(Until::At(at(30))));
    // Where nothing is wanted there is nothing to have.
    adj.want(T0, &routes([]));
    assert_eq!((poll_all(&mut adj, T0).len(), adj.settled()), (2, None));
}

#[test]
fn what_is_told_after_a_withdrawal_does_not_put_off_its_delivery() {
    let mut adj = with_a_and_b();
    adj.want(T0, &routes([(B, wish(Until::At(at(20)), 5))]));
    assert_eq!(poll_all(&mut adj, T0), [withdraw(A)]);
    adj.told_at(128);
    adj.want(T0, &routes([(B, wish(Until::At(at(20)), 4))]));
    assert_eq!(poll_all(&mut adj, T0), [announce(B, "10.0.0.1", 4)]);
    adj.told_at(180);
    adj.want(T0, &routes([]));
    assert_eq!(poll_all(&mut adj, T0), [withdraw(B)]);
    adj.told_at(208);
    assert_eq!((adj.outstanding(), adj.end()), ([net(A), net(B)].into(), Some(at(10))));
    assert!(adj.delivered(207) && adj.awaits_delivery());
    assert_eq!((adj.outstanding(), adj.end()), ([net(B)].into(), Some(at(20))));
    assert!(adj.delivered(208) && !adj.awaits_delivery());
    assert_eq!((adj.outstanding(), adj.end()), (BTreeSet::new(), None));
}

#[test]
fn of_two_withdrawals_of_a_route_the_later_one_counts() {
    let mut adj = with_a_and_b();
    let only_b = routes([(B, wish(Until::At(at(20)), 5))]);
    for (wanted, position, told) in [
        (only_b.clone(), 128, withdraw(A)),
        (routes([(A, wish(Until::At(at(15)), 5)), (B, wish(Until::At(at(20)), 5))]), 180, announce(A, "10.0.0.1", 5)),
        (only_b, 208, withdraw(A)),
    ] {
        adj.want(T0, &wanted);
        assert_eq!(poll_all(&mut adj, T0), [told]);
        adj.told_at(position);
    }
    adj.delivered(207);
    assert_eq!((adj.outstanding(), adj.end()), ([net(A), net(B)].into(), Some(at(15))));
    assert!(adj.delivered(208));
    assert_eq!((adj.outstanding(), adj.end()), ([net(B)].into(), Some(at(20))));
}
