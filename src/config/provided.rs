//! What is learned while running and lies over the words: what a provider says, and this node's labels.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use secrecy::{ExposeSecret as _, SecretString};

use super::MetalConfig;

/// Who tells this node how to speak BGP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderConfig {
    /// The annotations of its Node object.
    Annotations {
        /// What stands before the slash in their keys.
        prefix: String,
    },
    /// The API of Equinix Metal.
    Metal(MetalConfig),
}

/// What a provider says. It counts before file, flags and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// Where it is from, as messages call it: "the annotations x/… of node n1".
    pub source: String,
    /// Our AS number, never 0; `None`: as configured.
    pub local_as: Option<u32>,
    /// Our BGP Identifier, never zero; `None`: as configured, else derived.
    pub router_id: Option<Ipv4Addr>,
    /// Our end of the sessions with peers of its family; `None`: as configured.
    pub source_ip: Option<IpAddr>,
    /// The peers; they take the place of those configured.
    pub peers: Vec<ProvidedPeer>,
}

/// One peer of a provider, at port 179.
#[derive(Clone, Debug)]
pub struct ProvidedPeer {
    /// Where it is.
    pub address: IpAddr,
    /// Its AS number, never 0.
    pub asn: u32,
    /// The TCP-MD5 key, 1 to 80 bytes.
    pub password: Option<SecretString>,
    /// Whether routers stand between.
    pub multihop: bool,
    /// Our end of its session, where that is another than [`Provided::source_ip`].
    pub source_ip: Option<IpAddr>,
    /// How messages call it.
    pub label: String,
}

impl PartialEq for ProvidedPeer {
    fn eq(&self, other: &Self) -> bool {
        let password = |peer: &Self| peer.password.as_ref().map(|secret| secret.expose_secret().to_owned());
        let rest = |peer: &Self| (peer.address, peer.asn, peer.multihop, peer.source_ip, peer.label.clone());
        rest(self) == rest(other) && password(self) == password(other)
    }
}

impl Eq for ProvidedPeer {}

/// All that is learned while running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// What the provider says; `None`: nothing that is complete yet.
    pub provided: Option<Provided>,
    /// This node's labels; `None`: not known yet, or not asked for.
    pub node_labels: Option<BTreeMap<String, String>>,
}
