//! The input of an S3 operation in the action form: from a JSON body, mapped query parameters and the URI to a request
//! of S3's REST API (spec 01, "Action form"; where each member goes is `api::s3_action`).

use std::borrow::Cow;

use serde_json::Value;

use crate::api::model::{S3Action, UriPart};
use crate::api::s3_action::{BUCKET, KEY, MemberPlace, S3Operation, member_place};
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::is_writable;
use crate::pipeline::request_mapping::{MappedParameters, MappedValues};
use crate::pipeline::store_path::{StoreAddress, StorePath, store_path};
use crate::wire::http1::fields::Fields;
use crate::wire::percent;

const METADATA_PREFIX: &str = "x-amz-meta-";

/// A request of S3's REST API, in what the integration request does not know yet.
pub(super) struct ActionRequest<'t> {
    /// Host, path, query.
    pub(super) place: StorePath<'t>,
    /// The body of operations that have one and do not take the client's.
    pub(super) body: Option<Vec<u8>>,
}

/// Puts the input together: members of the body beat mapped query parameters of the same meaning, those the URI's own.
/// Headers go into `fields`.
///
/// # Errors
/// 500 for an input without its bucket or key, and for a value that cannot be sent; 400 for a path that would walk.
pub(super) fn action_request<'t>(
    action: &'t S3Action,
    store: &'t StoreAddress,
    mapped: &MappedParameters<'_>,
    body: Option<&Value>,
    fields: &mut Fields,
) -> Result<ActionRequest<'t>, GatewayFault> {
    let mut input = Input::default();
    for parameter in &action.input {
        let value = filled(&parameter.value.parts, &mapped.path)?;
        input.document(&parameter.name, value);
    }
    for (name, value) in mapped.query.iter() {
        input.document(name, value.to_vec());
    }
    let members = body.and_then(Value::as_object);
    for (name, value) in members.into_iter().flatten() {
        input.member(name, value)?;
    }
    let body = match action.operation {
        S3Operation::PutObject if !action.body_is_object => {
            Some(text(members.and_then(|members| members.get("Body")))?.unwrap_or_default())
        }
        S3Operation::CreateBucket => Some(bucket_configuration(members)?),
        _ => None,
    };
    for (name, value) in input.headers {
        if !is_writable(&name, &value) {
            return Err(GatewayFault::configuration_error());
        }
        fields.set(name.as_bytes(), &value);
    }
    let path: MappedValues<'_> = [(BUCKET, input.bucket), (KEY, input.key)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, Cow::Owned(value?))))
        .collect();
    let query: MappedValues<'_> = input
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_slice())))
        .collect();
    let place = store_path(store, &action.uri, &path, &query)?;
    Ok(ActionRequest { place, body })
}

/// What was said so far; whatever is said later replaces it.
#[derive(Default)]
struct Input {
    bucket: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    query: Vec<(String, Vec<u8>)>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Input {
    /// A parameter that the document gives: a member by its name, anything else by its name on the wire.
    fn document(&mut self, name: &str, value: Vec<u8>) {
        if !value.is_empty() {
            self.put(name, member_place(name), value);
        }
    }

    /// A member of the JSON body. What no operation has is passed over: a client must not reach sub-resources so.
    fn member(&mut self, name: &str, value: &Value) -> Result<(), GatewayFault> {
        if name == "Metadata" {
            return self.metadata(value);
        }
        let place = member_place(name);
        if place.is_none() && !matches!(name, BUCKET | KEY) {
            return Ok(());
        }
        if let Some(value) = text(Some(value))? {
            self.put(name, place, value);
        }
        Ok(())
    }

    fn metadata(&mut self, value: &Value) -> Result<(), GatewayFault> {
        if value.is_null() {
            return Ok(());
        }
        let members = value
            .as_object()
            .ok_or_else(GatewayFault::configuration_error)?;
        for (name, value) in members {
            if let Some(value) = text(Some(value))? {
                replace(&mut self.headers, format!("{METADATA_PREFIX}{name}"), value);
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, place: Option<MemberPlace>, value: Vec<u8>) {
        match (name, place) {
            (BUCKET, _) => self.bucket = Some(value),
            (KEY, _) => self.key = Some(value),
            (_, Some(MemberPlace::Header(wire))) => {
                replace(&mut self.headers, wire.to_owned(), value);
            }
            (_, Some(MemberPlace::Query(wire))) => replace(&mut self.query, wire.to_owned(), value),
            (_, None) => replace(&mut self.query, name.to_owned(), value),
        }
    }
}

fn replace(list: &mut Vec<(String, Vec<u8>)>, name: String, value: Vec<u8>) {
    list.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
    list.push((name, value));
}

/// A value of the URI: its escapes are the document's, its placeholders are filled as they are.
fn filled(parts: &[UriPart], values: &MappedValues<'_>) -> Result<Vec<u8>, GatewayFault> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            UriPart::Literal(text) => percent::decode_query_into(&mut out, text.as_bytes()),
            UriPart::Placeholder(name) => {
                let value = values.iter().rev().find(|(known, _)| known == name);
                let (_, value) = value.ok_or_else(GatewayFault::configuration_error)?;
                out.extend_from_slice(value);
            }
        }
    }
    Ok(out)
}

/// A member's value as it goes on the wire; lists of texts are joined with `,`. Nothing for null and empty text.
fn text(value: Option<&Value>) -> Result<Option<Vec<u8>>, GatewayFault> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(number @ (Value::Number(_) | Value::Bool(_))) => number.to_string(),
        Some(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts
                .ok_or_else(GatewayFault::configuration_error)?
                .join(",")
        }
        Some(Value::Object(_)) => return Err(GatewayFault::configuration_error()),
    };
    Ok(Some(text.into_bytes()).filter(|text| !text.is_empty()))
}

/// The body of `CreateBucket`: empty, or the region that the bucket shall be in.
fn bucket_configuration(
    members: Option<&serde_json::Map<String, Value>>,
) -> Result<Vec<u8>, GatewayFault> {
    let region = members
        .and_then(|members| members.get("CreateBucketConfiguration"))
        .and_then(|configuration| configuration.get("LocationConstraint"));
    match region {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(region)) if is_region(region) => Ok(format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
        .into_bytes()),
        Some(_) => Err(GatewayFault::configuration_error()),
    }
}

/// `EU` is the one region that is written in capitals.
fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::pipeline::method_request::BodyNeed;
    use crate::pipeline::sample;

    /// `METHOD path?query` and, each on a line of its own, the header `x-…` fields and body that go to the store.
    fn sent(action: &str, integration: serde_json::Value, body: &str) -> Result<String, u16> {
        let mut integration = integration;
        integration["uri"] = json!(format!("arn:aws:apigateway:us-west-2:{action}"));
        if integration["httpMethod"].is_null() {
            integration["httpMethod"] = json!("POST");
        }
        if integration["requestParameters"].is_null() {
            integration["requestParameters"] = json!({});
        }
        let table = sample::one_method(integration);
        let head = sample::head(
            "POST",
            "/v1/x?b=qb&k=q%2Fk",
            &[("Content-Length", &body.len().to_string())],
        );
        let (ids, store) = (sample::ids(), sample::store(&table));
        let context = sample::context(&ids);
        let request = sample::method_request(&table, &head);
        let request = request
            .into_integration_request(&context, &store, Some(body.as_bytes()))
            .map_err(|fault| fault.status())?;
        let place = request.place();
        let mut text = [request.method(), b" ", &place.path].concat();
        if !place.query.is_empty() {
            text.push(b'?');
            text.extend_from_slice(&place.query);
        }
        for (name, value) in request.fields().iter() {
            if !matches!(name, b"Accept" | b"User-Agent" | b"X-Amzn-Trace-Id") {
                text.extend_from_slice(&[b"\n", name, b": ", value].concat());
            }
        }
        if request.body().sends_body {
            text.extend_from_slice(&[b"\n\n", request.rendered().unwrap()].concat());
        }
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn each_action_is_a_request_of_the_rest_api() {
        let input = r#"{"Bucket": "b", "Key": "a b/c"}"#;
        for (action, wanted) in [
            ("ListBuckets", "GET /"),
            ("GetBucket", "GET /b"),
            ("ListObjects", "GET /b"),
            ("ListObjectsV2", "GET /b?list-type=2"),
            ("CreateBucket", "PUT /b\n\n"),
            ("DeleteBucket", "DELETE /b"),
            ("GetObject", "GET /b/a%20b/c"),
            ("HeadObject", "HEAD /b/a%20b/c"),
            ("PutObject", "PUT /b/a%20b/c\n\n"),
            ("DeleteObject", "DELETE /b/a%20b/c"),
        ] {
            let got = sent(&format!("s3:action/{action}"), json!({}), input);
            assert_eq!(got.as_deref(), Ok(wanted), "{action}");
        }
    }

    #[test]
    fn the_body_beats_mapped_parameters_and_they_beat_the_uri() {
        let mapped = || {
            json!({"requestParameters": {
                "integration.request.querystring.Bucket": "method.request.querystring.b",
                "integration.request.querystring.Prefix": "'mapped'",
            }})
        };
        let action = "s3:action/ListObjects&Bucket=ub&max-keys=5&Marker=a%26b";
        let got = |integration, body| sent(action, integration, body).unwrap();
        assert_eq!(got(json!({}), ""), "GET /ub?max-keys=5&marker=a%26b");
        assert_eq!(
            got(mapped(), ""),
            "GET /qb?max-keys=5&marker=a%26b&prefix=mapped"
        );
        assert_eq!(
            got(
                mapped(),
                r#"{"Bucket": "bb", "MaxKeys": 7, "Prefix": null}"#
            ),
            "GET /bb?marker=a%26b&prefix=mapped&max-keys=7"
        );
    }

    #[test]
    fn a_body_counts_only_where_the_method_has_one() {
        let got = |method: &str| {
            let integration = json!({"httpMethod": method});
            sent(
                "s3:action/GetBucket&Bucket=u",
                integration,
                r#"{"Bucket": "b"}"#,
            )
        };
        assert_eq!(got("GET").as_deref(), Ok("GET /u"));
        assert_eq!(got("POST").as_deref(), Ok("GET /b"));
    }

    #[test]
    fn members_become_parameters_and_headers() {
        let input = r#"{"Bucket": "b", "Key": "k", "VersionId": "v", "Range": "bytes=0-1", "acl": "x", "uploads": ""}"#;
        let got = sent("s3:action/GetObject", json!({}), input).unwrap();
        assert_eq!(got, "GET /b/k?versionId=v\nRange: bytes=0-1");
        let input = r#"{"Bucket": "b", "Key": "k", "Body": "text", "ContentType": "text/css", "Metadata": {"A": 1}}"#;
        let got = sent("s3:action/PutObject", json!({}), input).unwrap();
        assert_eq!(
            got,
            "PUT /b/k\nContent-Type: text/css\nx-amz-meta-A: 1\n\ntext"
        );
        let input =
            r#"{"Bucket": "b", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}"#;
        let got = sent("s3:action/CreateBucket", json!({}), input).unwrap();
        assert!(
            got.contains("<LocationConstraint>eu-west-1</LocationConstraint>"),
            "{got}"
        );
    }

    #[test]
    fn a_template_makes_the_input() {
        let integration = json!({"requestTemplates": {"application/json":
            "{\"Bucket\": \"b\", \"Key\": \"$input.params('k')\"}"}});
        let got = sent("s3:action/GetObject", integration, "ignored");
        assert_eq!(got.as_deref(), Ok("GET /b/q/k"));
        let broken = json!({"requestTemplates": {"application/json": "#set($a = 1)[$a"}});
        assert_eq!(sent("s3:action/GetObject", broken, "{}"), Err(500));
    }

    #[test]
    fn input_that_is_none_is_refused() {
        let object = |body: &str| sent("s3:action/GetObject", json!({}), body);
        assert_eq!(object("{\"Bucket\": \"b\""), Err(400));
        assert_eq!(object("[]"), Err(400));
        assert_eq!(object("plain"), Err(400));
        assert_eq!(object(""), Err(500), "no bucket, no key");
        assert_eq!(object(r#"{"Bucket": "b"}"#), Err(500), "no key");
        assert_eq!(object(r#"{"Bucket": {}, "Key": "k"}"#), Err(500));
        assert_eq!(object(r#"{"Bucket": "b", "Key": "../x"}"#), Err(400));
        assert_eq!(
            object(r#"{"Bucket": "b", "Key": "k", "Range": "a\r\nb: c"}"#),
            Err(500)
        );
        let region =
            r#"{"Bucket": "b", "CreateBucketConfiguration": {"LocationConstraint": "</x>"}}"#;
        assert_eq!(sent("s3:action/CreateBucket", json!({}), region), Err(500));
    }

    #[test]
    fn a_subdomain_is_the_bucket_and_the_configured_bucket_is_not_put_before_one() {
        let got = sent("photos.s3:action/GetObject", json!({}), r#"{"Key": "k"}"#);
        assert_eq!(got.as_deref(), Ok("GET /photos/k"));
    }

    #[test]
    fn an_object_whose_place_the_document_gives_is_the_body_itself() {
        let mut integration = json!({"requestParameters": {
            "integration.request.querystring.Bucket": "method.request.querystring.b",
            "integration.request.querystring.Key": "method.request.querystring.k",
        }});
        integration["uri"] = json!("arn:aws:apigateway:us-west-2:s3:action/PutObject");
        let table = sample::one_method(integration);
        let head = sample::head("PUT", "/v1/x?b=b&k=k", &[("Content-Length", "3")]);
        let (ids, store) = (sample::ids(), sample::store(&table));
        let request = sample::method_request(&table, &head);
        assert_eq!(request.request_body_need(), BodyNeed::Streams);
        let context = sample::context(&ids);
        let request = request
            .into_integration_request(&context, &store, None)
            .unwrap();
        assert!(request.body().sends_body && request.is_put_object());
        assert_eq!(request.place().path, b"/b/k");
        assert_eq!(request.rendered(), None);
    }
}
