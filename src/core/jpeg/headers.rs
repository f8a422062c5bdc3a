//! The segments of a JPEG before its scan, read strictly: what is not quite usual is left to a full decoder.

use super::huffman::{Kind, Table};
use super::why::NotThisWay;

/// Factors to multiply coefficients by, by place in the order of the scan; 0 for places outside a block.
pub(super) type Factors = [i32; 256];

/// Blocks of one unit at most (ITU-T T.81, B.2.3).
const UNIT_BLOCKS_MAX: usize = 10;

/// Place of the last coefficient in the order of the scan.
const COEFFICIENT_LAST: u8 = 63;

/// A component of the picture: luma first, then both colour differences.
pub(super) struct Component {
    id: u8,
    /// Blocks of a unit from left to right.
    pub(super) across: usize,
    /// Blocks of a unit from top to bottom.
    pub(super) down: usize,
    factors: usize,
    dc: usize,
    ac: usize,
}

/// Everything that is said before the scan.
pub(super) struct Headers {
    /// Width in pixels.
    pub(super) width: u32,
    /// Height in pixels.
    pub(super) height: u32,
    /// One or three.
    pub(super) components: Vec<Component>,
    /// Units between two restarts; 0 for none.
    pub(super) restart: u32,
    /// Where the entropy-coded data begins.
    pub(super) data: usize,
    factors: [Option<Box<Factors>>; 4],
    dc: [Option<Box<Table>>; 4],
    ac: [Option<Box<Table>>; 4],
}

/// The tables of a component.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) factors: &'a Factors,
    pub(super) dc: &'a Table,
    pub(super) ac: &'a Table,
}

impl Headers {
    /// The tables of a component; nothing where the file has none of that number.
    pub(super) fn tables(&self, of: &Component) -> Option<Tables<'_>> {
        Some(Tables {
            factors: self.factors.get(of.factors)?.as_deref()?,
            dc: self.dc.get(of.dc)?.as_deref()?,
            ac: self.ac.get(of.ac)?.as_deref()?,
        })
    }

    /// Units in a row, and rows of units.
    pub(super) fn units(&self) -> (usize, usize) {
        let (across, down) =
            self.components.first().map_or((1, 1), |luma| (luma.across, luma.down));
        ((self.width as usize).div_ceil(8 * across), (self.height as usize).div_ceil(8 * down))
    }
}

/// Reads everything before the entropy-coded data.
pub(super) fn read(bytes: &[u8]) -> Result<Headers, NotThisWay> {
    if !bytes.starts_with(b"\xff\xd8") {
        return Err(NotThisWay::Structure);
    }
    let mut headers = Headers {
        width: 0,
        height: 0,
        components: Vec::new(),
        restart: 0,
        data: 0,
        factors: [const { None }; 4],
        dc: [const { None }; 4],
        ac: [const { None }; 4],
    };
    let mut transform = None;
    let mut at = 2;
    // Each turn of the loop moves forward by at least three bytes, so that it ends.
    loop {
        let left = bytes.get(at..).ok_or(NotThisWay::Truncated)?;
        let fill = left.iter().take_while(|byte| **byte == 0xff).count();
        let marker = *left.get(fill).ok_or(NotThisWay::Truncated)?;
        let length = usize::from(number(&left[fill..], 1).ok_or(NotThisWay::Truncated)?);
        let body = left.get(fill + 3..fill + 1 + length.max(2)).ok_or(NotThisWay::Truncated)?;
        if fill == 0 || length < 2 {
            return Err(NotThisWay::Structure);
        }
        at += fill + 1 + length;
        match marker {
            0xc0 | 0xc1 => frame(body, &mut headers).ok_or(NotThisWay::Frame)??,
            0xc2 | 0xc6 => return Err(NotThisWay::Progressive),
            0xc9..=0xcf => return Err(NotThisWay::Arithmetic),
            0xc4 => codes(body, &mut headers)?,
            0xdb => factors(body, &mut headers)?,
            0xdd => match *body {
                [high, low] => headers.restart = u16::from_be_bytes([high, low]).into(),
                _ => return Err(NotThisWay::Structure),
            },
            0xda => {
                scan(body, &mut headers)?;
                headers.data = at;
                break;
            }
            0xee if body.starts_with(b"Adobe") => {
                transform = Some(*body.get(11).ok_or(NotThisWay::Colours)?);
            }
            0xe0..=0xef | 0xfe => {}
            _ => return Err(NotThisWay::Structure),
        }
    }
    // Without a word on it, three components are luma and colour differences (JFIF).
    let usual = if headers.components.len() == 3 { 1 } else { 0 };
    if transform.is_some_and(|transform| transform != usual) {
        return Err(NotThisWay::Colours);
    }
    Ok(headers)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Nothing where the segment is too short or too long, or there was one before.
fn frame(body: &[u8], headers: &mut Headers) -> Option<Result<(), NotThisWay>> {
    let (&[bits, _, _, _, _, count], listed) = body.split_first_chunk()?;
    let count = usize::from(count);
    if !headers.components.is_empty() || listed.len() != 3 * count {
        return None;
    }
    (headers.height, headers.width) = (number(body, 1)?.into(), number(body, 3)?.into());
    if bits != 8 {
        return Some(Err(NotThisWay::Depth));
    }
    if count != 1 && count != 3 {
        return Some(Err(NotThisWay::Colours));
    }
    if headers.width == 0 || headers.height == 0 {
        return None;
    }
    let components = listed.chunks_exact(3).map(|three| Component {
        id: three[0],
        across: usize::from(three[1] >> 4),
        down: usize::from(three[1] & 15),
        factors: usize::from(three[2]),
        dc: 0,
        ac: 0,
    });
    headers.components = components.collect();
    let ids: Vec<_> = headers.components.iter().map(|one| one.id).collect();
    if count == 3 && ids != [1, 2, 3] && ids != [0, 1, 2] {
        return Some(Err(NotThisWay::Colours));
    }
    Some(sampling(&mut headers.components))
}

/// Luma has every sample, and of colour differences there is one for 1, 2 or 4 pixels along each axis.
fn sampling(components: &mut [Component]) -> Result<(), NotThisWay> {
    let valid = |one: &Component| (1..=4).contains(&one.across) && (1..=4).contains(&one.down);
    if !components.iter().all(valid) {
        return Err(NotThisWay::Sampling);
    }
    if let [grey] = components {
        // The scan of a single component has a block in each unit, whatever is said here (A.2.2).
        (grey.across, grey.down) = (1, 1);
    }
    let blocks: usize = components.iter().map(|one| one.across * one.down).sum();
    let Some((luma, colours)) = components.split_first() else { return Err(NotThisWay::Frame) };
    let is_power =
        |whole: usize, part: usize| whole.is_multiple_of(part) && (whole / part).is_power_of_two();
    let whole =
        |one: &Component| is_power(luma.across, one.across) && is_power(luma.down, one.down);
    if blocks > UNIT_BLOCKS_MAX || !colours.iter().all(whole) {
        return Err(NotThisWay::Sampling);
    }
    Ok(())
}

fn codes(mut body: &[u8], headers: &mut Headers) -> Result<(), NotThisWay> {
    while let Some((&kind, rest)) = body.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or(NotThisWay::Tables)?;
        let len = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(len).ok_or(NotThisWay::Tables)?;
        let (kind, slots, slot) = match kind >> 4 {
            0 => (Kind::Dc, &mut headers.dc, kind),
            1 => (Kind::Ac, &mut headers.ac, kind & 15),
            _ => return Err(NotThisWay::Tables),
        };
        let slot = slots.get_mut(usize::from(slot)).ok_or(NotThisWay::Tables)?;
        *slot = Some(Box::new(Table::new(counts, symbols, kind)?));
        body = rest;
    }
    Ok(())
}

fn factors(mut body: &[u8], headers: &mut Headers) -> Result<(), NotThisWay> {
    while let Some((&kind, rest)) = body.split_first() {
        // Tables of 16 bits have a number above 15.
        let slot = headers.factors.get_mut(usize::from(kind)).ok_or(NotThisWay::Tables)?;
        let (values, rest) = rest.split_first_chunk::<64>().ok_or(NotThisWay::Tables)?;
        if values.contains(&0) {
            return Err(NotThisWay::Tables);
        }
        let mut table = Box::new([0; 256]);
        for (factor, value) in table.iter_mut().zip(values) {
            *factor = i32::from(*value);
        }
        *slot = Some(table);
        body = rest;
    }
    Ok(())
}

/// One scan has everything of all components.
fn scan(body: &[u8], headers: &mut Headers) -> Result<(), NotThisWay> {
    let (&count, rest) = body.split_first().ok_or(NotThisWay::Scan)?;
    let (listed, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(NotThisWay::Scan)?;
    if rest != [0, COEFFICIENT_LAST, 0]
        || usize::from(count) != headers.components.len()
        || count == 0
    {
        return Err(NotThisWay::Scan);
    }
    for (component, two) in headers.components.iter_mut().zip(listed.chunks_exact(2)) {
        if component.id != two[0] {
            return Err(NotThisWay::Scan);
        }
        (component.dc, component.ac) = (usize::from(two[1] >> 4), usize::from(two[1] & 15));
    }
    if headers.components.iter().any(|component| headers.tables(component).is_none()) {
        return Err(NotThisWay::Tables);
    }
    Ok(())
}
