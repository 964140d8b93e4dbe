//! Peers without their passwords: what of `--bgppeers` and `--bgpPeerOptions` may be written where everybody reads it.

use std::net::IpAddr;

use super::PeerHost;
use super::peer::{BGP_PORT, host, parse_list};

/// A list of peers that holds no password any more, and whose are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The list; all else stands as it was given.
    pub peers: String,
    /// Who has a password, each as `--bgpPeerOptions` selects it: the host alone where that names one peer.
    pub owners: Vec<String>,
}

/// Takes the passwords out of a list of peers (`--bgppeers`).
///
/// # Errors
/// All that is wrong with the list, without a word of any password.
pub fn without_passwords(text: &str) -> Result<Withheld, Vec<String>> {
    let (mut hosts, mut wrong) = (Vec::new(), Vec::new());
    for (n, peer) in (1..).zip(parse_list(text)) {
        match peer {
            Ok(peer) => hosts.push((peer.host, peer.port, peer.password.is_some())),
            Err(why) => wrong.extend(why.into_iter().map(|why| format!("peer {n}: {why}"))),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let several = |wanted: &PeerHost| hosts.iter().filter(|(host, ..)| host == wanted).count() > 1;
    let with_one = hosts.iter().filter(|(.., has_password)| *has_password);
    let owners = with_one.map(|(host, port, _)| selector(host, *port, several(host))).collect();
    let pieces = text.split(',').map(str::trim_start).filter(|piece| !piece.is_empty());
    Ok(Withheld { peers: pieces.map(blank).collect::<Vec<_>>().join(","), owners })
}

/// How `--bgpPeerOptions` names this peer.
fn selector(host: &PeerHost, port: u16, several: bool) -> String {
    match host {
        PeerHost::Interface(name) => format!("unnumbered:{name}"),
        PeerHost::Address(_) if several || port != BGP_PORT => format!("{host}:{port}"),
        PeerHost::Address(address) => address.to_string(),
    }
}

/// One good peer without its password.
fn blank(piece: &str) -> String {
    let (body, options) = piece.find("/mpbgp_").map_or((piece, ""), |at| piece.split_at(at));
    let Ok((_, rest)) = host(body, true) else { return String::new() };
    let head = body.strip_suffix(rest).unwrap_or_default();
    let mut fields = rest.splitn(3, ':');
    let asn = fields.next().unwrap_or_default();
    match (fields.next(), fields.next()) {
        (_, Some(others)) => format!("{head}{asn}::{others}{options}"),
        (_, None) => format!("{head}{asn}{options}"),
    }
}

/// `--bgpPeerOptions` with a password file for one more peer: in the item that selects it alone, or in one of its own.
#[must_use]
pub fn with_password_file(options: &str, selector: &str, file: &str) -> String {
    let mut items: Vec<String> =
        options.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
    let is_it = |item: &&mut String| canonical(item.split(';').next().unwrap_or_default()) == canonical(selector);
    match items.iter_mut().find(is_it) {
        Some(item) => item.push_str(&format!(";password-file={file}")),
        None => items.push(format!("{selector};password-file={file}")),
    }
    items.join(",")
}

/// A selector in the one form that two of the same peer share.
fn canonical(selector: &str) -> String {
    let text = selector.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => text.strip_prefix("unnumbered:").unwrap_or(text).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_taken_out_and_nothing_else() {
        let text = "10.0.0.1:65001:a secret:true:1179, [2001:db8::1]:65001:other,10.0.0.2:65002,unnumbered:eth1::third,\
                    10.0.0.3:65003:p:false/mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::9,10.0.0.1:65001:one::1180,10.0.0.4:1::true";
        let expected = Withheld {
            peers: "10.0.0.1:65001::true:1179,[2001:db8::1]:65001,10.0.0.2:65002,unnumbered:eth1:,\
                    10.0.0.3:65003::false/mpbgp_nexthop=fixed;mpbgp_ipv6=2001:db8::9,10.0.0.1:65001:::1180,10.0.0.4:1::true"
                .to_owned(),
            owners: ["10.0.0.1:1179", "2001:db8::1", "unnumbered:eth1", "10.0.0.3", "10.0.0.1:1180"]
                .map(str::to_owned)
                .to_vec(),
        };
        assert_eq!(without_passwords(text), Ok(expected.clone()));
        let again = without_passwords(&expected.peers).unwrap();
        assert_eq!((again.peers, again.owners), (expected.peers, vec![]));
    }

    #[test]
    fn what_is_wrong_is_said_without_a_password() {
        let wrong = without_passwords("10.0.0.1:65001:pass,word:false").unwrap_err();
        assert_eq!(wrong, ["peer 2: (not shown) is not an IP address; host names are not supported"]);
    }

    #[test]
    fn a_password_file_joins_the_peers_own_item() {
        let file = |options, selector| with_password_file(options, selector, "/k");
        assert_eq!(file("", "10.0.0.1"), "10.0.0.1;password-file=/k");
        assert_eq!(file("*;bfd, [2001:db8::1];med=1", "2001:db8::1"), "*;bfd,[2001:db8::1];med=1;password-file=/k");
        assert_eq!(file("eth1;med=1", "unnumbered:eth1"), "eth1;med=1;password-file=/k");
        assert_eq!(file("10.0.0.1;med=1", "10.0.0.1:1179"), "10.0.0.1;med=1,10.0.0.1:1179;password-file=/k");
    }
}
