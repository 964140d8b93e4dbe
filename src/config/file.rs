//! Configuration files: kube-vip's of every era, and our own form.
//!
//! A file's text becomes a tree in which everything knows its place ([`tree`]), and the tree becomes words by option,
//! which lie under variables and flags: kube-vip's keys by a table of their own ([`kubevip`]), ours by the table of
//! [`typed`], which is also the JSON schema. Messages name file, line, column and key, and never what stands around.

mod chapter;
mod form;
mod kubevip;
mod place;
mod schema;
mod tree;
mod typed;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::mpbgp::MpBgp;
use super::settings::Setting;
use super::{BfdConfig, Finding, Mistakes, PeerHost};
use crate::vip::Vip;
pub(super) use chapter::chapter;
use form::Misfit;
pub use place::Place;
use place::Source;
pub use schema::schema;
use tree::{Entry, Fault, Node, Position, Value};
pub use words::FileWords;

/// A setting of a peer or a virtual IP, by its key of `--bgpPeerOptions`, and where it stands.
pub(super) type PlacedSetting = (Place, &'static str, Setting);

/// A peer of a file.
#[derive(Clone)]
pub(super) struct FilePeer {
    pub place: Place,
    pub host: PeerHost,
    pub port: u16,
    pub asn: Option<u32>,
    pub password: Option<SecretString>,
    pub multihop: bool,
    pub mpbgp: MpBgp,
    pub bfd: Option<BfdConfig>,
    pub settings: Vec<PlacedSetting>,
}

/// What a virtual IP is announced with.
#[derive(Clone)]
pub(super) struct FileVip {
    pub place: Place,
    pub vip: Vip,
    pub settings: Vec<PlacedSetting>,
}

/// A configuration file that could be read. Not `Debug`: it may hold passwords.
#[derive(Clone)]
pub struct File {
    source: Source,
    root: Node,
    is_ours: bool,
}

impl File {
    /// Reads a file's text; `name` is how messages call the file, and its ending says whether it is to be strict JSON.
    ///
    /// # Errors
    /// Why it is no mapping in YAML or JSON, and where.
    pub fn parse(name: &str, text: &str) -> Result<Self, Mistakes> {
        let source = Source(Arc::from(name));
        let wrong = |faults: Vec<Fault>| {
            let finding = |Fault { at, text }| Finding { subject: source.at(at, "").to_string(), text };
            Mistakes(faults.into_iter().map(finding).collect())
        };
        if Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
            strict_json(text).map_err(|fault| wrong(vec![fault]))?;
        }
        let root = tree::parse(text).map_err(wrong)?;
        if !matches!(root.value, Value::Map(_)) {
            return Err(wrong(vec![Fault { at: root.at, text: "is no mapping of keys to values".to_owned() }]));
        }
        // kube-vip has neither key.
        let is_ours = ["apiVersion", "kind"].iter().any(|key| root.get(key).is_some());
        Ok(Self { source, root, is_ours })
    }

    /// The node's name, where the file says it. It is the same on all nodes that an override may be for.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        let name = if self.is_ours { self.root.get("node")?.get("name")? } else { kubevip::node_name(&self.root)? };
        if let Value::Scalar { text, .. } = &name.value { Some(text) } else { None }
    }

    /// Whether some override is chosen by the labels of the node.
    #[must_use]
    pub fn wants_labels(&self) -> bool {
        self.is_ours && self.overrides().any(|item| item.get("nodeSelector").is_some())
    }

    /// What it says on the node of this name, in lower case, with these labels; an override that is chosen by labels
    /// is left out where they are not known. What is wrong with the file is in the words too.
    #[must_use]
    pub fn words(&self, node: &str, labels: Option<&BTreeMap<String, String>>) -> FileWords {
        if !self.is_ours {
            return kubevip::words(&self.root, &self.source);
        }
        let mut misfits = Vec::new();
        typed::ROOT.check(&self.root, false, &mut misfits);
        let places: Vec<(Place, String)> = misfits.iter().map(|misfit| self.misfit(misfit)).collect();
        let good = without(&self.root, &places).unwrap_or_else(|| self.root.clone());
        let overrides = good.get("overrides").map(Node::items).unwrap_or_default();
        let chosen = overrides.iter().filter(|item| is_for(item, node, labels));
        let merged = chosen.fold(good.clone(), |base, item| merge(Some(base), item));
        let mut words = typed::words(&merged, &self.source);
        words.depends_on_labels = self.wants_labels();
        words.awaits_labels = words.depends_on_labels && labels.is_none();
        let is_new = |(place, _): &(Place, String)| !places.iter().any(|(other, _)| related(&other.key, &place.key));
        words.mistakes.retain(is_new);
        words.mistakes.splice(0..0, places);
        self.overrides().for_each(|item| self.check_override(item, &mut words));
        words
    }

    fn overrides(&self) -> impl Iterator<Item = &Node> {
        self.root.get("overrides").map(Node::items).unwrap_or_default().iter()
    }

    fn misfit(&self, misfit: &Misfit<'_>) -> (Place, String) {
        let place = misfit.key.map_or_else(|| self.source.place(misfit.node), |entry| self.source.key(entry));
        (place, misfit.text.clone())
    }

    fn check_override(&self, item: &Node, words: &mut FileWords) {
        if item.get("nodes").is_none() && item.get("nodeSelector").is_none() {
            words.mistake(&self.source.place(item), "is for no node; give nodes, nodeSelector or both");
        }
        if let Some(name) = item.get("node").and_then(|node| node.get("name")) {
            words.mistake(&self.source.place(name), "cannot be overridden: the overrides are chosen by it");
        }
        if words.awaits_labels && item.get("nodeSelector").is_some() {
            let why = "is for nodes with certain labels, and this node's are not known yet";
            words.warn(&self.source.place(item), why);
        }
    }
}

/// The syntax of JSON, which YAML's is more than.
fn strict_json(text: &str) -> Result<(), Fault> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| ()).map_err(|error| {
        let at = Position { line: error.line().max(1), column: error.column().max(1) };
        let said = error.to_string();
        // It ends in the position, and has nothing of the text in it.
        let why = said.split(" at line ").next().unwrap_or_default();
        Fault { at, text: format!("is not JSON: {why}") }
    })
}

/// Whether one key is part of the other. The whole document is not meant: nothing else is wrong because it lacks a key.
fn related(one: &str, other: &str) -> bool {
    let part = |whole: &str, part: &str| {
        part.strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || (!whole.is_empty() && rest.starts_with(['.', '['])))
    };
    part(one, other) || part(other, one)
}

/// The tree without the values that are wrong; `None`: nothing is left.
fn without(node: &Node, wrong: &[(Place, String)]) -> Option<Node> {
    // A key that is missing is said of its mapping, which stays.
    let is_whole = matches!(node.value, Value::Map(_));
    if !is_whole && wrong.iter().any(|(place, _)| place.key == node.path) {
        return None;
    }
    let value = match &node.value {
        Value::List(items) => Value::List(items.iter().filter_map(|item| without(item, wrong)).collect()),
        Value::Map(entries) => {
            let kept = |entry: &Entry| Some(Entry { value: without(&entry.value, wrong)?, ..entry.clone() });
            Value::Map(entries.iter().filter_map(kept).collect())
        }
        value => value.clone(),
    };
    Some(Node { value, ..node.clone() })
}

/// Whether an override is for this node.
fn is_for(item: &Node, node: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
    let is_text = |node: &Node, wanted: &str| matches!(&node.value, Value::Scalar { text, .. } if text == wanted);
    let named = item.get("nodes").is_none_or(|names| {
        let all = if names.items().is_empty() { std::slice::from_ref(names) } else { names.items() };
        all.iter().any(|name| matches!(&name.value, Value::Scalar { text, .. } if text.to_lowercase() == node))
    });
    let labelled = item.get("nodeSelector").is_none_or(|selector| {
        let has = |entry: &Entry| labels?.get(&entry.key).map(|value| is_text(&entry.value, value));
        selector.entries().iter().all(|entry| has(entry) == Some(true))
    });
    named && labelled
}

/// A patch merged over a value as in RFC 7396: mappings key by key, `null` takes away, all else is replaced whole.
fn merge(base: Option<Node>, patch: &Node) -> Node {
    let Value::Map(changes) = &patch.value else { return patch.clone() };
    let (at, path, mut entries) = match base {
        Some(Node { at, path, value: Value::Map(entries) }) => (at, path, entries),
        _ => (patch.at, patch.path.clone(), Vec::new()),
    };
    for change in changes {
        let index = entries.iter().position(|entry| entry.key == change.key);
        let old = index.map(|index| entries.remove(index).value);
        if !matches!(change.value.value, Value::Null) {
            entries.push(Entry { value: merge(old, &change.value), ..change.clone() });
        }
    }
    Node { at, path, value: Value::Map(entries) }
}
