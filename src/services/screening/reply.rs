//! Screening answers, written from the core to the wire.

use crate::core::lookback::Remembered;
use crate::core::media::{Examined, Format, Part, Picture, VideoFrame};
use crate::core::screening::question::Question;
use crate::core::signal::{Bits256, Signal};
use crate::core::upload::Upload;
use crate::core::verdict::{Dihedral, Form};
use crate::io::store::{Cursor, Pair};
use crate::proto::v1;
use crate::services::desk::Limits;
use crate::services::screening::clusters::{Cluster, Listed};
use crate::services::screening::parse::CLUSTERS;
use crate::services::words::{moment, page, policy, signal, verdict};
use prost::Message as _;
use std::time::Duration;

/// Bytes of the answers in one result, whose frame takes some more.
const RESULT_BYTES_MAX: usize = 900 << 10;
/// Chunks that a caller should send ahead of their acknowledgement.
const CHUNKS_AHEAD: u32 = 64;
/// Batches that a caller should send ahead of their results.
const BATCHES_AHEAD: u32 = 4;
/// Pictures in one message: eight signals of about 100 bytes each keep it far below 1 MiB.
const PICTURES_PER_MESSAGE: usize = 256;

/// Says that an upload may go on.
#[must_use]
pub fn accepted(limits: &Limits) -> v1::UploadAccepted {
    v1::UploadAccepted {
        upload_bytes_max: limits.upload_bytes_max,
        unacknowledged_chunks_max: CHUNKS_AHEAD,
        heartbeat_interval: Some(moment::span(limits.heartbeat)),
    }
}

/// Says how far an upload has come.
#[must_use]
pub const fn progress(upload: Upload) -> v1::UploadProgress {
    v1::UploadProgress { received_bytes: upload.bytes(), acknowledged_chunk: upload.chunks() }
}

/// Says that a stream of batches may go on.
#[must_use]
pub const fn batches_accepted() -> v1::BatchAccepted {
    v1::BatchAccepted { unanswered_batches_max: BATCHES_AHEAD }
}

/// Answers an item that could not be read: it was not examined, so it is held.
#[must_use]
pub fn unread(item_id: String, faults: &[(String, String)]) -> v1::ItemResult {
    v1::ItemResult {
        item_id,
        disposition: v1::Disposition::Hold.into(),
        verdict: None,
        faults: faults
            .iter()
            .map(|(field, description)| v1::FieldFault {
                field: field.clone(),
                description: description.clone(),
            })
            .collect(),
    }
}

/// Answers an item of a batch: the whole verdict only where it is more than a plain `ALLOW`.
#[must_use]
pub fn item(item_id: String, verdict: v1::Verdict) -> v1::ItemResult {
    let plain = verdict.disposition == i32::from(v1::Disposition::Allow)
        && verdict.incomplete.is_none()
        && verdict.findings.is_empty()
        && verdict.shadow_findings.is_empty();
    v1::ItemResult {
        item_id,
        disposition: verdict.disposition,
        verdict: (!plain).then_some(verdict),
        faults: Vec::new(),
    }
}

/// Answers of a batch, in messages of bounded size.
#[must_use]
pub fn parted(answers: Vec<v1::ItemResult>) -> Vec<Vec<v1::ItemResult>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for answer in answers {
        let more = answer.encoded_len();
        if bytes > 0 && bytes + more > RESULT_BYTES_MAX {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        parts.last_mut().expect("there is one at least").push(answer);
    }
    parts
}

/// The media type of a format; empty where none was recognised.
const fn media_type(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "image/jpeg",
        Format::Png => "image/png",
        Format::Gif => "image/gif",
        Format::Webp => "image/webp",
        Format::Bmp => "image/bmp",
        Format::Tiff => "image/tiff",
        Format::Avif => "image/avif",
        Format::Heic => "image/heic",
        Format::Jxl => "image/jxl",
        Format::Zip => "application/zip",
        Format::Tar => "application/x-tar",
        Format::IsoMedia => "video/mp4",
        Format::Matroska => "video/matroska",
        Format::Avi => "video/vnd.avi",
        Format::Mpeg => "video/mpeg",
        Format::Flv => "video/x-flv",
        Format::Other => "application/octet-stream",
        Format::Unknown => "",
    }
}

/// Everything that was hashed, in messages of bounded size.
#[must_use]
pub fn hashes(examined: &Examined) -> Vec<v1::PartHashes> {
    examined.parts.iter().flat_map(part_hashes).collect()
}

fn part_hashes(part: &Part) -> Vec<v1::PartHashes> {
    let message = |digests, pictures| v1::PartHashes {
        part: part.place.clone(),
        media_type: media_type(part.format).to_owned(),
        digests,
        pictures,
    };
    let plain = |value: Signal| signal::write(&value, None, Form::Canonical, Dihedral::Original);
    let digests: Vec<_> = part
        .digests
        .iter()
        .flat_map(|digests| {
            [
                plain(Signal::Md5(digests.md5)),
                plain(Signal::Sha1(digests.sha1)),
                plain(Signal::Sha256(digests.sha256)),
            ]
        })
        .collect();
    let pictures = part.pictures.iter().map(|one| picture(one, 0, Signal::Pdq));
    let frames = part
        .frames
        .iter()
        .map(|VideoFrame { stream, picture: one }| picture(one, *stream, Signal::VpdqFrame));
    let pictures: Vec<_> = pictures.chain(frames).collect();
    let mut rest = pictures.chunks(PICTURES_PER_MESSAGE);
    let first = rest.next().unwrap_or_default();
    let mut messages = vec![message(digests, first.to_vec())];
    messages.extend(rest.map(|some| message(Vec::new(), some.to_vec())));
    messages
}

fn picture(picture: &Picture, stream: u32, signal: fn(Bits256) -> Signal) -> v1::PictureHashes {
    v1::PictureHashes {
        frame: picture.frame,
        stream,
        width: picture.width,
        height: picture.height,
        signals: Dihedral::ALL
            .into_iter()
            .zip(picture.hashes)
            .map(|(dihedral, bits)| {
                let sent =
                    signal::write(&signal(bits), Some(picture.quality), picture.form, dihedral);
                v1::Signal { offset: picture.at_millis.map(moment::millis), ..sent }
            })
            .collect(),
    }
}

/// Says that all hashes were sent.
#[must_use]
pub fn finished(examined: &Examined) -> v1::HashMediaFinished {
    v1::HashMediaFinished {
        part_count: u32::try_from(examined.parts.len()).unwrap_or(u32::MAX),
        coverage: Question::of_examined(examined).coverage.iter().map(verdict::coverage).collect(),
        engine: crate::core::pdq::engine().to_owned(),
    }
}

/// Writes where a stream of pairs goes on.
#[must_use]
pub fn cursor(cursor: &Cursor) -> String {
    if cursor.epoch.is_empty() {
        return String::new();
    }
    format!("{}.{}", cursor.epoch, cursor.number)
}

/// Says that a stream of pairs is alive.
#[must_use]
pub fn lookback_heartbeat(after: &Cursor, every: Duration) -> v1::WatchLookbackResponse {
    let heartbeat = v1::LookbackHeartbeat {
        cursor: cursor(after),
        heartbeat_interval: Some(moment::span(every)),
    };
    let event = v1::watch_lookback_response::Event::Heartbeat(heartbeat);
    v1::WatchLookbackResponse { event: Some(event) }
}

/// Writes a pair for a caller who sees detail, or does not.
#[must_use]
pub fn pair(pair: &Pair, sees_detail: bool) -> v1::WatchLookbackResponse {
    let state = policy::write_entry_state(pair.state);
    let written = v1::LookbackPair {
        pair_id: hex::encode(pair.id),
        cursor: cursor(&pair.cursor),
        item_id: pair.item.item.to_string(),
        surface_id: pair.item.surface.to_string(),
        screen_time: Some(moment::timestamp(pair.item.screened)),
        r#match: Some(verdict::listed(&pair.found, sees_detail)),
        entry_state: if sees_detail { state.into() } else { 0 },
        detail_withheld: !sees_detail,
        find_time: Some(moment::timestamp(pair.at)),
    };
    let event = v1::watch_lookback_response::Event::Pair(written);
    v1::WatchLookbackResponse { event: Some(event) }
}

/// Writes a page of groups for a caller who sees detail, or does not.
#[must_use]
pub fn clusters(listed: Listed, sees_detail: bool) -> v1::ListClustersResponse {
    let Listed { clusters, grouped, next } = listed;
    let write = |cluster: Cluster| {
        let name = |item: &Option<Remembered>| {
            item.as_ref().map(|item| item.item.to_string()).unwrap_or_default()
        };
        let time =
            |item: &Option<Remembered>| item.as_ref().map(|item| moment::timestamp(item.screened));
        let entry = cluster.entry.filter(|_| sees_detail);
        v1::LookbackCluster {
            item_count: cluster.items,
            first_item_id: name(&cluster.first),
            first_screen_time: time(&cluster.first),
            last_item_id: name(&cluster.last),
            last_screen_time: time(&cluster.last),
            entry: entry.map(|(bank, entry)| v1::EntryReference {
                bank_id: bank.to_string(),
                entry_id: entry.to_string(),
            }),
        }
    };
    let last = next.map(|next| format!("{} {next}", grouped.name));
    v1::ListClustersResponse {
        clusters: clusters.into_iter().map(write).collect(),
        next_page_token: page::token(CLUSTERS, last.as_deref(), next.is_some()),
        item_count: grouped.items,
        compare_time: Some(moment::timestamp(grouped.at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn answers_are_parted_in_order_and_no_part_is_too_long(
            sizes in prop::collection::vec(0_usize..800_000, 0..20),
        ) {
            let answers: Vec<_> = sizes
                .iter()
                .enumerate()
                .map(|(number, size)| v1::ItemResult {
                    item_id: format!("{number:04}{}", "x".repeat(*size)),
                    ..v1::ItemResult::default()
                })
                .collect();
            let parts = parted(answers.clone());
            for items in &parts {
                let result = v1::BatchResult { number: u64::MAX, items: items.clone(), complete: true };
                prop_assert!(result.encoded_len() <= 1 << 20);
            }
            prop_assert_eq!(parts.concat(), answers);
        }
    }
}
