//! The one table of calls: who may make each, how big, how long, and what gives way first.

use crate::core::access::Role;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a credential.
    Open,
    /// Everybody with a credential.
    Known,
    /// Credentials with one of these roles.
    Roles(&'static [Role]),
    /// Processes of the same deployment, by the key of their key ring.
    Shards,
}

/// What gives way first when there is too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Lists, imports, comparisons: can be done later.
    Deferrable,
    /// Changes, and reads of single things.
    Change,
    /// Content waits for the answer.
    Screening,
    /// Content waits for the answer at another process: it takes no room from calls, which may wait for each other.
    Shard,
    /// Probes: never shed together with the work they watch, but few at a time.
    Probe,
    /// Probes that stay: they take no room from those that ask once.
    Vigil,
    /// Streams that stay and mostly wait: they take no room from calls.
    Follow,
    /// Live streams that are guarded: they stay as long as somebody broadcasts, and take no room from calls.
    Guard,
}

/// How long a call may take where the caller does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// `limits.deadline_default`.
    Usual,
    /// So long.
    Within(Duration),
    /// `limits.deadline_max`.
    Longest,
    /// As long as what the caller sends keeps coming.
    Sending,
    /// Until the connection ends.
    Endless,
}

/// One call of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rpc {
    /// Path on the wire, `/package.Service/Method`.
    pub path: &'static str,
    /// Who may make it.
    pub access: Access,
    /// What it gives way to.
    pub class: Class,
    /// Size of one message to the service, in bytes.
    pub message_bytes_max: u32,
    /// How long it may take where the caller does not say.
    pub term: Term,
    /// Whether the same call made twice has the effect of one.
    pub idempotent: bool,
}

impl Rpc {
    /// Its service, `package.Service`.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.path.trim_start_matches('/').split('/').next().unwrap_or_default()
    }

    /// How many bytes of memory one byte of a message may come to, where that is not bounded otherwise.
    ///
    /// Pictures and chunks are one long field and stay as they are. Fields within fields spread out: the smallest
    /// signal is two bytes on the wire.
    #[must_use]
    pub const fn spread(&self) -> u32 {
        match self.message_bytes_max {
            MEDIA | CHUNK => 1,
            _ => 32,
        }
    }
}

const MIB: u32 = 1 << 20;
/// A picture of 4 MiB, and what is said about it.
const MEDIA: u32 = 4 * MIB + (64 << 10);
/// 256 signals of 4 KiB, and what is said about them.
const SIGNALS: u32 = MIB + (256 << 10);
/// 1,024 items with several signals each.
const BATCH: u32 = 2 * MIB;
/// A chunk of 64 KiB, and what is said about it.
const CHUNK: u32 = 128 << 10;
/// 4,000 signals, most of them of some dozens of bytes.
const SOUGHT: u32 = 8 * MIB;
/// A probe's question.
const SMALL: u32 = 4 << 10;

use Role::{Admin, Auditor, BankManager, ChildSafetyReviewer, ExchangePartner, Reviewer, Screener};

const SCREENS: Access = Access::Roles(&[Screener]);
const READS_VERDICTS: Access = Access::Roles(&[Screener, Reviewer, ChildSafetyReviewer, Auditor]);
const FOLLOWS: Access = Access::Roles(&[Screener, Reviewer, ChildSafetyReviewer]);
const GUARDS: Access = Access::Roles(&[Screener]);
const CUTS: Access = Access::Roles(&[Reviewer, ChildSafetyReviewer]);
const EXCHANGES: Access = Access::Roles(&[ExchangePartner]);
const CURATES: Access = Access::Roles(&[BankManager]);
const READS_BANKS: Access = Access::Roles(&[BankManager, Auditor]);
const ADMINISTERS: Access = Access::Roles(&[Admin]);
const READS_ADMIN: Access = Access::Roles(&[Admin, Auditor]);

const fn rpc(
    path: &'static str,
    access: Access,
    class: Class,
    message_bytes_max: u32,
    term: Term,
    idempotent: bool,
) -> Rpc {
    Rpc { path, access, class, message_bytes_max, term, idempotent }
}

const fn within(seconds: u64) -> Term {
    Term::Within(Duration::from_secs(seconds))
}

use Class::{Change, Deferrable, Follow, Guard, Probe, Screening, Shard, Vigil};
use Term::{Endless, Longest, Sending, Usual};

/// Every call that the service answers.
pub const RPCS: &[Rpc] = &[
    rpc("/bulwark.v1.ScreeningService/ScreenMedia", SCREENS, Screening, MEDIA, Usual, true),
    rpc("/bulwark.v1.ScreeningService/ScreenUpload", SCREENS, Screening, CHUNK, within(120), true),
    rpc("/bulwark.v1.ScreeningService/ScreenSignals", SCREENS, Screening, SIGNALS, Usual, true),
    rpc(
        "/bulwark.v1.ScreeningService/ScreenSignalsBatch",
        SCREENS,
        Screening,
        BATCH,
        Longest,
        true,
    ),
    rpc("/bulwark.v1.ScreeningService/HashMedia", SCREENS, Change, CHUNK, within(120), true),
    rpc("/bulwark.v1.ScreeningService/ReportExternalScores", SCREENS, Screening, MIB, Usual, true),
    rpc("/bulwark.v1.ScreeningService/RecordOutcome", SCREENS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ScreeningService/GetVerdict", READS_VERDICTS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ScreeningService/WatchLookback", FOLLOWS, Follow, SMALL, Endless, true),
    rpc("/bulwark.v1.ScreeningService/ListClusters", FOLLOWS, Deferrable, SMALL, within(120), true),
    // What must be erased has to come through when much else does not.
    rpc("/bulwark.v1.ScreeningService/ForgetItem", SCREENS, Screening, SMALL, Usual, true),
    rpc("/bulwark.v1.LiveService/GuardStream", GUARDS, Guard, MEDIA, Endless, true),
    rpc("/bulwark.v1.LiveService/ListStreams", FOLLOWS, Deferrable, SMALL, Usual, true),
    // What must not be seen has to be cut when much else does not come through.
    rpc("/bulwark.v1.LiveService/InterruptStream", CUTS, Screening, SMALL, Usual, true),
    rpc("/bulwark.v1.LiveService/WatchInterrupts", FOLLOWS, Follow, SMALL, Endless, true),
    rpc("/bulwark.v1.BankService/CreateBank", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/GetBank", READS_BANKS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/ListBanks", READS_BANKS, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/UpdateBank", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/DeleteBank", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/AddEntry", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/GetEntry", READS_BANKS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/ListEntries", READS_BANKS, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/UpdateEntry", CURATES, Change, MIB, Usual, true),
    // A withdrawal must come through when much else does not.
    rpc("/bulwark.v1.BankService/RemoveEntry", CURATES, Screening, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/ImportEntries", CURATES, Deferrable, MIB, Sending, true),
    rpc("/bulwark.v1.BankService/RecordOpinion", CURATES, Screening, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/ListOpinions", READS_BANKS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/ListQuarantine", READS_BANKS, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/ReleaseFromQuarantine", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/CompareSignals", READS_BANKS, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.BankService/GetIndexStatus", READS_BANKS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/CreateTenant", ADMINISTERS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/GetTenant", READS_ADMIN, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/ListTenants", READS_ADMIN, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/UpdateTenant", ADMINISTERS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/RevokeTenant", ADMINISTERS, Screening, MIB, Usual, true),
    // Not repeatable: the key is shown once.
    rpc("/bulwark.v1.AdminService/CreateCredential", ADMINISTERS, Change, MIB, Usual, false),
    rpc("/bulwark.v1.AdminService/GetCredential", READS_ADMIN, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/ListCredentials", READS_ADMIN, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/UpdateCredential", ADMINISTERS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/RevokeCredential", ADMINISTERS, Screening, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/CreateSurface", ADMINISTERS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/GetSurface", READS_ADMIN, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/ListSurfaces", READS_ADMIN, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/GetHealthDetail", READS_ADMIN, Change, SMALL, Usual, true),
    // Not repeatable: each makes a backup of its own.
    rpc("/bulwark.v1.AdminService/Backup", ADMINISTERS, Deferrable, SMALL, Endless, false),
    rpc("/bulwark.v1.ExchangeService/CreateExchange", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/GetExchange", READS_BANKS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/ListExchanges", READS_BANKS, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/UpdateExchange", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/DeleteExchange", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/SyncExchange", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/GetExchangeStatus", READS_BANKS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/PullSignals", EXCHANGES, Follow, SMALL, Endless, true),
    rpc("/bulwark.v1.ExchangeService/PushSignals", EXCHANGES, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/PushOpinions", EXCHANGES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/ListPartners", READS_BANKS, Deferrable, MIB, Usual, true),
    rpc("/bulwark.v1.ExchangeService/PutPartner", CURATES, Change, MIB, Usual, true),
    rpc("/bulwark.v1.ShardService/LookUp", Access::Shards, Shard, SOUGHT, Usual, true),
    rpc("/bulwark.v1.ShardService/FindGood", Access::Shards, Shard, SOUGHT, Usual, true),
    rpc("/bulwark.v1.ShardService/CountEntries", Access::Shards, Shard, SMALL, Usual, true),
    rpc("/bulwark.v1.AdminService/UpdateSurface", ADMINISTERS, Change, MIB, Usual, true),
    rpc("/bulwark.v1.AdminService/RevokeSurface", ADMINISTERS, Change, MIB, Usual, true),
    rpc("/grpc.health.v1.Health/Check", Access::Open, Probe, SMALL, within(5), true),
    rpc("/grpc.health.v1.Health/Watch", Access::Open, Vigil, SMALL, Endless, true),
    rpc(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Access::Known,
        Probe,
        SMALL,
        within(60),
        true,
    ),
    rpc(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Access::Known,
        Probe,
        SMALL,
        within(60),
        true,
    ),
];

/// The row of the call with this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Rpc> {
    static BY_PATH: LazyLock<HashMap<&'static str, &'static Rpc>> =
        LazyLock::new(|| RPCS.iter().map(|rpc| (rpc.path, rpc)).collect());
    BY_PATH.get(path).copied()
}

/// Paths of all calls that the encoded descriptor set declares.
///
/// # Errors
/// What keeps the bytes from being a descriptor set.
pub fn declared(descriptor_set: &[u8]) -> Result<BTreeSet<String>, prost::DecodeError> {
    let set: prost_types::FileDescriptorSet = prost::Message::decode(descriptor_set)?;
    Ok(set
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
        .flat_map(|(package, service)| {
            service
                .method
                .iter()
                .map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
        })
        .collect())
}

/// How the table and the services `package.…` of an encoded descriptor set differ; empty where they agree.
///
/// # Errors
/// What keeps the bytes from being a descriptor set.
pub fn differences(
    descriptor_set: &[u8],
    package: &str,
) -> Result<Vec<String>, prost::DecodeError> {
    let ours = |path: &str| {
        path.strip_prefix('/')
            .and_then(|path| path.strip_prefix(package))
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let declared = declared(descriptor_set)?;
    let without_row = declared
        .iter()
        .filter(|path| ours(path) && find(path).is_none())
        .map(|path| format!("{path} is declared and has no row"));
    let undeclared = RPCS
        .iter()
        .filter(|rpc| ours(rpc.path) && !declared.contains(rpc.path))
        .map(|rpc| format!("{} has a row and is not declared", rpc.path));
    Ok(without_row.chain(undeclared).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{
        FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
    };

    fn encoded(methods: &[&str]) -> Vec<u8> {
        let method = methods
            .iter()
            .map(|name| MethodDescriptorProto {
                name: Some((*name).to_owned()),
                ..Default::default()
            })
            .collect();
        let service =
            ServiceDescriptorProto { name: Some("Health".into()), method, ..Default::default() };
        let file = FileDescriptorProto {
            package: Some("grpc.health.v1".into()),
            service: vec![service],
            ..Default::default()
        };
        prost::Message::encode_to_vec(&FileDescriptorSet { file: vec![file] })
    }

    #[test]
    fn a_call_without_a_row_and_a_row_without_a_call_are_found() {
        let compare = |methods: &[&str]| {
            differences(&encoded(methods), "grpc.health.v1").expect("descriptor set")
        };
        assert_eq!(compare(&["Check", "Watch"]), Vec::<String>::new());
        assert_eq!(
            compare(&["Check", "Forgotten"]),
            [
                "/grpc.health.v1.Health/Forgotten is declared and has no row",
                "/grpc.health.v1.Health/Watch has a row and is not declared",
            ]
        );
        assert_eq!(differences(&encoded(&["Forgotten"]), "other"), Ok(Vec::new()));
    }

    #[test]
    fn every_call_of_the_contract_has_a_row_and_no_other() {
        let found = differences(crate::proto::FILE_DESCRIPTOR_SET, "bulwark.v1");
        assert_eq!(found.expect("descriptor set"), Vec::<String>::new());
    }

    #[test]
    fn every_path_is_there_once() {
        let paths: BTreeSet<_> = RPCS.iter().map(|rpc| rpc.path).collect();
        assert_eq!(paths.len(), RPCS.len());
        for rpc in RPCS {
            assert_eq!(find(rpc.path), Some(rpc));
        }
        assert_eq!(find("/bulwark.v1.ScreeningService/"), None);
    }

    #[test]
    fn every_declared_call_of_health_and_reflection_has_a_row() {
        for set in [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            let paths = declared(set).expect("descriptor set");
            assert!(!paths.is_empty());
            for path in paths {
                assert!(find(&path).is_some(), "{path} has no row");
            }
        }
    }

    #[test]
    fn only_health_is_open() {
        for rpc in RPCS {
            assert_eq!(
                rpc.access == Access::Open,
                rpc.service() == "grpc.health.v1.Health",
                "{}",
                rpc.path
            );
        }
    }

    #[test]
    fn no_unary_call_of_the_contract_is_bigger_than_its_service_may_take() {
        for rpc in RPCS {
            let limit = match rpc.service() {
                "bulwark.v1.ScreeningService" | "bulwark.v1.LiveService" => MEDIA,
                // Only processes of the same deployment send it.
                "bulwark.v1.ShardService" => SOUGHT,
                _ => MIB,
            };
            assert!(rpc.message_bytes_max <= limit, "{}", rpc.path);
        }
    }
}
