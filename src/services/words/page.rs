//! Pages of lists (AIP-158): how many rows, and where to go on.

use crate::services::words::fields::Fields;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Rows of a page when the caller asks for none in particular.
pub const ROWS_USUAL: u32 = 50;
/// Most rows of a page.
pub const ROWS_MAX: u32 = 1000;

/// Which rows a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The name after which the page begins.
    pub after: Option<String>,
    /// Most rows.
    pub rows: u32,
}

/// Reads size and token. `list` is the list the token must be of.
pub fn read(fields: &mut Fields, list: &str, size: u32, token: &str) -> Option<Page> {
    let rows = if size == 0 { ROWS_USUAL } else { size.min(ROWS_MAX) };
    if token.is_empty() {
        return Some(Page { after: None, rows });
    }
    let after = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(&format!("{list}\n")).map(str::to_owned));
    if after.is_none() {
        fields.fault("page_token", "must be the next_page_token of an answer of this list");
    }
    Some(Page { after: Some(after?), rows })
}

/// Writes the token of the page after `last`, where more rows follow; empty where none do.
#[must_use]
pub fn token(list: &str, last: Option<&str>, more: bool) -> String {
    match last {
        Some(last) if more => URL_SAFE_NO_PAD.encode(format!("{list}\n{last}")),
        _ => String::new(),
    }
}

/// The token of the page after the first `rows` of what was found, where more was.
#[must_use]
pub fn more<T>(list: &str, found: &[T], rows: u32, name: impl Fn(&T) -> String) -> String {
    let rows = rows as usize;
    let last = found.get(rows.saturating_sub(1)).map(name);
    token(list, last.as_deref(), found.len() > rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let written = token("banks", Some("b-7"), true);
        let mut fields = Fields::default();
        let page = read(&mut fields, "banks", 0, &written).unwrap();
        assert_eq!(page, Page { after: Some("b-7".into()), rows: ROWS_USUAL });
        assert_eq!(read(&mut fields, "entries", 0, &written), None);
        assert_eq!(read(&mut fields, "banks", 0, "*"), None);
        assert_eq!(token("banks", Some("b"), false), "");
    }
}
