//! What a node says of its own fitness, and what it hears of the others': by `election::candidates`.

use std::collections::BTreeMap;

use vipcast::election::candidates::{Note, PERIOD, Table};
use vipcast::election::record::Version;
use vipcast::election::{Candidate, Fitness, instance};

use crate::Broken;
use crate::clock::Ms;
use crate::plan::{NODES, millis};
use crate::world::{Event, World, name};

/// How long a node that was heard may be unheard before it says so.
const BLIP: Ms = 1000;
/// How long a process has until it is heard.
const GRACE: Ms = 10_000;
/// How often a note that did not reach the API is written again.
const AGAIN: Ms = 1000;

impl World {
    /// A process begins as a candidate.
    pub(crate) fn stand(&mut self, node: usize, life: u32) {
        let it = &mut self.nodes[node];
        it.table = Table::new(it.clock.now(self.now), &name(node));
        let first_check = 1 + it.random.below(500);
        self.after(first_check, Event::Assess { node, life });
        self.after(GRACE + 1, Event::Assess { node, life });
        for end in [self.nodes[node].unfit_until, self.nodes[node].drained_until] {
            self.at(end.max(self.now), Event::Assess { node, life });
        }
        self.after(first_check, Event::Publish { node, life, again: true });
        self.list_candidates(node);
    }

    /// The first of a process's sessions came up, or the last one went down.
    pub(crate) fn heard_changed(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let life = it.life;
        it.heard_at = self.now;
        self.after(0, Event::Assess { node, life });
        self.after(BLIP + 1, Event::Assess { node, life });
    }

    pub(crate) fn assess(&mut self, node: usize, life: u32) {
        let now = self.now;
        let it = &mut self.nodes[node];
        if it.life != life || it.elector.is_none() {
            return;
        }
        let up = it.sessions.iter().any(|session| session.up.is_some());
        let heard = up || now <= it.heard_at + BLIP || now <= it.started + GRACE;
        let fitness = match (now < it.drained_until, now < it.unfit_until, heard) {
            (true, _, _) => Fitness::Drained,
            (_, true, _) => Fitness::Unfit,
            (_, _, false) => Fitness::Unheard,
            (false, false, true) => Fitness::Fit,
        };
        if it.fitness != fitness {
            it.fitness = fitness;
            self.note(|| format!("node-{node} is {fitness:?}"));
            // Who is drained does not wait.
            let hasty = fitness == Fitness::Unfit && self.broken == Some(Broken::NoDwell);
            let told = if hasty { Fitness::Drained } else { fitness };
            self.with(node, life, |elector, at| elector.set_fitness(at, told));
            self.publish(node, life, false);
            self.speak_soon(node);
        }
    }

    /// Writes the note of this node; `again`: and the next one later.
    pub(crate) fn publish(&mut self, node: usize, life: u32, again: bool) {
        let it = &mut self.nodes[node];
        if it.life != life || it.elector.is_none() {
            return;
        }
        let stormy = self.now < it.api.storm_until && it.random.chance(it.api.lost * 2);
        let reached = self.now >= it.api.cut_until && !stormy && !self.setting.mute;
        if reached {
            let candidate = Candidate { node: name(node), instance: instance(&name(node), &life.to_string()) };
            let renewed = Some(it.clock.wall(self.now));
            let (reason, version) = (String::new(), Version::default());
            let note = Note { candidate, fitness: it.fitness, reason, renewed, version };
            self.notes.insert(node, note.clone());
            for to in (0..NODES).filter(|&to| to != node) {
                self.tell_note(to, note.clone());
            }
        }
        if again || !reached {
            let delay = if reached { millis(PERIOD) } else { AGAIN };
            self.after(delay, Event::Publish { node, life, again });
        }
    }

    fn tell_note(&mut self, to: usize, note: Note) {
        let it = &mut self.nodes[to];
        if it.elector.is_some() && self.now >= it.stalled_until {
            let (delay, life) = (1 + it.random.below(20), it.life);
            // In order: by no more than what one process says at a time.
            it.noted_at = it.noted_at.max(self.now + delay);
            let at = it.noted_at;
            self.at(at, Event::Noted { node: to, life, note: Box::new(note) });
        }
    }

    pub(crate) fn noted(&mut self, node: usize, life: u32, note: Note) {
        let it = &mut self.nodes[node];
        if it.life == life && it.elector.is_some() {
            it.table.set(it.clock.now(self.now), note);
            self.candidates(node, life);
        }
    }

    /// A list of all notes, with which a watch begins.
    pub(crate) fn list_candidates(&mut self, node: usize) {
        let notes: BTreeMap<usize, Note> = self.notes.clone();
        let it = &mut self.nodes[node];
        if it.elector.is_some() {
            it.table.replace(it.clock.now(self.now), &Version::default(), notes.into_values().collect());
            let life = it.life;
            self.after(1, Event::Candidates { node, life });
        }
    }

    /// Tells the elector who else is fit.
    pub(crate) fn candidates(&mut self, node: usize, life: u32) {
        let it = &mut self.nodes[node];
        if it.life != life || it.elector.is_none() {
            return;
        }
        let now = it.clock.now(self.now);
        let (fit, alone, next) = (it.table.fit(now), it.table.is_alone(now), it.table.next_deadline(now));
        self.with(node, life, |elector, at| {
            elector.set_candidates(at, fit);
            elector.set_alone(at, alone);
        });
        if let Some(next) = next.filter(|next| self.nodes[node].aging_at.is_none_or(|at| *next < at || at <= now)) {
            let it = &mut self.nodes[node];
            it.aging_at = Some(next);
            let at = it.clock.when(next, self.now);
            self.at(at, Event::Candidates { node, life });
        }
    }

    /// Says to the elector that its routes are out: bound, and told on every session, one at least.
    pub(crate) fn tell_announced(&mut self, node: usize, term: u64) {
        let it = &mut self.nodes[node];
        let mut up = it.sessions.iter().filter(|session| session.up.is_some()).peekable();
        let is_out = up.peek().is_some() && up.all(|session| session.sent.is_some_and(|(said, _)| said.term == term));
        if is_out && it.bound && it.told != Some(term) {
            it.told = Some(term);
            let life = it.life;
            self.with(node, life, |elector, at| elector.announced(at, term));
        }
    }

    /// Whether this node's API server is well, or its operator wants it empty, changes for a while.
    pub(crate) fn spoil(&mut self, node: usize, lasts: Ms, drained: bool) {
        let it = &mut self.nodes[node];
        let life = it.life;
        // Three checks must fail, one a second; two must pass.
        let (notice, recover) = if drained { (0, 0) } else { (it.random.below(3000), 2000) };
        let from = self.now + notice;
        let until = self.now + lasts.max(notice) + recover;
        let end = if drained { &mut it.drained_until } else { &mut it.unfit_until };
        *end = until.max(*end);
        self.at(from, Event::Assess { node, life });
        self.at(until, Event::Assess { node, life });
    }

    /// Its gate is closed for just so long.
    pub(crate) fn sicken(&mut self, node: usize, lasts: Ms) {
        let it = &mut self.nodes[node];
        it.unfit_until = self.now + lasts;
        let life = it.life;
        self.after(0, Event::Assess { node, life });
        self.after(lasts, Event::Assess { node, life });
    }
}
