//! Counts the outermost fields of a message while its bytes pass, before anything is made of them.
//!
//! Two bytes on the wire can become a hundred in memory, as an empty message in a repeated field does. The length of
//! a message alone bounds its memory badly, therefore.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    Tag { read: u64, shift: u32 },
    Number,
    Length { read: u64, shift: u32 },
    Rest(u64),
}

/// Where the reading of one message stands.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    next: Next,
    count: u32,
}

impl Fields {
    /// Before the first byte of a message.
    pub(super) const fn new() -> Self {
        Self { next: Next::Tag { read: 0, shift: 0 }, count: 0 }
    }

    /// Follows the message through its next bytes, and gives the number of fields begun so far. What is no message at
    /// all is counted somehow: whoever decodes it refuses it.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> u32 {
        while let Some((&byte, after)) = bytes.split_first() {
            if let Next::Rest(left) = self.next {
                let skipped = usize::try_from(left).map_or(bytes.len(), |n| n.min(bytes.len()));
                bytes = &bytes[skipped..];
                self.rest(left - skipped as u64);
                continue;
            }
            bytes = after;
            let (is_last, bits) = (byte < 0x80, u64::from(byte & 0x7f));
            match self.next {
                Next::Tag { read, shift } => {
                    let read = read | bits.checked_shl(shift).unwrap_or(0);
                    self.next = Next::Tag { read, shift: shift.saturating_add(7) };
                    if is_last {
                        self.begin(read);
                    }
                }
                Next::Length { read, shift } => {
                    let read = read | bits.checked_shl(shift).unwrap_or(0);
                    self.next = Next::Length { read, shift: shift.saturating_add(7) };
                    if is_last {
                        self.rest(read);
                    }
                }
                Next::Number if is_last => self.rest(0),
                Next::Number | Next::Rest(_) => {}
            }
        }
        self.count
    }

    /// By the tag's wire type.
    const fn begin(&mut self, tag: u64) {
        self.count = self.count.saturating_add(1);
        match tag & 7 {
            0 => self.next = Next::Number,
            1 => self.rest(8),
            2 => self.next = Next::Length { read: 0, shift: 0 },
            5 => self.rest(4),
            // Groups begin and end without a content of their own.
            _ => self.rest(0),
        }
    }

    const fn rest(&mut self, left: u64) {
        self.next = if left == 0 { Next::Tag { read: 0, shift: 0 } } else { Next::Rest(left) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1;
    use proptest::prelude::*;
    use prost::Message as _;

    proptest! {
        #[test]
        fn every_field_is_counted_once_however_the_bytes_arrive(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
            number in any::<u64>(),
            piece in 1_usize..97,
        ) {
            let signals: Vec<_> = values
                .iter()
                .map(|value| v1::Signal {
                    value: Some(v1::signal::Value::Text(hex::encode(value))),
                    ..v1::Signal::default()
                })
                .collect();
            let fields = signals.len() as u32;
            let context = v1::Context { min_index: number, ..v1::Context::default() };
            let request = v1::ScreenSignalsRequest {
                context: Some(context),
                signals,
                ..v1::ScreenSignalsRequest::default()
            };
            let bytes = request.encode_to_vec();
            let mut counting = Fields::new();
            let mut count = 0;
            for piece in bytes.chunks(piece) {
                count = counting.follow(piece);
            }
            prop_assert_eq!(count, fields + 1);
        }

        #[test]
        fn numbers_of_every_width_are_passed_over(small in any::<u64>(), wide in any::<f64>(), half in any::<f32>()) {
            use prost::encoding::{double, float, uint64};
            let mut bytes = Vec::new();
            uint64::encode(1, &small, &mut bytes);
            double::encode(2, &wide, &mut bytes);
            float::encode(1_000_000, &half, &mut bytes);
            prop_assert_eq!(Fields::new().follow(&bytes), 3);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let whole = Fields::new().follow(&bytes);
            let mut counting = Fields::new();
            for byte in &bytes {
                counting.follow(std::slice::from_ref(byte));
            }
            prop_assert_eq!(counting.follow(&[]), whole);
        }
    }
}
