//! Files: what is in one is listed, and what is in it no more is not.

use super::ncmec::md5_of;
use super::web::{Asked, Fake, Reply, Source};
use super::{Learner, exchange, md5_signal};
use crate::service::*;
use bulwark::proto::v1;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use v1::{Disposition, ExchangeState};

/// A list at an address.
struct List {
    lines: Vec<String>,
    unchanged: usize,
    is_cut: bool,
}

impl List {
    fn of(count: usize) -> Self {
        let lines = (0..count).map(|n| md5_of(&format!("v{n}"))).collect();
        Self { lines, unchanged: 0, is_cut: false }
    }
}

impl Source for List {
    fn answer(&mut self, asked: &Asked) -> Reply {
        assert_eq!(asked.header("authorization"), "Bearer secret");
        let body = format!("# a list\n{}\n", self.lines.join("\n"));
        let etag = format!("\"{}\"", md5_of(&body));
        if asked.header("if-none-match") == etag {
            self.unchanged += 1;
            return Reply::status(304);
        }
        Reply { is_cut: self.is_cut, ..Reply::of(body).header("etag", etag) }
    }
}

fn at(url: String, ca_pem: String) -> v1::exchange::Kind {
    v1::exchange::Kind::File(v1::FileExchange {
        url,
        ca_pem,
        authorization: "Bearer secret".into(),
        format: v1::ImportFormat::Text.into(),
        signal_type: v1::SignalType::Md5.into(),
        ..Default::default()
    })
}

#[tokio::test]
async fn what_is_in_a_list_no_more_is_listed_no_more_unless_it_is_too_much_at_once() {
    let learner = Learner::start().await;
    let fake = Fake::start(List::of(40)).await;
    let url = format!("{}/list.txt?v=2", fake.address);
    learner.learn("list", exchange(at(url, String::new()))).await;
    learner.live("list").await;
    for n in [0, 39] {
        assert_eq!(learner.ask(md5_signal(&format!("v{n}"))).await, Disposition::Block);
    }
    let not_listed = learner.ask(md5_signal("never listed")).await;

    // A state of it that breaks off says nothing of what is behind the break.
    {
        let mut list = fake.source.lock();
        list.is_cut = true;
        list.lines.push(md5_of("new"));
    }
    learner.until("list", "broken off", |status| status.state() == ExchangeState::Failing).await;
    assert_eq!(learner.ask(md5_signal("v39")).await, Disposition::Block);
    {
        let mut list = fake.source.lock();
        list.is_cut = false;
        list.lines.remove(3);
    }
    learner.becomes(md5_signal("v3"), not_listed).await;
    learner.becomes(md5_signal("new"), Disposition::Block).await;
    while fake.source.lock().unchanged < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    // Half of it gone at once: a person looks first.
    fake.source.lock().lines.truncate(20);
    let failing =
        learner.until("list", "held", |status| status.failure.contains("drop_percent_max")).await;
    assert!(failing.failure.starts_with("20 of 40 "), "{}", failing.failure);
    assert_eq!(learner.ask(md5_signal("v30")).await, Disposition::Block);
    let allowed = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: "list".into(),
            drop_percent_max: Some(60),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["drop_percent_max".into()] }),
        ..Default::default()
    };
    learner.curator.exchanges().update_exchange(allowed).await.expect("changed");
    learner.becomes(md5_signal("v30"), not_listed).await;
    assert_eq!(learner.ask(md5_signal("v10")).await, Disposition::Block);

    // What went comes back where it is listed again.
    fake.source.lock().lines.push(md5_of("v30"));
    learner.becomes(md5_signal("v30"), Disposition::Block).await;
}

#[tokio::test]
async fn a_list_is_read_over_tls_from_whom_is_trusted_and_from_nobody_else() {
    let named = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(named.signing_key.serialize_der()).unwrap();
    let learner = Learner::start_with(|settings| {
        settings.exchanges.private_hosts = vec!["localhost".into()];
    })
    .await;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![named.cert.der().clone()], key)
        .unwrap();
    let fake = Fake::start_tls(List::of(2), TlsAcceptor::from(Arc::new(config))).await;
    learner.learn("stranger", exchange(at(fake.address.clone(), String::new()))).await;
    learner.until("stranger", "not trusted", |status| status.failure.contains("certificate")).await;
    assert_eq!(fake.count(), 0, "nothing was asked of a stranger");
    learner.learn("known", exchange(at(fake.address.clone(), named.cert.pem()))).await;
    learner.live("known").await;
    assert_eq!(learner.ask(md5_signal("v1")).await, Disposition::Block);
}

#[tokio::test]
async fn a_file_of_the_operators_folder_is_read_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let csv = format!("hash,class\n{},A\n{},B\n", md5_of("one"), md5_of("two"));
    std::fs::write(folder.path().join("list.csv"), csv).unwrap();
    let inside = folder.path().to_owned();
    let learner = Learner::start_with(|settings| settings.exchanges.folder = Some(inside)).await;
    let file = v1::exchange::Kind::File(v1::FileExchange {
        url: "file:list.csv".into(),
        format: v1::ImportFormat::Csv.into(),
        signal_type: v1::SignalType::Md5.into(),
        columns: Some(v1::CsvColumns {
            value: "hash".into(),
            classification: "class".into(),
            ..Default::default()
        }),
        ..Default::default()
    });
    learner.learn("list", exchange(file)).await;
    learner.live("list").await;
    assert_eq!(learner.ask(md5_signal("two")).await, Disposition::Block);
    let not_listed = learner.ask(md5_signal("never listed")).await;
    std::fs::write(folder.path().join("list.csv"), format!("hash,class\n{},A\n", md5_of("two")))
        .unwrap();
    learner.becomes(md5_signal("one"), not_listed).await;
    let wanted = [
        ("file:../list.csv", "exchange.file.url"),
        ("file:/etc/passwd", "exchange.file.url"),
        ("https://lists.example/x", "exchange.file.url"),
        ("http://169.254.169.254/latest", "exchange.file.url"),
        ("https://user:word@127.0.0.1/x", "exchange.file.url"),
    ];
    for (url, field) in wanted {
        let request = v1::CreateExchangeRequest {
            exchange_id: "other".into(),
            exchange: Some(exchange(at(url.into(), String::new()))),
            ..Default::default()
        };
        let refused = learner.curator.exchanges().create_exchange(request).await;
        assert_eq!(bad_fields(refused), [field], "{url}");
    }
    let told = v1::CreateExchangeRequest {
        exchange_id: "other".into(),
        exchange: Some(v1::Exchange {
            gives_feedback: true,
            ..exchange(at("file:list.csv".into(), String::new()))
        }),
        ..Default::default()
    };
    let refused = learner.curator.exchanges().create_exchange(told).await;
    assert_eq!(bad_fields(refused), ["exchange.gives_feedback"], "a file hears nothing");
}
