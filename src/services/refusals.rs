//! How "no" in the words of the core and of the store becomes a refusal.

use crate::core::refused::{Refused, Thing};
use crate::io::store::backup::NotBegun;
use crate::io::store::{KeepError, StoreError};
use crate::services::status::{Reason, Refusal};
use std::convert::Infallible;
use tonic::Status;

const fn kind(thing: Thing) -> &'static str {
    match thing {
        Thing::Tenant => "tenant",
        Thing::Credential => "credential",
        Thing::Surface => "surface",
        Thing::Bank => "bank",
        Thing::Entry => "entry",
        Thing::Verdict => "verdict",
        Thing::Exchange => "exchange",
        Thing::Partner => "partner",
        Thing::Stream => "stream",
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing(thing, name) => Self::resource(Reason::NotFound, kind(thing), name),
            Refused::Exists(thing, name) => {
                Self::resource(Reason::AlreadyExists, kind(thing), name)
            }
            Refused::Changed(thing, name) => {
                Self::resource(Reason::EtagMismatch, kind(thing), name)
            }
            Refused::Revoked(Thing::Surface, name) => {
                Self::resource(Reason::SurfaceRevoked, "surface", name)
            }
            Refused::Revoked(thing, _) => {
                let (kind, must) = (kind(thing), "must name one that is not revoked".to_owned());
                Self::fields(vec![(format!("{kind}_id"), must)])
            }
            Refused::Tombstoned(entry) => {
                Self::resource(Reason::EntryTombstoned, "entry", entry.to_string())
            }
            Refused::Field(path, must) => Self::fields(vec![(path, must)]),
            Refused::NotAllowed(why) => Self::new(Reason::RoleMissing, why),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SpoolFull => Self::new(Reason::SpoolFull, "the spool is full"),
            StoreError::NotUnderstood { version, .. } => Self::new(
                Reason::UpgradeUnfinished,
                format!("this change waits until the last process of version {version} has ended"),
            ),
            StoreError::Database(_)
            | StoreError::Late
            | StoreError::Away(_)
            | StoreError::Conflict
            | StoreError::OtherKeys
            | StoreError::Url
            | StoreError::NotBuilt
            | StoreError::Occupied
            | StoreError::Full
            | StoreError::OutcomeUnknown
            | StoreError::Failed
            | StoreError::InUse
            | StoreError::Overtaken
            | StoreError::Unfollowable(_)
            | StoreError::Schema { .. }
            | StoreError::LaterEvents { .. }
            | StoreError::Rollback(_)
            | StoreError::Restoring
            | StoreError::Missing
            | StoreError::File(_)
            | StoreError::Keys(_) => {
                Self::new(Reason::StoreUnavailable, "the store does not answer")
            }
            StoreError::Corrupt(_) | StoreError::Broken | StoreError::Unfit(_) => {
                tracing::error!(%error, "the store could not carry a call out");
                Self::new(Reason::Internal, "the store could not carry the call out")
            }
        }
    }
}

impl From<NotBegun> for Refusal {
    fn from(why: NotBegun) -> Self {
        match why {
            NotBegun::NotSet => {
                let refusal = Self::new(Reason::BackupNotSet, "it is not set where backups go");
                ["backup.folder", "backup.passphrase_file"].iter().fold(refusal, |refusal, key| {
                    refusal.precondition(
                        "SETTING",
                        *key,
                        "must be set on the process that is asked",
                    )
                })
            }
            NotBegun::Running => Self::new(Reason::BackupRunning, "another backup is being made"),
            NotBegun::Phrase(_) | NotBegun::Folder(_) | NotBegun::Thread(_) => {
                tracing::error!(error = %why, "a backup could not be begun");
                Self::new(Reason::BackupFailed, "the backup could not be begun; the log says why")
            }
        }
    }
}

impl From<KeepError<Refused>> for Refusal {
    fn from(error: KeepError<Refused>) -> Self {
        match error {
            KeepError::Refused(refused) => refused.into(),
            KeepError::RequestIdReused => crate::services::status::reused(),
            KeepError::Store(error) => error.into(),
        }
    }
}

impl From<KeepError<Infallible>> for Refusal {
    fn from(error: KeepError<Infallible>) -> Self {
        match error {
            KeepError::Refused(never) => match never {},
            KeepError::RequestIdReused => crate::services::status::reused(),
            KeepError::Store(error) => error.into(),
        }
    }
}

/// Declares that a "no" can leave a method by `?`.
macro_rules! leaves_a_method {
    ($($no:ty),* $(,)?) => {$(
        impl From<$no> for Status {
            fn from(no: $no) -> Self {
                Refusal::from(no).into()
            }
        }
    )*};
}

leaves_a_method!(Refused, StoreError);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tonic::Code;
    use tonic_types::StatusExt as _;

    #[test]
    fn what_an_older_process_would_not_understand_is_worth_another_try_and_says_for_whom_it_waits()
    {
        let version = "0.0.9".to_owned();
        let error = StoreError::NotUnderstood { kind: 12, title: "rack-7".into(), version };
        let status = Status::from(Refusal::from(error));
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("0.0.9"), "{}", status.message());
        // What people call their machines is for administrators.
        assert!(!status.message().contains("rack-7"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "UPGRADE_UNFINISHED");
        let again = details.retry_info().unwrap().retry_delay;
        assert_eq!(again, Some(Duration::from_secs(5)));
    }
}
