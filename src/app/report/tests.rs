use std::time::Duration;

use super::*;
use crate::app::draining::Hand;
use crate::bgp::adj_out::Unsendable as Why;
use crate::bgp::fsm::StateName;
use crate::control::events::{Event, Events, Kind};
use crate::election::story::Former;

const MOMENT: Moment = Moment { now: at(500), wall: Duration::from_secs(1_795_277_454) };

const fn at(secs: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(secs))
}

fn vip() -> Vip {
    Vip::new("10.88.0.40".parse().unwrap())
}

fn key(last: u8) -> PeerKey {
    std::net::SocketAddr::from(([10, 77, 0, last], 179)).into()
}

fn peer(state: StateName) -> PeerStatus {
    PeerStatus { state, ..PeerStatus::unknown(at(400), false) }
}

/// A session that has the route.
fn told() -> PeerStatus {
    let route = vip().network();
    PeerStatus { announced: [(route, at(450))].into(), outstanding: [route].into(), ..peer(StateName::Established) }
}

/// The state of everything that a test does not say.
struct Node {
    standing: Standing,
    leadership: Option<Leadership>,
    bound: BTreeSet<Vip>,
    peers: BTreeMap<PeerKey, PeerStatus>,
    drains: Drains,
    condition: Condition,
    story: Story,
    failures: BTreeMap<Vip, String>,
}

impl Node {
    fn new(standing: Standing, leadership: Option<Leadership>) -> Self {
        let peers = [(key(1), told())].into();
        let condition = Condition { fitness: Fitness::Fit, reason: String::new() };
        Self {
            standing,
            leadership,
            bound: [vip()].into(),
            peers,
            drains: Drains::default(),
            condition,
            story: Story::default(),
            failures: BTreeMap::new(),
        }
    }

    fn report(self) -> Status {
        let mut events = Events::default();
        events.push(Event { at: at(490), kind: Kind::Peer, text: "something".to_owned() });
        let descriptions = [(key(1), "leaf 1".to_owned())].into();
        let facts = Facts { vips: vec![vip()], attributes: BTreeMap::new(), standing: self.standing };
        let known = Known {
            node: "n1",
            started: at(100),
            election: self.leadership.map(|leadership| Elected {
                lease: "kube-system/lock",
                leadership,
                story: self.story,
                candidates: vec![Candidate { node: "n3".to_owned(), instance: "n3/1f".to_owned() }],
            }),
            condition: self.condition,
            health: Health::off(at(100)),
            failures: self.failures,
            facts,
            bound: self.bound,
            moves: None,
            peers: &self.peers,
            descriptions: &descriptions,
            drains: self.drains,
            loaded: Loaded::first(at(100)),
            chronicle: Chronicle { events, leadership_since: at(480), fitness_since: at(470) },
        };
        report(&known, &MOMENT)
    }

    fn why_not(self) -> Option<String> {
        self.report().vips.remove(0).why_not
    }
}

fn since(secs: u64) -> Since {
    Since::new(at(secs), &MOMENT)
}

fn holder() -> Node {
    let (until, term) = (Instant::from_boot(Duration::from_millis(502_300)), 7);
    let leadership = Leadership::Held { until, term, prepend: 0, successor: None };
    Node::new(Standing::Holder { until, term, prepend: 0 }, Some(leadership))
}

fn follower(holder: Option<&str>, standing: Holder) -> Node {
    let leadership = Leadership::Follower { holder: holder.map(str::to_owned), standby_until: None };
    let node = Node::new(Standing::Follower(standing), Some(leadership));
    Node { bound: BTreeSet::new(), peers: [(key(1), peer(StateName::Established))].into(), ..node }
}

#[test]
fn a_holder_whose_peer_has_the_route() {
    let expected = Status {
        version: 1,
        vipcast: env!("CARGO_PKG_VERSION").to_owned(),
        node: "n1".to_owned(),
        time: "2026-11-21T16:10:54.000Z".to_owned(),
        started: since(100),
        mode: Mode::Lease,
        configuration: status::Configuration { since: since(100), refused: None, needs_restart: vec![] },
        vips: vec![status::Vip {
            address: "10.88.0.40".to_owned(),
            wanted: true,
            bound: true,
            announced_to: vec![Announced { peer: "10.77.0.1:179".to_owned(), since: since(450) }],
            withdrawing_from: vec![],
            why_not: None,
        }],
        leadership: Some(status::Leadership {
            lease: "kube-system/lock".to_owned(),
            role: Role::Holder,
            holder: Some("n1".to_owned()),
            term: Some(7),
            seconds_left: Some(2.3),
            since: since(480),
            last_holder: None,
            fit_others: vec!["n3".to_owned()],
            handover: None,
        }),
        fitness: status::Fitness { state: "unchecked".to_owned(), since: since(470), reason: None, last_error: None },
        drain: status::Drain {
            drained: false,
            by_hand: false,
            persistent: false,
            cordoned: false,
            since: None,
            done: false,
        },
        peers: vec![status::Peer {
            peer: "10.77.0.1:179".to_owned(),
            description: Some("leaf 1".to_owned()),
            router: None,
            state: "Established".to_owned(),
            since: since(400),
            local: None,
            times_up: 0,
            hold_time_seconds: None,
            bfd: None,
            last_error: None,
            last_down: None,
            last_sent: None,
            last_received: None,
            announced: vec!["10.88.0.40/32".to_owned()],
            unsendable: vec![],
        }],
        events: vec![status::Event { at: since(490), kind: Kind::Peer, text: "something".to_owned() }],
    };
    assert_eq!(holder().report(), expected);
}

#[test]
fn how_the_lease_came_here_and_where_it_goes() {
    let former = Some(Former { node: "n2".to_owned(), fenced: false });
    let story = Story { former, offered_to: Some("n3".to_owned()), ..Story::default() };
    let said = |leadership: Leadership, story: Story| {
        let node = Node { leadership: Some(leadership), story, ..holder() };
        node.report().leadership.map(|leadership| (leadership.last_holder, leadership.handover)).unwrap()
    };
    let held = |successor: Option<&str>| Leadership::Held {
        until: at(600),
        term: 7,
        prepend: 0,
        successor: successor.map(str::to_owned),
    };
    let stranger = || Some(LastHolder { node: "n2".to_owned(), fenced: false });
    assert_eq!(said(held(None), story.clone()), (stranger(), Some("it is offered to n3".to_owned())));
    let taken = "n3 has taken it over; this node speaks until that node's routes are out".to_owned();
    assert_eq!(said(held(Some("n3")), story.clone()), (stranger(), Some(taken)));
    assert_eq!(said(Leadership::UNKNOWN, story), (stranger(), None));
    assert_eq!(said(held(None), Story::default()), (None, None));
}

#[test]
fn why_a_node_is_to_announce_nothing() {
    assert_eq!(follower(Some("n2"), Holder::Elsewhere).why_not().as_deref(), Some("n2 holds the lease"));
    let unknown = follower(None, Holder::Unknown).why_not();
    assert_eq!(unknown.as_deref(), Some("nobody is known to hold the lease"));
    let twin = follower(Some("n1"), Holder::Twin);
    assert_eq!(twin.why_not().as_deref(), Some("another process on this node holds the lease under this node's name"));
    let condition = |fitness, reason: &str| Condition { fitness, reason: reason.to_owned() };
    let unfit = Node { condition: condition(Fitness::Unfit, "503"), ..Node::new(Standing::Unfit, None) };
    assert_eq!(unfit.why_not().as_deref(), Some("this node is unfit: 503"));
    let unchecked = Node {
        condition: condition(Fitness::Unknown, "no health check is over yet"),
        ..Node::new(Standing::Follower(Holder::Unknown), None)
    };
    assert_eq!(unchecked.why_not().as_deref(), Some("no health check is over yet"));
    let late = Node { standing: Standing::Holder { until: at(500), term: 7, prepend: 0 }, ..holder() };
    assert_eq!(late.why_not().as_deref(), Some("the lease was not renewed in time"));
}

#[test]
fn why_a_peer_does_not_have_what_it_should() {
    let with = |peer: PeerStatus| Node { peers: [(key(1), told()), (key(2), peer)].into(), ..holder() }.why_not();
    let idle = PeerStatus { last_error: Some("connect: refused".to_owned()), ..peer(StateName::Idle) };
    let unsendable = [(vip().network(), Why::NoNextHop)].into();
    let cases = [
        (told(), None),
        (idle, Some("10.77.0.2:179 is Idle: connect: refused")),
        (peer(StateName::Connect), Some("10.77.0.2:179 is Connect")),
        (peer(StateName::Established), Some("10.77.0.2:179 is being told")),
        (
            PeerStatus { unsendable, ..peer(StateName::Established) },
            Some("not sent to 10.77.0.2:179: this session has no next hop of its address family"),
        ),
    ];
    for (peer, why) in cases {
        assert_eq!(with(peer).as_deref(), why);
    }
    let unbound = |failures| Node { bound: BTreeSet::new(), failures, ..holder() }.why_not();
    assert_eq!(unbound(BTreeMap::new()).as_deref(), Some("it is being bound"));
    let failure = [(vip(), "no such device".to_owned())].into();
    assert_eq!(unbound(failure).as_deref(), Some("failed to bind it here: no such device"));
}

#[test]
fn a_drain_is_done_when_no_peer_holds_anything_and_nothing_is_bound() {
    let by_hand = Some(Hand { persistent: true });
    let drains = Drains { by_hand, cordoned: false, since: Some(at(495)), is_carried_out: true };
    let empty = Standing::Unfit;
    let node = |peer: PeerStatus, bound: BTreeSet<Vip>| Node {
        bound,
        peers: [(key(1), peer)].into(),
        drains: drains.clone(),
        condition: Condition { fitness: Fitness::Drained, reason: "drained by its operator".to_owned() },
        ..Node::new(empty, None)
    };
    let gone = || peer(StateName::Established);
    let going = PeerStatus { outstanding: [vip().network()].into(), ..gone() };
    let status = node(going, [vip()].into()).report();
    assert_eq!((status.drain.done, status.fitness.state.as_str()), (false, "drained"));
    let expected = status::Vip {
        address: "10.88.0.40".to_owned(),
        wanted: false,
        bound: true,
        announced_to: vec![],
        withdrawing_from: vec!["10.77.0.1:179".to_owned()],
        why_not: Some("this node is drained".to_owned()),
    };
    assert_eq!(status.vips, [expected]);
    assert!(!node(gone(), [vip()].into()).report().drain.done);
    let done = node(gone(), BTreeSet::new()).report().drain;
    let expected = status::Drain {
        drained: true,
        by_hand: true,
        persistent: true,
        cordoned: false,
        since: Some(since(495)),
        done: true,
    };
    assert_eq!(done, expected);
    // Its routes are still to be marked, say.
    let waiting = Drains { is_carried_out: false, ..drains.clone() };
    assert!(!Node { drains: waiting, ..node(gone(), BTreeSet::new()) }.report().drain.done);
}
