//! The manifest of a backup: what it holds, from when, and what every part must be, under a mark that only its keys make.
//!
//! It is two lines, one of JSON and one with the mark of the first. It is written last: a folder without it is no backup.

use super::error::{BackupError, of};
use crate::core::journal::merkle::Hash;
use crate::core::time::Time;
use crate::io::seal::{KeyRing, Place};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use subtle::ConstantTimeEq as _;

/// Name of the file.
pub const NAME: &str = "manifest";
/// Format of a backup. A later one has further parts or fields; a program refuses what it does not know.
pub const FORMAT: u32 = 1;
/// Longest manifest that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The part that holds the keys, under a pass phrase.
pub const KEYS: &str = "keys";
/// The part that holds the database.
pub const DATABASE: &str = "store.db";
/// The part that holds verdicts that waited for the database.
pub const SPOOL: &str = "spool";
/// The part that holds verdicts that were being moved into the database.
pub const DRAINING: &str = "spool.draining";

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it.
    #[serde(with = "hex::serde")]
    pub sha256: [u8; 32],
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of the backup.
    pub format: u32,
    /// Version of the program that made it.
    pub program: String,
    /// Version of the tables.
    pub schema: u64,
    /// Name of the log in its checkpoints.
    pub origin: String,
    /// The moment it is of: whatever was acknowledged as kept before is in it.
    pub made: Time,
    /// Number of events.
    pub number: u64,
    /// Root of the tree over them.
    #[serde(with = "hex::serde")]
    pub root: Hash,
    /// Which opening of the store wrote last.
    pub epoch: u64,
    /// Log time of the last change.
    pub changed: Time,
    /// Size and root as a signed checkpoint, which anybody can verify.
    pub checkpoint: String,
    /// Number of rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// Every other file of the backup.
    pub parts: Vec<Part>,
}

/// What of a manifest every version can read.
#[derive(Deserialize)]
struct Start {
    format: u32,
    program: String,
    schema: u64,
}

fn mark(keys: &KeyRing, line: &str) -> String {
    hex::encode(keys.mark(&Place::of("backup").text(line)))
}

impl Manifest {
    /// The text of the file.
    ///
    /// # Errors
    /// [`BackupError::Manifest`] where it cannot be written as JSON, which none is known to do.
    pub fn write(&self, keys: &KeyRing) -> Result<String, BackupError> {
        let line = serde_json::to_string(self).map_err(|_| BackupError::Manifest)?;
        Ok(format!("{line}\n{}\n", mark(keys, &line)))
    }

    /// Reads what [`Self::write`] wrote under these keys, and nothing else; of tables of `schema`, or of older ones.
    ///
    /// # Errors
    /// [`BackupError::Manifest`]; [`BackupError::Later`] where a later program wrote it.
    pub fn read(text: &str, keys: &KeyRing, schema: u64) -> Result<Self, BackupError> {
        let lines = text.strip_suffix('\n').and_then(|text| text.split_once('\n'));
        let (line, found) = lines.ok_or(BackupError::Manifest)?;
        if !bool::from(found.as_bytes().ct_eq(mark(keys, line).as_bytes())) {
            return Err(BackupError::Manifest);
        }
        let start: Start = serde_json::from_str(line).map_err(|_| BackupError::Manifest)?;
        if start.format > FORMAT || start.schema > schema {
            return Err(BackupError::Later(start.program));
        }
        let manifest: Self = serde_json::from_str(line).map_err(|_| BackupError::Manifest)?;
        let known = [KEYS, DATABASE, SPOOL, DRAINING];
        let is_known = |part: &Part| known.contains(&part.name.as_str());
        if !manifest.parts.iter().all(is_known) {
            return Err(BackupError::Later(manifest.program));
        }
        Ok(manifest)
    }

    /// The text of the manifest in a folder.
    ///
    /// # Errors
    /// [`BackupError::NoManifest`], [`BackupError::Manifest`].
    pub fn text_in(folder: &Path) -> Result<String, BackupError> {
        let path = folder.join(NAME);
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > BYTES_MAX => return Err(BackupError::Manifest),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(BackupError::NoManifest(folder.to_owned()));
            }
            Err(error) => return Err(BackupError::File(path, error)),
        }
        let bytes = std::fs::read(&path).map_err(of(&path))?;
        String::from_utf8(bytes).map_err(|_| BackupError::Manifest)
    }

    /// The part of a name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::Clock;

    fn manifest(format: u32, parts: &[&str]) -> Manifest {
        Manifest {
            format,
            program: "9.9.9".into(),
            schema: 1,
            origin: "o".into(),
            made: Time::from_millis(5),
            number: 3,
            root: [7; 32],
            epoch: 2,
            changed: Time::from_millis(4),
            checkpoint: String::new(),
            rows: BTreeMap::from([("journal".to_owned(), 3)]),
            parts: parts
                .iter()
                .map(|name| Part { name: (*name).to_owned(), bytes: 1, sha256: [3; 32] })
                .collect(),
        }
    }

    #[test]
    fn a_manifest_with_any_bit_flipped_or_of_other_keys_is_refused() {
        let keys = KeyRing::generate(&Clock::set(Time::from_millis(0), 1));
        let good = manifest(1, &[KEYS, DATABASE]);
        let text = good.write(&keys).unwrap();
        assert_eq!(Manifest::read(&text, &keys, 1).unwrap(), good);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(Manifest::read(&changed, &keys, 1).is_err(), "{at} {bit}");
            }
        }
        assert!(Manifest::read(&text[..text.len() - 1], &keys, 1).is_err());
        let other = KeyRing::generate(&Clock::set(Time::from_millis(0), 2));
        assert!(matches!(Manifest::read(&text, &other, 1), Err(BackupError::Manifest)));
    }

    #[test]
    fn what_an_earlier_program_made_is_read() {
        let keys = KeyRing::generate(&Clock::set(Time::from_millis(0), 1));
        let earlier = manifest(1, &[KEYS, DATABASE]);
        assert_eq!(Manifest::read(&earlier.write(&keys).unwrap(), &keys, 2).unwrap(), earlier);
    }

    #[test]
    fn what_a_later_program_made_is_refused_by_name_rather_than_left_out() {
        let keys = KeyRing::generate(&Clock::set(Time::from_millis(0), 1));
        for (later, schema) in [
            (manifest(2, &[KEYS]), 1),
            (manifest(1, &[KEYS, "evidence"]), 1),
            (Manifest { schema: 2, ..manifest(1, &[KEYS]) }, 1),
        ] {
            let read = Manifest::read(&later.write(&keys).unwrap(), &keys, schema);
            assert!(matches!(read, Err(BackupError::Later(version)) if version == "9.9.9"));
        }
    }
}
