//! What came of asking services outside about what is screened, for `/metrics`, read when it is asked for.

use crate::server::kept::say;
use crate::services::matchers::Matchers;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::atomic::{AtomicU64, Ordering};

/// The services.
#[derive(Debug)]
pub struct Consulted(pub Matchers);

impl Collector for Consulted {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(matchers) = self;
        let of = matchers.figures();
        let count = |figure: &AtomicU64| ConstCounter::new(figure.load(Ordering::Relaxed));
        let help = "Questions that services outside were asked about hashes of what is screened";
        say(&mut to, "bulwark_outside_questions", help, &count(&of.questions))?;
        let help = "Those of them that had no answer, or one that could not be kept";
        say(&mut to, "bulwark_outside_failures", help, &count(&of.failures))?;
        let help = "Hashes of items of which a service was not heard in time, once for each call";
        say(&mut to, "bulwark_outside_unheard", help, &count(&of.unheard))?;
        let help = "Services that are left alone now because they did not answer";
        let paused = i64::try_from(matchers.paused()).unwrap_or(i64::MAX);
        say(&mut to, "bulwark_outside_paused", help, &ConstGauge::new(paused))
    }
}
