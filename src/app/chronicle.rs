//! What happens, as events for `vipcast status`: found by comparing what the stations publish.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;
use tokio::sync::watch;

use super::Error;
use super::draining::Drains;
use super::live::Loaded;
use crate::bgp::{PeerKey, PeerStatus, Said};
use crate::clock::now;
use crate::control::events::{Event, Events, Kind};
use crate::election::story::Story;
use crate::election::{Candidate, Condition, Fitness, Leadership};
use crate::time::Instant;
use crate::vip::Vip;

/// More routes of one peer at once are only counted.
const LISTED: usize = 3;

/// What there is to know of the election.
#[derive(Clone, Debug)]
pub(super) struct Election {
    /// How it stands.
    pub(super) leadership: watch::Receiver<Leadership>,
    /// How it came to that.
    pub(super) story: watch::Receiver<Story>,
    /// Who else is fit to hold the lease, best first.
    pub(super) candidates: watch::Receiver<Vec<Candidate>>,
}

/// What happened so far.
#[derive(Clone, Debug)]
pub(super) struct Chronicle {
    pub(super) events: Events,
    /// Since when role and holder are what they are.
    pub(super) leadership_since: Instant,
    /// Since when the node's fitness is what it is.
    pub(super) fitness_since: Instant,
}

/// What is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scene {
    /// Our term where we hold the lease, and the holder where another does; `None`: no election.
    leadership: Option<Result<u64, Option<String>>>,
    /// Who took the lease from us while we still speak.
    successor: Option<String>,
    story: Story,
    condition: Condition,
    bound: BTreeSet<Vip>,
    peers: BTreeMap<PeerKey, Session>,
    drains: Drains,
    /// What was last said of the configuration.
    configuration: (u64, String),
}

/// A peer in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    established: bool,
    count: u64,
    last_down: Option<Said>,
    announced: BTreeSet<IpNetwork>,
}

/// What the stations publish.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) election: Option<Election>,
    pub(super) condition: watch::Receiver<Condition>,
    pub(super) bound: watch::Receiver<BTreeSet<Vip>>,
    pub(super) peers: watch::Receiver<BTreeMap<PeerKey, PeerStatus>>,
    pub(super) drains: watch::Receiver<Drains>,
    pub(super) loaded: watch::Receiver<Loaded>,
}

impl Sources {
    fn scene(&mut self) -> Scene {
        let (mut successor, mut story) = (None, Story::default());
        let leadership = self.election.as_mut().map(|election| {
            election.story.borrow_and_update().clone_into(&mut story);
            match &*election.leadership.borrow_and_update() {
                Leadership::Held { term, successor: taken, .. } => {
                    taken.clone_into(&mut successor);
                    Ok(*term)
                }
                Leadership::Follower { holder, .. } => Err(holder.clone()),
            }
        });
        let peers = self.peers.borrow_and_update();
        let peers = peers.iter().map(|(key, status)| (key.clone(), Session::of(status))).collect();
        let (bound, drains) = (self.bound.borrow_and_update().clone(), self.drains.borrow_and_update().clone());
        let condition = self.condition.borrow_and_update().clone();
        let configuration = self.loaded.borrow_and_update().news.clone();
        Scene { leadership, successor, story, condition, bound, peers, drains, configuration }
    }

    /// Waits for anything new; `false` when that never comes.
    async fn changed(&mut self) -> bool {
        let leadership = async {
            match &mut self.election {
                Some(Election { leadership, story, .. }) => tokio::select! {
                    changed = leadership.changed() => changed,
                    changed = story.changed() => changed,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = leadership => changed.is_ok(),
            changed = self.condition.changed() => changed.is_ok(),
            changed = self.bound.changed() => changed.is_ok(),
            changed = self.peers.changed() => changed.is_ok(),
            changed = self.drains.changed() => changed.is_ok(),
            changed = self.loaded.changed() => changed.is_ok(),
        }
    }
}

impl Session {
    fn of(status: &PeerStatus) -> Self {
        Self {
            established: status.established(),
            count: status.established_count,
            last_down: status.last_down.clone(),
            announced: status.announced.keys().copied().collect(),
        }
    }
}

/// Nothing yet.
pub(super) fn begin() -> (watch::Sender<Chronicle>, watch::Receiver<Chronicle>) {
    watch::channel(Chronicle { events: Events::default(), leadership_since: now(), fitness_since: now() })
}

/// Keeps the chronicle for as long as all stations run.
pub(super) async fn keep(mut sources: Sources, chronicle: watch::Sender<Chronicle>) -> Result<(), Error> {
    let mut before = Scene { leadership: sources.election.is_some().then_some(Err(None)), ..Scene::default() };
    loop {
        let after = sources.scene();
        let at = now();
        chronicle.send_modify(|chronicle| {
            if holder(&before) != holder(&after) {
                chronicle.leadership_since = at;
            }
            if before.condition.fitness != after.condition.fitness {
                chronicle.fitness_since = at;
            }
            for (kind, text) in news(&before, &after) {
                chronicle.events.push(Event { at, kind, text });
            }
        });
        before = after;
        if !sources.changed().await {
            return Ok(());
        }
    }
}

/// Whose the lease is, whatever its term.
fn holder(scene: &Scene) -> Option<Result<(), &Option<String>>> {
    scene.leadership.as_ref().map(|leadership| leadership.as_ref().map(|_| ()))
}

/// What came about between two scenes, in the order it mostly happens in.
fn news(before: &Scene, after: &Scene) -> Vec<(Kind, String)> {
    let mut news = Vec::new();
    let is_news = before.configuration != after.configuration;
    news.extend(is_news.then(|| (Kind::Configuration, after.configuration.1.clone())));
    news.extend(drains(&before.drains, &after.drains).map(|text| (Kind::Drain, text)));
    news.extend(fitness(&before.condition, &after.condition).map(|text| (Kind::Fitness, text)));
    news.extend(handover(before, after).map(|text| (Kind::Lease, text)));
    news.extend(lease(before, after).map(|text| (Kind::Lease, text)));
    addresses(&mut news, "bound", after.bound.difference(&before.bound));
    for (key, session) in &after.peers {
        let nothing = Session::default();
        of_peer(&mut news, key, before.peers.get(key).unwrap_or(&nothing), session);
    }
    for (key, _) in before.peers.iter().filter(|(key, _)| !after.peers.contains_key(key)) {
        news.push((Kind::Peer, format!("{key} is no peer any more")));
    }
    addresses(&mut news, "unbound", before.bound.difference(&after.bound));
    news
}

fn drains(before: &Drains, after: &Drains) -> Option<String> {
    let text = match (before.is_wanted(), after.is_wanted()) {
        (false, true) if after.by_hand.is_some() => "drained by hand",
        (false, true) => "drained, because the node is cordoned",
        (true, false) => "undrained",
        _ => return None,
    };
    Some(text.to_owned())
}

fn fitness(before: &Condition, after: &Condition) -> Option<String> {
    let reason = &after.reason;
    match after.fitness {
        _ if before.fitness == after.fitness => None,
        Fitness::Fit => Some("this node is fit".to_owned()),
        Fitness::Unheard => Some(format!("no router hears this node: {reason}")),
        Fitness::Unfit => Some(format!("this node is unfit: {reason}")),
        // With the first two everything begins, the last is told as a drain.
        Fitness::Unknown | Fitness::Starting | Fitness::Drained => None,
    }
}

fn handover(before: &Scene, after: &Scene) -> Option<String> {
    if let Some(to) = after.successor.as_ref().filter(|_| after.successor != before.successor) {
        return Some(format!("{to} took the lease; speaking until its routes are out"));
    }
    let to = after.story.offered_to.as_ref().filter(|_| after.story.offered_to != before.story.offered_to);
    to.map(|to| format!("offered the lease to {to}"))
}

fn lease(before: &Scene, after: &Scene) -> Option<String> {
    let Story { taken_from, lost, .. } = &after.story;
    let (before, after) = (before.leadership.as_ref()?, after.leadership.as_ref()?);
    match (before, after) {
        (Ok(former), Ok(term)) if former == term => None,
        (_, Ok(term)) => {
            let offered = taken_from.as_ref().map(|from| format!(": {from} offered it")).unwrap_or_default();
            Some(format!("became the holder, term {term}{offered}"))
        }
        (Ok(_), Err(holder)) => {
            let who = || match holder {
                Some(holder) => format!("{holder} holds it"),
                None => "nobody is known to hold it".to_owned(),
            };
            Some(format!("lost the lease: {}", lost.clone().unwrap_or_else(who)))
        }
        (Err(former), Err(holder)) if former == holder => None,
        (Err(_), Err(Some(holder))) => Some(format!("{holder} holds the lease")),
        (Err(_), Err(None)) => Some("the lease is free, or its holder is not known".to_owned()),
    }
}

fn addresses<'a>(news: &mut Vec<(Kind, String)>, what: &str, vips: impl Iterator<Item = &'a Vip>) {
    let vips: Vec<String> = vips.map(|vip| vip.address().to_string()).collect();
    news.extend(listed(&vips).map(|vips| (Kind::Address, format!("{what} {vips}"))));
}

fn of_peer(news: &mut Vec<(Kind, String)>, key: &PeerKey, before: &Session, after: &Session) {
    let down = after.last_down.as_ref().filter(|_| after.last_down != before.last_down);
    let up = after.established && after.count != before.count;
    if let Some(Said { text, .. }) = down {
        news.push((Kind::Peer, format!("the session with {key} went down: {text}")));
    }
    if up {
        news.push((Kind::Peer, format!("the session with {key} came up")));
    } else if after.count != before.count {
        news.push((Kind::Peer, format!("the session with {key} was up for a moment")));
    }
    let route = |prefix: &IpNetwork| prefix.to_string();
    let told: Vec<String> = after.announced.difference(&before.announced).map(route).collect();
    news.extend(listed(&told).map(|routes| (Kind::Route, format!("announced {routes} to {key}"))));
    // What went with the session is said with it.
    let withdrawn: Vec<String> = match down {
        None => before.announced.difference(&after.announced).map(route).collect(),
        Some(_) => Vec::new(),
    };
    news.extend(listed(&withdrawn).map(|routes| (Kind::Route, format!("withdrew {routes} from {key}"))));
}

/// A few by name, more by their number; `None` of none.
fn listed(items: &[String]) -> Option<String> {
    match items {
        [] => None,
        few if few.len() <= LISTED => Some(few.join(", ")),
        [first, more @ ..] => Some(format!("{first} and {} more", more.len())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::app::draining::Hand;

    fn key() -> PeerKey {
        "10.77.0.1:179".parse::<std::net::SocketAddr>().unwrap().into()
    }

    fn vip(last: u8) -> Vip {
        Vip::new(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn follower(holder: Option<&str>) -> Scene {
        Scene { leadership: Some(Err(holder.map(str::to_owned))), ..Scene::default() }
    }

    fn session(count: u64, down: Option<&str>, routes: &[u8]) -> Session {
        let at = Instant::from_boot(Duration::from_secs(count));
        Session {
            established: !routes.is_empty(),
            count,
            last_down: down.map(|text| Said { at, text: text.to_owned() }),
            announced: routes.iter().map(|last| vip(*last).network()).collect(),
        }
    }

    fn with(session: Session) -> Scene {
        Scene { peers: [(key(), session)].into(), ..Scene::default() }
    }

    fn told(before: &Scene, after: &Scene) -> Vec<String> {
        news(before, after).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_take_over_is_told_in_its_order() {
        let after = Scene {
            leadership: Some(Ok(7)),
            bound: [vip(1)].into(),
            peers: [(key(), session(1, None, &[1]))].into(),
            ..Scene::default()
        };
        assert_eq!(
            news(&follower(Some("n2")), &after),
            [
                (Kind::Lease, "became the holder, term 7".to_owned()),
                (Kind::Address, "bound 192.0.2.1".to_owned()),
                (Kind::Peer, "the session with 10.77.0.1:179 came up".to_owned()),
                (Kind::Route, "announced 192.0.2.1/32 to 10.77.0.1:179".to_owned()),
            ]
        );
        assert_eq!(news(&after, &after), []);
    }

    #[test]
    fn who_holds_the_lease_is_told_when_it_changes() {
        let held = |term| Scene { leadership: Some(Ok(term)), ..Scene::default() };
        assert_eq!(told(&held(7), &held(9)), ["became the holder, term 9"]);
        assert_eq!(told(&held(7), &follower(Some("n2"))), ["lost the lease: n2 holds it"]);
        assert_eq!(told(&held(7), &follower(None)), ["lost the lease: nobody is known to hold it"]);
        assert_eq!(told(&follower(None), &follower(Some("n2"))), ["n2 holds the lease"]);
        assert_eq!(told(&follower(Some("n2")), &follower(None)), ["the lease is free, or its holder is not known"]);
        assert_eq!(told(&follower(None), &follower(None)), Vec::<String>::new());
    }

    #[test]
    fn a_handover_is_told_step_by_step() {
        let scene = |leadership, successor: Option<&str>, story: Story| Scene {
            leadership: Some(leadership),
            successor: successor.map(str::to_owned),
            story,
            ..Scene::default()
        };
        let n2 = || Some("n2".to_owned());
        let scenes = [
            scene(Err(Some("n3".to_owned())), None, Story::default()),
            scene(Ok(7), None, Story { taken_from: Some("n3".to_owned()), ..Story::default() }),
            scene(Ok(7), None, Story { offered_to: n2(), ..Story::default() }),
            scene(Ok(7), Some("n2"), Story::default()),
            scene(Err(n2()), None, Story { lost: Some("n2 speaks now".to_owned()), ..Story::default() }),
        ];
        let news: Vec<String> = scenes.windows(2).flat_map(|pair| told(&pair[0], &pair[1])).collect();
        let expected = [
            "became the holder, term 7: n3 offered it",
            "offered the lease to n2",
            "n2 took the lease; speaking until its routes are out",
            "lost the lease: n2 speaks now",
        ];
        assert_eq!(news, expected);
    }

    #[test]
    fn a_session_takes_its_routes_with_it() {
        let (up, down) = (session(1, None, &[1]), session(1, Some("reset"), &[]));
        assert_eq!(told(&with(up.clone()), &with(down)), ["the session with 10.77.0.1:179 went down: reset"]);
        // Down and up again before anybody looked.
        assert_eq!(
            told(&with(up.clone()), &with(session(2, Some("reset"), &[1]))),
            ["the session with 10.77.0.1:179 went down: reset", "the session with 10.77.0.1:179 came up"]
        );
        let mut withdrawn = session(1, None, &[]);
        withdrawn.established = true;
        assert_eq!(told(&with(up), &with(withdrawn)), ["withdrew 192.0.2.1/32 from 10.77.0.1:179"]);
    }

    #[test]
    fn many_are_counted() {
        let bound = |count: u8| Scene { bound: (1..=count).map(vip).collect(), ..Scene::default() };
        assert_eq!(told(&bound(0), &bound(3)), ["bound 192.0.2.1, 192.0.2.2, 192.0.2.3"]);
        assert_eq!(told(&bound(4), &bound(0)), ["unbound 192.0.2.1 and 3 more"]);
    }

    #[test]
    fn fitness_is_told_with_its_reason() {
        let scene = |fitness, reason: &str| Scene {
            condition: Condition { fitness, reason: reason.to_owned() },
            ..Scene::default()
        };
        let unknown = Scene::default();
        assert_eq!(told(&unknown, &scene(Fitness::Fit, "")), ["this node is fit"]);
        assert_eq!(told(&unknown, &scene(Fitness::Unfit, "503")), ["this node is unfit: 503"]);
        assert_eq!(told(&scene(Fitness::Unfit, "503"), &scene(Fitness::Unfit, "timeout")), Vec::<String>::new());
        assert_eq!(
            told(&scene(Fitness::Fit, ""), &scene(Fitness::Unheard, "no session is up")),
            ["no router hears this node: no session is up"]
        );
    }

    #[test]
    fn a_drain_is_told_once() {
        let at = Instant::from_boot(Duration::ZERO);
        let scene = |by_hand, cordoned| Scene {
            drains: Drains { by_hand, cordoned, since: Some(at), is_carried_out: false },
            ..Scene::default()
        };
        let (none, hand) = (scene(None, false), scene(Some(Hand { persistent: false }), false));
        assert_eq!(told(&none, &hand), ["drained by hand"]);
        assert_eq!(told(&hand, &scene(Some(Hand { persistent: true }), true)), Vec::<String>::new());
        assert_eq!(told(&none, &scene(None, true)), ["drained, because the node is cordoned"]);
        assert_eq!(told(&hand, &none), ["undrained"]);
    }
}
