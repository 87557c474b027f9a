//! `sluicegate explain`: one request through the stages that serve it, nothing sent.

pub mod args;
pub mod backend;
pub mod execution_log;
pub mod explanation;
pub mod hidden;
pub mod narrative;
pub mod walk;
pub mod words;

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;

use crate::app::documents;
use crate::app::documents::LoadedDocument;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::explain::args::ExplainArgs;
use crate::app::explain::args::HeaderLine;
use crate::app::explain::explanation::Explanation;
use crate::app::explain::explanation::FORMAT;
use crate::app::explain::explanation::ToldRequest;
use crate::app::explain::walk::Answer;
use crate::app::explain::walk::Ended;
use crate::app::explain::walk::Serving;
use crate::app::explain::walk::Walk;
use crate::app::output;
use crate::app::settings::document::served_documents;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::identities;
use crate::app::settings::metering;
use crate::app::settings::printing::Printing;
use crate::app::settings::roles;
use crate::app::settings::running::HEADER_BYTES_DEFAULT;
use crate::app::settings::running::PAYLOAD_BYTES_DEFAULT;
use crate::app::settings::upstream::SupposedUpstream;
use crate::net::clock;
use crate::pipeline::authorize::CallerPolicy;
use crate::pipeline::authorize::Callers;
use crate::pipeline::context::RequestContext;
use crate::pipeline::exchange_record::Detail;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::metering::Meter;
use crate::pipeline::metering::limiters::Moment;
use crate::pipeline::request_ids::RANDOM_BYTES;
use crate::pipeline::request_ids::RequestIds;
use crate::pipeline::store_path::StoreAddress;
use crate::serve::apis::asked;
use crate::serve::connection::FIELDS_MAX;
use crate::serve::connection::TARGET_BYTES_MAX;
use crate::serve::settings::PayloadSigning;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::HeadLimits;
use crate::wire::http1::head::RequestHead;

/// The body of a file that `--data` or `--response-data` names.
const DATA_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// From where the request is taken to come (RFC 5737).
const SOURCE_IP: &str = "192.0.2.1";

/// Explains one request.
pub fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.output.config.as_deref())?;
    let printing = Printing::layered(&args.output, &file, &environment);
    let served = served_documents(&args.api, &args.import, &file)?;
    let ignore_authorizers = served.iter().any(|one| one.import.ignore_authorizers);
    let documents = documents::load_all(&served)?;
    let time = args.at.map_or_else(|| clock::now().unix, |at| at.0);
    let body = data(args.data.as_deref(), "--data")?;
    let limits = &file.sections.limits;
    let header_bytes = limits.header_bytes.map(|n| n.count());
    let head = request_head(args, &body, header_bytes.unwrap_or(HEADER_BYTES_DEFAULT))?;
    let table = &chosen(&documents, &head)?.table;
    let answer = answer(args)?;
    let upstream = SupposedUpstream::layered(&args.store, &environment, &file)?;
    let identities = identities::read(&file)?;
    let now = Moment {
        unix: time,
        monotonic_us: clock::monotonic_us(),
    };
    let roles = roles::read(&file)?;
    let metering = metering::read_fresh(&file, table, now)?;
    let endpoint = upstream.endpoint.endpoint();
    let (addressing, bucket) = (upstream.addressing, upstream.bucket.as_deref());
    let store = StoreAddress::new(endpoint.authority(), addressing, bucket, table);
    let signing = file.sections.s3.payload_signing;
    let signing = signing.map_or(PayloadSigning::Auto, PayloadSigning::from);
    let payload = limits.payload_bytes.map(|n| n.number());
    let workspace = RefCell::default();
    let serving = Serving {
        table,
        store: &store,
        policy: if ignore_authorizers {
            CallerPolicy::IgnoreAuthorizers
        } else {
            CallerPolicy::Enforce(Callers {
                identities: &identities,
                region: &upstream.region,
                workspace: &workspace,
            })
        },
        meter: Meter {
            metering: &metering,
            asks_for_keys: !ignore_authorizers,
            now,
        },
        region: &upstream.region,
        credentials: &upstream.credentials,
        roles: &roles,
        is_secure: endpoint.is_tls(),
        signing: signing.towards(endpoint),
        payload_bytes_max: payload.unwrap_or(PAYLOAD_BYTES_DEFAULT),
        supposed: upstream.supposed,
    };
    let explanation = explained(&serving, (&head, &body), answer.as_ref(), time);
    match printing {
        Printing::Json => output::print_json(&explanation)?,
        Printing::Text(terminal) => output::print(&narrative::text(&explanation, terminal))?,
    }
    Ok(Exit::AsAsked)
}

/// The document that a request is for; where none claims it, one that refuses it.
fn chosen<'d>(
    documents: &'d [LoadedDocument],
    head: &RequestHead,
) -> Result<&'d LoadedDocument, Failure> {
    let (host, stage) = asked(head).unwrap_or_default();
    let is_of_stage = |one: &&LoadedDocument| one.table.stage.as_bytes() == stage;
    let is_of_host = |one: &&LoadedDocument| {
        let own = one.host.as_deref();
        own.is_some_and(|own| own.as_bytes().eq_ignore_ascii_case(host))
    };
    let claiming = documents.iter().filter(is_of_stage).find(is_of_host);
    let claiming = claiming.or_else(|| {
        let mut of_stage = documents.iter().filter(is_of_stage);
        of_stage.find(|one| one.host.is_none())
    });
    let refusing = || documents.iter().find(|one| !is_of_stage(one));
    claiming.or_else(refusing).ok_or_else(|| {
        let message = format!(
            "no document answers under the host {:?}: the client gets 403 Forbidden; -H 'Host: NAME' names another",
            String::from_utf8_lossy(host)
        );
        Failure::new(Exit::BadConfiguration, message)
    })
}

/// The walk of one request, with ids that are all zeros.
fn explained(
    serving: &Serving<'_>,
    (head, body): (&RequestHead, &[u8]),
    answer: Option<&Answer>,
    time: UnixSeconds,
) -> Explanation {
    let record = ExchangeRecord::new(Detail::Texts, 0);
    let trace = head.fields.last(b"x-amzn-trace-id");
    let ids = RequestIds::new(&[0; RANDOM_BYTES], time, trace);
    let context = RequestContext {
        ids: &ids,
        time,
        time_millis: 0,
        source_ip: SOURCE_IP,
        is_secure: false,
        record: &record,
    };
    let hidden = serving.hidden(head);
    let fields = head.fields.iter();
    let request = ToldRequest {
        method: hidden.shown(head.method()),
        target: hidden.shown(head.target()),
        headers: fields
            .map(|(name, value)| hidden.field(name, value))
            .collect(),
        body_bytes: body.len(),
        time: time.amz_date(),
    };
    let Ended {
        steps,
        response,
        execution_log,
    } = Walk::new(serving, (head, body), answer, &context).run();
    let (answered_by, response) = response.unzip();
    Explanation {
        format: FORMAT,
        request,
        steps,
        answered_by,
        response,
        execution_log,
    }
}

/// The head that a client would send: Host and Content-Length are added as every client adds them.
fn request_head(
    args: &ExplainArgs,
    body: &[u8],
    fields_bytes_max: usize,
) -> Result<RequestHead, Failure> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !is_word(&args.method) || !is_word(&args.target) {
        let message =
            "METHOD and TARGET are words of visible ASCII; write other bytes of the target as %XX";
        return Err(Failure::new(Exit::WrongUsage, message));
    }
    let has = |wanted: &str| {
        let mut names = args.header.iter().map(|header| header.name.as_str());
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    let mut text = format!("{} {} HTTP/1.1\r\n", args.method, args.target);
    if !has("host") {
        text.push_str("Host: localhost\r\n");
    }
    for HeaderLine { name, value } in &args.header {
        // That of a captured request may be another body's.
        if !name.eq_ignore_ascii_case("content-length") {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if args.data.is_some() && !has("transfer-encoding") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let limits = HeadLimits {
        target_bytes_max: TARGET_BYTES_MAX,
        fields_bytes_max,
        fields_max: FIELDS_MAX,
    };
    let mut head = RequestHead::default();
    match head.read(text.as_bytes(), &limits) {
        Ok(Some(_)) => Ok(head),
        Ok(None) => Err(Failure::new(Exit::WrongUsage, "the request has no end")),
        Err(fault) => {
            let status = fault.status();
            let message = format!(
                "no request that can be read ({fault:?}): the gateway answers {status} and closes"
            );
            Err(Failure::new(Exit::WrongUsage, message))
        }
    }
}

/// The answer that `--response` and its companions describe.
fn answer(args: &ExplainArgs) -> Result<Option<Answer>, Failure> {
    let Some(status) = args.response else {
        return Ok(None);
    };
    let mut fields = Fields::new();
    for header in &args.response_header {
        fields.push(header.name.as_bytes(), header.value.as_bytes());
    }
    let body = data(args.response_data.as_deref(), "--response-data")?;
    Ok(Some(Answer {
        status,
        fields,
        body,
    }))
}

/// The text itself, or the bytes of the file behind `@`.
fn data(given: Option<&str>, option: &str) -> Result<Vec<u8>, Failure> {
    let given = given.unwrap_or_default();
    let Some(path) = given.strip_prefix('@') else {
        return Ok(given.as_bytes().to_vec());
    };
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(DATA_BYTES_MAX + 1).read_to_end(&mut bytes));
    let told = match read {
        Ok(_) if bytes.len() as u64 <= DATA_BYTES_MAX => return Ok(bytes),
        Ok(_) => format!("longer than {DATA_BYTES_MAX} bytes"),
        Err(cause) => cause.to_string(),
    };
    let message = format!("{option} {given}: {told}");
    Err(Failure::new(Exit::WrongUsage, message))
}
