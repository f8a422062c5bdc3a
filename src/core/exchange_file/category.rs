//! What the categories of Project VIC mean, by the operator's word.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a model is called in a table that a file does not name, as files before version 2.0 do.
pub const NO_MODEL: &str = "none";

/// What media of a category are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Content class, in the operator's words.
    pub class: String,
    /// Whether they are taken. What is not taken is withdrawn where it was taken before.
    pub is_taken: bool,
}

/// What the categories of each country's model mean: model, number, meaning. A category that is in no table is counted,
/// and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategoryTable(BTreeMap<String, BTreeMap<i64, Category>>);

impl CategoryTable {
    /// Says what a category of a model means; models are told apart without regard to case.
    #[must_use]
    pub fn with(mut self, model: &str, number: i64, category: Category) -> Self {
        self.0.entry(model.to_ascii_lowercase()).or_default().insert(number, category);
        self
    }

    /// What each category of each model means, in their order.
    pub fn all(&self) -> impl Iterator<Item = (&str, i64, &Category)> {
        self.0.iter().flat_map(|(model, of)| {
            of.iter().map(move |(number, category)| (model.as_str(), *number, category))
        })
    }

    /// What is known of a model's categories.
    pub(super) fn of(&self, model: &str) -> Option<&BTreeMap<i64, Category>> {
        self.0.get(&model.to_ascii_lowercase())
    }
}
