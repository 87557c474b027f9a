//! What is told of the sidecar's exchanges when they are over, and of whom.

use crate::net::clock;
use crate::net::clock::Now;
use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::context::RequestContext;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::request_ids::RequestIds;
use crate::pipeline::sidecar::s3_fault::S3Fault;
use crate::serve::connection::Client;
use crate::serve::late_ids::LateIds;
use crate::serve::per_core::Core;
use crate::wire::http1::head::RequestHead;

/// What a log may ask of the client's connection.
pub(super) struct Peer {
    /// Empty if no log will ask for it.
    source_ip: String,
    is_secure: bool,
}

impl Peer {
    pub(super) fn of(client: &Client, record: &ExchangeRecord) -> Self {
        let source_ip = record.keeps_texts().then(|| client.peer.source_ip());
        Self {
            source_ip: source_ip.unwrap_or_default(),
            is_secure: client.is_secure,
        }
    }
}

/// Notes what the sidecar says by itself.
pub(super) fn note_fault(record: &ExchangeRecord, fault: &S3Fault) {
    record.set_refused(fault.status);
    record.tell("error.message", &fault.message);
    record.tell("error.responseType", fault.code);
}

/// Tells of an exchange that is over.
pub(super) fn tell(
    core: &Core,
    now: Now,
    ids: &LateIds<'_>,
    peer: &Peer,
    record: &ExchangeRecord,
    head: Option<&RequestHead>,
) {
    let unread = RequestIds::default();
    let context = RequestContext {
        // Only a log asks for them.
        ids: if record.keeps_texts() {
            ids.made()
        } else {
            &unread
        },
        time: now.unix,
        time_millis: now.millis,
        source_ip: &peer.source_ip,
        is_secure: peer.is_secure,
        record,
    };
    core.tell(&ToldExchange {
        context: &context,
        head,
        table: None,
        ended_us: clock::monotonic_us(),
    });
}
