//! Worker processes that are hired, asked, killed when late, and replaced.

mod settings;
mod hired;
mod film;
mod filming;

pub use settings::MediaSettings;

use super::blob::SealedBlob;
use super::command::demuxer;
use super::examine::without_looking;
use super::found::Findings;
use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Examined, Format, Part, VideoFrame, sniff};
use crate::core::verdict::CheckState;
use crate::io::jail::Reached;
use film::Studio;
use filming::film;
use hired::{Hired, NotHired};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

/// How the examination of media stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminerStatus {
    /// The last worker that was hired entered its jail.
    pub ready: bool,
    /// Why not, in a few fixed words; empty when ready.
    pub why_not: String,
    /// Which walls stand around the last worker that was hired.
    pub walls: Option<Reached>,
    /// There is a program that decodes video.
    pub decodes_video: bool,
    /// Worker processes that live now.
    pub workers_alive: usize,
    /// Worker processes that there may be.
    pub workers_max: usize,
    /// Workers lost to a crash, a malformed answer or the clock since the start.
    pub restarts: u64,
}

/// What an examination also gives.
#[derive(Debug, Default)]
pub struct Wish<'a> {
    /// Sizes, width and height in pixels, that frames are made small to.
    pub thumbs: &'a [(u32, u32)],
    /// Who is told of each frame of a video as soon as it is hashed.
    pub frames: Option<UnboundedSender<VideoFrame>>,
}

/// Examines items in jailed worker processes; clones share the workers.
#[derive(Clone)]
pub struct Examiner {
    shared: Arc<Shared>,
}

struct Shared {
    program: PathBuf,
    settings: MediaSettings,
    /// One permit for each worker that may be busy.
    desks: Semaphore,
    /// One permit for each video that may be in work.
    video_desks: Semaphore,
    idle: Mutex<Vec<Hired>>,
    waiting: AtomicUsize,
    alive: Arc<AtomicUsize>,
    restarts: AtomicU64,
    last_hire: Mutex<Option<Result<Reached, String>>>,
}

/// The clock ended it.
const LATE: (CheckState, Reason) = (CheckState::Deadline, Reason::OutOfTime);

/// Counts an item that waits for a worker, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Examiner {
    /// Makes an examiner whose workers are `program worker`, and begins to hire them; must be called within a runtime.
    ///
    /// `program` is this program: `std::env::current_exe()`.
    #[must_use]
    pub fn start(program: PathBuf, settings: MediaSettings) -> Self {
        let (workers, videos) = (settings.workers.max(1), settings.videos.max(1));
        let shared = Arc::new(Shared {
            program,
            settings: MediaSettings { workers, videos, ..settings },
            desks: Semaphore::new(workers),
            video_desks: Semaphore::new(videos),
            idle: Mutex::new(Vec::new()),
            waiting: AtomicUsize::new(0),
            alive: Arc::new(AtomicUsize::new(0)),
            restarts: AtomicU64::new(0),
            last_hire: Mutex::new(None),
        });
        let early = Arc::clone(&shared);
        tokio::spawn(async move {
            for _ in 0..workers {
                // Who is busy at once with an item hires for itself.
                let Ok(_desk) = early.desks.acquire().await else { return };
                if early.alive.load(Ordering::Relaxed) < workers
                    && let Ok(worker) = early.hire().await
                {
                    early.idle.lock().push(worker);
                }
            }
        });
        Self { shared }
    }

    /// Examines an item until `deadline` at the latest. Never fails: what could not be done is a state of the parts.
    ///
    /// The digests of the whole are always there. Dropping the future kills the worker that was busy with the item.
    pub async fn examine(&self, blob: SealedBlob, deadline: Instant) -> Examined {
        self.examine_within(blob, &self.shared.settings.limits, None, deadline).await
    }

    /// The same with more than the hashes.
    pub async fn examine_for(
        &self,
        blob: SealedBlob,
        wish: Wish<'_>,
        deadline: Instant,
    ) -> Examined {
        let usual = self.shared.settings.limits.clone();
        let limits = MediaLimits { thumbs: wish.thumbs.to_vec(), ..usual };
        self.examine_within(blob, &limits, wish.frames, deadline).await
    }

    /// The same for hashes that will be kept or exchanged: each is canonical, whatever the settings are.
    pub async fn examine_canonically(&self, blob: SealedBlob, deadline: Instant) -> Examined {
        let usual = self.shared.settings.limits.clone();
        let limits = MediaLimits { by_coefficients: false, ..usual };
        self.examine_within(blob, &limits, None, deadline).await
    }

    async fn examine_within(
        &self,
        blob: SealedBlob,
        limits: &MediaLimits,
        frames: Option<UnboundedSender<VideoFrame>>,
        deadline: Instant,
    ) -> Examined {
        let format = sniff(blob.head());
        let shared = &self.shared;
        let parts = if let Some(ffmpeg) = shared.ffmpeg_for(format, &blob) {
            let (launcher, jail) = (&*shared.program, shared.settings.jail);
            let studio = Studio { launcher, ffmpeg, jail, limits };
            shared.film(&blob, format, (&studio, frames), deadline).await
        } else if let Some((image, video, reason)) = without_looking(format, blob.len()) {
            whole(format, image, video, reason)
        } else {
            shared.ask(&blob, format, limits, deadline).await
        };
        let mut examined = Examined { parts };
        if let Some(first) = examined.parts.first_mut() {
            first.digests = Some(*blob.digests());
            first.exact = CheckState::Checked;
        }
        examined
    }

    /// How long the examination of these bytes may take.
    #[must_use]
    pub fn time_max(&self, blob: &SealedBlob) -> Duration {
        let limits = &self.shared.settings.limits;
        match self.shared.ffmpeg_for(sniff(blob.head()), blob) {
            Some(_) => limits.video.time_max,
            None => limits.item_time_max,
        }
    }

    /// How it stands, for health and metrics.
    #[must_use]
    pub fn status(&self) -> ExaminerStatus {
        let last = self.shared.last_hire.lock().clone();
        let (walls, why_not) = match last {
            None => (None, "no worker was started yet".to_owned()),
            Some(Ok(walls)) => (Some(walls), String::new()),
            Some(Err(why)) => (None, why),
        };
        ExaminerStatus {
            ready: walls.is_some(),
            why_not,
            walls,
            decodes_video: self.shared.settings.ffmpeg.as_ref().is_some_and(|path| path.is_file()),
            workers_alive: self.shared.alive.load(Ordering::Relaxed),
            workers_max: self.shared.settings.workers,
            restarts: self.shared.restarts.load(Ordering::Relaxed),
        }
    }
}

fn whole(format: Format, image: CheckState, video: CheckState, reason: Reason) -> Vec<Part> {
    vec![Part {
        place: String::new(),
        format,
        digests: None,
        pictures: Vec::new(),
        frames: Vec::new(),
        exact: CheckState::Checked,
        image,
        video,
        reason: reason.text().to_owned(),
    }]
}

impl Shared {
    /// The program that decodes these bytes, where they are a video and there is one.
    fn ffmpeg_for(&self, format: Format, blob: &SealedBlob) -> Option<&Path> {
        let ffmpeg = self.settings.ffmpeg.as_deref();
        ffmpeg.filter(|_| demuxer(format, blob.head()).is_some() && !blob.is_empty())
    }

    /// Has a worker examine the item; twice, when the first one dies of it. What was found before an end that came too
    /// early is kept.
    async fn ask(
        &self,
        blob: &SealedBlob,
        format: Format,
        limits: &MediaLimits,
        deadline: Instant,
    ) -> Vec<Part> {
        // Nobody has looked at a byte: whatever the format, a video may stand behind it.
        let unseen = |(state, reason)| whole(format, state, state, reason);
        let end = tokio::time::Instant::from_std(deadline);
        let _desk = match self.desk(&self.desks, end).await {
            Ok(desk) => desk,
            Err(why) => return unseen(why),
        };
        let mut farthest = Findings::new(limits, format);
        let mut why = (CheckState::Corrupt, Reason::DecoderCrashed);
        for _ in 0..2 {
            let mut worker = match timeout_at(end, self.worker()).await {
                Err(_) => {
                    why = LATE;
                    break;
                }
                Ok(Err(not_hired)) => {
                    why = (CheckState::SourceUnavailable, not_hired.reason());
                    break;
                }
                Ok(Ok(worker)) => worker,
            };
            let mut findings = Findings::new(limits, format);
            let item_end = end.min(tokio::time::Instant::now() + limits.item_time_max);
            let asked = timeout_at(item_end, worker.ask(blob, limits, &mut findings)).await;
            if matches!(asked, Ok(Ok(())))
                && let Ok(parts) = findings.whole()
            {
                if worker.stays() {
                    self.idle.lock().push(worker);
                }
                return parts;
            }
            self.lost();
            if asked.is_err() {
                worker.last_words(limits, &mut findings);
            }
            // Dead, or it says what no honest worker says: dropping kills it.
            if findings.extent() > farthest.extent() {
                farthest = findings;
            }
            if asked.is_err() {
                why = LATE;
                break;
            }
        }
        let parts = farthest.broken_off(why.0, why.1);
        if parts.is_empty() { unseen(why) } else { parts }
    }

    /// Has a video examined by a worker of its own, which has seen what a hostile program made of it and is given nothing
    /// else. What was found before an end that came too early is kept; there is no second try.
    async fn film(
        &self,
        blob: &SealedBlob,
        format: Format,
        (studio, frames): (&Studio<'_>, Option<UnboundedSender<VideoFrame>>),
        deadline: Instant,
    ) -> Vec<Part> {
        let unseen = |(state, reason)| whole(format, state, state, reason);
        let end = tokio::time::Instant::from_std(deadline);
        let _desk = match self.desk(&self.video_desks, end).await {
            Ok(desk) => desk,
            Err(why) => return unseen(why),
        };
        let mut worker = match timeout_at(end, self.hire()).await {
            Err(_) => return unseen(LATE),
            Ok(Err(not_hired)) => {
                return unseen((CheckState::SourceUnavailable, not_hired.reason()));
            }
            Ok(Ok(worker)) => worker,
        };
        let limits = studio.limits;
        let mut findings = Findings::new(limits, format).telling(frames);
        let item_end = end.min(tokio::time::Instant::now() + limits.video.time_max);
        let filmed = film(studio, &mut worker, (blob, format), &mut findings);
        let why = match timeout_at(item_end, filmed).await {
            Ok(Ok(())) => match findings.whole() {
                Ok(parts) => return parts,
                Err(_) => (CheckState::Corrupt, Reason::DecoderCrashed),
            },
            Ok(Err(why)) => why,
            Err(_) => {
                worker.last_words(limits, &mut findings);
                LATE
            }
        };
        self.lost();
        let parts = findings.broken_off(why.0, why.1);
        if parts.is_empty() { unseen(why) } else { parts }
    }

    /// Leave to have a worker, when there is room to wait for one and time enough.
    async fn desk<'a>(
        &self,
        desks: &'a Semaphore,
        end: tokio::time::Instant,
    ) -> Result<SemaphorePermit<'a>, (CheckState, Reason)> {
        if let Ok(desk) = desks.try_acquire() {
            return Ok(desk);
        }
        let _waiting = Waiting::enter(&self.waiting, self.settings.waiting_max)
            .ok_or((CheckState::Shed, Reason::Queue))?;
        let desk = timeout_at(end, desks.acquire()).await.map_err(|_| LATE)?;
        // The semaphore is never closed; were it, there would be no worker.
        desk.map_err(|_| (CheckState::SourceUnavailable, Reason::NoWorker))
    }

    fn lost(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// An idle worker that still lives, or a new one.
    async fn worker(&self) -> Result<Hired, NotHired> {
        loop {
            let idle = self.idle.lock().pop();
            let Some(mut worker) = idle else { return self.hire().await };
            if worker.lives() {
                return Ok(worker);
            }
            self.lost();
        }
    }

    async fn hire(&self) -> Result<Hired, NotHired> {
        let hired = Hired::new(&self.program, &self.settings, &self.alive).await;
        *self.last_hire.lock() = Some(match &hired {
            Ok(worker) => Ok(worker.walls()),
            Err(why) => Err(why.to_string()),
        });
        hired
    }
}
