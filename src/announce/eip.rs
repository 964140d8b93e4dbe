//! An Elastic IP: an address that a cloud routes to the one device it is assigned to. What to do about it. Pure.
//!
//! Its API knows no exchange: an assignment is removed, and another is made. Each has an ID of its own, so who removes by
//! the ID it saw never removes the assignment that came after. The API refuses to assign what is assigned.

use std::collections::BTreeSet;

use crate::time::Instant;
use crate::vip::{Facts, Holder, Standing, Vip, desired};

/// Who has an address, as the cloud says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// No device.
    Nobody,
    /// This node's device.
    Here {
        /// The assignment.
        id: String,
    },
    /// Another one.
    Elsewhere {
        /// The assignment.
        id: String,
        /// The device.
        device: String,
    },
}

/// What this node is to do about all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Have them: it holds the lease, in this term and until then.
    Have {
        /// The holder's term.
        term: u64,
        /// When the entitlement ends unless it is renewed.
        until: Instant,
    },
    /// Give up those it has.
    GiveUp,
    /// Nothing: it is not known who may, or a twin on this node does.
    HandsOff,
}

impl Stand {
    /// By the facts at `now`. `touched`: this process may have assigned something.
    #[must_use]
    pub fn new(facts: &Facts, now: Instant, touched: bool) -> Self {
        match facts.standing {
            Standing::Holder { term, until, .. } if !desired(facts, now).0.is_empty() => Self::Have { term, until },
            Standing::Follower(Holder::Unknown) if !touched => Self::HandsOff,
            // Nobody is elected, or the addresses are bound for this node alone.
            Standing::Follower(Holder::Twin)
            | Standing::Everyone
            | Standing::LastResort
            | Standing::Bootstrap { .. } => Self::HandsOff,
            Standing::Holder { .. } | Standing::Standby { .. } | Standing::Unfit | Standing::Follower(_) => {
                Self::GiveUp
            }
        }
    }

    /// The holder's term.
    #[must_use]
    pub const fn term(self) -> Option<u64> {
        match self {
            Self::Have { term, .. } => Some(term),
            Self::GiveUp | Self::HandsOff => None,
        }
    }

    /// Whether the other differs by more than a renewal.
    #[must_use]
    pub const fn is_other(self, other: Self) -> bool {
        match (self, other) {
            (Self::Have { term, .. }, Self::Have { term: other, .. }) => term != other,
            (Self::GiveUp, Self::GiveUp) | (Self::HandsOff, Self::HandsOff) => false,
            _ => true,
        }
    }
}

/// What to do next about one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: all is as it should be.
    Nothing,
    /// Look again after the next renewal.
    Wait,
    /// Remove this assignment.
    Detach {
        /// Its ID.
        id: String,
    },
    /// Assign the address to this node's device.
    Attach,
}

/// What is remembered of one address.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    /// The last term in which it was at this device.
    had_in: Option<u64>,
    /// Since then it is not: the entitlement's end when that was seen.
    lost: Option<Instant>,
}

impl Keeper {
    /// It was assigned to this device in this stand; by which ID the next look says.
    pub const fn attached(&mut self, stand: Stand) {
        if let Stand::Have { term, .. } = stand {
            (self.had_in, self.lost) = (Some(term), None);
        }
    }

    /// The next step towards `stand`. A new holder takes the address from whoever has it. One that had it in this term
    /// and sees it gone takes it back only when its lease was renewed after that: else a successor has the lease already.
    pub fn next(&mut self, stand: Stand, seen: &Assigned) -> Step {
        match (stand, seen) {
            (Stand::Have { term, .. }, Assigned::Here { .. }) => {
                (self.had_in, self.lost) = (Some(term), None);
                Step::Nothing
            }
            (Stand::Have { term, until }, Assigned::Nobody | Assigned::Elsewhere { .. }) => {
                if self.had_in == Some(term) && until <= *self.lost.get_or_insert(until) {
                    return Step::Wait;
                }
                match seen {
                    Assigned::Elsewhere { id, .. } => Step::Detach { id: id.clone() },
                    Assigned::Nobody | Assigned::Here { .. } => Step::Attach,
                }
            }
            (Stand::GiveUp, Assigned::Here { id }) => Step::Detach { id: id.clone() },
            (Stand::GiveUp, Assigned::Nobody | Assigned::Elsewhere { .. }) | (Stand::HandsOff, _) => Step::Nothing,
        }
    }
}

/// The addresses to see to: a holder's are bound before they are assigned. `held`: those this device has, or may have;
/// what is no VIP any more is given up.
#[must_use]
pub fn due(facts: &Facts, bound: &BTreeSet<Vip>, stand: Stand, held: &BTreeSet<Vip>) -> BTreeSet<Vip> {
    let all = || facts.vips.iter().copied();
    let stray = held.iter().copied().filter(|vip| !facts.vips.contains(vip));
    match stand {
        Stand::Have { .. } => all().filter(|vip| bound.contains(vip)).chain(stray).collect(),
        Stand::GiveUp => all().chain(stray).collect(),
        Stand::HandsOff => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_boot(Duration::from_secs(seconds))
    }

    fn have(term: u64, until: u64) -> Stand {
        Stand::Have { term, until: at(until) }
    }

    fn here() -> Assigned {
        Assigned::Here { id: "a".to_owned() }
    }

    fn elsewhere() -> Assigned {
        Assigned::Elsewhere { id: "b".to_owned(), device: "d".to_owned() }
    }

    fn detach(id: &str) -> Step {
        Step::Detach { id: id.to_owned() }
    }

    #[test]
    fn a_new_holder_takes_it_from_whoever_has_it() {
        let mut keeper = Keeper::default();
        assert_eq!(keeper.next(have(7, 10), &elsewhere()), detach("b"));
        assert_eq!(keeper.next(have(7, 10), &Assigned::Nobody), Step::Attach);
        assert_eq!(keeper.next(have(7, 11), &here()), Step::Nothing);
    }

    #[test]
    fn who_had_it_takes_it_back_only_after_a_renewal() {
        let mut keeper = Keeper::default();
        assert_eq!(keeper.next(have(7, 10), &here()), Step::Nothing);
        for seen in [elsewhere(), Assigned::Nobody, elsewhere()] {
            assert_eq!(keeper.next(have(7, 10), &seen), Step::Wait);
        }
        assert_eq!(keeper.next(have(7, 11), &elsewhere()), detach("b"));
        assert_eq!(keeper.next(have(7, 11), &Assigned::Nobody), Step::Attach);
        assert_eq!(keeper.next(have(7, 11), &here()), Step::Nothing);
        // The next loss counts anew, and another term is another holder.
        assert_eq!(keeper.next(have(7, 11), &Assigned::Nobody), Step::Wait);
        assert_eq!(keeper.next(have(8, 11), &elsewhere()), detach("b"));
    }

    #[test]
    fn a_leaver_removes_its_own_assignment_and_no_other() {
        let mut keeper = Keeper::default();
        let steps = [here(), elsewhere(), Assigned::Nobody].map(|seen| keeper.next(Stand::GiveUp, &seen));
        assert_eq!(steps, [detach("a"), Step::Nothing, Step::Nothing]);
        let steps = [here(), elsewhere(), Assigned::Nobody].map(|seen| keeper.next(Stand::HandsOff, &seen));
        assert_eq!(steps, [Step::Nothing, Step::Nothing, Step::Nothing]);
    }

    fn facts(standing: Standing) -> Facts {
        let vips = [1, 2].map(|last| Vip::new([192, 0, 2, last].into())).to_vec();
        Facts { vips, attributes: BTreeMap::new(), standing }
    }

    #[test]
    fn only_a_holder_in_its_time_has_it_and_only_what_is_bound() {
        let holder = facts(Standing::Holder { until: at(10), term: 7, prepend: 0 });
        assert_eq!(Stand::new(&holder, at(9), false), have(7, 10));
        assert_eq!(Stand::new(&holder, at(10), false), Stand::GiveUp);
        let stand = |standing, touched| Stand::new(&facts(standing), at(0), touched);
        let follower = |holder| [false, true].map(|touched| stand(Standing::Follower(holder), touched));
        assert_eq!(follower(Holder::Unknown), [Stand::HandsOff, Stand::GiveUp]);
        assert_eq!(follower(Holder::Elsewhere), [Stand::GiveUp, Stand::GiveUp]);
        assert_eq!(follower(Holder::Twin), [Stand::HandsOff, Stand::HandsOff]);
        assert_eq!(stand(Standing::Standby { until: at(10), prepend: 1 }, false), Stand::GiveUp);
        let bound: BTreeSet<Vip> = holder.vips.iter().copied().take(1).collect();
        let none = BTreeSet::new();
        assert_eq!(due(&holder, &bound, have(7, 10), &none), bound);
        assert_eq!(due(&holder, &bound, Stand::GiveUp, &none), holder.vips.iter().copied().collect());
        assert_eq!(due(&holder, &bound, Stand::HandsOff, &bound), none);
        // One that was taken out of the configuration.
        let stray = BTreeSet::from([Vip::new([192, 0, 2, 9].into())]);
        assert_eq!(due(&holder, &none, have(7, 10), &stray), stray);
    }

    #[test]
    fn a_renewal_is_no_other_stand() {
        assert!(!have(7, 10).is_other(have(7, 11)));
        assert!(have(7, 10).is_other(have(8, 10)));
        assert!(have(7, 10).is_other(Stand::GiveUp));
        assert!(!Stand::GiveUp.is_other(Stand::GiveUp));
    }
}
