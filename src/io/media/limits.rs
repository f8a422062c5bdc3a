//! How much of an item is examined before the answer is that it is too large.

use std::time::Duration;

/// Limits of one item; what lies beyond is `TOO_LARGE` or `NOT_EXPANDED`, never silently left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLimits {
    /// Pixels of one picture or frame.
    pub pixels_max: u64,
    /// Pixels of the longer side of a picture.
    pub side_max: u32,
    /// Frames of an animation, or pages of a picture file.
    pub frames_max: u32,
    /// Pixels a compressed byte may stand for, in pictures above 16 million pixels.
    pub pixels_per_byte_max: u64,
    /// Entries of an archive, those of archives inside included.
    pub entries_max: u32,
    /// How deep an archive inside an archive is opened; 1 opens only the outermost.
    pub depth_max: u32,
    /// Bytes that all entries together may expand to.
    pub expanded_bytes_max: u64,
    /// How many times as long as its archive the expanded whole may be, beyond the first 16 MiB.
    pub expansion_ratio_max: u64,
    /// Hashed forms of pictures in the whole item.
    pub pictures_max: u32,
    /// How far from the border's colour a channel may be and still count as border, 0 to 255.
    pub border_tolerance: u8,
    /// Address space of a worker, in bytes. A picture that could need more is told from its header to be too large:
    /// the default lets still pictures of 100 million pixels of eight bits through, about 95 million of sixteen bits
    /// with transparency or of frames of an animation, 80 million of AVIF and HEIC, 30 million of JPEG XL.
    pub memory_bytes_max: u64,
    /// Sizes, width and height in pixels, that frames are also made small to: of the first frame, the second, the third, and
    /// then of those whose numbers from 0 are powers of two. JPEG are then decoded by their colours.
    pub thumbs: Vec<(u32, u32)>,
    /// Frames of the whole item that are made small.
    pub thumbs_max: u32,
    /// Whether large JPEG may be hashed from their coefficients, which is not quite the canonical hash.
    pub by_coefficients: bool,
    /// Time for one item, from being handed to a worker.
    pub item_time_max: Duration,
    /// Limits of a video, which takes more of everything.
    pub video: VideoLimits,
}

/// Limits of one video; pixels and sides of a frame are limited as those of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoLimits {
    /// Milliseconds from one sampled frame to the next, at most; 0 samples every frame.
    pub interval_millis: u32,
    /// How much a frame has to differ from the one before it to be sampled, too, in hundredths of what two frames can
    /// differ; 100 samples by the clock alone.
    pub scene_percent: u32,
    /// Sampled frames of the whole file.
    pub frames_max: u32,
    /// Video streams of a file, covers included.
    pub streams_max: u32,
    /// Address space of the decoding program, in bytes.
    pub memory_bytes_max: u64,
    /// Time for one video, from being handed to the decoding program.
    pub time_max: Duration,
}

impl MediaLimits {
    /// Bytes of one frame in all sizes that it is made small to.
    pub(super) fn thumb_bytes(&self) -> u64 {
        self.thumbs.iter().map(|(width, height)| u64::from(*width) * u64::from(*height) * 3).sum()
    }

    /// Whether the frame with this number, from 0, is made small.
    pub(super) const fn is_made_small(&self, frame: u32) -> bool {
        !self.thumbs.is_empty() && (frame == 0 || frame.is_power_of_two())
    }
}

impl Default for VideoLimits {
    fn default() -> Self {
        Self {
            interval_millis: 1_000,
            scene_percent: 40,
            frames_max: 3_600,
            streams_max: 4,
            memory_bytes_max: 2 << 30,
            time_max: Duration::from_secs(120),
        }
    }
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            pixels_max: 100_000_000,
            side_max: 16_384,
            frames_max: 500,
            pixels_per_byte_max: 10_000,
            entries_max: 1_000,
            depth_max: 3,
            expanded_bytes_max: 256 << 20,
            expansion_ratio_max: 200,
            pictures_max: 10_000,
            border_tolerance: crate::core::raster::BORDER_TOLERANCE,
            memory_bytes_max: 2 << 30,
            thumbs: Vec::new(),
            thumbs_max: 16,
            by_coefficients: false,
            item_time_max: Duration::from_secs(10),
            video: VideoLimits::default(),
        }
    }
}
