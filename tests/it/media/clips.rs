//! Small clips of drawn patterns, made with `ffmpeg` itself and kept for the other tests of this run.

use bulwark::io::media::MediaSettings;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

/// The program, without which these tests fail.
pub fn ffmpeg() -> PathBuf {
    MediaSettings::ffmpeg_in_path().expect("ffmpeg is installed where tests run")
}

/// Runs the program outside any jail, in a folder of its own, and gives what it wrote into the file `name`.
pub fn made(arguments: &str, name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), arguments, name);
    std::fs::read(folder.path().join(name)).unwrap()
}

fn run(folder: &Path, arguments: &str, name: &str) {
    let ran = Command::new(ffmpeg())
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-bitexact"])
        .args(arguments.split_whitespace())
        .arg(name)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{arguments} {name}: {said}");
}

/// Six seconds of a slowly changing pattern, ten frames a second, with sound, compressed almost without loss.
pub const DRAWN: &str =
    "-f lavfi -t 6 -i mandelbrot=size=192x144:rate=10:end_pts=80:maxiter=500 -f lavfi -t 6 -i sine";
/// As most files have it.
pub const H264: &str = "-c:v libx264 -preset ultrafast -qp 10 -pix_fmt yuv420p -g 10 -c:a aac";

/// The drawn clip in a container, by the further arguments and name.
pub fn drawn(further: &str, name: &str) -> Arc<Vec<u8>> {
    static KEPT: LazyLock<Mutex<HashMap<String, Arc<Vec<u8>>>>> = LazyLock::new(Mutex::default);
    let key = format!("{further} {name}");
    let mut kept = KEPT.lock().unwrap();
    let made = || Arc::new(made(&format!("{DRAWN} {further}"), name));
    Arc::clone(kept.entry(key).or_insert_with(made))
}

/// The usual clip.
pub fn usual() -> Arc<Vec<u8>> {
    drawn(H264, "usual.mp4")
}

/// The pictures of the drawn clip at these frames, as PNG.
pub fn stills(frames: &[u32]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let which: Vec<_> = frames.iter().map(|frame| format!("eq(n\\,{frame})")).collect();
    let which = which.join("+");
    let arguments = format!("{DRAWN} -an -vf select={which} -fps_mode passthrough -start_number 0");
    run(folder.path(), &arguments, "still_%d.png");
    let still = |number| std::fs::read(folder.path().join(format!("still_{number}.png"))).unwrap();
    (0..frames.len()).map(still).collect()
}

/// Every container that is decoded, by name and by what makes it.
pub const CONTAINERS: [(&str, &str); 14] = [
    ("end.mp4", H264),
    (
        "front.mp4",
        "-c:v libx264 -preset ultrafast -qp 10 -pix_fmt yuv420p -g 10 -c:a aac -movflags +faststart",
    ),
    (
        "pieces.mp4",
        "-c:v libx264 -preset ultrafast -qp 10 -pix_fmt yuv420p -g 10 -an -movflags frag_keyframe+empty_moov",
    ),
    ("backward.mp4", "-c:v libx264 -qp 10 -pix_fmt yuv420p -bf 3 -g 30 -c:a aac"),
    ("h264.mov", H264),
    ("h264.mkv", H264),
    ("vp8.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 8M -qmin 0 -qmax 8 -an"),
    ("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 8M -qmax 10 -an"),
    ("mpeg4.avi", "-c:v mpeg4 -q:v 1 -c:a mp2"),
    ("mjpeg.avi", "-c:v mjpeg -q:v 1 -an"),
    ("h264.ts", H264),
    ("mpeg2.mpg", "-r 25 -c:v mpeg2video -q:v 1 -c:a mp2 -f vob"),
    ("flv1.flv", "-c:v flv -q:v 1 -an"),
    ("h264.flv", H264),
];

/// A clip that shows drawn pictures for so many seconds each, ten frames a second, 320 × 240.
pub fn scenes(pictures: &[u64], shown: u64, further: &str, name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (number, seed) in pictures.iter().enumerate() {
        let drawn = bulwark::cli::draw::picture(*seed);
        let png = bulwark::cli::draw::png(&drawn);
        std::fs::write(folder.path().join(format!("scene_{number}.png")), png).unwrap();
    }
    // What is asked of the output may hold filters of its own, which stand behind the size.
    let (filters, rest) = match further.strip_prefix("-vf ") {
        Some(more) => more.split_once(' ').map_or((more, ""), |(filters, rest)| (filters, rest)),
        None => ("null", further),
    };
    let rate = if rest.contains("-r ") { "" } else { "-r 10" };
    let arguments = format!(
        "-framerate 1/{shown} -start_number 0 -i scene_%d.png -vf scale=320:240,{filters} {rate} {rest}"
    );
    run(folder.path(), &arguments, name);
    std::fs::read(folder.path().join(name)).unwrap()
}
