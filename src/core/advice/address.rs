//! The canonical form of an address: one text for all the ways in which one resource can be written.
//!
//! The form is that of Safe Browsing version 4, with the query kept, and with the steps repeated that come to rest only
//! when repeated. Law: `canonical(canonical(x)) == canonical(x)`; the result is ASCII.

/// Longest address that is read, in bytes.
pub(super) const BYTES_MAX: usize = 4096;
/// Rounds after which a host must have come to rest.
const ROUNDS_MAX: usize = 8;

/// `host/path[?query]` of an address: without scheme, user, port and fragment. Nothing where it has no host.
pub(super) fn canonical(raw: &str) -> Option<String> {
    if raw.len() > BYTES_MAX {
        return None;
    }
    let raw = raw.split('#').next()?;
    let raw = raw.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let mut bytes: Vec<u8> =
        raw.bytes().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')).collect();
    // Each round is shorter by two bytes at least.
    while let Some(shorter) = unescaped(&bytes) {
        bytes = shorter;
    }
    let text = escaped(&bytes);
    let rest = after_scheme(&text)?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut canonical = host_of(host)?;
    canonical.push_str(&path_of(path));
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        canonical.push('?');
        canonical.push_str(query);
    }
    Some(canonical)
}

/// With every escape taken back, once; nothing where there is none.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let mut to = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                to.push((high << 4 | low) as u8);
                at += 3;
            }
            (byte, ..) => {
                to.push(byte);
                at += 1;
            }
        }
    }
    (to.len() < bytes.len()).then_some(to)
}

fn escaped(bytes: &[u8]) -> String {
    let mut to = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0..=0x20 | 0x7f.. | b'#' | b'%' => to.push_str(&format!("%{byte:02X}")),
            _ => to.push(char::from(*byte)),
        }
    }
    to
}

/// What follows the scheme. A scheme that is not there is HTTP.
fn after_scheme(text: &str) -> Option<&str> {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let end = text.find(|c| !is_of_scheme(c)).unwrap_or(text.len());
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == ':');
    match text[end..].strip_prefix(':') {
        Some(rest) if begins => rest.strip_prefix("//").filter(|_| end > 0),
        _ => Some(text),
    }
}

fn host_of(escaped_host: &str) -> Option<String> {
    let host = escaped_host.rsplit('@').next()?;
    let mut host = host.to_owned();
    for _ in 0..ROUNDS_MAX {
        let next = host_once(&host)?;
        if next == host {
            return Some(host);
        }
        host = next;
    }
    None
}

fn host_once(host: &str) -> Option<String> {
    let host = bare(host);
    if host.is_empty() {
        return None;
    }
    if host.contains(['[', ']']) {
        let inner = host.strip_prefix('[')?.strip_suffix(']')?;
        let is_good = inner.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c));
        return (is_good && !inner.is_empty()).then(|| host.to_ascii_lowercase());
    }
    let plain = unescaped(host.as_bytes()).unwrap_or_else(|| host.as_bytes().to_vec());
    if let Some(address) = ipv4(&plain) {
        return Some(address);
    }
    if let Some(name) = international(&plain) {
        return Some(name);
    }
    Some(lower(&host))
}

/// Without port and needless dots.
fn bare(host: &str) -> String {
    let mut host = host.to_owned();
    loop {
        let before = host.len();
        if !host.ends_with(']')
            && let Some((name, port)) = host.rsplit_once(':')
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            host.truncate(name.len());
        }
        while host.contains("..") {
            host = host.replace("..", ".");
        }
        host = host.trim_matches('.').to_owned();
        if host.len() == before {
            return host;
        }
    }
}

/// In lower case, but for the digits of escapes.
fn lower(host: &str) -> String {
    let mut of_escape = 0;
    let low = |c: char| {
        if of_escape > 0 {
            of_escape -= 1;
            return c;
        }
        of_escape = if c == '%' { 2 } else { 0 };
        c.to_ascii_lowercase()
    };
    host.chars().map(low).collect()
}

/// The ASCII form of a name in other letters; nothing where it is none: it stays escaped then.
fn international(host: &[u8]) -> Option<String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.is_ascii() || !host.iter().all(|byte| !byte.is_ascii() || is_of_name(*byte)) {
        return None;
    }
    let name = str::from_utf8(host).ok()?;
    let name = idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::EMPTY).ok()?;
    (!name.is_empty() && name.bytes().all(is_of_name)).then(|| name.to_ascii_lowercase())
}

/// An address of four numbers in any spelling.
fn ipv4(host: &[u8]) -> Option<String> {
    let host = str::from_utf8(host).ok()?.to_ascii_lowercase();
    let host = match host.split_once(' ') {
        Some((quad, _)) if host.len() <= 15 && is_quad(quad) => quad,
        _ => &host,
    };
    let parts: Vec<u64> = host.split('.').map(part).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut bytes = [0_u8; 4];
    for (byte, part) in bytes.iter_mut().zip(first) {
        *byte = part.to_be_bytes()[7];
    }
    let rest = 4 - first.len();
    bytes[first.len()..].copy_from_slice(&last.to_be_bytes()[8 - rest..]);
    Some(bytes.map(|byte| byte.to_string()).join("."))
}

fn is_quad(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 4
        && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A number of 32 bits: hexadecimal after `0x`, octal after `0`, else decimal.
fn part(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| is_plain)?;
    u32::try_from(number).is_ok().then_some(number)
}

/// With `.` and `..` followed and slashes single. A slash at the end stays.
fn path_of(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for piece in path.split('/') {
        match piece {
            "" | "." => {}
            ".." => drop(kept.pop()),
            piece => kept.push(piece),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}
