//! Transcripts: what goes in, and all that comes out.

mod fencing;
mod handover;
mod holding;
mod leaving;
mod observing;
mod yielding;

use std::time::Duration;

use super::*;
use crate::election::record::{ACKNOWLEDGED, FROM, INSTANCE, MicroTime, OFFER, RESUMED, Spec, TERM};
use crate::election::{Candidate, Leadership};

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
    let mut elector = Elector::new(config, "Node-A", "a1".to_owned());
    elector.fitness = Fitness::Fit;
    elector
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

/// A claim of this process that goes on in its predecessor's place.
fn resumed(mut record: Record) -> Record {
    record.annotations.insert(RESUMED.to_owned(), "a1".to_owned());
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

/// Behind another, whose lease runs out at `until`.
fn follower(holder: &str, until: u64) -> Leadership {
    Leadership::Follower { holder: Some(holder.to_owned()), standby_until: Some(ms(until + 2000)) }
}

/// Behind another process of this node.
fn behind_twin() -> Leadership {
    Leadership::Follower { holder: Some("node-a".to_owned()), standby_until: None }
}

fn nobody() -> Leadership {
    Leadership::UNKNOWN
}

fn held(until: u64, term: u64) -> Leadership {
    Leadership::Held { until: ms(until), term, prepend: 0, successor: None }
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
