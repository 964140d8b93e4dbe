//! What the providers publish.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::config::{Learned, Provided};

/// What is missing or wrong now, a sentence each, by whom it is looked for; empty where all is well.
pub type Troubles = BTreeMap<&'static str, Vec<String>>;

/// The readers' ends.
#[derive(Clone, Debug)]
pub struct Watched {
    /// What is complete and good; of each part the last that was.
    pub learned: watch::Receiver<Learned>,
    /// What is not.
    pub troubles: watch::Receiver<Troubles>,
}

/// The providers' end.
#[derive(Clone, Debug)]
pub(super) struct Board {
    learned: watch::Sender<Learned>,
    troubles: watch::Sender<Troubles>,
}

impl Board {
    pub(super) fn new() -> (Self, Watched) {
        let (learned, learned_rx) = watch::channel(Learned::default());
        let (troubles, troubles_rx) = watch::channel(Troubles::new());
        (Self { learned, troubles }, Watched { learned: learned_rx, troubles: troubles_rx })
    }

    /// Publishes what `whom` says of BGP, or all that is wrong with it: then the last good word stays.
    pub(super) fn provided(&self, whom: &'static str, said: Result<Provided, Vec<String>>) {
        match said {
            Ok(provided) => {
                let provided = Some(provided);
                self.learned.send_if_modified(|learned| {
                    let is_news = learned.provided != provided;
                    learned.provided = provided;
                    is_news
                });
                self.trouble(whom, Vec::new());
            }
            Err(wrong) => self.trouble(whom, wrong),
        }
    }

    /// Publishes this node's labels.
    pub(super) fn labels(&self, labels: BTreeMap<String, String>) {
        let labels = Some(labels);
        self.learned.send_if_modified(|learned| {
            let is_news = learned.node_labels != labels;
            learned.node_labels = labels;
            is_news
        });
    }

    /// Publishes what is wrong with `whom`; empty: nothing.
    pub(super) fn trouble(&self, whom: &'static str, wrong: Vec<String>) {
        self.troubles.send_if_modified(|troubles| {
            if wrong.is_empty() {
                return troubles.remove(whom).is_some();
            }
            let before = troubles.insert(whom, wrong);
            before.as_ref() != troubles.get(whom)
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
        let (board, mut watched) = Board::new();
        let mut seen = || {
            let is_news = watched.learned.has_changed().unwrap();
            let learned = watched.learned.borrow_and_update();
            let local_as = learned.provided.as_ref().and_then(|provided| provided.local_as);
            (is_news, local_as, watched.troubles.borrow().get("x").cloned())
        };
        assert_eq!(seen(), (false, None, None));
        board.provided("x", Ok(provided(1)));
        assert_eq!(seen(), (true, Some(1), None));
        board.provided("x", Ok(provided(1)));
        assert_eq!(seen(), (false, Some(1), None));
        board.provided("x", Err(vec!["bad".to_owned()]));
        assert_eq!(seen(), (false, Some(1), Some(vec!["bad".to_owned()])));
        board.provided("x", Ok(provided(2)));
        assert_eq!(seen(), (true, Some(2), None));
        board.labels([("a".to_owned(), "b".to_owned())].into());
        assert_eq!(seen(), (true, Some(2), None));
        board.labels([("a".to_owned(), "b".to_owned())].into());
        assert_eq!(seen(), (false, Some(2), None));
    }
}
