//! Firing at what is known to be good, against a list that is gone through from end to end.

use super::*;
use crate::core::bank::Good;

fn any_entries() -> impl Strategy<Value = Vec<(bool, u8, EntryState, Vec<Given>)>> {
    let state = prop::sample::select(vec![
        EntryState::Active,
        EntryState::Trial,
        EntryState::Disputed,
        EntryState::Proposed,
        EntryState::Removed,
    ]);
    let signal = (0..8_usize, 0..6_u8, prop::option::of(0..=100_u32));
    let signals = prop::collection::vec(signal, 1..4);
    prop::collection::vec((any::<bool>(), 0..9_u8, state, signals), 0..24)
}

proptest! {
    #[test]
    fn the_nearest_good_thing_that_an_entry_would_match_is_found(
        entries in any_entries(),
        fired in prop::collection::vec((0..8_usize, 0..6_u8), 1..4),
        radius in 0..64_u32,
        is_enabled: bool,
    ) {
        let mut matcher = Matcher::default();
        let mut own = bank("own", true);
        for rule in own.rules.iter_mut().filter(|rule| rule.kind.is_perceptual()) {
            rule.bands.truncate(1);
            rule.bands[0].distance_max = radius;
        }
        let good = Bank {
            role: BankRole::Negative,
            mode: BankMode::Shadow,
            ..bank("good", is_enabled)
        };
        matcher.put_bank(1, &own);
        matcher.put_bank(1, &good);
        let mut kept: Map<EntryId, Entry> = Map::new();
        for (is_good, name, state, signals) in entries {
            let entry = entry(name, state, &signals);
            let of = if is_good { &good.id } else { &own.id };
            matcher.put_entries(2, NOW, of, std::slice::from_ref(&entry));
            if is_good {
                kept.insert(entry.id.clone(), entry);
            }
        }
        let signals: Vec<BankedSignal> = fired
            .iter()
            .map(|(kind, n)| BankedSignal::new(value(*kind, *n), None))
            .collect();
        let mut expected: Option<(u32, String)> = None;
        for entry in kept.values().filter(|e| e.state == EntryState::Active && is_enabled) {
            for (banked, one) in entry.signals.iter().flat_map(|b| signals.iter().map(move |s| (b, s))) {
                let distance = match (banked.signal.bits(), one.signal.bits()) {
                    (Some(a), Some(b)) if banked.signal.kind() == one.signal.kind() => a.distance(b),
                    _ if banked.signal == one.signal => 0,
                    _ => continue,
                };
                let key = (distance, entry.id.to_string());
                let within = own.rule(&one.signal.kind()).unwrap().distance_max();
                if distance <= within && expected.as_ref().is_none_or(|known| key < *known) {
                    expected = Some(key);
                }
            }
        }
        let found = matcher.nearest_good(&own, &signals);
        prop_assert!(found.iter().all(|found| found.bank == good.id));
        let told = |good: Good| (good.distance, good.entry.to_string());
        prop_assert_eq!(found.map(told), expected);
    }
}
