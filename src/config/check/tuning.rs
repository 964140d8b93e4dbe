//! What is set for single peers and virtual IPs, put upon them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::effects::{self, Group};
use super::next_hops::usable;
use super::passwords::password_in;
use super::peers;
use super::provided::{self, State};
use super::reader::Reader;
use crate::config::file::FilePeer;
use crate::config::items::{self, Item, Of};
use crate::config::options::{BGP_PEER_OPTIONS, Spec, VIP_OPTIONS};
use crate::config::peer::parse_address;
use crate::config::scalar::is_interface_name;
use crate::config::settings::Setting;
use crate::config::{Attributes, BfdConfig, Hops, PeerConfig, PeerHost, Place};
use crate::vip::Vip;
use crate::wire::bgp::Communities;

/// Whom an item is for; the later ones say more, and count before the earlier ones, key by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Selector<T> {
    All,
    Host(T),
    /// The peer with this port, where several have the address.
    Port(T, u16),
}

/// The items of an option by selector; `None` where anything is wrong with them.
type Selected<'a, T> = BTreeMap<Selector<T>, Item<'a>>;

/// The peers with what is set for each; `None` where anything is wrong.
pub(super) fn peers(
    r: &mut Reader<'_>,
    peers: Option<Vec<PeerConfig>>,
    local_as: Option<u32>,
    vips: &[Vip],
) -> Option<Vec<PeerConfig>> {
    let items = read(r, &BGP_PEER_OPTIONS, Of::Peers, peer_selector);
    let (mut peers, items) = (peers?, items?);
    let items = match provided::state(r) {
        State::Awaited => return Some(peers),
        State::Here(_) => present(r, items, &peers),
        State::None => known(r, &BGP_PEER_OPTIONS, items, |selector| {
            let is_one = peers.iter().any(|peer| selects(selector, peer));
            (is_one, format!("is no peer; the peers are {}", names(&peers)))
        })?,
    };
    let mut good = true;
    let filed = peers::filed(r).map(|(_, peers)| peers.as_slice()).unwrap_or_default();
    for peer in &mut peers {
        for (setting, place) in of_peer(peer, filed, &items) {
            good &= put(r, peer, setting, place, vips);
        }
    }
    good &= is_bfd_clear(r, &peers);
    if good {
        let mut groups: Vec<Group<'_>> = filed.iter().map(|peer| Group::filed(&peer.place, &peer.settings)).collect();
        for (group, peer) in groups.iter_mut().zip(filed) {
            group.peers = peers.iter().filter(|other| (&other.host, other.port) == (&peer.host, peer.port)).collect();
        }
        let subject = r.name(&BGP_PEER_OPTIONS);
        groups.extend(items.iter().map(|(selector, item)| {
            let mut group = Group::of(&subject, item);
            group.peers = peers.iter().filter(|peer| selects(selector, peer)).collect();
            group
        }));
        effects::of_peers(r, &groups, &peers, local_as);
    }
    good.then_some(peers)
}

/// The items for peers that are there. With a provider peers come and go: one that is not there is no mistake.
fn present<'a>(r: &mut Reader<'_>, mut items: Selected<'a, PeerHost>, peers: &[PeerConfig]) -> Selected<'a, PeerHost> {
    items.retain(|selector, Item { label, .. }| {
        let is_one = peers.iter().any(|peer| selects(selector, peer));
        if !is_one {
            r.warn(&BGP_PEER_OPTIONS, format!("{label} is no peer at present; the peers are {}", names(peers)));
        }
        is_one
    });
    items
}

fn names(peers: &[PeerConfig]) -> String {
    peers.iter().map(PeerConfig::name).collect::<Vec<_>>().join(", ")
}

/// What is set for a peer, and where in a file that stands: what an item says counts before what the file does.
fn of_peer<'a>(
    peer: &PeerConfig,
    filed: &'a [FilePeer],
    items: &Selected<'_, PeerHost>,
) -> Vec<(Setting, Option<&'a Place>)> {
    let own = filed.iter().find(|own| (&own.host, own.port) == (&peer.host, peer.port));
    let own = own.into_iter().flat_map(|own| &own.settings);
    let own = own.map(|(place, key, setting)| (*key, (setting.clone(), Some(place))));
    let chosen = items.iter().filter(|(selector, _)| selects(selector, peer));
    let chosen =
        chosen.flat_map(|(_, item)| item.settings.iter().map(|(key, setting)| (*key, (setting.clone(), None))));
    let mut settings: BTreeMap<&'static str, (Setting, Option<&Place>)> = own.chain(chosen).collect();
    if settings.get("bfd").is_some_and(|(setting, _)| *setting == Setting::Bfd(false)) {
        settings.retain(|key, _| !key.starts_with("bfd-"));
    }
    settings.into_values().collect()
}

/// Puts a setting upon a peer, and says what is wrong with it; whether nothing is.
fn put(r: &mut Reader<'_>, peer: &mut PeerConfig, setting: Setting, place: Option<&Place>, vips: &[Vip]) -> bool {
    let label = format!("{}: ", peer.name());
    let (subject, label) = match place {
        Some(place) => (place.to_string(), ""),
        None => (r.name(&BGP_PEER_OPTIONS), label.as_str()),
    };
    match apply(r, (&subject, label), peer, setting, vips) {
        Ok(done) => done,
        Err(why) => {
            r.mistake_at(subject, format!("{label}{why}"));
            false
        }
    }
}

/// Whether no two peers at one address have BFD, which knows no port of theirs.
fn is_bfd_clear(r: &mut Reader<'_>, peers: &[PeerConfig]) -> bool {
    let mut good = true;
    for (n, peer) in peers.iter().enumerate().filter(|(_, peer)| peer.bfd.is_some()) {
        let mut earlier = peers.iter().take(n);
        if let Some(twin) = earlier.find(|other| other.bfd.is_some() && other.host == peer.host) {
            let (host, one, other) = (&peer.host, twin.port, peer.port);
            let wrong = format!("{host}:{one} and {host}:{other} have one address, and both have BFD");
            r.mistake(&BGP_PEER_OPTIONS, format!("{wrong}; expected it on one of them"));
            good = false;
        }
    }
    good
}

/// What is set for virtual IPs.
pub(super) struct VipOptions {
    /// What each has that has anything.
    pub attributes: BTreeMap<Vip, Attributes>,
    /// The same, as it was given.
    pub groups: Vec<Group<'static>>,
}

/// What each virtual IP has; `None` where anything is wrong.
pub(super) fn vips(r: &mut Reader<'_>, vips: Option<&[Vip]>) -> Option<VipOptions> {
    let items = read(r, &VIP_OPTIONS, Of::Vips, vip_selector);
    let vips = vips?;
    let items = known(r, &VIP_OPTIONS, items?, |selector| {
        let names: Vec<String> = vips.iter().map(|vip| vip.address().to_string()).collect();
        let is_one = vips.iter().any(|vip| matches!(selector, Selector::Host(host) if host == vip));
        (is_one || *selector == Selector::All, format!("is no virtual IP; they are {}", names.join(", ")))
    })?;
    let filed = r.raw.file().map(|file| file.vips.as_slice()).unwrap_or_default();
    let given = |vip: &Vip| {
        let mut attributes = Attributes::default();
        let own = filed.iter().filter(|own| own.vip == *vip).flat_map(|own| &own.settings);
        let own = own.map(|(_, _, setting)| setting);
        let chosen = [Selector::All, Selector::Host(*vip)];
        let chosen = chosen.iter().filter_map(|selector| items.get(selector));
        for setting in own.chain(chosen.flat_map(|item| item.settings.values())) {
            let _is_one = attribute(&mut attributes, setting);
        }
        (*vip, attributes)
    };
    let attributes = vips.iter().map(given).filter(|(_, attributes)| *attributes != Attributes::default()).collect();
    let used = filed.iter().filter(|own| vips.contains(&own.vip));
    let mut groups: Vec<Group<'_>> = used.map(|own| Group::filed(&own.place, &own.settings)).collect();
    let subject = r.name(&VIP_OPTIONS);
    groups.extend(items.values().map(|item| Group::of(&subject, item)));
    Some(VipOptions { attributes, groups })
}

/// Refuses attributes that a message has no room for. Each alone fits.
pub(super) fn fit(r: &mut Reader<'_>, peers: &[PeerConfig], vips: &BTreeMap<Vip, Attributes>) -> Option<()> {
    for peer in peers {
        for (vip, attributes) in vips {
            let len = peer.attributes.communities.union(&attributes.communities).encoded_len();
            if len > Communities::MAX_LEN {
                let (peer, most) = (peer.name(), Communities::MAX_LEN);
                let vip = vip.address();
                let text = format!("{vip}: its communities and those of {peer} take {len} bytes; {most} are the most");
                r.mistake(&VIP_OPTIONS, text);
                return None;
            }
        }
    }
    Some(())
}

/// The items of an option, and all that is wrong with them.
fn read<'a, T: Ord>(
    r: &mut Reader<'a>,
    spec: &'static Spec,
    of: Of,
    selector: fn(&str) -> Option<Selector<T>>,
) -> Option<Selected<'a, T>> {
    let (items, mistakes) = items::parse(r.text(spec).unwrap_or_default(), of);
    let mut good = mistakes.is_empty();
    mistakes.into_iter().for_each(|mistake| r.mistake(spec, mistake));
    let mut selected = Selected::new();
    for item in items {
        let label = item.label.clone();
        let wrong = match selector(item.selector) {
            None if of == Of::Peers => "is not a peer; expected its address, its interface, or * for all",
            None => "is not a virtual IP; expected its address, or * for all",
            Some(selector) => match selected.insert(selector, item) {
                None => continue,
                Some(_) => "is there twice; put all of its settings in one item",
            },
        };
        r.mistake(spec, format!("{label} {wrong}"));
        good = false;
    }
    good.then_some(selected)
}

/// The items again, if all selectors are known; `is_known` says it of one, with what to say if it is not.
fn known<'a, T: Ord>(
    r: &mut Reader<'a>,
    spec: &'static Spec,
    items: Selected<'a, T>,
    is_known: impl Fn(&Selector<T>) -> (bool, String),
) -> Option<Selected<'a, T>> {
    let mut good = true;
    for (selector, Item { label, .. }) in &items {
        let (is_known, otherwise) = is_known(selector);
        if !is_known {
            r.mistake(spec, format!("{label} {otherwise}"));
            good = false;
        }
    }
    good.then_some(items)
}

fn peer_selector(text: &str) -> Option<Selector<PeerHost>> {
    if text == "*" {
        return Some(Selector::All);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Some(Selector::Host(PeerHost::Address(address)));
    }
    if let Some((address, port)) = parse_address(text) {
        return Some(Selector::Port(PeerHost::Address(address), port));
    }
    let name = text.strip_prefix("unnumbered:").unwrap_or(text);
    is_interface_name(name).then(|| Selector::Host(PeerHost::Interface(name.to_owned())))
}

fn vip_selector(text: &str) -> Option<Selector<Vip>> {
    if text == "*" {
        return Some(Selector::All);
    }
    let address: IpAddr = text.strip_suffix("/32").or(text.strip_suffix("/128")).unwrap_or(text).parse().ok()?;
    Some(Selector::Host(Vip::new(address)))
}

fn selects(selector: &Selector<PeerHost>, peer: &PeerConfig) -> bool {
    match selector {
        Selector::All => true,
        Selector::Host(host) => *host == peer.host,
        Selector::Port(host, port) => (host, port) == (&peer.host, &peer.port),
    }
}

/// Puts a setting upon a peer; `Ok(false)`: it is wrong, and that is said.
fn apply(
    r: &mut Reader<'_>,
    (subject, label): (&str, &str),
    peer: &mut PeerConfig,
    setting: Setting,
    vips: &[Vip],
) -> Result<bool, String> {
    if attribute(&mut peer.attributes, &setting) {
        return Ok(true);
    }
    match setting {
        // Taken above.
        Setting::Communities(_) | Setting::Med(_) | Setting::LocalPref(_) | Setting::Prepend(_) => {}
        Setting::TtlSecurity(_) if peer.hops == Hops::Multihop => {
            return Err(
                "ttl-security and multihop exclude each other; leave multihop out, ttl-security=N says how far \
                        away the peer may be"
                    .to_owned(),
            );
        }
        Setting::TtlSecurity(hops) => peer.hops = Hops::Security(hops),
        Setting::NextHop { v4, v6 } => {
            for address in [v4.map(IpAddr::from), v6.map(IpAddr::from)].into_iter().flatten() {
                usable(address, vips).map_err(|why| format!("next-hop {address} {why}"))?;
            }
            (peer.next_hop_v4, peer.next_hop_v6) = (v4, v6);
        }
        Setting::Families { ipv4, ipv6 } => (peer.ipv4, peer.ipv6) = (ipv4, ipv6),
        Setting::RequireFamilies(on) => peer.require_families = on,
        Setting::ExtendedNextHop(on) => peer.extended_next_hop = on,
        Setting::Connect(connect) => peer.connect = connect,
        Setting::Description(text) => peer.description = Some(text),
        Setting::ShutdownText(text) => peer.shutdown_text = Some(text),
        Setting::GracefulShutdown(time) => peer.graceful_shutdown = Some(time).filter(|time| !time.is_zero()),
        Setting::PasswordFile(_) if peer.password.is_some() => {
            return Err("password-file: this peer has a password already; give one of them".to_owned());
        }
        Setting::PasswordFile(path) => {
            let Some(password) = password_in(r, subject, &format!("{label}password-file "), &path) else {
                return Ok(false);
            };
            (peer.password, peer.password_file) = (password.secret, password.file);
        }
        Setting::Bfd(on) => peer.bfd = on.then(|| peer.bfd.unwrap_or_default()),
        Setting::BfdRx(time) => bfd(peer, "bfd-rx")?.rx = time,
        Setting::BfdTx(time) => bfd(peer, "bfd-tx")?.tx = time,
        Setting::BfdMultiplier(times) => bfd(peer, "bfd-multiplier")?.multiplier = times,
        Setting::BfdStrict(on) => bfd(peer, "bfd-strict")?.strict = on,
    }
    Ok(true)
}

fn bfd<'a>(peer: &'a mut PeerConfig, key: &str) -> Result<&'a mut BfdConfig, String> {
    peer.bfd.as_mut().ok_or_else(|| format!("{key} has no effect, as BFD is not on for this peer; add bfd"))
}

/// Takes a setting that a virtual IP can have too; `false`: it is another.
fn attribute(attributes: &mut Attributes, setting: &Setting) -> bool {
    match setting {
        Setting::Communities(communities) => attributes.communities = communities.clone(),
        Setting::Med(med) => attributes.med = Some(*med),
        Setting::LocalPref(local_pref) => attributes.local_pref = Some(*local_pref),
        Setting::Prepend(times) => attributes.prepend = Some(*times),
        _ => return false,
    }
    true
}
