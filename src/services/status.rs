//! The one way out with an error: refusals, their reasons, and the gRPC status each becomes.

use std::collections::HashMap;
use std::time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// `ErrorInfo.domain` of every refusal.
pub const DOMAIN: &str = "bulwark.dev";

/// Metadata by which gRPC clients learn when to try again, in milliseconds (gRFC A6).
pub const PUSHBACK: &str = "grpc-retry-pushback-ms";

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $code:ident;)*) => {
        /// Why a call was refused: `ErrorInfo.reason`, a closed list and part of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text in `ErrorInfo.reason`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The canonical code that a refusal for this reason carries.
            #[must_use]
            pub const fn code(self) -> Code {
                match self {
                    $(Self::$name => Code::$code,)*
                }
            }
        }
    };
}

reasons! {
    /// No credential came with the call.
    CredentialMissing = "CREDENTIAL_MISSING", Unauthenticated;
    /// The credential is unknown, wrong, ended or withdrawn; which of them is not said.
    CredentialInvalid = "CREDENTIAL_INVALID", Unauthenticated;
    /// The credential has none of the roles that the rpc needs.
    RoleMissing = "ROLE_MISSING", PermissionDenied;
    /// The tenant's use of the service has ended.
    TenantRevoked = "TENANT_REVOKED", PermissionDenied;
    /// The rpc is not part of this contract.
    MethodUnknown = "METHOD_UNKNOWN", Unimplemented;
    /// The message is compressed in a way the service does not read.
    CompressionUnsupported = "COMPRESSION_UNSUPPORTED", Unimplemented;
    /// The bytes are not a message of the declared type.
    MessageMalformed = "MESSAGE_MALFORMED", InvalidArgument;
    /// One or more fields are wrong; `BadRequest` names all of them.
    FieldInvalid = "FIELD_INVALID", InvalidArgument;
    /// The `request_id` was used before with other content.
    RequestIdReused = "REQUEST_ID_REUSED", FailedPrecondition;
    /// The named thing does not exist for this caller.
    NotFound = "NOT_FOUND", NotFound;
    /// A thing of that name exists.
    AlreadyExists = "ALREADY_EXISTS", AlreadyExists;
    /// The record was changed since it was read.
    EtagMismatch = "ETAG_MISMATCH", Aborted;
    /// The surface was withdrawn.
    SurfaceRevoked = "SURFACE_REVOKED", FailedPrecondition;
    /// The index has not yet reached the state that the call asked for.
    IndexBehind = "INDEX_BEHIND", Unavailable;
    /// The service has as much work as it can do.
    OverCapacity = "OVER_CAPACITY", ResourceExhausted;
    /// One message is longer than the rpc takes.
    MessageTooLarge = "MESSAGE_TOO_LARGE", OutOfRange;
    /// The upload as a whole is longer than is taken.
    UploadTooLarge = "UPLOAD_TOO_LARGE", OutOfRange;
    /// The caller's or the service's time limit passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded;
    /// Nothing, or only part of a message, came for too long.
    StreamIdle = "STREAM_IDLE", DeadlineExceeded;
    /// The store that the call needs does not answer.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable;
    /// A process that keeps another part of the banks does not answer.
    ShardUnavailable = "SHARD_UNAVAILABLE", Unavailable;
    /// The local spool that stands in for the store is full.
    SpoolFull = "SPOOL_FULL", Unavailable;
    /// A process of an earlier version shares the store and would not understand the change.
    UpgradeUnfinished = "UPGRADE_UNFINISHED", Unavailable;
    /// It is not set where backups go.
    BackupNotSet = "BACKUP_NOT_SET", FailedPrecondition;
    /// Another backup is being made.
    BackupRunning = "BACKUP_RUNNING", FailedPrecondition;
    /// A backup could not be made.
    BackupFailed = "BACKUP_FAILED", FailedPrecondition;
    /// A stream's messages came out of their order.
    StreamOrder = "STREAM_ORDER", InvalidArgument;
    /// The entry was removed for good and cannot come back.
    EntryTombstoned = "ENTRY_TOMBSTONED", FailedPrecondition;
    /// The caller is no partner, or its agreement does not reach so far.
    OutOfScope = "OUT_OF_SCOPE", PermissionDenied;
    /// A delta is not accepted.
    DeltaRefused = "DELTA_REFUSED", FailedPrecondition;
    /// The place that the caller names is not in this journal.
    CursorUnknown = "CURSOR_UNKNOWN", FailedPrecondition;
    /// The stream was cut.
    StreamCut = "STREAM_CUT", FailedPrecondition;
    /// The stream cannot be resumed.
    ResumeRefused = "RESUME_REFUSED", FailedPrecondition;
    /// The service is about to stop; another replica will answer.
    Draining = "DRAINING", Unavailable;
    /// A fault of the service itself; its log says more.
    Internal = "INTERNAL", Internal;
}

impl Reason {
    /// How long a caller should wait before the same call, where trying again can help.
    ///
    /// Some for every reason of code UNAVAILABLE or RESOURCE_EXHAUSTED, none for others.
    #[must_use]
    pub const fn default_retry(self) -> Option<Duration> {
        match self.code() {
            Code::Unavailable | Code::ResourceExhausted => match self {
                Self::OverCapacity => Some(Duration::from_millis(500)),
                Self::IndexBehind => Some(Duration::from_millis(200)),
                Self::UpgradeUnfinished => Some(Duration::from_secs(5)),
                _ => Some(Duration::from_secs(1)),
            },
            _ => None,
        }
    }
}

/// Bytes of bad fields in one refusal. They travel in a header, a third longer, and clients drop calls whose headers
/// are longer than 8 KiB.
const FIELDS_BYTES_MAX: usize = 4096;
/// Bytes around the texts of one field.
const FIELD_FRAME_BYTES: usize = 8;

/// A call's refusal before it is put on the wire.
///
/// The message and all texts in it are for developers of clients: they hold no content, digest,
/// term or key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<Parts>);

/// Kept apart so that a result that may be a refusal stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    reason: Reason,
    message: String,
    fields: Vec<(String, String)>,
    resource: Option<(&'static str, String)>,
    preconditions: Vec<(&'static str, String, String)>,
    quota: Option<&'static str>,
    retry_after: Option<Duration>,
    metadata: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal for `reason`, explained by `message` (lower case, no full stop).
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            message: message.into(),
            fields: Vec::new(),
            resource: None,
            preconditions: Vec::new(),
            quota: None,
            retry_after: reason.default_retry(),
            metadata: Vec::new(),
        }))
    }

    /// A refusal for want of capacity: the setting `limit`, as `limits.in_flight_calls`, is reached.
    #[must_use]
    pub fn over(limit: &'static str, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(Reason::OverCapacity, message);
        refusal.0.quota = Some(limit);
        refusal
    }

    /// A refusal that names every bad field by path, as `("signals[3].value", "must not be empty")`; of very many
    /// the first, with the count of the others as `fields_more`.
    #[must_use]
    pub fn fields(mut fields: Vec<(String, String)>) -> Self {
        let all = fields.len();
        let mut bytes = 0;
        let fitting = fields.iter().take_while(|(path, problem)| {
            bytes += path.len() + problem.len() + FIELD_FRAME_BYTES;
            bytes <= FIELDS_BYTES_MAX
        });
        // One at least: a path is never long.
        let named = fitting.count().max(1);
        fields.truncate(named);
        let message = match fields.as_slice() {
            [(path, problem)] if all == 1 => format!("{path} {problem}"),
            _ if named < all => format!("{all} fields are wrong, of which {named} are named"),
            _ => format!("{all} fields are wrong"),
        };
        let mut refusal = Self::new(Reason::FieldInvalid, message);
        refusal.0.fields = fields;
        if named < all { refusal.with("fields_more", all - named) } else { refusal }
    }

    /// A refusal for the thing `name` of type `kind`, as `("bank", "known-images")`.
    #[must_use]
    pub fn resource(reason: Reason, kind: &'static str, name: impl Into<String>) -> Self {
        let name = name.into();
        let message = match reason {
            Reason::NotFound => format!("{kind} not found"),
            Reason::AlreadyExists => format!("{kind} exists"),
            Reason::EtagMismatch => format!("{kind} was changed since it was read"),
            _ => format!("{kind} cannot be used for this"),
        };
        let mut refusal = Self::new(reason, message);
        refusal.0.resource = Some((kind, name));
        refusal
    }

    /// Adds what must be true first: its type (`"LEGAL_BASIS"`), subject and description.
    #[must_use]
    pub fn precondition(
        mut self,
        kind: &'static str,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.0.preconditions.push((kind, subject.into(), description.into()));
        self
    }

    /// Changes after how long the same call may succeed.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Adds a pair to `ErrorInfo.metadata`: a limit's name or size, never anything a caller sent.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.0.metadata.push((key, value.to_string()));
        self
    }

    /// Why the call is refused.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Why the call is refused, in words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// After how long the same call may succeed, where trying again can help.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    fn details(&self) -> ErrorDetails {
        let pairs: HashMap<String, String> =
            self.0.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let mut details = ErrorDetails::with_error_info(self.0.reason.as_str(), DOMAIN, pairs);
        if !self.0.fields.is_empty() {
            let fields: Vec<FieldViolation> = self
                .0
                .fields
                .iter()
                .map(|(path, problem)| FieldViolation::new(path.clone(), problem.clone()))
                .collect();
            details.set_bad_request(fields);
        }
        if let Some((kind, name)) = &self.0.resource {
            details.set_resource_info(*kind, name.clone(), "", self.0.message.clone());
        }
        for (kind, subject, description) in &self.0.preconditions {
            details.add_precondition_failure_violation(*kind, subject, description);
        }
        if let Some(limit) = self.0.quota {
            details.add_quota_failure_violation(limit, self.0.message.clone());
        }
        if let Some(delay) = self.0.retry_after {
            details.set_retry_info(Some(delay));
        }
        details
    }
}

/// The refusal of a request's key that was used with other content.
#[must_use]
pub fn reused() -> Refusal {
    Refusal::new(Reason::RequestIdReused, "the request_id was used before with other content")
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut status = Self::with_error_details(
            refusal.0.reason.code(),
            refusal.0.message.clone(),
            refusal.details(),
        );
        if let Some(delay) = refusal.0.retry_after {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            status.metadata_mut().insert(PUSHBACK, MetadataValue::from(millis));
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_name_in_capitals() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            let text = reason.as_str();
            assert!(text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{text}");
            assert!(seen.insert(text), "{text} is used twice");
        }
    }

    #[test]
    fn every_refusal_says_why_and_whether_to_try_again() {
        for reason in Reason::ALL {
            let status = Status::from(Refusal::new(*reason, "because"));
            let info = status.get_details_error_info().expect("has ErrorInfo");
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason.as_str(), DOMAIN));
            assert_ne!(status.code(), Code::Ok);
            let retryable = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
            assert_eq!(status.get_details_retry_info().is_some(), retryable, "{reason:?}");
            assert_eq!(status.metadata().contains_key(PUSHBACK), retryable, "{reason:?}");
        }
    }

    /// The first word of every reason's comment in the contract, by the reason's name.
    fn contract() -> HashMap<String, String> {
        let set: prost_types::FileDescriptorSet =
            prost::Message::decode(crate::proto::FILE_DESCRIPTOR_SET).expect("descriptor set");
        let file = set
            .file
            .iter()
            .find(|file| file.name() == "bulwark/v1/error_reason.proto")
            .expect("in the contract");
        let comment = |value: usize| {
            let path = [5, 0, 2, i32::try_from(value).expect("few")];
            let places = &file.source_code_info.as_ref().expect("with comments").location;
            let place = places.iter().find(|place| place.path == path).expect("has a place");
            place.leading_comments().trim().split('.').next().unwrap_or_default().to_owned()
        };
        let values = file.enum_type[0].value.iter().enumerate().skip(1);
        values.map(|(at, value)| (value.name().replace("ERROR_REASON_", ""), comment(at))).collect()
    }

    #[test]
    fn the_reasons_and_their_codes_are_those_of_the_contract() {
        let ours = Reason::ALL.iter().map(|reason| {
            let code = format!("{:?}", reason.code());
            (reason.as_str().to_owned(), code.to_ascii_uppercase())
        });
        let theirs =
            contract().into_iter().map(|(name, code)| (name, code.replace('_', ""))).collect();
        assert_eq!(ours.collect::<HashMap<_, _>>(), theirs);
    }

    #[test]
    fn a_limit_that_is_reached_is_named() {
        let status = Status::from(Refusal::over("limits.in_flight_calls", "too many calls"));
        let quota = status.get_details_quota_failure().expect("has QuotaFailure");
        assert_eq!(quota.violations[0].subject, "limits.in_flight_calls");
        assert_eq!(status.code(), Code::ResourceExhausted);
    }

    #[test]
    fn all_bad_fields_are_named() {
        let status = Status::from(Refusal::fields(vec![
            ("signals[0].value".into(), "must not be empty".into()),
            ("surface".into(), "must be set".into()),
        ]));
        let named = status.get_details_bad_request().expect("has BadRequest").field_violations;
        assert_eq!(
            named.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(),
            ["signals[0].value", "surface"]
        );
        assert_eq!(status.code(), Code::InvalidArgument);
    }

    #[test]
    fn very_many_bad_fields_fit_a_header_and_those_not_named_are_counted() {
        let fault = |n| (format!("signals[{n}].value"), "must be 64 hexadecimal digits".to_owned());
        let status = Status::from(Refusal::fields((0..1000).map(fault).collect()));
        assert!(status.details().len() * 4 / 3 < 7 << 10, "{}", status.details().len());
        let named = status.get_details_bad_request().expect("has BadRequest").field_violations;
        assert!(named.len() > 50, "{}", named.len());
        assert_eq!(named[0].field, "signals[0].value");
        let more = &status.get_details_error_info().expect("has ErrorInfo").metadata["fields_more"];
        assert_eq!(more.parse(), Ok(1000 - named.len()));
    }

    #[test]
    fn a_missing_thing_is_named_by_kind() {
        let status = Status::from(Refusal::resource(Reason::NotFound, "bank", "known-images"));
        let resource = status.get_details_resource_info().expect("has ResourceInfo");
        assert_eq!(
            (resource.resource_type.as_str(), resource.resource_name.as_str()),
            ("bank", "known-images")
        );
        assert_eq!(status.message(), "bank not found");
    }
}
