//! Statements that are run one after the other.

use super::value::Value;

/// Sizes of multi-row statements: few distinct texts, so that each is prepared once.
const ROWS_SIZES: [usize; 4] = [256, 32, 4, 1];

/// Statements that are run one after the other, without looking at what the first ones give.
#[derive(Default)]
pub struct Batch(pub(super) Vec<(String, Vec<Value>)>);

impl Batch {
    /// Adds a statement; its placeholders are `?`, in the order of the values.
    pub fn push(&mut self, sql: &str, values: Vec<Value>) {
        self.0.push((sql.to_owned(), values));
    }

    /// Adds the insertion of rows of `width` values each; `head` ends before VALUES, `tail` follows them.
    pub fn insert(&mut self, head: &str, width: usize, tail: &str, values: Vec<Value>) {
        let mut left = values.len() / width.max(1);
        let mut values = values.into_iter();
        while left > 0 {
            let size = ROWS_SIZES.into_iter().find(|size| *size <= left).unwrap_or(1);
            // SQLite finds a numbered placeholder's name by walking all of them; nameless ones cost nothing.
            let row = format!("({}?)", "?, ".repeat(width.saturating_sub(1)));
            let sql = format!("{head} VALUES {}{row} {tail}", format!("{row}, ").repeat(size - 1));
            self.0.push((sql, values.by_ref().take(size * width).collect()));
            left -= size;
        }
    }
}
