//! Of what in a question services outside were heard that are asked about hashes.

use crate::core::id::BankId;
use crate::core::signal::SignalType;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What came of asking services outside about the hashes of one question. What they list is in the banks by then: here is
/// only whether they were heard.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    heard: BTreeSet<BankId>,
    unheard: BTreeSet<Arc<str>>,
}

impl Outside {
    /// Notes that the service that a bank learns from was heard of every hash that it was to be asked about.
    pub fn hear(&mut self, bank: &BankId) {
        self.heard.insert(bank.clone());
    }

    /// Notes that a service was not heard of a hash of this part.
    pub fn miss(&mut self, part: &Arc<str>) {
        self.unheard.insert(Arc::clone(part));
    }

    /// Whether signals of this type were compared with what a service has that the bank learns from.
    #[must_use]
    pub fn has(&self, kind: &SignalType, bank: &BankId) -> bool {
        *kind == SignalType::Pdq && self.heard.contains(bank)
    }

    /// Whether a service was not heard of a hash of this part.
    #[must_use]
    pub fn is_missing(&self, part: &str) -> bool {
        self.unheard.contains(part)
    }
}
