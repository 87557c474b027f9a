//! Options that take one of a few words, in the command line's and the file's spelling.

use clap::ValueEnum;
use serde::Deserialize;

use crate::net::driver::DriverChoice;
use crate::serve::settings::Addressing;
use crate::serve::settings::PayloadSigning;

/// `--io-driver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoDriver {
    /// The best that starts.
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

impl From<IoDriver> for DriverChoice {
    fn from(driver: IoDriver) -> Self {
        match driver {
            IoDriver::Auto => Self::Auto,
            IoDriver::Uring => Self::Uring,
            IoDriver::Epoll => Self::Epoll,
        }
    }
}

/// `--s3-addressing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressingStyle {
    /// `http://endpoint/bucket/key`
    Path,
    /// `http://bucket.endpoint/key`
    VirtualHost,
}

impl From<AddressingStyle> for Addressing {
    fn from(style: AddressingStyle) -> Self {
        match style {
            AddressingStyle::Path => Self::Path,
            AddressingStyle::VirtualHost => Self::VirtualHost,
        }
    }
}

/// `--payload-signing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodySigning {
    /// The hash if it is known beforehand, else chunk signatures over http and an unsigned payload over https.
    Auto,
    /// Chunk signatures for every body.
    Streaming,
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
}

impl From<BodySigning> for PayloadSigning {
    fn from(signing: BodySigning) -> Self {
        match signing {
            BodySigning::Auto => Self::Auto,
            BodySigning::Streaming => Self::Streaming,
            BodySigning::Unsigned => Self::Unsigned,
        }
    }
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorChoice {
    /// On a terminal that has colours, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// An operator must act.
    Error,
    /// A peer misbehaved.
    Warn,
    /// Start, stop, drain.
    Info,
    /// Each request.
    Debug,
    /// Everything.
    Trace,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `--base-path`: what an import does with the document's base path (spec 01).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasePathChoice {
    /// The base path has no effect on routes.
    #[default]
    Ignore,
    /// The whole base path comes before each path.
    Prepend,
    /// All but its first segment comes before each path.
    Split,
}
