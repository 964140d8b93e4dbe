//! Makes the desired set true: bind → verify → advertise, and withdraw → delivered → unbind.

mod announcer;
mod schedule;

pub use announcer::{Announcer, Binder, Held};
pub use schedule::{Keep, Steps, View, attributes, routes, steps};

#[cfg(test)]
mod tests;
