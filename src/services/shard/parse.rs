//! What other processes ask of a shard, read from the wire.

use crate::core::access::Scope;
use crate::core::id::{BankId, EntryId, TenantId};
use crate::core::screening::elsewhere::Sought;
use crate::core::shard::Shard;
use crate::core::signal::Signal;
use crate::proto::v1;
use crate::services::status::{Reason, Refusal};
use crate::services::words::fields::{Fields, within};
use crate::services::words::shard::{SOUGHT_MAX, VIDEOS_MAX};
use crate::services::words::{policy, signal};

/// What is looked for.
pub struct LookUp {
    /// In whose banks.
    pub scope: Scope,
    /// How far the memory should be.
    pub index_min: u64,
    /// The signals.
    pub sought: Vec<Sought>,
    /// Entries whose videos are asked for.
    pub videos: Vec<(BankId, EntryId)>,
}

/// Reads signals to look for.
///
/// # Errors
/// A refusal that names every bad field; [`Reason::ShardUnavailable`] where another shard is asked.
pub fn look_up(sent: v1::LookUpRequest, own: Shard) -> Result<LookUp, Refusal> {
    let mut fields = Fields::default();
    let shard = read_shard(&mut fields, sent.shard);
    let scope = read_scope(&mut fields, &sent.tenant_id, sent.environment);
    let least = usize::from(sent.videos.is_empty());
    let sought = read_all_sought(&mut fields, &sent.signals, least);
    let videos = read_videos(&mut fields, &sent.videos);
    let (shard, (scope, (sought, videos))) =
        fields.done(shard.zip(scope.zip(sought.zip(videos))))?;
    is_own(shard, own)?;
    Ok(LookUp { scope, index_min: sent.min_index, sought, videos })
}

/// What is fired at what is known to be good.
pub struct FindGood {
    /// In whose banks.
    pub scope: Scope,
    /// By the rules of which bank.
    pub bank: BankId,
    /// The signals.
    pub signals: Vec<Signal>,
}

/// Reads signals to fire at what is known to be good.
///
/// # Errors
/// As [`look_up`].
pub fn find_good(sent: v1::FindGoodRequest, own: Shard) -> Result<FindGood, Refusal> {
    let mut fields = Fields::default();
    let shard = read_shard(&mut fields, sent.shard);
    let scope = read_scope(&mut fields, &sent.tenant_id, sent.environment);
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let sought = read_all_sought(&mut fields, &sent.signals, 1);
    let (shard, (scope, (bank, sought))) = fields.done(shard.zip(scope.zip(bank.zip(sought))))?;
    is_own(shard, own)?;
    let signals = sought.into_iter().map(|sought| sought.signal).collect();
    Ok(FindGood { scope, bank, signals })
}

/// Reads whose entries are counted.
///
/// # Errors
/// As [`look_up`].
pub fn count_entries(sent: &v1::CountEntriesRequest, own: Shard) -> Result<Scope, Refusal> {
    let mut fields = Fields::default();
    let shard = read_shard(&mut fields, sent.shard);
    let scope = read_scope(&mut fields, &sent.tenant_id, sent.environment);
    let (shard, scope) = fields.done(shard.zip(scope))?;
    is_own(shard, own)?;
    Ok(scope)
}

fn is_own(shard: Shard, own: Shard) -> Result<(), Refusal> {
    if shard == own {
        return Ok(());
    }
    Err(Refusal::new(Reason::ShardUnavailable, "this process keeps another shard"))
}

fn read_shard(fields: &mut Fields, sent: Option<v1::Shard>) -> Option<Shard> {
    let sent = fields.required("shard", sent)?;
    let number = fields.required("shard.number", (sent.number > 0).then_some(sent.number));
    let count = fields.required("shard.count", (sent.count > 0).then_some(sent.count));
    let shard = Shard::new(number?, count?);
    if shard.is_none() {
        fields.fault("shard", "must be one of at most 1024 shards");
    }
    shard
}

fn read_scope(fields: &mut Fields, tenant: &str, environment: i32) -> Option<Scope> {
    let tenant = fields.name("tenant_id", tenant, TenantId::parse);
    let environment = policy::read_environment(fields, "environment", environment);
    Some(Scope { tenant: tenant?, environment: environment? })
}

fn read_videos(fields: &mut Fields, sent: &[v1::EntryReference]) -> Option<Vec<(BankId, EntryId)>> {
    fields.count("videos", sent.len(), 0, VIDEOS_MAX);
    let read = |(place, sent): (usize, &v1::EntryReference)| {
        let at = |inner| format!("videos[{place}].{inner}");
        let bank = fields.name(at("bank_id"), &sent.bank_id, BankId::parse);
        let entry = fields.name(at("entry_id"), &sent.entry_id, EntryId::parse);
        bank.zip(entry)
    };
    let videos: Vec<_> = sent.iter().take(VIDEOS_MAX).enumerate().map(read).collect();
    videos.into_iter().collect()
}

fn read_all_sought(
    fields: &mut Fields,
    sent: &[v1::SoughtSignal],
    least: usize,
) -> Option<Vec<Sought>> {
    fields.count("signals", sent.len(), least, SOUGHT_MAX);
    let read = |(place, sought): (usize, &v1::SoughtSignal)| {
        read_sought(fields, &format!("signals[{place}]"), sought)
    };
    let sought: Vec<_> = sent.iter().take(SOUGHT_MAX).enumerate().map(read).collect();
    sought.into_iter().collect()
}

fn read_sought(fields: &mut Fields, path: &str, sent: &v1::SoughtSignal) -> Option<Sought> {
    let kind = signal::read_type(fields, path, sent.r#type, &sent.custom_type);
    if sent.value.is_empty() {
        fields.fault(within(path, "value"), "must be set");
    }
    if sent.quality.is_some_and(|quality| quality > 100) {
        fields.fault(within(path, "quality"), "must be from 0 to 100");
    }
    let signal = fields.read(within(path, "value"), Signal::from_bytes(&kind?, &sent.value))?;
    Some(Sought { signal, quality: sent.quality })
}
