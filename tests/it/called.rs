//! Backups that a call asks for: told while they are made, one at a time, nothing left of one that was broken off.

use crate::service::*;
use bulwark::config::Settings;
use bulwark::io::clock::Clock;
use bulwark::io::seal::Phrase;
use bulwark::io::store::backup::drill;
use bulwark::proto::v1;
use bulwark::server::whole::Whole;
use std::path::Path;
use std::time::{Duration, Instant};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;
use v1::backup_response::Event;
use v1::{Environment, Role};

const WORDS: &str = "nonsense for tests only";

/// A service that was told where backups go.
async fn keeping(folder: &Path) -> Service {
    let (backups, phrase) = (folder.join("backups"), folder.join("phrase"));
    std::fs::write(&phrase, WORDS).unwrap();
    Service::start_with(|settings| {
        settings.backup.folder = Some(backups);
        settings.backup.passphrase_file = Some(phrase);
    })
    .await
}

async fn begin(service: &Service) -> Result<Streaming<v1::BackupResponse>, Status> {
    let mut admin = service.admin().admin();
    Ok(admin.backup(v1::BackupRequest {}).await?.into_inner())
}

/// Reads to the end: what was told on the way, and what was made.
async fn read(
    mut told: Streaming<v1::BackupResponse>,
) -> (Vec<v1::BackupProgress>, v1::FinishedBackup) {
    let mut way = Vec::new();
    loop {
        match told.message().await.expect("told").expect("not the end").event.expect("something") {
            Event::Progress(progress) => way.push(progress),
            Event::Finished(finished) => {
                assert_eq!(told.message().await.expect("ended well"), None);
                return (way, finished);
            }
        }
    }
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("backups")).unwrap().count()
}

/// Enough that a backup of it takes a while.
async fn fill(service: &Service, count: usize) {
    let (curator, _) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    let file: String = (0..count).map(|number| format!("{number:032x}\n")).collect();
    let open = v1::ImportOpen {
        bank_id: "known".into(),
        format: v1::ImportFormat::Text.into(),
        signal_type: v1::SignalType::Md5.into(),
        ..v1::ImportOpen::default()
    };
    let steps = crate::banks::import_steps(open, file.as_bytes());
    let taken = banks.import_entries(tokio_stream::iter(steps)).await.expect("taken").into_inner();
    assert_eq!(taken.taken_count, count as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_for_the_operator_and_only_where_it_was_set_where_it_goes() {
    let service = Service::start().await;
    let status = begin(&service).await.unwrap_err();
    assert_eq!(
        refused::<()>(Err(status.clone())),
        (Code::FailedPrecondition, "BACKUP_NOT_SET".into())
    );
    let details = status.get_error_details();
    let violations = &details.precondition_failure().unwrap().violations;
    let missing: Vec<_> = violations.iter().map(|missing| missing.subject.as_str()).collect();
    assert_eq!(missing, ["backup.folder", "backup.passphrase_file"]);
    let trial = service.with_roles("operator", Environment::Test, &[Role::Admin]).await;
    let reader = service.with_roles("operator", Environment::Production, &[Role::Auditor]).await;
    for other in [trial, reader] {
        let refusal = refused(other.admin().backup(v1::BackupRequest {}).await);
        assert_eq!(refusal, (Code::PermissionDenied, "ROLE_MISSING".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_called_for_holds_what_was_acknowledged_and_can_be_restored() {
    let folder = tempfile::tempdir().unwrap();
    let service = keeping(folder.path()).await;
    fill(&service, 3_000).await;
    let began = Instant::now();
    let (way, made) = read(begin(&service).await.expect("begun")).await;
    let rising = |pair: &[v1::BackupProgress]| pair[0].row_count <= pair[1].row_count;
    assert!(way.windows(2).all(rising), "{way:?}");
    assert!(way.iter().all(|progress| progress.row_count <= made.row_count), "{way:?} {made:?}");
    assert!(
        !made.folder.is_empty() && made.folder.bytes().all(|byte| byte.is_ascii_alphanumeric())
    );
    assert!(made.row_count > 6_000 && made.byte_count > 100_000 && made.root.len() == 32);
    let took = Duration::try_from(made.duration.unwrap()).unwrap();
    assert!(took > Duration::ZERO && took <= began.elapsed());
    let (place, empty) =
        (folder.path().join("backups").join(&made.folder), tempfile::tempdir().unwrap());
    let phrase = Phrase::new(WORDS.as_bytes()).unwrap();
    let drilled = drill(&place, &phrase, &Clock::system(), empty.path()).await.expect("restored");
    assert_eq!(drilled.manifest.number, made.journal_number);
    assert_eq!(drilled.manifest.root[..], made.root[..]);
    // Each gets a folder of its own.
    let (_, next) = read(begin(&service).await.expect("begun")).await;
    assert!(next.folder > made.folder && left(folder.path()) == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_is_made_at_a_time_and_nothing_is_left_of_one_whose_caller_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let service = keeping(folder.path()).await;
    fill(&service, 20_000).await;
    let mut first = begin(&service).await.expect("begun");
    let told = first.message().await.expect("told").expect("not the end").event;
    assert!(matches!(told, Some(Event::Progress(_))), "{told:?}");
    assert_eq!(left(folder.path()), 1);
    let second = refused(begin(&service).await);
    assert_eq!(second, (Code::FailedPrecondition, "BACKUP_RUNNING".into()));
    drop(first);
    let began = Instant::now();
    while left(folder.path()) > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "something of it is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The next one is let in as soon as the first has gone.
    let next = loop {
        match begin(&service).await {
            Ok(begun) => break begun,
            Err(_) => assert!(began.elapsed() < Duration::from_secs(60), "it is not let in"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    read(next).await;
    assert_eq!(left(folder.path()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_made_is_refused_without_a_word_of_where_it_should_have_gone() {
    let folder = tempfile::tempdir().unwrap();
    let service = keeping(folder.path()).await;
    std::fs::remove_dir(folder.path().join("backups")).unwrap();
    std::fs::write(folder.path().join("backups"), "in the way").unwrap();
    let mut told = begin(&service).await.expect("begun");
    let status = loop {
        match told.message().await {
            Ok(message) => assert!(message.is_some(), "it must not end well"),
            Err(status) => break status,
        }
    };
    let said = format!("{status:?}");
    assert!(!said.contains(folder.path().to_str().unwrap()), "{said}");
    assert_eq!(refused::<()>(Err(status)), (Code::FailedPrecondition, "BACKUP_FAILED".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_that_backups_could_not_be_made_before_anybody_needs_one() {
    let folder = tempfile::tempdir().unwrap();
    let phrase = folder.path().join("phrase");
    std::fs::write(&phrase, "short").unwrap();
    for (place, file) in [
        (folder.path().join("backups"), phrase.clone()),
        (folder.path().join("backups"), folder.path().join("none")),
        (phrase.clone(), phrase),
    ] {
        let mut settings = Settings::default();
        settings.general.data_dir = folder.path().join("data");
        settings.backup.folder = Some(place);
        settings.backup.passphrase_file = Some(file);
        let opened = Whole::open(settings, env!("CARGO_BIN_EXE_bulwark").into()).await;
        let said = opened.err().expect("refused").to_string();
        assert!(said.starts_with("backups could not be made: "), "{said}");
        assert!(!folder.path().join("data").exists(), "nothing was made");
    }
}
