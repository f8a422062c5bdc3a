//! Where objects are, and how long is waited for them.

use crate::config::{Endpoint, SharedPlace};
use std::path::PathBuf;
use std::time::Duration;

/// Where objects are, and how long is waited for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket or folder.
    pub at: SharedPlace,
    /// The service that has the bucket; none for AWS.
    pub endpoint: Option<Endpoint>,
    /// Region of the bucket; none for that of the environment.
    pub region: Option<String>,
    /// Id of the access key; none for the credentials of the environment.
    pub access_key_id: Option<String>,
    /// The file that holds its secret.
    pub secret_access_key_file: Option<PathBuf>,
    /// Size of the greatest object that is taken, in bytes.
    pub bytes_max: u64,
    /// How long a step may take: a list, the next piece of an object.
    pub step_time_max: Duration,
    /// How long a part of an object may take on its way there.
    pub part_time_max: Duration,
}

impl Place {
    /// A place with the usual limits, reached with what the environment knows.
    #[must_use]
    pub const fn at(at: SharedPlace) -> Self {
        Self {
            at,
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key_file: None,
            bytes_max: 64 << 30,
            step_time_max: Duration::from_secs(10),
            part_time_max: Duration::from_secs(60),
        }
    }
}
