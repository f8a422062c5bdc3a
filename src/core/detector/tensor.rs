//! Tensors of an answer, taken apart without believing what they say of themselves.

use crate::core::detector::fault::Fault;
use crate::core::detector::number::Datatype;

/// Most tensors of an answer.
const TENSORS_MAX: usize = 1024;
/// Most sides of a tensor.
const SIDES_MAX: usize = 16;

/// Elements of a tensor that came as numbers of their kind: each field as the protocol has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Typed<'a> {
    /// Of BOOL.
    pub truths: &'a [bool],
    /// Of INT8, INT16 and INT32.
    pub int32s: &'a [i32],
    /// Of INT64.
    pub int64s: &'a [i64],
    /// Of UINT8, UINT16 and UINT32.
    pub uint32s: &'a [u32],
    /// Of UINT64.
    pub uint64s: &'a [u64],
    /// Of FP32.
    pub fp32s: &'a [f32],
    /// Of FP64.
    pub fp64s: &'a [f64],
    /// How many there are of BYTES, which nothing is read from.
    pub texts: usize,
}

/// One tensor of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// What the model calls it.
    pub name: &'a str,
    /// What it says its elements are.
    pub datatype: &'a str,
    /// What it says its sides are.
    pub sides: &'a [i64],
    /// Its elements, unless they came packed.
    pub typed: Typed<'a>,
}

/// What a model answered.
#[derive(Debug, Clone, Default)]
pub struct Answer<'a> {
    /// Which model says that it answered.
    pub model: &'a str,
    /// Which version of it; empty where the server counts none.
    pub version: &'a str,
    /// Its tensors.
    pub tensors: Vec<Tensor<'a>>,
    /// Packed elements, one for each tensor in their order, or none.
    pub packed: Vec<&'a [u8]>,
}

/// Elements of one tensor that were found where they have to be, as many as its sides say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a> {
    datatype: Datatype,
    held: Held<'a>,
    /// How many there are.
    pub(super) count: usize,
}

#[derive(Debug, Clone, Copy)]
enum Held<'a> {
    Packed(&'a [u8]),
    Typed(Typed<'a>),
}

impl Typed<'_> {
    /// How many elements each field has.
    const fn counts(&self) -> [usize; 8] {
        [
            self.truths.len(),
            self.int32s.len(),
            self.int64s.len(),
            self.uint32s.len(),
            self.uint64s.len(),
            self.fp32s.len(),
            self.fp64s.len(),
            self.texts,
        ]
    }

    /// Which of those fields is for a kind of element; none for what comes packed only.
    const fn field(datatype: Datatype) -> Option<usize> {
        Some(match datatype {
            Datatype::Bool => 0,
            Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => 1,
            Datatype::Int64 => 2,
            Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => 3,
            Datatype::Uint64 => 4,
            Datatype::Fp32 => 5,
            Datatype::Fp64 => 6,
            Datatype::Fp16 | Datatype::Bf16 => return None,
        })
    }

    /// One element.
    fn at(&self, datatype: Datatype, place: usize) -> Result<f64, Fault> {
        let within = |value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) { Ok(value) } else { Err(Fault::Beyond) }
        };
        let value = match datatype {
            Datatype::Bool => self.truths.get(place).map(|truth| f64::from(u8::from(*truth))),
            Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => {
                self.int32s.get(place).map(|value| f64::from(*value))
            }
            Datatype::Int64 => self.int64s.get(place).map(|value| *value as f64),
            Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => {
                self.uint32s.get(place).map(|value| f64::from(*value))
            }
            Datatype::Uint64 => self.uint64s.get(place).map(|value| *value as f64),
            Datatype::Fp32 => self.fp32s.get(place).map(|value| f64::from(*value)),
            Datatype::Fp64 => self.fp64s.get(place).copied(),
            Datatype::Fp16 | Datatype::Bf16 => None,
        };
        let value = value.ok_or(Fault::TooFew)?;
        match datatype {
            Datatype::Int8 => within(value, i8::MIN.into(), i8::MAX.into()),
            Datatype::Int16 => within(value, i16::MIN.into(), i16::MAX.into()),
            Datatype::Uint8 => within(value, 0.0, u8::MAX.into()),
            Datatype::Uint16 => within(value, 0.0, u16::MAX.into()),
            _ => Ok(value),
        }
    }
}

impl Elements<'_> {
    /// One element, by its place in the order in which they stand.
    ///
    /// # Errors
    /// [`Fault::TooFew`] where there is none; [`Fault::Beyond`].
    pub(super) fn at(&self, place: usize) -> Result<f64, Fault> {
        match self.held {
            Held::Typed(typed) => typed.at(self.datatype, place),
            Held::Packed(bytes) => {
                let size = self.datatype.size_bytes();
                let from = place.checked_mul(size).ok_or(Fault::TooFew)?;
                let to = from.checked_add(size).ok_or(Fault::TooFew)?;
                self.datatype.unpack(bytes.get(from..to).ok_or(Fault::TooFew)?)
            }
        }
    }
}

/// How many elements there are in a tensor with these sides.
fn product(sides: &[i64]) -> Result<usize, Fault> {
    if sides.len() > SIDES_MAX {
        return Err(Fault::Sides);
    }
    // In this order, so that a side of nought does not hide one that is not possible.
    let sides = sides.iter().map(|side| usize::try_from(*side).map_err(|_| Fault::Sides));
    let sides = sides.collect::<Result<Vec<_>, _>>()?;
    let product = |all: usize, side: &usize| all.checked_mul(*side).ok_or(Fault::Sides);
    sides.iter().try_fold(1, product)
}

impl<'a> Answer<'a> {
    /// The elements of a tensor, and its sides.
    ///
    /// # Errors
    /// [`Fault`], where the tensor is not there once, is of another kind, or has not what it says.
    pub(super) fn elements(
        &self,
        name: &str,
        datatype: Datatype,
    ) -> Result<(Elements<'a>, &'a [i64]), Fault> {
        if self.tensors.len() > TENSORS_MAX {
            return Err(Fault::TooManyTensors);
        }
        if !self.packed.is_empty() && self.packed.len() != self.tensors.len() {
            return Err(Fault::Packed);
        }
        let mut places = (0..self.tensors.len()).filter(|place| self.tensors[*place].name == name);
        let place = places.next().ok_or(Fault::Missing)?;
        if places.next().is_some() {
            return Err(Fault::Twice);
        }
        let tensor = self.tensors[place];
        if !datatype.is_called(tensor.datatype) {
            return Err(Fault::Datatype);
        }
        let count = product(tensor.sides)?;
        let counts = tensor.typed.counts();
        let held = match self.packed.get(place) {
            Some(_) if counts.iter().any(|count| *count > 0) => return Err(Fault::Field),
            Some(bytes) => {
                if count.checked_mul(datatype.size_bytes()) != Some(bytes.len()) {
                    return Err(Fault::Count);
                }
                Held::Packed(bytes)
            }
            None => {
                let field = Typed::field(datatype).ok_or(Fault::Field)?;
                let others = counts.iter().enumerate().filter(|(other, _)| *other != field);
                if others.map(|(_, count)| *count).sum::<usize>() > 0 {
                    return Err(Fault::Field);
                }
                if counts[field] != count {
                    return Err(Fault::Count);
                }
                Held::Typed(tensor.typed)
            }
        };
        Ok((Elements { datatype, held, count }, tensor.sides))
    }
}
