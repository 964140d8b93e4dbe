//! From a seed that fails to the shortest list of mishaps that fails in the same way.

use crate::Broken;
use crate::judge::{Promise, Violation};
use crate::plan::{Mishap, Setting};
use crate::world::World;

/// Whether these mishaps break this promise, and how.
fn breaks(
    seed: u64,
    setting: &Setting,
    plan: &[Mishap],
    broken: Option<Broken>,
    promise: Promise,
) -> Option<Violation> {
    World::new(seed, setting, plan, broken, false).run().err().filter(|found| found.promise == promise)
}

/// Takes out one mishap after the other, as long as one can be.
pub(crate) fn shrink(
    seed: u64,
    setting: &Setting,
    plan: &[Mishap],
    broken: Option<Broken>,
    found: Violation,
) -> (Vec<Mishap>, Violation) {
    let mut plan: Vec<Mishap> = plan.iter().filter(|mishap| mishap.at <= found.at).copied().collect();
    let mut found = found;
    let mut index = 0;
    while index < plan.len() {
        let mut fewer = plan.clone();
        fewer.remove(index);
        match breaks(seed, setting, &fewer, broken, found.promise) {
            // What could not be spared before may be now.
            Some(same) => (plan, found, index) = (fewer, same, 0),
            None => index += 1,
        }
    }
    (plan, found)
}
