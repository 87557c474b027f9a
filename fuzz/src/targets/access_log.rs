//! Access logs: one line for each exchange, whatever the template and the client say.

use sluicegate::pipeline::access_log::AccessLogFormat;
use sluicegate::pipeline::access_log::LINE_BYTES_MAX;
use sluicegate::pipeline::access_log::ToldExchange;
use sluicegate::pipeline::context::RequestContext;
use sluicegate::pipeline::exchange_record::Detail;
use sluicegate::pipeline::exchange_record::ExchangeRecord;
use sluicegate::pipeline::request_ids::RANDOM_BYTES;
use sluicegate::pipeline::request_ids::RequestIds;
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::http1::head::HeadLimits;
use sluicegate::wire::http1::head::RequestHead;

const NOW: UnixSeconds = UnixSeconds(1_369_353_600);

/// The first line is a template, the rest the value of `User-Agent` and a path.
pub fn run(data: &[u8]) {
    let end = data
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(data.len());
    let (template, rest) = data.split_at(end);
    let mut head = RequestHead::default();
    let path: Vec<u8> = rest.iter().copied().filter(u8::is_ascii_graphic).collect();
    let mut wire = b"GET /".to_vec();
    wire.extend_from_slice(&path);
    wire.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\nUser-Agent: ");
    wire.extend(rest.iter().filter(|&&byte| byte >= b' ' && byte != 0x7f));
    wire.extend_from_slice(b"\r\n\r\n");
    let has_head = matches!(head.read(&wire, &HeadLimits::default()), Ok(Some(_)));
    let head = has_head.then_some(&head);

    let line = line("json", head).expect("the format of the house");
    let told: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
    assert!(told["userAgent"].is_string());
    let Ok(template) = str::from_utf8(template) else {
        return;
    };
    if let Some(line) = self::line(template, head) {
        let (last, before) = line.split_last().expect("a line feed");
        assert_eq!(*last, b'\n');
        assert!(before.len() < LINE_BYTES_MAX);
        assert!(
            str::from_utf8(before)
                .expect("text")
                .chars()
                .all(|c| c == '\t' || !c.is_control())
        );
    }
}

fn line(template: &str, head: Option<&RequestHead>) -> Option<Vec<u8>> {
    let format = AccessLogFormat::compile(template).ok()?;
    let ids = RequestIds::new(
        &[7; RANDOM_BYTES],
        NOW,
        head.and_then(|head| head.fields.last(b"user-agent")),
    );
    let record = ExchangeRecord::new(Detail::Texts, 1_000);
    record.set_status(200);
    record.tell("identity.caller", "caller");
    let context = RequestContext {
        ids: &ids,
        time: NOW,
        time_millis: 7,
        source_ip: "192.0.2.1",
        is_secure: false,
        record: &record,
    };
    let mut out = Vec::new();
    let exchange = ToldExchange {
        context: &context,
        head,
        table: None,
        ended_us: 2_500,
    };
    let written = format.write_line(&exchange, &mut out);
    assert_eq!(written, !out.is_empty());
    written.then_some(out)
}
