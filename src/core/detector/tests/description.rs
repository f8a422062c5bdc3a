//! Detectors that are none.

use super::*;

fn faults(host: &Host, change: impl FnOnce(&mut DetectorParts)) -> Vec<String> {
    let mut parts = parts();
    change(&mut parts);
    let made = Detector::new(host, parts);
    made.err().unwrap_or_default().into_iter().map(|fault| fault.part).collect()
}

fn picture(width: u32) -> Input {
    let element = Element::Float { scale: 1.0, mean: [0.0; 3], deviation: [1.0; 3] };
    let image = Image { width, height: width, channels: 3, is_reversed: false, element };
    Input {
        tensor: "x".into(),
        layout: layout(&Layout::OF_IMAGES, "NCHW"),
        content: Content::Image(image),
    }
}

#[test]
fn pictures_go_to_no_server_that_is_not_cleared_for_them() {
    let asks_for_pictures = |parts: &mut DetectorParts| parts.input = picture(8);
    assert_eq!(faults(&host(false), asks_for_pictures), ["input.kind"]);
    assert!(faults(&host(true), asks_for_pictures).is_empty());
    let frames = |parts: &mut DetectorParts| {
        let Content::Image(image) = picture(8).content else { panic!("a picture") };
        parts.input.layout = layout(&Layout::OF_FRAMES, "NTCHW");
        parts.input.content = Content::Frames(Frames { count: 4, image });
    };
    assert_eq!(faults(&host(false), frames), ["input.kind"]);
    assert!(faults(&host(true), frames).is_empty());
    assert!(faults(&host(false), |_| ()).is_empty(), "text is no picture");
}

#[test]
fn all_that_is_wrong_with_a_detector_is_told_at_once() {
    let found = faults(&host(false), |parts| {
        parts.model = String::new();
        parts.version = "\n".into();
        (parts.surfaces, parts.kinds) = (Vec::new(), Vec::new());
        parts.input.content = Content::Text(0);
        parts.outputs[1].category = parts.outputs[0].category.clone();
        parts.outputs[1].datatype = Datatype::Fp64;
        parts.outputs[0].calibration = Calibration::Isotonic(Vec::new());
        parts.batch.wait = parts.deadline;
        parts.batch.items_max = 0;
        parts.breaker.pause_max = Duration::ZERO;
    });
    let all = [
        "model",
        "version",
        "surfaces",
        "input.bytes_max",
        "outputs[0].calibration",
        "outputs[1].category",
        "outputs[1].datatype",
        "batch_max",
        "batch_wait",
        "breaker_pause_max",
    ];
    assert_eq!(found, all);
}

#[test]
fn questions_are_no_larger_than_the_server_takes_and_what_waits_is_bounded() {
    let host = host(true);
    // 3 × 224 × 224 numbers of 4 bytes: six of them are 3.6 of 4 MiB.
    let mut parts = parts();
    parts.input = picture(224);
    let detector = Detector::new(&host, parts).expect("sound");
    assert_eq!(detector.batch.items_max, 6);
    assert_eq!(faults(&host, |parts| parts.input = picture(1024)), ["input"]);
    let many = |parts: &mut DetectorParts| {
        parts.input = picture(224);
        parts.batch.waiting_max = 500;
    };
    assert_eq!(faults(&host, many), ["waiting_max"]);
    assert!(faults(&host, |parts| parts.batch.waiting_max = 500).is_empty(), "short texts");
}

#[test]
fn a_detector_is_for_its_surfaces_and_its_kinds_of_surfaces() {
    let (detector, other) = (detector(), SurfaceId::parse("other").expect("good"));
    let upload = SurfaceId::parse("upload").expect("good");
    assert!(detector.is_for(&upload, SurfaceKind::Upload));
    assert!(detector.is_for(&other, SurfaceKind::Live));
    assert!(!detector.is_for(&other, SurfaceKind::Upload));
}

#[test]
fn a_model_that_takes_one_item_at_a_time_is_not_given_several() {
    let lone = layout(&Layout::OF_TEXTS, "1");
    assert_eq!(faults(&host(false), |parts| parts.input.layout = lone), ["batch_max"]);
    assert_eq!(lone_detector().input.sides(1), [1]);
}
