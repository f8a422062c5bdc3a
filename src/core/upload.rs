//! The order of an upload's messages: open, numbered chunks, finish. Without the finish nothing is decided.

/// What a caller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opened, perhaps saying how many bytes will come.
    Open {
        /// Size that the caller announced.
        declared: Option<u64>,
    },
    /// Sent a piece.
    Chunk {
        /// Its number, from 1.
        number: u64,
        /// Its length in bytes.
        bytes: u64,
    },
    /// Said that everything was sent.
    Finish,
}

/// Why a step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first message does not open, or a later one does.
    #[error("the first message, and only the first, must open")]
    Opening,
    /// A chunk is missing or came twice.
    #[error("chunk {expected} must come next")]
    Number {
        /// The number that was due.
        expected: u64,
    },
    /// A chunk is empty or longer than a chunk may be.
    #[error("a chunk must have 1 to {max} bytes")]
    ChunkLength {
        /// Most bytes of a chunk.
        max: u64,
    },
    /// All chunks together are longer than is taken.
    #[error("at most {max} bytes are taken")]
    TooLarge {
        /// Most bytes of an upload.
        max: u64,
    },
    /// The chunks do not add up to the announced size.
    #[error("the announced size and the bytes sent differ")]
    SizeDiffers,
    /// A message after the finish.
    #[error("nothing may follow the finish")]
    AfterFinish,
    /// The caller ended without a finish.
    #[error("the finish is missing")]
    Unfinished,
}

/// How much of an upload is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a chunk.
    pub chunk_bytes: u64,
    /// Most bytes in all.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Open,
    Finished,
}

/// An upload so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    limits: Limits,
    state: State,
    declared: Option<u64>,
    chunks: u64,
    bytes: u64,
}

impl Upload {
    /// An upload of which nothing has come.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, state: State::Fresh, declared: None, chunks: 0, bytes: 0 }
    }

    /// The upload after one more step.
    ///
    /// # Errors
    /// [`Fault`] for a step that is out of order or beyond a limit; the upload is then over.
    pub fn on(mut self, step: Step) -> Result<Self, Fault> {
        match (self.state, step) {
            (State::Fresh, Step::Open { declared }) => {
                if declared.is_some_and(|size| size > self.limits.bytes) {
                    return Err(Fault::TooLarge { max: self.limits.bytes });
                }
                self.declared = declared;
                self.state = State::Open;
            }
            (State::Fresh, _) | (State::Open, Step::Open { .. }) => return Err(Fault::Opening),
            (State::Open, Step::Chunk { number, bytes }) => {
                if number != self.chunks + 1 {
                    return Err(Fault::Number { expected: self.chunks + 1 });
                }
                if !(1..=self.limits.chunk_bytes).contains(&bytes) {
                    return Err(Fault::ChunkLength { max: self.limits.chunk_bytes });
                }
                self.chunks = number;
                self.bytes += bytes;
                if self.bytes > self.limits.bytes {
                    return Err(Fault::TooLarge { max: self.limits.bytes });
                }
                if self.declared.is_some_and(|size| self.bytes > size) {
                    return Err(Fault::SizeDiffers);
                }
            }
            (State::Open, Step::Finish) => {
                if self.declared.is_some_and(|size| self.bytes != size) {
                    return Err(Fault::SizeDiffers);
                }
                self.state = State::Finished;
            }
            (State::Finished, _) => return Err(Fault::AfterFinish),
        }
        Ok(self)
    }

    /// What it means that the caller sends nothing more.
    ///
    /// # Errors
    /// [`Fault::Unfinished`] unless the finish has come.
    pub const fn on_end(self) -> Result<(), Fault> {
        match self.state {
            State::Finished => Ok(()),
            State::Fresh | State::Open => Err(Fault::Unfinished),
        }
    }

    /// Bytes received so far.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// Number of the last chunk received; 0 before the first.
    #[must_use]
    pub const fn chunks(self) -> u64 {
        self.chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { chunk_bytes: 10, bytes: 25 };

    fn run(steps: &[Step]) -> Result<Upload, Fault> {
        steps.iter().try_fold(Upload::new(LIMITS), |upload, step| upload.on(*step))
    }

    const fn open(declared: Option<u64>) -> Step {
        Step::Open { declared }
    }

    const fn chunk(number: u64, bytes: u64) -> Step {
        Step::Chunk { number, bytes }
    }

    #[test]
    fn a_step_out_of_order_ends_the_upload() {
        let table: &[(&[Step], Result<u64, Fault>)] = &[
            (&[open(None), chunk(1, 10), chunk(2, 5), Step::Finish], Ok(15)),
            (&[open(Some(15)), chunk(1, 10), chunk(2, 5), Step::Finish], Ok(15)),
            (&[open(None), Step::Finish], Ok(0)),
            (&[chunk(1, 1)], Err(Fault::Opening)),
            (&[Step::Finish], Err(Fault::Opening)),
            (&[open(None), open(None)], Err(Fault::Opening)),
            (&[open(None), chunk(2, 1)], Err(Fault::Number { expected: 1 })),
            (&[open(None), chunk(1, 1), chunk(1, 1)], Err(Fault::Number { expected: 2 })),
            (&[open(None), chunk(1, 0)], Err(Fault::ChunkLength { max: 10 })),
            (&[open(None), chunk(1, 11)], Err(Fault::ChunkLength { max: 10 })),
            (&[open(Some(26))], Err(Fault::TooLarge { max: 25 })),
            (
                &[open(None), chunk(1, 10), chunk(2, 10), chunk(3, 6)],
                Err(Fault::TooLarge { max: 25 }),
            ),
            (&[open(Some(5)), chunk(1, 6)], Err(Fault::SizeDiffers)),
            (&[open(Some(5)), chunk(1, 4), Step::Finish], Err(Fault::SizeDiffers)),
            (&[open(None), Step::Finish, chunk(1, 1)], Err(Fault::AfterFinish)),
        ];
        for (steps, outcome) in table {
            assert_eq!(run(steps).map(Upload::bytes), *outcome, "{steps:?}");
        }
    }

    #[test]
    fn an_upload_that_was_cut_off_is_not_decided() {
        assert_eq!(run(&[]).unwrap().on_end(), Err(Fault::Unfinished));
        assert_eq!(run(&[open(None), chunk(1, 1)]).unwrap().on_end(), Err(Fault::Unfinished));
        assert_eq!(run(&[open(None), Step::Finish]).unwrap().on_end(), Ok(()));
    }

    proptest! {
        #[test]
        fn never_more_bytes_than_the_limit_are_taken(lengths in proptest::collection::vec(0..12_u64, 0..8)) {
            let mut upload = Upload::new(LIMITS).on(open(None)).unwrap();
            for (place, bytes) in lengths.into_iter().enumerate() {
                match upload.on(chunk(place as u64 + 1, bytes)) {
                    Ok(next) => upload = next,
                    Err(_) => break,
                }
            }
            prop_assert!(upload.bytes() <= LIMITS.bytes);
        }
    }
}
