//! The TCP-MD5 password of one peer while it changes. Pure.
//!
//! A router has one password for a neighbour, and the two ends never change theirs in the same moment. A connection
//! keeps the key it was made with, so a session lives on under the former password until there is proof that the peer
//! takes the new one; and where there is no session, both are tried in turn until one has made one.

use secrecy::{ExposeSecret, SecretString};

/// The password that is wanted, and the last one that made a connection.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    wanted: Option<SecretString>,
    proven: Option<SecretString>,
    /// Use the proven one though another is wanted.
    former: bool,
}

impl Keys {
    /// Nothing is proven yet.
    #[must_use]
    pub const fn new(password: Option<SecretString>) -> Self {
        Self { wanted: password, proven: None, former: false }
    }

    /// The password of this connection, or of the next one.
    #[must_use]
    pub const fn in_use(&self) -> Option<&SecretString> {
        if self.former { self.proven.as_ref() } else { self.wanted.as_ref() }
    }

    /// The password that is wanted.
    #[must_use]
    pub const fn wanted(&self) -> Option<&SecretString> {
        self.wanted.as_ref()
    }

    /// Another password is wanted; whether that is news, which it never is where there was none. `connected`: there is a connection, which goes on with the
    /// one it has.
    pub fn change(&mut self, password: &SecretString, connected: bool) -> bool {
        if self.wanted.is_none() || is_same(self.wanted.as_ref(), Some(password)) {
            return false;
        }
        self.wanted = Some(password.clone());
        self.former = connected && self.differs();
        true
    }

    /// Whether the connection has another password than the one that is wanted.
    #[must_use]
    pub const fn is_former(&self) -> bool {
        self.former
    }

    /// A connection was made with [`Self::in_use`].
    pub fn connected(&mut self) {
        if !self.former {
            self.proven = self.wanted.clone();
        }
    }

    /// The peer made a connection: with the wanted password, as no other is taken where we listen.
    pub fn dialled_by_peer(&mut self) {
        self.former = false;
        self.proven = self.wanted.clone();
    }

    /// The connection is over, or is to be made anew: the wanted password is next.
    pub const fn renew(&mut self) {
        self.former = false;
    }

    /// An attempt with [`Self::in_use`] met only silence: the other one is next, if there are two.
    pub fn silent(&mut self) {
        self.former = !self.former && self.differs();
    }

    fn differs(&self) -> bool {
        self.proven.is_some() && !is_same(self.proven.as_ref(), self.wanted.as_ref())
    }
}

fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(keys: &Keys) -> Option<&str> {
        keys.in_use().map(ExposeSecret::expose_secret)
    }

    /// Keys of a connection made with "old", which "new" is to follow.
    fn changing(connected: bool) -> Keys {
        let mut keys = Keys::new(Some("old".into()));
        keys.connected();
        assert!(keys.change(&"new".into(), connected));
        keys
    }

    #[test]
    fn a_connection_keeps_its_password_until_the_new_one_is_proven() {
        let mut keys = changing(true);
        assert_eq!((used(&keys), keys.is_former()), (Some("old"), true));
        // Told again, or a session under the former password that comes up late: nothing changes.
        assert!(!keys.change(&"new".into(), true));
        keys.connected();
        assert_eq!((used(&keys), keys.is_former()), (Some("old"), true));
        keys.renew();
        assert_eq!((used(&keys), keys.is_former()), (Some("new"), false));
        keys.connected();
        keys.silent();
        assert_eq!(used(&keys), Some("new"), "the former password is forgotten");
    }

    #[test]
    fn without_a_connection_both_are_tried_in_turn_the_new_one_first() {
        let mut keys = changing(false);
        let mut tried = Vec::new();
        for _ in 0..4 {
            tried.push(used(&keys).unwrap().to_owned());
            keys.silent();
        }
        assert_eq!(tried, ["new", "old", "new", "old"]);
    }

    #[test]
    fn a_password_that_never_worked_is_not_tried_again() {
        let mut keys = Keys::new(Some("wrong".into()));
        keys.silent();
        assert_eq!(used(&keys), Some("wrong"));
        assert!(keys.change(&"right".into(), false));
        keys.silent();
        assert_eq!(used(&keys), Some("right"));
    }

    #[test]
    fn of_two_changes_before_a_proof_the_last_counts_and_the_proven_one_stays() {
        let mut keys = changing(true);
        assert!(keys.change(&"newer".into(), true));
        assert_eq!(used(&keys), Some("old"));
        keys.renew();
        assert_eq!(used(&keys), Some("newer"));
        keys.silent();
        assert_eq!(used(&keys), Some("old"));
        // Changed back: there is nothing to change.
        assert!(keys.change(&"old".into(), true));
        assert_eq!((used(&keys), keys.is_former()), (Some("old"), false));
    }

    #[test]
    fn a_peer_that_dials_us_proves_the_wanted_password() {
        let mut keys = Keys::new(Some("old".into()));
        keys.dialled_by_peer();
        assert!(keys.change(&"new".into(), true));
        assert_eq!((used(&keys), keys.is_former()), (Some("old"), true));
        keys.dialled_by_peer();
        keys.silent();
        assert_eq!((used(&keys), keys.is_former()), (Some("new"), false));
    }

    #[test]
    fn no_password_is_in_debug() {
        assert!(!format!("{:?}", changing(true)).contains("old"));
    }
}
