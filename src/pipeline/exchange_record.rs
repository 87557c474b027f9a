//! What is told of an exchange when it is over. Its stages fill it; the access log and the metrics read it.
//!
//! Everything is a cell, so that whoever learns something says it through a shared borrow. Numbers cost nothing to keep;
//! texts are kept only where a log will ask for them. Never a query, a signature, a secret or a body.

use std::cell::Cell;
use std::cell::RefCell;

use crate::api::gateway_response::ResponseType;
use crate::pipeline::body_plan::ConversionKind;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::identity::Identity;
use crate::pipeline::spans::notes::SpanNotes;
use crate::pipeline::trace_context::TraceContext;

/// Characters of an API key that a log shows, its last ones.
const API_KEY_SHOWN: usize = 4;
/// A key that is not longer than this is not shown at all: API Gateway's keys have 20 characters at least.
const API_KEY_HIDDEN_MAX: usize = 19;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What the metrics need.
    #[default]
    Numbers,
    /// Texts too, for a log.
    Texts,
}

/// How an exchange ended for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response was handed over whole.
    Complete,
    /// The client was gone before a response began.
    ClientGone,
    /// The response began and was not whole: either side failed in its body.
    Cut,
    /// The client sent the request's body or took the response more slowly than it may.
    ClientSlow,
}

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

/// The result of a check of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// 200, or that of the refusal.
    pub status: u16,
    /// Microseconds that it took.
    pub latency_us: u64,
}

/// The call to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntegrationCall {
    /// When sending began, in microseconds of the monotonic clock.
    pub begun_us: Option<u64>,
    /// From then to the response head, or to the failure.
    pub latency_us: Option<u64>,
    /// The store's status.
    pub status: Option<u16>,
    /// Why there is none.
    pub error: Option<&'static str>,
}

/// One exchange, as far as it has come.
#[derive(Debug, Default)]
pub struct ExchangeRecord {
    detail: Detail,
    begun_us: u64,
    series: Cell<Option<usize>>,
    status: Cell<Option<u16>>,
    first_byte_us: Cell<Option<u64>>,
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
    integration: Cell<IntegrationCall>,
    authenticated: Cell<Option<Check>>,
    authorized: Cell<Option<Check>>,
    request_conversion: Cell<Option<ConversionKind>>,
    response_conversion: Cell<Option<ConversionKind>>,
    cut: Cell<bool>,
    too_slow: Cell<Option<Direction>>,
    refused: Cell<Option<u16>>,
    fault: RefCell<Option<GatewayFault>>,
    texts: RefCell<Vec<(&'static str, String)>>,
    /// Only of an exchange whose spans are recorded.
    spans: RefCell<Option<Box<SpanNotes>>>,
}

impl ExchangeRecord {
    /// An exchange whose request head was complete at `begun_us` of the monotonic clock.
    #[must_use]
    pub fn new(detail: Detail, begun_us: u64) -> Self {
        Self {
            detail,
            begun_us,
            ..Self::default()
        }
    }

    /// The exchange is counted under this series of the metrics: the position of its method in the table.
    pub fn set_series(&self, series: usize) {
        self.series.set(Some(series));
    }

    /// Keeps a text under its name behind `$context.`, if a log may ask for it. The last one counts.
    pub fn tell(&self, name: &'static str, text: &str) {
        if self.detail == Detail::Texts {
            let mut texts = self.texts.borrow_mut();
            texts.retain(|(known, _)| *known != name);
            texts.push((name, text.to_owned()));
        }
    }

    /// Who calls.
    pub fn tell_caller(&self, caller: &Identity) {
        if self.detail == Detail::Texts {
            for name in IDENTITY_NAMES {
                let value = name.strip_prefix("identity.");
                if let Some(text) = value.and_then(|name| caller.context_value(name)) {
                    self.tell(name, text);
                }
            }
        }
    }

    /// In which trace.
    pub fn tell_trace(&self, trace: &TraceContext) {
        self.tell("sluicegate.traceId", trace.trace_id());
        self.tell("sluicegate.spanId", trace.span_id());
    }

    /// The spans of this exchange are recorded.
    pub fn record_spans(&self, trace: TraceContext) {
        self.spans.replace(Some(Box::new(SpanNotes::new(trace))));
    }

    /// Notes something for the spans, if there are any.
    pub fn note_for_spans(&self, note: impl FnOnce(&mut SpanNotes)) {
        if let Some(notes) = self.spans.borrow_mut().as_deref_mut() {
            note(notes);
        }
    }

    /// Reads what was noted for the spans; `None` if they are not recorded.
    pub fn with_spans<T>(&self, read: impl FnOnce(&SpanNotes) -> T) -> Option<T> {
        self.spans.borrow().as_deref().map(read)
    }

    /// By which API key; of its value only the end is kept.
    pub fn tell_api_key(&self, id: &str, value: &str) {
        self.tell("identity.apiKeyId", id);
        let shown = value.len().checked_sub(API_KEY_SHOWN);
        let shown = shown.filter(|_| value.len() > API_KEY_HIDDEN_MAX);
        let shown = shown.and_then(|at| value.get(at..)).unwrap_or_default();
        self.tell("identity.apiKey", &format!("**********{shown}"));
    }

    /// The result of asking who calls and whether that caller may, `latency_us` after the question.
    pub fn checked(&self, result: Result<(), &GatewayFault>, latency_us: u64) {
        let check = |status| Some(Check { status, latency_us });
        let refusal = result.err().and_then(|fault| match fault.kind() {
            // Refusals of later stages: the caller was let in.
            Some(
                ResponseType::InvalidApiKey | ResponseType::Throttled | ResponseType::QuotaExceeded,
            ) => None,
            kind => Some((kind, fault.status())),
        });
        match refusal {
            None => {
                self.authenticated.set(check(200));
                self.authorized.set(check(200));
            }
            Some((Some(ResponseType::AccessDenied), status)) => {
                self.authenticated.set(check(200));
                self.authorized.set(check(status));
            }
            Some((_, status)) => self.authenticated.set(check(status)),
        }
    }

    /// The call to the store begins.
    pub fn integration_begins(&self, now_us: u64) {
        self.integration.set(IntegrationCall {
            begun_us: Some(now_us),
            ..IntegrationCall::default()
        });
    }

    /// The store's response head has arrived.
    pub fn integration_answered(&self, now_us: u64, status: u16) {
        let call = self.integration.get();
        self.integration.set(IntegrationCall {
            latency_us: call.begun_us.map(|begun| now_us.saturating_sub(begun)),
            status: Some(status),
            ..call
        });
    }

    /// The store did not answer, or its answer broke off.
    pub fn integration_failed(&self, now_us: u64, error: &'static str) {
        let call = self.integration.get();
        let latency_us = call.begun_us.map(|begun| now_us.saturating_sub(begun));
        self.integration.set(IntegrationCall {
            latency_us: call.latency_us.or(latency_us),
            error: Some(error),
            ..call
        });
    }

    /// What the request body becomes.
    pub fn set_request_conversion(&self, conversion: ConversionKind) {
        self.request_conversion.set(Some(conversion));
    }

    /// What the response body becomes.
    pub fn set_response_conversion(&self, conversion: ConversionKind) {
        self.response_conversion.set(Some(conversion));
    }

    /// The gateway answers by itself.
    pub fn set_fault(&self, fault: GatewayFault) {
        self.set_refused(fault.status());
        self.fault.replace(Some(fault));
    }

    /// The client gets this status without anybody having been asked. What is not the client's doing is no refusal: a
    /// failure of 500 to 504, other than 501 for what HTTP does not know.
    pub fn set_refused(&self, status: u16) {
        let refused = matches!(status, 400..=499 | 501 | 505);
        self.refused.set(refused.then_some(status));
    }

    /// A response of this status was written.
    pub fn set_status(&self, status: u16) {
        self.status.set(Some(status));
    }

    /// Bytes of a response were handed over; the first ones count.
    pub fn sent_at(&self, now_us: impl FnOnce() -> u64) {
        if self.first_byte_us.get().is_none() {
            let latency = now_us().saturating_sub(self.begun_us);
            self.first_byte_us.set(Some(latency));
        }
    }

    /// The response will not be whole.
    pub fn set_cut(&self) {
        self.cut.set(true);
    }

    /// The client was too slow; the exchange ends for that reason.
    pub fn set_too_slow(&self, direction: Direction) {
        self.too_slow.set(Some(direction));
    }

    /// Bytes of the request's body arrived.
    pub fn add_request_bytes(&self, bytes: u64) {
        self.request_bytes
            .set(self.request_bytes.get().saturating_add(bytes));
    }

    /// Bytes of the response's body were handed over.
    pub fn add_response_bytes(&self, bytes: u64) {
        self.response_bytes
            .set(self.response_bytes.get().saturating_add(bytes));
    }

    /// Whether texts are kept.
    #[must_use]
    pub fn keeps_texts(&self) -> bool {
        self.detail == Detail::Texts
    }

    /// See [`Self::set_series`].
    #[must_use]
    pub const fn series(&self) -> Option<usize> {
        self.series.get()
    }

    /// The status that was written; `None` before one was.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status.get()
    }

    /// When the request's head was complete, in microseconds of the monotonic clock.
    #[must_use]
    pub const fn begun_us(&self) -> u64 {
        self.begun_us
    }

    /// Microseconds from the request's head to `now_us`.
    #[must_use]
    pub const fn latency_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.begun_us)
    }

    /// Microseconds from the request's head to the first bytes of the response.
    #[must_use]
    pub const fn first_byte_us(&self) -> Option<u64> {
        self.first_byte_us.get()
    }

    /// Bytes of the request's body that arrived.
    #[must_use]
    pub const fn request_bytes(&self) -> u64 {
        self.request_bytes.get()
    }

    /// Bytes of the response's body that were handed over.
    #[must_use]
    pub const fn response_bytes(&self) -> u64 {
        self.response_bytes.get()
    }

    /// The call to the store.
    #[must_use]
    pub const fn integration(&self) -> IntegrationCall {
        self.integration.get()
    }

    /// Whether the caller is known.
    #[must_use]
    pub const fn authenticated(&self) -> Option<Check> {
        self.authenticated.get()
    }

    /// Whether the caller may call.
    #[must_use]
    pub const fn authorized(&self) -> Option<Check> {
        self.authorized.get()
    }

    /// What became of the request body.
    #[must_use]
    pub const fn request_conversion(&self) -> Option<ConversionKind> {
        self.request_conversion.get()
    }

    /// What became of the response body.
    #[must_use]
    pub const fn response_conversion(&self) -> Option<ConversionKind> {
        self.response_conversion.get()
    }

    /// See [`Self::set_refused`].
    #[must_use]
    pub const fn refused(&self) -> Option<u16> {
        self.refused.get()
    }

    /// See [`Self::set_too_slow`].
    #[must_use]
    pub const fn too_slow(&self) -> Option<Direction> {
        self.too_slow.get()
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        if self.too_slow.get().is_some() {
            return Outcome::ClientSlow;
        }
        match (self.status.get(), self.first_byte_us.get()) {
            (Some(_), Some(_)) if self.cut.get() => Outcome::Cut,
            (Some(_), Some(_)) => Outcome::Complete,
            _ => Outcome::ClientGone,
        }
    }

    /// Reads the fault, if the gateway answered by itself.
    pub fn with_fault<T>(&self, read: impl FnOnce(&GatewayFault) -> T) -> Option<T> {
        self.fault.borrow().as_ref().map(read)
    }

    /// Reads a text that was told.
    pub fn with_text<T>(&self, name: &str, read: impl FnOnce(Option<&str>) -> T) -> T {
        let texts = self.texts.borrow();
        let found = texts.iter().find(|(known, _)| *known == name);
        read(found.map(|(_, text)| text.as_str()))
    }
}

/// What is told of a caller.
const IDENTITY_NAMES: [&str; 5] = [
    "identity.accessKey",
    "identity.accountId",
    "identity.caller",
    "identity.user",
    "identity.userArn",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(record: &ExchangeRecord, name: &str) -> Option<String> {
        record.with_text(name, |text| text.map(str::to_owned))
    }

    #[test]
    fn texts_are_kept_only_for_a_log() {
        let quiet = ExchangeRecord::new(Detail::Numbers, 0);
        quiet.tell("identity.apiKeyId", "a");
        assert_eq!(text(&quiet, "identity.apiKeyId"), None);
        let told = ExchangeRecord::new(Detail::Texts, 0);
        told.tell("identity.apiKeyId", "a");
        told.tell("identity.apiKeyId", "b");
        assert_eq!(text(&told, "identity.apiKeyId").as_deref(), Some("b"));
    }

    #[test]
    fn of_an_api_key_at_most_four_characters_are_kept() {
        let record = ExchangeRecord::new(Detail::Texts, 0);
        for (value, kept) in [
            ("", "**********"),
            ("0123456789012345678", "**********"),
            ("01234567890123456789", "**********6789"),
            ("0123456789012345é", "**********"),
        ] {
            record.tell_api_key("id", value);
            assert_eq!(
                text(&record, "identity.apiKey").as_deref(),
                Some(kept),
                "{value}"
            );
        }
    }

    #[test]
    fn a_denied_caller_is_known_and_a_wrong_signature_is_not() {
        let record = ExchangeRecord::new(Detail::Numbers, 0);
        record.checked(Err(&GatewayFault::access_denied("no".to_owned())), 5);
        let check = |status| {
            Some(Check {
                status,
                latency_us: 5,
            })
        };
        assert_eq!(
            (record.authenticated(), record.authorized()),
            (check(200), check(403))
        );
        let record = ExchangeRecord::new(Detail::Numbers, 0);
        record.checked(Err(&GatewayFault::signature_mismatch()), 5);
        assert_eq!(
            (record.authenticated(), record.authorized()),
            (check(403), None)
        );
        record.checked(Err(&GatewayFault::invalid_api_key()), 5);
        assert_eq!(record.authorized(), check(200));
    }

    #[test]
    fn an_exchange_without_a_response_ended_with_the_client() {
        let record = ExchangeRecord::new(Detail::Numbers, 10);
        assert_eq!(record.outcome(), Outcome::ClientGone);
        record.set_status(200);
        assert_eq!(record.outcome(), Outcome::ClientGone);
        record.sent_at(|| 15);
        record.sent_at(|| 99);
        assert_eq!(
            (record.outcome(), record.first_byte_us()),
            (Outcome::Complete, Some(5))
        );
        record.set_cut();
        assert_eq!(record.outcome(), Outcome::Cut);
    }

    #[test]
    fn a_body_that_breaks_off_keeps_the_latency_of_its_head() {
        let record = ExchangeRecord::new(Detail::Numbers, 0);
        record.integration_begins(10);
        record.integration_answered(30, 200);
        record.integration_failed(90, "lost");
        let call = record.integration();
        assert_eq!(
            (call.latency_us, call.status, call.error),
            (Some(20), Some(200), Some("lost"))
        );
        record.integration_begins(100);
        record.integration_failed(190, "lost");
        assert_eq!(record.integration().latency_us, Some(90));
    }
}
