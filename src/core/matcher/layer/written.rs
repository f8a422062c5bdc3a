//! A layer as bytes: as it is, with those of its entries told apart that have ended.

use super::Layer;
use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::matcher::ends::Ends;
use crate::core::matcher::frames::Frames;
use crate::core::matcher::perceptual::Perceptual;
use crate::core::matcher::rows::Rows;
use crate::core::matcher::sorted::Sorted;

/// Of eight entries at a time, which have ended: the first in the lowest bit.
const TOLD_AT_ONCE: usize = 8;

impl Layer {
    /// Writes the layer as whoever looks at the state after change `sequence` sees it.
    pub fn write(&self, sequence: u64, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        self.rows.write(to)?;
        for first in (0..self.len()).step_by(TOLD_AT_ONCE) {
            let bit = |at: usize| {
                let ended = at < self.len() && !self.ends.is_alive(at as u32, sequence);
                u8::from(ended) << (at - first)
            };
            to.word((first..first + TOLD_AT_ONCE).map(bit).fold(0, std::ops::BitOr::bitor))?;
        }
        self.pictures.write(to)?;
        self.frames.write(to)?;
        self.md5.write(to)?;
        self.sha1.write(to)?;
        self.sha256.write(to)?;
        self.opaque.write(to)
    }

    /// Reads what [`Self::write`] wrote. What had ended, ended with change 1.
    pub fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let rows = Rows::read(from)?;
        let len = rows.len();
        let mut ends = Vec::with_capacity(len);
        from.list(len.div_ceil(TOLD_AT_ONCE), |some: &[u8]| {
            for eight in some {
                let bits = (0..TOLD_AT_ONCE).map(|at| eight >> at & 1).take(len - ends.len());
                ends.extend(bits.map(|bit| bit != 0));
            }
            Ok(())
        })?;
        let pictures = Perceptual::read(from, len)?;
        let frames = Frames::read(from, len)?;
        let md5 = Sorted::read(from, len)?;
        let sha1 = Sorted::read(from, len)?;
        let sha256 = Sorted::read(from, len)?;
        let opaque = Sorted::read(from, len)?;
        holds(ends.len() == len, "ends of other entries")?;
        let ends = Ends::told(ends);
        Ok(Self { rows, pictures, frames, md5, sha1, sha256, opaque, ends })
    }
}
