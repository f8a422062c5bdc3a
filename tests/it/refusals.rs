//! Every rpc refuses what lacks a required field, by name, and whoever has no role for it.

use crate::descriptor::{rpcs, uncalled, without_each_required};
use crate::service::*;
use bulwark::proto::v1;
use bulwark::server::rpc_table;
use prost::Message;
use tonic::Status;
use tonic_prost::ProstCodec;
use v1::{Environment, Role};

/// Makes a unary call by its path, with whatever message.
pub async fn call<M>(caller: &Caller, path: &'static str, message: M) -> Result<(), Status>
where
    M: Message + Default + 'static,
{
    let mut client = tonic::client::Grpc::new(caller.channel.clone());
    client.ready().await.expect("ready");
    let path = http::uri::PathAndQuery::from_static(path);
    let codec = ProstCodec::<M, ()>::default();
    client.unary(tonic::Request::new(message), path, codec).await.map(drop)
}

async fn each_is_named<M>(caller: &Caller, path: &'static str, name: &str, good: M)
where
    M: Message + Default + Clone + 'static,
{
    let lacking = without_each_required(name, &good);
    for (field, message) in lacking {
        // How a credential is proved cannot be changed, so a change need not say it.
        if name.starts_with("Update") && field.ends_with(".proof") {
            continue;
        }
        // What an exchange is cannot be changed either.
        let of_exchange = field.starts_with("exchange.") && field != "exchange.exchange_id";
        if name == "UpdateExchangeRequest" && of_exchange {
            continue;
        }
        let named = bad_fields(call(caller, path, message).await);
        assert!(named.contains(&field), "{path}: {field} is not among {named:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_required_field_left_out_is_refused_by_name() {
    let service = Service::start().await;
    let roles = [
        Role::Admin,
        Role::BankManager,
        Role::Screener,
        Role::Reviewer,
        Role::Auditor,
        Role::ExchangePartner,
    ];
    let all = service.with_roles("operator", Environment::Production, &roles).await;
    macro_rules! check {
        ($service:literal, $($rpc:literal: $good:expr;)*) => {$(
            let name = concat!($rpc, "Request");
            each_is_named(&all, concat!("/bulwark.v1.", $service, "/", $rpc), name, $good).await;
        )*};
    }
    let mask = || Some(prost_types::FieldMask { paths: vec!["display_name".into()] });
    let test = i32::from(Environment::Test);
    check! { "ScreeningService",
        "ScreenMedia": media("i", vec![1]);
        "ScreenSignals": v1::ScreenSignalsRequest {
            context: Some(context("i")), signals: vec![md5("a"), md5("b")], ..Default::default()
        };
        "ReportExternalScores": v1::ReportExternalScoresRequest {
            context: Some(context("i")),
            scores: vec![v1::ExternalScore {
                category: "c".into(), value: 0.5, detector: "d".into(),
                detector_version: "1".into(),
            }],
        };
        "RecordOutcome": v1::RecordOutcomeRequest {
            verdict_id: "v".into(), kind: v1::OutcomeKind::Held.into(), ..Default::default()
        };
        "GetVerdict": v1::GetVerdictRequest { verdict_id: "v".into() };
        "ForgetItem": v1::ForgetItemRequest { item_id: "i".into() };
    }
    check! { "LiveService",
        "InterruptStream": v1::InterruptStreamRequest {
            stream_id: "s".into(), reason: "a test".into(), ..Default::default()
        };
    }
    let rule = v1::SignalRule {
        r#type: v1::SignalType::Md5.into(),
        bands: vec![v1::Band { distance_max: 0, disposition: v1::Disposition::Hold.into() }],
        ..Default::default()
    };
    let mut full = bank("known");
    full.bank.as_mut().unwrap().signal_rules = vec![rule];
    full.bank.as_mut().unwrap().quorum = Some(v1::Quorum {
        organisations_min: 1,
        voices: vec![v1::QuorumVoice {
            exchange: "hub".into(),
            organisation: "a".into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    check! { "BankService",
        "CreateBank": full.clone();
        "GetBank": v1::GetBankRequest { bank_id: "b".into() };
        "UpdateBank": v1::UpdateBankRequest {
            bank: Some(v1::Bank { bank_id: "b".into(), ..full.bank.clone().unwrap() }),
            update_mask: mask(), request_id: String::new(),
        };
        "DeleteBank": v1::DeleteBankRequest {
            bank_id: "b".into(), etag: "1".into(), confirm: "b".into(), request_id: String::new(),
        };
        "AddEntry": entry("b", vec![md5("a")]);
        "GetEntry": v1::GetEntryRequest { bank_id: "b".into(), entry_id: "e".into() };
        "ListEntries": v1::ListEntriesRequest { bank_id: "b".into(), ..Default::default() };
        "UpdateEntry": v1::UpdateEntryRequest {
            entry: Some(v1::BankEntry {
                bank_id: "b".into(), entry_id: "e".into(), note: "n".into(), ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["note".into()] }),
            request_id: String::new(),
        };
        "RemoveEntry": v1::RemoveEntryRequest {
            bank_id: "b".into(), entry_id: "e".into(), ..Default::default()
        };
        "RecordOpinion": v1::RecordOpinionRequest {
            bank_id: "b".into(), entry_id: "e".into(),
            value: v1::OpinionValue::Seed.into(), ..Default::default()
        };
        "ListOpinions": v1::ListOpinionsRequest {
            bank_id: "b".into(), entry_id: "e".into(), ..Default::default()
        };
        "ListQuarantine": v1::ListQuarantineRequest { bank_id: "b".into(), ..Default::default() };
        "ReleaseFromQuarantine": v1::ReleaseFromQuarantineRequest {
            bank_id: "b".into(), entry_id: "e".into(), reason: "seen".into(), ..Default::default()
        };
        "CompareSignals": v1::CompareSignalsRequest {
            first: Some(md5("a")), second: Some(md5("b")),
        };
    }
    let other = v1::BulwarkExchange {
        address: "http://127.0.0.1:9".into(),
        key: "k".into(),
        partner_id: "us".into(),
        bank_id: "b".into(),
        origin: "o".into(),
        public_keys: vec!["00".repeat(32)],
        ..Default::default()
    };
    let exchange = v1::Exchange {
        kind: Some(v1::exchange::Kind::Bulwark(other)),
        bank_id: "b".into(),
        ..Default::default()
    };
    let named_exchange = v1::Exchange { exchange_id: "e".into(), ..exchange.clone() };
    let partner = v1::Partner {
        partner_id: "p".into(),
        credential_id: "c".into(),
        purpose: "a test".into(),
        origin: "o".into(),
        public_keys: vec!["00".repeat(32)],
        shares: vec![v1::PartnerShare { bank_id: "b".into(), ..Default::default() }],
        takes: vec![v1::PartnerTake { bank_id: "b".into(), ..Default::default() }],
        ..Default::default()
    };
    let delta = v1::SignedDelta { delta: vec![1].into(), signature: vec![1].into() };
    check! { "ExchangeService",
        "CreateExchange": v1::CreateExchangeRequest {
            exchange_id: "e".into(), exchange: Some(exchange.clone()), ..Default::default()
        };
        "GetExchange": v1::GetExchangeRequest { exchange_id: "e".into() };
        "UpdateExchange": v1::UpdateExchangeRequest {
            exchange: Some(named_exchange.clone()), update_mask: mask(), request_id: String::new(),
        };
        "DeleteExchange": v1::DeleteExchangeRequest {
            exchange_id: "e".into(), ..Default::default()
        };
        "SyncExchange": v1::SyncExchangeRequest { exchange_id: "e".into() };
        "GetExchangeStatus": v1::GetExchangeStatusRequest { exchange_id: "e".into() };
        "PullSignals": v1::PullSignalsRequest { bank_id: "b".into(), ..Default::default() };
        "PushSignals": v1::PushSignalsRequest { delta: Some(delta.clone()) };
        "PushOpinions": v1::PushOpinionsRequest { delta: Some(delta.clone()) };
        "PutPartner": v1::PutPartnerRequest { partner: Some(partner), ..Default::default() };
    }
    let credential = v1::Credential {
        tenant_id: "operator".into(),
        environment: test,
        roles: vec![Role::Screener.into()],
        proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
        ..Default::default()
    };
    let surface = v1::Surface {
        environment: test,
        kind: v1::SurfaceKind::Upload.into(),
        score_thresholds: vec![v1::ScoreThreshold {
            category: "c".into(),
            score_min: 0.5,
            disposition: v1::Disposition::Hold.into(),
        }],
        ..Default::default()
    };
    let named_surface = v1::Surface { surface_id: "s".into(), ..surface.clone() };
    let named_credential = v1::Credential { credential_id: "c".into(), ..credential.clone() };
    check! { "AdminService",
        "CreateTenant": v1::CreateTenantRequest { tenant_id: "t".into(), ..Default::default() };
        "GetTenant": v1::GetTenantRequest { tenant_id: "t".into() };
        "UpdateTenant": v1::UpdateTenantRequest {
            tenant: Some(v1::Tenant { tenant_id: "t".into(), ..Default::default() }),
            update_mask: mask(), request_id: String::new(),
        };
        "RevokeTenant": v1::RevokeTenantRequest { tenant_id: "t".into(), ..Default::default() };
        "CreateCredential": v1::CreateCredentialRequest {
            credential: Some(credential.clone()), request_id: String::new(),
        };
        "GetCredential": v1::GetCredentialRequest { credential_id: "c".into() };
        "UpdateCredential": v1::UpdateCredentialRequest {
            credential: Some(named_credential.clone()), update_mask: mask(),
            request_id: String::new(),
        };
        "RevokeCredential": v1::RevokeCredentialRequest {
            credential_id: "c".into(), ..Default::default()
        };
        "CreateSurface": v1::CreateSurfaceRequest {
            surface_id: "s".into(), surface: Some(surface.clone()), request_id: String::new(),
        };
        "GetSurface": v1::GetSurfaceRequest {
            environment: test, surface_id: "s".into(), ..Default::default()
        };
        "ListSurfaces": v1::ListSurfacesRequest { environment: test, ..Default::default() };
        "UpdateSurface": v1::UpdateSurfaceRequest {
            surface: Some(named_surface.clone()), update_mask: mask(), request_id: String::new(),
        };
        "RevokeSurface": v1::RevokeSurfaceRequest {
            environment: test, surface_id: "s".into(), ..Default::default()
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rpc_serves_a_caller_without_a_role_for_it() {
    let service = Service::start().await;
    let wire = |role: bulwark::core::access::Role| match role {
        bulwark::core::access::Role::Screener => Role::Screener,
        bulwark::core::access::Role::BankManager => Role::BankManager,
        bulwark::core::access::Role::Reviewer => Role::Reviewer,
        bulwark::core::access::Role::ChildSafetyReviewer => Role::ChildSafetyReviewer,
        bulwark::core::access::Role::Reporter => Role::Reporter,
        bulwark::core::access::Role::EvidenceCustodian => Role::EvidenceCustodian,
        bulwark::core::access::Role::ExchangePartner => Role::ExchangePartner,
        bulwark::core::access::Role::Auditor => Role::Auditor,
        bulwark::core::access::Role::Admin => Role::Admin,
    };
    let mut refusals = 0;
    for role in bulwark::core::access::Role::ALL {
        let caller = service.with_roles("operator", Environment::Test, &[wire(role)]).await;
        for rpc in rpcs() {
            let row = rpc_table::find(&rpc.path).expect("a row in the table");
            let allowed = match row.access {
                rpc_table::Access::Roles(allowed) => allowed,
                rpc_table::Access::Shards => &[],
                other => panic!("{}: {other:?}", row.path),
            };
            if !allowed.contains(&role) {
                let answer = call(&caller, row.path, v1::MediaFinish {}).await;
                assert_eq!(refused(answer).1, "ROLE_MISSING", "{} {role:?}", row.path);
                refusals += 1;
            }
        }
    }
    assert!(refusals > 200, "{refusals}");
}

#[test]
fn no_rpc_is_without_a_test_that_calls_it_over_a_socket() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let names = [
        "screening.rs",
        "lookback.rs",
        "live.rs",
        "banks.rs",
        "opinions.rs",
        "partners.rs",
        "admin.rs",
        "called.rs",
        "shards.rs",
    ];
    let sources: Vec<String> = names
        .iter()
        .map(|name| std::fs::read_to_string(folder.join(name)).expect("a source"))
        .collect();
    let left: Vec<_> = uncalled(&rpcs(), &sources).iter().map(|rpc| format!("{rpc:?}")).collect();
    assert!(left.is_empty(), "{left:#?}");
}
