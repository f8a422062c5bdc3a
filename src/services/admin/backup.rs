//! A backup as it is told while it is made: how far it is, and at the end what it holds.

use crate::io::store::Progress;
use crate::io::store::backup::{BackupError, Made, Running};
use crate::proto::v1;
use crate::proto::v1::backup_response::Event;
use crate::services::status::{Reason, Refusal};
use crate::services::words::moment;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// What is told of a backup.
pub type Told = ReceiverStream<Result<v1::BackupResponse, Status>>;

/// How often it is told how far a backup is.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Messages that may wait for a caller who reads slowly.
const WAITING_MAX: usize = 4;

fn progress(progress: Progress) -> v1::BackupResponse {
    let Progress { rows, of } = progress;
    let progress = v1::BackupProgress { row_count: rows, row_total: of };
    v1::BackupResponse { event: Some(Event::Progress(progress)) }
}

fn made(made: Made) -> v1::BackupResponse {
    let Made { folder, manifest, took } = made;
    let finished = v1::FinishedBackup {
        folder,
        journal_number: manifest.number,
        root: manifest.root.to_vec().into(),
        row_count: manifest.rows.values().sum(),
        byte_count: manifest.parts.iter().map(|part| part.bytes).sum(),
        backup_time: Some(moment::timestamp(manifest.made)),
        duration: Some(moment::span(took)),
    };
    v1::BackupResponse { event: Some(Event::Finished(finished)) }
}

fn refused(error: &BackupError) -> Refusal {
    tracing::error!(%error, "a backup could not be made");
    match error {
        BackupError::Store(error) if error.is_away() => error.clone().into(),
        _ => Refusal::new(
            Reason::BackupFailed,
            "the backup could not be made, and nothing of it is left; the log says why",
        ),
    }
}

/// Tells of a backup until it is made. A caller who has gone takes it with them.
pub fn follow(running: Running) -> Told {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        // The whole of it: what is not used here is what keeps the backup going.
        let mut running = running;
        let telling = async {
            loop {
                tokio::select! {
                    ended = &mut running.done => return ended,
                    () = tokio::time::sleep(TELL_EVERY) => {
                        let now = *running.progress.borrow();
                        let _ = sender.send(Ok(progress(now))).await;
                    }
                }
            }
        };
        let ended = tokio::select! {
            ended = telling => ended,
            () = sender.closed() => return,
        };
        let last = match ended {
            Ok(Ok(finished)) => Ok(made(finished)),
            Ok(Err(error)) => Err(refused(&error).into()),
            Err(_) => Err(Refusal::new(Reason::Internal, "the backup broke down").into()),
        };
        let _ = sender.send(last).await;
    });
    ReceiverStream::new(receiver)
}
