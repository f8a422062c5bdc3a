//! What a model is given of an item.

use crate::core::detector::fault::Unfit;
use crate::core::detector::layout::{Axis, Layout};

/// Bytes before each text that say how long it is.
const LENGTH_BYTES: usize = 4;

/// What kind of thing a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One picture.
    Image,
    /// Several pictures of one video.
    Frames,
    /// A text.
    Text,
    /// A vector that stands for something.
    Embedding,
}

impl Kind {
    /// Whether it is the item itself that can be seen: it goes only to servers that are cleared for that.
    #[must_use]
    pub const fn is_media(self) -> bool {
        match self {
            Self::Image | Self::Frames => true,
            Self::Text | Self::Embedding => false,
        }
    }
}

/// A decoded picture: rows from the top, without padding.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes of a pixel: 3 for red, green, blue; 1 for luma.
    pub channels: u32,
    /// All pixels.
    pub bytes: &'a [u8],
}

/// What is known of an item that a model can be asked about. Prints nothing of it.
#[derive(Clone, Copy)]
pub enum Sample<'a> {
    /// A picture.
    Image(Pixels<'a>),
    /// Pictures of one video, in their order.
    Frames(&'a [Pixels<'a>]),
    /// A text.
    Text(&'a str),
    /// A vector that stands for the item.
    Embedding(&'a [f32]),
}

impl Sample<'_> {
    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Image(_) => Kind::Image,
            Self::Frames(_) => Kind::Frames,
            Self::Text(_) => Kind::Text,
            Self::Embedding(_) => Kind::Embedding,
        }
    }
}

/// How bytes of a picture become elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// UINT8: as they are.
    Byte,
    /// FP32: `(byte × scale − mean) ÷ deviation`, the last two for each channel in the tensor's order.
    Float {
        /// What a byte is multiplied with.
        scale: f32,
        /// What is then taken away.
        mean: [f32; 3],
        /// What it is then divided by.
        deviation: [f32; 3],
    },
}

/// A picture as a model takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 3 for colours, 1 for luma.
    pub channels: u32,
    /// Colours stand as blue, green, red.
    pub is_reversed: bool,
    /// What its elements are.
    pub element: Element,
}

/// Several pictures of a video as a model takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// How many.
    pub count: u32,
    /// Each of them.
    pub image: Image,
}

/// What a model reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// One picture.
    Image(Image),
    /// Several pictures.
    Frames(Frames),
    /// A text of so many bytes at most, as BYTES.
    Text(usize),
    /// A vector of so many dimensions, as FP32.
    Embedding(usize),
}

/// What a model is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What the model calls the tensor.
    pub tensor: String,
    /// The order of its elements.
    pub layout: Layout,
    /// What is in it.
    pub content: Content,
}

impl Image {
    /// Whether a picture has its form.
    fn takes(&self, pixels: &Pixels) -> bool {
        let bytes = u64::from(self.width) * u64::from(self.height) * u64::from(self.channels);
        (pixels.width, pixels.height, pixels.channels) == (self.width, self.height, self.channels)
            && u64::try_from(pixels.bytes.len()) == Ok(bytes)
    }

    /// Bytes of one element of the tensor.
    pub(super) const fn element_bytes(&self) -> usize {
        match self.element {
            Element::Byte => 1,
            Element::Float { .. } => 4,
        }
    }

    /// Length of a side.
    const fn side(&self, axis: Axis, frames: u32) -> usize {
        match axis {
            Axis::Frame => frames as usize,
            Axis::Channel => self.channels as usize,
            Axis::Row => self.height as usize,
            Axis::Column => self.width as usize,
            Axis::One | Axis::Value => 1,
        }
    }

    /// The elements of pictures, each of which has its form: row by row, of one channel where colours stand apart, else of all.
    fn elements(&self, layout: Layout, pictures: &[Pixels]) -> Vec<u8> {
        let (width, channels) = (self.width as usize, self.channels as usize);
        let is_apart = layout.axes().last() == Some(&Axis::Column);
        let outer = &layout.axes()[..layout.axes().len() - if is_apart { 1 } else { 2 }];
        let of_row = if is_apart { width } else { width * channels };
        let size = self.element_bytes();
        let tables = self.tables();
        let frames = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
        let pixels = width * (self.height as usize);
        let mut out = vec![0; pixels * channels * pictures.len() * size];
        for (number, to) in out.chunks_exact_mut(of_row * size).enumerate() {
            let (mut rest, mut frame, mut channel, mut row) = (number, 0, 0, 0);
            for axis in outer.iter().rev() {
                let length = self.side(*axis, frames);
                match axis {
                    Axis::Frame => frame = rest % length,
                    Axis::Channel => channel = rest % length,
                    _ => row = rest % length,
                }
                rest /= length;
            }
            let from = &pictures[frame].bytes[row * width * channels..][..width * channels];
            let picked = is_apart.then_some(channel);
            match self.channels {
                1 => self.copy::<1>(from, picked, tables.as_deref(), to),
                _ => self.copy::<3>(from, picked, tables.as_deref(), to),
            }
        }
        out
    }

    /// Copies one channel of a row of so many, or all of them side by side.
    fn copy<const CHANNELS: usize>(
        &self,
        from: &[u8],
        picked: Option<usize>,
        tables: Option<&[[[u8; 4]; 256]]>,
        to: &mut [u8],
    ) {
        let place = |channel| if self.is_reversed { CHANNELS - 1 - channel } else { channel };
        let (pixels, _) = from.as_chunks::<CHANNELS>();
        match (tables, picked) {
            (None, Some(channel)) => {
                let place = place(channel);
                to.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = pixel[place]);
            }
            (None, None) if !self.is_reversed => to.copy_from_slice(from),
            (None, None) => {
                let (to, _) = to.as_chunks_mut::<CHANNELS>();
                to.iter_mut().zip(pixels).for_each(|(to, pixel)| {
                    *to = *pixel;
                    to.reverse();
                });
            }
            (Some(tables), Some(channel)) => {
                let (place, table) = (place(channel), &tables[channel]);
                let (to, _) = to.as_chunks_mut::<4>();
                to.iter_mut().zip(pixels).for_each(|(to, pixel)| {
                    *to = table[usize::from(pixel[place])];
                });
            }
            (Some(tables), None) => {
                let (to, _) = to.as_chunks_mut::<4>();
                let (to, _) = to.as_chunks_mut::<CHANNELS>();
                to.iter_mut().zip(pixels).for_each(|(to, pixel)| {
                    let mut pixel = *pixel;
                    if self.is_reversed {
                        pixel.reverse();
                    }
                    *to =
                        std::array::from_fn(|channel| tables[channel][usize::from(pixel[channel])]);
                });
            }
        }
    }

    /// What each byte of each channel of the tensor becomes; nothing where it stays as it is.
    fn tables(&self) -> Option<Vec<[[u8; 4]; 256]>> {
        let Element::Float { scale, mean, deviation } = &self.element else { return None };
        let of = |channel: usize| {
            let value = |byte: u8| (f32::from(byte) * scale - mean[channel]) / deviation[channel];
            let mut table = [[0; 4]; 256];
            for (byte, place) in (0..=u8::MAX).zip(&mut table) {
                *place = value(byte).to_le_bytes();
            }
            table
        };
        Some((0..self.channels as usize).map(of).collect())
    }
}

impl Input {
    /// What kind of thing it reads.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.content {
            Content::Image(_) => Kind::Image,
            Content::Frames(_) => Kind::Frames,
            Content::Text(_) => Kind::Text,
            Content::Embedding(_) => Kind::Embedding,
        }
    }

    /// What its elements are, in the protocol's words.
    #[must_use]
    pub const fn datatype(&self) -> &'static str {
        match &self.content {
            Content::Image(image) | Content::Frames(Frames { image, .. }) => match image.element {
                Element::Byte => "UINT8",
                Element::Float { .. } => "FP32",
            },
            Content::Text(_) => "BYTES",
            Content::Embedding(_) => "FP32",
        }
    }

    /// Sides of the tensor of so many items.
    #[must_use]
    pub fn sides(&self, items: usize) -> Vec<i64> {
        let whole = |side: usize| i64::try_from(side).unwrap_or(i64::MAX);
        let of = |axis: &Axis| match &self.content {
            Content::Image(image) => image.side(*axis, 1),
            Content::Frames(frames) => frames.image.side(*axis, frames.count),
            Content::Embedding(dimensions) if *axis == Axis::Value => *dimensions,
            Content::Text(_) | Content::Embedding(_) => 1,
        };
        let outermost = self.layout.is_batched().then_some(items);
        outermost.into_iter().chain(self.layout.axes().iter().map(of)).map(whole).collect()
    }

    /// Most bytes that one item takes; nothing where that is more than can be counted.
    #[must_use]
    pub fn row_bytes_max(&self) -> Option<usize> {
        let picture = |image: &Image| {
            let pixels = (image.width as usize).checked_mul(image.height as usize)?;
            pixels.checked_mul(image.channels as usize)?.checked_mul(image.element_bytes())
        };
        match &self.content {
            Content::Image(image) => picture(image),
            Content::Frames(frames) => picture(&frames.image)?.checked_mul(frames.count as usize),
            Content::Text(bytes_max) => bytes_max.checked_add(LENGTH_BYTES),
            Content::Embedding(dimensions) => dimensions.checked_mul(4),
        }
    }

    /// Whether it takes a sample.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check(&self, sample: &Sample) -> Result<(), Unfit> {
        match (&self.content, sample) {
            (Content::Image(image), Sample::Image(pixels)) => {
                if image.takes(pixels) {
                    Ok(())
                } else {
                    Err(Unfit::Form)
                }
            }
            (Content::Frames(of), Sample::Frames(pictures)) => {
                if pictures.len() != of.count as usize {
                    return Err(Unfit::Frames);
                }
                let is_good = pictures.iter().all(|pixels| of.image.takes(pixels));
                if is_good { Ok(()) } else { Err(Unfit::Form) }
            }
            (Content::Text(_), Sample::Text("")) => Err(Unfit::Empty),
            (Content::Text(bytes_max), Sample::Text(text)) => {
                if text.len() > *bytes_max {
                    Err(Unfit::TooLong)
                } else {
                    Ok(())
                }
            }
            (Content::Embedding(dimensions), Sample::Embedding(values)) => {
                if values.len() != *dimensions {
                    return Err(Unfit::Dimensions);
                }
                let is_good = values.iter().all(|value| value.is_finite());
                if is_good { Ok(()) } else { Err(Unfit::NotFinite) }
            }
            _ => Err(Unfit::Kind),
        }
    }

    /// The bytes of one item in the tensor. Those of several follow each other.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn row(&self, sample: &Sample) -> Result<Vec<u8>, Unfit> {
        self.check(sample)?;
        Ok(match (&self.content, sample) {
            (Content::Image(image), Sample::Image(pixels)) => {
                image.elements(self.layout, std::slice::from_ref(pixels))
            }
            (Content::Frames(of), Sample::Frames(pictures)) => {
                of.image.elements(self.layout, pictures)
            }
            (Content::Text(_), Sample::Text(text)) => {
                let length = u32::try_from(text.len()).map_err(|_| Unfit::TooLong)?;
                [&length.to_le_bytes(), text.as_bytes()].concat()
            }
            (Content::Embedding(_), Sample::Embedding(values)) => {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            _ => return Err(Unfit::Kind),
        })
    }
}
