//! The list of bad fields of one message: reading goes on after the first, so that all are named at once.

use crate::services::status::Refusal;
use std::fmt::Display;

/// Bad fields found so far.
#[derive(Debug, Default)]
pub struct Fields {
    faults: Vec<(String, String)>,
}

const MUST_BE_SET: &str = "must be set";

impl Fields {
    /// Names a bad field by path (`signals[3].text`) and says what it must be, never what it was.
    pub fn fault(&mut self, path: impl Into<String>, must: impl Display) {
        self.faults.push((path.into(), must.to_string()));
    }

    /// Takes a value that was read, or names its field.
    pub fn read<T, E: Display>(
        &mut self,
        path: impl Into<String>,
        value: Result<T, E>,
    ) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(path, problem);
                None
            }
        }
    }

    /// Takes a value that must be there, or names its field.
    pub fn required<T>(&mut self, path: impl Into<String>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.fault(path, MUST_BE_SET);
        }
        value
    }

    /// Reads a name that must be there.
    pub fn name<T, E: Display>(
        &mut self,
        path: impl Into<String>,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let path = path.into();
        if text.is_empty() {
            self.fault(path, MUST_BE_SET);
            return None;
        }
        self.read(path, parse(text))
    }

    /// Reads a name that may be left out: the outer absence is a fault, the inner one is none.
    #[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
    pub fn name_if_set<T, E: Display>(
        &mut self,
        path: impl Into<String>,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.name(path, text, parse).map(Some) }
    }

    /// Takes a text for people of at most `bytes_max` bytes without control characters, except line feeds and tabs.
    pub fn text(
        &mut self,
        path: impl Into<String>,
        text: String,
        bytes_max: usize,
    ) -> Option<String> {
        let path = path.into();
        if text.len() > bytes_max {
            self.fault(path, format!("must be at most {bytes_max} bytes long"));
            return None;
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            self.fault(path, "must be without control characters");
            return None;
        }
        Some(text)
    }

    /// Checks that a list has a length within `least..=most`.
    pub fn count(&mut self, path: impl Into<String>, len: usize, least: usize, most: usize) {
        if len == 0 && least > 0 {
            self.fault(path, MUST_BE_SET);
        } else if !(least..=most).contains(&len) {
            self.fault(path, format!("must have {least} to {most} elements"));
        }
    }

    /// Checks that a numbered piece of a stream says its number and carries something.
    pub fn piece(&mut self, path: &str, number: u64, data: &[u8]) {
        if number == 0 {
            self.fault(within(path, "number"), MUST_BE_SET);
        }
        if data.is_empty() {
            self.fault(within(path, "data"), MUST_BE_SET);
        }
    }

    /// Whether no field was bad so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The bad fields found.
    #[must_use]
    pub fn into_faults(self) -> Vec<(String, String)> {
        self.faults
    }

    /// The whole that was read, or the refusal that names every bad field.
    ///
    /// # Errors
    /// A refusal where any field was bad or the whole is absent.
    pub fn done<T>(self, whole: Option<T>) -> Result<T, Refusal> {
        match whole {
            Some(whole) if self.faults.is_empty() => Ok(whole),
            _ => Err(Refusal::fields(self.faults)),
        }
    }
}

/// `outer.inner`, or `inner` at the top.
#[must_use]
pub fn within(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}.{inner}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named_at_once() {
        let mut fields = Fields::default();
        let a = fields.required::<u8>("a", None);
        fields.count("list", 3, 1, 2);
        let text = fields.text("note", "x\u{7}".into(), 10);
        let refusal = fields.done(a.zip(text)).unwrap_err();
        let status = tonic::Status::from(refusal);
        let named = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
        let paths: Vec<_> = named.field_violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(paths, ["a", "list", "note"]);
    }
}
