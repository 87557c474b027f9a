//! `sluicegate routes`: the compiled tables of documents.

use serde::Serialize;

use crate::api::content_handling::BodyClass;
use crate::api::content_handling::Conversion;
use crate::api::content_handling::request_conversion;
use crate::api::content_handling::response_conversion;
use crate::api::model::Authorization;
use crate::api::model::HttpUri;
use crate::api::model::Integration;
use crate::api::model::IntegrationKind;
use crate::api::model::Method;
use crate::api::model::S3Uri;
use crate::api::model::UriPart;
use crate::api::model::UriTemplate;
use crate::api::openapi::finding::Finding;
use crate::api::table::Table;
use crate::app::cli::RoutesArgs;
use crate::app::documents;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::findings_report;
use crate::app::findings_report::FindingJson;
use crate::app::output;
use crate::app::settings::document::ServedDocument;
use crate::app::settings::document::named_documents;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::printing::Printing;
use crate::app::terminal::Style;
use crate::app::terminal::Terminal;

/// The status whose integration response stands for "the object is there".
const STATUS_SHOWN: u16 = 200;
const HEADINGS: [&str; 6] = [
    "METHOD",
    "PATH",
    "AUTHORIZATION",
    "S3",
    "REQUEST BODY",
    "RESPONSE BODY",
];
const LEGEND: &str = "REQUEST BODY: conversion of a text / of a binary body. RESPONSE BODY: text to a client that wants text, \
    text to binary, binary to text, binary to binary. Binary is what x-amazon-apigateway-binary-media-types lists.";
/// Between two columns.
const GAP: &str = "  ";
/// Names the shape of the JSON; a change that takes something away gets another number.
const FORMAT: &str = "sluicegate.routes/1";

/// Prints the table.
pub fn run(args: &RoutesArgs) -> Result<Exit, Failure> {
    let file = ConfigFile::given(args.output.config.as_deref())?;
    let printing = Printing::layered(&args.output, &file, &Environment::of_process());
    let named = named_documents(&args.files, &args.import, &file)?;
    let mut tables = Vec::with_capacity(named.len());
    for document in &named {
        let text = documents::read(&document.file)?;
        let name = document.file.to_string_lossy();
        match (documents::compile(&name, &text, &document.import), printing) {
            (Ok(imported), _) => tables.push(imported.table),
            (Err(findings), Printing::Json) => {
                output::print_json(&Refused::of(&name, &findings))?;
                return Ok(Exit::BadConfiguration);
            }
            (Err(findings), Printing::Text(_)) => return Err(documents::refusal(findings)),
        }
    }
    let apis: Vec<(&ServedDocument, &Table)> = named.iter().zip(&tables).collect();
    match (apis.as_slice(), printing) {
        ([(document, table)], Printing::Json) => {
            let host = document.host.as_deref();
            output::print_json(&Json::of(table, host))?;
        }
        (several, Printing::Json) => output::print_json(&SeveralJson::of(several))?,
        (several, Printing::Text(terminal)) => {
            for (number, (document, table)) in several.iter().enumerate() {
                let routes: Vec<Route> =
                    table.methods.iter().map(|m| Route::of(table, m)).collect();
                let head = match several.len() {
                    1 => String::new(),
                    _ => head_of(number, document, table, terminal),
                };
                output::print(&format!("{head}{}", shown(&routes, terminal)))?;
            }
        }
    }
    Ok(Exit::AsAsked)
}

/// The line above the routes of one of several documents.
fn head_of(number: usize, document: &ServedDocument, table: &Table, terminal: Terminal) -> String {
    let name = document.file.display().to_string();
    let name = terminal.paint(Style::Strong, &name);
    let gap = if number == 0 { "" } else { "\n" };
    let stage = &table.stage;
    match &document.host {
        Some(host) => format!("{gap}{name}: stage {stage}, host {host}\n"),
        None => format!("{gap}{name}: stage {stage}\n"),
    }
}

/// The tables of several documents.
#[derive(Debug, Serialize)]
struct SeveralJson<'t> {
    format: &'static str,
    apis: Vec<Json<'t>>,
}

impl<'t> SeveralJson<'t> {
    fn of(apis: &[(&'t ServedDocument, &'t Table)]) -> Self {
        let one = |(document, table): &(&'t ServedDocument, &'t Table)| {
            Json::of(table, document.host.as_deref())
        };
        Self {
            format: FORMAT,
            apis: apis.iter().map(one).collect(),
        }
    }
}

/// The table of one document.
#[derive(Debug, Serialize)]
pub struct Json<'t> {
    format: &'static str,
    api: ApiJson<'t>,
    routes: Vec<Route>,
}

#[derive(Debug, Serialize)]
struct ApiJson<'t> {
    id: &'t str,
    title: &'t str,
    stage: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'t str>,
}

impl<'t> Json<'t> {
    /// Everything that `routes --json` prints.
    pub fn of(table: &'t Table, host: Option<&'t str>) -> Self {
        Self {
            format: FORMAT,
            api: ApiJson {
                id: &table.api_id,
                title: &table.title,
                stage: &table.stage,
                host,
            },
            routes: table.methods.iter().map(|m| Route::of(table, m)).collect(),
        }
    }
}

/// In place of the table of a document that is refused.
#[derive(Debug, Serialize)]
struct Refused<'f> {
    format: &'static str,
    refused: &'f str,
    findings: Vec<FindingJson<'f>>,
}

impl<'f> Refused<'f> {
    fn of(file: &'f str, findings: &'f [Finding]) -> Self {
        Self {
            format: FORMAT,
            refused: file,
            findings: findings_report::json_of(findings),
        }
    }
}

/// One method, as it is shown.
#[derive(Debug, Serialize)]
struct Route {
    method: String,
    /// With the stage in front.
    path: String,
    authorization: &'static str,
    api_key_required: bool,
    /// The integration request; `None` if the method has no integration.
    integration: Option<String>,
    request_body: Option<RequestConversions>,
    response_body: Option<ResponseConversions>,
}

/// What becomes of a request body, by its class.
#[derive(Clone, Copy, Debug, Serialize)]
struct RequestConversions {
    text: &'static str,
    binary: &'static str,
}

/// What becomes of a response body, by its class and by what the client accepts.
#[derive(Clone, Copy, Debug, Serialize)]
struct ResponseConversions {
    text_to_text: &'static str,
    text_to_binary: &'static str,
    binary_to_text: &'static str,
    binary_to_binary: &'static str,
}

impl Route {
    fn of(table: &Table, method: &Method) -> Self {
        let runs = method.integration.as_ref();
        let runs_s3 = runs.filter(|i| {
            let kind = &i.kind;
            matches!(kind, IntegrationKind::S3(_) | IntegrationKind::S3Action(_))
        });
        Self {
            method: method.http_method.clone(),
            path: format!("/{}{}", table.stage, method.resource_path),
            authorization: match method.authorization {
                Authorization::None => "NONE",
                Authorization::AwsIam => "AWS_IAM",
            },
            api_key_required: method.api_key_required,
            integration: runs.map(|integration| integration_text(method, integration)),
            request_body: runs_s3.map(request_conversions),
            response_body: runs_s3.map(response_conversions),
        }
    }

    fn cells(&self) -> [String; 6] {
        let key = if self.api_key_required {
            " + API key"
        } else {
            ""
        };
        let request = self.request_body.map(|c| [c.text, c.binary].join(" / "));
        let response = self.response_body.map(|c| {
            let of_text = [c.text_to_text, c.text_to_binary];
            let of_binary = [c.binary_to_text, c.binary_to_binary];
            [of_text, of_binary].concat().join(" / ")
        });
        let none = || "-".to_owned();
        [
            self.method.clone(),
            self.path.clone(),
            format!("{}{key}", self.authorization),
            self.integration
                .clone()
                .unwrap_or_else(|| "none: answers 500".to_owned()),
            request.unwrap_or_else(none),
            response.unwrap_or_else(none),
        ]
    }
}

/// `GET s3:path/{bucket}/{object} (GetObject)`, or what is not run.
pub fn integration_text(method: &Method, integration: &Integration) -> String {
    match &integration.kind {
        IntegrationKind::Mock => "mock".to_owned(),
        IntegrationKind::S3Action(action) => {
            let (operation, bucket) = (action.operation, &action.uri.bucket);
            let subdomain = bucket
                .as_ref()
                .map_or_else(String::new, |b| format!("{b}."));
            let method = operation.http_method();
            format!("{method} {subdomain}s3:action/{}", operation.name())
        }
        IntegrationKind::Http(uri) => http_text(method, integration, "http", uri),
        IntegrationKind::HttpProxy(uri) => http_text(method, integration, "http_proxy", uri),
        IntegrationKind::S3(uri) => {
            let client = method.http_method.as_str();
            let sent = integration.http_method.as_deref().unwrap_or(client);
            let subdomain = uri
                .bucket
                .as_ref()
                .map_or_else(String::new, |b| format!("{b}."));
            let path = text_of(&uri.path);
            let query = text_of(&uri.query);
            let mark = if query.is_empty() { "" } else { "?" };
            let operation = operation(sent, uri).map_or_else(String::new, |o| format!(" ({o})"));
            format!("{sent} {subdomain}s3:path{path}{mark}{query}{operation}")
        }
    }
}

/// `GET http http://host/{path}`
fn http_text(method: &Method, integration: &Integration, kind: &str, uri: &HttpUri) -> String {
    let client = method.http_method.as_str();
    let sent = integration.http_method.as_deref().unwrap_or(client);
    let query = text_of(&uri.query);
    let mark = if query.is_empty() { "" } else { "?" };
    format!(
        "{sent} {kind} {}{}{mark}{query}",
        uri.origin,
        text_of(&uri.path)
    )
}

fn text_of(template: &UriTemplate) -> String {
    let part = |part: &UriPart| match part {
        UriPart::Literal(text) => text.clone(),
        UriPart::Placeholder(name) => format!("{{{name}}}"),
    };
    template.parts.iter().map(part).collect()
}

/// The S3 operation, where method and path leave one only: a lone placeholder may hold a bucket or a bucket and a key,
/// and a query may name a sub-resource.
fn operation(method: &str, uri: &S3Uri) -> Option<&'static str> {
    if !uri.query.parts.is_empty() {
        return None;
    }
    let path = text_of(&uri.path);
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let of_bucket = uri.bucket.is_some();
    match (segments.as_slice(), of_bucket, method) {
        ([], false, "GET") => Some("ListBuckets"),
        ([one], false, _) if one.contains('{') => None,
        ([], true, "GET") | ([_], false, "GET") => Some("ListObjects"),
        ([], true, "PUT") | ([_], false, "PUT") => Some("CreateBucket"),
        ([], true, "HEAD") | ([_], false, "HEAD") => Some("HeadBucket"),
        ([], true, "DELETE") | ([_], false, "DELETE") => Some("DeleteBucket"),
        ([], ..) | ([_], false, _) => None,
        (_, _, "GET") => Some("GetObject"),
        (_, _, "PUT") => Some("PutObject"),
        (_, _, "HEAD") => Some("HeadObject"),
        (_, _, "DELETE") => Some("DeleteObject"),
        _ => None,
    }
}

fn request_conversions(integration: &Integration) -> RequestConversions {
    let of = |class| conversion_name(request_conversion(class, integration.content_handling));
    RequestConversions {
        text: of(BodyClass::Text),
        binary: of(BodyClass::Binary),
    }
}

fn response_conversions(integration: &Integration) -> ResponseConversions {
    let selected = integration.selection.select(STATUS_SHOWN);
    let response = selected.and_then(|index| integration.responses.get(index));
    let handling = response.and_then(|response| response.content_handling);
    let of = |payload, accept| conversion_name(response_conversion(payload, accept, handling));
    ResponseConversions {
        text_to_text: of(BodyClass::Text, BodyClass::Text),
        text_to_binary: of(BodyClass::Text, BodyClass::Binary),
        binary_to_text: of(BodyClass::Binary, BodyClass::Text),
        binary_to_binary: of(BodyClass::Binary, BodyClass::Binary),
    }
}

/// What the conversion does, behind `the body goes`.
pub const fn conversion_name(conversion: Conversion) -> &'static str {
    match conversion {
        Conversion::Identity => "as it is",
        Conversion::Utf8 => "as UTF-8",
        Conversion::Base64Encode => "to Base64",
        Conversion::Base64Decode => "from Base64",
    }
}

/// A table if its lines fit, else a block of lines for each route.
fn shown(routes: &[Route], terminal: Terminal) -> String {
    let rows: Vec<[String; 6]> = routes.iter().map(Route::cells).collect();
    let widths = widths(&rows);
    let whole = widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
    let legend = terminal.paint(Style::Faint, &terminal.wrapped(LEGEND.trim(), 0, 0));
    let fits = terminal.columns().is_none_or(|columns| whole <= columns);
    let table = if fits {
        aligned(&rows, widths, terminal)
    } else {
        blocks(&rows, terminal)
    };
    format!("{table}\n{legend}\n")
}

fn widths(rows: &[[String; 6]]) -> [usize; 6] {
    let mut widths = HEADINGS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}

/// The routes in columns as wide as their widest cell; nothing behind the last.
fn aligned(rows: &[[String; 6]], widths: [usize; 6], terminal: Terminal) -> String {
    let line = |cells: &[String; 6]| {
        let padded = cells.iter().zip(widths);
        let padded: Vec<String> = padded
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join(GAP).trim_end().to_owned()
    };
    let headings = line(&HEADINGS.map(str::to_owned));
    let mut text = terminal.paint(Style::Strong, &headings) + "\n";
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// Method and path, then a line for each other cell.
fn blocks(rows: &[[String; 6]], terminal: Terminal) -> String {
    let label_width = HEADINGS.map(str::len).into_iter().max().unwrap_or_default();
    let mut text = String::new();
    for [method, path, rest @ ..] in rows {
        text.push_str(&terminal.paint(Style::Strong, &format!("{method} {path}")));
        text.push('\n');
        for (heading, cell) in HEADINGS.iter().skip(2).zip(rest) {
            let label = format!("  {heading:label_width$}  ");
            let indent = label.len();
            let cell = terminal.wrapped(cell, indent, indent);
            text.push_str(&format!("{}{cell}\n", terminal.paint(Style::Faint, &label)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(bucket: Option<&str>, path: &str) -> S3Uri {
        S3Uri {
            region: "us-east-1".to_owned(),
            bucket: bucket.map(str::to_owned),
            path: UriTemplate {
                parts: vec![UriPart::Literal(path.to_owned())],
            },
            query: UriTemplate::default(),
            names_bucket: false,
        }
    }

    #[test]
    fn an_operation_is_named_where_the_uri_leaves_one() {
        assert_eq!(operation("GET", &uri(None, "/")), Some("ListBuckets"));
        assert_eq!(operation("GET", &uri(None, "/photos")), Some("ListObjects"));
        assert_eq!(
            operation("PUT", &uri(Some("photos"), "/")),
            Some("CreateBucket")
        );
        assert_eq!(
            operation("PUT", &uri(Some("photos"), "/{key}")),
            Some("PutObject")
        );
        assert_eq!(
            operation("DELETE", &uri(None, "/{bucket}/{object}")),
            Some("DeleteObject")
        );
        assert_eq!(operation("GET", &uri(None, "/{key}")), None);
        assert_eq!(operation("POST", &uri(None, "/b/k")), None);
    }

    #[test]
    fn a_query_hides_the_operation() {
        let mut with_query = uri(None, "/photos/cat");
        with_query
            .query
            .parts
            .push(UriPart::Literal("acl".to_owned()));
        assert_eq!(operation("GET", &with_query), None);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let route = |path: &str| Route {
            method: "GET".to_owned(),
            path: path.to_owned(),
            authorization: "NONE",
            api_key_required: true,
            integration: None,
            request_body: None,
            response_body: None,
        };
        let text = shown(&[route("/v1/a"), route("/v1/longer")], Terminal::default());
        let places: Vec<usize> = text
            .lines()
            .filter_map(|line| line.find("NONE + API key"))
            .collect();
        assert_eq!(places, [20, 20]);
        assert!(text.lines().all(|line| line == line.trim_end()));
    }
}
