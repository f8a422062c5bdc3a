//! From whom a bank is to learn, as flags. What lets in is read from files: a command line is seen by everybody.

use super::client::ServerArgs;
use super::fault::Failure;
use super::file::FileArgs;
use super::words;
use crate::proto::v1;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An exchange that is to be made, and where the server is.
pub struct Learned<'a> {
    pub(super) server: &'a ServerArgs,
    pub(super) exchange: v1::Exchange,
}

/// What all exchanges have.
#[derive(Debug, Clone, clap::Args)]
pub struct CommonArgs {
    /// Its name here: lower-case letters, digits and hyphens
    pub exchange: String,
    /// The bank that learns
    #[arg(long, value_name = "BANK")]
    pub into: String,
    /// Where its entries stand when they enter
    #[arg(long, default_value = "proposed", value_parser = words::one_of(words::ENTERING))]
    pub enters_as: v1::EntryState,
    /// Tell it what people here say of its entries
    #[arg(long)]
    pub feedback: bool,
    /// New entries that it may bring in a day, 0 for any number; left out, what the server says
    #[arg(long, value_name = "NUMBER")]
    pub new_per_day: Option<u32>,
    /// PEM file of the issuers that its certificate is checked against; left out: the public authorities
    #[arg(long, value_name = "FILE")]
    pub address_ca: Option<PathBuf>,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// When it is asked, and how much may go at once.
#[derive(Debug, Clone, clap::Args)]
pub struct PaceArgs {
    /// Seconds from when everything was heard to when it is asked again
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub every: u64,
    /// Most of its entries, in percent, that may go at once because they did not come again
    #[arg(long, value_name = "PERCENT", default_value_t = 20)]
    pub drop_percent_max: u32,
}

/// Learn from another service of this kind.
#[derive(Debug, Clone, clap::Args)]
pub struct BulwarkArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Its address, as https://host:port
    #[arg(long, value_name = "URL")]
    pub address: String,
    /// File with the key by which it knows this service
    #[arg(long, value_name = "FILE")]
    pub partner_key_file: PathBuf,
    /// The name under which it knows this service as a partner
    #[arg(long, value_name = "NAME")]
    pub partner: String,
    /// Which of its banks
    #[arg(long, value_name = "BANK")]
    pub bank: String,
    /// Its name in what it signs; `bulwark partner list` there says it
    #[arg(long, value_name = "TEXT")]
    pub origin: String,
    /// Its public key; `bulwark partner list` there says it
    #[arg(long, value_name = "HEX", required = true)]
    pub public_key: Vec<String>,
}

/// Learn from NCMEC hash sharing.
#[derive(Debug, Clone, clap::Args)]
pub struct NcmecArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    pace: PaceArgs,
    /// What the addresses of the environment begin with, as https://host/hashsharing
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// By which name it knows this platform
    #[arg(long, value_name = "NAME")]
    pub username: String,
    /// File with the password
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
    /// A member whose entries are taken; left out: of all. Can be given several times
    #[arg(long, value_name = "NUMBER")]
    pub member: Vec<String>,
    /// Reason of a negative vote where none of the source's was given, by name or GUID
    #[arg(long, value_name = "REASON", default_value = "", hide_default_value = true)]
    pub negative_reason: String,
}

/// Learn from StopNCII.
#[derive(Debug, Clone, clap::Args)]
pub struct StopNciiArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    pace: PaceArgs,
    /// What its addresses begin with
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// File with the key of the end point that gives hashes
    #[arg(long, value_name = "FILE")]
    pub fetch_key_file: PathBuf,
    /// File with the key of the end point that takes feedback; needed with --feedback
    #[arg(long, value_name = "FILE")]
    pub feedback_key_file: Option<PathBuf>,
    /// File with the key of the subscription
    #[arg(long, value_name = "FILE")]
    pub subscription_key_file: PathBuf,
}

/// Learn from a privacy group of Meta's `ThreatExchange`.
#[derive(Debug, Clone, clap::Args)]
pub struct ThreatExchangeArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    pace: PaceArgs,
    /// What its addresses begin with, with the version of the API, as https://host/v21.0
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// The privacy group
    #[arg(long, value_name = "DIGITS")]
    pub privacy_group: String,
    /// File with the access token
    #[arg(long, value_name = "FILE")]
    pub access_token_file: PathBuf,
    /// A type of indicators that is asked for, as HASH_PDQ; left out: of all. Can be given several times
    #[arg(long, value_name = "TYPE")]
    pub indicator_type: Vec<String>,
}

/// Learn from a file, or from what an address gives.
#[derive(Debug, Clone, clap::Args)]
pub struct PublicationArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    pace: PaceArgs,
    /// Where it is: https://host/path, or file: and the name of a file in the server's folder for exchanges
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// File with the header Authorization that it is asked with
    #[arg(long, value_name = "FILE")]
    pub authorization_file: Option<PathBuf>,
    #[command(flatten)]
    written: FileArgs,
}

/// Have Arachnid Shield asked about what is screened: what it lists enters as TRIAL or ACTIVE.
#[derive(Debug, Clone, clap::Args)]
pub struct ArachnidArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// What its addresses begin with, as https://host
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// By which name it knows this platform
    #[arg(long, value_name = "NAME")]
    pub username: String,
    /// File with the password
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
    /// Milliseconds that an item waits for its answer at most
    #[arg(long, value_name = "MILLIS", default_value_t = 2_000)]
    pub answer_millis_max: u64,
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}

fn read_secret(path: &Path) -> Result<String, Failure> {
    Ok(read(path)?.trim().to_owned())
}

fn read_if_named(path: Option<&Path>) -> Result<String, Failure> {
    path.map(read_secret).transpose().map(Option::unwrap_or_default)
}

impl CommonArgs {
    fn ca(&self) -> Result<String, Failure> {
        self.address_ca.as_deref().map(read).transpose().map(Option::unwrap_or_default)
    }

    fn learned(&self, kind: v1::exchange::Kind, pace: Option<&PaceArgs>) -> Learned<'_> {
        let every = pace.and_then(|pace| Duration::from_secs(pace.every).try_into().ok());
        let exchange = v1::Exchange {
            exchange_id: self.exchange.clone(),
            kind: Some(kind),
            bank_id: self.into.clone(),
            enters_as: self.enters_as.into(),
            gives_feedback: self.feedback,
            new_entries_per_day: self.new_per_day,
            poll_interval: every,
            drop_percent_max: pace.map(|pace| pace.drop_percent_max),
            ..v1::Exchange::default()
        };
        Learned { server: &self.server, exchange }
    }
}

impl BulwarkArgs {
    /// What they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn learned(&self) -> Result<Learned<'_>, Failure> {
        let kind = v1::exchange::Kind::Bulwark(v1::BulwarkExchange {
            address: self.address.clone(),
            ca_pem: self.common.ca()?,
            key: read_secret(&self.partner_key_file)?,
            partner_id: self.partner.clone(),
            bank_id: self.bank.clone(),
            origin: self.origin.clone(),
            public_keys: self.public_key.clone(),
        });
        Ok(self.common.learned(kind, None))
    }
}

impl NcmecArgs {
    /// What they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn learned(&self) -> Result<Learned<'_>, Failure> {
        let kind = v1::exchange::Kind::Ncmec(v1::NcmecExchange {
            base_url: self.base_url.clone(),
            ca_pem: self.common.ca()?,
            username: self.username.clone(),
            password: read_secret(&self.password_file)?,
            member_ids: self.member.clone(),
            start_time: None,
            negative_reason: self.negative_reason.clone(),
        });
        Ok(self.common.learned(kind, Some(&self.pace)))
    }
}

impl StopNciiArgs {
    /// What they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn learned(&self) -> Result<Learned<'_>, Failure> {
        let kind = v1::exchange::Kind::StopNcii(v1::StopNciiExchange {
            base_url: self.base_url.clone(),
            ca_pem: self.common.ca()?,
            fetch_key: read_secret(&self.fetch_key_file)?,
            feedback_key: read_if_named(self.feedback_key_file.as_deref())?,
            subscription_key: read_secret(&self.subscription_key_file)?,
            ..v1::StopNciiExchange::default()
        });
        Ok(self.common.learned(kind, Some(&self.pace)))
    }
}

impl ThreatExchangeArgs {
    /// What they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn learned(&self) -> Result<Learned<'_>, Failure> {
        let kind = v1::exchange::Kind::ThreatExchange(v1::ThreatExchangeExchange {
            base_url: self.base_url.clone(),
            ca_pem: self.common.ca()?,
            privacy_group: self.privacy_group.clone(),
            access_token: read_secret(&self.access_token_file)?,
            indicator_types: self.indicator_type.clone(),
            page_size: 0,
        });
        Ok(self.common.learned(kind, Some(&self.pace)))
    }
}

impl PublicationArgs {
    /// What they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn learned(&self) -> Result<Learned<'_>, Failure> {
        let kind = v1::exchange::Kind::File(v1::FileExchange {
            url: self.url.clone(),
            ca_pem: self.common.ca()?,
            authorization: read_if_named(self.authorization_file.as_deref())?,
            ..self.written.written(Path::new(&self.url))
        });
        Ok(self.common.learned(kind, Some(&self.pace)))
    }
}

impl ArachnidArgs {
    /// What they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn learned(&self) -> Result<Learned<'_>, Failure> {
        let kind = v1::exchange::Kind::Arachnid(v1::ArachnidExchange {
            base_url: self.base_url.clone(),
            ca_pem: self.common.ca()?,
            username: self.username.clone(),
            password: read_secret(&self.password_file)?,
            answer_time_max: Duration::from_millis(self.answer_millis_max).try_into().ok(),
        });
        Ok(self.common.learned(kind, None))
    }
}
