//! What service and worker say to each other over their socket, and how the service doubts what it hears.

use super::found::Nonsense;
use super::limits::{MediaLimits, VideoLimits};
use crate::io::jail::{JailMode, Reached, Refused};
use bytes::{Buf as _, BytesMut};
use prost::Message;
use std::time::Duration;

/// Bytes that are read of all that a worker says of one item.
pub(super) const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Longest message to a worker, in bytes.
pub(super) const ORDER_BYTES_MAX: u32 = 1024;

/// The place of a value in a table: its number on the wire.
pub(super) fn number_of<T>(table: &[T], is: impl FnMut(&T) -> bool) -> u32 {
    table.iter().position(is).and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
}

pub(super) fn value_of<T>(table: &[T], number: u32) -> Option<&T> {
    table.get(usize::try_from(number).ok()?)
}

/// First message to a worker: what it may use and how far it goes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Setup {
    #[prost(bool, tag = "1")]
    reduced: bool,
    #[prost(uint64, tag = "2")]
    pub(super) processor_seconds: u64,
    #[prost(uint64, tag = "3")]
    pixels_max: u64,
    #[prost(uint32, tag = "4")]
    side_max: u32,
    #[prost(uint32, tag = "5")]
    frames_max: u32,
    #[prost(uint64, tag = "6")]
    pixels_per_byte_max: u64,
    #[prost(uint32, tag = "7")]
    entries_max: u32,
    #[prost(uint32, tag = "8")]
    depth_max: u32,
    #[prost(uint64, tag = "9")]
    expanded_bytes_max: u64,
    #[prost(uint64, tag = "10")]
    expansion_ratio_max: u64,
    #[prost(uint32, tag = "11")]
    pictures_max: u32,
    #[prost(uint32, tag = "12")]
    border_tolerance: u32,
    #[prost(uint64, tag = "13")]
    memory_bytes_max: u64,
    #[prost(uint64, tag = "14")]
    item_millis_max: u64,
    #[prost(uint32, tag = "15")]
    video_frames_max: u32,
    #[prost(uint32, tag = "16")]
    video_streams_max: u32,
    #[prost(uint64, tag = "17")]
    video_millis_max: u64,
}

impl Setup {
    pub(super) fn new(limits: &MediaLimits, jail: JailMode, processor_seconds: u64) -> Self {
        Self {
            reduced: jail == JailMode::Reduced,
            processor_seconds,
            pixels_max: limits.pixels_max,
            side_max: limits.side_max,
            frames_max: limits.frames_max,
            pixels_per_byte_max: limits.pixels_per_byte_max,
            entries_max: limits.entries_max,
            depth_max: limits.depth_max,
            expanded_bytes_max: limits.expanded_bytes_max,
            expansion_ratio_max: limits.expansion_ratio_max,
            pictures_max: limits.pictures_max,
            border_tolerance: limits.border_tolerance.into(),
            memory_bytes_max: limits.memory_bytes_max,
            item_millis_max: u64::try_from(limits.item_time_max.as_millis()).unwrap_or(u64::MAX),
            video_frames_max: limits.video.frames_max,
            video_streams_max: limits.video.streams_max,
            video_millis_max: u64::try_from(limits.video.time_max.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn jail(&self) -> JailMode {
        if self.reduced { JailMode::Reduced } else { JailMode::Required }
    }

    /// Limits of an item; what an order says of it is not among them.
    pub(super) fn limits(&self) -> MediaLimits {
        MediaLimits {
            pixels_max: self.pixels_max,
            side_max: self.side_max,
            frames_max: self.frames_max,
            pixels_per_byte_max: self.pixels_per_byte_max,
            entries_max: self.entries_max,
            depth_max: self.depth_max,
            expanded_bytes_max: self.expanded_bytes_max,
            expansion_ratio_max: self.expansion_ratio_max,
            pictures_max: self.pictures_max,
            border_tolerance: u8::try_from(self.border_tolerance).unwrap_or(u8::MAX),
            memory_bytes_max: self.memory_bytes_max,
            thumbs: Vec::new(),
            thumbs_max: MediaLimits::default().thumbs_max,
            by_coefficients: false,
            item_time_max: Duration::from_millis(self.item_millis_max),
            // What else there is of them is for the program that decodes.
            video: VideoLimits {
                frames_max: self.video_frames_max,
                streams_max: self.video_streams_max,
                time_max: Duration::from_millis(self.video_millis_max),
                ..VideoLimits::default()
            },
        }
    }
}

/// One item to examine; its memory file travels beside the message.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Order {
    /// Length of the memory file, in bytes.
    #[prost(uint64, tag = "1")]
    pub(super) len: u64,
    /// Whether large JPEG may be hashed from their coefficients.
    #[prost(bool, tag = "2")]
    pub(super) by_coefficients: bool,
    /// Sizes that frames are also made small to: width times 65,536, and height.
    #[prost(uint32, repeated, tag = "4")]
    thumbs: Vec<u32>,
    /// A video stream of it, whose frames and log come through two pipes that travel beside the message, too.
    #[prost(message, optional, tag = "3")]
    pub(super) watch: Option<Watch>,
}

impl Order {
    /// An item of so many bytes, or one of its video streams.
    pub(super) fn new(len: u64, limits: &MediaLimits, watch: Option<Watch>) -> Self {
        let by_coefficients = limits.by_coefficients && watch.is_none();
        let thumbs = limits.thumbs.iter().map(|(width, height)| width << 16 | height).collect();
        Self { len, by_coefficients, thumbs, watch }
    }

    /// What it says of the limits.
    pub(super) fn limit(&self, limits: &mut MediaLimits) {
        limits.by_coefficients = self.by_coefficients;
        limits.thumbs = self.thumbs.iter().map(|size| (size >> 16, size & 0xffff)).collect();
    }
}

/// Which video stream, and how much may still be found in the item.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Watch {
    /// Which of its video streams, from 0.
    #[prost(uint32, tag = "1")]
    pub(super) stream: u32,
    /// Frames that may still be sampled.
    #[prost(uint32, tag = "2")]
    pub(super) frames_left: u32,
    /// Hashes that there may still be.
    #[prost(uint32, tag = "3")]
    pub(super) pictures_left: u32,
}

/// First message of a worker: which walls stand, or which one is missing.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hello {
    #[prost(bool, repeated, tag = "1")]
    walls: Vec<bool>,
    /// Number of the reason in [`Refused::ALL`], plus 1; 0 when the jail was entered.
    #[prost(uint32, tag = "2")]
    refused: u32,
}

impl Hello {
    pub(super) fn new(entered: Result<Reached, Refused>) -> Self {
        match entered {
            Ok(r) => Self {
                walls: vec![
                    r.limits,
                    r.files_closed,
                    r.no_new_privileges,
                    r.undumpable,
                    r.user_namespace,
                    r.network_namespace,
                    r.landlock,
                    r.system_calls,
                ],
                refused: 0,
            },
            Err(why) => Self {
                walls: Vec::new(),
                refused: number_of(&Refused::ALL, |r| *r == why).saturating_add(1),
            },
        }
    }

    pub(super) fn read(&self) -> Result<Result<Reached, Refused>, Nonsense> {
        if let Some(place) = self.refused.checked_sub(1) {
            return value_of(&Refused::ALL, place).map(|why| Err(*why)).ok_or(Nonsense);
        }
        let &[
            limits,
            files_closed,
            no_new_privileges,
            undumpable,
            user_namespace,
            network_namespace,
            landlock,
            system_calls,
        ] = self.walls.as_slice()
        else {
            return Err(Nonsense);
        };
        Ok(Ok(Reached {
            limits,
            files_closed,
            no_new_privileges,
            undumpable,
            user_namespace,
            network_namespace,
            landlock,
            system_calls,
        }))
    }
}

/// A message with its length before it: four bytes, little-endian.
pub(super) fn framed(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&len.to_le_bytes()[..], &body].concat()
}

/// The first message of what was read, without it in front; nothing while it is not whole.
///
/// # Errors
/// [`Nonsense`] where it is longer than `bytes_max`, or no such message.
pub(super) fn unframed<M: Message + Default>(
    read: &mut BytesMut,
    bytes_max: u32,
) -> Result<Option<M>, Nonsense> {
    let Some(len) = read.first_chunk().map(|len| u32::from_le_bytes(*len)) else {
        return Ok(None);
    };
    if len > bytes_max {
        return Err(Nonsense);
    }
    let len = usize::try_from(len).map_err(|_| Nonsense)?;
    if read.len() < 4 + len {
        return Ok(None);
    }
    read.advance(4);
    M::decode(read.split_to(len)).map(Some).map_err(|_| Nonsense)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_at_the_beginning_is_heard_unchanged() {
        let video = VideoLimits { frames_max: 9, ..VideoLimits::default() };
        let limits =
            MediaLimits { side_max: 7, border_tolerance: 3, video, ..MediaLimits::default() };
        let setup = Setup::new(&limits, JailMode::Reduced, 9);
        assert_eq!((setup.limits(), setup.jail()), (limits, JailMode::Reduced));
        let reached = Reached { landlock: true, ..Reached::default() };
        for entered in [Ok(reached), Err(Refused::Limits), Err(Refused::SystemCalls)] {
            assert_eq!(Hello::new(entered).read(), Ok(entered));
        }
    }

    #[test]
    fn a_message_is_read_when_it_is_whole_and_never_when_it_is_too_long() {
        let limits = MediaLimits {
            by_coefficients: true,
            thumbs: vec![(224, 224), (640, 3)],
            ..MediaLimits::default()
        };
        let order = Order::new(300, &limits, None);
        let mut heard = MediaLimits::default();
        order.limit(&mut heard);
        assert_eq!(heard, limits);
        let bytes = framed(&order);
        let mut read = BytesMut::new();
        for byte in &bytes {
            assert_eq!(unframed::<Order>(&mut read, ORDER_BYTES_MAX), Ok(None));
            read.extend_from_slice(&[*byte]);
        }
        read.extend_from_slice(b"next");
        assert_eq!(unframed(&mut read, ORDER_BYTES_MAX), Ok(Some(order)));
        assert_eq!(&read[..], b"next");
        let mut long = BytesMut::from(&[5, 0, 0, 0][..]);
        assert_eq!(unframed::<Order>(&mut long, 4), Err(Nonsense));
    }
}
