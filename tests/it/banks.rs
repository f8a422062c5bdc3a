//! Banks and their entries, over a socket.

use crate::service::*;
use bulwark::proto::v1;
use std::time::Duration;
use tokio_stream::StreamExt as _;
use tonic::Code;
use v1::Disposition;

pub async fn disposition_of(caller: &Caller, signals: Vec<v1::Signal>) -> v1::Verdict {
    let request = v1::ScreenSignalsRequest {
        context: Some(context("i")),
        signals,
        media_kind: v1::MediaKind::Other.into(),
        ..v1::ScreenSignalsRequest::default()
    };
    let answer = caller.screening().screen_signals(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_an_entry_is_in_force_for_the_next_call() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    banks.add_entry(entry("known", vec![md5("f")])).await.expect("keeps the bank from being empty");
    let mut adding = entry("known", vec![md5("a")]);
    adding.entry_id = "e1".into();
    adding.request_id = "add".into();
    let added = banks.add_entry(adding.clone()).await.expect("added").into_inner();
    assert_eq!(banks.add_entry(adding.clone()).await.expect("repeated").into_inner(), added);
    let ask = || disposition_of(&screener, vec![md5("a")]);
    assert_eq!(ask().await.disposition(), Disposition::Block);

    let change = |state: v1::EntryState, etag: &str| v1::UpdateEntryRequest {
        entry: Some(v1::BankEntry {
            bank_id: "known".into(),
            entry_id: "e1".into(),
            state: state.into(),
            note: "seen again".into(),
            etag: etag.into(),
            ..v1::BankEntry::default()
        }),
        update_mask: mask(&["state", "note"]),
        request_id: String::new(),
    };
    let entry_now = added.entry.unwrap();
    let disputed = banks.update_entry(change(v1::EntryState::Disputed, &entry_now.etag)).await;
    let disputed = disputed.expect("changed").into_inner().entry.unwrap();
    assert_eq!(
        (disputed.state(), disputed.note.as_str()),
        (v1::EntryState::Disputed, "seen again")
    );
    assert_eq!(ask().await.disposition(), Disposition::Hold);
    let stale = banks.update_entry(change(v1::EntryState::Active, &entry_now.etag)).await;
    assert_eq!(refused(stale), (Code::Aborted, "ETAG_MISMATCH".into()));
    banks.update_entry(change(v1::EntryState::Trial, "")).await.expect("changed");
    let trial = ask().await;
    assert_eq!((trial.disposition(), trial.shadow_findings.len()), (Disposition::Allow, 1));
    banks.update_entry(change(v1::EntryState::Retired, "")).await.expect("changed");
    assert!(ask().await.shadow_findings.is_empty());
    banks.update_entry(change(v1::EntryState::Active, "")).await.expect("changed");
    assert_eq!(ask().await.disposition(), Disposition::Block);

    let gone = v1::RemoveEntryRequest {
        bank_id: "known".into(),
        entry_id: "e1".into(),
        ..v1::RemoveEntryRequest::default()
    };
    let removed = banks.remove_entry(gone.clone()).await.expect("removed").into_inner();
    assert!(removed.entry.unwrap().signals.is_empty());
    assert_eq!(ask().await.disposition(), Disposition::Allow);
    assert_eq!(refused(banks.remove_entry(gone).await).0, Code::NotFound);
    let mut back = entry("known", vec![md5("a")]);
    let tombstoned = refused(banks.add_entry(back.clone()).await);
    assert_eq!(tombstoned, (Code::FailedPrecondition, "ENTRY_TOMBSTONED".into()));
    back.override_tombstone = true;
    banks.add_entry(back).await.expect("taken in on purpose");
    assert_eq!(ask().await.disposition(), Disposition::Block);

    let service = service.restart().await;
    let screener = service.caller(service.admin_key.as_str());
    let status = screener.banks().get_index_status(v1::GetIndexStatusRequest {}).await;
    assert_eq!(refused(status).1, "ROLE_MISSING", "an administrator curates nothing");
    let (_, screener) = service.staff().await;
    let after = disposition_of(&screener, vec![md5("a")]).await;
    assert_eq!(after.disposition(), Disposition::Block, "a restart forgets nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_bank_decide_how_its_matches_count() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("other")).await.expect("made");
    banks.add_entry(entry("other", vec![md5("f")])).await.expect("added");
    let made = banks.create_bank(bank("known")).await.expect("made").into_inner().bank.unwrap();
    assert_eq!((made.enabled, made.enabled_ratio), (Some(true), Some(1.0)));
    assert_eq!(made.signal_rules.len(), 9);
    banks.add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let set = |change: v1::Bank, path: &str| {
        let bank = v1::Bank { bank_id: "known".into(), ..change };
        let request = v1::UpdateBankRequest {
            bank: Some(bank),
            update_mask: mask(&[path]),
            request_id: String::new(),
        };
        let mut client = curator.banks();
        async move { client.update_bank(request).await }
    };
    let ask = || disposition_of(&screener, vec![md5("a")]);
    assert_eq!(ask().await.disposition(), Disposition::Block);
    let rules = vec![v1::SignalRule {
        r#type: v1::SignalType::Md5.into(),
        bands: vec![v1::Band { distance_max: 0, disposition: Disposition::Hold.into() }],
        ..v1::SignalRule::default()
    }];
    set(v1::Bank { signal_rules: rules, ..v1::Bank::default() }, "signal_rules").await.unwrap();
    assert_eq!(ask().await.disposition(), Disposition::Hold);
    let off = v1::Bank { enabled_ratio: Some(0.0), ..v1::Bank::default() };
    set(off, "enabled_ratio").await.expect("set");
    let outside = ask().await;
    assert_eq!((outside.disposition(), outside.shadow_findings.len()), (Disposition::Allow, 1));
    let whole = v1::Bank { enabled_ratio: Some(1.0), ..v1::Bank::default() };
    set(whole, "enabled_ratio").await.expect("set");
    let shadow = v1::Bank { mode: v1::BankMode::Shadow.into(), ..v1::Bank::default() };
    set(shadow, "mode").await.expect("set");
    assert_eq!(ask().await.shadow_findings.len(), 1);
    let disabled = v1::Bank { enabled: Some(false), ..v1::Bank::default() };
    set(disabled, "enabled").await.expect("set");
    assert!(ask().await.shadow_findings.is_empty());
    assert_eq!(bad_fields(set(v1::Bank::default(), "role").await), ["update_mask"]);
    let two = v1::Bank { enabled_ratio: Some(2.0), ..v1::Bank::default() };
    assert_eq!(bad_fields(set(two, "enabled_ratio").await), ["bank.enabled_ratio"]);
    let mut lawless = bank("lawless");
    lawless.bank.as_mut().unwrap().legal_basis.clear();
    assert_eq!(bad_fields(banks.create_bank(lawless).await), ["bank.legal_basis"]);

    let get = v1::GetBankRequest { bank_id: "known".into() };
    let present = banks.get_bank(get.clone()).await.expect("there").into_inner().bank.unwrap();
    assert_eq!(present.entry_count, 1);
    let mut delete = v1::DeleteBankRequest {
        bank_id: "known".into(),
        etag: "1".into(),
        confirm: "known".into(),
        request_id: "d".into(),
    };
    assert_eq!(refused(banks.delete_bank(delete.clone()).await).1, "ETAG_MISMATCH");
    delete.etag = present.etag;
    let gone = banks.delete_bank(delete.clone()).await.expect("gone").into_inner();
    assert_eq!(gone.removed_entry_count, 1);
    assert_eq!(banks.delete_bank(delete).await.expect("again").into_inner(), gone);
    assert_eq!(refused(banks.get_bank(get).await), (Code::NotFound, "NOT_FOUND".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_bank_overrules_and_the_verdict_says_which() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    let mut good = bank("good");
    good.bank.as_mut().unwrap().role = v1::BankRole::Negative.into();
    banks.create_bank(good).await.expect("made");
    banks.add_entry(entry("known", vec![md5("a")])).await.expect("added");
    banks.add_entry(entry("good", vec![md5("a")])).await.expect("added");
    let verdict = disposition_of(&screener, vec![md5("a")]).await;
    assert_eq!(verdict.disposition(), Disposition::Allow);
    let Some(v1::finding::Kind::Match(found)) = &verdict.shadow_findings[0].kind else {
        panic!("a match")
    };
    assert_eq!(found.suppressed_by.as_ref().unwrap().bank_id, "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_give_every_row_once_page_by_page() {
    let service = Service::start().await;
    let curator = service.staff().await.0;
    let mut banks = curator.banks();
    for place in 0..7 {
        banks.create_bank(bank(&format!("bank-{place}"))).await.expect("made");
    }
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = v1::ListBanksRequest { page_size: 3, page_token: token };
        let page = banks.list_banks(page).await.expect("listed").into_inner();
        assert!(page.banks.len() <= 3);
        names.extend(page.banks.into_iter().map(|bank| bank.bank_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, (0..7).map(|place| format!("bank-{place}")).collect::<Vec<_>>());
    for digit in ["a", "b", "c", "d", "e"] {
        let mut adding = entry("bank-0", vec![md5(digit)]);
        adding.entry_id = format!("e-{digit}");
        banks.add_entry(adding).await.expect("added");
    }
    let remove = v1::RemoveEntryRequest {
        bank_id: "bank-0".into(),
        entry_id: "e-c".into(),
        ..v1::RemoveEntryRequest::default()
    };
    banks.remove_entry(remove).await.expect("removed");
    for (show_removed, expected) in [(false, "abde"), (true, "abcde")] {
        let mut seen = String::new();
        let mut token = String::new();
        loop {
            let page = v1::ListEntriesRequest {
                bank_id: "bank-0".into(),
                page_size: 2,
                page_token: token,
                show_removed,
            };
            let page = banks.list_entries(page).await.expect("listed").into_inner();
            seen.extend(page.entries.iter().filter_map(|entry| entry.entry_id.chars().last()));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
    let wrong = v1::ListBanksRequest { page_size: 1, page_token: "x".into() };
    assert_eq!(bad_fields(banks.list_banks(wrong).await), ["page_token"]);
    let get = |id: &str| v1::GetEntryRequest { bank_id: "bank-0".into(), entry_id: id.into() };
    let found = banks.get_entry(get("e-a")).await.expect("there").into_inner().entry.unwrap();
    assert_eq!(found.signals[0].r#type(), v1::SignalType::Md5);
    assert_eq!(refused(banks.get_entry(get("none")).await).0, Code::NotFound);
}

pub fn import_steps(open: v1::ImportOpen, file: &[u8]) -> Vec<v1::ImportEntriesRequest> {
    use v1::import_entries_request::Step;
    let say = |step| v1::ImportEntriesRequest { step: Some(step) };
    let chunks = file.chunks(1000).enumerate().map(|(place, data)| {
        let data = data.to_vec().into();
        say(Step::Chunk(v1::ImportChunk { number: place as u64 + 1, data }))
    });
    std::iter::once(say(Step::Open(open))).chain(chunks).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_is_taken_for_as_long_as_it_comes() {
    const LONGEST: Duration = Duration::from_secs(1);
    let service = Service::start_with(|settings| {
        (settings.limits.deadline_max, settings.limits.stream_idle) = (LONGEST, LONGEST);
    })
    .await;
    let (curator, _) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    let open = v1::ImportOpen {
        bank_id: "known".into(),
        format: v1::ImportFormat::Text.into(),
        signal_type: v1::SignalType::Md5.into(),
        ..v1::ImportOpen::default()
    };
    let file: String = (0..150).map(|number| format!("{number:032x}\n")).collect();
    let steps = tokio_stream::iter(import_steps(open, file.as_bytes()));
    let slowly = steps.then(async |step| {
        tokio::time::sleep(LONGEST / 2).await;
        step
    });
    let taken = banks.import_entries(slowly).await.expect("taken").into_inner();
    assert_eq!(taken.taken_count, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_line_by_line_and_the_same_file_twice_changes_nothing() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    let mut file = String::from("# values\n");
    for number in 0..2500 {
        file += &format!("{number:032x}\n");
    }
    file += "nonsense\n";
    let open = v1::ImportOpen {
        bank_id: "known".into(),
        format: v1::ImportFormat::Text.into(),
        signal_type: v1::SignalType::Md5.into(),
        ..v1::ImportOpen::default()
    };
    let run = |open: v1::ImportOpen, file: String| {
        let steps = import_steps(open, file.as_bytes());
        let mut client = curator.banks();
        async move { client.import_entries(tokio_stream::iter(steps)).await }
    };
    let first = run(open.clone(), file.clone()).await.expect("taken").into_inner();
    assert_eq!((first.taken_count, first.refused_count), (2500, 1));
    assert_eq!(first.refusals[0].line_number, 2502);
    let hit = disposition_of(&screener, vec![signal(v1::SignalType::Md5, format!("{:032x}", 7))]);
    assert_eq!(hit.await.disposition(), Disposition::Block);
    let status = banks.get_index_status(v1::GetIndexStatusRequest {}).await.expect("told");
    let status = status.into_inner();
    assert_eq!(status.banks[0].entry_count, 2500);
    assert_eq!(status.banks[0].signals[0].count, 2500);
    assert_eq!(status.applied_number, status.journal_number);
    let again = run(open, file).await.expect("taken").into_inner();
    let counts = (again.taken_count, again.already_present_count, again.refused_count);
    assert_eq!(counts, (0, 2500, 1));

    let csv = format!(
        "name,kind,hash,q\ne1,pdq,{},88\ne1,md5,{},\ne2,md5,{},\n,sha1,zz,\n",
        "0f".repeat(32),
        "9".repeat(32),
        "0".repeat(32)
    );
    let open = v1::ImportOpen {
        bank_id: "known".into(),
        format: v1::ImportFormat::Csv.into(),
        columns: Some(v1::CsvColumns {
            value: "hash".into(),
            signal_type: "kind".into(),
            quality: "q".into(),
            entry_id: "name".into(),
            ..v1::CsvColumns::default()
        }),
        ..v1::ImportOpen::default()
    };
    let taken = run(open.clone(), csv).await.expect("taken").into_inner();
    let counts = (taken.taken_count, taken.already_present_count, taken.refused_count);
    assert_eq!(counts, (2, 1, 1));
    let missing = v1::ImportOpen { bank_id: "nowhere".into(), ..open };
    assert_eq!(refused(run(missing, String::new()).await).0, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_signals_compare_without_any_bank() {
    let service = Service::start().await;
    let curator = service.staff().await.0;
    let pdq = |text: &str| Some(signal(v1::SignalType::Pdq, text.repeat(32)));
    let compare = |first, second| {
        let mut client = curator.banks();
        async move { client.compare_signals(v1::CompareSignalsRequest { first, second }).await }
    };
    let near = compare(pdq("00"), pdq("01")).await.expect("compared").into_inner();
    assert_eq!((near.comparable, near.distance, near.matches_usually), (true, Some(32), false));
    let same = compare(Some(md5("a")), Some(md5("a"))).await.expect("compared").into_inner();
    assert_eq!((same.distance, same.matches_usually), (Some(0), true));
    let other = compare(Some(md5("a")), pdq("00")).await.expect("compared").into_inner();
    assert!(!other.comparable);
    assert_eq!(bad_fields(compare(None, None).await), ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_do_not_renew_a_bank_that_is_stale() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut short = bank("known");
    let limit = prost_types::Duration { seconds: 1, nanos: 0 };
    short.bank.as_mut().unwrap().freshness_limit = Some(limit);
    curator.banks().create_bank(short).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let rename = v1::UpdateBankRequest {
        bank: Some(v1::Bank {
            bank_id: "known".into(),
            display_name: "another name".into(),
            ..v1::Bank::default()
        }),
        update_mask: mask(&["display_name"]),
        request_id: String::new(),
    };
    let renamed = curator.banks().update_bank(rename).await.expect("renamed").into_inner();
    let renamed = renamed.bank.unwrap();
    assert!(renamed.update_time.unwrap().seconds > renamed.create_time.unwrap().seconds);
    assert_eq!(disposition_of(&screener, vec![md5("b")]).await.disposition(), Disposition::Hold);
    let status = curator.banks().get_index_status(v1::GetIndexStatusRequest {}).await.unwrap();
    assert!(status.into_inner().banks[0].stale);
    curator.banks().add_entry(entry("known", vec![md5("c")])).await.expect("added");
    assert_eq!(disposition_of(&screener, vec![md5("b")]).await.disposition(), Disposition::Allow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_counts_what_is_not_removed_in_every_state_and_a_repetition_says_the_first_count() {
    let service = Service::start().await;
    let curator = service.staff().await.0;
    curator.banks().create_bank(bank("known")).await.expect("made");
    for (value, state) in [
        ("a", v1::EntryState::Active),
        ("b", v1::EntryState::Proposed),
        ("c", v1::EntryState::Retired),
        ("d", v1::EntryState::Trial),
    ] {
        let mut adding = entry("known", vec![md5(value)]);
        adding.entry_id = value.into();
        let made = curator.banks().add_entry(adding).await.expect("added").into_inner();
        let change = v1::UpdateEntryRequest {
            entry: Some(v1::BankEntry { state: state.into(), ..made.entry.unwrap() }),
            update_mask: mask(&["state"]),
            request_id: String::new(),
        };
        curator.banks().update_entry(change).await.expect("changed");
    }
    let listed = |caller: Caller| async move {
        let list = caller.banks().list_banks(v1::ListBanksRequest::default()).await;
        list.expect("listed").into_inner().banks[0].entry_count
    };
    assert_eq!(listed(curator.clone()).await, 4);
    let rename = v1::UpdateBankRequest {
        bank: Some(v1::Bank { bank_id: "known".into(), ..v1::Bank::default() }),
        update_mask: mask(&["display_name"]),
        request_id: "rename".into(),
    };
    let first = curator.banks().update_bank(rename.clone()).await.expect("renamed").into_inner();
    assert_eq!(first.bank.as_ref().unwrap().entry_count, 4);
    for value in ["b", "d"] {
        let remove = v1::RemoveEntryRequest {
            bank_id: "known".into(),
            entry_id: value.into(),
            ..v1::RemoveEntryRequest::default()
        };
        curator.banks().remove_entry(remove).await.expect("removed");
    }
    assert_eq!(listed(curator.clone()).await, 2);
    let again = curator.banks().update_bank(rename).await.expect("repeated").into_inner();
    assert_eq!(again, first, "the first answer, with the first count");
    let service = service.restart().await;
    assert_eq!(listed(service.staff().await.0).await, 2, "after a restart too");
}
