//! What others' records mean: whose they are, until when they are waited out, and what is said of them.

use super::{BURST, Elector, Past, View};
use crate::election::elector::types::Event;
use crate::election::record::Record;
use crate::time::Instant;

impl Elector {
    /// Another record than before, and not ours. One that went back and has our name is an earlier one of this node
    /// in a restored etcd, no twin's.
    pub(super) fn observe(&mut self, now: Instant, record: Record, went_back: bool) {
        self.fence.observe(now, &record);
        let first = matches!(self.view, View::Unknown);
        let holder = record.spec.holder();
        let ours_by_name = holder == Some(&self.author.identity);
        let wait = record.spec.duration().unwrap_or_default().max(self.config.duration);
        // At the start a record under our name is that of our predecessor, killed within its lease: resume, unless that
        // one had done so itself within a minute.
        let past = match went_back {
            true => Past::WentBack,
            false if first && ours_by_name && !record.is_resumed() => Past::Predecessor,
            false => Past::Plain,
        };
        let free_at = match holder {
            None => self.outlived(&record, went_back).map_or(now, |free_at| free_at.max(now)),
            Some(_) if past == Past::Predecessor => now,
            Some(_) => now + wait,
        };
        // Who takes the lease asks for it when it is free: until that is answered somebody must speak. One that was given
        // back or deleted changes nothing about that.
        self.standby_until = match holder {
            None => self.standby_until,
            Some(_) if ours_by_name => None,
            Some(_) => Some(now + wait + self.config.retry_period),
        };
        let holder = holder.map(str::to_owned);
        // Under our name and gone back: what we, or our predecessor, wrote before the restore.
        if ours_by_name && !first && !went_back {
            self.report_twin(record.instance().map(str::to_owned));
        } else if !ours_by_name {
            self.last_twin = None;
            self.report_other(holder.clone(), record.spec.duration_seconds);
        }
        self.last_holder = holder;
        self.burst = BURST;
        self.view = View::Theirs { record, free_at, past };
    }

    /// When the holder we knew is past its time, where an empty record is no release of its: another object, or older.
    fn outlived(&self, record: &Record, went_back: bool) -> Option<Instant> {
        match &self.view {
            View::Gone { free_at, .. } => Some(*free_at),
            View::Theirs { record: known, free_at, .. } if went_back || known.uid != record.uid => Some(*free_at),
            View::Unknown | View::Theirs { .. } | View::Ours(_) => None,
        }
    }

    fn report_twin(&mut self, instance: Option<String>) {
        if self.last_twin.as_ref() != Some(&instance) {
            self.report(Event::Twin { instance: instance.clone() });
            self.last_twin = Some(instance);
        }
    }

    fn report_other(&mut self, holder: Option<String>, seconds: Option<i32>) {
        let ours = self.author.duration_seconds;
        if self.last_holder != holder {
            self.report(Event::NewHolder { holder: holder.clone() });
        }
        let differs = seconds.filter(|&seconds| holder.is_some() && seconds != ours);
        if let Some(record) = differs.filter(|_| self.warned_of != differs) {
            self.warned_of = differs;
            self.report(Event::ConfigDiffers { record, ours });
        }
    }
}
