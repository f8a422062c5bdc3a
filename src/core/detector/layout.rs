//! The order in which the elements of an item stand in a tensor.

/// One side of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Pictures of a window, written `T`.
    Frame,
    /// Colours, written `C`.
    Channel,
    /// Rows from the top, written `H`.
    Row,
    /// Columns from the left, written `W`.
    Column,
    /// A side of length one, written `1`.
    One,
    /// Values of an embedding, written `D`.
    Value,
}

/// The sides of a tensor, the outermost first. Written as letters, with `N` in front where several items go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    is_batched: bool,
    axes: &'static [Axis],
}

const CHW: &[Axis] = &[Axis::Channel, Axis::Row, Axis::Column];
const HWC: &[Axis] = &[Axis::Row, Axis::Column, Axis::Channel];
const TCHW: &[Axis] = &[Axis::Frame, Axis::Channel, Axis::Row, Axis::Column];
const THWC: &[Axis] = &[Axis::Frame, Axis::Row, Axis::Column, Axis::Channel];
const CTHW: &[Axis] = &[Axis::Channel, Axis::Frame, Axis::Row, Axis::Column];
const ONE: &[Axis] = &[Axis::One];
const VALUES: &[Axis] = &[Axis::Value];

impl Layout {
    /// How the tensor of a picture can be laid out.
    pub const OF_IMAGES: [(&'static str, Self); 4] = [
        ("NCHW", Self::of(true, CHW)),
        ("NHWC", Self::of(true, HWC)),
        ("CHW", Self::of(false, CHW)),
        ("HWC", Self::of(false, HWC)),
    ];
    /// How the tensor of a window of pictures can be laid out.
    pub const OF_FRAMES: [(&'static str, Self); 6] = [
        ("NTCHW", Self::of(true, TCHW)),
        ("NTHWC", Self::of(true, THWC)),
        ("NCTHW", Self::of(true, CTHW)),
        ("TCHW", Self::of(false, TCHW)),
        ("THWC", Self::of(false, THWC)),
        ("CTHW", Self::of(false, CTHW)),
    ];
    /// How the tensor of a text can be laid out.
    pub const OF_TEXTS: [(&'static str, Self); 3] =
        [("N", Self::of(true, &[])), ("N1", Self::of(true, ONE)), ("1", Self::of(false, ONE))];
    /// How the tensor of an embedding can be laid out.
    pub const OF_EMBEDDINGS: [(&'static str, Self); 2] =
        [("ND", Self::of(true, VALUES)), ("D", Self::of(false, VALUES))];

    const fn of(is_batched: bool, axes: &'static [Axis]) -> Self {
        Self { is_batched, axes }
    }

    /// Whether several items go together, along an outermost side of their own.
    #[must_use]
    pub const fn is_batched(&self) -> bool {
        self.is_batched
    }

    /// The sides of one item.
    #[must_use]
    pub const fn axes(&self) -> &'static [Axis] {
        self.axes
    }
}
