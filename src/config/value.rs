//! How one setting's value is written and read.
//!
//! Law of every kind: reading what was written gives the same value.

use crate::core::shard::{SHARDS_MAX, Shard};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// A kind of value that a setting can have.
pub trait Value: Sized {
    /// Reads the value from text.
    ///
    /// # Errors
    /// What the text must be, as the end of a sentence that begins with the key.
    fn read(text: &str) -> Result<Self, String>;

    /// Writes the value so that it can be read again.
    fn write(&self) -> String;
}

/// A number of bytes; written as `64 KiB`, `512 MiB`, `2 GiB` or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// So many KiB.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many MiB.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }
}

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A number with a unit behind it, `512 MiB` as `(512, "MiB")`.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'_').count();
    let (number, unit) = text.split_at(digits);
    Some((number.replace('_', "").parse().ok()?, unit.trim()))
}

impl Value for Shard {
    fn read(text: &str) -> Result<Self, String> {
        let form = || format!("must be a shard, as 2/4, of at most {SHARDS_MAX}");
        Self::parse(text.trim()).ok_or_else(form)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

const UNITS_OF_BYTES: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Value for Bytes {
    fn read(text: &str) -> Result<Self, String> {
        let bad = || "must be a number of bytes, as 4096, 64 KiB, 512 MiB or 2 GiB".to_owned();
        let (number, unit) = number_and_unit(text).ok_or_else(bad)?;
        let scale = match unit {
            "" => 1,
            unit => UNITS_OF_BYTES.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1,
        };
        number.checked_mul(scale).map(Self).ok_or_else(bad)
    }

    fn write(&self) -> String {
        let (unit, scale) = UNITS_OF_BYTES
            .into_iter()
            .find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
            .unwrap_or(("B", 1));
        format!("{} {unit}", self.0 / scale)
    }
}

const UNITS_OF_TIME: [(&str, u64); 4] =
    [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let bad = || "must be a time span, as 250 ms, 5 s, 15 min or 1 h".to_owned();
        let (number, unit) = number_and_unit(text).ok_or_else(bad)?;
        let scale = UNITS_OF_TIME.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
        number.checked_mul(scale).map(Self::from_millis).ok_or_else(bad)
    }

    fn write(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let (unit, scale) = UNITS_OF_TIME
            .into_iter()
            .find(|(_, scale)| millis > 0 && millis.is_multiple_of(*scale))
            .unwrap_or(("ms", 1));
        format!("{} {unit}", millis / scale)
    }
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Result<Self, String> {
                text.trim()
                    .replace('_', "")
                    .parse()
                    .map_err(|_| format!("must be a whole number of at most {}", Self::MAX))
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u32, u64);

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false".into()),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("must be a path".into()) } else { Ok(text.into()) }
    }

    fn write(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.trim()
            .parse()
            .map_err(|_| "must be an address with a port, as 127.0.0.1:50051 or [::1]:50051".into())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.contains(',') || text.chars().any(char::is_control) {
            return Err("must be a text without commas".into());
        }
        Ok(text.into())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

impl Value for Secret {
    fn read(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("must be without control characters".into());
        }
        Ok(Self(Zeroizing::new(text.into())))
    }

    fn write(&self) -> String {
        self.reveal().to_owned()
    }
}

/// Nothing is written as an empty text.
impl<V: Value> Value for Option<V> {
    fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Ok(None) } else { V::read(text).map(Some) }
    }

    fn write(&self) -> String {
        self.as_ref().map(V::write).unwrap_or_default()
    }
}

/// Several are written with commas between them.
impl<V: Value> Value for Vec<V> {
    fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        text.split(',').map(V::read).collect()
    }

    fn write(&self) -> String {
        self.iter().map(V::write).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn law<V: Value + PartialEq + fmt::Debug>(value: V) {
        assert_eq!(V::read(&value.write()), Ok(value));
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_value(number: u64, millis in 0_u64..1 << 50, ports: Vec<u16>) {
            law(Bytes(number));
            law(Duration::from_millis(millis));
            law(number);
            law(ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect::<Vec<_>>());
            law(ports.first().map(|port| u32::from(*port)));
        }

        #[test]
        fn no_text_makes_reading_panic(text in ".{0,40}") {
            let _ = (Bytes::read(&text), Duration::read(&text), u32::read(&text));
            let _ = (Vec::<SocketAddr>::read(&text), Option::<PathBuf>::read(&text), bool::read(&text));
        }
    }

    #[test]
    fn people_write_units() {
        assert_eq!(Bytes::read("512 MiB"), Ok(Bytes::mib(512)));
        assert_eq!(Bytes::read("512MiB"), Ok(Bytes::mib(512)));
        assert_eq!(Bytes::read("1_024"), Ok(Bytes::kib(1)));
        assert_eq!(Duration::read("15 min"), Ok(Duration::from_secs(900)));
        for bad in ["", "MiB", "-1", "1.5 GiB", "512 MB", "1 kib", "99999999999 GiB"] {
            assert!(Bytes::read(bad).is_err(), "{bad:?}");
        }
        // A span without a unit is a guess waiting to go wrong.
        for bad in ["", "5", "5 sec", "5 m", "-5 s"] {
            assert!(Duration::read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::read("swordfish").expect("readable");
        assert!(!format!("{secret:?}").contains("swordfish"));
        assert_eq!(secret.reveal(), "swordfish");
    }
}
