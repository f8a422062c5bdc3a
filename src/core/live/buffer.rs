//! Which pieces of a stream are still kept, so that evidence of the seconds before a cut exists.
//!
//! It keeps the books only: who holds the session holds the bytes, each piece under the number of its message.

use crate::core::live::policy::{Policy, Terms};
use crate::core::time::Time;
use std::collections::VecDeque;

/// A span of time whose pieces are evidence; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub until: Time,
}

impl Window {
    /// The window around a cut: as far back from the last piece, and as far on from the cut, as the policy says.
    #[must_use]
    pub fn around(terms: &Terms, last_piece: Time, cut: Time) -> Self {
        let before = i64::try_from(terms.preserve_before.as_millis()).unwrap_or(i64::MAX);
        let from = last_piece.min(cut).millis().saturating_sub(before);
        Self { from: Time::from_millis(from), until: cut.plus(terms.preserve_after) }
    }

    /// Whether a time lies in it.
    #[must_use]
    pub fn contains(self, time: Time) -> bool {
        (self.from..=self.until).contains(&time)
    }
}

/// A piece that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Number of its message.
    pub number: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it came.
    pub at: Time,
}

/// Pieces in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// Number of the first one's message.
    pub first: u64,
    /// Number of the last one's message. Between the two lie messages that are no pieces.
    pub last: u64,
    /// How many.
    pub count: u32,
    /// Bytes of all.
    pub bytes: u64,
}

/// The pieces that are kept, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Buffer {
    pieces: VecDeque<Piece>,
    bytes: u64,
}

impl Buffer {
    /// Takes a piece; it must come after those before it. Answers the least number that is still kept, where something
    /// fell out: what has a lesser number may be let go.
    pub fn push(&mut self, terms: &Terms, piece: Piece) -> Option<u64> {
        self.pieces.push_back(piece);
        self.bytes = self.bytes.saturating_add(piece.bytes);
        let mut kept = None;
        while let Some(oldest) = self.pieces.front() {
            let is_over = self.bytes > terms.buffer_bytes
                || self.pieces.len() > terms.buffer_pieces as usize
                || piece.at.since(oldest.at) > terms.buffer_span;
            if !is_over {
                break;
            }
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.pieces.pop_front();
            let next = self.pieces.front().map(|oldest| oldest.number);
            kept = Some(next.unwrap_or(piece.number.saturating_add(1)));
        }
        kept
    }

    /// The pieces of a window that are kept; nothing where none are.
    #[must_use]
    pub fn within(&self, window: Window) -> Option<Pieces> {
        let mut pieces = self.pieces.iter().filter(|piece| window.contains(piece.at));
        let first = pieces.next()?;
        let start =
            Pieces { first: first.number, last: first.number, count: 1, bytes: first.bytes };
        Some(pieces.fold(start, |all, piece| Pieces {
            last: piece.number,
            count: all.count.saturating_add(1),
            bytes: all.bytes.saturating_add(piece.bytes),
            ..all
        }))
    }

    /// Bytes of all pieces that are kept.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many pieces are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Most memory that one stream's pieces take, in bytes: themselves and the books about them, which may grow to twice of
/// what they need.
#[must_use]
pub fn bytes_max(policy: &Policy) -> u64 {
    let terms = policy.terms();
    let rows = (u64::from(terms.buffer_pieces) + 1).next_power_of_two();
    terms.buffer_bytes.saturating_add(rows.saturating_mul(size_of::<Piece>() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn terms() -> Terms {
        Terms {
            buffer_span: Duration::from_secs(10),
            preserve_before: Duration::from_secs(10),
            buffer_bytes: 4 << 20,
            buffer_pieces: 20,
            ..Terms::usual()
        }
    }

    fn piece(number: u64, bytes: u64, second: i64) -> Piece {
        Piece { number, bytes, at: Time::from_millis(second * 1000) }
    }

    #[test]
    fn what_is_too_old_too_much_or_too_many_falls_out_the_oldest_first() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.push(&terms(), piece(1, 10, 0)), None);
        assert_eq!(buffer.push(&terms(), piece(4, 10, 10)), None);
        assert_eq!(buffer.push(&terms(), piece(5, 10, 11)), Some(4));
        assert_eq!(buffer.push(&terms(), piece(6, 4 << 20, 11)), Some(6));
        assert_eq!((buffer.len(), buffer.bytes()), (1, 4 << 20));
        for number in 7..=26 {
            buffer.push(&terms(), piece(number, 0, 11));
        }
        assert_eq!((buffer.len(), buffer.bytes()), (20, 0));
    }

    #[test]
    fn a_piece_that_is_larger_than_the_buffer_is_not_kept() {
        let mut buffer = Buffer::default();
        buffer.push(&terms(), piece(1, 10, 0));
        assert_eq!(buffer.push(&terms(), piece(2, u64::MAX, 0)), Some(3));
        assert!(buffer.is_empty() && buffer.bytes() == 0);
    }

    #[test]
    fn a_window_reaches_back_from_the_last_piece_and_on_from_the_cut() {
        let mut buffer = Buffer::default();
        for (number, second) in [(1, 0), (3, 4), (5, 5), (6, 9)] {
            buffer.push(&terms(), piece(number, 7, second));
        }
        let at = |second: i64| Time::from_millis(second * 1000);
        // Nothing has come for a minute: the window still holds what came before.
        let window = Window::around(&terms(), at(9), at(69));
        assert_eq!((window.from, window.until), (at(-1), at(79)));
        let all = Pieces { first: 1, last: 6, count: 4, bytes: 28 };
        assert_eq!(buffer.within(window), Some(all));
        let some = Pieces { first: 3, last: 5, count: 2, bytes: 14 };
        assert_eq!(buffer.within(Window { from: at(4), until: at(5) }), Some(some));
        assert_eq!(buffer.within(Window { from: at(10), until: at(99) }), None);
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed_and_what_fits_is_kept(
            sent in proptest::collection::vec((0..2_000_000_u64, 0..3_i64), 1..200)
        ) {
            let (mut buffer, mut second, mut all) = (Buffer::default(), 0, Vec::new());
            for (number, (bytes, step)) in (1..).zip(sent) {
                second += step;
                let piece = piece(number, bytes, second);
                all.push(piece);
                buffer.push(&terms(), piece);
                prop_assert!(buffer.bytes() <= 4 << 20 && buffer.len() <= 20);
                prop_assert_eq!(buffer.bytes(), buffer.pieces.iter().map(|one| one.bytes).sum::<u64>());
                prop_assert!(buffer.pieces.iter().all(|one| piece.at.since(one.at) <= terms().buffer_span));
                // The next older one would not have fitted.
                let Some(fallen) = all.len().checked_sub(buffer.len() + 1) else { continue };
                let fallen = all[fallen];
                prop_assert!(
                    buffer.bytes() + fallen.bytes > 4 << 20
                        || buffer.len() == 20
                        || piece.at.since(fallen.at) > terms().buffer_span
                );
            }
        }
    }

    #[test]
    fn the_memory_of_a_stream_is_known_before_it_starts() {
        let policy = Policy::of(terms()).unwrap();
        assert_eq!(bytes_max(&policy), (4 << 20) + 32 * 24);
    }
}
