//! One item and, where it is an archive, what is in it, as parts; runs inside the jail only.

use super::blob::digests;
use super::decode;
use super::expand::{self, End, Entry};
use super::found::{Begun, Ended, Found, Tell};
use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Format, sniff};
use crate::core::tail::film::{FilmEnd, film_end};
use crate::core::tail::{
    behind_codestream, ends_as_zip, has_more_pictures, has_tracks, picture_len, unshown, within,
};
use crate::core::verdict::CheckState;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Expanded bytes up to which the ratio of an archive does not matter.
const RATIO_FROM_BYTES: u64 = 16 << 20;

/// What can be said of an item by its format and length alone, when no bytes need to be decoded: the states of image
/// and video, and why. Nothing when a worker has to look.
pub(super) fn without_looking(
    format: Format,
    len: u64,
) -> Option<(CheckState, CheckState, Reason)> {
    use CheckState::{TooSmall, UnsupportedFormat};
    if len == 0 {
        return Some((TooSmall, TooSmall, Reason::NoBytes));
    }
    match format {
        Format::IsoMedia | Format::Matroska | Format::Avi | Format::Mpeg | Format::Flv => {
            // Some such containers hold pictures, and all can have a cover.
            Some((UnsupportedFormat, UnsupportedFormat, Reason::VideoDecoder))
        }
        Format::Other | Format::Unknown => {
            Some((UnsupportedFormat, UnsupportedFormat, Reason::NoDecoder))
        }
        // Archives and pictures; where the decoder of a picture was not built in, stands behind it is still looked for.
        _ => None,
    }
}

/// Examines an item and tells each piece as soon as it is found; the first part is the whole, without digests, which the
/// service has taken itself.
pub(super) fn examine(bytes: &[u8], limits: &MediaLimits, tell: &mut Tell<'_>) {
    let by_ratio = (bytes.len() as u64).saturating_mul(limits.expansion_ratio_max);
    let mut examination = Examination {
        limits,
        tell,
        entries_left: limits.entries_max,
        expansion_left: limits.expanded_bytes_max.min(by_ratio.max(RATIO_FROM_BYTES)),
        pictures_left: limits.pictures_max,
        held: bytes.len() as u64,
    };
    examination.item(String::new(), 0, bytes);
}

struct Examination<'a> {
    limits: &'a MediaLimits,
    tell: &'a mut Tell<'a>,
    entries_left: u32,
    expansion_left: u64,
    pictures_left: u32,
    /// Bytes of items that are in memory at this moment.
    held: u64,
}

/// Bytes of no known kind that may follow a picture unremarked: cameras leave small notes there.
const BEHIND_UNREMARKED: usize = 64 << 10;

/// Bytes inside a picture's file that are too few to be anything.
const PASSED_OVER_MIN: usize = 20;

/// Bytes at the beginning of a picture's file in which its own type may look like that of another container.
const OWN_TYPE_BYTES: usize = 20;

/// What stands behind a picture.
enum Behind {
    /// Nothing that need be examined.
    Nothing,
    /// Something that is a part of its own now, and where that ends when it says.
    Examined(Option<usize>),
    /// Something that was not examined.
    Unexamined,
}

impl Ended {
    /// A part of which a check was not completed, or none was to be.
    const fn of(image: CheckState, video: CheckState, reason: Reason) -> Self {
        Self { image, video, reason }
    }

    /// The same with something in its bytes that was not examined.
    const fn not_to_the_end(mut self) -> Self {
        self.video = CheckState::NotExpanded;
        // A worse state than this one stands.
        if self.image.is_complete() {
            self.image = CheckState::NotExpanded;
            self.reason = Reason::Behind;
        }
        self
    }
}

/// The format of bytes that stand `depth` archives deep.
fn format_of(bytes: &[u8], depth: u32) -> Format {
    match sniff(bytes) {
        // An archive that something else was put before is still an archive to those who open it.
        Format::Unknown if depth > 0 && ends_as_zip(bytes) => Format::Zip,
        format => format,
    }
}

/// Whether bytes that hold no known file are too many for a note, without the zeros before and after them.
fn is_more_than_a_note(bytes: &[u8]) -> bool {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(first);
    last - first.min(last) >= BEHIND_UNREMARKED
}

/// What is wrong with the container of a video, whatever a decoder makes of it: it is cut, or something is behind it.
pub(super) fn around_film(bytes: &[u8]) -> Option<(CheckState, Reason)> {
    match film_end(sniff(bytes), bytes) {
        FilmEnd::Unsaid => None,
        FilmEnd::Cut => Some((CheckState::Corrupt, Reason::Truncated)),
        FilmEnd::At(end) => {
            let rest = bytes.get(end..).unwrap_or_default();
            let hides = known_in(rest).is_some() || is_more_than_a_note(rest);
            hides.then_some((CheckState::NotExpanded, Reason::Behind))
        }
    }
}

/// Where a known file begins in bytes that a viewer passes over.
fn known_in(bytes: &[u8]) -> Option<usize> {
    if sniff(bytes) != Format::Unknown {
        return Some(0);
    }
    // An archive is also found by its end.
    within::file(bytes).or_else(|| ends_as_zip(bytes).then_some(0))
}

impl Examination<'_> {
    /// Examines bytes at a place, `depth` archives deep, with whatever follows where they are a picture.
    fn item(&mut self, place: String, depth: u32, bytes: &[u8]) {
        let format = format_of(bytes, depth);
        self.begin(place.clone(), depth, format, bytes, picture_len(format, bytes));
        let (mut ended, mut len) = self.one(&place, depth, format, bytes);
        let mut rest = bytes;
        for number in 0.. {
            let Some(end) = len else { break };
            rest = &rest[end..];
            match self.behind(&place, number, depth + 1, rest) {
                Behind::Nothing => break,
                Behind::Examined(end) => len = end,
                Behind::Unexamined => {
                    ended = ended.not_to_the_end();
                    break;
                }
            }
        }
        (self.tell)(Found::Ended(ended));
    }

    /// Tells what is known before anything is decoded; `len` is where a picture ends, when it says.
    fn begin(
        &mut self,
        place: String,
        depth: u32,
        format: Format,
        bytes: &[u8],
        len: Option<usize>,
    ) {
        let (digests, exact) = match depth {
            0 => (None, CheckState::NotApplicable),
            _ => (Some(digests(bytes)), CheckState::Checked),
        };
        let holds_more = len != Some(bytes.len());
        (self.tell)(Found::Begun(Begun { place, format, digests, exact, holds_more }));
    }

    /// Examines what follows a picture as if it were an entry of an archive.
    fn behind(&mut self, place: &str, number: usize, depth: u32, rest: &[u8]) -> Behind {
        let known = known_in(rest);
        if is_more_than_a_note(&rest[..known.unwrap_or(rest.len())]) {
            return Behind::Unexamined;
        }
        let Some(before) = known else { return Behind::Nothing };
        let left = self.entries_left.checked_sub(1).filter(|_| depth <= self.limits.depth_max);
        let Some(left) = left else { return Behind::Unexamined };
        let rest = &rest[before..];
        self.entries_left = left;
        let (place, format) = (place_in(place, number), format_of(rest, depth));
        let len = picture_len(format, rest);
        let own = &rest[..len.unwrap_or(rest.len())];
        self.begin(place.clone(), depth, format, own, len);
        let (ended, end) = self.one(&place, depth, format, own);
        (self.tell)(Found::Ended(ended));
        Behind::Examined(end.map(|end| before + end))
    }

    /// Examines bytes at a place, `depth` archives deep, as what their format says; and where a picture ends in them.
    fn one(
        &mut self,
        place: &str,
        depth: u32,
        format: Format,
        bytes: &[u8],
    ) -> (Ended, Option<usize>) {
        if let Some((image, video, reason)) = without_looking(format, bytes.len() as u64) {
            return (Ended::of(image, video, reason), None);
        }
        if matches!(format, Format::Zip | Format::Tar) {
            let (state, reason) = match self.archive(place, depth, format, bytes) {
                Ok(()) => (CheckState::NotApplicable, Reason::Nothing),
                Err(End::Damaged) => (CheckState::Corrupt, Reason::ArchiveDamaged),
                Err(End::Panicked) => (CheckState::Corrupt, Reason::DecoderPanicked),
                Err(End::Beyond(reason)) => (CheckState::NotExpanded, reason),
            };
            return (Ended::of(state, state, reason), None);
        }
        let mut len = picture_len(format, bytes);
        let tell = &mut self.tell;
        let decoded = decode::decode(
            format,
            &bytes[..len.unwrap_or(bytes.len())],
            self.limits,
            self.held,
            self.pictures_left,
            &mut |picture| tell(Found::Picture(picture)),
        );
        self.pictures_left = self.pictures_left.saturating_sub(decoded.pictures);
        let mut ended = Ended::of(decoded.image, CheckState::NotApplicable, decoded.reason);
        let mut passed_over = unshown(format, &bytes[..len.unwrap_or(0)]);
        if let Some(codestream) = decoded.codestream {
            let behind = behind_codestream(bytes, codestream);
            let last = behind.last().filter(|range| range.end == bytes.len());
            // Where no box encloses the codestream it ends where its decoder says; a box may leave something over.
            len = Some(last.map_or(len.unwrap_or(bytes.len()), |range| range.start));
            passed_over.extend(behind);
        }
        let own = &bytes[..len.unwrap_or(bytes.len())];
        if has_tracks(format, own) {
            ended.video = CheckState::UnsupportedFormat;
        }
        if ended.image.is_complete() && (has_tracks(format, own) || has_more_pictures(format, own))
        {
            ended.image = CheckState::UnsupportedFormat;
            ended.reason = Reason::Sequence;
        }
        // A picture that does not say where it ends was read, at best, from its beginning to somewhere.
        let hides = match len {
            Some(len) => passed_over
                .into_iter()
                .filter(|range| range.len() >= PASSED_OVER_MIN && range.end <= len)
                .any(|range| {
                    known_in(&own[range.clone()]).is_some() || is_more_than_a_note(&own[range])
                }),
            None => ended.image.is_complete() || ends_as_zip(bytes),
        };
        let inner = own.get(OWN_TYPE_BYTES..).unwrap_or_default();
        if hides || within::container(inner).is_some() {
            ended = ended.not_to_the_end();
        }
        (ended, len)
    }

    /// Examines every entry of an archive.
    fn archive(
        &mut self,
        place: &str,
        depth: u32,
        format: Format,
        bytes: &[u8],
    ) -> Result<(), End> {
        if depth >= self.limits.depth_max {
            return Err(End::Beyond(Reason::Depth));
        }
        // Archive libraries are no surer than picture libraries; parts found before a panic are whole.
        catch_unwind(AssertUnwindSafe(|| {
            let mut skipped = Ok(());
            let walked = expand::entries(format, bytes, &mut |number, entry| {
                self.entries_left =
                    self.entries_left.checked_sub(1).ok_or(End::Beyond(Reason::Entries))?;
                match self.entry(place_in(place, number), depth + 1, entry) {
                    Err(End::Beyond(reason @ (Reason::Method | Reason::EncryptedEntries))) => {
                        skipped = Err(End::Beyond(reason));
                        Ok(())
                    }
                    outcome => outcome,
                }
            });
            walked.and(skipped)
        }))
        .unwrap_or(Err(End::Panicked))
    }

    /// Examines one entry; an error says why it, and perhaps what follows it, was not.
    fn entry(&mut self, place: String, depth: u32, entry: Entry<'_>) -> Result<(), End> {
        let (state, reason) = match entry {
            Entry::Folder => return Ok(()),
            Entry::Encrypted => (CheckState::Encrypted, Reason::EncryptedEntries),
            Entry::OtherMethod => (CheckState::NotExpanded, Reason::Method),
            Entry::Damaged => {
                self.closed(place, CheckState::Corrupt, Reason::ArchiveDamaged);
                return Ok(());
            }
            Entry::Bytes(read) => match read(self.expansion_left) {
                Ok(bytes) => {
                    let len = bytes.len() as u64;
                    self.expansion_left = self.expansion_left.saturating_sub(len);
                    self.held += len;
                    self.item(place, depth, &bytes);
                    self.held -= len;
                    return Ok(());
                }
                Err(expand::Unread::Damaged) => {
                    self.closed(place, CheckState::Corrupt, Reason::ArchiveDamaged);
                    return Ok(());
                }
                Err(expand::Unread::TooLong) => (CheckState::NotExpanded, Reason::Expansion),
            },
        };
        self.closed(place, state, reason);
        Err(End::Beyond(reason))
    }

    /// Tells of an entry whose bytes were not read.
    fn closed(&mut self, place: String, state: CheckState, reason: Reason) {
        let (format, digests) = (Format::Unknown, None);
        let holds_more = true;
        (self.tell)(Found::Begun(Begun { place, format, digests, exact: state, holds_more }));
        (self.tell)(Found::Ended(Ended::of(state, state, reason)));
    }
}

/// The place of an entry of an archive, or of what follows a picture.
fn place_in(place: &str, number: usize) -> String {
    if place.is_empty() { number.to_string() } else { format!("{place}/{number}") }
}

#[cfg(test)]
mod tests;
