//! What guards of live streams did and do, for `/metrics`, read when it is asked for.

use crate::server::kept::say;
use crate::services::live::Live;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::atomic::{AtomicU64, Ordering};

/// The room.
pub struct Streamed(pub Live);

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streamed")
    }
}

impl Collector for Streamed {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let of = self.0.figures();
        let count = |figure: &AtomicU64| ConstCounter::new(figure.load(Ordering::Relaxed));
        let gauge = |figure: u64| ConstGauge::new(i64::try_from(figure).unwrap_or(i64::MAX));
        let (guarded, buffer_bytes, evidence_bytes) = self.0.held();
        let help = "Live streams that are guarded now";
        say(&mut to, "bulwark_live_streams", help, &gauge(guarded as u64))?;
        let help = "Bytes that are held of their last seconds";
        say(&mut to, "bulwark_live_buffer_bytes", help, &gauge(buffer_bytes))?;
        let help = "Bytes that are preserved of streams that were cut";
        say(&mut to, "bulwark_live_evidence_bytes", help, &gauge(evidence_bytes))?;
        let help = "Cuts of live streams";
        say(&mut to, "bulwark_live_interrupts", help, &count(&of.interrupts))?;
        let help = "Cuts that platforms have acknowledged";
        say(&mut to, "bulwark_live_interrupts_done", help, &count(&of.cuts))?;
        let help = "Milliseconds from deciding a cut to its acknowledgement, of all of them";
        say(&mut to, "bulwark_live_interrupt_millis", help, &count(&of.cut_millis))?;
        let help = "Frames that were answered";
        say(&mut to, "bulwark_live_frames", help, &count(&of.answered))?;
        let help = "Microseconds from a frame to its answer, of all of them";
        say(&mut to, "bulwark_live_frame_micros", help, &count(&of.answer_micros))
    }
}
