//! Values under numbers in the order of the values: compact, and searched from a guess.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, Word, holds};
use crate::core::signal::{Signal, SignalType};

/// What can be guessed of a value's place among others.
pub(super) trait Lead {
    /// The beginning of the value, in the same order. Evenly spread values have evenly spread beginnings.
    fn lead(&self) -> u64;
}

impl<const N: usize> Lead for [u8; N] {
    fn lead(&self) -> u64 {
        let mut eight = [0; 8];
        let len = N.min(8);
        eight[..len].copy_from_slice(&self[..len]);
        u64::from_be_bytes(eight)
    }
}

impl Lead for u32 {
    fn lead(&self) -> u64 {
        u64::from(*self) << 32
    }
}

impl Lead for u64 {
    fn lead(&self) -> u64 {
        *self
    }
}

impl Lead for Signal {
    /// Values of a source's own may have any form: nothing is guessed.
    fn lead(&self) -> u64 {
        0
    }
}

/// Values and the number of each. One value may stand under many numbers.
pub(super) struct Sorted<K> {
    keys: Box<[K]>,
    numbers: Box<[u32]>,
}

impl<K: Ord + Lead> Sorted<K> {
    /// Puts values in order.
    pub(super) fn over(mut list: Vec<(K, u32)>) -> Self {
        // What comes of several layers is one ordered run after another, which this sort sees.
        list.sort();
        let numbers = list.iter().map(|(_, number)| *number).collect();
        // Not in the memory of the list, which is larger than they are.
        let mut keys = Vec::with_capacity(list.len());
        keys.extend(list.into_iter().map(|(key, _)| key));
        Self { keys: keys.into(), numbers }
    }

    /// The numbers of a value, in order.
    pub(super) fn numbers_of(&self, key: &K) -> impl Iterator<Item = u32> + use<'_, K> {
        let start = self.first_not_below(key);
        let equal = self.keys[start..].iter().take_while(|other| *other == key).count();
        self.numbers[start..start + equal].iter().copied()
    }

    /// Bytes of memory that they take.
    pub(super) const fn bytes(&self) -> usize {
        size_of_val(&*self.keys) + size_of_val(&*self.numbers)
    }

    /// All values with their numbers, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, u32)> {
        self.keys.iter().zip(self.numbers.iter().copied())
    }

    /// Place of the first value that is not less than `key`: from where it should stand if all were evenly spread,
    /// in growing steps to either side, then by halves. However the values lie, it takes a logarithm of steps.
    fn first_not_below(&self, key: &K) -> usize {
        let len = self.keys.len();
        let guess = ((u128::from(key.lead()) * len as u128) >> 64) as usize;
        let below = |at: usize| self.keys[at] < *key;
        let mut step = 1;
        let (low, high) = if guess < len && below(guess) {
            let mut low = guess + 1;
            while low + step < len && below(low + step) {
                low += step + 1;
                step *= 2;
            }
            (low, len.min(low + step))
        } else {
            let mut high = guess.min(len);
            while step <= high && !below(high - step) {
                high -= step;
                step *= 2;
            }
            (high.saturating_sub(step), high)
        };
        low + self.keys[low..high].partition_point(|other| other < key)
    }
}

/// Bytes that the shortest opaque value takes where it is written.
const OPAQUE_BYTES_MIN: usize = 16;

/// What lists of values under numbers are made of, where it can be written.
pub(super) trait Key: Ord + Lead + Sized {
    /// Writes values, their number included.
    fn write_all(keys: &[Self], to: &mut Encoder<'_>) -> Result<(), Stopped>;

    /// Reads what [`Self::write_all`] wrote.
    fn read_all(from: &mut Decoder<'_>) -> Result<Vec<Self>, Malformed>;
}

macro_rules! words_are_keys {
    ($([$($generic:tt)*] $type:ty),*) => {$(
        impl $($generic)* Key for $type {
            fn write_all(keys: &[Self], to: &mut Encoder<'_>) -> Result<(), Stopped> {
                to.count(keys.len())?;
                to.words(keys)
            }

            fn read_all(from: &mut Decoder<'_>) -> Result<Vec<Self>, Malformed> {
                let count = from.count(<Self as Word>::BYTES)?;
                from.list(count, |_| Ok(()))
            }
        }
    )*};
}

words_are_keys!([] u32, [<const N: usize>] [u8; N]);

impl Key for Signal {
    fn write_all(keys: &[Self], to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.count(keys.len())?;
        for key in keys {
            to.json(&key.kind())?;
            to.bytes(&key.bytes())?;
        }
        Ok(())
    }

    fn read_all(from: &mut Decoder<'_>) -> Result<Vec<Self>, Malformed> {
        let count = from.count(OPAQUE_BYTES_MIN)?;
        from.records(count, |from| {
            let kind: SignalType = from.json()?;
            Self::from_bytes(&kind, &from.bytes()?)
                .map_err(|_| Malformed("not a value of its type"))
        })
    }
}

impl<K: Key> Sorted<K> {
    /// Writes values and numbers.
    pub(super) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        K::write_all(&self.keys, to)?;
        to.words(&self.numbers)
    }

    /// Reads what [`Self::write`] wrote, where every number is below `numbers`.
    pub(super) fn read(from: &mut Decoder<'_>, numbers: usize) -> Result<Self, Malformed> {
        let keys = K::read_all(from)?;
        let list = from.list(keys.len(), |some: &[u32]| {
            holds(some.iter().all(|number| (*number as usize) < numbers), "a number of no entry")
        })?;
        let in_order = |(a, b): (&[K], &[u32])| (&a[0], b[0]) <= (&a[1], b[1]);
        holds(keys.windows(2).zip(list.windows(2)).all(in_order), "values out of order")?;
        Ok(Self { keys: keys.into(), numbers: list.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_has_the_numbers_it_was_given_however_values_lie(
            list in proptest::collection::vec((prop_oneof![0_u32..50, any::<u32>(), Just(u32::MAX)], 0_u32..9), 0..200),
            others in proptest::collection::vec(any::<u32>(), 0..20),
        ) {
            let sorted = Sorted::over(list.clone());
            for key in list.iter().map(|(key, _)| *key).chain(others) {
                let mut expected: Vec<_> =
                    list.iter().filter(|(other, _)| *other == key).map(|(_, number)| *number).collect();
                expected.sort_unstable();
                prop_assert_eq!(sorted.numbers_of(&key).collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn digests_are_found_by_all_their_bytes(
            list in proptest::collection::vec((any::<[u8; 2]>(), 0_u32..9), 0..100), tail: u8,
        ) {
            // Alike in the first eight bytes: only the rest tells them apart.
            let key = |end: [u8; 2]| -> [u8; 20] {
                let mut key = [7; 20];
                key[18..].copy_from_slice(&end);
                key
            };
            let sorted = Sorted::over(list.iter().map(|(end, number)| (key(*end), *number)).collect());
            for (end, number) in &list {
                prop_assert!(sorted.numbers_of(&key(*end)).any(|other| other == *number));
            }
            let none = list.iter().all(|(end, _)| *end != [tail, 3]);
            prop_assert_eq!(sorted.numbers_of(&key([tail, 3])).next().is_none(), none);
        }
    }
}
