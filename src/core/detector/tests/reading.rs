//! Answers, good and hostile.

use super::*;
use proptest::prelude::*;

type Scores = Vec<Result<Vec<f64>, Fault>>;

fn tensor<'a>(name: &'a str, datatype: &'a str, sides: &'a [i64], typed: Typed<'a>) -> Tensor<'a> {
    Tensor { name, datatype, sides, typed }
}

fn answer<'a>(tensors: Vec<Tensor<'a>>, packed: Vec<&'a [u8]>) -> Answer<'a> {
    Answer { model: "zz", version: "", tensors, packed }
}

fn values(detector: &Detector, answer: &Answer, items: usize) -> Result<Scores, Fault> {
    let of = |scores: Vec<GivenScore>| scores.iter().map(|score| score.value).collect();
    Ok(read(detector, answer, items)?.into_iter().map(|said| said.map(of)).collect())
}

/// What comes of an answer with one tensor of FP32.
fn said(sides: &[i64], numbers: &[f32], items: usize) -> Result<Scores, Fault> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let typed = Typed { fp32s: numbers, ..Typed::default() };
    let named = answer(vec![tensor("shares", "FP32", sides, typed)], Vec::new());
    let packed = answer(vec![tensor("shares", "FP32", sides, Typed::default())], vec![&bytes[..]]);
    let (named, packed) = (values(&detector(), &named, items), values(&detector(), &packed, items));
    assert_eq!(named, packed, "packed or not is all the same");
    named
}

fn fault(answer: &Answer) -> Fault {
    values(&detector(), answer, 1).expect_err("not believed")
}

#[test]
fn each_item_has_its_own_scores_by_tensor_and_index() {
    let numbers = [0.0, 0.5, 0.25, 1.0, 0.5, 0.75];
    assert_eq!(said(&[2, 3], &numbers, 2), Ok(vec![Ok(vec![0.0, 0.25]), Ok(vec![1.0, 0.75])]));
    assert_eq!(said(&[2, 1, 3, 1], &numbers, 2).map(|all| all.len()), Ok(2));
    let scores = read(&detector(), &answer_of(&numbers[..3]), 1).expect("believed");
    let scores = scores[0].as_ref().expect("scores");
    assert_eq!((scores[0].category.as_str(), scores[1].category.as_str()), ("zz-one", "zz-two"));
    assert_eq!(
        (scores[0].detector.as_str(), &*scores[0].detector_version),
        ("zz-texts", UNVERSIONED)
    );
}

fn answer_of(numbers: &[f32]) -> Answer<'_> {
    let typed = Typed { fp32s: numbers, ..Typed::default() };
    answer(vec![tensor("shares", "FP32", &[1, 3], typed)], Vec::new())
}

#[test]
fn sides_that_do_not_fit_the_items_or_the_elements_are_not_believed() {
    let numbers = [0.5; 6];
    for (sides, items, fault) in [
        (&[6][..], 2, Fault::Items),
        (&[3, 2], 2, Fault::Items),
        (&[], 2, Fault::Count),
        (&[2, 2], 2, Fault::Count),
        (&[2, 4], 2, Fault::Count),
        (&[2, -3], 2, Fault::Sides),
        (&[0, -1], 2, Fault::Sides),
        (&[2, i64::MAX], 2, Fault::Count),
        (&[i64::MAX, i64::MAX, 0], 2, Fault::Sides),
        (&[1; 17], 1, Fault::Sides),
        (&[i64::MIN], 1, Fault::Sides),
        (&[6, 1], 6, Fault::TooFew),
        (&[6], 6, Fault::TooFew),
        (&[6, 1], usize::MAX, Fault::Items),
    ] {
        assert_eq!(said(sides, &numbers, items), Err(fault), "{sides:?} of {items}");
    }
    assert_eq!(said(&[0, 3], &[], 0), Err(Fault::Items));
    let far = vec![0.5; ROW_VALUES_MAX + 1];
    assert_eq!(said(&[1, ROW_VALUES_MAX as i64 + 1], &far, 1), Err(Fault::Sides));
}

#[test]
fn a_model_that_takes_one_item_at_a_time_has_no_side_for_items() {
    let numbers = [0.5, 0.5, 0.25];
    let typed = Typed { fp32s: &numbers, ..Typed::default() };
    let sent = answer(vec![tensor("shares", "FP32", &[3], typed)], Vec::new());
    assert_eq!(values(&lone_detector(), &sent, 1), Ok(vec![Ok(vec![0.5, 0.25])]));
    assert_eq!(values(&lone_detector(), &sent, 2), Err(Fault::Items));
}

#[test]
fn what_is_not_a_number_costs_that_item_its_score_and_no_other() {
    let numbers = [0.5, f32::NAN, 0.5, f32::INFINITY, 0.0, 0.0, 0.1, 0.0, 0.9];
    let all = said(&[3, 3], &numbers, 3).expect("believed");
    assert_eq!(all[0], Ok(vec![0.5, 0.5]), "what is not read does not matter");
    assert_eq!(all[1], Err(Fault::NotFinite));
    assert_eq!(all[2].as_ref().map(Vec::len), Ok(2));
    let all = said(&[2, 3], &[1.5, 0.0, 0.0, 0.0, 0.0, -0.1], 2).expect("believed");
    assert_eq!(all, [Err(Fault::OutOfRange), Err(Fault::OutOfRange)]);
}

#[test]
fn an_answer_that_is_not_the_one_that_was_asked_for_is_not_believed() {
    let (numbers, bytes) = ([0.5; 3], [0_u8; 12]);
    let typed = Typed { fp32s: &numbers, ..Typed::default() };
    let good = tensor("shares", "FP32", &[1, 3], typed);
    let bare = Tensor { typed: Typed::default(), ..good };
    assert!(values(&detector(), &answer(vec![good], vec![]), 1).is_ok());

    assert_eq!(fault(&Answer { model: "other", ..answer(vec![good], vec![]) }), Fault::OtherModel);
    let long = "v".repeat(65);
    for version in ["a\nb", &long] {
        let sent = Answer { version, ..answer(vec![good], vec![]) };
        assert_eq!(fault(&sent), Fault::OtherVersion);
    }
    assert_eq!(fault(&answer(vec![], vec![])), Fault::Missing);
    assert_eq!(fault(&answer(vec![Tensor { name: "other", ..good }], vec![])), Fault::Missing);
    assert_eq!(fault(&answer(vec![good, good], vec![])), Fault::Twice);
    assert_eq!(fault(&answer(vec![good; 1025], vec![])), Fault::TooManyTensors);
    assert_eq!(fault(&answer(vec![Tensor { datatype: "FP64", ..good }], vec![])), Fault::Datatype);
    assert_eq!(fault(&answer(vec![Tensor { datatype: "BYTES", ..good }], vec![])), Fault::Datatype);
    assert_eq!(fault(&answer(vec![bare], vec![&bytes, &bytes])), Fault::Packed);
    assert_eq!(fault(&answer(vec![good], vec![&bytes])), Fault::Field);
    assert_eq!(fault(&answer(vec![bare], vec![&bytes[1..]])), Fault::Count);
    assert_eq!(fault(&answer(vec![bare], vec![&[]])), Fault::Count);
    let wrong = Typed { fp64s: &[0.5; 3], ..Typed::default() };
    assert_eq!(fault(&answer(vec![Tensor { typed: wrong, ..good }], vec![])), Fault::Field);
    let both = Typed { fp64s: &[0.5; 3], ..typed };
    assert_eq!(fault(&answer(vec![Tensor { typed: both, ..good }], vec![])), Fault::Field);
    let texts = Typed { texts: 1, ..typed };
    assert_eq!(fault(&answer(vec![Tensor { typed: texts, ..good }], vec![])), Fault::Field);
    let short = Typed { fp32s: &numbers[1..], ..Typed::default() };
    assert_eq!(fault(&answer(vec![Tensor { typed: short, ..good }], vec![])), Fault::Count);
}

#[test]
fn a_score_names_the_version_that_answered() {
    let asks = |version: &str| {
        let parts = DetectorParts { version: version.into(), ..parts() };
        Detector::new(&host(false), parts).expect("sound")
    };
    let numbers = [0.5; 3];
    let version = |asked: &str, said| {
        let sent = Answer { version: said, ..answer_of(&numbers) };
        let all = read(&asks(asked), &sent, 1)?;
        Ok(all[0].as_ref().expect("scores")[0].detector_version.clone())
    };
    assert_eq!(version("", "7"), Ok("7".to_owned()));
    assert_eq!(version("7", "7"), Ok("7".to_owned()));
    assert_eq!(version("7", ""), Ok("7".to_owned()));
    assert_eq!(version("7", "8"), Err(Fault::OtherVersion));
}

#[test]
fn every_kind_of_number_is_read_packed_and_by_its_field() {
    let at = |datatype: Datatype, bytes: &[u8]| datatype.unpack(bytes).expect("a number");
    for (bits, value) in [
        (0_u16, 0.0),
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (1, 5.960464477539063e-8),
        (0x400, 6.103515625e-5),
        (0x3555, 0.333251953125),
        (0x7c00, f64::INFINITY),
        (0xfc00, f64::NEG_INFINITY),
    ] {
        assert_eq!(at(Datatype::Fp16, &bits.to_le_bytes()), value);
    }
    assert!(at(Datatype::Fp16, &0x7e00_u16.to_le_bytes()).is_nan());
    assert_eq!(at(Datatype::Bf16, &0x3f80_u16.to_le_bytes()), 1.0);
    assert_eq!(at(Datatype::Bool, &[1]), 1.0);
    assert_eq!(Datatype::Bool.unpack(&[2]), Err(Fault::Beyond));
    assert_eq!(at(Datatype::Int8, &[0xff]), -1.0);
    assert_eq!(at(Datatype::Uint16, &[1, 1]), 257.0);
    assert_eq!(at(Datatype::Int64, &(-3_i64).to_le_bytes()), -3.0);
    assert_eq!(at(Datatype::Fp64, &0.25_f64.to_le_bytes()), 0.25);
    for (name, datatype) in Datatype::ALL {
        assert!(datatype.is_called(name) && !datatype.is_called("BYTES"));
        let size = datatype.size_bytes();
        assert!(datatype.unpack(&vec![0; size]).is_ok());
        for wrong in [0, size - 1, size + 1] {
            assert_eq!(datatype.unpack(&vec![0; wrong]).err(), Some(Fault::Count), "{name}");
        }
    }
}

#[test]
fn a_number_beyond_its_kind_is_not_believed() {
    let parts = DetectorParts {
        outputs: vec![Output { datatype: Datatype::Uint8, ..output("shares", 0, "zz") }],
        ..parts()
    };
    let detector = Detector::new(&host(false), parts).expect("sound");
    let said = |number: u32| {
        let numbers = [number];
        let typed = Typed { uint32s: &numbers, ..Typed::default() };
        let sent = answer(vec![tensor("shares", "UINT8", &[1], typed)], Vec::new());
        values(&detector, &sent, 1).expect("readable")[0].clone()
    };
    assert_eq!(said(1), Ok(vec![1.0]));
    assert_eq!(said(256), Err(Fault::Beyond));
}

proptest! {
    #[test]
    fn no_answer_makes_reading_panic_or_gives_a_score_that_is_none(
        model in prop_oneof![Just("zz"), Just("")],
        sides in proptest::collection::vec(prop_oneof![-2_i64..5, any::<i64>()], 0..5),
        datatype in prop_oneof![Just("FP32"), Just("FP64"), Just("")],
        numbers in proptest::collection::vec(any::<f32>(), 0..10),
        packed in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3),
        items in 0_usize..6,
    ) {
        let typed = Typed { fp32s: &numbers, ..Typed::default() };
        let packed = packed.iter().map(|bytes| &bytes[..]).collect();
        let mut sent = answer(vec![tensor("shares", datatype, &sides, typed)], packed);
        sent.model = model;
        if let Ok(all) = values(&detector(), &sent, items) {
            prop_assert_eq!(all.len(), items);
            for score in all.into_iter().flatten().flatten() {
                prop_assert!((0.0..=1.0).contains(&score));
            }
        }
    }

    #[test]
    fn scores_are_those_of_the_item_that_was_asked_about(
        numbers in proptest::collection::vec(0.0..=1.0_f32, 3..96),
    ) {
        let items = numbers.len() / 3;
        let numbers = &numbers[..items * 3];
        let all = said(&[items as i64, 3], numbers, items).expect("believed");
        for (item, scores) in numbers.chunks(3).zip(all) {
            prop_assert_eq!(scores, Ok(vec![f64::from(item[0]), f64::from(item[2])]));
        }
    }
}
