//! Administration requests, read from the wire into the core; every bad field is named at once.

use crate::core::access::{Environment, Role, Scope};
use crate::core::administration::{CredentialPatch, SurfacePatch, SurfaceSettings};
use crate::core::id::{CredentialId, SurfaceId, TenantId};
use crate::core::policy::{ScoreThreshold, SurfaceKind};
use crate::core::time::Time;
use crate::core::verdict::{Check, Disposition, OnIncomplete};
use crate::proto::v1;
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::{moment, policy};

const WORDS_BYTES_MAX: usize = 256;
const CATEGORY_BYTES_MAX: usize = 64;
const THRESHOLDS_MAX: usize = 64;

/// A request to make a tenant.
#[derive(Debug)]
pub struct CreateTenant {
    /// Its name.
    pub id: TenantId,
    /// A name for people.
    pub display_name: String,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `CreateTenantRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn create_tenant(sent: v1::CreateTenantRequest) -> Result<CreateTenant, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let id = fields.name("tenant_id", &sent.tenant_id, TenantId::parse);
    let tenant = sent.tenant.unwrap_or_default();
    if !tenant.tenant_id.is_empty() && tenant.tenant_id != sent.tenant_id {
        fields.fault("tenant.tenant_id", "must be left out, or be tenant_id");
    }
    let name = fields.text("tenant.display_name", tenant.display_name, WORDS_BYTES_MAX);
    let whole = (|| Some(CreateTenant { id: id?, display_name: name?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads the name of a tenant.
///
/// # Errors
/// A refusal that names the bad field.
pub fn tenant_id(text: &str) -> Result<TenantId, Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("tenant_id", text, TenantId::parse);
    fields.done(id)
}

/// Reads which tenants are listed.
///
/// # Errors
/// A refusal that names the bad field.
pub fn list_tenants(sent: &v1::ListTenantsRequest) -> Result<Page, Refusal> {
    let mut fields = Fields::default();
    let page = page::read(&mut fields, "tenants", sent.page_size, &sent.page_token);
    fields.done(page)
}

/// A request to change a tenant.
#[derive(Debug)]
pub struct UpdateTenant {
    /// Which.
    pub id: TenantId,
    /// A name for people, where it shall change.
    pub display_name: Option<String>,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateTenantRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_tenant(sent: v1::UpdateTenantRequest) -> Result<UpdateTenant, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(tenant) = fields.required("tenant", sent.tenant) else { return fields.done(None) };
    let id = fields.name("tenant.tenant_id", &tenant.tenant_id, TenantId::parse);
    let read = read_etag(&mut fields, "tenant.etag", &tenant.etag);
    let mut display_name = None;
    for path in paths {
        match path.as_str() {
            "display_name" => {
                let name = tenant.display_name.clone();
                display_name = fields.text("tenant.display_name", name, WORDS_BYTES_MAX);
            }
            _ => unchangeable(&mut fields),
        }
    }
    let whole = (|| Some(UpdateTenant { id: id?, display_name, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// A request to revoke something named `I`.
#[derive(Debug)]
pub struct Revoke<I> {
    /// Which.
    pub id: I,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `RevokeTenantRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn revoke_tenant(sent: &v1::RevokeTenantRequest) -> Result<Revoke<TenantId>, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let id = fields.name("tenant_id", &sent.tenant_id, TenantId::parse);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    let whole = (|| Some(Revoke { id: id?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// How a new credential is proved.
#[derive(Debug, Clone, Copy)]
pub enum WantedProof {
    /// By a key, which the service makes.
    Key,
    /// By a client certificate with this SHA-256.
    Certificate([u8; 32]),
}

/// A request to make a credential.
#[derive(Debug)]
pub struct CreateCredential {
    /// Scope of its calls.
    pub scope: Scope,
    /// What it may be used for.
    pub roles: Vec<Role>,
    /// How it is proved.
    pub proof: WantedProof,
    /// A note for people.
    pub display_name: String,
    /// When it ends by itself.
    pub expires: Option<Time>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

fn read_role(fields: &mut Fields, path: &str, number: i32) -> Option<Role> {
    use v1::Role as Wire;
    Some(match Wire::try_from(number) {
        Ok(Wire::Screener) => Role::Screener,
        Ok(Wire::BankManager) => Role::BankManager,
        Ok(Wire::Reviewer) => Role::Reviewer,
        Ok(Wire::ChildSafetyReviewer) => Role::ChildSafetyReviewer,
        Ok(Wire::Reporter) => Role::Reporter,
        Ok(Wire::EvidenceCustodian) => Role::EvidenceCustodian,
        Ok(Wire::ExchangePartner) => Role::ExchangePartner,
        Ok(Wire::Auditor) => Role::Auditor,
        Ok(Wire::Admin) => Role::Admin,
        Ok(Wire::Unspecified) => return fields.required(path, None),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            return None;
        }
    })
}

fn read_roles(fields: &mut Fields, path: &str, sent: &[i32]) -> Option<Vec<Role>> {
    fields.count(path, sent.len(), 1, Role::ALL.len());
    let read: Vec<_> = sent
        .iter()
        .enumerate()
        .map(|(place, number)| read_role(fields, &format!("{path}[{place}]"), *number))
        .collect();
    let mut roles: Vec<Role> = read.into_iter().collect::<Option<_>>()?;
    roles.sort_unstable();
    roles.dedup();
    Some(roles)
}

/// Reads a `CreateCredentialRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn create_credential(sent: v1::CreateCredentialRequest) -> Result<CreateCredential, Refusal> {
    use v1::credential::Proof as Wire;
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let Some(sent) = fields.required("credential", sent.credential) else {
        return fields.done(None);
    };
    if !sent.credential_id.is_empty() {
        fields.fault("credential.credential_id", "must be left out: the service makes it");
    }
    let tenant = fields.name("credential.tenant_id", &sent.tenant_id, TenantId::parse);
    let environment =
        policy::read_environment(&mut fields, "credential.environment", sent.environment);
    let roles = read_roles(&mut fields, "credential.roles", &sent.roles);
    let name = fields.text("credential.display_name", sent.display_name, WORDS_BYTES_MAX);
    let expires = moment::read_time(&mut fields, "credential.expire_time", sent.expire_time);
    let proof = match sent.proof {
        None => fields.required("credential.proof", None),
        Some(Wire::Key(v1::ApiKey {})) => Some(WantedProof::Key),
        Some(Wire::CertificateSha256(digest)) => {
            let digest = <[u8; 32]>::try_from(&digest[..]).map_err(|_| "must be 32 bytes long");
            fields.read("credential.certificate_sha256", digest).map(WantedProof::Certificate)
        }
    };
    let whole = (|| {
        let scope = Scope { tenant: tenant?, environment: environment? };
        Some(CreateCredential {
            scope,
            roles: roles?,
            proof: proof?,
            display_name: name?,
            expires: expires?,
            keyed: keyed?,
        })
    })();
    fields.done(whole)
}

/// Reads the name of a credential.
///
/// # Errors
/// A refusal that names the bad field.
pub fn credential_id(text: &str) -> Result<CredentialId, Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("credential_id", text, CredentialId::parse);
    fields.done(id)
}

/// Reads which credentials are listed, and of which tenant where the caller named one.
///
/// # Errors
/// A refusal that names every bad field.
pub fn list_credentials(
    sent: &v1::ListCredentialsRequest,
) -> Result<(Option<TenantId>, Page), Refusal> {
    let mut fields = Fields::default();
    let tenant = fields.name_if_set("tenant_id", &sent.tenant_id, TenantId::parse);
    let page = page::read(&mut fields, "credentials", sent.page_size, &sent.page_token);
    fields.done(tenant.zip(page))
}

/// A request to change a credential.
#[derive(Debug)]
pub struct UpdateCredential {
    /// Which.
    pub id: CredentialId,
    /// What of it.
    pub patch: CredentialPatch,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateCredentialRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_credential(sent: v1::UpdateCredentialRequest) -> Result<UpdateCredential, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(sent) = fields.required("credential", sent.credential) else {
        return fields.done(None);
    };
    let id = fields.name("credential.credential_id", &sent.credential_id, CredentialId::parse);
    let read = read_etag(&mut fields, "credential.etag", &sent.etag);
    let mut patch = CredentialPatch::default();
    for path in paths {
        let at = within("credential", &path);
        match path.as_str() {
            "roles" => patch.roles = read_roles(&mut fields, &at, &sent.roles),
            "display_name" => {
                patch.display_name = fields.text(at, sent.display_name.clone(), WORDS_BYTES_MAX);
            }
            "expire_time" => patch.expires = moment::read_time(&mut fields, &at, sent.expire_time),
            _ => unchangeable(&mut fields),
        }
    }
    let whole = (|| Some(UpdateCredential { id: id?, patch, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads a `RevokeCredentialRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn revoke_credential(
    sent: &v1::RevokeCredentialRequest,
) -> Result<Revoke<CredentialId>, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let id = fields.name("credential_id", &sent.credential_id, CredentialId::parse);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    let whole = (|| Some(Revoke { id: id?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Where a surface stands: the tenant is the caller's own where none was named.
#[derive(Debug, Clone)]
pub struct SurfacePlace {
    /// Whose, where the caller named a tenant.
    pub tenant: Option<TenantId>,
    /// Of which environment.
    pub environment: Environment,
    /// Which.
    pub id: SurfaceId,
}

impl SurfacePlace {
    /// The scope it stands in, for a caller of tenant `own`.
    #[must_use]
    pub fn scope(&self, own: &TenantId) -> Scope {
        let tenant = self.tenant.clone().unwrap_or_else(|| own.clone());
        Scope { tenant, environment: self.environment }
    }
}

fn read_place(
    fields: &mut Fields,
    outer: &str,
    tenant: &str,
    environment: i32,
    surface: &str,
) -> Option<SurfacePlace> {
    let tenant = fields.name_if_set(within(outer, "tenant_id"), tenant, TenantId::parse);
    let at = within(outer, "environment");
    let environment = policy::read_environment(fields, &at, environment);
    let id = fields.name(within(outer, "surface_id"), surface, SurfaceId::parse);
    Some(SurfacePlace { tenant: tenant?, environment: environment?, id: id? })
}

fn read_checks(fields: &mut Fields, path: &str, sent: &[i32]) -> Option<Vec<Check>> {
    fields.count(path, sent.len(), 1, Check::ALL.len());
    let read: Vec<_> = sent
        .iter()
        .enumerate()
        .map(|(place, number)| policy::read_check(fields, &format!("{path}[{place}]"), *number))
        .collect();
    let mut checks: Vec<Check> = read.into_iter().collect::<Option<_>>()?;
    checks.sort_unstable();
    checks.dedup();
    Some(checks)
}

fn read_thresholds(
    fields: &mut Fields,
    path: &str,
    sent: &[v1::ScoreThreshold],
) -> Option<Vec<ScoreThreshold>> {
    fields.count(path, sent.len(), 0, THRESHOLDS_MAX);
    let read: Vec<_> = sent
        .iter()
        .take(THRESHOLDS_MAX)
        .enumerate()
        .map(|(place, one)| read_threshold(fields, &format!("{path}[{place}]"), one))
        .collect();
    read.into_iter().collect()
}

fn read_threshold(
    fields: &mut Fields,
    path: &str,
    sent: &v1::ScoreThreshold,
) -> Option<ScoreThreshold> {
    if sent.category.is_empty() {
        fields.fault(within(path, "category"), "must be set");
    }
    let at = within(path, "category");
    let category = fields.text(at, sent.category.clone(), CATEGORY_BYTES_MAX);
    if !(0.0..=1.0).contains(&sent.score_min) {
        fields.fault(within(path, "score_min"), "must be from 0 to 1");
    }
    let at = within(path, "disposition");
    let disposition = policy::read_disposition(fields, &at, sent.disposition)?;
    if !matches!(disposition, Disposition::AllowWithFriction | Disposition::Hold) {
        fields.fault(at, "must be ALLOW_WITH_FRICTION or HOLD: a score alone never blocks");
    }
    Some(ScoreThreshold { category: category?, at_least: sent.score_min, disposition })
}

/// A request to make a surface.
#[derive(Debug)]
pub struct CreateSurface {
    /// Where.
    pub place: SurfacePlace,
    /// What kind of place in the product.
    pub kind: SurfaceKind,
    /// Its policy.
    pub settings: SurfaceSettings,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `CreateSurfaceRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn create_surface(sent: v1::CreateSurfaceRequest) -> Result<CreateSurface, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let id = fields.name("surface_id", &sent.surface_id, SurfaceId::parse);
    let Some(surface) = fields.required("surface", sent.surface) else { return fields.done(None) };
    if !surface.surface_id.is_empty() && surface.surface_id != sent.surface_id {
        fields.fault("surface.surface_id", "must be left out, or be surface_id");
    }
    let tenant = fields.name_if_set("surface.tenant_id", &surface.tenant_id, TenantId::parse);
    let environment =
        policy::read_environment(&mut fields, "surface.environment", surface.environment);
    let kind = policy::read_surface_kind_strictly(&mut fields, "surface.kind", surface.kind);
    let name = fields.text("surface.display_name", surface.display_name, WORDS_BYTES_MAX);
    let required = if surface.required_checks.is_empty() {
        Some(vec![Check::ExactMatch, Check::ImageMatch, Check::VideoMatch])
    } else {
        read_checks(&mut fields, "surface.required_checks", &surface.required_checks)
    };
    let on_incomplete = if surface.on_incomplete == 0 {
        Some(OnIncomplete::Hold)
    } else {
        policy::read_on_incomplete(&mut fields, "surface.on_incomplete", surface.on_incomplete)
    };
    let thresholds =
        read_thresholds(&mut fields, "surface.score_thresholds", &surface.score_thresholds);
    let whole = (|| {
        let settings = SurfaceSettings {
            display_name: name?,
            required: required?,
            on_incomplete: on_incomplete?,
            score_thresholds: thresholds?,
            legal_basis_required: surface.legal_basis_required,
        };
        let place = SurfacePlace { tenant: tenant?, environment: environment?, id: id? };
        Some(CreateSurface { place, kind: kind?, settings, keyed: keyed? })
    })();
    fields.done(whole)
}

/// Reads which surface is asked for.
///
/// # Errors
/// A refusal that names every bad field.
pub fn get_surface(sent: &v1::GetSurfaceRequest) -> Result<SurfacePlace, Refusal> {
    let mut fields = Fields::default();
    let place = read_place(&mut fields, "", &sent.tenant_id, sent.environment, &sent.surface_id);
    fields.done(place)
}

/// Which surfaces are listed.
#[derive(Debug)]
pub struct ListSurfaces {
    /// Whose, where the caller named a tenant.
    pub tenant: Option<TenantId>,
    /// Of which environment.
    pub environment: Environment,
    /// Which rows.
    pub page: Page,
}

/// Reads a `ListSurfacesRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn list_surfaces(sent: &v1::ListSurfacesRequest) -> Result<ListSurfaces, Refusal> {
    let mut fields = Fields::default();
    let tenant = fields.name_if_set("tenant_id", &sent.tenant_id, TenantId::parse);
    let environment = policy::read_environment(&mut fields, "environment", sent.environment);
    let page = page::read(&mut fields, "surfaces", sent.page_size, &sent.page_token);
    let whole =
        (|| Some(ListSurfaces { tenant: tenant?, environment: environment?, page: page? }))();
    fields.done(whole)
}

/// A request to change a surface.
#[derive(Debug)]
pub struct UpdateSurface {
    /// Which.
    pub place: SurfacePlace,
    /// What of it.
    pub patch: SurfacePatch,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateSurfaceRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_surface(sent: v1::UpdateSurfaceRequest) -> Result<UpdateSurface, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(sent) = fields.required("surface", sent.surface) else { return fields.done(None) };
    let (tenant, environment) = (&sent.tenant_id, sent.environment);
    let place = read_place(&mut fields, "surface", tenant, environment, &sent.surface_id);
    let read = read_etag(&mut fields, "surface.etag", &sent.etag);
    let mut patch = SurfacePatch::default();
    for path in paths {
        let at = within("surface", &path);
        match path.as_str() {
            "display_name" => {
                patch.display_name = fields.text(at, sent.display_name.clone(), WORDS_BYTES_MAX);
            }
            "required_checks" => {
                patch.required = read_checks(&mut fields, &at, &sent.required_checks);
            }
            "on_incomplete" => {
                patch.on_incomplete =
                    policy::read_on_incomplete(&mut fields, &at, sent.on_incomplete);
            }
            "score_thresholds" => {
                patch.score_thresholds = read_thresholds(&mut fields, &at, &sent.score_thresholds);
            }
            "legal_basis_required" => {
                patch.legal_basis_required = Some(sent.legal_basis_required);
            }
            _ => unchangeable(&mut fields),
        }
    }
    let whole = (|| Some(UpdateSurface { place: place?, patch, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads a `RevokeSurfaceRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn revoke_surface(sent: &v1::RevokeSurfaceRequest) -> Result<Revoke<SurfacePlace>, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let place = read_place(&mut fields, "", &sent.tenant_id, sent.environment, &sent.surface_id);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    let whole = (|| Some(Revoke { id: place?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}
