//! The exact 256-bit search: every value of a list within a radius of a query.
//!
//! Law: a query answers what a scan over all values would answer, none less and none more, at every size and radius.
//! A [`Table`] does not change: what changes is built from tables (see [`crate::core::matcher`]). Small lists *are*
//! scanned; above, a multi-index narrows the scan, over chunks of 8 bits while they fit the caches, then of 16.
//! One table of a hundred million is searched in little more than half the time of six, since what is read lies together.

mod ring;
mod memory;
mod loops;
#[cfg(target_arch = "x86_64")]
mod x86;
mod kernel;
mod pairs;
mod chunks;
mod written;
#[cfg(test)]
mod tests;

use crate::core::signal::Bits256;
use chunks::Chunks;
use loops::Kernel;
use memory::Block;

/// Most values of one table.
pub const VALUES_MAX: usize = chunks::values_max::<16>();
/// Values up to which a table takes the least memory for each.
pub const COMPACT_MAX: usize = chunks::PART_MAX;

/// Values up to which a scan is the fastest.
const SCAN_MAX: usize = 256;
/// Values up to which chunks of 8 bits are faster than chunks of 16.
const NARROW_MAX: usize = 100_000;

/// Memory for one query, to be used again for the next.
#[derive(Default)]
pub struct Scratch {
    notes: chunks::Notes,
    near: Vec<(u32, u32)>,
}

enum Form {
    Scan,
    Narrow(Chunks<32, 3>),
    Wide(Chunks<16, 3>),
    Vast(Chunks<16, 4>),
}

/// A list of values that can be searched by distance.
pub struct Table {
    values: Block<Bits256>,
    form: Form,
    kernel: Kernel,
}

impl std::fmt::Debug for Table {
    /// Prints the size only: values must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} values)", self.len())
    }
}

/// How a table is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Scan,
    Narrow,
    Wide,
    /// In parts of so many values.
    Vast(usize),
}

impl Shape {
    const fn of(values: usize) -> Self {
        if values <= SCAN_MAX {
            Self::Scan
        } else if values <= NARROW_MAX {
            Self::Narrow
        } else if values <= COMPACT_MAX {
            Self::Wide
        } else {
            Self::Vast(COMPACT_MAX)
        }
    }
}

impl Table {
    /// A table of values, each of which is known by its place. One value may stand at several places.
    ///
    /// # Panics
    /// Where there are more than [`VALUES_MAX`] values.
    #[must_use]
    pub fn over(values: &[Bits256]) -> Self {
        Self::shaped(values, Shape::of(values.len()), kernel::best())
    }

    fn shaped(values: &[Bits256], shape: Shape, kernel: Kernel) -> Self {
        assert!(values.len() <= VALUES_MAX, "a table has at most so many values");
        let mut own = Block::filled(Bits256::default(), values.len());
        own.copy_from_slice(values);
        let form = match shape {
            Shape::Scan => Form::Scan,
            Shape::Narrow => Form::Narrow(Chunks::over(values, COMPACT_MAX)),
            Shape::Wide => Form::Wide(Chunks::over(values, COMPACT_MAX)),
            Shape::Vast(part) => Form::Vast(Chunks::over(values, part)),
        };
        Self { values: own, form, kernel }
    }

    /// The values, by place.
    #[must_use]
    pub fn values(&self) -> &[Bits256] {
        &self.values
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Bytes of memory that the table takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let form = match &self.form {
            Form::Scan => 0,
            Form::Narrow(chunks) => chunks.bytes(),
            Form::Wide(chunks) => chunks.bytes(),
            Form::Vast(chunks) => chunks.bytes(),
        };
        size_of_val(&*self.values) + form
    }

    /// Calls `found` once with place and distance of every value within `radius` bits of `value`, in no particular
    /// order. Fast to 31 bits; far above that a scan.
    pub fn query(
        &self,
        value: &Bits256,
        radius: u32,
        scratch: &mut Scratch,
        mut found: impl FnMut(u32, u32),
    ) {
        let (kernel, values) = (self.kernel, &*self.values);
        let notes = &mut scratch.notes;
        let asked = match &self.form {
            Form::Scan => false,
            Form::Narrow(chunks) => chunks.ask(kernel, values, value, radius, notes, &mut found),
            Form::Wide(chunks) => chunks.ask(kernel, values, value, radius, notes, &mut found),
            Form::Vast(chunks) => chunks.ask(kernel, values, value, radius, notes, &mut found),
        };
        if !asked {
            scratch.near.clear();
            kernel.near(values, value, radius, &mut scratch.near);
            scratch.near.iter().for_each(|(place, distance)| found(*place, *distance));
        }
    }
}

/// The name of the best set of instructions that the search uses here.
#[must_use]
pub fn instructions() -> &'static str {
    kernel::best().name()
}
