//! A detector, as the file of detectors has it.

use super::fields::Fields;
use super::server::ModelServer;
use crate::core::detector::{
    BatchLimits, BreakerLimits, Calibration, Content, Datatype, Detector, DetectorParts, Element,
    Frames, Image, Input, Kind, Layout, Output,
};
use crate::core::id::{DetectorId, ModelServerId, SurfaceId};
use crate::core::policy::SurfaceKind;
use std::collections::BTreeMap;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_millis(100);
const BATCH_MAX: u32 = 32;
const BATCH_WAIT: Duration = Duration::from_millis(5);
const WAITING_MAX: u32 = 64;
const CALLS_MAX: u32 = 4;
const BREAKER_FAILURES: u32 = 5;
const BREAKER_PAUSE: Duration = Duration::from_millis(500);
const BREAKER_PAUSE_MAX: Duration = Duration::from_secs(30);

const KINDS: [(&str, Kind); 4] = [
    ("image", Kind::Image),
    ("frames", Kind::Frames),
    ("text", Kind::Text),
    ("embedding", Kind::Embedding),
];

const SURFACES: [(&str, SurfaceKind); 9] = [
    ("UPLOAD", SurfaceKind::Upload),
    ("PROFILE", SurfaceKind::Profile),
    ("DIRECT_MESSAGE", SurfaceKind::DirectMessage),
    ("GROUP_MESSAGE", SurfaceKind::GroupMessage),
    ("LIVE", SurfaceKind::Live),
    ("SEARCH", SurfaceKind::Search),
    ("LINK", SurfaceKind::Link),
    ("STORAGE", SurfaceKind::Storage),
    ("GENERATED", SurfaceKind::Generated),
];

/// How the colours of a picture are taken: how many there are, and whether they stand as blue, green, red.
const CHANNELS: [(&str, (u32, bool)); 3] =
    [("RGB", (3, false)), ("BGR", (3, true)), ("LUMA", (1, false))];

/// Servers by their names; nothing for one that has a mistake of its own.
type Servers = BTreeMap<ModelServerId, Option<ModelServer>>;

/// Reads one detector; nothing where there was a mistake.
pub fn read_detector(mut fields: Fields, servers: &Servers) -> Option<Detector> {
    let id = fields.text("name").and_then(|text| name(&fields, "name", DetectorId::parse(&text)));
    let server = fields.text("server").and_then(|text| read_host(&fields, &text, servers));
    let model = fields.text("model");
    let version = fields.text_or("version", "");
    let surfaces = read_surfaces(&mut fields);
    let kinds = fields.words("kinds", &SURFACES);
    let deadline = fields.value("deadline", DEADLINE);
    let input = fields.inner("input").and_then(read_input);
    // One item at a time where the model takes no more, unless somebody says what cannot be.
    let is_batched = input.as_ref().is_none_or(|input| input.layout.is_batched());
    let batch = read_batch(&mut fields, is_batched);
    let breaker = read_breaker(&mut fields, deadline.unwrap_or(DEADLINE));
    let outputs: Vec<_> = fields.several("outputs").into_iter().map(read_output).collect();
    let outputs: Option<Vec<_>> = outputs.into_iter().collect();
    let parts = (|| {
        Some(DetectorParts {
            id: id?,
            model: model?,
            version: version?,
            surfaces: surfaces?,
            kinds: kinds?,
            input: input?,
            outputs: outputs?,
            deadline: deadline?,
            batch: batch?,
            breaker: breaker?,
        })
    })();
    let server = server.and_then(|server| server.as_ref());
    let detector = parts.zip(server).and_then(|(parts, server)| {
        let made = Detector::new(&server.host, parts);
        let told = made.inspect_err(|faults| {
            faults.iter().for_each(|fault| fields.wrong(&fault.part, &fault.must));
        });
        told.ok()
    });
    fields.done();
    detector
}

fn name<N, E: std::fmt::Display>(fields: &Fields, key: &str, read: Result<N, E>) -> Option<N> {
    read.inspect_err(|must| fields.wrong(key, &must.to_string())).ok()
}

/// The server of that name. Of one with a mistake of its own no more is said.
fn read_host<'s>(
    fields: &Fields,
    text: &str,
    servers: &'s Servers,
) -> Option<&'s Option<ModelServer>> {
    let id = ModelServerId::parse(text).ok();
    let server = id.and_then(|id| servers.get(&id));
    if server.is_none() {
        fields.wrong("server", "must be the name of a table under servers");
    }
    server
}

fn read_surfaces(fields: &mut Fields) -> Option<Vec<SurfaceId>> {
    let texts = fields.texts("surfaces")?;
    texts.iter().map(|text| name(fields, "surfaces", SurfaceId::parse(text))).collect()
}

fn read_batch(fields: &mut Fields, is_batched: bool) -> Option<BatchLimits> {
    let items_max = fields.whole("batch_max", if is_batched { BATCH_MAX } else { 1 });
    let wait = fields.value("batch_wait", if is_batched { BATCH_WAIT } else { Duration::ZERO });
    let waiting_max = fields.whole("waiting_max", WAITING_MAX);
    let calls_max = fields.whole("calls_max", CALLS_MAX);
    Some(BatchLimits {
        items_max: items_max? as usize,
        wait: wait?,
        waiting_max: waiting_max? as usize,
        calls_max: calls_max? as usize,
    })
}

fn read_breaker(fields: &mut Fields, deadline: Duration) -> Option<BreakerLimits> {
    let failures = fields.whole("breaker_failures", BREAKER_FAILURES);
    let pause = fields.value("breaker_pause", BREAKER_PAUSE);
    let pause_max = fields.value("breaker_pause_max", BREAKER_PAUSE_MAX);
    // Whatever becomes of a trial is known by then.
    let trial = deadline.saturating_mul(2);
    Some(BreakerLimits { failures: failures?, pause: pause?, pause_max: pause_max?, trial })
}

fn read_input(mut fields: Fields) -> Option<Input> {
    let tensor = fields.text("tensor");
    let kind = fields.word("kind", &KINDS)?;
    let (content, layout) = match kind {
        Kind::Image => {
            (read_image(&mut fields).map(Content::Image), fields.word("layout", &Layout::OF_IMAGES))
        }
        Kind::Frames => {
            let count = fields.whole_set("frames");
            let frames = read_image(&mut fields).zip(count);
            (
                frames.map(|(image, count)| Content::Frames(Frames { count, image })),
                fields.word("layout", &Layout::OF_FRAMES),
            )
        }
        Kind::Text => (
            fields.whole_set("bytes_max").map(|most| Content::Text(most as usize)),
            fields.word("layout", &Layout::OF_TEXTS),
        ),
        Kind::Embedding => (
            fields.whole_set("dimensions").map(|most| Content::Embedding(most as usize)),
            fields.word("layout", &Layout::OF_EMBEDDINGS),
        ),
    };
    fields.done();
    Some(Input { tensor: tensor?, layout: layout?, content: content? })
}

fn read_image(fields: &mut Fields) -> Option<Image> {
    let (width, height) = (fields.whole_set("width"), fields.whole_set("height"));
    let channels = fields.word("channels", &CHANNELS);
    let count = channels.map_or(3, |(count, _)| count as usize);
    let is_float = fields.word("datatype", &[("FP32", true), ("UINT8", false)]);
    let element = match is_float {
        Some(true) => read_float(fields, count),
        Some(false) => {
            let asked = ["scale", "mean", "std"].into_iter().filter(|key| fields.has(key));
            let asked: Vec<_> = asked.collect();
            for key in &asked {
                // Taken out, so that it is said once what is wrong with it.
                fields.drop(key);
                fields.wrong(key, "must be empty while datatype is UINT8");
            }
            asked.is_empty().then_some(Element::Byte)
        }
        None => None,
    };
    let (channels, is_reversed) = channels?;
    Some(Image { width: width?, height: height?, channels, is_reversed, element: element? })
}

fn read_float(fields: &mut Fields, count: usize) -> Option<Element> {
    let scale = if fields.has("scale") { fields.number("scale") } else { Some(1.0) };
    let mean = fields.numbers("mean", count, 0.0);
    let deviation = fields.numbers("std", count, 1.0);
    Some(Element::Float {
        scale: scale? as f32,
        mean: three(&mean?, 0.0),
        deviation: three(&deviation?, 1.0),
    })
}

/// One for each channel; for those that are not there the one that changes nothing.
fn three(numbers: &[f64], neutral: f32) -> [f32; 3] {
    let mut three = [neutral; 3];
    for (place, number) in three.iter_mut().zip(numbers) {
        *place = *number as f32;
    }
    three
}

fn read_output(mut fields: Fields) -> Option<Output> {
    let tensor = fields.text("tensor");
    let datatype = fields.word_or("datatype", &Datatype::ALL, Datatype::Fp32);
    let index = fields.whole("index", 0);
    let category = fields.text("category");
    let calibration = match fields.has("calibration") {
        true => fields.inner("calibration").and_then(read_calibration),
        false => Some(Calibration::None),
    };
    fields.done();
    Some(Output {
        tensor: tensor?,
        datatype: datatype?,
        index: index? as usize,
        category: category?,
        calibration: calibration?,
    })
}

fn read_calibration(mut fields: Fields) -> Option<Calibration> {
    let calibration = match fields.word("kind", &[("none", 0), ("platt", 1), ("isotonic", 2)])? {
        0 => Some(Calibration::None),
        1 => {
            let (slope, offset) = (fields.number("slope"), fields.number("offset"));
            slope.zip(offset).map(|(slope, offset)| Calibration::Platt { slope, offset })
        }
        _ => fields.pairs("points").map(Calibration::Isotonic),
    };
    fields.done();
    calibration
}
