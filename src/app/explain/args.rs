//! The options of `explain` that describe one request, and one answer of the backend.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::app::cli::ImportArgs;
use crate::app::cli::OutputArgs;
use crate::app::cli::StoreArgs;
use crate::app::usage::Unshown;
use crate::wire::date::UnixSeconds;
use crate::wire::date::parse_amz_date;
use crate::wire::date::parse_iso_date;
use crate::wire::http1::fields::is_token;
use crate::wire::http1::fields::is_value_byte;
use crate::wire::http1::fields::trim_blanks;

/// `sluicegate explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The request's method
    #[arg(value_name = "METHOD")]
    pub method: String,
    /// The request's target, stage and query included: /v1/s3?key=photos/cat.jpg
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// A header of the request; may be repeated
    #[arg(short = 'H', long, env = "SLUICEGATE_HEADER", value_name = "'NAME: VALUE'", hide_env_values = true, value_parser = Unshown::<HeaderLine>::default())]
    pub header: Vec<HeaderLine>,
    /// The request's body, or @FILE for that of a file
    #[arg(
        long,
        env = "SLUICEGATE_DATA",
        value_name = "TEXT|@FILE",
        hide_env_values = true
    )]
    pub data: Option<String>,
    /// Go on with this status as the backend's answer
    #[arg(long, env = "SLUICEGATE_RESPONSE", value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    pub response: Option<u16>,
    /// A header of the backend's answer; may be repeated
    #[arg(long, env = "SLUICEGATE_RESPONSE_HEADER", value_name = "'NAME: VALUE'", requires = "response", hide_env_values = true, value_parser = Unshown::<HeaderLine>::default())]
    pub response_header: Vec<HeaderLine>,
    /// The body of the backend's answer, or @FILE for that of a file
    #[arg(
        long,
        env = "SLUICEGATE_RESPONSE_DATA",
        value_name = "TEXT|@FILE",
        requires = "response",
        hide_env_values = true
    )]
    pub response_data: Option<String>,
    /// When the request arrives, 20260131T235959Z [default: now]
    #[arg(long, env = "SLUICEGATE_AT", value_name = "TIME")]
    pub at: Option<ArrivalTime>,
    /// A document: OpenAPI 3.0 or Swagger 2.0, JSON or YAML; may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_API",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub api: Vec<PathBuf>,
    /// How the document is read.
    #[command(flatten)]
    pub import: ImportArgs,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How the explanation is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `Name: value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderLine {
    /// As written.
    pub name: String,
    /// Without the blanks around it.
    pub value: String,
}

/// When a request is taken to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalTime(pub UnixSeconds);

/// Why an argument describes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentFault {
    /// No `Name: value`.
    Header,
    /// No time.
    Time,
}

impl fmt::Display for ArgumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "wanted 'Name: value' without control characters",
            Self::Time => "wanted a time as 20260131T235959Z or 2026-01-31T23:59:59Z",
        })
    }
}

impl std::error::Error for ArgumentFault {}

impl FromStr for HeaderLine {
    type Err = ArgumentFault;

    fn from_str(text: &str) -> Result<Self, ArgumentFault> {
        let (name, value) = text.split_once(':').ok_or(ArgumentFault::Header)?;
        let value = trim_blanks(value.as_bytes());
        if !is_token(name.as_bytes()) || !value.iter().copied().all(is_value_byte) {
            return Err(ArgumentFault::Header);
        }
        Ok(Self {
            name: name.to_owned(),
            value: String::from_utf8_lossy(value).into_owned(),
        })
    }
}

impl FromStr for ArrivalTime {
    type Err = ArgumentFault;

    fn from_str(text: &str) -> Result<Self, ArgumentFault> {
        let time = parse_amz_date(text.as_bytes()).or_else(|| parse_iso_date(text.as_bytes()));
        time.map(Self).ok_or(ArgumentFault::Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value_on_one_line() {
        let header: HeaderLine = "Accept:  a/b ".parse().unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.as_str()),
            ("Accept", "a/b")
        );
        for text in ["", "Accept", ": a", "A b: c", "A: b\r\nC: d", "A: \0"] {
            assert_eq!(
                text.parse::<HeaderLine>(),
                Err(ArgumentFault::Header),
                "{text}"
            );
        }
    }

    #[test]
    fn a_time_is_written_as_signatures_or_iso_8601_write_it() {
        for text in ["20130524T000000Z", "2013-05-24T00:00:00Z"] {
            assert_eq!(
                text.parse(),
                Ok(ArrivalTime(UnixSeconds(1_369_353_600))),
                "{text}"
            );
        }
        assert_eq!("now".parse::<ArrivalTime>(), Err(ArgumentFault::Time));
    }
}
