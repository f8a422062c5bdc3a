//! Where the uniform border of a picture ends.

use super::luma::luma;

/// Greatest difference of a channel from the border's colour that is still border, for pictures that went
/// through a lossy codec: a flat bar of a JPEG of quality 50 and above stays within this.
pub const BORDER_TOLERANCE: u8 = 12;

/// A trim that would leave less than this share of either side is not made.
pub const REMAINING_PERCENT_MIN: u32 = 25;

/// One pixel in this many of a line may be outside the tolerance: ringing of a lossy codec beside the edge.
pub const STRAY_ONE_IN: u32 = 64;

/// Side of a lossy codec's block, which is how far an edge is seen.
const BLOCK: usize = 8;

/// The rectangle that remains, in pixels of the picture.
pub(super) struct Kept {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Number of columns.
    pub columns: u32,
    /// Number of rows.
    pub rows: u32,
}

/// A border's colour on one side: the median of each channel over the outermost line.
fn median(line: impl Iterator<Item = [u8; 3]>) -> [u8; 3] {
    let mut counts = [[0_u32; 256]; 3];
    let mut length = 0;
    for pixel in line {
        for (count, value) in counts.iter_mut().zip(pixel) {
            count[usize::from(value)] += 1;
        }
        length += 1;
    }
    counts.map(|count| {
        let mut below = 0;
        let middle = count.iter().position(|&n| {
            below += n;
            2 * below >= length
        });
        middle.unwrap_or(0) as u8
    })
}

/// Whether a line of `length` pixels has the border's colour. Ends at the first pixel too many.
fn uniform(
    line: impl Iterator<Item = [u8; 3]>,
    length: u32,
    colour: [u8; 3],
    tolerance: u8,
) -> bool {
    let mut strays_left = length / STRAY_ONE_IN;
    for pixel in line {
        if pixel.iter().zip(colour).any(|(&a, b)| a.abs_diff(b) > tolerance) {
            if strays_left == 0 {
                return false;
            }
            strays_left -= 1;
        }
    }
    true
}

/// How many of the next lines, going inwards from a border of `found` lines, are border that a lossy codec
/// soiled with the edge beside it: their luma differs from the border's by no more than the tolerance in the
/// mean. Such lines are not uniform, and leaving eight of them costs 30 bits of the hash.
fn soiled<L: Iterator<Item = [u8; 3]>>(
    inwards: impl Iterator<Item = L>,
    found: u32,
    length: u32,
    colour: [u8; 3],
    tolerance: u8,
) -> u32 {
    if found == 0 {
        return 0;
    }
    let grey = |[red, green, blue]: [u8; 3]| luma(red, green, blue);
    let colour = grey(colour);
    let mut lines = 0;
    for line in inwards.take(BLOCK) {
        let sum: f32 = line.map(|pixel| (grey(pixel) - colour).abs()).sum();
        if sum > f32::from(tolerance) * length as f32 {
            break;
        }
        lines += 1;
    }
    lines
}

/// Whether the luma of a picture allows for a border of any colour, so that its colours are worth a look.
///
/// [`find`] cuts off nothing unless one of the outermost lines is uniform. All but a few pixels of such a line differ by no
/// more than the tolerance in each channel from one colour, and so does their luma, by one more where it was rounded, from
/// the luma of that colour; and so does the middle one of their luma. So each differs from that by no more than twice as
/// much. This holds for colours that luma and the differences of colour can tell; where they tell more red, green or blue
/// than there is, and it is cut to what there is, luma can vary where no colour is seen to.
pub(super) fn possible(
    width: u32,
    height: u32,
    tolerance: u8,
    luma: impl Fn(u32, u32) -> u8 + Copy,
) -> bool {
    let tolerance = tolerance.saturating_add(1).saturating_mul(2);
    let grey = |x: u32, y: u32| [luma(x, y); 3];
    let row = |y: u32| {
        let colour = median((0..width).map(|x| grey(x, y)));
        uniform((0..width).map(|x| grey(x, y)), width, colour, tolerance)
    };
    let column = |x: u32| {
        let colour = median((0..height).map(|y| grey(x, y)));
        uniform((0..height).map(|y| grey(x, y)), height, colour, tolerance)
    };
    row(0) || row(height - 1) || column(0) || column(width - 1)
}

/// What remains when each side's uniform border is cut off, if that cuts anything and leaves enough.
///
/// Rows are trimmed over the whole width first, then columns over the remaining rows, so that bars of
/// different colours above and beside the picture are found as well. Each side has its own colour.
pub(super) fn find(
    width: u32,
    height: u32,
    tolerance: u8,
    pixel: impl Fn(u32, u32) -> [u8; 3] + Copy,
) -> Option<Kept> {
    let row = |y: u32| (0..width).map(move |x| pixel(x, y));
    let bar = |y: u32, colour| uniform(row(y), width, colour, tolerance);

    let above = median(row(0));
    let top = (0..height).find(|&y| !bar(y, above))?;
    let top = top + soiled((top..height).map(row), top, width, above, tolerance);
    let below = median(row(height - 1));
    let bottom = (top..height).rev().find(|&y| !bar(y, below)).map_or(top, |y| y + 1);
    let bottom =
        bottom - soiled((top..bottom).rev().map(row), height - bottom, width, below, tolerance);

    let rows = bottom - top;
    let column = |x: u32| (top..bottom).map(move |y| pixel(x, y));
    let post = |x: u32, colour| uniform(column(x), rows, colour, tolerance);
    let before = median(column(0));
    let left = (0..width).find(|&x| !post(x, before))?;
    let left = left + soiled((left..width).map(column), left, rows, before, tolerance);
    let after = median(column(width - 1));
    let right = (left..width).rev().find(|&x| !post(x, after)).map_or(left, |x| x + 1);
    let right =
        right - soiled((left..right).rev().map(column), width - right, rows, after, tolerance);

    let columns = right - left;
    let enough = |part: u32, whole: u32| {
        u64::from(part) * 100 >= u64::from(whole) * u64::from(REMAINING_PERCENT_MIN)
    };
    let cut = rows < height || columns < width;
    (cut && enough(rows, height) && enough(columns, width)).then_some(Kept {
        left,
        top,
        columns,
        rows,
    })
}
