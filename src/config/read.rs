//! Reads settings from their sources, naming every mistake at once.

use super::check::check;
use super::mistake::{Mistake, Mistakes};
use super::table::{ENVIRONMENT_PREFIX, Row, Settings, rows};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// Variables with our prefix that are no settings: the commands' own, and those of the tests.
const NOT_SETTINGS: [&str; 6] = [
    "BULWARK_CONFIG",
    "BULWARK_SERVER",
    "BULWARK_KEY",
    "BULWARK_CA",
    "BULWARK_LONG",
    "BULWARK_GOLDEN",
];

/// One setting as text, before anybody knows whether it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// Where it was said, as `environment`.
    pub source: String,
    /// Which setting, or for a variable its name.
    pub key: String,
    /// To what.
    pub value: String,
}

impl fmt::Debug for Pair {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("source", &self.source)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The settings that `pairs` make, later ones winning over earlier ones.
///
/// # Errors
/// Every unknown key, every wrong value and everything that does not go together.
pub fn read(pairs: impl IntoIterator<Item = Pair>) -> Result<Settings, Mistakes> {
    let rows = rows();
    let by_key: HashMap<&str, &Row> = rows.iter().map(|row| (row.key.as_str(), row)).collect();
    let mut settings = Settings::default();
    let mut mistakes = Vec::new();
    for pair in pairs {
        match by_key.get(pair.key.as_str()) {
            None => mistakes.push(Mistake::new(&pair.source, &pair.key, unknown(&pair.key, &rows))),
            Some(row) => {
                if let Err(problem) = (row.set)(&mut settings, &pair.value) {
                    mistakes.push(Mistake::new(&pair.source, &pair.key, problem));
                }
            }
        }
    }
    mistakes.extend(check(&settings));
    if mistakes.is_empty() { Ok(settings) } else { Err(Mistakes(mistakes)) }
}

/// Says that nobody knows the key, with the nearest that is known.
fn unknown(key: &str, rows: &[Row]) -> String {
    let near = rows
        .iter()
        .map(|row| (distance(key, &row.key), &row.key))
        .min()
        .filter(|(changes, known)| *changes <= known.len() / 3);
    match near {
        Some((_, known)) => format!("is no setting; is {known} meant?"),
        None => "is no setting".into(),
    }
}

/// Letters to insert, remove or change to make one text of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    // Longer keys than any that is known need no exact answer.
    for (row, left) in from.chars().take(100).enumerate() {
        let mut line = vec![row + 1];
        for (column, right) in to.iter().enumerate() {
            let change = above[column] + usize::from(left != *right);
            line.push(change.min(above[column + 1] + 1).min(line[column] + 1));
        }
        above = line;
    }
    above[to.len()]
}

/// The pairs of a TOML text; `source` is said in mistakes, as the file's name.
///
/// # Errors
/// What keeps the text from being TOML, or values that are neither text, whole number, truth value nor a list of texts.
pub fn pairs_of_toml(source: &str, text: &str) -> Result<Vec<Pair>, Mistakes> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Mistakes(vec![Mistake::new(
            source,
            &format!("line {line}"),
            format!("is not toml: {}", error.message()),
        )])
    })?;
    let (mut pairs, mut mistakes) = (Vec::new(), Vec::new());
    flatten(source, "", table, &mut pairs, &mut mistakes);
    if mistakes.is_empty() { Ok(pairs) } else { Err(Mistakes(mistakes)) }
}

fn flatten(
    source: &str,
    prefix: &str,
    table: toml::Table,
    pairs: &mut Vec<Pair>,
    mistakes: &mut Vec<Mistake>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        let value = match value {
            toml::Value::Table(inner) => {
                flatten(source, &key, inner, pairs, mistakes);
                continue;
            }
            toml::Value::Array(items) => items
                .into_iter()
                .map(plain)
                .collect::<Option<Vec<_>>>()
                .map(|items| items.join(",")),
            value => plain(value),
        };
        match value {
            Some(value) => pairs.push(Pair { source: source.into(), key, value }),
            None => mistakes.push(Mistake::new(
                source,
                &key,
                "must be a text, a whole number, true, false, or a list of these",
            )),
        }
    }
}

fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The pairs among environment variables. Those of other programs are passed over, an unknown one
/// with our prefix is kept and will be a mistake.
pub fn pairs_of_environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Pair> {
    let keys: HashMap<String, String> =
        rows().into_iter().map(|row| (row.variable(), row.key)).collect();
    variables
        .into_iter()
        .filter(|(name, _)| {
            name.starts_with(ENVIRONMENT_PREFIX) && !NOT_SETTINGS.contains(&name.as_str())
        })
        .map(|(name, value)| Pair {
            source: "environment".into(),
            key: keys.get(&name).cloned().unwrap_or(name),
            value,
        })
        .collect()
}

/// The pairs of arguments `key=value`.
///
/// # Errors
/// Every argument without an equals sign.
pub fn pairs_of_arguments<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Pair>, Mistakes> {
    let (mut pairs, mut mistakes) = (Vec::new(), Vec::new());
    for argument in arguments {
        match argument.split_once('=') {
            Some((key, value)) => pairs.push(Pair {
                source: "--set".into(),
                key: key.trim().into(),
                value: value.into(),
            }),
            None => mistakes.push(Mistake::new("--set", argument, "must be written as key=value")),
        }
    }
    if mistakes.is_empty() { Ok(pairs) } else { Err(Mistakes(mistakes)) }
}

/// The settings of a file, the environment and arguments `key=value`, each winning over the one before.
///
/// # Errors
/// [`Mistakes`] of all three together.
pub fn load<'a>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Settings, Mistakes> {
    let mut pairs = Vec::new();
    let mut mistakes = Vec::new();
    let mut take = |found: Result<Vec<Pair>, Mistakes>| match found {
        Ok(found) => pairs.extend(found),
        Err(Mistakes(found)) => mistakes.extend(found),
    };
    if let Some(path) = file {
        let name = path.display().to_string();
        take(match std::fs::read_to_string(path) {
            Ok(text) => pairs_of_toml(&name, &text),
            Err(error) => Err(Mistakes(vec![Mistake::new(
                "--config",
                &name,
                format!("cannot be read: {}", error.kind()),
            )])),
        });
    }
    take(Ok(pairs_of_environment(variables)));
    take(pairs_of_arguments(arguments));
    match (read(pairs), mistakes.is_empty()) {
        (result, true) => result,
        (Ok(_), false) => Err(Mistakes(mistakes)),
        (Err(Mistakes(more)), false) => {
            mistakes.extend(more);
            Err(Mistakes(mistakes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::Bytes;
    use crate::config::{TlsMode, table};
    use std::time::Duration;

    fn set(arguments: &[&str]) -> Result<Settings, Mistakes> {
        read(pairs_of_arguments(arguments.iter().copied())?)
    }

    fn keys(result: Result<Settings, Mistakes>) -> Vec<String> {
        result.expect_err("has mistakes").0.into_iter().map(|mistake| mistake.key).collect()
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        assert_eq!(read([]), Ok(Settings::default()));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let found = keys(set(&[
            "limits.conections=5",
            "limits.connections=0",
            "limits.first_request=5",
            "tls.mode=ssl",
            "listen=0.0.0.0:50051",
        ]));
        assert_eq!(
            found,
            [
                "limits.conections",
                "limits.connections",
                "limits.first_request",
                "tls.mode",
                "listen"
            ]
        );
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_right_one() {
        let Err(Mistakes(found)) = set(&["limits.conections=5"]) else { panic!("misspelt") };
        assert_eq!(
            found[0].to_string(),
            "--set: limits.conections is no setting; is limits.connections meant?"
        );
    }

    #[test]
    fn arguments_win_over_the_environment_and_that_over_the_file() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(
            file.path(),
            "[limits]\nconnections = 1\nin_flight_calls = 2\nstreams_per_connection = 3\n",
        )
        .expect("written");
        let environment = [
            ("BULWARK_LIMITS_CONNECTIONS".to_owned(), "10".to_owned()),
            ("BULWARK_LIMITS_IN_FLIGHT_CALLS".to_owned(), "20".to_owned()),
            ("HOME".to_owned(), "/".to_owned()),
        ];
        let settings =
            load(Some(file.path()), environment, ["limits.connections=100"]).expect("good");
        let limits = settings.limits;
        assert_eq!(
            (limits.connections, limits.in_flight_calls, limits.streams_per_connection),
            (100, 20, 3)
        );
    }

    #[test]
    fn mistakes_of_all_sources_are_named_together() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), "typo = 1\n[limits]\nconnections = 1.5\n").expect("written");
        let environment = [("BULWARK_TYPO".to_owned(), "x".to_owned())];
        let found = keys(load(Some(file.path()), environment, ["no-equals-sign"]));
        // The file's float keeps the whole file back, so that its other keys are not judged.
        assert_eq!(found, ["limits.connections", "no-equals-sign", "BULWARK_TYPO"]);
    }

    #[test]
    fn variables_of_commands_are_no_settings() {
        let variables = NOT_SETTINGS.map(|name| (name.to_owned(), "x".to_owned()));
        assert_eq!(pairs_of_environment(variables), []);
    }

    #[test]
    fn toml_is_read_with_its_own_kinds() {
        let pairs = pairs_of_toml(
            "x",
            "listen = ['127.0.0.1:1', '[::1]:2']\nreflection_open = true\n[limits]\nin_flight_bytes = '1 GiB'\nfirst_request = '3 s'",
        )
        .expect("toml");
        let settings = read(pairs).expect("good");
        assert_eq!(settings.general.listen.len(), 2);
        assert!(settings.general.reflection_open);
        assert_eq!(settings.limits.in_flight_bytes, Bytes::mib(1024));
        assert_eq!(settings.limits.first_request, Duration::from_secs(3));
        let Err(Mistakes(found)) = pairs_of_toml("x", "a = 1\n= 2\n") else { panic!("not toml") };
        assert_eq!((found.len(), found[0].key.as_str()), (1, "line 2"));
    }

    #[test]
    fn plain_text_off_loopback_is_refused_unless_asked_for_by_name() {
        assert_eq!(keys(set(&["listen=127.0.0.1:1, 192.0.2.1:1"])), ["listen"]);
        assert_eq!(keys(set(&["listen=[::]:1"])), ["listen"]);
        assert!(set(&["listen=127.8.8.8:1, [::1]:1"]).is_ok());
        assert!(set(&["listen=192.0.2.1:1", "allow_plain_text_off_loopback=true"]).is_ok());
        let tls = ["listen=192.0.2.1:1", "tls.mode=tls", "tls.certificate=c", "tls.key=k"];
        assert!(set(&tls).is_ok());
    }

    #[test]
    fn certificates_go_with_their_mode() {
        assert_eq!(keys(set(&["tls.mode=tls"])), ["tls.certificate", "tls.key"]);
        assert_eq!(keys(set(&["tls.certificate=c"])), ["tls.mode"]);
        assert_eq!(
            keys(set(&["tls.mode=mtls", "tls.certificate=c", "tls.key=k"])),
            ["tls.client_ca"]
        );
        let good = set(&["tls.mode=mtls", "tls.certificate=c", "tls.key=k", "tls.client_ca=a"]);
        assert_eq!(good.expect("good").tls.mode, TlsMode::Mtls);
    }

    #[test]
    fn a_folder_for_backups_goes_with_a_pass_phrase() {
        assert!(set(&["exchanges.hosts=lists.example,127.0.0.1:8080,[::1]"]).is_ok());
        for bad in ["https://lists.example", "*.example", "user@lists.example", "lists example"] {
            assert_eq!(
                keys(set(&[&format!("exchanges.hosts={bad}")])),
                ["exchanges.hosts"],
                "{bad}"
            );
        }
        assert_eq!(keys(set(&["backup.folder=/b"])), ["backup.passphrase_file"]);
        assert_eq!(keys(set(&["backup.passphrase_file=/p"])), ["backup.folder"]);
        assert!(set(&["backup.folder=/b", "backup.passphrase_file=/p"]).is_ok());
    }

    #[test]
    fn a_shard_goes_with_a_database_that_others_share_and_an_address_for_them() {
        let base = ["store.url=postgres://user@host/database", "shard.own=2/4"];
        let with = |more: &[&str]| set(&[&base[..], more].concat());
        let address = "shard.address=http://127.0.0.1:50051";
        let good = with(&[address]).expect("good");
        assert_eq!((good.shard.own.number(), good.shard.own.count()), (2, 4));
        assert_eq!(keys(set(&["shard.own=2/4", address])), ["shard.own"]);
        assert_eq!(keys(with(&[])), ["shard.address"]);
        for wrong in
            ["127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:1/a", "http://10.0.0.1:1"]
        {
            assert_eq!(
                keys(with(&[&format!("shard.address={wrong}")])),
                ["shard.address"],
                "{wrong}"
            );
        }
        assert_eq!(keys(with(&[address, "shard.ca=x"])), ["shard.ca"]);
        assert_eq!(keys(set(&[address, "shard.ca=x"])), ["shard.address", "shard.ca"]);
        for wrong in ["0/4", "5/4", "4", "1/1025"] {
            assert_eq!(keys(set(&[&format!("shard.own={wrong}")])), ["shard.own"], "{wrong}");
        }
        let tls = ["tls.mode=tls", "tls.certificate=c", "tls.key=k"];
        assert_eq!(keys(with(&[&tls[..], &[address]].concat())), ["shard.address"]);
        let https = "shard.address=https://10.0.0.1:50051";
        assert_eq!(keys(with(&[&tls[..], &[https]].concat())), ["shard.ca"]);
        assert!(with(&[&tls[..], &[https, "shard.ca=a"]].concat()).is_ok());
        let plain = ["shard.address=http://10.0.0.1:1", "allow_plain_text_off_loopback=true"];
        assert!(with(&plain).is_ok());
    }

    #[test]
    fn what_is_set_about_a_bucket_goes_with_one() {
        let bucket = "store.snapshot_url=s3://bucket/prefix";
        let (id, secret) =
            ("store.snapshot_access_key_id=x", "store.snapshot_secret_access_key_file=x");
        let only_with =
            |key| if cfg!(feature = "s3") { vec![key] } else { vec!["store.snapshot_url", key] };
        let half = keys(set(&[bucket, id]));
        assert_eq!(half, only_with("store.snapshot_secret_access_key_file"));
        assert_eq!(keys(set(&[bucket, secret])), only_with("store.snapshot_access_key_id"));
        assert_eq!(set(&[bucket, id, secret]).is_ok(), cfg!(feature = "s3"));
        assert_eq!(
            keys(set(&[id, secret, "store.snapshot_region=x"])),
            [
                "store.snapshot_region",
                "store.snapshot_access_key_id",
                "store.snapshot_secret_access_key_file"
            ]
        );
        let folder = "store.snapshot_url=file:///srv/shared";
        let endpoint = "store.snapshot_endpoint=https://minio.example";
        assert_eq!(keys(set(&[folder, endpoint])), only_with("store.snapshot_endpoint"));
        let off = keys(set(&[folder, "store.snapshot_changes=0"]));
        assert!(off.iter().all(|key| key == "store.snapshot_url") && !off.is_empty());
        assert_eq!(
            keys(set(&["store.snapshot_endpoint=http://10.0.0.1", bucket]))[0],
            "store.snapshot_endpoint"
        );
    }

    #[test]
    fn an_origin_is_not_a_pattern() {
        for bad in ["*", "https://*", "https://a/", "a.example", "https://A.example", "https://"] {
            assert_eq!(
                keys(set(&[&format!("grpc_web.origins={bad}")])),
                ["grpc_web.origins"],
                "{bad}"
            );
        }
        assert!(
            set(&["grpc_web.origins=https://a.example, http://localhost:8080"]).is_ok()
                == cfg!(feature = "grpc-web")
        );
    }

    #[test]
    fn no_two_settings_share_a_name_or_a_variable() {
        let rows = table::rows();
        let names: std::collections::HashSet<_> = rows.iter().map(Row::variable).collect();
        assert_eq!(names.len(), rows.len());
        assert!(rows.iter().all(|row| !NOT_SETTINGS.contains(&row.variable().as_str())));
        assert!(rows.iter().all(|row| row.doc.ends_with('.')), "every setting is documented");
    }

    #[test]
    fn what_is_shown_can_be_set_again() {
        let before = set(&["limits.connections=7", "log.format=json"]).expect("good");
        let pairs = before.shown().into_iter().map(|(key, value)| Pair {
            source: "shown".into(),
            key,
            value,
        });
        assert_eq!(read(pairs), Ok(before));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = set(&["otlp.authorization=Bearer swordfish"]).expect("good");
        let shown = settings
            .shown()
            .into_iter()
            .find(|(key, _)| key == "otlp.authorization")
            .expect("listed");
        assert_eq!(shown.1, "(hidden)");
        assert!(!format!("{settings:?}").contains("swordfish"));
    }

    #[test]
    fn the_documented_table_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        let table = Settings::documented();
        let head = "# Settings\n\nRead from a TOML file (`--config`), then the environment, then `--set key=value`; later ones win. \
            `bulwark config check` prints what is in force. Sizes are written as `64 KiB`, times as `5 s`, lists with commas or as TOML arrays. \
            An unknown key or a wrong value ends the start with exit code 78, and every mistake is named.\n\n";
        let whole = format!("{head}{table}");
        if std::env::var_os("BULWARK_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("directory");
            std::fs::write(&path, &whole).expect("written");
        }
        let kept = std::fs::read_to_string(&path).expect("docs/settings.md exists");
        assert_eq!(
            kept, whole,
            "run the test with BULWARK_GOLDEN=1 to write docs/settings.md anew"
        );
    }
}
