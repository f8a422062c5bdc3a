//! Settings that are one of a few words.

use super::value::Value;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl Value for $name {
            fn read(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($text => Ok(Self::$word),)*
                    _ => Err(format!("must be one of {}", [$($text),*].join(", "))),
                }
            }

            fn write(&self) -> String {
                match self {
                    $(Self::$word => $text,)*
                }
                .into()
            }
        }
    };
}

words! {
    /// How connections are protected.
    TlsMode {
        /// Not at all.
        Off = "off",
        /// The server shows a certificate.
        Tls = "tls",
        /// Both sides show one.
        Mtls = "mtls",
    }
}

words! {
    /// What to do where the kernel cannot give the jail that decoding of media asks for.
    JailMode {
        /// Media checks are unavailable.
        Required = "required",
        /// Decode with what the kernel has.
        Reduced = "reduced",
    }
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}

words! {
    /// Least weight of a log line that is written.
    LogLevel {
        /// Faults only.
        Error = "error",
        /// What an operator should look at.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// For finding a fault.
        Debug = "debug",
    }
}
