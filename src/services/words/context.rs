//! What a caller says of an item, and the scores it gives, read from the wire.

use crate::core::id::{ActorId, ItemId, SurfaceId};
use crate::core::policy::{Context, SurfaceKind};
use crate::core::screening::question::GivenScore;
use crate::proto::v1;
use crate::services::words::fields::{Fields, within};
use crate::services::words::{moment, policy, request};

/// Most scores in one call.
pub const SCORES_MAX: usize = 64;
const WORDS_BYTES_MAX: usize = 256;
const SHORT_BYTES_MAX: usize = 64;

/// `AA` or `AA-B…`: ISO 3166-1, optionally with a subdivision by ISO 3166-2.
fn is_jurisdiction(text: &str) -> bool {
    let (country, subdivision) = text.split_once('-').map_or((text, None), |(c, s)| (c, Some(s)));
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && subdivision.is_none_or(|s| {
            (1..=3).contains(&s.len())
                && s.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
}

fn usual_surface(kind: SurfaceKind) -> Option<SurfaceId> {
    SurfaceId::parse(kind.usual_name()).ok()
}

/// Reads the context of a call.
pub fn read(fields: &mut Fields, path: &str, sent: Option<v1::Context>) -> Option<Context> {
    let sent = fields.required(path, sent)?;
    let at = |inner| within(path, inner);
    let kind = policy::read_surface_kind(fields, &at("surface"), sent.surface);
    let named = fields.name_if_set(at("surface_id"), &sent.surface_id, SurfaceId::parse);
    let visibility = policy::read_visibility(fields, &at("visibility"), sent.visibility);
    let item = fields.name_if_set(at("item_id"), &sent.item_id, ItemId::parse);
    let actor = fields.name_if_set(at("actor_id"), &sent.actor_id, ActorId::parse);
    if !sent.jurisdiction.is_empty() && !is_jurisdiction(&sent.jurisdiction) {
        fields.fault(at("jurisdiction"), "must be an ISO 3166 code such as NL or US-CA");
    }
    let legal_basis = fields.text(at("legal_basis"), sent.legal_basis, WORDS_BYTES_MAX);
    let occurred = moment::read_time(fields, &at("occur_time"), sent.occur_time);
    let request = request::read_id(fields, &at("request_id"), &sent.request_id);
    if sent.recheck_token.len() > WORDS_BYTES_MAX {
        fields.fault(at("recheck_token"), "must be the recheck_token of a verdict");
    }
    let kind = kind?;
    Some(Context {
        surface_kind: kind,
        surface: named?.or_else(|| usual_surface(kind))?,
        visibility: visibility?,
        item: item?,
        actor: actor?,
        jurisdiction: sent.jurisdiction,
        legal_basis: legal_basis?,
        occurred: occurred?,
        request: request?,
        index_min: sent.min_index,
    })
}

/// Reads the scores of a call: `least..=SCORES_MAX` of them.
pub fn read_scores(
    fields: &mut Fields,
    path: &str,
    sent: Vec<v1::ExternalScore>,
    least: usize,
) -> Option<Vec<GivenScore>> {
    fields.count(path, sent.len(), least, SCORES_MAX);
    let read: Vec<_> = sent
        .into_iter()
        .take(SCORES_MAX)
        .enumerate()
        .map(|(place, score)| read_score(fields, &format!("{path}[{place}]"), score))
        .collect();
    read.into_iter().collect()
}

fn read_score(fields: &mut Fields, path: &str, sent: v1::ExternalScore) -> Option<GivenScore> {
    let mut word = |inner: &str, text: String| {
        let at = within(path, inner);
        if text.is_empty() {
            fields.fault(at, "must be set");
            return None;
        }
        fields.text(at, text, SHORT_BYTES_MAX)
    };
    let category = word("category", sent.category);
    let detector = word("detector", sent.detector);
    let version = word("detector_version", sent.detector_version);
    if !(0.0..=1.0).contains(&sent.value) {
        fields.fault(within(path, "value"), "must be from 0 to 1");
        return None;
    }
    Some(GivenScore {
        category: category?,
        value: sent.value,
        detector: detector?,
        detector_version: version?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jurisdiction_is_a_country_with_or_without_a_subdivision() {
        for good in ["NL", "US-CA", "GB-ENG", "AT-9"] {
            assert!(is_jurisdiction(good), "{good}");
        }
        for bad in ["nl", "NLD", "N", "US-", "US-CALI", "US_CA", "U1"] {
            assert!(!is_jurisdiction(bad), "{bad}");
        }
    }

    #[test]
    fn a_newer_surface_is_answered_by_the_strictest_policy() {
        let mut fields = Fields::default();
        let kind = policy::read_surface_kind(&mut fields, "surface", 99);
        assert_eq!(kind, Some(SurfaceKind::Upload));
        assert!(fields.is_clean());
    }
}
