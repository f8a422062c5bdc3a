//! How a command ends when it cannot do what was asked, said so that a person knows what to do.

use crate::proto::v1::ErrorReason;
use std::fmt;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Exit code of a command that did what was asked and, for `screen`, found nothing above ALLOW.
pub const DONE: u8 = 0;
/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code of `screen` where something was answered with more than ALLOW.
pub const FOUND: u8 = 3;
/// Exit code of a command that did the rest but could not examine or take something, as a file that cannot be read.
pub const INCOMPLETE: u8 = 4;

/// Why a command ended, and with which exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong and what to do; may have several lines.
    pub text: String,
    /// Exit code of the process.
    pub code: u8,
}

impl Failure {
    /// A failure with [`FAILED`].
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: FAILED }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::new(told(&status))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("cannot write the answer: {error}"))
    }
}

/// The delay that a refusal asks for before the call is sent again.
#[must_use]
pub fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// What a refusal says: code, reason, every bad field, and what to do.
#[must_use]
pub fn told(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str()).unwrap_or_default();
    let mut text = format!("refused with {:?}", status.code());
    if !reason.is_empty() {
        text = format!("{text}, {reason}");
    }
    if !status.message().is_empty() {
        text = format!("{text}: {}", status.message());
    }
    for bad in details.bad_request().into_iter().flat_map(|found| &found.field_violations) {
        text = format!("{text}\n  {}: {}", bad.field, bad.description);
    }
    for stands in details.precondition_failure().into_iter().flat_map(|found| &found.violations) {
        text = format!("{text}\n  {}: {}", stands.subject, stands.description);
    }
    for limit in details.quota_failure().into_iter().flat_map(|found| &found.violations) {
        text = format!("{text}\n  {}: {}", limit.subject, limit.description);
    }
    if let Some(named) = details.resource_info() {
        text = format!("{text}\n  {} {}", named.resource_type, named.resource_name);
    }
    let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}"));
    match known.map_or_else(|| advice_for_code(status.code()), advice) {
        "" => text,
        advice => format!("{text}\n  {advice}"),
    }
}

/// What to do about a refusal; empty where the details say it all.
const fn advice(reason: ErrorReason) -> &'static str {
    match reason {
        ErrorReason::CredentialMissing => {
            "give a key with --key-file, --key or BULWARK_KEY, or a certificate with --cert and --client-key"
        }
        ErrorReason::CredentialInvalid => {
            "the key is unknown, has ended or was revoked; ask for another"
        }
        ErrorReason::RoleMissing => "use a key whose roles the command needs",
        ErrorReason::TenantRevoked => "the tenant was revoked; ask the operator",
        ErrorReason::EtagMismatch => "it was changed meanwhile; look again and decide again",
        ErrorReason::MessageTooLarge | ErrorReason::UploadTooLarge => {
            "the server takes no more in one piece; it was not examined, so treat it as held"
        }
        ErrorReason::DeadlineExceeded => "allow more time with --timeout",
        ErrorReason::SurfaceRevoked => "name another surface; nothing was examined",
        ErrorReason::EntryTombstoned => "it was removed from the bank on purpose",
        ErrorReason::IndexBehind
        | ErrorReason::OverCapacity
        | ErrorReason::StoreUnavailable
        | ErrorReason::ShardUnavailable
        | ErrorReason::SpoolFull
        | ErrorReason::UpgradeUnfinished
        | ErrorReason::Draining => "try again later, or allow more time with --timeout",
        ErrorReason::MethodUnknown
        | ErrorReason::MessageMalformed
        | ErrorReason::CompressionUnsupported => "the server is of another version",
        ErrorReason::BackupNotSet => "set backup.folder and backup.passphrase_file where it runs",
        ErrorReason::BackupRunning => "wait until that one has ended",
        ErrorReason::BackupFailed => "look into the server's log",
        ErrorReason::OutOfScope => "let two people put the agreement, and ask for what it covers",
        ErrorReason::DeltaRefused => "look which delta was heard last",
        ErrorReason::CursorUnknown => "begin anew: the other side was set back",
        ErrorReason::StreamCut => "show nothing of it: what was cut never plays again",
        ErrorReason::ResumeRefused => "begin to guard the stream anew",
        ErrorReason::StreamIdle => "the connection stood still; send again",
        ErrorReason::Internal => "look into the server's log",
        ErrorReason::Unspecified
        | ErrorReason::FieldInvalid
        | ErrorReason::RequestIdReused
        | ErrorReason::NotFound
        | ErrorReason::AlreadyExists
        | ErrorReason::StreamOrder => "",
    }
}

const fn advice_for_code(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "is the server running, and is --server its address?",
        Code::DeadlineExceeded => "allow more time with --timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn every_bad_field_is_told() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "FIELD_INVALID",
            "bulwark.dev",
            Vec::<(String, String)>::new().into_iter().collect::<std::collections::HashMap<_, _>>(),
        );
        details.add_bad_request_violation("bank_id", "must be given");
        details.add_bad_request_violation("bank.role", "must be given");
        let text = told(&Status::with_error_details(Code::InvalidArgument, "2 fields", details));
        assert_eq!(
            text,
            "refused with InvalidArgument, FIELD_INVALID: 2 fields\n  bank_id: must be given\n  bank.role: must be given"
        );
    }

    #[test]
    fn a_missing_key_is_answered_with_how_to_give_one() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "CREDENTIAL_MISSING",
            "bulwark.dev",
            std::collections::HashMap::new(),
        );
        let text = told(&Status::with_error_details(Code::Unauthenticated, "no key", details));
        assert!(text.contains("--key-file"), "{text}");
    }

    #[test]
    fn a_delay_is_read_from_retry_info() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(70)));
        let status = Status::with_error_details(Code::Unavailable, "", details);
        assert_eq!(retry_delay(&status), Some(Duration::from_millis(70)));
        assert_eq!(retry_delay(&Status::unavailable("")), None);
    }
}
