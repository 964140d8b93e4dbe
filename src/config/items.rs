//! Lists of `SELECTOR;key=value;key`: which peer or VIP is meant, and what is set for it.
//!
//! A peer of `--bgppeers` may be given here by mistake, password and all, or a password as a key that there is not; with
//! a comma or a semicolon in it, it is torn, and its end stands where a selector or a key does. What may be one is
//! therefore not quoted: an item is called by its number unless its selector is an address or the like.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::peer::parse_address;
use super::scalar::is_interface_name;
use super::settings::{KEYS, Key, Setting};

/// What an item sets, by key.
pub(super) type Settings = BTreeMap<&'static str, Setting>;

/// One item of a list, its selector not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub selector: &'a str,
    /// How messages call it: never by what may be a password.
    pub label: String,
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
    let mut hidden = false;
    for (n, item) in (1..).zip(text.split(',').map(str::trim).filter(|item| !item.is_empty())) {
        match parse_item(n, item, of, &mut hidden) {
            Ok(item) => items.push(item),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    (items, mistakes)
}

/// Item number `n`; `hidden`: a password may have been torn before here, or is from here on.
fn parse_item<'a>(n: usize, text: &'a str, of: Of, hidden: &mut bool) -> Result<Item<'a>, Vec<String>> {
    let mut pieces = text.split(';').map(str::trim);
    let selector = pieces.next().unwrap_or_default();
    let label = if is_harmless(selector) { format!("{selector:?}") } else { format!("item {n}") };
    *hidden |= selector.contains(':') && !is_harmless(selector);
    let mut settings = Settings::new();
    let mut mistakes = Vec::new();
    let mut any = false;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        any = true;
        match parse_setting(piece, of, hidden) {
            Ok((key, setting)) => {
                if settings.insert(key, setting).is_some() {
                    mistakes.push(format!("{label}: {key} is there twice"));
                }
            }
            Err(wrong) => mistakes.push(format!("{label}: {wrong}")),
        }
    }
    if !any {
        let shape = match of {
            Of::Peers => "PEER;key=value",
            Of::Vips => "VIP;key=value",
        };
        mistakes.push(format!("{label} sets nothing; expected {shape}, and no comma or semicolon in a value"));
    }
    if mistakes.is_empty() { Ok(Item { selector, label, settings }) } else { Err(mistakes) }
}

/// Whether a selector can be quoted: `*`, an address, one with a port or a prefix length, `unnumbered:INTERFACE`. The name
/// of an interface alone looks like any word.
fn is_harmless(selector: &str) -> bool {
    let is_prefix = |(address, len): (&str, &str)| address.parse::<IpAddr>().is_ok() && len.parse::<u8>().is_ok();
    selector == "*"
        || parse_address(selector).is_some()
        || selector.split_once('/').is_some_and(is_prefix)
        || selector.strip_prefix("unnumbered:").is_some_and(is_interface_name)
}

fn parse_setting(piece: &str, of: Of, hidden: &mut bool) -> Result<(&'static str, Setting), String> {
    let (name, value) = match piece.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (piece, None),
    };
    let key = of.keys().find(|key| key.name == name).ok_or_else(|| {
        let is_far = KEYS.iter().all(|key| distance(name, key.name) > NEAR);
        let wrong = unknown(name, of, *hidden);
        // Its value may be a password, and no letter more of it is shown.
        *hidden |= value.is_some() && is_far;
        wrong
    })?;
    match value.or(key.bare) {
        None | Some("") => Err(format!("{name} has no value; expected {name}={}", key.value)),
        Some(value) => (key.read)(value).map(|read| (key.name, read)).map_err(|why| format!("{name} {value:?} {why}")),
    }
}

/// So many wrong letters are taken for a slip.
pub(super) const NEAR: usize = 2;

fn unknown(name: &str, of: Of, hidden: bool) -> String {
    if of == Of::Vips && KEYS.iter().any(|key| key.name == name) {
        return format!("{name} is for peers: give it in --bgpPeerOptions");
    }
    let near = of.keys().map(|key| (distance(name, key.name), key.name)).min().filter(|(far, _)| *far <= NEAR);
    let all = || of.keys().map(|key| key.name).collect::<Vec<_>>().join(", ");
    match near {
        _ if hidden => format!("unknown key (not shown); expected one of {}", all()),
        Some((_, near)) => format!("unknown key {name:?}; did you mean {near}?"),
        None => format!("unknown key {name:?}; expected one of {}", all()),
    }
}

/// Letters to change, add or leave out (Levenshtein).
pub(crate) fn distance(a: &str, b: &str) -> usize {
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
