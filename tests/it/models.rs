//! Detectors over a socket: a server of the test's making with its faults, and a real one.

pub mod fake;
mod faults;
mod real;
mod together;

use bulwark::config::{ModelSettings, read_models};
use bulwark::core::detector::{Absent, Sample};
use bulwark::core::id::{DetectorId, SurfaceId};
use bulwark::core::screening::question::GivenScore;
use bulwark::io::clock::Clock;
use bulwark::io::models::Models;
use std::time::{Duration, Instant};

/// What is said of one item.
pub type Said = Result<Vec<GivenScore>, Absent>;

/// A detector of texts at an address, with more said of it.
pub fn texts(address: &str, more: &str) -> ModelSettings {
    let text = format!(
        "
        [servers.zz]
        address = '{address}'
        answer_bytes_max = '64 KiB'
        [[detectors]]
        name = 'zz-texts'
        server = 'zz'
        model = 'zz'
        kinds = ['DIRECT_MESSAGE']
        {more}
        input = {{ kind = 'text', tensor = 'text', layout = 'N', bytes_max = 64 }}
        outputs = [{{ tensor = 'share', category = 'zz-length' }}]
        "
    );
    read_models("models", &text).expect("good")
}

/// Models that are asked.
pub fn start(settings: &ModelSettings) -> Models {
    Models::start(settings, &Clock::system()).expect("started")
}

/// An end that no answer takes until.
pub fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub fn surface(name: &str) -> SurfaceId {
    SurfaceId::parse(name).expect("good")
}

/// What the detector of texts says of one.
pub async fn ask(models: &Models, text: &str) -> Said {
    let detector = DetectorId::parse("zz-texts").expect("good");
    models.ask(&detector, &Sample::Text(text), far()).await.expect("there is one")
}

/// The one value that is said.
pub fn value(said: &Said) -> f64 {
    let [score] = said.as_deref().expect("scores") else { panic!("one score") };
    score.value
}
