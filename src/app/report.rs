//! The document of `vipcast status`, joined from what the stations publish.

use std::collections::{BTreeMap, BTreeSet};

use super::chronicle::Chronicle;
use super::draining::Drains;
use super::live::Loaded;
use crate::announce::Moves;
use crate::bgp::{PeerKey, PeerStatus, Said, bfd};
use crate::control::status::{self, Announced, LastHolder, Mode, Role, Since, Status, Unsendable, VERSION, seconds};
use crate::control::wall::{Moment, Utc};
use crate::election::story::Story;
use crate::election::{Candidate, Condition, Fitness, Leadership};
use crate::health::{Health, State};
use crate::time::Instant;
use crate::vip::{Facts, Holder, Standing, Vip, desired};

/// Why nobody hears of a VIP under the bootstrap rule.
const BOOTSTRAP: &str = "the API denies this account the lease, so it is bound for this node alone (bootstrap)";

/// Everything that is known at one moment.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) node: &'a str,
    pub(super) started: Instant,
    /// `None`: there is none.
    pub(super) election: Option<Elected<'a>>,
    pub(super) condition: Condition,
    pub(super) health: Health,
    /// Why addresses are not bound.
    pub(super) failures: BTreeMap<Vip, String>,
    pub(super) facts: Facts,
    pub(super) bound: BTreeSet<Vip>,
    /// Where Elastic IPs take the place of peers: what is known of them.
    pub(super) moves: Option<Moves>,
    pub(super) peers: &'a BTreeMap<PeerKey, PeerStatus>,
    /// What their operator calls them.
    pub(super) descriptions: &'a BTreeMap<PeerKey, String>,
    pub(super) drains: Drains,
    pub(super) loaded: Loaded,
    pub(super) chronicle: Chronicle,
}

/// The election at that moment.
#[derive(Debug)]
pub(super) struct Elected<'a> {
    /// Namespace and name.
    pub(super) lease: &'a str,
    pub(super) leadership: Leadership,
    pub(super) story: Story,
    /// Who else is fit, best first.
    pub(super) candidates: Vec<Candidate>,
}

/// The document.
pub(super) fn report(known: &Known<'_>, moment: &Moment) -> Status {
    let election = known.election.as_ref();
    Status {
        version: VERSION,
        vipcast: env!("CARGO_PKG_VERSION").to_owned(),
        node: known.node.to_owned(),
        time: Utc(moment.wall).to_string(),
        started: Since::new(known.started, moment),
        mode: if election.is_some() { Mode::Lease } else { Mode::Anycast },
        configuration: configuration(&known.loaded, moment),
        vips: vips(known, moment),
        leadership: election.map(|election| lead(known, election, moment)),
        fitness: fitness(known, moment),
        drain: drain(known, moment),
        peers: known.peers.iter().map(|(key, peer)| of_peer(known, key, peer, moment)).collect(),
        events: events(&known.chronicle, moment),
    }
}

fn configuration(loaded: &Loaded, moment: &Moment) -> status::Configuration {
    let refused = loaded.refused.as_ref();
    status::Configuration {
        since: Since::new(loaded.since, moment),
        refused: refused
            .map(|(since, mistakes)| status::Refused { since: Since::new(*since, moment), mistakes: mistakes.clone() }),
        needs_restart: loaded.waits.clone(),
    }
}

fn vips(known: &Known<'_>, moment: &Moment) -> Vec<status::Vip> {
    let (wanted, _) = desired(&known.facts, moment.now);
    let vip = |vip: &Vip| {
        let route = vip.network();
        let told = known.peers.iter().filter_map(|(key, peer)| {
            let since = Since::new(*peer.announced.get(&route)?, moment);
            Some(Announced { peer: key.to_string(), since })
        });
        let is_going = |peer: &PeerStatus| peer.outstanding.contains(&route) && !peer.announced.contains_key(&route);
        let (is_wanted, bound) = (wanted.contains_key(vip), known.bound.contains(vip));
        let withdrawing = known.peers.iter().filter(|(_, peer)| is_going(peer) && !is_wanted);
        status::Vip {
            address: vip.address().to_string(),
            wanted: is_wanted,
            bound,
            announced_to: told.collect(),
            withdrawing_from: withdrawing.map(|(key, _)| key.to_string()).collect(),
            why_not: match (known.facts.standing, is_wanted) {
                (Standing::Bootstrap { .. }, true) => Some(BOOTSTRAP.to_owned()),
                (_, true) => missing(known, vip, bound),
                (_, false) if !known.facts.vips.contains(vip) => {
                    Some("it is not in the configuration any more".to_owned())
                }
                (_, false) => Some(unwanted(known)),
            },
        }
    };
    let former = known.bound.iter().filter(|vip| !known.facts.vips.contains(vip));
    known.facts.vips.iter().chain(former).map(vip).collect()
}

/// Why this node is to announce nothing.
fn unwanted(known: &Known<'_>) -> String {
    let holder = known.election.as_ref().and_then(|election| match &election.leadership {
        Leadership::Follower { holder, .. } => holder.as_deref(),
        Leadership::Held { .. } => None,
    });
    if known.drains.is_wanted() && holder.is_none() {
        return "this node is drained".to_owned();
    }
    match known.facts.standing {
        Standing::Follower(Holder::Twin) => {
            "another process on this node holds the lease under this node's name".to_owned()
        }
        Standing::Follower(Holder::Elsewhere) => match holder {
            Some(holder) => format!("{holder} holds the lease"),
            None => "this node is leaving".to_owned(),
        },
        Standing::Follower(Holder::Unknown) if known.election.is_none() => known.condition.reason.clone(),
        Standing::Follower(Holder::Unknown) => "nobody is known to hold the lease".to_owned(),
        Standing::Holder { .. } => "the lease was not renewed in time".to_owned(),
        Standing::Standby { .. } => "the holder was not seen to live for too long".to_owned(),
        Standing::Bootstrap { .. } => "the API denies this account the lease".to_owned(),
        Standing::Unfit => format!("this node is unfit: {}", known.condition.reason),
        Standing::Everyone | Standing::LastResort => "it is about to be".to_owned(),
    }
}

/// Why peers do not have what they are to have; `None` if all have it.
fn missing(known: &Known<'_>, vip: &Vip, bound: bool) -> Option<String> {
    if !bound {
        return Some(match known.failures.get(vip) {
            Some(error) => format!("failed to bind it here: {error}"),
            None => "it is being bound".to_owned(),
        });
    }
    if let Some(moves) = &known.moves {
        let moved = moves.get(vip).cloned().unwrap_or_default();
        let is_here = match known.facts.standing {
            Standing::Holder { term, .. } => moved.is_here_in(term),
            _ => moved.here == Some(true),
        };
        let failed = moved.failure.map(|error| format!("failed to {error}"));
        return failed.or_else(|| (!is_here).then(|| "the Elastic IP is being assigned to this device".to_owned()));
    }
    let route = vip.network();
    let why = |key: &PeerKey, peer: &PeerStatus| {
        if peer.announced.contains_key(&route) {
            return None;
        }
        Some(match (peer.unsendable.get(&route), peer.established(), &peer.last_error) {
            (Some(why), true, _) => format!("not sent to {key}: {why}"),
            (_, true, _) => format!("{key} is being told"),
            (_, false, Some(error)) => format!("{key} is {}: {error}", peer.state),
            (_, false, None) => format!("{key} is {}", peer.state),
        })
    };
    let whys: Vec<String> = known.peers.iter().filter_map(|(key, peer)| why(key, peer)).collect();
    (!whys.is_empty()).then(|| whys.join("; "))
}

fn lead(known: &Known<'_>, election: &Elected<'_>, moment: &Moment) -> status::Leadership {
    let Elected { lease, leadership, story, candidates } = election;
    let standby = match known.facts.standing {
        // When its time is over it is silent, whatever it stood by for.
        Standing::Standby { until, .. } => Some(until).filter(|until| moment.now < *until),
        Standing::Everyone
        | Standing::LastResort
        | Standing::Unfit
        | Standing::Holder { .. }
        | Standing::Bootstrap { .. }
        | Standing::Follower(_) => None,
    };
    let (holder, term, until) = match leadership {
        Leadership::Held { until, term, .. } => (Some(known.node.to_owned()), Some(*term), Some(*until)),
        Leadership::Follower { holder, .. } => (holder.clone(), None, standby),
    };
    let role = match (leadership, &holder) {
        (Leadership::Held { .. }, _) => Role::Holder,
        (Leadership::Follower { .. }, Some(holder)) if holder == known.node => Role::Twin,
        (Leadership::Follower { .. }, _) if standby.is_some() => Role::Standby,
        (Leadership::Follower { .. }, _) => Role::Follower,
    };
    status::Leadership {
        lease: (*lease).to_owned(),
        role,
        holder,
        term,
        seconds_left: until.map(|until| seconds(until - moment.now)),
        since: Since::new(known.chronicle.leadership_since, moment),
        last_holder: former(story),
        fit_others: candidates.iter().map(|candidate| candidate.node.clone()).collect(),
        handover: handover(leadership, story),
    }
}

fn former(story: &Story) -> Option<LastHolder> {
    story.former.as_ref().map(|former| LastHolder { node: former.node.clone(), fenced: former.fenced })
}

fn handover(leadership: &Leadership, story: &Story) -> Option<String> {
    match leadership {
        Leadership::Held { successor: Some(successor), .. } => {
            Some(format!("{successor} has taken it over; this node speaks until that node's routes are out"))
        }
        Leadership::Held { successor: None, .. } => {
            story.offered_to.as_ref().map(|to| format!("it is offered to {to}"))
        }
        Leadership::Follower { .. } => None,
    }
}

fn fitness(known: &Known<'_>, moment: &Moment) -> status::Fitness {
    let Condition { fitness, reason } = &known.condition;
    let state = match (fitness, known.health.state) {
        (Fitness::Fit, State::Off) => "unchecked",
        (Fitness::Fit, _) => "fit",
        (Fitness::Unknown, _) => "unknown",
        (Fitness::Starting, _) => "starting",
        (Fitness::Unheard, _) => "unheard",
        (Fitness::Unfit, _) => "unfit",
        (Fitness::Drained, _) => "drained",
    };
    let last_error = known.health.last_error.as_ref();
    status::Fitness {
        state: state.to_owned(),
        since: Since::new(known.chronicle.fitness_since, moment),
        reason: (!reason.is_empty()).then(|| reason.clone()),
        last_error: last_error.map(|error| status::Said { at: Since::new(error.at, moment), text: error.text.clone() }),
    }
}

fn drain(known: &Known<'_>, moment: &Moment) -> status::Drain {
    let drains = &known.drains;
    let is_empty = known.bound.is_empty() && known.peers.values().all(|peer| peer.outstanding.is_empty());
    status::Drain {
        drained: drains.is_wanted(),
        by_hand: drains.by_hand.is_some(),
        persistent: drains.by_hand.is_some_and(|hand| hand.persistent),
        cordoned: drains.cordoned,
        since: drains.since.map(|since| Since::new(since, moment)),
        done: drains.is_carried_out && is_empty,
    }
}

fn of_peer(known: &Known<'_>, key: &PeerKey, peer: &PeerStatus, moment: &Moment) -> status::Peer {
    let negotiated = peer.negotiated.as_ref().filter(|_| peer.established());
    let said = |said: &Option<Said>| said.as_ref().map(|said| of_said(said, moment));
    let unsendable = peer.unsendable.iter();
    status::Peer {
        peer: key.to_string(),
        description: known.descriptions.get(key).cloned(),
        router: peer.found.map(|address| address.to_string()),
        state: peer.state.to_string(),
        since: Since::new(peer.since, moment),
        local: peer.local.map(|local| local.to_string()),
        times_up: peer.established_count,
        hold_time_seconds: negotiated.map(|negotiated| negotiated.hold_time.map_or(0, |hold| hold.as_secs())),
        bfd: peer.bfd.as_ref().map(|bfd| of_bfd(bfd, moment)),
        last_error: peer.last_error.clone(),
        last_down: said(&peer.last_down),
        last_sent: said(&peer.last_sent),
        last_received: said(&peer.last_received),
        announced: peer.announced.keys().map(ToString::to_string).collect(),
        unsendable: unsendable
            .map(|(route, why)| Unsendable { route: route.to_string(), why: why.to_string() })
            .collect(),
    }
}

fn of_said(said: &Said, moment: &Moment) -> status::Said {
    status::Said { at: Since::new(said.at, moment), text: said.text.clone() }
}

fn of_bfd(bfd: &bfd::Status, moment: &Moment) -> status::Bfd {
    status::Bfd {
        state: bfd.view.state.to_string(),
        since: Since::new(bfd.since, moment),
        detection_ms: bfd.view.detection_time.map(|time| time.as_secs_f64() * 1000.0),
        failures: bfd.failures,
        last_failure: bfd.last_failure.map(|cause| cause.to_string()),
        trouble: bfd.trouble.clone(),
    }
}

fn events(chronicle: &Chronicle, moment: &Moment) -> Vec<status::Event> {
    let event = |event: &crate::control::events::Event| status::Event {
        at: Since::new(event.at, moment),
        kind: event.kind,
        text: event.text.clone(),
    };
    chronicle.events.iter().map(event).collect()
}

#[cfg(test)]
mod tests;
