//! Fills a bank from a file, and tells what became of each part of it.

use super::client::{Client, ServerArgs};
use super::fault::{DONE, Failure, INCOMPLETE};
use super::file::FileArgs;
use super::screen::{self, unread};
use super::upload::{Source, Words, feed};
use super::words;
use crate::proto::v1::import_entries_request::Step;
use crate::proto::v1::{
    EntryState, ImportChunk, ImportEntriesRequest, ImportEntriesResponse, ImportOpen, ImportRefusal,
};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tonic::Request;

/// Add entries from a file.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// The bank
    pub bank: String,
    /// The file; `-` reads standard input
    pub file: PathBuf,
    /// How it is written
    #[command(flatten)]
    pub written: FileArgs,
    /// Whose records they are, for files of an exchange
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub source: String,
    /// Where new entries stand; left out: active for text and csv, trial for files of an exchange
    #[arg(long, value_parser = words::one_of(words::ENTRY_STATES))]
    pub state: Option<EntryState>,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// How the import is opened.
fn opened(args: &ImportArgs) -> ImportOpen {
    let written = args.written.written(&args.file);
    ImportOpen {
        bank_id: args.bank.clone(),
        format: written.format,
        signal_type: written.signal_type,
        custom_type: written.custom_type,
        columns: written.columns,
        state: args.state.map(i32::from).unwrap_or_default(),
        source: args.source.clone(),
        vics_categories: written.vics_categories,
        ..ImportOpen::default()
    }
}

/// Does it.
///
/// # Errors
/// A call that was refused, a file that cannot be read, or an answer that cannot be written.
pub async fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let is_input = args.file.as_os_str() == "-";
    let size =
        if is_input { 0 } else { std::fs::metadata(&args.file).map_or(0, |data| data.len()) };
    let bar = screen::bar(size);
    let open = opened(args);
    let attempt = |_left| {
        let words = Words {
            open: ImportEntriesRequest { step: Some(Step::Open(open.clone())) },
            chunk: |number, data| ImportEntriesRequest {
                step: Some(Step::Chunk(ImportChunk { number, data })),
            },
            finish: None,
        };
        let source = if is_input { Source::Input } else { Source::File(args.file.clone()) };
        bar.set_position(0);
        let moving = bar.clone();
        let (messages, reading) = feed(source, words, move |bytes| moving.inc(bytes));
        // No time of its own: a long file takes long.
        let request = Request::new(messages);
        let mut banks = client.banks();
        async move {
            let answer = banks.import_entries(request).await.map(tonic::Response::into_inner);
            unread(reading, answer).await
        }
    };
    // Standard input cannot be read a second time.
    let answer = if is_input {
        attempt(Duration::ZERO).await
    } else {
        client.persist_moving(|| bar.position(), attempt).await
    };
    bar.finish_and_clear();
    let answer =
        answer?.map_err(|reason| Failure::new(format!("{}: {reason}", args.file.display())))?;
    let is_list = open.format().is_list();
    told(&answer, if is_list { "line" } else { "record" }, out)
}

/// Tells what became of a file; `thing` is what is counted.
fn told(answer: &ImportEntriesResponse, thing: &str, out: &mut dyn Write) -> Result<u8, Failure> {
    write!(
        out,
        "{} taken, {} already present, {} removed before and left out, {} refused",
        answer.taken_count,
        answer.already_present_count,
        answer.tombstoned_count,
        answer.refused_count
    )?;
    let further = [
        ("replaced", answer.replaced_count),
        ("withdrawn", answer.withdrawn_count),
        ("not known to the source", answer.not_listed_count),
    ];
    for (what, count) in further.into_iter().filter(|(_, count)| *count > 0) {
        write!(out, ", {count} {what}")?;
    }
    writeln!(out)?;
    refusals(answer.refused_count, &answer.refusals, thing, out)?;
    if answer.partly_refused_count > 0 {
        writeln!(out, "{} taken but for a part", answer.partly_refused_count)?;
    }
    refusals(answer.partly_refused_count, &answer.partial_refusals, thing, out)?;
    for unknown in &answer.unknown {
        writeln!(
            out,
            "  not known here, and not matched: {}, {} times",
            unknown.what, unknown.count
        )?;
    }
    let is_whole = answer.refused_count + answer.partly_refused_count == 0;
    Ok(if is_whole { DONE } else { INCOMPLETE })
}

fn refusals(
    count: u64,
    refusals: &[ImportRefusal],
    thing: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for refusal in refusals {
        writeln!(out, "  {thing} {}: {}", refusal.line_number, refusal.reason)?;
    }
    let shown = refusals.len() as u64;
    if count > shown && shown > 0 {
        writeln!(out, "  and {} more", count - shown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::ImportUnknown;

    #[test]
    fn refused_lines_are_named_and_make_the_exit_code() {
        let refusals = vec![ImportRefusal { line_number: 7, reason: "must be 64 digits".into() }];
        let answer = ImportEntriesResponse {
            taken_count: 2,
            refused_count: 3,
            refusals,
            ..Default::default()
        };
        let mut out = Vec::new();
        assert_eq!(told(&answer, "line", &mut out), Ok(INCOMPLETE));
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text,
            "2 taken, 0 already present, 0 removed before and left out, 3 refused\n  line 7: must be 64 digits\n  and 2 more\n"
        );
    }

    #[test]
    fn what_became_of_the_records_of_an_exchange_is_told_whole() {
        let part = ImportRefusal { line_number: 3, reason: "pdq must be 64 digits".into() };
        let unknown = vec![ImportUnknown { what: "signal type url".into(), count: 4 }];
        let answer = ImportEntriesResponse {
            replaced_count: 1,
            withdrawn_count: 2,
            partly_refused_count: 1,
            partial_refusals: vec![part],
            unknown,
            ..Default::default()
        };
        let mut out = Vec::new();
        assert_eq!(told(&answer, "record", &mut out), Ok(INCOMPLETE));
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text,
            "0 taken, 0 already present, 0 removed before and left out, 0 refused, 1 replaced, 2 withdrawn\n\
             1 taken but for a part\n  record 3: pdq must be 64 digits\n  \
             not known here, and not matched: signal type url, 4 times\n"
        );
    }
}
