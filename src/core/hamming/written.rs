//! A table as bytes: written as it is built, so that reading it is copying.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::hamming::chunks::Chunks;
use crate::core::hamming::memory::Block;
use crate::core::hamming::{Form, Table, VALUES_MAX, kernel};
use crate::core::signal::Bits256;

const SCAN: u8 = 0;
const NARROW: u8 = 1;
const WIDE: u8 = 2;
const VAST: u8 = 3;

impl Table {
    /// Writes the table.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.count(self.values.len())?;
        to.words(&self.values)?;
        match &self.form {
            Form::Scan => to.word(SCAN),
            Form::Narrow(chunks) => {
                to.word(NARROW)?;
                chunks.write(to)
            }
            Form::Wide(chunks) => {
                to.word(WIDE)?;
                chunks.write(to)
            }
            Form::Vast(chunks) => {
                to.word(VAST)?;
                chunks.write(to)
            }
        }
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] where something in it does not hold.
    pub fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let len = from.count(32)?;
        holds(len <= VALUES_MAX, "too many values")?;
        let mut values = Block::filled(Bits256::default(), len);
        from.fill(&mut values, |_| Ok(()))?;
        let form = match from.word()? {
            SCAN => Form::Scan,
            NARROW => Form::Narrow(Chunks::read(from, &values)?),
            WIDE => Form::Wide(Chunks::read(from, &values)?),
            VAST => Form::Vast(Chunks::read(from, &values)?),
            _ => return Err(Malformed("an unknown form of table")),
        };
        Ok(Self { values, form, kernel: kernel::best() })
    }
}
