//! Screens files and folders.

use super::client::{Client, ServerArgs, request_id};
use super::fault::{DONE, FOUND, Failure, INCOMPLETE, told};
use super::upload::{Source, Words, feed};
use super::walk::{self, Found};
use super::{explain, words};
use crate::proto::v1::screen_upload_request::Step;
use crate::proto::v1::{
    Context, Disposition, MediaChunk, MediaFinish, ScreenMediaRequest, ScreenUploadOpen,
    ScreenUploadRequest, SurfaceKind, Verdict, Visibility, screen_upload_response,
};
use futures_util::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tonic::{Request, Status};

/// Largest file that goes in one message, in bytes.
const ONE_MESSAGE_BYTES_MAX: u64 = 4 << 20;

/// Screen files and folders; exit code 0: all allowed, 3: something was not allowed, 4: something was not examined
#[derive(Debug, Clone, clap::Args)]
pub struct ScreenArgs {
    /// Files, and folders to walk
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Kind of place where the files would stand
    #[arg(long, default_value = "upload", value_parser = words::one_of(words::SURFACES))]
    pub surface: SurfaceKind,
    /// A surface with a policy of its own
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub surface_id: String,
    /// Who could see them
    #[arg(long, default_value = "public", value_parser = words::one_of(words::VISIBILITIES))]
    pub visibility: Visibility,
    /// Legal basis of the examination
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub legal_basis: String,
    /// Files at one time
    #[arg(long, short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// One JSON object a line, as files are done
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What became of one file.
struct Row {
    path: PathBuf,
    answer: Result<Verdict, String>,
    took: Duration,
}

/// Screens what was named and writes what became of it.
///
/// # Errors
/// A server that cannot be reached, or an answer that cannot be written. A file that could not be examined is a row.
pub async fn run(args: &ScreenArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let found = walk::files(&args.paths);
    let bar = bar(found.len() as u64);
    let calls = found.into_iter().map(|found| screened(&client, args, found));
    let mut answers = stream::iter(calls).buffer_unordered(args.jobs.into());
    let mut rows = Vec::new();
    while let Some(row) = answers.next().await {
        bar.inc(1);
        if args.json {
            bar.suspend(|| writeln!(out, "{}", as_json(&row)))?;
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    if !args.json {
        as_table(&rows, out)?;
    }
    Ok(exit_code(&rows))
}

/// A bar on standard error, which is hidden where that is no terminal.
pub fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A line on standard error that counts without knowing up to where; hidden where that is no terminal.
pub fn counter(what: &str) -> ProgressBar {
    let style = format!("{{spinner}} {{pos}} {what}, {{per_sec}}, {{elapsed}} {{msg}}");
    let style = ProgressStyle::with_template(&style);
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

async fn screened(client: &Client, args: &ScreenArgs, found: Found) -> Row {
    let start = Instant::now();
    let context = Context {
        surface: args.surface.into(),
        surface_id: args.surface_id.clone(),
        visibility: args.visibility.into(),
        legal_basis: args.legal_basis.clone(),
        request_id: request_id(),
        ..Context::default()
    };
    let answer = match found.size {
        Err(reason) => Err(reason),
        // An item of no bytes goes as an upload of no chunks: the server says what it makes of it.
        Ok(size) if size == 0 || size > ONE_MESSAGE_BYTES_MAX => {
            upload(client, context, &found.path).await
        }
        Ok(_) => whole(client, context, &found.path).await,
    };
    Row { path: found.path, answer, took: start.elapsed() }
}

async fn whole(client: &Client, context: Context, path: &Path) -> Result<Verdict, String> {
    let content = tokio::fs::read(path).await.map_err(|error| error.to_string())?;
    if content.is_empty() || content.len() as u64 > ONE_MESSAGE_BYTES_MAX {
        // It has changed since it was found.
        return upload(client, context, path).await;
    }
    let message = ScreenMediaRequest {
        context: Some(context),
        content: content.into(),
        ..ScreenMediaRequest::default()
    };
    let sent = client.ask(message, |request| {
        let mut screening = client.screening();
        async move { screening.screen_media(request).await }
    });
    let answer = sent.await.map_err(|status| told(&status))?;
    answer.verdict.ok_or_else(|| "an answer without a verdict".into())
}

async fn upload(client: &Client, context: Context, path: &Path) -> Result<Verdict, String> {
    let step = |step| ScreenUploadRequest { step: Some(step) };
    let attempt = |left| {
        let open =
            ScreenUploadOpen { context: Some(context.clone()), ..ScreenUploadOpen::default() };
        let words = Words {
            open: step(Step::Open(open)),
            chunk: |number, data| ScreenUploadRequest {
                step: Some(Step::Chunk(MediaChunk { number, data })),
            },
            finish: Some(step(Step::Finish(MediaFinish {}))),
        };
        let (messages, reading) = feed(Source::File(path.to_owned()), words, |_| ());
        let mut request = Request::new(messages);
        request.set_timeout(left);
        let mut screening = client.screening();
        async move {
            let verdict = async {
                let mut answers = screening.screen_upload(request).await?.into_inner();
                let mut verdict = None;
                while let Some(answer) = answers.message().await? {
                    if let Some(screen_upload_response::Step::Verdict(last)) = answer.step {
                        verdict = Some(last);
                    }
                }
                verdict.ok_or_else(|| Status::unknown("the stream ended without a verdict"))
            }
            .await;
            unread(reading, verdict).await
        }
    };
    match client.persist(attempt).await {
        Ok(verdict) => verdict,
        Err(status) => Err(told(&status)),
    }
}

/// What a stream answered, unless its file could not be read to the end: then that is the answer, since the refusal
/// that follows from it says less, and no repetition helps.
pub async fn unread<T>(
    reading: tokio::task::JoinHandle<std::io::Result<()>>,
    answer: Result<T, Status>,
) -> Result<Result<T, String>, Status> {
    if answer.is_err() && !reading.is_finished() {
        // The server gave up on the stream; whoever still feeds it would wait for nobody.
        reading.abort();
    }
    match reading.await {
        Ok(Err(error)) => Ok(Err(format!("cannot be read: {error}"))),
        _ => answer.map(Ok),
    }
}

fn is_allowed(verdict: &Verdict) -> bool {
    words::disposition(verdict.disposition) == Disposition::Allow
}

fn exit_code(rows: &[Row]) -> u8 {
    if rows.iter().any(|row| row.answer.as_ref().is_ok_and(|verdict| !is_allowed(verdict))) {
        FOUND
    } else if rows.iter().any(|row| row.answer.is_err()) {
        INCOMPLETE
    } else {
        DONE
    }
}

fn as_json(row: &Row) -> serde_json::Value {
    let mut object = match &row.answer {
        Ok(verdict) => explain::json(verdict),
        Err(reason) => json!({ "error": reason }),
    };
    object["path"] = row.path.display().to_string().into();
    object["milliseconds"] = json!(row.took.as_secs_f64() * 1_000.0);
    object
}

fn as_table(rows: &[Row], out: &mut dyn Write) -> Result<(), Failure> {
    let mut table = explain::table(&["file", "answer", "why", "coverage", "ms"]);
    for row in rows {
        let milliseconds = format!("{:.1}", row.took.as_secs_f64() * 1_000.0);
        let path = row.path.display().to_string();
        table.add_row(match &row.answer {
            Ok(verdict) => [
                path,
                explain::disposition(verdict).to_owned(),
                explain::why(verdict),
                explain::coverage(verdict),
                milliseconds,
            ],
            Err(reason) => {
                [path, "NOT EXAMINED".into(), reason.clone(), String::new(), milliseconds]
            }
        });
    }
    let allowed = rows.iter().filter(|row| row.answer.as_ref().is_ok_and(is_allowed)).count();
    let failed = rows.iter().filter(|row| row.answer.is_err()).count();
    let stopped = rows.len() - allowed - failed;
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "{} files: {allowed} allowed, {stopped} not allowed, {failed} not examined",
        rows.len()
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answer: Result<Disposition, &str>) -> Row {
        let verdict = |disposition: Disposition| Verdict {
            disposition: disposition.into(),
            ..Verdict::default()
        };
        Row {
            path: "a".into(),
            answer: answer.map(verdict).map_err(Into::into),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn the_exit_code_says_whether_anything_was_not_allowed_or_not_examined() {
        let (allowed, held, failed) = (Ok(Disposition::Allow), Ok(Disposition::Hold), Err("gone"));
        assert_eq!(exit_code(&[row(allowed)]), DONE);
        assert_eq!(exit_code(&[row(allowed), row(failed)]), INCOMPLETE);
        assert_eq!(exit_code(&[row(failed), row(held), row(allowed)]), FOUND);
        assert_eq!(exit_code(&[]), DONE);
    }

    #[test]
    fn a_file_that_was_not_examined_is_counted_in_the_table() {
        let mut out = Vec::new();
        as_table(&[row(Ok(Disposition::Allow)), row(Err("gone"))], &mut out).expect("written");
        let text = String::from_utf8(out).expect("text");
        assert!(text.ends_with("2 files: 1 allowed, 0 not allowed, 1 not examined\n"), "{text}");
        assert!(text.contains("NOT EXAMINED"), "{text}");
        assert_eq!(as_json(&row(Err("gone")))["error"], "gone");
    }
}
