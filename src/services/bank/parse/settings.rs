//! Requests about banks as a whole.

use crate::core::advice::AdviceType;
use crate::core::bank::{
    Band, BankMode, BankRole, DISTANCE_BITS_MAX, EntryState, Quorum, RATIO_ALL, SignalRule, Voice,
};
use crate::core::curation::{BankPatch, BankSettings, NewBank};
use crate::core::id::BankId;
use crate::core::signal::SignalType;
use crate::core::verdict::Disposition;
use crate::proto::v1;
use crate::services::bank::parse::video;
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::signal::read_type;
use crate::services::words::{moment, policy};

const BANDS_MAX: usize = 8;
const RULES_MAX: usize = 32;
const WORDS_BYTES_MAX: usize = 256;
const ORGANISATIONS_MAX: u32 = 64;
const VOICES_MAX: usize = 256;
const JURISDICTION_BYTES_MAX: usize = 16;

/// The types that a bank holds when its owner names none.
const USUAL_TYPES: [SignalType; 5] =
    [SignalType::Md5, SignalType::Sha1, SignalType::Sha256, SignalType::Pdq, SignalType::VpdqFrame];

fn usual_rules() -> Vec<SignalRule> {
    let advice = AdviceType::ALL.map(SignalType::Advice);
    USUAL_TYPES.into_iter().chain(advice).map(SignalRule::usual).collect()
}

fn read_mode(fields: &mut Fields, path: &str, number: i32) -> Option<BankMode> {
    match v1::BankMode::try_from(number) {
        Ok(v1::BankMode::Shadow) => Some(BankMode::Shadow),
        Ok(v1::BankMode::Enforce) => Some(BankMode::Enforce),
        Ok(v1::BankMode::Unspecified) => fields.required(path, None),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            None
        }
    }
}

fn read_role(fields: &mut Fields, path: &str, number: i32) -> Option<BankRole> {
    match v1::BankRole::try_from(number) {
        Ok(v1::BankRole::Positive) => Some(BankRole::Positive),
        Ok(v1::BankRole::Negative) => Some(BankRole::Negative),
        Ok(v1::BankRole::Unspecified) => fields.required(path, None),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            None
        }
    }
}

/// Reads a share as millionths.
fn read_ratio(fields: &mut Fields, path: &str, ratio: f64) -> Option<u32> {
    if !(0.0..=1.0).contains(&ratio) {
        fields.fault(path, "must be from 0 to 1");
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
    Some((ratio * f64::from(RATIO_ALL)).round() as u32)
}

fn read_rules(fields: &mut Fields, path: &str, sent: &[v1::SignalRule]) -> Option<Vec<SignalRule>> {
    if sent.is_empty() {
        return Some(usual_rules());
    }
    fields.count(path, sent.len(), 1, RULES_MAX);
    let read: Vec<_> = sent
        .iter()
        .take(RULES_MAX)
        .enumerate()
        .map(|(place, rule)| read_rule(fields, &format!("{path}[{place}]"), rule))
        .collect();
    let rules: Vec<SignalRule> = read.into_iter().collect::<Option<_>>()?;
    for (place, rule) in rules.iter().enumerate() {
        if rules[..place].iter().any(|before| before.kind == rule.kind) {
            fields.fault(format!("{path}[{place}].type"), "must not have a rule already");
        }
    }
    Some(rules)
}

fn read_rule(fields: &mut Fields, path: &str, sent: &v1::SignalRule) -> Option<SignalRule> {
    let kind = read_type(fields, path, sent.r#type, &sent.custom_type);
    let bands_path = within(path, "bands");
    fields.count(&bands_path, sent.bands.len(), 1, BANDS_MAX);
    let kind = kind?;
    let is_perceptual = kind.is_perceptual();
    if sent.quality_min > 100 || (sent.quality_min > 0 && !is_perceptual) {
        let most =
            if is_perceptual { "from 0 to 100" } else { "0 for a type compared for equality" };
        fields.fault(within(path, "quality_min"), format!("must be {most}"));
    }
    let distance_max = if is_perceptual { DISTANCE_BITS_MAX } else { 0 };
    let mut bands: Vec<Band> = Vec::new();
    for (place, band) in sent.bands.iter().take(BANDS_MAX).enumerate() {
        let at = format!("{bands_path}[{place}]");
        if band.distance_max > distance_max {
            let must = format!("must be at most {distance_max} for this type");
            fields.fault(within(&at, "distance_max"), must);
        }
        if bands.last().is_some_and(|before| before.distance_max >= band.distance_max) {
            fields.fault(within(&at, "distance_max"), "must be greater than the one before");
        }
        let disposition_path = within(&at, "disposition");
        match policy::read_disposition(fields, &disposition_path, band.disposition) {
            Some(disposition) if kind.is_advice() && disposition != Disposition::Allow => {
                fields.fault(disposition_path, "must be ALLOW for a type that is advice");
            }
            Some(Disposition::Allow) if !kind.is_advice() => {
                fields.fault(disposition_path, "must be stricter than ALLOW");
            }
            Some(disposition) => {
                bands.push(Band { distance_max: band.distance_max, disposition });
            }
            None => {}
        }
    }
    let crosses = video::read_crossing(fields, path, &kind, sent.crosses_media);
    let video = video::read(fields, path, &kind, sent.video);
    let (crosses, video) = (crosses?, video?);
    Some(SignalRule { kind, quality_min: sent.quality_min, bands, crosses, video })
}

/// Reads what promotes proposed entries: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
fn read_quorum(
    fields: &mut Fields,
    path: &str,
    sent: Option<v1::Quorum>,
) -> Option<Option<Quorum>> {
    let Some(sent) = sent else { return Some(None) };
    let at = |inner| within(path, inner);
    let organisations_min = sent.organisations_min;
    if organisations_min == 0 {
        fields.fault(at("organisations_min"), "must be set");
    } else if organisations_min > ORGANISATIONS_MAX {
        fields.fault(at("organisations_min"), format!("must be from 1 to {ORGANISATIONS_MAX}"));
    }
    if sent.jurisdictions_min > organisations_min {
        fields.fault(at("jurisdictions_min"), "must be at most organisations_min");
    } else if sent.jurisdictions_min > 0 && sent.voices.is_empty() {
        fields.fault(at("jurisdictions_min"), "must be 0 where no voices are named");
    }
    fields.count(at("voices"), sent.voices.len(), 0, VOICES_MAX);
    let voices: Vec<_> = sent
        .voices
        .into_iter()
        .take(VOICES_MAX)
        .enumerate()
        .map(|(place, voice)| read_voice(fields, &format!("{path}.voices[{place}]"), voice))
        .collect();
    let promotes_to = match v1::EntryState::try_from(sent.promotes_to) {
        Ok(v1::EntryState::Unspecified | v1::EntryState::Trial) => Some(EntryState::Trial),
        Ok(v1::EntryState::Active) => Some(EntryState::Active),
        _ => {
            fields.fault(at("promotes_to"), "must be TRIAL or ACTIVE");
            None
        }
    };
    Some(Some(Quorum {
        organisations_min,
        jurisdictions_min: sent.jurisdictions_min,
        voices: voices.into_iter().collect::<Option<_>>()?,
        promotes_to: promotes_to?,
    }))
}

fn read_voice(fields: &mut Fields, path: &str, sent: v1::QuorumVoice) -> Option<Voice> {
    for (inner, text) in [("exchange", &sent.exchange), ("organisation", &sent.organisation)] {
        if text.is_empty() {
            fields.fault(within(path, inner), "must be set");
        }
    }
    let exchange = fields.text(within(path, "exchange"), sent.exchange, WORDS_BYTES_MAX);
    let organisation =
        fields.text(within(path, "organisation"), sent.organisation, WORDS_BYTES_MAX);
    let law = within(path, "jurisdiction");
    let jurisdiction = fields.text(law, sent.jurisdiction, JURISDICTION_BYTES_MAX);
    Some(Voice {
        exchange: exchange?,
        organisation: organisation?,
        jurisdiction: jurisdiction?,
        accredited: sent.accredited,
    })
}

/// A request to make a bank.
#[derive(Debug)]
pub struct CreateBank {
    /// What is wanted.
    pub wanted: NewBank,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `CreateBankRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn create_bank(sent: v1::CreateBankRequest) -> Result<CreateBank, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let id = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let Some(bank) = fields.required("bank", sent.bank) else { return fields.done(None) };
    if !bank.bank_id.is_empty() && bank.bank_id != sent.bank_id {
        fields.fault("bank.bank_id", "must be left out, or be bank_id");
    }
    let display_name = fields.text("bank.display_name", bank.display_name, WORDS_BYTES_MAX);
    let role = read_role(&mut fields, "bank.role", bank.role);
    let mode = read_mode(&mut fields, "bank.mode", bank.mode);
    let ratio = read_ratio(&mut fields, "bank.enabled_ratio", bank.enabled_ratio.unwrap_or(1.0));
    let rules = read_rules(&mut fields, "bank.signal_rules", &bank.signal_rules);
    let legal_basis = fields.text("bank.legal_basis", bank.legal_basis, WORDS_BYTES_MAX);
    let freshness = moment::read_span(&mut fields, "bank.freshness_limit", bank.freshness_limit);
    let quorum = read_quorum(&mut fields, "bank.quorum", bank.quorum);
    let whole = (|| {
        let settings = BankSettings {
            display_name: display_name?,
            role: role?,
            mode: mode?,
            enabled: bank.enabled.unwrap_or(true),
            ratio_millionths: ratio?,
            rules: rules?,
            vetted: bank.vetted,
            legal_basis: legal_basis?,
            freshness_max: freshness?,
            quorum: quorum?,
        };
        Some(CreateBank { wanted: NewBank { id: id?, settings }, keyed: keyed? })
    })();
    fields.done(whole)
}

/// A request to change a bank.
#[derive(Debug)]
pub struct UpdateBank {
    /// Which.
    pub id: BankId,
    /// What of it.
    pub patch: BankPatch,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateBankRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_bank(sent: v1::UpdateBankRequest) -> Result<UpdateBank, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(bank) = fields.required("bank", sent.bank) else { return fields.done(None) };
    let id = fields.name("bank.bank_id", &bank.bank_id, BankId::parse);
    let read = read_etag(&mut fields, "bank.etag", &bank.etag);
    let mut patch = BankPatch::default();
    for path in paths {
        let at = within("bank", &path);
        match path.as_str() {
            "display_name" => {
                patch.display_name = fields.text(at, bank.display_name.clone(), WORDS_BYTES_MAX);
            }
            "mode" => patch.mode = read_mode(&mut fields, &at, bank.mode),
            "enabled" => patch.enabled = Some(bank.enabled.unwrap_or(true)),
            "enabled_ratio" => {
                patch.ratio_millionths =
                    read_ratio(&mut fields, &at, bank.enabled_ratio.unwrap_or(1.0));
            }
            "signal_rules" => patch.rules = read_rules(&mut fields, &at, &bank.signal_rules),
            "vetted" => patch.vetted = Some(bank.vetted),
            "legal_basis" => {
                patch.legal_basis = fields.text(at, bank.legal_basis.clone(), WORDS_BYTES_MAX);
            }
            "freshness_limit" => {
                patch.freshness_max = moment::read_span(&mut fields, &at, bank.freshness_limit);
            }
            "quorum" => patch.quorum = read_quorum(&mut fields, &at, bank.quorum.clone()),
            _ => unchangeable(&mut fields),
        }
    }
    let whole = (|| Some(UpdateBank { id: id?, patch, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// A request to remove a bank.
#[derive(Debug)]
pub struct DeleteBank {
    /// Which.
    pub id: BankId,
    /// The version that the caller read.
    pub read: u64,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `DeleteBankRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn delete_bank(sent: &v1::DeleteBankRequest) -> Result<DeleteBank, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let id = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let read =
        read_etag(&mut fields, "etag", &sent.etag).and_then(|read| fields.required("etag", read));
    if sent.confirm.is_empty() {
        fields.fault("confirm", "must be set");
    } else if sent.confirm != sent.bank_id {
        fields.fault("confirm", "must be bank_id");
    }
    let whole = (|| Some(DeleteBank { id: id?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads the name of a bank.
///
/// # Errors
/// A refusal that names the bad field.
pub fn bank_id(text: &str) -> Result<BankId, Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("bank_id", text, BankId::parse);
    fields.done(id)
}

/// Reads which banks are listed.
///
/// # Errors
/// A refusal that names the bad field.
pub fn list_banks(sent: &v1::ListBanksRequest) -> Result<Page, Refusal> {
    let mut fields = Fields::default();
    let page = page::read(&mut fields, "banks", sent.page_size, &sent.page_token);
    fields.done(page)
}
