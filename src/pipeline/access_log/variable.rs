//! The variables of the access log, found by name when the template is compiled (spec 07, "$context"; spec 11).

use std::io::Write;

use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::access_log::escape;
use crate::pipeline::context::ACCOUNT_ID;
use crate::pipeline::context::Lookup;
use crate::pipeline::context::Variables;
use crate::pipeline::exchange_record::Check;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::exchange_record::Outcome;
use crate::pipeline::route;

/// Logged for a client that was gone before a response began; no response has this status.
const CLIENT_GONE: u64 = 499;

/// A variable whose value is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    RequestId,
    ExtendedRequestId,
    AccountId,
    SourceIp,
    /// A name of [`Variables::look_up`].
    Request(&'static str),
    /// A text that a stage told.
    Told(&'static str),
    Status,
    ResponseLength,
    ResponseLatency,
    RequestLength,
    FirstByteLatency,
    IntegrationLatency,
    IntegrationStatus,
    IntegrationError,
    ErrorMessage,
    ErrorMessageString,
    ErrorResponseType,
    ErrorValidationString,
    AuthenticateError,
    AuthenticateLatency,
    AuthenticateStatus,
    AuthorizeError,
    AuthorizeLatency,
    AuthorizeStatus,
    Outcome,
}

use Variable as V;

/// Every name that can have a value; API Gateway's others (`authorizer.*`, `waf.*`, …) never do and read `-`.
const NAMES: [(&str, Variable); 50] = [
    ("accountId", V::AccountId),
    ("apiId", V::Request("apiId")),
    ("authenticate.error", V::AuthenticateError),
    ("authenticate.latency", V::AuthenticateLatency),
    ("authenticate.status", V::AuthenticateStatus),
    ("authorize.error", V::AuthorizeError),
    ("authorize.latency", V::AuthorizeLatency),
    ("authorize.status", V::AuthorizeStatus),
    ("awsEndpointRequestId", V::Told("awsEndpointRequestId")),
    ("domainName", V::Request("domainName")),
    ("domainPrefix", V::Request("domainPrefix")),
    ("error.message", V::ErrorMessage),
    ("error.messageString", V::ErrorMessageString),
    ("error.responseType", V::ErrorResponseType),
    ("error.validationErrorString", V::ErrorValidationString),
    ("extendedRequestId", V::ExtendedRequestId),
    ("httpMethod", V::Request("httpMethod")),
    ("identity.accessKey", V::Told("identity.accessKey")),
    ("identity.accountId", V::Told("identity.accountId")),
    ("identity.apiKey", V::Told("identity.apiKey")),
    ("identity.apiKeyId", V::Told("identity.apiKeyId")),
    ("identity.caller", V::Told("identity.caller")),
    ("identity.sourceIp", V::SourceIp),
    ("identity.user", V::Told("identity.user")),
    ("identity.userAgent", V::Request("identity.userAgent")),
    ("identity.userArn", V::Told("identity.userArn")),
    ("integration.error", V::IntegrationError),
    ("integration.integrationStatus", V::IntegrationStatus),
    ("integration.latency", V::IntegrationLatency),
    ("integration.requestId", V::Told("awsEndpointRequestId")),
    ("integration.status", V::IntegrationStatus),
    ("integrationErrorMessage", V::IntegrationError),
    ("integrationLatency", V::IntegrationLatency),
    ("integrationStatus", V::IntegrationStatus),
    ("path", V::Request("path")),
    ("protocol", V::Request("protocol")),
    ("requestId", V::RequestId),
    ("requestTime", V::Request("requestTime")),
    ("requestTimeEpoch", V::Request("requestTimeEpoch")),
    ("resourcePath", V::Request("resourcePath")),
    ("responseLatency", V::ResponseLatency),
    ("responseLength", V::ResponseLength),
    ("sluicegate.firstByteLatency", V::FirstByteLatency),
    ("sluicegate.outcome", V::Outcome),
    ("sluicegate.requestLength", V::RequestLength),
    ("sluicegate.spanId", V::Told("sluicegate.spanId")),
    ("sluicegate.traceId", V::Told("sluicegate.traceId")),
    ("stage", V::Request("stage")),
    ("status", V::Status),
    ("xrayTraceId", V::Request("xrayTraceId")),
];

impl Variable {
    /// The variable of a name behind `$context.`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|&(_, variable)| variable)
    }

    /// Appends the value; `false`, and nothing appended, if there is none.
    pub(super) fn write(
        self,
        exchange: &ToldExchange<'_>,
        quoted: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        let record = exchange.context.record;
        let integration = record.integration();
        match self {
            Self::RequestId => text(Some(exchange.context.ids.request_id()), out),
            Self::ExtendedRequestId => text(Some(exchange.context.ids.extended_request_id()), out),
            Self::AccountId => text(exchange.table.map(|_| ACCOUNT_ID), out),
            Self::SourceIp => client(Some(exchange.context.source_ip.as_bytes()), quoted, out),
            Self::Request(name) => of_request(exchange, name, quoted, out),
            Self::Told(name) => {
                record.with_text(name, |told| client(told.map(str::as_bytes), quoted, out))
            }
            Self::Status => number(Some(status(record)), out),
            Self::ResponseLength => number(Some(record.response_bytes()), out),
            Self::RequestLength => number(Some(record.request_bytes()), out),
            Self::ResponseLatency => latency(Some(record.latency_us(exchange.ended_us)), out),
            Self::FirstByteLatency => latency(record.first_byte_us(), out),
            Self::IntegrationLatency => latency(integration.latency_us, out),
            Self::IntegrationStatus => number(integration.status.map(u64::from), out),
            Self::IntegrationError => client(integration.error.map(str::as_bytes), quoted, out),
            Self::ErrorMessage => of_fault(record, "error.message", |message| {
                client(message.map(str::as_bytes), quoted, out)
            }),
            Self::ErrorMessageString => of_fault(record, "error.message", |message| {
                message_string(message, quoted, out)
            }),
            Self::ErrorResponseType => {
                of_fault(record, "error.responseType", |kind| text(kind, out))
            }
            Self::ErrorValidationString => {
                of_fault(record, "error.validationErrorString", |said| {
                    client(said.map(str::as_bytes), quoted, out)
                })
            }
            Self::AuthenticateLatency => check_latency(record.authenticated(), out),
            Self::AuthenticateStatus => check_status(record.authenticated(), out),
            Self::AuthenticateError => check_error(exchange, record.authenticated(), quoted, out),
            Self::AuthorizeLatency => check_latency(record.authorized(), out),
            Self::AuthorizeStatus => check_status(record.authorized(), out),
            Self::AuthorizeError => check_error(exchange, record.authorized(), quoted, out),
            Self::Outcome => text(
                Some(match record.outcome() {
                    Outcome::Complete => "complete",
                    Outcome::ClientGone => "client-gone",
                    Outcome::Cut => "cut",
                    Outcome::ClientSlow => "client-slow",
                }),
                out,
            ),
        }
    }
}

/// What the client got.
fn status(record: &ExchangeRecord) -> u64 {
    match (record.outcome(), record.status()) {
        (Outcome::Complete | Outcome::Cut | Outcome::ClientSlow, Some(status)) => u64::from(status),
        _ => CLIENT_GONE,
    }
}

/// A text that holds nothing of a client.
fn text(value: Option<&str>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default().as_bytes());
    value.is_some()
}

/// A text that may. One without a character is as if it were none.
fn client(value: Option<&[u8]>, quoted: bool, out: &mut Vec<u8>) -> bool {
    let value = value.unwrap_or_default();
    escape::write(value, quoted, out);
    !value.is_empty()
}

fn number(value: Option<u64>, out: &mut Vec<u8>) -> bool {
    let Some(number) = value else {
        return false;
    };
    // a vector takes every byte
    write!(out, "{number}").is_ok()
}

/// Whole milliseconds, as API Gateway counts.
fn latency(us: Option<u64>, out: &mut Vec<u8>) -> bool {
    number(us.map(|us| us / 1_000), out)
}

fn check_latency(check: Option<Check>, out: &mut Vec<u8>) -> bool {
    latency(check.map(|check| check.latency_us), out)
}

fn check_status(check: Option<Check>, out: &mut Vec<u8>) -> bool {
    number(check.map(|check| u64::from(check.status)), out)
}

/// The exchange ended with the refusal, so that its message is the fault's.
fn check_error(
    exchange: &ToldExchange<'_>,
    check: Option<Check>,
    quoted: bool,
    out: &mut Vec<u8>,
) -> bool {
    check.is_some_and(|check| check.status != 200) && V::ErrorMessage.write(exchange, quoted, out)
}

/// What the gateway said by itself, of its fault, or what the sidecar told of its own.
fn of_fault(record: &ExchangeRecord, name: &str, write: impl FnOnce(Option<&str>) -> bool) -> bool {
    let of_gateway = record.with_fault(|fault| match name {
        "error.message" => fault.message().map(str::to_owned),
        "error.validationErrorString" => fault.validation_error().map(str::to_owned),
        _ => fault.kind().map(|kind| kind.as_str().to_owned()),
    });
    match of_gateway {
        Some(told) => write(told.as_deref()),
        None => record.with_text(name, write),
    }
}

/// A JSON string with its quotes; between quotes of the template these are escaped, so that they end nothing.
fn message_string(message: Option<&str>, quoted: bool, out: &mut Vec<u8>) -> bool {
    let Some(message) = message else {
        return false;
    };
    let quote: &[u8] = if quoted { b"\\u0022" } else { b"\"" };
    out.extend_from_slice(quote);
    escape::write(message.as_bytes(), true, out);
    out.extend_from_slice(quote);
    true
}

fn of_request(
    exchange: &ToldExchange<'_>,
    name: &'static str,
    quoted: bool,
    out: &mut Vec<u8>,
) -> bool {
    let record = exchange.context.record;
    match (exchange.head, exchange.table) {
        (Some(head), Some(table)) => {
            let variables = Variables {
                context: exchange.context,
                head,
                table,
                staged_path: route::staged_path(table, head),
                method: record.series().and_then(|series| table.methods.get(series)),
                caller: None,
                api_key: None,
            };
            match variables.look_up(name) {
                Lookup::Value(value) if is_made_here(name) => {
                    out.extend_from_slice(&value);
                    true
                }
                Lookup::Value(value) => client(Some(&value), quoted, out),
                Lookup::Null | Lookup::Unknown => false,
            }
        }
        _ => record.with_text(name, |told| match told {
            Some(told) => client(Some(told.as_bytes()), quoted, out),
            None => without_document(exchange, name, quoted, out),
        }),
    }
}

/// Texts of the gateway's own making, with blanks that a template counts on.
fn is_made_here(name: &str) -> bool {
    matches!(name, "protocol" | "requestTime" | "requestTimeEpoch")
}

/// What is known without a document or without a head.
fn without_document(
    exchange: &ToldExchange<'_>,
    name: &str,
    quoted: bool,
    out: &mut Vec<u8>,
) -> bool {
    let context = exchange.context;
    let head = exchange.head;
    match name {
        "requestTime" => text(Some(&context.request_time()), out),
        "requestTimeEpoch" => number(Some(context.epoch_millis()), out),
        "xrayTraceId" => text(Some(context.ids.trace_id()), out),
        "protocol" => text(head.map(|_| "HTTP/1.1"), out),
        "httpMethod" => client(head.map(|head| head.method()), quoted, out),
        "identity.userAgent" => client(
            head.and_then(|head| head.fields.last(b"user-agent")),
            quoted,
            out,
        ),
        "path" => client(head.and_then(|head| path_of(head.target())), quoted, out),
        _ => false,
    }
}

fn path_of(target: &[u8]) -> Option<&[u8]> {
    target.split(|&byte| byte == b'?').next()
}
