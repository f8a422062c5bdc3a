//! Points in time as the core is given them: it has no clock of its own.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(i64);

const MINUTE_MILLIS: i64 = 60_000;
const HOUR_MILLIS: i64 = 3_600_000;

impl Time {
    /// A point in time from its distance to the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Distance to the epoch, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The hour this point lies in: all that a public journal envelope says of time.
    #[must_use]
    pub const fn coarse(self) -> Self {
        Self(self.0.div_euclid(HOUR_MILLIS) * HOUR_MILLIS)
    }

    /// The minute this point lies in: the grain of counters.
    #[must_use]
    pub const fn minute(self) -> Self {
        Self(self.0.div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS)
    }

    /// Time passed since `earlier`; zero where `earlier` lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads a point in time as RFC 3339 writes it, with or without a fraction; where no zone is named it is UTC.
    /// Nothing where it is not one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let is_at = |place: usize, wanted: &[u8]| {
            text.as_bytes().get(place).is_some_and(|byte| wanted.contains(byte))
        };
        let parts = is_at(4, b"-") && is_at(7, b"-") && is_at(10, b"Tt ");
        if !(parts && is_at(13, b":") && is_at(16, b":")) {
            return None;
        }
        let (year, month, day): (i64, i64, i64) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second): (i64, i64, i64) =
            (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_of_month = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let is_day = (1..=12).contains(&month) && (1..=days_of_month).contains(&day);
        // A leap second is the last one of its minute.
        if !is_day || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let rest = text.get(19..)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                rest.split_at(end)
            }
        };
        let millis: i64 = format!("{:0<3.3}", fraction).parse().ok()?;
        let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second.min(59);
        Some(Self((seconds - east_of_utc(zone)?) * 1000 + millis))
    }

    /// The point in whole seconds of UTC, as `2020-01-31T23:59:59Z`; years beyond four digits are not met.
    #[must_use]
    pub fn utc(self) -> String {
        let seconds = self.0.div_euclid(1000);
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(day);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    }

    /// The point `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Days from the epoch to a day of the Gregorian calendar; years begin in March, so that a leap day is a year's last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

/// The day of the Gregorian calendar that lies so many days from the epoch.
const fn date(days_from_epoch: i64) -> (i64, i64, i64) {
    let since = days_from_epoch + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + (month <= 2) as i64, month, day)
}

/// Seconds by which a zone is ahead of UTC.
fn east_of_utc(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str, max: i64| -> Option<i64> {
        let good = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| good && *number <= max)
    };
    Some(sign * (number(hours, 23)? * 3600 + number(minutes, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_that_was_written_is_read_again(seconds in -62_135_596_800_i64..253_402_300_800) {
            let time = Time::from_millis(seconds * 1000);
            prop_assert_eq!(Time::read(&time.utc()), Some(time));
            let other: prost_types::Timestamp = time.utc().parse().unwrap();
            prop_assert_eq!(other.seconds, seconds);
        }

        #[test]
        fn what_is_not_a_time_is_not_read(text in "\\PC{0,30}|[0-9TZ:.+-]{15,30}") {
            let _ = Time::read(&text);
        }
    }

    #[test]
    fn fractions_and_zones_are_read_and_no_zone_is_utc() {
        let millis = |text: &str| Time::read(text).map(Time::millis);
        assert_eq!(millis("1970-01-01T00:00:01Z"), Some(1000));
        assert_eq!(millis("1970-01-01T00:00:01.000Z"), Some(1000));
        assert_eq!(millis("1970-01-01T00:00:01"), Some(1000));
        assert_eq!(millis("1970-01-01T00:00:01.5"), Some(1500));
        assert_eq!(millis("1970-01-01T00:00:01.1234567Z"), Some(1123));
        assert_eq!(millis("1970-01-01T09:00:01+09:00"), Some(1000));
        assert_eq!(millis("1969-12-31T17:00:01-07:00"), Some(1000));
        for bad in [
            "",
            "1970-01-01",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+9",
            "1970-01-01T00:00:00Zz",
            "+970-01-01T00:00:00Z",
        ] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }

    #[test]
    fn coarse_time_rounds_down_on_both_sides_of_the_epoch() {
        assert_eq!(Time::from_millis(3_600_001).coarse(), Time::from_millis(3_600_000));
        assert_eq!(Time::from_millis(-1).coarse(), Time::from_millis(-3_600_000));
        assert_eq!(Time::from_millis(119_999).minute(), Time::from_millis(60_000));
    }

    #[test]
    fn a_clock_that_ran_backwards_gives_no_negative_span() {
        assert_eq!(Time::from_millis(5).since(Time::from_millis(9)), Duration::ZERO);
    }
}
