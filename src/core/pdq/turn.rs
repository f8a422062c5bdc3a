//! A part of a band of rows as columns, and back, so that a loop along the rows takes a step in all of them at once.

use super::wide::{EIGHT, TILE, square, square_of_eight};

/// The values of each row from `from` on become columns, as many as there are.
#[inline(always)]
pub(super) fn to_columns<const LANES: usize>(
    band: &[f32],
    width: usize,
    from: usize,
    columns: &mut [[f32; LANES]],
) {
    let until = from + columns.len();
    let mut rows = band.chunks_exact(width).map(|row| &row[from..until]);
    let (tiles, _) = columns.as_chunks_mut::<TILE>();
    let done = tiles.len() * TILE;
    for lane in (0..LANES / TILE).map(|k| k * TILE) {
        let mut next = || rows.next().map_or(&[][..], |row| row.as_chunks().0);
        let (a, b, c, d) = (next(), next(), next(), next());
        for ((((tile, a), b), c), d) in tiles.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            for (column, values) in tile.iter_mut().zip(&square([a, b, c, d])) {
                column[lane..lane + TILE].copy_from_slice(values);
            }
        }
    }
    let rows = band.chunks_exact(width).map(|row| &row[from..until]);
    let done = if LANES.is_multiple_of(TILE) { done } else { 0 };
    for (lane, row) in rows.enumerate() {
        for (column, &value) in columns[done..].iter_mut().zip(&row[done..]) {
            column[lane] = value;
        }
    }
}

/// Columns become the values of each row from `from` on.
#[inline(always)]
pub(super) fn to_rows<const LANES: usize>(
    columns: &[[f32; LANES]],
    band: &mut [f32],
    width: usize,
    from: usize,
) {
    let mut rows = band.chunks_exact_mut(width).map(|row| &mut row[from..from + columns.len()]);
    let (tiles, _) = columns.as_chunks::<TILE>();
    let done = if LANES.is_multiple_of(TILE) { tiles.len() * TILE } else { 0 };
    for lane in 0..LANES / TILE {
        let mut next = || rows.next().map_or(&mut [][..], |row| row.as_chunks_mut().0);
        let (a, b, c, d) = (next(), next(), next(), next());
        for ((((tile, a), b), c), d) in tiles.iter().zip(a).zip(b).zip(c).zip(d) {
            [*a, *b, *c, *d] = square(tile.each_ref().map(|column| &column.as_chunks().0[lane]));
        }
    }
    let rows = band.chunks_exact_mut(width).map(|row| &mut row[from..from + columns.len()]);
    for (lane, row) in rows.enumerate() {
        for (value, column) in row[done..].iter_mut().zip(&columns[done..]) {
            *value = column[lane];
        }
    }
}

/// The short values of each row, which is a whole number of squares long, become columns.
#[inline(always)]
pub(super) fn short_to_columns<const LANES: usize>(
    band: &[u16],
    width: usize,
    columns: &mut [[u16; LANES]],
) {
    for lane in (0..LANES).step_by(EIGHT) {
        let mut rows = band.chunks_exact(width).skip(lane).map(|row| row.as_chunks().0);
        let rows: [&[[u16; EIGHT]]; EIGHT] =
            std::array::from_fn(|_| rows.next().unwrap_or_default());
        for (x, tile) in columns.as_chunks_mut::<EIGHT>().0.iter_mut().enumerate() {
            let square = square_of_eight(rows.map(|row| &row[x]));
            for (column, values) in tile.iter_mut().zip(&square) {
                column[lane..lane + EIGHT].copy_from_slice(values);
            }
        }
    }
}
