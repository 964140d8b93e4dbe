//! Leaving in good order.

use super::*;

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
    assert_eq!(e.leadership(ms(2000)), nobody());
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
    let free = released(1200, 10, EPOCH);
    assert_eq!(handle(&mut e, 200, wrote(2, ours(10, EPOCH, 0, 0, 0))), [update(3, free)]);
    assert_eq!(e.leadership(ms(200)), nobody());
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
