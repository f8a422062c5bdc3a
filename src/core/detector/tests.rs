//! What a detector believes and what it does not.

mod calibration;
mod description;
mod input;
mod machines;
mod reading;

use super::*;
use crate::core::id::{DetectorId, ModelServerId, SurfaceId};
use crate::core::policy::SurfaceKind;
use crate::core::screening::question::{GivenScore, Question};
use crate::core::verdict::{Check, CheckState};
use std::time::Duration;

fn host(is_cleared: bool) -> Host {
    Host {
        id: ModelServerId::parse("zz-server").expect("good"),
        is_cleared,
        question_bytes_max: 4 << 20,
    }
}

fn output(tensor: &str, index: usize, category: &str) -> Output {
    Output {
        tensor: tensor.into(),
        datatype: Datatype::Fp32,
        index,
        category: category.into(),
        calibration: Calibration::None,
    }
}

fn layout(layouts: &[(&str, Layout)], name: &str) -> Layout {
    layouts.iter().find(|(known, _)| *known == name).expect("known").1
}

/// A detector of texts with two categories in one tensor.
fn parts() -> DetectorParts {
    let millis = Duration::from_millis;
    DetectorParts {
        id: DetectorId::parse("zz-texts").expect("good"),
        model: "zz".into(),
        version: String::new(),
        surfaces: vec![SurfaceId::parse("upload").expect("good")],
        kinds: vec![SurfaceKind::Live],
        input: Input {
            tensor: "text".into(),
            layout: layout(&Layout::OF_TEXTS, "N"),
            content: Content::Text(64),
        },
        outputs: vec![output("shares", 0, "zz-one"), output("shares", 2, "zz-two")],
        deadline: millis(100),
        batch: BatchLimits { items_max: 32, wait: millis(5), waiting_max: 64, calls_max: 4 },
        breaker: BreakerLimits {
            failures: 5,
            pause: millis(500),
            pause_max: Duration::from_secs(30),
            trial: millis(200),
        },
    }
}

fn detector() -> Detector {
    Detector::new(&host(false), parts()).expect("sound")
}

/// The same of a model that takes one item at a time.
fn lone_detector() -> Detector {
    let mut parts = parts();
    parts.input.layout = layout(&Layout::OF_TEXTS, "1");
    parts.batch.items_max = 1;
    Detector::new(&host(false), parts).expect("sound")
}

#[test]
fn an_absent_detector_keeps_the_check_of_scores_from_being_carried_out() {
    let detector = detector();
    let score = |value| GivenScore {
        category: "zz".into(),
        value,
        detector: "zz-texts".into(),
        detector_version: "1".into(),
    };
    let mut question = Question::default();
    tell(&mut question, &detector.id, "0", Ok(vec![score(0.5)]));
    tell(&mut question, &detector.id, "1", Ok(vec![score(0.25)]));
    let states = |question: &Question| -> Vec<_> {
        question.coverage.iter().map(|covered| (covered.check, covered.state)).collect()
    };
    assert_eq!(states(&question), [(Check::ExternalScore, CheckState::Checked)]);
    tell(&mut question, &detector.id, "2", Err(Absent::Late));
    assert_eq!(states(&question)[1], (Check::ExternalScore, CheckState::Deadline));
    let covered = &question.coverage[1];
    assert_eq!((covered.part.as_str(), question.scores.len()), ("2", 2), "no score of nought");
    assert_eq!(covered.reason, "zz-texts: a model did not answer in time");
}

#[test]
fn every_absence_has_a_state_that_is_not_complete_and_a_reason_of_its_own() {
    let mut table = String::new();
    for absent in Absent::KINDS {
        assert!(!absent.state().is_complete(), "{absent:?}");
        table += &format!("{} | {:?} | {}\n", absent.word(), absent.state(), absent.reason());
    }
    let golden = "\
        unreachable | SourceUnavailable | a model server cannot be reached\n\
        refused | SourceUnavailable | a model server failed or refused\n\
        late | Deadline | a model did not answer in time\n\
        left_alone | SourceUnavailable | a model failed before and is left alone\n\
        full | Shed | too many items wait for a model\n\
        unreadable | SourceUnavailable | the answer of a model is not believed\n\
        unfit | TooLarge | the item is too long for a model\n\
        unfit | SourceUnavailable | a model does not read an item like this\n\
        stopped | SourceUnavailable | the service stops\n";
    assert_eq!(table, golden);
}
