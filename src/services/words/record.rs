//! What all changes to records have in common: the etag that was read, and the mask of what to change.

use crate::services::words::fields::Fields;
use prost_types::FieldMask;

/// Reads an etag that may be left out: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
pub fn read_etag(fields: &mut Fields, path: &str, etag: &str) -> Option<Option<u64>> {
    if etag.is_empty() {
        return Some(None);
    }
    let number = etag.parse().map_err(|_| "must be an etag that the service gave");
    fields.read(path, number).map(Some)
}

/// Writes an etag.
#[must_use]
pub fn write_etag(version: u64) -> String {
    version.to_string()
}

/// Reads which fields are to change: at least one must be named.
pub fn mask(fields: &mut Fields, mask: Option<&FieldMask>) -> Vec<String> {
    let paths = mask.map(|mask| mask.paths.clone()).unwrap_or_default();
    if paths.is_empty() {
        fields.fault("update_mask", "must be set");
    }
    paths
}

/// Names a path that cannot be changed.
pub fn unchangeable(fields: &mut Fields) {
    fields.fault("update_mask", "must name fields that can be changed");
}
