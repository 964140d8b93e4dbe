//! The AS-path fence and hot standby: what makes a router leave a holder that is gone.

use super::reader::Reader;
use crate::config::options::{AS_PATH_FENCE, LEADER_ELECTION, STANDBY, Spec};
use crate::config::outlook::by_router;
use crate::config::scalar::decimal;
use crate::config::{Attributes, Config, PeerConfig};

/// The AS-path fence's step; `Some(None)`: off.
pub(super) fn as_path(r: &mut Reader<'_>) -> Option<Option<u8>> {
    let text = r.text(&AS_PATH_FENCE)?;
    if text == "off" {
        return Some(None);
    }
    let step = decimal(text).and_then(|step| u8::try_from(step).ok()).filter(|step| (1..=10).contains(step));
    if step.is_none() {
        let expected = "expected off, or by how many prepends a later holder's path is shorter, 1 to 10";
        r.mistake(&AS_PATH_FENCE, format!("{text:?} is not a step of the AS-path fence; {expected}"));
    }
    step.map(Some)
}

/// Warns where they do nothing, or less than may be meant.
pub(super) fn fences(r: &mut Reader<'_>, config: &Config) {
    let on = [(&STANDBY, config.bgp.standby), (&AS_PATH_FENCE, config.bgp.as_path_fence.is_some())];
    for spec in on.into_iter().filter_map(|(spec, on)| on.then_some(spec)) {
        if config.election.is_none() {
            no_effect(r, spec);
        }
    }
    if config.election.is_none() {
        return;
    }
    if config.bgp.as_path_fence.is_some() {
        inside_the_as(r, config);
    }
    if config.bgp.standby {
        config.bgp.peers.iter().filter(|peer| peer.bfd.is_none()).for_each(|peer| without_bfd(r, config, peer));
        config.bgp.peers.iter().filter(|peer| is_level(config, peer)).for_each(|peer| level(r, peer));
    }
}

fn no_effect(r: &mut Reader<'_>, spec: &'static Spec) {
    let election = r.name(&LEADER_ELECTION);
    r.warn(spec, format!("has no effect without {election}: every node announces, and none before another"));
}

fn inside_the_as(r: &mut Reader<'_>, config: &Config) {
    let inside = config.bgp.peers.iter().filter(|peer| peer.asn == Some(config.bgp.local_as));
    let inside: Vec<String> = inside.map(PeerConfig::name).collect();
    if !inside.is_empty() {
        let text = "in our own AS, where nothing is prepended; there LOCAL_PREF makes the newest holder's route win";
        r.warn(&AS_PATH_FENCE, format!("{}: {text}", inside.join(", ")));
    }
}

/// Whether an operator's metrics make a standby's route as good as the holder's at this peer.
fn is_level(config: &Config, peer: &PeerConfig) -> bool {
    let of_vips = config.vips.iter().map(|vip| config.vip_attributes.get(vip));
    let is_given = |of: fn(&Attributes) -> Option<u32>| {
        let mut of_vips = of_vips.clone().map(|attributes| attributes.and_then(of));
        of_vips.any(|given| given.or_else(|| of(&peer.attributes)).is_some())
    };
    let inside = peer.asn == Some(config.bgp.local_as);
    inside && is_given(|attributes| attributes.med) && is_given(|attributes| attributes.local_pref)
}

fn level(r: &mut Reader<'_>, peer: &PeerConfig) {
    r.warn(
        &STANDBY,
        format!(
            "{}: med and local-pref are given for it, and nothing is prepended in our own AS: a standby's route is as good \
             as the holder's there, so this router may take either; give one of the two at most",
            peer.name()
        ),
    );
}

fn without_bfd(r: &mut Reader<'_>, config: &Config, peer: &PeerConfig) {
    let notice = by_router(peer, config.bgp.hold_time);
    r.warn(
        &STANDBY,
        format!(
            "{}: without BFD this router turns to a standby only when it notices that a cut-off holder is gone, after {} by \
             {}; give this peer bfd",
            peer.name(),
            notice.after,
            notice.by
        ),
    );
}
