//! Values as bytes, written and read piece by piece: little-endian, of fixed layout, and nothing believed that was read.
//!
//! Neither side holds more than a piece beside the values themselves, however many there are.

use crate::core::signal::Bits256;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that are handed on at a time, at most.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of the largest word.
const WORD_BYTES_MAX: usize = 64;
/// Lengths are read before what they measure: room is made for so many elements at first, then for those that came.
const BELIEVED_MAX: usize = 1 << 16;

/// Whoever should take bytes takes no more; why, it knows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Takes bytes, one piece after another.
pub trait Sink {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Stopped`] where it takes no more.
    fn put(&mut self, piece: &[u8]) -> Result<(), Stopped>;
}

/// What does not hold in bytes that were read. Says nothing of what stands in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Gives bytes, one piece after another.
pub trait Source {
    /// The next piece: at most `most` bytes, and none only where there are no more.
    fn next(&mut self, most: usize) -> &[u8];

    /// Bytes that are still to come, or more.
    fn left_max(&self) -> u64;
}

/// A value of a fixed number of bytes.
pub trait Word: Copy {
    /// How many.
    const BYTES: usize;

    /// Appends its bytes.
    fn write(self, to: &mut Vec<u8>);

    /// Reads [`Self::BYTES`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

/// The first bytes of a slice that has them.
fn exact<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("a word is read from as many bytes as it has")
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Word for $type {
            const BYTES: usize = size_of::<$type>();

            #[inline]
            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                Self::from_le_bytes(exact(bytes))
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

impl<const N: usize> Word for [u8; N] {
    const BYTES: usize = N;

    #[inline]
    fn write(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self);
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        exact(bytes)
    }
}

impl Word for Bits256 {
    const BYTES: usize = 32;

    #[inline]
    fn write(self, to: &mut Vec<u8>) {
        self.0.iter().for_each(|word| word.write(to));
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        Self(std::array::from_fn(|at| u64::read(&bytes[at * 8..])))
    }
}

/// Writes values into a sink.
pub struct Encoder<'s> {
    sink: &'s mut dyn Sink,
    waiting: Vec<u8>,
}

impl<'s> Encoder<'s> {
    /// Writes into `sink`.
    #[must_use]
    pub fn new(sink: &'s mut dyn Sink) -> Self {
        Self { sink, waiting: Vec::with_capacity(PIECE_BYTES + WORD_BYTES_MAX) }
    }

    /// Hands on what still waits.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn finish(mut self) -> Result<(), Stopped> {
        self.hand_on()
    }

    fn hand_on(&mut self) -> Result<(), Stopped> {
        let handed = self.sink.put(&self.waiting);
        self.waiting.clear();
        handed
    }

    /// Writes one word.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn word<T: Word>(&mut self, word: T) -> Result<(), Stopped> {
        word.write(&mut self.waiting);
        if self.waiting.len() >= PIECE_BYTES { self.hand_on() } else { Ok(()) }
    }

    /// Writes a number of elements.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn count(&mut self, count: usize) -> Result<(), Stopped> {
        self.word(count as u64)
    }

    /// Writes words one after another, and nothing of how many there are.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn words<T: Word>(&mut self, words: &[T]) -> Result<(), Stopped> {
        for piece in words.chunks(PIECE_BYTES / T::BYTES.max(1)) {
            piece.iter().for_each(|word| word.write(&mut self.waiting));
            if self.waiting.len() >= PIECE_BYTES {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    /// Writes bytes behind their number.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.count(bytes.len())?;
        self.words(bytes)
    }

    /// Writes a text.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn text(&mut self, text: &str) -> Result<(), Stopped> {
        self.bytes(text.as_bytes())
    }

    /// Writes a record as JSON.
    ///
    /// # Errors
    /// [`Stopped`], also where the record cannot be JSON.
    pub fn json<T: Serialize>(&mut self, record: &T) -> Result<(), Stopped> {
        self.bytes(&serde_json::to_vec(record).map_err(|_| Stopped)?)
    }
}

/// Reads values from a source.
pub struct Decoder<'s> {
    source: &'s mut dyn Source,
}

impl<'s> Decoder<'s> {
    /// Reads from `source`.
    #[must_use]
    pub fn new(source: &'s mut dyn Source) -> Self {
        Self { source }
    }

    /// Says that all was read.
    ///
    /// # Errors
    /// [`Malformed`] where there is more.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.source.next(1).is_empty() { Ok(()) } else { Err(Malformed("more follows")) }
    }

    /// Gives `count` elements of `bytes` each to `take`, several at a time and never part of one.
    fn each(
        &mut self,
        count: usize,
        bytes: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let early = Malformed("ends early");
        let mut left = count.checked_mul(bytes).ok_or(early)?;
        let (mut part, mut held) = ([0; WORD_BYTES_MAX], 0);
        while left > 0 {
            let mut piece = self.source.next(left.min(PIECE_BYTES));
            if piece.is_empty() {
                return Err(early);
            }
            left -= piece.len();
            if held > 0 {
                let (more, rest) = piece.split_at(piece.len().min(bytes - held));
                part[held..held + more.len()].copy_from_slice(more);
                (held, piece) = (held + more.len(), rest);
                if held < bytes {
                    continue;
                }
                take(&part[..bytes])?;
            }
            let (whole, rest) = piece.split_at(piece.len() / bytes * bytes);
            if !whole.is_empty() {
                take(whole)?;
            }
            part[..rest.len()].copy_from_slice(rest);
            held = rest.len();
        }
        Ok(())
    }

    /// Reads one word.
    ///
    /// # Errors
    /// [`Malformed`] where it ends early.
    pub fn word<T: Word>(&mut self) -> Result<T, Malformed> {
        let mut read = None;
        self.each(1, T::BYTES, |bytes| {
            read = Some(T::read(bytes));
            Ok(())
        })?;
        read.ok_or(Malformed("ends early"))
    }

    /// Reads a number of elements that take at least `bytes` each: as many as can still come, at most.
    ///
    /// # Errors
    /// [`Malformed`] where there are not so many.
    pub fn count(&mut self, bytes: usize) -> Result<usize, Malformed> {
        let count: u64 = self.word()?;
        let all = count.checked_mul(bytes as u64);
        let fits = all.is_some_and(|all| all <= self.source.left_max());
        usize::try_from(count).ok().filter(|_| fits).ok_or(Malformed("more than can come"))
    }

    /// Reads words into `into`, and has each piece of them checked.
    ///
    /// # Errors
    /// [`Malformed`] where they end early, or what the check says.
    pub fn fill<T: Word>(
        &mut self,
        into: &mut [T],
        mut check: impl FnMut(&[T]) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut at = 0;
        self.each(into.len(), T::BYTES, |bytes| {
            let some = &mut into[at..at + bytes.len() / T::BYTES];
            at += some.len();
            let words = bytes.chunks_exact(T::BYTES).map(T::read);
            some.iter_mut().zip(words).for_each(|(into, word)| *into = word);
            check(some)
        })
    }

    /// Reads `count` words, and has each piece of them checked.
    ///
    /// # Errors
    /// [`Malformed`] where they end early, or what the check says.
    pub fn list<T: Word>(
        &mut self,
        count: usize,
        mut check: impl FnMut(&[T]) -> Result<(), Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let mut list = Vec::with_capacity(count);
        self.each(count, T::BYTES, |bytes| {
            let before = list.len();
            list.extend(bytes.chunks_exact(T::BYTES).map(T::read));
            check(&list[before..])
        })?;
        Ok(list)
    }

    /// Reads `count` records, one after another.
    ///
    /// # Errors
    /// What reading one says.
    pub fn records<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let mut list = Vec::with_capacity(count.min(BELIEVED_MAX));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    /// Reads bytes behind their number.
    ///
    /// # Errors
    /// [`Malformed`] where they end early.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let count = self.count(1)?;
        self.list(count, |_| Ok(()))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`Malformed`] where it is none.
    pub fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?).map_err(|_| Malformed("not a text"))
    }

    /// Reads a record that stands as JSON.
    ///
    /// # Errors
    /// [`Malformed`] where it is none.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, Malformed> {
        serde_json::from_slice(&self.bytes()?).map_err(|_| Malformed("not a record"))
    }
}

/// Says that what was read holds, or what does not.
///
/// # Errors
/// [`Malformed`] with `otherwise` where it does not.
pub fn holds(what: bool, otherwise: &'static str) -> Result<(), Malformed> {
    if what { Ok(()) } else { Err(Malformed(otherwise)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that are taken whole, and given again a few at a time.
    struct Few<'b> {
        bytes: &'b [u8],
        most: usize,
    }

    impl Sink for Vec<u8> {
        fn put(&mut self, piece: &[u8]) -> Result<(), Stopped> {
            self.extend_from_slice(piece);
            Ok(())
        }
    }

    impl Source for Few<'_> {
        fn next(&mut self, most: usize) -> &[u8] {
            let (piece, rest) = self.bytes.split_at(most.min(self.most).min(self.bytes.len()));
            self.bytes = rest;
            piece
        }

        fn left_max(&self) -> u64 {
            self.bytes.len() as u64
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_however_few_bytes_come_at_a_time(
            numbers in proptest::collection::vec(any::<u32>(), 0..300),
            digests in proptest::collection::vec(any::<[u8; 20]>(), 0..50),
            words in proptest::collection::vec(any::<[u64; 4]>(), 0..50),
            most in 1_usize..100,
        ) {
            let mut bytes = Vec::new();
            let mut to = Encoder::new(&mut bytes);
            let words: Vec<Bits256> = words.into_iter().map(Bits256).collect();
            to.count(numbers.len()).unwrap();
            to.words(&numbers).unwrap();
            to.json(&"text").unwrap();
            to.words(&digests).unwrap();
            to.words(&words).unwrap();
            to.finish().unwrap();
            let mut source = Few { bytes: &bytes, most };
            let mut from = Decoder::new(&mut source);
            let count = from.count(4).unwrap();
            let mut seen = Vec::new();
            let list = from.list::<u32>(count, |some| { seen.extend_from_slice(some); Ok(()) });
            prop_assert_eq!(list.as_ref(), Ok(&numbers));
            prop_assert_eq!(seen, numbers);
            prop_assert_eq!(from.json::<String>().unwrap(), "text");
            let mut again = vec![[0; 20]; digests.len()];
            from.fill(&mut again, |_| Ok(())).unwrap();
            prop_assert_eq!(again, digests);
            prop_assert!(from.list::<Bits256>(words.len(), |_| Ok(())).unwrap() == words);
            prop_assert!(from.word::<u8>().is_err());
            from.finish().unwrap();
        }
    }

    #[test]
    fn a_length_that_cannot_be_true_is_refused_before_room_is_made_for_it() {
        let bytes = [&u64::MAX.to_le_bytes()[..], &[1; 30]].concat();
        let from = |bytes| Few { bytes, most: 9 };
        assert!(Decoder::new(&mut from(&bytes)).count(1).is_err());
        assert!(Decoder::new(&mut from(&bytes)).count(16).is_err());
        assert!(Decoder::new(&mut from(&bytes)).bytes().is_err());
        assert!(Decoder::new(&mut from(&bytes[..12])).list::<[u8; 20]>(1, |_| Ok(())).is_err());
        let mut more = from(&bytes);
        assert_eq!(Decoder::new(&mut more).finish(), Err(Malformed("more follows")));
    }
}
