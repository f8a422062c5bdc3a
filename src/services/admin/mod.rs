//! `AdminService`: tenants, credentials, surfaces, and how the process is.

mod backup;
mod health;
mod parse;
mod reply;

use crate::core::access::{Environment, Proof, Scope, Tenant};
use crate::core::administration::{
    NewCredential, create_credential, create_surface, create_tenant, existing_credential,
    existing_surface, is_operator, live_tenant, may_manage, may_manage_scope, operator_only,
    revoke_credential, revoke_surface, revoke_tenant, update_credential, update_surface,
    update_tenant,
};
use crate::core::event::Event;
use crate::core::id::{CredentialId, TenantId};
use crate::core::key::{KeyText, SECRET_BYTES};
use crate::core::refused::{Refused, Thing};
use crate::io::shards::Shards;
use crate::proto::v1;
use crate::proto::v1::admin_service_server::AdminService;
use crate::services::admin::parse::WantedProof;
use crate::services::desk::{Call, Desk};
use crate::services::status::{Reason, Refusal};
use crate::services::words::page;
use tonic::{Request, Response, Status};

/// The room.
#[derive(Clone)]
pub struct Admin {
    desk: Desk,
}

impl Admin {
    /// The room over a desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn tenant(&self, call: &Call, id: &TenantId) -> Result<Tenant, Refusal> {
        may_manage(&call.caller, id)?;
        let missing = || Refused::Missing(Thing::Tenant, id.to_string());
        Ok(self.desk.store.tenant(id).await?.ok_or_else(missing)?)
    }
}

fn missing_tenant(id: &TenantId) -> Refused {
    Refused::Missing(Thing::Tenant, id.to_string())
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn create_tenant(
        &self,
        request: Request<v1::CreateTenantRequest>,
    ) -> Result<Response<v1::CreateTenantResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::create_tenant(request.into_inner())?;
        operator_only(&call.caller)?;
        let key = call.request_key("CreateTenant", asked.keyed.as_ref());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = tx.tenant(&asked.id).await?;
                let (tenant, surfaces) =
                    create_tenant(present.as_ref(), asked.id, asked.display_name, tx.now())?;
                tx.record(Event::TenantPut { tenant: tenant.clone() }).await?;
                for (scope, surface) in surfaces {
                    tx.record(Event::SurfacePut { scope, surface }).await?;
                }
                Ok(tenant)
            })
        });
        let (tenant, journal_number) = kept.await?;
        let tenant = Some(reply::tenant(&tenant));
        Ok(Response::new(v1::CreateTenantResponse { tenant, journal_number }))
    }

    async fn get_tenant(
        &self,
        request: Request<v1::GetTenantRequest>,
    ) -> Result<Response<v1::GetTenantResponse>, Status> {
        let call = Call::of(&request)?;
        let id = parse::tenant_id(&request.get_ref().tenant_id)?;
        let tenant = self.tenant(&call, &id).await?;
        Ok(Response::new(v1::GetTenantResponse { tenant: Some(reply::tenant(&tenant)) }))
    }

    async fn list_tenants(
        &self,
        request: Request<v1::ListTenantsRequest>,
    ) -> Result<Response<v1::ListTenantsResponse>, Status> {
        let call = Call::of(&request)?;
        let page = parse::list_tenants(request.get_ref())?;
        let limit = u64::from(page.rows) + 1;
        let after = page.after.as_deref();
        let mut found = if is_operator(&call.caller) {
            self.desk.store.tenants(after, limit).await?
        } else {
            let own = self.desk.store.tenant(&call.caller.scope.tenant).await?;
            own.into_iter()
                .filter(|own| after.is_none_or(|after| own.id.as_str() > after))
                .collect()
        };
        let more = found.len() as u64 == limit;
        found.truncate(page.rows as usize);
        let next_page_token =
            page::token("tenants", found.last().map(|tenant| tenant.id.as_str()), more);
        let tenants = found.iter().map(reply::tenant).collect();
        Ok(Response::new(v1::ListTenantsResponse { tenants, next_page_token }))
    }

    async fn update_tenant(
        &self,
        request: Request<v1::UpdateTenantRequest>,
    ) -> Result<Response<v1::UpdateTenantResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::update_tenant(request.into_inner())?;
        // A tenant is one record for both environments.
        let environment = Environment::Production;
        may_manage_scope(&call.caller, &Scope { tenant: asked.id.clone(), environment })?;
        let key = call.request_key("UpdateTenant", asked.keyed.as_ref());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = live_tenant(tx.tenant(&asked.id).await?, &asked.id)?;
                let tenant = update_tenant(present, asked.display_name, asked.read)?;
                tx.record(Event::TenantPut { tenant: tenant.clone() }).await?;
                Ok(tenant)
            })
        });
        let (tenant, journal_number) = kept.await?;
        let tenant = Some(reply::tenant(&tenant));
        Ok(Response::new(v1::UpdateTenantResponse { tenant, journal_number }))
    }

    async fn revoke_tenant(
        &self,
        request: Request<v1::RevokeTenantRequest>,
    ) -> Result<Response<v1::RevokeTenantResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::revoke_tenant(request.get_ref())?;
        operator_only(&call.caller)?;
        let key = call.request_key("RevokeTenant", asked.keyed.as_ref());
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = tx.tenant(&asked.id).await?;
                let present = present.ok_or_else(|| missing_tenant(&asked.id))?;
                let Some(tenant) = revoke_tenant(present.clone(), asked.read, tx.now())? else {
                    return Ok(present);
                };
                tx.record(Event::TenantPut { tenant: tenant.clone() }).await?;
                Ok(tenant)
            })
        });
        let (tenant, journal_number) = kept.await?;
        let tenant = Some(reply::tenant(&tenant));
        Ok(Response::new(v1::RevokeTenantResponse { tenant, journal_number }))
    }

    async fn create_credential(
        &self,
        request: Request<v1::CreateCredentialRequest>,
    ) -> Result<Response<v1::CreateCredentialResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::create_credential(request.into_inner())?;
        may_manage_scope(&call.caller, &asked.scope)?;
        let request_key = call.request_key("CreateCredential", asked.keyed.as_ref());
        let id = CredentialId::parse(&self.desk.clock.fresh_id())
            .map_err(|_| Refusal::new(Reason::Internal, "no name for a credential"))?;
        let key = match asked.proof {
            WantedProof::Key => {
                Some(KeyText::new(id.clone(), self.desk.clock.random::<SECRET_BYTES>()))
            }
            WantedProof::Certificate(_) => None,
        };
        let proof = match (&key, asked.proof) {
            (Some(key), _) => key.proof(),
            (None, WantedProof::Certificate(digest)) => Proof::Certificate(digest),
            (None, WantedProof::Key) => {
                return Err(Refusal::new(Reason::Internal, "no key was made").into());
            }
        };
        let made = id.clone();
        let kept = self.desk.keep_record(request_key, move |tx| {
            Box::pin(async move {
                live_tenant(tx.tenant(&asked.scope.tenant).await?, &asked.scope.tenant)?;
                let proves = match &proof {
                    Proof::Certificate(digest) => tx.credential_by_certificate(digest),
                    Proof::Key(_) => None,
                };
                let wanted = NewCredential {
                    scope: asked.scope,
                    roles: asked.roles,
                    proof,
                    display_name: asked.display_name,
                    expires: asked.expires,
                };
                let credential = create_credential(proves.as_ref(), id, wanted, tx.now())?;
                tx.record(Event::CredentialPut { credential: credential.clone() }).await?;
                Ok(credential)
            })
        });
        let (credential, journal_number) = kept.await?;
        // A repeated request gets the first credential, whose key nobody has any more.
        let key = key.filter(|_| credential.id == made);
        Ok(Response::new(v1::CreateCredentialResponse {
            credential: Some(reply::credential(&credential)),
            journal_number,
            key: key.map(|key| key.reveal().to_string()).unwrap_or_default(),
        }))
    }

    async fn get_credential(
        &self,
        request: Request<v1::GetCredentialRequest>,
    ) -> Result<Response<v1::GetCredentialResponse>, Status> {
        let call = Call::of(&request)?;
        let id = parse::credential_id(&request.get_ref().credential_id)?;
        let present = self.desk.store.credential(&id).await?;
        let credential = existing_credential(&call.caller, present, &id)?;
        may_manage_scope(&call.caller, &credential.scope)?;
        let credential = Some(reply::credential(&credential));
        Ok(Response::new(v1::GetCredentialResponse { credential }))
    }

    async fn list_credentials(
        &self,
        request: Request<v1::ListCredentialsRequest>,
    ) -> Result<Response<v1::ListCredentialsResponse>, Status> {
        let call = Call::of(&request)?;
        let (tenant, page) = parse::list_credentials(request.get_ref())?;
        let tenant = tenant.unwrap_or_else(|| call.caller.scope.tenant.clone());
        self.tenant(&call, &tenant).await?;
        let limit = u64::from(page.rows) + 1;
        let after = page.after.as_deref();
        let mut found = self.desk.store.credentials(Some(&tenant), after, limit).await?;
        let more = found.len() as u64 == limit;
        found.truncate(page.rows as usize);
        let last = found.last().map(|credential| credential.id.as_str());
        let next_page_token = page::token("credentials", last, more);
        // A trial caller's page can be shorter than asked for: real credentials are no business of its.
        let seen = found.iter().filter(|one| may_manage_scope(&call.caller, &one.scope).is_ok());
        let credentials = seen.map(reply::credential).collect();
        Ok(Response::new(v1::ListCredentialsResponse { credentials, next_page_token }))
    }

    async fn update_credential(
        &self,
        request: Request<v1::UpdateCredentialRequest>,
    ) -> Result<Response<v1::UpdateCredentialResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::update_credential(request.into_inner())?;
        let key = call.request_key("UpdateCredential", asked.keyed.as_ref());
        let caller = call.caller;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = tx.credential(&asked.id).await?;
                let present = existing_credential(&caller, present, &asked.id)?;
                may_manage_scope(&caller, &present.scope)?;
                let credential = update_credential(present, asked.patch, asked.read, tx.now())?;
                tx.record(Event::CredentialPut { credential: credential.clone() }).await?;
                Ok(credential)
            })
        });
        let (credential, journal_number) = kept.await?;
        let credential = Some(reply::credential(&credential));
        Ok(Response::new(v1::UpdateCredentialResponse { credential, journal_number }))
    }

    async fn revoke_credential(
        &self,
        request: Request<v1::RevokeCredentialRequest>,
    ) -> Result<Response<v1::RevokeCredentialResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::revoke_credential(request.get_ref())?;
        let key = call.request_key("RevokeCredential", asked.keyed.as_ref());
        let caller = call.caller;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = tx.credential(&asked.id).await?;
                let present = existing_credential(&caller, present, &asked.id)?;
                may_manage_scope(&caller, &present.scope)?;
                let now = tx.now();
                let Some(credential) =
                    revoke_credential(&caller, present.clone(), asked.read, now)?
                else {
                    return Ok(present);
                };
                tx.record(Event::CredentialPut { credential: credential.clone() }).await?;
                Ok(credential)
            })
        });
        let (credential, journal_number) = kept.await?;
        let credential = Some(reply::credential(&credential));
        Ok(Response::new(v1::RevokeCredentialResponse { credential, journal_number }))
    }

    async fn create_surface(
        &self,
        request: Request<v1::CreateSurfaceRequest>,
    ) -> Result<Response<v1::CreateSurfaceResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::create_surface(request.into_inner())?;
        let scope = asked.place.scope(&call.caller.scope.tenant);
        may_manage_scope(&call.caller, &scope)?;
        let key = call.request_key("CreateSurface", asked.keyed.as_ref());
        let place: Scope = scope.clone();
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                live_tenant(tx.tenant(&scope.tenant).await?, &scope.tenant)?;
                let id = asked.place.id;
                let present = tx.surface(&scope, &id).await?;
                let (kind, settings, now) = (asked.kind, asked.settings, tx.now());
                let surface = create_surface(present.as_ref(), id, kind, settings, now)?;
                tx.record(Event::SurfacePut { scope, surface: surface.clone() }).await?;
                Ok(surface)
            })
        });
        let (surface, journal_number) = kept.await?;
        let surface = Some(reply::surface(&place, &surface));
        Ok(Response::new(v1::CreateSurfaceResponse { surface, journal_number }))
    }

    async fn get_surface(
        &self,
        request: Request<v1::GetSurfaceRequest>,
    ) -> Result<Response<v1::GetSurfaceResponse>, Status> {
        let call = Call::of(&request)?;
        let place = parse::get_surface(request.get_ref())?;
        let scope = place.scope(&call.caller.scope.tenant);
        may_manage_scope(&call.caller, &scope)?;
        let present = self.desk.store.surface(&scope, &place.id).await?;
        let surface = existing_surface(present, &place.id)?;
        let surface = Some(reply::surface(&scope, &surface));
        Ok(Response::new(v1::GetSurfaceResponse { surface }))
    }

    async fn list_surfaces(
        &self,
        request: Request<v1::ListSurfacesRequest>,
    ) -> Result<Response<v1::ListSurfacesResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::list_surfaces(request.get_ref())?;
        let tenant = asked.tenant.unwrap_or_else(|| call.caller.scope.tenant.clone());
        let scope = Scope { tenant, environment: asked.environment };
        may_manage_scope(&call.caller, &scope)?;
        let limit = u64::from(asked.page.rows) + 1;
        let after = asked.page.after.as_deref();
        let mut found = self.desk.store.surfaces(&scope, after, limit).await?;
        let more = found.len() as u64 == limit;
        found.truncate(asked.page.rows as usize);
        let last = found.last().map(|surface| surface.id.as_str());
        let next_page_token = page::token("surfaces", last, more);
        let surfaces = found.iter().map(|surface| reply::surface(&scope, surface)).collect();
        Ok(Response::new(v1::ListSurfacesResponse { surfaces, next_page_token }))
    }

    async fn update_surface(
        &self,
        request: Request<v1::UpdateSurfaceRequest>,
    ) -> Result<Response<v1::UpdateSurfaceResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::update_surface(request.into_inner())?;
        let scope = asked.place.scope(&call.caller.scope.tenant);
        may_manage_scope(&call.caller, &scope)?;
        let key = call.request_key("UpdateSurface", asked.keyed.as_ref());
        let place: Scope = scope.clone();
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let id = asked.place.id;
                let present = existing_surface(tx.surface(&scope, &id).await?, &id)?;
                let surface = update_surface(present, asked.patch, asked.read)?;
                tx.record(Event::SurfacePut { scope, surface: surface.clone() }).await?;
                Ok(surface)
            })
        });
        let (surface, journal_number) = kept.await?;
        let surface = Some(reply::surface(&place, &surface));
        Ok(Response::new(v1::UpdateSurfaceResponse { surface, journal_number }))
    }

    async fn revoke_surface(
        &self,
        request: Request<v1::RevokeSurfaceRequest>,
    ) -> Result<Response<v1::RevokeSurfaceResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::revoke_surface(request.get_ref())?;
        let scope = asked.id.scope(&call.caller.scope.tenant);
        may_manage_scope(&call.caller, &scope)?;
        let key = call.request_key("RevokeSurface", asked.keyed.as_ref());
        let place: Scope = scope.clone();
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let id = asked.id.id;
                let present = existing_surface(tx.surface(&scope, &id).await?, &id)?;
                let Some(surface) = revoke_surface(present.clone(), asked.read, tx.now())? else {
                    return Ok(present);
                };
                tx.record(Event::SurfacePut { scope, surface: surface.clone() }).await?;
                Ok(surface)
            })
        });
        let (surface, journal_number) = kept.await?;
        let surface = Some(reply::surface(&place, &surface));
        Ok(Response::new(v1::RevokeSurfaceResponse { surface, journal_number }))
    }

    type BackupStream = backup::Told;

    async fn backup(
        &self,
        request: Request<v1::BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let call = Call::of(&request)?;
        operator_only(&call.caller)?;
        let running = self.desk.backups.begin(&self.desk.store).map_err(Refusal::from)?;
        Ok(Response::new(backup::follow(running)))
    }

    async fn get_health_detail(
        &self,
        request: Request<v1::GetHealthDetailRequest>,
    ) -> Result<Response<v1::GetHealthDetailResponse>, Status> {
        let call = Call::of(&request)?;
        let summed = request.get_ref().sum_index;
        operator_only(&call.caller)?;
        let state = self.desk.store.state().await;
        let sum = if summed { Some(self.desk.index_sum().await?) } else { None };
        let others = self.desk.shards.as_ref().map(Shards::holders).unwrap_or_default();
        let lookback = self.desk.store.lookback().figures();
        let guards = health::guards(&self.desk.guards, self.desk.clock.now());
        let media = self.desk.examiner.status();
        let models = &self.desk.models;
        let detail = health::detail(&state, sum, &others, lookback, guards, media, models);
        Ok(Response::new(detail))
    }
}
