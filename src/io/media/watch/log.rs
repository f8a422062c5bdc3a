//! What the decoding program writes to its log, of which a few words are understood.
//!
//! Some of the words come from the item. They can make its state worse, and never better: a stream or an error that the
//! program names is counted, whoever wrote it.

use super::super::reason::Reason;
use crate::core::verdict::CheckState;
use std::collections::VecDeque;

/// Bytes of a line that are looked at.
const LINE_BYTES_MAX: usize = 512;
/// How long a frame was shown behind which the file's clock goes back, in milliseconds: nobody says.
const SHOWN_MILLIS: i64 = 500;

/// A frame that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// When it is shown, in milliseconds from the beginning; absent where the file does not say.
    pub(super) at_millis: Option<u32>,
    /// Its width before it was made as large as the first one.
    pub(super) width: u32,
    /// Its height.
    pub(super) height: u32,
}

/// What was understood so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    line: Vec<u8>,
    /// Frames that are on their way, in the order in which they come.
    pub(super) shown: VecDeque<Shown>,
    /// Frames that were announced, and by that the number of the next one.
    announced: u32,
    /// What is added to the file's times, in milliseconds: they go on where its clock goes back, as behind a splice.
    shift: i64,
    /// When the last frame with a time is shown, in milliseconds from the beginning.
    last_millis: i64,
    /// Frames were announced out of order.
    pub(super) is_disordered: bool,
    /// The stream asked for is not there.
    pub(super) is_absent: bool,
    /// The program has begun with the stream.
    has_begun: bool,
    /// Streams of sound that were named.
    pub(super) sounds: u32,
    /// It is not clear what some stream is.
    pub(super) is_unclear: bool,
    /// Streams of video that were named.
    pub(super) videos: u32,
    /// Streams with pictures that are not decoded.
    pub(super) beside: Option<Reason>,
    /// A decoder is not among those that may be used: of the video, or of sound that nobody wants.
    pub(super) is_unlisted: bool,
    /// The worst that was said; what is beyond a limit or beyond this program explains the errors around it.
    pub(super) harm: Option<(CheckState, Reason)>,
}

impl Log {
    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish();
            }
        }
    }

    /// Takes what may stand behind the last end of a line.
    pub(super) fn finish(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.read(&String::from_utf8_lossy(&line));
    }

    fn read(&mut self, line: &str) {
        let Some((speaker, level, words)) = parts(line) else { return };
        match level {
            "info" if speaker.starts_with("Parsed_showinfo_") && words.starts_with("n:") => {
                self.frame(words);
            }
            "info" if words.starts_with("Exiting normally, received signal") => {
                self.hurt(CheckState::Deadline, Reason::OutOfTime);
            }
            "info" if words.starts_with("Stream mapping:") => self.has_begun = true,
            "info" if words.trim_start().starts_with("Stream #0:") && !self.has_begun => {
                self.stream(words);
            }
            "warning" if words.contains("orrupt input packet") => {
                self.hurt(CheckState::Corrupt, Reason::Truncated);
            }
            "warning" if words.starts_with("New video stream") => {
                self.hurt(CheckState::NotExpanded, Reason::Later);
            }
            "error" | "fatal" | "panic" => self.error(words),
            _ => {}
        }
    }

    fn frame(&mut self, words: &str) {
        let number = field(words, "n:").and_then(|number| number.parse::<u32>().ok());
        let size = field(words, "s:").and_then(|size| size.split_once('x'));
        let size = size.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        let (Some(number), Some((width, height))) = (number, size) else {
            self.is_disordered = true;
            return;
        };
        self.is_disordered |= self.announced != number;
        self.announced = self.announced.saturating_add(1);
        let seconds = field(words, "pts_time:").and_then(|seconds| seconds.parse::<f64>().ok());
        // The cast ends at both ends of what the type holds.
        let at_millis = seconds.filter(|s| s.is_finite()).map(|s| (s * 1000.0).round() as i64);
        let at_millis = at_millis.map(|at| self.going_on(at));
        self.shown.push_back(Shown { at_millis, width, height });
    }

    /// A time of the file as it counts: frames come in the order in which they are shown.
    fn going_on(&mut self, at: i64) -> u32 {
        let mut millis = at.saturating_add(self.shift);
        if millis < self.last_millis {
            millis = self.last_millis.saturating_add(SHOWN_MILLIS);
            self.shift = millis.saturating_sub(at);
        }
        self.last_millis = millis;
        u32::try_from(millis).unwrap_or(u32::MAX)
    }

    fn stream(&mut self, words: &str) {
        if words.contains(": Video: ") {
            self.videos = self.videos.saturating_add(1);
        } else if words.contains(": Audio: ") {
            self.sounds = self.sounds.saturating_add(1);
        } else if words.contains(": Data: none") || words.contains(": Unknown") {
            self.is_unclear = true;
        } else if words.contains(": Attachment: ") {
            let font = ["ttf", "otf"].iter().any(|kind| words.trim_end().ends_with(kind));
            if !font {
                self.beside = Some(Reason::Attached);
            }
        } else if words.contains(": Subtitle: ") {
            let drawn = ["dvd_subtitle", "dvb_subtitle", "hdmv_pgs", "xsub"];
            if drawn.iter().any(|kind| words.contains(kind)) {
                self.beside = self.beside.or(Some(Reason::Subtitles));
            }
        }
    }

    fn error(&mut self, words: &str) {
        let words = words.to_ascii_lowercase();
        let says = |any: &[&str]| any.iter().any(|these| words.contains(these));
        if says(&["matches no streams"]) {
            self.is_absent = true;
        } else if says(&["not on whitelist"]) {
            self.is_unlisted = true;
        } else if says(&[
            "decoder not found",
            "no decoder found",
            "decoder (codec",
            "unknown decoder",
        ]) {
            self.hurt(CheckState::UnsupportedFormat, Reason::Codec);
        } else if says(&["exceeds specified max pixel count"]) {
            self.hurt(CheckState::TooLarge, Reason::Pixels);
        } else if says(&["cannot allocate memory", "failed to allocate", "out of memory"]) {
            self.hurt(CheckState::TooLarge, Reason::Memory);
        } else if says(&["partial file", "ended prematurely", "truncat", "end of file"]) {
            self.hurt(CheckState::Corrupt, Reason::Truncated);
        } else {
            self.hurt(CheckState::Corrupt, Reason::DecoderRefused);
        }
    }

    /// Notes harm: the first, unless that was a mere error and this explains it.
    fn hurt(&mut self, state: CheckState, reason: Reason) {
        let explained = self.harm.is_some_and(|(state, _)| state != CheckState::Corrupt);
        if self.harm.is_none() || (!explained && state != CheckState::Corrupt) {
            self.harm = Some((state, reason));
        }
    }
}

/// Who speaks, how loud, and what: `[speaker @ address] [level] words`, where the speaker may be missing.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    const LEVELS: [&str; 6] = ["info", "warning", "error", "fatal", "panic", "verbose"];
    let (mut speaker, mut rest) = ("", line.trim_end());
    // A speaker may speak through another.
    for _ in 0..4 {
        let (name, words) = rest.strip_prefix('[')?.split_once("] ")?;
        if LEVELS.contains(&name) {
            return Some((speaker, name, words));
        }
        (speaker, rest) = (name, words);
    }
    None
}

/// The word behind a key that stands at the beginning or behind a space.
fn field<'a>(words: &'a str, key: &str) -> Option<&'a str> {
    let mut places = words.match_indices(key).map(|(place, _)| place);
    let place = places.find(|place| *place == 0 || words[..*place].ends_with(' '))?;
    words[place + key.len()..].split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Log {
        let mut log = Log::default();
        log.take(text.as_bytes());
        log.finish();
        log
    }

    const FRAMES: &str = "\
[Parsed_showinfo_1 @ 0x1] [info] config in time_base: 1/12800, frame_rate: 25/1
[Parsed_showinfo_1 @ 0x1] [info] n:   0 pts:      0 pts_time:0       pos:      306 fmt:yuv420p sar:1/1 s:320x240 i:P iskey:1 type:I
[Parsed_showinfo_1 @ 0x1] [info] color_range:unknown color_space:unknown
[Parsed_showinfo_1 @ 0x1] [info] n:   1 pts:  13098 pts_time:1.02328 pos:  1 fmt:rgb24 sar:1/1 s:64x48 i:P
[Parsed_showinfo_1 @ 0x1] [info] n:   2 pts:   NOPTS pts_time:NOPTS pos:  1 fmt:rgb24 sar:1/1 s:64x48 i:P
[Parsed_showinfo_1 @ 0x1] [info] n:   3 pts:   -1 pts_time:-0.04 pos:  1 fmt:rgb24 sar:1/1 s:64x48 i:P
";

    #[test]
    fn frames_are_announced_with_their_times_and_sizes() {
        let log = read(FRAMES);
        let times: Vec<_> = log.shown.iter().map(|shown| shown.at_millis).collect();
        assert_eq!(times, [Some(0), Some(1023), None, Some(1523)]);
        assert_eq!((log.shown[0].width, log.shown[1].height), (320, 48));
        assert!(!log.is_disordered && log.harm.is_none());
        assert!(read(&FRAMES.replace("n:   2", "n:   1")).is_disordered);
        assert!(read(&FRAMES.replace("s:64x48", "s:64")).is_disordered);
    }

    #[test]
    fn times_go_on_where_the_clock_of_the_file_goes_back() {
        let mut log = Log::default();
        let times = [0, 1_000, -3_600, -1_600, 400, 400, i64::MAX, 0, i64::MIN];
        let told = times.map(|at| log.going_on(at));
        assert_eq!(told[..6], [0, 1_000, 1_500, 3_500, 5_500, 5_500]);
        assert!(told.is_sorted(), "{told:?}");
    }

    #[test]
    fn streams_are_counted_until_the_program_begins() {
        let log = read(
            "[info] Input #0, matroska,webm, from '/proc/self/fd/0':
[info]   Stream #0:0(eng): Video: h264 (High), yuv420p, 320x240
[info]   Stream #0:1: Audio: aac (LC)
[info]     title           : Stream #0:9: Video: none
[info]   Stream #0:2: Video: mjpeg (attached pic)
[info]   Stream #0:3: Attachment: none
[info]   Stream #0:4: Attachment: ttf
[info] Stream mapping:
[info]   Stream #0:0 -> #0:0 (h264 (native) -> ppm (native))
[info] Output #0, image2pipe, to 'pipe:1':
[info]   Stream #0:0: Video: ppm, rgb24
",
        );
        assert_eq!((log.sounds, log.videos, log.is_unclear), (1, 2, false));
        assert_eq!(log.beside, Some(Reason::Attached));
        assert!(read("[info]   Stream #0:0: Data: none (default)").is_unclear);
        let font = "[info]   Stream #0:4: Attachment: ttf\n[info]   Stream #0:5: Subtitle: ass";
        assert_eq!(read(font).beside, None);
        let drawn = "[info]   Stream #0:4: Subtitle: hdmv_pgs_subtitle, 720x480";
        assert_eq!(read(drawn).beside, Some(Reason::Subtitles));
    }

    #[test]
    fn errors_have_the_state_that_explains_them() {
        use CheckState::{Corrupt, Deadline, TooLarge, UnsupportedFormat};
        let table = [
            ("[h264 @ 0x1] [error] error while decoding MB 1 2", Corrupt, Reason::DecoderRefused),
            ("[mov @ 0x1] [error] stream 0, offset 0x1: partial file", Corrupt, Reason::Truncated),
            ("[warning] x: corrupt input packet in stream 0", Corrupt, Reason::Truncated),
            ("[fatal] Decoder (codec av1) not found for", UnsupportedFormat, Reason::Codec),
            (
                "[h264 @ 0x1] [error] get_buffer() failed: Cannot allocate memory",
                TooLarge,
                Reason::Memory,
            ),
            ("[info] Exiting normally, received signal 24.", Deadline, Reason::OutOfTime),
            ("[a @ 0x1] [b @ 0x2] [fatal] odd", Corrupt, Reason::DecoderRefused),
        ];
        for (line, state, reason) in table {
            assert_eq!(read(line).harm, Some((state, reason)), "{line}");
            let after = format!("[error] something\n{line}\n[error] Conversion failed!");
            assert_eq!(read(&after).harm.map(|(state, _)| state), Some(state), "{line}");
        }
        assert!(read("[fatal] Stream map '0:v:0' matches no streams.").is_absent);
        assert_eq!(read("[swscaler @ 0x1] [warning] deprecated pixel format used").harm, None);
        assert_eq!(read("[info]     comment         : [error] no").harm, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_the_length_of_a_line(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..900), 0..4),
        ) {
            let mut log = Log::default();
            for piece in &pieces {
                log.take(piece);
                prop_assert!(log.line.len() <= LINE_BYTES_MAX);
            }
            log.finish();
        }
    }
}
