//! Prints every digest and picture hash of files.

use super::client::{Client, ServerArgs};
use super::fault::{DONE, Failure, INCOMPLETE, told};
use super::screen::unread;
use super::upload::{Source, Words, feed};
use super::{explain, walk, words};
use crate::proto::v1::hash_media_request::Step;
use crate::proto::v1::{
    CheckState, Dihedral, Form, HashMediaFinished, HashMediaOpen, HashMediaRequest, MediaChunk,
    MediaFinish, PartHashes, Signal, hash_media_response, signal,
};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use tonic::{Request, Status};

/// Print every digest and picture hash of files; exit code 4: something could not be hashed
#[derive(Debug, Clone, clap::Args)]
pub struct HashArgs {
    /// Files, and folders to walk
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// All forms and symmetries of pictures, not only the canonical one
    #[arg(long)]
    pub all: bool,
    /// One JSON object a file
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What the server made of one file.
#[derive(Default)]
struct Hashes {
    parts: Vec<PartHashes>,
    finished: HashMediaFinished,
}

/// One line of output.
struct Line {
    part: String,
    frame: Option<u32>,
    kind: String,
    form: String,
    dihedral: String,
    value: String,
    quality: Option<u32>,
}

/// Hashes what was named and writes the hashes.
///
/// # Errors
/// A server that cannot be reached, or an answer that cannot be written.
pub async fn run(args: &HashArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let mut code = DONE;
    for found in walk::files(&args.paths) {
        let hashes = match found.size {
            Ok(_) => hashed(&client, &found.path).await,
            Err(reason) => Err(reason),
        };
        let whole = hashes.as_ref().is_ok_and(is_whole);
        if !whole {
            code = INCOMPLETE;
        }
        written(&found.path, &hashes, args, out)?;
    }
    Ok(code)
}

/// Whether all was hashed that the item has.
fn is_whole(hashes: &Hashes) -> bool {
    hashes.finished.coverage.iter().all(|row| {
        matches!(
            CheckState::try_from(row.state),
            Ok(CheckState::Checked | CheckState::NotApplicable)
        )
    })
}

async fn hashed(client: &Client, path: &Path) -> Result<Hashes, String> {
    let step = |step| HashMediaRequest { step: Some(step) };
    let attempt = |left| {
        let words = Words {
            open: step(Step::Open(HashMediaOpen::default())),
            chunk: |number, data| HashMediaRequest {
                step: Some(Step::Chunk(MediaChunk { number, data })),
            },
            finish: Some(step(Step::Finish(MediaFinish {}))),
        };
        let (messages, reading) = feed(Source::File(path.to_owned()), words, |_| ());
        let mut request = Request::new(messages);
        request.set_timeout(left);
        let mut screening = client.screening();
        async move {
            let hashes = async {
                let mut answers = screening.hash_media(request).await?.into_inner();
                let (mut parts, mut end) = (Vec::new(), None);
                while let Some(answer) = answers.message().await? {
                    match answer.step {
                        Some(hash_media_response::Step::Part(part)) => parts.push(part),
                        Some(hash_media_response::Step::Finished(finished)) => end = Some(finished),
                        _ => {}
                    }
                }
                end.map(|finished| Hashes { parts, finished })
                    .ok_or_else(|| Status::unknown("the stream ended before all hashes came"))
            }
            .await;
            unread(reading, hashes).await
        }
    };
    match client.persist(attempt).await {
        Ok(hashes) => hashes,
        Err(status) => Err(told(&status)),
    }
}

fn line(part: &str, frame: Option<u32>, signal: &Signal) -> Line {
    let value = match &signal.value {
        Some(signal::Value::Text(text)) => text.clone(),
        Some(signal::Value::Binary(bytes)) => hex::encode(bytes),
        None => String::new(),
    };
    Line {
        part: part.to_owned(),
        frame,
        kind: words::signal_name(signal.r#type, &signal.custom_type),
        form: words::form_name(signal.form),
        dihedral: words::dihedral_name(signal.dihedral),
        value,
        quality: signal.quality,
    }
}

/// The hashes as lines, the canonical form first; only that unless `all` are wanted.
fn lines(hashes: &Hashes, all: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for part in &hashes.parts {
        lines.extend(part.digests.iter().map(|digest| line(&part.part, None, digest)));
        let mut pictures: Vec<_> = part
            .pictures
            .iter()
            .flat_map(|picture| picture.signals.iter().map(|signal| (picture.frame, signal)))
            .filter(|(_, signal)| all || is_canonical(signal))
            .collect();
        pictures.sort_by_key(|(frame, signal)| {
            (*frame, !is_canonical(signal), signal.form, signal.dihedral)
        });
        lines.extend(pictures.iter().map(|(frame, signal)| line(&part.part, Some(*frame), signal)));
    }
    lines
}

fn is_canonical(signal: &Signal) -> bool {
    signal.form <= i32::from(Form::Canonical) && signal.dihedral <= i32::from(Dihedral::Original)
}

fn written(
    path: &Path,
    hashes: &Result<Hashes, String>,
    args: &HashArgs,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let name = path.display();
    let hashes = match hashes {
        Ok(hashes) => hashes,
        Err(reason) if args.json => {
            writeln!(out, "{}", json!({ "path": name.to_string(), "error": reason }))?;
            return Ok(());
        }
        Err(reason) => {
            writeln!(out, "{name}: not hashed: {reason}\n")?;
            return Ok(());
        }
    };
    let lines = lines(hashes, args.all);
    let coverage = crate::proto::v1::Verdict {
        coverage: hashes.finished.coverage.clone(),
        ..Default::default()
    };
    if args.json {
        let signals = lines.iter().map(|line| {
            json!({
                "part": line.part, "frame": line.frame, "type": line.kind, "form": line.form,
                "dihedral": line.dihedral, "value": line.value, "quality": line.quality,
            })
        });
        let object = json!({
            "path": name.to_string(),
            "signals": signals.collect::<Vec<_>>(),
            "coverage": explain::json(&coverage)["coverage"],
            "engine": hashes.finished.engine,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    let mut table = explain::table(&["part", "frame", "type", "form", "turn", "quality", "value"]);
    for line in lines {
        let number =
            |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let shown =
            |word: &str| if word == "UNSPECIFIED" { String::new() } else { word.to_lowercase() };
        let (form, turn) = (shown(&line.form), shown(&line.dihedral));
        table.add_row([
            line.part,
            number(line.frame),
            line.kind,
            form,
            turn,
            number(line.quality),
            line.value,
        ]);
    }
    // Values are for copying: a line is not broken to fit a terminal.
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    writeln!(out, "{name}\n{table}\n{}\n", explain::coverage(&coverage))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{PictureHashes, SignalType};

    #[test]
    fn the_canonical_hash_comes_first_and_alone_unless_all_are_wanted() {
        let signal = |form: Form, dihedral: Dihedral| Signal {
            r#type: SignalType::Pdq.into(),
            form: form.into(),
            dihedral: dihedral.into(),
            ..Signal::default()
        };
        let signals = vec![
            signal(Form::Trimmed, Dihedral::Original),
            signal(Form::Canonical, Dihedral::Mirrored),
            signal(Form::Canonical, Dihedral::Original),
        ];
        let pictures = vec![PictureHashes { signals, ..PictureHashes::default() }];
        let parts = vec![PartHashes { pictures, ..PartHashes::default() }];
        let hashes = Hashes { parts, ..Hashes::default() };
        assert_eq!(lines(&hashes, false).len(), 1);
        let all = lines(&hashes, true);
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].form.as_str(), all[0].dihedral.as_str()), ("CANONICAL", "ORIGINAL"));
    }
}
