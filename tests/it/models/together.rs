//! What of an item goes to which model.

use super::fake::{Fake, at_once, lengths, texts_of};
use super::{ask, far, start, surface, texts, value};
use bulwark::config::read_models;
use bulwark::core::detector::{Absent, Sample};
use bulwark::core::policy::SurfaceKind;
use bulwark::io::clock::Clock;
use bulwark::io::models::{Models, ModelsError};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

#[tokio::test]
async fn items_of_several_callers_go_together_and_each_gets_its_own() {
    let fake = Fake::start(at_once(|question| Ok(lengths(&question)))).await;
    let more = "deadline = '5 s'\nbatch_wait = '50 ms'\nbatch_max = 8";
    let models = start(&texts(&fake.address, more));
    let texts: Vec<String> = (1..=20).map(|length| "z".repeat(length)).collect();
    let said = join_all(texts.iter().map(|text| ask(&models, text))).await;
    for (text, said) in texts.iter().zip(&said) {
        assert_eq!(value(said), f64::from(text.len() as f32 / 100.0));
    }
    let score = &said[0].as_ref().expect("scores")[0];
    assert_eq!((score.category.as_str(), score.detector.as_str()), ("zz-length", "zz-texts"));
    assert_eq!(score.detector_version, "7");
    let mut counts: Vec<_> =
        fake.asked().iter().map(|asked| texts_of(&asked.question).len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [4, 8, 8]);
}

#[tokio::test]
async fn nothing_of_an_item_goes_along_but_what_the_model_reads() {
    let fake = Fake::start(at_once(|question| Ok(lengths(&question)))).await;
    let models = start(&texts(&fake.address, "deadline = '5 s'\nversion = '7'"));
    assert!(ask(&models, "zz").await.is_ok());
    let asked = fake.asked();
    let question = &asked[0].question;
    assert_eq!((question.model_name.as_str(), question.model_version.as_str()), ("zz", "7"));
    assert!(question.id.is_empty() && question.parameters.is_empty());
    let [input] = &question.inputs[..] else { panic!("one tensor") };
    assert_eq!(
        (input.name.as_str(), input.datatype.as_str(), &input.shape[..]),
        ("text", "BYTES", &[1][..])
    );
    assert!(input.contents.is_none() && input.parameters.is_empty());
    assert_eq!(&question.raw_input_contents[0][..], b"\x02\0\0\0zz");
    let wanted: Vec<_> = question.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(wanted, ["share"]);
    let heads: Vec<_> = asked[0]
        .head
        .keys()
        .map(|key| match key {
            tonic::metadata::KeyRef::Ascii(key) => key.to_string(),
            tonic::metadata::KeyRef::Binary(key) => key.to_string(),
        })
        .filter(|key| !["te", "content-type", "user-agent", "grpc-timeout"].contains(&key.as_str()))
        .collect();
    assert!(heads.is_empty(), "{heads:?}");
}

#[tokio::test]
async fn a_surface_is_heard_by_its_detectors_each_about_what_it_reads() {
    let fake = Fake::start(at_once(|question| Ok(lengths(&question)))).await;
    let text = format!(
        "
        [servers.zz]
        address = '{}'
        [[detectors]]
        name = 'short'
        server = 'zz'
        model = 'zz'
        surfaces = ['chat']
        deadline = '5 s'
        input = {{ kind = 'text', tensor = 'text', layout = 'N', bytes_max = 4 }}
        outputs = [{{ tensor = 'share', category = 'zz' }}]
        [[detectors]]
        name = 'vectors'
        server = 'zz'
        model = 'zz'
        kinds = ['DIRECT_MESSAGE']
        deadline = '5 s'
        input = {{ kind = 'embedding', tensor = 'vector', layout = 'ND', dimensions = 2 }}
        outputs = [{{ tensor = 'share', category = 'zz' }}]
        ",
        fake.address
    );
    let models = start(&read_models("models", &text).expect("good"));
    let kind = SurfaceKind::DirectMessage;
    let names = |surface: &str, kind| -> Vec<_> {
        models.of(&super::surface(surface), kind).map(|one| one.id.to_string()).collect()
    };
    assert_eq!(names("chat", kind), ["short", "vectors"]);
    assert_eq!(names("chat", SurfaceKind::Upload), ["short"]);
    assert!(names("other", SurfaceKind::Upload).is_empty());

    let samples = [Sample::Text("zzz"), Sample::Text("zzzzz"), Sample::Text("z")];
    let heard = models.hear(&surface("chat"), kind, &samples, far()).await;
    let said: Vec<_> = heard.iter().map(|one| (one.sample, one.said.is_ok())).collect();
    assert_eq!(said, [(0, true), (2, true)], "one takes two of them, the other none of this kind");
    let heard = models.hear(&surface("chat"), kind, &samples[1..2], far()).await;
    assert_eq!(heard.len(), 1);
    assert!(matches!(heard[0].said, Err(Absent::Unfit(_))), "whoever takes none says so");
    assert!(models.pictures(&surface("chat"), kind).is_empty());
}

#[tokio::test]
async fn nothing_goes_on_when_nobody_has_the_models_any_more() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let fake = Fake::start(at_once(|question| Ok(lengths(&question)))).await;
    let before = alive();
    let models = start(&texts(&fake.address, "deadline = '5 s'"));
    assert!(ask(&models, "zz").await.is_ok());
    assert!(alive() > before);
    drop(models);
    let ended = async {
        while alive() > before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), ended).await.expect("all has ended");
}

#[tokio::test]
async fn a_server_shows_a_certificate_of_the_issuer_that_is_named() {
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("another");
    let key = made.signing_key.serialize_der();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.try_into().expect("a key"))
        .expect("a configuration");
    let mut config = config;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsAcceptor::from(Arc::new(config));
    let fake = Fake::start_tls(at_once(|question| Ok(lengths(&question))), tls).await;
    let folder = tempfile::tempdir().expect("a folder");
    for (name, pem, is_good) in
        [("good.pem", made.cert.pem(), true), ("other.pem", other.cert.pem(), false)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).expect("written");
        let address = format!("{}'\nca = '{}", fake.address, path.display());
        let models = start(&texts(&address, "deadline = '5 s'"));
        let said = ask(&models, "zz").await;
        match is_good {
            true => assert_eq!(value(&said), f64::from(0.02_f32)),
            false => assert_eq!(said, Err(Absent::Unreachable)),
        }
    }
    let address = format!("{}'\nca = '/nonexistent/ca.pem", fake.address);
    let started = Models::start(&texts(&address, ""), &Clock::system());
    assert!(matches!(started, Err(ModelsError::File(..))));
}
