//! Bidirectional Forwarding Detection (RFC 5880): how a dead path is noticed within milliseconds.
//!
//! What this does not do: demand mode of our own, the echo function, authentication.

pub mod session;
