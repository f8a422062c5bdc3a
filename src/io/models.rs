//! Model servers, asked about items by the Open Inference Protocol over gRPC.
//!
//! One line a server, made when it is first needed; for each detector items wait a little so that several go together. What
//! is not answered in time, or not believed, has a reason and no score.

mod words;
mod line;
mod figures;
mod asker;

use crate::config::ModelSettings;
use crate::core::detector::{Absent, Circuit, Content, Detector, Image, Sample, Unfit};
use crate::core::id::{DetectorId, ModelServerId, SurfaceId};
use crate::core::policy::SurfaceKind;
use crate::core::screening::question::GivenScore;
use crate::io::clock::Clock;
use asker::Asker;
pub use figures::DetectorFigures;
use futures_util::future::join_all;
use line::Line;
pub use line::ModelsError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What one detector says of one sample of an item.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Which detector.
    pub detector: Arc<Detector>,
    /// Which of the samples, from 0.
    pub sample: usize,
    /// Its scores, or why there are none.
    pub said: Result<Vec<GivenScore>, Absent>,
}

/// Models that are asked about items. Clones are the same.
#[derive(Clone)]
pub struct Models(Arc<Vec<Arc<Asker>>>);

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Models({})", self.0.len())
    }
}

impl Models {
    /// Reads certificates, and begins to ask as items come. No server need be there yet. Within a tokio runtime only.
    ///
    /// # Errors
    /// [`ModelsError`].
    pub fn start(settings: &ModelSettings, clock: &Clock) -> Result<Self, ModelsError> {
        let mut lines: BTreeMap<ModelServerId, Line> = BTreeMap::new();
        for server in &settings.servers {
            lines.insert(server.host.id.clone(), Line::new(server)?);
        }
        let asker = |detector: &Arc<Detector>| {
            let line = lines.get(detector.host())?.clone();
            Some(Asker::start(detector, line, clock.clone()))
        };
        Ok(Self(Arc::new(settings.detectors.iter().filter_map(asker).collect())))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The detectors that are asked about items of a surface.
    pub fn of(
        &self,
        surface: &SurfaceId,
        kind: SurfaceKind,
    ) -> impl Iterator<Item = &Arc<Detector>> {
        self.askers(surface, kind).map(|asker| asker.detector())
    }

    /// The forms of pictures that detectors of a surface take, each once: what a decoder has to make of an item.
    #[must_use]
    pub fn pictures(&self, surface: &SurfaceId, kind: SurfaceKind) -> Vec<&Image> {
        let mut images: Vec<&Image> = Vec::new();
        for asker in self.askers(surface, kind) {
            let image = match &asker.detector().input.content {
                Content::Image(image) => image,
                Content::Frames(frames) => &frames.image,
                Content::Text(_) | Content::Embedding(_) => continue,
            };
            let form = |image: &Image| (image.width, image.height, image.channels);
            if images.iter().all(|other| form(other) != form(image)) {
                images.push(image);
            }
        }
        images
    }

    /// What the detectors of a surface say of an item that is known by samples, until `end`. Each is asked about the samples
    /// that it takes; where it takes none although there are some of its kind, it says so of the first of them.
    pub async fn hear(
        &self,
        surface: &SurfaceId,
        kind: SurfaceKind,
        samples: &[Sample<'_>],
        end: Instant,
    ) -> Vec<Heard> {
        let mut asked = Vec::new();
        let mut unfit = Vec::new();
        for asker in self.askers(surface, kind) {
            let input = &asker.detector().input;
            let checked = samples.iter().enumerate().map(|(place, one)| (place, input.check(one)));
            let (taken, others): (Vec<_>, Vec<_>) =
                { checked }.partition(|(_, checked)| checked.is_ok());
            let not_taken = others.into_iter().find(|(_, checked)| *checked != Err(Unfit::Kind));
            if let (true, Some((place, _))) = (taken.is_empty(), not_taken) {
                unfit.push((asker, place));
            }
            asked.extend(taken.into_iter().map(|(place, _)| (asker, place)));
        }
        // What does not fit is asked for all the same: so it is counted, and told in one place why.
        let all = asked.into_iter().chain(unfit).map(|(asker, sample)| async move {
            let said = asker.ask(&samples[sample], end).await;
            Heard { detector: Arc::clone(asker.detector()), sample, said }
        });
        join_all(all).await
    }

    /// What one detector says of one sample, until `end`; nothing where there is no such detector.
    pub async fn ask(
        &self,
        detector: &DetectorId,
        sample: &Sample<'_>,
        end: Instant,
    ) -> Option<Result<Vec<GivenScore>, Absent>> {
        let asker = self.0.iter().find(|asker| asker.detector().id == *detector)?;
        Some(asker.ask(sample, end).await)
    }

    /// How each detector stands: its breaker, and what became of asking it.
    pub fn standing(&self) -> impl Iterator<Item = (&Arc<Detector>, Circuit, &DetectorFigures)> {
        self.0.iter().map(|asker| (asker.detector(), asker.circuit(), asker.figures()))
    }

    /// Whether each model would answer, asked until `end`: for a look by people, nothing depends on it.
    pub async fn ready(&self, end: Instant) -> Vec<(Arc<Detector>, Result<bool, Absent>)> {
        let asked = self.0.iter().map(|asker| async move {
            let detector = Arc::clone(asker.detector());
            let ready = asker.line().is_ready(&detector.model, &detector.version, end).await;
            (detector, ready)
        });
        join_all(asked).await
    }

    fn askers(&self, surface: &SurfaceId, kind: SurfaceKind) -> impl Iterator<Item = &Arc<Asker>> {
        self.0.iter().filter(move |asker| asker.detector().is_for(surface, kind))
    }
}
