//! Authenticated encryption of one value: AES-256-GCM in chunks, under a key of its own for each session.
//!
//! A sealed value is `01 ‖ key id (4) ‖ session (16) ‖ first nonce counter (8) ‖ chunks`, each chunk being at most
//! [`CHUNK_BYTES`] of text and its 16-byte tag. The session key is HKDF-SHA256(master, session); within a session every
//! chunk has the next number as its nonce, so that no nonce is ever used twice however much is sealed.
//! Associated data are the place of the value, its length in chunks, and the chunk's number.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

/// Bytes of text in one chunk.
pub const CHUNK_BYTES: usize = 64 * 1024;
const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + 4 + 16 + 8;

/// Id of a master key.
pub type KeyId = [u8; 4];
/// Salt of a session key.
pub type Session = [u8; 16];

/// Why a sealed value was not opened: it, or its place, is not what was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a sealed value.
    #[error("not a sealed value")]
    Format,
    /// Sealed under a key that is not in the ring.
    #[error("sealed under an unknown key")]
    Key,
    /// Changed, or moved to another place.
    #[error("sealed value does not belong here or was changed")]
    Forged,
}

/// The place a sealed value belongs to: a table or file, and its key there. Parts are kept apart by their lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<u8>);

impl Place {
    /// A place in the table or file `table`.
    #[must_use]
    pub fn of(table: &str) -> Self {
        Self(Vec::with_capacity(64)).text(table)
    }

    /// With a further part of bytes.
    #[must_use]
    pub fn bytes(mut self, part: &[u8]) -> Self {
        self.0.extend((part.len() as u64).to_be_bytes());
        self.0.extend(part);
        self
    }

    /// With a further part of text.
    #[must_use]
    pub fn text(self, part: &str) -> Self {
        self.bytes(part.as_bytes())
    }

    /// With a further number.
    #[must_use]
    pub fn number(self, part: u64) -> Self {
        self.bytes(&part.to_be_bytes())
    }

    /// The parts, each behind its length.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn aad(&self, chunk: u64, chunks: u64) -> Aad<Vec<u8>> {
        let mut bytes = self.0.clone();
        bytes.extend(chunk.to_be_bytes());
        bytes.extend(chunks.to_be_bytes());
        Aad::from(bytes)
    }
}

/// Derives 32 bytes for one purpose (RFC 5869).
pub(super) fn derive(secret: &[u8], salt: &[u8], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[purpose.as_bytes()], HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("32 bytes are within what HKDF-SHA256 gives");
    out
}

/// The key of a session.
pub(super) fn session_key(master: &[u8; 32], session: &Session) -> LessSafeKey {
    let bytes = derive(master, session, "bulwark seal v1");
    LessSafeKey::new(
        UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("32 bytes are an AES-256 key"),
    )
}

/// Chunks that a text of `bytes` takes; an empty one takes one.
pub(super) const fn chunks(bytes: usize) -> usize {
    if bytes == 0 { 1 } else { bytes.div_ceil(CHUNK_BYTES) }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Seals `text` for `place`; `first` and the chunks' counters after it belong to this call alone.
pub(super) fn seal(
    key: &LessSafeKey,
    id: KeyId,
    session: &Session,
    first: u64,
    place: &Place,
    text: &[u8],
) -> Vec<u8> {
    let count = chunks(text.len());
    let mut out = Vec::with_capacity(HEADER_BYTES + text.len() + count * TAG_BYTES);
    out.push(VERSION);
    out.extend(id);
    out.extend(session);
    out.extend(first.to_be_bytes());
    for chunk in 0..count {
        let begin = chunk * CHUNK_BYTES;
        let end = text.len().min(begin + CHUNK_BYTES);
        let at = out.len();
        out.extend(&text[begin..end]);
        let aad = place.aad(chunk as u64, count as u64);
        let tag = key
            .seal_in_place_separate_tag(nonce(first + chunk as u64), aad, &mut out[at..])
            .expect("a chunk is within what AES-GCM takes");
        out.extend(tag.as_ref());
    }
    out
}

/// Under which key and in which session a value was sealed.
pub(super) fn header(sealed: &[u8]) -> Result<(KeyId, Session), SealError> {
    let (head, rest) = sealed.split_first_chunk::<HEADER_BYTES>().ok_or(SealError::Format)?;
    if head[0] != VERSION || rest.len() < TAG_BYTES {
        return Err(SealError::Format);
    }
    let mut id = KeyId::default();
    let mut session = Session::default();
    id.copy_from_slice(&head[1..5]);
    session.copy_from_slice(&head[5..21]);
    Ok((id, session))
}

/// Opens a value sealed for `place`, with the memory of the value itself, and appends its text to `out`.
///
/// # Errors
/// [`SealError`]; `out` may then have grown by the chunks before.
pub(super) fn open_onto(
    key: &LessSafeKey,
    place: &Place,
    sealed: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let (head, body) = sealed.split_first_chunk_mut::<HEADER_BYTES>().ok_or(SealError::Format)?;
    let mut first = [0; 8];
    first.copy_from_slice(&head[21..]);
    let first = u64::from_be_bytes(first);
    let count = body.len().div_ceil(CHUNK_BYTES + TAG_BYTES) as u64;
    out.reserve(body.len());
    for (n, chunk) in body.chunks_mut(CHUNK_BYTES + TAG_BYTES).enumerate() {
        let counter = first.checked_add(n as u64).ok_or(SealError::Forged)?;
        let text = key
            .open_in_place(nonce(counter), place.aad(n as u64, count), chunk)
            .map_err(|_| SealError::Forged)?;
        out.extend_from_slice(text);
    }
    Ok(())
}
