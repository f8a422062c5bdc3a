//! Splits XML that comes in pieces into the elements below its containers, so that one record at a time is held.
//!
//! What does not belong is passed over: a record that is not closed ends where the next one or its container does. Whether
//! a record is XML is for its reader to say.

use crate::core::exchange_file::words::{BadFile, RECORD_BYTES_MAX, XML_DEPTH_MAX};

/// Longest tag, in bytes.
const TAG_BYTES_MAX: usize = 16 * 1024;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Who is told of the elements.
pub(super) trait Hear {
    /// A tag opens an element: whether those within it come one by one. `heads` has the tags of what it lies in, and its
    /// own as the last.
    fn opened(&mut self, heads: &[Vec<u8>]) -> Result<bool, BadFile>;
    /// Whether an element of this name, its prefix included, is a record wherever it stands.
    fn is_record(&self, name: &[u8]) -> bool;
    /// An element has come whole, or what it must be to be read. `heads` has the tags of what it lies in.
    fn element(&mut self, heads: &[Vec<u8>], text: Result<&[u8], String>) -> Result<(), BadFile>;
    /// Something between the elements does not belong there.
    fn torn(&mut self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Text,
    /// In a tag, and within which quote.
    Tag(Option<u8>),
    Comment,
    Data,
    Instruction,
}

/// XML as it is being split.
#[derive(Debug)]
pub(super) struct Splitter {
    at: At,
    /// Bytes passed, as far as a mark reaches.
    passed: usize,
    /// Tags of the containers that are open.
    heads: Vec<Vec<u8>>,
    /// Names of what is open in the record that is being read.
    names: Vec<Vec<u8>>,
    /// The tag that is being read.
    tag: Vec<u8>,
    is_overlong: bool,
    /// The last bytes of what is no tag.
    tail: [u8; 3],
    held: Vec<u8>,
    must: Option<String>,
    is_torn: bool,
    was_rooted: bool,
}

fn name_of(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"<").unwrap_or(tag);
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte));
    &tag[..end.unwrap_or(tag.len())]
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self {
            at: At::Text,
            passed: 0,
            heads: Vec::new(),
            names: Vec::new(),
            tag: Vec::new(),
            is_overlong: false,
            tail: [0; 3],
            held: Vec::new(),
            must: None,
            is_torn: false,
            was_rooted: false,
        }
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let names = self.heads.iter().chain(&self.names).map(Vec::capacity).sum::<usize>();
        self.held.capacity() + self.tag.capacity() + names
    }

    /// Takes the bytes that follow those before.
    pub(super) fn feed(&mut self, bytes: &[u8], to: &mut impl Hear) -> Result<(), BadFile> {
        bytes.iter().try_for_each(|byte| self.byte(*byte, to))
    }

    /// Takes the end; whether everything was closed.
    pub(super) fn end(&mut self, to: &mut impl Hear) -> Result<bool, BadFile> {
        let is_whole = self.at == At::Text && self.heads.is_empty() && self.was_rooted;
        self.cut_off(to)?;
        Ok(is_whole && self.names.is_empty())
    }

    fn byte(&mut self, byte: u8, to: &mut impl Hear) -> Result<(), BadFile> {
        let passed = self.passed;
        self.passed = (passed + 1).min(MARK.len());
        match self.at {
            At::Text if byte == b'<' => self.begin_tag(),
            At::Text if !self.names.is_empty() => self.hold(&[byte]),
            At::Text if byte.is_ascii_whitespace() || MARK.get(passed) == Some(&byte) => {}
            At::Text => self.torn(to),
            // A tag cannot hold one, and an instruction to programs has no use for one: it was not closed.
            At::Tag(_) | At::Instruction if byte == b'<' => {
                self.torn(to);
                self.begin_tag();
            }
            At::Tag(quote) => {
                self.is_overlong |= self.tag.len() == TAG_BYTES_MAX;
                if !self.is_overlong {
                    self.tag.push(byte);
                }
                match (quote, byte) {
                    (Some(quote), _) if quote == byte => self.at = At::Tag(None),
                    (None, b'"' | b'\'') => self.at = At::Tag(Some(byte)),
                    (None, b'>') => return self.end_tag(to),
                    _ => return self.no_tag(),
                }
            }
            At::Comment | At::Data | At::Instruction => {
                self.tail = [self.tail[1], self.tail[2], byte];
                if self.at == At::Data {
                    self.hold(&[byte]);
                }
                let is_end = match self.at {
                    At::Comment => self.tail == *b"-->",
                    At::Data => self.tail == *b"]]>",
                    _ => self.tail.ends_with(b"?>"),
                };
                if is_end {
                    self.at = At::Text;
                }
            }
        }
        Ok(())
    }

    fn begin_tag(&mut self) {
        self.tag.clear();
        self.tag.push(b'<');
        self.is_overlong = false;
        self.at = At::Tag(None);
    }

    /// What begins like a tag and is none shows itself by its first bytes.
    fn no_tag(&mut self) -> Result<(), BadFile> {
        self.at = match self.tag.as_slice() {
            b"<!--" => At::Comment,
            b"<![CDATA[" => {
                let begun = std::mem::take(&mut self.tag);
                self.hold(&begun);
                At::Data
            }
            b"<?" => At::Instruction,
            tag if tag.eq_ignore_ascii_case(b"<!doctype") => return Err(BadFile::DocumentType),
            _ => return Ok(()),
        };
        self.tail = [0; 3];
        Ok(())
    }

    fn torn(&mut self, to: &mut impl Hear) {
        if !self.names.is_empty() {
            self.must.get_or_insert_with(|| "must be XML".to_owned());
        } else if !std::mem::replace(&mut self.is_torn, true) {
            to.torn();
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.names.is_empty() || self.must.is_some() {
            return;
        }
        if self.held.len() + bytes.len() > RECORD_BYTES_MAX {
            self.must = Some(format!("must be at most {RECORD_BYTES_MAX} bytes long"));
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    fn end_tag(&mut self, to: &mut impl Hear) -> Result<(), BadFile> {
        self.at = At::Text;
        let tag = std::mem::take(&mut self.tag);
        let name = name_of(&tag);
        let result = if self.is_overlong {
            self.torn(to);
            Ok(())
        } else if tag.starts_with(b"</") {
            self.close(name, &tag, to)
        } else {
            self.open(name, &tag, to)
        };
        self.tag = tag;
        result
    }

    fn close(&mut self, name: &[u8], tag: &[u8], to: &mut impl Hear) -> Result<(), BadFile> {
        if let Some(depth) = self.names.iter().rposition(|open| open == name) {
            self.hold(tag);
            // Whether what lies deeper was closed in its order is for the record's reader to say.
            if depth == 0 {
                return self.finish(to);
            }
            self.names.truncate(depth);
            return Ok(());
        }
        let Some(depth) = self.heads.iter().rposition(|head| name_of(head) == name) else {
            self.torn(to);
            return Ok(());
        };
        self.cut_off(to)?;
        if depth + 1 != self.heads.len() {
            self.torn(to);
        }
        self.heads.truncate(depth);
        self.is_torn = false;
        Ok(())
    }

    fn open(&mut self, name: &[u8], tag: &[u8], to: &mut impl Hear) -> Result<(), BadFile> {
        let is_empty = tag.ends_with(b"/>");
        if !self.names.is_empty() && !to.is_record(name) {
            self.hold(tag);
            if self.names.len() + self.heads.len() == XML_DEPTH_MAX {
                let must = format!("must not be nested more than {XML_DEPTH_MAX} deep");
                self.must.get_or_insert(must);
            } else if !is_empty {
                self.names.push(name.to_vec());
            }
            return Ok(());
        }
        // A record never lies within another one: that one was not closed.
        self.cut_off(to)?;
        if self.heads.is_empty() && std::mem::replace(&mut self.was_rooted, true) {
            self.torn(to);
            return Ok(());
        }
        self.is_torn = false;
        self.heads.push(tag.to_vec());
        let goes_into = to.opened(&self.heads)?;
        if !goes_into || is_empty {
            self.heads.pop();
        }
        if !goes_into {
            self.names.push(name.to_vec());
            self.hold(tag);
            if is_empty {
                return self.finish(to);
            }
        }
        Ok(())
    }

    /// Ends a record that was not closed.
    fn cut_off(&mut self, to: &mut impl Hear) -> Result<(), BadFile> {
        if self.names.is_empty() {
            return Ok(());
        }
        self.must.get_or_insert_with(|| "must be closed".to_owned());
        self.finish(to)
    }

    fn finish(&mut self, to: &mut impl Hear) -> Result<(), BadFile> {
        self.names.clear();
        let result = match self.must.take() {
            Some(must) => to.element(&self.heads, Err(must)),
            None => to.element(&self.heads, Ok(&self.held)),
        };
        self.held.clear();
        result
    }
}
