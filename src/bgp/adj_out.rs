//! What one peer should hold of our routes against what it was sent in this session (the Adj-RIB-Out, RFC 4271
//! §3.2). Pure.
//!
//! Every route sent keeps the end of its entitlement: whoever writes to the peer first asks [`AdjOut::end`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::{Attributes, RouteSet, RouteWish};
use crate::time::{Instant, Until};
use crate::wire::bgp::{Communities, Community, Family, NextHop, Route, Update};

/// LOCAL_PREF where none is asked for: what routers take by default.
const DEFAULT_LOCAL_PREF: u32 = 100;

/// What of the session decides the attributes of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Our AS.
    pub local_as: u32,
    /// Whether the peer is in it.
    pub ibgp: bool,
    /// The families negotiated.
    pub families: BTreeSet<Family>,
    /// The next hop of IPv4 routes, if this session has one; an IPv6 one only where that was negotiated (RFC 8950).
    pub next_hop_v4: Option<NextHop>,
    /// The next hop of IPv6 routes, if this session has one.
    pub next_hop_v6: Option<NextHop>,
    /// What the operator gave the peer.
    pub attributes: Attributes,
    /// Whether a loopback address may be a next hop: only where all peers are on this host, as in tests.
    pub loopback_next_hop: bool,
}

/// Why a route that is wanted cannot be sent to this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The peer does not carry its family.
    FamilyNotNegotiated,
    /// The session runs over the other family, or a link-local address, and no other next hop is known.
    NoNextHop,
    /// The next hop would be an address that we announce: a loop (RFC 4271 §5.1.3).
    NextHopIsVip,
    /// The next hop would be an address that no router forwards to: 0/8, 127/8, 224/3, or the like in IPv6.
    MartianNextHop,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FamilyNotNegotiated => "the peer does not carry this address family",
            Self::NoNextHop => "this session has no next hop of its address family",
            Self::NextHopIsVip => "its next hop would be an address that is announced itself",
            Self::MartianNextHop => {
                "its next hop would be an address no router can forward to: give the session a source address \
                 (sourceIP) that the peer can reach"
            }
        })
    }
}

/// Something to tell the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub update: Update,
    /// Whether it was told exactly this before: it asked again (RFC 2918).
    pub is_repeated: bool,
}

impl Told {
    /// Whether it changes anything for the peer.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        !self.is_repeated && !matches!(self.update, Update::EndOfRib(_))
    }
}

impl From<Update> for Told {
    fn from(update: Update) -> Self {
        Self { update, is_repeated: false }
    }
}

/// All of a route but its prefix. Thousands of routes have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    next_hop: NextHop,
    as_path: Vec<u32>,
    med: Option<u32>,
    local_pref: Option<u32>,
    communities: Communities,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    path: Arc<Path>,
    until: Until,
}

/// A route that the peer was told to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Withdrawn {
    until: Until,
    /// The position in the stream behind the withdrawal, once that is known.
    position: Option<u64>,
}

/// The routes of one session.
#[derive(Clone, Debug)]
pub struct AdjOut {
    profile: Profile,
    /// Whether the routes are about to go: see [`Self::set_about_to_go`].
    about_to_go: bool,
    /// What is wanted and can be sent.
    wanted: BTreeMap<IpNetwork, Sent>,
    unsendable: BTreeMap<IpNetwork, Unsendable>,
    /// What the peer was told and holds.
    sent: BTreeMap<IpNetwork, Sent>,
    /// What it was told to forget, but may not have heard yet.
    withdrawn: BTreeMap<IpNetwork, Withdrawn>,
    /// Those of `withdrawn` without a position.
    unplaced: Vec<IpNetwork>,
    /// Whether announcements were polled that have no position yet.
    unplaced_announcement: bool,
    /// The position in the stream behind the last announcement, until it is known to be delivered.
    announced_at: Option<u64>,
    /// No position in `withdrawn` is before this one: what is acknowledged is asked for often.
    first_position: Option<u64>,
    /// What is still to be told.
    to_withdraw: BTreeSet<IpNetwork>,
    to_announce: BTreeSet<IpNetwork>,
    to_end: BTreeSet<Family>,
    /// The families that the peer asked for again: however often it does, they are gathered once.
    to_resend: BTreeSet<Family>,
    /// The first end among `sent` and `withdrawn`: it is asked for before every write.
    end: Option<Instant>,
}

impl AdjOut {
    /// The routes of a session that has just come up: none is sent, the End-of-RIB of each family is owed.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let to_end = profile.families.clone();
        Self {
            profile,
            about_to_go: false,
            wanted: BTreeMap::new(),
            unsendable: BTreeMap::new(),
            sent: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            unplaced: Vec::new(),
            unplaced_announcement: false,
            announced_at: None,
            first_position: None,
            to_withdraw: BTreeSet::new(),
            to_announce: BTreeSet::new(),
            to_end,
            to_resend: BTreeSet::new(),
            end: None,
        }
    }

    /// Whether from the next set of routes on they are announced as about to go (RFC 8326 §4.1): the peer is to prefer
    /// any other path while this one still works.
    pub const fn set_about_to_go(&mut self, about_to_go: bool) {
        self.about_to_go = about_to_go;
    }

    /// What the operator gives the peer, from the next set of routes on.
    pub fn set_attributes(&mut self, attributes: Attributes) {
        self.profile.attributes = attributes;
    }

    /// Sets the whole of what is wanted. A wish that is over counts as absent. An `until` that moved needs no
    /// UPDATE: it is the entitlement to the prefix, whatever its metrics are at the moment.
    pub fn want(&mut self, now: Instant, routes: &RouteSet) {
        self.wanted.clear();
        self.unsendable.clear();
        // Neighbours are alike, mostly.
        let mut last: Option<Arc<Path>> = None;
        for (&prefix, wish) in routes {
            if wish.until.is_over(now) {
                continue;
            }
            match self.profile.path(prefix, wish, routes) {
                Ok(path) => {
                    let path = if self.about_to_go { about_to_go(path) } else { path };
                    let shared = last.filter(|last| **last == path).unwrap_or_else(|| Arc::new(path));
                    last = Some(shared.clone());
                    self.wanted.insert(prefix, Sent { path: shared, until: wish.until });
                }
                Err(why) => {
                    self.unsendable.insert(prefix, why);
                }
            }
        }
        for (prefix, sent) in &mut self.sent {
            if let Some(wanted) = self.wanted.get(prefix) {
                sent.until = wanted.until;
            }
        }
        self.end = self.first_end();
        self.to_withdraw = self.sent.keys().filter(|prefix| !self.wanted.contains_key(prefix)).copied().collect();
        let is_new = |prefix: &IpNetwork, wanted: &Sent| self.sent.get(prefix).map(|s| &s.path) != Some(&wanted.path);
        let again = |prefix: &IpNetwork| self.to_announce.contains(prefix);
        self.to_announce =
            self.wanted.iter().filter(|(p, w)| is_new(p, w) || again(p)).map(|(&prefix, _)| prefix).collect();
    }

    /// The peer asks for the routes of a family again (RFC 2918): they follow, then an End-of-RIB.
    pub fn resend(&mut self, family: Family) {
        if self.profile.families.contains(&family) {
            self.to_resend.insert(family);
        }
    }

    /// The next thing to tell the peer: withdrawals (RFC 4271 §9.2.1.1: never delayed), then routes, then the
    /// End-of-RIB of the families of which everything is told (RFC 4724 §2). Everything is what is wanted now: when the
    /// session comes up before the addresses are bound, the first set is empty, and its End-of-RIB precedes the routes.
    pub fn poll(&mut self, now: Instant) -> Option<Told> {
        while let Some(family) = self.to_resend.pop_first() {
            self.to_announce.extend(self.wanted.keys().filter(|prefix| Family::of(**prefix) == family));
            self.to_end.insert(family);
        }
        if let Some(prefix) = self.to_withdraw.pop_first() {
            if let Some(sent) = self.sent.remove(&prefix) {
                self.withdrawn.insert(prefix, Withdrawn { until: sent.until, position: None });
                self.unplaced.push(prefix);
            }
            return Some(Update::Withdraw(prefix).into());
        }
        while let Some(prefix) = self.to_announce.pop_first() {
            let Some(wanted) = self.wanted.get(&prefix).filter(|wanted| !wanted.until.is_over(now)) else { continue };
            let (wanted, again) = (wanted.clone(), self.withdrawn.remove(&prefix).is_some());
            let before = self.sent.insert(prefix, wanted.clone());
            let is_repeated = before.is_some_and(|before| before.path == wanted.path);
            self.unplaced_announcement = true;
            self.end = if again { self.first_end() } else { self.end.into_iter().chain(wanted.until.end()).min() };
            return Some(Told { update: Update::Announce(wanted.path.to(prefix)), is_repeated });
        }
        self.to_end.pop_first().map(|family| Update::EndOfRib(family).into())
    }

    /// Whether withdrawals were polled of which [`Self::told_at`] did not hear yet.
    #[must_use]
    pub const fn has_unplaced(&self) -> bool {
        !self.unplaced.is_empty()
    }

    /// All that was polled so far ends before this position in the stream to the peer, which never goes back.
    pub fn told_at(&mut self, position: u64) {
        if std::mem::take(&mut self.unplaced_announcement) {
            self.announced_at = Some(position);
        }
        for prefix in self.unplaced.drain(..) {
            if let Some(withdrawn) = self.withdrawn.get_mut(&prefix) {
                withdrawn.position.get_or_insert(position);
                self.first_position.get_or_insert(position);
            }
        }
    }

    /// The peer's kernel has acknowledged the stream up to this position. Whether that delivered a withdrawal, or the
    /// last announcement.
    pub fn delivered(&mut self, acknowledged: u64) -> bool {
        let has_come = |position: Option<u64>| position.is_some_and(|position| position <= acknowledged);
        let announced = self.announced_at.take_if(|position| *position <= acknowledged).is_some();
        if !has_come(self.first_position) {
            return announced;
        }
        self.withdrawn.retain(|_, withdrawn| !has_come(withdrawn.position));
        self.first_position = self.withdrawn.values().filter_map(|withdrawn| withdrawn.position).min();
        self.end = self.first_end();
        true
    }

    /// Whether there is nothing to tell: [`Self::poll`] has nothing.
    #[must_use]
    pub fn is_told(&self) -> bool {
        let is_announced = self.to_announce.is_empty() && self.to_resend.is_empty();
        self.to_withdraw.is_empty() && is_announced && self.to_end.is_empty()
    }

    /// Whether anything is told, but not known to be delivered.
    #[must_use]
    pub fn awaits_delivery(&self) -> bool {
        !self.withdrawn.is_empty() || self.announced_at.is_some()
    }

    /// Where the peer is known to have all that is wanted, as it is wanted: the first end of an entitlement among that.
    #[must_use]
    pub fn settled(&self) -> Option<Until> {
        let is_settled = self.is_told() && self.announced_at.is_none() && !self.unplaced_announcement;
        self.wanted.values().map(|wanted| wanted.until).min().filter(|_| is_settled)
    }

    /// The first end of an entitlement among what the peer may hold: from then on no byte may go out.
    #[must_use]
    pub const fn end(&self) -> Option<Instant> {
        self.end
    }

    fn first_end(&self) -> Option<Instant> {
        let sent = self.sent.values().map(|sent| sent.until);
        sent.chain(self.withdrawn.values().map(|withdrawn| withdrawn.until)).filter_map(Until::end).min()
    }

    /// What the peer holds from us, may still hold, or is about to be told.
    #[must_use]
    pub fn outstanding(&self) -> BTreeSet<IpNetwork> {
        self.sent.keys().chain(self.withdrawn.keys()).chain(&self.to_announce).copied().collect()
    }

    /// What the peer was told and is not to forget.
    #[must_use]
    pub fn announced(&self) -> BTreeSet<IpNetwork> {
        self.sent.keys().filter(|prefix| !self.to_withdraw.contains(prefix)).copied().collect()
    }

    /// What is wanted and cannot be sent, and why.
    #[must_use]
    pub const fn unsendable(&self) -> &BTreeMap<IpNetwork, Unsendable> {
        &self.unsendable
    }
}

impl Path {
    fn to(&self, prefix: IpNetwork) -> Route {
        let Self { next_hop, med, local_pref, .. } = *self;
        let (as_path, communities) = (self.as_path.clone(), self.communities.clone());
        Route { prefix, next_hop, as_path, med, local_pref, communities }
    }
}

impl Profile {
    fn path(&self, prefix: IpNetwork, wish: &RouteWish, routes: &RouteSet) -> Result<Path, Unsendable> {
        let family = Family::of(prefix);
        if !self.families.contains(&family) {
            return Err(Unsendable::FamilyNotNegotiated);
        }
        let next_hop = match family {
            Family::Ipv4Unicast => self.next_hop_v4,
            Family::Ipv6Unicast => self.next_hop_v6,
        };
        let next_hop = next_hop.ok_or(Unsendable::NoNextHop)?;
        let address = next_hop.address();
        if routes.contains_key(&IpNetwork::from(address)) {
            return Err(Unsendable::NextHopIsVip);
        }
        if is_martian(address) && !(self.loopback_next_hop && address.is_loopback()) {
            return Err(Unsendable::MartianNextHop);
        }
        let attributes = wish.attributes.over(&self.attributes);
        Ok(Path {
            next_hop,
            as_path: self.as_path(attributes.prepend.unwrap_or(0), wish.prepend),
            med: attributes.med.or(wish.med),
            local_pref: self.ibgp.then(|| attributes.local_pref.or(wish.local_pref).unwrap_or(DEFAULT_LOCAL_PREF)),
            communities: attributes.communities,
        })
    }

    /// RFC 4271 §5.1.2: our AS in front on the way out, and none within it. More of it in front is a longer path: as the
    /// operator wants it, and as the route's preference does.
    fn as_path(&self, of_operator: u8, of_preference: u8) -> Vec<u32> {
        let times = if self.ibgp { 0 } else { 1 + usize::from(of_operator) + usize::from(of_preference) };
        vec![self.local_as; times]
    }
}

/// RFC 8326 §4.1: the community GRACEFUL_SHUTDOWN. Inside an AS the lowest LOCAL_PREF is sent as well, so that it works
/// without a policy there.
fn about_to_go(path: Path) -> Path {
    let communities = path.communities.with(Community::GRACEFUL_SHUTDOWN);
    Path { local_pref: path.local_pref.map(|_| 0), communities, ..path }
}

/// RFC 4271 §6.3, RFC 1812 §5.3.7: what is no host's address on a network.
const fn is_martian(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [0 | 127 | 224..=255, ..]),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.to_ipv4_mapped().is_some(),
    }
}

#[cfg(test)]
mod tests;
