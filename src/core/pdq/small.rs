//! The small square to which every picture is filtered.

/// Side of the square to which every picture is filtered, in pixels.
pub(super) const SIDE: usize = 64;

/// The picture after filter and decimation.
pub(super) type Small = [[f32; SIDE]; SIDE];
