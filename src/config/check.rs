//! What must be true of settings together.

use super::mistake::Mistake;
use super::table::{Settings, TlsMode};
use super::value::Value as _;

/// Names everything that does not go together.
pub(super) fn check(settings: &Settings) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong =
        |key: &str, problem: &str| mistakes.push(Mistake::new("settings", key, problem));
    let (general, tls, limits) = (&settings.general, &settings.tls, &settings.limits);

    if general.listen.is_empty() {
        wrong("listen", "must name at least one address");
    }
    if tls.mode == TlsMode::Off {
        for address in general.listen.iter().filter(|address| !address.ip().is_loopback()) {
            if !general.allow_plain_text_off_loopback {
                wrong(
                    "listen",
                    &format!(
                        "must be a loopback address while tls.mode is off, but {address} is not; \
                         set tls.mode, or allow_plain_text_off_loopback to accept that keys and content can be read on the way"
                    ),
                );
            }
        }
    } else {
        for (key, file) in [("tls.certificate", &tls.certificate), ("tls.key", &tls.key)] {
            if file.is_none() {
                wrong(key, &format!("must be set while tls.mode is {}", tls.mode.write()));
            }
        }
    }
    if tls.mode == TlsMode::Off && (tls.certificate.is_some() || tls.key.is_some()) {
        wrong("tls.mode", "must not be off while a certificate or key is set");
    }
    if (tls.mode == TlsMode::Mtls) != tls.client_ca.is_some() {
        wrong("tls.client_ca", "must be set while tls.mode is mtls, and only then");
    }
    if limits.deadline_default > limits.deadline_max {
        wrong("limits.deadline_default", "must not be later than limits.deadline_max");
    }
    if settings.otlp.endpoint.is_some() && !cfg!(feature = "otlp") {
        wrong("otlp.endpoint", "must be empty in a build without the feature otlp");
    }
    if settings.otlp.endpoint.as_ref().is_some_and(|url| !url.starts_with("http://")) {
        wrong("otlp.endpoint", "must begin with http:// (the collector stands beside the service)");
    }
    if !settings.grpc_web.origins.is_empty() && !cfg!(feature = "grpc-web") {
        wrong("grpc_web.origins", "must be empty in a build without the feature grpc-web");
    }
    if settings.grpc_web.origins.iter().any(|origin| !is_origin(origin)) {
        wrong(
            "grpc_web.origins",
            "must be origins, as https://review.example, without a path or a star",
        );
    }
    mistakes
}

fn is_origin(text: &str) -> bool {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b))
    })
}
