//! Which neighbour on a link is the router of an unnumbered peer. Pure: `now` and what was heard in, the next deadline
//! and the outcome out; an early or repeated call does nothing.
//!
//! A look-up asks who is there *now*, so that a router that was replaced is found by its new address. It asks thrice:
//! for router advertisements, for an echo of all routers, for an echo of all nodes. The best kind of answer counts,
//! and within it there must be one neighbour: whom to peer with is not for us to choose.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::time::Instant;

/// How long others are waited for after a router has answered.
const SETTLE: Duration = Duration::from_millis(200);
/// How long a look-up takes at most: a router answers a solicitation 3.5 s after its last advertisement at the latest
/// (RFC 4861 §6.2.6).
pub const LIMIT: Duration = Duration::from_millis(3600);
/// When it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How many neighbours are told apart; others beyond are not heard.
const MOST: usize = 32;

/// What was heard of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It advertises itself as a router, and is a default router for so long.
    Advertisement {
        /// Zero: it is none.
        lifetime: Duration,
    },
    /// It answered an echo request to all routers.
    RouterEcho,
    /// It answered an echo request to all nodes.
    NodeEcho,
}

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Node,
    Router,
    DefaultRouter,
}

/// Why there is no neighbour to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfound {
    /// Nobody answered.
    Nobody,
    /// These did, none better than the others.
    Several(Vec<Ipv6Addr>),
}

impl fmt::Display for Unfound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str(
                "no router answered: none advertises itself (RFC 4861), and none answers an echo request to ff02::2",
            ),
            Self::Several(all) => {
                f.write_str("several neighbours could be the router: ")?;
                for (n, address) in all.iter().enumerate() {
                    write!(f, "{}{address}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("; an unnumbered peer is alone on its link: give the address of the one that is meant")
            }
        }
    }
}

/// The neighbours of one interface, and the look-up under way.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// The default routers that advertised themselves, and until when that holds.
    advertised: BTreeMap<Ipv6Addr, Instant>,
    search: Option<Search>,
}

#[derive(Clone, Debug)]
struct Search {
    ask_at: Instant,
    settled_at: Option<Instant>,
    ends_at: Instant,
    heard: BTreeMap<Ipv6Addr, Standing>,
}

impl Lookup {
    /// Begins a look-up; one under way is forgotten.
    pub fn begin(&mut self, now: Instant) {
        self.advertised.retain(|_, until| *until > now);
        self.search = Some(Search { ask_at: now, settled_at: None, ends_at: now + LIMIT, heard: BTreeMap::new() });
    }

    /// A neighbour was heard. `true`: it advertises itself and was not known to: it may not know us either.
    pub fn hear(&mut self, now: Instant, from: Ipv6Addr, sign: Sign) -> bool {
        let is_new = match sign {
            Sign::Advertisement { lifetime } => self.advertised(now, from, lifetime),
            Sign::RouterEcho | Sign::NodeEcho => false,
        };
        let standing = match sign {
            _ if self.advertised.get(&from).is_some_and(|until| *until > now) => Standing::DefaultRouter,
            Sign::Advertisement { .. } | Sign::RouterEcho => Standing::Router,
            Sign::NodeEcho => Standing::Node,
        };
        if let Some(search) = &mut self.search {
            search.hear(now, from, standing);
        }
        is_new
    }

    fn advertised(&mut self, now: Instant, from: Ipv6Addr, lifetime: Duration) -> bool {
        if lifetime.is_zero() {
            self.advertised.remove(&from);
            return false;
        }
        if self.advertised.len() >= MOST && !self.advertised.contains_key(&from) {
            self.advertised.retain(|_, until| *until > now);
            if self.advertised.len() >= MOST {
                return false;
            }
        }
        self.advertised.insert(from, now + lifetime).is_none_or(|until| until <= now)
    }

    /// Whether it is time to ask.
    pub fn ask(&mut self, now: Instant) -> bool {
        let Some(search) = self.search.as_mut().filter(|search| now >= search.ask_at) else { return false };
        search.ask_at = now + ASK_AGAIN;
        true
    }

    /// What the look-up found, once; then it is over.
    pub fn outcome(&mut self, now: Instant) -> Option<Result<Ipv6Addr, Unfound>> {
        let found = self.search.as_ref()?.outcome(now)?;
        self.search = None;
        Some(found)
    }

    /// When to ask, or for the outcome.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let search = self.search.as_ref()?;
        // Where several have answered nothing is settled before the end.
        let settled_at = search.settled_at.filter(|_| search.best().1.len() == 1);
        [Some(search.ask_at), settled_at, Some(search.ends_at)].into_iter().flatten().min()
    }
}

impl Search {
    fn hear(&mut self, now: Instant, from: Ipv6Addr, standing: Standing) {
        if self.heard.len() >= MOST && !self.heard.contains_key(&from) {
            return;
        }
        let known = self.heard.entry(from).or_insert(standing);
        *known = standing.max(*known);
        if standing > Standing::Node {
            self.settled_at.get_or_insert(now + SETTLE);
        }
    }

    /// The best kind of answer, and who gave it.
    fn best(&self) -> (Option<Standing>, Vec<Ipv6Addr>) {
        let best = self.heard.values().max().copied();
        (best, self.heard.iter().filter(|(_, standing)| Some(**standing) == best).map(|(&from, _)| from).collect())
    }

    fn outcome(&self, now: Instant) -> Option<Result<Ipv6Addr, Unfound>> {
        let is_settled = self.settled_at.is_some_and(|at| now >= at);
        let is_over = now >= self.ends_at;
        if !is_settled && !is_over {
            return None;
        }
        match self.best().1.as_slice() {
            [] => is_over.then_some(Err(Unfound::Nobody)),
            [one] => Some(Ok(*one)),
            // One of them may turn out to be the default router.
            several => is_over.then(|| Err(Unfound::Several(several.to_vec()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_boot(Duration::from_secs(1000));

    fn at(millis: u64) -> Instant {
        START + Duration::from_millis(millis)
    }

    fn ip(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
    }

    /// After so many milliseconds, of this neighbour.
    type Heard = (u64, u16, Sign);

    const ROUTER: Sign = Sign::Advertisement { lifetime: Duration::from_secs(30) };
    const NO_DEFAULT_ROUTER: Sign = Sign::Advertisement { lifetime: Duration::ZERO };

    /// What becomes of a look-up that hears this, and after how many milliseconds.
    fn look(lookup: &mut Lookup, from: Instant, heard: &[Heard]) -> (u64, Result<Ipv6Addr, Unfound>) {
        lookup.begin(from);
        let mut heard = heard.to_vec();
        loop {
            let deadline = lookup.next_deadline().unwrap();
            let next = heard.first().map(|(millis, ..)| from + Duration::from_millis(*millis));
            let now = match next {
                Some(next) if next <= deadline => {
                    let (_, neighbour, sign) = heard.remove(0);
                    lookup.hear(next, ip(neighbour), sign);
                    next
                }
                _ => deadline,
            };
            lookup.ask(now);
            if let Some(found) = lookup.outcome(now) {
                return (u64::try_from((now - from).as_millis()).unwrap(), found);
            }
        }
    }

    fn found(heard: &[Heard]) -> (u64, Result<Ipv6Addr, Unfound>) {
        look(&mut Lookup::default(), START, heard)
    }

    #[test]
    fn the_best_kind_of_answer_counts() {
        let several = |all: &[u16]| Err(Unfound::Several(all.iter().map(|last| ip(*last)).collect()));
        let cases: [(&[Heard], _); 9] = [
            (&[], (3600, Err(Unfound::Nobody))),
            (&[(1, 1, Sign::RouterEcho)], (201, Ok(ip(1)))),
            (&[(1, 1, Sign::NodeEcho), (1, 2, Sign::NodeEcho), (2, 1, Sign::RouterEcho)], (202, Ok(ip(1)))),
            (&[(1, 1, Sign::RouterEcho), (9, 2, Sign::RouterEcho)], (3600, several(&[1, 2]))),
            (&[(1, 1, Sign::RouterEcho), (1, 2, Sign::RouterEcho), (900, 2, ROUTER)], (900, Ok(ip(2)))),
            (&[(5, 1, NO_DEFAULT_ROUTER), (6, 2, Sign::RouterEcho), (7, 3, ROUTER)], (205, Ok(ip(3)))),
            (&[(5, 1, ROUTER), (6, 2, ROUTER)], (3600, several(&[1, 2]))),
            // No router answers: a neighbour does, who is the only one.
            (&[(1, 7, Sign::NodeEcho)], (3600, Ok(ip(7)))),
            (&[(1, 7, Sign::NodeEcho), (2, 8, Sign::NodeEcho)], (3600, several(&[7, 8]))),
        ];
        for (heard, expected) in cases {
            assert_eq!(found(heard), expected, "{heard:?}");
        }
    }

    #[test]
    fn who_advertised_before_is_the_router_as_long_as_that_holds_and_it_answers() {
        let mut lookup = Lookup::default();
        assert!(lookup.hear(START, ip(1), ROUTER));
        assert!(!lookup.hear(at(10), ip(1), ROUTER));
        assert!(!lookup.hear(at(10), ip(2), NO_DEFAULT_ROUTER));
        let both = [(1, 1, Sign::RouterEcho), (1, 2, Sign::RouterEcho)];
        assert_eq!(look(&mut lookup, at(1000), &both), (201, Ok(ip(1))));
        // Replaced: the old one is silent.
        assert_eq!(look(&mut lookup, at(9000), &both[1..]), (201, Ok(ip(2))));
        let several = Err(Unfound::Several(vec![ip(1), ip(2)]));
        assert_eq!(look(&mut lookup, at(40_000), &both), (3600, several.clone()));
        assert!(lookup.hear(at(50_000), ip(1), ROUTER));
        assert!(!lookup.hear(at(51_000), ip(1), NO_DEFAULT_ROUTER));
        assert_eq!(look(&mut lookup, at(52_000), &both), (3600, several));
    }

    #[test]
    fn it_asks_at_once_and_every_second_and_early_calls_do_nothing() {
        let mut lookup = Lookup::default();
        assert_eq!((lookup.ask(START), lookup.outcome(START), lookup.next_deadline()), (false, None, None));
        lookup.begin(START);
        assert_eq!(lookup.next_deadline(), Some(START));
        let asked: Vec<u64> = (0..3600).filter(|millis| lookup.ask(at(*millis))).collect();
        assert_eq!(asked, [0, 1000, 2000, 3000]);
        assert_eq!(lookup.outcome(at(3599)), None);
        assert_eq!(lookup.next_deadline(), Some(at(3600)));
        assert_eq!(lookup.outcome(at(3600)), Some(Err(Unfound::Nobody)));
        assert_eq!((lookup.outcome(at(3601)), lookup.next_deadline()), (None, None));
    }

    #[test]
    fn a_flood_of_neighbours_takes_no_more_room_than_those_told_apart() {
        let mut lookup = Lookup::default();
        lookup.begin(START);
        for last in 0..1000 {
            lookup.hear(START, ip(last), ROUTER);
        }
        assert_eq!((lookup.advertised.len(), lookup.search.unwrap().heard.len()), (MOST, MOST));
    }

    #[test]
    fn what_was_not_found_names_the_candidates() {
        assert_eq!(
            Unfound::Several(vec![ip(1), ip(2)]).to_string(),
            "several neighbours could be the router: fe80::1, fe80::2; an unnumbered peer is alone on its link: give the \
             address of the one that is meant"
        );
        assert_eq!(
            Unfound::Nobody.to_string(),
            "no router answered: none advertises itself (RFC 4861), and none answers an echo request to ff02::2"
        );
    }
}
