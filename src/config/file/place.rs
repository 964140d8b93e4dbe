//! Where something stands in a file.

use std::fmt;
use std::sync::Arc;

use super::tree::{Entry, Node, Position};

/// A place in a configuration file, as every message about the file names it. Never holds the text that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// The way to the key, as in `bgp.peers[0].as`; empty for the file itself.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key } = self;
        write!(f, "{file}:{line}:{column}")?;
        if key.is_empty() { Ok(()) } else { write!(f, " {key}") }
    }
}

/// The file that a tree is from.
#[derive(Clone)]
pub(super) struct Source(pub Arc<str>);

impl Source {
    pub(super) fn place(&self, node: &Node) -> Place {
        self.at(node.at, &node.path)
    }

    /// The place of a key, not of its value.
    pub(super) fn key(&self, entry: &Entry) -> Place {
        self.at(entry.at, &entry.value.path)
    }

    pub(super) fn at(&self, Position { line, column }: Position, key: &str) -> Place {
        Place { file: Arc::clone(&self.0), line, column, key: key.to_owned() }
    }
}
