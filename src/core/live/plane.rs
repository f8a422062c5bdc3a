//! A plane of brightness, as the decoder of a caller gives it: checked, and hashed like a picture.

use crate::core::media::{Examined, Format, Part, Picture};
use crate::core::pdq;
use crate::core::raster::{BORDER_TOLERANCE, Raster, Rows as _};
use crate::core::verdict::{CheckState, Form};

/// Most pixels of a row, and most rows.
pub const SIDE_MAX: u32 = 8192;

/// Why bytes are no plane: which measure is wrong, and what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlane {
    /// The width.
    #[error("must be 1 to 8,192")]
    Width,
    /// The height.
    #[error("must be 1 to 8,192")]
    Height,
    /// The bytes of a row.
    #[error("must be at least the width")]
    Stride,
    /// The length.
    #[error("must hold all rows")]
    Short,
}

/// Takes the rows out of a plane whose rows are `stride` bytes apart; zero for as many as they are wide.
///
/// # Errors
/// [`NoPlane`] names the first measure that is wrong.
pub fn read(width: u32, height: u32, stride: u32, data: &[u8]) -> Result<Raster, NoPlane> {
    if !(1..=SIDE_MAX).contains(&width) {
        return Err(NoPlane::Width);
    }
    if !(1..=SIDE_MAX).contains(&height) {
        return Err(NoPlane::Height);
    }
    let stride = if stride == 0 { width } else { stride };
    if stride < width {
        return Err(NoPlane::Stride);
    }
    let (width_bytes, stride_bytes) = (width as usize, stride as usize);
    let before = stride_bytes.checked_mul(height as usize - 1);
    let needed = before.and_then(|before| before.checked_add(width_bytes));
    if needed.is_none_or(|needed| data.len() < needed) {
        return Err(NoPlane::Short);
    }
    let mut grey = Vec::with_capacity(width_bytes * height as usize);
    for row in data.chunks(stride_bytes).take(height as usize) {
        grey.extend_from_slice(&row[..width_bytes]);
    }
    Raster::grey(width, height, grey).map_err(|_| NoPlane::Short)
}

/// Hashes a plane as it stands, and without a border. It has no bytes of a file that a digest could be listed of.
#[must_use]
pub fn examine(plane: &Raster) -> Examined {
    let (width, height) = (plane.width(), plane.height());
    let is_small = width < pdq::SIDE_MIN || height < pdq::SIDE_MIN;
    let mut pictures = Vec::new();
    if !is_small {
        let picture = |form, width, height, hashed: pdq::Hashed| Picture {
            form,
            frame: 0,
            width,
            height,
            quality: hashed.quality,
            by_coefficients: false,
            at_millis: None,
            hashes: hashed.hashes,
            thumbs: Vec::new(),
        };
        let turned = pdq::hash_freely(plane).upright();
        pictures.push(picture(Form::Canonical, width, height, turned));
        let trimmed = plane.view().trimmed(BORDER_TOLERANCE);
        let is_whole = |view: &crate::core::raster::View<'_>| {
            view.width() >= pdq::SIDE_MIN && view.height() >= pdq::SIDE_MIN
        };
        if let Some(view) = trimmed.filter(is_whole) {
            let turned = pdq::hash_turning(&view).upright();
            pictures.push(picture(Form::Trimmed, view.width(), view.height(), turned));
        }
    }
    let part = Part {
        place: String::new(),
        format: Format::Other,
        digests: None,
        pictures,
        frames: Vec::new(),
        exact: CheckState::NotApplicable,
        image: if is_small { CheckState::TooSmall } else { CheckState::Checked },
        video: CheckState::NotApplicable,
        reason: String::new(),
    };
    Examined { parts: vec![part] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_whatever_lies_between_them() {
        let padded = [1, 2, 9, 3, 4, 9, 5, 6];
        let plane = read(2, 3, 3, &padded).unwrap();
        let tight = read(2, 3, 0, &[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(plane, tight);
    }

    #[test]
    fn every_wrong_measure_is_named() {
        assert_eq!(read(0, 1, 0, &[1]), Err(NoPlane::Width));
        assert_eq!(read(8193, 1, 0, &[1]), Err(NoPlane::Width));
        assert_eq!(read(1, 0, 0, &[1]), Err(NoPlane::Height));
        assert_eq!(read(3, 1, 2, &[1; 9]), Err(NoPlane::Stride));
        assert_eq!(read(3, 2, 4, &[1; 6]), Err(NoPlane::Short));
        assert_eq!(read(8192, 8192, u32::MAX, &[1; 6]), Err(NoPlane::Short));
        assert!(read(3, 2, 4, &[1; 7]).is_ok());
    }

    #[test]
    fn a_plane_too_small_to_be_hashed_is_not_called_examined() {
        let plane = read(4, 4, 0, &[7; 16]).unwrap();
        assert_eq!(examine(&plane).parts[0].image, CheckState::TooSmall);
        assert!(examine(&plane).parts[0].pictures.is_empty());
    }
}
