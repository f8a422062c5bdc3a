//! Agreements, deltas and what is told.

use super::*;
use crate::core::bank::{Bank, BankMode, BankRole, BankedSignal, Entry, Origin, RATIO_ALL};
use crate::core::id::{CredentialId, EntryId, PartnerId};
use crate::core::opinion::{Opinion, Party, Value};
use crate::core::promotion::{Fired, change, settle};
use crate::core::record::Says;
use crate::core::signal::{Signal, SignalType};
use crate::core::verdict::Provenance;

fn credential(name: &str) -> CredentialId {
    CredentialId::parse(name).unwrap()
}

fn bank(name: &str) -> BankId {
    BankId::parse(name).unwrap()
}

fn wanted() -> NewPartner {
    NewPartner {
        id: PartnerId::parse("peer").unwrap(),
        display_name: "a peer".into(),
        credential: credential("theirs"),
        origin: "peer/log".into(),
        verifiers: vec![[1; 32]],
        shares: vec![Share { bank: bank("own"), kinds: vec![SignalType::Md5] }],
        takes: vec![Take {
            bank: bank("from-peer"),
            enters_as: EntryState::Proposed,
            new_per_day: None,
        }],
        purpose: "a test".into(),
        jurisdiction: "NL".into(),
        expires: Some(Time::from_millis(100)),
    }
}

fn put(present: Option<Partner>, wanted: NewPartner, by: &str) -> Result<Partner, Refused> {
    let read = present.as_ref().map(|partner| partner.version);
    put_partner(present, wanted, &credential(by), read, Time::from_millis(1))
}

#[test]
fn an_agreement_is_in_force_with_the_second_person_and_until_it_ends() {
    let now = Time::from_millis(50);
    let one = put(None, wanted(), "ada").unwrap();
    assert!(!one.is_in_force(now));
    let same = put(Some(one.clone()), wanted(), "ada").unwrap();
    assert!(!same.is_in_force(now), "one person twice is one person");
    let two = put(Some(same), wanted(), "bea").unwrap();
    assert!(two.is_in_force(now));
    assert!(!two.is_in_force(Time::from_millis(100)), "its time is over");
    let more = NewPartner { shares: Vec::new(), ..wanted() };
    let changed = put(Some(two.clone()), more, "cleo").unwrap();
    assert!(!changed.is_in_force(now), "what was changed needs two again");
    let ended = revoke_partner(two, now);
    assert!(!ended.is_in_force(now));
    let again = put(Some(ended), wanted(), "cleo").unwrap();
    assert!(!again.is_in_force(now), "what was ended needs two again");
}

#[test]
fn nobody_makes_a_partner_of_themselves() {
    let own = put(None, wanted(), "theirs");
    assert!(matches!(own, Err(Refused::Field(path, _)) if path == "partner.credential_id"));
    let stale = put_partner(None, wanted(), &credential("ada"), Some(3), Time::default());
    assert!(matches!(stale, Err(Refused::Changed(..))));
}

#[test]
fn only_the_next_delta_for_its_receiver_is_accepted() {
    let own = bank("own");
    let head = DeltaHead {
        origin: "peer".into(),
        audience: "us".into(),
        bank: own.clone(),
        from: 5,
        to: 9,
        expires: Time::from_millis(100),
    };
    let now = Time::from_millis(50);
    let expected = Expected { origin: "peer", audience: "us", bank: &own, number: 5, now };
    assert_eq!(accept(&head, expected), Ok(()));
    for (wrong, why) in [
        (DeltaHead { origin: "other".into(), ..head.clone() }, NotAccepted::Origin),
        (DeltaHead { audience: "them".into(), ..head.clone() }, NotAccepted::Audience),
        (DeltaHead { bank: bank("other"), ..head.clone() }, NotAccepted::Bank),
        (DeltaHead { from: 4, ..head.clone() }, NotAccepted::Replayed),
        (DeltaHead { from: 6, ..head.clone() }, NotAccepted::Gap),
        (DeltaHead { to: 5, ..head.clone() }, NotAccepted::Malformed),
        (DeltaHead { expires: now, ..head.clone() }, NotAccepted::Expired),
    ] {
        assert_eq!(accept(&wrong, expected), Err(why), "{wrong:?}");
    }
}

fn entry(state: EntryState) -> Entry {
    let md5 = BankedSignal::new(Signal::Md5([1; 16]), None);
    let sha1 = BankedSignal::new(Signal::Sha1([2; 20]), None);
    Entry {
        id: EntryId::parse("e").unwrap(),
        signals: vec![md5, sha1],
        state,
        background: None,
        provenance: Provenance { source_organisation: "a hotline".into(), ..Provenance::default() },
        note: "not for others".into(),
        version: 1,
        created: Time::default(),
    }
}

#[test]
fn a_partner_is_told_of_what_is_listed_and_of_shared_types_only() {
    let share = Share { bank: bank("own"), kinds: vec![SignalType::Md5] };
    let told = |state| tell(&share, &entry(state));
    let Some(Tell::Listed { signals, .. }) = told(EntryState::Active) else { panic!("listed") };
    assert_eq!(signals.len(), 1);
    let gone =
        [EntryState::Proposed, EntryState::Quarantined, EntryState::Retired, EntryState::Removed];
    for state in gone {
        assert_eq!(told(state), Some(Tell::Withdrawn), "{state:?}");
    }
    let other = Share { kinds: vec![SignalType::Pdq], ..share };
    assert_eq!(tell(&other, &entry(EntryState::Active)), Some(Tell::Withdrawn));
}

#[test]
fn what_came_from_others_is_told_only_where_a_person_here_has_confirmed_it() {
    let share = Share { bank: bank("own"), kinds: Vec::new() };
    let mut foreign = entry(EntryState::Active);
    let origin = Origin {
        source: "hub".into(),
        updated: None,
        withdrawn: false,
        handles: vec![],
        told: None,
    };
    change(&mut foreign, |background| background.origin = Some(origin));
    assert_eq!(tell(&share, &foreign), None);
    foreign.provenance.confirmed_by_us = true;
    let bank = Bank {
        id: bank("own"),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: Vec::new(),
        vetted: false,
        legal_basis: String::new(),
        freshness_max: None,
        quorum: None,
        version: 1,
        created: Time::default(),
        changed: Time::default(),
        learned: Time::default(),
    };
    settle(&bank, None, &mut foreign, Time::default(), |_, _| Fired::Clean);
    assert!(matches!(tell(&share, &foreign), Some(Tell::Listed { .. })));
    let before = foreign.clone();
    foreign.provenance.confirmed_by_us = false;
    settle(&bank, Some(&before), &mut foreign, Time::default(), |_, _| Fired::Clean);
    assert_eq!(tell(&share, &foreign), Some(Tell::Withdrawn), "who was told is told of the end");
}

#[test]
fn who_tells_is_the_reporter_and_says_what_the_state_of_its_entry_means() {
    let share = Share { bank: bank("own"), kinds: Vec::new() };
    let said = |state, opinions: Vec<Opinion>| {
        let mut entry = entry(state);
        change(&mut entry, |background| background.opinions = opinions);
        let record = record_of(1, "peer", &entry.id, tell(&share, &entry).unwrap()).unwrap();
        let Says::Listed(listed) = record.says else { panic!("listed") };
        assert_eq!(listed.organisation, "peer");
        assert_eq!(listed.tags, ["reported by a hotline"]);
        listed.opinions.into_iter().map(|one| (one.organisation, one.value)).collect::<Vec<_>>()
    };
    let peer = |value| vec![("peer".to_owned(), value)];
    assert_eq!(said(EntryState::Active, vec![]), peer(Value::Positive));
    assert_eq!(said(EntryState::Trial, vec![]), peer(Value::Seed));
    assert_eq!(said(EntryState::Disputed, vec![]), peer(Value::Negative));
    let own = Opinion { by: Party::Here, value: Value::Seed, reasons: vec![], at: None };
    let by = Party::Member { exchange: "hub".into(), organisation: "x".into() };
    let other = Opinion { by, value: Value::Negative, reasons: vec![], at: None };
    let both = said(EntryState::Active, vec![own, other]);
    assert_eq!(both, [("peer".into(), Value::Seed), ("hub/x".into(), Value::Negative)]);
}

#[test]
fn debug_output_of_a_secret_shows_nothing_of_it() {
    assert_eq!(format!("{:?}", Secret::new("nonsense".into())), "Secret");
}

#[test]
fn what_is_usual_caps_an_exchange_once_everything_came_once_and_after_a_week_at_the_latest() {
    let made = Time::from_millis(1_000);
    let other = Bulwark {
        address: "http://127.0.0.1:1".into(),
        ca: String::new(),
        key: Secret::new("k".into()),
        partner: PartnerId::parse("learner").unwrap(),
        bank: bank("own"),
        origin: "peer/log".into(),
        verifiers: vec![[1; 32]],
    };
    let settings = ExchangeSettings {
        pause: usual_pause(),
        drop_percent_max: usual_drop(),
        display_name: String::new(),
        kind: Kind::Bulwark(Box::new(other)),
        bank: bank("learned"),
        enters_as: EntryState::Active,
        enabled: true,
        gives_feedback: false,
        new_per_day: None,
    };
    let mut exchange =
        create_exchange(None, ExchangeId::parse("peer").unwrap(), settings, made).unwrap();
    let begun = exchange.begun(made);
    let (soon, late) = (made.plus(FIRST_TERM), made.plus(FIRST_TERM + Duration::from_millis(1)));
    let whole = Progress { whole: true, ..begun.clone() };
    let anew = Progress { anew: true, ..begun.clone() };
    for (progress, now, expected) in
        [(&begun, soon, 0), (&begun, late, 10), (&whole, soon, 10), (&anew, soon, 10)]
    {
        assert_eq!(exchange.cap(progress, 10, now), expected);
    }
    for own in [0, 3] {
        exchange.new_per_day = Some(own);
        assert!([&begun, &whole, &anew].iter().all(|one| exchange.cap(one, 10, soon) == own));
    }
}
