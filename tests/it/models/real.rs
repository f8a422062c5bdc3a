//! A real model server, in a virtual environment of its own, with models of a few lines.

use super::{far, start, surface};
use bulwark::config::{ModelSettings, read_models};
use bulwark::core::detector::{Absent, Circuit, Fault, Pixels, Sample};
use bulwark::core::id::DetectorId;
use bulwark::core::policy::SurfaceKind;
use bulwark::io::models::Models;
use futures_util::future::join_all;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MODELS: &str = include_str!("../../mlserver/zz.py");

/// A server on loopback, which ends with the test.
struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/mlserver");
    std::env::var_os("MLSERVER").map_or_else(installed, PathBuf::from).join("bin/mlserver")
}

fn free_ports() -> [u16; 3] {
    let bound = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    bound.map(|listener| listener.local_addr().expect("bound").port())
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [http, port, metrics] = free_ports();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write(
            "settings.json",
            &format!(
                r#"{{"host": "127.0.0.1", "http_port": {http}, "grpc_port": {port},
                    "metrics_port": {metrics}, "parallel_workers": 0, "use_structured_logging": false}}"#
            ),
        );
        write("zz.py", MODELS);
        for (model, runtime, version) in [
            ("zz-mean", "Mean", "3"),
            ("zz-corner", "Corner", "3"),
            ("zz-length", "Length", ""),
            ("zz-dot", "Dot", "1.2"),
        ] {
            std::fs::create_dir(folder.path().join(model)).expect("made");
            let version = match version {
                "" => String::new(),
                version => format!(r#", "parameters": {{"version": "{version}"}}"#),
            };
            let text =
                format!(r#"{{"name": "{model}", "implementation": "zz.{runtime}"{version}}}"#);
            write(&format!("{model}/model-settings.json"), &text);
        }
        let child = Self::run(folder.path());
        Self { child, port, folder }
    }

    fn run(folder: &Path) -> Child {
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let program = program();
        let mut command = Command::new(&program);
        command
            .args(["start", "."])
            .current_dir(folder)
            .env("PYTHONPATH", folder)
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; scripts/test installs mlserver", program.display())
        })
    }

    fn settings(&self) -> ModelSettings {
        let text = format!(
            "
            [servers.real]
            address = 'http://127.0.0.1:{}'
            cleared = true

            [[detectors]]
            name = 'mean'
            server = 'real'
            model = 'zz-mean'
            version = '3'
            kinds = ['UPLOAD']
            deadline = '20 s'
            [detectors.input]
            kind = 'image'
            tensor = 'pixels'
            layout = 'NCHW'
            width = 4
            height = 2
            channels = 'RGB'
            datatype = 'FP32'
            scale = 0.00392156862745098
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-bright'

            [[detectors]]
            name = 'corner'
            server = 'real'
            model = 'zz-corner'
            kinds = ['UPLOAD']
            deadline = '20 s'
            [detectors.input]
            kind = 'image'
            tensor = 'pixels'
            layout = 'NHWC'
            width = 4
            height = 2
            channels = 'BGR'
            datatype = 'UINT8'
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-corner'
            calibration = {{ kind = 'isotonic', points = [[0, 0.0], [255, 1.0]] }}

            [[detectors]]
            name = 'window'
            server = 'real'
            model = 'zz-mean'
            kinds = ['LIVE']
            deadline = '20 s'
            [detectors.input]
            kind = 'frames'
            tensor = 'window'
            layout = 'NTCHW'
            frames = 3
            width = 2
            height = 2
            channels = 'LUMA'
            datatype = 'FP32'
            scale = 0.00392156862745098
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-bright'

            [[detectors]]
            name = 'length'
            server = 'real'
            model = 'zz-length'
            kinds = ['DIRECT_MESSAGE']
            deadline = '20 s'
            batch_wait = '20 ms'
            [detectors.input]
            kind = 'text'
            tensor = 'text'
            layout = 'N'
            bytes_max = 200
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-length'

            [[detectors]]
            name = 'hurried'
            server = 'real'
            model = 'zz-length'
            kinds = ['DIRECT_MESSAGE']
            deadline = '1500 ms'
            [detectors.input]
            kind = 'text'
            tensor = 'text'
            layout = 'N'
            bytes_max = 200
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-length'

            [[detectors]]
            name = 'dot'
            server = 'real'
            model = 'zz-dot'
            kinds = ['DIRECT_MESSAGE']
            deadline = '20 s'
            [detectors.input]
            kind = 'embedding'
            tensor = 'vector'
            layout = 'ND'
            dimensions = 3
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-near'
            calibration = {{ kind = 'platt', slope = -1.0, offset = 0.0 }}

            [[detectors]]
            name = 'nobody'
            server = 'real'
            model = 'zz-unknown'
            kinds = ['DIRECT_MESSAGE']
            deadline = '20 s'
            breaker_failures = 1
            breaker_pause = '60 s'
            breaker_pause_max = '60 s'
            [detectors.input]
            kind = 'text'
            tensor = 'text'
            layout = 'N'
            bytes_max = 200
            [[detectors.outputs]]
            tensor = 'said'
            category = 'zz-length'
            ",
            self.port
        );
        read_models("models", &text).expect("good")
    }

    /// Waits until every model that there is would answer; says how long that took.
    async fn until_ready(&mut self, models: &Models, count: usize) -> Duration {
        let began = Instant::now();
        loop {
            let ready = models.ready(Instant::now() + Duration::from_secs(2)).await;
            if ready.iter().filter(|(_, ready)| *ready == Ok(true)).count() == count {
                return began.elapsed();
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log"));
            let has_ended = self.child.try_wait().expect("known").is_some();
            let is_late = began.elapsed() > Duration::from_secs(120);
            assert!(!has_ended && !is_late, "no server: {}", log().unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn ask(models: &Models, detector: &str, sample: Sample<'_>) -> super::Said {
    let detector = DetectorId::parse(detector).expect("good");
    models.ask(&detector, &sample, far()).await.expect("there is one")
}

fn near(said: &super::Said, expected: f64) {
    let value = super::value(said);
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

fn version(said: &super::Said) -> &str {
    &said.as_ref().expect("scores")[0].detector_version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_is_asked_about_pictures_windows_texts_and_embeddings() {
    let mut server = Server::start();
    let models = start(&server.settings());
    let started = server.until_ready(&models, 6).await;
    println!("mlserver answered after {} ms", started.as_millis());

    // Pictures: what each element is and where it stands.
    let bytes: Vec<u8> = (0..24).map(|place| place * 10).collect();
    let pixels = Pixels { width: 4, height: 2, channels: 3, bytes: &bytes };
    let said = ask(&models, "mean", Sample::Image(pixels)).await;
    near(&said, 115.0 / 255.0);
    assert_eq!(version(&said), "3");
    let said = ask(&models, "corner", Sample::Image(pixels)).await;
    // The last channel, where blue stands first, is red; the first pixel of the last row is the fifth.
    near(&said, 120.0 / 255.0);
    assert_eq!(version(&said), "3");
    let lumas = [[0_u8; 4], [51; 4], [255; 4]];
    let window: Vec<Pixels> =
        lumas.iter().map(|bytes| Pixels { width: 2, height: 2, channels: 1, bytes }).collect();
    near(&ask(&models, "window", Sample::Frames(&window)).await, 0.4);

    // Texts, which go together, in other alphabets, too.
    let texts: Vec<String> =
        (1..=60).map(|length| "z".repeat(length)).chain(["žžž".into(), "日本".into()]).collect();
    let said = join_all(texts.iter().map(|text| ask(&models, "length", Sample::Text(text)))).await;
    for (text, said) in texts.iter().zip(&said) {
        near(said, text.chars().count() as f64 / 100.0);
        assert_eq!(version(said), bulwark::core::detector::UNVERSIONED);
    }
    let questions = models.standing().find(|(detector, ..)| detector.id.as_str() == "length");
    let (.., figures) = questions.expect("there is one");
    let questions = figures.questions.load(std::sync::atomic::Ordering::Relaxed);
    assert!((2..=10).contains(&questions), "{questions} questions for 62 texts");

    // Embeddings: a logit of 0.5·1 − 1·2 + 0.5·3 = 0.
    let said = ask(&models, "dot", Sample::Embedding(&[0.5, -1.0, 0.5])).await;
    near(&said, 0.5);
    assert_eq!(version(&said), "1.2");

    // A surface is heard by all of its detectors.
    let samples = [Sample::Text("zz"), Sample::Embedding(&[0.0, 0.0, 0.0])];
    let heard = models.hear(&surface("any"), SurfaceKind::DirectMessage, &samples, far()).await;
    let mut all: Vec<_> =
        heard.iter().map(|one| (one.detector.id.as_str(), one.said.is_ok())).collect();
    all.sort_unstable();
    assert_eq!(all, [("dot", true), ("hurried", true), ("length", true), ("nobody", false)]);
    faults(&mut server, &models).await;
}

/// What goes wrong with a real server.
async fn faults(server: &mut Server, models: &Models) {
    assert_eq!(ask(models, "nobody", Sample::Text("zz")).await, Err(Absent::LeftAlone));
    let nan = ask(models, "length", Sample::Text("zz-nan")).await;
    assert_eq!(nan, Err(Absent::Unreadable(Fault::NotFinite)));
    assert_eq!(ask(models, "length", Sample::Text("zz-fails")).await, Err(Absent::Refused));
    assert!(ask(models, "length", Sample::Text("zz")).await.is_ok(), "it answers others");
    let began = Instant::now();
    assert_eq!(ask(models, "hurried", Sample::Text("zz-sleeps")).await, Err(Absent::Late));
    assert!(began.elapsed() < Duration::from_millis(2800), "{:?}", began.elapsed());

    // In the middle of an answer it is killed, and comes back.
    let asking = {
        let models = models.clone();
        tokio::spawn(async move { ask(&models, "length", Sample::Text("zz-sleeps")).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.child.kill().expect("killed");
    server.child.wait().expect("ended");
    assert_eq!(asking.await.expect("no panic"), Err(Absent::Unreachable));
    assert_eq!(ask(models, "dot", Sample::Embedding(&[0.0; 3])).await, Err(Absent::Unreachable));
    let circuits =
        models.standing().map(|(detector, circuit, _)| (detector.id.to_string(), circuit));
    let open: Vec<_> = circuits.filter(|(_, circuit)| *circuit != Circuit::Closed).collect();
    assert_eq!(open.len(), 1, "only the model that there is none of: {open:?}");
    server.child = Server::run(server.folder.path());
    server.until_ready(models, 6).await;
    assert!(ask(models, "dot", Sample::Embedding(&[0.0; 3])).await.is_ok(), "it is back");
}
