//! Advice: what is known of accounts, addresses, terms and tactics, which gives a person reason to look and decides nothing.
//!
//! Law: `Advice::parse(a.kind(), &a.text()) == Ok(a)`, and the same of bytes.

mod address;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a piece of advice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdviceType {
    /// An account, by a keyed hash of its name: never a name or an address itself.
    Account,
    /// An address of a resource.
    Url,
    /// A term or phrase.
    Term,
    /// A way in which somebody proceeds, by a code that partners have agreed on.
    Tactic,
}

impl AdviceType {
    /// Every type, in the order of the contract.
    pub const ALL: [Self; 4] = [Self::Account, Self::Url, Self::Term, Self::Tactic];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Url => "url",
            Self::Term => "term",
            Self::Tactic => "tactic",
        }
    }
}

/// Why a value is not advice of its type. Never says what the value was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No keyed hash.
    #[error("must be an HMAC-SHA-256: 64 hexadecimal digits or 32 bytes")]
    Account,
    /// Neither an address nor the digest of one.
    #[error(
        "must be a URL with a host, of at most {} bytes, or 64 hexadecimal digits",
        address::BYTES_MAX
    )]
    Url,
    /// Not the digest of an address.
    #[error("must be the SHA-256 of a URL: 32 bytes")]
    UrlDigest,
    /// No term.
    #[error("must be 1 to {TERM_BYTES_MAX} bytes of text without control characters")]
    Term,
    /// No code.
    #[error("must be 1 to {TACTIC_BYTES_MAX} letters, digits, '_', '.', '-' or ':'")]
    Tactic,
}

/// Longest term in its canonical form, in bytes of UTF-8.
pub const TERM_BYTES_MAX: usize = 256;
/// Longest code of a tactic.
pub const TACTIC_BYTES_MAX: usize = 64;
/// Rounds after which a term's form must have come to rest: one is enough for what is written anywhere.
const ROUNDS_MAX: usize = 4;

/// A piece of advice in the form in which it is compared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Advice {
    /// HMAC-SHA-256 of an account's name, under a key that partners share and this service never sees.
    Account([u8; 32]),
    /// SHA-256 of an address without its scheme, in canonical form.
    Url([u8; 32]),
    /// A term in canonical form.
    Term(Box<str>),
    /// A code in lower case.
    Tactic(Box<str>),
}

impl fmt::Debug for Advice {
    /// Prints the type only: a value must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Advice({})", self.kind().name())
    }
}

fn digest_of(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

/// A term as it is compared: NFKC, full case folding, each run of white space one space, none at the ends.
fn term(text: &str) -> Result<Box<str>, Malformed> {
    use icu_casemap::CaseMapper;
    use icu_normalizer::ComposingNormalizerBorrowed;
    // What is longer than this does not become short enough.
    if text.len() > 16 * TERM_BYTES_MAX {
        return Err(Malformed::Term);
    }
    let compose = ComposingNormalizerBorrowed::new_nfkc();
    let mut form = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let composed = compose.normalize(&form);
        let folded = CaseMapper::new().fold_string(&composed).into_owned();
        let next = compose.normalize(&folded).split_whitespace().collect::<Vec<_>>().join(" ");
        if next == form {
            let is_good =
                (1..=TERM_BYTES_MAX).contains(&form.len()) && !form.chars().any(char::is_control);
            return if is_good { Ok(form.into()) } else { Err(Malformed::Term) };
        }
        form = next;
    }
    Err(Malformed::Term)
}

fn tactic(text: &str) -> Result<Box<str>, Malformed> {
    let is_of_code = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:".contains(&byte);
    let is_good = (1..=TACTIC_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_of_code);
    if is_good { Ok(text.to_ascii_lowercase().into()) } else { Err(Malformed::Tactic) }
}

impl Advice {
    /// Reads the text form. An address is brought into its canonical form, or is given as the digest of that: 64
    /// hexadecimal digits are no name of a host.
    ///
    /// # Errors
    /// [`Malformed`] names what the type asks for.
    pub fn parse(kind: AdviceType, text: &str) -> Result<Self, Malformed> {
        Ok(match kind {
            AdviceType::Account => Self::Account(digest_of(text).ok_or(Malformed::Account)?),
            AdviceType::Url => Self::Url(match digest_of(text) {
                Some(digest) => digest,
                None => Sha256::digest(address::canonical(text).ok_or(Malformed::Url)?).into(),
            }),
            AdviceType::Term => Self::Term(term(text)?),
            AdviceType::Tactic => Self::Tactic(tactic(text)?),
        })
    }

    /// Reads the byte form: hash and digest as they are, texts as UTF-8.
    ///
    /// # Errors
    /// [`Malformed`] names what the type asks for.
    pub fn from_bytes(kind: AdviceType, bytes: &[u8]) -> Result<Self, Malformed> {
        let text = |or| str::from_utf8(bytes).map_err(|_| or);
        Ok(match kind {
            AdviceType::Account => Self::Account(bytes.try_into().map_err(|_| Malformed::Account)?),
            AdviceType::Url => Self::Url(bytes.try_into().map_err(|_| Malformed::UrlDigest)?),
            AdviceType::Term => Self::Term(term(text(Malformed::Term)?)?),
            AdviceType::Tactic => Self::Tactic(tactic(text(Malformed::Tactic)?)?),
        })
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> AdviceType {
        match self {
            Self::Account(_) => AdviceType::Account,
            Self::Url(_) => AdviceType::Url,
            Self::Term(_) => AdviceType::Term,
            Self::Tactic(_) => AdviceType::Tactic,
        }
    }

    /// The value's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        match self {
            Self::Account(value) | Self::Url(value) => value,
            Self::Term(value) | Self::Tactic(value) => value.as_bytes(),
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Account(value) | Self::Url(value) => hex::encode(value),
            Self::Term(value) | Self::Tactic(value) => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
