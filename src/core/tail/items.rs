//! Items of the pictures in an ISO base media file (ISO/IEC 23008-12): whether a viewer has more to show than the primary.

use std::collections::BTreeSet;

/// The next box: its type, its content, and what follows it.
fn next(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (&[a, b, c, d, kind @ ..], _) = bytes.split_first_chunk::<8>()?;
    let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (8, bytes.len()),
        1 => (16, usize::try_from(u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)).ok()?),
        size => (8, usize::try_from(size).ok()?),
    };
    Some((kind, bytes.get(head..size)?, &bytes[size..]))
}

fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, content, rest) = next(bytes)?;
        bytes = rest;
        Some((kind, content))
    })
}

/// Reads numbers one after another.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    /// The next number, of two bytes or four.
    fn take(&mut self, wide: bool) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(if wide { 4 } else { 2 })?;
        self.0 = rest;
        Some(head.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
    }
}

/// A picture that is an item of its own: coded, or made of others.
const PICTURES: [&[u8; 4]; 11] = [
    b"hvc1", b"hev1", b"av01", b"vvc1", b"avc1", b"jpeg", b"j2k1", b"mski", b"grid", b"iovl",
    b"iden",
];

/// Numbers of the items that are pictures and are not marked as hidden.
fn pictures(infos: &[u8]) -> Option<BTreeSet<u32>> {
    let (&version, _) = infos.split_first()?;
    let entries = infos.get(if version == 0 { 6 } else { 8 }..)?;
    let read = |info: &[u8]| {
        let &[version, _, _, flags, ref rest @ ..] = info else { return None };
        let mut rest = Numbers(rest);
        let number = rest.take(version > 2)?;
        rest.take(false)?;
        let kind = rest.0.first_chunk::<4>()?;
        (version >= 2 && flags & 1 == 0 && PICTURES.contains(&kind)).then_some(number)
    };
    let infos = boxes(entries).filter(|(kind, _)| kind == b"infe");
    Some(infos.filter_map(|(_, info)| read(info)).collect())
}

/// Takes away the items that belong to another: small and auxiliary pictures of it, and parts that it is made of.
fn without_parts(references: &[u8], pictures: &mut BTreeSet<u32>) -> Option<()> {
    let wide = *references.first()? > 0;
    for (kind, reference) in boxes(references.get(4..)?) {
        let mut numbers = Numbers(reference);
        let from = numbers.take(wide)?;
        match &kind {
            b"thmb" | b"auxl" => {
                pictures.remove(&from);
            }
            b"dimg" => {
                for _ in 0..numbers.take(false)? {
                    pictures.remove(&numbers.take(wide)?);
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// Whether there are pictures in the file that are neither its primary one nor parts of another.
pub(super) fn are_several(bytes: &[u8]) -> bool {
    let Some((_, meta)) = boxes(bytes).find(|(kind, _)| kind == b"meta") else { return false };
    let inner = || boxes(meta.get(4..).unwrap_or_default());
    let content = |wanted: &[u8; 4]| inner().find(|(kind, _)| kind == wanted).map(|(_, c)| c);
    let mut pictures = content(b"iinf").and_then(pictures).unwrap_or_default();
    let primary = content(b"pitm").and_then(|primary| {
        let wide = *primary.first()? > 0;
        Numbers(primary.get(4..)?).take(wide)
    });
    if let Some(references) = content(b"iref") {
        // References that are cut take nothing more away.
        let _ = without_parts(references, &mut pictures);
    }
    pictures.into_iter().any(|number| Some(number) != primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&size[..], kind, content].concat()
    }

    fn info(number: u8, kind: &[u8; 4], hidden: u8) -> Vec<u8> {
        boxed(b"infe", &[&[2, 0, 0, hidden, 0, number, 0, 0], &kind[..], b"\0"].concat())
    }

    fn file(infos: &[Vec<u8>], references: &[Vec<u8>]) -> Vec<u8> {
        let count = [0, 0, 0, 0, 0, infos.len() as u8];
        let inner = [
            boxed(b"pitm", &[0, 0, 0, 0, 0, 1]),
            boxed(b"iinf", &[&count[..], &infos.concat()].concat()),
            boxed(b"iref", &[&[0; 4][..], &references.concat()].concat()),
        ];
        let meta = boxed(b"meta", &[&[0; 4][..], &inner.concat()].concat());
        [boxed(b"ftyp", b"heic\0\0\0\0"), meta].concat()
    }

    #[test]
    fn what_a_viewer_shows_beside_the_primary_picture_is_told() {
        let primary = info(1, b"grid", 0);
        let one = std::slice::from_ref(&primary);
        assert!(!are_several(&file(one, &[])));
        assert!(are_several(&file(&[primary.clone(), info(2, b"hvc1", 0)], &[])));
        assert!(are_several(&file(&[info(2, b"av01", 0), primary], &[])));
    }

    #[test]
    fn thumbnails_tiles_gain_maps_and_hidden_pictures_are_parts_of_the_one() {
        let infos = [
            info(1, b"grid", 0),
            info(2, b"hvc1", 0),
            info(3, b"hvc1", 0),
            info(4, b"hvc1", 0),
            info(5, b"hvc1", 0),
            info(6, b"hvc1", 1),
            info(7, b"Exif", 0),
            info(8, b"tmap", 0),
        ];
        let references = [
            boxed(b"dimg", &[0, 1, 0, 2, 0, 2, 0, 3]),
            boxed(b"thmb", &[0, 4, 0, 1, 0, 1]),
            boxed(b"auxl", &[0, 5, 0, 1, 0, 1]),
            boxed(b"cdsc", &[0, 7, 0, 1, 0, 1]),
            boxed(b"dimg", &[0, 8, 0, 2, 0, 1, 0, 5]),
        ];
        assert!(!are_several(&file(&infos, &references)));
        // Without what says so they are not: tiles, the thumbnail, the gain map.
        assert!(are_several(&file(&infos, &references[1..])));
        assert!(are_several(&file(&infos, &[&references[..1], &references[2..]].concat())));
        assert!(are_several(&file(&infos, &references[..2])));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(at in 0..300_usize, value: u8, noise: Vec<u8>) {
            let references = [boxed(b"dimg", &[0, 1, 0, 1, 0, 2])];
            let mut bytes = file(&[info(1, b"grid", 0), info(2, b"hvc1", 0)], &references);
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = (are_several(&bytes), are_several(&bytes[..at]), are_several(&noise));
        }
    }
}
