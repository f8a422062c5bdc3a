//! A file that says everything that its publisher lists: taken in whole, or not at all as what the publisher says now.

use crate::core::exchange::{FilePlace, Place, Publication, Secret};
use crate::core::polling::words::{Ask, Turn};
use crate::core::time::Time;

pub(super) fn begun() -> FilePlace {
    FilePlace::default()
}

pub(super) fn ask(of: &Publication, place: &FilePlace) -> Ask {
    let mut ask = Ask::get(&of.site.address, "");
    if ask.target.reveal().is_empty() {
        ask.target = Secret::new("/".to_owned());
    }
    if !of.authorization.reveal().is_empty() {
        ask = ask.header("authorization", of.authorization.clone());
    }
    if let Some(etag) = &place.etag {
        ask = ask.header("if-none-match", Secret::new(etag.clone()));
    }
    ask
}

/// The state of a file that was read to its end.
#[must_use]
pub fn state_of(digest: [u8; 32], size: u64, etag: Option<String>) -> FilePlace {
    FilePlace { digest: digest.to_vec(), size, etag, heard: None }
}

/// The place after an answer: with another state of the file, or where it has not changed.
#[must_use]
pub fn answered(place: FilePlace, other: Option<FilePlace>, now: Time) -> Turn {
    let place = FilePlace { heard: Some(now), ..other.unwrap_or(place) };
    Turn { place: Place::File(place), is_whole: true }
}
