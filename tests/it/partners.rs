//! Two services that exchange what they know: each is partner of the other, over real sockets.

use crate::service::*;
use bulwark::io::clock::Clock;
use bulwark::io::seal::KeyRing;
use bulwark::proto::v1;
use bulwark::proto::v1::exchange_service_client::ExchangeServiceClient;
use prost::Message as _;
use std::time::{Duration, Instant};
use tonic::Code;
use v1::{Disposition, EntryState, Environment, ExchangeState, OpinionValue, Role};

/// A service with its people.
pub struct Side {
    pub service: Service,
    pub curator: Caller,
    second: Caller,
    screener: Caller,
}

impl Side {
    pub async fn start() -> Self {
        Self::of(Service::start().await).await
    }

    pub async fn of(service: Service) -> Self {
        let test = Environment::Test;
        let curator = service.with_roles("operator", test, &[Role::BankManager]).await;
        let second = service.with_roles("operator", test, &[Role::BankManager]).await;
        let screener = service.with_roles("operator", test, &[Role::Screener]).await;
        Self { service, curator, second, screener }
    }

    pub async fn ask(&self, digit: &str) -> Disposition {
        let request = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals: vec![md5(digit)],
            media_kind: v1::MediaKind::Other.into(),
            ..Default::default()
        };
        let answer = self.screener.screening().screen_signals(request).await.expect("answered");
        answer.into_inner().verdict.expect("a verdict").disposition()
    }

    /// Waits until a value is answered so, and says how long that took.
    pub async fn becomes(&self, digit: &str, wanted: Disposition) -> Duration {
        let began = Instant::now();
        while self.ask(digit).await != wanted {
            assert!(began.elapsed() < Duration::from_secs(30), "{digit} is not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }

    /// What its deltas are signed with.
    async fn identity(&self) -> (String, String) {
        let listed =
            self.curator.exchanges().list_partners(v1::ListPartnersRequest::default()).await;
        let listed = listed.expect("listed").into_inner();
        (listed.own_origin, listed.own_public_key)
    }

    async fn put_twice(&self, partner: v1::Partner) -> v1::Partner {
        let put = |caller: &Caller, partner: v1::Partner| {
            let mut client = caller.exchanges();
            async move {
                let partner = Some(partner);
                let request = v1::PutPartnerRequest { partner, ..Default::default() };
                client.put_partner(request).await.expect("put").into_inner().partner.unwrap()
            }
        };
        let one = put(&self.curator, partner.clone()).await;
        assert!(!one.in_force, "one person is not enough");
        let two = put(&self.second, v1::Partner { etag: one.etag, ..partner }).await;
        assert!(two.in_force);
        two
    }
}

pub fn named(bank: &str, id: &str, digit: &str) -> v1::AddEntryRequest {
    v1::AddEntryRequest { entry_id: id.into(), ..entry(bank, vec![md5(digit)]) }
}

/// A teller with a bank `own`, and a learner whose bank `learned` follows it.
pub async fn pair(gives_feedback: bool) -> (Side, Side) {
    let (teller, learner) = (Side::start().await, Side::start().await);
    teller.curator.banks().create_bank(bank("own")).await.expect("made");
    learner.curator.banks().create_bank(bank("learned")).await.expect("made");
    // Something to compare with.
    learner.curator.banks().add_entry(named("learned", "some", "f")).await.expect("added");
    teller.curator.banks().add_entry(named("own", "some", "f")).await.expect("added");
    let (credential_id, key) =
        teller.service.key_for("operator", Environment::Test, &[Role::ExchangePartner]).await;
    let (origin, public_key) = learner.identity().await;
    teller
        .put_twice(v1::Partner {
            partner_id: "learner".into(),
            credential_id,
            origin,
            public_keys: vec![public_key],
            shares: vec![v1::PartnerShare { bank_id: "own".into(), signal_types: vec![] }],
            purpose: "a test".into(),
            ..Default::default()
        })
        .await;
    let (origin, public_key) = teller.identity().await;
    let exchange = v1::Exchange {
        kind: Some(v1::exchange::Kind::Bulwark(v1::BulwarkExchange {
            address: teller.service.address(),
            key,
            partner_id: "learner".into(),
            bank_id: "own".into(),
            origin,
            public_keys: vec![public_key],
            ..Default::default()
        })),
        bank_id: "learned".into(),
        enters_as: EntryState::Active.into(),
        gives_feedback,
        ..Default::default()
    };
    let request = v1::CreateExchangeRequest {
        exchange_id: "teller".into(),
        exchange: Some(exchange),
        ..Default::default()
    };
    let made = learner.curator.exchanges().create_exchange(request).await.expect("made");
    let made = made.into_inner().exchange.unwrap();
    let Some(v1::exchange::Kind::Bulwark(shown)) = made.kind else { panic!("a kind") };
    assert_eq!(shown.key, "", "a key is never sent back");
    (teller, learner)
}

pub async fn status(side: &Side) -> v1::GetExchangeStatusResponse {
    let request = v1::GetExchangeStatusRequest { exchange_id: "teller".into() };
    side.curator.exchanges().get_exchange_status(request).await.expect("status").into_inner()
}

pub async fn is_live(side: &Side) {
    let began = Instant::now();
    while status(side).await.state() != ExchangeState::Live {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", status(side).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_adds_the_other_matches_within_a_second_and_its_withdrawal_too() {
    let (teller, learner) = pair(false).await;
    is_live(&learner).await;
    for round in 0..3 {
        let (id, digit) = (format!("e{round}"), ["a", "b", "c"][round]);
        teller.curator.banks().add_entry(named("own", &id, digit)).await.expect("added");
        let took = learner.becomes(digit, Disposition::Block).await;
        assert!(took < Duration::from_secs(10), "{took:?}");
        println!("an entry after {took:?}");
        let gone =
            v1::RemoveEntryRequest { bank_id: "own".into(), entry_id: id, ..Default::default() };
        teller.curator.banks().remove_entry(gone).await.expect("removed");
        println!("its withdrawal after {:?}", learner.becomes(digit, Disposition::Allow).await);
    }
    let known = status(&learner).await;
    let counts = known.counts.unwrap();
    assert!(known.whole && counts.taken == 4 && counts.withdrawn == 3, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_was_away_catches_up_without_loss_or_repetition() {
    let (teller, learner) = pair(false).await;
    is_live(&learner).await;
    let Side { service, .. } = learner;
    let stopped = service.stop().await;
    let digits = ["1", "2", "3", "4", "5", "6", "7", "8"];
    for (n, digit) in digits.iter().enumerate() {
        teller.curator.banks().add_entry(named("own", &format!("n{n}"), digit)).await.unwrap();
    }
    let gone = v1::RemoveEntryRequest {
        bank_id: "own".into(),
        entry_id: "n0".into(),
        ..Default::default()
    };
    teller.curator.banks().remove_entry(gone).await.expect("removed");
    let learner = Side::of(stopped.start().await).await;
    for digit in &digits[1..] {
        learner.becomes(digit, Disposition::Block).await;
    }
    assert_eq!(learner.ask("1").await, Disposition::Allow, "it came and went meanwhile");
    is_live(&learner).await;
    let counts = status(&learner).await.counts.unwrap();
    assert_eq!(
        (counts.taken, counts.unchanged, counts.refused),
        (8, 1, 0),
        "each once: {counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opinion_of_the_one_suspends_the_entry_of_the_other() {
    let (teller, learner) = pair(true).await;
    teller.curator.banks().add_entry(named("own", "e", "a")).await.expect("added");
    learner.becomes("a", Disposition::Block).await;
    let listed = v1::ListEntriesRequest { bank_id: "learned".into(), ..Default::default() };
    let listed = learner.curator.banks().list_entries(listed).await.unwrap().into_inner();
    let found = listed
        .entries
        .iter()
        .find(|entry| entry.provenance.as_ref().is_some_and(|from| from.source_record == "e"));
    let found = found.expect("an entry of the teller").clone();
    assert_eq!(found.provenance.unwrap().exchange, "teller");
    let negative = v1::RecordOpinionRequest {
        bank_id: "learned".into(),
        entry_id: found.entry_id,
        value: OpinionValue::Negative.into(),
        reasons: vec!["APPEAL_UPHELD".into()],
        ..Default::default()
    };
    learner.curator.banks().record_opinion(negative.clone()).await.expect("recorded");
    assert_eq!(learner.ask("a").await, Disposition::Hold, "at once here");
    teller.becomes("a", Disposition::Hold).await;
    let asked = v1::ListOpinionsRequest {
        bank_id: "own".into(),
        entry_id: "e".into(),
        ..Default::default()
    };
    let said = teller.curator.banks().list_opinions(asked).await.unwrap().into_inner();
    let told: Vec<_> =
        said.opinions.iter().map(|o| (&*o.exchange, o.value(), o.reasons.clone())).collect();
    assert_eq!(told, [("learner", OpinionValue::Negative, vec!["APPEAL_UPHELD".to_owned()])]);
    let back =
        v1::RecordOpinionRequest { withdraw: true, value: 0, reasons: Vec::new(), ..negative };
    learner.curator.banks().record_opinion(back).await.expect("withdrawn");
    teller.becomes("a", Disposition::Block).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_here_does_not_come_back_from_others() {
    let (teller, learner) = pair(false).await;
    teller.curator.banks().add_entry(named("own", "e", "a")).await.expect("added");
    learner.becomes("a", Disposition::Block).await;
    let listed = v1::ListEntriesRequest { bank_id: "learned".into(), ..Default::default() };
    let listed = learner.curator.banks().list_entries(listed).await.unwrap().into_inner();
    let of = |entry: &&v1::BankEntry| entry.provenance.as_ref().unwrap().source_record == "e";
    let id = listed.entries.iter().find(of).unwrap().entry_id.clone();
    let gone =
        v1::RemoveEntryRequest { bank_id: "learned".into(), entry_id: id, ..Default::default() };
    learner.curator.banks().remove_entry(gone).await.expect("removed");
    let change = v1::UpdateEntryRequest {
        entry: Some(v1::BankEntry {
            bank_id: "own".into(),
            entry_id: "e".into(),
            provenance: Some(v1::Provenance { classification: "B2".into(), ..Default::default() }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["provenance.classification".into()],
        }),
        ..Default::default()
    };
    teller.curator.banks().update_entry(change).await.expect("changed");
    teller.curator.banks().add_entry(named("own", "next", "b")).await.expect("added");
    learner.becomes("b", Disposition::Block).await;
    assert_eq!(learner.ask("a").await, Disposition::Allow);
    assert_eq!(status(&learner).await.counts.unwrap().tombstoned, 1);
}

/// A partner that signs by itself.
pub struct Peer {
    keys: KeyRing,
    client: ExchangeServiceClient<
        tonic::service::interceptor::InterceptedService<tonic::transport::Channel, WithKey>,
    >,
    audience: String,
    pub side: Side,
}

impl Peer {
    async fn of(side: Side) -> Self {
        Self::bringing(side, None).await
    }

    /// One that may bring so many new entries in a day.
    pub async fn bringing(side: Side, new_entries_per_day: Option<u32>) -> Self {
        side.curator.banks().create_bank(bank("theirs")).await.expect("made");
        side.curator.banks().add_entry(named("theirs", "some", "f")).await.expect("added");
        let keys = KeyRing::generate(&Clock::system());
        let (credential_id, key) =
            side.service.key_for("operator", Environment::Test, &[Role::ExchangePartner]).await;
        side.put_twice(v1::Partner {
            partner_id: "peer".into(),
            credential_id,
            origin: keys.origin().into(),
            public_keys: vec![hex::encode(keys.public_key())],
            takes: vec![v1::PartnerTake {
                bank_id: "theirs".into(),
                enters_as: EntryState::Active.into(),
                new_entries_per_day,
            }],
            purpose: "a test".into(),
            ..Default::default()
        })
        .await;
        let (audience, _) = side.identity().await;
        let client = side.service.caller(&key).exchanges();
        Self { keys, client, audience, side }
    }

    pub fn delta(&self, from: u64, to: u64, digit: &str) -> v1::Delta {
        let now = std::time::SystemTime::now();
        v1::Delta {
            origin: self.keys.origin().into(),
            audience: self.audience.clone(),
            bank_id: "theirs".into(),
            from_number: from,
            to_number: to,
            issue_time: Some(now.into()),
            expire_time: Some((now + Duration::from_secs(60)).into()),
            items: vec![v1::DeltaItem {
                entry_id: format!("p{to}"),
                says: Some(v1::delta_item::Says::Listed(v1::DeltaListed {
                    signals: vec![md5(digit)],
                    state: EntryState::Active.into(),
                    ..Default::default()
                })),
            }],
            ..Default::default()
        }
    }

    pub fn sign(&self, delta: &v1::Delta) -> v1::SignedDelta {
        let bytes = delta.encode_to_vec();
        let signature = self.keys.sign_for("bulwark delta v1", &bytes).into();
        v1::SignedDelta { delta: bytes.into(), signature }
    }

    pub async fn push(
        &self,
        delta: v1::SignedDelta,
    ) -> Result<v1::PushSignalsResponse, tonic::Status> {
        let request = v1::PushSignalsRequest { delta: Some(delta) };
        self.client.clone().push_signals(request).await.map(tonic::Response::into_inner)
    }
}

fn word(answer: Result<v1::PushSignalsResponse, tonic::Status>) -> String {
    use tonic_types::StatusExt as _;
    let status = answer.expect_err("refused");
    let info = status.get_details_error_info().expect("ErrorInfo");
    assert_eq!((status.code(), &*info.reason), (Code::FailedPrecondition, "DELTA_REFUSED"));
    info.metadata["delta"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_that_was_tampered_with_replayed_or_sent_astray_is_refused_with_the_reason() {
    let peer = Peer::of(Side::start().await).await;
    let good = peer.sign(&peer.delta(0, 5, "a"));
    let took = peer.push(good.clone()).await.expect("taken");
    assert_eq!((took.number, took.counts.unwrap().taken), (5, 1));
    assert_eq!(peer.side.ask("a").await, Disposition::Block);
    assert_eq!(word(peer.push(good.clone()).await), "REPLAYED");
    for at in 0..good.delta.len() {
        let mut bytes = good.delta.to_vec();
        bytes[at] ^= 1;
        let tampered = v1::SignedDelta { delta: bytes.into(), ..good.clone() };
        assert_eq!(word(peer.push(tampered).await), "SIGNATURE", "byte {at}");
    }
    let next = peer.delta(5, 6, "b");
    assert_eq!(
        word(peer.push(peer.sign(&v1::Delta { from_number: 6, ..next.clone() })).await),
        "MALFORMED"
    );
    let gap = v1::Delta { from_number: 7, to_number: 8, ..next.clone() };
    assert_eq!(word(peer.push(peer.sign(&gap)).await), "GAP");
    let astray = v1::Delta { audience: "somebody else".into(), ..next.clone() };
    assert_eq!(word(peer.push(peer.sign(&astray)).await), "AUDIENCE");
    let foreign = v1::Delta { origin: "somebody else".into(), ..next.clone() };
    assert_eq!(word(peer.push(peer.sign(&foreign)).await), "ORIGIN");
    let old = std::time::SystemTime::now() - Duration::from_secs(1);
    let late = v1::Delta { expire_time: Some(old.into()), ..next.clone() };
    assert_eq!(word(peer.push(peer.sign(&late)).await), "EXPIRED");
    assert_eq!(peer.side.ask("b").await, Disposition::Allow, "nothing of these was taken");
    let other_bank = v1::Delta { bank_id: "other".into(), from_number: 0, ..next.clone() };
    let refused_for = refused(peer.push(peer.sign(&other_bank)).await);
    assert_eq!(refused_for, (Code::PermissionDenied, "OUT_OF_SCOPE".into()));

    // One record that cannot be taken keeps no other out.
    let mut mixed = peer.delta(5, 9, "b");
    let bad = signal(v1::SignalType::Md5, "12".into());
    mixed.items.insert(
        0,
        v1::DeltaItem {
            entry_id: "bad".into(),
            says: Some(v1::delta_item::Says::Listed(v1::DeltaListed {
                signals: vec![bad],
                ..Default::default()
            })),
        },
    );
    let took = peer.push(peer.sign(&mixed)).await.expect("taken");
    assert_eq!((took.counts.unwrap().taken, took.refusals.len()), (1, 1));
    assert_eq!(peer.side.ask("b").await, Disposition::Block);
    let mut gone = peer.delta(9, 10, "b");
    gone.items[0] = v1::DeltaItem {
        entry_id: "p9".into(),
        says: Some(v1::delta_item::Says::Withdrawn(v1::DeltaWithdrawn {})),
    };
    peer.push(peer.sign(&gone)).await.expect("taken");
    assert_eq!(peer.side.ask("b").await, Disposition::Allow);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_agreement_in_force_is_told_nothing_and_brings_nothing() {
    let peer = Peer::of(Side::start().await).await;
    let scope = (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned());
    let pull = v1::PullSignalsRequest { bank_id: "theirs".into(), ..Default::default() };
    let answer = peer.client.clone().pull_signals(pull.clone()).await;
    assert_eq!(refused(answer.map(|_| ())), scope, "it may bring, not pull");
    let opinions = v1::PushOpinionsRequest { delta: Some(peer.sign(&peer.delta(0, 1, "a"))) };
    let answer = peer.client.clone().push_opinions(opinions).await;
    assert_eq!(refused(answer), scope, "nor say anything of what it was not told");
    let mut curator = peer.side.curator.exchanges();
    let listed = curator.list_partners(v1::ListPartnersRequest::default());
    let partner = listed.await.unwrap().into_inner().partners.remove(0);
    let ending =
        v1::PutPartnerRequest { partner: Some(partner), revoke: true, ..Default::default() };
    let ended = peer.side.curator.exchanges().put_partner(ending).await.expect("one is enough");
    assert!(!ended.into_inner().partner.unwrap().in_force);
    assert_eq!(refused(peer.push(peer.sign(&peer.delta(0, 1, "a"))).await), scope);
    let stranger = peer.side.service;
    let (_, key) = stranger.key_for("operator", Environment::Test, &[Role::ExchangePartner]).await;
    let answer = stranger.caller(&key).exchanges().pull_signals(pull).await;
    assert_eq!(refused(answer.map(|_| ())), scope);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_made_shown_changed_asked_and_removed() {
    let (teller, learner) = pair(false).await;
    let mut client = learner.curator.exchanges();
    let get = || v1::GetExchangeRequest { exchange_id: "teller".into() };
    let found = client.get_exchange(get()).await.expect("found").into_inner().exchange.unwrap();
    let listed = client.list_exchanges(v1::ListExchangesRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().exchanges, vec![found.clone()]);
    is_live(&learner).await;
    let off = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange { enabled: Some(false), ..found.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["enabled".into()] }),
        ..Default::default()
    };
    client.update_exchange(off.clone()).await.expect("changed");
    assert_eq!(refused(client.update_exchange(off).await), (Code::Aborted, "ETAG_MISMATCH".into()));
    assert_eq!(status(&learner).await.state(), ExchangeState::Disabled);
    let began = Instant::now();
    loop {
        let answer = client.sync_exchange(v1::SyncExchangeRequest { exchange_id: "teller".into() });
        if !answer.await.expect("answered").into_inner().asked_here {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it is asked although it is off");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    teller.curator.banks().add_entry(named("own", "later", "d")).await.expect("added");
    let delete = v1::DeleteExchangeRequest { exchange_id: "teller".into(), ..Default::default() };
    client.delete_exchange(delete).await.expect("removed");
    assert_eq!(refused(client.get_exchange(get()).await).0, Code::NotFound);
    assert_eq!(learner.ask("d").await, Disposition::Allow);
    let mut wrong = found;
    wrong.bank_id = "no-such-bank".into();
    if let Some(v1::exchange::Kind::Bulwark(other)) = &mut wrong.kind {
        other.key = "k".into();
    }
    let request = |exchange| v1::CreateExchangeRequest {
        exchange_id: "again".into(),
        exchange: Some(exchange),
        ..Default::default()
    };
    wrong.exchange_id = String::new();
    let missing = refused(client.create_exchange(request(wrong.clone())).await);
    assert_eq!(missing.0, Code::NotFound);
    if let Some(v1::exchange::Kind::Bulwark(other)) = &mut wrong.kind {
        other.address = "http://peer.example:80".into();
        other.public_keys = vec!["12".into()];
    }
    let named = bad_fields(client.create_exchange(request(wrong)).await);
    let paths = ["exchange.bulwark.address", "exchange.bulwark.public_keys[0]"];
    assert_eq!(named, paths);
}
