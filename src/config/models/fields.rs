//! A table of a file that is read key by key, so that what nobody asked for is found, too.

use crate::config::mistake::{Mistake, Mistakes};
use crate::config::value::Value;
use std::cell::RefCell;

/// Mistakes that were found in one file.
pub struct Found {
    source: String,
    mistakes: RefCell<Vec<Mistake>>,
}

impl Found {
    /// None yet.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), mistakes: RefCell::default() }
    }

    /// Adds one.
    pub fn wrong(&self, place: &str, problem: &str) {
        self.mistakes.borrow_mut().push(Mistake::new(&self.source, place, problem));
    }

    /// What was read, where there was no mistake.
    ///
    /// # Errors
    /// All of them.
    pub fn end<V>(self, read: V) -> Result<V, Mistakes> {
        let mistakes = self.mistakes.into_inner();
        if mistakes.is_empty() { Ok(read) } else { Err(Mistakes(mistakes)) }
    }
}

/// One table. What is read is taken out of it.
pub struct Fields<'f> {
    found: &'f Found,
    place: String,
    table: toml::Table,
}

impl<'f> Fields<'f> {
    /// A table at a place of the file; empty for the file itself.
    pub fn new(found: &'f Found, place: &str, table: toml::Table) -> Self {
        Self { found, place: place.to_owned(), table }
    }

    /// Where it is.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Says what is wrong with a key.
    pub fn wrong(&self, key: &str, problem: &str) {
        self.found.wrong(&self.at(key), problem);
    }

    /// Says what is wrong with the table itself; what is in it is passed over.
    pub fn wrong_whole(&self, problem: &str) {
        self.found.wrong(&self.place, problem);
    }

    /// Ends reading: whatever is left is a mistake, never passed over.
    pub fn done(self) {
        for key in self.table.keys() {
            self.wrong(key, "is nothing that can be said here");
        }
    }

    /// Whether something is said of a key.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Passes over what is said of a key.
    pub fn drop(&mut self, key: &str) {
        self.table.remove(key);
    }

    /// What is said of a key, as a setting of that kind; the default where nothing is.
    pub fn value<V: Value>(&mut self, key: &str, default: V) -> Option<V> {
        let text = match self.table.remove(key) {
            None => return Some(default),
            Some(toml::Value::String(text)) => text,
            Some(toml::Value::Integer(number)) => number.to_string(),
            Some(toml::Value::Boolean(truth)) => truth.to_string(),
            Some(_) => {
                self.wrong(key, "must be a text, a whole number, true or false");
                return None;
            }
        };
        let read = V::read(&text);
        read.inspect_err(|problem| self.wrong(key, problem)).ok()
    }

    /// A text, commas and all; the default where nothing is said.
    pub fn text_or(&mut self, key: &str, default: &str) -> Option<String> {
        match self.table.remove(key) {
            None => Some(default.to_owned()),
            Some(toml::Value::String(text)) => Some(text),
            Some(_) => {
                self.wrong(key, "must be a text");
                None
            }
        }
    }

    /// A text that has to be there.
    pub fn text(&mut self, key: &str) -> Option<String> {
        if !self.has(key) {
            self.wrong(key, "must be set");
            return None;
        }
        self.text_or(key, "")
    }

    /// A whole number; the default where nothing is said.
    pub fn whole(&mut self, key: &str, default: u32) -> Option<u32> {
        self.value(key, default)
    }

    /// A whole number that has to be there.
    pub fn whole_set(&mut self, key: &str) -> Option<u32> {
        if !self.has(key) {
            self.wrong(key, "must be set");
            return None;
        }
        self.value(key, 0)
    }

    /// A number that has to be there.
    pub fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.table.remove(key);
        let read = value.as_ref().and_then(number);
        if read.is_none() {
            self.wrong(key, "must be a number");
        }
        read
    }

    /// So many numbers; the default, so many times, where nothing is said.
    pub fn numbers(&mut self, key: &str, count: usize, default: f64) -> Option<Vec<f64>> {
        let read = match self.table.remove(key) {
            None => Some(vec![default; count]),
            Some(toml::Value::Array(values)) => values.iter().map(number).collect(),
            Some(_) => None,
        };
        let read = read.filter(|numbers: &Vec<f64>| numbers.len() == count);
        if read.is_none() {
            self.wrong(key, &format!("must be a list of {count} numbers"));
        }
        read
    }

    /// Pairs of numbers.
    pub fn pairs(&mut self, key: &str) -> Option<Vec<(f64, f64)>> {
        let pair = |value: &toml::Value| match value.as_array()?.as_slice() {
            [left, right] => Some((number(left)?, number(right)?)),
            _ => None,
        };
        let value = self.table.remove(key);
        let pairs = value.as_ref().and_then(toml::Value::as_array);
        let read = pairs.and_then(|pairs| pairs.iter().map(pair).collect());
        if read.is_none() {
            self.wrong(key, "must be a list of pairs of numbers");
        }
        read
    }

    /// One of a few words, which has to be there.
    pub fn word<W: Copy>(&mut self, key: &str, words: &[(&str, W)]) -> Option<W> {
        let text = self.text(key)?;
        self.known(key, &text, words)
    }

    /// One of a few words; the default where nothing is said.
    pub fn word_or<W: Copy>(&mut self, key: &str, words: &[(&str, W)], default: W) -> Option<W> {
        if self.has(key) { self.word(key, words) } else { Some(default) }
    }

    /// Several of a few words; none where nothing is said.
    pub fn words<W: Copy>(&mut self, key: &str, words: &[(&str, W)]) -> Option<Vec<W>> {
        let texts = self.texts(key)?;
        texts.iter().map(|text| self.known(key, text, words)).collect()
    }

    fn known<W: Copy>(&self, key: &str, text: &str, words: &[(&str, W)]) -> Option<W> {
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, known)| *known);
        if known.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(key, &format!("must be one of {}", all.join(", ")));
        }
        known
    }

    /// Texts; none where nothing is said.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let text = |value: toml::Value| match value {
            toml::Value::String(text) => Some(text),
            _ => None,
        };
        let read = match self.table.remove(key) {
            None => Some(Vec::new()),
            Some(toml::Value::Array(values)) => values.into_iter().map(text).collect(),
            Some(_) => None,
        };
        if read.is_none() {
            self.wrong(key, "must be a list of texts");
        }
        read
    }

    /// A table within this one, which has to be there.
    pub fn inner(&mut self, key: &str) -> Option<Self> {
        match self.table.remove(key) {
            Some(toml::Value::Table(table)) => Some(Self::new(self.found, &self.at(key), table)),
            _ => {
                self.wrong(key, "must be a table");
                None
            }
        }
    }

    /// Tables within this one by their names; none where nothing is said.
    pub fn named(&mut self, key: &str) -> Vec<(String, Self)> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let toml::Value::Table(tables) = value else {
            self.wrong(key, "must be tables with a name each");
            return Vec::new();
        };
        let mut named = Vec::new();
        for (name, value) in tables {
            let place = format!("{}.{name}", self.at(key));
            match value {
                toml::Value::Table(table) => {
                    named.push((name, Self::new(self.found, &place, table)));
                }
                _ => self.found.wrong(&place, "must be a table"),
            }
        }
        named
    }

    /// A list of tables within this one; none where nothing is said.
    pub fn several(&mut self, key: &str) -> Vec<Self> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let toml::Value::Array(values) = value else {
            self.wrong(key, "must be a list of tables");
            return Vec::new();
        };
        let mut several = Vec::new();
        for (number, value) in values.into_iter().enumerate() {
            let place = format!("{}[{number}]", self.at(key));
            match value {
                toml::Value::Table(table) => several.push(Self::new(self.found, &place, table)),
                _ => self.found.wrong(&place, "must be a table"),
            }
        }
        several
    }
}

fn number(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Float(number) => Some(*number),
        // Larger ones than a number with a point holds exactly are nothing that anybody writes here.
        toml::Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
        _ => None,
    }
}
