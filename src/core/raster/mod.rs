//! Pixels of a picture as a decoder gave them, and the luma that perceptual hashing reads from them.
//!
//! A [`Raster`] owns the pixels; a [`View`] is a changed way of looking at them (cut, turned, laid over a
//! background) that copies nothing, so that a picture of a hundred megapixels is hashed in all its forms
//! within the memory of one. Whatever can give its luma row by row is [`Rows`].

mod luma;
mod pixels;
mod border;
mod view;
#[cfg(test)]
mod tests;

pub use border::{BORDER_TOLERANCE, REMAINING_PERCENT_MIN, STRAY_ONE_IN};
pub use luma::{BLUE, GREEN, Luma, Misshapen, RED, Rows, luma};
pub use pixels::Raster;
pub use view::{View, oriented_then};
