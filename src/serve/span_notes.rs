//! What the data path notes for the spans of an exchange that is recorded; of any other nothing is read or copied.

use crate::net::address::PeerAddress;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::http_request::HttpRequest;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::sidecar::forward::Forwarded;
use crate::pipeline::spans::notes::CallNotes;
use crate::pipeline::spans::notes::S3Object;
use crate::serve::per_core::Core;
use crate::serve::send::Answer;
use crate::wire::http1::head::RequestHead;

/// The other end of the client's connection.
pub fn client(record: &ExchangeRecord, peer: PeerAddress) {
    record.note_for_spans(|notes| {
        if let PeerAddress::Inet(address) = peer {
            notes.client = Some(address);
        }
    });
}

/// A request of an integration that is about to be sent to the store.
pub fn store_call(record: &ExchangeRecord, core: &Core, request: &IntegrationRequest<'_, '_>) {
    record.note_for_spans(|notes| {
        let place = request.place();
        notes.call = Some(to_store(core, request.method(), &place.host, &place.path));
    });
}

/// A request of the sidecar's that is about to be sent to the store.
pub fn forwarded_call(
    record: &ExchangeRecord,
    core: &Core,
    head: &RequestHead,
    forwarded: &Forwarded,
) {
    record.note_for_spans(|notes| {
        let Forwarded { host, path, .. } = forwarded;
        notes.call = Some(to_store(core, head.method(), host, path));
    });
}

/// A request that is about to be sent to an HTTP backend.
pub fn http_call(record: &ExchangeRecord, request: &HttpRequest<'_, '_>) {
    record.note_for_spans(|notes| {
        let (scheme, authority) = match request.origin().strip_prefix("https://") {
            Some(authority) => ("https", authority),
            None => {
                let origin = request.origin();
                ("http", origin.strip_prefix("http://").unwrap_or(origin))
            }
        };
        notes.call = Some(CallNotes {
            method: text(request.method()),
            scheme,
            authority: authority.to_owned(),
            path: text(without_query(request.target())),
            ..CallNotes::default()
        });
    });
}

/// Where an answer came from, and what the store calls it.
pub fn answer(record: &ExchangeRecord, answer: &Answer) {
    record.note_for_spans(|notes| {
        let Some(call) = &mut notes.call else {
            return;
        };
        if let Answer::Store(upstream) = answer {
            call.upstream = Some(upstream.connection.address());
        }
        let fields = &answer.head().fields;
        call.request_id = fields.last(b"x-amz-request-id").map(text);
        call.extended_request_id = fields.last(b"x-amz-id-2").map(text);
    });
}

fn to_store(core: &Core, method: &[u8], host: &str, path: &[u8]) -> CallNotes {
    let endpoint = &core.settings.endpoint;
    CallNotes {
        method: text(method),
        scheme: if endpoint.is_tls() { "https" } else { "http" },
        authority: host.to_owned(),
        path: text(path),
        object: Some(S3Object::of(host, endpoint.authority(), path)),
        ..CallNotes::default()
    }
}

fn without_query(target: &[u8]) -> &[u8] {
    let mut parts = target.split(|&byte| byte == b'?');
    parts.next().unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
