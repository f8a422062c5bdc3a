//! What a verification found.

/// Faults that are named; more are only counted.
pub const FAULTS_NAMED_MAX: usize = 100;

/// Something that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Table, and the place in it as far as it is known.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Events whose leaves were recomputed.
    pub events: u64,
    /// Events whose payload was erased: of these the commitment was checked.
    pub erased: u64,
    /// Signatures of checkpoints that were checked.
    pub checkpoints: u64,
    /// Rows that were compared with the events that account for them.
    pub rows: u64,
    /// Faults, the first ones by name.
    pub faults: Vec<Fault>,
    /// How many faults there are in all.
    pub faults_count: u64,
}

impl Report {
    /// Whether everything is what was written.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.faults_count == 0
    }

    pub(super) fn fault(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.faults_count += 1;
        if self.faults.len() < FAULTS_NAMED_MAX {
            self.faults.push(Fault { place: place.into(), what: what.into() });
        }
    }
}
