//! A candidate as client-go's `leaderelection` has it: it polls, compares records with times cut to seconds, and
//! keeps the object's annotations.

use vipcast::election::record::{MicroTime, Record, Spec};

use crate::api::{Answer, Request};
use crate::clock::Ms;

pub(crate) const NAME: &str = "go";

/// client-go's state.
#[derive(Debug, Default)]
pub(crate) struct GoCandidate {
    observed: Option<(Spec, Ms)>,
    /// When it sent what it wrote last.
    wrote_at: Option<Ms>,
    pub leads_until: Ms,
}

impl GoCandidate {
    pub(crate) fn leads(&self, now: Ms) -> bool {
        now < self.leads_until
    }

    /// The answer to its GET; gives the write that follows, if any. Durations are in milliseconds.
    pub(crate) fn got(&mut self, now: Ms, wall: MicroTime, object: Option<&Record>, duration: Ms) -> Option<Request> {
        let Some(object) = object else {
            // client-go creates at once, whatever it knew.
            self.wrote_at = Some(now);
            return Some(Request::Create(Record { spec: spec(None, wall, duration), ..Record::default() }));
        };
        let raw = cut(object.spec.clone());
        if self.observed.as_ref().map(|(spec, _)| spec) != Some(&raw) {
            self.observed = Some((raw, now));
        }
        let since = self.observed.as_ref().map_or(now, |(_, at)| *at);
        let wait = object.spec.duration().map_or(duration, |d| Ms::try_from(d.as_millis()).unwrap_or(Ms::MAX));
        let holder = object.spec.holder();
        if holder != Some(NAME) {
            self.leads_until = 0;
        }
        if holder.is_some_and(|holder| holder != NAME) && now < since + wait {
            return None;
        }
        self.wrote_at = Some(now);
        Some(Request::Update(Record { spec: spec(Some(&object.spec), wall, duration), ..object.clone() }))
    }

    /// The answer to its write.
    pub(crate) fn wrote(&mut self, now: Ms, answer: &Answer, renew_deadline: Ms) {
        if let (Answer::Wrote(Ok(record)), Some(sent)) = (answer, self.wrote_at) {
            self.observed = Some((cut(record.spec.clone()), now));
            self.leads_until = sent + renew_deadline;
        }
    }
}

fn spec(old: Option<&Spec>, wall: MicroTime, duration: Ms) -> Spec {
    let same = old.and_then(Spec::holder) == Some(NAME);
    let transitions = old.and_then(|spec| spec.transitions).unwrap_or(0);
    Spec {
        holder: Some(NAME.to_owned()),
        duration_seconds: i32::try_from(duration / 1000).ok(),
        acquire_time: old.filter(|_| same).and_then(|spec| spec.acquire_time).or(Some(wall)),
        renew_time: Some(wall),
        transitions: Some(if same || old.is_none() { transitions } else { transitions + 1 }),
        ..Spec::default()
    }
}

/// client-go compares the record as JSON, where times have whole seconds.
fn cut(mut spec: Spec) -> Spec {
    let seconds = |time: MicroTime| MicroTime(time.0 / 1_000_000);
    spec.renew_time = spec.renew_time.map(seconds);
    spec.acquire_time = spec.acquire_time.map(seconds);
    spec
}
