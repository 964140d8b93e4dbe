//! Bytes ↔ messages. Pure; knows nothing of sockets, sessions or policy.

pub mod bfd;
pub mod bgp;
mod hex;
pub mod ndp;
mod reader;
