//! The one table of settings: key, kind, default, range, meaning.

use super::place::{Endpoint, SharedPlace};
use super::value::{Bytes, Secret, Value};
use super::words::{JailMode, LogFormat, LogLevel, TlsMode};
use crate::core::shard::Shard;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What every environment variable of ours begins with.
pub const ENVIRONMENT_PREFIX: &str = "BULWARK_";

type Set = Box<dyn Fn(&mut Settings, &str) -> Result<(), String>>;
type Show = Box<dyn Fn(&Settings) -> String>;

/// One setting, as it is read, shown and documented.
pub struct Row {
    /// Its name in the file and in `--set`, as `limits.connections`.
    pub key: String,
    /// What it is for.
    pub doc: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    pub(super) set: Set,
    pub(super) show: Show,
}

impl Row {
    /// Its name in the environment, as `BULWARK_LIMITS_CONNECTIONS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{}{}", ENVIRONMENT_PREFIX, self.key.to_ascii_uppercase().replace('.', "_"))
    }

    /// The value in `settings`, or that it is hidden.
    #[must_use]
    pub fn shown(&self, settings: &Settings) -> String {
        let text = (self.show)(settings);
        if self.secret && !text.is_empty() { "(hidden)".into() } else { text }
    }
}

macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $name:ident, $prefix:literal {
            $(
                $(#[doc = $doc:literal])*
                $(#secret $secret:tt)?
                $field:ident: $kind:ty = $default:expr $(, in $range:expr)?;
            )*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            fn rows(part: fn(&mut Settings) -> &mut Self, view: fn(&Settings) -> &Self) -> Vec<Row> {
                vec![$(
                    Row {
                        key: concat!($prefix, stringify!($field)).to_owned(),
                        doc: concat!($($doc),*).trim_ascii(),
                        secret: section!(@secret $($secret)?),
                        set: Box::new(move |settings, text| {
                            let value = <$kind as Value>::read(text)?;
                            $(
                                let range: std::ops::RangeInclusive<$kind> = $range;
                                if !range.contains(&value) {
                                    return Err(format!(
                                        "must be between {} and {}",
                                        range.start().write(),
                                        range.end().write(),
                                    ));
                                }
                            )?
                            part(settings).$field = value;
                            Ok(())
                        }),
                        show: Box::new(move |settings| view(settings).$field.write()),
                    },
                )*]
            }
        }
    };
    (@secret) => { false };
    (@secret $secret:tt) => { true };
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

section! {
    /// What stands at the head of the file.
    GeneralSettings, "" {
        /// Directory of everything that is kept: database, keys, spool, snapshot.
        data_dir: PathBuf = "bulwark-data".into();
        /// What people call this process among others that share a database; empty for the host's name and the first address of `listen`.
        title: Option<String> = None;
        /// TOML file of detectors: which models outside are asked about which items. Read at the start; none are asked where it is empty.
        models: Option<PathBuf> = None;
        /// Addresses that gRPC is served on.
        listen: Vec<SocketAddr> = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 50051))];
        /// Address of `/metrics`, `/livez` and `/readyz` over plain HTTP; empty switches it off.
        metrics_listen: Option<SocketAddr> = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)));
        /// Serves gRPC without TLS to other machines. Keys and content can then be read on the way.
        allow_plain_text_off_loopback: bool = false;
        /// Answers server reflection without a credential.
        reflection_open: bool = false;
        /// Time after a stop for which calls are still taken, while health and `/readyz` say that none should come: as long as whoever sends calls needs to notice.
        drain_notice: Duration = Duration::ZERO, in Duration::ZERO..=seconds(600);
        /// Time that calls in flight then have to finish; after it they are cut off.
        drain_time_max: Duration = seconds(25), in Duration::ZERO..=seconds(3600);
    }
}

section! {
    /// Certificates.
    TlsSettings, "tls." {
        /// `off`, `tls` (the server shows a certificate) or `mtls` (callers must show one too).
        mode: TlsMode = TlsMode::Off;
        /// PEM file of the server's certificate and the chain to its issuer. Read again when it changes and on SIGHUP.
        certificate: Option<PathBuf> = None;
        /// PEM file of the certificate's private key.
        key: Option<PathBuf> = None;
        /// PEM file of the issuers whose client certificates are accepted.
        client_ca: Option<PathBuf> = None;
    }
}

section! {
    /// How much of anything at one time.
    LimitSettings, "limits." {
        /// Open connections; one more is closed at once. Kept below the process's limit of descriptors.
        connections: u32 = 2000, in 1..=1_000_000;
        /// Calls at one time on one connection (SETTINGS_MAX_CONCURRENT_STREAMS).
        streams_per_connection: u32 = 100, in 1..=10_000;
        /// Calls at one time in the process. Of these, lists and other deferrable calls may take three fifths, changes four fifths, screening all.
        in_flight_calls: u32 = 512, in 1..=1_000_000;
        /// Bytes of callers' data in memory at one time, in the process.
        in_flight_bytes: Bytes = Bytes::mib(512), in Bytes::mib(8)..=Bytes::mib(1 << 20);
        /// Deadline of a call that names none, unless the rpc has its own.
        deadline_default: Duration = seconds(10), in millis(1)..=seconds(3600);
        /// Latest deadline that a caller can ask for.
        deadline_max: Duration = seconds(300), in millis(1)..=seconds(3600);
        /// Longest silence of a caller in the middle of a stream or of a message.
        stream_idle: Duration = seconds(30), in millis(10)..=seconds(3600);
        /// Time between two signs of life that a stream gives its caller.
        stream_heartbeat: Duration = seconds(10), in millis(100)..=seconds(600);
        /// Size of a call's headers after decompression.
        header_list: Bytes = Bytes::kib(16), in Bytes::kib(4)..=Bytes::mib(1);
        /// Time between pings on a silent connection.
        keepalive_interval: Duration = seconds(30), in millis(100)..=seconds(3600);
        /// Time to answer a ping.
        keepalive_timeout: Duration = seconds(10), in millis(100)..=seconds(3600);
        /// Age at which a connection is told to go away.
        connection_age_max: Duration = seconds(900), in millis(100)..=seconds(86_400);
        /// Time that a connection told to go away has to finish its calls.
        connection_grace: Duration = seconds(300), in millis(10)..=seconds(3600);
        /// Time from accepting a connection to its first call, TLS handshake included.
        first_request: Duration = seconds(5), in millis(10)..=seconds(600);
        /// Size of one upload in chunks.
        upload_bytes_max: Bytes = Bytes::mib(256), in Bytes::kib(64)..=Bytes::mib(1 << 16);
    }
}

section! {
    /// Decoding of media.
    MediaSettings, "media." {
        /// Worker processes; 0 means one for each processor.
        workers: u32 = 0, in 0..=1024;
        /// Time for one item.
        item_time_max: Duration = seconds(10), in millis(10)..=seconds(600);
        /// Items that may wait for a worker; one more is answered SHED.
        waiting_max: u32 = 256, in 1..=1_000_000;
        /// Address space of one worker process; what would need more is told from its header to be too large.
        memory_max: Bytes = Bytes::mib(2048), in Bytes::mib(64)..=Bytes::mib(1 << 16);
        /// `required`, or `reduced` to decode even where the kernel cannot give the whole jail.
        jail: JailMode = JailMode::Required;
        /// Items after which a worker process is replaced.
        worker_items_max: u32 = 1000, in 1..=1_000_000;
        /// Pixels of one picture.
        pixels_max: u64 = 100_000_000, in 1..=1_000_000_000;
        /// Pixels of the longer side of one picture.
        side_max: u32 = 16_384, in 1..=1_000_000;
        /// Frames of one animation that are looked at.
        frames_max: u32 = 500, in 1..=100_000;
        /// Entries of one archive that are looked at.
        archive_entries_max: u32 = 1000, in 1..=1_000_000;
        /// How deep an archive within an archive is opened; 1 opens only the outermost.
        archive_depth_max: u32 = 3, in 1..=16;
        /// Bytes of all entries of one archive together, unpacked.
        archive_bytes_max: Bytes = Bytes::mib(256), in Bytes::mib(1)..=Bytes::mib(1 << 16);
        /// Whether screening hashes large JPEG from their coefficients: several times faster, and up to some bits off. `HashMedia` never does.
        jpeg_by_coefficients: bool = false;
        /// Whether video is decoded, where there is an `ffmpeg` program to do it.
        video: bool = true;
        /// The `ffmpeg` program; empty for the one that `PATH` names, if any.
        ffmpeg: Option<PathBuf> = None;
        /// Videos that are decoded at once.
        videos: u32 = 1, in 1..=1024;
        /// Time from one frame of a video that is looked at to the next.
        video_interval: Duration = seconds(1), in millis(1)..=seconds(60);
        /// How much of what can change from one frame to the next has to change for a frame to be looked at in between; 100 for none.
        video_scene_percent: u32 = 40, in 1..=100;
        /// Frames of one video that are looked at.
        video_frames_max: u32 = 3600, in 1..=100_000;
        /// Video streams of one file that are looked at, covers included.
        video_streams_max: u32 = 4, in 1..=64;
        /// Time for one video.
        video_time_max: Duration = seconds(120), in millis(10)..=seconds(3600);
        /// Address space of the `ffmpeg` process.
        video_memory_max: Bytes = Bytes::mib(2048), in Bytes::mib(64)..=Bytes::mib(1 << 16);
    }
}

section! {
    /// What is kept, and how.
    StoreSettings, "store." {
        /// Where the database is, as `postgres://user@host/database?sslmode=verify-full`; empty for SQLite in the data directory.
        #secret yes
        url: Option<Secret> = None;
        /// A replica of it that lists are read from; it may lag a little.
        #secret yes
        replica_url: Option<Secret> = None;
        /// File that holds the password of both; read whenever a connection is made.
        password_file: Option<PathBuf> = None;
        /// Time that making a connection may take.
        connect_time_max: Duration = seconds(3), in millis(100)..=seconds(60);
        /// Time that a statement may take; a server that does not answer counts as away a quarter of a second later.
        statement_time_max: Duration = seconds(3), in millis(100)..=seconds(600);
        /// Time that a statement may wait for a lock.
        lock_time_max: Duration = seconds(2), in millis(100)..=seconds(60);
        /// Changes that are made durable together.
        group_size_max: u32 = 1024, in 1..=100_000;
        /// Changes that wait to be made durable; further callers wait to be let in.
        waiting_max: u32 = 4096, in 1..=1_000_000;
        /// Connections for reading.
        readers: u32 = 4, in 1..=256;
        /// Memory for pages of a SQLite database that are written to: what an import of many entries comes back to. It fills as the database grows.
        cache_bytes_max: Bytes = Bytes::mib(64), in Bytes::mib(1)..=Bytes::mib(1 << 14);
        /// Time that a verdict waits for the store before it goes to the spool.
        keep_wait_max: Duration = seconds(2), in millis(10)..=seconds(60);
        /// Size of the sealed spool that stands in while the store is away.
        spool_bytes_max: Bytes = Bytes::mib(64), in Bytes::mib(1)..=Bytes::mib(1 << 16);
        /// Changes after which the memory is written to a snapshot, for a quick start; 0 switches snapshots off.
        snapshot_changes: u64 = 50_000, in 0..=1_000_000_000;
        /// Least time between two snapshots, besides twenty times what writing the last one took; 0 ms for no rest at all.
        snapshot_pause: Duration = seconds(300), in Duration::ZERO..=seconds(86_400);
        /// Where machines share snapshots, as `s3://bucket/prefix`, or `file:///folder` for a folder that all of them see; empty for nowhere. Needs the feature `s3`.
        snapshot_url: Option<SharedPlace> = None;
        /// Address of a service other than AWS that speaks S3, as `https://minio.example:9000`; without TLS only on this machine.
        snapshot_endpoint: Option<Endpoint> = None;
        /// Region of the bucket; empty for that of the environment (`AWS_REGION`), else `us-east-1`.
        snapshot_region: Option<String> = None;
        /// Id of the access key; empty for the credentials of the environment (`AWS_ACCESS_KEY_ID`, a web identity, the container or the machine).
        snapshot_access_key_id: Option<String> = None;
        /// File that holds the secret access key of that id; read whenever the bucket is used.
        snapshot_secret_access_key_file: Option<PathBuf> = None;
        /// Size up to which a shared snapshot is fetched.
        snapshot_bytes_max: Bytes = Bytes::mib(64 << 10), in Bytes::mib(1)..=Bytes::mib(1 << 24);
        /// Time that a start gives to fetching one; then it goes on with what it has.
        snapshot_fetch_time_max: Duration = seconds(120), in millis(100)..=seconds(3600);
        /// Time between two full verifications in the background; 0 ms switches them off.
        verify_interval: Duration = seconds(86_400), in Duration::ZERO..=seconds(31 * 86_400);
    }
}

section! {
    /// Banks that are more than one machine holds.
    ShardSettings, "shard." {
        /// Which of the entries this process keeps in memory, as `2/4` for the second of four shards. Other than `1/1` needs `store.url`.
        own: Shard = Shard::WHOLE;
        /// Where the processes of the other shards reach this one, as `https://10.0.0.5:50051`.
        address: Option<String> = None;
        /// PEM file of the issuers that the certificates of the other processes are checked against; with `tls.mode = mtls` this process shows its own certificate to them.
        ca: Option<PathBuf> = None;
        /// Time after which a second process of the same shard is asked too.
        hedge_after: Duration = millis(50), in millis(1)..=seconds(10);
        /// Time after which a shard that has not answered counts as missing.
        answer_time_max: Duration = seconds(1), in millis(10)..=seconds(60);
    }
}

section! {
    /// Items that are remembered where a surface asks for it.
    LookbackSettings, "lookback." {
        /// Memory that items may take; beyond it no further ones are remembered, which is counted and said. About 175 bytes for three digests and a perceptual hash.
        memory_bytes_max: Bytes = Bytes::mib(1024), in Bytes::mib(1)..=Bytes::mib(1 << 20);
        /// Size of what waits to be written; beyond it items are not remembered, which is counted and said. Nobody who screens waits for it.
        waiting_bytes_max: Bytes = Bytes::mib(16), in Bytes::mib(1)..=Bytes::mib(1 << 14);
    }
}

section! {
    /// Live streams that are guarded.
    LiveSettings, "live." {
        /// Memory for the last seconds of all streams; beyond it the oldest of a stream are let go, and what is preserved of a cut says how many are missing.
        buffer_bytes_max: Bytes = Bytes::mib(512), in Bytes::mib(4)..=Bytes::mib(1 << 20);
        /// Disk space, under `data_dir`, for what is preserved of cuts; beyond it nothing more is, which the journal says of each cut.
        evidence_bytes_max: Bytes = Bytes::mib(16 << 10), in Bytes::mib(16)..=Bytes::mib(1 << 24);
        /// Time for which what is preserved of a cut is kept on this machine; then it is erased.
        evidence_term: Duration = seconds(90 * 86_400), in seconds(3600)..=seconds(3660 * 86_400);
    }
}

section! {
    /// Sources that are asked over HTTP, and files that are read for them.
    ExchangeSettings, "exchanges." {
        /// Hosts that may be asked, as `host` or `host:port` with commas between; none where it is empty. A name must stand for addresses that everybody reaches.
        hosts: Vec<String> = Vec::new();
        /// Hosts of the own network that may be asked as well, whatever their names stand for.
        private_hosts: Vec<String> = Vec::new();
        /// Folder whose files exchanges may read; none where it is empty.
        folder: Option<PathBuf> = None;
        /// Longest wait for an answer, and for its next piece.
        answer_time_max: Duration = seconds(60), in millis(100)..=seconds(3600);
        /// Largest file that is read.
        file_bytes_max: Bytes = Bytes::mib(4096), in Bytes::kib(1)..=Bytes::mib(1 << 20);
    }
}

section! {
    /// Backups that the running service makes.
    BackupSettings, "backup." {
        /// Folder under which `AdminService.Backup` makes a new one for each backup; empty refuses the call. Needs `backup.passphrase_file`.
        folder: Option<PathBuf> = None;
        /// File that holds the pass phrase that the keys in a backup are under, of at least twelve bytes; read for each backup.
        passphrase_file: Option<PathBuf> = None;
    }
}

section! {
    /// Guards against wrong lists, and against being asked what is listed.
    GuardSettings, "guards." {
        /// Sets an entry aside that matches far more items than it used to: its matches are HOLD at most until a person releases it. Entries that were confirmed here are exempt.
        flood: bool = true;
        /// Different items that an entry may match within `guards.window`, whatever it used to.
        flood_items: u32 = 100, in 1..=100_000_000;
        /// How many times the usual number an entry may match beyond that.
        flood_factor: u32 = 10, in 1..=10_000;
        /// Lets a bank hold instead of block while it would block a far greater share of items than it used to. Entries that were confirmed here go on blocking.
        breaker: bool = true;
        /// Items that a bank may block within `guards.window`, whatever the share.
        breaker_items: u32 = 500, in 1..=100_000_000;
        /// Share of all items, in percent, that a bank may block, whatever it used to.
        breaker_percent: u32 = 5, in 0..=100;
        /// How many times the usual share a bank may block beyond that.
        breaker_factor: u32 = 10, in 1..=10_000;
        /// Items of one sender (`context.actor_id`) in an hour; an item by signals alone counts four. More are HOLD whatever is found, and more than twice as many are refused; 0 for no limit.
        sender_items: u32 = 3600, in 0..=1_000_000_000;
        /// Items of one tenant in a second, over a minute; an item by signals alone counts four. More are refused; 0 for no limit.
        tenant_items: u32 = 0, in 0..=1_000_000_000;
        /// Suspects a sender who asks about one picture again and again, a little changed each time: changed pictures are HOLD for a day, whatever is found.
        probing: bool = true;
        /// Hashes of pictures that are remembered for that, of about 100 bytes each.
        probing_hashes: u32 = 262_144, in 1024..=1_000_000_000;
        /// New entries that one exchange or partner may bring into a bank in a day (of UTC), where its agreement says nothing; more are set aside until a person releases them. An exchange of which everything is taken in for the first time is exempt, for a week at most; 0 for no limit.
        new_entries: u32 = 10_000, in 0..=1_000_000_000;
        /// Answers to callers whose roles do not see detail come at the next multiple of this time, so that it tells nothing; 0 ms for at once.
        answer_step: Duration = Duration::ZERO, in Duration::ZERO..=seconds(10);
        /// Time over which `guards.flood` and `guards.breaker` count.
        window: Duration = seconds(3600), in seconds(12)..=seconds(31 * 86_400);
    }
}

section! {
    /// Figures of what matched nothing.
    CounterSettings, "counters." {
        /// Time between two entries of counters in the journal.
        flush_interval: Duration = seconds(60), in millis(100)..=seconds(3600);
    }
}

section! {
    /// The log.
    LogSettings, "log." {
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text;
        /// `error`, `warn`, `info` or `debug`.
        level: LogLevel = LogLevel::Info;
    }
}

section! {
    /// Traces.
    OtlpSettings, "otlp." {
        /// gRPC address of an OpenTelemetry collector, as `http://127.0.0.1:4317`; empty switches traces off. Needs the feature `otlp`.
        endpoint: Option<String> = None;
        /// Value of the `authorization` header sent to the collector.
        #secret true
        authorization: Option<Secret> = None;
    }
}

section! {
    /// Calls from browsers.
    GrpcWebSettings, "grpc_web." {
        /// Origins whose pages may call, as `https://review.example`; empty switches gRPC-Web off. Needs the feature `grpc-web`.
        origins: Vec<String> = Vec::new();
    }
}

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// What stands at the head of the file.
    pub general: GeneralSettings,
    /// `tls.…`
    pub tls: TlsSettings,
    /// `limits.…`
    pub limits: LimitSettings,
    /// `media.…`
    pub media: MediaSettings,
    /// `store.…`
    pub store: StoreSettings,
    /// `shard.…`
    pub shard: ShardSettings,
    /// `lookback.…`
    pub lookback: LookbackSettings,
    /// `live.…`
    pub live: LiveSettings,
    /// `exchanges.…`
    pub exchanges: ExchangeSettings,
    /// `backup.…`
    pub backup: BackupSettings,
    /// `guards.…`
    pub guards: GuardSettings,
    /// `counters.…`
    pub counters: CounterSettings,
    /// `log.…`
    pub log: LogSettings,
    /// `otlp.…`
    pub otlp: OtlpSettings,
    /// `grpc_web.…`
    pub grpc_web: GrpcWebSettings,
}

/// Every setting, in the order in which they are documented.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = GeneralSettings::rows(|s| &mut s.general, |s| &s.general);
    rows.extend(TlsSettings::rows(|s| &mut s.tls, |s| &s.tls));
    rows.extend(LimitSettings::rows(|s| &mut s.limits, |s| &s.limits));
    rows.extend(MediaSettings::rows(|s| &mut s.media, |s| &s.media));
    rows.extend(StoreSettings::rows(|s| &mut s.store, |s| &s.store));
    rows.extend(ShardSettings::rows(|s| &mut s.shard, |s| &s.shard));
    rows.extend(LookbackSettings::rows(|s| &mut s.lookback, |s| &s.lookback));
    rows.extend(LiveSettings::rows(|s| &mut s.live, |s| &s.live));
    rows.extend(ExchangeSettings::rows(|s| &mut s.exchanges, |s| &s.exchanges));
    rows.extend(BackupSettings::rows(|s| &mut s.backup, |s| &s.backup));
    rows.extend(GuardSettings::rows(|s| &mut s.guards, |s| &s.guards));
    rows.extend(CounterSettings::rows(|s| &mut s.counters, |s| &s.counters));
    rows.extend(LogSettings::rows(|s| &mut s.log, |s| &s.log));
    rows.extend(OtlpSettings::rows(|s| &mut s.otlp, |s| &s.otlp));
    rows.extend(GrpcWebSettings::rows(|s| &mut s.grpc_web, |s| &s.grpc_web));
    rows
}

impl Settings {
    /// Every key with its value, secrets hidden: what `bulwark config check` prints.
    #[must_use]
    pub fn shown(&self) -> Vec<(String, String)> {
        rows().into_iter().map(|row| (row.key.clone(), row.shown(self))).collect()
    }

    /// The table of settings in `docs/settings.md`, in Markdown.
    #[must_use]
    pub fn documented() -> String {
        let defaults = Self::default();
        let mut text =
            String::from("| setting | variable | default | meaning |\n|---|---|---|---|\n");
        for row in rows() {
            let default = match row.shown(&defaults) {
                text if text.is_empty() => "(empty)".to_owned(),
                text => format!("`{text}`"),
            };
            text +=
                &format!("| `{}` | `{}` | {default} | {} |\n", row.key, row.variable(), row.doc);
        }
        text
    }
}
