//! Names that cannot be malformed: a value of one of these types has been read by its only constructor.
//!
//! Law of every type here: `parse(x.to_string()) == Ok(x)`.

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing was given where a name is required.
    #[error("must not be empty")]
    Empty,
    /// More bytes than the type allows.
    #[error("must be at most {0} bytes long")]
    TooLong(usize),
    /// A character outside the type's alphabet.
    #[error("must be {0}")]
    Alphabet(&'static str),
}

/// Who chose the name, and therefore which characters it may have.
enum Alphabet {
    /// Chosen by an operator, seen in resource names and on command lines.
    Resource,
    /// Made by the service.
    Service,
    /// The platform's own words: anything printable.
    Platform,
}

const RESOURCE: &str = "lower-case letters, digits and hyphens, beginning with a letter, ending with a letter or digit";
const SERVICE: &str = "letters, digits, hyphens and underscores";
const PLATFORM: &str = "without control characters";

const fn is_service(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26)
        | (byte.wrapping_sub(b'0') < 10)
        | (byte == b'-')
        | (byte == b'_')
}

fn check(text: &str, alphabet: &Alphabet, bytes_max: usize) -> Result<(), Malformed> {
    if text.is_empty() {
        return Err(Malformed::Empty);
    }
    if text.len() > bytes_max {
        return Err(Malformed::TooLong(bytes_max));
    }
    let (good, expected) = match alphabet {
        Alphabet::Resource => (
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && !text.ends_with('-'),
            RESOURCE,
        ),
        // Without a branch for each letter: a start looks at the names of all entries.
        Alphabet::Service => (text.bytes().fold(true, |good, b| good & is_service(b)), SERVICE),
        Alphabet::Platform => (!text.chars().any(char::is_control), PLATFORM),
    };
    if good { Ok(()) } else { Err(Malformed::Alphabet(expected)) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $alphabet:ident, $bytes_max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Longest name, in bytes.
            pub const BYTES_MAX: usize = $bytes_max;

            /// Reads a name; the only way to make one.
            ///
            /// # Errors
            /// [`Malformed`] when the text is empty, too long or outside the alphabet.
            pub fn parse(text: &str) -> Result<Self, Malformed> {
                check(text, &Alphabet::$alphabet, Self::BYTES_MAX)?;
                Ok(Self(text.into()))
            }

            /// Whether a text is such a name.
            #[must_use]
            pub fn is_well_formed(text: &str) -> bool {
                check(text, &Alphabet::$alphabet, Self::BYTES_MAX).is_ok()
            }

            /// The name as it was read.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(text: String) -> Result<Self, Malformed> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }
    )*};
}

names! {
    /// A platform that calls the service.
    TenantId: Resource, 63;
    /// A key or certificate by which a caller is known.
    CredentialId: Service, 63;
    /// A place of a product with its own policy.
    SurfaceId: Resource, 63;
    /// A set of entries that are matched against.
    BankId: Resource, 63;
    /// One item of a bank, with all its signals.
    EntryId: Service, 63;
    /// Another company's service that calls this one.
    PartnerId: Resource, 63;
    /// One from whom banks learn.
    ExchangeId: Resource, 63;
    /// A server that runs models.
    ModelServerId: Resource, 63;
    /// Something that gives scores.
    DetectorId: Resource, 63;
    /// A machine's answer to a check.
    VerdictId: Service, 63;
    /// The caller's key for one request (AIP-155).
    RequestId: Platform, 128;
    /// The platform's own name of a piece of content.
    ItemId: Platform, 256;
    /// The platform's own name of a person or account.
    ActorId: Platform, 256;
    /// The platform's own name of a live stream.
    StreamId: Platform, 256;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_resource_name_has_one_alphabet() {
        for good in ["a", "known-images", "b2", "x-1"] {
            assert!(BankId::parse(good).is_ok(), "{good}");
        }
        for bad in ["A", "1a", "-a", "a-", "a_b", "a b", "ä", "a/b"] {
            assert_eq!(BankId::parse(bad), Err(Malformed::Alphabet(RESOURCE)), "{bad}");
        }
        assert_eq!(BankId::parse(""), Err(Malformed::Empty));
        assert_eq!(BankId::parse(&"a".repeat(64)), Err(Malformed::TooLong(63)));
    }

    #[test]
    fn names_of_the_service_are_of_letters_digits_hyphens_and_underscores() {
        for byte in 0..=127_u8 {
            let expected = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert_eq!(EntryId::is_well_formed(&char::from(byte).to_string()), expected, "{byte}");
        }
        assert!(!EntryId::is_well_formed("ä") && !EntryId::is_well_formed(""));
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_name(text in ".{1,80}") {
            if let Ok(name) = ItemId::parse(&text) {
                prop_assert_eq!(ItemId::parse(&name.to_string()), Ok(name.clone()));
                prop_assert_eq!(name.as_str(), text.as_str());
            }
        }
    }
}
