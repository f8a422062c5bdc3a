//! One item and, where it is an archive, what is in it, as parts; runs inside the jail only.

use super::blob::digests;
use super::decode;
use super::expand::{self, End, Entry};
use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Format, Part, sniff};
use crate::core::tail::{ends_as_zip, picture_len};
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
    use CheckState::{NotApplicable, TooSmall, UnsupportedFormat};
    if len == 0 {
        return Some((TooSmall, TooSmall, Reason::NoBytes));
    }
    match format {
        Format::Zip | Format::Tar => None,
        format if decode::reads(format) => None,
        Format::IsoMedia | Format::Matroska | Format::Avi | Format::Mpeg | Format::Flv => {
            // Some such containers hold pictures, and all can have a cover.
            Some((UnsupportedFormat, UnsupportedFormat, Reason::VideoDecoder))
        }
        Format::Other | Format::Unknown => {
            Some((UnsupportedFormat, UnsupportedFormat, Reason::NoDecoder))
        }
        // Pictures whose decoder was not built in.
        _ => Some((UnsupportedFormat, NotApplicable, Reason::NoDecoder)),
    }
}

/// Examines an item; the first part is the whole, without digests, which the service has taken itself.
pub(super) fn examine(bytes: &[u8], limits: &MediaLimits) -> Vec<Part> {
    let by_ratio = (bytes.len() as u64).saturating_mul(limits.expansion_ratio_max);
    let mut examination = Examination {
        limits,
        parts: Vec::new(),
        entries_left: limits.entries_max,
        expansion_left: limits.expanded_bytes_max.min(by_ratio.max(RATIO_FROM_BYTES)),
        pictures_left: limits.pictures_max,
        held: bytes.len() as u64,
    };
    examination.item(String::new(), 0, bytes);
    examination.parts
}

struct Examination<'a> {
    limits: &'a MediaLimits,
    parts: Vec<Part>,
    entries_left: u32,
    expansion_left: u64,
    pictures_left: u32,
    /// Bytes of items that are in memory at this moment.
    held: u64,
}

fn part(place: String, format: Format) -> Part {
    Part {
        place,
        format,
        digests: None,
        pictures: Vec::new(),
        exact: CheckState::NotApplicable,
        image: CheckState::NotApplicable,
        video: CheckState::NotApplicable,
        reason: String::new(),
    }
}

/// Bytes of no known kind that may follow a picture unremarked: cameras leave small notes there.
const BEHIND_UNREMARKED: usize = 64 << 10;

/// What stands behind a picture.
enum Behind {
    /// Nothing that need be examined.
    Nothing,
    /// Something that is a part of its own now.
    Examined,
    /// Something that was not examined.
    Unexamined,
}

impl Examination<'_> {
    /// Examines bytes at a place, `depth` archives deep, with whatever follows where they are a picture.
    fn item(&mut self, place: String, depth: u32, bytes: &[u8]) {
        let own = self.parts.len();
        self.one(place.clone(), depth, bytes);
        let mut rest = bytes;
        for number in 0.. {
            let format = sniff(rest);
            let Some(len) = picture_len(format, rest) else {
                // Such a format does not say where it ends; an archive behind it is found by its own end.
                if !matches!(format, Format::Zip | Format::Tar) && number == 0 && ends_as_zip(rest)
                {
                    self.not_to_the_end(own);
                }
                return;
            };
            rest = &rest[len..];
            match self.behind(&place, number, depth + 1, rest) {
                Behind::Nothing => return,
                Behind::Examined => {}
                Behind::Unexamined => return self.not_to_the_end(own),
            }
        }
    }

    /// Says of a part that something in its bytes was not examined.
    fn not_to_the_end(&mut self, own: usize) {
        let part = &mut self.parts[own];
        part.video = CheckState::NotExpanded;
        // A worse state than this one stands.
        if part.image.is_complete() {
            part.image = CheckState::NotExpanded;
            Reason::Behind.text().clone_into(&mut part.reason);
        }
    }

    /// Examines what follows a picture as if it were an entry of an archive.
    fn behind(&mut self, place: &str, number: u32, depth: u32, rest: &[u8]) -> Behind {
        let format = sniff(rest);
        let is_known = format != Format::Unknown || ends_as_zip(rest);
        if !is_known && (rest.len() <= BEHIND_UNREMARKED || rest.iter().all(|byte| *byte == 0)) {
            return Behind::Nothing;
        }
        let left = self.entries_left.checked_sub(1).filter(|_| depth <= self.limits.depth_max);
        let Some(left) = left.filter(|_| is_known) else { return Behind::Unexamined };
        self.entries_left = left;
        let place = if place.is_empty() { number.to_string() } else { format!("{place}/{number}") };
        let len = picture_len(format, rest).unwrap_or(rest.len());
        self.one(place, depth, &rest[..len]);
        Behind::Examined
    }

    /// Examines bytes at a place, `depth` archives deep.
    fn one(&mut self, place: String, depth: u32, bytes: &[u8]) {
        let format = match sniff(bytes) {
            // An archive that something else was put before is still an archive to those who open it.
            Format::Unknown if depth > 0 && ends_as_zip(bytes) => Format::Zip,
            format => format,
        };
        let mut part = part(place.clone(), format);
        if depth > 0 {
            part.digests = Some(digests(bytes));
            part.exact = CheckState::Checked;
        }
        if let Some((image, video, reason)) = without_looking(format, bytes.len() as u64) {
            (part.image, part.video) = (image, video);
            reason.text().clone_into(&mut part.reason);
            self.parts.push(part);
        } else if matches!(format, Format::Zip | Format::Tar) {
            let own = self.parts.len();
            self.parts.push(part);
            let end = self.archive(&place, depth, format, bytes);
            let (state, reason) = match end {
                Ok(()) => (CheckState::NotApplicable, Reason::Nothing),
                Err(End::Damaged) => (CheckState::Corrupt, Reason::ArchiveDamaged),
                Err(End::Panicked) => (CheckState::Corrupt, Reason::DecoderPanicked),
                Err(End::Beyond(reason)) => (CheckState::NotExpanded, reason),
            };
            let part = &mut self.parts[own];
            (part.image, part.video) = (state, state);
            reason.text().clone_into(&mut part.reason);
        } else {
            let decoded = decode::decode(format, bytes, self.limits, self.held, self.pictures_left);
            let taken = u32::try_from(decoded.pictures.len()).unwrap_or(u32::MAX);
            self.pictures_left = self.pictures_left.saturating_sub(taken);
            part.pictures = decoded.pictures;
            part.image = decoded.image;
            decoded.reason.text().clone_into(&mut part.reason);
            self.parts.push(part);
        }
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
                let place =
                    if place.is_empty() { number.to_string() } else { format!("{place}/{number}") };
                match self.entry(place, depth + 1, entry) {
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
        let closed = |place, state, reason: Reason| Part {
            exact: state,
            image: state,
            video: state,
            reason: reason.text().to_owned(),
            ..part(place, Format::Unknown)
        };
        let (state, reason) = match entry {
            Entry::Folder => return Ok(()),
            Entry::Encrypted => (CheckState::Encrypted, Reason::EncryptedEntries),
            Entry::OtherMethod => (CheckState::NotExpanded, Reason::Method),
            Entry::Damaged => {
                self.parts.push(closed(place, CheckState::Corrupt, Reason::ArchiveDamaged));
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
                    self.parts.push(closed(place, CheckState::Corrupt, Reason::ArchiveDamaged));
                    return Ok(());
                }
                Err(expand::Unread::TooLong) => (CheckState::NotExpanded, Reason::Expansion),
            },
        };
        self.parts.push(closed(place, state, reason));
        Err(End::Beyond(reason))
    }
}

#[cfg(test)]
mod tests;
