//! The two text forms of a vPDQ hash.
//!
//! | form | shape | time |
//! |---|---|---|
//! | file | a line a frame: `frame,quality,hex,seconds`; never empty | three decimals |
//! | signal string | JSON array of texts `"hex,quality,seconds"`; may be empty | three significant digits, as `1.23e+03` |
//!
//! Law: reading what was written gives the same, save that a signal string keeps three digits of the time.
//! Source: `vpdqio.cpp` and python-threatexchange's `vpdq_util.py`.

use crate::core::signal::Bits256;
use crate::core::video::track::{FRAMES_MAX, Frame, QUALITY_MAX};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt::{self, Write as _};

/// A frame with its number in the video, as files have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Number of the frame in order of decoding, from 0.
    pub number: u32,
    /// The frame.
    pub frame: Frame,
}

/// A field of one frame's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Number of the frame.
    Number,
    /// Quality.
    Quality,
    /// The hash.
    Hash,
    /// When the frame is shown.
    Time,
}

impl fmt::Display for Field {
    /// What the field asks for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "frame number must be a whole number of 32 bits",
            Self::Quality => "quality must be a whole number from 0 to 100",
            Self::Hash => "hash must be exactly 64 hexadecimal digits",
            Self::Time => "time must be seconds from 0 to 4294967",
        })
    }
}

/// Why a text is not a vPDQ hash. Says where, never what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not an array of texts.
    #[error("must be a json array of texts")]
    Array,
    /// A file without a frame.
    #[error("must have at least one frame")]
    Empty,
    /// More frames than are read.
    #[error("must have at most {max} frames")]
    TooMany {
        /// Most frames.
        max: usize,
    },
    /// Too few or too many fields.
    #[error("frame {item}: must be exactly {fields} fields with a comma between them")]
    Fields {
        /// Which line or text, from 1.
        item: usize,
        /// How many fields there must be.
        fields: usize,
    },
    /// A field that cannot be read.
    #[error("frame {item}: {field}")]
    Field {
        /// Which line or text, from 1.
        item: usize,
        /// Which field.
        field: Field,
    },
}

fn fields<const N: usize>(item: usize, text: &str) -> Result<[&str; N], Malformed> {
    let wrong = Malformed::Fields { item, fields: N };
    let mut parts = text.split(',');
    let mut found = [""; N];
    for field in &mut found {
        *field = parts.next().ok_or(wrong)?.trim();
    }
    if parts.next().is_none() { Ok(found) } else { Err(wrong) }
}

/// Digits only: the standard reader would take a sign.
fn whole<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_whole.then(|| text.parse().ok()).flatten()
}

fn quality(text: &str) -> Option<u8> {
    whole(text).filter(|quality| *quality <= QUALITY_MAX)
}

fn hash(text: &str) -> Option<Bits256> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(Bits256::from_bytes(bytes))
}

/// Milliseconds of a number of seconds, rounded.
fn time(text: &str) -> Option<u32> {
    // The standard reader takes the names of what is not a number, too.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let seconds: f64 = is_number.then(|| text.parse().ok()).flatten()?;
    let millis = (seconds * 1000.0).round();
    (0.0..=f64::from(u32::MAX)).contains(&millis).then_some(millis as u32)
}

fn frame(item: usize, bits: &str, quality: &str, at: &str) -> Result<Frame, Malformed> {
    let wrong = |field| Malformed::Field { item, field };
    Ok(Frame {
        bits: hash(bits).ok_or(wrong(Field::Hash))?,
        quality: self::quality(quality).ok_or(wrong(Field::Quality))?,
        at: time(at).ok_or(wrong(Field::Time))?,
    })
}

/// Reads the lines of a file, in their order.
///
/// # Errors
/// [`Malformed`] names the first line that cannot be read.
pub fn read_file(text: &str) -> Result<Vec<Line>, Malformed> {
    let mut lines = Vec::new();
    for (place, line) in text.lines().enumerate() {
        if place == FRAMES_MAX {
            return Err(Malformed::TooMany { max: FRAMES_MAX });
        }
        let item = place + 1;
        let [number, quality, bits, at] = fields(item, line)?;
        let number = whole(number).ok_or(Malformed::Field { item, field: Field::Number })?;
        lines.push(Line { number, frame: frame(item, bits, quality, at)? });
    }
    if lines.is_empty() { Err(Malformed::Empty) } else { Ok(lines) }
}

/// Writes a file.
#[must_use]
pub fn write_file(lines: &[Line]) -> String {
    let mut text = String::new();
    for Line { number, frame: Frame { bits, quality, at } } in lines {
        let (bits, seconds, millis) = (hex::encode(bits.to_bytes()), at / 1000, at % 1000);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{number},{quality},{bits},{seconds}.{millis:03}");
    }
    text
}

/// The texts of an array, one more than are taken at most: what comes after is read but not kept.
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Taking;
        impl<'de> Visitor<'de> for Taking {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of texts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while texts.len() <= FRAMES_MAX {
                    let Some(text) = from.next_element()? else { return Ok(Texts(texts)) };
                    texts.push(text);
                }
                while from.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Texts(texts))
            }
        }
        from.deserialize_seq(Taking)
    }
}

/// Reads a signal string, in its order. One without frames is well formed, though nothing matches it.
///
/// # Errors
/// [`Malformed`] names the first frame that cannot be read.
pub fn read_signal(text: &str) -> Result<Vec<Frame>, Malformed> {
    let Texts(texts) = serde_json::from_str(text).map_err(|_| Malformed::Array)?;
    if texts.len() > FRAMES_MAX {
        return Err(Malformed::TooMany { max: FRAMES_MAX });
    }
    let mut frames = Vec::with_capacity(texts.len());
    for (item, text) in (1..).zip(&texts) {
        let [bits, quality, at] = fields(item, text)?;
        frames.push(frame(item, bits, quality, at)?);
    }
    Ok(frames)
}

/// Seconds as Python's `:.3` prints them.
fn three_digits(seconds: f64) -> String {
    let rounded = format!("{seconds:.2e}");
    let (digits, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: usize = exponent.parse().unwrap_or(0);
    if exponent >= 2 {
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        return format!("{digits}e+{exponent:02}");
    }
    // Below one second the leading zeros come on top of the three digits.
    let leading = rounded.split_once("e-").and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let fixed = format!("{seconds:.*}", 2 + leading - exponent.min(2));
    let short = fixed.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// Writes a signal string: of the time only three significant digits are left.
#[must_use]
pub fn write_signal(frames: &[Frame]) -> String {
    let mut text = String::from("[");
    for (place, Frame { bits, quality, at }) in frames.iter().enumerate() {
        let between = if place == 0 { "" } else { ", " };
        let (bits, at) = (hex::encode(bits.to_bytes()), three_digits(f64::from(*at) / 1000.0));
        // Writing to a text cannot fail.
        let _ = write!(text, "{between}\"{bits},{quality},{at}\"");
    }
    text.push(']');
    text
}
