//! Requests about credentials.

use crate::core::access::{Role, Scope};
use crate::core::administration::CredentialPatch;
use crate::core::id::{CredentialId, TenantId};
use crate::core::time::Time;
use crate::proto::v1;
use crate::services::admin::parse::revoke::Revoke;
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::{moment, policy};

const WORDS_BYTES_MAX: usize = 256;

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
