//! A video, stream by stream: each decoded by a run of the decoding program and watched by a worker.

use super::super::blob::SealedBlob;
use super::super::found::{Begun, Ended, Findings, Found, Watched};
use super::super::reason::Reason;
use super::super::wire::Watch;
use super::film::{Film, Studio};
use super::hired::Hired;
use crate::core::media::Format;
use crate::core::verdict::CheckState;

/// What became of examining something, and why it is not complete.
type Outcome = (CheckState, Reason);

/// Both programs are there, and one of them failed on the item.
const CRASHED: Outcome = (CheckState::Corrupt, Reason::DecoderCrashed);

/// Examines every video stream of an item, which becomes the one part of `findings`.
///
/// # Errors
/// What ended it early; what was found until then stands.
pub(super) async fn film(
    studio: &Studio<'_>,
    worker: &mut Hired,
    (blob, format): (&SealedBlob, Format),
    findings: &mut Findings<'_>,
) -> Result<(), Outcome> {
    let (limits, video) = (studio.limits, &studio.limits.video);
    let (place, exact) = (String::new(), CheckState::NotApplicable);
    let begun = Begun { place, format, digests: None, exact, holds_more: true };
    findings.take(Found::Begun(begun)).map_err(|_| CRASHED)?;
    let (mut frames_left, mut outcome) = (video.frames_max, None);
    let (mut is_film, mut beside) = (false, Reason::Nothing);
    for stream in 0.. {
        if stream >= video.streams_max {
            outcome.get_or_insert((CheckState::NotExpanded, Reason::Streams));
            break;
        }
        let watch = Watch { stream, frames_left, pictures_left: findings.pictures_left() };
        let (film, pipes) = Film::start(studio, (blob, format), watch)
            .map_err(|_| (CheckState::SourceUnavailable, Reason::NoWorker))?;
        worker.watch((blob, pipes), watch, limits, findings).await.map_err(|_| CRASHED)?;
        let ended = film.end().await;
        let watched = findings.watched().ok_or(CRASHED)?;
        frames_left = frames_left.saturating_sub(watched.frames);
        if watched.beside != Reason::Nothing {
            beside = watched.beside;
        }
        let amiss = amiss(&watched, ended, stream == 0);
        is_film |= !watched.is_absent || amiss.is_some();
        outcome = outcome.or(amiss);
        // Containers without a table of streams are only looked into from their beginning.
        if stream == 0 && watched.is_absent && matches!(format, Format::Mpeg | Format::Flv) {
            outcome.get_or_insert((CheckState::NotExpanded, Reason::Later));
        }
        // The program names all streams, or does not say; then the one that is absent is the end.
        if watched.is_absent || (watched.videos > 0 && watched.videos <= stream + 1) {
            break;
        }
    }
    findings.take(Found::Ended(ending(outcome, is_film, beside))).map_err(|_| CRASHED)
}

/// Why a stream is not checked, by what the worker saw and how the program ended; nothing where it is.
fn amiss(watched: &Watched, ended: Option<Outcome>, is_first: bool) -> Option<Outcome> {
    let seen = (watched.state, watched.reason);
    match ended {
        // It never was at work.
        Some(ended @ (CheckState::SourceUnavailable, _)) => Some(ended),
        _ if watched.state != CheckState::Checked && watched.state != CheckState::Corrupt => {
            Some(seen)
        }
        Some(CRASHED) => Some(CRASHED),
        _ if watched.state == CheckState::Corrupt => Some(seen),
        // A stream that is not there is an error to the program. That there is none is believed of a file of sound.
        _ if watched.is_absent && watched.frames == 0 && (watched.sounds > 0 || !is_first) => None,
        None if watched.frames > 0 => None,
        None => Some((CheckState::Corrupt, Reason::DecoderRefused)),
        Some(ended) => Some(ended),
    }
}

/// The states of the whole. Pictures in such a file are streams of video as well: nothing is left for their check but what
/// is not decoded.
fn ending(outcome: Option<Outcome>, is_film: bool, beside: Reason) -> Ended {
    let (video, reason) = match outcome {
        Some(outcome) => outcome,
        None if is_film => (CheckState::Checked, Reason::Nothing),
        None => (CheckState::NotApplicable, Reason::Nothing),
    };
    match (video.is_complete(), beside) {
        (true, Reason::Nothing) => Ended { image: CheckState::NotApplicable, video, reason },
        (true, beside) => Ended { image: CheckState::NotExpanded, video, reason: beside },
        (false, _) => Ended { image: video, video, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Watched = Watched {
        frames: 3,
        is_absent: false,
        sounds: 2,
        videos: 1,
        beside: Reason::Nothing,
        state: CheckState::Checked,
        reason: Reason::Nothing,
    };

    #[test]
    fn a_stream_is_checked_only_where_worker_and_program_agree() {
        use CheckState::{Corrupt, Deadline, SourceUnavailable, TooLarge};
        let refused = (Corrupt, Reason::DecoderRefused);
        let jail = (SourceUnavailable, Reason::JailIncomplete);
        let seen = |state, reason| Watched { state, reason, ..WELL };
        let absent = Watched { frames: 0, is_absent: true, ..WELL };
        let table = [
            (WELL, None, None),
            (Watched { frames: 0, ..WELL }, None, Some(refused)),
            (WELL, Some(refused), Some(refused)),
            (WELL, Some(CRASHED), Some(CRASHED)),
            (seen(Corrupt, Reason::Truncated), None, Some((Corrupt, Reason::Truncated))),
            (seen(Corrupt, Reason::Truncated), Some(CRASHED), Some(CRASHED)),
            (seen(TooLarge, Reason::Frames), Some(refused), Some((TooLarge, Reason::Frames))),
            (seen(TooLarge, Reason::Frames), Some(CRASHED), Some((TooLarge, Reason::Frames))),
            (seen(Deadline, Reason::OutOfTime), Some(refused), Some((Deadline, Reason::OutOfTime))),
            (seen(Corrupt, Reason::DecoderRefused), Some(jail), Some(jail)),
            (absent, Some(refused), None),
            (Watched { sounds: 0, ..absent }, Some(refused), Some(refused)),
            (
                Watched { state: Corrupt, reason: Reason::Truncated, ..absent },
                Some(refused),
                Some((Corrupt, Reason::Truncated)),
            ),
        ];
        for (number, (watched, ended, expected)) in table.into_iter().enumerate() {
            assert_eq!(amiss(&watched, ended, true), expected, "{number}");
        }
        let silent = Watched { sounds: 0, ..absent };
        assert_eq!(amiss(&silent, Some(refused), false), None, "the end of the streams");
    }

    #[test]
    fn what_is_not_decoded_beside_a_film_is_said() {
        use CheckState::{Checked, Corrupt, NotApplicable, NotExpanded};
        let states = |ended: Ended| (ended.image, ended.video, ended.reason);
        let nothing = Reason::Nothing;
        assert_eq!(states(ending(None, true, nothing)), (NotApplicable, Checked, nothing));
        assert_eq!(states(ending(None, false, nothing)), (NotApplicable, NotApplicable, nothing));
        let attached = Reason::Attached;
        assert_eq!(states(ending(None, true, attached)), (NotExpanded, Checked, attached));
        assert_eq!(states(ending(Some(CRASHED), true, attached)), (Corrupt, Corrupt, CRASHED.1));
    }
}
