//! Why a question has no answer.

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The address is none that may be called.
    #[error("its address {0}")]
    Address(&'static str),
    /// The name stands for no address, or for none that may be called.
    #[error("its name stands for no address that may be called")]
    NoAddress,
    /// The certificates that are to be trusted cannot be read.
    #[error("the certificates to check its own against cannot be read")]
    Certificates,
    /// There is no line, or it broke.
    #[error("it cannot be reached, or the line broke: {0}")]
    Line(&'static str),
    /// Nothing came for too long.
    #[error("it did not answer in time")]
    Late,
    /// More came than is taken.
    #[error("it has more than {0} bytes")]
    TooLong(u64),
    /// The question cannot be sent.
    #[error("the question cannot be sent: a key or name has characters that it must not have")]
    Unsendable,
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    File(std::io::ErrorKind),
}
