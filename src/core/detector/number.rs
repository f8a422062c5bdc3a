//! Numbers as they stand in tensors.

use crate::core::detector::fault::Fault;

/// What the elements of a tensor are that a score can be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned, of 8 bits.
    Uint8,
    /// Unsigned, of 16 bits.
    Uint16,
    /// Unsigned, of 32 bits.
    Uint32,
    /// Unsigned, of 64 bits.
    Uint64,
    /// Signed, of 8 bits.
    Int8,
    /// Signed, of 16 bits.
    Int16,
    /// Signed, of 32 bits.
    Int32,
    /// Signed, of 64 bits.
    Int64,
    /// IEEE 754 of 16 bits.
    Fp16,
    /// The upper half of an IEEE 754 number of 32 bits.
    Bf16,
    /// IEEE 754 of 32 bits.
    Fp32,
    /// IEEE 754 of 64 bits.
    Fp64,
}

impl Datatype {
    /// All of them, with the protocol's words.
    pub const ALL: [(&'static str, Self); 13] = [
        ("BOOL", Self::Bool),
        ("UINT8", Self::Uint8),
        ("UINT16", Self::Uint16),
        ("UINT32", Self::Uint32),
        ("UINT64", Self::Uint64),
        ("INT8", Self::Int8),
        ("INT16", Self::Int16),
        ("INT32", Self::Int32),
        ("INT64", Self::Int64),
        ("FP16", Self::Fp16),
        ("BF16", Self::Bf16),
        ("FP32", Self::Fp32),
        ("FP64", Self::Fp64),
    ];

    /// Whether it is what the protocol calls so.
    #[must_use]
    pub fn is_called(self, text: &str) -> bool {
        Self::ALL.contains(&(text, self))
    }

    /// Bytes of one packed element.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
        }
    }

    /// Reads one packed element, the low byte first. Whole numbers beyond 2^53 are rounded.
    ///
    /// # Errors
    /// [`Fault::Count`] where there are not so many bytes; [`Fault::Beyond`] for a truth value that is neither 0 nor 1.
    pub fn unpack(self, bytes: &[u8]) -> Result<f64, Fault> {
        Ok(match self {
            Self::Bool => match bytes {
                [0] => 0.0,
                [1] => 1.0,
                [_] => return Err(Fault::Beyond),
                _ => return Err(Fault::Count),
            },
            Self::Uint8 => u8::from_le_bytes(exact(bytes)?).into(),
            Self::Uint16 => u16::from_le_bytes(exact(bytes)?).into(),
            Self::Uint32 => u32::from_le_bytes(exact(bytes)?).into(),
            Self::Uint64 => u64::from_le_bytes(exact(bytes)?) as f64,
            Self::Int8 => i8::from_le_bytes(exact(bytes)?).into(),
            Self::Int16 => i16::from_le_bytes(exact(bytes)?).into(),
            Self::Int32 => i32::from_le_bytes(exact(bytes)?).into(),
            Self::Int64 => i64::from_le_bytes(exact(bytes)?) as f64,
            Self::Fp16 => half(u16::from_le_bytes(exact(bytes)?)),
            Self::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes(exact(bytes)?)) << 16).into(),
            Self::Fp32 => f32::from_le_bytes(exact(bytes)?).into(),
            Self::Fp64 => f64::from_le_bytes(exact(bytes)?),
        })
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| Fault::Count)
}

/// An IEEE 754 number of 16 bits: sign, 5 bits of exponent, 10 bits behind the point.
fn half(bits: u16) -> f64 {
    let (exponent, behind) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => behind * 2.0_f64.powi(-24),
        0x1f if behind == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (behind + 1024.0) * 2.0_f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}
