//! What is heard of a worker that ends early, and what is not believed of one that lies.

use super::*;
use crate::core::signal::Bits256;
use crate::core::verdict::Form;

const LATE: (CheckState, Reason) = (CheckState::Deadline, Reason::OutOfTime);

fn begun(place: &str, format: Format) -> Found {
    let whole = place.is_empty();
    Found::Begun(Begun {
        place: place.to_owned(),
        format,
        digests: (!whole).then_some(Digests { md5: [1; 16], sha1: [2; 20], sha256: [3; 32] }),
        exact: if whole { CheckState::NotApplicable } else { CheckState::Checked },
        holds_more: matches!(format, Format::Zip | Format::Tar),
    })
}

fn picture() -> Found {
    let hashes = std::array::from_fn(|i| Bits256([i as u64, 1, 2, 3]));
    let (width, height) = (64, 48);
    Found::Picture(Picture {
        form: Form::Canonical,
        frame: 0,
        at_millis: None,
        width,
        height,
        quality: 99,
        by_coefficients: false,
        hashes,
        thumbs: Vec::new(),
    })
}

fn ended(image: CheckState) -> Found {
    Found::Ended(Ended { image, video: CheckState::NotApplicable, reason: Reason::Nothing })
}

/// Takes all pieces, or says at which one nonsense was heard.
fn taken<'a>(limits: &'a MediaLimits, found: &[Found]) -> Result<Findings<'a>, usize> {
    let mut findings = Findings::new(limits, Format::Zip);
    for (number, found) in found.iter().enumerate() {
        findings.take(found.clone()).map_err(|Nonsense| number)?;
    }
    Ok(findings)
}

#[test]
fn what_was_found_before_an_early_end_is_kept_and_nothing_after_it_counts_as_done() {
    use CheckState::{Checked, Deadline, NotApplicable, NotExpanded};
    let limits = MediaLimits::default();
    let found = [
        begun("", Format::Zip),
        begun("0", Format::Jpeg),
        picture(),
        ended(Checked),
        begun("1", Format::Tar),
        begun("1/0", Format::Gif),
        picture(),
        picture(),
    ];
    let states = |parts: &[Part]| -> Vec<_> {
        parts.iter().map(|p| (p.pictures.len(), p.exact, p.image, p.video)).collect()
    };
    let parts = taken(&limits, &found).unwrap().broken_off(LATE.0, LATE.1);
    assert_eq!(
        states(&parts),
        [
            (0, NotApplicable, NotExpanded, NotExpanded),
            (1, Checked, Checked, NotApplicable),
            (0, Checked, NotExpanded, NotExpanded),
            (2, Checked, Deadline, NotApplicable),
        ]
    );
    assert_eq!(parts[3].reason, Reason::OutOfTime.text());
    for end in 1..=found.len() {
        let parts = taken(&limits, &found[..end]).unwrap().broken_off(LATE.0, LATE.1);
        assert!(!parts[0].image.is_complete() && !parts[0].video.is_complete(), "{end}");
        assert!(parts.iter().any(|part| part.image == Deadline), "{end}");
    }
}

#[test]
fn an_item_of_which_all_parts_were_examined_but_not_said_to_be_the_last_is_not_complete() {
    let limits = MediaLimits::default();
    let found = [begun("", Format::Zip), ended(CheckState::NotApplicable)];
    let parts = taken(&limits, &found).unwrap().broken_off(LATE.0, LATE.1);
    assert_eq!((parts[0].image, parts[0].video), (LATE.0, LATE.0));
}

#[test]
fn a_picture_that_something_may_follow_is_not_without_video_when_it_ends_early() {
    let limits = MediaLimits::default();
    for holds_more in [true, false] {
        let (place, format) = (String::new(), Format::Jpeg);
        let exact = CheckState::NotApplicable;
        let mut findings = Findings::new(&limits, format);
        let begun = Begun { place, format, digests: None, exact, holds_more };
        findings.take(Found::Begun(begun)).unwrap();
        let parts = findings.broken_off(LATE.0, LATE.1);
        assert_eq!(parts[0].video.is_complete(), !holds_more);
    }
}

#[test]
fn pieces_that_no_honest_worker_says_in_this_order_are_refused() {
    let limits = MediaLimits { entries_max: 3, pictures_max: 2, ..MediaLimits::default() };
    let (zip, gif) = (begun("", Format::Zip), begun("0", Format::Gif));
    let (done, open) = (ended(CheckState::NotApplicable), picture());
    let lies = [
        vec![gif.clone()],
        vec![open.clone()],
        vec![done.clone()],
        vec![begun("", Format::Gif)],
        vec![zip.clone(), zip.clone()],
        vec![zip.clone(), done.clone(), zip.clone()],
        vec![zip.clone(), done.clone(), gif.clone()],
        vec![zip.clone(), begun("../1", Format::Gif)],
        vec![zip.clone(), begun("1/", Format::Gif)],
        vec![zip.clone(), begun("1/2", Format::Gif)],
        vec![zip.clone(), begun("1234567890", Format::Gif)],
        vec![zip.clone(), gif.clone(), begun("1/0", Format::Gif)],
        vec![zip.clone(), gif.clone(), begun("1", Format::Gif)],
        vec![zip.clone(), ended(CheckState::Checked)],
        vec![zip.clone(), done.clone(), open.clone()],
        vec![zip.clone(), open.clone(), open.clone(), open],
        vec![
            zip.clone(),
            begun("0", Format::Tar),
            begun("0/0", Format::Tar),
            begun("0/0/0", Format::Tar),
            begun("0/0/0/0", Format::Tar),
        ],
        vec![
            zip.clone(),
            gif.clone(),
            done.clone(),
            gif.clone(),
            done.clone(),
            gif.clone(),
            done,
            gif,
        ],
    ];
    for (case, lie) in lies.iter().enumerate() {
        let refused = taken(&limits, lie).err();
        assert_eq!(refused, Some(lie.len() - 1), "case {case}");
    }
    let unfinished = [zip, begun("0", Format::Gif)];
    assert!(taken(&limits, &unfinished).unwrap().whole().is_err());
    assert!(Findings::new(&limits, Format::Zip).whole().is_err());
    let hollow = Begun {
        place: String::new(),
        format: Format::Zip,
        digests: None,
        exact: CheckState::Checked,
        holds_more: false,
    };
    assert_eq!(Findings::new(&limits, Format::Zip).take(Found::Begun(hollow)), Err(Nonsense));
}
