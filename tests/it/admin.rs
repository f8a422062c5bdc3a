//! Tenants, credentials and surfaces, and what separates them, over a socket.

use crate::service::*;
use bulwark::proto::v1;
use tonic::Code;
use v1::{Environment, Role};

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

async fn tenant(service: &Service, id: &str) -> v1::Tenant {
    let request = v1::CreateTenantRequest {
        tenant_id: id.into(),
        tenant: Some(v1::Tenant { display_name: "a platform".into(), ..v1::Tenant::default() }),
        request_id: String::new(),
    };
    let made = service.admin().admin().create_tenant(request).await.expect("made");
    made.into_inner().tenant.expect("a tenant")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_renamed_listed_and_revoked_with_all_its_keys() {
    let service = Service::start().await;
    let made = tenant(&service, "acme").await;
    let mut admin = service.admin().admin();
    let acme =
        service.with_roles("acme", Environment::Production, &[Role::Admin, Role::BankManager]);
    let acme = acme.await;
    acme.banks().create_bank(bank("theirs")).await.expect("made");
    let rename = v1::UpdateTenantRequest {
        tenant: Some(v1::Tenant { display_name: "Acme".into(), ..made.clone() }),
        update_mask: mask(&["display_name"]),
        request_id: "u".into(),
    };
    let renamed = admin.update_tenant(rename.clone()).await.expect("renamed").into_inner();
    assert_eq!(renamed.tenant.as_ref().unwrap().display_name, "Acme");
    assert_eq!(admin.update_tenant(rename).await.expect("again").into_inner(), renamed);
    let all = admin.list_tenants(v1::ListTenantsRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.tenants.len(), 2);
    let own = acme.admin().list_tenants(v1::ListTenantsRequest::default()).await.unwrap();
    assert_eq!(own.into_inner().tenants.len(), 1);
    let get = |id: &str| v1::GetTenantRequest { tenant_id: id.into() };
    assert!(acme.admin().get_tenant(get("acme")).await.is_ok());
    let foreign = acme.admin().get_tenant(get("operator")).await;
    let absent = acme.admin().get_tenant(get("nobody")).await;
    assert_eq!(refused(foreign), refused(absent), "a foreign tenant looks like none");
    let mine = v1::CreateTenantRequest { tenant_id: "mine".into(), ..Default::default() };
    assert_eq!(refused(acme.admin().create_tenant(mine).await).1, "ROLE_MISSING");

    let revoke = |id: &str| v1::RevokeTenantRequest { tenant_id: id.into(), ..Default::default() };
    assert_eq!(refused(admin.revoke_tenant(revoke("operator")).await).1, "ROLE_MISSING");
    let revoked = admin.revoke_tenant(revoke("acme")).await.expect("revoked").into_inner();
    assert!(revoked.tenant.unwrap().revoke_time.is_some());
    let after = acme.banks().list_banks(v1::ListBanksRequest::default()).await;
    assert_eq!(refused(after), (Code::PermissionDenied, "TENANT_REVOKED".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_has_one_key_shown_once_and_ends_when_it_is_revoked() {
    let service = Service::start().await;
    let mut admin = service.admin().admin();
    let wanted = v1::CreateCredentialRequest {
        credential: Some(v1::Credential {
            tenant_id: "operator".into(),
            environment: Environment::Test.into(),
            roles: vec![Role::BankManager.into()],
            proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
            display_name: "curator".into(),
            ..v1::Credential::default()
        }),
        request_id: "c".into(),
    };
    let made = admin.create_credential(wanted.clone()).await.expect("made").into_inner();
    let again = admin.create_credential(wanted.clone()).await.expect("repeated").into_inner();
    assert!(made.key.starts_with("bulwark_") && again.key.is_empty(), "a key is shown once");
    assert_eq!(again.credential, made.credential);
    let credential = made.credential.unwrap();
    let id = credential.credential_id.clone();
    let curator = service.caller(&made.key);
    assert!(curator.banks().list_banks(v1::ListBanksRequest::default()).await.is_ok());

    let got = admin.get_credential(v1::GetCredentialRequest { credential_id: id.clone() }).await;
    assert_eq!(got.expect("there").into_inner().credential.unwrap(), credential);
    let list = v1::ListCredentialsRequest { page_size: 1, ..Default::default() };
    let page = admin.list_credentials(list).await.expect("listed").into_inner();
    assert!(page.credentials.len() == 1 && !page.next_page_token.is_empty());
    let update = v1::UpdateCredentialRequest {
        credential: Some(v1::Credential { roles: vec![Role::Screener.into()], ..credential }),
        update_mask: mask(&["roles"]),
        request_id: String::new(),
    };
    admin.update_credential(update.clone()).await.expect("changed");
    let lost = curator.banks().list_banks(v1::ListBanksRequest::default()).await;
    assert_eq!(refused(lost), (Code::PermissionDenied, "ROLE_MISSING".into()));
    assert_eq!(refused(admin.update_credential(update).await).1, "ETAG_MISMATCH");

    let revoke = v1::RevokeCredentialRequest { credential_id: id, ..Default::default() };
    admin.revoke_credential(revoke).await.expect("revoked");
    let ended = curator.screening().get_verdict(v1::GetVerdictRequest::default()).await;
    let unknown = service.caller("bulwark_none.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let never = unknown.screening().get_verdict(v1::GetVerdictRequest::default()).await;
    let reason = (Code::Unauthenticated, "CREDENTIAL_INVALID".to_owned());
    assert_eq!((refused(ended), refused(never)), (reason.clone(), reason));
    let missing = service.nobody().get_verdict(v1::GetVerdictRequest::default()).await;
    assert_eq!(refused(missing), (Code::Unauthenticated, "CREDENTIAL_MISSING".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_and_real_data_never_meet_and_a_trial_key_makes_no_real_one() {
    let service = Service::start().await;
    tenant(&service, "acme").await;
    let roles = [Role::BankManager, Role::Screener, Role::Admin];
    let trial = service.with_roles("acme", Environment::Test, &roles).await;
    let real = service.with_roles("acme", Environment::Production, &roles).await;
    let other = service.with_roles("operator", Environment::Test, &roles).await;
    trial.banks().create_bank(bank("known")).await.expect("made");
    trial.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let get = v1::GetBankRequest { bank_id: "known".into() };
    let absent = refused(real.banks().get_bank(v1::GetBankRequest { bank_id: "no".into() }).await);
    for foreign in [&real, &other] {
        assert_eq!(refused(foreign.banks().get_bank(get.clone()).await), absent);
        let add = foreign.banks().add_entry(entry("known", vec![md5("b")])).await;
        assert_eq!(refused(add), absent);
        let request = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals: vec![md5("a")],
            ..v1::ScreenSignalsRequest::default()
        };
        let answer = foreign.screening().screen_signals(request).await.expect("answered");
        let verdict = answer.into_inner().verdict.unwrap();
        assert!(verdict.findings.is_empty() && !verdict.detail_withheld);
    }
    let real_key = v1::CreateCredentialRequest {
        credential: Some(v1::Credential {
            tenant_id: "acme".into(),
            environment: Environment::Production.into(),
            roles: vec![Role::Admin.into()],
            proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
            ..v1::Credential::default()
        }),
        request_id: String::new(),
    };
    assert_eq!(refused(trial.admin().create_credential(real_key).await).1, "ROLE_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_surface_decides_what_an_incomplete_check_means() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let mut admin = service.admin().admin();
    let place = v1::GetSurfaceRequest {
        environment: Environment::Test.into(),
        surface_id: "upload".into(),
        ..Default::default()
    };
    let usual = admin.get_surface(place).await.expect("there").into_inner().surface.unwrap();
    assert_eq!(usual.on_incomplete(), v1::OnIncomplete::Hold);
    let list =
        v1::ListSurfacesRequest { environment: Environment::Test.into(), ..Default::default() };
    let listed = admin.list_surfaces(list).await.expect("listed").into_inner();
    assert_eq!(listed.surfaces.len(), 9);
    for (rule, disposition) in [
        (v1::OnIncomplete::Hold, v1::Disposition::Hold),
        (v1::OnIncomplete::Block, v1::Disposition::Block),
        (v1::OnIncomplete::AllowAndRecheck, v1::Disposition::Allow),
    ] {
        let update = v1::UpdateSurfaceRequest {
            surface: Some(v1::Surface {
                on_incomplete: rule.into(),
                etag: String::new(),
                ..usual.clone()
            }),
            update_mask: mask(&["on_incomplete"]),
            request_id: String::new(),
        };
        admin.update_surface(update).await.expect("changed");
        let answer = screener.screening().screen_media(media("i", b"plain text".to_vec())).await;
        let verdict = answer.expect("answered").into_inner().verdict.unwrap();
        assert_eq!((verdict.disposition(), verdict.incomplete()), (disposition, rule));
        let rechecks = rule == v1::OnIncomplete::AllowAndRecheck;
        assert_eq!(verdict.recheck_after.is_some(), rechecks);
        assert_eq!(!verdict.recheck_token.is_empty(), rechecks);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_callers_at_once_one_gets_a_credential_for_a_certificate() {
    let service = Service::start().await;
    for round in 0..4_u8 {
        let wanted = v1::CreateCredentialRequest {
            credential: Some(v1::Credential {
                tenant_id: "operator".into(),
                environment: Environment::Test.into(),
                roles: vec![Role::Screener.into()],
                proof: Some(v1::credential::Proof::CertificateSha256(vec![round; 32].into())),
                ..v1::Credential::default()
            }),
            request_id: String::new(),
        };
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let (mut admin, wanted) = (service.admin().admin(), wanted.clone());
                tokio::spawn(async move { admin.create_credential(wanted).await })
            })
            .collect();
        let mut made = 0;
        for call in calls {
            match call.await.expect("no panic") {
                Ok(_) => made += 1,
                Err(status) => {
                    let refusal = refused::<()>(Err(status));
                    assert_eq!(refusal, (Code::InvalidArgument, "FIELD_INVALID".into()));
                }
            }
        }
        assert_eq!(made, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_process_is_is_told_to_the_operator_only() {
    let service = Service::start().await;
    tenant(&service, "acme").await;
    let ask = |sum_index| v1::GetHealthDetailRequest { sum_index };
    let theirs = service.with_roles("acme", Environment::Production, &[Role::Admin]).await;
    let refusal = refused(theirs.admin().get_health_detail(ask(false)).await);
    assert_eq!(refusal, (Code::PermissionDenied, "ROLE_MISSING".into()));
    let mut admin = service.admin().admin();
    let told = admin.get_health_detail(ask(false)).await.expect("told").into_inner();
    let (index, store, media) = (told.index.unwrap(), told.store.unwrap(), told.media.unwrap());
    assert!(media.decodes_video && media.worker_count <= 2, "{media:?}");
    assert!(told.detectors.is_empty());
    assert!(index.sum.is_empty() && index.entry_count == 0);
    assert_eq!(index.age, Some(prost_types::Duration::default()), "there are no others");
    assert!(!store.shared && !store.away && !store.failed);
    assert_eq!(store.journal_number, Some(index.applied_number));
    assert!(told.replicas.is_empty() && told.leases.is_empty());
    let mut sums = Vec::new();
    for _ in 0..2 {
        let told = admin.get_health_detail(ask(true)).await.expect("told").into_inner();
        sums.push(told.index.unwrap().sum);
    }
    assert!(sums[0].len() == 32 && sums[0] == sums[1]);
    tenant(&service, "other").await;
    let told = admin.get_health_detail(ask(true)).await.expect("told").into_inner();
    assert_ne!(told.index.unwrap().sum, sums[0]);
}
