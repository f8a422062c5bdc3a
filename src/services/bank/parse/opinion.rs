//! Requests about opinions on entries, and about entries that are set aside.

use crate::core::confirmation::Said;
use crate::core::id::{BankId, EntryId};
use crate::core::opinion::Value;
use crate::proto::v1;
use crate::services::status::Refusal;
use crate::services::words::fields::Fields;
use crate::services::words::opinion::{read_reasons, read_value};
use crate::services::words::page::{self, Page};
use crate::services::words::record::read_etag;
use crate::services::words::request::{Keyed, keyed, read_id};

const REASON_BYTES_MAX: usize = 256;

/// A request to record an opinion.
#[derive(Debug, Clone)]
pub struct RecordOpinion {
    /// On an entry of which bank.
    pub bank: BankId,
    /// Which.
    pub id: EntryId,
    /// What is said.
    pub said: Said,
    /// The bank into which it is confirmed, with the opinion that does so.
    pub confirm: Option<(BankId, Value)>,
    /// Whether the entry is ended, and those that share a value with it disputed.
    pub disable: bool,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `RecordOpinionRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn record_opinion(sent: v1::RecordOpinionRequest) -> Result<RecordOpinion, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let id = fields.name("entry_id", &sent.entry_id, EntryId::parse);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    let value = if sent.withdraw {
        if sent.value != 0 {
            fields.fault("value", "must be left out where withdraw is set");
        }
        None
    } else {
        read_value(&mut fields, "value", sent.value)
    };
    if sent.withdraw && !sent.reasons.is_empty() {
        fields.fault("reasons", "must be left out where withdraw is set");
    }
    let reasons = read_reasons(&mut fields, "reasons", sent.reasons);
    let to = fields.name_if_set("confirm_bank_id", &sent.confirm_bank_id, BankId::parse);
    if sent.withdraw && !sent.confirm_bank_id.is_empty() {
        fields.fault("confirm_bank_id", "must be left out where withdraw is set");
    }
    if sent.disable && value != Some(Value::Negative) {
        fields.fault("disable", "must be left out except with NEGATIVE");
    }
    let whole = (|| {
        let said = match (sent.withdraw, value) {
            (true, _) => Said::Nothing,
            (false, value) => Said::Opinion(value?, reasons?),
        };
        Some(RecordOpinion {
            bank: bank?,
            id: id?,
            said,
            confirm: to?.zip(value),
            disable: sent.disable,
            read: read?,
            keyed: keyed?,
        })
    })();
    fields.done(whole)
}

/// Reads whose opinions are listed.
///
/// # Errors
/// A refusal that names every bad field.
pub fn list_opinions(sent: &v1::ListOpinionsRequest) -> Result<(BankId, EntryId, Page), Refusal> {
    let mut fields = Fields::default();
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let entry = fields.name("entry_id", &sent.entry_id, EntryId::parse);
    let page = page::read(&mut fields, "opinions", sent.page_size, &sent.page_token);
    fields.done((|| Some((bank?, entry?, page?)))())
}

/// Reads which entries that are set aside are listed.
///
/// # Errors
/// A refusal that names every bad field.
pub fn list_quarantine(sent: &v1::ListQuarantineRequest) -> Result<(BankId, Page), Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let page = page::read(&mut fields, "quarantine", sent.page_size, &sent.page_token);
    fields.done(id.zip(page))
}

/// A request to release an entry.
#[derive(Debug, Clone)]
pub struct Release {
    /// Of which bank.
    pub bank: BankId,
    /// Which.
    pub id: EntryId,
    /// Why it may be matched.
    pub reason: String,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `ReleaseFromQuarantineRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn release(sent: v1::ReleaseFromQuarantineRequest) -> Result<Release, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let id = fields.name("entry_id", &sent.entry_id, EntryId::parse);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    if sent.reason.is_empty() {
        fields.fault("reason", "must be set");
    }
    let reason = fields.text("reason", sent.reason, REASON_BYTES_MAX);
    let whole =
        (|| Some(Release { bank: bank?, id: id?, reason: reason?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}
