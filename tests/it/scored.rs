//! What models outside say of pictures, from bytes to verdict: it holds, it never does more, and its absence is told.

use crate::live::{Guarded, image, set_terms, staff};
use crate::media::clips;
use crate::models::fake::{Answering, Fake, at_once, shares};
use crate::service::*;
use bulwark::proto::inference::ModelInferRequest;
use bulwark::proto::v1;
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;
use v1::stream_directive::Directive;
use v1::{Check, CheckState, Disposition};

/// Pixels of a side of the picture that the model reads.
const SIDE: usize = 8;

/// The share of white in each picture of a question.
fn whites(question: &ModelInferRequest) -> Vec<f32> {
    let [packed] = &question.raw_input_contents[..] else { panic!("one tensor") };
    let mean = |one: &[u8]| one.iter().map(|byte| f32::from(*byte)).sum::<f32>() / 255.0;
    packed.chunks(SIDE * SIDE * 3).map(|one| mean(one) / one.len() as f32).collect()
}

fn white_is_bad() -> Answering {
    at_once(|question| Ok(shares(&question, whites(&question))))
}

/// A service that asks the model at an address about uploads and streams.
async fn asking(address: &str, score_min: f64) -> (Service, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("models.toml");
    let text = format!(
        "
        [servers.zz]
        address = '{address}'
        cleared = true
        [[detectors]]
        name = 'zz-whites'
        server = 'zz'
        model = 'zz'
        kinds = ['UPLOAD', 'LIVE']
        deadline = '20 s'
        breaker_failures = 1000
        input = {{ kind = 'image', tensor = 'pixels', layout = 'NHWC', width = {SIDE}, height = {SIDE},
                   channels = 'RGB', datatype = 'UINT8' }}
        outputs = [{{ tensor = 'share', category = 'white' }}]
        "
    );
    std::fs::write(&file, text).expect("written");
    let service = Service::start_with(|settings| settings.general.models = Some(file)).await;
    let surface = v1::CreateSurfaceRequest {
        surface_id: "novel".into(),
        surface: Some(v1::Surface {
            environment: v1::Environment::Test.into(),
            kind: v1::SurfaceKind::Upload.into(),
            required_checks: vec![Check::ExternalScore.into()],
            score_thresholds: vec![v1::ScoreThreshold {
                category: "white".into(),
                score_min,
                disposition: Disposition::Hold.into(),
            }],
            ..v1::Surface::default()
        }),
        request_id: String::new(),
    };
    service.admin().admin().create_surface(surface).await.expect("made");
    (service, folder)
}

/// A picture of which this share is white, and the rest is black.
fn partly_white(percent: u32) -> RgbImage {
    let is_white = |x: u32, _: u32| if x < percent * 2 { Rgb([255; 3]) } else { Rgb([0; 3]) };
    RgbImage::from_fn(200, 160, is_white)
}

async fn judged(caller: &Caller, item: &str, content: Vec<u8>) -> v1::Verdict {
    let mut request = media(item, content);
    request.context.as_mut().expect("a context").surface_id = "novel".into();
    let answer = caller.screening().screen_media(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

fn scores(verdict: &v1::Verdict) -> Vec<(String, String, String, f64)> {
    let score = |finding: &v1::Finding| match finding.kind.clone() {
        Some(v1::finding::Kind::Score(score)) => {
            Some((score.category, score.detector, score.detector_version, score.value))
        }
        _ => None,
    };
    verdict.findings.iter().filter_map(score).collect()
}

fn coverage(verdict: &v1::Verdict) -> Vec<(CheckState, String)> {
    let rows = verdict.coverage.iter().filter(|row| row.check() == Check::ExternalScore);
    rows.map(|row| (row.state(), row.reason.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_says_of_the_pixels_holds_an_item_and_never_blocks_it() {
    let fake = Fake::start(white_is_bad()).await;
    let (service, _folder) = asking(&fake.address, 0.8).await;
    let screener = service.staff().await.1;
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bright = encoded(&partly_white(90), format);
        let verdict = judged(&screener, "bright", bright).await;
        assert_eq!(verdict.disposition(), Disposition::Hold, "{format:?}: {verdict:?}");
        let [(category, detector, version, value)] = &scores(&verdict)[..] else {
            panic!("{verdict:?}")
        };
        assert_eq!((&**category, &**detector, &**version), ("white", "zz-whites", "7"));
        assert!((value - 0.9).abs() < 0.03, "{format:?}: {value}");
        assert_eq!(coverage(&verdict), [(CheckState::Checked, String::new())]);

        let dark = judged(&screener, "dark", encoded(&partly_white(10), format)).await;
        assert_eq!(dark.disposition(), Disposition::Allow, "{format:?}: {dark:?}");
        assert!(scores(&dark).is_empty());
    }
    let asked = fake.asked();
    assert!(asked.iter().all(|one| one.question.raw_input_contents[0].len() == SIDE * SIDE * 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_video_the_worst_frame_that_a_model_saw_counts() {
    let fake = Fake::start(white_is_bad()).await;
    let (service, _folder) = asking(&fake.address, 0.01).await;
    let screener = service.staff().await.1;
    let clip = clips::scenes(&[1, 2, 3, 4, 5], 1, "-c:v libx264 -pix_fmt yuv420p", "drawn.mp4");
    let verdict = judged(&screener, "drawn", clip).await;
    assert_eq!(verdict.disposition(), Disposition::Hold, "{verdict:?}");
    let seen: Vec<f32> = fake.asked().iter().flat_map(|one| whites(&one.question)).collect();
    assert!(seen.len() > 2, "{seen:?}");
    let worst = seen.iter().copied().fold(0.0, f32::max);
    let [(_, _, _, value)] = &scores(&verdict)[..] else { panic!("{verdict:?}") };
    assert!((value - f64::from(worst)).abs() < 1e-6, "{value} of {seen:?}");
    assert_eq!(coverage(&verdict), [(CheckState::Checked, String::new())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_says_nothing_is_told_and_what_needs_it_is_held() {
    let fault = |status: fn(&'static str) -> tonic::Status| at_once(move |_| Err(status("zz")));
    let fake = Fake::start(fault(tonic::Status::internal)).await;
    let (service, _folder) = asking(&fake.address, 0.8).await;
    let screener = service.staff().await.1;
    let verdict = judged(&screener, "i", png(1)).await;
    assert_eq!(verdict.disposition(), Disposition::Hold);
    assert!(scores(&verdict).is_empty());
    let [(state, reason)] = &coverage(&verdict)[..] else { panic!("{verdict:?}") };
    assert_eq!(*state, CheckState::SourceUnavailable);
    assert!(reason.starts_with("zz-whites: ") && !reason.contains("zz\""), "{reason}");
    drop(fake);
    let verdict = judged(&screener, "j", png(2)).await;
    assert_eq!(verdict.disposition(), Disposition::Hold);
    // The surface of other uploads asks for no scores: there its absence is told, and holds up nothing.
    let answer = screener.screening().screen_media(media("k", png(3))).await.expect("answered");
    let other = answer.into_inner().verdict.expect("a verdict");
    assert!(matches!(&coverage(&other)[..], [(CheckState::SourceUnavailable, _)]), "{other:?}");
    let ask = v1::GetHealthDetailRequest::default();
    let told = service.admin().admin().get_health_detail(ask).await.expect("told").into_inner();
    let [detector] = &told.detectors[..] else { panic!("{told:?}") };
    assert_eq!(detector.detector_id, "zz-whites");
    assert_eq!((detector.item_count, detector.scored_count, detector.left_alone), (3, 0, false));
    assert_eq!(detector.absences.iter().map(|one| one.item_count).sum::<u64>(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_s_scores_of_frames_restrain_a_stream() {
    let fake = Fake::start(white_is_bad()).await;
    let (service, _folder) = asking(&fake.address, 0.8).await;
    let staff = staff(&service).await;
    let rule = v1::LiveScoreRule {
        category: "white".into(),
        score_min: 0.8,
        level: v1::LiveLevel::Elevated.into(),
        step: v1::LiveStep::Blur.into(),
    };
    let terms =
        v1::LiveTerms { frames_up: Some(2), score_rules: vec![rule], ..v1::LiveTerms::default() };
    set_terms(&service, terms).await;
    let mut stream = Guarded::start(&staff.screener, "bright").await;
    let bright = || image(encoded(&partly_white(95), ImageFormat::Jpeg));
    let first = stream.answer(bright()).await;
    assert!(matches!(first.directive, Some(Directive::ContinuePlaying(_))), "{first:?}");
    let second = stream.answer(bright()).await;
    assert!(matches!(second.directive, Some(Directive::Blur(_))), "{second:?}");
    assert!(fake.asked().len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_legal_basis_no_pixel_leaves() {
    let fake = Fake::start(white_is_bad()).await;
    let (service, _folder) = asking(&fake.address, 0.8).await;
    let screener = service.staff().await.1;
    let update = v1::UpdateSurfaceRequest {
        surface: Some(v1::Surface {
            surface_id: "novel".into(),
            environment: v1::Environment::Test.into(),
            legal_basis_required: true,
            ..v1::Surface::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["legal_basis_required".into()] }),
        request_id: String::new(),
    };
    service.admin().admin().update_surface(update).await.expect("updated");
    let mut request = media("i", encoded(&partly_white(90), ImageFormat::Png));
    let context = request.context.as_mut().expect("a context");
    context.surface_id = "novel".into();
    context.visibility = v1::Visibility::Private.into();
    let answer = screener.screening().screen_media(request).await.expect("answered");
    assert_ne!(answer.into_inner().verdict.expect("a verdict").disposition(), Disposition::Allow);
    assert!(fake.asked().is_empty());
}
