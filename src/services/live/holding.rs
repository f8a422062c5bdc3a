//! The last seconds of one stream, as they were sent, within the memory that all streams share.

use crate::core::live::buffer::{Pieces, Window};
use crate::io::evidence::Piece;
use crate::services::call::{ByteBudget, ByteLease};
use std::collections::BTreeMap;

/// A piece, and the memory that it takes.
struct Held {
    piece: Piece,
    _lease: ByteLease,
}

/// Pieces of the last seconds.
pub struct Holding {
    budget: ByteBudget,
    held: BTreeMap<u64, Held>,
    bytes: u64,
    /// Pieces that could not be held although their session counts on them, since something was preserved last.
    unheld: u32,
}

impl Holding {
    /// Nothing yet.
    #[must_use]
    pub const fn new(budget: ByteBudget) -> Self {
        Self { budget, held: BTreeMap::new(), bytes: 0, unheld: 0 }
    }

    /// Bytes of everything that is held.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds a piece; where memory is short, in the place of the oldest ones of this stream.
    pub fn hold(&mut self, piece: Piece) {
        let bytes = piece.bytes.len() as u64;
        loop {
            if let Ok(lease) = self.budget.lease(bytes) {
                self.bytes += bytes;
                self.held.insert(piece.number, Held { piece, _lease: lease });
                return;
            }
            self.unheld = self.unheld.saturating_add(1);
            let Some((_, oldest)) = self.held.pop_first() else { return };
            self.bytes -= oldest.piece.bytes.len() as u64;
        }
    }

    /// Lets pieces of lesser numbers go.
    pub fn let_go(&mut self, below: u64) {
        let kept = self.held.split_off(&below);
        let gone = std::mem::replace(&mut self.held, kept);
        self.bytes -= gone.values().map(|held| held.piece.bytes.len() as u64).sum::<u64>();
    }

    /// The pieces of a window, and how many others were not to be had.
    pub fn within(&mut self, window: Window, pieces: Pieces) -> (Vec<Piece>, u32) {
        let held = self.held.range(pieces.first..=pieces.last);
        let within = held.filter(|(_, held)| window.contains(held.piece.at));
        let found = within.map(|(_, held)| held.piece.clone()).collect();
        (found, std::mem::take(&mut self.unheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Time;
    use bytes::Bytes;

    fn piece(number: u64) -> Piece {
        let bytes = Bytes::from_static(&[7; 1024]);
        Piece { number, at: Time::from_millis(i64::try_from(number).unwrap()), bytes }
    }

    #[test]
    fn where_memory_is_short_the_oldest_go_first_and_are_told_as_missing() {
        let budget = ByteBudget::new(2048);
        let mut holding = Holding::new(budget.clone());
        for number in 1..=3 {
            holding.hold(piece(number));
        }
        let window = Window { from: Time::default(), until: Time::from_millis(9) };
        let pieces = Pieces { first: 1, last: 3, count: 3, bytes: 3072 };
        let (found, missing) = holding.within(window, pieces);
        let numbers: Vec<_> = found.iter().map(|piece| piece.number).collect();
        assert_eq!((numbers, missing, holding.bytes()), (vec![2, 3], 1, 2048));
        holding.let_go(3);
        assert_eq!((holding.bytes(), budget.taken()), (1024, 1024));
        drop(holding);
        assert_eq!(budget.taken(), 0);
    }
}
