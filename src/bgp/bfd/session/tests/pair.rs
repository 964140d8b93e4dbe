//! Two sessions on a virtual clock, over a path that loses, delays and is cut.

use std::collections::BTreeMap;

use super::*;

/// Two systems and what is on its way between them.
struct World {
    now: Instant,
    ends: [Session; 2],
    /// When it arrives, a counter, at which end, and what.
    travelling: BTreeMap<(Instant, u64), (usize, Packet)>,
    count: u64,
    /// By whose sender it is: how many packets of a hundred are lost.
    loss: [u16; 2],
    delay: Duration,
    dice: Jitter,
    changes: Vec<(usize, Instant, Change)>,
}

impl World {
    fn new(configs: [Config; 2], seed: u64) -> Self {
        Self {
            now: at(1000),
            ends: configs.map(Session::new),
            travelling: BTreeMap::new(),
            count: 0,
            loss: [0, 0],
            delay: ms(1),
            dice: Jitter::new(seed),
            changes: vec![],
        }
    }

    /// Two of these intervals, with this seed.
    fn of(tx: u64, rx: u64, multiplier: u8, seed: u64) -> Self {
        let config = |n: u32, seed| {
            let discriminator = NonZeroU32::new(n).unwrap();
            Config { tx: ms(tx), rx: ms(rx), multiplier, discriminator, seed }
        };
        Self::new([config(1, seed), config(2, seed + 1)], seed)
    }

    fn run(&mut self, for_ms: u64) {
        let end = self.now + ms(for_ms);
        loop {
            let timers = self.ends.iter().filter_map(Session::next_deadline);
            let arrival = self.travelling.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.chain(arrival).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(arrived) = self.travelling.first_entry().filter(|first| first.key().0 <= self.now) {
                let (end, packet) = arrived.remove();
                self.ends[end].handle(self.now, Input::Received(packet));
                self.act(end);
            }
            for end in 0..2 {
                self.ends[end].handle_timeout(self.now);
                self.act(end);
            }
        }
        self.now = end;
    }

    fn act(&mut self, end: usize) {
        for action in actions(&mut self.ends[end]) {
            match action {
                Action::Changed(change) => self.changes.push((end, self.now, change)),
                // The dice show 750 to 849.
                Action::Send(_) if self.dice.per_mille(849) - 750 < self.loss[end] => {}
                Action::Send(packet) => {
                    self.count += 1;
                    let delay = self.dice.of(self.delay);
                    self.travelling.insert((self.now + delay, self.count), (1 - end, packet));
                }
            }
        }
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    /// The failures since the last call: at which end, how long after `since`, and why.
    fn failures(&mut self, since: Instant) -> Vec<(usize, Duration, Cause)> {
        let failures = self.changes.drain(..).filter(|(_, _, change)| change.is_failure());
        failures.map(|(end, at, change)| (end, at - since, change.cause)).collect()
    }
}

const UP: [State; 2] = [State::Up, State::Up];

#[test]
fn a_pair_comes_up_within_two_slow_intervals_and_stays_up() {
    for seed in 0..50 {
        let mut world = World::of(50, 50, 3, seed);
        world.run(2000);
        assert_eq!(world.states(), UP, "seed {seed}");
        world.run(60_000);
        assert_eq!(world.failures(at(0)), vec![], "seed {seed}");
        assert!(!world.ends.iter().any(|end| end.polling), "seed {seed}");
    }
}

#[test]
fn a_pair_of_different_rates_meets_in_the_slower_ones() {
    let config = |discriminator, tx, rx, multiplier| Config { tx, rx, multiplier, discriminator, seed: 7 };
    let one = config(NonZeroU32::MIN, ms(10), ms(1000), 5);
    let two = config(NonZeroU32::MAX, ms(100), ms(50), 3);
    let mut world = World::new([one, two], 7);
    world.run(5000);
    let negotiated = |session: &Session| (session.view().interval, session.view().detection_time);
    // One sends as fast as two takes; two sends as slowly as one takes.
    assert_eq!(negotiated(&world.ends[0]), (Some(ms(50)), Some(ms(3 * 1000))));
    assert_eq!(negotiated(&world.ends[1]), (Some(ms(1000)), Some(ms(5 * 50))));
}

#[test]
fn a_cut_is_noticed_by_both_within_the_detection_time() {
    for seed in 0..50 {
        let mut world = World::of(50, 50, 3, seed);
        world.run(3000);
        assert_eq!(world.failures(at(0)), vec![], "seed {seed}");
        world.loss = [100, 100];
        let cut = world.now;
        world.run(1000);
        let noticed = world.failures(cut);
        assert_eq!(noticed.len(), 2, "seed {seed}: {noticed:?}");
        for (_, after, cause) in noticed {
            assert_eq!(cause, Cause::Expired(ms(150)));
            // From the last packet, which was up to an interval before the cut, and may still have been on its way.
            assert!(after >= ms(100) && after <= ms(151), "seed {seed}: {after:?}");
        }
        world.loss = [0, 0];
        world.run(2000);
        assert_eq!(world.states(), UP, "seed {seed}: the path is back");
    }
}

#[test]
fn a_cut_of_one_direction_is_noticed_there_and_said_to_the_other() {
    let mut world = World::of(50, 50, 3, 3);
    world.run(3000);
    world.loss = [100, 0];
    let cut = world.now;
    world.run(500);
    let noticed = world.failures(cut);
    let causes: Vec<_> = noticed.iter().map(|(end, _, cause)| (*end, *cause)).collect();
    let signaled = Cause::Signaled(Diagnostic::DETECTION_TIME_EXPIRED);
    assert_eq!(causes, [(1, Cause::Expired(ms(150))), (0, signaled)]);
    assert!(noticed[1].1 - noticed[0].1 <= ms(1), "said at once: {noticed:?}");
}

#[test]
fn lost_packets_fewer_than_the_multiplier_do_no_harm() {
    for seed in 0..20 {
        let mut world = World::of(50, 50, 10, seed);
        world.loss = [20, 20];
        world.run(60_000);
        assert_eq!((world.states(), world.failures(at(0))), (UP, vec![]), "seed {seed}");
    }
}

#[test]
fn packets_that_overtake_each_other_do_no_harm() {
    for seed in 0..20 {
        let mut world = World::of(10, 10, 20, seed);
        world.delay = ms(100);
        world.run(60_000);
        assert_eq!((world.states(), world.failures(at(0))), (UP, vec![]), "seed {seed}");
    }
}

#[test]
fn down_on_purpose_is_no_failure_to_the_other_and_keeps_it_down() {
    let mut world = World::of(50, 50, 3, 5);
    world.run(3000);
    world.ends[0].handle(world.now, Input::AdminDown);
    world.run(2000);
    assert_eq!(world.states(), [State::AdminDown, State::Down]);
    assert_eq!(world.failures(at(0)), vec![]);
    assert_eq!(world.ends[1].view().remote_state, State::AdminDown);
}

#[test]
fn a_restarted_system_is_up_again_and_the_other_was_told() {
    let mut world = World::of(50, 50, 3, 9);
    world.run(3000);
    let restart = world.now;
    let discriminator = NonZeroU32::new(77).unwrap();
    world.ends[0] = Session::new(Config { discriminator, ..world.ends[0].config });
    world.run(3000);
    assert_eq!(world.states(), UP);
    let failures = world.failures(restart);
    assert!(matches!(failures[..], [(1, _, Cause::Signaled(_))]), "{failures:?}");
}
