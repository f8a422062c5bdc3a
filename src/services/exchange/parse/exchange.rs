//! Requests about exchanges.

use crate::core::exchange::{ExchangePatch, ExchangeSettings, usual_drop, usual_pause};
use crate::core::id::{BankId, ExchangeId};
use crate::io::web::Web;
use crate::proto::v1;
use crate::services::exchange::parse::common::{WORDS_BYTES_MAX, read_entering};
use crate::services::exchange::parse::kind::{Around, read_kind, read_renewal};
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::moment::read_span;
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A request to make an exchange.
#[derive(Debug, Clone)]
pub struct CreateExchange {
    /// Its name.
    pub id: ExchangeId,
    /// What is wanted.
    pub settings: ExchangeSettings,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Shortest and longest time between two questions to a source.
const PAUSES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(31 * 86_400);

fn read_pause(fields: &mut Fields, sent: Option<prost_types::Duration>) -> Option<Duration> {
    let path = "exchange.poll_interval";
    let pause = read_span(fields, path, sent)?.unwrap_or(usual_pause());
    if !PAUSES.contains(&pause) {
        fields.fault(path, "must be 1 s to 31 days");
    }
    Some(pause)
}

fn read_drop(fields: &mut Fields, sent: Option<u32>) -> Option<u8> {
    let percent = sent.map_or(Some(usual_drop()), |percent| u8::try_from(percent).ok());
    let percent = percent.filter(|percent| *percent <= 100);
    if percent.is_none() {
        fields.fault("exchange.drop_percent_max", "must be at most 100");
    }
    percent
}

/// Reads a `CreateExchangeRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn create_exchange(
    sent: v1::CreateExchangeRequest,
    web: &Web,
) -> Result<CreateExchange, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let id = fields.name("exchange_id", &sent.exchange_id, ExchangeId::parse);
    let Some(exchange) = fields.required("exchange", sent.exchange) else {
        return fields.done(None);
    };
    if !exchange.exchange_id.is_empty() && exchange.exchange_id != sent.exchange_id {
        fields.fault("exchange.exchange_id", "must be left out, or be exchange_id");
    }
    let name = fields.text("exchange.display_name", exchange.display_name, WORDS_BYTES_MAX);
    let around = Around { web, gives_feedback: exchange.gives_feedback };
    let kind = fields
        .required("exchange.kind", exchange.kind)
        .and_then(|kind| read_kind(&mut fields, "exchange", kind, &around));
    let pause = read_pause(&mut fields, exchange.poll_interval);
    let drop_percent_max = read_drop(&mut fields, exchange.drop_percent_max);
    let bank = fields.name("exchange.bank_id", &exchange.bank_id, BankId::parse);
    let enters_as = read_entering(&mut fields, "exchange.enters_as", exchange.enters_as);
    let whole = (|| {
        let settings = ExchangeSettings {
            display_name: name?,
            kind: kind?,
            bank: bank?,
            enters_as: enters_as?,
            enabled: exchange.enabled.unwrap_or(true),
            gives_feedback: exchange.gives_feedback,
            pause: pause?,
            drop_percent_max: drop_percent_max?,
            new_per_day: exchange.new_entries_per_day,
        };
        Some(CreateExchange { id: id?, settings, keyed: keyed? })
    })();
    fields.done(whole)
}

/// A request to change an exchange.
#[derive(Debug, Clone)]
pub struct UpdateExchange {
    /// Which.
    pub id: ExchangeId,
    /// What of it.
    pub patch: ExchangePatch,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateExchangeRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_exchange(sent: v1::UpdateExchangeRequest) -> Result<UpdateExchange, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(exchange) = fields.required("exchange", sent.exchange) else {
        return fields.done(None);
    };
    let id = fields.name("exchange.exchange_id", &exchange.exchange_id, ExchangeId::parse);
    let read = read_etag(&mut fields, "exchange.etag", &exchange.etag);
    let mut patch = ExchangePatch::default();
    for path in paths {
        let at = within("exchange", &path);
        match path.as_str() {
            "display_name" => {
                let name = exchange.display_name.clone();
                patch.display_name = fields.text(at, name, WORDS_BYTES_MAX);
            }
            "enters_as" => patch.enters_as = read_entering(&mut fields, &at, exchange.enters_as),
            "enabled" => patch.enabled = Some(exchange.enabled.unwrap_or(true)),
            "gives_feedback" => patch.gives_feedback = Some(exchange.gives_feedback),
            "poll_interval" => patch.pause = read_pause(&mut fields, exchange.poll_interval),
            "new_entries_per_day" => patch.new_per_day = Some(exchange.new_entries_per_day),
            "drop_percent_max" => {
                patch.drop_percent_max = read_drop(&mut fields, exchange.drop_percent_max);
            }
            _ => match read_renewal(&mut fields, &path, exchange.kind.as_ref()) {
                Some(renewal) => patch.renewals.extend(renewal),
                None => unchangeable(&mut fields),
            },
        }
    }
    let whole = (|| Some(UpdateExchange { id: id?, patch, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// A request to remove an exchange.
#[derive(Debug, Clone)]
pub struct DeleteExchange {
    /// Which.
    pub id: ExchangeId,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `DeleteExchangeRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn delete_exchange(sent: &v1::DeleteExchangeRequest) -> Result<DeleteExchange, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let id = fields.name("exchange_id", &sent.exchange_id, ExchangeId::parse);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    let whole = (|| Some(DeleteExchange { id: id?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads the name of an exchange.
///
/// # Errors
/// A refusal that names the bad field.
pub fn exchange_id(text: &str) -> Result<ExchangeId, Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("exchange_id", text, ExchangeId::parse);
    fields.done(id)
}

/// Reads which exchanges are listed.
///
/// # Errors
/// A refusal that names the bad field.
pub fn list_exchanges(sent: &v1::ListExchangesRequest) -> Result<Page, Refusal> {
    let mut fields = Fields::default();
    let page = page::read(&mut fields, "exchanges", sent.page_size, &sent.page_token);
    fields.done(page)
}
