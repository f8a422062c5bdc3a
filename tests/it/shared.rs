//! The real binary with a bucket of a service that others wrote: what one machine shares, the next one starts from.

use crate::binary::{Server, bulwark, text};
use crate::cluster::Cluster;
use crate::kill::{adding, asking, channel, staffed};
use crate::remote::figure;
use bulwark::config::value::Value as _;
use bulwark::config::{Endpoint, SharedPlace};
use bulwark::io::objects::{Objects, ObjectsError, Place};
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "swordfish-of-the-bucket";

/// A service that speaks S3, with one bucket, gone with the test.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    fn start() -> Self {
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto/bin/moto_server");
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self { child: command.spawn().expect("scripts/test installs moto"), port };
        let began = Instant::now();
        while moto.ask("PUT", "/bucket").is_none_or(|said| !said.starts_with("HTTP/1.1 200")) {
            assert!(began.elapsed() < Duration::from_secs(60), "no bucket is made");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    fn ask(&self, method: &str, target: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let ask = format!(
            "{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        Some(said)
    }

    /// Names in the bucket.
    fn names(&self) -> Vec<String> {
        let said = self.ask("GET", "/bucket?list-type=2").expect("a list");
        let names = said.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap());
        names.map(ToOwned::to_owned).collect()
    }

    fn place(&self, secret: &Path) -> Place {
        Place {
            endpoint: Some(Endpoint::read(&format!("http://127.0.0.1:{}", self.port)).unwrap()),
            access_key_id: Some("AKIAEXAMPLE".into()),
            secret_access_key_file: Some(secret.to_owned()),
            ..Place::at(SharedPlace::read("s3://bucket/deep/prefix").unwrap())
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_machine_with_an_empty_directory_starts_from_the_bucket_of_the_first() {
    let (moto, cluster) = (Moto::start(), Cluster::shared());
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let database = cluster.url(&cluster.database());
    let port = free_port();
    let sets = [
        format!("store.url={database}"),
        format!("metrics_listen=127.0.0.1:{port}"),
        "store.snapshot_url=s3://bucket/snapshots".to_owned(),
        format!("store.snapshot_endpoint=http://127.0.0.1:{}", moto.port),
        "store.snapshot_access_key_id=AKIAEXAMPLE".to_owned(),
        format!("store.snapshot_secret_access_key_file={}", secret.display()),
        "store.snapshot_changes=100".to_owned(),
    ];
    let sets = sets.each_ref().map(String::as_str);
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));

    let server = Server::start_with(&first, &sets);
    let key = staffed(&server).await;
    let mut banks = BankServiceClient::new(channel(&server.url, &key));
    for name in 1..=60 {
        banks.add_entry(adding(name)).await.expect("added");
    }
    let mut screening = ScreeningServiceClient::new(channel(&server.url, &key));
    let ask = async |screening: &mut ScreeningServiceClient<_>,
                     request: v1::ScreenSignalsRequest| {
        screening.screen_signals(request).await.expect("answered").into_inner().verdict.unwrap()
    };
    let before = ask(&mut screening, asking(1)).await;
    assert_eq!(figure(port, "bulwark_snapshot_shared_journal_number").await, 0.0);
    assert_eq!(server.stop(), 0);
    let names = moto.names();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with("snapshots/snapshot-"), "{names:?}");

    // Nothing but the keys: what they seal is of no use to anybody else.
    std::fs::create_dir(&second).unwrap();
    std::fs::copy(first.join("keys.json"), second.join("keys.json")).unwrap();
    let server = Server::start_with(&second, &sets);
    let number: f64 = names[0].split('-').nth(2).unwrap().parse().unwrap();
    assert_eq!(figure(port, "bulwark_snapshot_journal_number").await, number);
    assert_eq!(figure(port, "bulwark_snapshot_shared_journal_number").await, number);
    assert_eq!(figure(port, "bulwark_snapshot_shared_failures_total").await, 0.0);
    assert!(figure(port, "bulwark_snapshot_shared_age_seconds").await < 600.0);
    let mut screening = ScreeningServiceClient::new(channel(&server.url, &key));
    let after = ask(&mut screening, asking(2)).await;
    assert_eq!(after.disposition(), before.disposition());
    assert_eq!(after.findings.len(), before.findings.len());
    assert_eq!(server.stop(), 0);
    assert_eq!(moto.names(), names, "too little has changed to share another");

    let mut command = bulwark(&["config", "check"]);
    for set in sets {
        command.arg("--set").arg(set);
    }
    let (code, said) = text(&command.output().unwrap());
    assert!(
        code == 0 && said.contains("s3://bucket/snapshots") && !said.contains(SECRET),
        "{said}"
    );
}

#[tokio::test]
async fn an_object_of_many_parts_comes_back_as_it_was_and_one_that_is_given_up_is_not_there() {
    let moto = Moto::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let shared = Place::at(SharedPlace::Folder(folder.path().to_owned()));
    for place in [moto.place(&secret), shared] {
        let objects = Objects::open(&place).unwrap();
        let bytes: Vec<u8> =
            (0..20_000_003_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let pending = std::future::pending();
        objects.write("large", bytes.len() as u64, &bytes[..], pending).await.unwrap();
        let given_up =
            objects.write("other", bytes.len() as u64, &bytes[..], std::future::ready(()));
        assert!(matches!(given_up.await, Err(ObjectsError::Stopped)));
        // A source that is shorter than was said.
        let short = objects.write("short", 5, &b"four"[..], std::future::pending()).await;
        assert!(short.is_err());
        let found: Vec<_> = objects.list().await.unwrap();
        let found: Vec<_> = found.into_iter().filter(|found| found.name != "secret").collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].name.as_str(), found[0].bytes), ("large", bytes.len() as u64));
        let mut body = objects.read(&found[0]).await.unwrap();
        let mut back = Vec::new();
        while let Some(piece) = body.next().await.unwrap() {
            back.extend_from_slice(&piece);
        }
        assert!(back == bytes, "it is the same");
        objects.remove("large").await.unwrap();
        let names = objects.list().await.unwrap();
        assert!(names.iter().all(|found| found.name == "secret"), "{names:?}");
    }
}

#[test]
fn what_is_wrong_about_a_shared_place_is_named_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("data_dir={}", folder.path().join("data").display());
    for (sets, keys) in [
        (&["store.snapshot_url=s3://id:swordfish@bucket/x"][..], &["store.snapshot_url"][..]),
        (
            &["store.snapshot_endpoint=http://10.0.0.1:9000", "store.snapshot_region=x"],
            &["store.snapshot_endpoint", "store.snapshot_region"],
        ),
        (
            &["store.snapshot_url=s3://bucket", "store.snapshot_access_key_id=x"],
            &["store.snapshot_secret_access_key_file"],
        ),
    ] {
        let mut command = bulwark(&["serve", "--set", &data]);
        for set in sets {
            command.arg("--set").arg(set);
        }
        let (code, said) = text(&command.output().expect("runs"));
        assert_eq!(code, 78, "{said}");
        assert!(keys.iter().all(|key| said.contains(key)), "{said}");
        assert!(!said.contains("swordfish") && !said.contains("serving"), "{said}");
        assert!(!folder.path().join("data").exists(), "nothing was begun");
    }
}
