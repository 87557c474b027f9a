//! The fields of the integration request (spec 02, "Headers sent to the backend, non-proxy").

use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::TargetRule;
use crate::pipeline::header_rules::is_writable;
use crate::pipeline::header_rules::target_rule;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::request_mapping::MappedValues;
use crate::wire::http1::fields::Fields;

/// Lines that most requests have no more of.
const LINES_COMMON: usize = 8;
/// Bytes that they have no more of.
const LINES_BYTES_COMMON: usize = 512;

/// The mapped headers, then what is added where no mapping gave it. No other client header goes further.
///
/// # Errors
/// 500 for a target that an `aws` integration must not have and for what cannot be written into a head.
pub fn integration_fields(
    mapped: &MappedValues<'_>,
    request: &MethodRequest<'_, '_>,
    context: &RequestContext<'_>,
) -> Result<Fields, GatewayFault> {
    let mut fields = Fields::with_capacity(LINES_COMMON, LINES_BYTES_COMMON);
    for (name, value) in mapped.iter() {
        match target_rule(name) {
            TargetRule::Sent if is_writable(name, value) => fields.set(name.as_bytes(), value),
            TargetRule::Dropped => {}
            TargetRule::Sent | TargetRule::Forbidden => {
                return Err(GatewayFault::configuration_error());
            }
        }
    }
    if fields.get(b"accept").is_none() {
        fields.push(b"Accept", b"application/json");
    }
    if fields.get(b"user-agent").is_none() {
        let api_id = request.table().api_id.as_bytes();
        fields.push_joined(b"User-Agent", &[b"AmazonAPIGateway_", api_id]);
    }
    let client_type = match request.head().method() {
        b"GET" | b"HEAD" | b"OPTIONS" => None,
        _ => request
            .content_type()
            .filter(|_| fields.get(b"content-type").is_none()),
    };
    if let Some(content_type) = client_type {
        fields.push(b"Content-Type", content_type);
    }
    fields.push(b"X-Amzn-Trace-Id", context.ids.trace_id().as_bytes());
    if let Some(trace) = context.ids.trace_context() {
        trace.write(&request.head().fields, &mut fields);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::pipeline::integration_request::IntegrationRequest;
    use crate::pipeline::sample;
    use crate::pipeline::sample::integration_request as made;
    use crate::pipeline::sample::with_mapping as mapping;

    fn lines(request: &IntegrationRequest<'_, '_>) -> Vec<String> {
        let line = |(name, value): (&[u8], &[u8])| {
            format!(
                "{}: {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )
        };
        request.fields().iter().map(line).collect()
    }

    #[test]
    fn nothing_of_the_client_is_forwarded_but_its_content_type() {
        let client = [
            ("Content-Type", "text/plain"),
            ("X-Other", "1"),
            ("Accept", "a/b"),
            ("User-Agent", "c"),
        ];
        let trace = format!("X-Amzn-Trace-Id: {}", sample::ids().trace_id());
        let added = [
            "Accept: application/json",
            "User-Agent: AmazonAPIGateway_test-api",
        ];
        let with_type = [added[0], added[1], "Content-Type: text/plain", &trace];
        assert_eq!(
            made(json!({}), ("PUT", "/v1/x", &client), lines).unwrap(),
            with_type
        );
        let without_type = [added[0], added[1], &trace];
        assert_eq!(
            made(json!({}), ("PUT", "/v1/x", &[]), lines).unwrap(),
            without_type
        );
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(
                made(
                    json!({"httpMethod": "PUT"}),
                    (method, "/v1/x", &client),
                    lines
                )
                .unwrap(),
                without_type
            );
        }
    }

    #[test]
    fn mapped_headers_replace_what_is_added() {
        for (name, added) in [
            ("user-agent", "User-Agent"),
            ("ACCEPT", "Accept"),
            ("content-type", "Content-Type"),
        ] {
            let target = format!("integration.request.header.{name}");
            let client = [("Content-Type", "text/plain")];
            let lines = made(
                mapping(&target, "'mapped'"),
                ("PUT", "/v1/x", &client),
                lines,
            )
            .unwrap();
            let of_name: Vec<_> = lines
                .iter()
                .filter(|line| line.to_lowercase().starts_with(&added.to_lowercase()))
                .collect();
            assert_eq!(of_name, [&format!("{name}: mapped")]);
        }
    }

    #[test]
    fn headers_without_effect_are_left_out() {
        for name in ["Host", "Referer", "X-Amz-Date", "x-amz-content-sha256"] {
            let target = format!("integration.request.header.{name}");
            let lines = made(mapping(&target, "'mapped'"), ("PUT", "/v1/x", &[]), lines).unwrap();
            assert!(lines.iter().all(|line| !line.ends_with("mapped")), "{name}");
        }
    }

    #[test]
    fn values_that_would_break_the_head_are_an_internal_error() {
        let target = "integration.request.header.x-a";
        let head = |query: &'static str| ("PUT", query, &[][..]);
        let mapping = || mapping(target, "method.request.querystring.q");
        for query in ["/v1/x?q=a%0D%0Ab:c", "/v1/x?q=%00", "/v1/x?q=%0A"] {
            assert_eq!(made(mapping(), head(query), lines), Err(500), "{query}");
        }
        assert!(
            made(mapping(), head("/v1/x?q=%C3%A9%20b"), lines)
                .unwrap()
                .contains(&"x-a: \u{e9} b".to_owned())
        );
    }
}
