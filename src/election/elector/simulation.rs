//! Many electors, one API and everything that goes wrong between them, on one virtual clock.
//!
//! Requests and answers are delayed and lost, writes land after their caller gave up, watches lag and stall, nodes'
//! clocks differ in both kinds, processes are killed and restarted, somebody annotates the object, and a candidate as
//! client-go has it competes. In the second test the object is also deleted and restored from a snapshot.
//!
//! What holds, after every single event:
//! - without deletion and restore at most one candidate is entitled, and terms only rise;
//! - with them, more than one only within a renew deadline and the longest delay after such a fault: until the holder
//!   hears of it or its entitlement ends;
//! - when the faults end, somebody holds the lease within a lease duration and a few retries.

mod api;
mod gocandidate;
mod world;

use world::{Faults, World};

fn run(seeds: std::ops::Range<u64>, faults: Faults) {
    for seed in seeds {
        let mut world = World::new(seed, faults);
        if let Err(what) = world.run() {
            panic!("seed {seed} ({faults:?}): {what}\n{}", world.history());
        }
    }
}

#[test]
fn at_most_one_holder_whatever_the_network_does() {
    run(0..1500, Faults::Network);
}

#[test]
fn deletion_and_restore_confuse_for_a_renew_deadline_at_most() {
    run(0..1500, Faults::Object);
}
