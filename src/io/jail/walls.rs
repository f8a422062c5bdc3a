//! Which walls a jail has, and which of them are required.

use std::fmt;

/// What to do when the kernel cannot give everything that the jail asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JailMode {
    /// Do not work.
    #[default]
    Required,
    /// Work with what there is; has to be asked for by name.
    Reduced,
}

/// Which walls stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    /// Limits of memory, processor time, open files, processes and core dumps are set.
    pub limits: bool,
    /// Every descriptor but the socket and the null device is closed.
    pub files_closed: bool,
    /// The process can gain no privileges.
    pub no_new_privileges: bool,
    /// Others of the same user cannot trace it, and it leaves no core dump.
    pub undumpable: bool,
    /// It lives in a user namespace of its own.
    pub user_namespace: bool,
    /// It lives in an empty network namespace.
    pub network_namespace: bool,
    /// Landlock denies it every file and, as far as this kernel's version goes, network and signals.
    pub landlock: bool,
    /// Only the calls of [`SYSTEM_CALLS`] are let through.
    pub system_calls: bool,
}

/// Why the jail was not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Resource limits could not be set.
    #[error("resource limits cannot be set")]
    Limits,
    /// Inherited descriptors could not be closed.
    #[error("inherited files cannot be closed")]
    FilesOpen,
    /// The kernel does not know, or refuses, `PR_SET_NO_NEW_PRIVS`.
    #[error("the kernel cannot forbid new privileges")]
    Privileges,
    /// The process stays traceable.
    #[error("the kernel cannot make the process undumpable")]
    Dumpable,
    /// The kernel has no system call filter, or not for this processor.
    #[error("the kernel cannot filter system calls")]
    SystemCalls,
    /// The kernel has no Landlock, without which a program that opens files could open any.
    #[error("the kernel cannot confine files")]
    Files,
}

impl Refused {
    /// Every reason, in the order of their numbers on the wire.
    pub const ALL: [Self; 6] = [
        Self::Limits,
        Self::FilesOpen,
        Self::Privileges,
        Self::Dumpable,
        Self::SystemCalls,
        Self::Files,
    ];
}

impl Reached {
    /// The first wall that is required and does not stand.
    ///
    /// Namespaces and Landlock are not among them: many machines forbid them, and the filter alone already denies
    /// every file, socket and process.
    #[must_use]
    pub const fn missing(&self) -> Option<Refused> {
        if !self.limits {
            Some(Refused::Limits)
        } else if !self.files_closed {
            Some(Refused::FilesOpen)
        } else if !self.no_new_privileges {
            Some(Refused::Privileges)
        } else if !self.undumpable {
            Some(Refused::Dumpable)
        } else if !self.system_calls {
            Some(Refused::SystemCalls)
        } else {
            None
        }
    }
}

impl Reached {
    /// The first wall that is required around a program, and does not stand.
    ///
    /// A program opens its libraries by their paths, so that only Landlock keeps it from other files. Executing it makes it
    /// dumpable again.
    #[must_use]
    pub const fn missing_around_program(&self) -> Option<Refused> {
        match (Self { undumpable: true, ..*self }).missing() {
            None if !self.landlock => Some(Refused::Files),
            missing => missing,
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let walls = [
            (self.limits, "limits"),
            (self.files_closed, "files-closed"),
            (self.no_new_privileges, "no-new-privileges"),
            (self.undumpable, "undumpable"),
            (self.user_namespace, "user-namespace"),
            (self.network_namespace, "network-namespace"),
            (self.landlock, "landlock"),
            (self.system_calls, "system-calls"),
        ];
        for (place, (stands, name)) in walls.into_iter().enumerate() {
            let sign = if stands { "+" } else { "-" };
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{sign}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Reached = Reached {
        limits: true,
        files_closed: true,
        no_new_privileges: true,
        undumpable: true,
        user_namespace: false,
        network_namespace: false,
        landlock: false,
        system_calls: true,
    };

    #[test]
    fn each_required_wall_is_missed_by_its_name() {
        assert_eq!(WHOLE.missing(), None, "namespaces and landlock are not required");
        for (reached, missing) in [
            (Reached { limits: false, ..WHOLE }, Refused::Limits),
            (Reached { files_closed: false, ..WHOLE }, Refused::FilesOpen),
            (Reached { no_new_privileges: false, ..WHOLE }, Refused::Privileges),
            (Reached { undumpable: false, ..WHOLE }, Refused::Dumpable),
            (Reached { system_calls: false, ..WHOLE }, Refused::SystemCalls),
        ] {
            assert_eq!(reached.missing(), Some(missing), "{reached}");
        }
    }

    #[test]
    fn a_program_needs_landlock_too_and_cannot_stay_undumpable() {
        let whole = Reached { landlock: true, undumpable: false, ..WHOLE };
        assert_eq!(whole.missing_around_program(), None);
        assert_eq!(WHOLE.missing_around_program(), Some(Refused::Files));
        let unfiltered = Reached { system_calls: false, ..whole };
        assert_eq!(unfiltered.missing_around_program(), Some(Refused::SystemCalls));
    }

    #[test]
    fn the_walls_are_told_in_one_line() {
        assert_eq!(
            WHOLE.to_string(),
            "+limits +files-closed +no-new-privileges +undumpable \
             -user-namespace -network-namespace -landlock +system-calls"
        );
    }
}
