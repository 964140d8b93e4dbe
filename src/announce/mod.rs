//! Makes the desired set true: bind → verify → advertise, and withdraw → delivered → unbind.

mod announcer;
pub mod eip;
mod mover;
mod schedule;

pub use announcer::{Announcer, Binder, Held};
pub use mover::{Assignments, Elastic, Moved, Mover, Moves, Trouble};
pub use schedule::{Keep, Steps, View, attributes, routes, steps};

#[cfg(test)]
mod tests;
