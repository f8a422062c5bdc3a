//! Why a check was not completed, in fixed words.

/// Why a state is not complete; the words are fixed, so that nothing of an item can travel in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Nothing,
    NoBytes,
    Truncated,
    DecoderRefused,
    DecoderPanicked,
    DecoderCrashed,
    Pixels,
    Side,
    Memory,
    Compression,
    Frames,
    Pictures,
    Layout,
    Codec,
    Sequence,
    Pages,
    Entries,
    Depth,
    Expansion,
    Method,
    EncryptedEntries,
    ArchiveDamaged,
    VideoDecoder,
    NoDecoder,
    NoWorker,
    JailIncomplete,
    OutOfTime,
    Queue,
    Behind,
    Hidden,
    Streams,
    Resized,
    Untimed,
    Attached,
    Subtitles,
    Later,
}

impl Reason {
    const ALL: [(Self, &'static str); 36] = [
        (Self::Nothing, ""),
        (Self::NoBytes, "no bytes"),
        (Self::Truncated, "data ends early"),
        (Self::DecoderRefused, "decoder refused the data"),
        (Self::DecoderPanicked, "decoder panicked"),
        (Self::DecoderCrashed, "decoder crashed"),
        (Self::Pixels, "too many pixels"),
        (Self::Side, "side too long"),
        (Self::Memory, "needs more memory than a worker has"),
        (Self::Compression, "compressed beyond reason"),
        (Self::Frames, "more frames than are examined"),
        (Self::Pictures, "more pictures than are examined"),
        (Self::Layout, "pixel layout is not supported"),
        (Self::Codec, "compression inside the format is not supported"),
        (Self::Sequence, "only the first picture of the sequence was examined"),
        (Self::Pages, "list of pages is damaged"),
        (Self::Entries, "more entries than are expanded"),
        (Self::Depth, "nested deeper than is expanded"),
        (Self::Expansion, "expands beyond the limit"),
        (Self::Method, "compression method is not supported"),
        (Self::EncryptedEntries, "entries are encrypted"),
        (Self::ArchiveDamaged, "archive is damaged"),
        (Self::VideoDecoder, "video is not decoded"),
        (Self::NoDecoder, "no decoder for the format"),
        (Self::NoWorker, "no worker"),
        (Self::JailIncomplete, "jail incomplete"),
        (Self::OutOfTime, "out of time"),
        (Self::Queue, "too many items are waiting"),
        (Self::Behind, "bytes behind the end were not examined"),
        (Self::Hidden, "the archive holds more than its directory says"),
        (Self::Streams, "more video streams than are examined"),
        (Self::Resized, "frames larger than the first were made smaller"),
        (Self::Untimed, "frames without a time"),
        (Self::Attached, "attached files were not examined"),
        (Self::Subtitles, "drawn subtitles were not examined"),
        (Self::Later, "video may begin later than was looked for"),
    ];

    /// The words.
    pub(super) fn text(self) -> &'static str {
        Self::ALL.iter().find(|(reason, _)| *reason == self).map_or("", |(_, text)| text)
    }

    /// Its number on the wire.
    pub(super) const fn number(self) -> u32 {
        self as u32
    }

    /// The reason of a number on the wire.
    pub(super) fn read(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).map(|(reason, _)| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_words_and_is_on_the_wire() {
        for (place, (reason, text)) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.text(), *text);
            assert_eq!(reason.number() as usize, place, "{reason:?}");
            assert_eq!(Reason::read(reason.number()), Some(*reason));
            let same = Reason::ALL.iter().filter(|(_, other)| other == text);
            assert_eq!(same.count(), 1, "{text}");
        }
    }
}
