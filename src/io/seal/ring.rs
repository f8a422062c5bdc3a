//! The key ring: the file of all keys of a data directory, and what is done with them.
//!
//! The file is JSON, readable by its owner only. Keys are added by rotation and never taken away: what was sealed or
//! signed under an earlier key stays readable. The look-up key never changes, since rows are found by it.

mod opening;
mod signing;
mod wrapping;

use super::cipher::{self, KeyId, Place, Session};
use crate::core::id::TenantId;
use crate::core::journal::envelope::Pseudonym;
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::io::clock::Clock;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Format of the file.
const FORMAT: u32 = 1;
/// Values sealed in one session before the next begins.
const SESSION_SEALS_MAX: u64 = 1 << 31;

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The file cannot be read or written.
    #[error("key ring cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// Others than the owner may read the file.
    #[error("key ring is open to others than its owner: set its mode to 0600")]
    Mode,
    /// Not a key ring.
    #[error("key ring is damaged or of another format")]
    Format,
    /// The wrapped ring does not open.
    #[error(
        "the wrapped key ring does not open: the pass phrase is another one, or the file was changed"
    )]
    Unwrapped,
}

/// 32 secret bytes that leave no trace in memory or in `{:?}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Secret(#[serde(with = "hex::serde")] [u8; 32]);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What is written: one generation of keys.
#[derive(Clone, Serialize, Deserialize)]
struct Generation {
    /// Names what was sealed under it.
    #[serde(with = "hex::serde")]
    id: KeyId,
    created: Time,
    /// Everything sealed derives its keys from this.
    master: Secret,
    /// Public part of the key that signs checkpoints.
    #[serde(with = "hex::serde")]
    verifier: [u8; 32],
    /// Its seed; taken away when the next generation begins.
    signer: Option<Secret>,
}

#[derive(Clone, Serialize, Deserialize)]
struct File {
    format: u32,
    /// Name of the log in its checkpoints.
    origin: String,
    lookup: Secret,
    /// In the order in which they were made; the last one is in use.
    generations: Vec<Generation>,
}

/// The session in which values are being sealed.
struct Running {
    session: Session,
    key: Arc<LessSafeKey>,
    next: u64,
}

/// All keys of a data directory.
pub struct KeyRing {
    file: File,
    signer: Ed25519KeyPair,
    fingerprint: hmac::Key,
    pseudonym: hmac::Key,
    marks: hmac::Key,
    running: Mutex<Running>,
    sessions: RwLock<HashMap<(KeyId, Session), Arc<LessSafeKey>>>,
    clock: Clock,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({})", hex::encode(self.newest().id))
    }
}

fn generation(clock: &Clock) -> Generation {
    let seed = Secret(clock.random());
    let pair = pair(&seed);
    let mut verifier = [0; 32];
    verifier.copy_from_slice(pair.public_key().as_ref());
    Generation {
        id: clock.random(),
        created: clock.now(),
        master: Secret(clock.random()),
        verifier,
        signer: Some(seed),
    }
}

fn pair(seed: &Secret) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&seed.0).expect("32 bytes are an Ed25519 seed")
}

impl KeyRing {
    /// A fresh ring, in memory only.
    ///
    /// # Panics
    /// Never: a fresh ring is well formed.
    #[must_use]
    pub fn generate(clock: &Clock) -> Self {
        let origin = format!("bulwark.local/{}", hex::encode(clock.random::<8>()));
        let file = File {
            format: FORMAT,
            origin,
            lookup: Secret(clock.random()),
            generations: vec![generation(clock)],
        };
        Self::from_file(file, clock).expect("a fresh ring is well formed")
    }

    /// Makes a fresh ring and writes it to a file that must not exist yet. The file is there whole or not at all: it is
    /// written and synced beside its place, and linked into it, which never replaces another.
    ///
    /// # Errors
    /// [`RingError::Io`] where the file exists or cannot be written.
    pub fn create(path: &Path, clock: &Clock) -> Result<Self, RingError> {
        let ring = Self::generate(clock);
        let beside = ring.write_beside(path)?;
        let linked = std::fs::hard_link(&beside, path);
        let removed = std::fs::remove_file(&beside);
        linked?;
        removed?;
        sync_parent(path)?;
        Ok(ring)
    }

    /// Reads a ring.
    ///
    /// # Errors
    /// [`RingError`] where the file is missing, open to others, or damaged.
    pub fn load(path: &Path, clock: &Clock) -> Result<Self, RingError> {
        if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            return Err(RingError::Mode);
        }
        let text = Zeroizing::new(std::fs::read(path)?);
        let file: File = serde_json::from_slice(&text).map_err(|_| RingError::Format)?;
        Self::from_file(file, clock).ok_or(RingError::Format)
    }

    /// Begins a new generation of keys and writes the ring anew. The look-up key and the log's name stay.
    ///
    /// # Errors
    /// [`RingError::Io`] where the file cannot be written; the old file is in force then.
    pub fn rotate(&self, path: &Path) -> Result<Self, RingError> {
        let mut file = self.file.clone();
        for old in &mut file.generations {
            old.signer = None;
        }
        file.generations.push(generation(&self.clock));
        let next = Self::from_file(file, &self.clock).ok_or(RingError::Format)?;
        let beside = next.write_beside(path)?;
        std::fs::rename(&beside, path)?;
        sync_parent(path)?;
        Ok(next)
    }

    /// Writes the ring to a file of its own beside `path`, and gives that file. Its name is fresh: whoever else makes a
    /// ring at the same moment writes another.
    fn write_beside(&self, path: &Path) -> Result<PathBuf, RingError> {
        let text =
            Zeroizing::new(serde_json::to_vec_pretty(&self.file).map_err(|_| RingError::Format)?);
        let beside = path.with_extension(format!("{}.new", hex::encode(self.clock.random::<8>())));
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // What was not written whole is of no use, and holds keys.
            let _ = std::fs::remove_file(&beside);
            return Err(error.into());
        }
        Ok(beside)
    }

    fn from_file(file: File, clock: &Clock) -> Option<Self> {
        let newest = file.generations.last()?;
        let signer = pair(newest.signer.as_ref()?);
        if file.format != FORMAT || signer.public_key().as_ref() != newest.verifier {
            return None;
        }
        let mac = |purpose| {
            hmac::Key::new(
                hmac::HMAC_SHA256,
                cipher::derive(&file.lookup.0, &[], purpose).as_slice(),
            )
        };
        let (fingerprint, pseudonym) =
            (mac("bulwark fingerprint v1"), mac("bulwark tenant pseudonym v1"));
        let marks = mac("bulwark mark v1");
        let session = clock.random();
        let key = Arc::new(cipher::session_key(&newest.master.0, &session));
        let running = Mutex::new(Running { session, key, next: 0 });
        let sessions = RwLock::default();
        let clock = clock.clone();
        Some(Self { signer, fingerprint, pseudonym, marks, running, sessions, clock, file })
    }

    fn newest(&self) -> &Generation {
        self.file.generations.last().expect("a ring has a generation")
    }

    /// Name of the log in its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.file.origin
    }

    /// Seals `text` for `place`.
    #[must_use]
    pub fn seal(&self, place: &Place, text: &[u8]) -> Vec<u8> {
        let chunks = cipher::chunks(text.len()) as u64;
        let (session, key, first) = {
            let mut running = self.running.lock();
            if running.next >= SESSION_SEALS_MAX {
                running.session = self.clock.random();
                running.key =
                    Arc::new(cipher::session_key(&self.newest().master.0, &running.session));
                running.next = 0;
            }
            let first = running.next;
            running.next += chunks;
            (running.session, Arc::clone(&running.key), first)
        };
        cipher::seal(&key, self.newest().id, &session, first, place, text)
    }

    /// Fingerprint under which a signal's row is found.
    #[must_use]
    pub fn fingerprint(&self, signal: &Signal) -> [u8; 32] {
        mac(&self.fingerprint, &[signal.kind().to_string().as_bytes(), &signal.bytes()])
    }

    /// Fingerprint of a text that need not stand in rows, such as a request's key.
    #[must_use]
    pub fn text_fingerprint(&self, purpose: &str, text: &str) -> [u8; 32] {
        mac(&self.fingerprint, &[purpose.as_bytes(), text.as_bytes()])
    }

    /// What stands for a tenant in public.
    #[must_use]
    pub fn pseudonym(&self, tenant: &TenantId) -> Pseudonym {
        let mut short = [0; 16];
        short.copy_from_slice(&mac(&self.pseudonym, &[tenant.as_str().as_bytes()])[..16]);
        short
    }

    /// Authenticates plain values of a row.
    #[must_use]
    pub fn mark(&self, place: &Place) -> [u8; 32] {
        mac(&self.marks, &[&place.clone().into_bytes()])
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => std::fs::File::open(parent)?.sync_all(),
        _ => std::fs::File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::cipher::SealError;
    use super::*;
    use crate::core::signal::SignalType;
    use proptest::prelude::*;

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(&Clock::set(Time::from_millis(1_000), seed))
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_in_its_place_only(
            text in proptest::collection::vec(any::<u8>(), 0..300), at in any::<usize>(), bit in 0_u32..8
        ) {
            let ring = ring(1);
            let place = Place::of("t").text("a");
            let mut sealed = ring.seal(&place, &text);
            prop_assert_eq!(ring.open(&place, &sealed), Ok(text));
            prop_assert_eq!(
                ring.open(&Place::of("t").text("b"), &sealed), Err(SealError::Forged));
            let at = at % sealed.len();
            sealed[at] ^= 1_u8 << bit;
            prop_assert!(ring.open(&place, &sealed).is_err());
        }
    }

    #[test]
    fn a_long_value_cannot_be_cut_or_reordered_by_chunks() {
        let ring = ring(2);
        let place = Place::of("t");
        for length in [0, 1, cipher::CHUNK_BYTES, cipher::CHUNK_BYTES + 1, 3 * cipher::CHUNK_BYTES]
        {
            let text: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            assert_eq!(ring.open(&place, &ring.seal(&place, &text)), Ok(text));
        }
        let sealed = ring.seal(&place, &vec![7; 3 * cipher::CHUNK_BYTES]);
        let step = cipher::CHUNK_BYTES + 16;
        assert!(ring.open(&place, &sealed[..sealed.len() - step]).is_err());
        let head = sealed.len() - 3 * step;
        let mut swapped = sealed[..head].to_vec();
        swapped.extend(&sealed[head + step..head + 2 * step]);
        swapped.extend(&sealed[head..head + step]);
        swapped.extend(&sealed[head + 2 * step..]);
        assert!(ring.open(&place, &swapped).is_err());
    }

    #[test]
    fn parts_of_a_place_do_not_run_into_each_other() {
        assert_ne!(Place::of("t").text("ab").text("c"), Place::of("t").text("a").text("bc"));
    }

    #[test]
    fn the_file_is_for_its_owner_only_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock = Clock::system();
        let ring = KeyRing::create(&path, &clock).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(KeyRing::create(&path, &clock).is_err());
        let sealed = ring.seal(&Place::of("t"), b"text");
        let again = KeyRing::load(&path, &clock).unwrap();
        assert_eq!(again.open(&Place::of("t"), &sealed), Ok(b"text".to_vec()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(KeyRing::load(&path, &clock), Err(RingError::Mode)));
    }

    #[test]
    fn a_ring_that_was_not_finished_is_not_in_its_place_and_does_not_stop_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock = Clock::system();
        // As after a crash while the file is being written.
        let beside = KeyRing::generate(&clock).write_beside(&path).unwrap();
        let whole = std::fs::read(&beside).unwrap();
        std::fs::write(&beside, &whole[..whole.len() / 2]).unwrap();
        assert!(!path.exists());
        let ring = KeyRing::create(&path, &clock).unwrap();
        assert_eq!(KeyRing::load(&path, &clock).unwrap().origin(), ring.origin());
    }

    #[test]
    fn of_many_who_make_a_ring_at_once_one_does_and_nobody_sees_half_of_it() {
        let clock = Clock::system();
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.json");
            let made: Vec<String> = std::thread::scope(|threads| {
                let reader = threads.spawn(|| {
                    while !path.exists() {}
                    KeyRing::load(&path, &clock).unwrap().origin().to_owned()
                });
                let makers: Vec<_> =
                    (0..4).map(|_| threads.spawn(|| KeyRing::create(&path, &clock))).collect();
                let made = makers.into_iter().filter_map(|maker| maker.join().unwrap().ok());
                let made: Vec<String> = made.map(|ring| ring.origin().to_owned()).collect();
                assert_eq!(made, [reader.join().unwrap()]);
                made
            });
            assert_eq!(KeyRing::load(&path, &clock).unwrap().origin(), made[0]);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
        }
    }

    #[test]
    fn after_a_rotation_what_was_sealed_and_signed_before_still_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock = Clock::system();
        let old = KeyRing::create(&path, &clock).unwrap();
        let (sealed, note) = (old.seal(&Place::of("t"), b"text"), old.sign(3, [4; 32]));
        let signal = Signal::parse(&SignalType::Md5, &"ab".repeat(16)).unwrap();
        old.rotate(&path).unwrap();
        let new = KeyRing::load(&path, &clock).unwrap();
        assert_eq!(new.open(&Place::of("t"), &sealed), Ok(b"text".to_vec()));
        assert_eq!(new.verify(&note).unwrap().size, 3);
        assert_eq!(new.fingerprint(&signal), old.fingerprint(&signal));
        assert_eq!(new.verifier_keys().len(), 2);
        assert!(old.verify(&new.sign(4, [4; 32])).is_none());
        assert_eq!(
            old.open(&Place::of("t"), &new.seal(&Place::of("t"), b"x")),
            Err(SealError::Key)
        );
    }

    #[test]
    fn a_changed_checkpoint_is_not_accepted() {
        let ring = ring(3);
        let note = ring.sign(7, [1; 32]);
        assert_eq!(ring.verify(&note).unwrap().root, [1; 32]);
        assert!(ring.verify(&note.replace("\n7\n", "\n8\n")).is_none());
        assert!(super::tests::ring(4).verify(&note).is_none());
    }

    #[test]
    fn debug_output_shows_no_key() {
        let ring = ring(5);
        assert_eq!(format!("{ring:?}").len(), "KeyRing(00000000)".len());
    }
}
