//! Probabilities against a table that was computed apart.

use super::*;
use proptest::prelude::*;

/// (slope, offset, value, probability), by the formula in another language.
const PLATT: [(f64, f64, f64, f64); 24] = [
    (-1.0, 0.0, -30.0, 9.357622968839299e-14),
    (-1.0, 0.0, -2.5, 0.07585818002124355),
    (-1.0, 0.0, -0.1, 0.47502081252106),
    (-1.0, 0.0, 0.0, 0.5),
    (-1.0, 0.0, 0.3, 0.574442516811659),
    (-1.0, 0.0, 1.0, 0.7310585786300049),
    (-1.0, 0.0, 7.25, 0.9992903296008995),
    (-1.0, 0.0, 40.0, 1.0),
    (-1.7, 0.2, -30.0, 5.809282904332702e-23),
    (-1.7, 0.2, -2.5, 0.011543752483922289),
    (-1.7, 0.2, -0.1, 0.40854102156721994),
    (-1.7, 0.2, 0.0, 0.45016600268752216),
    (-1.7, 0.2, 0.3, 0.5768852611320463),
    (-1.7, 0.2, 1.0, 0.8175744761936437),
    (-1.7, 0.2, 7.25, 0.9999945777810301),
    (-1.7, 0.2, 40.0, 1.0),
    (2.5, -1.0, -30.0, 1.0),
    (2.5, -1.0, -2.5, 0.9992903296008995),
    (2.5, -1.0, -0.1, 0.7772998611746911),
    (2.5, -1.0, 0.0, 0.7310585786300049),
    (2.5, -1.0, 0.3, 0.5621765008857981),
    (2.5, -1.0, 1.0, 0.18242552380635635),
    (2.5, -1.0, 7.25, 3.653482080241727e-8),
    (2.5, -1.0, 40.0, 1.0112214926104486e-43),
];

const POINTS: [(f64, f64); 5] = [(-1.0, 0.0), (0.0, 0.01), (0.5, 0.2), (0.75, 0.2), (2.0, 0.97)];

/// (value, probability), by `numpy.interp` over those points.
const ISOTONIC: [(f64, f64); 13] = [
    (-9.0, 0.0),
    (-1.0, 0.0),
    (-0.5, 0.005),
    (0.0, 0.01),
    (0.1, 0.048),
    (0.25, 0.105),
    (0.5, 0.2),
    (0.6, 0.2),
    (0.75, 0.2),
    (1.0, 0.354),
    (1.9, 0.9084),
    (2.0, 0.97),
    (3.0, 0.97),
];

fn near(said: Result<f64, Fault>, golden: f64) {
    let said = said.expect("a probability");
    assert!((said - golden).abs() <= golden.abs() * 1e-12 + 1e-300, "{said} is not {golden}");
}

#[test]
fn calibration_is_that_of_the_golden_table() {
    for (slope, offset, value, golden) in PLATT {
        near(Calibration::Platt { slope, offset }.apply(value), golden);
    }
    let isotonic = Calibration::Isotonic(POINTS.into());
    assert_eq!(isotonic.problem(), None);
    for (value, golden) in ISOTONIC {
        near(isotonic.apply(value), golden);
    }
    for value in [0.0, 0.25, 1.0] {
        assert_eq!(Calibration::None.apply(value), Ok(value));
    }
}

#[test]
fn what_is_no_number_is_a_fault_and_never_a_probability_of_nought() {
    let all = [
        Calibration::None,
        Calibration::Platt { slope: -1.0, offset: 0.0 },
        Calibration::Isotonic(POINTS.into()),
    ];
    for calibration in all {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(calibration.apply(value), Err(Fault::NotFinite), "{calibration:?}");
        }
    }
    for value in [-1e-9, 1.000001, 255.0, -3.0] {
        assert_eq!(Calibration::None.apply(value), Err(Fault::OutOfRange), "{value}");
    }
}

#[test]
fn a_calibration_that_means_nothing_is_refused() {
    let platt = |slope, offset| Calibration::Platt { slope, offset };
    let points = |points: &[(f64, f64)]| Calibration::Isotonic(points.into());
    for bad in [
        platt(0.0, 1.0),
        platt(f64::NAN, 0.0),
        platt(1.0, f64::INFINITY),
        points(&[]),
        points(&[(0.0, 0.5)]),
        points(&[(0.0, 0.5), (0.0, 0.6)]),
        points(&[(0.0, 0.5), (1.0, 0.4)]),
        points(&[(1.0, 0.5), (0.0, 0.6)]),
        points(&[(0.0, -0.1), (1.0, 0.4)]),
        points(&[(0.0, 0.1), (1.0, 1.1)]),
        points(&[(f64::NAN, 0.1), (1.0, 1.0)]),
        points(&vec![(0.0, 0.0); POINTS_MAX + 1]),
    ] {
        assert!(bad.problem().is_some(), "{bad:?}");
    }
}

fn tables() -> impl Strategy<Value = Calibration> {
    let steps = proptest::collection::vec((1e-6..1e6_f64, 0.0..1.0_f64), 2..20);
    let table = (any::<f64>().prop_filter("finite", |at| at.is_finite()), steps);
    table.prop_filter_map("sound", |(from, steps)| {
        let whole: f64 = steps.iter().map(|(_, step)| step).sum::<f64>().max(1.0);
        let (mut at, mut share) = (from, 0.0);
        let points = steps.into_iter().map(|(step, rise)| {
            (at, share) = (at + step, (share + rise / whole).min(1.0));
            (at, share)
        });
        let calibration = Calibration::Isotonic(points.collect());
        calibration.problem().is_none().then_some(calibration)
    })
}

proptest! {
    #[test]
    fn whatever_a_model_says_becomes_a_probability_or_a_fault(
        bits: u64,
        slope in -1e9..1e9_f64,
        offset in -1e9..1e9_f64,
        table in tables(),
    ) {
        for calibration in [Calibration::None, Calibration::Platt { slope, offset }, table] {
            if let Ok(share) = calibration.apply(f64::from_bits(bits)) {
                prop_assert!((0.0..=1.0).contains(&share), "{share}");
            }
        }
    }

    #[test]
    fn a_table_never_says_less_of_a_greater_value(
        table in tables(),
        values in proptest::collection::vec(-1e7..1e7_f64, 2),
    ) {
        let (less, more) = (values[0].min(values[1]), values[0].max(values[1]));
        prop_assert!(table.apply(less).expect("finite") <= table.apply(more).expect("finite") + 1e-12);
    }
}
