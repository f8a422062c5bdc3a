//! Look-back as callers meet it: surfaces that remember, a stream that is taken up again, items that are forgotten.

use crate::binary::Server;
use crate::kill;
use crate::service::*;
use bulwark::proto::v1;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Streaming};
use v1::watch_lookback_response::Event;
use v1::{Environment, Role};

/// Longest wait for what should come within a second, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// A curator, and a screener who sees no detail.
async fn staff(service: &Service) -> (Caller, Caller) {
    let screener = service.with_roles("operator", Environment::Test, &[Role::Screener]).await;
    (service.staff().await.0, screener)
}

/// Has the surface of uploads remember items for so many seconds, or not at all.
pub async fn remember(admin: &Caller, seconds: Option<i64>) {
    let window = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
    let update = v1::UpdateSurfaceRequest {
        surface: Some(v1::Surface {
            surface_id: "upload".into(),
            environment: Environment::Test.into(),
            lookback_window: window,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["lookback_window".into()] }),
        request_id: String::new(),
    };
    let updated = admin.admin().update_surface(update).await.expect("updated").into_inner();
    assert_eq!(updated.surface.expect("a surface").lookback_window, window);
}

pub async fn watch(caller: &Caller, after: &str) -> Streaming<v1::WatchLookbackResponse> {
    let request = v1::WatchLookbackRequest { after: after.to_owned() };
    caller.screening().watch_lookback(request).await.expect("a stream").into_inner()
}

async fn next(stream: &mut Streaming<v1::WatchLookbackResponse>) -> Event {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
    next.expect("a message").expect("no end").event.expect("an event")
}

/// The next pair, with signs of life passed over.
pub async fn pair(stream: &mut Streaming<v1::WatchLookbackResponse>) -> v1::LookbackPair {
    loop {
        if let Event::Pair(pair) = next(stream).await {
            return pair;
        }
    }
}

fn signals(item: &str, digit: &str) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(context(item)),
        signals: vec![md5(digit)],
        ..Default::default()
    }
}

async fn add(curator: &Caller, signals: Vec<v1::Signal>) -> String {
    let added = curator.banks().add_entry(entry("known", signals)).await.expect("added");
    added.into_inner().entry.expect("an entry").entry_id
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_screening_is_remembered_and_told_once_a_bank_learns() {
    let service = Service::start().await;
    let (curator, screener) = staff(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    // Nothing is remembered that nobody asked for.
    screener.screening().screen_signals(signals("before", "a")).await.expect("screened");
    remember(&service.admin(), Some(3600)).await;

    let shown = png(1);
    screener.screening().screen_media(media("by-media", shown.clone())).await.expect("screened");
    let chunks: Vec<&[u8]> = shown.chunks(60_000).collect();
    let uploads = crate::streams::upload(context("by-upload"), &chunks);
    let upload = screener.screening().screen_upload(tokio_stream::iter(uploads)).await;
    let last = upload.expect("answers").into_inner().collect::<Vec<_>>().await;
    assert!(last.iter().all(Result::is_ok), "{last:?}");
    screener.screening().screen_signals(signals("by-signals", "a")).await.expect("screened");
    let items = vec![v1::SignalsItem {
        item_id: "by-batch".into(),
        signals: vec![md5("a")],
        ..Default::default()
    }];
    let batches = crate::streams::batches(items);
    let batch = screener.screening().screen_signals_batch(tokio_stream::iter(batches)).await;
    let last = batch.expect("answers").into_inner().collect::<Vec<_>>().await;
    assert!(last.iter().all(Result::is_ok), "{last:?}");
    // Who gives no name cannot be told.
    screener.screening().screen_signals(signals("", "a")).await.expect("screened");

    let mut stream = watch(&screener, "").await;
    let Event::Heartbeat(first) = next(&mut stream).await else {
        panic!("opens with a sign of life")
    };
    assert!(first.heartbeat_interval.is_some());
    add(&curator, vec![md5("a")]).await;
    let mut told = [pair(&mut stream).await, pair(&mut stream).await];
    told.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    let names: Vec<_> = told.iter().map(|pair| pair.item_id.as_str()).collect();
    assert_eq!(names, ["by-batch", "by-signals"]);
    // A picture is told by its hash, too, when it was turned.
    curator.banks().add_entry(entry_of("known", shown)).await.expect("added");
    let mut told = [pair(&mut stream).await, pair(&mut stream).await];
    told.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    let names: Vec<_> = told.iter().map(|pair| pair.item_id.as_str()).collect();
    assert_eq!(names, ["by-media", "by-upload"]);
    // What a verdict tells is not told again.
    screener.screening().screen_signals(signals("afterwards", "a")).await.expect("screened");
    let entry = add(&curator, vec![md5("b")]).await;
    screener.screening().screen_signals(signals("the-end", "c")).await.expect("screened");
    tokio::time::sleep(Duration::from_millis(400)).await;
    add(&curator, vec![md5("c")]).await;
    assert_eq!(pair(&mut stream).await.item_id, "the-end");
    assert!(!entry.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_it_was_left_also_after_a_start_and_shows_what_a_role_may_see() {
    let service = Service::start().await;
    let (curator, screener) = staff(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    remember(&service.admin(), Some(3600)).await;
    for (item, digit) in [("i1", "1"), ("i2", "2"), ("i3", "3")] {
        screener.screening().screen_signals(signals(item, digit)).await.expect("screened");
    }
    let mut stream = watch(&screener, "").await;
    let first = add(&curator, vec![md5("1")]).await;
    let one = pair(&mut stream).await;
    assert_eq!((one.item_id.as_str(), one.surface_id.as_str()), ("i1", "upload"));
    assert_eq!(one.pair_id.len(), 32);
    // A screener is told what the match asks for, not what matched.
    let bare = one.r#match.expect("a match");
    assert!(one.detail_withheld && bare.entry_id.is_empty() && one.entry_state == 0);
    assert_eq!(bare.disposition, i32::from(v1::Disposition::Block));
    add(&curator, vec![md5("2")]).await;
    let two = pair(&mut stream).await;
    drop(stream);

    // The role that sees detail sees the entry.
    let roles = [Role::Reviewer];
    let reviewer = service.with_roles("operator", Environment::Test, &roles).await;
    let again = pair(&mut watch(&reviewer, "").await).await;
    let found = again.r#match.expect("a match");
    assert_eq!((found.bank_id.as_str(), found.entry_id), ("known", first));
    assert_eq!((again.pair_id, again.detail_withheld), (one.pair_id, false));
    assert_eq!(again.entry_state, i32::from(v1::EntryState::Active));
    // Others have no business with it, nor has another environment.
    let bad = watch_refused(&curator, "").await;
    assert_eq!(bad, (Code::PermissionDenied, "ROLE_MISSING".into()));
    let elsewhere =
        service.with_roles("operator", Environment::Production, &[Role::Screener]).await;
    let mut stream = watch(&elsewhere, "").await;
    assert!(matches!(next(&mut stream).await, Event::Heartbeat(_)));
    drop(stream);

    let service = service.restart().await;
    let (curator, screener) = staff(&service).await;
    let mut stream = watch(&screener, &two.cursor).await;
    add(&curator, vec![md5("3")]).await;
    let three = pair(&mut stream).await;
    assert_eq!(three.item_id, "i3");
    // From the beginning all of them stand, under the same names.
    let mut stream = watch(&screener, "").await;
    let names = [pair(&mut stream).await, pair(&mut stream).await, pair(&mut stream).await];
    let ids: Vec<_> = names.iter().map(|pair| pair.pair_id.as_str()).collect();
    assert!(ids.contains(&two.pair_id.as_str()) && ids.contains(&three.pair_id.as_str()));
}

async fn watch_refused(caller: &Caller, after: &str) -> (Code, String) {
    let request = v1::WatchLookbackRequest { after: after.to_owned() };
    refused(caller.screening().watch_lookback(request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_does_not_read_is_refused_by_name() {
    let service = Service::start().await;
    let (_, screener) = staff(&service).await;
    for bad in ["x", "x.", ".1", "x.-1", "x.1.1", "ä.1", "x.99999999999999999999"] {
        let request = v1::WatchLookbackRequest { after: bad.to_owned() };
        let named = bad_fields(screener.screening().watch_lookback(request).await);
        assert_eq!(named, ["after"], "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_signs_of_life_and_ends_with_its_time_or_its_credential() {
    let service = Service::start_with(|settings| {
        settings.limits.stream_heartbeat = Duration::from_millis(300);
    })
    .await;
    let (_, screener) = staff(&service).await;
    let mut stream = watch(&screener, "").await;
    for _ in 0..3 {
        assert!(matches!(next(&mut stream).await, Event::Heartbeat(_)));
    }
    let mut request = Request::new(v1::WatchLookbackRequest::default());
    request.set_timeout(Duration::from_millis(700));
    let short = screener.screening().watch_lookback(request).await.expect("a stream").into_inner();
    let said = short.collect::<Vec<_>>().await;
    assert_eq!(
        said.last().expect("an end").as_ref().expect_err("late").code(),
        Code::DeadlineExceeded
    );
    // Whoever is let in no more is told so.
    let list = v1::ListCredentialsRequest::default();
    let admin = service.admin();
    let known = admin.admin().list_credentials(list).await.expect("listed").into_inner();
    let is_screener = |one: &&v1::Credential| one.roles.contains(&Role::Screener.into());
    for credential in known.credentials.iter().filter(is_screener) {
        let id = credential.credential_id.clone();
        let revoke = v1::RevokeCredentialRequest { credential_id: id, ..Default::default() };
        admin.admin().revoke_credential(revoke).await.expect("revoked");
    }
    let ended = loop {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
        if let Err(status) = next.expect("an end that is said") {
            break status;
        }
    };
    assert_eq!(refused::<()>(Err(ended)).1, "CREDENTIAL_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_item_is_told_no_more_and_only_by_its_own_tenant_and_environment() {
    let service = Service::start().await;
    let (curator, screener) = staff(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    remember(&service.admin(), Some(3600)).await;
    for item in ["mine", "other"] {
        screener.screening().screen_signals(signals(item, "a")).await.expect("screened");
    }
    let elsewhere =
        service.with_roles("operator", Environment::Production, &[Role::Screener]).await;
    let forget = || v1::ForgetItemRequest { item_id: "mine".into() };
    let count = elsewhere.screening().forget_item(forget()).await.expect("answered").into_inner();
    assert_eq!(count.forgotten_count, 0);
    let count = screener.screening().forget_item(forget()).await.expect("answered").into_inner();
    assert_eq!(count.forgotten_count, 1);
    let mut stream = watch(&screener, "").await;
    add(&curator, vec![md5("a")]).await;
    assert_eq!(pair(&mut stream).await.item_id, "other");
    let later = tokio::time::timeout(Duration::from_millis(500), pair(&mut stream)).await;
    assert!(later.is_err(), "forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_outside_its_bounds_is_refused_by_name() {
    let service = Service::start().await;
    let admin = service.admin();
    for seconds in [0, -1, 366 * 86_400 + 1] {
        let update = v1::UpdateSurfaceRequest {
            surface: Some(v1::Surface {
                surface_id: "upload".into(),
                environment: Environment::Test.into(),
                lookback_window: Some(prost_types::Duration { seconds, nanos: 0 }),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["lookback_window".into()] }),
            request_id: String::new(),
        };
        let named = bad_fields(admin.admin().update_surface(update).await);
        assert_eq!(named, ["surface.lookback_window"], "{seconds}");
    }
    remember(&admin, Some(1)).await;
    remember(&admin, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_coming_back_is_listed_in_pages_with_the_entry_it_matches() {
    let service = Service::start().await;
    let (curator, screener) = staff(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    remember(&service.admin(), Some(3600)).await;
    let screen = async |item: String, digit: &str| {
        screener.screening().screen_signals(signals(&item, digit)).await.expect("screened");
    };
    for (digit, count) in [("a", 3), ("b", 5), ("c", 1), ("d", 2)] {
        for number in 0..count {
            screen(format!("{digit}{number}"), digit).await;
        }
    }
    // The same item again is no other one.
    screen("d0".to_owned(), "d").await;
    let found = add(&curator, vec![md5("b")]).await;
    // What was screened is written within a moment.
    screener
        .screening()
        .forget_item(v1::ForgetItemRequest { item_id: "c0".into() })
        .await
        .expect("answered");
    let roles = [Role::Reviewer];
    let reviewer = service.with_roles("operator", Environment::Test, &roles).await;
    let ask = |token: &str| v1::ListClustersRequest { page_size: 2, page_token: token.to_owned() };
    let first = reviewer.screening().list_clusters(ask("")).await.expect("listed").into_inner();
    let shape = |list: &v1::ListClustersResponse| -> Vec<(u32, String, String)> {
        let of = |one: &v1::LookbackCluster| {
            (one.item_count, one.first_item_id.clone(), one.last_item_id.clone())
        };
        list.clusters.iter().map(of).collect()
    };
    let group = |count, first: &str, last: &str| (count, first.to_owned(), last.to_owned());
    assert_eq!(shape(&first), [group(5, "b0", "b4"), group(3, "a0", "a2")]);
    let entry = first.clusters[0].entry.as_ref().expect("a listed entry");
    assert_eq!((entry.bank_id.as_str(), &entry.entry_id), ("known", &found));
    assert!(first.clusters[1].entry.is_none() && first.clusters[0].first_screen_time.is_some());
    assert!(first.item_count >= 10);
    let token = first.next_page_token;
    let second =
        reviewer.screening().list_clusters(ask(&token)).await.expect("listed").into_inner();
    assert_eq!(shape(&second), [group(2, "d0", "d1")]);
    assert_eq!(second.next_page_token, "");
    // Roles that see no detail are told no entry; nobody else has business with it.
    let bare = screener.screening().list_clusters(ask("")).await.expect("listed").into_inner();
    assert!(bare.clusters[0].item_count == 5 && bare.clusters[0].entry.is_none());
    assert_eq!(refused(curator.screening().list_clusters(ask("")).await).1, "ROLE_MISSING");
    let elsewhere =
        service.with_roles("operator", Environment::Production, &[Role::Reviewer]).await;
    let none = elsewhere.screening().list_clusters(ask("")).await.expect("listed").into_inner();
    assert_eq!((none.clusters.len(), none.item_count), (0, 0));
    for bad in ["x", token.as_str()] {
        let named = bad_fields(elsewhere.screening().list_clusters(ask(bad)).await);
        assert_eq!(named, ["page_token"], "of nothing, or of another list");
    }
}

fn value(name: u64) -> v1::Signal {
    signal(v1::SignalType::Md5, format!("{name:032x}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_tells_all_that_was_screened_a_second_before_behind_the_last_cursor() {
    let kills = if std::env::var_os("BULWARK_LONG").is_some() { 50 } else { 5 };
    let folder = tempfile::tempdir().expect("a directory");
    let data = folder.path().join("data");
    let mut server = Server::start(&data);
    let key = kill::staffed(&server).await;
    let admin_key = server.first_key.clone().expect("a first key");
    remember(&Caller { channel: kill::channel(&server.url, &admin_key) }, Some(3600)).await;
    let (mut next_item, mut after, mut all) = (1_000_u64, String::new(), BTreeSet::new());
    for round in 0..kills {
        let caller = Caller { channel: kill::channel(&server.url, &key) };
        let (began, mut screened) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_millis(1_500 + round * 37 % 200) {
            let ask = v1::ScreenSignalsRequest {
                context: Some(context(&format!("i{next_item}"))),
                signals: vec![value(next_item)],
                ..Default::default()
            };
            caller.screening().screen_signals(ask).await.expect("screened");
            screened.push((next_item, Instant::now()));
            next_item += 1;
        }
        // A bank learns some of them, and the server is gone before or after it has searched for them.
        let is_old = |at: &Instant| at.elapsed() > Duration::from_secs(1);
        let old: Vec<u64> = screened.iter().filter(|(_, at)| is_old(at)).map(|(n, _)| *n).collect();
        assert!(old.len() > 10, "the load was real");
        let mut owed = BTreeSet::new();
        for item in old.iter().step_by(old.len() / 10) {
            let learned = entry("known", vec![value(*item)]);
            caller.banks().add_entry(learned).await.expect("added");
            owed.insert(format!("i{item}"));
        }
        tokio::time::sleep(Duration::from_millis(round * 13 % 50)).await;
        server.kill();
        server = Server::start(&data);
        let caller = Caller { channel: kill::channel(&server.url, &key) };
        let mut stream = watch(&caller, &after).await;
        all.extend(owed.iter().cloned());
        while !owed.is_empty() {
            let told = pair(&mut stream).await;
            owed.remove(&told.item_id);
            after = told.cursor;
        }
    }
    let caller = Caller { channel: kill::channel(&server.url, &key) };
    let mut stream = watch(&caller, "").await;
    while !all.is_empty() {
        all.remove(&pair(&mut stream).await.item_id);
    }
    drop(stream);
    assert_eq!(server.stop(), 0);
    let (code, said) = kill::verify(&data);
    assert_eq!(code, 0, "{said}");
}
