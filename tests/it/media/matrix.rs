//! The same picture in every format and form is found again.

use super::{drawn, examine, examiner, nearest, whole};
use bulwark::core::media::Format;
use bulwark::core::signal::Bits256;
use bulwark::core::verdict::CheckState;
use bulwark::io::media::{Examiner, MediaSettings};
use image::{DynamicImage, ImageFormat};

async fn listed(examiner: &Examiner, picture: &DynamicImage) -> Bits256 {
    let part = whole(examiner, &drawn::encoded(picture, ImageFormat::Png)).await;
    assert_eq!(part.image, CheckState::Checked, "{}", part.reason);
    assert!(part.pictures[0].quality >= 80, "quality {}", part.pictures[0].quality);
    part.pictures[0].hashes[0]
}

#[tokio::test]
async fn a_jpeg_and_a_png_of_one_picture_are_near_each_other() {
    let examiner = examiner(MediaSettings::default());
    let picture = DynamicImage::from(drawn::picture(320, 240, 1));
    let listed = listed(&examiner, &picture).await;
    let part = whole(&examiner, &drawn::jpeg(&picture, 85)).await;
    assert_eq!(
        (part.format, part.exact, part.image),
        (Format::Jpeg, CheckState::Checked, CheckState::Checked),
        "{}",
        part.reason
    );
    assert!(nearest(&part, &listed) <= 10);
    let status = examiner.status();
    assert!(status.ready, "{status:?}");
    assert_eq!(status.restarts, 0);
    let other = DynamicImage::from(drawn::picture(320, 240, 2));
    let other = examine(&examiner, &drawn::jpeg(&other, 85)).await;
    assert!(nearest(&other.parts[0], &listed) > 60, "another picture is far");
}
