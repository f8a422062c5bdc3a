//! Sources that are asked over HTTP, each as a fake on loopback that behaves as the facts say.

mod ncmec;
mod web;
mod learning;
mod faults;
mod crashes;
mod stopncii;
mod arachnid;
#[cfg(feature = "postgres")]
mod processes;
mod threatexchange;
mod files;

use crate::service::*;
use bulwark::proto::v1;
use std::time::{Duration, Instant};
use v1::{Disposition, EntryState, Environment, ExchangeState, Role};

/// A service that may ask on loopback, with its people and a bank that learns.
pub struct Learner {
    pub service: Service,
    pub curator: Caller,
    pub screener: Caller,
}

/// An exchange that is asked every second, and whose entries enter as active.
pub fn exchange(kind: v1::exchange::Kind) -> v1::Exchange {
    v1::Exchange {
        kind: Some(kind),
        bank_id: "learned".into(),
        enters_as: EntryState::Active.into(),
        poll_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..v1::Exchange::default()
    }
}

/// NCMEC at an address.
pub fn ncmec_at(address: &str) -> v1::exchange::Kind {
    v1::exchange::Kind::Ncmec(v1::NcmecExchange {
        base_url: format!("{address}{}", ncmec::BASE),
        username: "platform".into(),
        password: "secret".into(),
        start_time: Some(prost_types::Timestamp { seconds: now() - 40 * 86_400, nanos: 0 }),
        ..v1::NcmecExchange::default()
    })
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("a time").as_secs() as i64
}

impl Learner {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut bulwark::config::Settings)) -> Self {
        let service = Service::start_with(|settings| {
            settings.exchanges.hosts = vec!["127.0.0.1".into()];
            change(settings);
        });
        let learner = Self::of(service.await).await;
        learner.curator.banks().create_bank(bank("learned")).await.expect("made");
        learner
    }

    pub async fn of(service: Service) -> Self {
        let test = Environment::Test;
        let curator = service.with_roles("operator", test, &[Role::BankManager]).await;
        let screener = service.with_roles("operator", test, &[Role::Screener]).await;
        Self { service, curator, screener }
    }

    pub async fn restart(self) -> Self {
        Self::of(self.service.restart().await).await
    }

    pub async fn learn(&self, id: &str, exchange: v1::Exchange) {
        let request = v1::CreateExchangeRequest {
            exchange_id: id.into(),
            exchange: Some(exchange),
            ..Default::default()
        };
        let made = self.curator.exchanges().create_exchange(request).await.expect("made");
        let made = format!("{:?}", made.into_inner());
        assert!(!made.contains("secret"), "what lets in is never sent back");
    }

    pub async fn status(&self, id: &str) -> v1::GetExchangeStatusResponse {
        let request = v1::GetExchangeStatusRequest { exchange_id: id.into() };
        self.curator.exchanges().get_exchange_status(request).await.expect("status").into_inner()
    }

    /// Waits until the exchange stands as is wanted.
    pub async fn until(
        &self,
        id: &str,
        what: &str,
        is: impl Fn(&v1::GetExchangeStatusResponse) -> bool,
    ) -> v1::GetExchangeStatusResponse {
        let began = Instant::now();
        loop {
            let status = self.status(id).await;
            if is(&status) {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "not {what}: {status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everything was heard, and the exchange rests.
    pub async fn live(&self, id: &str) -> v1::GetExchangeStatusResponse {
        let live = |status: &v1::GetExchangeStatusResponse| {
            status.state() == ExchangeState::Live && status.whole
        };
        self.until(id, "live", live).await
    }

    /// The entries of the bank.
    pub async fn entries(&self) -> Vec<v1::BankEntry> {
        let request = v1::ListEntriesRequest {
            bank_id: "learned".into(),
            page_size: 1000,
            ..Default::default()
        };
        let page = self.curator.banks().list_entries(request).await.expect("listed");
        page.into_inner().entries
    }

    /// Says something of an entry.
    pub async fn say(&self, entry: &str, value: v1::OpinionValue, reasons: &[&str]) {
        let request = v1::RecordOpinionRequest {
            bank_id: "learned".into(),
            entry_id: entry.into(),
            value: value.into(),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..Default::default()
        };
        self.curator.banks().record_opinion(request).await.expect("recorded");
    }

    pub async fn ask(&self, signal: v1::Signal) -> Disposition {
        let request = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals: vec![signal],
            media_kind: v1::MediaKind::Other.into(),
            ..Default::default()
        };
        let answer = self.screener.screening().screen_signals(request).await.expect("answered");
        answer.into_inner().verdict.expect("a verdict").disposition()
    }

    /// Waits until a value is answered so.
    pub async fn becomes(&self, signal: v1::Signal, wanted: Disposition) -> Duration {
        let began = Instant::now();
        while self.ask(signal.clone()).await != wanted {
            assert!(began.elapsed() < Duration::from_secs(60), "a value is not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }
}

/// An MD5 of a text.
pub fn md5_signal(text: &str) -> v1::Signal {
    signal(v1::SignalType::Md5, ncmec::md5_of(text))
}
