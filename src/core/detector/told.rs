//! What a detector said of an item, as the question has it that is then decided.

use crate::core::detector::absent::Absent;
use crate::core::id::DetectorId;
use crate::core::screening::question::{GivenScore, Question};
use crate::core::verdict::{Check, CheckState, Covered};

/// Adds the scores of a detector to a question, or why there are none: with that the check of scores is not carried out,
/// whatever others said. `part` is the place within the item, as in [`Covered::part`].
pub fn tell(
    question: &mut Question,
    detector: &DetectorId,
    part: &str,
    said: Result<Vec<GivenScore>, Absent>,
) {
    let covered = |state, reason, part: &str| Covered {
        check: Check::ExternalScore,
        state,
        reason,
        part: part.to_owned(),
    };
    match said {
        Ok(scores) => {
            question.scores.extend(scores);
            // One row says that there are scores; whether they are all that the surface acts on is found by their categories.
            let row = covered(CheckState::Checked, String::new(), "");
            if !question.coverage.contains(&row) {
                question.coverage.push(row);
            }
        }
        Err(absent) => {
            let reason = format!("{detector}: {}", absent.reason());
            question.coverage.push(covered(absent.state(), reason, part));
        }
    }
}
