//! kube-vip's files: the raft era's `start -c`, the 0.3 releases', and `--config-file` of today.
//!
//! Keys are matched as Go's JSON decoder does, without regard to case. What the oldest releases called otherwise is
//! known too. Unlike in kube-vip every key counts, and what is not known is said instead of being dropped.

mod keys;

use secrecy::SecretString;

use super::place::Source;
use super::tree::{Entry, Node, Value};
use super::{FilePeer, FileWords, Place};
use crate::config::PeerHost;
use crate::config::bfd;
use crate::config::items::{NEAR, distance};
use crate::config::mpbgp::{MpBgp, Wrong};
use crate::config::options::{Kind, LEADER_ELECTION, OPTIONS, PEER_ADDRESS, Spec};
use crate::config::peer::{BGP_PORT, asn, before_colon, parse_address, password_rules};
use crate::config::scalar::{decimal, go_bool, is_interface_name};
use keys::{Key, Means, PEER, TOP};

/// The node's name, where the file says it.
pub(super) fn node_name(root: &Node) -> Option<&Node> {
    let is_name = |entry: &&Entry| ["nodename", "leasenodename"].contains(&entry.key.to_lowercase().as_str());
    root.entries().iter().find(is_name).map(|entry| &entry.value)
}

/// The words of a file.
pub(super) fn words(root: &Node, file: &Source) -> FileWords {
    let mut words = FileWords::default();
    section(root, TOP, file, &mut words);
    single_node(root, file, &mut words);
    words
}

/// Takes the keys of a mapping by their table.
fn section(node: &Node, keys: &'static [Key], file: &Source, words: &mut FileWords) {
    if !matches!(node.value, Value::Map(_)) {
        if !matches!(node.value, Value::Null) {
            words.mistake(&file.place(node), "is no mapping; expected one of keys to values");
        }
        return;
    }
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for entry in node.entries() {
        let Some(key) = find(keys, &entry.key) else {
            words.warn(
                &file.key(entry),
                format!("is not a key of kube-vip's, and is ignored{}", suggestion(keys, &entry.key)),
            );
            continue;
        };
        if let Some((_, line)) = seen.iter().find(|(name, _)| *name == key.name) {
            let text = format!("is there twice, first in line {line}, as letters count the same in either case");
            words.mistake(&file.key(entry), text);
            continue;
        }
        seen.push((key.name, entry.at.line));
        if !matches!(entry.value.value, Value::Null) {
            take(key, entry, file, words);
        }
    }
}

fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

fn suggestion(keys: &'static [Key], name: &str) -> String {
    let far = |key: &Key| distance(&name.to_lowercase(), &key.name.to_lowercase());
    let near = keys.iter().map(|key| (far(key), key.name)).min().filter(|(far, _)| *far <= NEAR);
    near.map(|(_, known)| format!("; did you mean {known}?")).unwrap_or_default()
}

fn take(key: &'static Key, entry: &Entry, file: &Source, words: &mut FileWords) {
    let value = &entry.value;
    match key.means {
        Means::Option(name) => match spec(name) {
            Some(spec) => option(spec, value, file, words),
            None => words.warn(&file.key(entry), "is known of kube-vip and does nothing here"),
        },
        Means::Section(keys) => section(value, keys, file, words),
        Means::Peers => {
            let peers = value.items().iter().filter_map(|item| peer(item, file, words)).collect();
            if !matches!(value.value, Value::List(_)) {
                words.mistake(&file.place(value), "is no list; expected one of peers");
            }
            words.peers = Some((file.place(value), peers));
        }
        Means::SinglePeer => single_peer(value, file, words),
        Means::RaftPeers => raft_peers(name_of_raft(key), value, file, words),
        Means::Nothing(why) => words.warn(&file.key(entry), format!("is ignored: {why}")),
        Means::Part => {}
    }
}

/// The option of a flag, in any of its spellings, or of a variable.
fn spec(name: &str) -> Option<&'static Spec> {
    let is_named = |spec: &&Spec| spec.flag == name || spec.aliases.contains(&name) || spec.variables.contains(&name);
    OPTIONS.iter().copied().find(is_named)
}

/// Takes a value, or the values of a list, as the option's text.
fn option(spec: &'static Spec, value: &Node, file: &Source, words: &mut FileWords) {
    let place = file.place(value);
    match &value.value {
        Value::Scalar { text, quoted } if !quoted && is_unsaid(spec, text) => {}
        Value::Scalar { text, quoted } => words.set(spec, word(spec, text, *quoted), place),
        Value::List(items) if spec.kind.is_list() => {
            for item in items {
                match &item.value {
                    Value::Scalar { text, .. } => words.push(spec, text, place.clone()),
                    Value::Null => {}
                    Value::List(_) | Value::Map(_) => words.mistake(&file.place(item), "is no single value"),
                }
            }
        }
        Value::List(_) => words.mistake(&place, "is a list; expected one value"),
        Value::Map(_) => words.mistake(&place, "is a mapping; expected one value"),
        Value::Null => {}
    }
}

/// Whether it is the zero that Go has where nothing is said: `sample config` prints all of its numbers. Level 0 of the
/// log is the default too.
fn is_unsaid(spec: &Spec, text: &str) -> bool {
    text == "0" && matches!(spec.value, "PORT" | "AS" | "SECONDS" | "CHECKS" | "NUMBER")
}

/// The words that YAML 1.1, which kube-vip's library reads, takes for booleans where they stand in no quotes.
fn word<'a>(spec: &Spec, text: &'a str, quoted: bool) -> &'a str {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" if spec.kind == Kind::Switch && !quoted => "true",
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" if spec.kind == Kind::Switch && !quoted => "false",
        _ => text,
    }
}

/// A scalar of a mapping, found as kube-vip finds it.
fn scalar<'a>(node: &'a Node, name: &str) -> Option<(&'a str, &'a Node)> {
    let entry = node.entries().iter().find(|entry| entry.key.eq_ignore_ascii_case(name))?;
    match &entry.value.value {
        Value::Scalar { text, .. } if !text.is_empty() => Some((text, &entry.value)),
        _ => None,
    }
}

/// `singleNode: true` meant in all eras that no other node is asked: no raft, and no lease though one is configured.
fn single_node(root: &Node, file: &Source, words: &mut FileWords) {
    let Some((text, node)) = scalar(root, "singleNode") else { return };
    if go_bool(word(&LEADER_ELECTION, text, false)) != Some(true) {
        return;
    }
    words.warn(
        &file.place(node),
        "means no election, as in kube-vip: every node with this file announces; with more than one of them, take it out \
         and set enableLeaderElection: true",
    );
    words.set(&LEADER_ELECTION, "false", file.place(node));
}

fn name_of_raft(key: &Key) -> &'static str {
    if key.name == "localPeer" { "vip_localpeer" } else { "vip_peers" }
}

/// Raft's peers, `id:address:port`, as the variables of that time had them.
fn raft_peers(variable: &str, value: &Node, file: &Source, words: &mut FileWords) {
    let items = if let Value::List(items) = &value.value { items } else { std::slice::from_ref(value) };
    let text = |item: &Node| match &item.value {
        Value::Scalar { text, .. } => text.clone(),
        _ => ["id", "address", "port"].map(|key| scalar(item, key).map_or("", |(text, _)| text)).join(":"),
    };
    // A peer without name and address is what Go has where there is none.
    let all: Vec<String> = items.iter().map(text).filter(|text| !matches!(text.as_str(), "" | "::" | "::0")).collect();
    match spec(variable) {
        _ if all.is_empty() => {}
        Some(spec) => words.set(spec, all.join(","), file.place(value)),
        None => words.warn(&file.place(value), "is ignored: there is no raft among listed peers"),
    }
}

/// The peer that has options of its own, with its port, which they have in the address.
fn single_peer(value: &Node, file: &Source, words: &mut FileWords) {
    section(value, keys::SINGLE_PEER, file, words);
    let (Some((address, node)), Some((port, _))) = (scalar(value, "address"), scalar(value, "port")) else { return };
    if let (Some((ip, BGP_PORT)), Some(port)) =
        (parse_address(address), decimal(port).and_then(|n| u16::try_from(n).ok()))
    {
        let at = std::net::SocketAddr::new(ip, if port == 0 { BGP_PORT } else { port });
        words.set(&PEER_ADDRESS, at.to_string(), file.place(node));
    }
}

fn peer(node: &Node, file: &Source, words: &mut FileWords) -> Option<FilePeer> {
    let before = words.mistakes.len();
    section(node, PEER, file, words);
    let mut reader = PeerReader { node, file, words };
    let (host, mut port) = match reader.host() {
        Some((host, port)) => (Some(host), port),
        None => (None, BGP_PORT),
    };
    if let Some(given) =
        reader.read("port", |text| decimal(text).and_then(|n| u16::try_from(n).ok()), "expected 1 to 65535")
        && given != 0
    {
        port = given;
    }
    let asn = reader.asn(host.as_ref());
    let multihop = reader.read("multiHop", go_bool, "expected true or false").unwrap_or_default();
    let password = reader.password();
    let (mpbgp, bfd) = (reader.mpbgp(), reader.bfd());
    let host = host.filter(|_| words.mistakes.len() == before)?;
    Some(FilePeer { place: file.place(node), host, port, asn, password, multihop, mpbgp, bfd, settings: Vec::new() })
}

struct PeerReader<'a> {
    node: &'a Node,
    file: &'a Source,
    words: &'a mut FileWords,
}

impl PeerReader<'_> {
    fn place(&self, node: &Node) -> Place {
        self.file.place(node)
    }

    fn read<T>(&mut self, key: &str, read: impl Fn(&str) -> Option<T>, expected: &str) -> Option<T> {
        let (text, node) = scalar(self.node, key)?;
        let value = read(text);
        if value.is_none() {
            self.words.mistake(&self.place(node), format!("is not one (not shown); {expected}"));
        }
        value
    }

    fn host(&mut self) -> Option<(PeerHost, u16)> {
        match (scalar(self.node, "address"), scalar(self.node, "interface")) {
            (Some((address, node)), _) => {
                let host = parse_address(address).map(|(ip, port)| (PeerHost::Address(ip), port));
                if host.is_none() {
                    self.words
                        .mistake(&self.place(node), "is not an IP address (not shown); host names are not supported");
                }
                host
            }
            (None, Some((name, _))) if is_interface_name(name) => {
                Some((PeerHost::Interface(name.to_owned()), BGP_PORT))
            }
            (None, Some((_, node))) => {
                self.words.mistake(&self.place(node), "is not the name of an interface (not shown)");
                None
            }
            (None, None) => {
                self.words.mistake(&self.place(self.node), "has no address, and no interface");
                None
            }
        }
    }

    fn asn(&mut self, host: Option<&PeerHost>) -> Option<u32> {
        match (scalar(self.node, "as").filter(|(text, _)| *text != "0"), host) {
            (Some((text, node)), _) => {
                let said = before_colon(text);
                asn(text).map_err(|why| self.words.mistake(&self.place(node), format!("AS number {said} {why}"))).ok()
            }
            (None, Some(PeerHost::Address(_))) => {
                self.words.mistake(&self.place(self.node), "has no as; expected the peer's AS number, 1 to 4294967295");
                None
            }
            (None, Some(PeerHost::Interface(_)) | None) => None,
        }
    }

    fn password(&mut self) -> Option<SecretString> {
        let (text, node) = scalar(self.node, "password")?;
        match password_rules(text.as_bytes()) {
            Ok(()) => Some(text.into()),
            Err(why) => {
                self.words.mistake(&self.place(node), why);
                None
            }
        }
    }

    fn mpbgp(&mut self) -> MpBgp {
        let mut given = MpBgp::default();
        for (key, name) in [("mpbgpNexthop", "mpbgp_nexthop"), ("mpbgpIPv4", "mpbgp_ipv4"), ("mpbgpIPv6", "mpbgp_ipv6")]
        {
            let Some((text, node)) = scalar(self.node, key) else { continue };
            if let Err(Wrong::Value(why)) = given.set(name, text) {
                self.words.mistake(&self.place(node), format!("{text:?} {why}"));
            }
        }
        given
    }

    fn bfd(&mut self) -> Option<crate::config::BfdConfig> {
        let (_, node) = scalar(self.node, "bfdEnabled")?;
        // Zero is what Go has where nothing is said.
        let part = |key: &str| scalar(self.node, key).map_or("", |(text, _)| text.trim_start_matches('0'));
        let parts = ["bfdReceiveInterval", "bfdTransmitInterval", "bfdDetectMultiplier"].map(part).join(";");
        let enabled = scalar(self.node, "bfdEnabled").map_or("", |(text, _)| text);
        let place = self.place(node);
        match bfd::parse(&format!("{enabled};{parts}"), false) {
            Ok((bfd, notes)) => {
                notes.into_iter().for_each(|note| self.words.warn(&place, note));
                bfd
            }
            Err(wrong) => {
                wrong.into_iter().for_each(|wrong| self.words.mistake(&place, wrong));
                None
            }
        }
    }
}
