//! What goes wrong beside single messages.

use super::super::api::Api;
use super::{CALM, Elector, Event, Faults, LONGEST_CUT, RESTART, World};

impl World {
    /// One thing goes wrong, and the next one later.
    pub(super) fn mishap(&mut self) {
        if self.now >= CALM {
            return;
        }
        let node = usize::try_from(self.below(3)).unwrap();
        let kinds = if self.faults == Faults::Object { 10 } else { 7 };
        match self.below(kinds) {
            0 => self.kill(node),
            1 => self.release(node),
            2 => self.stall(node),
            3 => self.annotate(),
            4 => self.step_wall(node),
            5 | 6 => self.cut(node),
            7 => self.break_object("deleted", Api::delete),
            8 => {
                let snapshot = self.snapshot.clone();
                self.break_object("restored", |api| *api = snapshot);
            }
            _ => self.snapshot = self.api.clone(),
        }
        let pause = self.below(10_000);
        self.at(self.now + pause, Event::Mishap);
    }

    fn kill(&mut self, node: usize) {
        self.note(format!("node-{node} is killed"));
        self.nodes[node].elector = None;
        let pause = self.below(RESTART);
        self.at(self.now + pause, Event::Start { node });
    }

    fn release(&mut self, node: usize) {
        self.note(format!("node-{node} leaves"));
        let life = self.nodes[node].life;
        self.with(node, life, Elector::release);
        let pause = 1000 + self.below(5000);
        self.at(self.now + pause, Event::Start { node });
    }

    /// A half-open watch: nothing comes until it is opened anew.
    fn stall(&mut self, node: usize) {
        let until = self.nodes[node].stalled_until.max(self.now + self.below(20_000));
        self.note(format!("the watch of node-{node} stalls until {until}"));
        self.nodes[node].stalled_until = until;
        self.at(until, Event::Relist { node });
    }

    /// The network between a node and the API is gone, in one direction or both; preferably the holder's.
    fn cut(&mut self, node: usize) {
        let node = (0..self.nodes.len()).find(|&node| self.term(node).is_some()).unwrap_or(node);
        let until = self.now + self.below(LONGEST_CUT);
        let heard = self.below(2) == 0;
        self.note(format!("node-{node} is cut off until {until}, heard: {heard}"));
        let it = &mut self.nodes[node];
        (it.cut_until, it.heard, it.stalled_until) = (until, heard, it.stalled_until.max(until));
        self.at(until, Event::Relist { node });
    }

    fn annotate(&mut self) {
        if let Some(mut object) = self.api.object.clone() {
            object.annotations.insert("example.org/note".to_owned(), self.now.to_string());
            self.api.store(object);
            self.announce();
        }
    }

    fn step_wall(&mut self, node: usize) {
        // Only back: forward would raise the terms' floor, which holds whatever the clocks do.
        self.nodes[node].wall_offset -= i64::try_from(self.below(20_000_000)).unwrap();
    }

    fn break_object(&mut self, how: &str, act: impl FnOnce(&mut Api)) {
        self.note(format!("the object is {how}"));
        act(&mut self.api);
        self.last_object_fault = Some(self.now);
        for node in 0..self.nodes.len() {
            self.list(node);
        }
    }
}
