//! What keeps coming back: groups of remembered items, made where that holds up no other call.

use crate::core::bank::{BankRole, PDQ_DISTANCE_BITS};
use crate::core::hamming::Scratch;
use crate::core::id::{BankId, EntryId};
use crate::core::lookback::Remembered;
use crate::core::matcher::groups::{Group, Place, groups};
use crate::core::matcher::window::Window;
use crate::core::matcher::{Hit, Query};
use crate::services::desk::{Call, Desk};
use crate::services::groups::Grouped;
use crate::services::screening::parse::Clusters;
use crate::services::status::{Reason, Refusal};
use std::sync::Arc;
use std::time::Instant;

/// A group as it is told.
pub struct Cluster {
    /// How many items.
    pub items: u32,
    /// The first of them, where it was not forgotten.
    pub first: Option<Remembered>,
    /// The last of them, where it was not forgotten.
    pub last: Option<Remembered>,
    /// The nearest entry that the last of them matches.
    pub entry: Option<(BankId, EntryId)>,
}

/// A page of groups, and the groups that it is of.
pub struct Listed {
    /// The groups of the page.
    pub clusters: Vec<Cluster>,
    /// All groups.
    pub grouped: Arc<Grouped>,
    /// Where the next page begins, where there is one.
    pub next: Option<usize>,
}

/// A page of groups.
///
/// # Errors
/// [`Reason::DeadlineExceeded`]; [`Reason::FieldInvalid`] where the groups of the page before are kept no more.
pub async fn list(desk: &Desk, call: &Call, asked: &Clusters) -> Result<Listed, Refusal> {
    let scope = &call.caller.scope;
    let known = desk.groups.get(scope, asked.of.as_deref());
    let grouped = match (known, &asked.of) {
        (Some(grouped), _) => grouped,
        (None, None) => group(desk, call).await?,
        (None, Some(_)) => {
            let gone = "is of groups that are kept no more: begin again".to_owned();
            return Err(Refusal::fields(vec![("page_token".to_owned(), gone)]));
        }
    };
    let end = grouped.groups.len().min(asked.from.saturating_add(asked.rows));
    let page: &[Group] = grouped.groups.get(asked.from..end).unwrap_or_default();
    let place = |(window, item): Place| Some((*grouped.logs.get(window as usize)?, item));
    let ends = page.iter().flat_map(|group| [group.first, group.last]);
    let places: Vec<_> = ends.filter_map(place).collect();
    let items = desk.store.lookback().items(scope, &places).await?;
    let item = |at| items.get(&place(at)?).cloned();
    let clusters = page.iter().map(|group| {
        let (first, last) = (item(group.first), item(group.last));
        let entry = last.as_ref().and_then(|last| nearest(desk, call, last));
        Cluster { items: group.items, first, last, entry }
    });
    let clusters = clusters.collect();
    let next = (end < grouped.groups.len()).then_some(end);
    Ok(Listed { clusters, grouped, next })
}

/// Compares all items that are in memory with each other, on a thread of its own, within the time of the call.
async fn group(desk: &Desk, call: &Call) -> Result<Arc<Grouped>, Refusal> {
    let broken = || Refusal::new(Reason::Internal, "grouping broke down");
    let late = || Refusal::new(Reason::DeadlineExceeded, "time ran out before all was compared");
    let scope = &call.caller.scope;
    let turn = Arc::clone(&desk.groups.turn).acquire_owned().await.map_err(|_| broken())?;
    if let Some(grouped) = desk.groups.get(scope, None) {
        // Somebody made them while this was waiting for its turn.
        return Ok(grouped);
    }
    let (logs, windows): (Vec<u64>, Vec<Window>) =
        desk.store.lookback().windows(scope).await?.into_iter().unzip();
    let (name, at) = (desk.clock.fresh_id(), desk.clock.now());
    let end = call.deadline.map(|deadline| deadline.0.into_std());
    let grouping = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let items = windows.iter().map(|window| window.len() as u64).sum();
        let is_over = || end.is_some_and(|end| Instant::now() >= end);
        let found = groups(&windows, PDQ_DISTANCE_BITS, is_over)?;
        Some(Grouped::new(name, found, logs, items, at))
    });
    let grouped = Arc::new(grouping.await.map_err(|_| broken())?.ok_or_else(late)?);
    desk.groups.put(scope, Arc::clone(&grouped));
    Ok(grouped)
}

/// The nearest entry of a positive bank that an item matches.
fn nearest(desk: &Desk, call: &Call, item: &Remembered) -> Option<(BankId, EntryId)> {
    let resident = desk.store.resident().read();
    let matcher = &resident.of(&call.caller.scope)?.matcher;
    let mut scratch = Scratch::default();
    let mut best: Option<Hit<'_>> = None;
    for probe in &item.probes {
        let query = Query { signal: &probe.signal, quality: probe.quality };
        let hits = matcher.search(query, &mut scratch);
        let found = hits.into_iter().find(|hit| hit.bank.role == BankRole::Positive);
        if let Some(hit) = found
            && best.as_ref().is_none_or(|best| hit.order(best).is_lt())
        {
            best = Some(hit);
        }
    }
    best.map(|hit| (hit.bank.id.clone(), hit.entry))
}
