//! Where log lines and traces go.
//!
//! Only what this crate says is written at the chosen level: libraries below it print headers and
//! bodies when they are asked for more.

use crate::config::{LogFormat, LogLevel, LogSettings, OtlpSettings};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Something else writes the log already.
    #[error("a log is set up already")]
    Twice,
    /// The collector's address or authorization cannot be used.
    #[error("the collector cannot be used: {0}")]
    Collector(String),
}

/// What must be told when the process ends.
#[derive(Debug, Default)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

impl Telemetry {
    /// Sends what has not been sent yet. Blocks for up to a few seconds: not for an async task.
    pub fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sets up the process's log and traces. To be called once, inside of the runtime.
///
/// # Errors
/// [`TelemetryError`] when there is a log already or the collector cannot be used.
pub fn install(log: &LogSettings, otlp: &OtlpSettings) -> Result<Telemetry, TelemetryError> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry =
        tracing_subscriber::registry().with(lines.with_filter(targets(level(log.level))));
    #[cfg(feature = "otlp")]
    let (registry, telemetry) = {
        use opentelemetry::trace::TracerProvider as _;
        let traces = traces(otlp)?;
        let layer = traces.as_ref().map(|traces| {
            tracing_opentelemetry::layer()
                .with_tracer(traces.tracer("bulwark"))
                .with_location(false)
                .with_threads(false)
                .with_filter(targets(LevelFilter::INFO))
        });
        (registry.with(layer), Telemetry { traces })
    };
    #[cfg(not(feature = "otlp"))]
    let telemetry = {
        let _ = otlp;
        Telemetry::default()
    };
    registry.try_init().map_err(|_| TelemetryError::Twice)?;
    silence_panics();
    Ok(telemetry)
}

/// A panic's message may quote what was being worked on: only its place is written.
fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic was caught or ends the process");
    }));
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

fn targets(ours: LevelFilter) -> Targets {
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("bulwark", ours)
}

#[cfg(feature = "otlp")]
fn traces(
    otlp: &OtlpSettings,
) -> Result<Option<opentelemetry_sdk::trace::SdkTracerProvider>, TelemetryError> {
    use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
    let Some(endpoint) = &otlp.endpoint else { return Ok(None) };
    let failed = |error: &dyn std::fmt::Display| TelemetryError::Collector(error.to_string());
    let mut headers = tonic::metadata::MetadataMap::new();
    if let Some(secret) = &otlp.authorization {
        let mut value =
            tonic::metadata::MetadataValue::try_from(secret.reveal()).map_err(|_| {
                TelemetryError::Collector("otlp.authorization is no header value".into())
            })?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_metadata(headers)
        .build()
        .map_err(|error| failed(&error))?;
    let resource = opentelemetry_sdk::Resource::builder().with_service_name("bulwark").build();
    Ok(Some(
        opentelemetry_sdk::trace::SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build(),
    ))
}
