//! How many new entries an exchange or a partner may bring in a day, over sockets.

use crate::partners::*;
use crate::service::*;
use bulwark::proto::v1;
use std::time::{Duration, Instant};
use v1::{Disposition, EntryState, Guard};

async fn overflows(side: &Side) -> u64 {
    let asked = v1::GetHealthDetailRequest::default();
    let told = side.service.admin().admin().get_health_detail(asked).await.expect("told");
    told.into_inner().guards.expect("guards").overflow_count
}

async fn allow_a_day(side: &Side, new_entries_per_day: u32) {
    let exchange = v1::Exchange {
        exchange_id: "teller".into(),
        new_entries_per_day: Some(new_entries_per_day),
        ..Default::default()
    };
    let request = v1::UpdateExchangeRequest {
        exchange: Some(exchange),
        update_mask: Some(prost_types::FieldMask { paths: vec!["new_entries_per_day".into()] }),
        ..Default::default()
    };
    let changed = side.curator.exchanges().update_exchange(request).await.expect("changed");
    let changed = changed.into_inner().exchange.unwrap();
    assert_eq!(changed.new_entries_per_day, Some(new_entries_per_day));
}

async fn set_aside(side: &Side, bank: &str) -> Vec<v1::BankEntry> {
    let asked = v1::ListQuarantineRequest { bank_id: bank.into(), ..Default::default() };
    side.curator.banks().list_quarantine(asked).await.expect("listed").into_inner().entries
}

/// Waits until so many records were taken and so many replaced.
async fn took(side: &Side, taken: u64, replaced: u64) -> v1::IntakeCounts {
    let began = Instant::now();
    loop {
        let counts = status(side).await.counts.unwrap();
        if (counts.taken, counts.replaced) == (taken, replaced) {
            return counts;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{counts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Changes an entry of the teller, so that it is told again.
async fn touch(teller: &Side, id: &str, classification: &str) {
    let change = v1::UpdateEntryRequest {
        entry: Some(v1::BankEntry {
            bank_id: "own".into(),
            entry_id: id.into(),
            provenance: Some(v1::Provenance {
                classification: classification.into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["provenance.classification".into()],
        }),
        ..Default::default()
    };
    teller.curator.banks().update_entry(change).await.expect("changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_suddenly_brings_too_much_does_not_fill_a_bank_not_even_over_restarts() {
    let (teller, learner) = pair(false).await;
    is_live(&learner).await;
    allow_a_day(&learner, 3).await;
    let add = async |id: &str, digit: &str| {
        teller.curator.banks().add_entry(named("own", id, digit)).await.expect("added");
    };
    add("a", "a").await;
    add("b", "b").await;
    learner.becomes("a", Disposition::Block).await;
    learner.becomes("b", Disposition::Block).await;
    let stopped = learner.service.stop().await;
    for (id, digit) in [("c", "c"), ("d", "d"), ("e", "e")] {
        add(id, digit).await;
    }
    let learner = Side::of(stopped.start().await).await;
    learner.becomes("c", Disposition::Block).await;
    let counts = took(&learner, 6, 0).await;
    assert_eq!(counts.over_cap, 2, "they are kept");
    assert_eq!(learner.ask("d").await, Disposition::Allow, "and not matched");
    assert_eq!(overflows(&learner).await, 1, "one alarm a day");
    let aside = set_aside(&learner, "learned").await;
    let guards: Vec<_> =
        aside.iter().map(|one| (one.quarantine.as_ref().unwrap().guard(), one.state())).collect();
    assert_eq!(guards, [(Guard::Cap, EntryState::Quarantined); 2]);

    // What is withdrawn or replaced is never kept out.
    let gone = v1::RemoveEntryRequest {
        bank_id: "own".into(),
        entry_id: "a".into(),
        ..Default::default()
    };
    teller.curator.banks().remove_entry(gone).await.expect("removed");
    learner.becomes("a", Disposition::Allow).await;
    touch(&teller, "b", "B2").await;
    took(&learner, 6, 1).await;
    assert_eq!(learner.ask("b").await, Disposition::Block);

    // A person lets one in.
    let record = |one: &&v1::BankEntry| one.provenance.as_ref().unwrap().source_record == "d";
    let release = v1::ReleaseFromQuarantineRequest {
        bank_id: "learned".into(),
        entry_id: aside.iter().find(record).expect("of the teller").entry_id.clone(),
        reason: "looked at".into(),
        ..Default::default()
    };
    learner.curator.banks().release_from_quarantine(release).await.expect("released");
    assert_eq!(learner.ask("d").await, Disposition::Block);

    // Neither another restart nor a withdrawal makes room on the same day.
    let learner = Side::of(learner.service.restart().await).await;
    add("g", "9").await;
    assert_eq!(took(&learner, 7, 1).await.over_cap, 3);
    assert_eq!(learner.ask("9").await, Disposition::Allow);
    assert_eq!(overflows(&learner).await, 0, "the alarm of this day was given");

    // Where more is agreed, what is told again comes in.
    allow_a_day(&learner, 0).await;
    let began = Instant::now();
    // The new number is in force within a second or so.
    for round in 0.. {
        touch(&teller, "e", &format!("C{round}")).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if learner.ask("e").await == Disposition::Block {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it stays aside");
    }
    assert_eq!(set_aside(&learner, "learned").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_brings_as_many_new_entries_in_a_day_as_was_agreed() {
    let peer = Peer::bringing(Side::start().await, Some(2)).await;
    let mut delta = peer.delta(0, 5, "a");
    for (id, digit) in [("b", "b"), ("c", "c")] {
        let mut item = delta.items[0].clone();
        item.entry_id = id.into();
        let Some(v1::delta_item::Says::Listed(listed)) = &mut item.says else { panic!("listed") };
        listed.signals = vec![md5(digit)];
        delta.items.push(item);
    }
    let counts = peer.push(peer.sign(&delta)).await.expect("taken").counts.unwrap();
    assert_eq!((counts.taken, counts.over_cap), (3, 1));
    let asked = ["a", "b", "c"];
    let blocked = [Disposition::Block, Disposition::Block, Disposition::Allow];
    for (digit, wanted) in asked.into_iter().zip(blocked) {
        assert_eq!(peer.side.ask(digit).await, wanted, "{digit}");
    }
    assert_eq!(overflows(&peer.side).await, 1);
    let counts = peer.push(peer.sign(&peer.delta(5, 6, "d"))).await.expect("taken").counts;
    assert_eq!(counts.unwrap().over_cap, 1);
    assert_eq!(overflows(&peer.side).await, 1, "one alarm a day");
    assert_eq!(set_aside(&peer.side, "theirs").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_usual_here_holds_for_partners_of_which_nothing_was_agreed() {
    let service = Service::start_with(|settings| settings.guards.new_entries = 1).await;
    let peer = Peer::bringing(Side::of(service).await, None).await;
    peer.push(peer.sign(&peer.delta(0, 5, "a"))).await.expect("taken");
    let counts = peer.push(peer.sign(&peer.delta(5, 6, "b"))).await.expect("taken").counts;
    assert_eq!(counts.unwrap().over_cap, 1);
    assert_eq!(peer.side.ask("a").await, Disposition::Block);
    assert_eq!(peer.side.ask("b").await, Disposition::Allow);
}
