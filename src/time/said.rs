//! What was said of a trouble that goes on: not said again with every attempt.

use std::time::Duration;

use super::Instant;

/// Another reason of the same trouble is said again after this long, not before.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The last reason that was said.
#[derive(Clone, Debug, Default)]
pub struct Said(Option<(Instant, String)>);

impl Said {
    /// Whether `reason` is to be said at `now`; then it counts as said. It is where it is the first, or another one than
    /// a minute ago. Numbers make no other reason: an expired certificate's says each time for how many seconds.
    pub fn is_news(&mut self, now: Instant, reason: &str) -> bool {
        let is_news = match &self.0 {
            None => true,
            Some((at, said)) => now >= *at + AGAIN_AFTER && !is_same(said, reason),
        };
        if is_news {
            self.0 = Some((now, reason.to_owned()));
        }
        is_news
    }
}

fn is_same(one: &str, other: &str) -> bool {
    fn words(text: &str) -> impl Iterator<Item = char> + '_ {
        text.chars().filter(|c| !c.is_ascii_digit())
    }
    words(one).eq(words(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reason_is_said_once_a_minute_and_numbers_make_none() {
        let mut said = Said::default();
        let mut says = |seconds, reason: &str| said.is_news(Instant::from_boot(Duration::from_secs(seconds)), reason);
        assert!(says(0, "expired: 1 seconds ago"));
        assert!(!says(100, "expired: 101 seconds ago"));
        // The last word was a minute ago and more.
        assert!(says(101, "no answer within 1s"));
        assert!(!says(102, "500: etcd failed"));
        assert!(!says(160, "500: etcd failed"));
        assert!(!says(161, "no answer within 1s"));
        assert!(says(162, "500: etcd failed"));
        assert!(!says(163, "no answer within 1s"));
    }
}
