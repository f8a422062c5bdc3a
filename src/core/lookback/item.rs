//! What is remembered of an item that was screened.

use crate::core::access::Scope;
use crate::core::id::{BankId, EntryId, ItemId, SurfaceId};
use crate::core::policy::{Context, Surface};
use crate::core::screening::coverage::lacks_legal_basis;
use crate::core::screening::question::{Probe, Question};
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::core::verdict::{Dihedral, Finding, Form, Verdict};

/// What is remembered of an item: names, digests, perceptual hashes, and nothing else.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The platform's name of the item.
    pub item: ItemId,
    /// On which surface it was screened.
    pub surface: SurfaceId,
    /// When.
    pub screened: Time,
    /// Digests and perceptual hashes, as they were looked for.
    pub probes: Vec<Probe>,
}

/// Most frames of videos that are remembered of one item.
const FRAMES_MAX: usize = 128;

/// An item on its way to being remembered.
#[derive(Debug, Clone)]
pub struct Screened {
    /// Whose.
    pub scope: Scope,
    /// What is remembered.
    pub item: Remembered,
    /// Journal number up to which the banks were known that it was compared with.
    pub index: u64,
    /// Entries that its verdict has told.
    pub told: Vec<(BankId, EntryId)>,
}

impl Screened {
    /// What is to be remembered of an item that was decided on: nothing where its surface does not ask for it, where it
    /// has no name, or where nothing of it was to be compared.
    #[must_use]
    pub fn of(
        scope: &Scope,
        surface: &Surface,
        context: &Context,
        question: &Question,
        verdict: &Verdict,
    ) -> Option<Box<Self>> {
        surface.lookback?;
        let item = context.item.clone()?;
        let is_kept = |probe: &&Probe| is_remembered(&probe.signal);
        let probes = question.probes.iter().filter(is_kept);
        let mut probes: Vec<_> = probes.filter(|probe| !is_frame(probe)).cloned().collect();
        probes.extend(frames_of(question));
        if probes.is_empty() || lacks_legal_basis(surface, context) {
            return None;
        }
        let told = verdict.findings.iter().filter_map(|finding| match finding {
            Finding::Match(found) => Some((found.bank.clone(), found.entry.clone())),
            Finding::Score(_) => None,
        });
        let (surface, screened) = (surface.id.clone(), verdict.decided);
        Some(Box::new(Self {
            scope: scope.clone(),
            item: Remembered { item, surface, screened, probes },
            index: verdict.versions.index,
            told: told.collect(),
        }))
    }

    /// Bytes that it takes while it waits, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.item.probes.len() * (size_of::<Probe>() + 32) + 256
    }
}

const fn is_frame(probe: &Probe) -> bool {
    matches!(probe.signal, Signal::VpdqFrame(_))
}

/// The frames of videos that are remembered: as they stand, and of many some, spread evenly.
fn frames_of(question: &Question) -> impl Iterator<Item = Probe> {
    let is_plain = |probe: &&Probe| {
        is_frame(probe) && probe.form == Form::Canonical && probe.dihedral == Dihedral::Original
    };
    let frames: Vec<&Probe> = question.probes.iter().filter(is_plain).collect();
    let step = frames.len().div_ceil(FRAMES_MAX).max(1);
    frames.into_iter().step_by(step).cloned()
}

/// Whether a signal is remembered: values of a source's own kind may be anything, and are not; nor is what says something
/// of a person.
#[must_use]
pub const fn is_remembered(signal: &Signal) -> bool {
    match signal {
        Signal::Md5(_)
        | Signal::Sha1(_)
        | Signal::Sha256(_)
        | Signal::Pdq(_)
        | Signal::VpdqFrame(_) => true,
        Signal::PhotoDna(_) | Signal::Custom(..) | Signal::Advice(_) => false,
    }
}
