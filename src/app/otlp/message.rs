//! The messages of OTLP that carry spans, with the field numbers of opentelemetry-proto 1.x (`trace_service.proto`,
//! `trace.proto`, `common.proto`, `resource.proto`). Fields that are never sent are left out.

use prost::Message;
use prost::Oneof;

/// `ExportTraceServiceRequest`
#[derive(Clone, PartialEq, Message)]
pub struct ExportRequest {
    /// One for each resource: this process.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// `ResourceSpans`
#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    /// Who tells.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// What is told.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

/// `Resource`
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// `service.name` and others.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// `ScopeSpans`
#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    /// What made them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The spans.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
    /// The version of the conventions that names follow.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// `InstrumentationScope`
#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    /// The library.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// `Span`
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// As in the header.
    #[prost(string, tag = "3")]
    pub trace_state: String,
    /// 8 bytes, or none.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    /// Few different ones.
    #[prost(string, tag = "5")]
    pub name: String,
    /// [`KIND_SERVER`] or [`KIND_CLIENT`].
    #[prost(int32, tag = "6")]
    pub kind: i32,
    /// Since the epoch.
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    /// Since the epoch.
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    /// By the conventions.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// How it ended.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
    /// Trace flags, and [`FLAG_KNOWS_REMOTE`], [`FLAG_REMOTE_PARENT`].
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
}

/// `SpanKind`
pub const KIND_SERVER: i32 = 2;
/// `SpanKind`
pub const KIND_CLIENT: i32 = 3;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`
pub const FLAG_KNOWS_REMOTE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`
pub const FLAG_REMOTE_PARENT: u32 = 0x200;
/// `STATUS_CODE_ERROR`
pub const STATUS_ERROR: i32 = 2;

/// `Status`
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// 0 for unset.
    #[prost(int32, tag = "3")]
    pub code: i32,
}

/// `KeyValue`
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// The attribute's name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// `AnyValue`
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    /// One of the kinds that are sent.
    #[prost(oneof = "Any", tags = "1, 3")]
    pub value: Option<Any>,
}

/// The kinds of `AnyValue` that are sent.
#[derive(Clone, PartialEq, Oneof)]
pub enum Any {
    /// `string_value`
    #[prost(string, tag = "1")]
    Text(String),
    /// `int_value`
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// `ExportTraceServiceResponse`
#[derive(Clone, PartialEq, Message)]
pub struct ExportResponse {
    /// Only if something was not taken.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`
#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    /// How many spans.
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub error_message: String,
}
