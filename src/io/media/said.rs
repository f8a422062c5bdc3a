//! The pieces that a worker says of an item, and how the service doubts each of them.

use super::found::{Begun, Ended, Found, Nonsense, Watched};
use super::limits::MediaLimits;
use super::reason::Reason;
use super::wire::{number_of, value_of};
use crate::core::media::{Digests, Format, Picture, Thumb, VideoFrame};
use crate::core::signal::Bits256;
use crate::core::verdict::{CheckState, Form};
use prost::Message;

/// Longest piece without frames that were made small, in bytes.
const SAID_BYTES_MAX: u32 = 4096;

/// Longest piece, in bytes.
pub(super) fn said_bytes_max(limits: &MediaLimits) -> u32 {
    u32::try_from(limits.thumb_bytes())
        .map_or(u32::MAX, |bytes| bytes.saturating_add(SAID_BYTES_MAX))
}

const STATES: [CheckState; 9] = [
    CheckState::Checked,
    CheckState::NotApplicable,
    CheckState::UnsupportedFormat,
    CheckState::TooLarge,
    CheckState::TooSmall,
    CheckState::Corrupt,
    CheckState::NotExpanded,
    CheckState::Encrypted,
    CheckState::Deadline,
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

/// What a worker says while it examines an item: one piece of what it found, or nothing more.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Said {
    #[prost(oneof = "Piece", tags = "1, 2, 3, 4, 5, 6")]
    piece: Option<Piece>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Piece {
    #[prost(message, tag = "1")]
    Begun(BegunSaid),
    #[prost(message, tag = "2")]
    Picture(PictureSaid),
    #[prost(message, tag = "3")]
    Ended(EndedSaid),
    /// Everything was said.
    #[prost(bool, tag = "4")]
    Finished(bool),
    #[prost(message, tag = "5")]
    Frame(FrameSaid),
    #[prost(message, tag = "6")]
    Watched(WatchedSaid),
}

#[derive(Clone, PartialEq, Message)]
struct BegunSaid {
    #[prost(string, tag = "1")]
    place: String,
    #[prost(uint32, tag = "2")]
    format: u32,
    #[prost(bytes = "vec", tag = "3")]
    digests: Vec<u8>,
    #[prost(uint32, tag = "4")]
    exact: u32,
    #[prost(bool, tag = "5")]
    holds_more: bool,
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
    #[prost(bool, tag = "7")]
    by_coefficients: bool,
    #[prost(uint32, optional, tag = "8")]
    at_millis: Option<u32>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    thumbs: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct FrameSaid {
    #[prost(uint32, tag = "1")]
    stream: u32,
    #[prost(message, optional, tag = "2")]
    picture: Option<PictureSaid>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchedSaid {
    #[prost(uint32, tag = "1")]
    frames: u32,
    #[prost(bool, tag = "2")]
    is_absent: bool,
    #[prost(uint32, tag = "3")]
    sounds: u32,
    #[prost(uint32, tag = "4")]
    videos: u32,
    #[prost(uint32, tag = "5")]
    beside: u32,
    #[prost(uint32, tag = "6")]
    state: u32,
    #[prost(uint32, tag = "7")]
    reason: u32,
}

#[derive(Clone, PartialEq, Message)]
struct EndedSaid {
    #[prost(uint32, tag = "1")]
    image: u32,
    #[prost(uint32, tag = "2")]
    video: u32,
    #[prost(uint32, tag = "3")]
    reason: u32,
}

impl Said {
    /// Says a piece of what was found.
    pub(super) fn of(found: &Found) -> Self {
        Self {
            piece: Some(match found {
                Found::Begun(begun) => Piece::Begun(BegunSaid {
                    place: begun.place.clone(),
                    format: number_of(&FORMATS, |f| *f == begun.format),
                    digests: begun
                        .digests
                        .map_or_else(Vec::new, |d| [&d.md5[..], &d.sha1, &d.sha256].concat()),
                    exact: number_of(&STATES, |s| *s == begun.exact),
                    holds_more: begun.holds_more,
                }),
                Found::Picture(picture) => Piece::Picture(say_picture(picture)),
                Found::Frame(frame) => Piece::Frame(FrameSaid {
                    stream: frame.stream,
                    picture: Some(say_picture(&frame.picture)),
                }),
                Found::Watched(watched) => Piece::Watched(WatchedSaid {
                    frames: watched.frames,
                    is_absent: watched.is_absent,
                    sounds: watched.sounds,
                    videos: watched.videos,
                    beside: watched.beside.number(),
                    state: number_of(&STATES, |s| *s == watched.state),
                    reason: watched.reason.number(),
                }),
                Found::Ended(ended) => Piece::Ended(EndedSaid {
                    image: number_of(&STATES, |s| *s == ended.image),
                    video: number_of(&STATES, |s| *s == ended.video),
                    reason: ended.reason.number(),
                }),
            }),
        }
    }

    /// Says that there is no more.
    pub(super) const fn finished() -> Self {
        Self { piece: Some(Piece::Finished(true)) }
    }

    /// The piece, when it could come from an honest worker within `limits`; nothing after the last one.
    pub(super) fn read(self, limits: &MediaLimits) -> Result<Option<Found>, Nonsense> {
        let state = |number| value_of(&STATES, number).copied().ok_or(Nonsense);
        Ok(Some(match self.piece.ok_or(Nonsense)? {
            Piece::Begun(said) => Found::Begun(Begun {
                format: value_of(&FORMATS, said.format).copied().ok_or(Nonsense)?,
                digests: read_digests(&said.digests)?,
                exact: state(said.exact)?,
                holds_more: said.holds_more,
                place: said.place,
            }),
            Piece::Picture(said) => Found::Picture(hear_picture(said, limits, limits.frames_max)?),
            Piece::Frame(said) => {
                let picture = said.picture.ok_or(Nonsense)?;
                let picture = hear_picture(picture, limits, limits.video.frames_max)?;
                if said.stream >= limits.video.streams_max || picture.at_millis.is_none() {
                    return Err(Nonsense);
                }
                Found::Frame(VideoFrame { stream: said.stream, picture })
            }
            Piece::Watched(said) => Found::Watched(Watched {
                frames: said.frames,
                is_absent: said.is_absent,
                sounds: said.sounds,
                videos: said.videos,
                beside: Reason::read(said.beside).ok_or(Nonsense)?,
                state: state(said.state)?,
                reason: Reason::read(said.reason).ok_or(Nonsense)?,
            }),
            Piece::Ended(said) => Found::Ended(Ended {
                image: state(said.image)?,
                video: state(said.video)?,
                reason: Reason::read(said.reason).ok_or(Nonsense)?,
            }),
            Piece::Finished(_) => return Ok(None),
        }))
    }
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

fn say_picture(picture: &Picture) -> PictureSaid {
    PictureSaid {
        form: number_of(&FORMS, |f| *f == picture.form),
        frame: picture.frame,
        width: picture.width,
        height: picture.height,
        quality: picture.quality,
        by_coefficients: picture.by_coefficients,
        hashes: picture.hashes.iter().flat_map(|bits| bits.to_bytes()).collect(),
        at_millis: picture.at_millis,
        thumbs: picture.thumbs.iter().map(|thumb| thumb.rgb.clone()).collect(),
    }
}

/// The frame in the sizes that were asked for, or in none.
fn hear_thumbs(
    said: Vec<Vec<u8>>,
    frame: u32,
    limits: &MediaLimits,
) -> Result<Vec<Thumb>, Nonsense> {
    if said.is_empty() {
        return Ok(Vec::new());
    }
    if said.len() != limits.thumbs.len() || !limits.is_made_small(frame) {
        return Err(Nonsense);
    }
    let thumb = |(rgb, (width, height)): (Vec<u8>, &(u32, u32))| {
        let (width, height) = (*width, *height);
        let fits = rgb.len() as u64 == u64::from(width) * u64::from(height) * 3;
        if fits { Ok(Thumb { width, height, rgb }) } else { Err(Nonsense) }
    };
    said.into_iter().zip(&limits.thumbs).map(thumb).collect()
}

fn hear_picture(
    said: PictureSaid,
    limits: &MediaLimits,
    frames_max: u32,
) -> Result<Picture, Nonsense> {
    let side = 1..=limits.side_max;
    let fits = side.contains(&said.width)
        && side.contains(&said.height)
        && said.frame < frames_max
        && said.quality <= 100
        && (limits.by_coefficients || !said.by_coefficients)
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
        at_millis: said.at_millis,
        width: said.width,
        height: said.height,
        quality: said.quality,
        by_coefficients: said.by_coefficients,
        hashes,
        thumbs: hear_thumbs(said.thumbs, said.frame, limits)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::limits::VideoLimits;
    use super::super::wire::framed;
    use super::*;
    use proptest::prelude::*;

    fn picture() -> Picture {
        Picture {
            form: Form::Trimmed,
            frame: 3,
            at_millis: Some(40),
            width: 64,
            height: 48,
            quality: 77,
            by_coefficients: false,
            hashes: std::array::from_fn(|i| Bits256([i as u64, 1, 2, 3])),
            thumbs: Vec::new(),
        }
    }

    fn pieces() -> [Found; 5] {
        let digests = Some(Digests { md5: [1; 16], sha1: [2; 20], sha256: [3; 32] });
        let (place, exact) = ("12/0/999".to_owned(), CheckState::Checked);
        [
            Found::Begun(Begun { place, format: Format::Png, digests, exact, holds_more: true }),
            Found::Picture(picture()),
            Found::Ended(Ended {
                image: CheckState::TooLarge,
                video: CheckState::NotApplicable,
                reason: Reason::Frames,
            }),
            Found::Frame(VideoFrame { stream: 2, picture: picture() }),
            Found::Watched(Watched {
                frames: 3,
                is_absent: true,
                sounds: 4,
                videos: 2,
                beside: Reason::Attached,
                state: CheckState::Deadline,
                reason: Reason::OutOfTime,
            }),
        ]
    }

    fn read(found: &Found) -> Result<Option<Found>, Nonsense> {
        let bytes = Said::of(found).encode_to_vec();
        Said::decode(bytes.as_slice()).unwrap().read(&MediaLimits::default())
    }

    #[test]
    fn what_a_worker_says_is_heard_unchanged() {
        for found in pieces() {
            assert_eq!(read(&found), Ok(Some(found)));
        }
        assert_eq!(Said::finished().read(&MediaLimits::default()), Ok(None));
    }

    #[test]
    fn a_piece_that_no_honest_worker_says_is_refused() {
        let states = Ended {
            image: CheckState::SourceUnavailable,
            video: CheckState::NotApplicable,
            reason: Reason::Nothing,
        };
        let mut wrong = vec![Found::Ended(states)];
        for picture in [
            Picture { width: 0, ..picture() },
            Picture { height: 16_385, ..picture() },
            Picture { frame: 500, ..picture() },
            Picture { quality: 101, ..picture() },
            Picture { by_coefficients: true, ..picture() },
        ] {
            wrong.push(Found::Picture(picture));
        }
        let limits = VideoLimits::default();
        for (stream, picture) in [
            (limits.streams_max, picture()),
            (0, Picture { at_millis: None, ..picture() }),
            (0, Picture { frame: limits.frames_max, ..picture() }),
        ] {
            wrong.push(Found::Frame(VideoFrame { stream, picture }));
        }
        for found in &wrong {
            assert_eq!(read(found), Err(Nonsense), "{found:?}");
        }
        assert_eq!(Said::default().read(&MediaLimits::default()), Err(Nonsense), "nothing said");
        assert_eq!(read_digests(&[1; 67]), Err(Nonsense));
    }

    #[test]
    fn the_longest_piece_fits_its_message() {
        let digests = Some(Digests { md5: [1; 16], sha1: [2; 20], sha256: [3; 32] });
        let place = ["123456789"; 16].join("/");
        let (format, exact) = (Format::Unknown, CheckState::Encrypted);
        let begun = Found::Begun(Begun { place, format, digests, exact, holds_more: true });
        for found in pieces().iter().chain([&begun]) {
            assert!(framed(&Said::of(found)).len() <= SAID_BYTES_MAX as usize);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_heard_within_the_limits(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            if let Ok(said) = Said::decode(bytes.as_slice())
                && let Ok(Some(Found::Picture(picture))) = said.read(&MediaLimits::default())
            {
                prop_assert!(picture.quality <= 100);
            }
        }

        #[test]
        fn a_flipped_bit_never_makes_a_picture_beyond_the_limits(
            place in any::<prop::sample::Index>(), bit in 0..8_u32,
        ) {
            let mut bytes = Said::of(&Found::Picture(picture())).encode_to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            if let Ok(said) = Said::decode(bytes.as_slice())
                && let Ok(Some(Found::Picture(picture))) = said.read(&MediaLimits::default())
            {
                prop_assert!(picture.quality <= 100 && picture.frame < 500);
            }
        }
    }
}
