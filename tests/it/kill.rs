//! A server that is killed under load: what it acknowledged is there, once, and its journal is whole.

use crate::binary::{Server, bulwark, text};
use crate::service::{WithKey, bank, context, entry, signal};
use bulwark::core::event::Event;
use bulwark::io::clock::Clock;
use bulwark::io::store::{self, Store};
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use bulwark::server::whole::existing_keys;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// Calls with a key.
pub type Keyed = InterceptedService<Channel, WithKey>;

/// What was acknowledged, and what was asked and not answered when the server went.
#[derive(Default)]
pub struct Acknowledged {
    /// Entries by the value's number, which is their note too.
    pub added: BTreeMap<u64, String>,
    pub removed: BTreeSet<String>,
    /// Verdicts by their request's key.
    verdicts: BTreeMap<u64, String>,
    adding: Vec<u64>,
    removing: Vec<String>,
}

impl Acknowledged {
    /// Whether an entry was asked to be removed, and nobody knows whether it was.
    pub fn is_being_removed(&self, id: &str) -> bool {
        self.removing.iter().any(|other| other == id)
    }
}

/// Calls to a server with a key.
pub fn channel(url: &str, key: &str) -> Keyed {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect_lazy();
    InterceptedService::new(channel, WithKey::of(key))
}

fn value(name: u64) -> v1::Signal {
    signal(v1::SignalType::Md5, format!("{name:032x}"))
}

pub fn asking(name: u64) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(v1::Context { request_id: format!("r{name}"), ..context("i") }),
        signals: vec![value(0)],
        ..v1::ScreenSignalsRequest::default()
    }
}

/// The service names the entry, so that a request that counted twice would leave two.
pub fn adding(name: u64) -> v1::AddEntryRequest {
    v1::AddEntryRequest {
        note: name.to_string(),
        request_id: format!("add {name}"),
        ..entry("known", vec![value(name)])
    }
}

fn removing(id: &str) -> v1::RemoveEntryRequest {
    v1::RemoveEntryRequest {
        bank_id: "known".into(),
        entry_id: id.into(),
        request_id: format!("remove {id}"),
        ..v1::RemoveEntryRequest::default()
    }
}

/// Adds, removes and screens until the server is gone.
pub async fn load(lane: u64, round: u64, calls: Keyed, done: Arc<Mutex<Acknowledged>>) {
    let mut banks = BankServiceClient::new(calls.clone());
    let mut screening = ScreeningServiceClient::new(calls);
    for step in 0.. {
        let name = 1 + lane + 4 * (step + round * 1_000_000);
        let Ok(answer) = banks.add_entry(adding(name)).await else {
            done.lock().unwrap().adding.push(name);
            return;
        };
        let id = answer.into_inner().entry.unwrap().entry_id;
        done.lock().unwrap().added.insert(name, id.clone());
        let Ok(answer) = screening.screen_signals(asking(name)).await else { return };
        let verdict = answer.into_inner().verdict.unwrap();
        if verdict.record() == v1::Record::Kept {
            done.lock().unwrap().verdicts.insert(name, verdict.verdict_id);
        }
        if step % 3 == 0 {
            if banks.remove_entry(removing(&id)).await.is_err() {
                done.lock().unwrap().removing.push(id);
                return;
            }
            done.lock().unwrap().removed.insert(id);
        }
    }
}

/// Whoever got no answer asks again under the same key, and gets one.
pub async fn ask_again(calls: Keyed, done: &Mutex<Acknowledged>) {
    let mut banks = BankServiceClient::new(calls);
    let (unadded, unremoved) = {
        let mut done = done.lock().unwrap();
        (std::mem::take(&mut done.adding), std::mem::take(&mut done.removing))
    };
    for name in unadded {
        let answer = banks.add_entry(adding(name)).await.expect("added, then or now");
        let id = answer.into_inner().entry.unwrap().entry_id;
        done.lock().unwrap().added.insert(name, id);
    }
    for id in unremoved {
        banks.remove_entry(removing(&id)).await.expect("removed, then or now");
        done.lock().unwrap().removed.insert(id);
    }
}

pub async fn everything_is_there(calls: Keyed, done: &Mutex<Acknowledged>) {
    let mut banks = BankServiceClient::new(calls.clone());
    let mut screening = ScreeningServiceClient::new(calls);
    let (mut seen, mut token) = (BTreeMap::new(), String::new());
    loop {
        let page = v1::ListEntriesRequest {
            bank_id: "known".into(),
            page_size: 1000,
            page_token: token,
            show_removed: true,
        };
        let page = banks.list_entries(page).await.expect("listed").into_inner();
        for entry in page.entries {
            let twice = seen.insert(entry.note.clone(), (entry.entry_id.clone(), entry.state()));
            assert_eq!(twice, None, "an entry stands twice");
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let (added, removed, verdicts) = {
        let done = done.lock().unwrap();
        (done.added.clone(), done.removed.clone(), done.verdicts.clone())
    };
    // Every request was answered by now, the first time or when it was asked again: nothing more, nothing less.
    assert_eq!(seen.len(), added.len() + 1, "beside the one from the start");
    for (name, id) in &added {
        let (kept, state) = seen.get(&name.to_string()).expect("acknowledged and there");
        assert_eq!(kept, id);
        let expected =
            if removed.contains(id) { v1::EntryState::Removed } else { v1::EntryState::Active };
        assert_eq!(*state, expected, "{id}");
    }
    for (name, id) in verdicts.iter().rev().take(50) {
        let again = screening.screen_signals(asking(*name)).await.expect("asked");
        let verdict = again.into_inner().verdict.unwrap();
        assert_eq!(&verdict.verdict_id, id, "a repeated request gets the first answer");
        let get = v1::GetVerdictRequest { verdict_id: id.clone() };
        screening.get_verdict(get).await.expect("on record");
    }
}

pub fn verify(folder: &Path) -> (i32, String) {
    let set = format!("data_dir={}", folder.display());
    text(&bulwark(&["verify", "--set", &set]).output().expect("runs"))
}

/// A credential for whoever fills banks and screens.
pub fn for_staff() -> v1::CreateCredentialRequest {
    v1::CreateCredentialRequest {
        credential: Some(v1::Credential {
            tenant_id: "operator".into(),
            environment: v1::Environment::Test.into(),
            roles: vec![v1::Role::BankManager.into(), v1::Role::Screener.into()],
            proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
            ..v1::Credential::default()
        }),
        request_id: String::new(),
    }
}

/// Makes a key for all that is done here, and a bank that holds the value 0.
pub async fn staffed(server: &Server) -> String {
    let admin_key = server.first_key.clone().expect("a first key");
    let mut admin = AdminServiceClient::new(channel(&server.url, &admin_key));
    let made = admin.create_credential(for_staff());
    let key = made.await.expect("made").into_inner().key;
    let mut banks = BankServiceClient::new(channel(&server.url, &key));
    banks.create_bank(bank("known")).await.expect("made");
    banks.add_entry(entry("known", vec![value(0)])).await.expect("added");
    key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_lost_and_doubled_nothing_that_it_acknowledged() {
    let kills = if std::env::var_os("BULWARK_LONG").is_some() { 200 } else { 20 };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data);
    let key = staffed(&server).await;
    let done = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..kills {
        let lanes: Vec<_> = (0..4)
            .map(|lane| {
                tokio::spawn(load(lane, round, channel(&server.url, &key), Arc::clone(&done)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(150 + round * 37 % 400)).await;
        server.kill();
        for lane in lanes {
            lane.await.expect("no panic");
        }
        let (code, said) = verify(&data);
        assert_eq!(code, 0, "round {round}: {said}");
        server = Server::start(&data);
        ask_again(channel(&server.url, &key), &done).await;
        if round % 5 == 4 || round + 1 == kills {
            everything_is_there(channel(&server.url, &key), &done).await;
            let done = done.lock().unwrap();
            println!(
                "{} kills: {} entries, {} verdicts",
                round + 1,
                done.added.len(),
                done.verdicts.len()
            );
        }
    }
    assert!(done.lock().unwrap().added.len() > 100, "the load was real");
    assert_eq!(server.stop(), 0);
    flipped_bytes_are_found(&data);
}

/// Every flipped byte is found by the verification, or changes nothing that it reads.
fn flipped_bytes_are_found(data: &Path) {
    let file = data.join("bulwark.db");
    let whole = std::fs::read(&file).expect("read");
    let (_, good) = verify(data);
    let mut found = 0;
    let flips = 40;
    for flip in 0..flips {
        let mut bytes = whole.clone();
        // Every fourth in the first page, where the database describes itself.
        let within = if flip % 4 == 0 { 4096 } else { bytes.len() };
        let at = (flip * 7_919 + 13) * 101 % within;
        bytes[at] ^= 1 << (flip % 8);
        std::fs::write(&file, &bytes).expect("written");
        let (code, said) = verify(data);
        if code == 0 {
            assert_eq!(said, good, "a flip at {at} changed what is read and was not found");
        } else {
            found += 1;
        }
    }
    std::fs::write(&file, &whole).expect("written");
    assert!(found > flips / 4, "only {found} of {flips} flips were found");
    assert_eq!(verify(data).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_its_database_is_away_owes_nothing_afterwards_and_says_nothing_twice()
{
    const CHECKS: u64 = 24;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let more = ["store.keep_wait_max=100ms"];
    let server = Server::start_with(&data, &more);
    let key = staffed(&server).await;
    let options = SqliteConnectOptions::new().filename(data.join("bulwark.db"));
    let mut other = SqliteConnection::connect_with(&options).await.expect("connected");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    let mut told = BTreeMap::new();
    for name in 0..CHECKS {
        let mut screening = ScreeningServiceClient::new(channel(&server.url, &key));
        let answer = screening.screen_signals(asking(name)).await.expect("answered");
        let verdict = answer.into_inner().verdict.unwrap();
        assert_eq!(verdict.record(), v1::Record::Pending);
        told.insert(name, verdict.verdict_id);
    }
    server.kill();
    drop(other);
    // As if it had been in the middle of one more, which was never told.
    let spool = data.join("spool");
    let mut bytes = std::fs::read(&spool).expect("verdicts wait");
    let half = bytes[..200].to_vec();
    bytes.extend(half);
    std::fs::write(&spool, &bytes).expect("written");
    let server = Server::start_with(&data, &more);
    let mut screening = ScreeningServiceClient::new(channel(&server.url, &key));
    for (name, id) in &told {
        let again = screening.screen_signals(asking(*name)).await.expect("answered").into_inner();
        let again = again.verdict.unwrap();
        assert_eq!((&again.verdict_id, again.record()), (id, v1::Record::Kept));
        let get = v1::GetVerdictRequest { verdict_id: id.clone() };
        let kept = screening.get_verdict(get).await.expect("on record").into_inner();
        assert!(kept.verdict.unwrap().receipt.is_some());
    }
    assert_eq!(server.stop(), 0);
    assert_eq!(verify(&data).0, 0);
    let keys = Arc::new(existing_keys(&data, &Clock::system()).expect("keys"));
    let store = Store::open(store::Settings::in_folder(&data), keys, Clock::system()).await;
    let journal = store.expect("opens").journal(1, 1000).await.expect("read");
    let is_verdict = |event: &Option<Event>| matches!(event, Some(Event::VerdictGiven { .. }));
    let verdicts = journal.iter().filter(|recorded| is_verdict(&recorded.event)).count();
    assert_eq!(verdicts as u64, CHECKS);
    let names = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().file_name());
    let torn = names.filter(|name| name.to_string_lossy().starts_with("spool.torn-")).count();
    assert_eq!(torn, 1, "the torn end is kept, and nothing else of the spool");
    assert!(!spool.exists());
}
