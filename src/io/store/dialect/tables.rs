//! The tables, told once; each database's own words are put in from there.

/// Version of the tables that this program reads and writes.
pub const SCHEMA_VERSION: u64 = 1;

/// As SQLite has them: strict, without hidden keys.
pub const SQLITE: &str = "
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

/// What only a database needs that several processes share: who they are, and who does what must be done once.
#[cfg(feature = "postgres")]
const POSTGRES_MORE: &str = "
CREATE TABLE replica (name BLOB PRIMARY KEY, title TEXT NOT NULL, version TEXT NOT NULL,
  began INTEGER NOT NULL, beat INTEGER NOT NULL, beaten INTEGER NOT NULL, counted INTEGER NOT NULL,
  applied INTEGER NOT NULL, entries INTEGER NOT NULL) STRICT;
CREATE TABLE lease (task TEXT PRIMARY KEY, holder BLOB NOT NULL, token INTEGER NOT NULL,
  beat INTEGER NOT NULL) STRICT;
";

/// As PostgreSQL has them: its own names of types, and texts in bytewise order. May be said again after it broke off.
#[cfg(feature = "postgres")]
#[must_use]
pub fn postgres() -> String {
    [SQLITE, POSTGRES_MORE]
        .concat()
        .replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
        .replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS")
        .replace(" INTEGER", " BIGINT")
        .replace(" BLOB", " BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
        .replace(" STRICT, WITHOUT ROWID", "")
        .replace(" STRICT", "")
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(feature = "postgres")]
    fn nothing_of_one_dialect_is_left_in_the_other() {
        use super::{SQLITE, postgres};
        let text = postgres();
        for word in ["INTEGER", "BLOB", "STRICT", "ROWID"] {
            assert!(!text.contains(word), "{word}");
        }
        let texts = text.matches(" TEXT").count();
        assert_eq!(text.matches(" TEXT COLLATE \"C\"").count(), texts);
        assert_eq!(
            text.matches("CREATE TABLE").count(),
            SQLITE.matches("CREATE TABLE").count() + 2
        );
    }
}
