//! Splits JSON that comes in pieces into its values, so that one record at a time is held.
//!
//! What does not belong is passed over: a record that is not JSON ends where its brackets do, and the next one begins
//! behind it. Whether a value is JSON is for its reader to say.

use crate::core::exchange_file::words::{BadFile, JSON_DEPTH_MAX, RECORD_BYTES_MAX};

/// Longest name of a field that is looked at.
const KEY_BYTES_MAX: usize = 256;

/// What to do with a value that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Its values come one by one. Only for arrays and objects.
    Into,
    /// It comes whole.
    Keep,
    /// It is passed over.
    Skip,
}

/// An array or object whose values come one by one.
#[derive(Debug)]
pub(super) struct Level {
    closer: u8,
    /// Name of the present field, in an object.
    pub(super) key: String,
}

impl Level {
    /// Whether it is an array.
    pub(super) fn is_array(&self) -> bool {
        self.closer == b']'
    }
}

/// Who is told of the values. `path` has the arrays and objects that are open, each with its present field.
pub(super) trait Visit {
    /// A value begins with the byte `first`.
    fn way(&mut self, path: &[Level], first: u8) -> Result<Way, BadFile>;
    /// A value has come whole, or what it must be to be read.
    fn value(&mut self, path: &[Level], value: Result<&[u8], String>) -> Result<(), BadFile>;
    /// The innermost of `path` has ended.
    fn left(&mut self, path: &[Level]) -> Result<(), BadFile>;
    /// Something between the values does not belong there.
    fn torn(&mut self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a value, a name, or an end.
    Between,
    Key,
    Colon,
    /// Behind the colon of a field.
    Field,
    /// In a number or word.
    Bare,
    /// In a text that is a value of its own.
    Text,
    /// Within an array or object that is not gone into, outside of its texts.
    Nested,
    NestedText,
}

/// JSON as it is being split.
#[derive(Debug)]
pub(super) struct Splitter {
    path: Vec<Level>,
    at: At,
    is_escaped: bool,
    is_torn: bool,
    is_kept: bool,
    held: Vec<u8>,
    must: Option<String>,
    /// The ends that the present value still waits for.
    closers: Vec<u8>,
    /// How far it is nested beyond what is followed.
    beyond: u64,
    is_first: bool,
    was_begun: bool,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl Splitter {
    pub(super) fn new() -> Self {
        Self {
            path: Vec::new(),
            at: At::Between,
            is_escaped: false,
            is_torn: false,
            is_kept: false,
            held: Vec::new(),
            must: None,
            closers: Vec::new(),
            beyond: 0,
            is_first: true,
            was_begun: false,
        }
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.capacity() + self.closers.capacity()
    }

    /// Takes the bytes that follow those before.
    pub(super) fn feed(&mut self, bytes: &[u8], to: &mut impl Visit) -> Result<(), BadFile> {
        let mut rest = bytes;
        if self.is_first {
            // The mark may come in pieces: it is held like a value until it is whole or none.
            let missing = &MARK[self.held.len()..];
            let same =
                missing.iter().zip(bytes).take_while(|(wanted, byte)| wanted == byte).count();
            self.held.extend_from_slice(&bytes[..same]);
            rest = &bytes[same..];
            if self.held.len() < MARK.len() && rest.is_empty() {
                return Ok(());
            }
            self.is_first = false;
            if !self.held.is_empty() && self.held != MARK {
                self.torn(to);
            }
            self.held.clear();
        }
        let mut place = 0;
        while place < rest.len() {
            match self.at {
                At::Between | At::Colon | At::Field => {
                    self.between(rest[place], to)?;
                    place += 1;
                }
                At::Key | At::Bare | At::Text | At::Nested | At::NestedText => {
                    place += self.within(&rest[place..], to)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the end; whether everything was closed.
    pub(super) fn end(&mut self, to: &mut impl Visit) -> Result<bool, BadFile> {
        if self.at == At::Bare {
            self.end_value(to)?;
        }
        Ok(self.at == At::Between && self.path.is_empty() && self.was_begun)
    }

    fn torn(&mut self, to: &mut impl Visit) {
        if !std::mem::replace(&mut self.is_torn, true) {
            to.torn();
        }
    }

    fn between(&mut self, byte: u8, to: &mut impl Visit) -> Result<(), BadFile> {
        if byte.is_ascii_whitespace() {
            return Ok(());
        }
        let is_object = self.path.last().is_some_and(|level| level.closer == b'}');
        match (self.at, byte) {
            (At::Colon, b':') => self.at = At::Field,
            (_, b'}' | b']') => return self.close(byte, to),
            (_, b',') if !self.path.is_empty() => {
                if self.at != At::Between {
                    self.torn(to);
                }
                self.at = At::Between;
            }
            (At::Between, b'"') if is_object => {
                self.at = At::Key;
                self.held.clear();
                self.held.push(byte);
            }
            (At::Between, b'{' | b'[') if is_object => {
                // Without a name: its end must not be taken for that of what it stands in.
                self.torn(to);
                if let Some(level) = self.path.last_mut() {
                    level.key.clear();
                }
                return self.begin(byte, to);
            }
            (At::Between, _) if is_object => self.torn(to),
            (At::Colon, b'"') => {
                // What stood there was no name.
                self.torn(to);
                self.at = At::Key;
                self.held.clear();
                self.held.push(byte);
            }
            (At::Colon, b'{' | b'[') => {
                self.torn(to);
                return self.begin(byte, to);
            }
            (At::Colon, _) => {
                // In the place of the colon: where what follows ends is known all the same.
                self.torn(to);
                self.at = At::Field;
            }
            (At::Between | At::Field, b':') => self.torn(to),
            _ => return self.begin(byte, to),
        }
        Ok(())
    }

    /// Closes the innermost array or object. The end of another one is stray: it must not close what records still lie in.
    fn close(&mut self, closer: u8, to: &mut impl Visit) -> Result<(), BadFile> {
        if self.path.last().is_none_or(|level| level.closer != closer) {
            self.torn(to);
            return Ok(());
        }
        if self.at != At::Between {
            self.torn(to);
        }
        to.left(&self.path)?;
        self.path.pop();
        (self.at, self.is_torn) = (At::Between, false);
        Ok(())
    }

    fn begin(&mut self, byte: u8, to: &mut impl Visit) -> Result<(), BadFile> {
        (self.is_torn, self.was_begun) = (false, true);
        let way = to.way(&self.path, byte)?;
        let closer = match byte {
            b'{' => Some(b'}'),
            b'[' => Some(b']'),
            _ => None,
        };
        if let (Way::Into, Some(closer)) = (way, closer) {
            self.path.push(Level { closer, key: String::new() });
            self.at = At::Between;
            return Ok(());
        }
        self.is_kept = way != Way::Skip;
        self.held.clear();
        self.closers.clear();
        (self.must, self.beyond, self.is_escaped) = (None, 0, false);
        self.hold(&[byte]);
        self.closers.extend(closer);
        self.at = match byte {
            b'{' | b'[' => At::Nested,
            b'"' => At::Text,
            _ => At::Bare,
        };
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) {
        if !self.is_kept {
            return;
        }
        if self.must.is_none() && self.held.len() + bytes.len() > RECORD_BYTES_MAX {
            self.must = Some(format!("must be at most {RECORD_BYTES_MAX} bytes long"));
            self.held = Vec::new();
        } else if self.must.is_none() {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Goes through a name or value, at most to its end; how many bytes were passed.
    fn within(&mut self, bytes: &[u8], to: &mut impl Visit) -> Result<usize, BadFile> {
        for (place, byte) in bytes.iter().enumerate() {
            if self.at == At::Bare {
                // What begins another value ends it, too: it was not closed.
                if byte.is_ascii_whitespace() || b",]}[{\"".contains(byte) {
                    self.hold(&bytes[..place]);
                    self.end_value(to)?;
                    return Ok(place);
                }
                continue;
            }
            let is_text = self.at != At::Nested;
            let ends = if is_text { self.ends_text(*byte) } else { self.ends_nested(*byte) };
            if !ends {
                continue;
            }
            match self.at {
                At::Key => {
                    self.hold_key(&bytes[..=place]);
                    self.end_key();
                }
                _ => {
                    self.hold(&bytes[..=place]);
                    self.end_value(to)?;
                }
            }
            return Ok(place + 1);
        }
        if self.at == At::Key {
            self.hold_key(bytes)
        } else {
            self.hold(bytes)
        }
        Ok(bytes.len())
    }

    /// Whether the text ends with this byte, and nothing is open around it.
    fn ends_text(&mut self, byte: u8) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            return false;
        }
        match byte {
            b'\\' => {
                self.is_escaped = true;
                false
            }
            // A text cannot hold a line feed: it was not closed, and what follows is not part of it.
            b'"' | b'\n' if self.at == At::NestedText => {
                self.at = At::Nested;
                false
            }
            b'"' | b'\n' => true,
            _ => false,
        }
    }

    /// Whether the array or object ends with this byte.
    fn ends_nested(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => self.at = At::NestedText,
            b'{' | b'[' if self.closers.len() == JSON_DEPTH_MAX => {
                self.beyond += 1;
                let must = format!("must not be nested more than {JSON_DEPTH_MAX} deep");
                self.must.get_or_insert(must);
            }
            b'{' => self.closers.push(b'}'),
            b'[' => self.closers.push(b']'),
            b'}' | b']' if self.beyond > 0 => self.beyond -= 1,
            b'}' | b']' => {
                // The nearest that waits for it; one that nothing waits for is for the reader to refuse.
                if let Some(depth) = self.closers.iter().rposition(|closer| *closer == byte) {
                    self.closers.truncate(depth);
                }
                return self.closers.is_empty();
            }
            _ => {}
        }
        false
    }

    fn hold_key(&mut self, bytes: &[u8]) {
        let room = (KEY_BYTES_MAX + 2).saturating_sub(self.held.len());
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_key(&mut self) {
        if let Some(level) = self.path.last_mut() {
            // A name that cannot be read is none that is known.
            level.key = serde_json::from_slice(&self.held).unwrap_or_default();
        }
        self.at = At::Colon;
    }

    fn end_value(&mut self, to: &mut impl Visit) -> Result<(), BadFile> {
        self.at = At::Between;
        if !self.is_kept {
            return Ok(());
        }
        match self.must.take() {
            Some(must) => to.value(&self.path, Err(must)),
            None => to.value(&self.path, Ok(&self.held)),
        }
    }
}
