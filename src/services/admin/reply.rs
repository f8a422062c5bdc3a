//! Administration answers, written from the core to the wire.

use crate::core::access::{Credential, Proof, Role, Scope, Tenant};
use crate::core::policy::Surface;
use crate::proto::v1;
use crate::services::words::record::write_etag;
use crate::services::words::{live, moment, policy};

/// Writes a tenant.
#[must_use]
pub fn tenant(tenant: &Tenant) -> v1::Tenant {
    v1::Tenant {
        tenant_id: tenant.id.to_string(),
        display_name: tenant.display_name.clone(),
        etag: write_etag(tenant.version),
        create_time: Some(moment::timestamp(tenant.created)),
        revoke_time: tenant.revoked.map(moment::timestamp),
    }
}

const fn role(role: Role) -> v1::Role {
    match role {
        Role::Screener => v1::Role::Screener,
        Role::BankManager => v1::Role::BankManager,
        Role::Reviewer => v1::Role::Reviewer,
        Role::ChildSafetyReviewer => v1::Role::ChildSafetyReviewer,
        Role::Reporter => v1::Role::Reporter,
        Role::EvidenceCustodian => v1::Role::EvidenceCustodian,
        Role::ExchangePartner => v1::Role::ExchangePartner,
        Role::Auditor => v1::Role::Auditor,
        Role::Admin => v1::Role::Admin,
    }
}

/// Writes a credential; of a key nothing but that there is one.
#[must_use]
pub fn credential(credential: &Credential) -> v1::Credential {
    use v1::credential::Proof as Wire;
    v1::Credential {
        credential_id: credential.id.to_string(),
        tenant_id: credential.scope.tenant.to_string(),
        environment: policy::write_environment(credential.scope.environment).into(),
        roles: credential.roles.iter().map(|one| role(*one).into()).collect(),
        display_name: credential.display_name.clone(),
        proof: Some(match &credential.proof {
            Proof::Key(_) => Wire::Key(v1::ApiKey {}),
            Proof::Certificate(digest) => Wire::CertificateSha256(digest.to_vec().into()),
        }),
        etag: write_etag(credential.version),
        create_time: Some(moment::timestamp(credential.created)),
        expire_time: credential.expires.map(moment::timestamp),
        revoke_time: credential.revoked.map(moment::timestamp),
    }
}

/// Writes a surface.
#[must_use]
pub fn surface(scope: &Scope, surface: &Surface) -> v1::Surface {
    v1::Surface {
        surface_id: surface.id.to_string(),
        tenant_id: scope.tenant.to_string(),
        environment: policy::write_environment(scope.environment).into(),
        kind: policy::write_surface_kind(surface.kind).into(),
        display_name: surface.display_name.clone(),
        required_checks: surface
            .required
            .iter()
            .map(|check| policy::write_check(*check).into())
            .collect(),
        on_incomplete: policy::write_on_incomplete(surface.on_incomplete).into(),
        score_thresholds: surface
            .score_thresholds
            .iter()
            .map(|threshold| v1::ScoreThreshold {
                category: threshold.category.clone(),
                score_min: threshold.at_least,
                disposition: policy::write_disposition(threshold.disposition).into(),
            })
            .collect(),
        legal_basis_required: surface.legal_basis_required,
        etag: write_etag(surface.version),
        create_time: Some(moment::timestamp(surface.created)),
        revoke_time: surface.revoked.map(moment::timestamp),
        lookback_window: surface.lookback.map(moment::span),
        live_terms: surface.live.as_deref().map(live::write),
    }
}
