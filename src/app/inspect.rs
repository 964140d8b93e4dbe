//! `vipcast check`: what this host, the routers and the API say to a configuration, before anything runs.
//!
//! Nothing is changed: no address, no lease, no session. A peer that has a session with this host already is not dialled.

mod api;
mod document;
mod host;
mod peers;
mod vips;

use std::fmt;

use serde::Serialize;

use super::Error;
use crate::config::{Config, Finding, Mistakes};

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It could not be looked at.
    Unknown,
    /// It would work, but not as well as it should.
    Warning,
    /// It would not work.
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Warning => "WARNING",
            Self::Wrong => "WRONG",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, as "peer 10.0.0.1:179".
    pub check: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found, one sentence.
    pub finding: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// A command that does it.
    pub command: Option<String>,
}

impl Check {
    fn new(check: impl Into<String>, verdict: Verdict, finding: impl Into<String>) -> Self {
        Self { check: check.into(), verdict, finding: finding.into(), remedy: None, command: None }
    }

    fn good(check: impl Into<String>, finding: impl Into<String>) -> Self {
        Self::new(check, Verdict::Good, finding)
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    checks: Vec<Check>,
}

impl Inspection {
    /// The words themselves are wrong: nothing else was looked at.
    #[must_use]
    pub fn of_mistakes(Mistakes(mistakes): &Mistakes) -> Self {
        Self { checks: mistakes.iter().map(|mistake| finding(Verdict::Wrong, mistake)).collect() }
    }

    /// The words are a configuration; `warnings` are odd about them, `notes` are words without effect.
    #[must_use]
    pub fn of_words(warnings: &[Finding], notes: &[Finding]) -> Self {
        let mut checks: Vec<Check> = warnings.iter().map(|warning| finding(Verdict::Warning, warning)).collect();
        if checks.is_empty() {
            checks.push(Check::good("configuration", "no mistake, no warning"));
        }
        checks.extend(notes.iter().map(|note| finding(Verdict::Good, note)));
        Self { checks }
    }

    /// Looks at everything that the configuration needs.
    #[must_use]
    pub fn look(self, config: &Config) -> Self {
        let Self { mut checks } = self;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        match runtime.map_err(Error::Io) {
            Ok(runtime) => {
                checks.extend(runtime.block_on(look(config)));
                // A name server that hangs must not keep us.
                runtime.shutdown_background();
            }
            Err(error) => checks.push(Check::new("this host", Verdict::Wrong, error.to_string())),
        }
        Self { checks }
    }

    /// 0: it would work; 1: it would not; 2: with warnings, or something could not be looked at.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.checks.iter().map(|check| check.verdict).max() {
            None | Some(Verdict::Good) => 0,
            Some(Verdict::Unknown | Verdict::Warning) => 2,
            Some(Verdict::Wrong) => 1,
        }
    }
}

fn finding(verdict: Verdict, Finding { subject, text }: &Finding) -> Check {
    Check::new(subject.clone(), verdict, text.clone())
}

async fn look(config: &Config) -> Vec<Check> {
    let mut checks = host::look(config);
    checks.extend(vips::look(config).await);
    checks.extend(peers::look(config).await);
    checks.extend(api::look(config).await);
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_decides_the_exit_code() {
        let code = |verdicts: &[Verdict]| {
            let check = |verdict: &Verdict| Check::new("it", *verdict, "so");
            Inspection { checks: verdicts.iter().map(check).collect() }.code()
        };
        use Verdict::{Good, Unknown, Warning, Wrong};
        assert_eq!(
            [&[][..], &[Good], &[Good, Unknown], &[Warning, Good], &[Warning, Wrong, Unknown]].map(code),
            [0, 0, 2, 2, 1]
        );
    }
}
