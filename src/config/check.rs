//! What must be true of settings together.

use super::mistake::Mistake;
use super::models::load_models;
use super::place::{Reached, SharedPlace, reached};
use super::table::{BackupSettings, ExchangeSettings, Settings, StoreSettings};
use super::value::Value as _;
use super::words::TlsMode;

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
    for (key, url) in
        [("store.url", &settings.store.url), ("store.replica_url", &settings.store.replica_url)]
    {
        if let Some(Err(problem)) = url.as_ref().map(|url| store_address(url.reveal())) {
            wrong(key, &problem);
        }
    }
    if settings.store.url.is_none() && settings.store.replica_url.is_some() {
        wrong("store.replica_url", "must be empty while store.url is");
    }
    if let Some(Err(wrong)) = settings.general.models.as_deref().map(load_models) {
        mistakes.extend(wrong.0);
    }
    mistakes.extend(check_sharing(&settings.store));
    mistakes.extend(check_shard(settings));
    mistakes.extend(check_backup(&settings.backup));
    mistakes.extend(check_exchanges(&settings.exchanges));
    let mut wrong =
        |key: &str, problem: &str| mistakes.push(Mistake::new("settings", key, problem));
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

/// Names what does not go together about snapshots that machines share.
fn check_sharing(store: &StoreSettings) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong =
        |key: &str, problem: &str| mistakes.push(Mistake::new("settings", key, problem));
    if store.snapshot_url.is_some() && !cfg!(feature = "s3") {
        wrong("store.snapshot_url", "must be empty in a build without the feature s3");
    }
    if store.snapshot_url.is_some() && store.snapshot_changes == 0 {
        wrong("store.snapshot_url", "must be empty while store.snapshot_changes is 0");
    }
    let is_bucket = matches!(store.snapshot_url, Some(SharedPlace::Bucket { .. }));
    for (key, is_set) in [
        ("store.snapshot_endpoint", store.snapshot_endpoint.is_some()),
        ("store.snapshot_region", store.snapshot_region.is_some()),
        ("store.snapshot_access_key_id", store.snapshot_access_key_id.is_some()),
        ("store.snapshot_secret_access_key_file", store.snapshot_secret_access_key_file.is_some()),
    ] {
        if is_set && !is_bucket {
            wrong(key, "must be empty unless store.snapshot_url names a bucket");
        }
    }
    match (&store.snapshot_access_key_id, &store.snapshot_secret_access_key_file) {
        (Some(_), None) => wrong(
            "store.snapshot_secret_access_key_file",
            "must be set while store.snapshot_access_key_id is",
        ),
        (None, Some(_)) => wrong(
            "store.snapshot_access_key_id",
            "must be set while store.snapshot_secret_access_key_file is",
        ),
        _ => {}
    }
    mistakes
}

/// Names what does not go together about backups.
fn check_backup(backup: &BackupSettings) -> Vec<Mistake> {
    let missing = match (&backup.folder, &backup.passphrase_file) {
        (Some(_), None) => ("backup.passphrase_file", "must be set while backup.folder is"),
        (None, Some(_)) => ("backup.folder", "must be set while backup.passphrase_file is"),
        _ => return Vec::new(),
    };
    vec![Mistake::new("settings", missing.0, missing.1)]
}

/// Names hosts that are none: what is not understood must not look as if it allowed something.
fn check_exchanges(exchanges: &ExchangeSettings) -> Vec<Mistake> {
    let is_host = |host: &String| {
        let authority = host.parse::<http::uri::Authority>();
        authority.is_ok_and(|of| !of.host().is_empty() && !of.as_str().contains(['@', '*']))
    };
    let all = [
        ("exchanges.hosts", &exchanges.hosts),
        ("exchanges.private_hosts", &exchanges.private_hosts),
    ];
    let bad = all.into_iter().filter(|(_, hosts)| !hosts.iter().all(is_host));
    bad.map(|(key, _)| {
        Mistake::new("settings", key, "must be hosts, each as lists.example or lists.example:8443")
    })
    .collect()
}

/// Names what does not go together about shards.
fn check_shard(settings: &Settings) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong =
        |key: &str, problem: &str| mistakes.push(Mistake::new("settings", key, problem));
    let shard = &settings.shard;
    if shard.own.is_whole() {
        for (key, is_set) in
            [("shard.address", shard.address.is_some()), ("shard.ca", shard.ca.is_some())]
        {
            if is_set {
                wrong(key, "must be empty while shard.own is 1/1");
            }
        }
        return mistakes;
    }
    if settings.store.url.is_none() {
        wrong("shard.own", "must be 1/1 unless store.url names a database that processes share");
    }
    match shard.address.as_deref().map(|address| reached(address).filter(|to| to.has_port)) {
        None => wrong("shard.address", "must be set unless shard.own is 1/1"),
        Some(None) => {
            wrong("shard.address", "must be an address without a path, as https://10.0.0.5:50051");
        }
        Some(Some(Reached { is_plain, is_here, .. })) => {
            if is_plain != (settings.tls.mode == TlsMode::Off) {
                wrong(
                    "shard.address",
                    "must begin with https://, or http:// while tls.mode is off",
                );
            }
            if is_plain && !is_here && !settings.general.allow_plain_text_off_loopback {
                wrong(
                    "shard.address",
                    "must be on this machine while tls.mode is off; set tls.mode, or \
                     allow_plain_text_off_loopback to accept that keys and values can be read on the way",
                );
            }
            if is_plain == shard.ca.is_some() {
                wrong(
                    "shard.ca",
                    "must be set while shard.address begins with https://, and only then",
                );
            }
        }
    }
    mistakes
}

/// What may stand behind the question mark of a database's address.
const ADDRESS_WORDS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];
/// How much the server has to show, from nothing to a certificate for its name.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Checks the address of a database. What is wrong is said without repeating it: a password may stand in it.
///
/// # Errors
/// What it must be, as the end of a sentence that begins with its name.
pub fn store_address(url: &str) -> Result<(), String> {
    if !cfg!(feature = "postgres") {
        return Err("must be empty in a build without the feature postgres".into());
    }
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let Some(rest) = rest else { return Err("must begin with postgres://".into()) };
    let (place, words) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, database) = place.split_once('/').unwrap_or((place, ""));
    if host.is_empty() || database.is_empty() || database.contains('/') {
        return Err("must name a host and a database, as postgres://user@host/database".into());
    }
    for word in words.split('&').filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if !ADDRESS_WORDS.contains(&key) {
            return Err(format!("must have only {} behind its ?", ADDRESS_WORDS.join(", ")));
        }
        if key == "sslmode" && !SSL_MODES.contains(&value) {
            return Err(format!("must have an sslmode of {}", SSL_MODES.join(", ")));
        }
    }
    Ok(())
}

fn is_origin(text: &str) -> bool {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(feature = "postgres")]
    fn an_address_that_does_not_read_is_refused_and_not_repeated() {
        use super::store_address;
        for good in [
            "postgres://u:swordfish@db.example:5433/bulwark",
            "postgresql://u@[::1]/b?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ] {
            assert_eq!(store_address(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "mysql://u:swordfish@h/b",
            "postgres://u:swordfish@h",
            "postgres:///b",
            "postgres://u:swordfish@h/b/c",
            "postgres://u:swordfish@h/b?sslmode=maybe",
            "postgres://u@h/b?pasword=swordfish",
            "postgres://u@h/b?options=-cfsync=off",
        ] {
            let said = store_address(bad).unwrap_err();
            assert!(!said.contains("swordfish"), "{said}");
        }
    }
}
