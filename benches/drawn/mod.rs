//! Harmless pictures of many kinds, drawn by numbers alone.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use std::f32::consts::TAU;

/// A kind of picture, and the colour of a pixel of it.
pub type Kind = (&'static str, fn(&Canvas, f32, f32) -> [f32; 3]);

/// What the kinds are drawn on: places are counted from 0 to 1000 along the longer side.
pub struct Canvas {
    pub seed: u64,
    pub pixels_per_place: f32,
}

/// From 0 to 1, the same for the same numbers.
fn dice(seed: u64, x: i64, y: i64) -> f32 {
    let mut mixed =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (x as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    mixed ^= (y as u64).wrapping_mul(0x1656_67b1_9e37_79f9);
    mixed = (mixed ^ mixed >> 29).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ mixed >> 32) & 0xff_ffff) as f32 / 0xff_ffff as f32
}

/// Noise of one size: even between knots that far apart.
fn noise(seed: u64, x: f32, y: f32, side: f32) -> f32 {
    let (u, v) = (x / side, y / side);
    let (left, above) = (u.floor(), v.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (s, t) = (ease(u - left), ease(v - above));
    let knot = |dx: i64, dy: i64| dice(seed, left as i64 + dx, above as i64 + dy) - 0.5;
    let upper = knot(0, 0) * (1.0 - s) + knot(1, 0) * s;
    let lower = knot(0, 1) * (1.0 - s) + knot(1, 1) * s;
    upper * (1.0 - t) + lower * t
}

/// Noise of many sizes, as strong as it is coarse, which is how a photograph's detail is spread.
fn detail(canvas: &Canvas, x: f32, y: f32, finest: f32) -> f32 {
    let (mut sum, mut side, mut strength, mut seed) = (0.0, 400.0, 1.0, canvas.seed);
    while side * canvas.pixels_per_place >= finest {
        sum += strength * noise(seed, x, y, side);
        (side, strength, seed) = (side / 2.0, strength * 0.6, seed + 1);
    }
    sum
}

fn photograph(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let level = 130.0 + 190.0 * detail(canvas, x, y, 1.0);
    let tint = 60.0 * noise(canvas.seed + 77, x, y, 150.0);
    [level + tint, level, level - tint]
}

fn night(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    photograph(canvas, x, y).map(|level| level * 0.45 - 25.0)
}

fn smooth(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let wave = |n: u64| {
        let (a, b) = (dice(canvas.seed, n as i64, 1) * 9.0, dice(canvas.seed, n as i64, 2) * 9.0);
        55.0 * ((x * a + y * b) / 1000.0 * TAU / 2.0).sin()
    };
    [128.0 + wave(1) + wave(2), 128.0 + wave(1) + wave(3), 128.0 + wave(2) + wave(3)]
}

fn gradient(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let part = ((x / 250.0) as i64, (y / 250.0) as i64);
    let turn = dice(canvas.seed, part.0, part.1) * TAU;
    let along = ((x % 250.0) - 125.0) * turn.cos() + ((y % 250.0) - 125.0) * turn.sin();
    let level = 128.0 + along * 0.7;
    [level, level * 0.8 + 20.0, 200.0 - level * 0.5]
}

fn shapes(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let mut colour = [210.0, 205.0, 190.0];
    for n in 0..24_i64 {
        let of = |k: i64| dice(canvas.seed, n, k);
        let (dx, dy) = (x - of(1) * 1000.0, y - of(2) * 1000.0);
        let size = 30.0 + of(3) * 170.0;
        let is_in =
            if n % 2 == 0 { dx.hypot(dy) < size } else { dx.abs().max(dy.abs() * 1.7) < size };
        if is_in {
            colour = [of(4) * 235.0 + 10.0, of(5) * 235.0 + 10.0, of(6) * 235.0 + 10.0];
        }
    }
    colour
}

/// The strongest colours there are, side by side.
fn strong(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let bend = 90.0 * noise(canvas.seed, x, y, 220.0);
    let place = (((x + bend) / 70.0) as i64, ((y - bend) / 110.0) as i64);
    std::array::from_fn(|c| {
        if dice(canvas.seed + c as u64, place.0, place.1) < 0.5 { 0.0 } else { 255.0 }
    })
}

fn texture(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let region = noise(canvas.seed, x, y, 180.0);
    let weave = (x * 1.9).sin() * (y * 2.3 + region * 30.0).cos();
    let level = 120.0 + 240.0 * region + 50.0 * weave;
    [level, level * 0.9, level * 0.7]
}

fn grain(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let (u, v) = ((x * canvas.pixels_per_place) as i64, (y * canvas.pixels_per_place) as i64);
    let level = 128.0 + 160.0 * detail(canvas, x, y, 60.0);
    std::array::from_fn(|c| level + 90.0 * (dice(canvas.seed + 5 + c as u64, u, v) - 0.5))
}

/// Dark strokes in lines on white, like writing.
fn strokes(canvas: &Canvas, x: f32, y: f32) -> [f32; 3] {
    let (line, sign) = ((y / 26.0) as i64, (x / 14.0) as i64);
    let (dx, dy) = (x % 14.0 - 7.0, y % 26.0 - 13.0);
    let is_gap = dice(canvas.seed, sign, line) < 0.2 || dice(canvas.seed + 1, 0, line / 3) < 0.3;
    let of = |k: i64| dice(canvas.seed + 2, sign * 8 + k, line);
    let slant = (of(1) - 0.5) * 1.2;
    let is_ink = (dx - dy * slant).abs() < 1.1
        || (dy - (of(2) - 0.5) * 12.0).abs() < 0.9
        || ((dx.hypot(dy) - 3.0 - 2.0 * of(3)).abs() < 0.8 && of(4) < 0.6);
    if is_ink && !is_gap && dy.abs() < 8.0 && dx.abs() < 5.5 { [25.0; 3] } else { [250.0; 3] }
}

/// Every kind of picture.
pub const KINDS: [Kind; 9] = [
    ("photograph", photograph),
    ("night", night),
    ("smooth", smooth),
    ("gradients", gradient),
    ("shapes", shapes),
    ("strong colours", strong),
    ("texture", texture),
    ("grain", grain),
    ("strokes", strokes),
];

/// Red, green and blue of a picture of a kind.
pub fn draw(kind: &Kind, width: u16, height: u16, seed: u64) -> Vec<u8> {
    let pixels_per_place = f32::from(width.max(height)) / 1000.0;
    let canvas = Canvas { seed, pixels_per_place };
    let mut rgb = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = (f32::from(x) / pixels_per_place, f32::from(y) / pixels_per_place);
            rgb.extend(kind.1(&canvas, x, y).map(|level| level as u8));
        }
    }
    rgb
}

/// A JPEG of a picture; grey where no sampling is said.
pub fn encode(
    rgb: &[u8],
    width: u16,
    height: u16,
    quality: u8,
    sampling: Option<SamplingFactor>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    match sampling {
        Some(sampling) => {
            encoder.set_sampling_factor(sampling);
            encoder.encode(rgb, width, height, ColorType::Rgb).expect("encodes");
        }
        None => {
            let grey: Vec<u8> = rgb.chunks_exact(3).map(|rgb| rgb[1]).collect();
            encoder.encode(&grey, width, height, ColorType::Luma).expect("encodes");
        }
    }
    bytes
}
