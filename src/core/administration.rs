//! Administration: which changes to tenants, credentials and surfaces are made, and by whom.

use crate::core::access::{Caller, Credential, Environment, Proof, Role, Scope, Tenant};
use crate::core::id::{CredentialId, SurfaceId, TenantId};
use crate::core::live::policy::Terms;
use crate::core::policy::{ScoreThreshold, Surface, SurfaceKind};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::time::Time;
use crate::core::verdict::{Check, OnIncomplete};
use std::time::Duration;

/// Name of the tenant whose administrators manage all tenants.
pub const OPERATOR: &str = "operator";

/// Whether the caller may manage `tenant`: its own, or any where it belongs to the operator.
///
/// # Errors
/// [`Refused::Missing`] otherwise: a foreign tenant looks like none.
pub fn may_manage(caller: &Caller, tenant: &TenantId) -> Result<(), Refused> {
    if is_operator(caller) || caller.scope.tenant == *tenant {
        Ok(())
    } else {
        Err(Refused::Missing(Thing::Tenant, tenant.to_string()))
    }
}

/// Whether the caller may manage what belongs to a scope.
///
/// # Errors
/// As [`may_manage`]; [`Refused::NotAllowed`] for a trial credential that reaches for real data.
pub fn may_manage_scope(caller: &Caller, scope: &Scope) -> Result<(), Refused> {
    may_manage(caller, &scope.tenant)?;
    if caller.scope.environment == Environment::Test && scope.environment != Environment::Test {
        return Err(Refused::NotAllowed("a TEST credential manages only what is TEST"));
    }
    Ok(())
}

/// Whether the caller belongs to the operator.
#[must_use]
pub fn is_operator(caller: &Caller) -> bool {
    caller.scope.tenant.as_str() == OPERATOR
}

/// Whether the caller may make or revoke tenants. A tenant's real use ends with it, so no trial credential may.
///
/// # Errors
/// [`Refused::NotAllowed`] for callers that do not belong to the operator, and for its trial credentials.
pub fn operator_only(caller: &Caller) -> Result<(), Refused> {
    if !is_operator(caller) {
        return Err(Refused::NotAllowed("only the operator makes and revokes tenants"));
    }
    if caller.scope.environment == Environment::Test {
        return Err(Refused::NotAllowed("a TEST credential makes and revokes no tenants"));
    }
    Ok(())
}

/// Makes a tenant, with the usual surfaces of both environments.
///
/// # Errors
/// [`Refused::Exists`] where one of that name is there.
pub fn create_tenant(
    present: Option<&Tenant>,
    id: TenantId,
    display_name: String,
    now: Time,
) -> Result<(Tenant, Vec<(Scope, Surface)>), Refused> {
    if present.is_some() {
        return Err(Refused::Exists(Thing::Tenant, id.to_string()));
    }
    let surfaces = [Environment::Test, Environment::Production]
        .into_iter()
        .flat_map(|environment| {
            let scope = Scope { tenant: id.clone(), environment };
            SurfaceKind::ALL.map(|kind| (scope.clone(), Surface::usual(kind, now)))
        })
        .collect();
    Ok((Tenant { id, display_name, version: 1, created: now, revoked: None }, surfaces))
}

/// The tenant of that name, if it is not revoked.
///
/// # Errors
/// [`Refused::Missing`] where there is none, [`Refused::Revoked`] where its use has ended.
pub fn live_tenant(present: Option<Tenant>, id: &TenantId) -> Result<Tenant, Refused> {
    let tenant = present.ok_or_else(|| Refused::Missing(Thing::Tenant, id.to_string()))?;
    match tenant.revoked {
        None => Ok(tenant),
        Some(_) => Err(Refused::Revoked(Thing::Tenant, id.to_string())),
    }
}

/// Renames a tenant.
///
/// # Errors
/// [`Refused::Changed`] where it was changed since the caller read it.
pub fn update_tenant(
    mut tenant: Tenant,
    display_name: Option<String>,
    read: Option<u64>,
) -> Result<Tenant, Refused> {
    unchanged(Thing::Tenant, &tenant.id, read, tenant.version)?;
    if let Some(name) = display_name {
        tenant.display_name = name;
    }
    tenant.version += 1;
    Ok(tenant)
}

/// Ends a tenant's use of the service. Revoking again changes nothing.
///
/// # Errors
/// [`Refused::Changed`] where it was changed since; [`Refused::NotAllowed`] for the operator itself.
pub fn revoke_tenant(
    mut tenant: Tenant,
    read: Option<u64>,
    now: Time,
) -> Result<Option<Tenant>, Refused> {
    if tenant.revoked.is_some() {
        return Ok(None);
    }
    if tenant.id.as_str() == OPERATOR {
        return Err(Refused::NotAllowed("the operator cannot be revoked"));
    }
    unchanged(Thing::Tenant, &tenant.id, read, tenant.version)?;
    tenant.revoked = Some(now);
    tenant.version += 1;
    Ok(Some(tenant))
}

/// What a caller wants of a new credential.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Scope of its calls.
    pub scope: Scope,
    /// What it may be used for.
    pub roles: Vec<Role>,
    /// How it is proved.
    pub proof: Proof,
    /// A note for people.
    pub display_name: String,
    /// When it ends by itself.
    pub expires: Option<Time>,
}

fn ends_ahead(expires: Option<Time>, now: Time) -> Result<(), Refused> {
    if expires.is_some_and(|end| end <= now) {
        let must = "must lie in the future";
        return Err(Refused::Field("credential.expire_time".to_owned(), must.to_owned()));
    }
    Ok(())
}

/// Makes a credential named `id`.
///
/// # Errors
/// [`Refused::Field`] for an end that has passed, or a certificate that proves another credential.
pub fn create_credential(
    proves: Option<&CredentialId>,
    id: CredentialId,
    wanted: NewCredential,
    now: Time,
) -> Result<Credential, Refused> {
    ends_ahead(wanted.expires, now)?;
    if proves.is_some() {
        return Err(Refused::Field(
            "credential.certificate_sha256".to_owned(),
            "must not prove another credential".to_owned(),
        ));
    }
    Ok(Credential {
        id,
        scope: wanted.scope,
        roles: wanted.roles,
        proof: wanted.proof,
        display_name: wanted.display_name,
        version: 1,
        created: now,
        expires: wanted.expires,
        revoked: None,
    })
}

/// The credential of that name, if the caller may manage it.
///
/// # Errors
/// [`Refused::Missing`] where there is none, or one of a foreign tenant.
pub fn existing_credential(
    caller: &Caller,
    present: Option<Credential>,
    id: &CredentialId,
) -> Result<Credential, Refused> {
    present
        .filter(|credential| may_manage(caller, &credential.scope.tenant).is_ok())
        .ok_or_else(|| Refused::Missing(Thing::Credential, id.to_string()))
}

/// What a caller wants changed of a credential; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct CredentialPatch {
    /// What it may be used for.
    pub roles: Option<Vec<Role>>,
    /// A note for people.
    pub display_name: Option<String>,
    /// When it ends by itself; the inner absence takes the end away.
    pub expires: Option<Option<Time>>,
}

/// Changes a credential that is not revoked.
///
/// # Errors
/// [`Refused::Revoked`]; [`Refused::Changed`] where it was changed since the caller read it.
pub fn update_credential(
    mut credential: Credential,
    patch: CredentialPatch,
    read: Option<u64>,
    now: Time,
) -> Result<Credential, Refused> {
    if credential.revoked.is_some() {
        return Err(Refused::Revoked(Thing::Credential, credential.id.to_string()));
    }
    unchanged(Thing::Credential, &credential.id, read, credential.version)?;
    if let Some(roles) = patch.roles {
        credential.roles = roles;
    }
    if let Some(name) = patch.display_name {
        credential.display_name = name;
    }
    if let Some(expires) = patch.expires {
        ends_ahead(expires, now)?;
        credential.expires = expires;
    }
    credential.version += 1;
    Ok(credential)
}

/// Ends a credential. Revoking again changes nothing.
///
/// # Errors
/// [`Refused::Changed`] where it was changed since; [`Refused::NotAllowed`] for the credential of the call itself,
/// so that nobody is locked out by mistake.
pub fn revoke_credential(
    caller: &Caller,
    mut credential: Credential,
    read: Option<u64>,
    now: Time,
) -> Result<Option<Credential>, Refused> {
    if credential.revoked.is_some() {
        return Ok(None);
    }
    if credential.id == caller.credential {
        return Err(Refused::NotAllowed("a credential cannot revoke itself"));
    }
    unchanged(Thing::Credential, &credential.id, read, credential.version)?;
    credential.revoked = Some(now);
    credential.version += 1;
    Ok(Some(credential))
}

/// The policy of a surface: everything of it that can be set.
#[derive(Debug, Clone)]
pub struct SurfaceSettings {
    /// A name for people.
    pub display_name: String,
    /// Checks without which nothing is allowed.
    pub required: Vec<Check>,
    /// What decides where one of them was not carried out.
    pub on_incomplete: OnIncomplete,
    /// Scores at which it acts.
    pub score_thresholds: Vec<ScoreThreshold>,
    /// Whether calls must name a legal basis for private items.
    pub legal_basis_required: bool,
    /// For how long items are remembered; `None` for not at all.
    pub lookback: Option<Duration>,
    /// How streams are guarded; `None` for the usual terms.
    pub live: Option<Box<Terms>>,
}

/// The settings a caller wants changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SurfacePatch {
    /// See [`SurfaceSettings::display_name`].
    pub display_name: Option<String>,
    /// See [`SurfaceSettings::required`].
    pub required: Option<Vec<Check>>,
    /// See [`SurfaceSettings::on_incomplete`].
    pub on_incomplete: Option<OnIncomplete>,
    /// See [`SurfaceSettings::score_thresholds`].
    pub score_thresholds: Option<Vec<ScoreThreshold>>,
    /// See [`SurfaceSettings::legal_basis_required`].
    pub legal_basis_required: Option<bool>,
    /// See [`SurfaceSettings::lookback`].
    #[allow(clippy::option_option, reason = "the inner absence switches it off")]
    pub lookback: Option<Option<Duration>>,
    /// See [`SurfaceSettings::live`].
    #[allow(clippy::option_option, reason = "the inner absence gives the usual terms")]
    pub live: Option<Option<Box<Terms>>>,
}

/// Makes a surface.
///
/// # Errors
/// [`Refused::Exists`] where one of that name is there.
pub fn create_surface(
    present: Option<&Surface>,
    id: SurfaceId,
    kind: SurfaceKind,
    settings: SurfaceSettings,
    now: Time,
) -> Result<Surface, Refused> {
    if present.is_some() {
        return Err(Refused::Exists(Thing::Surface, id.to_string()));
    }
    Ok(Surface {
        id,
        kind,
        display_name: settings.display_name,
        required: settings.required,
        on_incomplete: settings.on_incomplete,
        score_thresholds: settings.score_thresholds,
        legal_basis_required: settings.legal_basis_required,
        lookback: settings.lookback,
        live: settings.live,
        version: 1,
        created: now,
        revoked: None,
    })
}

/// The surface of that name.
///
/// # Errors
/// [`Refused::Missing`] where there is none.
pub fn existing_surface(present: Option<Surface>, id: &SurfaceId) -> Result<Surface, Refused> {
    present.ok_or_else(|| Refused::Missing(Thing::Surface, id.to_string()))
}

/// Changes the policy of a surface that is not revoked.
///
/// # Errors
/// [`Refused::Revoked`]; [`Refused::Changed`] where it was changed since the caller read it.
pub fn update_surface(
    mut surface: Surface,
    patch: SurfacePatch,
    read: Option<u64>,
) -> Result<Surface, Refused> {
    if surface.revoked.is_some() {
        return Err(Refused::Revoked(Thing::Surface, surface.id.to_string()));
    }
    unchanged(Thing::Surface, &surface.id, read, surface.version)?;
    if let Some(name) = patch.display_name {
        surface.display_name = name;
    }
    if let Some(required) = patch.required {
        surface.required = required;
    }
    if let Some(rule) = patch.on_incomplete {
        surface.on_incomplete = rule;
    }
    if let Some(thresholds) = patch.score_thresholds {
        surface.score_thresholds = thresholds;
    }
    if let Some(required) = patch.legal_basis_required {
        surface.legal_basis_required = required;
    }
    if let Some(window) = patch.lookback {
        surface.lookback = window;
    }
    if let Some(terms) = patch.live {
        if terms.is_some() && surface.kind != SurfaceKind::Live {
            let must = "must be left out unless kind is LIVE".to_owned();
            return Err(Refused::Field("surface.live_terms".to_owned(), must));
        }
        surface.live = terms;
    }
    surface.version += 1;
    Ok(surface)
}

/// Closes a surface: calls that name it are refused. Revoking again changes nothing.
///
/// # Errors
/// [`Refused::Changed`] where it was changed since the caller read it.
pub fn revoke_surface(
    mut surface: Surface,
    read: Option<u64>,
    now: Time,
) -> Result<Option<Surface>, Refused> {
    if surface.revoked.is_some() {
        return Ok(None);
    }
    unchanged(Thing::Surface, &surface.id, read, surface.version)?;
    surface.revoked = Some(now);
    surface.version += 1;
    Ok(Some(surface))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(tenant: &str) -> Caller {
        Caller {
            scope: Scope {
                tenant: TenantId::parse(tenant).unwrap(),
                environment: Environment::Test,
            },
            credential: CredentialId::parse("c1").unwrap(),
            roles: vec![Role::Admin],
        }
    }

    fn credential(tenant: &str, id: &str) -> Credential {
        create_credential(
            None,
            CredentialId::parse(id).unwrap(),
            NewCredential {
                scope: caller(tenant).scope,
                roles: vec![Role::Screener],
                proof: Proof::Key([0; 32]),
                display_name: String::new(),
                expires: None,
            },
            Time::default(),
        )
        .unwrap()
    }

    #[test]
    fn a_foreign_tenant_and_its_credentials_look_like_none() {
        let foreign = TenantId::parse("b").unwrap();
        assert!(matches!(may_manage(&caller("a"), &foreign), Err(Refused::Missing(..))));
        assert!(may_manage(&caller(OPERATOR), &foreign).is_ok());
        let id = CredentialId::parse("x").unwrap();
        let theirs = Some(credential("b", "x"));
        let seen = existing_credential(&caller("a"), theirs, &id);
        let absent = existing_credential(&caller("a"), None, &id);
        assert_eq!(seen, absent);
    }

    #[test]
    fn a_new_tenant_has_every_usual_surface_in_both_environments() {
        let id = TenantId::parse("a").unwrap();
        let (_, surfaces) = create_tenant(None, id, String::new(), Time::default()).unwrap();
        assert_eq!(surfaces.len(), 2 * SurfaceKind::ALL.len());
    }

    #[test]
    fn nobody_locks_itself_out() {
        let own = credential("a", "c1");
        let refused = revoke_credential(&caller("a"), own, None, Time::default());
        assert!(matches!(refused, Err(Refused::NotAllowed(_))));
        let (operator, _) =
            create_tenant(None, TenantId::parse(OPERATOR).unwrap(), String::new(), Time::default())
                .unwrap();
        assert!(revoke_tenant(operator, None, Time::default()).is_err());
    }

    #[test]
    fn what_is_revoked_stays_revoked_and_revoking_again_changes_nothing() {
        let other = credential("a", "c2");
        let revoked =
            revoke_credential(&caller("a"), other, None, Time::default()).unwrap().unwrap();
        let again = revoke_credential(&caller("a"), revoked.clone(), None, Time::default());
        assert_eq!(again, Ok(None));
        let update = update_credential(revoked, CredentialPatch::default(), None, Time::default());
        assert!(matches!(update, Err(Refused::Revoked(..))));
    }
}
