//! Points in time and spans, between the wire and the core.

use crate::core::time::Time;
use crate::services::words::fields::Fields;
use prost_types::{Duration as WireSpan, Timestamp};
use std::time::Duration;

/// Writes a point in time.
#[must_use]
pub fn timestamp(time: Time) -> Timestamp {
    let nanos = i32::try_from(time.millis().rem_euclid(1000) * 1_000_000).unwrap_or(0);
    Timestamp { seconds: time.millis().div_euclid(1000), nanos }
}

/// Writes a span.
#[must_use]
pub fn span(span: Duration) -> WireSpan {
    WireSpan {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// Writes a span of so many milliseconds.
#[must_use]
pub fn millis(millis: u32) -> WireSpan {
    span(Duration::from_millis(millis.into()))
}

/// 0001-01-01 and 9999-12-31, between which the wire's points in time must lie.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Reads a point in time that may be left out: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
pub fn read_time(
    fields: &mut Fields,
    path: &str,
    given: Option<Timestamp>,
) -> Option<Option<Time>> {
    let Some(given) = given else { return Some(None) };
    if !SECONDS.contains(&given.seconds) || !(0..1_000_000_000).contains(&given.nanos) {
        fields.fault(path, "must be a time between the years 1 and 9999");
        return None;
    }
    Some(Some(Time::from_millis(given.seconds * 1000 + i64::from(given.nanos) / 1_000_000)))
}

/// Reads a span above zero that may be left out: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
pub fn read_span(
    fields: &mut Fields,
    path: &str,
    given: Option<WireSpan>,
) -> Option<Option<Duration>> {
    let Some(given) = given else { return Some(None) };
    match Duration::try_from(given) {
        Ok(span) if !span.is_zero() => Some(Some(span)),
        _ => {
            fields.fault(path, "must be longer than zero");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_what_was_written_gives_the_same_time() {
        for millis in [0, 1, -1, 999, 1000, 1_764_000_000_123, -62_135_596_800_000] {
            let time = Time::from_millis(millis);
            let mut fields = Fields::default();
            assert_eq!(read_time(&mut fields, "t", Some(timestamp(time))), Some(Some(time)));
        }
    }
}
