//! What becomes of each peer when the speaker's configuration changes. Pure.
//!
//! A peer is the same one as long as its key is. Whatever was negotiated, dialled or bound with makes another session
//! of it; the rest it takes up as it goes.

use super::settings::{PeerKey, PeerSettings, SpeakerConfig};

/// The peers by what becomes of them, each in the order of their keys. Those that are in no list stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New: they are dialled, or waited for.
    pub added: Vec<PeerKey>,
    /// Gone: withdraw, deliver, Cease 6/3 (Peer De-configured).
    pub removed: Vec<PeerKey>,
    /// Made anew: Cease 6/6 (Other Configuration Change), and again.
    pub restarted: Vec<PeerKey>,
    /// Other attributes, texts or times, taken up in the running session; or another password, which has its own way.
    pub adjusted: Vec<PeerKey>,
}

/// What becomes of one that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Adjusted,
    Restarted,
}

impl Changes {
    /// From one configuration to the next; both name each peer once.
    #[must_use]
    pub fn between(before: &SpeakerConfig, after: &SpeakerConfig) -> Self {
        let mut changes = Self::default();
        for peer in &after.peers {
            let former = before.peers.iter().find(|former| former.key() == peer.key());
            let list = match former.map(|former| effect((before, former), (after, peer))) {
                None => &mut changes.added,
                Some(Effect::Restarted) => &mut changes.restarted,
                Some(Effect::Adjusted) => &mut changes.adjusted,
                Some(Effect::Nothing) => continue,
            };
            list.push(peer.key());
        }
        let is_gone = |key: &PeerKey| after.peers.iter().all(|peer| peer.key() != *key);
        changes.removed = before.peers.iter().map(PeerSettings::key).filter(is_gone).collect();
        let Self { added, removed, restarted, adjusted } = &mut changes;
        [added, removed, restarted, adjusted].into_iter().for_each(|list| list.sort());
        changes
    }

    /// Whether every peer stays as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { added, removed, restarted, adjusted } = self;
        added.is_empty() && removed.is_empty() && restarted.is_empty() && adjusted.is_empty()
    }
}

/// What becomes of a peer, each time with the configuration it is in.
pub(super) fn effect(before: (&SpeakerConfig, &PeerSettings), after: (&SpeakerConfig, &PeerSettings)) -> Effect {
    let is_same_session = own(before.0) == own(after.0) && before.1.makes_same_session_as(after.1);
    match is_same_session {
        false => Effect::Restarted,
        true if before.1.goes_on_as(after.1) => Effect::Nothing,
        true => Effect::Adjusted,
    }
}

/// What every session is made with. Where peers dial us is no part of a session.
fn own(config: &SpeakerConfig) -> impl PartialEq + use<> {
    let SpeakerConfig { local_as, router_id, hold_time, keepalive, listen_port: _, peers: _ } = config;
    (*local_as, *router_id, *hold_time, *keepalive)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::bgp::settings::{Attributes, Connect, Hops, PeerHost};

    fn peer(last: u8) -> PeerSettings {
        PeerSettings::new(PeerHost::Address(IpAddr::from([10, 0, 0, last])), 179, Some(65000))
    }

    fn config(peers: Vec<PeerSettings>) -> SpeakerConfig {
        SpeakerConfig {
            local_as: 65001,
            router_id: Ipv4Addr::new(10, 0, 0, 9),
            hold_time: Duration::from_secs(9),
            keepalive: Duration::from_secs(3),
            listen_port: 179,
            peers,
        }
    }

    #[test]
    fn each_peer_comes_goes_or_stays_by_its_key() {
        let before = config(vec![peer(1), peer(2), peer(3), peer(4)]);
        let restarted = PeerSettings { hops: Hops::Multihop(9), ..peer(2) };
        let adjusted = PeerSettings { description: Some("tor".to_owned()), ..peer(3) };
        let after = config(vec![peer(5), adjusted, restarted, peer(1)]);
        let expected = Changes {
            added: vec![peer(5).key()],
            removed: vec![peer(4).key()],
            restarted: vec![peer(2).key()],
            adjusted: vec![peer(3).key()],
        };
        assert_eq!(Changes::between(&before, &after), expected);
        assert!(Changes::between(&after, &after).is_empty());
    }

    fn effect_of(change: impl FnOnce(&mut PeerSettings)) -> Effect {
        let before = PeerSettings { password: Some("old".into()), ..peer(1) };
        let mut after = before.clone();
        change(&mut after);
        let (before, after) = (config(vec![before]), config(vec![after]));
        effect((&before, &before.peers[0]), (&after, &after.peers[0]))
    }

    #[test]
    fn what_routes_carry_and_what_is_said_at_the_end_needs_no_new_session() {
        use Effect::{Adjusted, Nothing, Restarted};
        let med = Attributes { med: Some(7), ..Attributes::default() };
        assert_eq!(effect_of(|_| {}), Nothing);
        assert_eq!(effect_of(|peer| peer.attributes = med), Adjusted);
        assert_eq!(effect_of(|peer| peer.shutdown_text = Some("bye".to_owned())), Adjusted);
        assert_eq!(effect_of(|peer| peer.graceful_shutdown = Some(Duration::from_secs(1))), Adjusted);
        assert_eq!(effect_of(|peer| peer.avoid_source.push(IpAddr::from([10, 0, 0, 8]))), Nothing);
        assert_eq!(effect_of(|peer| peer.password = Some("new".into())), Adjusted);
        assert_eq!(effect_of(|peer| peer.password = None), Restarted);
        assert_eq!(effect_of(|peer| peer.connect = Connect::Both), Restarted);
        assert_eq!(effect_of(|peer| peer.asn = None), Restarted);
    }

    #[test]
    fn what_all_sessions_are_made_with_restarts_all_and_where_peers_dial_us_none() {
        let before = config(vec![peer(1), peer(2)]);
        let restarted = Changes { restarted: vec![peer(1).key(), peer(2).key()], ..Changes::default() };
        let after = SpeakerConfig { hold_time: Duration::from_secs(90), ..before.clone() };
        assert_eq!(Changes::between(&before, &after), restarted);
        let after = SpeakerConfig { local_as: 65002, ..before.clone() };
        assert_eq!(Changes::between(&before, &after), restarted);
        let after = SpeakerConfig { listen_port: 1179, ..before.clone() };
        assert_eq!(Changes::between(&before, &after), Changes::default());
    }
}
