//! What is found in an item, piece by piece as a worker finds it, so that nothing is lost with a worker that ends early.

use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Digests, Format, Part, Picture, VideoFrame};
use crate::core::verdict::CheckState;
use tokio::sync::mpsc::UnboundedSender;

/// The next piece. Parts nest as archives do: what is found belongs to the innermost part that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A part, with all that is known before its bytes are decoded.
    Begun(Begun),
    /// A hash of it.
    Picture(Picture),
    /// It has been examined as far as it will be.
    Ended(Ended),
    /// A hash of a frame of video.
    Frame(VideoFrame),
    /// One of its video streams has been watched to where its frames end.
    Watched(Watched),
}

/// What a worker saw of one video stream, beside the frames. How the decoding program ended is for the service to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched {
    /// Sampled frames, whatever could be hashed of them.
    pub(super) frames: u32,
    /// There is no such stream.
    pub(super) is_absent: bool,
    /// Streams of sound that the program named; none where it is not clear what some stream is.
    pub(super) sounds: u32,
    /// Streams of video among them; never fewer than there are, when the program named any.
    pub(super) videos: u32,
    /// Streams that hold pictures and are not decoded, and why that is.
    pub(super) beside: Reason,
    /// Checked where nothing was amiss.
    pub(super) state: CheckState,
    /// What was.
    pub(super) reason: Reason,
}

/// A part that is going to be examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// Place within the item.
    pub(super) place: String,
    /// Its format.
    pub(super) format: Format,
    /// Digests of its bytes.
    pub(super) digests: Option<Digests>,
    /// What became of taking them.
    pub(super) exact: CheckState,
    /// Its bytes may hold more than the pictures of its format.
    pub(super) holds_more: bool,
}

/// What became of examining a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// What became of hashing pictures.
    pub(super) image: CheckState,
    /// What became of hashing video.
    pub(super) video: CheckState,
    /// Why a state is not complete.
    pub(super) reason: Reason,
}

/// Takes the pieces in the order in which they are found.
pub(super) type Tell<'a> = dyn FnMut(Found) + 'a;

/// A worker said something that no honest worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker's answer is malformed")]
pub(super) struct Nonsense;

/// The parts that the pieces make, never more than the limits of an item allow, whoever sends them.
pub(super) struct Findings<'a> {
    limits: &'a MediaLimits,
    /// Format that the whole has.
    format: Format,
    parts: Vec<Part>,
    /// Places in `parts` of those that have begun and not ended, the innermost last.
    open: Vec<usize>,
    /// Whether the innermost part that has begun may hold more than pictures; one for each in `open`.
    holds_more: Vec<bool>,
    pictures: u32,
    watched: Option<Watched>,
    /// Who is told of each frame of video at once.
    told: Option<UnboundedSender<VideoFrame>>,
}

impl<'a> Findings<'a> {
    /// Nothing yet, of an item of this format.
    pub(super) fn new(limits: &'a MediaLimits, format: Format) -> Self {
        let (parts, open, holds_more) = (Vec::new(), Vec::new(), Vec::new());
        Self { limits, format, parts, open, holds_more, pictures: 0, watched: None, told: None }
    }

    /// The same, telling of each frame of video at once.
    pub(super) fn telling(self, told: Option<UnboundedSender<VideoFrame>>) -> Self {
        Self { told, ..self }
    }

    /// How much was found: what got farther has more of it.
    pub(super) fn extent(&self) -> (usize, u32) {
        (self.parts.len(), self.pictures)
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Nonsense`] where it is beyond the limits or cannot follow what came before; the pieces before it stand.
    pub(super) fn take(&mut self, found: Found) -> Result<(), Nonsense> {
        match found {
            Found::Begun(begun) => self.begin(begun),
            Found::Picture(picture) => {
                self.innermost()?.pictures.push(picture);
                Ok(())
            }
            Found::Frame(frame) => {
                if let Some(told) = &self.told {
                    let picture = Picture { thumbs: Vec::new(), ..frame.picture.clone() };
                    // Whoever listens no more need not be told.
                    let _ = told.send(VideoFrame { stream: frame.stream, picture });
                }
                self.innermost()?.frames.push(frame);
                Ok(())
            }
            Found::Watched(watched) => {
                self.watched = Some(watched);
                Ok(())
            }
            Found::Ended(ended) => {
                let part = self.open.last().and_then(|own| self.parts.get_mut(*own));
                let part = part.ok_or(Nonsense)?;
                // A check that is said to be done has something to show.
                let hollow = (ended.image == CheckState::Checked && part.pictures.is_empty())
                    || (ended.video == CheckState::Checked && part.frames.is_empty());
                if hollow {
                    return Err(Nonsense);
                }
                (part.image, part.video) = (ended.image, ended.video);
                ended.reason.text().clone_into(&mut part.reason);
                self.open.pop();
                self.holds_more.pop();
                Ok(())
            }
        }
    }

    /// The part that one more hash belongs to, where there may be one more.
    fn innermost(&mut self) -> Result<&mut Part, Nonsense> {
        let part = self.open.last().and_then(|own| self.parts.get_mut(*own)).ok_or(Nonsense)?;
        self.pictures = self.pictures.checked_add(1).ok_or(Nonsense)?;
        if self.pictures > self.limits.pictures_max { Err(Nonsense) } else { Ok(part) }
    }

    /// Hashes that there may still be.
    pub(super) fn pictures_left(&self) -> u32 {
        self.limits.pictures_max.saturating_sub(self.pictures)
    }

    /// What was seen of the last stream, once.
    pub(super) fn watched(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    fn begin(&mut self, begun: Begun) -> Result<(), Nonsense> {
        let entries_max = usize::try_from(self.limits.entries_max).unwrap_or(usize::MAX);
        let within = match self.open.last().and_then(|own| self.parts.get(*own)) {
            // Only the whole begins in nothing.
            None => self.parts.is_empty() && begun.place.is_empty() && begun.format == self.format,
            Some(outer) => {
                self.parts.len() <= entries_max
                    && is_place(&begun.place, self.limits.depth_max)
                    && match begun.place.rsplit_once('/') {
                        Some((place, _)) => place == outer.place,
                        None => outer.place.is_empty(),
                    }
            }
        };
        let hollow = begun.exact == CheckState::Checked && begun.digests.is_none();
        if !within || hollow {
            return Err(Nonsense);
        }
        self.open.push(self.parts.len());
        self.holds_more.push(begun.holds_more);
        self.parts.push(Part {
            place: begun.place,
            format: begun.format,
            digests: begun.digests,
            pictures: Vec::new(),
            frames: Vec::new(),
            exact: begun.exact,
            // Until it has ended: whoever reads this early must not take it for done.
            image: CheckState::NotExpanded,
            video: CheckState::NotExpanded,
            reason: String::new(),
        });
        Ok(())
    }

    /// The parts, when every one has ended.
    ///
    /// # Errors
    /// [`Nonsense`] where one has not, or there are none.
    pub(super) fn whole(&mut self) -> Result<Vec<Part>, Nonsense> {
        let is_whole = self.open.is_empty() && !self.parts.is_empty();
        if is_whole { Ok(std::mem::take(&mut self.parts)) } else { Err(Nonsense) }
    }

    /// The parts so far of an item whose examination ended early: the one that was in work gets this state, those around
    /// it hold something that was not seen. Empty where nothing was found.
    pub(super) fn broken_off(mut self, state: CheckState, reason: Reason) -> Vec<Part> {
        let innermost = self.open.last().copied();
        // Where all had ended, the worker may still have had more to say of the whole.
        let open = if self.open.is_empty() { vec![0] } else { std::mem::take(&mut self.open) };
        for (depth, own) in open.into_iter().enumerate() {
            let Some(part) = self.parts.get_mut(own) else { continue };
            let in_work = innermost.is_none_or(|innermost| innermost == own);
            let state = if in_work { state } else { CheckState::NotExpanded };
            let holds_more = !in_work || self.holds_more.get(depth).copied().unwrap_or(true);
            part.image = state;
            // A picture with nothing behind it has no video to miss.
            part.video = if holds_more { state } else { CheckState::NotApplicable };
            reason.text().clone_into(&mut part.reason);
        }
        self.parts
    }
}

/// Up to `depth_max` numbers between slashes.
fn is_place(text: &str, depth_max: u32) -> bool {
    let number = |n: &str| (1..=9).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
    let depth = text.split('/').count();
    depth <= usize::try_from(depth_max).unwrap_or(usize::MAX) && text.split('/').all(number)
}

#[cfg(test)]
mod tests;
