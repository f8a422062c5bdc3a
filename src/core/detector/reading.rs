//! Scores, read from a model's answer.

use crate::core::detector::description::{Detector, ROW_VALUES_MAX};
use crate::core::detector::fault::Fault;
use crate::core::detector::tensor::{Answer, Elements};
use crate::core::screening::question::GivenScore;

/// Longest name of a version.
const VERSION_BYTES_MAX: usize = 64;
/// What stands for the version where neither the file nor the answer names one.
pub const UNVERSIONED: &str = "unversioned";

/// What a model says of each of so many items, in their order: a score for each category, or why it is not believed.
///
/// # Errors
/// The [`Fault`] for which nothing of the answer is believed.
pub fn read(
    detector: &Detector,
    answer: &Answer,
    items: usize,
) -> Result<Vec<Result<Vec<GivenScore>, Fault>>, Fault> {
    if answer.model != detector.model {
        return Err(Fault::OtherModel);
    }
    let version = version(detector, answer.version)?;
    let mut tensors = Vec::with_capacity(detector.outputs.len());
    for output in &detector.outputs {
        let (elements, sides) = answer.elements(&output.tensor, output.datatype)?;
        let row = row(detector, elements, sides, items)?;
        if output.index >= row {
            return Err(Fault::TooFew);
        }
        tensors.push((output, elements, row));
    }
    let of = |item: usize| {
        let scores = tensors.iter().map(|(output, elements, row)| {
            let value = elements.at(item * row + output.index)?;
            Ok(GivenScore {
                category: output.category.clone(),
                value: output.calibration.apply(value)?,
                detector: detector.id.to_string(),
                detector_version: version.to_owned(),
            })
        });
        scores.collect()
    };
    Ok((0..items).map(of).collect())
}

/// How many elements of a tensor belong to each item.
fn row(
    detector: &Detector,
    elements: Elements,
    sides: &[i64],
    items: usize,
) -> Result<usize, Fault> {
    let row = if detector.input.layout.is_batched() {
        let is_for_all = sides.first().is_some_and(|side| usize::try_from(*side) == Ok(items));
        if !is_for_all || items == 0 {
            return Err(Fault::Items);
        }
        elements.count / items
    } else if items == 1 {
        elements.count
    } else {
        return Err(Fault::Items);
    };
    if row > ROW_VALUES_MAX { Err(Fault::Sides) } else { Ok(row) }
}

/// The version that answered: what it says, else what was asked for.
fn version<'a>(detector: &'a Detector, said: &'a str) -> Result<&'a str, Fault> {
    let asked = detector.version.as_str();
    let is_name = said.len() <= VERSION_BYTES_MAX && !said.chars().any(char::is_control);
    if !is_name || !(said.is_empty() || asked.is_empty() || said == asked) {
        return Err(Fault::OtherVersion);
    }
    Ok([said, asked].into_iter().find(|text| !text.is_empty()).unwrap_or(UNVERSIONED))
}
