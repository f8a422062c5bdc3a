//! Sends a file in chunks, reading it as it goes.

use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

/// Most bytes of one chunk.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Chunks that are read ahead of what the transport has taken.
const AHEAD: usize = 4;

/// Where the bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Input,
}

/// What turns a file into the messages of a stream.
pub struct Words<M> {
    /// The first message.
    pub open: M,
    /// The message of a chunk, by its number from 1.
    pub chunk: fn(u64, Bytes) -> M,
    /// The last message, where the stream has one.
    pub finish: Option<M>,
}

/// The messages of an upload, and the task that reads the file. The task ends with what kept it from reading, and the
/// stream then ends without its last message, so that nothing is decided about half a file. `taken` learns how many
/// bytes were read.
pub fn feed<M: Send + 'static>(
    source: Source,
    words: Words<M>,
    taken: impl Fn(u64) + Send + 'static,
) -> (ReceiverStream<M>, JoinHandle<io::Result<()>>) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reading = tokio::spawn(async move {
        let mut from: Box<dyn tokio::io::AsyncRead + Send + Unpin> = match source {
            Source::File(path) => Box::new(tokio::fs::File::open(path).await?),
            Source::Input => Box::new(piped()?),
        };
        // An error in sending means that the server has ended the stream, and its status says why.
        if sender.send(words.open).await.is_err() {
            return Ok(());
        }
        for number in 1.. {
            let mut piece = Vec::with_capacity(CHUNK_BYTES_MAX);
            (&mut from).take(CHUNK_BYTES_MAX as u64).read_to_end(&mut piece).await?;
            if piece.is_empty() {
                break;
            }
            taken(piece.len() as u64);
            if sender.send((words.chunk)(number, piece.into())).await.is_err() {
                return Ok(());
            }
        }
        if let Some(finish) = words.finish {
            let _ = sender.send(finish).await;
        }
        Ok(())
    });
    (ReceiverStream::new(receiver), reading)
}

/// Standard input as something that can be awaited.
fn piped() -> io::Result<tokio::fs::File> {
    use std::os::fd::AsFd as _;
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(tokio::fs::File::from_std(input.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    async fn sent(source: Source) -> (Vec<(u64, usize)>, io::Result<()>) {
        let words = Words {
            open: (0, 0),
            chunk: |number, data| (number, data.len()),
            finish: Some((99, 0)),
        };
        let (stream, reading) = feed(source, words, |_| ());
        (stream.collect().await, reading.await.expect("no panic"))
    }

    #[tokio::test]
    async fn a_file_is_sent_whole_in_numbered_chunks() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), vec![7; CHUNK_BYTES_MAX + 1]).expect("written");
        let (messages, read) = sent(Source::File(file.path().into())).await;
        assert_eq!(messages, [(0, 0), (1, CHUNK_BYTES_MAX), (2, 1), (99, 0)]);
        assert!(read.is_ok());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_never_finished() {
        let (messages, read) = sent(Source::File("/nonexistent/file".into())).await;
        assert!(messages.is_empty() && read.is_err());
    }
}
