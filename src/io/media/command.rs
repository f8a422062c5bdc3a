//! What the decoding program is told: one stream of one format, nothing but the item, sampled frames as they are stored.

use super::limits::{MediaLimits, VideoLimits};
use crate::core::media::Format;
use std::time::Duration;

/// The item, which is the program's standard input, opened anew so that it can be read in any order.
const ITEM: &str = "/proc/self/fd/0";

/// Milliseconds that have to lie between a sampled frame and one that is sampled because it differs.
const SCENE_MILLIS_MIN: u32 = 200;

/// Decoders of video that may be used; what is not named is answered as a format that is not supported. Decoders of sound
/// and of text are left out: nothing that they could read is asked for.
const DECODERS: &str = "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg1video,mpeg2video,mpeg4,\
msmpeg4v1,msmpeg4v2,msmpeg4,h261,h263,h263i,h263p,flv,vp3,theora,vp6,vp6a,vp6f,mjpeg,mjpegb,wmv1,wmv2,wmv3,vc1,svq1,svq3,\
cinepak,prores,dnxhd,dvvideo,png,bmp,gif,webp,tiff,jpeg2000,rawvideo,huffyuv,ffvhuff,ffv1,utvideo,magicyuv,qtrle,rpza,smc,\
8bps,msvideo1,msrle,flashsv,flashsv2,indeo3,indeo4,indeo5,zmbv,rv10,rv20,rv30,rv40";

/// The container, by the name that the program knows it by; nothing where it is no video.
///
/// It is never left to the program, which would try formats that name other files to open.
pub(super) fn demuxer(format: Format, head: &[u8]) -> Option<&'static str> {
    match format {
        Format::IsoMedia => Some("mov"),
        Format::Matroska => Some("matroska"),
        Format::Avi => Some("avi"),
        Format::Flv => Some("flv"),
        Format::Mpeg if head.starts_with(b"\0\0\x01\xba") => Some("mpeg"),
        Format::Mpeg if head.starts_with(b"\0\0\x01\xb3") => Some("mpegvideo"),
        Format::Mpeg => Some("mpegts"),
        _ => None,
    }
}

/// Processor time for so much time on the wall, in seconds.
pub(super) fn processor_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(1)
}

/// Which frames are sampled: the first, one whenever the interval has passed or time has gone back, and those that differ
/// from the one before, but not more than a few a second.
fn sampling(limits: &VideoLimits) -> String {
    let seconds = |millis: u32| f64::from(millis) / 1000.0;
    // Times that are rounded to milliseconds may lie a little closer than the interval.
    let interval = seconds(limits.interval_millis.saturating_sub(1));
    let mut when = format!(
        "isnan(t)+isnan(prev_selected_t)+gte(t-prev_selected_t,{interval})+lt(t,prev_selected_t)"
    );
    if limits.scene_percent < 100 {
        let (differs, apart) = (f64::from(limits.scene_percent) / 100.0, seconds(SCENE_MILLIS_MIN));
        when.push_str(&format!("+gt(scene,{differs})*gte(t-prev_selected_t,{apart})"));
    }
    // Times count from the first frame of the stream, whatever sound begins before it.
    format!("setpts=PTS-STARTPTS,select='{when}',showinfo=checksum=0")
}

/// The arguments that make the program decode a stream, its `number` counted among the video streams; at most one frame
/// more than `frames_left` comes.
pub(super) fn arguments(
    demuxer: &str,
    number: u32,
    frames_left: u32,
    limits: &MediaLimits,
) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+info"]);
    add(&["-filter_threads", "1", "-threads", "1"]);
    add(&["-protocol_whitelist", "file", "-format_whitelist", demuxer]);
    add(&["-codec_whitelist", DECODERS, "-max_pixels", &limits.pixels_max.to_string()]);
    // Stored pixels as they are stored, and every frame that is, whatever part a player would show; at the times that
    // stand in the file, which the program would guess anew where a transport stream shows a picture for long.
    add(&["-noautorotate", "-copyts"]);
    if demuxer == "mov" {
        add(&["-ignore_editlist", "1"]);
    }
    add(&["-f", demuxer, "-i", ITEM]);
    add(&["-map", &format!("0:v:{number}"), "-map_metadata", "-1", "-map_chapters", "-1"]);
    add(&["-vf", &sampling(&limits.video), "-fps_mode", "passthrough"]);
    add(&["-frames:v", &frames_left.saturating_add(1).to_string()]);
    add(&["-c:v", "ppm", "-pix_fmt", "rgb24", "-threads", "1", "-f", "image2pipe", "pipe:1"]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_video_has_a_container_and_none_is_left_to_the_program() {
        let heads: [(Format, &[u8], Option<&str>); 7] = [
            (Format::IsoMedia, b"", Some("mov")),
            (Format::Matroska, b"", Some("matroska")),
            (Format::Mpeg, b"\0\0\x01\xba", Some("mpeg")),
            (Format::Mpeg, b"\0\0\x01\xb3", Some("mpegvideo")),
            (Format::Mpeg, b"G", Some("mpegts")),
            (Format::Unknown, b"#EXTM3U", None),
            (Format::Other, b"ffconcat", None),
        ];
        for (format, head, name) in heads {
            assert_eq!(demuxer(format, head), name, "{format:?}");
        }
        let arguments = arguments("mov", 2, 9, &MediaLimits::default());
        let format = arguments.iter().position(|word| word == "-f").unwrap();
        let input = arguments.iter().position(|word| word == "-i").unwrap();
        assert_eq!((&*arguments[format + 1], format + 2), ("mov", input));
        assert_eq!(arguments[input + 1], ITEM);
        assert!(arguments.contains(&"0:v:2".to_owned()) && arguments.contains(&"10".to_owned()));
    }

    #[test]
    fn scenes_are_left_out_where_nothing_can_differ_enough() {
        let by_clock = VideoLimits { scene_percent: 100, ..VideoLimits::default() };
        assert!(!sampling(&by_clock).contains("scene"));
        let both = VideoLimits { scene_percent: 40, interval_millis: 2_000, ..by_clock };
        assert!(sampling(&both).contains("1.999") && sampling(&both).contains("gt(scene,0.4)"));
        let all = VideoLimits { interval_millis: 0, ..by_clock };
        assert!(sampling(&all).contains("gte(t-prev_selected_t,0)"));
    }
}
