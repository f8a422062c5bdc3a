//! How cost grows with size: a look-up beside a scan of the same values, and the memory of each value, drawn as a chart.
//!
//! `cargo bench --bench growth` goes to 10,000,000 values (`GROWTH_MAX` sets another end) and writes `target/growth.svg`.
//! Both sides take turns; each figure is the median of the passes.

mod shared;

use bulwark::core::hamming::{Scratch, Table, VALUES_MAX};
use bulwark::core::signal::Bits256;
use plotters::prelude::*;
use shared::{Dice, set};
use std::hint::black_box;
use std::time::Instant;

/// The greatest distance at which a bank matches by default.
const RADIUS: u32 = 31;
const PASSES: usize = 7;
const QUERIES: usize = 400;
/// Values that are scanned in one pass, whatever the size: a scan of many takes long enough by itself.
const SCANNED: usize = 20_000_000;
const CHART: &str = "target/growth.svg";

/// What was measured at one size.
struct Point {
    values: f64,
    /// Microseconds.
    query: f64,
    scan: f64,
    bytes: f64,
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn measured(size: usize) -> Point {
    let mut dice = Dice(size as u64);
    let values: Vec<Bits256> = (0..size).map(|_| dice.bits()).collect();
    let tables: Vec<Table> = values.chunks(VALUES_MAX).map(Table::over).collect();
    let query = |n: usize, dice: &mut Dice| match n % 2 {
        0 => dice.bits(),
        _ => {
            let value = values[dice.next() as usize % size];
            dice.changed(value)
        }
    };
    let queries: Vec<Bits256> = (0..QUERIES).map(|n| query(n, &mut dice)).collect();
    let scans = (SCANNED / size).clamp(3, QUERIES);
    let (mut ours, mut theirs, mut scratch) = (Vec::new(), Vec::new(), Scratch::default());
    for _ in 0..PASSES {
        let (began, mut found) = (Instant::now(), 0_usize);
        for query in &queries {
            for table in &tables {
                table.query(black_box(query), RADIUS, &mut scratch, |_, _| found += 1);
            }
        }
        ours.push(began.elapsed().as_secs_f64() * 1e6 / QUERIES as f64);
        assert!(found >= QUERIES / 2, "every copy has its value");
        let (began, mut found) = (Instant::now(), 0_usize);
        for query in &queries[..scans] {
            let query = black_box(query);
            found += values.iter().filter(|value| value.distance(query) <= RADIUS).count();
        }
        theirs.push(began.elapsed().as_secs_f64() * 1e6 / scans as f64);
        assert!(found >= scans / 2, "every copy has its value");
    }
    let bytes: usize = tables.iter().map(Table::bytes).sum();
    Point {
        values: size as f64,
        query: middle(ours),
        scan: middle(theirs),
        bytes: bytes as f64 / size as f64,
    }
}

fn draw(points: &[Point]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(CHART, (880, 430)).into_drawing_area();
    area.fill(&WHITE)?;
    let last = points.last().map_or(1.0, |point| point.values);
    let first = points.first().map_or(1.0, |point| point.values);
    let (left, right) = area.split_horizontally(500);
    let highest = points.iter().map(|point| point.scan).fold(1.0, f64::max);
    let lowest = points.iter().map(|point| point.query).fold(1.0, f64::min);
    let mut times = ChartBuilder::on(&left)
        .caption("microseconds a look-up, radius 31", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(56)
        .build_cartesian_2d((first..last).log_scale(), (lowest..highest).log_scale())?;
    let whole = |value: &f64| format!("{value}");
    times
        .configure_mesh()
        .x_desc("values")
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .draw()?;
    let scan = points.iter().map(|point| (point.values, point.scan));
    times
        .draw_series(LineSeries::new(scan, RED.stroke_width(2)))?
        .label("a scan of all values")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RED.stroke_width(2)));
    let query = points.iter().map(|point| (point.values, point.query));
    times
        .draw_series(LineSeries::new(query, BLUE.stroke_width(2)))?
        .label("the index")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLUE.stroke_width(2)));
    times
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .draw()?;
    let most = points.iter().map(|point| point.bytes).fold(1.0, f64::max);
    let mut memory = ChartBuilder::on(&right)
        .caption("bytes a value", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(48)
        .build_cartesian_2d((first..last).log_scale(), 0.0..most * 1.1)?;
    memory.configure_mesh().x_desc("values").x_labels(4).x_label_formatter(&whole).draw()?;
    let bytes = points.iter().map(|point| (point.values, point.bytes));
    memory.draw_series(LineSeries::new(bytes, BLUE.stroke_width(2)))?;
    area.present()?;
    Ok(())
}

fn main() {
    let most = set("GROWTH_MAX", 10_000_000, 4_000) as usize;
    let steps = (0..).map(|step| (1_000.0 * 10_f64.powf(f64::from(step) / 4.0)).round() as usize);
    let mut points: Vec<Point> = Vec::new();
    for size in steps.take_while(|size| *size <= most) {
        let point = measured(size);
        println!(
            "growth: {size:9} values: {:8.2} µs a look-up, {:9.1} µs a scan ({:.0} times), {:.1} bytes a value",
            point.query,
            point.scan,
            point.scan / point.query,
            point.bytes
        );
        points.push(point);
    }
    if let [.., before, last] = &points[..] {
        let slope = |of: fn(&Point) -> f64| (of(last) - of(before)) / (last.values - before.values);
        let (ours, scan) = (slope(|point| point.query), slope(|point| point.scan));
        println!(
            "growth: from {} values on, a scan's cost grows {:.0} times as steeply",
            before.values,
            scan / ours
        );
    }
    draw(&points).expect("drawn");
    println!("growth: drawn to {CHART}");
}
