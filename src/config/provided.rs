//! What a provider (node annotations, a cloud) says of this node's BGP, as the check takes it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use secrecy::SecretString;

/// What was learned since the program started and decides the configuration.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// What the provider says; `None`: there is none, or it has not said anything yet.
    pub provided: Option<Provided>,
    /// The labels of this node's object; `None`: not read.
    pub node_labels: Option<BTreeMap<String, String>>,
}

/// What a provider says. It lies over file, flags and variables.
#[derive(Clone, Debug)]
pub struct Provided {
    /// How messages call it.
    pub source: String,
    /// Our AS number.
    pub local_as: Option<u32>,
    /// Our BGP Identifier.
    pub router_id: Option<Ipv4Addr>,
    /// Our end of the sessions that have none of their own.
    pub source_ip: Option<IpAddr>,
    /// The peers.
    pub peers: Vec<ProvidedPeer>,
}

/// A peer that a provider names.
#[derive(Clone, Debug)]
pub struct ProvidedPeer {
    /// Where it is.
    pub address: IpAddr,
    /// Its AS number.
    pub asn: u32,
    /// The TCP-MD5 key.
    pub password: Option<SecretString>,
    /// Whether routers stand between.
    pub multihop: bool,
    /// Our end of the session.
    pub source_ip: Option<IpAddr>,
    /// How messages call it: the annotation's index, say.
    pub label: String,
}
