//! The peers: those of the list, and the one that has options of its own.

use std::net::IpAddr;

use super::bgp::asn;
use super::next_hops;
use super::passwords::password;
use super::provided::{self, State};
use super::reader::Reader;
use super::vips::class;
use crate::config::file::FilePeer;
use crate::config::mpbgp::MpBgp;
use crate::config::options::{
    BGP_PEERS, MULTIHOP, PEER_ADDRESS, PEER_AS, PEER_PASS, PEER_PASS_FILE, SOURCE_IF, SOURCE_IP,
};
use crate::config::peer::{parse_address, parse_list};
use crate::config::{Facts, Hops, Origin, PeerConfig, PeerHost, Place, Source};
use crate::vip::Vip;

/// A peer that is well-formed, and how messages call it.
pub(super) struct Candidate {
    /// The option, or the place in a file, that names it.
    pub subject: String,
    pub label: String,
    pub peer: PeerConfig,
    pub mpbgp: MpBgp,
    /// Our end of its session, where that is not the one of all peers.
    pub own_source: Option<IpAddr>,
}

/// The peers, at least one; `None` where anything is wrong with them.
pub(super) fn peers(r: &mut Reader<'_>, vips: &[Vip]) -> Option<Vec<PeerConfig>> {
    let source = source(r, vips);
    let (listed, single) = (listed(r), single(r));
    let mut good = listed.is_some() && single.is_some();
    let words = listed.into_iter().flatten().chain(single.flatten()).collect();
    let candidates: Vec<Candidate> = match provided::state(r) {
        State::None => words,
        State::Awaited => Vec::new(),
        State::Here(given) => provided::candidates(r, given, vips)?,
    };
    provided::instead_of_peers(r);
    if matches!(provided::state(r), State::Awaited) {
        return (next_hops::given(r).is_some() && source.is_some() && good).then(Vec::new);
    }
    if candidates.is_empty() && good {
        match provided::spec(r) {
            Some(spec) => r.mistake(spec, "no peer is named"),
            None => r.mistake(&BGP_PEERS, "no peer is given; expected host:AS here, or an address by --peerAddress"),
        }
        return None;
    }
    for (n, candidate) in candidates.iter().enumerate() {
        if let Some(text) = no_interface(r.facts, &candidate.peer.host) {
            r.warn_at(candidate.subject.clone(), format!("{}: {text}", candidate.label));
        }
        if let Some(wrong) = wrong(candidate, candidates.get(..n).unwrap_or_default(), vips, source.as_ref()) {
            r.mistake_at(candidate.subject.clone(), format!("{}: {wrong}", candidate.label));
            good = false;
        }
    }
    let mpbgp = next_hops::given(r);
    let source = source.filter(|_| good)?;
    let candidates = bind(r, candidates, &source)?;
    finish(r, candidates, mpbgp?, vips)
}

/// Gives each peer its next hops.
fn finish(r: &mut Reader<'_>, candidates: Vec<Candidate>, all: MpBgp, vips: &[Vip]) -> Option<Vec<PeerConfig>> {
    let own: Vec<_> = candidates.iter().map(|c| (c.subject.as_str(), c.label.as_str(), c.mpbgp)).collect();
    next_hops::unused(r, all, &own);
    let mut peers = Some(Vec::new());
    for Candidate { subject, label, mut peer, mpbgp, .. } in candidates {
        match next_hops::set(r, &mut peer, mpbgp.over(all), vips) {
            Ok(()) => peers.iter_mut().for_each(|peers| peers.push(peer.clone())),
            Err(wrong) => {
                r.mistake_at(subject, format!("{label}: {wrong}"));
                peers = None;
            }
        }
    }
    peers
}

/// What makes a well-formed peer impossible.
fn wrong(candidate: &Candidate, earlier: &[Candidate], vips: &[Vip], source: Option<&Source>) -> Option<String> {
    let PeerConfig { host, port, .. } = &candidate.peer;
    if earlier.iter().any(|other| (&other.peer.host, &other.peer.port) == (host, port)) {
        return Some("is there twice, with this address and port".to_owned());
    }
    let address = host.address()?;
    if vips.iter().any(|vip| vip.address() == address) {
        return Some("is a virtual IP of ours; expected the router's own address".to_owned());
    }
    let link_local = matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local());
    match class(address) {
        Some(_) if link_local && matches!(source, Some(Source::Interface(_)) | None) => None,
        Some(_) if link_local => Some("is a link-local address; say by --sourceIF on which interface".to_owned()),
        Some(_) if address.is_loopback() => None,
        Some(_) if matches!(address, IpAddr::V4(ip) if ip.is_link_local()) => None,
        Some(class) => Some(format!("is {class}; expected the router's own address")),
        None => None,
    }
}

/// What is to be said of the interface of an unnumbered peer. It may come later, with a cable or a bond.
fn no_interface(facts: &Facts, host: &PeerHost) -> Option<String> {
    let (PeerHost::Interface(name), Some(known)) = (host, &facts.interfaces) else { return None };
    let known = (!known.contains(name)).then(|| known.join(", "))?;
    Some(format!("there is no such interface on this host yet, and the session waits for it; it has {known}"))
}

/// The peers of a file that count: none where the list of a variable or a flag does, or a provider's.
pub(super) fn filed<'a>(r: &Reader<'a>) -> Option<&'a (Place, Vec<FilePeer>)> {
    let is_file =
        matches!(r.raw.get(&BGP_PEERS).origin, Origin::File(_) | Origin::Default) || r.raw.is_behind_file(&BGP_PEERS);
    r.raw.file().and_then(|file| file.peers.as_ref()).filter(|_| is_file && provided::spec(r).is_none())
}

fn of_file(FilePeer { place, host, port, asn, password, multihop, mpbgp, bfd, .. }: &FilePeer) -> Candidate {
    let label = match host {
        PeerHost::Address(address) => format!("peer {address}"),
        PeerHost::Interface(name) => format!("peer unnumbered on {name}"),
    };
    let peer = PeerConfig {
        password: password.clone(),
        hops: if *multihop { Hops::Multihop } else { Hops::Default },
        bfd: *bfd,
        ..PeerConfig::new(host.clone(), *port, *asn)
    };
    Candidate { subject: place.to_string(), label, peer, mpbgp: *mpbgp, own_source: None }
}

/// The peers of the list, and of the file; `None` where one is wrong.
fn listed(r: &mut Reader<'_>) -> Option<Vec<Candidate>> {
    let mut good = true;
    let mut candidates: Vec<Candidate> = filed(r).into_iter().flat_map(|(_, peers)| peers).map(of_file).collect();
    let ignored = r.raw.file().and_then(|file| file.peers.as_ref()).filter(|_| filed(r).is_none());
    if let (Some((place, _)), None) = (ignored, provided::spec(r)) {
        r.warn(&BGP_PEERS, format!("the peers of {place} are ignored: variables and flags count before the file"));
    }
    let subject = r.name(&BGP_PEERS);
    let mut text = r.text(&BGP_PEERS).unwrap_or_default();
    if let Some((place, _)) = filed(r).filter(|_| r.raw.is_behind_file(&BGP_PEERS)) {
        r.warn(&BGP_PEERS, format!("is ignored: of `start` the file counts before a flag, and has peers at {place}"));
        text = "";
    }
    for (n, parsed) in (1..).zip(parse_list(text)) {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(mistakes) => {
                mistakes.iter().for_each(|wrong| r.mistake(&BGP_PEERS, format!("peer {n}: {wrong}")));
                good = false;
                continue;
            }
        };
        let label = match &parsed.host {
            PeerHost::Address(address) => format!("peer {n} ({address})"),
            PeerHost::Interface(name) => format!("peer {n} (unnumbered on {name})"),
        };
        parsed.notes.iter().for_each(|note| r.warn(&BGP_PEERS, format!("{label}: {note}")));
        let peer = PeerConfig {
            password: parsed.password,
            hops: if parsed.multihop { Hops::Multihop } else { Hops::Default },
            bfd: parsed.bfd,
            ..PeerConfig::new(parsed.host, parsed.port, parsed.asn)
        };
        let subject = subject.clone();
        candidates.push(Candidate { subject, label, peer, mpbgp: parsed.mpbgp, own_source: None });
    }
    good.then_some(candidates)
}

/// The peer of `--peerAddress`, `Some(None)` where there is none.
fn single(r: &mut Reader<'_>) -> Option<Option<Candidate>> {
    let multihop = r.switch(&MULTIHOP);
    let asn = asn(r, &PEER_AS);
    let password = password(r);
    let Some(text) = r.text(&PEER_ADDRESS) else {
        let idle = [(&PEER_PASS, r.text(&PEER_PASS).is_some()), (&PEER_PASS_FILE, r.text(&PEER_PASS_FILE).is_some())];
        for (spec, _) in idle.into_iter().chain([(&MULTIHOP, multihop == Some(true))]).filter(|(_, given)| *given) {
            r.warn(spec, "has no effect: it is for the peer of --peerAddress, and there is none");
        }
        return Some(None);
    };
    let Some((address, port)) = parse_address(text) else {
        let expected = "expected an IP address, or one with a port as 10.0.0.1:179 or [2001:db8::1]:179";
        let shown = harmless(text);
        let more = if shown == text { "" } else { " and more" };
        r.mistake(&PEER_ADDRESS, format!("{shown:?}{more} is not the address of a peer; {expected}"));
        return None;
    };
    let password = password?;
    let peer = PeerConfig {
        password: password.secret,
        password_file: password.file,
        hops: if multihop? { Hops::Multihop } else { Hops::Default },
        ..PeerConfig::new(PeerHost::Address(address), port, Some(asn?))
    };
    let (subject, label) = (r.name(&PEER_ADDRESS), format!("{text:?}"));
    Some(Some(Candidate { subject, label, peer, mpbgp: MpBgp::default(), own_source: None }))
}

/// What can be quoted of the text: all up to the end of the host, as a password stands behind it in `--bgppeers`.
fn harmless(text: &str) -> &str {
    let bracketed = text.find("]:").and_then(|end| text.get(..=end)).filter(|host| parse_address(host).is_some());
    bracketed.or_else(|| text.split([':', ',']).next()).unwrap_or_default()
}

/// Where our ends are bound, before the families are known: what the provider says, else the words.
fn source(r: &mut Reader<'_>, vips: &[Vip]) -> Option<Source> {
    let words = source_of_words(r, vips)?;
    let Some(ip) = provided::source_ip(r) else { return Some(words) };
    provided::is_own(r, ip, "", vips).then_some(Source::Address(ip))
}

pub(super) const OWN: &str = "; expected one of this node's own addresses";

/// What makes an address unfit as our end of a session. A loopback address is fit for tests.
pub(super) fn unfit(ip: IpAddr, vips: &[Vip]) -> Option<&'static str> {
    let is_vip = vips.iter().any(|vip| vip.address() == ip);
    if is_vip { Some("a virtual IP") } else { class(ip).filter(|_| !ip.is_loopback()) }
}

fn source_of_words(r: &mut Reader<'_>, vips: &[Vip]) -> Option<Source> {
    let interface = r.interface(&SOURCE_IF);
    let Some(text) = r.text(&SOURCE_IP) else {
        return interface.map(|name| name.map_or(Source::Any, Source::Interface));
    };
    if r.text(&SOURCE_IF).is_some() {
        let other = r.name(&SOURCE_IF);
        r.mistake(&SOURCE_IP, format!("{text:?} is given together with {other}; give one of them"));
        return None;
    }
    let Ok(ip) = text.parse::<IpAddr>() else {
        r.mistake(&SOURCE_IP, format!("{text:?} is not an IP address; expected one of this node's addresses"));
        return None;
    };
    match unfit(ip, vips) {
        Some(class) => {
            r.mistake(&SOURCE_IP, format!("{text:?} is {class}{OWN}"));
            None
        }
        None => Some(Source::Address(ip)),
    }
}

/// Gives each peer its source; an address only where the families agree, and an unnumbered peer its own interface.
fn bind(r: &mut Reader<'_>, mut candidates: Vec<Candidate>, source: &Source) -> Option<Vec<Candidate>> {
    let fits = |host: &PeerHost| match (source, host) {
        (Source::Any, _) | (Source::Interface(_), PeerHost::Address(_)) => true,
        (Source::Address(ip), PeerHost::Address(address)) => ip.is_ipv4() == address.is_ipv4(),
        (Source::Address(_), PeerHost::Interface(_)) => false,
        (Source::Interface(source), PeerHost::Interface(name)) => source == name,
    };
    let spec = match source {
        Source::Interface(_) => &SOURCE_IF,
        Source::Address(_) | Source::Any => provided::spec_of_source(r).unwrap_or(&SOURCE_IP),
    };
    for Candidate { peer, own_source, .. } in &mut candidates {
        peer.source = own_source.map_or(Source::Any, Source::Address);
    }
    let is_numbered = |c: &Candidate| c.peer.host.address().is_some() && c.own_source.is_none();
    let none =
        candidates.iter().any(is_numbered) && !candidates.iter().any(|c| c.own_source.is_some() || fits(&c.peer.host));
    if let (Source::Address(ip), true) = (source, none) {
        let (ours, theirs) = if ip.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
        let labels: Vec<&str> = candidates.iter().map(|c| c.label.as_str()).collect();
        let list = labels.join(", ");
        r.mistake(spec, format!("\"{ip}\" is {ours}, but every peer is {theirs}: {list}; give an {theirs} address"));
        return None;
    }
    for Candidate { label, peer, .. } in candidates.iter_mut().filter(|c| c.own_source.is_none()) {
        match (fits(&peer.host), &peer.host) {
            (true, _) => peer.source = source.clone(),
            (false, PeerHost::Address(_)) => {
                r.warn(
                    spec,
                    format!("{}is not used for {label}, which is of the other family", provided::source_text(r)),
                );
            }
            (false, PeerHost::Interface(name)) => {
                r.warn(spec, format!("is not used for {label}: its sessions run over {name}"));
            }
        }
    }
    Some(candidates)
}
