//! A whole query against a listed track.

use super::judge;
use super::listed::Listed;
use super::near::{Look, Matched};
use super::rule::{Compared, Rule, Sighting};
use crate::core::video::track::Track;

/// Compares a query with a listed track. The order of the query's frames does not matter, but that among those of one
/// time it decides what is called the first.
///
/// Takes time in proportion to listed frames × hashes of the query, and memory in proportion to their sum.
#[must_use]
pub fn compare(query: &[Sighting<'_>], listed: &Track, rule: &Rule) -> Compared {
    let listed = Listed::of(listed, rule);
    let mut matched = Matched::new(&listed);
    let mut order: Vec<&Sighting> = query.iter().collect();
    order.sort_by_key(|sighting| sighting.at);
    let looks: Vec<Look> =
        order.into_iter().filter_map(|sighting| matched.look(sighting, &listed, rule)).collect();
    judge::judge(&looks, &listed, &matched, rule)
}
