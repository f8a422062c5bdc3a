//! Whether the scans of a JPEG hold every block that they promise: a decoder fills in what is missing and says nothing.
//!
//! Only lengths are read, no values. A file may end its refinement early by leaving out whole scans of AC coefficients:
//! ITU-T T.81 (annex G) asks of a progressive frame only that the first scan of each component has its DC coefficients,
//! decoders show such a file as the coarse picture that it is, and so it is hashed and is whole. What is not whole is a
//! scan that ends before its last block, or a component of which there is no DC scan at all.

mod bits;

use bits::{Bits, Short, Table};

/// What is wrong with the scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Blocks are missing.
    Short,
    /// They cannot be followed.
    Damaged,
}

impl From<Short> for Fault {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// A component of the frame.
struct Component {
    id: u8,
    /// Sampling factors.
    across: usize,
    down: usize,
    /// Blocks in a row, to the end of the last whole unit of an interleaved scan.
    stride: usize,
    /// Blocks in a row and in a column that a scan of this component alone has.
    own: (usize, usize),
    /// Coefficients of each block that are not zero, in the order of the scan; empty in a sequential frame.
    set: Vec<u64>,
    has_dc: bool,
}

struct Frame {
    progressive: bool,
    units: (usize, usize),
    components: Vec<Component>,
}

/// A band of coefficients, and how much of them is known already.
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    last: usize,
    refines: bool,
}

#[derive(Default)]
struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// Units between two restarts; 0 for none.
    restart: usize,
}

/// Follows every scan of a JPEG with Huffman codes and these sides, as far as the end marker.
pub(super) fn follow(bytes: &[u8], width: usize, height: usize) -> Result<(), Fault> {
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut at = 2;
    // Each turn of the loop moves forward by at least one byte, so that it ends.
    while let Some(&byte) = bytes.get(at) {
        if byte != 0xff {
            at += 1;
            continue;
        }
        let marker = *bytes.get(at + 1).ok_or(Fault::Short)?;
        match marker {
            0xd9 => {
                let frame = frame.ok_or(Fault::Damaged)?;
                let all = frame.components.iter().all(|component| component.has_dc);
                return if all { Ok(()) } else { Err(Fault::Short) };
            }
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            _ => {
                let length = bytes.get(at + 2..at + 4).ok_or(Fault::Short)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let body = bytes.get(at + 4..at + 2 + length.max(2)).ok_or(Fault::Short)?;
                at += 2 + length.max(2);
                match marker {
                    0xc0..=0xc2 if frame.is_some() => return Err(Fault::Damaged),
                    0xc0..=0xc2 => {
                        frame = Some(read_frame(body, marker == 0xc2, width, height)?);
                    }
                    0xc4 => read_tables(body, &mut tables)?,
                    0xdd => tables.restart = usize::from(number(body, 0)?),
                    0xda => {
                        let frame = frame.as_mut().ok_or(Fault::Damaged)?;
                        at += scan(frame, &tables, body, &bytes[at..])?;
                    }
                    _ => {}
                }
            }
        }
    }
    Err(Fault::Short)
}

fn number(body: &[u8], at: usize) -> Result<u16, Fault> {
    let two = body.get(at..at + 2).ok_or(Fault::Damaged)?;
    Ok(u16::from_be_bytes([two[0], two[1]]))
}

fn read_frame(body: &[u8], progressive: bool, width: usize, height: usize) -> Result<Frame, Fault> {
    let sides = (usize::from(number(body, 3)?), usize::from(number(body, 1)?));
    let listed = body.get(6..).unwrap_or_default();
    let count = usize::from(body[5..].first().copied().unwrap_or(0));
    // The sides were found to be within the limits before anything here is reserved for them.
    if sides != (width, height) || !(1..=4).contains(&count) || listed.len() < 3 * count {
        return Err(Fault::Damaged);
    }
    let factors = |three: &[u8]| (usize::from(three[1] >> 4), usize::from(three[1] & 15));
    let listed = || listed.chunks_exact(3).take(count);
    if listed().map(factors).any(|(h, v)| !(1..=4).contains(&h) || !(1..=4).contains(&v)) {
        return Err(Fault::Damaged);
    }
    let across_max = listed().map(|three| factors(three).0).max().unwrap_or(1);
    let down_max = listed().map(|three| factors(three).1).max().unwrap_or(1);
    let units = (width.div_ceil(8 * across_max), height.div_ceil(8 * down_max));
    let components = listed().map(|three| {
        let (across, down) = factors(three);
        let (stride, rows) = (units.0 * across, units.1 * down);
        let own = (
            (width * across).div_ceil(across_max).div_ceil(8),
            (height * down).div_ceil(down_max).div_ceil(8),
        );
        let set = vec![0; if progressive { stride * rows } else { 0 }];
        Component { id: three[0], across, down, stride, own, set, has_dc: false }
    });
    Ok(Frame { progressive, units, components: components.collect() })
}

fn read_tables(mut body: &[u8], tables: &mut Tables) -> Result<(), Fault> {
    while let Some((&kind, rest)) = body.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or(Fault::Damaged)?;
        let len = counts.iter().map(|count| usize::from(*count)).sum();
        let symbols = rest.get(..len).ok_or(Fault::Damaged)?;
        let kinds = if kind >> 4 == 0 { &mut tables.dc } else { &mut tables.ac };
        let slot = kinds.get_mut(usize::from(kind & 15)).ok_or(Fault::Damaged)?;
        *slot = Some(Table::new(counts, symbols));
        body = &rest[len..];
    }
    Ok(())
}

/// A component of a scan: its place in the frame, and its tables.
struct Scanned<'a> {
    place: usize,
    dc: Option<&'a Table>,
    ac: Option<&'a Table>,
}

/// Follows the scan whose header is `head` through `data`; how long it is.
fn scan(frame: &mut Frame, tables: &Tables, head: &[u8], data: &[u8]) -> Result<usize, Fault> {
    let (&count, rest) = head.split_first().ok_or(Fault::Damaged)?;
    let count = usize::from(count);
    let (listed, rest) = rest.split_at_checked(2 * count).ok_or(Fault::Damaged)?;
    let &[first, last, approximation, ..] = rest else { return Err(Fault::Damaged) };
    let band = Band {
        first: usize::from(first),
        last: usize::from(last),
        refines: approximation >> 4 != 0,
    };
    let mut scanned = Vec::with_capacity(4);
    for two in listed.chunks_exact(2) {
        let place = frame.components.iter().position(|component| component.id == two[0]);
        scanned.push(Scanned {
            place: place.ok_or(Fault::Damaged)?,
            dc: tables.dc.get(usize::from(two[1] >> 4)).and_then(Option::as_ref),
            ac: tables.ac.get(usize::from(two[1] & 15)).and_then(Option::as_ref),
        });
    }
    let alone = scanned.len() == 1;
    // DC coefficients stand apart from others, and only they of several components together.
    let is_band = (band.first..=63).contains(&band.last)
        && (band.first == 0) == (band.last == 0)
        && (alone || band.first == 0);
    if !(1..=4).contains(&scanned.len()) || (frame.progressive && !is_band) {
        return Err(Fault::Damaged);
    }
    let (wide, high) = match scanned[0].place {
        place if alone => frame.components[place].own,
        _ => frame.units,
    };
    let mut bits = Bits::new(data);
    let mut run = 0;
    let mut until_restart = tables.restart;
    for row in 0..high {
        for column in 0..wide {
            if tables.restart > 0 {
                if until_restart == 0 {
                    bits.restart()?;
                    (run, until_restart) = (0, tables.restart);
                }
                until_restart -= 1;
            }
            for Scanned { place, dc, ac } in &scanned {
                let component = &mut frame.components[*place];
                let (across, down) =
                    if alone { (1, 1) } else { (component.across, component.down) };
                for y in row * down..(row + 1) * down {
                    for x in column * across..(column + 1) * across {
                        if !frame.progressive {
                            sequential(&mut bits, *dc, *ac)?;
                        } else if band.first == 0 {
                            dc_of(&mut bits, *dc, band.refines)?;
                        } else {
                            let ac = ac.ok_or(Fault::Damaged)?;
                            let set = component.set.get_mut(y * component.stride + x);
                            let set = set.ok_or(Fault::Damaged)?;
                            if band.refines {
                                refine(&mut bits, ac, band, &mut run, set)?;
                            } else {
                                ac_of(&mut bits, ac, band, &mut run, set)?;
                            }
                        }
                    }
                }
            }
        }
    }
    if !frame.progressive || (band.first == 0 && !band.refines) {
        scanned.iter().for_each(|one| frame.components[one.place].has_dc = true);
    }
    Ok(bits.read())
}

fn symbol(bits: &mut Bits<'_>, table: &Table) -> Result<(usize, u32), Fault> {
    let symbol = bits.symbol(table)?.ok_or(Fault::Damaged)?;
    Ok((usize::from(symbol >> 4), u32::from(symbol & 15)))
}

/// A block of a sequential scan (T.81, F.2.2).
fn sequential(bits: &mut Bits<'_>, dc: Option<&Table>, ac: Option<&Table>) -> Result<(), Fault> {
    dc_of(bits, dc, false)?;
    let ac = ac.ok_or(Fault::Damaged)?;
    let mut k = 1;
    while k <= 63 {
        let (zeros, size) = symbol(bits, ac)?;
        if size == 0 && zeros < 15 {
            break;
        }
        bits.skip(size)?;
        k += zeros + 1;
    }
    Ok(())
}

/// The DC coefficient of a block (T.81, G.1.2.1).
fn dc_of(bits: &mut Bits<'_>, table: Option<&Table>, refines: bool) -> Result<(), Fault> {
    if refines {
        return Ok(bits.skip(1)?);
    }
    let (high, size) = symbol(bits, table.ok_or(Fault::Damaged)?)?;
    if high > 0 { Err(Fault::Damaged) } else { Ok(bits.skip(size)?) }
}

/// Blocks that a run of ends of band covers, this one included.
fn run_of(bits: &mut Bits<'_>, zeros: usize) -> Result<u32, Fault> {
    let zeros = u32::try_from(zeros).map_err(|_| Fault::Damaged)?;
    Ok((1 << zeros) + bits.take(zeros)?)
}

/// A band of AC coefficients, for the first time (T.81, G.1.2.2).
fn ac_of(
    bits: &mut Bits<'_>,
    table: &Table,
    band: Band,
    run: &mut u32,
    set: &mut u64,
) -> Result<(), Fault> {
    let mut k = band.first;
    while *run == 0 && k <= band.last {
        let (zeros, size) = symbol(bits, table)?;
        if size == 0 && zeros < 15 {
            *run = run_of(bits, zeros)?;
            break;
        }
        k += zeros;
        if size > 0 {
            bits.skip(size)?;
            *set |= 1_u64.checked_shl(u32::try_from(k).unwrap_or(u32::MAX)).unwrap_or(0);
        }
        k += 1;
    }
    *run = run.saturating_sub(1);
    Ok(())
}

/// A band of AC coefficients, once more: one bit for each that is not zero already (T.81, G.1.2.3).
fn refine(
    bits: &mut Bits<'_>,
    table: &Table,
    band: Band,
    run: &mut u32,
    set: &mut u64,
) -> Result<(), Fault> {
    let mut k = band.first;
    while *run == 0 && k <= band.last {
        let (mut zeros, size) = symbol(bits, table)?;
        if size == 0 && zeros < 15 {
            *run = run_of(bits, zeros)?;
            break;
        }
        // The sign of the new coefficient.
        bits.skip(u32::from(size > 0))?;
        while k <= band.last {
            if *set >> k & 1 == 1 {
                bits.skip(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            k += 1;
        }
        if size > 0 && k <= band.last {
            *set |= 1 << k;
        }
        k += 1;
    }
    if *run > 0 {
        let from_k = 1_u64.checked_shl(u32::try_from(k).unwrap_or(64)).map_or(0, |bit| !(bit - 1));
        let to_last = u64::MAX >> (63 - band.last);
        bits.skip((*set & from_k & to_last).count_ones())?;
        *run -= 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
