//! What runs on the hosts: routers, etcd, API servers, vipcast, the client's probe.

pub mod api;
pub mod apiserver;
pub mod bfd;
pub mod bird;
pub mod capture;
pub mod communities;
pub mod contend;
pub mod etcd;
pub mod exabgp;
pub mod frr;
pub mod gobgpd;
pub mod healthz;
pub mod heard;
pub mod mrt;
pub mod neighbor;
pub mod openbgpd;
pub mod orders;
pub mod outlook;
pub mod path;
pub mod pki;
pub mod probe;
pub mod rib;
pub mod router;
pub mod scripted;
pub mod vipcast;
pub mod visitor;
