//! Words of the contract as people type and read them.

use crate::proto::v1::{
    BankMode, BankRole, Check, CheckState, Dihedral, Disposition, EntryState, Environment, Form,
    ImportFormat, OnIncomplete, OpinionValue, Role, SignalType, SurfaceKind, Visibility,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};

macro_rules! words {
    ($($(#[$doc:meta])* $table:ident: $kind:ty = { $($text:literal = $value:expr,)* })*) => {
        $($(#[$doc])* pub const $table: &[(&str, $kind)] = &[$(($text, $value)),*];)*
    };
}

words! {
    /// Kinds of place.
    SURFACES: SurfaceKind = {
        "upload" = SurfaceKind::Upload,
        "profile" = SurfaceKind::Profile,
        "direct-message" = SurfaceKind::DirectMessage,
        "group-message" = SurfaceKind::GroupMessage,
        "live" = SurfaceKind::Live,
        "search" = SurfaceKind::Search,
        "link" = SurfaceKind::Link,
        "storage" = SurfaceKind::Storage,
        "generated" = SurfaceKind::Generated,
    }
    /// Who can see an item.
    VISIBILITIES: Visibility = {
        "public" = Visibility::Public,
        "semi-public" = Visibility::SemiPublic,
        "private" = Visibility::Private,
        "end-to-end-encrypted" = Visibility::EndToEndEncrypted,
    }
    /// What a match with a bank means.
    BANK_ROLES: BankRole = { "positive" = BankRole::Positive, "negative" = BankRole::Negative, }
    /// Whether a bank's findings count.
    BANK_MODES: BankMode = { "enforce" = BankMode::Enforce, "shadow" = BankMode::Shadow, }
    /// Whether calls can have consequences outside.
    ENVIRONMENTS: Environment = {
        "test" = Environment::Test,
        "production" = Environment::Production,
    }
    /// What a credential may be used for.
    ROLES: Role = {
        "screener" = Role::Screener,
        "bank-manager" = Role::BankManager,
        "reviewer" = Role::Reviewer,
        "child-safety-reviewer" = Role::ChildSafetyReviewer,
        "reporter" = Role::Reporter,
        "evidence-custodian" = Role::EvidenceCustodian,
        "exchange-partner" = Role::ExchangePartner,
        "auditor" = Role::Auditor,
        "admin" = Role::Admin,
    }
    /// What can happen to an item.
    DISPOSITIONS: Disposition = {
        "ALLOW" = Disposition::Allow,
        "ALLOW_WITH_FRICTION" = Disposition::AllowWithFriction,
        "HOLD" = Disposition::Hold,
        "BLOCK" = Disposition::Block,
        "INTERRUPT" = Disposition::Interrupt,
    }
    /// Kinds of indicator that the service compares.
    SIGNALS: SignalType = {
        "md5" = SignalType::Md5,
        "sha1" = SignalType::Sha1,
        "sha256" = SignalType::Sha256,
        "pdq" = SignalType::Pdq,
        "vpdq_frame" = SignalType::VpdqFrame,
        "photodna" = SignalType::Photodna,
        "account" = SignalType::Account,
        "url" = SignalType::Url,
        "term" = SignalType::Term,
        "tactic" = SignalType::Tactic,
    }
    /// How files of signals are written.
    IMPORT_FORMATS: ImportFormat = {
        "text" = ImportFormat::Text,
        "csv" = ImportFormat::Csv,
        "ncmec" = ImportFormat::Ncmec,
        "vics" = ImportFormat::Vics,
        "stopncii" = ImportFormat::Stopncii,
        "threatexchange" = ImportFormat::ThreatExchange,
        "arachnid" = ImportFormat::Arachnid,
    }
    /// Where new entries can stand.
    ENTRY_STATES: EntryState = {
        "proposed" = EntryState::Proposed,
        "trial" = EntryState::Trial,
        "active" = EntryState::Active,
        "disputed" = EntryState::Disputed,
    }
    /// Where entries of others can enter.
    ENTERING: EntryState = {
        "proposed" = EntryState::Proposed,
        "trial" = EntryState::Trial,
        "active" = EntryState::Active,
    }
    /// What people say of entries.
    OPINIONS: OpinionValue = {
        "negative" = OpinionValue::Negative,
        "seed" = OpinionValue::Seed,
        "positive" = OpinionValue::Positive,
    }
}

/// Reads one of the words on the command line; clap names them all where another was typed.
pub fn one_of<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word))
        .try_map(move |typed| find(words, &typed).ok_or("not one of the words"))
}

/// The value of a word.
#[must_use]
pub fn find<T: Copy>(words: &[(&str, T)], typed: &str) -> Option<T> {
    words.iter().find(|(word, _)| *word == typed).map(|(_, value)| *value)
}

/// What an answer's disposition asks for; an unknown one is BLOCK and none is HOLD, as the contract says.
#[must_use]
pub fn disposition(number: i32) -> Disposition {
    match Disposition::try_from(number) {
        Ok(Disposition::Unspecified) => Disposition::Hold,
        Ok(known) => known,
        Err(_) => Disposition::Block,
    }
}

/// A name of the contract without its prefix.
fn bare(name: &'static str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

macro_rules! names {
    ($($(#[$doc:meta])* $function:ident: $kind:ty, $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $function(number: i32) -> String {
                match <$kind>::try_from(number) {
                    Ok(known) => bare(known.as_str_name(), $prefix),
                    Err(_) => format!("UNKNOWN_{number}"),
                }
            }
        )*
    };
}

names! {
    /// Name of a disposition as it was sent.
    disposition_name: Disposition, "DISPOSITION_";
    /// Name of an assurance.
    assurance_name: crate::proto::v1::Assurance, "ASSURANCE_";
    /// Name of a check.
    check_name: Check, "CHECK_";
    /// Name of what became of a check.
    state_name: CheckState, "CHECK_STATE_";
    /// Name of a form of a picture.
    form_name: Form, "FORM_";
    /// Name of a symmetry.
    dihedral_name: Dihedral, "DIHEDRAL_";
    /// Name of how two videos are alike.
    likeness_name: crate::proto::v1::VideoLikeness, "VIDEO_LIKENESS_";
    /// Name of the rule for what was not carried out.
    incomplete_name: OnIncomplete, "ON_INCOMPLETE_";
    /// Name of whether a verdict is on record.
    record_name: crate::proto::v1::Record, "RECORD_";
    /// Name of a bank's role.
    bank_role_name: BankRole, "BANK_ROLE_";
    /// Name of a bank's mode.
    bank_mode_name: BankMode, "BANK_MODE_";
    /// Name of a role.
    role_name: Role, "ROLE_";
    /// Name of an environment.
    environment_name: Environment, "ENVIRONMENT_";
    /// Name of where an entry stands.
    entry_state_name: EntryState, "ENTRY_STATE_";
    /// Name of what a party says of an entry.
    opinion_name: OpinionValue, "OPINION_VALUE_";
    /// Name of what opinions come to.
    merged_name: crate::proto::v1::MergedOpinion, "MERGED_OPINION_";
    /// Name of what set an entry aside.
    guard_name: crate::proto::v1::Guard, "GUARD_";
    /// Name of what an exchange is doing.
    exchange_state_name: crate::proto::v1::ExchangeState, "EXCHANGE_STATE_";
    /// Name of a signal's type.
    signal_type_name: SignalType, "SIGNAL_TYPE_";
}

/// Name of a signal's type, which a source may have defined.
#[must_use]
pub fn signal_name(number: i32, custom: &str) -> String {
    if custom.is_empty() { signal_type_name(number) } else { custom.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disposition_of_a_later_version_is_taken_as_block() {
        assert_eq!(disposition(99), Disposition::Block);
        assert_eq!(disposition(0), Disposition::Hold);
        assert_eq!(disposition(1), Disposition::Allow);
    }

    #[test]
    fn names_are_those_of_the_contract_without_prefix() {
        assert_eq!(disposition_name(Disposition::AllowWithFriction.into()), "ALLOW_WITH_FRICTION");
        assert_eq!(state_name(77), "UNKNOWN_77");
    }
}
