//! Files inside other bytes, found by signatures too long to arise by chance.

/// Where the first container of other files begins, a video or an archive.
#[must_use]
pub fn container(bytes: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(4).enumerate();
    windows.find_map(|(at, four)| container_at(bytes, at, four))
}

/// Where the first picture or container begins.
#[must_use]
pub fn file(bytes: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(4).enumerate();
    windows.find_map(|(at, four)| {
        picture_at(bytes, at, four).or_else(|| container_at(bytes, at, four))
    })
}

fn starts(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|bytes| bytes.starts_with(magic))
}

fn container_at(bytes: &[u8], at: usize, four: &[u8]) -> Option<usize> {
    let is_one = match four {
        b"ftyp" => return at.checked_sub(4).filter(|from| is_type_box(&bytes[*from..])),
        b"\x1a\x45\xdf\xa3" => {
            let head = &bytes[at..bytes.len().min(at + 64)];
            let kinds: [&[u8]; 2] = [b"\x42\x82\x84webm", b"\x42\x82\x88matroska"];
            kinds.iter().any(|kind| head.windows(kind.len()).any(|window| window == *kind))
        }
        b"RIFF" => starts(bytes, at + 8, b"AVI LIST"),
        // A file in it, neither of an unknown version nor packed in an unknown way.
        b"PK\x03\x04" => matches!(
            bytes.get(at + 4..at + 10),
            Some(&[..=63, 0, _, _, 0 | 8 | 9 | 12 | 14 | 93 | 95, 0])
        ),
        b"Rar!" => starts(bytes, at + 4, b"\x1a\x07"),
        b"7z\xbc\xaf" => starts(bytes, at + 4, b"\x27\x1c"),
        _ => false,
    };
    is_one.then_some(at)
}

/// The box that says which kind of ISO base media file it is: a size that it can have, the type, a brand of letters.
fn is_type_box(bytes: &[u8]) -> bool {
    let Some(&[0, 0, 0..=3, low, b'f', b't', b'y', b'p', ref brand @ ..]) =
        bytes.first_chunk::<12>()
    else {
        return false;
    };
    low % 4 == 0 && brand.iter().all(|byte| (0x20..0x7f).contains(byte))
}

fn picture_at(bytes: &[u8], at: usize, four: &[u8]) -> Option<usize> {
    let is_one = match four {
        // A segment that another marker follows.
        [0xff, 0xd8, 0xff, 0xc0..=0xc2 | 0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe] => {
            let length = bytes.get(at + 4..at + 6);
            let length = length.map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
            length >= 2 && bytes.get(at + 4 + length) == Some(&0xff)
        }
        b"\x89PNG" => starts(bytes, at + 4, b"\r\n\x1a\n"),
        b"GIF8" => starts(bytes, at + 4, b"7a") || starts(bytes, at + 4, b"9a"),
        b"RIFF" => starts(bytes, at + 8, b"WEBPVP8"),
        b"\0\0\0\x0c" => starts(bytes, at + 4, b"JXL \r\n\x87\n"),
        _ => false,
    };
    is_one.then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINERS: [&[u8]; 6] = [
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm",
        b"RIFF\x24\0\0\0AVI LIST",
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"Rar!\x1a\x07\x01\0",
        b"7z\xbc\xaf\x27\x1c\0\x04",
    ];
    const PICTURES: [&[u8]; 5] = [
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xdb",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x24\0\0\0WEBPVP8L",
        b"\0\0\0\x0cJXL \r\n\x87\n",
    ];

    #[test]
    fn files_are_found_anywhere_and_words_that_only_look_like_them_are_not() {
        for (number, magic) in CONTAINERS.iter().chain(&PICTURES).enumerate() {
            let is_container = number < CONTAINERS.len();
            for before in [0, 1, 30] {
                let bytes = [&vec![9; before], *magic, &[9; 30]].concat();
                assert_eq!(file(&bytes), Some(before), "{magic:?}");
                assert_eq!(container(&bytes), is_container.then_some(before), "{magic:?}");
            }
            for len in 0..magic.len() - 1 {
                // The brand and the last bytes of some may be anything.
                let cut = [&[9; 30], &magic[..len.min(8)], &[9; 30]].concat();
                assert!(len >= 6 || file(&cut).is_none(), "{magic:?} {len}");
            }
        }
        assert_eq!(container(b"words about ftyp boxes and RIFF and PK"), None);
        assert_eq!(file(b"\xff\xd8\xff\xe0\0\x04abc"), None, "no marker follows");
    }
}
