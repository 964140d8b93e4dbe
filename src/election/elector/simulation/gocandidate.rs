//! A candidate as client-go's `leaderelection` has it: it polls, compares records with times cut to seconds, and
//! keeps the object's annotations.

use super::api::{Answer, Request};
use crate::election::record::{MicroTime, Record, Spec};

pub(super) const NAME: &str = "go";

#[derive(Debug, Default)]
pub(super) struct GoCandidate {
    observed: Option<(Spec, u64)>,
    /// What it wrote last and when it sent that, in virtual milliseconds.
    wrote_at: Option<u64>,
    leads_until: u64,
}

impl GoCandidate {
    pub(super) fn leads(&self, now: u64) -> bool {
        now < self.leads_until
    }

    /// The answer to its GET; gives the write that follows, if any. Durations are in milliseconds.
    pub(super) fn got(&mut self, now: u64, wall: MicroTime, object: Option<&Record>, duration: u64) -> Option<Request> {
        let Some(object) = object else {
            // client-go creates at once, whatever it knew.
            self.wrote_at = Some(now);
            return Some(Request::Create(Record { spec: self.spec(None, wall, duration), ..Record::default() }));
        };
        let raw = cut(object.spec.clone());
        if self.observed.as_ref().map(|(spec, _)| spec) != Some(&raw) {
            self.observed = Some((raw, now));
        }
        let since = self.observed.as_ref().map_or(now, |(_, at)| *at);
        let wait = object.spec.duration().map_or(duration, |d| u64::try_from(d.as_millis()).unwrap());
        let holder = object.spec.holder();
        if holder != Some(NAME) {
            self.leads_until = 0;
        }
        if holder.is_some_and(|holder| holder != NAME) && now < since + wait {
            return None;
        }
        self.wrote_at = Some(now);
        Some(Request::Update(Record { spec: self.spec(Some(&object.spec), wall, duration), ..object.clone() }))
    }

    /// The answer to its write.
    pub(super) fn wrote(&mut self, now: u64, answer: &Answer, renew_deadline: u64) {
        if let (Answer::Wrote(Ok(record)), Some(sent)) = (answer, self.wrote_at) {
            self.observed = Some((cut(record.spec.clone()), now));
            self.leads_until = sent + renew_deadline;
        }
    }

    fn spec(&self, old: Option<&Spec>, wall: MicroTime, duration: u64) -> Spec {
        let same = old.and_then(Spec::holder) == Some(NAME);
        let transitions = old.and_then(|spec| spec.transitions).unwrap_or(0);
        Spec {
            holder: Some(NAME.to_owned()),
            duration_seconds: Some(i32::try_from(duration / 1000).unwrap()),
            acquire_time: old.filter(|_| same).and_then(|spec| spec.acquire_time).or(Some(wall)),
            renew_time: Some(wall),
            transitions: Some(if same || old.is_none() { transitions } else { transitions + 1 }),
            ..Spec::default()
        }
    }
}

/// client-go compares the record as JSON, where times have whole seconds.
fn cut(mut spec: Spec) -> Spec {
    let seconds = |time: MicroTime| MicroTime(time.0 / 1_000_000);
    spec.renew_time = spec.renew_time.map(seconds);
    spec.acquire_time = spec.acquire_time.map(seconds);
    spec
}
