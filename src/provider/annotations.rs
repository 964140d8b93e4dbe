//! A node's annotations, as kube-vip reads them, and what they say of BGP. Pure.
//!
//! `PREFIX/node-asn` and its like are of the peers at index 0, which `PREFIX/bgp-peers-0-node-asn` is another name for.
//! What another index does not say is as at index 0.

use std::collections::BTreeMap;
use std::net::IpAddr;

use secrecy::SecretString;

use super::base64;
use crate::config::{FilePassword, Provided, ProvidedPeer, asn, before_colon};

/// The last parts of the keys.
const NODE_ASN: &str = "node-asn";
const SRC_IP: &str = "src-ip";
const PEER_ASN: &str = "peer-asn";
const PEER_IP: &str = "peer-ip";
const BGP_PASS: &str = "bgp-pass";
const MULTI_HOP: &str = "peer-multi-hop";
const FIELDS: [&str; 6] = [NODE_ASN, SRC_IP, PEER_ASN, PEER_IP, BGP_PASS, MULTI_HOP];

/// What the annotations of the node `node` say whose keys begin with `prefix` and a slash.
///
/// # Errors
/// All that is missing or wrong, a sentence each, with its key; no password is in it.
pub fn read(prefix: &str, node: &str, annotations: &BTreeMap<String, String>) -> Result<Provided, Vec<String>> {
    let mut reader = Reader { prefix, given: gather(prefix, annotations), mistakes: Vec::new() };
    let local_as = reader.local_as();
    let source = reader.source(0);
    if source.is_none() && reader.scalar(0, SRC_IP).is_none() {
        reader.missing(SRC_IP, "0");
    }
    let peers = reader.peers(source);
    match (local_as, source, reader.mistakes) {
        (Some(local_as), Some(source), mistakes) if mistakes.is_empty() => Ok(Provided {
            source: format!("the annotations {prefix}/… of node {node}"),
            local_as: Some(local_as),
            // As in kube-vip; of an IPv6 address none can be made that way.
            router_id: if let IpAddr::V4(v4) = source { Some(v4) } else { None },
            source_ip: Some(source),
            peers,
        }),
        (_, _, mistakes) => Err(mistakes),
    }
}

/// The annotations of one field at one index, key and value; none of them is empty.
type Given<'a> = BTreeMap<(u32, &'static str), Vec<(&'a str, &'a str)>>;

fn gather<'a>(prefix: &str, annotations: &'a BTreeMap<String, String>) -> Given<'a> {
    let mut given = Given::new();
    for (key, value) in annotations {
        let name = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        let Some(place) = name.and_then(place) else { continue };
        let value = value.trim();
        if !value.is_empty() {
            given.entry(place).or_default().push((key.as_str(), value));
        }
    }
    given
}

/// Index and field of a key without its prefix.
fn place(name: &str) -> Option<(u32, &'static str)> {
    let known = |name: &str| FIELDS.into_iter().find(|field| *field == name);
    if let Some(field) = known(name) {
        return Some((0, field));
    }
    let (index, field) = name.strip_prefix("bgp-peers-")?.split_once('-')?;
    let is_number = index.bytes().all(|byte| byte.is_ascii_digit());
    Some((index.parse().ok().filter(|_| is_number)?, known(field)?))
}

struct Reader<'a> {
    prefix: &'a str,
    given: Given<'a>,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Each mistake once, however often it is met.
    fn mistake(&mut self, text: String) {
        if !self.mistakes.contains(&text) {
            self.mistakes.push(text);
        }
    }

    fn missing(&mut self, field: &str, index: &str) {
        let prefix = self.prefix;
        self.mistake(format!("{prefix}/{field} (or {prefix}/bgp-peers-{index}-{field}) is missing"));
    }

    /// Key and value of a field that has one value.
    fn scalar(&mut self, index: u32, field: &'static str) -> Option<(&'a str, &'a str)> {
        let all = self.given.get(&(index, field))?;
        let first = *all.first()?;
        if let Some((key, value)) = all.iter().copied().find(|(_, value)| *value != first.1) {
            let (one, said) = first;
            let differ = match field {
                BGP_PASS => format!("{one} and {key} differ"),
                _ => format!("{one} is {} and {key} is {}", before_colon(said), before_colon(value)),
            };
            self.mistake(format!("{differ}; they mean the same, give one of them"));
        }
        Some(first)
    }

    fn inherited(&mut self, index: u32, field: &'static str) -> Option<(&'a str, &'a str)> {
        self.scalar(index, field).or_else(|| self.scalar(0, field))
    }

    fn asn(&mut self, (key, value): (&str, &str)) -> Option<u32> {
        asn(value).map_err(|why| self.mistake(format!("{key}: AS number {} {why}", before_colon(value)))).ok()
    }

    /// This node's AS number: one, wherever it stands.
    fn local_as(&mut self) -> Option<u32> {
        let Some(first) = self.scalar(0, NODE_ASN) else {
            self.missing(NODE_ASN, "0");
            return None;
        };
        let local_as = self.asn(first)?;
        let indexes: Vec<u32> = self
            .given
            .keys()
            .filter(|(index, field)| *index > 0 && *field == NODE_ASN)
            .map(|(index, _)| *index)
            .collect();
        for index in indexes {
            let Some(other) = self.scalar(index, NODE_ASN) else { continue };
            if self.asn(other).is_some_and(|asn| asn != local_as) {
                let ((one, one_as), (key, key_as)) = (first, other);
                self.mistake(format!("{one} is {one_as} and {key} is {key_as}; a node has one AS number"));
            }
        }
        Some(local_as)
    }

    /// The source that an index says itself.
    fn source(&mut self, index: u32) -> Option<IpAddr> {
        let (key, value) = self.scalar(index, SRC_IP)?;
        let address = value.parse().ok();
        if address.is_none() {
            let said = before_colon(value);
            self.mistake(format!("{key}: {said} is not an IP address; expected one of this node's own"));
        }
        address
    }

    /// A peer's address, the member of a list. It is not shown: what stands there instead may be `host:AS:password`, and
    /// a comma in the password makes two members of it.
    fn router(&mut self, key: &str, number: usize, value: &str) -> Option<IpAddr> {
        let address = value.parse().ok();
        if address.is_none() {
            let text = format!("{key}: address {number} (not shown) is not an IP address; expected a router's");
            self.mistake(text);
        }
        address
    }

    /// The peers by index, and at each in the order that is written; `source` is the one of all.
    fn peers(&mut self, source: Option<IpAddr>) -> Vec<ProvidedPeer> {
        let mut indexes: Vec<u32> =
            self.given.keys().filter(|(_, field)| *field == PEER_IP).map(|(index, _)| *index).collect();
        if indexes.is_empty() {
            self.missing(PEER_IP, "N");
            // What else is missing is said with it.
            indexes.push(0);
        }
        let mut peers: Vec<ProvidedPeer> = Vec::new();
        for index in indexes {
            for peer in self.peers_at(index, source) {
                // kube-vip joins all lists; one that is named again, and not otherwise, is one peer.
                let same = |other: &ProvidedPeer| ProvidedPeer { label: other.label.clone(), ..peer.clone() } == *other;
                if !peers.iter().any(same) {
                    peers.push(peer);
                }
            }
        }
        if peers.is_empty() && self.mistakes.is_empty() {
            self.missing(PEER_IP, "N");
        }
        peers
    }

    fn peers_at(&mut self, index: u32, source: Option<IpAddr>) -> Vec<ProvidedPeer> {
        let asn = match self.inherited(index, PEER_ASN) {
            Some(given) => self.asn(given),
            None => {
                self.missing(PEER_ASN, "0");
                None
            }
        };
        let password = self.inherited(index, BGP_PASS).and_then(|(key, text)| self.password(key, text));
        let multihop = self.inherited(index, MULTI_HOP).is_some_and(|(key, text)| self.multihop(key, text));
        let source_ip = if index == 0 { None } else { self.source(index).filter(|own| Some(*own) != source) };
        let mut peers = Vec::new();
        for (key, list) in self.given.get(&(index, PEER_IP)).cloned().unwrap_or_default() {
            let members = list.split(',').map(str::trim).filter(|text| !text.is_empty());
            for (number, text) in (1..).zip(members) {
                let Some(address) = self.router(key, number, text) else { continue };
                let (password, label) = (password.clone(), format!("peer {address} ({key})"));
                let asn = asn.unwrap_or_default();
                peers.push(ProvidedPeer { address, asn, password, multihop, source_ip, label });
            }
        }
        peers
    }

    fn password(&mut self, key: &str, text: &str) -> Option<SecretString> {
        let read = match base64::decode(text) {
            Some(bytes) => FilePassword::read(&bytes),
            None => Err("the value (not shown) is not base64, as printf %s PASSWORD | base64 writes it".to_owned()),
        };
        read.map(|password| password.secret).map_err(|why| self.mistake(format!("{key}: {why}"))).ok()
    }

    fn multihop(&mut self, key: &str, text: &str) -> bool {
        if !matches!(text, "true" | "false") {
            self.mistake(format!("{key}: {} is neither \"true\" nor \"false\"", before_colon(text)));
        }
        text == "true"
    }
}

#[cfg(test)]
mod tests;
