//! Why a call came to nothing, what to do about it, and when to try again. Pure.

use std::time::Duration;

use serde::Deserialize;

/// The longest rest that the API can order; it may be wrong by its clock.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// The longest part of the API's own words that is shown.
const LONGEST_WORDS: usize = 200;

/// A call that came to nothing; the text stands after "failed to ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// What was to be done, why it was not, and what helps.
    pub text: String,
    /// When it makes sense to try again.
    pub again: Again,
    /// Whether the thing that was asked for is not there (404).
    pub is_missing: bool,
    /// Whether the API spoke of this one thing: what is asked of another may go well.
    pub is_of_one: bool,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Soon, and then later and later.
    Soon,
    /// Not before this has passed: the API says so.
    After(Duration),
    /// Now and then: somebody must do something first.
    Later,
}

/// How the API explains itself.
#[derive(Default, Deserialize)]
struct Explanation {
    error: Option<String>,
    errors: Option<Vec<String>>,
}

impl Fault {
    /// What only somebody's doing can help.
    #[must_use]
    pub fn lasting(what: &str, why: &str) -> Self {
        Self { text: format!("{what}: {why}"), again: Again::Later, is_missing: false, is_of_one: false }
    }

    /// What may be over by the next attempt.
    #[must_use]
    pub fn passing(what: &str, why: &str) -> Self {
        Self { text: format!("{what}: {why}"), again: Again::Soon, is_missing: false, is_of_one: false }
    }

    /// The meaning of a status that is not 2xx. The API may repeat `token`, which is not shown.
    #[must_use]
    pub fn of_status(what: &str, status: u16, retry_after: Option<Duration>, body: &[u8], token: &str) -> Self {
        let said = words(status, body, token);
        let fault = match status {
            401 => Self::lasting(
                what,
                &format!(
                    "the API refuses the token ({said}); give a valid one by --metalKeyFile, --metalKey, --provider-config or \
                     PACKET_AUTH_TOKEN"
                ),
            ),
            403 => Self::lasting(
                what,
                &format!("the token may not do that ({said}); give one of a user or project that may read and write"),
            ),
            404 => Self {
                is_missing: true,
                ..Self::lasting(what, &format!("the API knows no such thing, or the token may not see it ({said})"))
            },
            429 => {
                let rest = retry_after.unwrap_or(Duration::from_secs(60)).min(LONGEST_REST);
                let seconds = rest.as_secs();
                let text = format!("{what}: the API's rate limit is reached ({said}); asking again after {seconds} s");
                Self { text, again: Again::After(rest), is_missing: false, is_of_one: false }
            }
            500.. => Self::passing(what, &format!("the API has a fault ({said})")),
            300..=399 => {
                Self::lasting(what, &format!("the API redirects ({said}), which is not followed; correct --metalAPI"))
            }
            // An address that another device has, for one: that may be over soon.
            _ => Self::passing(what, &format!("the API refuses it ({said})")),
        };
        Self { is_of_one: !matches!(status, 300..=399 | 401 | 429), ..fault }
    }
}

/// Status and explanation, on one line. The token is taken out while it is whole.
fn words(status: u16, body: &[u8], token: &str) -> String {
    let Explanation { error, errors } = serde_json::from_slice(body).unwrap_or_default();
    let all: Vec<String> = error.into_iter().chain(errors.into_iter().flatten()).collect();
    let all = all.join("; ");
    let all = if token.is_empty() { all } else { all.replace(token, "[REDACTED]") };
    let text: String = all.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short: String = text.chars().take(LONGEST_WORDS).collect();
    if short.is_empty() { status.to_string() } else { format!("{status}: {short}") }
}

/// The wait before attempt number `failures` + 1, where `failures` in a row came to nothing.
#[must_use]
pub fn pause(again: Again, failures: u32) -> Duration {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(30);
    match again {
        Again::Soon => FIRST.saturating_mul(1 << failures.saturating_sub(1).min(5)).min(LONGEST),
        Again::After(rest) => rest.max(FIRST),
        Again::Later => LONGEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_remedy_and_its_rest() {
        let fault = |status, body: &str| Fault::of_status("list the devices", status, None, body.as_bytes(), "");
        let text = |status, body| fault(status, body).text;
        assert_eq!(
            text(401, r#"{"errors":["Invalid authentication token"],"error":"Invalid"}"#),
            "list the devices: the API refuses the token (401: Invalid; Invalid authentication token); give a valid one by \
             --metalKeyFile, --metalKey, --provider-config or PACKET_AUTH_TOKEN"
        );
        assert_eq!(text(502, "<html>"), "list the devices: the API has a fault (502)");
        assert_eq!(text(422, r#"{"errors":["a\nb"]}"#), "list the devices: the API refuses it (422: a b)");
        assert!(fault(404, "").is_missing);
        let agains = [401, 403, 404, 422, 429, 500, 503].map(|status| fault(status, "").again);
        let later = Again::Later;
        let minute = Again::After(Duration::from_secs(60));
        assert_eq!(agains, [later, later, later, Again::Soon, minute, Again::Soon, Again::Soon]);
    }

    #[test]
    fn the_token_is_not_shown_where_the_words_are_cut_off_in_it_either() {
        let text = |before: usize| {
            let body = format!(r#"{{"error":"{}t0ken-of-32-characters is bad"}}"#, "x".repeat(before));
            Fault::of_status("x", 422, None, body.as_bytes(), "t0ken-of-32-characters").text
        };
        assert_eq!(text(2), "x: the API refuses it (422: xx[REDACTED] is bad)");
        assert_eq!(text(195), format!("x: the API refuses it (422: {}[REDA)", "x".repeat(195)));
    }

    #[test]
    fn the_apis_rest_is_obeyed_within_reason() {
        let rest = |seconds| Fault::of_status("x", 429, Some(Duration::from_secs(seconds)), b"", "").again;
        assert_eq!(rest(7), Again::After(Duration::from_secs(7)));
        assert_eq!(rest(86_400), Again::After(Duration::from_secs(300)));
    }

    #[test]
    fn attempts_come_later_and_later() {
        let seconds = |again, failures| pause(again, failures).as_secs();
        assert_eq!([1, 2, 3, 5, 6, 1000].map(|n| seconds(Again::Soon, n)), [1, 2, 4, 16, 30, 30]);
        assert_eq!([seconds(Again::Later, 1), seconds(Again::After(Duration::ZERO), 1)], [30, 1]);
    }
}
