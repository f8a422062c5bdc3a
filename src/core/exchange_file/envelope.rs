//! Answers that are one JSON object, one of whose fields lists the records.

use crate::core::exchange_file::out::Out;
use crate::core::exchange_file::split::{Level, Way};
use crate::core::exchange_file::words::BadFile;

/// Which object it is.
pub(super) struct Envelope {
    /// The fields that are read; others are passed over.
    pub(super) fields: &'static [&'static str],
    /// The one of them that lists the records.
    pub(super) records: &'static str,
    /// What a file must be to be one.
    pub(super) must: &'static str,
}

impl Envelope {
    /// What to do with a value that begins: a record is begun in `out`, and a field noted in `seen`.
    ///
    /// # Errors
    /// [`BadFile`] where it is no object, or a field comes twice: which of them holds, nobody says.
    pub(super) fn way(
        &self,
        path: &[Level],
        first: u8,
        out: &mut Out,
        seen: &mut Vec<&'static str>,
    ) -> Result<Way, BadFile> {
        match path {
            [] if first == b'{' => Ok(Way::Into),
            [] => Err(BadFile::NotThis(self.must)),
            [field] => {
                let Some(name) = self.fields.iter().find(|name| **name == field.key) else {
                    return Ok(Way::Skip);
                };
                if seen.contains(name) {
                    return Err(BadFile::Twice(name));
                }
                seen.push(name);
                let is_list = *name == self.records && matches!(first, b'[' | b'{');
                Ok(if is_list { Way::Into } else { Way::Keep })
            }
            _ => {
                out.begin();
                Ok(Way::Keep)
            }
        }
    }
}
