//! The service config that clients are given: made from the table of calls, and of what is safe to repeat.

use crate::descriptor::pool;
use bulwark::config::LimitSettings;
use bulwark::server::health::READINESS;
use bulwark::server::rpc_table::{Access, Class, RPCS, Rpc, Term};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Tries of one call, the first one included.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

/// Whether it is one of our calls, for clients: what processes ask each other they repeat by themselves.
fn is_ours(rpc: &Rpc) -> bool {
    rpc.service().starts_with("bulwark.v1.") && rpc.access != Access::Shards
}

/// What a client does about one call.
fn method(rpc: &Rpc, limits: &LimitSettings) -> Value {
    let name = rpc.path.rsplit('/').next();
    let mut method = json!({ "name": [{ "service": rpc.service(), "method": name }] });
    let timeout = match rpc.term {
        Term::Usual => Some(limits.deadline_default),
        Term::Within(span) => Some(span),
        Term::Longest => Some(limits.deadline_max),
        Term::Sending | Term::Endless => None,
    };
    if let Some(timeout) = timeout {
        method["timeout"] = json!(seconds(timeout));
    }
    if rpc.idempotent && rpc.term != Term::Endless {
        // What gives way first is not sent again at once: there is too much to do already.
        let codes = match rpc.class {
            Class::Deferrable => json!(["UNAVAILABLE"]),
            _ => json!(["UNAVAILABLE", "RESOURCE_EXHAUSTED"]),
        };
        method["retryPolicy"] = json!({
            "maxAttempts": ATTEMPTS,
            "initialBackoff": seconds(FIRST_WAIT),
            "maxBackoff": seconds(LONGEST_WAIT),
            "backoffMultiplier": 2,
            "retryableStatusCodes": codes,
        });
    }
    method
}

fn config() -> Value {
    let limits = LimitSettings::default();
    let is_for_clients = |rpc: &&Rpc| is_ours(rpc) || rpc.service() == "grpc.health.v1.Health";
    let methods: Vec<_> =
        RPCS.iter().filter(is_for_clients).map(|rpc| method(rpc, &limits)).collect();
    json!({
        "loadBalancingConfig": [{ "round_robin": {} }],
        "healthCheckConfig": { "serviceName": READINESS },
        "retryThrottling": { "maxTokens": 100, "tokenRatio": 0.5 },
        "methodConfig": methods,
    })
}

#[test]
fn the_published_service_config_is_that_of_the_table_of_calls() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/service_config.json");
    let whole = format!("{:#}\n", config());
    if std::env::var_os("BULWARK_GOLDEN").is_some() {
        std::fs::write(&path, &whole).expect("written");
    }
    let kept = std::fs::read_to_string(&path).expect("proto/service_config.json exists");
    assert_eq!(kept, whole, "run the test with BULWARK_GOLDEN=1 to write the file anew");
    for rpc in RPCS.iter().filter(|rpc| is_ours(rpc)) {
        let name = rpc.path.rsplit('/').next().unwrap();
        assert!(kept.contains(&format!("\"method\": \"{name}\"")), "{name}");
    }
    assert!(!kept.contains("hedging"));
}

#[test]
fn what_is_retried_changes_nothing_or_bears_the_id_of_its_request() {
    let mut changing = 0;
    for rpc in RPCS.iter().filter(|rpc| is_ours(rpc)) {
        let (service, name) = rpc.path[1..].split_once('/').unwrap();
        let service = pool().get_service_by_name(service).unwrap();
        let method = service.methods().find(|method| method.name() == name).unwrap();
        let request = method.input();
        let context = |field: &str| {
            let field = request.get_field_by_name(field)?;
            field.kind().as_message()?.get_field_by_name("request_id")
        };
        let bears_id = request.get_field_by_name("request_id").is_some()
            || context("context").is_some()
            || context("open").is_some();
        let changes_nothing =
            ["Get", "List", "Compare", "Hash", "Watch"].iter().any(|begin| name.starts_with(begin));
        // A batch and an upload tell the id in their first message; what was imported before counts as present.
        let is_told_apart = ["ScreenUpload", "ScreenSignalsBatch", "ImportEntries"].contains(&name);
        // What is forgotten twice is forgotten, who is asked twice is asked, and a delta is heard once.
        let is_once = ["ForgetItem", "SyncExchange", "PushSignals", "PushOpinions"].contains(&name);
        let is_retried = method_of(name)["retryPolicy"].is_object();
        // A stream that stays is opened again by who watches it, from where it left off.
        let is_repeatable = rpc.idempotent && rpc.term != Term::Endless;
        assert_eq!(is_retried, is_repeatable, "{name}");
        if is_retried {
            assert!(
                bears_id || changes_nothing || is_told_apart || is_once,
                "{name} may be done twice"
            );
            changing += u32::from(bears_id);
        }
    }
    assert!(changing > 10, "ids were looked for: {changing}");
    assert!(!method_of("CreateCredential")["retryPolicy"].is_object(), "its key is shown once");
}

fn method_of(name: &str) -> Value {
    let config = config();
    let methods = config["methodConfig"].as_array().unwrap();
    let found = methods.iter().find(|method| method["name"][0]["method"] == name);
    found.expect("every call has its row").clone()
}
