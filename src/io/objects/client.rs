//! Listing, reading, writing and removing objects.

use super::bounded::Bounded;
use super::place::Place;
use crate::config::SharedPlace;
use crate::core::time::Time;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, RetryConfig,
};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

/// Objects of a list that are looked at.
const LISTED_MAX: usize = 10_000;
/// Least size of a part, in bytes; all but the last have the same.
const PART_BYTES_MIN: u64 = 8 << 20;
/// Parts of one object; S3 takes ten thousand.
const PARTS_MAX: u64 = 9_000;
/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a request is tried again.
const RETRIES: usize = 2;
/// Letters of what an object store says that are passed on.
const SAID_MAX: usize = 300;
/// How long is waited for the parts of an object that will not be finished to be given up.
const ABORT_TIME_MAX: Duration = Duration::from_secs(2);

/// What may come from the environment, and nothing else: not where the bucket is, nor whether TLS is left out.
const FROM_ENVIRONMENT: [(&str, AmazonS3ConfigKey); 11] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_DEFAULT_REGION", AmazonS3ConfigKey::DefaultRegion),
    ("AWS_REGION", AmazonS3ConfigKey::Region),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
];

/// Why something was not done with an object. None says what is secret.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The secret access key cannot be read.
    #[error("the file of the secret access key cannot be read: {0}")]
    Secret(std::io::ErrorKind),
    /// A file of this machine cannot be read or written.
    #[error("a file cannot be read or written: {0}")]
    File(#[from] std::io::Error),
    /// The place refuses, or cannot be reached.
    #[error("it refuses or cannot be reached: {0}")]
    Refused(String),
    /// It takes too long.
    #[error("it does not answer in time")]
    Slow,
    /// The object is greater than what is taken.
    #[error("the object is too large")]
    TooLarge,
    /// What comes is not as long as was said.
    #[error("the object is not as long as the list says")]
    Length,
    /// It was told to stop.
    #[error("it was stopped")]
    Stopped,
}

impl From<object_store::Error> for ObjectsError {
    fn from(error: object_store::Error) -> Self {
        let said = error.to_string();
        // Part of it may be the other side's words.
        let plain = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
        Self::Refused(plain.take(SAID_MAX).collect())
    }
}

/// An object, as the list tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, by the clock that is there.
    pub written: Time,
}

/// A place, ready to be used.
pub struct Objects {
    place: Place,
    prefix: Path,
    store: Box<dyn ObjectStore>,
}

impl std::fmt::Debug for Objects {
    /// Without the client, which knows what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("place", &self.place).finish_non_exhaustive()
    }
}

fn bucket(place: &Place, name: &str) -> Result<Box<dyn ObjectStore>, ObjectsError> {
    let endpoint = place.endpoint.as_ref();
    let is_plain = endpoint.is_some_and(crate::config::Endpoint::is_plain);
    let options = ClientOptions::new()
        .with_allow_http(is_plain)
        .with_connect_timeout(CONNECT_TIME_MAX.min(place.part_time_max))
        .with_read_timeout(place.part_time_max)
        // Each step has its own; an object takes as long as it is.
        .with_timeout_disabled();
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: place.part_time_max,
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
    };
    let own = place.access_key_id.as_ref().zip(place.secret_access_key_file.as_ref());
    let mut builder = AmazonS3Builder::new();
    for (variable, key) in FROM_ENVIRONMENT {
        let is_of_region =
            matches!(key, AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion);
        if let Ok(value) = std::env::var(variable)
            && (own.is_none() || is_of_region)
        {
            builder = builder.with_config(key, value);
        }
    }
    if let Some((id, file)) = own {
        let secret = std::fs::read_to_string(file).map(Zeroizing::new);
        let secret = secret.map_err(|error| ObjectsError::Secret(error.kind()))?;
        builder = builder.with_access_key_id(id).with_secret_access_key(secret.trim());
    }
    if let Some(region) = &place.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.as_str());
    }
    let builder = builder
        .with_bucket_name(name)
        .with_allow_http(is_plain)
        .with_client_options(options)
        .with_retry(retry)
        .with_http_connector(Bounded { object_bytes_max: place.bytes_max });
    Ok(Box::new(builder.build()?))
}

impl Objects {
    /// Makes a place ready. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`ObjectsError`] where it cannot be reached with what is set.
    pub fn open(place: &Place) -> Result<Self, ObjectsError> {
        let (store, prefix): (Box<dyn ObjectStore>, _) = match &place.at {
            SharedPlace::Folder(folder) => {
                (Box::new(LocalFileSystem::new_with_prefix(folder)?), Path::default())
            }
            SharedPlace::Bucket { name, prefix } => {
                (bucket(place, name)?, Path::from(prefix.as_str()))
            }
        };
        Ok(Self { place: place.clone(), prefix, store })
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// The objects there, in no order; of very many only some.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn list(&self) -> Result<Vec<Found>, ObjectsError> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let listed = async {
            let mut found = Vec::new();
            let mut objects = self.store.list(prefix).take(LISTED_MAX);
            while let Some(object) = objects.next().await {
                let object = object?;
                let mut behind = object.location.prefix_match(&self.prefix).into_iter().flatten();
                if let (Some(name), None) = (behind.next(), behind.next()) {
                    found.push(Found {
                        name: name.as_ref().to_owned(),
                        bytes: object.size,
                        written: Time::from_millis(object.last_modified.timestamp_millis()),
                    });
                }
            }
            Ok(found)
        };
        let listed = tokio::time::timeout(self.place.step_time_max, listed).await;
        listed.unwrap_or(Err(ObjectsError::Slow))
    }

    /// Begins to read an object, which has to be as long as the list says.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn read(&self, found: &Found) -> Result<Body, ObjectsError> {
        if found.bytes > self.place.bytes_max {
            return Err(ObjectsError::TooLarge);
        }
        let step_time_max = self.place.step_time_max;
        let path = self.path(&found.name);
        let begun = tokio::time::timeout(step_time_max, self.store.get(&path)).await;
        let object = begun.map_err(|_| ObjectsError::Slow)??;
        if object.meta.size != found.bytes {
            return Err(ObjectsError::Length);
        }
        Ok(Body { pieces: object.into_stream(), left: found.bytes, step_time_max })
    }

    /// Writes an object of so many bytes under a name, in parts: it is there whole or not at all. Given up once `stopped`.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn write(
        &self,
        name: &str,
        bytes: u64,
        from: impl AsyncRead + Unpin,
        stopped: impl Future<Output = ()>,
    ) -> Result<(), ObjectsError> {
        let begun = self.part(self.store.put_multipart(&self.path(name))).await;
        let mut upload = begun?;
        let written = tokio::select! {
            written = self.write_parts(upload.as_mut(), bytes, from) => written,
            () = stopped => Err(ObjectsError::Stopped),
        };
        if written.is_err() {
            // Parts that are left are gone by the bucket's own rule, where it has one.
            let _ = tokio::time::timeout(ABORT_TIME_MAX, upload.abort()).await;
        }
        written
    }

    async fn write_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        bytes: u64,
        mut from: impl AsyncRead + Unpin,
    ) -> Result<(), ObjectsError> {
        let part_bytes = bytes.div_ceil(PARTS_MAX).max(PART_BYTES_MIN);
        let mut left = bytes;
        while left > 0 {
            let size = left.min(part_bytes);
            left -= size;
            let mut part = vec![0; usize::try_from(size).map_err(|_| ObjectsError::TooLarge)?];
            from.read_exact(&mut part).await?;
            self.part(upload.put_part(part.into())).await?;
        }
        self.part(upload.complete()).await.map(drop)
    }

    async fn part<T>(
        &self,
        sent: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, ObjectsError> {
        let sent = tokio::time::timeout(self.place.part_time_max, sent).await;
        Ok(sent.map_err(|_| ObjectsError::Slow)??)
    }

    /// Removes an object.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn remove(&self, name: &str) -> Result<(), ObjectsError> {
        let path = self.path(name);
        let removed = tokio::time::timeout(self.place.step_time_max, self.store.delete(&path));
        Ok(removed.await.map_err(|_| ObjectsError::Slow)??)
    }
}

/// An object that is being read.
pub struct Body {
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
    left: u64,
    step_time_max: Duration,
}

impl Body {
    /// The next piece; none once all is there.
    ///
    /// # Errors
    /// [`ObjectsError`], also where more or less comes than was said.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectsError> {
        let next = tokio::time::timeout(self.step_time_max, self.pieces.next()).await;
        let Some(piece) = next.map_err(|_| ObjectsError::Slow)? else {
            return if self.left == 0 { Ok(None) } else { Err(ObjectsError::Length) };
        };
        let piece = piece?;
        self.left = self.left.checked_sub(piece.len() as u64).ok_or(ObjectsError::Length)?;
        Ok(Some(piece))
    }
}
