//! Values of JSON fields as sources write them: a number may be a text, a yes may be a word.

use crate::core::time::Time;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Loose {
    /// No value, or no field.
    #[default]
    None,
    Yes(bool),
    Number(i64),
    /// A number that is no whole one, or too great.
    OtherNumber,
    Text(String),
    /// An array or object.
    Nested,
}

impl Loose {
    /// A text that is not empty, or a whole number as one.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Self::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A whole number, also where it is written as a text.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether it is a yes.
    pub(super) fn is_yes(&self) -> bool {
        match self {
            Self::Yes(yes) => *yes,
            Self::Text(text) => text.trim().eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// A yes or a no.
    pub(super) fn yes(&self) -> Option<bool> {
        match self {
            Self::Yes(yes) => Some(*yes),
            Self::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None) || matches!(self, Self::Text(text) if text.trim().is_empty())
    }

    /// A point in time, as seconds since the epoch or as RFC 3339 writes it.
    pub(super) fn time(&self) -> Option<Time> {
        match self.number() {
            Some(seconds) => seconds.checked_mul(1000).map(Time::from_millis),
            None => Time::read(&self.text()?),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::None)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Loose, E> {
        Ok(Loose::Yes(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(i64::try_from(number).map_or(Loose::OtherNumber, Loose::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Loose, E> {
        Ok(Loose::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Nested)
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// An array that may be absent or no value.
pub(super) fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a value; says what it must be where it cannot, never what it was.
pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|fault| {
        let text = fault.to_string();
        let twice = text.strip_prefix("duplicate field `").and_then(|rest| rest.split_once('`'));
        match (fault.classify(), twice) {
            // The names are those of the fields that are looked for.
            (_, Some((name, _))) => format!("must not have the field {name} twice"),
            (serde_json::error::Category::Data, None) => {
                "must have fields of the format's kinds".into()
            }
            _ => "must be JSON".to_owned(),
        }
    })
}
