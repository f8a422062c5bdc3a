//! What became of asking models outside, for `/metrics`, read when it is asked for. Which model, `GetHealthDetail` tells.

use crate::core::detector::Circuit;
use crate::io::models::{DetectorFigures, Models};
use crate::server::kept::say;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::atomic::{AtomicU64, Ordering};

/// The room.
#[derive(Debug)]
pub struct Scored(pub Models);

impl Collector for Scored {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let sum = |figure: fn(&DetectorFigures) -> &AtomicU64| {
            let each = self.0.standing().map(|(_, _, of)| figure(of).load(Ordering::Relaxed));
            ConstCounter::new(each.sum::<u64>())
        };
        let absent = self.0.standing().flat_map(|(_, _, of)| of.absent()).map(|(_, count)| count);
        let absent = ConstCounter::new(absent.sum::<u64>());
        let open = self.0.standing().filter(|(_, circuit, _)| *circuit == Circuit::Open).count();
        let open = ConstGauge::new(i64::try_from(open).unwrap_or(i64::MAX));
        let help = "Detectors whose models are left alone now, because they failed";
        say(&mut to, "bulwark_detectors_left_alone", help, &open)?;
        let help = "Items that models were to be asked about, once for each model";
        say(&mut to, "bulwark_detector_items", help, &sum(|of| &of.items))?;
        let help = "Items that models gave scores for, once for each model";
        say(&mut to, "bulwark_detector_scored", help, &sum(|of| &of.scored))?;
        let help = "Items that models gave no scores for, once for each model";
        say(&mut to, "bulwark_detector_absent", help, &absent)
    }
}
