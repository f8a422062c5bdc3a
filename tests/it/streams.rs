//! Every message of every stream is held to the same rules as a unary request.

use crate::descriptor::without_each_required;
use crate::service::*;
use bulwark::proto::v1;
use prost::Message;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// Sends messages on a stream by its path, and gives how the stream ended.
pub async fn stream<M>(caller: &Caller, path: &'static str, messages: Vec<M>) -> Result<(), Status>
where
    M: Message + Default + 'static,
{
    let mut client = tonic::client::Grpc::new(caller.channel.clone());
    client.ready().await.expect("ready");
    let path = http::uri::PathAndQuery::from_static(path);
    let codec = ProstCodec::<M, ()>::default();
    let request = tonic::Request::new(tokio_stream::iter(messages));
    let mut answers = client.streaming(request, path, codec).await?.into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}

/// Checks that a good stream passes, and that every required thing left out of any of its messages is refused by name.
/// What is wrong with one item of a batch is no refusal; `passed_over` says so.
async fn each_is_named<M>(
    caller: &Caller,
    path: &'static str,
    name: &str,
    good: Vec<M>,
    passed_over: &str,
) -> usize
where
    M: Message + Default + Clone + 'static,
{
    stream(caller, path, good.clone()).await.expect("the good stream passes");
    let mut tried = 0;
    for place in 0..good.len() {
        for (field, lacking) in without_each_required(name, &good[place]) {
            if !passed_over.is_empty() && field.starts_with(passed_over) {
                continue;
            }
            let mut messages = good.clone();
            messages[place] = lacking;
            let status = stream(caller, path, messages).await;
            let named = bad_fields(status);
            assert!(named.contains(&field), "{path}: {field} is not among {named:?}");
            tried += 1;
        }
    }
    tried
}

/// The steps of an upload for a verdict, with chunks of this size.
pub fn upload(context: v1::Context, chunks: &[&[u8]]) -> Vec<v1::ScreenUploadRequest> {
    use v1::screen_upload_request::Step;
    let open = v1::ScreenUploadOpen { context: Some(context), ..Default::default() };
    let chunks = chunks.iter().enumerate().map(|(place, data)| {
        Step::Chunk(v1::MediaChunk { number: place as u64 + 1, data: data.to_vec().into() })
    });
    std::iter::once(Step::Open(open))
        .chain(chunks)
        .chain(std::iter::once(Step::Finish(v1::MediaFinish {})))
        .map(|step| v1::ScreenUploadRequest { step: Some(step) })
        .collect()
}

fn hashing(sent: &[v1::ScreenUploadRequest]) -> Vec<v1::HashMediaRequest> {
    use v1::hash_media_request::Step as To;
    use v1::screen_upload_request::Step as From;
    sent.iter()
        .map(|sent| match sent.step.clone().expect("a step") {
            From::Open(_) => To::Open(v1::HashMediaOpen::default()),
            From::Chunk(chunk) => To::Chunk(chunk),
            From::Finish(finish) => To::Finish(finish),
        })
        .map(|step| v1::HashMediaRequest { step: Some(step) })
        .collect()
}

/// One batch of items, from the opening of its stream on.
pub fn batches(items: Vec<v1::SignalsItem>) -> Vec<v1::ScreenSignalsBatchRequest> {
    use v1::screen_signals_batch_request::Step;
    let open = v1::ScreenSignalsBatchOpen { context: Some(context("")) };
    [Step::Open(open), Step::Batch(v1::SignalsBatch { number: 1, items })]
        .map(|step| v1::ScreenSignalsBatchRequest { step: Some(step) })
        .to_vec()
}

fn import(bank: &str) -> Vec<v1::ImportEntriesRequest> {
    use v1::import_entries_request::Step;
    let columns = v1::CsvColumns { value: "hash".into(), ..Default::default() };
    let open = v1::ImportOpen {
        bank_id: bank.into(),
        format: v1::ImportFormat::Csv.into(),
        signal_type: v1::SignalType::Md5.into(),
        columns: Some(columns),
        ..Default::default()
    };
    let data = format!("hash\n{}\n", "b".repeat(32)).into_bytes().into();
    [Step::Open(open), Step::Chunk(v1::ImportChunk { number: 1, data })]
        .map(|step| v1::ImportEntriesRequest { step: Some(step) })
        .to_vec()
}

const UPLOAD: &str = "/bulwark.v1.ScreeningService/ScreenUpload";
const HASH: &str = "/bulwark.v1.ScreeningService/HashMedia";
const BATCH: &str = "/bulwark.v1.ScreeningService/ScreenSignalsBatch";
const IMPORT: &str = "/bulwark.v1.BankService/ImportEntries";

fn item() -> v1::SignalsItem {
    v1::SignalsItem { item_id: "i".into(), signals: vec![md5("a")], ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_required_field_left_out_of_a_stream_is_refused_by_name() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let sent = upload(context("i"), &[b"words", b"more words"]);
    let mut tried = 0;
    tried += each_is_named(&screener, UPLOAD, "ScreenUploadRequest", sent.clone(), "").await;
    tried += each_is_named(&screener, HASH, "HashMediaRequest", hashing(&sent), "").await;
    let sent = batches(vec![item()]);
    let name = "ScreenSignalsBatchRequest";
    tried += each_is_named(&screener, BATCH, name, sent, "batch.items[").await;
    tried += each_is_named(&curator, IMPORT, "ImportEntriesRequest", import("known"), "").await;
    assert!(tried >= 30, "only {tried} were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_required_field_left_out_of_an_item_is_named_beside_the_other_items() {
    use v1::screen_signals_batch_response::Step;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let lacking = without_each_required("SignalsItem", &item());
    assert!(lacking.len() >= 3);
    let mut items: Vec<_> = lacking.iter().map(|(_, item)| item.clone()).collect();
    items.push(item());
    let steps = tokio_stream::iter(batches(items));
    let answer = screener.screening().screen_signals_batch(steps).await.expect("begun");
    let mut answer = answer.into_inner();
    let mut rows = Vec::new();
    while let Some(said) = answer.message().await.expect("answered") {
        if let Some(Step::Result(result)) = said.step {
            rows.extend(result.items);
        }
    }
    assert_eq!(rows.len(), lacking.len() + 1);
    for ((field, _), row) in lacking.iter().zip(&rows) {
        assert_eq!(row.disposition(), v1::Disposition::Hold, "{field}");
        assert!(row.faults.iter().any(|fault| fault.field == *field), "{field}: {:?}", row.faults);
        assert!(row.verdict.is_none(), "nothing was examined");
    }
    assert_eq!(rows[lacking.len()].disposition(), v1::Disposition::Block);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_out_of_turn_ends_every_stream() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let order = (Code::InvalidArgument, "STREAM_ORDER".to_owned());
    let good = upload(context("i"), &[b"words", b"more words"]);
    let (open, one, two, finish) = (0, 1, 2, 3);
    let wrong: [&[usize]; 8] = [
        &[],
        &[one, two, finish],
        &[finish],
        &[open, open],
        &[open, two],
        &[open, one, one, finish],
        &[open, one, open, finish],
        &[open, one, two],
    ];
    for turns in wrong {
        let sent: Vec<_> = turns.iter().map(|turn| good[*turn].clone()).collect();
        let hashed = stream(&screener, HASH, hashing(&sent)).await;
        assert_eq!(refused(hashed), order, "HashMedia {turns:?}");
        assert_eq!(refused(stream(&screener, UPLOAD, sent).await), order, "{turns:?}");
    }
    let good = batches(vec![item()]);
    for turns in [&[1][..], &[0, 0], &[0, 1, 1], &[0, 1, 0]] {
        let sent: Vec<_> = turns.iter().map(|turn| good[*turn].clone()).collect();
        assert_eq!(refused(stream(&screener, BATCH, sent).await), order, "batch {turns:?}");
    }
    let good = import("known");
    for turns in [&[][..], &[1], &[0, 0], &[0, 1, 1]] {
        let sent: Vec<_> = turns.iter().map(|turn| good[*turn].clone()).collect();
        assert_eq!(refused(stream(&curator, IMPORT, sent).await), order, "import {turns:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_its_limit_is_ended_where_it_passes_it() {
    let service = Service::start_with(|settings| {
        settings.limits.upload_bytes_max = bulwark::config::Bytes(256 << 10);
    })
    .await;
    let screener = service.staff().await.1;
    let chunk = vec![7; 64 << 10];
    let chunks = vec![&chunk[..]; 5];
    let too_large = (Code::OutOfRange, "UPLOAD_TOO_LARGE".to_owned());
    let sent = upload(context("i"), &chunks);
    assert_eq!(refused(stream(&screener, HASH, hashing(&sent)).await), too_large);
    assert_eq!(refused(stream(&screener, UPLOAD, sent).await), too_large);
    stream(&screener, UPLOAD, upload(context("i"), &chunks[..4])).await.expect("just within");
    let long = vec![7; (64 << 10) + 1];
    let named = bad_fields(stream(&screener, UPLOAD, upload(context("i"), &[&long])).await);
    assert_eq!(named, ["chunk.data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_beyond_its_limits_is_refused_whole() {
    let service = Service::start().await;
    let screener = service.staff().await.1;
    let named = |sent| async { bad_fields(stream(&screener, BATCH, sent).await) };
    let many = named(batches(vec![item(); 1025])).await;
    assert!(many.iter().all(|field| field == "batch.items"), "{many:?}");
    let wide = v1::SignalsItem { signals: vec![md5("a"); 256], ..item() };
    assert_eq!(named(batches(vec![wide.clone(); 5])).await, ["batch.items"]);
    stream(&screener, BATCH, batches(vec![wide; 4])).await.expect("just within");
    let mut sent = batches(vec![item()]);
    let of_one = v1::Context { recheck_token: "v".into(), ..context("i") };
    sent[0].step = Some(v1::screen_signals_batch_request::Step::Open(v1::ScreenSignalsBatchOpen {
        context: Some(of_one),
    }));
    assert_eq!(named(sent).await, ["open.context.recheck_token", "open.context.item_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_message_that_would_take_much_memory_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let service = crate::burden::prepared(folder.path(), &["limits.in_flight_bytes=16 MiB"]).await;
    let screener = crate::burden::caller(&service.0, &service.1);
    let asking = |signals: usize| v1::ScreenSignalsRequest {
        context: Some(context("i")),
        signals: vec![v1::Signal::default(); signals],
        ..Default::default()
    };
    let before = service.0.figure("VmHWM");
    for signals in [4096, 100_000] {
        let (code, reason) = refused(screener.screening().screen_signals(asking(signals)).await);
        assert_eq!((code, &*reason), (Code::OutOfRange, "MESSAGE_TOO_LARGE"), "{signals}");
    }
    // What lies deeper is counted against the budget of memory as what it may become.
    let item = v1::SignalsItem { signals: vec![v1::Signal::default(); 400_000], ..item() };
    let sent = batches(vec![item]);
    assert_eq!(refused(stream(&screener, BATCH, sent).await).1, "OVER_CAPACITY");
    let peak = service.0.figure("VmHWM");
    assert!(peak < before + (32 << 10), "{before} KiB before, {peak} KiB at most");
    let few = screener.screening().screen_signals(asking(256)).await;
    assert_eq!(refused(few).1, "FIELD_INVALID");
}
