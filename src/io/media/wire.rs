//! What service and worker say to each other over their socket, and how the service doubts what it hears.

use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Digests, Format, Part, Picture};
use crate::core::signal::Bits256;
use crate::core::verdict::{CheckState, Form};
use crate::io::jail::{JailMode, Reached, Refused};
use prost::Message;
use std::time::Duration;

/// Longest answer that is read, in bytes.
pub(super) const ANSWER_BYTES_MAX: u32 = 16 << 20;
/// Longest message to a worker, in bytes.
pub(super) const ORDER_BYTES_MAX: u32 = 1024;

/// The place of a value in a table: its number on the wire.
fn number_of<T>(table: &[T], is: impl FnMut(&T) -> bool) -> u32 {
    table.iter().position(is).and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
}

fn value_of<T>(table: &[T], number: u32) -> Option<&T> {
    table.get(usize::try_from(number).ok()?)
}

const STATES: [CheckState; 8] = [
    CheckState::Checked,
    CheckState::NotApplicable,
    CheckState::UnsupportedFormat,
    CheckState::TooLarge,
    CheckState::TooSmall,
    CheckState::Corrupt,
    CheckState::NotExpanded,
    CheckState::Encrypted,
];

const FORMS: [Form; 5] =
    [Form::Canonical, Form::Oriented, Form::Trimmed, Form::OnWhite, Form::OnBlack];

const FORMATS: [Format; 18] = [
    Format::Jpeg,
    Format::Png,
    Format::Gif,
    Format::Webp,
    Format::Bmp,
    Format::Tiff,
    Format::Avif,
    Format::Heic,
    Format::Jxl,
    Format::Zip,
    Format::Tar,
    Format::IsoMedia,
    Format::Matroska,
    Format::Avi,
    Format::Mpeg,
    Format::Flv,
    Format::Other,
    Format::Unknown,
];

/// First message to a worker: what it may use and how far it goes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Setup {
    #[prost(bool, tag = "1")]
    reduced: bool,
    #[prost(uint64, tag = "2")]
    pub(super) processor_seconds: u64,
    #[prost(uint64, tag = "3")]
    pixels_max: u64,
    #[prost(uint32, tag = "4")]
    side_max: u32,
    #[prost(uint32, tag = "5")]
    frames_max: u32,
    #[prost(uint64, tag = "6")]
    pixels_per_byte_max: u64,
    #[prost(uint32, tag = "7")]
    entries_max: u32,
    #[prost(uint32, tag = "8")]
    depth_max: u32,
    #[prost(uint64, tag = "9")]
    expanded_bytes_max: u64,
    #[prost(uint64, tag = "10")]
    expansion_ratio_max: u64,
    #[prost(uint32, tag = "11")]
    pictures_max: u32,
    #[prost(uint32, tag = "12")]
    border_tolerance: u32,
    #[prost(uint64, tag = "13")]
    memory_bytes_max: u64,
    #[prost(uint64, tag = "14")]
    item_millis_max: u64,
}

impl Setup {
    pub(super) fn new(limits: &MediaLimits, jail: JailMode, processor_seconds: u64) -> Self {
        Self {
            reduced: jail == JailMode::Reduced,
            processor_seconds,
            pixels_max: limits.pixels_max,
            side_max: limits.side_max,
            frames_max: limits.frames_max,
            pixels_per_byte_max: limits.pixels_per_byte_max,
            entries_max: limits.entries_max,
            depth_max: limits.depth_max,
            expanded_bytes_max: limits.expanded_bytes_max,
            expansion_ratio_max: limits.expansion_ratio_max,
            pictures_max: limits.pictures_max,
            border_tolerance: limits.border_tolerance.into(),
            memory_bytes_max: limits.memory_bytes_max,
            item_millis_max: u64::try_from(limits.item_time_max.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn jail(&self) -> JailMode {
        if self.reduced { JailMode::Reduced } else { JailMode::Required }
    }

    pub(super) fn limits(&self) -> MediaLimits {
        MediaLimits {
            pixels_max: self.pixels_max,
            side_max: self.side_max,
            frames_max: self.frames_max,
            pixels_per_byte_max: self.pixels_per_byte_max,
            entries_max: self.entries_max,
            depth_max: self.depth_max,
            expanded_bytes_max: self.expanded_bytes_max,
            expansion_ratio_max: self.expansion_ratio_max,
            pictures_max: self.pictures_max,
            border_tolerance: u8::try_from(self.border_tolerance).unwrap_or(u8::MAX),
            memory_bytes_max: self.memory_bytes_max,
            item_time_max: Duration::from_millis(self.item_millis_max),
        }
    }
}

/// One item to examine; its memory file travels beside the message.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Order {
    /// Length of the memory file, in bytes.
    #[prost(uint64, tag = "1")]
    pub(super) len: u64,
}

/// First message of a worker: which walls stand, or which one is missing.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hello {
    #[prost(bool, repeated, tag = "1")]
    walls: Vec<bool>,
    /// Number of the reason in [`Refused::ALL`], plus 1; 0 when the jail was entered.
    #[prost(uint32, tag = "2")]
    refused: u32,
}

impl Hello {
    pub(super) fn new(entered: Result<Reached, Refused>) -> Self {
        match entered {
            Ok(r) => Self {
                walls: vec![
                    r.limits,
                    r.files_closed,
                    r.no_new_privileges,
                    r.undumpable,
                    r.user_namespace,
                    r.network_namespace,
                    r.landlock,
                    r.system_calls,
                ],
                refused: 0,
            },
            Err(why) => Self {
                walls: Vec::new(),
                refused: number_of(&Refused::ALL, |r| *r == why).saturating_add(1),
            },
        }
    }

    pub(super) fn read(&self) -> Result<Result<Reached, Refused>, Nonsense> {
        if let Some(place) = self.refused.checked_sub(1) {
            return value_of(&Refused::ALL, place).map(|why| Err(*why)).ok_or(Nonsense);
        }
        let &[
            limits,
            files_closed,
            no_new_privileges,
            undumpable,
            user_namespace,
            network_namespace,
            landlock,
            system_calls,
        ] = self.walls.as_slice()
        else {
            return Err(Nonsense);
        };
        Ok(Ok(Reached {
            limits,
            files_closed,
            no_new_privileges,
            undumpable,
            user_namespace,
            network_namespace,
            landlock,
            system_calls,
        }))
    }
}

/// What a worker found in one item.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Answer {
    #[prost(message, repeated, tag = "1")]
    parts: Vec<PartSaid>,
}

#[derive(Clone, PartialEq, Message)]
struct PartSaid {
    #[prost(string, tag = "1")]
    place: String,
    #[prost(uint32, tag = "2")]
    format: u32,
    #[prost(bytes = "vec", tag = "3")]
    digests: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    pictures: Vec<PictureSaid>,
    #[prost(uint32, tag = "5")]
    exact: u32,
    #[prost(uint32, tag = "6")]
    image: u32,
    #[prost(uint32, tag = "7")]
    video: u32,
    #[prost(uint32, tag = "8")]
    reason: u32,
}

#[derive(Clone, PartialEq, Message)]
struct PictureSaid {
    #[prost(uint32, tag = "1")]
    form: u32,
    #[prost(uint32, tag = "2")]
    frame: u32,
    #[prost(uint32, tag = "3")]
    width: u32,
    #[prost(uint32, tag = "4")]
    height: u32,
    #[prost(uint32, tag = "5")]
    quality: u32,
    #[prost(bytes = "vec", tag = "6")]
    hashes: Vec<u8>,
}

/// A worker said something that no honest worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker's answer is malformed")]
pub(super) struct Nonsense;

impl Answer {
    /// What the worker says of these parts.
    pub(super) fn of(parts: &[Part]) -> Self {
        Self { parts: parts.iter().map(say).collect() }
    }

    /// The parts, when every one of them could come from an honest worker within `limits`.
    pub(super) fn read(&self, limits: &MediaLimits) -> Result<Vec<Part>, Nonsense> {
        let entries_max = usize::try_from(limits.entries_max).unwrap_or(usize::MAX);
        if self.parts.is_empty() || self.parts.len() > entries_max.saturating_add(1) {
            return Err(Nonsense);
        }
        let pictures: usize = self.parts.iter().map(|part| part.pictures.len()).sum();
        if pictures > usize::try_from(limits.pictures_max).unwrap_or(usize::MAX) {
            return Err(Nonsense);
        }
        let parts: Vec<_> =
            self.parts.iter().map(|part| hear(part, limits)).collect::<Result<_, _>>()?;
        let whole_is_first = parts.iter().enumerate().all(|(i, p)| (i == 0) == p.place.is_empty());
        if whole_is_first { Ok(parts) } else { Err(Nonsense) }
    }
}

fn say(part: &Part) -> PartSaid {
    PartSaid {
        place: part.place.clone(),
        format: number_of(&FORMATS, |f| *f == part.format),
        digests: part.digests.map_or_else(Vec::new, |d| [&d.md5[..], &d.sha1, &d.sha256].concat()),
        pictures: part.pictures.iter().map(say_picture).collect(),
        exact: number_of(&STATES, |s| *s == part.exact),
        image: number_of(&STATES, |s| *s == part.image),
        video: number_of(&STATES, |s| *s == part.video),
        reason: Reason::number(&part.reason),
    }
}

fn say_picture(picture: &Picture) -> PictureSaid {
    PictureSaid {
        form: number_of(&FORMS, |f| *f == picture.form),
        frame: picture.frame,
        width: picture.width,
        height: picture.height,
        quality: picture.quality,
        hashes: picture.hashes.iter().flat_map(|bits| bits.to_bytes()).collect(),
    }
}

fn hear(said: &PartSaid, limits: &MediaLimits) -> Result<Part, Nonsense> {
    let state = |number| value_of(&STATES, number).copied().ok_or(Nonsense);
    let (exact, image, video) = (state(said.exact)?, state(said.image)?, state(said.video)?);
    let digests = read_digests(&said.digests)?;
    let pictures: Vec<_> =
        said.pictures.iter().map(|p| hear_picture(p, limits)).collect::<Result<_, _>>()?;
    // A check that is said to be done has something to show.
    let hollow = (exact == CheckState::Checked && digests.is_none())
        || (image == CheckState::Checked && pictures.is_empty())
        || video == CheckState::Checked;
    if hollow || !is_place(&said.place, limits.depth_max) {
        return Err(Nonsense);
    }
    Ok(Part {
        place: said.place.clone(),
        format: value_of(&FORMATS, said.format).copied().ok_or(Nonsense)?,
        digests,
        pictures,
        exact,
        image,
        video,
        reason: Reason::read(said.reason).ok_or(Nonsense)?.to_owned(),
    })
}

fn read_digests(bytes: &[u8]) -> Result<Option<Digests>, Nonsense> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (md5, rest) = bytes.split_first_chunk().ok_or(Nonsense)?;
    let (sha1, rest) = rest.split_first_chunk().ok_or(Nonsense)?;
    let sha256 = rest.try_into().map_err(|_| Nonsense)?;
    Ok(Some(Digests { md5: *md5, sha1: *sha1, sha256 }))
}

fn hear_picture(said: &PictureSaid, limits: &MediaLimits) -> Result<Picture, Nonsense> {
    let side = 1..=limits.side_max;
    let fits = side.contains(&said.width)
        && side.contains(&said.height)
        && said.frame < limits.frames_max
        && said.quality <= 100
        && said.hashes.len() == 8 * 32;
    if !fits {
        return Err(Nonsense);
    }
    let mut hashes = [Bits256::default(); 8];
    for (hash, bytes) in hashes.iter_mut().zip(said.hashes.chunks_exact(32)) {
        *hash = Bits256::from_bytes(bytes.try_into().map_err(|_| Nonsense)?);
    }
    Ok(Picture {
        form: value_of(&FORMS, said.form).copied().ok_or(Nonsense)?,
        frame: said.frame,
        width: said.width,
        height: said.height,
        quality: said.quality,
        hashes,
    })
}

/// Empty, or up to `depth_max` numbers between slashes.
fn is_place(text: &str, depth_max: u32) -> bool {
    let number = |n: &str| (1..=9).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
    let depth = text.split('/').count();
    text.is_empty()
        || (depth <= usize::try_from(depth_max).unwrap_or(usize::MAX)
            && text.split('/').all(number))
}

/// A message with its length before it: four bytes, little-endian.
pub(super) fn framed(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&len.to_le_bytes()[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> Part {
        Part {
            place: String::new(),
            format: Format::Png,
            digests: Some(Digests { md5: [1; 16], sha1: [2; 20], sha256: [3; 32] }),
            pictures: vec![Picture {
                form: Form::Trimmed,
                frame: 3,
                width: 64,
                height: 48,
                quality: 77,
                hashes: std::array::from_fn(|i| Bits256([i as u64, 1, 2, 3])),
            }],
            exact: CheckState::Checked,
            image: CheckState::TooLarge,
            video: CheckState::NotApplicable,
            reason: Reason::Frames.text().to_owned(),
        }
    }

    fn entry(place: &str) -> Part {
        Part { place: place.to_owned(), ..part() }
    }

    fn read(parts: &[Part]) -> Result<Vec<Part>, Nonsense> {
        let bytes = Answer::of(parts).encode_to_vec();
        Answer::decode(bytes.as_slice()).unwrap().read(&MediaLimits::default())
    }

    #[test]
    fn what_a_worker_says_is_heard_unchanged() {
        let parts = vec![part(), entry("0"), entry("12/0/999")];
        assert_eq!(read(&parts), Ok(parts));
        let limits = MediaLimits { side_max: 7, border_tolerance: 3, ..MediaLimits::default() };
        let setup = Setup::new(&limits, JailMode::Reduced, 9);
        assert_eq!((setup.limits(), setup.jail()), (limits, JailMode::Reduced));
        let reached = Reached { landlock: true, ..Reached::default() };
        for entered in [Ok(reached), Err(Refused::Limits), Err(Refused::SystemCalls)] {
            assert_eq!(Hello::new(entered).read(), Ok(entered));
        }
    }

    #[test]
    fn an_answer_that_no_honest_worker_gives_is_refused() {
        let mut wrong = vec![
            vec![],
            vec![entry("0")],
            vec![part(), part()],
            vec![part(), entry("1/2/3/4")],
            vec![part(), entry("../1")],
            vec![part(), entry("1/")],
            vec![part(), entry("1234567890")],
            vec![part(); 1002],
            vec![Part { digests: None, ..part() }],
            vec![Part { image: CheckState::Checked, pictures: vec![], ..part() }],
            vec![Part { video: CheckState::Checked, ..part() }],
            vec![Part { reason: "free text".to_owned(), ..part() }],
            vec![Part { image: CheckState::SourceUnavailable, ..part() }],
            vec![Part { pictures: vec![part().pictures[0].clone(); 10_001], ..part() }],
        ];
        let picture = &part().pictures[0];
        for picture in [
            Picture { width: 0, ..picture.clone() },
            Picture { height: 16_385, ..picture.clone() },
            Picture { frame: 500, ..picture.clone() },
            Picture { quality: 101, ..picture.clone() },
        ] {
            wrong.push(vec![Part { pictures: vec![picture], ..part() }]);
        }
        for (place, parts) in wrong.iter().enumerate() {
            assert_eq!(read(parts), Err(Nonsense), "case {place}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_heard_within_the_limits(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            if let Ok(answer) = Answer::decode(bytes.as_slice())
                && let Ok(parts) = answer.read(&MediaLimits::default())
            {
                prop_assert!(!parts.is_empty());
            }
        }

        #[test]
        fn a_flipped_bit_never_makes_a_part_of_an_unknown_kind(
            place in any::<prop::sample::Index>(), bit in 0..8_u32,
        ) {
            let mut bytes = Answer::of(&[part(), entry("0")]).encode_to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            if let Ok(answer) = Answer::decode(bytes.as_slice())
                && let Ok(parts) = answer.read(&MediaLimits::default())
            {
                prop_assert!(parts.iter().all(|p| p.pictures.iter().all(|p| p.quality <= 100)));
            }
        }
    }
}
