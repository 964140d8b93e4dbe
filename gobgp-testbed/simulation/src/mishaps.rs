//! What the mishaps do.

use crate::clock::Ms;
use crate::plan::{Mishap, NODES, What, Whom};
use crate::world::{Event, World};

impl World {
    pub(crate) fn mishap(&mut self, mishap: Mishap) {
        let holder = (0..NODES).find(|&node| self.nodes[node].leads());
        self.note(|| format!("mishap: {mishap} (it is {holder:?})"));
        if mishap.whom == Whom::Node(NODES) {
            self.kube_vip.api.cut_until = self.now + mishap.what.lasts();
            return;
        }
        for node in 0..NODES {
            let befalls = match mishap.whom {
                Whom::Node(this) => this == node,
                Whom::Holder => holder == Some(node),
                Whom::Others => holder != Some(node),
            };
            if befalls {
                self.befall(node, mishap.what);
            }
        }
    }

    fn befall(&mut self, node: usize, what: What) {
        match what {
            What::Kill { back } => self.kill(node, back),
            What::PowerLoss { back } => self.lose_power(node, back),
            What::Leave { back } => self.terminate(node, back),
            What::Unfit { lasts } => self.spoil(node, lasts, false),
            What::Sick { lasts } => self.sicken(node, lasts),
            What::Drain { lasts } => self.spoil(node, lasts, true),
            What::Freeze { lasts } => self.freeze(node, lasts),
            What::Hang { lasts } => self.hang(node, lasts),
            What::StopClock { lasts } => {
                let now = self.now;
                self.nodes[node].clock.stop(now, now + lasts);
            }
            What::StepWallBack { by } => self.nodes[node].clock.wall -= by * 1000,
            What::RestartRouter { router } => self.restart_router(router),
            What::CutUplink { lasts } => self.cut_uplink(node, lasts),
            What::SlowUplink { lasts, late } => {
                let it = &mut self.nodes[node];
                (it.slow_until, it.late) = (self.now + lasts, late);
            }
            What::CutBoth { lasts } => {
                self.cut_uplink(node, lasts);
                self.cut_api(node, lasts, false);
            }
            What::StallWatch { .. }
            | What::LagWatch { .. }
            | What::Storm { .. }
            | What::CutApi { .. }
            | What::Annotate
            | What::Snapshot
            | What::Restore
            | What::Delete => self.mishap_of_the_api(node, what),
        }
    }

    fn mishap_of_the_api(&mut self, node: usize, what: What) {
        let now = self.now;
        match what {
            What::StallWatch { lasts } => self.stall(node, lasts),
            What::LagWatch { lasts, lag } => {
                let it = &mut self.nodes[node];
                (it.lag_until, it.lag) = (now + lasts, lag);
            }
            What::Storm { lasts, lost, late } => {
                let api = &mut self.nodes[node].api;
                (api.storm_until, api.lost, api.late) = (now + lasts, lost, late);
            }
            What::CutApi { lasts, heard } => self.cut_api(node, lasts, heard),
            What::Annotate => {
                if let Some(mut object) = self.api.object.clone() {
                    object.annotations.insert("example.org/note".to_owned(), now.to_string());
                    self.api.store(object);
                    self.announce();
                }
            }
            What::Snapshot => self.snapshot = self.api.clone(),
            What::Restore => {
                self.api.restore(&self.snapshot);
                self.object_broke();
            }
            What::Delete => {
                self.api.delete();
                self.object_broke();
            }
            _ => {}
        }
    }

    /// Every watch is opened anew.
    fn object_broke(&mut self) {
        (self.judge.object_fault, self.judge.changed) = (Some(self.now), self.now);
        self.look_up_newest();
        for node in 0..NODES {
            self.list(node);
        }
    }

    fn lose_power(&mut self, node: usize, back: Ms) {
        let it = &mut self.nodes[node];
        it.clear();
        (it.powered, it.bound) = (false, false);
        self.weigh(node);
        let life = self.nodes[node].life;
        self.after(back, Event::Start { node, life });
    }

    fn freeze(&mut self, node: usize, lasts: Ms) {
        let it = &mut self.nodes[node];
        if it.elector.is_some() {
            it.frozen_until = it.frozen_until.max(self.now + lasts);
            self.weigh(node);
            self.after(lasts, Event::Weigh { node });
        }
    }

    fn hang(&mut self, node: usize, lasts: Ms) {
        let it = &mut self.nodes[node];
        if it.elector.is_some() {
            it.hung_until = it.hung_until.max(self.now + lasts);
            self.weigh(node);
            self.after(lasts, Event::Weigh { node });
        }
    }

    fn cut_uplink(&mut self, node: usize, lasts: Ms) {
        let it = &mut self.nodes[node];
        it.uplink_cut_until = it.uplink_cut_until.max(self.now + lasts);
        self.weigh(node);
        self.after(lasts, Event::Weigh { node });
        let deaf = self.setting.bfd.unwrap_or(self.setting.hold);
        for router in 0..self.routers.len() {
            if let Some(session) = self.nodes[node].sessions[router].up.filter(|_| deaf <= lasts) {
                self.after(deaf, Event::NothingHeard { node, router, session });
            }
        }
    }

    fn cut_api(&mut self, node: usize, lasts: Ms, heard: bool) {
        let api = &mut self.nodes[node].api;
        (api.cut_until, api.heard) = (self.now + lasts, heard);
        self.stall(node, lasts);
    }

    /// A half-open watch: nothing comes until it is opened anew.
    fn stall(&mut self, node: usize, lasts: Ms) {
        let it = &mut self.nodes[node];
        it.stalled_until = it.stalled_until.max(self.now + lasts);
        let until = it.stalled_until;
        self.at(until, Event::Relist { node });
    }
}
