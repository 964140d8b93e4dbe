//! What a value of our own form may look like: one description from which the check of a file and the JSON schema come.

use super::tree::{Entry, Node, Value};
use crate::config::items::{NEAR, distance};
use crate::config::scalar::decimal;

/// The form of a value.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// `true` or `false`, without quotes.
    Switch,
    /// A number of decimal digits, in quotes or not.
    Number { from: u64, to: u64 },
    /// Such a number, or this word.
    NumberOr { from: u64, to: u64, word: &'static str },
    /// Text; what YAML takes for something else stands in quotes.
    Text,
    /// Text that is never shown.
    Secret,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list; with `alone` one value may stand for a list of one.
    List { of: &'static Form, least: usize, alone: bool },
    /// A list of what is merged over other values: nothing is required there, and `null` takes away what is there.
    Patches(&'static Form),
    /// Either of two forms, told apart by whether it is a mapping.
    TextOr(&'static Form),
    /// A mapping with these keys and no others.
    Keys(&'static [&'static [Field]]),
    /// A mapping of any keys to text.
    Labels,
}

/// A key of a mapping.
pub(super) struct Field {
    pub key: &'static str,
    pub form: Form,
    pub target: Target,
    /// What it is for, one line. Empty where that is what its option or setting says.
    pub help: &'static str,
    pub required: bool,
}

/// What a key sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The option of this flag.
    Option(&'static str),
    /// The key of this name of `--bgpPeerOptions` and `--vipOptions`.
    Setting(&'static str),
    /// Something of its own.
    Own,
}

/// Something wrong with a value, or with a key of it.
pub(super) struct Misfit<'a> {
    /// Where; of a key its own place.
    pub node: &'a Node,
    pub key: Option<&'a Entry>,
    pub text: String,
}

impl Form {
    /// The keys, where it is a mapping of known ones.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static Field> {
        let groups: &'static [&'static [Field]] = if let Self::Keys(groups) = self { groups } else { &[] };
        groups.iter().flat_map(|group| group.iter())
    }

    /// All that is wrong with a value. In a `patch` nothing is required, and `null` takes away what is there.
    pub(super) fn check<'a>(&self, node: &'a Node, patch: bool, found: &mut Vec<Misfit<'a>>) {
        let mut misfit = |text: String| found.push(Misfit { node, key: None, text });
        match (self, &node.value) {
            (_, Value::Null) if patch => {}
            (_, Value::Null) => misfit(format!("has no value; expected {}", self.expected())),
            (Self::TextOr(_), Value::Scalar { .. }) => Self::Text.check(node, patch, found),
            (Self::TextOr(form), _) => form.check(node, patch, found),
            (Self::Keys(_), Value::Map(entries)) => self.check_keys(node, entries, patch, found),
            (Self::Labels, Value::Map(entries)) => {
                entries.iter().for_each(|entry| Self::Text.check(&entry.value, false, found));
            }
            (Self::List { of, least, .. }, Value::List(items)) => {
                if items.len() < *least {
                    misfit(format!("is empty; expected {}", self.expected()));
                }
                items.iter().for_each(|item| of.check(item, false, found));
            }
            (Self::Patches(of), Value::List(items)) => items.iter().for_each(|item| of.check(item, true, found)),
            (Self::List { of, alone: true, .. }, Value::Scalar { .. }) => of.check(node, patch, found),
            (_, Value::Scalar { text, quoted }) => {
                if let Some(wrong) = self.misfit(text, *quoted) {
                    misfit(wrong);
                }
            }
            (_, Value::List(_)) => misfit(format!("is a list; expected {}", self.expected())),
            (_, Value::Map(_)) => misfit(format!("is a mapping; expected {}", self.expected())),
        }
    }

    fn check_keys<'a>(&self, node: &'a Node, entries: &'a [Entry], patch: bool, found: &mut Vec<Misfit<'a>>) {
        for entry in entries {
            match self.fields().find(|field| field.key == entry.key) {
                Some(field) => field.form.check(&entry.value, patch, found),
                None => {
                    let text = format!("unknown key{}", self.suggestion(&entry.key));
                    found.push(Misfit { node: &entry.value, key: Some(entry), text });
                }
            }
        }
        let missing = self.fields().filter(|field| field.required && !patch && node.get(field.key).is_none());
        for field in missing {
            let text = format!("has no {}; expected {}", field.key, field.form.expected());
            found.push(Misfit { node, key: None, text });
        }
    }

    /// What to say behind "unknown key".
    fn suggestion(&self, key: &str) -> String {
        let keys: Vec<&str> = self.fields().map(|field| field.key).collect();
        let same = keys.iter().find(|known| known.eq_ignore_ascii_case(key));
        let near = keys.iter().map(|known| (distance(key, known), *known)).min().filter(|(far, _)| *far <= NEAR);
        match (same.copied(), near) {
            (Some(known), _) | (None, Some((_, known))) => format!("; did you mean {known}?"),
            (None, None) => format!("; expected one of {}", keys.join(", ")),
        }
    }

    /// What is wrong with a single value, if anything.
    fn misfit(&self, text: &str, quoted: bool) -> Option<String> {
        let expected = || self.expected();
        match self {
            Self::Switch if quoted => Some(format!("is text, as it stands in quotes; expected {}", expected())),
            Self::Switch => {
                (!is_switch(text)).then(|| format!("{} is not a boolean; expected {}", shown(text), expected()))
            }
            Self::Number { from, to } => {
                (!is_number(text, *from, *to)).then(|| format!("{} is none; expected {}", shown(text), expected()))
            }
            Self::NumberOr { from, to, word } => {
                let fits = text == *word || is_number(text, *from, *to);
                (!fits).then(|| format!("{} is neither; expected {}", shown(text), expected()))
            }
            Self::Text | Self::Secret if text.is_empty() => Some(format!("is empty; expected {}", expected())),
            Self::Text | Self::Secret => {
                let what = if quoted { None } else { not_text(text) };
                what.map(|what| format!("is {what} as YAML has it; put it in quotes"))
            }
            Self::Word(words) => {
                (!words.contains(&text)).then(|| format!("{} is none; expected {}", shown(text), expected()))
            }
            Self::List { .. } | Self::Patches(_) | Self::TextOr(_) | Self::Keys(_) | Self::Labels => {
                Some(format!("is a single value; expected {}", expected()))
            }
        }
    }

    /// What is expected, in words.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Number { from, to } => format!("a number, {from} to {to}"),
            Self::NumberOr { from, to, word } => format!("a number, {from} to {to}, or {word}"),
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Word([only]) => format!("{only:?}"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::List { of, alone: true, .. } => format!("a list, or one alone, of {}", of.expected()),
            Self::List { of, .. } | Self::Patches(of) => format!("a list of {}", of.expected()),
            Self::TextOr(form) => format!("text or {}", form.expected()),
            Self::Keys(_) if self.fields().count() > 8 => "a mapping".to_owned(),
            Self::Keys(_) => {
                let keys: Vec<&str> = self.fields().map(|field| field.key).collect();
                format!("a mapping with {}", keys.join(", "))
            }
            Self::Labels => "a mapping of text to text".to_owned(),
        }
    }
}

/// A value that is wrong; not where it may be part of a password.
fn shown(text: &str) -> String {
    let is_word = text.len() <= 40 && !text.contains([':', ',', ' ']);
    if is_word { format!("{text:?}") } else { "the value (not shown)".to_owned() }
}

pub(super) fn is_switch(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

fn is_number(text: &str, from: u64, to: u64) -> bool {
    decimal(text).is_some_and(|number| (from..=to).contains(&number))
}

/// What YAML 1.2's core schema takes a plain word for, if not for text.
fn not_text(text: &str) -> Option<&'static str> {
    let digits = text.trim_start_matches(['+', '-', '.']);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && (text.parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"));
    match () {
        () if is_switch(text) => Some("a boolean"),
        () if is_number => Some("a number"),
        () => None,
    }
}
