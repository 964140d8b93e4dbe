//! What a provider says, laid over the words.

use std::net::{IpAddr, Ipv4Addr};

use super::metal;
use super::peers::{Candidate, OWN, unfit};
use super::reader::Reader;
use crate::config::mpbgp::MpBgp;
use crate::config::options::{
    ANNOTATIONS, BGP_PEERS, LOCAL_AS, METAL, PEER_ADDRESS, ROUTER_ID, SOURCE_IF, SOURCE_IP, Spec,
};
use crate::config::peer::BGP_PORT;
use crate::config::scalar::is_dns_subdomain;
use crate::config::{Hops, MetalConfig, PeerConfig, PeerHost, Provided, ProvidedPeer, ProviderConfig};
use crate::vip::Vip;

/// How far the provider is.
#[derive(Clone, Copy)]
pub(super) enum State<'a> {
    /// There is none: the words count.
    None,
    /// It has said nothing complete yet: there are no peers.
    Awaited,
    /// It has said this.
    Here(&'a Provided),
}

/// The option that turns the provider on; `None`: there is no provider.
pub(super) fn spec(r: &Reader<'_>) -> Option<&'static Spec> {
    if metal::is_on(r) { Some(&METAL) } else { r.text(&ANNOTATIONS).map(|_| &ANNOTATIONS) }
}

pub(super) fn state<'a>(r: &Reader<'a>) -> State<'a> {
    match (spec(r), &r.facts.provided) {
        // No session is wanted at all.
        _ if metal::is_eip(r) => State::Awaited,
        (None, _) if r.raw.file().is_some_and(|file| file.awaits_labels) => State::Awaited,
        (None, _) => State::None,
        (Some(_), None) => State::Awaited,
        (Some(_), Some(provided)) => State::Here(provided),
    }
}

/// Who tells this node how to speak BGP. An Elastic IP needs nobody to.
pub(super) fn provider(
    annotations: Option<ProviderConfig>,
    metal: Option<MetalConfig>,
    is_eip: bool,
) -> Option<ProviderConfig> {
    annotations.or(metal.map(ProviderConfig::Metal)).filter(|_| !is_eip)
}

/// The node's annotations; `Some(None)` without them, `None` where their prefix is wrong.
pub(super) fn annotations(r: &mut Reader<'_>) -> Option<Option<ProviderConfig>> {
    let Some(prefix) = r.text(&ANNOTATIONS) else { return Some(None) };
    if metal::is_on(r) {
        let metal = r.name(&METAL);
        r.mistake(&ANNOTATIONS, format!("{prefix:?} is given together with {metal}; give one of them"));
        return None;
    }
    // As Kubernetes looks at keys of annotations: in lower case.
    if is_dns_subdomain(&prefix.to_ascii_lowercase()) {
        return Some(Some(ProviderConfig::Annotations { prefix: prefix.to_owned() }));
    }
    let expected = "expected what stands before the slash in their keys, a DNS name such as metal.equinix.com";
    r.mistake(&ANNOTATIONS, format!("{prefix:?} is not the prefix of annotations; {expected}"));
    None
}

/// Our AS number, where `given` is what the words say.
pub(super) fn local_as(r: &mut Reader<'_>, given: Option<u32>) -> Option<u32> {
    let given = given?;
    let State::Here(Provided { local_as: Some(asn), source, .. }) = state(r) else { return Some(given) };
    if given != *asn && !r.is_default(&LOCAL_AS) {
        r.warn(&LOCAL_AS, format!("{given} is not used, but {asn} of {source}"));
    }
    Some(*asn)
}

/// Our BGP Identifier, where `given` is what the words say.
pub(super) fn router_id(r: &mut Reader<'_>, given: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let State::Here(Provided { router_id: Some(id), source, .. }) = state(r) else { return given };
    if let Some(given) = given.filter(|given| given != id) {
        r.warn(&ROUTER_ID, format!("{given} is not used, but {id} of {source}"));
    }
    Some(*id)
}

/// Our end of the sessions, if the provider says it; what the words say then does not count, and that is said.
pub(super) fn source_ip(r: &mut Reader<'_>) -> Option<IpAddr> {
    let State::Here(Provided { source_ip: Some(ip), source, .. }) = state(r) else { return None };
    for spec in [&SOURCE_IP, &SOURCE_IF] {
        if let Some(given) = r.text(spec).filter(|given| given.parse() != Ok(*ip)) {
            r.warn(spec, format!("{given:?} is not used, but {ip} of {source}"));
        }
    }
    Some(*ip)
}

/// Warns of the peers in the words, which the provider takes the place of.
pub(super) fn instead_of_peers(r: &mut Reader<'_>) {
    let Some(spec) = spec(r) else { return };
    let provider = r.name(spec);
    for given in [&BGP_PEERS, &PEER_ADDRESS] {
        if r.text(given).is_some() {
            let text = match metal::is_eip(r) {
                true => format!("has no effect: with {provider} and without --bgp there are no sessions"),
                false => format!("is not used: the peers are those of {provider}"),
            };
            r.warn(given, text);
        }
    }
    if let Some((place, _)) = r.raw.file().and_then(|file| file.peers.as_ref()) {
        r.warn_at(place.to_string(), format!("is not used: the peers are those of {provider}"));
    }
}

/// The provider's option, where our end of the sessions is what the provider says.
pub(super) fn spec_of_source(r: &Reader<'_>) -> Option<&'static Spec> {
    match state(r) {
        State::Here(Provided { source_ip: Some(_), .. }) => spec(r),
        State::Here(_) | State::None | State::Awaited => None,
    }
}

/// The provider's peers.
pub(super) fn candidates(r: &mut Reader<'_>, given: &Provided, vips: &[Vip]) -> Option<Vec<Candidate>> {
    let spec = spec(r)?;
    let mut good = true;
    let mut candidates = Vec::new();
    for ProvidedPeer { address, asn, password, multihop, source_ip, label } in &given.peers {
        if let Some(ip) = source_ip {
            good &= is_own(r, *ip, &format!("{label}: "), vips);
            if ip.is_ipv4() != address.is_ipv4() {
                r.mistake(spec, format!("{label}: the source {ip} is not of the peer's family"));
                good = false;
            }
        }
        let peer = PeerConfig {
            password: password.clone(),
            hops: if *multihop { Hops::Multihop } else { Hops::Default },
            ..PeerConfig::new(PeerHost::Address(*address), BGP_PORT, Some(*asn))
        };
        let (subject, label) = (r.name(spec), label.clone());
        candidates.push(Candidate { subject, label, peer, mpbgp: MpBgp::default(), own_source: *source_ip });
    }
    good.then_some(candidates)
}

/// Whether an address of the provider's may be our end of a session; `label` says of which, with a colon and a space.
pub(super) fn is_own(r: &mut Reader<'_>, ip: IpAddr, label: &str, vips: &[Vip]) -> bool {
    let (Some(class), Some(spec)) = (unfit(ip, vips), spec(r)) else { return true };
    r.mistake(spec, format!("{label}the source {ip} is {class}{OWN}"));
    false
}

/// Our end of the sessions in front of a warning, where the warning's option does not say it.
pub(super) fn source_text(r: &Reader<'_>) -> String {
    match state(r) {
        State::Here(Provided { source_ip: Some(ip), .. }) => format!("the source {ip} "),
        State::Here(_) | State::None | State::Awaited => String::new(),
    }
}
