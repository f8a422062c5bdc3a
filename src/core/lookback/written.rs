//! A remembered item as bytes: some hundreds for a picture, read in a microsecond.

use crate::core::id::{ItemId, SurfaceId};
use crate::core::lookback::item::Remembered;
use crate::core::screening::question::Probe;
use crate::core::signal::{Signal, SignalType};
use crate::core::time::Time;
use crate::core::verdict::{Dihedral, Form};
use std::sync::Arc;

/// The first byte: how what follows is written.
const VERSION: u8 = 1;
/// Stands for a quality that is not known.
const UNKNOWN: u8 = u8::MAX;
const KINDS: [SignalType; 5] =
    [SignalType::Md5, SignalType::Sha1, SignalType::Sha256, SignalType::Pdq, SignalType::VpdqFrame];
const LENGTHS: [usize; 5] = [16, 20, 32, 32, 32];
const FORMS: [Form; 5] =
    [Form::Canonical, Form::Oriented, Form::Trimmed, Form::OnWhite, Form::OnBlack];

fn place<T: PartialEq>(list: &[T], thing: &T) -> u8 {
    list.iter().position(|other| other == thing).map_or(u8::MAX, |at| at as u8)
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u16).to_be_bytes());
    to.extend(text.as_bytes());
}

/// What is left to be read.
struct Left<'b>(&'b [u8]);

impl<'b> Left<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let bytes = self.take(N)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self) -> Option<&'b str> {
        let count = self.number::<2>()?;
        std::str::from_utf8(self.take(count as usize)?).ok()
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.number::<1>()? as usize).cloned()
    }
}

impl Remembered {
    /// Writes it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = vec![VERSION];
        to.extend(self.screened.millis().to_be_bytes());
        text(&mut to, self.item.as_str());
        text(&mut to, self.surface.as_str());
        let mut part: &str = "";
        for probe in &self.probes {
            let kind = place(&KINDS, &probe.signal.kind());
            // The place within the item is written where it differs from the one before.
            let is_other = *probe.part != *part;
            to.push(kind | u8::from(is_other) << 7);
            if is_other {
                part = &probe.part;
                // A place that does not fit is cut: it only says where to look.
                let end = part.len().min(usize::from(u16::MAX));
                let end = (0..=end).rev().find(|end| part.is_char_boundary(*end)).unwrap_or(0);
                text(&mut to, &part[..end]);
            }
            to.push(probe.quality.map_or(UNKNOWN, |quality| quality.min(100) as u8));
            to.push(place(&FORMS, &probe.form));
            to.push(place(&Dihedral::ALL, &probe.dihedral));
            to.extend(probe.frame.to_be_bytes());
            to.extend(probe.signal.bytes());
        }
        to
    }

    /// Reads what [`Self::to_bytes`] wrote; nothing where that is something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut left = Left(bytes);
        if left.number::<1>()? != u64::from(VERSION) {
            return None;
        }
        let screened = Time::from_millis(left.number::<8>()?.cast_signed());
        let item = ItemId::parse(left.text()?).ok()?;
        let surface = SurfaceId::parse(left.text()?).ok()?;
        let mut probes = Vec::new();
        let mut part: Arc<str> = Arc::from("");
        while !left.0.is_empty() {
            let head = left.number::<1>()? as usize;
            if head & 0x80 != 0 {
                part = Arc::from(left.text()?);
            }
            let kind = KINDS.get(head & 0x7f)?;
            let quality = left.number::<1>()? as u8;
            let form = left.one_of(&FORMS)?;
            let dihedral = left.one_of(&Dihedral::ALL)?;
            let frame = left.number::<4>()? as u32;
            let value = left.take(LENGTHS[head & 0x7f])?;
            probes.push(Probe {
                signal: Signal::from_bytes(kind, value).ok()?,
                quality: (quality != UNKNOWN).then_some(u32::from(quality)),
                form,
                dihedral,
                part: Arc::clone(&part),
                frame,
                stream: 0,
            });
        }
        Some(Self { item, surface, screened, probes })
    }
}
