//! What is counted of the server's own work, with labels from closed lists only.

use crate::services::status::Reason;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;
use tonic::Code;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Both sides were done, or the other side went away.
    Done,
    /// There were as many connections as are allowed.
    OverLimit,
    /// The TLS handshake failed.
    Handshake,
    /// No call came in time.
    Slow,
    /// The caller broke the protocol.
    Protocol,
    /// Too many streams were reset.
    RapidReset,
    /// Too many small or empty frames came.
    FrameFlood,
    /// The caller did not take answers that were ready.
    Stalled,
    /// It was too old and did not finish in time.
    Aged,
    /// The server stopped and could not wait longer.
    Cut,
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::OverLimit => "over_limit",
            Self::Handshake => "handshake",
            Self::Slow => "slow",
            Self::Protocol => "protocol",
            Self::RapidReset => "rapid_reset",
            Self::FrameFlood => "frame_flood",
            Self::Stalled => "stalled",
            Self::Aged => "aged",
            Self::Cut => "cut",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    rpc: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RpcLabels {
    rpc: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndingLabels {
    ending: &'static str,
}

/// Upper ends of the classes of call times, in seconds.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// The server's counters, and the registry that `/metrics` shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Counter>,
    seconds: Family<RpcLabels, Histogram, fn() -> Histogram>,
    refusals: Family<ReasonLabels, Counter>,
    endings: Family<EndingLabels, Counter>,
    connections: Gauge,
    calls_now: Gauge,
    bytes_now: Gauge,
}

impl Metrics {
    /// Adds the server's counters to `registry`, to which other rooms have added theirs.
    #[must_use]
    pub fn new(mut registry: Registry) -> Self {
        let new_histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let calls = Family::default();
        let seconds = Family::new_with_constructor(new_histogram);
        let refusals = Family::default();
        let endings = Family::default();
        let (connections, calls_now, bytes_now) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        let ours = registry.sub_registry_with_prefix("bulwark");
        ours.register("calls", "Calls answered, by rpc and code", calls.clone());
        ours.register("call_seconds", "Time to the end of the answer, by rpc", seconds.clone());
        ours.register(
            "refusals",
            "Calls that the server refused itself, by reason",
            refusals.clone(),
        );
        ours.register("connections_ended", "Connections that ended, by cause", endings.clone());
        ours.register("connections", "Open connections", connections.clone());
        ours.register("calls_in_flight", "Calls being answered", calls_now.clone());
        ours.register("bytes_in_flight", "Bytes of callers' data in memory", bytes_now.clone());
        Self {
            registry: Mutex::new(registry),
            calls,
            seconds,
            refusals,
            endings,
            connections,
            calls_now,
            bytes_now,
        }
    }

    pub(super) fn call_began(&self) {
        self.calls_now.inc();
    }

    pub(super) fn call_ended(&self, rpc: &'static str, code: Code, took: Duration) {
        self.calls_now.dec();
        self.calls.get_or_create(&CallLabels { rpc, code: code_name(code) }).inc();
        self.seconds.get_or_create(&RpcLabels { rpc }).observe(took.as_secs_f64());
    }

    pub(super) fn refused(&self, reason: Reason) {
        self.refusals.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc();
    }

    pub(super) fn connection_began(&self) {
        self.connections.inc();
    }

    pub(super) fn connection_ended(&self, ending: Ending) {
        self.connections.dec();
        self.endings.get_or_create(&EndingLabels { ending: ending.as_str() }).inc();
    }

    pub(super) fn connection_refused(&self) {
        self.endings.get_or_create(&EndingLabels { ending: Ending::OverLimit.as_str() }).inc();
    }

    /// Connections that ended for this cause so far.
    #[must_use]
    pub fn endings(&self, ending: Ending) -> u64 {
        self.endings.get_or_create(&EndingLabels { ending: ending.as_str() }).get()
    }

    /// Everything in the OpenMetrics text format.
    #[must_use]
    pub fn text(&self, bytes_in_flight: u64) -> String {
        self.bytes_now.set(i64::try_from(bytes_in_flight).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry.lock());
        text
    }
}

/// Names of codes as in the gRPC specification.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_once_and_its_time_with_it() {
        let metrics = Metrics::new(Registry::default());
        metrics.call_began();
        metrics.call_ended("/a.B/C", Code::NotFound, Duration::from_millis(3));
        let text = metrics.text(2048);
        assert!(text.contains(r#"bulwark_calls_total{rpc="/a.B/C",code="NOT_FOUND"} 1"#), "{text}");
        assert!(text.contains(r#"bulwark_call_seconds_count{rpc="/a.B/C"} 1"#), "{text}");
        assert!(text.contains("bulwark_calls_in_flight 0"), "{text}");
        assert!(text.contains("bulwark_bytes_in_flight 2048"), "{text}");
    }
}
