//! Processes of the real binary that each keep one shard of the banks: what they answer together, and without one of them.

use crate::binary::Server;
use crate::cluster::Cluster;
use crate::descriptor::without_each_required;
use crate::kill::{Keyed, channel, for_staff, staffed};
use crate::service::{WithKey, bad_fields, context, entry, entry_of, media, png, refused, signal};
use bulwark::core::id::{BankId, EntryId};
use bulwark::core::shard::Shard;
use bulwark::io::clock::Clock;
use bulwark::io::seal::KeyRing;
use bulwark::io::shards;
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use bulwark::proto::v1::shard_service_client::ShardServiceClient;
use bulwark::server::whole::existing_keys;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Deadline of the tests for what takes seconds at most.
const SOON: Duration = Duration::from_secs(30);
const ADDRESS: &str = "shard.address=http://127.0.0.1:{port}";
/// Machines that run tests are slow now and then: who answers at all answers in this time.
const PATIENT: &str = "shard.answer_time_max=8 s";

/// Processes on one database, of one key ring.
pub struct Fleet {
    folder: tempfile::TempDir,
    store: String,
    servers: Vec<Option<Server>>,
    key: String,
    admin: String,
}

impl Fleet {
    /// A process for each shard named, as `2/3`; each with these settings, too.
    pub async fn start(cluster: &Cluster, own: &[&str], more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("store.url={}", cluster.url(&cluster.database()));
        let mut fleet =
            Self { folder, store, servers: Vec::new(), key: String::new(), admin: String::new() };
        for own in own {
            fleet.join(own, more).await;
        }
        fleet
    }

    fn home(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("data{at}"))
    }

    /// One process more.
    async fn join(&mut self, own: &str, more: &[&str]) {
        let at = self.servers.len();
        if at > 0 {
            std::fs::create_dir(self.home(at)).unwrap();
            std::fs::copy(self.home(0).join("keys.json"), self.home(at).join("keys.json")).unwrap();
        }
        self.servers.push(None);
        self.go_on(at, own, more);
        if at == 0 {
            let server = self.servers[0].as_ref().unwrap();
            self.admin = server.first_key.clone().expect("a first key");
            self.key = staffed(server).await;
        }
    }

    /// Starts a process in its place again.
    fn go_on(&mut self, at: usize, own: &str, more: &[&str]) {
        let own_set = format!("shard.own={own}");
        let mut sets = vec![self.store.as_str(), &own_set];
        if own != "1/1" {
            sets.extend([ADDRESS, PATIENT]);
        }
        sets.extend(more);
        let data = self.home(at);
        self.servers[at] = Some(tokio::task::block_in_place(|| Server::start_with(&data, &sets)));
    }

    pub fn calls(&self, at: usize) -> Keyed {
        channel(&self.servers[at].as_ref().expect("runs").url, &self.key)
    }

    pub fn banks(&self, at: usize) -> BankServiceClient<Keyed> {
        BankServiceClient::new(self.calls(at))
    }

    pub fn screening(&self, at: usize) -> ScreeningServiceClient<Keyed> {
        ScreeningServiceClient::new(self.calls(at)).max_decoding_message_size(64 << 20)
    }

    /// How a process is.
    pub async fn detail(&self, at: usize) -> v1::GetHealthDetailResponse {
        let url = &self.servers[at].as_ref().expect("runs").url;
        let mut admin = AdminServiceClient::new(channel(url, &self.admin));
        let ask = v1::GetHealthDetailRequest::default();
        admin.get_health_detail(ask).await.expect("told").into_inner()
    }

    /// Waits until each process knows so many that keep each other shard.
    pub async fn complete(&self, holders: u32) {
        for at in 0..self.servers.len() {
            let began = Instant::now();
            loop {
                let detail = self.detail(at).await;
                if detail.other_shards.iter().all(|shard| shard.holder_count == holders) {
                    break;
                }
                assert!(began.elapsed() < SOON, "{detail:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Adds an entry by one process, as `e<n>`; gives the journal number.
    async fn add(&self, at: usize, n: u64) -> u64 {
        let mut adding = entry("known", vec![digest(n)]);
        adding.entry_id = format!("e{n}");
        self.banks(at).add_entry(adding).await.expect("added").into_inner().journal_number
    }

    /// The verdict of one process on an item with this digest.
    async fn screen(&self, at: usize, n: u64, min_index: u64) -> v1::Verdict {
        let ask = v1::ScreenSignalsRequest {
            context: Some(v1::Context { min_index, ..context("i") }),
            signals: vec![digest(n)],
            ..Default::default()
        };
        let answer = self.screening(at).screen_signals(ask).await.expect("answered");
        answer.into_inner().verdict.expect("a verdict")
    }
}

fn digest(n: u64) -> v1::Signal {
    signal(v1::SignalType::Md5, format!("{n:032x}"))
}

/// The number of the shard that keeps `e<n>`.
fn keeper(n: u64, count: u32) -> u32 {
    let (bank, entry) =
        (BankId::parse("known").unwrap(), EntryId::parse(&format!("e{n}")).unwrap());
    let mut shards = (1..=count).map(|number| Shard::new(number, count).unwrap());
    shards.find(|shard| shard.holds(&bank, &entry)).unwrap().number()
}

fn exact(verdict: &v1::Verdict) -> v1::CheckState {
    let row = verdict.coverage.iter().find(|row| row.check() == v1::Check::ExactMatch);
    row.expect("a row").state()
}

/// A verdict without what tells one from another of the same item.
fn bare(verdict: v1::Verdict) -> v1::Verdict {
    let versions = verdict.versions.map(|versions| v1::Versions {
        index_number: 0,
        index_age: None,
        banks: Vec::new(),
        ..versions
    });
    v1::Verdict {
        verdict_id: String::new(),
        decide_time: None,
        receipt: None,
        recheck_token: String::new(),
        versions,
        ..verdict
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_shard_is_asked_answers_as_one_process_that_keeps_everything() {
    let cluster = Cluster::shared();
    let mut fleet = Fleet::start(cluster, &["1/3", "2/3", "3/3"], &[]).await;
    fleet.complete(1).await;
    let mut number = 0;
    for n in 1..=40 {
        number = fleet.add(n as usize % 3, n).await;
    }
    let listed = fleet.banks(1).add_entry(entry_of("known", png(7))).await.expect("added");
    number = number.max(listed.into_inner().journal_number);
    fleet.join("1/1", &[]).await;

    // What was added by one is in force with the others within a second: whoever names the number waits for it.
    for at in 0..3 {
        fleet.screen(at, 999, number).await;
    }

    // Each keeps a part, and whoever is asked tells the whole.
    let mut kept = Vec::new();
    for at in 0..3 {
        kept.push(fleet.detail(at).await.index.unwrap().entry_count);
        let ask = v1::GetBankRequest { bank_id: "known".into() };
        let bank = fleet.banks(at).get_bank(ask).await.expect("told").into_inner().bank.unwrap();
        assert_eq!(bank.entry_count, 42);
        let banks = fleet.banks(at).list_banks(v1::ListBanksRequest::default()).await;
        assert_eq!(banks.expect("told").into_inner().banks[0].entry_count, 42);
        let status = fleet.banks(at).get_index_status(v1::GetIndexStatusRequest {}).await;
        let status = status.expect("told").into_inner().banks.remove(0);
        assert_eq!(status.entry_count, 42);
        let md5 = |count: &&v1::SignalCount| count.r#type() == v1::SignalType::Md5;
        assert_eq!(status.signals.iter().find(md5).expect("some").count, 42);
    }
    assert_eq!(kept.iter().sum::<u64>(), 42, "{kept:?}");
    assert!(kept.iter().all(|own| *own > 4), "{kept:?}");

    for n in [1, 2, 3, 5, 40, 999] {
        let whole = bare(fleet.screen(3, n, number).await);
        assert_eq!(whole.disposition() == v1::Disposition::Block, n <= 40);
        for at in 0..3 {
            assert_eq!(bare(fleet.screen(at, n, number).await), whole, "{n} by {at}");
        }
    }

    // The same of pictures, of uploads whose digest is certain, and of many items in one go.
    let mut first = None;
    for at in 0..4 {
        let mut ask = media("m", png(7));
        ask.context.as_mut().unwrap().min_index = number;
        let verdict = fleet.screening(at).screen_media(ask).await.expect("answered").into_inner();
        let verdict = bare(verdict.verdict.unwrap());
        assert_eq!(verdict.disposition(), v1::Disposition::Block);
        assert_eq!(first.get_or_insert_with(|| verdict.clone()), &verdict, "by {at}");
        assert!(has_early_verdict(&fleet, at).await, "by {at}");
        let dispositions = batch(&fleet, at, &[1, 999, 2, 3, 998, 4]).await;
        // A digest says nothing of how a picture looks, which the surface asks for.
        use v1::Disposition::{Block, Hold};
        assert_eq!(dispositions, [Block, Hold, Block, Block, Hold, Block], "by {at}");
    }

    // What is withdrawn by one is not found by another that is asked to know of it.
    let gone = v1::RemoveEntryRequest {
        bank_id: "known".into(),
        entry_id: "e1".into(),
        ..Default::default()
    };
    let number = fleet.banks(2).remove_entry(gone).await.expect("done").into_inner().journal_number;
    for at in 0..4 {
        assert!(fleet.screen(at, 1, number).await.findings.is_empty(), "by {at}");
    }
}

async fn has_early_verdict(fleet: &Fleet, at: usize) -> bool {
    let content = png(7);
    let chunks: Vec<&[u8]> = content.chunks(64 << 10).collect();
    let mut steps = crate::streams::upload(context("u"), &chunks);
    if let Some(v1::screen_upload_request::Step::Open(open)) = &mut steps[0].step {
        open.early_verdict_wanted = true;
    }
    let answer = fleet.screening(at).screen_upload(tokio_stream::iter(steps)).await;
    let mut answer = answer.expect("answered").into_inner();
    let mut seen = false;
    while let Some(said) = answer.message().await.expect("no fault") {
        seen |= matches!(said.step, Some(v1::screen_upload_response::Step::EarlyVerdict(_)));
    }
    seen
}

async fn batch(fleet: &Fleet, at: usize, items: &[u64]) -> Vec<v1::Disposition> {
    use v1::screen_signals_batch_request::Step;
    let item = |n: &u64| v1::SignalsItem {
        item_id: format!("b{n}"),
        signals: vec![digest(*n)],
        ..Default::default()
    };
    let open = v1::ScreenSignalsBatchOpen { context: Some(context("")) };
    let steps = [
        Step::Open(open),
        Step::Batch(v1::SignalsBatch { number: 1, items: items.iter().map(item).collect() }),
    ];
    let steps = steps.map(|step| v1::ScreenSignalsBatchRequest { step: Some(step) });
    let answer = fleet.screening(at).screen_signals_batch(tokio_stream::iter(steps)).await;
    let mut answer = answer.expect("answered").into_inner();
    let mut found = Vec::new();
    while let Some(said) = answer.message().await.expect("no fault") {
        if let Some(v1::screen_signals_batch_response::Step::Result(result)) = said.step {
            found.extend(result.items.iter().map(v1::ItemResult::disposition));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_shard_nothing_is_allowed_and_what_others_hold_is_found_until_somebody_keeps_it()
{
    let cluster = Cluster::shared();
    let mut fleet = Fleet::start(cluster, &["1/3", "2/3", "3/3"], &[]).await;
    fleet.complete(1).await;
    let mut number = 0;
    for n in 1..=20 {
        number = fleet.add(0, n).await;
    }
    let lost = (1..=20).find(|n| keeper(*n, 3) == 2).expect("one of twenty");
    let there = (1..=20).find(|n| keeper(*n, 3) == 3).expect("one of twenty");
    assert_eq!(fleet.screen(0, lost, number).await.disposition(), v1::Disposition::Block);

    fleet.servers[1].take().unwrap().kill();
    for n in [lost, 999] {
        let began = Instant::now();
        let verdict = fleet.screen(0, n, number).await;
        assert!(began.elapsed() < Duration::from_secs(5), "nobody is waited for who is gone");
        assert_eq!(verdict.disposition(), v1::Disposition::Hold);
        assert_eq!(exact(&verdict), v1::CheckState::SourceUnavailable, "{verdict:?}");
        assert!(verdict.findings.is_empty());
    }
    let verdict = fleet.screen(0, there, number).await;
    assert_eq!(verdict.disposition(), v1::Disposition::Block, "what is there is found");
    assert_eq!(exact(&verdict), v1::CheckState::SourceUnavailable);
    let ask = v1::GetBankRequest { bank_id: "known".into() };
    let counted = refused(fleet.banks(0).get_bank(ask).await);
    assert_eq!(counted, (Code::Unavailable, "SHARD_UNAVAILABLE".into()));
    // Changes go on, of what the lost one keeps, too.
    fleet.add(2, 21).await;

    // Whoever takes its place, elsewhere and under another name, is asked as soon as it is known.
    fleet.join("2/3", &[]).await;
    let began = Instant::now();
    loop {
        let verdict = fleet.screen(0, lost, number).await;
        if exact(&verdict) == v1::CheckState::Checked {
            assert_eq!(verdict.disposition(), v1::Disposition::Block);
            break;
        }
        assert!(began.elapsed() < SOON, "{verdict:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_processes_of_each_shard_one_may_stand_still_or_die_and_no_call_misses_anything() {
    let cluster = Cluster::shared();
    let more = ["shard.hedge_after=20 ms"];
    let mut fleet = Fleet::start(cluster, &["1/2", "2/2", "1/2", "2/2"], &more).await;
    fleet.complete(2).await;
    let mut number = 0;
    for n in 1..=6 {
        number = fleet.add(0, n).await;
    }
    let id = |server: &Server| server.child.id().to_string();
    let still = id(fleet.servers[1].as_ref().unwrap());
    for round in 0..3 {
        let (how, place) = [("-STOP", Some(&still)), ("-CONT", Some(&still)), ("", None)][round];
        match place {
            Some(process) => {
                Command::new("kill").args([how, process]).status().expect("told");
            }
            None => fleet.servers[3].take().unwrap().kill(),
        }
        for step in 0..40_u64 {
            let n = 1 + step % 6;
            let at = if step % 2 == 0 { 0 } else { 2 };
            let verdict = fleet.screen(at, n, number).await;
            assert_eq!(exact(&verdict), v1::CheckState::Checked, "round {round}, step {step}");
            assert_eq!(verdict.disposition(), v1::Disposition::Block, "round {round}");
        }
    }
}

fn ring_key(keys: &KeyRing) -> String {
    shards::key(keys).expect("a key").reveal().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_the_key_ring_asks_a_shard_and_only_the_one_that_it_keeps() {
    let cluster = Cluster::shared();
    let fleet = Fleet::start(cluster, &["2/2"], &[]).await;
    let url = fleet.servers[0].as_ref().unwrap().url.clone();
    let shard = |number, count| Some(v1::Shard { number, count });
    let sought = |n: u64| v1::SoughtSignal {
        r#type: v1::SignalType::Md5.into(),
        value: u128::from(n).to_be_bytes().to_vec().into(),
        ..Default::default()
    };
    let asking = v1::LookUpRequest {
        shard: shard(2, 2),
        tenant_id: "operator".into(),
        environment: v1::Environment::Test.into(),
        min_index: 0,
        signals: vec![sought(5), sought(6), sought(5)],
        videos: Vec::new(),
    };
    let counting = v1::CountEntriesRequest {
        shard: shard(2, 2),
        tenant_id: "operator".into(),
        environment: v1::Environment::Test.into(),
    };
    let of = |key: &str| ShardServiceClient::new(channel(&url, key));
    for key in [&fleet.key, &fleet.admin] {
        let answer = refused(of(key).look_up(asking.clone()).await);
        assert_eq!(answer, (Code::PermissionDenied, "ROLE_MISSING".into()));
        let answer = refused(of(key).count_entries(counting.clone()).await);
        assert_eq!(answer, (Code::PermissionDenied, "ROLE_MISSING".into()));
    }
    let firing = v1::FindGoodRequest {
        shard: shard(2, 2),
        tenant_id: "operator".into(),
        environment: v1::Environment::Test.into(),
        bank_id: "known".into(),
        signals: vec![sought(5)],
    };
    let answer = refused(of(&fleet.key).find_good(firing.clone()).await);
    assert_eq!(answer, (Code::PermissionDenied, "ROLE_MISSING".into()));
    let other = KeyRing::generate(&Clock::system());
    let answer = refused(of(&ring_key(&other)).look_up(asking.clone()).await);
    assert_eq!(answer, (Code::Unauthenticated, "CREDENTIAL_INVALID".into()));
    let nobody = Endpoint::from_shared(url.clone()).unwrap().connect_lazy();
    let answer = refused(ShardServiceClient::new(nobody).look_up(asking.clone()).await);
    assert_eq!(answer, (Code::Unauthenticated, "CREDENTIAL_MISSING".into()));

    let key = ring_key(&existing_keys(&fleet.home(0), &Clock::system()).unwrap());
    // The key gives no right to anything else.
    let admin = AdminServiceClient::new(channel(&url, &key))
        .get_health_detail(v1::GetHealthDetailRequest::default())
        .await;
    assert_eq!(refused(admin), (Code::Unauthenticated, "CREDENTIAL_INVALID".into()));
    let mine = (1..).find(|n| keeper(*n, 2) == 2).unwrap();
    let number = fleet.add(0, mine).await;
    let asking = v1::LookUpRequest {
        min_index: number,
        signals: vec![sought(mine), sought(mine + 1), sought(mine)],
        ..asking
    };
    let answer = of(&key).look_up(asking.clone()).await.expect("answered").into_inner();
    let places: Vec<_> = answer.hits.iter().map(|hit| (hit.place, &*hit.entry_id)).collect();
    let name = format!("e{mine}");
    assert_eq!(places, [(0, &*name), (2, &*name)]);
    assert!(answer.index_number >= number && answer.sources.len() == 1);
    let answer = of(&key).count_entries(counting.clone()).await.expect("answered").into_inner();
    assert_eq!(answer.banks[0].bank_id, "known");
    let answer = of(&key).find_good(firing).await.expect("answered").into_inner();
    assert!(answer.goods.is_empty(), "there is no negative bank");
    for wrong in [shard(1, 2), shard(2, 3), shard(1, 1)] {
        let asking = v1::LookUpRequest { shard: wrong, ..asking.clone() };
        let answer = refused(of(&key).look_up(asking).await);
        assert_eq!(answer, (Code::Unavailable, "SHARD_UNAVAILABLE".into()));
    }
    for (field, lacking) in without_each_required("LookUpRequest", &asking) {
        let named = bad_fields(of(&key).look_up(lacking).await);
        assert!(named.contains(&field), "{field} is not among {named:?}");
    }
    for (field, lacking) in without_each_required("CountEntriesRequest", &counting) {
        let named = bad_fields(of(&key).count_entries(lacking).await);
        assert!(named.contains(&field), "{field} is not among {named:?}");
    }
    let wrong = [
        (v1::SoughtSignal { quality: Some(101), ..sought(1) }, "signals[0].quality"),
        (v1::SoughtSignal { r#type: 99, ..sought(1) }, "signals[0].type"),
        (v1::SoughtSignal { value: vec![1].into(), ..sought(1) }, "signals[0].value"),
    ];
    for (wrong, field) in wrong {
        let asking = v1::LookUpRequest { signals: vec![wrong], ..asking.clone() };
        assert_eq!(bad_fields(of(&key).look_up(asking).await), [field]);
    }
}

/// Certificates of processes that show them to each other, in a folder.
fn certificates(folder: &Path) {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer_pem = parameters.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(parameters, key);
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    for (name, text) in [
        ("issuer.pem", issuer_pem),
        ("own.pem", certificate.pem()),
        ("own.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_ask_each_other_over_mutual_tls() {
    bulwark::server::install_crypto();
    let files = tempfile::tempdir().unwrap();
    certificates(files.path());
    let path = |name: &str| files.path().join(name).display().to_string();
    let sets = [
        "tls.mode=mtls".to_owned(),
        format!("tls.certificate={}", path("own.pem")),
        format!("tls.key={}", path("own.key")),
        format!("tls.client_ca={}", path("issuer.pem")),
        format!("shard.ca={}", path("issuer.pem")),
        "shard.address=https://localhost:{port}".to_owned(),
    ];
    let cluster = Cluster::shared();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store.url={}", cluster.url(&cluster.database()));
    let mut servers = Vec::new();
    for own in 1..=2 {
        let data = folder.path().join(format!("data{own}"));
        if own == 2 {
            std::fs::create_dir(&data).unwrap();
            std::fs::copy(folder.path().join("data1/keys.json"), data.join("keys.json")).unwrap();
        }
        let own = format!("shard.own={own}/2");
        let sets: Vec<_> =
            [&*store, &*own].into_iter().chain(sets.iter().map(String::as_str)).collect();
        servers.push(tokio::task::block_in_place(|| Server::start_with(&data, &sets)));
    }
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("issuer.pem")))
        .identity(Identity::from_pem(read("own.pem"), read("own.key")));
    let wire = |server: &Server, key: &str| {
        let url = server.url.replace("http://127.0.0.1", "https://localhost");
        let channel = Endpoint::from_shared(url).unwrap().tls_config(tls.clone()).unwrap();
        InterceptedService::new(channel.connect_lazy(), WithKey::of(key))
    };
    let admin = servers[0].first_key.clone().expect("a first key");
    let mut administering = AdminServiceClient::new(wire(&servers[0], &admin));
    let made = administering.create_credential(for_staff());
    let key = made.await.expect("made").into_inner().key;
    let mut banks = BankServiceClient::new(wire(&servers[0], &key));
    banks.create_bank(crate::service::bank("known")).await.expect("made");
    let mut number = 0;
    for n in 1..=8 {
        let adding = entry("known", vec![digest(n)]);
        number = banks.add_entry(adding).await.expect("added").into_inner().journal_number;
    }
    let began = Instant::now();
    for server in &servers {
        let mut screening = ScreeningServiceClient::new(wire(server, &key));
        for n in 1..=8 {
            loop {
                let ask = v1::ScreenSignalsRequest {
                    context: Some(v1::Context { min_index: number, ..context("i") }),
                    signals: vec![digest(n)],
                    ..Default::default()
                };
                let answer = screening.screen_signals(ask).await.map(|a| a.into_inner().verdict);
                match answer {
                    Ok(Some(verdict)) if exact(&verdict) == v1::CheckState::Checked => {
                        assert_eq!(verdict.disposition(), v1::Disposition::Block);
                        break;
                    }
                    // The other is not known yet, or the credential is not.
                    other => assert!(began.elapsed() < SOON, "{other:?}"),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    for server in servers {
        assert_eq!(server.stop(), 0);
    }
}
