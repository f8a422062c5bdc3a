//! What an operator says of a detector.

use crate::core::detector::batching::BatchLimits;
use crate::core::detector::breaker::BreakerLimits;
use crate::core::detector::calibration::Calibration;
use crate::core::detector::input::Element;
use crate::core::detector::input::{Content, Frames, Image, Input};
use crate::core::detector::number::Datatype;
use crate::core::id::{DetectorId, ModelServerId, SurfaceId};
use crate::core::policy::SurfaceKind;
use std::ops::Deref;
use std::time::Duration;

/// Most outputs of one detector.
pub const OUTPUTS_MAX: usize = 64;
/// Most elements of one item in a tensor that scores are read from.
pub const ROW_VALUES_MAX: usize = 65_536;
/// Most bytes of items that wait for one detector.
pub const WAITING_BYTES_MAX: usize = 256 << 20;

/// Longest name of a model, a version, a tensor or a category, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Greatest sides of a picture, most pictures together, most dimensions, longest text in bytes.
const SIDE_MAX: u32 = 4096;
const FRAMES_MAX: u32 = 256;
const DIMENSIONS_MAX: usize = 65_536;
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Most items, questions and failures; longest times.
const ITEMS_MAX: usize = 1024;
const CALLS_MAX: usize = 256;
const WAITING_MAX: usize = 1_000_000;
const FAILURES_MAX: u32 = 1000;
const DEADLINE_MAX: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// The server that a detector's model is on, as far as it matters to the detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub id: ModelServerId,
    /// Whether pictures may be sent to it.
    pub is_cleared: bool,
    /// Most bytes of one question to it.
    pub question_bytes_max: usize,
}

/// What one element of an item's part of a tensor means.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What the model calls the tensor.
    pub tensor: String,
    /// What its elements have to be.
    pub datatype: Datatype,
    /// Which element, from 0.
    pub index: usize,
    /// What the score is for, in the words of surfaces' thresholds.
    pub category: String,
    /// What the element is worth as a probability.
    pub calibration: Calibration,
}

/// All that is said of a detector, before anybody knows whether it is sound.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorParts {
    /// Its name, which its scores carry.
    pub id: DetectorId,
    /// What the server calls the model.
    pub model: String,
    /// Which version of it; empty for the one that the server chooses.
    pub version: String,
    /// Surfaces whose items it is asked about.
    pub surfaces: Vec<SurfaceId>,
    /// Kinds of surfaces whose items it is asked about.
    pub kinds: Vec<SurfaceKind>,
    /// What it is given.
    pub input: Input,
    /// What its answers mean.
    pub outputs: Vec<Output>,
    /// Time from when an item is offered to its score, waiting included.
    pub deadline: Duration,
    /// How items go together.
    pub batch: BatchLimits,
    /// When it is left alone.
    pub breaker: BreakerLimits,
}

/// One thing for which a detector is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    /// Which part, as `outputs[1].category`.
    pub part: String,
    /// What it must be, as the end of a sentence.
    pub must: String,
}

/// A detector that is sound: the only way to make one is [`Detector::new`], so that none exists that would send pictures to
/// a server that is not cleared for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    parts: DetectorParts,
    host: ModelServerId,
}

impl Deref for Detector {
    type Target = DetectorParts;

    fn deref(&self) -> &DetectorParts {
        &self.parts
    }
}

impl Detector {
    /// Checks a detector whose model is on a server.
    ///
    /// # Errors
    /// Everything for which it is none.
    pub fn new(host: &Host, mut parts: DetectorParts) -> Result<Self, Vec<Unsound>> {
        let mut faults = Faults::default();
        faults.check_names(&parts);
        faults.check_input(&parts.input);
        faults.check_outputs(&parts.outputs);
        faults.check_times(&parts);
        if parts.input.kind().is_media() && !host.is_cleared {
            let must = "must not be pictures while the server is not marked as cleared for them";
            faults.add("input.kind", must);
        }
        if faults.0.is_empty() {
            // Only now is it known that sizes can be multiplied.
            faults.check_sizes(host, &mut parts);
        }
        let host = host.id.clone();
        if faults.0.is_empty() { Ok(Self { parts, host }) } else { Err(faults.0) }
    }

    /// The server that its model is on.
    #[must_use]
    pub const fn host(&self) -> &ModelServerId {
        &self.host
    }

    /// Whether it is asked about items of a surface.
    #[must_use]
    pub fn is_for(&self, surface: &SurfaceId, kind: SurfaceKind) -> bool {
        self.surfaces.contains(surface) || self.kinds.contains(&kind)
    }
}

#[derive(Default)]
struct Faults(Vec<Unsound>);

impl Faults {
    fn add(&mut self, part: impl Into<String>, must: impl Into<String>) {
        self.0.push(Unsound { part: part.into(), must: must.into() });
    }

    fn within<V: PartialOrd + std::fmt::Display>(
        &mut self,
        part: &str,
        value: V,
        least: V,
        most: V,
    ) {
        if !(least <= value && value <= most) {
            self.add(part, format!("must be between {least} and {most}"));
        }
    }

    fn time(&mut self, part: &str, value: Duration, least: Duration, most: Duration) {
        if !(least..=most).contains(&value) {
            self.add(
                part,
                format!("must be between {} and {} ms", least.as_millis(), most.as_millis()),
            );
        }
    }

    fn name(&mut self, part: impl Into<String>, text: &str) {
        let is_name =
            !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
        if !is_name {
            self.add(
                part,
                format!("must be 1 to {NAME_BYTES_MAX} bytes without control characters"),
            );
        }
    }

    fn check_names(&mut self, parts: &DetectorParts) {
        self.name("model", &parts.model);
        if !parts.version.is_empty() {
            self.name("version", &parts.version);
        }
        if parts.surfaces.is_empty() && parts.kinds.is_empty() {
            self.add(
                "surfaces",
                "must name a surface, or kinds a kind: nothing else says what it is asked about",
            );
        }
    }

    fn check_image(&mut self, image: &Image) {
        self.within("input.width", image.width, 1, SIDE_MAX);
        self.within("input.height", image.height, 1, SIDE_MAX);
        if image.is_reversed && image.channels != 3 || ![1, 3].contains(&image.channels) {
            self.add("input.channels", "must be RGB, BGR or LUMA");
        }
        if let Element::Float { scale, mean, deviation } = &image.element {
            if !(scale.is_finite() && *scale != 0.0) {
                self.add("input.scale", "must be a finite number that is not 0");
            }
            if !mean.iter().all(|value| value.is_finite()) {
                self.add("input.mean", "must be finite numbers");
            }
            if !deviation.iter().all(|value| value.is_finite() && *value > 0.0) {
                self.add("input.std", "must be finite numbers above 0");
            }
        }
    }

    fn check_input(&mut self, input: &Input) {
        self.name("input.tensor", &input.tensor);
        match &input.content {
            Content::Image(image) => self.check_image(image),
            Content::Frames(Frames { count, image }) => {
                self.within("input.frames", *count, 1, FRAMES_MAX);
                self.check_image(image);
            }
            Content::Text(bytes_max) => {
                self.within("input.bytes_max", *bytes_max, 1, TEXT_BYTES_MAX)
            }
            Content::Embedding(dimensions) => {
                self.within("input.dimensions", *dimensions, 1, DIMENSIONS_MAX);
            }
        }
    }

    fn check_outputs(&mut self, outputs: &[Output]) {
        if !(1..=OUTPUTS_MAX).contains(&outputs.len()) {
            self.add("outputs", format!("must be 1 to {OUTPUTS_MAX}"));
        }
        for (place, output) in outputs.iter().enumerate() {
            let at = |part: &str| format!("outputs[{place}].{part}");
            self.name(at("tensor"), &output.tensor);
            self.name(at("category"), &output.category);
            self.within(&at("index"), output.index, 0, ROW_VALUES_MAX - 1);
            if let Some(must) = output.calibration.problem() {
                self.add(at("calibration"), must);
            }
            let before = &outputs[..place];
            if before.iter().any(|other| other.category == output.category) {
                self.add(at("category"), "must not be that of another output: which one counts?");
            }
            let differs =
                |other: &Output| other.tensor == output.tensor && other.datatype != output.datatype;
            if before.iter().any(differs) {
                self.add(at("datatype"), "must be that of the other outputs of the tensor");
            }
        }
    }

    fn check_times(&mut self, parts: &DetectorParts) {
        let (batch, breaker) = (&parts.batch, &parts.breaker);
        let least = Duration::from_millis(1);
        self.time("deadline", parts.deadline, least, DEADLINE_MAX);
        self.within("batch_max", batch.items_max, 1, ITEMS_MAX);
        if batch.wait >= parts.deadline {
            self.add("batch_wait", "must be shorter than deadline");
        }
        if batch.items_max > 1 && !parts.input.layout.is_batched() {
            self.add("batch_max", "must be 1 while input.layout has no N");
        }
        self.within("waiting_max", batch.waiting_max, 1, WAITING_MAX);
        self.within("calls_max", batch.calls_max, 1, CALLS_MAX);
        self.within("breaker_failures", breaker.failures, 1, FAILURES_MAX);
        self.time("breaker_pause", breaker.pause, least, PAUSE_MAX);
        self.time("breaker_pause_max", breaker.pause_max, breaker.pause.max(least), PAUSE_MAX);
    }

    /// Makes questions as small as the server takes them; what one item needs has to go into one.
    fn check_sizes(&mut self, host: &Host, parts: &mut DetectorParts) {
        let row = parts.input.row_bytes_max().unwrap_or(usize::MAX).max(1);
        let (most, fit) = (host.question_bytes_max, host.question_bytes_max / row);
        if fit == 0 {
            self.add(
                "input",
                format!("must be at most the server's {most} bytes an item, not {row}"),
            );
            return;
        }
        parts.batch.items_max = parts.batch.items_max.min(fit);
        let most = (WAITING_BYTES_MAX / row).max(1);
        if parts.batch.waiting_max > most {
            self.add("waiting_max", format!("must be at most {most}, each item being {row} bytes"));
        }
    }
}
