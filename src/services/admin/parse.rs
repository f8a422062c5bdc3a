//! Administration requests, read from the wire into the core; every bad field is named at once.

mod revoke;
mod tenant;
mod credential;
mod surface;

pub use credential::{
    WantedProof, create_credential, credential_id, list_credentials, revoke_credential,
    update_credential,
};
pub use surface::{create_surface, get_surface, list_surfaces, revoke_surface, update_surface};
pub use tenant::{create_tenant, list_tenants, revoke_tenant, tenant_id, update_tenant};
