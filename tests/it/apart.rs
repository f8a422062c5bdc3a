//! What belongs to others looks like nothing: every rpc, with the names of another tenant and another environment.

use crate::descriptor::{Rpc, rpcs};
use crate::refusals::call;
use crate::service::*;
use crate::streams::{stream, upload};
use bulwark::proto::v1;
use bulwark::server::rpc_table;
use std::collections::BTreeSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use v1::{Environment, Role};

/// Everything that a refusal tells, but for the name asked for.
fn shape(answer: Result<(), Status>, name: &str) -> (Code, String) {
    let status = answer.expect_err("refused");
    let told = format!("{} {:?}", status.message(), status.get_error_details());
    (status.code(), told.replace(name, "NAME"))
}

/// Names of things, made or made up, all as long as the true ones.
#[derive(Clone)]
struct Names {
    tenant: String,
    bank: String,
    entry: String,
    surface: String,
    credential: String,
    verdict: String,
    exchange: String,
    partner: String,
    stream: String,
}

fn made_up(like: &str) -> String {
    // Still a name, and one that nothing has.
    let (head, last) = like.split_at(like.len() - 1);
    format!("{head}{}", if last == "0" { '1' } else { '0' })
}

impl Names {
    fn absent(&self) -> Self {
        Self {
            tenant: made_up(&self.tenant),
            bank: made_up(&self.bank),
            entry: made_up(&self.entry),
            surface: made_up(&self.surface),
            credential: made_up(&self.credential),
            verdict: made_up(&self.verdict),
            exchange: made_up(&self.exchange),
            partner: made_up(&self.partner),
            stream: made_up(&self.stream),
        }
    }
}

fn mask(path: &str) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec![path.to_owned()] })
}

/// What one rpc says to these names: the rpc, the name that counts, the answer.
type Told = Vec<(&'static str, String, Result<(), Status>)>;

async fn live_told(caller: &Caller, names: &Names) -> Told {
    let cut = v1::InterruptStreamRequest {
        stream_id: names.stream.clone(),
        reason: "a test".into(),
        ..Default::default()
    };
    let mut start = crate::live::start("s");
    start.context.as_mut().unwrap().surface_id.clone_from(&names.surface);
    let start = Some(v1::guard_stream_request::Step::Start(start));
    let start = vec![v1::GuardStreamRequest { number: 0, step: start }];
    macro_rules! at {
        ($rpc:literal) => {
            concat!("/bulwark.v1.LiveService/", $rpc)
        };
    }
    let (name, surface) = (names.stream.clone(), names.surface.clone());
    vec![
        ("InterruptStream", name, call(caller, at!("InterruptStream"), cut).await),
        ("GuardStream", surface, stream(caller, at!("GuardStream"), start).await),
    ]
}

async fn screening_told(caller: &Caller, names: &Names) -> Told {
    let place = || v1::Context { surface_id: names.surface.clone(), ..context("i") };
    let score = v1::ExternalScore {
        category: "c".into(),
        value: 0.5,
        detector: "d".into(),
        detector_version: "1".into(),
    };
    let batch = v1::ScreenSignalsBatchRequest {
        step: Some(v1::screen_signals_batch_request::Step::Open(v1::ScreenSignalsBatchOpen {
            context: Some(v1::Context { item_id: String::new(), ..place() }),
        })),
    };
    let media = v1::ScreenMediaRequest { context: Some(place()), ..media("i", vec![1]) };
    let signals = v1::ScreenSignalsRequest {
        context: Some(place()),
        signals: vec![md5("a")],
        ..Default::default()
    };
    let scores = v1::ReportExternalScoresRequest { context: Some(place()), scores: vec![score] };
    let verdict = v1::GetVerdictRequest { verdict_id: names.verdict.clone() };
    let surface = || names.surface.clone();
    macro_rules! at {
        ($rpc:literal) => {
            concat!("/bulwark.v1.ScreeningService/", $rpc)
        };
    }
    vec![
        ("ScreenMedia", surface(), call(caller, at!("ScreenMedia"), media).await),
        ("ScreenSignals", surface(), call(caller, at!("ScreenSignals"), signals).await),
        (
            "ScreenUpload",
            surface(),
            stream(caller, at!("ScreenUpload"), upload(place(), &[b"w"])).await,
        ),
        (
            "ScreenSignalsBatch",
            surface(),
            stream(caller, at!("ScreenSignalsBatch"), vec![batch]).await,
        ),
        (
            "ReportExternalScores",
            surface(),
            call(caller, at!("ReportExternalScores"), scores).await,
        ),
        ("GetVerdict", names.verdict.clone(), call(caller, at!("GetVerdict"), verdict).await),
    ]
}

async fn banks_told(caller: &Caller, names: &Names) -> Told {
    let (bank_id, entry_id) = (names.bank.clone(), names.entry.clone());
    let update = v1::UpdateBankRequest {
        bank: Some(v1::Bank { bank_id: bank_id.clone(), ..Default::default() }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    let delete = v1::DeleteBankRequest {
        bank_id: bank_id.clone(),
        etag: "1".into(),
        confirm: bank_id.clone(),
        ..Default::default()
    };
    let rename = v1::UpdateEntryRequest {
        entry: Some(v1::BankEntry {
            bank_id: bank_id.clone(),
            entry_id: entry_id.clone(),
            note: "n".into(),
            ..Default::default()
        }),
        update_mask: mask("note"),
        ..Default::default()
    };
    let import = v1::ImportEntriesRequest {
        step: Some(v1::import_entries_request::Step::Open(v1::ImportOpen {
            bank_id: bank_id.clone(),
            format: v1::ImportFormat::Text.into(),
            signal_type: v1::SignalType::Md5.into(),
            ..Default::default()
        })),
    };
    let get = v1::GetBankRequest { bank_id: bank_id.clone() };
    let list = v1::ListEntriesRequest { bank_id: bank_id.clone(), ..Default::default() };
    let get_entry = v1::GetEntryRequest { bank_id: bank_id.clone(), entry_id: entry_id.clone() };
    let remove =
        v1::RemoveEntryRequest { bank_id: bank_id.clone(), entry_id, ..Default::default() };
    let (of, entry_id) = (names.bank.clone(), names.entry.clone());
    let opinion = v1::RecordOpinionRequest {
        bank_id: of.clone(),
        entry_id: entry_id.clone(),
        value: v1::OpinionValue::Seed.into(),
        ..Default::default()
    };
    let opinions = v1::ListOpinionsRequest {
        bank_id: of.clone(),
        entry_id: entry_id.clone(),
        ..Default::default()
    };
    let aside = v1::ListQuarantineRequest { bank_id: of.clone(), ..Default::default() };
    let release = v1::ReleaseFromQuarantineRequest {
        bank_id: of,
        entry_id,
        reason: "seen".into(),
        ..Default::default()
    };
    let bank = || names.bank.clone();
    macro_rules! at {
        ($rpc:literal) => {
            concat!("/bulwark.v1.BankService/", $rpc)
        };
    }
    vec![
        ("GetBank", bank(), call(caller, at!("GetBank"), get).await),
        ("UpdateBank", bank(), call(caller, at!("UpdateBank"), update).await),
        ("DeleteBank", bank(), call(caller, at!("DeleteBank"), delete).await),
        (
            "AddEntry",
            bank(),
            call(caller, at!("AddEntry"), entry(&names.bank, vec![md5("b")])).await,
        ),
        ("ListEntries", bank(), call(caller, at!("ListEntries"), list).await),
        ("GetEntry", names.entry.clone(), call(caller, at!("GetEntry"), get_entry).await),
        ("UpdateEntry", bank(), call(caller, at!("UpdateEntry"), rename).await),
        ("RemoveEntry", bank(), call(caller, at!("RemoveEntry"), remove).await),
        ("RecordOpinion", bank(), call(caller, at!("RecordOpinion"), opinion).await),
        ("ListOpinions", names.entry.clone(), call(caller, at!("ListOpinions"), opinions).await),
        ("ListQuarantine", bank(), call(caller, at!("ListQuarantine"), aside).await),
        (
            "ReleaseFromQuarantine",
            bank(),
            call(caller, at!("ReleaseFromQuarantine"), release).await,
        ),
        ("ImportEntries", bank(), stream(caller, at!("ImportEntries"), vec![import]).await),
    ]
}

/// An exchange that is not asked.
pub fn exchange_of(bank: &str) -> v1::Exchange {
    v1::Exchange {
        kind: Some(v1::exchange::Kind::Bulwark(v1::BulwarkExchange {
            address: "http://127.0.0.1:9".into(),
            key: "nonsense".into(),
            partner_id: "us".into(),
            bank_id: "theirs".into(),
            origin: "them".into(),
            public_keys: vec!["00".repeat(32)],
            ..Default::default()
        })),
        bank_id: bank.into(),
        enabled: Some(false),
        ..Default::default()
    }
}

async fn exchanges_told(caller: &Caller, names: &Names) -> Told {
    let id = || names.exchange.clone();
    let make = v1::CreateExchangeRequest {
        exchange_id: "mine".into(),
        exchange: Some(exchange_of(&names.bank)),
        ..Default::default()
    };
    let change = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange { exchange_id: id(), ..Default::default() }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    let remove = v1::DeleteExchangeRequest { exchange_id: id(), ..Default::default() };
    let end = v1::PutPartnerRequest {
        partner: Some(v1::Partner { partner_id: names.partner.clone(), ..Default::default() }),
        revoke: true,
        ..Default::default()
    };
    let get = v1::GetExchangeRequest { exchange_id: id() };
    let sync = v1::SyncExchangeRequest { exchange_id: id() };
    let status = v1::GetExchangeStatusRequest { exchange_id: id() };
    macro_rules! at {
        ($rpc:literal) => {
            concat!("/bulwark.v1.ExchangeService/", $rpc)
        };
    }
    vec![
        ("CreateExchange", names.bank.clone(), call(caller, at!("CreateExchange"), make).await),
        ("GetExchange", id(), call(caller, at!("GetExchange"), get).await),
        ("UpdateExchange", id(), call(caller, at!("UpdateExchange"), change).await),
        ("DeleteExchange", id(), call(caller, at!("DeleteExchange"), remove).await),
        ("SyncExchange", id(), call(caller, at!("SyncExchange"), sync).await),
        ("GetExchangeStatus", id(), call(caller, at!("GetExchangeStatus"), status).await),
        ("PutPartner", names.partner.clone(), call(caller, at!("PutPartner"), end).await),
    ]
}

async fn admin_told(caller: &Caller, names: &Names) -> Told {
    let tenant_id = names.tenant.clone();
    let test = i32::from(Environment::Test);
    let tenant = v1::UpdateTenantRequest {
        tenant: Some(v1::Tenant { tenant_id: tenant_id.clone(), ..Default::default() }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    let wanted = v1::Credential {
        tenant_id: tenant_id.clone(),
        environment: test,
        roles: vec![Role::Screener.into()],
        proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
        ..Default::default()
    };
    let credential_id = names.credential.clone();
    let update = v1::UpdateCredentialRequest {
        credential: Some(v1::Credential {
            credential_id: credential_id.clone(),
            display_name: "mine".into(),
            ..Default::default()
        }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    let revoke =
        v1::RevokeCredentialRequest { credential_id: credential_id.clone(), ..Default::default() };
    let surface_id = names.surface.clone();
    let surface = v1::Surface {
        surface_id: surface_id.clone(),
        tenant_id: tenant_id.clone(),
        environment: test,
        kind: v1::SurfaceKind::Upload.into(),
        ..Default::default()
    };
    let make = v1::CreateSurfaceRequest {
        surface_id: surface_id.clone(),
        surface: Some(surface.clone()),
        ..Default::default()
    };
    let change = v1::UpdateSurfaceRequest {
        surface: Some(surface),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    let close = v1::RevokeSurfaceRequest {
        tenant_id: tenant_id.clone(),
        environment: test,
        surface_id: surface_id.clone(),
        ..Default::default()
    };
    let get_surface =
        v1::GetSurfaceRequest { tenant_id: tenant_id.clone(), environment: test, surface_id };
    let list_surfaces = v1::ListSurfacesRequest {
        tenant_id: tenant_id.clone(),
        environment: test,
        ..Default::default()
    };
    let list = v1::ListCredentialsRequest { tenant_id: tenant_id.clone(), ..Default::default() };
    let end = v1::RevokeTenantRequest { tenant_id: tenant_id.clone(), ..Default::default() };
    let create = v1::CreateCredentialRequest { credential: Some(wanted), ..Default::default() };
    let get = v1::GetCredentialRequest { credential_id };
    let (t, c) = (|| tenant_id.clone(), || names.credential.clone());
    macro_rules! at {
        ($rpc:literal) => {
            concat!("/bulwark.v1.AdminService/", $rpc)
        };
    }
    let get_tenant = v1::GetTenantRequest { tenant_id: tenant_id.clone() };
    vec![
        ("GetTenant", t(), call(caller, at!("GetTenant"), get_tenant).await),
        ("UpdateTenant", t(), call(caller, at!("UpdateTenant"), tenant).await),
        ("RevokeTenant", t(), call(caller, at!("RevokeTenant"), end).await),
        ("CreateCredential", t(), call(caller, at!("CreateCredential"), create).await),
        ("ListCredentials", t(), call(caller, at!("ListCredentials"), list).await),
        ("GetCredential", c(), call(caller, at!("GetCredential"), get).await),
        ("UpdateCredential", c(), call(caller, at!("UpdateCredential"), update).await),
        ("RevokeCredential", c(), call(caller, at!("RevokeCredential"), revoke).await),
        ("CreateSurface", t(), call(caller, at!("CreateSurface"), make).await),
        ("GetSurface", t(), call(caller, at!("GetSurface"), get_surface).await),
        ("ListSurfaces", t(), call(caller, at!("ListSurfaces"), list_surfaces).await),
        ("UpdateSurface", t(), call(caller, at!("UpdateSurface"), change).await),
        ("RevokeSurface", t(), call(caller, at!("RevokeSurface"), close).await),
    ]
}

/// Rpcs that name nothing of anybody else's: they make, list or compare the caller's own, or take names unseen.
///
/// What partners ask is answered by their own agreement, whatever they name.
const NAMELESS: [&str; 20] = [
    "ListStreams",
    "WatchInterrupts",
    "ListExchanges",
    "ListPartners",
    "PullSignals",
    "PushSignals",
    "PushOpinions",
    "HashMedia",
    "RecordOutcome",
    "WatchLookback",
    "ListClusters",
    "ForgetItem",
    "CreateBank",
    "ListBanks",
    "CompareSignals",
    "GetIndexStatus",
    "GetHealthDetail",
    "Backup",
    "CreateTenant",
    "ListTenants",
];

fn compare(foreign: Told, absent: Told, covered: &mut BTreeSet<String>, whose: &str) {
    for ((rpc, name, told), (_, other, nothing)) in foreign.into_iter().zip(absent) {
        let told = shape(told, &name);
        assert_eq!(told, shape(nothing, &other), "{rpc} tells of what is {whose}");
        // Who makes and revokes tenants is decided before any name is looked at.
        let code = if rpc == "RevokeTenant" { Code::PermissionDenied } else { Code::NotFound };
        assert_eq!(told.0, code, "{rpc} {whose}");
        covered.insert(rpc.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_treats_what_belongs_to_others_as_if_it_were_not_there() {
    let service = Service::start().await;
    for tenant_id in ["tenant-a", "tenant-b"] {
        let request = v1::CreateTenantRequest { tenant_id: tenant_id.into(), ..Default::default() };
        service.admin().admin().create_tenant(request).await.expect("made");
    }
    let roles = [Role::Admin, Role::BankManager, Role::Screener, Role::Reviewer, Role::Auditor];
    let (test, real) = (Environment::Test, Environment::Production);
    let owner = service.with_roles("tenant-a", test, &roles).await;
    let elsewhere = service.with_roles("tenant-a", real, &roles).await;
    let stranger = service.with_roles("tenant-b", test, &roles).await;
    owner.banks().create_bank(bank("bank-a")).await.expect("made");
    let mut adding = entry("bank-a", vec![md5("a")]);
    adding.entry_id = "entry-a".into();
    owner.banks().add_entry(adding).await.expect("added");
    let make = v1::CreateExchangeRequest {
        exchange_id: "exchange-a".into(),
        exchange: Some(exchange_of("bank-a")),
        ..Default::default()
    };
    owner.exchanges().create_exchange(make).await.expect("made");
    let (credential_id, _) = service.key_for("tenant-a", test, &[Role::ExchangePartner]).await;
    let partner = v1::Partner {
        partner_id: "partner-a".into(),
        credential_id,
        purpose: "a test".into(),
        ..Default::default()
    };
    let put = v1::PutPartnerRequest { partner: Some(partner), ..Default::default() };
    owner.exchanges().put_partner(put).await.expect("made");
    let surface = v1::CreateSurfaceRequest {
        surface_id: "place-a".into(),
        surface: Some(v1::Surface {
            environment: test.into(),
            kind: v1::SurfaceKind::Upload.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    owner.admin().create_surface(surface).await.expect("made");
    let asked = v1::ScreenSignalsRequest {
        context: Some(v1::Context { surface_id: "place-a".into(), ..context("i") }),
        signals: vec![md5("a")],
        ..Default::default()
    };
    let verdict = owner.screening().screen_signals(asked).await.expect("answered");
    let verdict = verdict.into_inner().verdict.expect("a verdict").verdict_id;
    let list = v1::ListCredentialsRequest { page_size: 1, ..Default::default() };
    let own = owner.admin().list_credentials(list).await.expect("listed").into_inner();
    let names = Names {
        tenant: "tenant-a".into(),
        bank: "bank-a".into(),
        entry: "entry-a".into(),
        surface: "place-a".into(),
        credential: own.credentials[0].credential_id.clone(),
        verdict,
        exchange: "exchange-a".into(),
        partner: "partner-a".into(),
        stream: "stream-a".into(),
    };
    let _guarded = crate::live::Guarded::start(&owner, "stream-a").await;
    let absent = names.absent();

    let mut covered = BTreeSet::new();
    for (caller, whose) in [(&stranger, "another tenant's"), (&elsewhere, "of another environment")]
    {
        let (told, nothing) =
            (screening_told(caller, &names).await, screening_told(caller, &absent).await);
        compare(told, nothing, &mut covered, whose);
        let (told, nothing) = (banks_told(caller, &names).await, banks_told(caller, &absent).await);
        compare(told, nothing, &mut covered, whose);
        let (told, nothing) =
            (exchanges_told(caller, &names).await, exchanges_told(caller, &absent).await);
        compare(told, nothing, &mut covered, whose);
        let (told, nothing) = (live_told(caller, &names).await, live_told(caller, &absent).await);
        compare(told, nothing, &mut covered, whose);
        let streams = caller.live().list_streams(v1::ListStreamsRequest::default()).await;
        assert!(streams.unwrap().into_inner().streams.is_empty(), "{whose}");
        let mut client = caller.exchanges();
        let exchanges = client.list_exchanges(v1::ListExchangesRequest::default());
        assert!(exchanges.await.unwrap().into_inner().exchanges.is_empty(), "{whose}");
        let partners = client.list_partners(v1::ListPartnersRequest::default());
        assert!(partners.await.unwrap().into_inner().partners.is_empty(), "{whose}");
        let banks = caller.banks().list_banks(v1::ListBanksRequest::default()).await.unwrap();
        assert!(banks.into_inner().banks.is_empty(), "{whose}");
        let status = caller.banks().get_index_status(v1::GetIndexStatusRequest {}).await.unwrap();
        assert!(status.into_inner().banks.is_empty(), "{whose}");
    }
    let (told, nothing) =
        (admin_told(&stranger, &names).await, admin_told(&stranger, &absent).await);
    compare(told, nothing, &mut covered, "another tenant's");

    // What only processes of the service ask nobody else gets at all.
    let is_for_callers = |rpc: &Rpc| {
        rpc_table::find(&rpc.path).is_some_and(|row| row.access != rpc_table::Access::Shards)
    };
    let all: BTreeSet<String> =
        rpcs().into_iter().filter(is_for_callers).map(|rpc| rpc.name).collect();
    covered.extend(NAMELESS.map(str::to_owned));
    assert_eq!(covered, all, "an rpc was not tried");

    // And nothing of it had an effect.
    let there = v1::GetEntryRequest { bank_id: "bank-a".into(), entry_id: "entry-a".into() };
    let entry = owner.banks().get_entry(there).await.expect("there").into_inner().entry.unwrap();
    assert_eq!((entry.state(), entry.note.as_str()), (v1::EntryState::Active, ""));
    let place = v1::GetSurfaceRequest {
        environment: test.into(),
        surface_id: "place-a".into(),
        ..Default::default()
    };
    let surface = owner.admin().get_surface(place).await.expect("there").into_inner().surface;
    assert!(surface.unwrap().revoke_time.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_key_of_the_operator_ends_nobody_s_real_use() {
    let service = Service::start().await;
    let request = v1::CreateTenantRequest { tenant_id: "acme".into(), ..Default::default() };
    service.admin().admin().create_tenant(request).await.expect("made");
    let trial = service.with_roles("operator", Environment::Test, &[Role::Admin]).await;
    let real = service.with_roles("acme", Environment::Production, &[Role::BankManager]).await;
    let revoke = v1::RevokeTenantRequest { tenant_id: "acme".into(), ..Default::default() };
    let role_missing = (Code::PermissionDenied, "ROLE_MISSING".to_owned());
    assert_eq!(refused(trial.admin().revoke_tenant(revoke).await), role_missing);
    let make = v1::CreateTenantRequest { tenant_id: "other".into(), ..Default::default() };
    assert_eq!(refused(trial.admin().create_tenant(make).await), role_missing);
    let list = v1::ListBanksRequest::default();
    assert!(real.banks().list_banks(list).await.is_ok());
}
