//! What to ask of the API next, and what to write.

use super::draft::{Author, Origin, later};
use super::types::{Action, Attempt, Kind, Moment, Write};
use super::{Elector, Leaving, OPEN, Past, View};
use crate::election::record::Record;
use crate::time::Instant;

/// What to ask of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Read,
    Claim,
    /// Take what was offered to us.
    Take,
    Renew,
    Release,
}

impl Elector {
    /// What to ask next, and from when on.
    pub(super) fn want(&self) -> Option<(Instant, Want)> {
        let at_once = self.not_before;
        match (self.leaving, &self.view) {
            (Leaving::Done, _) => None,
            (Leaving::No | Leaving::HandingOver | Leaving::HandedOver | Leaving::Asked, _) if self.check => {
                Some((at_once, Want::Read))
            }
            (Leaving::Asked, View::Ours(_)) => Some((at_once, Want::Release)),
            (Leaving::Asked, View::Unknown | View::Gone { .. } | View::Theirs { .. }) => {
                (!self.open.is_empty()).then_some((at_once, Want::Read))
            }
            (Leaving::No | Leaving::HandingOver | Leaving::HandedOver, View::Ours(held)) => match held.gives_way {
                Some(at) => Some((at, Want::Release)),
                None => Some((self.renew_at(held), Want::Renew)),
            },
            (Leaving::HandingOver | Leaving::HandedOver, View::Unknown | View::Gone { .. } | View::Theirs { .. }) => {
                None
            }
            (Leaving::No, View::Unknown) => Some((at_once, Want::Read)),
            (Leaving::No, View::Theirs { .. }) if self.is_offered() => Some((at_once, Want::Take)),
            (Leaving::No, View::Gone { free_at, .. } | View::Theirs { free_at, .. }) => {
                Some((self.claim_at(*free_at)?, Want::Claim))
            }
        }
    }

    pub(super) fn plan(&mut self, at: Moment) {
        if self.flying.is_some() {
            return;
        }
        self.finish_handover(at.now);
        self.give_way(at.now);
        match self.want() {
            Some((when, want)) if at.now >= when.max(self.not_before) => self.send(at, want),
            Some(_) => {}
            None if self.leaving == Leaving::Asked => self.leave(false),
            None => {}
        }
    }

    fn send(&mut self, at: Moment, want: Want) {
        self.last_attempt = self.last_attempt.saturating_add(1);
        let attempt = Attempt(self.last_attempt);
        self.flying = Some((attempt, at.now));
        self.asked_with = self.known_version();
        let Some((record, kind)) = self.draft(at, want).map(|draft| self.note_routes(at.now, draft)) else {
            self.check = false;
            return self.actions.push_back(Action::Get { attempt });
        };
        if self.open.len() >= OPEN {
            self.open.remove(0);
        }
        self.open.push(Write { attempt, sent: at.now, record: record.clone(), kind });
        self.actions.push_back(match record.version.0.is_empty() {
            true => Action::Create { attempt, record },
            false => Action::Update { attempt, record },
        });
    }

    /// What to write, if `want` is a write.
    fn draft(&self, at: Moment, want: Want) -> Option<(Record, Kind)> {
        let term = self.next_term(at);
        // A write is known by its time: one that is not answered yet must not look like the next.
        let unanswered = self.open.iter().filter_map(|write| write.record.spec.renew_time).max();
        let at = Moment { wall: later(unanswered.filter(|written| at.wall <= *written), at.wall), ..at };
        match (want, &self.view) {
            (Want::Release, View::Ours(held)) => Some((Author::release(&held.record, at.wall), Kind::Release)),
            (Want::Renew, View::Ours(held)) => {
                let (held, offer) = (held.clone(), self.next_offer(at.now));
                let kind = Kind::Renewal { term: held.term, acknowledges: held.owes_word && held.announced, offer };
                Some((self.author.renewal(&held, &kind, at), kind))
            }
            (Want::Claim, view) => {
                let (known, origin) = match view {
                    View::Theirs { record, past: Past::Predecessor, .. } => (Some(record), Origin::Resumed),
                    View::Theirs { record, .. } => (Some(record), Origin::Free),
                    View::Unknown | View::Gone { .. } | View::Ours(_) => (None, Origin::Free),
                };
                let record = self.author.claim(known, term, at.wall, &origin);
                Some((record, Kind::Claim { term, origin }))
            }
            (Want::Take, View::Theirs { record, .. }) => {
                let origin = Origin::of_offer(record);
                Some((self.author.claim(Some(record), term, at.wall, &origin), Kind::Claim { term, origin }))
            }
            (Want::Read | Want::Release | Want::Renew | Want::Take, _) => None,
        }
    }

    /// Higher than any term that was seen, here or in the record; the clock is a floor that survives deletion.
    fn next_term(&self, at: Moment) -> u64 {
        self.highest_term.saturating_add(1).max(at.wall.seconds())
    }
}
