//! Requests about tenants.

use crate::core::id::TenantId;
use crate::proto::v1;
use crate::services::admin::parse::revoke::Revoke;
use crate::services::status::Refusal;
use crate::services::words::fields::Fields;
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};

const WORDS_BYTES_MAX: usize = 256;

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
