//! Wall-clock times, which are shown to people and never compared. Pure.

use std::fmt;
use std::time::Duration;

use crate::time::Instant;

/// Now, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The clock everything happens by.
    pub now: Instant,
    /// Since 1970-01-01 UTC.
    pub wall: Duration,
}

impl Moment {
    /// What the wall clock would have said at `at` had nobody set it since.
    #[must_use]
    pub fn wall_at(&self, at: Instant) -> Duration {
        self.wall.saturating_sub(self.now - at)
    }
}

/// A time in UTC to the millisecond as RFC 3339 has it: `2026-11-21T16:10:54.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub Duration);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", self.0.subsec_millis())
    }
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01. Years are counted from March here, so
/// that a leap day is the last one of its year, and in eras of 400, which all have the same days.
const fn date(days: u64) -> (u64, u64, u64) {
    /// From 0000-03-01 to 1970-01-01.
    const BEFORE: u64 = 719_468;
    const ERA: u64 = 146_097;
    let (era, of_era) = ((days + BEFORE) / ERA, (days + BEFORE) % ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() {
        // By `date -u --date=@…`.
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_795_277_454, "2026-11-21T16:10:54.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Utc(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(Utc(Duration::from_millis(1_795_277_454_070)).to_string(), "2026-11-21T16:10:54.070Z");
    }

    #[test]
    fn what_was_is_as_long_ago_on_either_clock() {
        let moment = Moment { now: Instant::from_boot(Duration::from_secs(50)), wall: Duration::from_secs(1000) };
        let wall_at = |secs| moment.wall_at(Instant::from_boot(Duration::from_secs(secs)));
        assert_eq!([wall_at(20), wall_at(50), wall_at(60)].map(|wall| wall.as_secs()), [970, 1000, 1000]);
    }
}
