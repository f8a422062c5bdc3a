//! The tables, told once, as steps that each bring them forward by one version; each database's own words are put in.
//!
//! A step only adds: what the program of the version before says of the tables goes on holding. One that was released is
//! never changed; whatever is new gets a step of its own.

/// What brings the tables forward by one version.
struct Step {
    /// In every database, as SQLite says it.
    all: &'static str,
    /// Beside that, where several processes share a database.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite is of one process"))]
    shared: &'static str,
}

/// The steps: the first makes tables of version 1 where there are none.
const STEPS: [Step; 3] = [
    Step { all: ALL_1, shared: SHARED_1 },
    Step { all: "", shared: SHARED_2 },
    // SQLite has the tables of look-back in a file of their own.
    Step { all: ALL_3, shared: LOOKBACK },
];

/// Version of the tables that this program makes.
pub const SCHEMA_VERSION: u64 = STEPS.len() as u64;

/// Whether this program works on tables of a version: on its own, and on the next, which only adds to them.
#[must_use]
pub const fn is_usable(version: u64) -> bool {
    version == SCHEMA_VERSION || version == SCHEMA_VERSION + 1
}

/// Strict, without hidden keys.
const ALL_1: &str = "
CREATE TABLE version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
CREATE TABLE head (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
  time INTEGER NOT NULL, epoch INTEGER NOT NULL, clean INTEGER NOT NULL, mark BLOB NOT NULL) STRICT;
CREATE TABLE journal (number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, envelope BLOB NOT NULL,
  salt BLOB NOT NULL, payload BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
CREATE TABLE subtree (level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (level, place)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE document (kind TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, scope, name)) STRICT, WITHOUT ROWID;
CREATE TABLE entry (scope TEXT NOT NULL, bank TEXT NOT NULL, entry TEXT NOT NULL,
  state INTEGER NOT NULL, version INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (scope, bank, entry)) STRICT, WITHOUT ROWID;
CREATE INDEX entry_state ON entry (scope, bank, state, entry);
CREATE TABLE signal (scope TEXT NOT NULL, bank TEXT NOT NULL, fingerprint BLOB NOT NULL,
  entry TEXT NOT NULL, PRIMARY KEY (scope, bank, fingerprint, entry)) STRICT, WITHOUT ROWID;
CREATE INDEX signal_entry ON signal (scope, bank, entry);
CREATE TABLE request (scope TEXT NOT NULL, method TEXT NOT NULL, request BLOB NOT NULL,
  digest BLOB NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL, answer BLOB NOT NULL,
  PRIMARY KEY (scope, method, request)) STRICT, WITHOUT ROWID;
CREATE INDEX request_kept ON request (kept);
CREATE TABLE verdict (scope TEXT NOT NULL, verdict TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (scope, verdict)) STRICT, WITHOUT ROWID;
CREATE TABLE outcome (scope TEXT NOT NULL, verdict TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (scope, verdict, number)) STRICT, WITHOUT ROWID;
";

/// Who the processes are that share a database, and who does what must be done once.
const SHARED_1: &str = "
CREATE TABLE replica (name BLOB PRIMARY KEY, title TEXT NOT NULL, version TEXT NOT NULL,
  began INTEGER NOT NULL, beat INTEGER NOT NULL, beaten INTEGER NOT NULL, counted INTEGER NOT NULL,
  applied INTEGER NOT NULL, entries INTEGER NOT NULL) STRICT;
CREATE TABLE lease (task TEXT PRIMARY KEY, holder BLOB NOT NULL, token INTEGER NOT NULL,
  beat INTEGER NOT NULL) STRICT;
";

/// Which kinds of events a process knows, which part of the entries it keeps, and where the others reach it.
const SHARED_2: &str = "
ALTER TABLE replica ADD COLUMN speaks INTEGER NOT NULL DEFAULT 11;
ALTER TABLE replica ADD COLUMN shard INTEGER NOT NULL DEFAULT 1;
ALTER TABLE replica ADD COLUMN shards INTEGER NOT NULL DEFAULT 1;
ALTER TABLE replica ADD COLUMN address TEXT NOT NULL DEFAULT '';
";

/// Items that are remembered, pairs of them and entries, and how far each log of items was searched. Apart from the journal,
/// so that all of it can be erased.
const LOOKBACK: &str = "
CREATE TABLE lookback_log (log INTEGER PRIMARY KEY, owner BLOB NOT NULL,
  searched INTEGER NOT NULL) STRICT;
CREATE TABLE lookback_item (log INTEGER NOT NULL, number INTEGER NOT NULL, item BLOB NOT NULL,
  content BLOB NOT NULL, scope TEXT NOT NULL, surface TEXT NOT NULL, screened INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (log, number)) STRICT, WITHOUT ROWID;
CREATE INDEX lookback_item_name ON lookback_item (item);
CREATE INDEX lookback_item_age ON lookback_item (log, scope, surface, screened);
CREATE TABLE lookback_gone (item BLOB NOT NULL, log INTEGER NOT NULL, number INTEGER NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (item, log, number)) STRICT, WITHOUT ROWID;
CREATE TABLE lookback_pair (pair BLOB NOT NULL, log INTEGER NOT NULL, item INTEGER NOT NULL,
  number INTEGER NOT NULL, scope TEXT NOT NULL, bank TEXT NOT NULL, entry TEXT NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (pair, log, item)) STRICT, WITHOUT ROWID;
CREATE INDEX lookback_pair_number ON lookback_pair (scope, number);
CREATE INDEX lookback_pair_entry ON lookback_pair (log, scope, bank, entry);
CREATE INDEX lookback_pair_item ON lookback_pair (log, item);
CREATE TABLE lookback_sweep (log INTEGER NOT NULL, scope TEXT NOT NULL, bank TEXT NOT NULL,
  reached TEXT NOT NULL, PRIMARY KEY (log, scope, bank)) STRICT, WITHOUT ROWID;
CREATE TABLE lookback_head (scope TEXT PRIMARY KEY, epoch TEXT NOT NULL,
  number INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// What makes the tables of look-back in SQLite's file for them, where they are not there.
#[must_use]
pub fn lookback() -> String {
    LOOKBACK
        .replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
        .replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS")
}

/// Finds what changed in a bank behind a number of the journal: others are told that.
const ALL_3: &str = "
CREATE INDEX entry_number ON entry (scope, bank, number, entry);
";

fn steps_from(version: u64) -> &'static [Step] {
    let done = usize::try_from(version).unwrap_or(STEPS.len());
    STEPS.get(done..).unwrap_or(&[])
}

/// What brings tables of a version forward to the present one, as SQLite says it; version 0 is that there are none.
#[must_use]
pub fn sqlite(from: u64) -> String {
    steps_from(from).iter().map(|step| step.all).collect()
}

/// The same as PostgreSQL says it: its own names of types, and texts in bytewise order. May be said again after it broke
/// off.
#[cfg(feature = "postgres")]
#[must_use]
pub fn postgres(from: u64) -> String {
    let text: String = steps_from(from).iter().flat_map(|step| [step.all, step.shared]).collect();
    text.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
        .replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS")
        .replace("ADD COLUMN", "ADD COLUMN IF NOT EXISTS")
        .replace(" INTEGER", " BIGINT")
        .replace(" BLOB", " BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
        .replace(" STRICT, WITHOUT ROWID", "")
        .replace(" STRICT", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "postgres")]
    fn nothing_of_one_dialect_is_left_in_the_other() {
        let text = postgres(0);
        for word in ["INTEGER", "BLOB", "STRICT", "ROWID"] {
            assert!(!text.contains(word), "{word}");
        }
        let texts = text.matches(" TEXT").count();
        assert_eq!(text.matches(" TEXT COLLATE \"C\"").count(), texts);
        let both: String = STEPS.iter().flat_map(|step| [step.all, step.shared]).collect();
        for word in ["CREATE TABLE", "CREATE INDEX", "ADD COLUMN"] {
            let again = format!("{word} IF NOT EXISTS");
            assert_eq!(text.matches(&again).count(), both.matches(word).count(), "{word}");
        }
    }

    #[test]
    fn a_step_behind_the_first_only_adds() {
        for step in &STEPS[1..] {
            for text in [step.all, step.shared] {
                for said in text.split(';').map(str::trim).filter(|said| !said.is_empty()) {
                    let is_new = ["CREATE TABLE ", "CREATE INDEX "];
                    let adds = said.starts_with("ALTER TABLE ")
                        && said.contains(" ADD COLUMN ")
                        && said.contains(" NOT NULL DEFAULT ");
                    assert!(adds || is_new.iter().any(|word| said.starts_with(word)), "{said}");
                }
            }
        }
    }
}
