//! The multi-index: places of values by each 16-bit chunk, so that few values are compared.
//!
//! **Why no entry is lost.** Let a value differ from the query by dᵢ bits in chunk i, by r ≤ 31 in all. Go
//! round the 16 chunks as round a ring. There is a chunk from which on every run of k chunks differs by at
//! most k·r/16: otherwise a run beyond its share would start at every chunk, such runs laid end to end would
//! go round the ring some whole number of times, and their sum would exceed r for each time round. From that
//! chunk dᵢ ≤ r/16 and dᵢ + dᵢ₊₁ ≤ 2r/16, for r = 31 thus dᵢ ≤ 1 and dᵢ + dᵢ₊₁ ≤ 3. So it is enough to
//! look, for each chunk, into the buckets at most r/16 bits from the query's, and there only at entries whose
//! next chunk, kept beside the place, is near enough. (Qin and Xiao, "Pigeonring", PVLDB 12(1), 2018.)

use crate::core::signal::Bits256;

/// Number of chunks.
const CHUNKS: usize = 16;

/// Number of values of a chunk, and of buckets for one.
const KEYS: usize = 1 << 16;

/// Greatest radius that one flipped bit a chunk covers.
pub(super) const RADIUS_MAX: u32 = 31;

/// Where a value stands, and its next chunk: 6 bytes.
#[derive(Clone, Copy)]
struct Item {
    low: u16,
    high: u16,
    next: u16,
}

impl Item {
    const fn new(place: u32, next: u16) -> Self {
        Self { low: place as u16, high: (place >> 16) as u16, next }
    }

    const fn place(self) -> u32 {
        (self.high as u32) << 16 | self.low as u32
    }
}

/// Buckets of places, one for each chunk and value of it.
#[derive(Clone)]
pub(super) struct Chunks {
    buckets: Box<[Vec<Item>]>,
}

/// Chunk `i` of a value, counted from bit 0, in a ring.
const fn chunk(value: &Bits256, i: usize) -> u16 {
    let i = i % CHUNKS;
    (value.0[i / 4] >> (16 * (i % 4))) as u16
}

/// The bucket of a chunk's value.
const fn bucket(i: usize, key: u16) -> usize {
    i * KEYS + key as usize
}

/// How far a chunk, and a chunk with the next one, may differ.
#[derive(Clone, Copy)]
struct Share {
    one: u32,
    two: u32,
}

impl Share {
    const fn of(radius: u32) -> Self {
        Self { one: radius / CHUNKS as u32, two: 2 * radius / CHUNKS as u32 }
    }

    /// Whether an entry is to be found by chunk `i`, given how it differs from the query.
    const fn admits(self, difference: &Bits256, i: usize) -> bool {
        let first = chunk(difference, i).count_ones();
        first <= self.one && first + chunk(difference, i + 1).count_ones() <= self.two
    }
}

impl Chunks {
    /// The multi-index over values at their places.
    pub(super) fn over(values: &[Bits256]) -> Self {
        let mut chunks = Self { buckets: vec![Vec::new(); CHUNKS * KEYS].into() };
        for (place, value) in (0..).zip(values) {
            chunks.insert(value, place);
        }
        chunks
    }

    /// Adds the place of a value.
    pub(super) fn insert(&mut self, value: &Bits256, place: u32) {
        for i in 0..CHUNKS {
            let bucket = &mut self.buckets[bucket(i, chunk(value, i))];
            bucket.push(Item::new(place, chunk(value, i + 1)));
        }
    }

    /// Takes out the place of a value.
    pub(super) fn remove(&mut self, value: &Bits256, place: u32) {
        for i in 0..CHUNKS {
            let bucket = &mut self.buckets[bucket(i, chunk(value, i))];
            if let Some(at) = bucket.iter().position(|item| item.place() == place) {
                bucket.swap_remove(at);
                give_back(bucket);
            }
        }
    }

    /// A value has moved to another place.
    pub(super) fn renumber(&mut self, value: &Bits256, from: u32, to: u32) {
        for i in 0..CHUNKS {
            let bucket = &mut self.buckets[bucket(i, chunk(value, i))];
            if let Some(item) = bucket.iter_mut().find(|item| item.place() == from) {
                *item = Item::new(to, item.next);
            }
        }
    }

    /// Places among which all of exactly this value are: the smallest of its buckets.
    pub(super) fn places_of(&self, value: &Bits256) -> impl Iterator<Item = usize> {
        let smallest = (0..CHUNKS)
            .map(|i| &self.buckets[bucket(i, chunk(value, i))])
            .min_by_key(|bucket| bucket.len());
        smallest.into_iter().flatten().map(|item| item.place() as usize)
    }

    /// Calls `found` once with the place and the distance of every value within a radius of at most
    /// [`RADIUS_MAX`], in no particular order.
    pub(super) fn query(
        &self,
        values: &[Bits256],
        query: &Bits256,
        radius: u32,
        mut found: impl FnMut(usize, u32),
    ) {
        let share = Share::of(radius);
        for i in 0..CHUNKS {
            let (key, next) = (chunk(query, i), chunk(query, i + 1));
            let mut look = |key: u16, flipped: u32| {
                for item in &self.buckets[bucket(i, key)] {
                    if (item.next ^ next).count_ones() + flipped > share.two {
                        continue;
                    }
                    let place = item.place() as usize;
                    let value = &values[place];
                    let distance = value.distance(query);
                    if distance > radius {
                        continue;
                    }
                    // The first chunk that admits an entry reports it; the later ones are silent.
                    let difference = Bits256(std::array::from_fn(|w| value.0[w] ^ query.0[w]));
                    if !(0..i).any(|earlier| share.admits(&difference, earlier)) {
                        found(place, distance);
                    }
                }
            };
            look(key, 0);
            if share.one >= 1 {
                for bit in 0..u16::BITS {
                    look(key ^ (1 << bit), 1);
                }
            }
        }
    }
}

#[cfg(test)]
impl Chunks {
    /// Entries for which a bucket has memory.
    pub(super) fn capacity_of(&self, i: usize, key: u16) -> usize {
        self.buckets[bucket(i, key)].capacity()
    }
}

/// Lets go of memory when less than a quarter of it is used; half of what remains stays free, so that
/// inserting and removing by turns does not allocate each time.
pub(super) fn give_back<T>(list: &mut Vec<T>) {
    if list.capacity() > 8 && list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}
