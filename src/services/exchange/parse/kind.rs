//! What an exchange speaks, read from the wire.

use crate::core::exchange::{
    Arachnid, Bulwark, Kind, Ncmec, Publication, Renewal, Secret, Site, StopNcii, ThreatExchange,
};
use crate::core::id::{BankId, PartnerId};
use crate::core::polling::SCHEME;
use crate::io::bulwark::check_address;
use crate::io::web::Web;
use crate::proto::v1;
use crate::services::exchange::parse::common::{WORDS_BYTES_MAX, read_keys};
use crate::services::words::fields::{Fields, within};
use crate::services::words::file::{self, Sent};
use crate::services::words::moment::{read_span, read_time};
use std::ops::RangeInclusive;
use std::time::Duration;

const PEM_BYTES_MAX: usize = 64 * 1024;
const ADDRESS_BYTES_MAX: usize = 2048;
const TOKEN_BYTES_MAX: usize = 1024;
const MEMBERS_MAX: usize = 256;
const MEMBER_BYTES_MAX: usize = 64;
const TYPES_MAX: usize = 32;
const TYPE_BYTES_MAX: usize = 64;
const STOP_NCII_PAGE: u32 = 800;
const STOP_NCII_PAGE_MAX: u32 = 10_000;
const STOP_NCII_START: i64 = 10;
const THREAT_EXCHANGE_PAGE: u32 = 100;
const THREAT_EXCHANGE_PAGE_MAX: u32 = 1_000;
/// How long an item waits for a service, where nobody says otherwise.
const ANSWER_TIME: Duration = Duration::from_secs(2);
const ANSWER_TIMES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// What is checked of an exchange beside its fields.
pub struct Around<'a> {
    /// Which addresses may be asked.
    pub web: &'a Web,
    /// Whether it is to be told opinions.
    pub gives_feedback: bool,
}

/// Reads what an exchange speaks; the fields are those within `path`.
pub fn read_kind(
    fields: &mut Fields,
    path: &str,
    sent: v1::exchange::Kind,
    around: &Around<'_>,
) -> Option<Kind> {
    use v1::exchange::Kind as Wire;
    match sent {
        Wire::Bulwark(other) => {
            read_bulwark(fields, &within(path, "bulwark"), other).map(Box::new).map(Kind::Bulwark)
        }
        Wire::Ncmec(other) => {
            read_ncmec(fields, &within(path, "ncmec"), other, around).map(Box::new).map(Kind::Ncmec)
        }
        Wire::StopNcii(other) => read_stop_ncii(fields, &within(path, "stop_ncii"), other, around)
            .map(Box::new)
            .map(Kind::StopNcii),
        Wire::ThreatExchange(other) => {
            read_threat_exchange(fields, &within(path, "threat_exchange"), other, around)
                .map(Box::new)
                .map(Kind::ThreatExchange)
        }
        Wire::File(other) => {
            if around.gives_feedback {
                fields.fault(within(path, "gives_feedback"), "must be false for a file");
            }
            read_file(fields, &within(path, "file"), other, around).map(Box::new).map(Kind::File)
        }
        Wire::Arachnid(other) => {
            if around.gives_feedback {
                fields.fault(within(path, "gives_feedback"), "must be false for Arachnid Shield");
            }
            read_arachnid(fields, &within(path, "arachnid"), other, around)
                .map(Box::new)
                .map(Kind::Arachnid)
        }
    }
}

fn read_bulwark(fields: &mut Fields, path: &str, sent: v1::BulwarkExchange) -> Option<Bulwark> {
    let at = |inner| within(path, inner);
    if sent.address.is_empty() {
        fields.fault(at("address"), "must be set");
    } else {
        fields.read(at("address"), check_address(&sent.address));
    }
    let ca = fields.text(at("ca_pem"), sent.ca_pem, PEM_BYTES_MAX);
    if sent.address.starts_with("https") && ca.as_ref().is_some_and(String::is_empty) {
        fields.fault(at("ca_pem"), "must be set with https://");
    }
    let key = read_secret(fields, at("key"), sent.key, WORDS_BYTES_MAX);
    let partner = fields.name(at("partner_id"), &sent.partner_id, PartnerId::parse);
    let bank = fields.name(at("bank_id"), &sent.bank_id, BankId::parse);
    if sent.origin.is_empty() {
        fields.fault(at("origin"), "must be set");
    }
    let origin = fields.text(at("origin"), sent.origin, WORDS_BYTES_MAX);
    let verifiers = read_keys(fields, &at("public_keys"), &sent.public_keys, 1);
    Some(Bulwark {
        address: sent.address,
        ca: ca?,
        key: key?,
        partner: partner?,
        bank: bank?,
        origin: origin?,
        verifiers: verifiers?,
    })
}

/// Reads a key that must be set: what can stand in the head of a question.
fn read_secret(
    fields: &mut Fields,
    path: String,
    text: String,
    bytes_max: usize,
) -> Option<Secret> {
    if text.is_empty() {
        fields.fault(path, "must be set");
        return None;
    }
    if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        fields.fault(path, "must be of letters, digits and signs of ASCII");
        return None;
    }
    fields.text(path, text, bytes_max).map(Secret::new)
}

/// Reads where a source is. Only the operator says which hosts may be asked.
fn read_site(
    fields: &mut Fields,
    path: &str,
    name: &str,
    (address, ca): (String, String),
    web: &Web,
) -> Option<Site> {
    let at = within(path, name);
    if address.is_empty() {
        fields.fault(at, "must be set");
        return None;
    }
    if address.len() > ADDRESS_BYTES_MAX {
        fields.fault(at, format!("must be at most {ADDRESS_BYTES_MAX} bytes long"));
        return None;
    }
    fields.read(at, web.check(&address))?;
    let ca = fields.text(within(path, "ca_pem"), ca, PEM_BYTES_MAX)?;
    Some(Site { address, ca })
}

/// Reads where an environment is: what its addresses begin with.
fn read_base(
    fields: &mut Fields,
    path: &str,
    (address, ca): (String, String),
    web: &Web,
) -> Option<Site> {
    let site = read_site(fields, path, "base_url", (address, ca), web)?;
    if site.address.starts_with(SCHEME) || site.address.contains('?') {
        fields.fault(within(path, "base_url"), "must be https://host/path, without a query");
        return None;
    }
    let address = site.address.trim_end_matches('/').to_owned();
    Some(Site { address, ..site })
}

/// Reads a list of words of the source, each once.
fn read_words(
    fields: &mut Fields,
    path: &str,
    sent: Vec<String>,
    most: usize,
    bytes_max: usize,
) -> Vec<String> {
    fields.count(path, sent.len(), 0, most);
    for (place, word) in sent.iter().enumerate() {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if word.is_empty() || word.len() > bytes_max || !word.bytes().all(is_good) {
            let must = format!("must be 1 to {bytes_max} letters, digits, _, - or .");
            fields.fault(format!("{path}[{place}]"), must);
        }
    }
    sent
}

fn read_page(fields: &mut Fields, path: String, sent: u32, usual: u32, most: u32) -> u32 {
    if sent > most {
        fields.fault(path, format!("must be at most {most}"));
    }
    if sent == 0 { usual } else { sent }
}

fn read_ncmec(
    fields: &mut Fields,
    path: &str,
    sent: v1::NcmecExchange,
    around: &Around<'_>,
) -> Option<Ncmec> {
    let at = |inner| within(path, inner);
    let site = read_base(fields, path, (sent.base_url, sent.ca_pem), around.web);
    let username = read_username(fields, at("username"), sent.username);
    let password = read_secret(fields, at("password"), sent.password, WORDS_BYTES_MAX);
    let ids = sent.member_ids;
    let members = read_words(fields, &at("member_ids"), ids, MEMBERS_MAX, MEMBER_BYTES_MAX);
    let since = read_time(fields, &at("start_time"), sent.start_time);
    let reason = fields.text(at("negative_reason"), sent.negative_reason, WORDS_BYTES_MAX);
    Some(Ncmec {
        site: site?,
        username: username?,
        password: password?,
        members,
        since: since?.unwrap_or_default(),
        negative_reason: reason?,
    })
}

/// Reads a name to let in by, which ends where a colon stands.
fn read_username(fields: &mut Fields, path: String, sent: String) -> Option<String> {
    if sent.contains(':') {
        fields.fault(path, "must be without a colon");
        return None;
    }
    read_secret(fields, path, sent, WORDS_BYTES_MAX).map(|name| name.reveal().to_owned())
}

fn read_stop_ncii(
    fields: &mut Fields,
    path: &str,
    sent: v1::StopNciiExchange,
    around: &Around<'_>,
) -> Option<StopNcii> {
    let at = |inner| within(path, inner);
    let site = read_base(fields, path, (sent.base_url, sent.ca_pem), around.web);
    let fetch_key = read_secret(fields, at("fetch_key"), sent.fetch_key, WORDS_BYTES_MAX);
    let subscription =
        read_secret(fields, at("subscription_key"), sent.subscription_key, WORDS_BYTES_MAX);
    let feedback_key = if around.gives_feedback || !sent.feedback_key.is_empty() {
        read_secret(fields, at("feedback_key"), sent.feedback_key, WORDS_BYTES_MAX)
    } else {
        Some(Secret::default())
    };
    let size = (sent.page_size, STOP_NCII_PAGE, STOP_NCII_PAGE_MAX);
    let page_size = read_page(fields, at("page_size"), size.0, size.1, size.2);
    Some(StopNcii {
        site: site?,
        fetch_key: fetch_key?,
        feedback_key: feedback_key?,
        subscription_key: subscription?,
        page_size,
        start: sent.start_timestamp.unwrap_or(STOP_NCII_START),
    })
}

fn read_threat_exchange(
    fields: &mut Fields,
    path: &str,
    sent: v1::ThreatExchangeExchange,
    around: &Around<'_>,
) -> Option<ThreatExchange> {
    let at = |inner| within(path, inner);
    let site = read_base(fields, path, (sent.base_url, sent.ca_pem), around.web);
    let group = sent.privacy_group;
    let is_group =
        (1..=64).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit());
    if !is_group {
        fields.fault(at("privacy_group"), "must be 1 to 64 digits");
    }
    let token = read_secret(fields, at("access_token"), sent.access_token, TOKEN_BYTES_MAX);
    let types = sent.indicator_types;
    let types = read_words(fields, &at("indicator_types"), types, TYPES_MAX, TYPE_BYTES_MAX);
    let size = (sent.page_size, THREAT_EXCHANGE_PAGE, THREAT_EXCHANGE_PAGE_MAX);
    let page_size = read_page(fields, at("page_size"), size.0, size.1, size.2);
    Some(ThreatExchange {
        site: site?,
        privacy_group: group,
        access_token: token?,
        types,
        page_size,
    })
}

fn read_file(
    fields: &mut Fields,
    path: &str,
    sent: v1::FileExchange,
    around: &Around<'_>,
) -> Option<Publication> {
    let site = read_site(fields, path, "url", (sent.url, sent.ca_pem), around.web);
    let authorization = if sent.authorization.is_empty() {
        Some(Secret::default())
    } else {
        read_secret(fields, within(path, "authorization"), sent.authorization, TOKEN_BYTES_MAX)
    };
    let written = file::read(
        fields,
        path,
        Sent {
            format: sent.format,
            signal_type: sent.signal_type,
            custom_type: &sent.custom_type,
            columns: sent.columns,
            vics_categories: &sent.vics_categories,
        },
    );
    Some(Publication { site: site?, authorization: authorization?, written: written? })
}

fn read_arachnid(
    fields: &mut Fields,
    path: &str,
    sent: v1::ArachnidExchange,
    around: &Around<'_>,
) -> Option<Arachnid> {
    let at = |inner| within(path, inner);
    let site = read_base(fields, path, (sent.base_url, sent.ca_pem), around.web);
    let username = read_username(fields, at("username"), sent.username);
    let password = read_secret(fields, at("password"), sent.password, WORDS_BYTES_MAX);
    let time = read_answer_time(fields, &at("answer_time_max"), sent.answer_time_max);
    Some(Arachnid { site: site?, username: username?, password: password?, answer_time_max: time? })
}

fn read_answer_time(
    fields: &mut Fields,
    path: &str,
    sent: Option<prost_types::Duration>,
) -> Option<Duration> {
    let time = read_span(fields, path, sent)?.unwrap_or(ANSWER_TIME);
    if !ANSWER_TIMES.contains(&time) {
        fields.fault(path, "must be 0.1 s to 60 s");
        return None;
    }
    Some(time)
}

/// Reads what is to be renewed of a kind; `None` where the path names nothing of the kind.
pub fn read_renewal(
    fields: &mut Fields,
    path: &str,
    sent: Option<&v1::exchange::Kind>,
) -> Option<Option<Renewal>> {
    use v1::exchange::Kind as Wire;
    let at = within("exchange", path);
    let mut secret =
        |text: &str, most: usize| read_secret(fields, at.clone(), text.to_owned(), most);
    let words = WORDS_BYTES_MAX;
    Some(match (sent, path) {
        (Some(Wire::Bulwark(other)), "bulwark.key") => {
            secret(&other.key, words).map(Renewal::BulwarkKey)
        }
        (Some(Wire::Bulwark(other)), "bulwark.public_keys") => {
            read_keys(fields, &at, &other.public_keys, 1).map(Renewal::BulwarkVerifiers)
        }
        (Some(Wire::Ncmec(other)), "ncmec.username") => {
            read_username(fields, at, other.username.clone()).map(Renewal::NcmecUsername)
        }
        (Some(Wire::Ncmec(other)), "ncmec.password") => {
            secret(&other.password, words).map(Renewal::NcmecPassword)
        }
        (Some(Wire::StopNcii(other)), "stop_ncii.fetch_key") => {
            secret(&other.fetch_key, words).map(Renewal::StopNciiFetchKey)
        }
        (Some(Wire::StopNcii(other)), "stop_ncii.feedback_key") => {
            secret(&other.feedback_key, words).map(Renewal::StopNciiFeedbackKey)
        }
        (Some(Wire::StopNcii(other)), "stop_ncii.subscription_key") => {
            secret(&other.subscription_key, words).map(Renewal::StopNciiSubscriptionKey)
        }
        (Some(Wire::ThreatExchange(other)), "threat_exchange.access_token") => {
            secret(&other.access_token, TOKEN_BYTES_MAX).map(Renewal::ThreatExchangeToken)
        }
        (Some(Wire::File(other)), "file.authorization") => {
            secret(&other.authorization, TOKEN_BYTES_MAX).map(Renewal::FileAuthorization)
        }
        (Some(Wire::Arachnid(other)), "arachnid.username") => {
            read_username(fields, at, other.username.clone()).map(Renewal::ArachnidUsername)
        }
        (Some(Wire::Arachnid(other)), "arachnid.password") => {
            secret(&other.password, words).map(Renewal::ArachnidPassword)
        }
        (Some(Wire::Arachnid(other)), "arachnid.answer_time_max") => {
            read_answer_time(fields, &at, other.answer_time_max).map(Renewal::ArachnidAnswerTime)
        }
        _ => return None,
    })
}
