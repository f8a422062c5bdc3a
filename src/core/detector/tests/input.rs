//! What a model is given, against elements that are placed one by one.

use super::*;
use proptest::prelude::*;

fn image(width: u32, height: u32, channels: u32, is_reversed: bool, element: Element) -> Image {
    Image { width, height, channels, is_reversed, element }
}

fn float(scale: f32, mean: [f32; 3], deviation: [f32; 3]) -> Element {
    Element::Float { scale, mean, deviation }
}

fn pixels(image: &Image, bytes: &[u8]) -> Vec<u8> {
    let count = image.width * image.height * image.channels;
    bytes.iter().copied().cycle().take(count as usize).collect()
}

fn of<'a>(image: &Image, bytes: &'a [u8]) -> Pixels<'a> {
    let Image { width, height, channels, .. } = *image;
    Pixels { width, height, channels, bytes }
}

/// The element at a place, found by the letters of the layout alone.
fn expected(image: &Image, letters: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let letters: Vec<char> = letters.chars().filter(|letter| *letter != 'N').collect();
    let length = |letter: char| match letter {
        'T' => frames.len(),
        'C' => image.channels as usize,
        'H' => image.height as usize,
        _ => image.width as usize,
    };
    let count: usize = letters.iter().map(|letter| length(*letter)).product();
    let mut out = Vec::new();
    for place in 0..count {
        let (mut rest, mut at) = (place, std::collections::BTreeMap::new());
        for letter in letters.iter().rev() {
            at.insert(*letter, rest % length(*letter));
            rest /= length(*letter);
        }
        let get = |letter: char| at.get(&letter).copied().unwrap_or(0);
        let (width, channels) = (image.width as usize, image.channels as usize);
        let from = if image.is_reversed { channels - 1 - get('C') } else { get('C') };
        let byte = frames[get('T')][(get('H') * width + get('W')) * channels + from];
        match &image.element {
            Element::Byte => out.push(byte),
            Element::Float { scale, mean, deviation } => {
                let value = (f32::from(byte) * scale - mean[get('C')]) / deviation[get('C')];
                out.extend(value.to_le_bytes());
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn every_element_of_a_picture_is_where_its_layout_says(
        (width, height, count) in (1_u32..6, 1_u32..6, 1_u32..4),
        (channels, is_reversed) in prop_oneof![Just((3, false)), Just((3, true)), Just((1, false))],
        is_float: bool,
        bytes in proptest::collection::vec(any::<u8>(), 7..40),
    ) {
        let element = if is_float { float(1.0 / 255.0, [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]) } else { Element::Byte };
        let image = image(width, height, channels, is_reversed, element);
        let frames: Vec<Vec<u8>> = (0..count as usize).map(|from| pixels(&image, &bytes[from..])).collect();
        for (letters, layout) in Layout::OF_IMAGES {
            let input = Input { tensor: "x".into(), layout, content: Content::Image(image.clone()) };
            let row = input.row(&Sample::Image(of(&image, &frames[0]))).expect("taken");
            prop_assert_eq!(Some(row.len()), input.row_bytes_max());
            prop_assert_eq!(row, expected(&image, letters, &frames[..1]), "{}", letters);
        }
        for (letters, layout) in Layout::OF_FRAMES {
            let content = Content::Frames(Frames { count, image: image.clone() });
            let input = Input { tensor: "x".into(), layout, content };
            let window: Vec<Pixels> = frames.iter().map(|bytes| of(&image, bytes)).collect();
            let row = input.row(&Sample::Frames(&window)).expect("taken");
            prop_assert_eq!(Some(row.len()), input.row_bytes_max());
            let sides: i64 = input.sides(1).iter().product();
            prop_assert_eq!(sides as usize * image.element_bytes(), row.len());
            prop_assert_eq!(row, expected(&image, letters, &frames), "{}", letters);
        }
    }

    #[test]
    fn a_text_goes_with_its_length_before_it(text in ".{1,16}") {
        let input = Input { tensor: "x".into(), layout: layout(&Layout::OF_TEXTS, "N1"), content: Content::Text(64) };
        let row = input.row(&Sample::Text(&text)).expect("taken");
        prop_assert_eq!(&row[..4], (text.len() as u32).to_le_bytes());
        prop_assert_eq!(&row[4..], text.as_bytes());
        prop_assert_eq!(input.sides(3), [3, 1]);
    }
}

#[test]
fn a_model_is_given_nothing_that_it_does_not_read() {
    let small = image(2, 2, 3, false, Element::Byte);
    let bytes = [0_u8; 12];
    let good = of(&small, &bytes);
    let images = layout(&Layout::OF_IMAGES, "NCHW");
    let input = |content, layout| Input { tensor: "x".into(), layout, content };
    let one = input(Content::Image(small.clone()), images);
    let window = layout(&Layout::OF_FRAMES, "NTCHW");
    let several = input(Content::Frames(Frames { count: 2, image: small }), window);
    let text = input(Content::Text(4), layout(&Layout::OF_TEXTS, "N"));
    let vector = input(Content::Embedding(2), layout(&Layout::OF_EMBEDDINGS, "ND"));
    let wrong = |input: &Input, sample: Sample| input.row(&sample).expect_err("not taken");

    assert_eq!(wrong(&one, Sample::Image(Pixels { width: 1, ..good })), Unfit::Form);
    assert_eq!(wrong(&one, Sample::Image(Pixels { channels: 1, ..good })), Unfit::Form);
    assert_eq!(wrong(&one, Sample::Image(Pixels { bytes: &bytes[1..], ..good })), Unfit::Form);
    assert_eq!(wrong(&one, Sample::Frames(&[good])), Unfit::Kind);
    assert_eq!(wrong(&several, Sample::Frames(&[good])), Unfit::Frames);
    assert_eq!(wrong(&several, Sample::Frames(&[good, Pixels { height: 3, ..good }])), Unfit::Form);
    assert_eq!(wrong(&text, Sample::Text("")), Unfit::Empty);
    assert_eq!(wrong(&text, Sample::Text("zzzzz")), Unfit::TooLong);
    assert_eq!(wrong(&text, Sample::Embedding(&[1.0])), Unfit::Kind);
    assert_eq!(wrong(&vector, Sample::Embedding(&[1.0])), Unfit::Dimensions);
    assert_eq!(wrong(&vector, Sample::Embedding(&[1.0, f32::NAN])), Unfit::NotFinite);
    assert_eq!(vector.row(&Sample::Embedding(&[0.5, -1.0])).expect("taken").len(), 8);
    assert_eq!((one.sides(5), several.sides(1)), (vec![5, 3, 2, 2], vec![1, 2, 3, 2, 2]));
}
