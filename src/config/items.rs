//! Lists of `SELECTOR;key=value;key`: which peer or VIP is meant, and what is set for it.

use std::collections::BTreeMap;

use super::settings::{KEYS, Key, Setting};

/// What an item sets, by key.
pub(super) type Settings = BTreeMap<&'static str, Setting>;

/// One item of a list, its selector not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub selector: &'a str,
    pub settings: Settings,
}

/// Whose options a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Peers,
    Vips,
}

impl Of {
    fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| self == Self::Peers || key.of_vip)
    }
}

/// The items that have no mistake, and the mistakes of the others.
pub(super) fn parse(text: &str, of: Of) -> (Vec<Item<'_>>, Vec<String>) {
    let (mut items, mut mistakes) = (Vec::new(), Vec::new());
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match parse_item(item, of) {
            Ok(item) => items.push(item),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    (items, mistakes)
}

fn parse_item(text: &str, of: Of) -> Result<Item<'_>, Vec<String>> {
    let mut pieces = text.split(';').map(str::trim);
    let selector = pieces.next().unwrap_or_default();
    let mut settings = Settings::new();
    let mut mistakes = Vec::new();
    let mut any = false;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        any = true;
        match parse_setting(piece, of) {
            Ok((key, setting)) => {
                if settings.insert(key, setting).is_some() {
                    mistakes.push(format!("{selector:?}: {key} is there twice"));
                }
            }
            Err(wrong) => mistakes.push(format!("{selector:?}: {wrong}")),
        }
    }
    if !any {
        let shape = match of {
            Of::Peers => "PEER;key=value",
            Of::Vips => "VIP;key=value",
        };
        mistakes.push(format!("{selector:?} sets nothing; expected {shape}, and no comma or semicolon in a value"));
    }
    if mistakes.is_empty() { Ok(Item { selector, settings }) } else { Err(mistakes) }
}

fn parse_setting(piece: &str, of: Of) -> Result<(&'static str, Setting), String> {
    let (name, value) = match piece.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (piece, None),
    };
    let key = of.keys().find(|key| key.name == name).ok_or_else(|| unknown(name, of))?;
    match value.or(key.bare) {
        None | Some("") => Err(format!("{name} has no value; expected {name}={}", key.value)),
        Some(value) => (key.read)(value).map(|read| (key.name, read)).map_err(|why| format!("{name} {value:?} {why}")),
    }
}

fn unknown(name: &str, of: Of) -> String {
    if of == Of::Vips && KEYS.iter().any(|key| key.name == name) {
        return format!("{name} is for peers: give it in --bgpPeerOptions");
    }
    let near = of.keys().map(|key| (distance(name, key.name), key.name)).min().filter(|(far, _)| *far <= 2);
    match near {
        Some((_, near)) => format!("unknown key {name:?}; did you mean {near}?"),
        None => {
            let all: Vec<&str> = of.keys().map(|key| key.name).collect();
            format!("unknown key {name:?}; expected one of {}", all.join(", "))
        }
    }
}

/// Letters to change, add or leave out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (n, letter) in (1..).zip(a.chars()) {
        let mut next = vec![n];
        for ((other, left_above), above) in b.chars().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((left_above + usize::from(letter != other)).min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
