//! Frames as portable pixmaps one after another, read from a pipe in pieces of any size.

use crate::core::raster::Raster;

/// Longest header: two letters, three numbers and spaces.
const HEADER_BYTES_MAX: usize = 40;

/// What came through the pipe is not frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoFrames;

/// A frame that has begun.
struct Begun {
    width: u32,
    height: u32,
    bytes: usize,
}

/// Puts the pieces together.
#[derive(Default)]
pub(super) struct Pixels {
    header: Vec<u8>,
    begun: Option<Begun>,
    body: Vec<u8>,
}

impl Pixels {
    /// Whether nothing of a further frame has come.
    pub(super) const fn is_between_frames(&self) -> bool {
        self.header.is_empty() && self.begun.is_none()
    }

    /// Takes bytes from the front of what was read, and gives the frame that they complete. `admit` is asked before memory
    /// is taken for a frame of a size.
    pub(super) fn take<E: From<NoFrames>>(
        &mut self,
        read: &mut &[u8],
        admit: impl Fn(u32, u32) -> Result<(), E>,
    ) -> Result<Option<Raster>, E> {
        while self.begun.is_none() {
            let Some((byte, rest)) = read.split_first() else { return Ok(None) };
            *read = rest;
            self.header.push(*byte);
            if let Some((width, height)) = header(&self.header)? {
                admit(width, height)?;
                let bytes = u64::from(width) * u64::from(height) * 3;
                let bytes = usize::try_from(bytes).map_err(|_| NoFrames)?;
                self.header.clear();
                self.body = Vec::with_capacity(bytes);
                self.begun = Some(Begun { width, height, bytes });
            }
        }
        let Some(begun) = &self.begun else { return Ok(None) };
        let piece = read.len().min(begun.bytes - self.body.len());
        self.body.extend_from_slice(&read[..piece]);
        *read = &read[piece..];
        if self.body.len() < begun.bytes {
            return Ok(None);
        }
        let (width, height) = (begun.width, begun.height);
        self.begun = None;
        let body = std::mem::take(&mut self.body);
        Raster::new(width, height, body).map(Some).map_err(|_| NoFrames.into())
    }
}

/// Width and height, when the header is whole.
fn header(bytes: &[u8]) -> Result<Option<(u32, u32)>, NoFrames> {
    if bytes.len() > HEADER_BYTES_MAX || !b"P6\n".starts_with(&bytes[..bytes.len().min(3)]) {
        return Err(NoFrames);
    }
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    if lines < 3 {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NoFrames)?;
    let mut words = text.split_ascii_whitespace().skip(1);
    let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
    match (number(), number(), number()) {
        (Some(width @ 1..), Some(height @ 1..), Some(255)) => Ok(Some((width, height))),
        _ => Err(NoFrames),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], piece: usize) -> Result<(Vec<(u32, u32)>, bool), NoFrames> {
        let (mut pixels, mut sizes) = (Pixels::default(), Vec::new());
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                if let Some(frame) = pixels.take::<NoFrames>(&mut piece, |_, _| Ok(()))? {
                    sizes.push((frame.width(), frame.height()));
                }
            }
        }
        Ok((sizes, pixels.is_between_frames()))
    }

    #[test]
    fn frames_are_read_in_pieces_of_any_size_and_a_cut_one_is_seen() {
        let one = [&b"P6\n2 1\n255\n"[..], b"P6\n\n\n\n"].concat();
        let two = [&one[..17], b"P6\n1 1\n255\n123"].concat();
        for piece in 1..=two.len() {
            assert_eq!(all(&two, piece), Ok((vec![(2, 1), (1, 1)], true)), "{piece}");
        }
        for cut in [1, 5, 12, 16, 18, 30] {
            assert!(!all(&two[..cut], 7).unwrap().1, "{cut}");
        }
        for wrong in [
            "P5\n1 1\n255\n1",
            "P6\n0 1\n255\n",
            "P6\n1 1\n65535\n",
            "P6\n1 -1\n255\n",
            "P6\n1\n\n\n",
        ] {
            assert_eq!(all(wrong.as_bytes(), 3), Err(NoFrames), "{wrong}");
        }
        assert_eq!(all(&[b"P6\n".as_slice(), &[b'1'; 60]].concat(), 1), Err(NoFrames));
    }

    #[test]
    fn no_memory_is_taken_for_a_frame_that_is_not_admitted() {
        let mut pixels = Pixels::default();
        let mut read = &b"P6\n4294967295 4294967295\n255\n"[..];
        let refuse = |_, _| Err(NoFrames);
        assert!(pixels.take(&mut read, refuse).is_err());
        assert_eq!(pixels.body.capacity(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..50,
        ) {
            let _ = all(&bytes, piece);
        }
    }
}
