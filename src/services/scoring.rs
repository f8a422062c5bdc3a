//! What models say of an item that was examined, before it is decided.

use crate::core::access::Scope;
use crate::core::detector::{Content, Pixels, Sample, tell};
use crate::core::id::DetectorId;
use crate::core::media::{Examined, Part, Picture, Thumb, VideoFrame};
use crate::core::policy::Context;
use crate::core::raster::luma;
use crate::core::screening::question::{GivenScore, Question};
use crate::core::verdict::{Check, CheckState, Covered};
use crate::io::media::{SealedBlob, Wish};
use crate::services::desk::Desk;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// Most sizes that the frames of one item are made small to.
pub const SIZES_MAX: usize = 4;

const NOT_SCORED: &str = "more pictures than models are asked about";

/// A picture in the forms that models read.
struct Small {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    grey: Vec<u8>,
}

impl Small {
    fn of(thumb: &Thumb) -> Self {
        let grey = |pixel: &[u8]| luma(pixel[0], pixel[1], pixel[2]).round() as u8;
        Self {
            width: thumb.width,
            height: thumb.height,
            rgb: thumb.rgb.clone(),
            grey: thumb.rgb.chunks_exact(3).map(grey).collect(),
        }
    }

    fn pixels(&self, channels: u32) -> Pixels<'_> {
        let bytes = if channels == 1 { &self.grey } else { &self.rgb };
        Pixels { width: self.width, height: self.height, channels, bytes }
    }
}

/// The frames of a part that were made small, in the order of time; of its first stream, where it is a video.
fn small(part: &Part) -> Vec<Vec<Small>> {
    let frames = part.frames.iter().filter(|frame| frame.stream == 0);
    let pictures = part.pictures.iter().chain(frames.map(|frame| &frame.picture));
    let seen = pictures.filter(|picture: &&Picture| !picture.thumbs.is_empty());
    seen.map(|picture| picture.thumbs.iter().map(Small::of).collect()).collect()
}

impl Desk {
    /// Examines an item for its surface, and asks the models of the surface about what it shows, until `deadline`: what is
    /// to be decided then, and what was examined. Who wants to know is told of `frames` of a video as they are hashed.
    pub async fn look_at(
        &self,
        scope: &Scope,
        context: &Context,
        (blob, frames): (SealedBlob, Option<UnboundedSender<VideoFrame>>),
        scores: Vec<GivenScore>,
        deadline: Instant,
    ) -> (Question, Examined) {
        let sizes = self.sizes(scope, context);
        let wish = Wish { thumbs: &sizes, frames };
        // What was decoded late must still be found, scored or not.
        let examined = self.examiner.examine_for(blob, wish, deadline).await;
        let mut question = Question::of_examined(&examined).with_scores(scores);
        for part in examined.parts.iter().filter(|_| !sizes.is_empty()) {
            self.score(context, part, &mut question, deadline).await;
        }
        (question, examined)
    }

    /// The sizes of pictures that the models of a surface read; none where nothing of the item may be looked at.
    fn sizes(&self, scope: &Scope, context: &Context) -> Vec<(u32, u32)> {
        if self.models.is_empty() || !self.is_lawful(scope, context) {
            return Vec::new();
        }
        let images = self.models.pictures(&context.surface, context.surface_kind);
        let sizes: BTreeSet<_> = images.iter().map(|image| (image.width, image.height)).collect();
        sizes.into_iter().take(SIZES_MAX).collect()
    }

    /// Adds to a question what models say of one part, the highest score of each for a category, or why they say nothing.
    async fn score(&self, context: &Context, part: &Part, question: &mut Question, end: Instant) {
        let frames = small(part);
        if frames.is_empty() {
            let is_shown = !part.pictures.is_empty() || !part.frames.is_empty();
            if is_shown {
                question.coverage.push(Covered {
                    check: Check::ExternalScore,
                    state: CheckState::TooLarge,
                    reason: NOT_SCORED.to_owned(),
                    part: part.place.clone(),
                });
            }
            return;
        }
        let windows = self.windows(context, &frames);
        let mut samples = Vec::new();
        for one in frames.iter().flatten() {
            samples.extend([3, 1].map(|channels| Sample::Image(one.pixels(channels))));
        }
        samples.extend(windows.iter().map(|window| Sample::Frames(window)));
        let (surface, kind) = (&context.surface, context.surface_kind);
        let heard = self.models.hear(surface, kind, &samples, end).await;
        let mut best: BTreeMap<(DetectorId, String), GivenScore> = BTreeMap::new();
        let mut absent = BTreeMap::new();
        for one in heard {
            let detector = one.detector.id.clone();
            match one.said {
                Ok(scores) => {
                    for score in scores {
                        let known = best
                            .entry((detector.clone(), score.category.clone()))
                            .or_insert_with(|| score.clone());
                        if score.value > known.value {
                            *known = score;
                        }
                    }
                }
                Err(why) => {
                    absent.entry(detector).or_insert(why);
                }
            }
        }
        for ((detector, _), score) in best {
            tell(question, &detector, &part.place, Ok(vec![score]));
        }
        for (detector, why) in absent {
            tell(question, &detector, &part.place, Err(why));
        }
    }

    /// For each model that reads several pictures together: the first of a part, and the last of them again where there are
    /// fewer than it reads.
    fn windows<'f>(&self, context: &Context, frames: &'f [Vec<Small>]) -> Vec<Vec<Pixels<'f>>> {
        let mut windows = Vec::new();
        for detector in self.models.of(&context.surface, context.surface_kind) {
            let Content::Frames(wanted) = &detector.input.content else { continue };
            let (image, count) = (&wanted.image, wanted.count as usize);
            let is_size = |one: &&Small| (one.width, one.height) == (image.width, image.height);
            let of_size = frames.iter().filter_map(|sizes| sizes.iter().find(is_size));
            let mut window: Vec<_> =
                of_size.take(count).map(|one| one.pixels(image.channels)).collect();
            if let Some(last) = window.last().copied() {
                window.resize_with(count, || last);
                windows.push(window);
            }
        }
        windows
    }
}
