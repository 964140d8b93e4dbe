//! Waiting for a condition, never for luck: each wait has a deadline, and its error says what was seen last.

use std::error::Error;
use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::clock;

/// Pause between two looks; the looks themselves (a router's CLI, an API call) cost 5–30 ms.
const PAUSE: Duration = Duration::from_millis(10);

/// An error after which waiting makes no sense: a program that has ended.
#[derive(Debug)]
pub struct Hopeless(pub String);

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Hopeless {}

/// Looks until `look` answers `Ok`, at most for `within`. An `Err` means "not yet", its text is what is there instead;
/// only [`Hopeless`] ends the wait.
///
/// # Errors
/// When the time is over or it is hopeless: `what` and the last thing seen.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let start = clock::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(seen) if clock::since(start) > within || seen.is::<Hopeless>() => {
                return Err(anyhow!("waited {:.1?} for {what}; last seen: {seen:#}", clock::since(start)));
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

/// Looks again and again for `during`: the condition must hold every time.
///
/// # Errors
/// At the first look that fails: `what`, when, and what was seen.
pub fn holds(what: &str, during: Duration, mut look: impl FnMut() -> Result<()>) -> Result<()> {
    let start = clock::now();
    while clock::since(start) < during {
        look().map_err(|seen| anyhow!("{what} did not hold after {:?}: {seen:#}", clock::since(start)))?;
        sleep(PAUSE);
    }
    Ok(())
}
