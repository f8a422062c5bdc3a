//! Words of policy and verdict that are plain choices, between the wire and the core.
//!
//! Reading refuses what it does not know wherever a guess could make a policy more lenient.

use crate::core::access::Environment;
use crate::core::bank::EntryState;
use crate::core::policy::{SurfaceKind, Visibility};
use crate::core::verdict::{Check, CheckState, Disposition, OnIncomplete};
use crate::proto::v1;
use crate::services::words::fields::Fields;

/// Writes where an entry stands.
#[must_use]
pub const fn write_entry_state(state: EntryState) -> v1::EntryState {
    match state {
        EntryState::Proposed => v1::EntryState::Proposed,
        EntryState::Quarantined => v1::EntryState::Quarantined,
        EntryState::Trial => v1::EntryState::Trial,
        EntryState::Active => v1::EntryState::Active,
        EntryState::Disputed => v1::EntryState::Disputed,
        EntryState::Retired => v1::EntryState::Retired,
        EntryState::Removed => v1::EntryState::Removed,
    }
}

/// Declares reading and writing of one enum: every core value has one wire value and the reverse.
macro_rules! choice {
    ($(#[$doc:meta])* $read:ident, $(#[$wdoc:meta])* $write:ident, $core:ident = $wire:ident { $($value:ident = $other:ident),* $(,)? }) => {
        $(#[$doc])*
        pub fn $read(fields: &mut Fields, path: &str, number: i32) -> Option<$core> {
            match v1::$wire::try_from(number) {
                $(Ok(v1::$wire::$other) => Some($core::$value),)*
                Ok(v1::$wire::Unspecified) => {
                    fields.fault(path, "must be set");
                    None
                }
                Err(_) => {
                    fields.fault(path, "must be a value that this version knows");
                    None
                }
            }
        }

        $(#[$wdoc])*
        #[must_use]
        pub const fn $write(value: $core) -> v1::$wire {
            match value {
                $($core::$value => v1::$wire::$other,)*
            }
        }
    };
}

choice! {
    /// Reads a disposition.
    read_disposition,
    /// Writes a disposition.
    write_disposition,
    Disposition = Disposition {
        Allow = Allow, AllowWithFriction = AllowWithFriction, Hold = Hold, Block = Block,
        Interrupt = Interrupt,
    }
}

choice! {
    /// Reads a check.
    read_check,
    /// Writes a check.
    write_check,
    Check = Check {
        ExactMatch = ExactMatch, ImageMatch = ImageMatch, VideoMatch = VideoMatch,
        ExternalScore = ExternalScore, AdviceMatch = AdviceMatch,
    }
}

choice! {
    /// Reads the rule for incomplete checks.
    read_on_incomplete,
    /// Writes the rule for incomplete checks.
    write_on_incomplete,
    OnIncomplete = OnIncomplete { Hold = Hold, AllowAndRecheck = AllowAndRecheck, Block = Block }
}

choice! {
    /// Reads an environment.
    read_environment,
    /// Writes an environment.
    write_environment,
    Environment = Environment { Test = Test, Production = Production }
}

choice! {
    /// Reads a kind of surface where a record is made of it: what is not known is refused.
    read_surface_kind_strictly,
    /// Writes a kind of surface.
    write_surface_kind,
    SurfaceKind = SurfaceKind {
        Upload = Upload, Profile = Profile, DirectMessage = DirectMessage,
        GroupMessage = GroupMessage, Live = Live, Search = Search, Link = Link, Storage = Storage,
        Generated = Generated,
    }
}

/// Reads the kind of surface of a call: one that is not known is UPLOAD, so that a newer client is answered strictly
/// rather than not at all.
pub fn read_surface_kind(fields: &mut Fields, path: &str, number: i32) -> Option<SurfaceKind> {
    if v1::SurfaceKind::try_from(number).is_err() {
        return Some(SurfaceKind::Upload);
    }
    read_surface_kind_strictly(fields, path, number)
}

/// Reads a visibility: one that is not known is PRIVATE, for which a surface may ask a legal basis.
pub fn read_visibility(fields: &mut Fields, path: &str, number: i32) -> Option<Visibility> {
    use v1::Visibility as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Public) => Some(Visibility::Public),
        Ok(Wire::SemiPublic) => Some(Visibility::SemiPublic),
        Ok(Wire::Private) | Err(_) => Some(Visibility::Private),
        Ok(Wire::EndToEndEncrypted) => Some(Visibility::EndToEndEncrypted),
        Ok(Wire::Unspecified) => {
            fields.fault(path, "must be set");
            None
        }
    }
}

/// Writes the state of a check.
#[must_use]
pub const fn write_check_state(state: CheckState) -> v1::CheckState {
    use v1::CheckState as Wire;
    match state {
        CheckState::Checked => Wire::Checked,
        CheckState::NotApplicable => Wire::NotApplicable,
        CheckState::UnsupportedFormat => Wire::UnsupportedFormat,
        CheckState::TooLarge => Wire::TooLarge,
        CheckState::TooSmall => Wire::TooSmall,
        CheckState::Corrupt => Wire::Corrupt,
        CheckState::QualityTooLow => Wire::QualityTooLow,
        CheckState::SourceUnavailable => Wire::SourceUnavailable,
        CheckState::IndexStale => Wire::IndexStale,
        CheckState::Deadline => Wire::Deadline,
        CheckState::Shed => Wire::Shed,
        CheckState::NotExpanded => Wire::NotExpanded,
        CheckState::Encrypted => Wire::Encrypted,
        CheckState::Disabled => Wire::Disabled,
        CheckState::NoLegalBasis => Wire::NoLegalBasis,
    }
}
