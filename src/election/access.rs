//! Whether this account may read the lease, and what a node may do that is not allowed to yet. Pure.
//!
//! kubeadm makes its administrator's rights late: until the binding `kubeadm:cluster-admins` exists the API denies the
//! lease (403), and kubeadm 1.29 to 1.33 make that binding *through the VIP*. Nobody can hold the lease by then, so nothing
//! may be announced; but kubeadm runs on this very node, and for it an address that is bound is enough. The bootstrap rule
//! (docs/decisions/028): whose own API server is ready and denies it a lease that it could never read binds the VIPs and
//! announces nothing.

use std::time::Duration;

use crate::time::Instant;

/// For how long the API denies the lease before the rule applies: kubeadm that makes its binding at once needs none of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest time the rule applies in the life of a process: kubeadm gives up before.
const LONGEST: Duration = Duration::from_secs(600);

/// What the API said when it was asked for the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Never anything but that this account may not read it (403).
    Denied {
        /// When the first such question was sent.
        first: Instant,
        /// When the last was.
        last: Instant,
    },
    /// The lease, or that there is none: it was this account's to read, whatever is denied later.
    Granted,
}

impl Access {
    /// The answer to a question that was sent then.
    pub fn hear(&mut self, sent: Instant, denied: bool) {
        *self = match (*self, denied) {
            (Self::Granted, _) | (_, false) => Self::Granted,
            (Self::Unknown, true) => Self::Denied { first: sent, last: sent },
            (Self::Denied { first, .. }, true) => Self::Denied { first, last: sent },
        };
    }

    /// Until when the bootstrap rule applies to a node that is fit since `fit_since`: as long after the last denial as a
    /// holder may speak after its last renewal, `renew_deadline`.
    #[must_use]
    pub fn bootstrap(self, fit_since: Instant, renew_deadline: Duration) -> Option<Instant> {
        let Self::Denied { first, last } = self else { return None };
        let applies = last >= fit_since && last.saturating_since(first) >= PATIENCE;
        applies.then(|| (last + renew_deadline).min(first + LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_boot(Duration::from_secs(seconds))
    }

    fn bootstrap(access: Access, fit_since: u64) -> Option<Instant> {
        access.bootstrap(at(fit_since), Duration::from_secs(3))
    }

    #[test]
    fn one_answer_ends_the_rule_for_good() {
        let mut access = Access::Unknown;
        for (sent, denied, expected) in [
            (1, true, Access::Denied { first: at(1), last: at(1) }),
            (9, true, Access::Denied { first: at(1), last: at(9) }),
            (10, false, Access::Granted),
            (11, true, Access::Granted),
        ] {
            access.hear(at(sent), denied);
            assert_eq!(access, expected);
        }
    }

    #[test]
    fn it_applies_after_five_seconds_of_denials_to_the_fit_and_for_ten_minutes() {
        let denied = |first, last| Access::Denied { first: at(first), last: at(last) };
        assert_eq!(bootstrap(Access::Unknown, 0), None);
        assert_eq!(bootstrap(Access::Granted, 0), None);
        assert_eq!(bootstrap(denied(10, 14), 0), None);
        assert_eq!(bootstrap(denied(10, 15), 0), Some(at(18)));
        assert_eq!(bootstrap(denied(10, 15), 15), Some(at(18)));
        // Denied by a server that was not ready, which denies everything to everybody.
        assert_eq!(bootstrap(denied(10, 15), 16), None);
        assert_eq!(bootstrap(denied(10, 609), 0), Some(at(610)));
    }
}
