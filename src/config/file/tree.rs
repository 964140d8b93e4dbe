//! A YAML document as a tree in which everything knows where it stands.
//!
//! YAML is what the parser takes as YAML 1.2, of which JSON is a part. What is hostile is refused before it costs
//! anything: by size, by depth, and by the number of nodes that aliases stand for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span};

/// The largest file, in bytes; a ConfigMap can hold no more.
pub(super) const MAX_SIZE: usize = 1 << 20;
/// How deep lists and mappings may stand in each other. Our own form needs seven.
const MAX_DEPTH: usize = 32;
/// How many values and keys there may be, those that aliases stand for and anchors keep included.
const MAX_NODES: usize = 20_000;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub line: usize,
    pub column: usize,
}

/// A value. Not `Debug`: it may be a password.
#[derive(Clone)]
pub(super) struct Node {
    pub at: Position,
    /// The way to it, as in `bgp.peers[0].as`; empty for the document.
    pub path: String,
    pub value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    /// What stands in no quotes and is empty, `~` or `null`.
    Null,
    /// One value, and whether it stands in quotes or as a block, which makes it text whatever it looks like.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    /// In the order of the file; no key is there twice.
    Map(Vec<Entry>),
}

/// A key of a mapping, with its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub key: String,
    pub at: Position,
    pub value: Node,
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub at: Position,
    pub text: String,
}

fn fault(at: Position, text: impl Into<String>) -> Fault {
    Fault { at, text: text.into() }
}

impl Node {
    pub(super) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The value of a key of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    fn size(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| 1 + entry.value.size()).sum::<usize>(),
        }
    }

    /// How many lists and mappings stand in each other here.
    fn depth(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar { .. } => 0,
            Value::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or_default(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or_default(),
        }
    }
}

/// The one document of a file.
///
/// # Errors
/// What is wrong with it: the first thing that ends the reading, or every key that is there twice.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Fault>> {
    if text.len() > MAX_SIZE {
        return Err(vec![fault(Position { line: 1, column: 1 }, "is too large: 1 MiB is the most")]);
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| vec![scan_fault(&error)])?;
        builder.take(event, &span).map_err(|fault| vec![fault])?;
    }
    match builder.root {
        Some(root) if builder.faults.is_empty() => Ok(named(root, String::new())),
        Some(_) => Err(builder.faults),
        None => Err(vec![fault(Position { line: 1, column: 1 }, "is empty; expected a mapping")]),
    }
}

fn node(at: Position, value: Value) -> Node {
    Node { at, path: String::new(), value }
}

/// The tree with the way to each of its values.
fn named(node: Node, path: String) -> Node {
    let value = match node.value {
        Value::List(items) => {
            let named = |(n, item)| named(item, format!("{path}[{n}]"));
            Value::List(items.into_iter().enumerate().map(named).collect())
        }
        Value::Map(entries) => {
            let dot = if path.is_empty() { "" } else { "." };
            let named = |entry: Entry| {
                let value = named(entry.value, format!("{path}{dot}{}", shown_key(&entry.key)));
                Entry { value, ..entry }
            };
            Value::Map(entries.into_iter().map(named).collect())
        }
        value => value,
    };
    Node { at: node.at, path, value }
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

/// The parser's own words have at most one character of the file in them, which is left out too.
fn scan_fault(error: &ScanError) -> Fault {
    let at = Position { line: error.marker().line(), column: error.marker().col() + 1 };
    match error.kind() {
        ErrorKind::UnexpectedCharacter { .. } => fault(at, "is not YAML: an unexpected character"),
        ErrorKind::RecursionLimitExceeded => fault(at, format!("is nested deeper than {MAX_DEPTH} levels")),
        kind => fault(at, format!("is not YAML: {kind}")),
    }
}

/// A list or mapping that is not complete yet.
struct Open {
    node: Node,
    anchor: usize,
    /// A key whose value comes next.
    key: Option<(String, Position)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        let at = position(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                no_tag(tag.is_some(), at)?;
                let value = scalar(text, style, span)?;
                self.add(node(at, value), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                no_tag(tag.is_some(), at)?;
                self.open(node(at, Value::List(Vec::new())), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                no_tag(tag.is_some(), at)?;
                self.open(node(at, Value::Map(Vec::new())), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.add(node, anchor),
                None => Ok(()),
            },
            Event::Alias(id) => {
                let named = self.anchors.get(&id).cloned();
                let node = named.ok_or_else(|| fault(at, "has an alias within what it stands for"))?;
                self.count(node.size(), at)?;
                self.shallow(node.depth(), at)?;
                self.add(node, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(fault(at, "begins a second document; expected one in a file"))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, more: usize, at: Position) -> Result<(), Fault> {
        self.nodes += more;
        if self.nodes > MAX_NODES { Err(fault(at, format!("has more than {MAX_NODES} values"))) } else { Ok(()) }
    }

    /// Refuses so many levels more.
    fn shallow(&self, more: usize, at: Position) -> Result<(), Fault> {
        if self.open.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        Err(fault(at, format!("is nested deeper than {MAX_DEPTH} levels")))
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        // A mapping is no key, and is refused before it is built.
        if self.open.last().is_some_and(|open| open.key.is_none() && matches!(open.node.value, Value::Map(_))) {
            return Err(fault(node.at, "has a key that is a list or a mapping; expected text"));
        }
        self.shallow(1, node.at)?;
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.count(1, node.at)?;
        if anchor != 0 {
            self.count(node.size(), node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(Open { node: Node { value, .. }, key, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (value, key.take()) {
            (Value::Map(entries), Some((name, at))) => {
                match entries.iter().find(|entry| entry.key == name) {
                    Some(first) => {
                        let text =
                            format!("the key {} is there twice, first in line {}", shown_key(&name), first.at.line);
                        self.faults.push(fault(at, text));
                    }
                    None => entries.push(Entry { key: name, at, value: node }),
                }
                Ok(())
            }
            (Value::Map(_), None) => match node.value {
                Value::Scalar { text, .. } => {
                    *key = Some((text, node.at));
                    Ok(())
                }
                Value::Null | Value::List(_) | Value::Map(_) => Err(fault(node.at, "has a key that is no text")),
            },
            (Value::List(items), _) => {
                items.push(node);
                Ok(())
            }
            (Value::Null | Value::Scalar { .. }, _) => Ok(()),
        }
    }
}

fn no_tag(tagged: bool, at: Position) -> Result<(), Fault> {
    if tagged {
        Err(fault(at, "has a YAML tag (\"!…\"); expected the value alone, in quotes where it is text"))
    } else {
        Ok(())
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, span: &Span) -> Result<Value, Fault> {
    let quoted = style != ScalarStyle::Plain;
    // Two lines run into one where a colon or its space is missing, and then a password may be part of any value.
    if !quoted && span.start.line() != span.end.line() && !text.is_empty() {
        return Err(fault(
            position(span),
            "goes on in the next line; put it in quotes, or set a space behind the colon",
        ));
    }
    Ok(match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" if !quoted => Value::Null,
        _ => Value::Scalar { text: text.into_owned(), quoted },
    })
}

/// A key as messages may show it: where a colon stands without a space behind it, a key has a password in it.
pub(super) fn shown_key(key: &str) -> &str {
    let is_word =
        (1..=63).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
    if is_word { key } else { "(not shown)" }
}

#[cfg(test)]
mod tests;
