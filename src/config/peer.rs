//! Peers as text: `host:AS[:password[:multihop[:port[:mpbgp[:bfd]]]]]`, `unnumbered:interface` as the host, and the
//! older forms of kube-vip.
//!
//! A password with a comma or a colon tears the text apart, so its pieces can turn up in any later field, and behind
//! a comma as a peer of their own. From the first password on, what follows is therefore never quoted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use secrecy::SecretString;

use super::mpbgp::{MpBgp, Wrong};
use super::scalar::{decimal, go_bool, is_interface_name};
use super::{BfdConfig, PeerHost, bfd};

/// BGP's port (RFC 4271 §8.2.1).
pub(super) const BGP_PORT: u16 = 179;

/// One peer of a list, as the text has it.
#[derive(Clone, Debug)]
pub(super) struct PeerText {
    pub host: PeerHost,
    /// `None`: any but ours.
    pub asn: Option<u32>,
    /// Empty in the text means none.
    pub password: Option<SecretString>,
    pub multihop: bool,
    pub port: u16,
    pub mpbgp: MpBgp,
    /// BFD with it; `None`: the hold time alone.
    pub bfd: Option<BfdConfig>,
    /// What should be said of it.
    pub notes: Vec<String>,
}

/// The peers of a list, each good or with all that is wrong with it. Empty pieces count for nothing.
pub(super) fn parse_list(text: &str) -> Vec<Result<PeerText, Vec<String>>> {
    let mut hidden = false;
    let mut peers = Vec::new();
    for piece in text.split(',').map(str::trim_start).filter(|piece| !piece.is_empty()) {
        peers.push(parse(piece, hidden));
        hidden |= has_password(piece);
    }
    peers
}

/// Whether anything stands where a password would, or might where the host is not one.
fn has_password(piece: &str) -> bool {
    host(piece, true).map_or(true, |(_, rest)| rest.split(':').nth(1).is_some_and(|field| !field.is_empty()))
}

fn parse(piece: &str, hidden: bool) -> Result<PeerText, Vec<String>> {
    // v0.8.10 to v1.2.1 put the MP-BGP options behind a slash; IPv6 values have colons there.
    let (piece, old_options) = match piece.split_once("/mpbgp_") {
        Some((before, _)) => (before, piece.get(before.len() + 1..)),
        None => (piece, None),
    };
    let (host, rest) = host(piece, hidden).map_err(|wrong| vec![wrong])?;
    let fields = fields(rest);
    let field = |n: usize| fields.get(n).copied().unwrap_or("");
    let quote = Quote { hidden: hidden || !field(1).is_empty() };

    let mut wrong = Vec::new();
    let mut keep = |result: Result<(), String>| wrong.extend(result.err());
    let asn = match field(0) {
        "" if host.address().is_none() => Ok(None),
        "" => Err("AS number is missing; expected host:AS, AS 1 to 4294967295".to_owned()),
        text => asn(text).map(Some).map_err(|why| format!("AS number {} {why}", Quote { hidden }.of(text))),
    };
    let multihop = multihop(field(2).trim_end(), &quote);
    let port = port(field(3).trim_end(), &quote);
    let mut mpbgp = MpBgp::default();
    keep(options(field(4).trim_end(), &quote, &mut mpbgp));
    keep(options(old_options.unwrap_or("").trim_end(), &quote, &mut mpbgp));
    if fields.len() > 6 {
        keep(Err("has more than 7 fields; a password cannot hold a colon here: use --peerPassFile".to_owned()));
    }
    let password = if field(1).is_empty() { None } else { Some(SecretString::from(field(1))) };
    keep(password_rules(field(1).as_bytes()));
    let (bfd, mut notes) = bfd::parse(field(5).trim_end(), quote.hidden).unwrap_or_else(|mistakes| {
        wrong.extend(mistakes);
        (None, Vec::new())
    });
    if field(1).starts_with(char::is_whitespace) || field(1).ends_with(char::is_whitespace) {
        notes.push("the password begins or ends with white space, which is part of it".to_owned());
    }
    match (asn, multihop, port) {
        (Ok(asn), Ok(multihop), Ok(port)) if wrong.is_empty() => {
            Ok(PeerText { host, asn, password, multihop, port, mpbgp, bfd, notes })
        }
        (asn, multihop, port) => {
            let fields = [asn.err(), multihop.err(), port.err()];
            Err(fields.into_iter().flatten().chain(wrong).collect())
        }
    }
}

/// How a field is named in a message: as it stands, or not at all where it may be part of a password.
struct Quote {
    hidden: bool,
}

impl Quote {
    fn of(&self, text: &str) -> String {
        if self.hidden { "(not shown)".to_owned() } else { format!("{text:?}") }
    }
}

const BRACKETS: &str = "an IPv6 address stands in brackets: [2001:db8::1]:65001";

/// The fields behind the host. An IPv6 address among the MP-BGP options has colons of its own, which kube-vip takes for
/// the ends of fields: there the last field is BFD only if it looks like it.
fn fields(rest: &str) -> Vec<&str> {
    const MPBGP: usize = 4;
    let mut fields: Vec<&str> = rest.splitn(MPBGP + 1, ':').collect();
    let Some(last) = fields.pop() else { return fields };
    if fields.len() < MPBGP || !last.contains("mpbgp_") {
        fields.extend(last.split(':'));
        return fields;
    }
    let is_bfd = |text: &&str| text.contains(';') && !text.contains('=');
    match last.rsplit_once(':').filter(|(_, bfd)| is_bfd(bfd) || bfd.is_empty()) {
        Some((options, bfd)) => fields.extend([options, bfd]),
        None => fields.push(last),
    }
    fields
}

/// The host and what follows its colon.
pub(super) fn host(piece: &str, hidden: bool) -> Result<(PeerHost, &str), String> {
    match piece.strip_prefix("unnumbered:") {
        Some(rest) => interface(rest, hidden),
        None => address(piece, hidden).map(|(address, rest)| (PeerHost::Address(address), rest)),
    }
}

fn interface(text: &str, hidden: bool) -> Result<(PeerHost, &str), String> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let name = name.trim_end();
    if is_interface_name(name) {
        return Ok((PeerHost::Interface(name.to_owned()), rest));
    }
    Err(format!("{} is not the name of an interface; expected unnumbered:eth0", Quote { hidden }.of(name)))
}

fn address(piece: &str, hidden: bool) -> Result<(IpAddr, &str), String> {
    let quote = Quote { hidden };
    let Some(bracketed) = piece.strip_prefix('[') else {
        let (host, rest) = piece.split_once(':').unwrap_or((piece, ""));
        let host = host.trim_end();
        return match host.parse::<Ipv4Addr>() {
            Ok(ip) => Ok((ip.into(), rest)),
            Err(_) if looks_like_ipv6(piece, host) => Err(BRACKETS.to_owned()),
            Err(_) => Err(format!("{} is not an IP address; host names are not supported", quote.of(host))),
        };
    };
    let Some((host, rest)) = bracketed.split_once(']') else {
        return Err(format!("\"[\" without \"]\"; {BRACKETS}"));
    };
    // What is in the brackets is not quoted: with all of a peer in them it would be the password too.
    if host.contains('%') {
        return Err("has a zone in the brackets; use --sourceIF for a link-local peer".to_owned());
    }
    let Ok(ip) = host.parse::<Ipv6Addr>() else {
        return Err(format!("has no IPv6 address in the brackets; {BRACKETS}"));
    };
    match rest.strip_prefix(':') {
        Some(rest) => Ok((ip.into(), rest)),
        None if rest.trim_end().is_empty() => Ok((ip.into(), "")),
        None => Err("has something between \"]\" and \":\"; expected [2001:db8::1]:65001".to_owned()),
    }
}

fn looks_like_ipv6(piece: &str, host: &str) -> bool {
    host.len() <= 4 && host.bytes().all(|b| b.is_ascii_hexdigit()) && piece.bytes().filter(|b| *b == b':').count() >= 2
}

/// An AS number that a speaker may have.
///
/// # Errors
/// What is wrong with it, as a fragment that fits after "AS number …".
pub fn asn(text: &str) -> Result<u32, &'static str> {
    match decimal(text.trim_end()).map(u32::try_from) {
        Some(Ok(0)) => Err("is reserved (RFC 7607); expected 1 to 4294967295"),
        Some(Ok(23456)) => Err("is AS_TRANS, a stand-in for 4-octet numbers (RFC 6793 §9); give the real number"),
        Some(Ok(n)) => Ok(n),
        Some(Err(_)) | None => Err("is not one; expected 1 to 4294967295, in plain decimal"),
    }
}

/// A wrong value for a message. Behind its first colon there may be a password: it may be a peer as
/// `host:AS:password`.
pub(crate) fn before_colon(text: &str) -> String {
    match text.split_once(':') {
        Some((head, _)) => format!("{head:?} and more (not shown)"),
        None => format!("{text:?}"),
    }
}

fn multihop(text: &str, quote: &Quote) -> Result<bool, String> {
    if text.is_empty() {
        return Ok(false);
    }
    go_bool(text).ok_or_else(|| format!("multihop {} is not true or false{}", quote.of(text), torn(quote)))
}

fn port(text: &str, quote: &Quote) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(BGP_PORT);
    }
    match decimal(text).map(u16::try_from) {
        Some(Ok(n)) if n > 0 => Ok(n),
        _ => Err(format!("port {} is not one; expected 1 to 65535{}", quote.of(text), torn(quote))),
    }
}

/// The remedy where a password may have torn the fields apart.
fn torn(quote: &Quote) -> &'static str {
    if quote.hidden { "; a password with a colon or a comma cannot stand here: use --peerPassFile" } else { "" }
}

/// `key=value;…` for MP-BGP next hops.
fn options(text: &str, quote: &Quote, mpbgp: &mut MpBgp) -> Result<(), String> {
    for option in text.split(';').filter(|_| !text.is_empty()) {
        let Some((key, value)) = option.split_once('=').filter(|(_, value)| !value.is_empty()) else {
            return Err(format!("{} is missing a value (expected key=value)", quote.of(option)));
        };
        mpbgp.set(key, value).map_err(|wrong| match wrong {
            Wrong::Key => {
                format!("{} is not supported; expected mpbgp_nexthop, mpbgp_ipv4 or mpbgp_ipv6", quote.of(key))
            }
            Wrong::Value(why) => format!("{key} {} {why}", quote.of(value)),
        })?;
    }
    Ok(())
}

/// What TCP-MD5 takes as a key: up to 80 bytes (`TCP_MD5SIG_MAXKEYLEN`), none of them NUL. Empty text is no key.
///
/// # Errors
/// What is wrong with it; nothing of it is in the text.
pub fn password_rules(bytes: &[u8]) -> Result<(), String> {
    if bytes.contains(&0) {
        return Err("the password has a NUL byte in it".to_owned());
    }
    if bytes.len() > 80 {
        return Err(format!("the password has {} bytes; TCP-MD5 takes 80 at most", bytes.len()));
    }
    Ok(())
}

/// The address of a peer that stands alone: `IP`, `IPv4:port`, `[IPv6]`, `[IPv6]:port`.
pub(super) fn parse_address(text: &str) -> Option<(IpAddr, u16)> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(ip) = bare {
        return ip.parse::<Ipv6Addr>().ok().map(|ip| (ip.into(), BGP_PORT));
    }
    if let Ok(ip) = text.parse() {
        return Some((ip, BGP_PORT));
    }
    // Zones are refused: a link-local peer is reached through --sourceIF.
    if text.contains('%') {
        return None;
    }
    text.parse::<SocketAddr>().ok().filter(|at| at.port() != 0).map(|at| (at.ip(), at.port()))
}

#[cfg(test)]
mod tests;
