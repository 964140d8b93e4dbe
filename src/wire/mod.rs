//! Bytes ↔ messages. Pure; knows nothing of sockets, sessions or policy.

pub mod bfd;
pub mod bgp;
mod hex;
mod reader;
