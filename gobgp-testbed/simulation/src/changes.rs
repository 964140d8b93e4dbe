//! What a write to the Lease means, and whether it was due.

use vipcast::election::elector::DWELL;
use vipcast::election::instance;
use vipcast::election::record::{OFFER, Record};

use crate::clock::Ms;
use crate::judge::{Promise, ROUNDING};
use crate::node::Grant;
use crate::plan::{Faults, NODES, Whom, millis};
use crate::speaking::GRACE;
use crate::world::{Asker, Event, World, name};

/// A lease is waited out on a clock that may be so many per mille fast.
const FAST: Ms = 15;
/// client-go compares whole seconds: it may not see a renewal that came within one.
const UNSEEN: Ms = 1000;

impl World {
    /// A write was done: whoever it makes holder is entitled by it.
    pub(crate) fn written(&mut self, from: Asker, before: Option<&Record>) {
        let Some(object) = self.api.object.clone() else { return };
        let holder = object.spec.holder();
        let same_process = before.is_some_and(|before| {
            before.spec.holder() == holder && before.instance() == object.instance() && before.term() == object.term()
        });
        if !same_process {
            self.note(|| format!("the record: holder {holder:?}, term {}", object.term().unwrap_or(0)));
            self.changed_hands(from, before, &object);
        }
        if before.map(|before| &before.spec) != Some(&object.spec) {
            self.judge.changed = self.now;
        }
        if object.is_acknowledged() && self.judge.acknowledged.is_none() {
            self.judge.acknowledged = Some(self.now);
        }
        if from.node < NODES && holder == Some(&name(from.node)) {
            self.entitle(from, object.term().unwrap_or(0));
        }
    }

    fn entitle(&mut self, from: Asker, term: u64) {
        let this = (term, from.node, from.life);
        let highest = self.judge.highest;
        if this != highest && term <= highest.0 && self.judge.object_fault.is_none() {
            self.violate(Promise::Rises, format!("term {this:?} follows {highest:?} (term, node, life)"));
        }
        self.judge.terms += usize::from(this != highest);
        self.judge.highest = highest.max(this);
        self.judge.parted.retain(|parted| *parted != (from.node, from.life));
        let until = from.sent_local + self.setting.lease.renew_deadline;
        let it = &mut self.nodes[from.node];
        it.informed = None;
        if it.life == from.life && it.grant.is_none_or(|grant| grant.until < until) {
            it.grant = Some(Grant { until, sent: from.sent });
            // Nothing else may happen just then.
            let end = it.clock.when(until + GRACE + ROUNDING, self.now) + 1;
            self.at(end, Event::Look);
        }
    }

    /// Another process holds the lease, or the same in another term.
    fn changed_hands(&mut self, from: Asker, before: Option<&Record>, object: &Record) {
        self.judge.acknowledged = None;
        let Some(was) = before.and_then(|before| before.spec.holder()) else { return };
        let Some(before) = before else { return };
        if object.spec.holder().is_none() || from.node == NODES && was == name(NODES) {
            return;
        }
        if was != name(from.node) {
            self.moved();
        }
        if self.is_handed_over(from, before) {
            let parted = (0..NODES).find(|&node| name(node) == was).map(|node| (node, self.nodes[node].life));
            self.judge.parted.extend(parted);
            return self.note(|| format!("{was} has handed over"));
        }
        let unseen = if from.node == NODES { UNSEEN } else { 0 };
        let waited = self.setting.duration() * (1000 - FAST) / 1000 - unseen;
        let waited_out = self.now - self.judge.changed >= waited;
        if from.node == NODES && self.judge.object_fault.is_some() && !waited_out {
            // A restored record's times come again, and client-go may take one for what it saw before.
            self.judge.object_fault = Some(self.now);
            return;
        }
        let resumes = from.node < NODES && was == name(from.node) && !before.is_resumed();
        let confused = self.judge.object_fault.is_some_and(|fault| self.now <= fault + self.setting.duration());
        if !waited_out && !resumes && !confused && !self.is_confused() {
            let by = name(from.node);
            let how = format!(
                "{by} takes the lease from {was}, which had renewed it {} ms ago",
                self.now - self.judge.changed
            );
            self.violate(Promise::Taken, how);
        }
    }

    /// The lease goes to another node.
    fn moved(&mut self) {
        let since = self.now - self.judge.moved;
        (self.judge.moves, self.judge.moved) = (self.judge.moves + 1, self.now);
        let least = millis(DWELL) * (1000 - FAST) / 1000;
        let unsteady = self.setting.faults == Faults::Unsteady;
        let alone = self.plan.iter().all(|mishap| mishap.whom == Whom::Node(0));
        if unsteady && (since < least || (alone && self.judge.moves > 1)) {
            let moves = self.judge.moves;
            self.violate(Promise::Still, format!("the lease moves for the {moves}. time, {since} ms after the last"));
        }
    }

    /// Whether the record that is replaced offers the lease to this very process: read here without the elector's help.
    fn is_handed_over(&self, from: Asker, before: &Record) -> bool {
        let Some(offer) = before.annotations.get(OFFER).filter(|_| from.node < NODES) else { return false };
        let of_its_holder = before.is_of_vipcast();
        let to = instance(&name(from.node), &from.life.to_string());
        let renewed = before.spec.renew_time.map_or(0, |time| time.0);
        of_its_holder && *offer == format!("{} {renewed} {to}", before.term().unwrap_or(0))
    }
}
