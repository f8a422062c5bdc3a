//! Signals: typed indicator values, how they are read, and their one canonical text.
//!
//! Law: `Signal::parse(s.kind(), &s.text()) == Ok(s)`. Digests are read in either case and written in
//! lower case. A PDQ text is 64 hexadecimal digits, the most significant digit first (bit 255).

use crate::core::advice::{self, Advice, AdviceType};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};
use std::fmt;

/// 256 bits of a perceptual hash; bit `k` is bit `k % 64` of word `k / 64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bits256(pub [u64; 4]);

impl fmt::Debug for Bits256 {
    /// Prints the length only: a value must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bits256(256 bits)")
    }
}

impl Bits256 {
    /// Number of bits in which two values differ, 0 to 256.
    #[must_use]
    #[inline]
    pub fn distance(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The bytes in the order of the text: first byte holds bits 255 to 248.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0.iter().rev()) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] writes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().rev().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(chunk);
            *word = u64::from_be_bytes(eight);
        }
        Self(words)
    }
}

/// What kind of indicator a signal is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SignalType {
    /// MD5 of the bytes as uploaded.
    Md5,
    /// SHA-1 of the bytes as uploaded.
    Sha1,
    /// SHA-256 of the bytes as uploaded.
    Sha256,
    /// PDQ of a picture.
    Pdq,
    /// PDQ of one frame of a video.
    VpdqFrame,
    /// `PhotoDNA`: carried and compared for equality, never computed.
    PhotoDna,
    /// A type that a bank's source defines: carried and compared for equality.
    Custom(CustomType),
    /// What gives a person reason to look, and decides nothing.
    Advice(AdviceType),
}

/// Name of a source's own signal type: lower-case letters, digits, `_`, `.`, `-`; at most 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomType(Box<str>);

impl CustomType {
    /// Reads a type name.
    ///
    /// # Errors
    /// [`MalformedSignal::CustomType`] outside the alphabet or length.
    pub fn parse(text: &str) -> Result<Self, MalformedSignal> {
        let good = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b));
        if good { Ok(Self(text.into())) } else { Err(MalformedSignal::CustomType) }
    }

    /// The name as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CustomType {
    type Error = MalformedSignal;
    fn try_from(text: String) -> Result<Self, MalformedSignal> {
        Self::parse(&text)
    }
}

impl From<CustomType> for String {
    fn from(name: CustomType) -> Self {
        name.0.into()
    }
}

impl SignalType {
    /// Whether values are compared by Hamming distance; all others are compared for equality.
    #[must_use]
    pub const fn is_perceptual(&self) -> bool {
        matches!(self, Self::Pdq | Self::VpdqFrame)
    }

    /// Whether equality of two values means equality of the bytes they were taken from.
    #[must_use]
    pub const fn is_digest(&self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1 | Self::Sha256)
    }

    /// Whether a match gives a person reason to look, and nothing more, whatever bank, entry or policy say.
    #[must_use]
    pub const fn is_advice(&self) -> bool {
        matches!(self, Self::Advice(_))
    }
}

impl fmt::Display for SignalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Pdq => "pdq",
            Self::VpdqFrame => "vpdq_frame",
            Self::PhotoDna => "photodna",
            Self::Custom(name) => name.as_str(),
            Self::Advice(about) => about.name(),
        })
    }
}

/// Why a value is not a signal of its type. Never says what the value was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSignal {
    /// Wrong number of hexadecimal digits.
    #[error("must be exactly {0} hexadecimal digits")]
    Digits(usize),
    /// Wrong number of bytes.
    #[error("must be exactly {0} bytes long")]
    Bytes(usize),
    /// An opaque value that is empty or longer than [`OPAQUE_BYTES_MAX`].
    #[error("must be 1 to {OPAQUE_BYTES_MAX} bytes, as base64 or bytes")]
    Opaque,
    /// Not a type name.
    #[error("must be 1 to 32 lower-case letters, digits, '_', '.' or '-'")]
    CustomType,
    /// Not advice of its type.
    #[error(transparent)]
    Advice(#[from] advice::Malformed),
}

/// Longest opaque value, in bytes.
pub const OPAQUE_BYTES_MAX: usize = 4096;

/// A typed indicator value, well formed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Signal {
    /// MD5 of the bytes as uploaded.
    Md5([u8; 16]),
    /// SHA-1 of the bytes as uploaded.
    Sha1([u8; 20]),
    /// SHA-256 of the bytes as uploaded.
    Sha256([u8; 32]),
    /// PDQ of a picture.
    Pdq(Bits256),
    /// PDQ of one frame of a video.
    VpdqFrame(Bits256),
    /// `PhotoDNA`, opaque.
    PhotoDna(Box<[u8]>),
    /// A source's own type, opaque.
    Custom(CustomType, Box<[u8]>),
    /// What gives a person reason to look.
    Advice(Advice),
}

/// How a signal stands in stored records.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: SignalType,
    value: String,
}

impl TryFrom<Written> for Signal {
    type Error = MalformedSignal;
    fn try_from(written: Written) -> Result<Self, MalformedSignal> {
        Self::parse(&written.kind, &written.value)
    }
}

impl From<Signal> for Written {
    fn from(signal: Signal) -> Self {
        Self { kind: signal.kind(), value: signal.text() }
    }
}

impl fmt::Debug for Signal {
    /// Prints the type only: a value must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({})", self.kind())
    }
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], MalformedSignal> {
    let mut bytes = [0; N];
    // The decoder asks for as much room as the text needs.
    let read =
        (text.len() == 2 * N).then(|| HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes));
    read.and_then(Result::ok).map(|_| bytes).ok_or(MalformedSignal::Digits(2 * N))
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], MalformedSignal> {
    bytes.try_into().map_err(|_| MalformedSignal::Bytes(N))
}

fn opaque(bytes: &[u8]) -> Result<Box<[u8]>, MalformedSignal> {
    if (1..=OPAQUE_BYTES_MAX).contains(&bytes.len()) {
        Ok(bytes.into())
    } else {
        Err(MalformedSignal::Opaque)
    }
}

fn base64_value(text: &str) -> Result<Box<[u8]>, MalformedSignal> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| MalformedSignal::Opaque)?;
    opaque(&bytes)
}

impl Signal {
    /// Reads the text form: hexadecimal digits for digests and PDQ, base64 for opaque types, its own for [`Advice`].
    ///
    /// # Errors
    /// [`MalformedSignal`] names what the type asks for.
    pub fn parse(kind: &SignalType, text: &str) -> Result<Self, MalformedSignal> {
        Ok(match kind {
            SignalType::Md5 => Self::Md5(digits(text)?),
            SignalType::Sha1 => Self::Sha1(digits(text)?),
            SignalType::Sha256 => Self::Sha256(digits(text)?),
            SignalType::Pdq => Self::Pdq(Bits256::from_bytes(digits(text)?)),
            SignalType::VpdqFrame => Self::VpdqFrame(Bits256::from_bytes(digits(text)?)),
            SignalType::PhotoDna => Self::PhotoDna(base64_value(text)?),
            SignalType::Custom(name) => Self::Custom(name.clone(), base64_value(text)?),
            SignalType::Advice(about) => Self::Advice(Advice::parse(*about, text)?),
        })
    }

    /// Reads the byte form.
    ///
    /// # Errors
    /// [`MalformedSignal`] names what the type asks for.
    pub fn from_bytes(kind: &SignalType, bytes: &[u8]) -> Result<Self, MalformedSignal> {
        Ok(match kind {
            SignalType::Md5 => Self::Md5(exact(bytes)?),
            SignalType::Sha1 => Self::Sha1(exact(bytes)?),
            SignalType::Sha256 => Self::Sha256(exact(bytes)?),
            SignalType::Pdq => Self::Pdq(Bits256::from_bytes(exact(bytes)?)),
            SignalType::VpdqFrame => Self::VpdqFrame(Bits256::from_bytes(exact(bytes)?)),
            SignalType::PhotoDna => Self::PhotoDna(opaque(bytes)?),
            SignalType::Custom(name) => Self::Custom(name.clone(), opaque(bytes)?),
            SignalType::Advice(about) => Self::Advice(Advice::from_bytes(*about, bytes)?),
        })
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> SignalType {
        match self {
            Self::Md5(_) => SignalType::Md5,
            Self::Sha1(_) => SignalType::Sha1,
            Self::Sha256(_) => SignalType::Sha256,
            Self::Pdq(_) => SignalType::Pdq,
            Self::VpdqFrame(_) => SignalType::VpdqFrame,
            Self::PhotoDna(_) => SignalType::PhotoDna,
            Self::Custom(name, _) => SignalType::Custom(name.clone()),
            Self::Advice(advice) => SignalType::Advice(advice.kind()),
        }
    }

    /// The value's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Md5(value) => value.to_vec(),
            Self::Sha1(value) => value.to_vec(),
            Self::Sha256(value) => value.to_vec(),
            Self::Pdq(value) | Self::VpdqFrame(value) => value.to_bytes().to_vec(),
            Self::PhotoDna(value) | Self::Custom(_, value) => value.to_vec(),
            Self::Advice(advice) => advice.bytes().to_vec(),
        }
    }

    /// Length of the value in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a value is never empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Md5(_) => 16,
            Self::Sha1(_) => 20,
            Self::Sha256(_) | Self::Pdq(_) | Self::VpdqFrame(_) => 32,
            Self::PhotoDna(value) | Self::Custom(_, value) => value.len(),
            Self::Advice(advice) => advice.bytes().len(),
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn text(&self) -> String {
        use base64::Engine as _;
        match self {
            Self::PhotoDna(value) | Self::Custom(_, value) => {
                base64::engine::general_purpose::STANDARD.encode(value)
            }
            Self::Advice(advice) => advice.text(),
            _ => hex::encode(self.bytes()),
        }
    }

    /// The value of a perceptual signal.
    #[must_use]
    pub const fn bits(&self) -> Option<&Bits256> {
        match self {
            Self::Pdq(bits) | Self::VpdqFrame(bits) => Some(bits),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_output_of_bits_shows_their_length_only() {
        assert_eq!(format!("{:?}", Bits256([0xdead_beef; 4])), "Bits256(256 bits)");
        let signal = Signal::Pdq(Bits256([0xdead_beef; 4]));
        assert_eq!(format!("{signal:?}"), format!("Signal({})", SignalType::Pdq));
    }

    fn any_signal() -> impl Strategy<Value = Signal> {
        prop_oneof![
            any::<[u8; 16]>().prop_map(Signal::Md5),
            any::<[u8; 20]>().prop_map(Signal::Sha1),
            any::<[u8; 32]>().prop_map(Signal::Sha256),
            any::<[u64; 4]>().prop_map(|w| Signal::Pdq(Bits256(w))),
            any::<[u64; 4]>().prop_map(|w| Signal::VpdqFrame(Bits256(w))),
            proptest::collection::vec(any::<u8>(), 1..200).prop_map(|v| Signal::PhotoDna(v.into())),
            proptest::collection::vec(any::<u8>(), 1..200)
                .prop_map(|v| Signal::Custom(CustomType::parse("acme.v1").unwrap(), v.into())),
            any::<[u8; 32]>().prop_map(|v| Signal::Advice(Advice::Account(v))),
            any::<[u8; 32]>().prop_map(|v| Signal::Advice(Advice::Url(v))),
            "[a-z]{1,9}".prop_map(|v| Signal::Advice(Advice::Term(v.into()))),
            "[a-z]{1,9}".prop_map(|v| Signal::Advice(Advice::Tactic(v.into()))),
        ]
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_signal(signal in any_signal()) {
            prop_assert_eq!(Signal::parse(&signal.kind(), &signal.text()), Ok(signal.clone()));
            prop_assert_eq!(Signal::from_bytes(&signal.kind(), &signal.bytes()), Ok(signal.clone()));
            let json = serde_json::to_string(&signal).unwrap();
            prop_assert_eq!(serde_json::from_str::<Signal>(&json).unwrap(), signal);
        }

        #[test]
        fn either_case_is_read_and_lower_case_is_written(words in any::<[u64; 4]>()) {
            let signal = Signal::Pdq(Bits256(words));
            let upper = signal.text().to_uppercase();
            let read = Signal::parse(&SignalType::Pdq, &upper).unwrap();
            prop_assert_eq!(read.text(), upper.to_lowercase());
        }
    }

    #[test]
    fn the_first_digit_of_a_pdq_text_holds_bit_255() {
        let text = format!("8{}", "0".repeat(63));
        let Ok(Signal::Pdq(bits)) = Signal::parse(&SignalType::Pdq, &text) else { panic!("read") };
        assert_eq!(bits.0, [0, 0, 0, 1 << 63]);
    }

    #[test]
    fn a_value_of_the_wrong_length_is_refused_by_what_its_type_asks_for() {
        for (kind, length) in [
            (SignalType::Md5, 32),
            (SignalType::Sha1, 40),
            (SignalType::Sha256, 64),
            (SignalType::Pdq, 64),
        ] {
            for wrong in [length - 2, length - 1, length + 1, length + 2] {
                assert_eq!(
                    Signal::parse(&kind, &"a".repeat(wrong)),
                    Err(MalformedSignal::Digits(length))
                );
            }
            assert_eq!(
                Signal::parse(&kind, &"g".repeat(length)),
                Err(MalformedSignal::Digits(length))
            );
        }
        assert_eq!(Signal::parse(&SignalType::PhotoDna, ""), Err(MalformedSignal::Opaque));
    }

    #[test]
    fn a_signal_in_debug_output_shows_no_value() {
        let signal = Signal::Md5([0xab; 16]);
        assert_eq!(format!("{signal:?}"), "Signal(md5)");
    }
}
