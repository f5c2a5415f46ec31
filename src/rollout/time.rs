//! Two clocks: a monotonic one that decides, and the wall clock that is only written down.
//!
//! No decision is taken from the wall clock, so one that jumps moves a line in a record and nothing else.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the controller should [tick](super::Controller::tick).
///
/// Evidence is seen at the tick after it was made, and one tick later when good requests that came before it in the
/// same batch drown it (see [`Detector`](super::Detector)). Twice this has to leave time to publish within the 300 ms
/// that a breach may take.
pub const TICK: Duration = Duration::from_millis(100);

/// The process's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the clock's origin; never goes back.
    pub monotonic: Duration,
    /// For records alone.
    pub wall: Timestamp,
}

/// A moment of the wall clock, in milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic: self.origin.elapsed(), wall: Timestamp::from_duration(since_1970) }
    }
}

impl Timestamp {
    /// The last moment of the year 9999, where RFC 3339 ends.
    const LAST: u64 = 253_402_300_799_999;
    const DAY_MS: u64 = 86_400_000;

    /// From the time since 1970; what is beyond the year 9999 becomes its last moment.
    pub fn from_duration(since_1970: Duration) -> Self {
        Self(u64::try_from(since_1970.as_millis()).unwrap_or(Self::LAST).min(Self::LAST))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_ms(self) -> u64 {
        self.0
    }

    /// How long after `earlier` it is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// From this type's own text: `2026-03-01T12:34:56.789Z`. `None` for every other form.
    fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<u64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let days = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
        let ms = number(11, 13)? * 3_600_000 + number(14, 16)? * 60_000 + number(17, 19)? * 1_000 + number(20, 23)?;
        // Whatever was misplaced or out of range does not print as it was read.
        Some(Self(days * Self::DAY_MS + ms)).filter(|parsed| parsed.to_string() == text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / Self::DAY_MS);
        let ms = self.0 % Self::DAY_MS;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "a time such as 2026-03-01T12:34:56.789Z";
        Self::parse(&text).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &expected))
    }
}

/// Days in `month` (1 to 12) of `year`.
fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to 1 January of `year` (1970 or later): 365 a year and one for each leap day between.
fn days_to_year(year: u64) -> u64 {
    let leap_days = |before: u64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    (year - 1970) * 365 + leap_days(year) - leap_days(1970)
}

/// Year, month and day of the day that is `days` after 1970-01-01.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // 366 days a year never overshoots; what is missing is a few years at most.
    let mut year = 1970 + days / 366;
    while days_to_year(year + 1) <= days {
        year += 1;
    }
    let (mut month, mut left) = (1, days - days_to_year(year));
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

/// Days from 1970-01-01 to this date; `None` when there is no such date or it is earlier.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let exists = year >= 1970 && (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month);
    exists.then(|| days_to_year(year) + (1..month).map(|m| days_in(year, m)).sum::<u64>() + day - 1)
}

/// `duration` as the config writes it: `1h30m`, `5m`, `250ms`; whole milliseconds, shorter ones as `us`.
pub fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return if duration.is_zero() { "0s".to_owned() } else { format!("{}us", duration.as_micros()) };
    }
    let parts = [(ms / 3_600_000, "h"), (ms / 60_000 % 60, "m"), (ms / 1_000 % 60, "s"), (ms % 1_000, "ms")];
    let parts = parts.iter().filter(|(n, _)| *n > 0);
    parts.fold(String::new(), |text, (n, unit)| text + &n.to_string() + unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_moments_are_written_as_everybody_writes_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_000_000_000, "2001-09-09T01:46:40.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Timestamp::from_duration(Duration::from_secs(seconds)).to_string(), text);
        }
    }

    #[test]
    fn a_date_that_is_none_is_refused() {
        for text in ["", "2026-02-30T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01 00:00:00.000Z", "é026"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_as_in_the_config() {
        for (ms, text) in [(0, "0s"), (250, "250ms"), (300_000, "5m"), (5_400_000, "1h30m"), (1_500, "1s500ms")] {
            assert_eq!(duration_text(Duration::from_millis(ms)), text);
        }
        assert_eq!(duration_text(Duration::from_micros(800)), "800us");
    }

    proptest! {
        #[test]
        fn a_moment_survives_being_written_and_read(ms in 0..=Timestamp::LAST) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(ms).to_string()), Some(Timestamp(ms)));
        }
    }
}
