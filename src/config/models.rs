//! The file of detectors: every mistake in it is named at once, before a port is bound.

mod fields;
mod server;
mod detector;

use super::mistake::{Mistake, Mistakes};
use crate::core::detector::Detector;
use crate::core::id::ModelServerId;
use detector::read_detector;
use fields::{Fields, Found};
pub use server::ModelServer;
use server::read_server;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Most servers, and most detectors.
const COUNT_MAX: usize = 256;

/// Detectors and the servers that their models are on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelSettings {
    /// Servers, by their names.
    pub servers: Vec<ModelServer>,
    /// Detectors, in the order of the file.
    pub detectors: Vec<Arc<Detector>>,
}

/// Reads a file of detectors.
///
/// # Errors
/// Every mistake in it; that it cannot be read.
pub fn load_models(path: &Path) -> Result<ModelSettings, Mistakes> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => read_models(&name, &text),
        Err(error) => {
            let problem = format!("cannot be read: {}", error.kind());
            Err(Mistakes(vec![Mistake::new("models", &name, problem)]))
        }
    }
}

/// Reads the text of a file of detectors; `source` is said in mistakes, as the file's name.
///
/// # Errors
/// Every mistake in it.
pub fn read_models(source: &str, text: &str) -> Result<ModelSettings, Mistakes> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let problem = format!("is not toml: {}", error.message());
        Mistakes(vec![Mistake::new(source, &format!("line {line}"), problem)])
    })?;
    let found = Found::new(source);
    let mut file = Fields::new(&found, "", table);
    let mut servers: BTreeMap<ModelServerId, Option<ModelServer>> = BTreeMap::new();
    for (name, fields) in file.named("servers") {
        match ModelServerId::parse(&name) {
            Ok(id) => drop(servers.insert(id.clone(), read_server(id, fields))),
            Err(must) => fields.wrong_whole(&format!("has a name that {must}")),
        }
    }
    let mut detectors: Vec<Arc<Detector>> = Vec::new();
    for fields in file.several("detectors") {
        let place = fields.place().to_owned();
        let Some(detector) = read_detector(fields, &servers) else { continue };
        if detectors.iter().any(|other| other.id == detector.id) {
            found.wrong(&place, "must have a name that no other has");
        }
        detectors.push(Arc::new(detector));
    }
    if servers.len() > COUNT_MAX || detectors.len() > COUNT_MAX {
        found.wrong("detectors", &format!("must be at most {COUNT_MAX}, as servers"));
    }
    file.done();
    let servers = servers.into_values().flatten().collect();
    found.end(ModelSettings { servers, detectors })
}

#[cfg(test)]
mod tests;
