//! Establishes who is calling, from the key or certificate that came with the call.

use crate::core::access::{Caller, Credential, Proof, Tenant};
use crate::core::id::{CredentialId, TenantId};
use crate::core::key::KeyText;
use crate::core::time::Time;
use crate::io::store::Memory;
use crate::services::status::{Reason, Refusal};
use http::{HeaderMap, header};

/// Where credentials are looked up; in memory, so that it takes no time to speak of.
pub trait Credentials: Send + Sync + 'static {
    /// The credential of this name.
    fn credential(&self, id: &CredentialId) -> Option<Credential>;

    /// The credential proved by the client certificate with this SHA-256 of its DER form.
    fn credential_by_certificate(&self, digest: &[u8; 32]) -> Option<Credential>;

    /// The tenant of this name.
    fn tenant(&self, id: &TenantId) -> Option<Tenant>;
}

impl Credentials for Memory {
    fn credential(&self, id: &CredentialId) -> Option<Credential> {
        self.read().credential(id).cloned()
    }

    fn credential_by_certificate(&self, digest: &[u8; 32]) -> Option<Credential> {
        self.read().credential_by_certificate(digest).cloned()
    }

    fn tenant(&self, id: &TenantId) -> Option<Tenant> {
        self.read().tenant(id).cloned()
    }
}

/// Who is calling.
///
/// A key in the headers counts before the connection's certificate. An unknown credential, a wrong
/// secret, an ended and a withdrawn credential get the same answer after the same work.
///
/// # Errors
/// [`Reason::CredentialMissing`], [`Reason::CredentialInvalid`] or, to a caller that has proved
/// itself, [`Reason::TenantRevoked`].
pub fn identify(
    headers: &HeaderMap,
    certificate: Option<&[u8; 32]>,
    credentials: &dyn Credentials,
    now: Time,
) -> Result<Caller, Refusal> {
    let proved = match (key(headers)?, certificate) {
        (Some(key), _) => by_key(&key, credentials),
        (None, Some(digest)) => credentials
            .credential_by_certificate(digest)
            .filter(|credential| credential.proof == Proof::Certificate(*digest)),
        (None, None) => {
            return Err(Refusal::new(
                Reason::CredentialMissing,
                "this call needs a credential: send `authorization: Bearer <key>`",
            ));
        }
    };
    let credential = proved.filter(|credential| credential.is_valid_at(now)).ok_or_else(invalid)?;
    let tenant = credentials.tenant(&credential.scope.tenant).ok_or_else(invalid)?;
    if tenant.revoked.is_some() {
        return Err(Refusal::new(
            Reason::TenantRevoked,
            "the tenant's use of the service has ended",
        ));
    }
    Ok(Caller { scope: credential.scope, credential: credential.id, roles: credential.roles })
}

/// Whether the key of the processes that share a key ring came with the call.
#[must_use]
pub fn is_shard(headers: &HeaderMap, proof: &Proof) -> bool {
    key(headers).ok().flatten().is_some_and(|key| key.proves(proof))
}

fn invalid() -> Refusal {
    Refusal::new(Reason::CredentialInvalid, "the credential is not valid")
}

fn by_key(key: &KeyText, credentials: &dyn Credentials) -> Option<Credential> {
    let found = credentials.credential(key.credential());
    // An unknown name costs the same comparison as a known one.
    let proof = found.as_ref().map_or(&Proof::Key([0; 32]), |credential| &credential.proof);
    let proves = key.proves(proof);
    found.filter(|_| proves)
}

/// The key in the headers, if there is one; what is there and is no key is no credential at all.
fn key(headers: &HeaderMap) -> Result<Option<KeyText>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid());
    }
    let text = value.to_str().map_err(|_| invalid())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    KeyText::parse(key.trim()).map(Some).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::{Environment, Role, Scope};
    use std::collections::HashMap;

    #[derive(Default)]
    struct Known {
        credentials: HashMap<CredentialId, Credential>,
        tenants: HashMap<TenantId, Tenant>,
    }

    impl Credentials for Known {
        fn credential(&self, id: &CredentialId) -> Option<Credential> {
            self.credentials.get(id).cloned()
        }
        fn credential_by_certificate(&self, digest: &[u8; 32]) -> Option<Credential> {
            self.credentials.values().find(|c| c.proof == Proof::Certificate(*digest)).cloned()
        }
        fn tenant(&self, id: &TenantId) -> Option<Tenant> {
            self.tenants.get(id).cloned()
        }
    }

    fn id(text: &str) -> CredentialId {
        CredentialId::parse(text).expect("good")
    }

    fn good_key() -> KeyText {
        KeyText::new(id("k1"), [1; 32])
    }

    fn known(change: impl FnOnce(&mut Credential, &mut Tenant)) -> Known {
        let scope = Scope {
            tenant: TenantId::parse("example").expect("good"),
            environment: Environment::Test,
        };
        let mut credential = Credential {
            id: id("k1"),
            scope: scope.clone(),
            roles: vec![Role::Screener],
            proof: good_key().proof(),
            display_name: String::new(),
            version: 1,
            created: Time::from_millis(0),
            expires: Some(Time::from_millis(1000)),
            revoked: None,
        };
        let mut tenant = Tenant {
            id: scope.tenant,
            display_name: String::new(),
            version: 1,
            created: Time::from_millis(0),
            revoked: None,
        };
        change(&mut credential, &mut tenant);
        Known {
            credentials: HashMap::from([(id("k1"), credential)]),
            tenants: HashMap::from([(tenant.id.clone(), tenant)]),
        }
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().expect("header"))).collect()
    }

    fn with_key(key: &KeyText) -> HeaderMap {
        headers(&[&format!("Bearer {}", key.reveal().as_str())])
    }

    const NOW: Time = Time::from_millis(500);

    #[test]
    fn the_right_key_is_known() {
        let caller = identify(&with_key(&good_key()), None, &known(|_, _| ()), NOW).expect("known");
        assert_eq!(caller.roles, [Role::Screener]);
        assert_eq!(caller.scope.tenant.as_str(), "example");
    }

    #[test]
    fn no_credential_is_told_apart_from_a_bad_one() {
        let refusal =
            identify(&HeaderMap::new(), None, &known(|_, _| ()), NOW).expect_err("nothing came");
        assert_eq!(refusal.reason(), Reason::CredentialMissing);
    }

    #[test]
    fn unknown_wrong_ended_and_withdrawn_look_the_same() {
        let good = with_key(&good_key());
        let answers = [
            identify(&with_key(&KeyText::new(id("k2"), [1; 32])), None, &known(|_, _| ()), NOW),
            identify(&with_key(&KeyText::new(id("k1"), [2; 32])), None, &known(|_, _| ()), NOW),
            identify(&good, None, &known(|c, _| c.expires = Some(NOW)), NOW),
            identify(&good, None, &known(|c, _| c.revoked = Some(NOW)), NOW),
            identify(&good, None, &known(|c, _| c.proof = Proof::Certificate([1; 32])), NOW),
            identify(
                &good,
                None,
                &known(|c, _| c.scope.tenant = TenantId::parse("other").expect("good")),
                NOW,
            ),
            identify(&headers(&["Bearer nonsense"]), None, &known(|_, _| ()), NOW),
            identify(&headers(&["Basic YTpi"]), None, &known(|_, _| ()), NOW),
        ];
        for (at, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Err(invalid()), "case {at}");
        }
    }

    #[test]
    fn two_keys_are_no_key() {
        let text = format!("Bearer {}", good_key().reveal().as_str());
        assert_eq!(
            identify(&headers(&[&text, &text]), None, &known(|_, _| ()), NOW),
            Err(invalid())
        );
    }

    #[test]
    fn a_revoked_tenant_is_told_so_only_after_proof() {
        let revoked = known(|_, tenant| tenant.revoked = Some(NOW));
        let refusal = identify(&with_key(&good_key()), None, &revoked, NOW).expect_err("revoked");
        assert_eq!(refusal.reason(), Reason::TenantRevoked);
        let wrong = KeyText::new(id("k1"), [2; 32]);
        assert_eq!(identify(&with_key(&wrong), None, &revoked, NOW), Err(invalid()));
    }

    #[test]
    fn a_certificate_is_known_by_its_digest_and_a_bad_key_is_not_saved_by_it() {
        let known = known(|c, _| c.proof = Proof::Certificate([9; 32]));
        assert!(identify(&HeaderMap::new(), Some(&[9; 32]), &known, NOW).is_ok());
        assert_eq!(identify(&HeaderMap::new(), Some(&[8; 32]), &known, NOW), Err(invalid()));
        let wrong = KeyText::new(id("k7"), [2; 32]);
        assert_eq!(identify(&with_key(&wrong), Some(&[9; 32]), &known, NOW), Err(invalid()));
    }
}
