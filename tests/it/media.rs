//! Media through real jailed worker processes.

mod drawn;
mod hostile;
mod jail;
mod matrix;
mod pool;
pub mod clips;
mod video;
mod sloppy;

use bulwark::core::media::{Examined, Part};
use bulwark::core::signal::Bits256;
use bulwark::io::media::{Blob, Examiner, MediaSettings, SealedBlob};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_bulwark").into()
}

fn examiner(settings: MediaSettings) -> Examiner {
    Examiner::start(program(), MediaSettings { workers: settings.workers.min(2), ..settings })
}

/// One that decodes video with the `ffmpeg` of this machine, without which no test of video passes.
fn filmer(settings: MediaSettings) -> Examiner {
    let ffmpeg = Some(clips::ffmpeg());
    examiner(MediaSettings { ffmpeg, ..settings })
}

fn sealed(bytes: &[u8]) -> SealedBlob {
    let mut blob = Blob::new(1 << 30).unwrap();
    blob.write(bytes).unwrap();
    blob.seal().unwrap()
}

async fn examine(examiner: &Examiner, bytes: &[u8]) -> Examined {
    let deadline = Instant::now() + Duration::from_secs(60);
    examiner.examine(sealed(bytes), deadline).await
}

async fn whole(examiner: &Examiner, bytes: &[u8]) -> Part {
    examine(examiner, bytes).await.parts.swap_remove(0)
}

/// The least distance of any form and symmetry of what was found to a listed hash.
fn nearest(part: &Part, listed: &Bits256) -> u32 {
    let hashes = part.pictures.iter().flat_map(|picture| picture.hashes);
    hashes.map(|hash| hash.distance(listed)).min().unwrap_or(256)
}

/// A committed picture, see `tests/fixtures/draw.py`.
fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(path).unwrap()
}
