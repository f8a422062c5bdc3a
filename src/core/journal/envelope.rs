//! Envelopes: what stays in the open of every event, never erased and enough for every public figure.
//!
//! # Encoding, version 1
//! All numbers are big-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, `01` |
//! | 8 | journal number |
//! | 2 | kind of event, as in [`EventKind`] |
//! | 8 | hour of log time, in milliseconds since 1970-01-01T00:00:00Z |
//! | 1 | environment: `00` none, `01` test, `02` production |
//! | 1 or 17 | tenant: `00`, or `01` and the 16 bytes of its pseudonym |
//! | 2 | number of figures, then for each: |
//! | 1 | · environment |
//! | 1 or 17 | · tenant |
//! | 1 | · number of labels, then for each: |
//! | 2 | · · label and its value, labels in rising order, each at most once |
//! | 8 | · count |

use crate::core::access::Environment;
use crate::core::bank::EntryState;
use crate::core::event::{Event, EventKind, OutcomeKind};
use crate::core::id::TenantId;
use crate::core::policy::SurfaceKind;
use crate::core::time::Time;
use crate::core::verdict::{Assurance, CheckState, Disposition, Verdict};
use std::collections::BTreeMap;

/// Version of the encoding that is written.
pub const VERSION: u8 = 1;

/// Most figures in one envelope.
pub const FIGURES_MAX: usize = u16::MAX as usize;

/// Stands for a tenant in public: the same one for the same tenant, and nothing else follows from it.
pub type Pseudonym = [u8; 16];

/// Why bytes are not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Bytes are missing.
    #[error("too short")]
    Short,
    /// Bytes are left over.
    #[error("too long")]
    Long,
    /// A version that is not known here.
    #[error("unknown version")]
    Version,
    /// A code that is not known, or not in its place.
    #[error("unknown code")]
    Code,
}

/// A closed label of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Kind of surface.
    Surface(SurfaceKind),
    /// What was answered.
    Disposition(Disposition),
    /// The least complete state among the checks.
    Completeness(CheckState),
    /// How sure the answer was.
    Assurance(Assurance),
    /// State in which entries were put.
    EntryState(EntryState),
    /// What the platform did.
    Outcome(OutcomeKind),
}

/// Something counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// Whose.
    pub tenant: Option<Pseudonym>,
    /// Of which environment.
    pub environment: Option<Environment>,
    /// What was counted; in rising order, each label at most once.
    pub labels: Vec<Label>,
    /// How many.
    pub count: u64,
}

/// What stays in the open of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Journal number, from 1.
    pub number: u64,
    /// Kind of event.
    pub kind: EventKind,
    /// Hour of log time.
    pub hour: Time,
    /// The tenant it concerns.
    pub tenant: Option<Pseudonym>,
    /// The environment it concerns.
    pub environment: Option<Environment>,
    /// What public figures are folded from.
    pub figures: Vec<Figure>,
}

/// Codes that stand in written envelopes: they are never reused and never renumbered.
macro_rules! codes {
    ($($to:ident, $from:ident: $type:ident { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        const fn $to(value: $type) -> u8 {
            match value { $($type::$variant => $code),* }
        }
        const fn $from(code: u8) -> Option<$type> {
            match code { $($code => Some($type::$variant),)* _ => None }
        }
    )*};
}

codes! {
    environment_code, environment_of: Environment { Test = 1, Production = 2 }
    surface_code, surface_of: SurfaceKind {
        Upload = 1, Profile = 2, DirectMessage = 3, GroupMessage = 4, Live = 5, Search = 6,
        Link = 7, Storage = 8, Generated = 9,
    }
    disposition_code, disposition_of: Disposition {
        Allow = 1, AllowWithFriction = 2, Hold = 3, Block = 4, Interrupt = 5,
    }
    state_code, state_of: CheckState {
        Checked = 1, NotApplicable = 2, UnsupportedFormat = 3, TooLarge = 4, TooSmall = 5,
        Corrupt = 6, QualityTooLow = 7, SourceUnavailable = 8, IndexStale = 9, Deadline = 10,
        Shed = 11, NotExpanded = 12, Encrypted = 13, Disabled = 14, NoLegalBasis = 15,
    }
    assurance_code, assurance_of: Assurance {
        None = 1, Investigate = 2, Likely = 3, VerifiedKnown = 4,
    }
    entry_code, entry_of: EntryState {
        Proposed = 1, Quarantined = 2, Trial = 3, Active = 4, Disputed = 5, Retired = 6, Removed = 7,
    }
    outcome_code, outcome_of: OutcomeKind {
        Published = 1, Blocked = 2, Held = 3, Removed = 4, Restored = 5,
    }
    kind_code, kind_low: EventKind {
        TenantPut = 1, CredentialPut = 2, SurfacePut = 3, BankPut = 4, BankDeleted = 5,
        EntriesPut = 6, VerdictGiven = 7, OutcomeRecorded = 8, Counted = 9, CountsLost = 10,
        Restored = 11, PartnerPut = 12, ExchangePut = 13, ExchangeDeleted = 14,
        ExchangeAdvanced = 15, StreamInterrupted = 16, StreamCut = 17, StreamNoted = 18,
    }
}

impl Label {
    const fn code(self) -> [u8; 2] {
        match self {
            Self::Surface(value) => [1, surface_code(value)],
            Self::Disposition(value) => [2, disposition_code(value)],
            Self::Completeness(value) => [3, state_code(value)],
            Self::Assurance(value) => [4, assurance_code(value)],
            Self::EntryState(value) => [5, entry_code(value)],
            Self::Outcome(value) => [6, outcome_code(value)],
        }
    }

    fn of(code: [u8; 2]) -> Option<Self> {
        match code[0] {
            1 => surface_of(code[1]).map(Self::Surface),
            2 => disposition_of(code[1]).map(Self::Disposition),
            3 => state_of(code[1]).map(Self::Completeness),
            4 => assurance_of(code[1]).map(Self::Assurance),
            5 => entry_of(code[1]).map(Self::EntryState),
            6 => outcome_of(code[1]).map(Self::Outcome),
            _ => None,
        }
    }
}

/// The code of an entry's state, for rows that are searched by it.
#[must_use]
pub const fn entry_state_code(state: EntryState) -> u8 {
    entry_code(state)
}

/// Reads what [`entry_state_code`] writes.
#[must_use]
pub const fn entry_state_of(code: u8) -> Option<EntryState> {
    entry_of(code)
}

/// The greatest code of a kind of event that this program knows.
pub const EVENT_KIND_MAX: u8 = {
    let mut code = u8::MAX;
    while kind_low(code).is_none() {
        code -= 1;
    }
    code
};

/// The code of a kind of event, for rows that are searched by it.
#[must_use]
pub const fn event_kind_code(kind: EventKind) -> u8 {
    kind_code(kind)
}

/// The least complete state among the checks of a verdict.
fn completeness(verdict: &Verdict) -> CheckState {
    verdict.coverage.iter().map(|covered| covered.state).max().unwrap_or(CheckState::NotApplicable)
}

/// The figures of an event.
fn figures(
    event: &Event,
    tenant: Option<Pseudonym>,
    pseudonym: &dyn Fn(&TenantId) -> Pseudonym,
) -> Vec<Figure> {
    let one = |labels: Vec<Label>, count| Figure {
        tenant,
        environment: event.environment(),
        labels,
        count,
    };
    match event {
        Event::TenantPut { .. }
        | Event::CredentialPut { .. }
        | Event::SurfacePut { .. }
        | Event::BankPut { .. }
        | Event::BankDeleted { .. }
        | Event::CountsLost { .. }
        | Event::Restored { .. }
        | Event::PartnerPut { .. }
        | Event::ExchangePut { .. }
        | Event::ExchangeDeleted { .. }
        | Event::ExchangeAdvanced { .. }
        | Event::StreamInterrupted { .. }
        | Event::StreamCut { .. }
        | Event::StreamNoted { .. } => Vec::new(),
        Event::EntriesPut { entries, .. } => {
            let mut states = BTreeMap::<EntryState, u64>::new();
            for entry in entries {
                *states.entry(entry.state).or_default() += 1;
            }
            states.into_iter().map(|(state, n)| one(vec![Label::EntryState(state)], n)).collect()
        }
        Event::VerdictGiven { given, .. } => vec![one(
            vec![
                Label::Surface(given.context.surface_kind),
                Label::Disposition(given.verdict.disposition),
                Label::Completeness(completeness(&given.verdict)),
                Label::Assurance(given.verdict.assurance),
            ],
            1,
        )],
        Event::OutcomeRecorded { outcome, .. } => vec![one(vec![Label::Outcome(outcome.kind)], 1)],
        Event::Counted { counts, .. } => counts
            .iter()
            .take(FIGURES_MAX)
            .map(|count| Figure {
                tenant: Some(pseudonym(&count.scope.tenant)),
                environment: Some(count.scope.environment),
                labels: vec![
                    Label::Surface(count.surface),
                    Label::Disposition(count.disposition),
                    Label::Completeness(count.completeness),
                ],
                count: count.count,
            })
            .collect(),
    }
}

impl Envelope {
    /// The envelope of an event.
    #[must_use]
    pub fn of(
        number: u64,
        now: Time,
        event: &Event,
        pseudonym: &dyn Fn(&TenantId) -> Pseudonym,
    ) -> Self {
        let tenant = event.tenant().map(pseudonym);
        Self {
            number,
            kind: event.kind(),
            hour: now.coarse(),
            tenant,
            environment: event.environment(),
            figures: figures(event, tenant, pseudonym),
        }
    }

    /// The bytes, as the table above says.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(VERSION);
        out.extend(self.number.to_be_bytes());
        out.extend(u16::from(kind_code(self.kind)).to_be_bytes());
        out.extend(self.hour.millis().to_be_bytes());
        write_owner(&mut out, self.environment, self.tenant);
        let figures = u16::try_from(self.figures.len()).unwrap_or(u16::MAX);
        out.extend(figures.to_be_bytes());
        for figure in self.figures.iter().take(FIGURES_MAX) {
            write_owner(&mut out, figure.environment, figure.tenant);
            out.push(u8::try_from(figure.labels.len()).unwrap_or(u8::MAX));
            for label in &figure.labels {
                out.extend(label.code());
            }
            out.extend(figure.count.to_be_bytes());
        }
        out
    }

    /// Reads what [`Self::write`] writes, and nothing else.
    ///
    /// # Errors
    /// [`EnvelopeError`] names what is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut rest = Rest(bytes);
        if rest.take::<1>()? != [VERSION] {
            return Err(EnvelopeError::Version);
        }
        let number = u64::from_be_bytes(rest.take()?);
        let kind = u8::try_from(u16::from_be_bytes(rest.take()?)).ok().and_then(kind_low);
        let hour = Time::from_millis(i64::from_be_bytes(rest.take()?));
        let (environment, tenant) = rest.owner()?;
        let count = u16::from_be_bytes(rest.take()?);
        let figures = (0..count).map(|_| rest.figure()).collect::<Result<_, _>>()?;
        if !rest.0.is_empty() {
            return Err(EnvelopeError::Long);
        }
        if hour != hour.coarse() {
            return Err(EnvelopeError::Code);
        }
        let kind = kind.ok_or(EnvelopeError::Code)?;
        Ok(Self { number, kind, hour, tenant, environment, figures })
    }
}

fn write_owner(out: &mut Vec<u8>, environment: Option<Environment>, tenant: Option<Pseudonym>) {
    out.push(environment.map_or(0, environment_code));
    out.push(u8::from(tenant.is_some()));
    out.extend(tenant.iter().flatten());
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(EnvelopeError::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn owner(&mut self) -> Result<(Option<Environment>, Option<Pseudonym>), EnvelopeError> {
        let environment = match self.take()? {
            [0] => None,
            [code] => Some(environment_of(code).ok_or(EnvelopeError::Code)?),
        };
        let tenant = match self.take()? {
            [0] => None,
            [1] => Some(self.take()?),
            _ => return Err(EnvelopeError::Code),
        };
        Ok((environment, tenant))
    }

    fn figure(&mut self) -> Result<Figure, EnvelopeError> {
        let (environment, tenant) = self.owner()?;
        let [count] = self.take()?;
        let mut labels = Vec::new();
        let mut before = 0;
        for _ in 0..count {
            let code: [u8; 2] = self.take()?;
            if code[0] <= before {
                return Err(EnvelopeError::Code);
            }
            before = code[0];
            labels.push(Label::of(code).ok_or(EnvelopeError::Code)?);
        }
        Ok(Figure { tenant, environment, labels, count: u64::from_be_bytes(self.take()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::Scope;
    use crate::core::event::Count;
    use proptest::prelude::*;

    fn scope() -> Scope {
        Scope { tenant: TenantId::parse("acme").unwrap(), environment: Environment::Production }
    }

    fn counted() -> Envelope {
        let event = Event::Counted {
            minute: Time::from_millis(0),
            counts: vec![Count {
                scope: scope(),
                surface: SurfaceKind::Live,
                disposition: Disposition::Allow,
                completeness: CheckState::Checked,
                count: 258,
            }],
        };
        Envelope::of(7, Time::from_millis(3_600_001), &event, &|_| [0xaa; 16])
    }

    #[test]
    fn the_bytes_of_an_envelope_never_change() {
        assert_eq!(
            hex::encode(counted().write()),
            concat!(
                "01",
                "0000000000000007",
                "0009",
                "000000000036ee80",
                "00",
                "00",
                "0001",
                "02",
                "01",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "03",
                "0105",
                "0201",
                "0301",
                "0000000000000102",
            )
        );
    }

    #[test]
    fn counts_alone_give_the_public_figures() {
        let read = Envelope::read(&counted().write()).unwrap();
        assert_eq!(read.figures[0].count, 258);
        assert_eq!(
            read.figures[0].labels,
            [
                Label::Surface(SurfaceKind::Live),
                Label::Disposition(Disposition::Allow),
                Label::Completeness(CheckState::Checked)
            ]
        );
    }

    #[test]
    fn what_is_cut_or_longer_is_no_envelope() {
        let bytes = counted().write();
        for end in 0..bytes.len() {
            assert_eq!(Envelope::read(&bytes[..end]), Err(EnvelopeError::Short), "{end}");
        }
        assert_eq!(Envelope::read(&[&bytes[..], &[0]].concat()), Err(EnvelopeError::Long));
    }

    #[test]
    fn every_code_reads_back() {
        for code in 0..=u8::MAX {
            if let Some(state) = entry_state_of(code) {
                assert_eq!(entry_state_code(state), code);
            }
            if let Some(kind) = kind_low(code) {
                assert_eq!(event_kind_code(kind), code);
                assert_eq!(kind as u16, u16::from(code));
            }
            for label in 0..=u8::MAX {
                if let Some(read) = Label::of([label, code]) {
                    assert_eq!(read.code(), [label, code]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_that_are_read_are_written_again(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() { *first = VERSION; }
            if let Ok(read) = Envelope::read(&bytes) {
                prop_assert_eq!(read.write(), bytes);
            }
        }

        #[test]
        fn a_flipped_bit_is_refused_or_reads_as_another_envelope(at in any::<usize>(), bit in 0_u32..8) {
            let good = counted();
            let mut bytes = good.write();
            let at = at % bytes.len();
            bytes[at] ^= 1_u8 << bit;
            if let Ok(read) = Envelope::read(&bytes) {
                prop_assert_ne!(&read, &good);
                prop_assert_eq!(read.write(), bytes);
            }
        }
    }
}
