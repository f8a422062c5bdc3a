//! Decides whether there is room and time for a call before anything is done for it.

use crate::config::LimitSettings;
use crate::server::rpc_table::{Class, Rpc, Term};
use crate::services::call::Deadline;
use crate::services::status::{Reason, Refusal};
use http::HeaderMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Probes at one time; they do not count as work.
const PROBES_MAX: u32 = 256;

/// Streams at one time that stay and mostly wait.
const FOLLOWERS_MAX: u32 = 64;

/// Live streams at one time.
const GUARDED_MAX: u32 = 4_096;

/// Questions of other processes at one time, in so many times the calls.
const SHARD_SHARE: u64 = 8;

/// Room for calls at one time in the process.
#[derive(Debug)]
pub struct Slots {
    calls_max: u32,
    calls: AtomicU32,
    probes: AtomicU32,
    vigils: AtomicU32,
    followers: AtomicU32,
    guarded: AtomicU32,
    shards: AtomicU32,
}

/// One call's place; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    class: Class,
}

impl Slots {
    /// Room for `calls_max` calls, and for a few probes beside them.
    #[must_use]
    pub const fn new(calls_max: u32) -> Self {
        Self {
            calls_max,
            calls: AtomicU32::new(0),
            probes: AtomicU32::new(0),
            vigils: AtomicU32::new(0),
            followers: AtomicU32::new(0),
            guarded: AtomicU32::new(0),
            shards: AtomicU32::new(0),
        }
    }

    /// How many calls there may be for one more of this class to be let in.
    ///
    /// Deferrable work is shed at three fifths and changes at four, so that screening always finds
    /// room that nothing else can take.
    const fn share(&self, class: Class) -> u32 {
        let calls = self.calls_max as u64;
        let share = match class {
            Class::Deferrable => calls * 3 / 5,
            Class::Change => calls * 4 / 5,
            Class::Screening => calls,
            // Calls of all processes of the other shards ask here. Who is not answered holds items, so that there is room
            // for many; what they hold in memory is bounded by the budget of bytes.
            Class::Shard => calls * SHARD_SHARE,
            Class::Probe | Class::Vigil => PROBES_MAX as u64,
            Class::Follow => FOLLOWERS_MAX as u64,
            Class::Guard => GUARDED_MAX as u64,
        };
        // Lossless: a share is not more than the whole. Even a tiny server does one thing of each kind.
        if share == 0 { 1 } else { share as u32 }
    }

    const fn counter(&self, class: Class) -> &AtomicU32 {
        match class {
            Class::Probe => &self.probes,
            Class::Vigil => &self.vigils,
            Class::Follow => &self.followers,
            Class::Guard => &self.guarded,
            Class::Shard => &self.shards,
            Class::Deferrable | Class::Change | Class::Screening => &self.calls,
        }
    }

    /// Takes a place. Never waits: a queue would only make late answers of them all.
    ///
    /// # Errors
    /// [`Reason::OverCapacity`] when there is no room for this class.
    pub fn enter(self: &Arc<Self>, class: Class) -> Result<Slot, Refusal> {
        let share = self.share(class);
        self.counter(class)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (now < share).then_some(now + 1)
            })
            .map(|_| Slot { slots: Arc::clone(self), class })
            .map_err(|_| {
                Refusal::over("limits.in_flight_calls", "too many calls are being answered")
            })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.counter(self.class).fetch_sub(1, Ordering::AcqRel);
    }
}

/// When the call must have been answered; `None` for a stream without an end, and where it takes as long as is sent.
///
/// # Errors
/// [`Reason::DeadlineExceeded`] when the time is already over, [`Reason::FieldInvalid`] when the
/// header cannot be read.
pub fn deadline(
    headers: &HeaderMap,
    rpc: &Rpc,
    limits: &LimitSettings,
    now: Instant,
) -> Result<Option<Deadline>, Refusal> {
    let asked = match headers.get("grpc-timeout") {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(timeout).ok_or_else(|| {
            Refusal::fields(vec![(
                "grpc-timeout".into(),
                "must be up to 8 digits and a unit of H, M, S, m, u or n".into(),
            )])
        })?),
    };
    if asked.is_some_and(|span| span.is_zero()) {
        return Err(exceeded());
    }
    let span = match (asked, rpc.term) {
        (None, Term::Sending | Term::Endless) => return Ok(None),
        // Nobody is kept from watching for as long as they like, nor from sending much.
        (Some(asked), Term::Sending | Term::Endless) => asked,
        (Some(asked), _) => asked.min(limits.deadline_max),
        (None, Term::Usual) => limits.deadline_default,
        (None, Term::Within(span)) => span.min(limits.deadline_max),
        (None, Term::Longest) => limits.deadline_max,
    };
    Ok(now.checked_add(span).map(Deadline))
}

/// The refusal of a call whose time is over.
#[must_use]
pub fn exceeded() -> Refusal {
    Refusal::new(Reason::DeadlineExceeded, "the deadline passed before the answer was ready")
}

/// Reads a `grpc-timeout`: up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::rpc_table::find;
    use proptest::prelude::*;

    fn asked(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            "grpc-timeout".parse().expect("name"),
            value.parse().expect("value"),
        )])
    }

    fn left(headers: &HeaderMap, path: &str) -> Result<Option<Duration>, Refusal> {
        let now = Instant::now();
        let rpc = find(path).expect("in the table");
        Ok(deadline(headers, rpc, &LimitSettings::default(), now)?.map(|deadline| deadline.0 - now))
    }

    const SCREEN: &str = "/bulwark.v1.ScreeningService/ScreenSignals";
    const WATCH: &str = "/grpc.health.v1.Health/Watch";

    #[test]
    fn a_deadline_is_the_callers_up_to_a_limit() {
        assert_eq!(left(&HeaderMap::new(), SCREEN), Ok(Some(Duration::from_secs(10))));
        assert_eq!(left(&asked("250m"), SCREEN), Ok(Some(Duration::from_millis(250))));
        assert_eq!(left(&asked("99999999H"), SCREEN), Ok(Some(Duration::from_secs(300))));
        assert_eq!(left(&HeaderMap::new(), WATCH), Ok(None));
    }

    #[test]
    fn a_call_whose_time_is_over_is_not_begun() {
        assert_eq!(
            left(&asked("0n"), SCREEN).expect_err("over").reason(),
            Reason::DeadlineExceeded
        );
    }

    #[test]
    fn a_malformed_deadline_is_named() {
        for bad in ["", "5", "S", "5s", "-5S", "123456789S", "5 S", "1.5S"] {
            assert_eq!(left(&asked(bad), SCREEN).expect_err(bad).reason(), Reason::FieldInvalid);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_a_deadline_panic(text in "\\PC{0,12}") {
            let _ = timeout(&text);
        }
    }

    #[test]
    fn lists_give_way_before_changes_and_changes_before_screening() {
        let slots = Arc::new(Slots::new(10));
        let mut held = Vec::new();
        let mut fill = |class| {
            let before = held.len();
            while let Ok(slot) = slots.enter(class) {
                held.push(slot);
            }
            held.len() - before
        };
        assert_eq!(
            (fill(Class::Deferrable), fill(Class::Change), fill(Class::Screening)),
            (6, 2, 2)
        );
        assert!(slots.enter(Class::Probe).is_ok(), "probes are answered at full load");
        let vigils: Vec<_> = (0..1000).map(|_| slots.enter(Class::Vigil)).collect();
        assert!(vigils.iter().any(Result::is_err), "probes that stay are few");
        assert!(slots.enter(Class::Probe).is_ok(), "and take no room from others");
        held.clear();
        assert!(slots.enter(Class::Deferrable).is_ok());
    }
}
