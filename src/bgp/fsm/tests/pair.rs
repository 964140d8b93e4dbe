//! Two peers that talk to each other over a network with delay, loss of connections and partition, on a virtual clock;
//! and every order in which what two of them say at the same time can arrive.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::bgp::backoff::{Jitter, LONGEST};
use crate::bgp::settings::Connect;
use StateName::{Established, Idle, OpenConfirm, OpenSent};
use net::{DELAY, Net};

mod net;

/// All modes in which two peers come together.
const MODES: [[Connect; 2]; 5] = [
    [Connect::Active, Connect::Passive],
    [Connect::Passive, Connect::Active],
    [Connect::Active, Connect::Both],
    [Connect::Both, Connect::Passive],
    [Connect::Both, Connect::Both],
];

#[test]
fn they_come_up_in_a_few_delays_and_stay_up() {
    for mode in MODES {
        let mut net = Net::new(mode);
        // SYN and SYN-ACK, OPEN, KEEPALIVE.
        net.run(4 * DELAY);
        assert_eq!(net.names(), [Established; 2], "{mode:?}");
        net.log.clear();
        net.run(secs(600));
        assert_eq!(net.names(), [Established; 2], "{mode:?}");
        let ended = net.log.iter().filter(|(_, _, to)| *to > OpenSent).count();
        assert_eq!((ended, net.agreed().is_some()), (0, true), "{mode:?}");
    }
}

#[test]
fn the_passive_end_waits_for_the_active_one() {
    let mut net = Net::new([Connect::Active, Connect::Passive]);
    net.run(secs(1));
    let of = |end: usize| net.log.iter().filter(|entry| entry.1 == end).map(|entry| entry.2).collect::<Vec<_>>();
    assert_eq!(of(0), [StateName::Connect, OpenSent, OpenConfirm, Established]);
    assert_eq!(of(1), [StateName::Active, OpenSent, OpenConfirm, Established]);
}

#[test]
fn a_partition_is_noticed_by_both_within_the_hold_time_and_healed_within_the_longest_back_off() {
    for mode in MODES {
        let mut net = Net::new(mode);
        net.run(secs(100));
        assert_eq!(net.names(), [Established; 2], "{mode:?}");
        net.partition();
        net.log.clear();
        net.run(secs(100) + HOLD + DELAY);
        let ends: BTreeSet<_> = net.log.iter().filter(|e| e.2 == Idle).map(|e| e.1).collect();
        assert_eq!(ends, [0, 1].into(), "{mode:?}");
        net.run(secs(400));
        assert!(net.names().iter().all(|name| *name < OpenSent), "{mode:?}: {:?}", net.names());
        net.cut = false;
        net.run(secs(400) + LONGEST + CONNECT_TIMEOUT);
        assert_eq!(net.names(), [Established; 2], "{mode:?}");
    }
}

#[test]
fn a_stop_ends_both() {
    for mode in MODES {
        let mut net = Net::new(mode);
        net.run(secs(100));
        net.log.clear();
        net.tell(0, &Input::Stop(Notification::administrative_shutdown("bye")));
        assert_eq!(net.names()[0], Idle, "{mode:?}");
        net.run(secs(100) + DELAY);
        assert!(net.log.iter().any(|(_, end, to)| (*end, *to) == (1, Idle)), "{mode:?}: {:?}", net.log);
        net.run(secs(200));
        assert!(net.ends[0].peering.is_stopped(), "{mode:?}");
    }
}

/// All that can come of a net when what travels arrives in any order: how many sets of states, and how the ends
/// stand in the last ones.
fn every_order(net: Net) -> (usize, Vec<Net>) {
    let (mut seen, mut ends, mut todo) = (HashSet::new(), vec![], vec![net]);
    while let Some(net) = todo.pop() {
        if !seen.insert(format!("{:?} {:?}", net.ends, net.connections)) {
            continue;
        }
        let channels = net.channels();
        if channels.is_empty() {
            ends.push(net);
            continue;
        }
        for (_, connection, end) in channels {
            let mut next = net.clone();
            next.deliver(connection, end);
            next.log.clear();
            todo.push(next);
        }
    }
    (seen.len(), ends)
}

/// Where two peers have the same Identifier, the AS numbers decide; we have the higher one.
const IDENTIFIERS: [[Ipv4Addr; 2]; 3] = [[OUR_ID, PEER_ID], [PEER_ID, OUR_ID], [OUR_ID, OUR_ID]];

fn with_identifiers([a, b]: [Ipv4Addr; 2], connect: [Connect; 2]) -> Net {
    let b = Config { local_as: 65000, peer_as: Some(65001), router_id: b, seed: 2, ..config() };
    Net::between([Config { router_id: a, ..config() }, b], connect)
}

#[test]
fn of_two_connections_at_once_one_stays_in_every_order() {
    for identifiers in IDENTIFIERS {
        let (states, ends) = every_order(with_identifiers(identifiers, [Connect::Both; 2]));
        // The first connection is that of the first peer. If one is up before the other is made, it stays.
        let kept: Vec<_> = ends.iter().map(Net::agreed).collect();
        println!("    {identifiers:?}: {states} states, kept {kept:?}");
        assert!(states > 1000 && !kept.contains(&None), "{kept:?}");
        assert_eq!(kept.iter().collect::<HashSet<_>>().len(), 2, "both are possible");
    }
}

#[test]
fn at_the_same_moment_the_one_with_the_higher_identifier_has_its_connection_kept() {
    for (identifiers, kept) in IDENTIFIERS.into_iter().zip([1, 0, 0]) {
        // Delays differ a little from segment to segment.
        for seed in 0..200 {
            let mut net = with_identifiers(identifiers, [Connect::Both; 2]);
            net.delay = Jitter::new(seed);
            net.run(10 * DELAY);
            assert_eq!(net.agreed(), Some(kept), "{identifiers:?}, seed {seed}");
        }
    }
}

#[derive(Clone, Debug)]
enum Mishap {
    Nothing,
    Partition,
    Heal,
    /// The last connection is lost; both ends see it.
    Lost,
    Reset(usize, Reset),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => Just(Mishap::Nothing),
        1 => Just(Mishap::Partition),
        2 => Just(Mishap::Heal),
        2 => Just(Mishap::Lost),
        1 => (0_usize..2).prop_map(|end| Mishap::Reset(end, Reset::ConfigChange)),
        1 => (0_usize..2).prop_map(|end| Mishap::Reset(end, Reset::BfdDown)),
    ]
}

impl Net {
    fn befall(&mut self, mishap: &Mishap) {
        match mishap {
            Mishap::Nothing => {}
            Mishap::Partition => self.partition(),
            Mishap::Heal => self.cut = false,
            Mishap::Lost => {
                let Some(last) = self.connections.len().checked_sub(1) else { return };
                self.connections[last].to = Default::default();
                for end in 0..2 {
                    self.input(last, end, Input::Down("lost".into()));
                }
            }
            Mishap::Reset(end, reset) => self.tell(*end, &Input::Reset(*reset)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_befalls_the_network_one_session_comes_of_it(
        mode in prop::sample::select(MODES.to_vec()),
        seed in any::<u64>(),
        mishaps in prop::collection::vec((mishap(), 0_u64..30_000), 0..30),
    ) {
        let mut net = Net::new(mode);
        net.delay = Jitter::new(seed);
        let mut now = Duration::ZERO;
        for (mishap, wait) in mishaps {
            net.befall(&mishap);
            now += Duration::from_millis(wait);
            net.run(now);
        }
        net.cut = false;
        // The longest that a machine can hang on to what is gone, and then an attempt that comes through.
        now += OPEN_TIMEOUT + HOLD + 2 * (LONGEST + CONNECT_TIMEOUT);
        net.run(now);
        prop_assert!(net.agreed().is_some(), "{:?} {:?}", net.ends, net.connections);
        let session = net.agreed();
        net.run(now + secs(300));
        prop_assert_eq!(net.agreed(), session);
    }
}
