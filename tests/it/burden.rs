//! A real server under hostile uploads: its memory stays within its budget, and a healthy caller is served.

use crate::binary::Server;
use crate::service::*;
use crate::streams::upload;
use bulwark::proto::v1;
use std::io::{Read as _, Write as _};
use std::path::Path;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use v1::{CheckState, Disposition};

fn deflated_zeros(len: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("zeros", zip::write::SimpleFileOptions::default()).unwrap();
    let block = vec![0; 1 << 20];
    let mut left = len;
    while left > 0 {
        let some = left.min(block.len());
        writer.write_all(&block[..some]).unwrap();
        left -= some;
    }
    let mut archive = zip::ZipArchive::new(writer.finish().unwrap()).unwrap();
    let mut raw = Vec::new();
    archive.by_index_raw(0).unwrap().read_to_end(&mut raw).unwrap();
    raw
}

/// A whole and valid PNG of one colour, two colours deep.
fn one_colour_png(side: usize) -> Vec<u8> {
    let len = side * (1 + side.div_ceil(8));
    let adler = (u32::try_from(len % 65_521).unwrap() << 16) | 1;
    let data = [&[0x78, 0x9c][..], &deflated_zeros(len), &adler.to_be_bytes()].concat();
    let side = u32::try_from(side).unwrap().to_be_bytes();
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        crate::hostile::chunk(b"IHDR", &header),
        crate::hostile::chunk(b"IDAT", &data),
        crate::hostile::chunk(b"IEND", &[]),
    ]
    .concat()
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let block: Vec<u8> = (0..1 << 16)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    block.into_iter().cycle().take(len).collect()
}

pub fn caller(server: &Server, key: &str) -> Caller {
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect_lazy();
    Caller { channel: InterceptedService::new(channel, WithKey::of(key)) }
}

/// A server with a bank that lists picture 1, and a key that screens there.
pub async fn prepared(folder: &Path, settings: &[&str]) -> (Server, String) {
    let server = Server::start_with(&folder.join("data"), settings);
    let admin = server.first_key.clone().expect("a first key");
    let mut admin = caller(&server, &admin).admin();
    let made = admin.create_credential(v1::CreateCredentialRequest {
        credential: Some(v1::Credential {
            tenant_id: "operator".into(),
            environment: v1::Environment::Test.into(),
            roles: vec![v1::Role::BankManager.into(), v1::Role::Screener.into()],
            proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
            ..Default::default()
        }),
        ..Default::default()
    });
    let key = made.await.expect("made").into_inner().key;
    let staff = caller(&server, &key);
    staff.banks().create_bank(bank("known")).await.expect("made");
    staff.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    (server, key)
}

async fn uploaded(caller: &Caller, content: &[u8]) -> Result<v1::Verdict, Status> {
    let chunks: Vec<&[u8]> = content.chunks(64 << 10).collect();
    let steps = tokio_stream::iter(upload(context("x"), &chunks));
    let mut answer = caller.screening().screen_upload(steps).await?.into_inner();
    let mut last = None;
    while let Some(said) = answer.message().await? {
        if let Some(v1::screen_upload_response::Step::Verdict(verdict)) = said.step {
            last = Some(verdict);
        }
    }
    Ok(last.expect("a verdict comes last"))
}

/// Screens a harmless picture over a connection of its own until told to stop; every call must be answered well.
fn healthy(
    server: &Server,
    key: &str,
    stop: tokio_util::sync::CancellationToken,
) -> tokio::task::JoinHandle<u32> {
    let caller = caller(server, key);
    tokio::spawn(async move {
        let mut served = 0;
        while !stop.is_cancelled() {
            let answer = caller.screening().screen_media(media("h", png(2))).await;
            let verdict = answer.expect("served").into_inner().verdict.unwrap();
            assert_eq!(verdict.disposition(), Disposition::Allow, "call {served}");
            served += 1;
        }
        served
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_uploads_are_never_allowed_and_cost_the_server_no_more_memory_than_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let (server, key) = prepared(folder.path(), &["media.item_time_max=60 s"]).await;
    let hostile = caller(&server, &key);
    uploaded(&hostile, &png(3)).await.expect("warm");
    let stop = tokio_util::sync::CancellationToken::new();
    let beside = healthy(&server, &key, stop.clone());
    let before = server.figure("VmRSS");

    let huge = one_colour_png(30_000);
    assert!(huge.len() < 1 << 20, "small to send: {}", huge.len());
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for place in 0..4 {
        bomb.start_file(format!("{place}"), zip::write::SimpleFileOptions::default()).unwrap();
        for _ in 0..100 {
            bomb.write_all(&vec![0; 1 << 20]).unwrap();
        }
    }
    let bomb = bomb.finish().unwrap().into_inner();
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let large = 12 << 20;
    let items: Vec<(&str, Vec<u8>)> = vec![
        ("30,000 by 30,000", huge.clone()),
        ("half of that", cut(huge)),
        ("a zip of 400 MiB of zeros", bomb.clone()),
        ("half of that", cut(bomb)),
        ("noise", noise(large, 1)),
        ("zeros", vec![0; large]),
        ("noise as a JPEG", [&[0xff, 0xd8, 0xff, 0xe0][..], &noise(large, 2)].concat()),
        ("noise as a GIF", [b"GIF89a", &noise(large, 3)[..]].concat()),
        ("half a picture", cut(png(1))),
        ("a word", b"x".to_vec()),
    ];
    let sent: usize = items.iter().map(|(_, bytes)| bytes.len()).sum();
    let calls = items.into_iter().map(|(name, bytes)| {
        let hostile = hostile.clone();
        tokio::spawn(async move { (name, uploaded(&hostile, &bytes).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (name, answer) = call.await.expect("no panic");
        let verdict = answer.unwrap_or_else(|status| panic!("{name}: {status}"));
        assert!(verdict.disposition() >= Disposition::Hold, "{name}: {verdict:?}");
        let typed = verdict.coverage.iter().any(|row| {
            !matches!(
                row.state(),
                CheckState::Checked | CheckState::NotApplicable | CheckState::Unspecified
            )
        });
        assert!(typed && verdict.incomplete.is_some(), "{name}: {verdict:?}");
        if name == "30,000 by 30,000" {
            let rows = verdict.coverage.iter().filter(|row| row.check() == v1::Check::ImageMatch);
            let states: Vec<_> = rows.map(v1::CheckCoverage::state).collect();
            assert_eq!(states, [CheckState::TooLarge], "{name}");
        }
    }
    // Callers that go away in the middle, again and again.
    let chunk = noise(64 << 10, 4);
    for _ in 0..20 {
        let steps = upload(context("x"), &vec![&chunk[..]; 32]);
        let steps = tokio_stream::StreamExt::chain(
            tokio_stream::iter(steps.into_iter().take(30)),
            tokio_stream::pending(),
        );
        let mut answer =
            hostile.screening().screen_upload(steps).await.expect("begun").into_inner();
        assert!(answer.message().await.expect("accepted").is_some());
        drop(answer);
    }
    stop.cancel();
    let served = beside.await.expect("a healthy caller is served");
    let (peak, after) = (server.figure("VmHWM"), server.figure("VmRSS"));
    println!(
        "{before} KiB before, {peak} KiB at most, {after} KiB after {sent} bytes; {served} calls beside"
    );
    assert!(served >= 2, "{served} calls came through while the others kept the one worker busy");
    // Uploads lie in sealed memory that the server itself does not map, so that even these cost it next to nothing.
    assert!(peak <= before + (32 << 10), "{peak} KiB at most, {before} KiB before");
    assert_eq!(server.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_beyond_the_budget_of_bytes_are_refused_and_the_memory_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["limits.in_flight_bytes=16 MiB", "media.item_time_max=60 s"];
    let (server, key) = prepared(folder.path(), &settings).await;
    let hostile = caller(&server, &key);
    uploaded(&hostile, &png(3)).await.expect("warm");
    let before = server.figure("VmRSS");
    let content = std::sync::Arc::new(noise(8 << 20, 5));
    let calls = (0..12).map(|_| {
        let (hostile, content) = (hostile.clone(), content.clone());
        tokio::spawn(async move { uploaded(&hostile, &content).await })
    });
    let mut refusals = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.expect("no panic") {
            Ok(verdict) => assert_eq!(verdict.disposition(), Disposition::Hold),
            refusal => {
                let reason = refused(refusal);
                assert_eq!(reason, (Code::ResourceExhausted, "OVER_CAPACITY".into()));
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0, "96 MiB at once are more than 16");
    let peak = server.figure("VmHWM");
    println!("{before} KiB before, {peak} KiB at most; {refusals} of 12 refused");
    assert!(peak <= before + (32 << 10), "{peak} KiB at most, {before} KiB before");
    let verdict = uploaded(&hostile, &png(1)).await.expect("the budget is free again");
    assert_eq!(verdict.disposition(), Disposition::Block);
    assert_eq!(server.stop(), 0);
}
