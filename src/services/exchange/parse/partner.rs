//! Requests about partners, and those of partners.

use crate::core::exchange::{Cursor, NewPartner, Share, Take};
use crate::core::id::{BankId, CredentialId, PartnerId};
use crate::proto::v1;
use crate::services::exchange::parse::common::{WORDS_BYTES_MAX, read_entering, read_keys};
use crate::services::status::Refusal;
use crate::services::words::fields::Fields;
use crate::services::words::page::{self, Page};
use crate::services::words::record::read_etag;
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::{moment, signal};

const BANKS_MAX: usize = 64;
const TYPES_MAX: usize = 16;
const JURISDICTION_BYTES_MAX: usize = 16;
const ANCHOR_BYTES_MAX: usize = 64;

/// What is wanted of a partner.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// That it be so.
    Put(Box<NewPartner>),
    /// That its agreement end.
    Revoke(PartnerId),
}

/// A request to make, change, agree to or end a partner.
#[derive(Debug, Clone)]
pub struct PutPartner {
    /// What is wanted.
    pub wanted: Wanted,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

fn read_share(fields: &mut Fields, place: usize, sent: &v1::PartnerShare) -> Option<Share> {
    let path = format!("partner.shares[{place}]");
    let bank = fields.name(format!("{path}.bank_id"), &sent.bank_id, BankId::parse);
    let types = format!("{path}.signal_types");
    fields.count(&types, sent.signal_types.len(), 0, TYPES_MAX);
    let mut kinds = Vec::new();
    for (at, number) in sent.signal_types.iter().take(TYPES_MAX).enumerate() {
        let mut inner = Fields::default();
        match signal::read_type(&mut inner, "", *number, "") {
            Some(kind) => kinds.push(kind),
            None => fields.fault(format!("{types}[{at}]"), "must be a type that is compared"),
        }
    }
    Some(Share { bank: bank?, kinds })
}

fn read_take(fields: &mut Fields, place: usize, sent: &v1::PartnerTake) -> Option<Take> {
    let path = format!("partner.takes[{place}]");
    let bank = fields.name(format!("{path}.bank_id"), &sent.bank_id, BankId::parse);
    let enters_as = read_entering(fields, &format!("{path}.enters_as"), sent.enters_as);
    Some(Take { bank: bank?, enters_as: enters_as?, new_per_day: sent.new_entries_per_day })
}

/// Reads a `PutPartnerRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn put_partner(sent: v1::PutPartnerRequest) -> Result<PutPartner, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let Some(partner) = fields.required("partner", sent.partner) else { return fields.done(None) };
    let id = fields.name("partner.partner_id", &partner.partner_id, PartnerId::parse);
    let read = read_etag(&mut fields, "partner.etag", &partner.etag);
    if sent.revoke {
        let whole =
            (|| Some(PutPartner { wanted: Wanted::Revoke(id?), read: read?, keyed: keyed? }))();
        return fields.done(whole);
    }
    let wanted = read_wanted(&mut fields, id, partner);
    let whole = (|| {
        let wanted = Wanted::Put(Box::new(wanted?));
        Some(PutPartner { wanted, read: read?, keyed: keyed? })
    })();
    fields.done(whole)
}

fn read_wanted(
    fields: &mut Fields,
    id: Option<PartnerId>,
    sent: v1::Partner,
) -> Option<NewPartner> {
    let name = fields.text("partner.display_name", sent.display_name, WORDS_BYTES_MAX);
    let credential = fields.name("partner.credential_id", &sent.credential_id, CredentialId::parse);
    fields.count("partner.shares", sent.shares.len(), 0, BANKS_MAX);
    fields.count("partner.takes", sent.takes.len(), 0, BANKS_MAX);
    let shares = sent.shares.iter().take(BANKS_MAX).enumerate();
    let shares: Vec<_> = shares.map(|(at, share)| read_share(fields, at, share)).collect();
    let takes = sent.takes.iter().take(BANKS_MAX).enumerate();
    let takes: Vec<_> = takes.map(|(at, take)| read_take(fields, at, take)).collect();
    let signs = usize::from(!sent.takes.is_empty());
    let verifiers = read_keys(fields, "partner.public_keys", &sent.public_keys, signs);
    if signs > 0 && sent.origin.is_empty() {
        fields.fault("partner.origin", "must be set where something is taken");
    }
    let origin = fields.text("partner.origin", sent.origin, WORDS_BYTES_MAX);
    if sent.purpose.is_empty() {
        fields.fault("partner.purpose", "must be set");
    }
    let purpose = fields.text("partner.purpose", sent.purpose, WORDS_BYTES_MAX);
    let law = fields.text("partner.jurisdiction", sent.jurisdiction, JURISDICTION_BYTES_MAX);
    let expires = moment::read_time(fields, "partner.expire_time", sent.expire_time);
    Some(NewPartner {
        id: id?,
        display_name: name?,
        credential: credential?,
        origin: origin?,
        verifiers: verifiers?,
        shares: shares.into_iter().collect::<Option<_>>()?,
        takes: takes.into_iter().collect::<Option<_>>()?,
        purpose: purpose?,
        jurisdiction: law?,
        expires: expires?,
    })
}

/// Reads which partners are listed.
///
/// # Errors
/// A refusal that names the bad field.
pub fn list_partners(sent: &v1::ListPartnersRequest) -> Result<Page, Refusal> {
    let mut fields = Fields::default();
    let page = page::read(&mut fields, "partners", sent.page_size, &sent.page_token);
    fields.done(page)
}

/// Reads what a partner pulls, and from where.
///
/// # Errors
/// A refusal that names every bad field.
pub fn pull(sent: v1::PullSignalsRequest) -> Result<(BankId, Cursor), Refusal> {
    let mut fields = Fields::default();
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    if sent.after_anchor.len() > ANCHOR_BYTES_MAX {
        fields.fault("after_anchor", format!("must be at most {ANCHOR_BYTES_MAX} bytes long"));
    } else if sent.after_anchor.is_empty() != (sent.after_number == 0) {
        fields.fault("after_anchor", "must be set exactly where after_number is");
    }
    let cursor = Cursor { number: sent.after_number, anchor: sent.after_anchor.into() };
    fields.done(bank.map(|bank| (bank, cursor)))
}

/// Reads a delta that is brought.
///
/// # Errors
/// A refusal that names every bad field.
pub fn signed(sent: Option<v1::SignedDelta>) -> Result<v1::SignedDelta, Refusal> {
    let mut fields = Fields::default();
    let delta = fields.required("delta", sent);
    for (path, is_empty) in [
        ("delta.delta", delta.as_ref().is_some_and(|delta| delta.delta.is_empty())),
        ("delta.signature", delta.as_ref().is_some_and(|delta| delta.signature.is_empty())),
    ] {
        if is_empty {
            fields.fault(path, "must be set");
        }
    }
    fields.done(delta)
}
