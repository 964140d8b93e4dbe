//! Real routers, a real API server and nodes in network namespaces: vipcast's scenarios, demo and figures.
//!
//! From the bottom up:
//! [`run`] is one run of the testbed (its directory, its namespaces, and who takes them down when it dies),
//! [`host`] a network namespace with its processes, [`lab`] the hosts wired together,
//! [`parts`] what runs on them, [`site`] the lab with routers and vipcasts, [`fabric`] leaves and a spine on it,
//! [`cluster`] three Kubernetes nodes, [`scenarios`] what must hold, [`demo`] the same to look at, [`bench`] its figures,
//! [`interop`] every router program in every form a session can have, [`fixtures`] bytes of real routers to keep.
//!
//! What it does not do: it never touches the machine's own network, and it knows nothing of vipcast's inside: vipcast
//! is a program with flags, a log and an exit code.

pub mod bench;
pub mod clock;
pub mod cluster;
pub mod demo;
pub mod fabric;
pub mod fixtures;
pub mod host;
pub mod interop;
pub mod lab;
pub mod parts;
pub mod paths;
pub mod process;
pub mod run;
pub mod scenarios;
pub mod site;
pub mod wait;
