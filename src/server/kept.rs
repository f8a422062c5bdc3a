//! Figures of the store for `/metrics`, read when they are asked for.

use crate::io::shards::Shards;
use crate::io::store::{SharedFigures, Store, Task};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store: whether its database is away, what waits for it, how far the memory is, what became of its snapshots, what it
/// remembers of items; and what became of asking other shards.
#[derive(Debug)]
pub struct Kept {
    /// The store.
    pub store: Store,
    /// The processes of the other shards; none where this one keeps everything.
    pub shards: Option<Shards>,
}

pub(super) fn say(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    figure: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    figure.encode(to.encode_descriptor(name, help, None, figure.metric_type())?)
}

impl Kept {
    fn encode_shared(
        &self,
        to: &mut DescriptorEncoder<'_>,
        of: SharedFigures,
    ) -> Result<(), std::fmt::Error> {
        let help = "Snapshots that this process shared";
        say(to, "bulwark_snapshot_shared_uploads", help, &ConstCounter::new(of.uploads))?;
        let help =
            "How often the place of shared snapshots could not be used, or gave what is of no use";
        say(to, "bulwark_snapshot_shared_failures", help, &ConstCounter::new(of.failures))?;
        let number = ConstGauge::new(i64::try_from(of.number).unwrap_or(i64::MAX));
        let help = "Journal number of the newest shared snapshot that was seen; 0 for none";
        say(to, "bulwark_snapshot_shared_journal_number", help, &number)?;
        let Some(since) = of.since else { return Ok(()) };
        let age = ConstGauge::new(self.store.clock().now().since(since).as_secs_f64());
        say(to, "bulwark_snapshot_shared_age_seconds", "Time since it was shared", &age)
    }
}

impl Kept {
    fn encode_shards(
        to: &mut DescriptorEncoder<'_>,
        shards: &Shards,
    ) -> Result<(), std::fmt::Error> {
        let of = shards.figures();
        let count = |figure: &AtomicU64| ConstCounter::new(figure.load(Ordering::Relaxed));
        let help = "Questions to processes that keep other shards";
        say(to, "bulwark_shard_questions", help, &count(&of.asked))?;
        let help = "Those that were not answered";
        say(to, "bulwark_shard_questions_unanswered", help, &count(&of.unanswered))?;
        let help = "Those that went to a second process because the first took long";
        say(to, "bulwark_shard_questions_hedged", help, &count(&of.hedged))?;
        let help = "How often a shard had not answered when there was no more time";
        say(to, "bulwark_shard_misses", help, &count(&of.missing))?;
        let bare = shards.holders().iter().filter(|(_, holders)| *holders == 0).count();
        let bare = ConstGauge::new(i64::try_from(bare).unwrap_or(i64::MAX));
        say(to, "bulwark_shards_without_holder", "Other shards that nobody keeps", &bare)
    }
}

impl Kept {
    fn encode_lookback(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let of = self.store.lookback().figures();
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let gauges = [
            (&of.items, "items", "Items that look-back has in memory"),
            (&of.bytes, "memory_bytes", "Bytes of memory that they take"),
            (&of.waiting, "waiting_bytes", "Bytes of items that wait to be written"),
            (&of.searched, "journal_number", "Journal number up to which items were searched"),
            (&of.sweeps, "sweeps", "Banks that are still to be compared with all items"),
        ];
        for (figure, name, help) in gauges {
            let figure = ConstGauge::new(i64::try_from(read(figure)).unwrap_or(i64::MAX));
            say(to, &format!("bulwark_lookback_{name}"), help, &figure)?;
        }
        let counters = [
            (&of.dropped, "dropped", "Items not remembered because too much waited"),
            (&of.crowded, "crowded", "Items not remembered for want of memory"),
            (&of.pairs, "pairs", "Pairs of an item and an entry that were found"),
            (&of.failures, "failures", "Times that the database refused or was not reached"),
        ];
        for (figure, name, help) in counters {
            let figure = ConstCounter::new(read(figure));
            say(to, &format!("bulwark_lookback_{name}"), help, &figure)?;
        }
        Ok(())
    }
}

impl Collector for Kept {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let away = ConstGauge::new(i64::from(self.store.is_away()));
        let help = "1 while the database is away and screening goes on from memory";
        say(&mut to, "bulwark_store_away", help, &away)?;
        let spooled =
            ConstGauge::new(i64::try_from(self.store.spooled_bytes()).unwrap_or(i64::MAX));
        let help = "Bytes of verdicts that wait for the database";
        say(&mut to, "bulwark_store_spooled_bytes", help, &spooled)?;
        let applied = self.store.resident().read().applied();
        let applied = ConstGauge::new(i64::try_from(applied).unwrap_or(i64::MAX));
        let help = "Journal number up to which the index is in step";
        say(&mut to, "bulwark_index_journal_number", help, &applied)?;
        let age = ConstGauge::new(self.store.age().as_secs_f64());
        let help = "Seconds within which the index may have missed what other processes changed";
        say(&mut to, "bulwark_index_age_seconds", help, &age)?;
        let leases = Task::ALL.iter().filter(|task| self.store.lease(**task).is_some()).count();
        let leases = ConstGauge::new(i64::try_from(leases).unwrap_or(i64::MAX));
        let help = "Things that this process does for all that share the database";
        say(&mut to, "bulwark_leases", help, &leases)?;
        let of = self.store.snapshots();
        let (written, failures) = (ConstCounter::new(of.written), ConstCounter::new(of.failures));
        say(&mut to, "bulwark_snapshots_written", "Snapshots written", &written)?;
        let help = "Snapshots that could not be written";
        say(&mut to, "bulwark_snapshot_failures", help, &failures)?;
        let number = ConstGauge::new(i64::try_from(of.number).unwrap_or(i64::MAX));
        let help = "Journal number of the snapshot that a start would use; 0 for none";
        say(&mut to, "bulwark_snapshot_journal_number", help, &number)?;
        let bytes = ConstGauge::new(i64::try_from(of.bytes).unwrap_or(i64::MAX));
        let help = "Size in bytes of the snapshot written last";
        say(&mut to, "bulwark_snapshot_bytes", help, &bytes)?;
        let seconds = ConstGauge::new(of.took.as_secs_f64());
        say(&mut to, "bulwark_snapshot_seconds", "Time that writing it took", &seconds)?;
        if let Some(shared) = of.shared {
            self.encode_shared(&mut to, shared)?;
        }
        self.encode_lookback(&mut to)?;
        match &self.shards {
            Some(shards) => Self::encode_shards(&mut to, shards),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::Clock;
    use crate::io::seal::KeyRing;
    use crate::io::store::Settings;
    use prometheus_client::registry::Registry;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_waits_and_what_became_of_snapshots_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyRing::generate(&Clock::system()));
        let settings = Settings::in_folder(folder.path());
        let store = Store::open(settings, keys, Clock::system()).await.unwrap();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Kept { store, shards: None }));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "bulwark_store_away 0",
            "bulwark_store_spooled_bytes 0",
            "bulwark_index_journal_number 0",
            "bulwark_index_age_seconds 0.0",
            "bulwark_leases 3",
            "bulwark_snapshots_written_total 0",
            "bulwark_snapshot_failures_total 0",
            "bulwark_snapshot_journal_number 0",
            "bulwark_snapshot_bytes 0",
            "bulwark_snapshot_seconds 0.0",
            "bulwark_lookback_items 0",
            "bulwark_lookback_dropped_total 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
    }

    #[tokio::test]
    #[cfg(feature = "s3")]
    async fn what_became_of_shared_snapshots_is_shown_where_they_are_shared() {
        use crate::config::SharedPlace;
        use crate::io::objects::Place;
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyRing::generate(&Clock::system()));
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let settings = Settings {
            snapshot_place: Some(Place::at(SharedPlace::Folder(shared.clone()))),
            snapshot_changes: 1,
            snapshot_pause: std::time::Duration::ZERO,
            ..Settings::in_folder(folder.path())
        };
        let store = Store::open(settings, keys, Clock::system()).await.unwrap();
        crate::server::whole::make_admin(&store).await.unwrap();
        while store.snapshots().shared.is_none_or(|shared| shared.uploads == 0) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Kept { store: store.clone(), shards: None }));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} in {text}")).parse::<f64>().unwrap()
        };
        assert!(figure("bulwark_snapshot_shared_uploads_total") >= 1.0);
        assert!(figure("bulwark_snapshot_shared_journal_number") > 0.0);
        assert!(figure("bulwark_snapshot_shared_age_seconds") < 60.0);
        std::fs::remove_dir_all(&shared).unwrap();
        while store.snapshots().shared.is_none_or(|shared| shared.failures == 0) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
