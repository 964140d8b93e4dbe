//! What the providers publish.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::config::{Learned, Provided};

/// What a node is told while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What is complete and good; of each part the last that was.
    pub learned: Learned,
    /// What is missing or wrong now, a sentence each, by whom it is looked for.
    troubles: BTreeMap<&'static str, Vec<String>>,
}

impl Told {
    /// What is missing or wrong now; empty: nothing.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.values().flatten().cloned().collect()
    }

    /// What `whom` says of BGP, or all that is wrong with it: then the last good word stays.
    pub(super) fn provided(&mut self, whom: &'static str, said: Result<Provided, Vec<String>>) {
        match said {
            Ok(provided) => {
                self.learned.provided = Some(provided);
                self.trouble(whom, Vec::new());
            }
            Err(wrong) => self.trouble(whom, wrong),
        }
    }

    /// What is wrong with `whom`; empty: nothing.
    pub(super) fn trouble(&mut self, whom: &'static str, wrong: Vec<String>) {
        self.troubles.insert(whom, wrong);
        self.troubles.retain(|_, wrong| !wrong.is_empty());
    }
}

/// The providers' end.
#[derive(Clone, Debug)]
pub(super) struct Board(watch::Sender<Told>);

impl Board {
    pub(super) fn new() -> (Self, watch::Receiver<Told>) {
        let (board, told) = watch::channel(Told::default());
        (Self(board), told)
    }

    /// Changes all at once what is told; nobody wakes where it is the same.
    pub(super) fn change(&self, change: impl FnOnce(&mut Told)) {
        self.0.send_if_modified(|told| {
            let before = told.clone();
            change(told);
            *told != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provided(local_as: u32) -> Provided {
        let local_as = Some(local_as);
        Provided { source: "x".to_owned(), local_as, router_id: None, source_ip: None, peers: vec![] }
    }

    #[test]
    fn the_last_good_word_stays_and_only_news_are_told() {
        let (board, mut told) = Board::new();
        let mut seen = || {
            let is_news = told.has_changed().unwrap();
            let told = told.borrow_and_update();
            let local_as = told.learned.provided.as_ref().and_then(|provided| provided.local_as);
            (is_news, local_as, told.troubles().join("; "))
        };
        let mut says = |change: &dyn Fn(&mut Told)| {
            board.change(change);
            seen()
        };
        let none = String::new;
        assert_eq!(says(&|told| told.trouble("x", vec![])), (false, None, none()));
        assert_eq!(says(&|told| told.provided("x", Ok(provided(1)))), (true, Some(1), none()));
        assert_eq!(says(&|told| told.provided("x", Ok(provided(1)))), (false, Some(1), none()));
        let bad = || Err(vec!["bad".to_owned()]);
        assert_eq!(says(&|told| told.provided("x", bad())), (true, Some(1), "bad".to_owned()));
        assert_eq!(says(&|told| told.provided("x", bad())), (false, Some(1), "bad".to_owned()));
        let worse = |told: &mut Told| told.trouble("a", vec!["worse".to_owned(), "worst".to_owned()]);
        assert_eq!(says(&worse), (true, Some(1), "worse; worst; bad".to_owned()));
        assert_eq!(says(&|told| told.provided("x", Ok(provided(2)))), (true, Some(2), "worse; worst".to_owned()));
    }
}
