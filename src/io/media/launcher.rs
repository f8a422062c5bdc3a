//! The process that locks itself in and becomes the decoding program.

use crate::io::jail::{self, JailLimits, JailMode, Launch, NotLaunched, Refused, probe};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// The word that makes this program a launcher.
pub const LAUNCH: &str = "launch";
/// The word that makes this program, executed by a launcher, try every way out.
pub const PROBE: &str = "probe-jail";

/// Exit code of a launcher whose program could not be executed.
const NOT_EXECUTED: u8 = 99;
/// Exit code of a launcher that could not build the first of the walls; the others follow.
const REFUSED: u8 = 100;

/// What a launcher is told before the program and its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) limits: JailLimits,
    pub(super) wall_seconds: u64,
    pub(super) mode: JailMode,
}

impl Told {
    /// As arguments, of which there are four.
    pub(super) fn words(&self) -> [String; 4] {
        [
            self.limits.memory_bytes.to_string(),
            self.limits.processor_seconds.to_string(),
            self.wall_seconds.to_string(),
            u8::from(self.mode == JailMode::Reduced).to_string(),
        ]
    }

    fn read(words: &[OsString]) -> Option<Self> {
        let mut words = words.iter().map(|word| word.to_str()?.parse::<u64>().ok());
        let mut next = || words.next().flatten();
        let limits = JailLimits { memory_bytes: next()?, processor_seconds: next()? };
        let wall_seconds = next()?;
        let mode = if next()? == 1 { JailMode::Reduced } else { JailMode::Required };
        Some(Self { limits, wall_seconds, mode })
    }
}

/// Which wall was missing when a launcher ended with this code; an inner nothing where the program was not executed.
pub(super) fn refusal(code: i32) -> Option<Option<Refused>> {
    if code == i32::from(NOT_EXECUTED) {
        return Some(None);
    }
    let place = usize::try_from(code.checked_sub(REFUSED.into())?).ok()?;
    Refused::ALL.get(place).map(|why| Some(*why))
}

/// Locks this process in and becomes the program that the arguments name, behind four words of [`Told`].
///
/// It must be the whole of a process that has just started, with one thread; standard input, output and error are the
/// program's. The first line of standard error says which walls stand.
#[must_use]
pub fn run(arguments: &[OsString]) -> ExitCode {
    std::panic::set_hook(Box::new(|_| ()));
    let told = arguments.get(..4).and_then(Told::read);
    let (Some(told), Some((program, rest))) =
        (told, arguments.get(4..).and_then(<[_]>::split_first))
    else {
        return NOT_EXECUTED.into();
    };
    let rest: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
    let refused = match Launch::new(Path::new(program), &rest) {
        Err(refused) => refused,
        Ok(launch) => launch.start(told.limits, told.wall_seconds, told.mode, |reached| {
            eprintln!("{reached}");
        }),
    };
    match refused {
        NotLaunched::Execute(_) => NOT_EXECUTED.into(),
        NotLaunched::Jail(why) => {
            let place = Refused::ALL.iter().position(|refused| *refused == why);
            place
                .and_then(|place| u8::try_from(place).ok())
                .map_or(NOT_EXECUTED, |place| REFUSED + place)
                .into()
        }
    }
}

/// Tries every way out of the walls that a launcher built around this very program, and writes a line for each: its name
/// and the error number, 0 where it was open. The argument is the process to attack.
#[must_use]
pub fn probe(arguments: &[OsString]) -> ExitCode {
    let parent = arguments.first().and_then(|word| word.to_str()?.parse().ok());
    let tried = probe::try_as_program(parent.unwrap_or(1));
    let lines: String =
        tried.iter().map(|tried| format!("{} {}\n", tried.what, tried.errno)).collect();
    print!("{lines}");
    // Last: who is denied nothing would end here.
    jail::alarm(0);
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_launcher_is_told_is_read_unchanged() {
        for mode in [JailMode::Required, JailMode::Reduced] {
            let limits = JailLimits { memory_bytes: 1 << 33, processor_seconds: 7 };
            let told = Told { limits, wall_seconds: 9, mode };
            assert_eq!(Told::read(&told.words().map(OsString::from)), Some(told));
        }
        assert_eq!(Told::read(&[OsString::from("1")]), None);
    }

    #[test]
    fn each_missing_wall_has_a_code_that_no_program_ends_with() {
        assert_eq!(refusal(99), Some(None));
        for (place, why) in (100..).zip(Refused::ALL) {
            assert_eq!(refusal(place), Some(Some(why)));
        }
        for code in [0, 1, 69, 98, 123, 255] {
            assert_eq!(refusal(code), None, "{code}");
        }
    }
}
