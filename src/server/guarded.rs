//! What guards did and do, for `/metrics`, read when it is asked for.

use crate::io::clock::Clock;
use crate::server::kept::say;
use crate::services::guards::Guards;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::atomic::{AtomicU64, Ordering};

/// The guards, and the clock by which breakers close.
#[derive(Debug)]
pub struct Guarded(pub Guards, pub Clock);

impl Collector for Guarded {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(guards, clock) = self;
        let of = guards.figures();
        let count = |figure: &AtomicU64| ConstCounter::new(figure.load(Ordering::Relaxed));
        let gauge = |figure: usize| ConstGauge::new(i64::try_from(figure).unwrap_or(i64::MAX));
        let help = "Entries that matched far more items than they used to";
        say(&mut to, "bulwark_guard_floods", help, &count(&of.floods))?;
        let help = "Matches that were held for that before the store said so";
        say(&mut to, "bulwark_guard_flood_holds", help, &count(&of.flood_holds))?;
        let help = "Such entries for which that is not recorded yet";
        say(&mut to, "bulwark_guard_floods_unrecorded", help, &gauge(guards.unrecorded()))?;
        let help = "Banks that hold because they would block far more than they used to";
        let open = guards.open_breakers(clock.now()).len();
        say(&mut to, "bulwark_guard_breakers_open", help, &gauge(open))?;
        let help = "How often a bank began to";
        say(&mut to, "bulwark_guard_breaker_trips", help, &count(&of.trips))?;
        let help = "Matches that were held by that";
        say(&mut to, "bulwark_guard_breaker_holds", help, &count(&of.breaker_holds))?;
        let help = "Senders that were suspected of finding out what is listed";
        say(&mut to, "bulwark_guard_suspects", help, &count(&of.suspects))?;
        let help = "Items that were held for that";
        say(&mut to, "bulwark_guard_probing_holds", help, &count(&of.probing_holds))?;
        let help = "Calls that were held because their senders' items were too many";
        say(&mut to, "bulwark_guard_budget_holds", help, &count(&of.budget_holds))?;
        let help = "Calls that were refused because those of a sender or a tenant were too many";
        say(&mut to, "bulwark_guard_budget_refusals", help, &count(&of.budget_refusals))?;
        let help = "Exchanges and partners that brought more new entries in a day than they may";
        say(&mut to, "bulwark_guard_overflows", help, &count(&of.overflows))
    }
}
