//! Requests about surfaces.

use crate::core::access::{Environment, Scope};
use crate::core::administration::{SurfacePatch, SurfaceSettings};
use crate::core::id::{SurfaceId, TenantId};
use crate::core::policy::{ScoreThreshold, SurfaceKind};
use crate::core::verdict::{Check, Disposition, OnIncomplete};
use crate::proto::v1;
use crate::services::admin::parse::revoke::Revoke;
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::{live, moment, policy};
use std::time::Duration;

const CATEGORY_BYTES_MAX: usize = 64;
const THRESHOLDS_MAX: usize = 64;
const WORDS_BYTES_MAX: usize = 256;
/// Between which the time lies for which items are remembered.
const LOOKBACK: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(366 * 86_400);

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

/// Reads for how long items are remembered: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
fn read_lookback(
    fields: &mut Fields,
    sent: Option<prost_types::Duration>,
) -> Option<Option<Duration>> {
    let at = "surface.lookback_window";
    let read = moment::read_span(fields, at, sent)?;
    if read.is_some_and(|window| !LOOKBACK.contains(&window)) {
        fields.fault(at, "must be from 1 second to 366 days");
        return None;
    }
    Some(read)
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
    let lookback = read_lookback(&mut fields, surface.lookback_window);
    let terms = live::read(&mut fields, "surface.live_terms", surface.live_terms);
    if kind.is_some_and(|kind| kind != SurfaceKind::Live)
        && terms.as_ref().is_some_and(Option::is_some)
    {
        fields.fault("surface.live_terms", "must be left out unless kind is LIVE");
    }
    let whole = (|| {
        let settings = SurfaceSettings {
            display_name: name?,
            required: required?,
            on_incomplete: on_incomplete?,
            score_thresholds: thresholds?,
            legal_basis_required: surface.legal_basis_required,
            lookback: lookback?,
            live: terms?,
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
            "lookback_window" => {
                patch.lookback = read_lookback(&mut fields, sent.lookback_window);
            }
            "live_terms" => patch.live = live::read(&mut fields, &at, sent.live_terms.clone()),
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
