//! `ExchangeService`: from whom banks learn, and whom they tell.

mod parse;
mod telling;
mod bringing;
mod reply;
mod followed;
mod following;
mod voting;
mod polling;
mod asking;

use crate::core::event::Event;
use crate::core::exchange::{
    create_exchange, existing_exchange, may_be_partner, put_partner, revoke_partner,
    update_exchange,
};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::proto::v1;
use crate::proto::v1::exchange_service_server::ExchangeService;
use crate::services::desk::{Call, Desk};
use crate::services::exchange::parse::Wanted;
use crate::services::pump;
use crate::services::words::page;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The room.
#[derive(Clone)]
pub struct Exchanges {
    desk: Desk,
}

impl Exchanges {
    /// The room over a desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// Asks all exchanges that are enabled until stopped.
    pub async fn ask(self, stop: CancellationToken) {
        let (matchers, store) = (self.desk.matchers.clone(), self.desk.store.clone());
        tokio::join!(asking::run(self.desk, stop.clone()), matchers.follow(&store, stop));
    }
}

#[tonic::async_trait]
impl ExchangeService for Exchanges {
    async fn create_exchange(
        &self,
        request: Request<v1::CreateExchangeRequest>,
    ) -> Result<Response<v1::CreateExchangeResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::create_exchange(request.into_inner(), self.desk.matchers.web())?;
        let key = call.request_key("CreateExchange", asked.keyed.as_ref());
        let scope = call.caller.scope;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = tx.exchange(&scope, &asked.id).await?;
                let bank = tx.bank(&scope, &asked.settings.bank).await?;
                crate::core::curation::existing_bank(bank, &asked.settings.bank)?;
                let made = create_exchange(present.as_ref(), asked.id, asked.settings, tx.now())?;
                let exchange = Box::new(made.clone());
                tx.record(Event::ExchangePut { scope, exchange }).await?;
                Ok(made)
            })
        });
        let (exchange, journal_number) = kept.await?;
        self.desk.matchers.changed(&self.desk.store).await;
        let exchange = Some(reply::exchange(&exchange));
        Ok(Response::new(v1::CreateExchangeResponse { exchange, journal_number }))
    }

    async fn get_exchange(
        &self,
        request: Request<v1::GetExchangeRequest>,
    ) -> Result<Response<v1::GetExchangeResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let id = parse::exchange_id(&request.get_ref().exchange_id)?;
        let exchange = existing_exchange(self.desk.store.exchange(&scope, &id).await?, &id)?;
        let exchange = Some(reply::exchange(&exchange));
        Ok(Response::new(v1::GetExchangeResponse { exchange }))
    }

    async fn list_exchanges(
        &self,
        request: Request<v1::ListExchangesRequest>,
    ) -> Result<Response<v1::ListExchangesResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let page = parse::list_exchanges(request.get_ref())?;
        let (after, limit) = (page.after.as_deref(), u64::from(page.rows) + 1);
        let found = self.desk.store.exchanges(&scope, after, limit).await?;
        let next_page_token = page::more("exchanges", &found, page.rows, |e| e.id.to_string());
        let rows = found.iter().take(page.rows as usize);
        let exchanges = rows.map(reply::exchange).collect();
        Ok(Response::new(v1::ListExchangesResponse { exchanges, next_page_token }))
    }

    async fn update_exchange(
        &self,
        request: Request<v1::UpdateExchangeRequest>,
    ) -> Result<Response<v1::UpdateExchangeResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::update_exchange(request.into_inner())?;
        let key = call.request_key("UpdateExchange", asked.keyed.as_ref());
        let scope = call.caller.scope;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = existing_exchange(tx.exchange(&scope, &asked.id).await?, &asked.id)?;
                let changed = update_exchange(present, asked.patch, asked.read, tx.now())?;
                let exchange = Box::new(changed.clone());
                tx.record(Event::ExchangePut { scope, exchange }).await?;
                Ok(changed)
            })
        });
        let (exchange, journal_number) = kept.await?;
        self.desk.matchers.changed(&self.desk.store).await;
        let exchange = Some(reply::exchange(&exchange));
        Ok(Response::new(v1::UpdateExchangeResponse { exchange, journal_number }))
    }

    async fn delete_exchange(
        &self,
        request: Request<v1::DeleteExchangeRequest>,
    ) -> Result<Response<v1::DeleteExchangeResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::delete_exchange(request.get_ref())?;
        let key = call.request_key("DeleteExchange", asked.keyed.as_ref());
        let scope = call.caller.scope;
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let present = existing_exchange(tx.exchange(&scope, &asked.id).await?, &asked.id)?;
                unchanged(Thing::Exchange, &asked.id, asked.read, present.version)?;
                let (exchange, at) = (asked.id, tx.now());
                tx.record(Event::ExchangeDeleted { scope, exchange, at }).await?;
                Ok(())
            })
        });
        let ((), journal_number) = kept.await?;
        self.desk.matchers.changed(&self.desk.store).await;
        Ok(Response::new(v1::DeleteExchangeResponse { journal_number }))
    }

    async fn sync_exchange(
        &self,
        request: Request<v1::SyncExchangeRequest>,
    ) -> Result<Response<v1::SyncExchangeResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let id = parse::exchange_id(&request.get_ref().exchange_id)?;
        existing_exchange(self.desk.store.exchange(&scope, &id).await?, &id)?;
        self.desk.matchers.wake(&scope, &id);
        let asked_here = self.desk.matchers.standings().wake(&scope, &id);
        Ok(Response::new(v1::SyncExchangeResponse { asked_here }))
    }

    async fn get_exchange_status(
        &self,
        request: Request<v1::GetExchangeStatusRequest>,
    ) -> Result<Response<v1::GetExchangeStatusResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let id = parse::exchange_id(&request.get_ref().exchange_id)?;
        let exchange = existing_exchange(self.desk.store.exchange(&scope, &id).await?, &id)?;
        let progress = self.desk.store.progress(&scope, id.as_str()).await?;
        let standing = self.desk.matchers.standings().of(&scope, &id);
        Ok(Response::new(reply::status(&exchange, progress.as_ref(), standing.as_ref())))
    }

    type PullSignalsStream = ReceiverStream<Result<v1::PullSignalsResponse, Status>>;

    async fn pull_signals(
        &self,
        request: Request<v1::PullSignalsRequest>,
    ) -> Result<Response<Self::PullSignalsStream>, Status> {
        let call = Call::of(&request)?;
        let (bank, after) = parse::pull(request.into_inner())?;
        telling::admit(&self.desk, &call, &bank, &after).await?;
        let desk = self.desk.clone();
        let tell = |out| async move { telling::run(desk, call, bank, after, &out).await };
        Ok(Response::new(pump::tell(tell)))
    }

    async fn push_signals(
        &self,
        request: Request<v1::PushSignalsRequest>,
    ) -> Result<Response<v1::PushSignalsResponse>, Status> {
        let call = Call::of(&request)?;
        let sent = parse::signed(request.into_inner().delta)?;
        let partner = telling::partner_of(&self.desk, &call).await?;
        let took = bringing::signals(&self.desk, &call, &partner, &sent).await?;
        Ok(Response::new(reply::pushed(took)))
    }

    async fn push_opinions(
        &self,
        request: Request<v1::PushOpinionsRequest>,
    ) -> Result<Response<v1::PushOpinionsResponse>, Status> {
        let call = Call::of(&request)?;
        let sent = parse::signed(request.into_inner().delta)?;
        let partner = telling::partner_of(&self.desk, &call).await?;
        let said = bringing::opinions(&self.desk, &call, &partner, &sent).await?;
        Ok(Response::new(reply::said(&said)))
    }

    async fn list_partners(
        &self,
        request: Request<v1::ListPartnersRequest>,
    ) -> Result<Response<v1::ListPartnersResponse>, Status> {
        let scope = Call::of(&request)?.caller.scope;
        let page = parse::list_partners(request.get_ref())?;
        let (after, limit) = (page.after.as_deref(), u64::from(page.rows) + 1);
        let found = self.desk.store.partners(&scope, after, limit).await?;
        let next_page_token = page::more("partners", &found, page.rows, |p| p.id.to_string());
        let (rows, now) = (found.iter().take(page.rows as usize), self.desk.clock.now());
        let partners = rows.map(|partner| reply::partner(partner, now)).collect();
        let keys = self.desk.store.keys();
        let (own_origin, own_public_key) =
            (keys.origin().to_owned(), hex::encode(keys.public_key()));
        Ok(Response::new(v1::ListPartnersResponse {
            partners,
            next_page_token,
            own_origin,
            own_public_key,
        }))
    }

    async fn put_partner(
        &self,
        request: Request<v1::PutPartnerRequest>,
    ) -> Result<Response<v1::PutPartnerResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::put_partner(request.into_inner())?;
        let key = call.request_key("PutPartner", asked.keyed.as_ref());
        let (scope, by) = (call.caller.scope, call.caller.credential);
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move {
                let put = match asked.wanted {
                    Wanted::Put(wanted) => {
                        let present = tx.partner(&scope, &wanted.id).await?;
                        let credential = tx.credential(&wanted.credential).await?;
                        may_be_partner(credential.as_ref(), &scope)?;
                        put_partner(present, *wanted, &by, asked.read, tx.now())?
                    }
                    Wanted::Revoke(id) => {
                        let missing = || Refused::Missing(Thing::Partner, id.to_string());
                        let present = tx.partner(&scope, &id).await?.ok_or_else(missing)?;
                        unchanged(Thing::Partner, &id, asked.read, present.version)?;
                        revoke_partner(present, tx.now())
                    }
                };
                let partner = Box::new(put.clone());
                tx.record(Event::PartnerPut { scope, partner }).await?;
                Ok(put)
            })
        });
        let (partner, journal_number) = kept.await?;
        let partner = Some(reply::partner(&partner, self.desk.clock.now()));
        Ok(Response::new(v1::PutPartnerResponse { partner, journal_number }))
    }
}
