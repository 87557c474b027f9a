//! The same request as API Gateway's execution log words it (spec 02, "Execution log lines"): what its console shows of a
//! test, so that the two can be laid side by side. Secrets are hidden as everywhere here.

use crate::app::explain::explanation::PREVIEW_BYTES_MAX;
use crate::app::explain::hidden::Hidden;
use crate::app::explain::walk::Answer;
use crate::pipeline::gateway_response::FaultResponse;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::method_request::MethodRequest;
use crate::wire::http1::fields::Fields;
use crate::wire::target;

/// Stands behind a body that was cut.
const TRUNCATED: &str = " [TRUNCATED]";

/// The lines so far.
#[derive(Default)]
pub struct ExecutionLog(Vec<String>);

/// What a backend gets.
pub struct EndpointRequest<'a> {
    /// `http://host/path?query`
    pub uri: Vec<u8>,
    /// All but framing and what signs.
    pub fields: &'a Fields,
    /// The whole body.
    pub body: &'a [u8],
}

impl ExecutionLog {
    /// The request as its method gets it.
    pub fn method_request(
        &mut self,
        request: &MethodRequest<'_, '_>,
        request_id: &str,
        body: &[u8],
        hidden: &Hidden,
    ) {
        let head = request.head();
        let path = target::parse(head.method(), head.target()).map(|target| target.path);
        let path = hidden.shown(path.unwrap_or_default());
        let stage = format!("/{}", request.table().stage);
        let path = path.strip_prefix(&stage).unwrap_or(&path);
        self.0
            .push(format!("Starting execution for request: {request_id}"));
        let method = hidden.shown(head.method());
        let path = if path.is_empty() { "/" } else { path };
        self.0
            .push(format!("HTTP Method: {method}, Resource Path: {path}"));
        let parameters = request
            .path_parameters()
            .map(|(name, value)| (name.as_bytes(), value));
        self.0
            .push(format!("Method request path: {}", map(parameters, hidden)));
        let query = map(request.query().iter(), hidden);
        self.0.push(format!("Method request query string: {query}"));
        let fields = map(request.headers().forwarded(), hidden);
        self.0.push(format!("Method request headers: {fields}"));
        let body = shown_body(body, hidden);
        self.0.push(format!(
            "Method request body before transformations: {body}"
        ));
    }

    /// What goes to the backend.
    pub fn endpoint_request(&mut self, request: &EndpointRequest<'_>, hidden: &Hidden) {
        let uri = hidden.shown(&request.uri);
        self.0.push(format!("Endpoint request URI: {uri}"));
        let fields = map(request.fields.iter(), hidden);
        self.0.push(format!("Endpoint request headers: {fields}"));
        let body = shown_body(request.body, hidden);
        self.0.push(format!(
            "Endpoint request body after transformations: {body}"
        ));
    }

    /// What the backend is said to have answered. Nothing was waited for: the latency is 0.
    pub fn endpoint_response(&mut self, answer: &Answer, hidden: &Hidden) {
        let status = answer.status;
        self.0.push(format!(
            "Received response. Status: {status}, Integration latency: 0 ms"
        ));
        let body = shown_body(&answer.body, hidden);
        self.0.push(format!(
            "Endpoint response body before transformations: {body}"
        ));
    }

    /// No integration response takes the backend's answer.
    pub fn no_integration_response(&mut self, status: u16) {
        self.0.push(format!(
            "Execution failed due to configuration error: No match for output mapping and no default output mapping \
             configured. Endpoint Response Status Code: {status}"
        ));
    }

    /// The end of a request that was answered; empty where no method was reached or the answer is not known.
    pub fn end(
        mut self,
        response: Option<&FaultResponse>,
        fault: Option<&GatewayFault>,
        hidden: &Hidden,
    ) -> Vec<String> {
        if let (Some(response), false) = (response, self.0.is_empty()) {
            if fault.is_none() {
                let body = shown_body(&response.body, hidden);
                self.0.push(format!(
                    "Method response body after transformations: {body}"
                ));
                self.0.push("Successfully completed execution".to_owned());
            }
            self.0
                .push(format!("Method completed with status: {}", response.status));
        }
        self.0
    }
}

/// `{name=value, other=value}`, as Java prints a map.
fn map<'m>(pairs: impl Iterator<Item = (&'m [u8], &'m [u8])>, hidden: &Hidden) -> String {
    let shown = pairs.map(|(name, value)| {
        let field = hidden.field(name, value);
        field.replacen(": ", "=", 1)
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}

fn shown_body(body: &[u8], hidden: &Hidden) -> String {
    let text = String::from_utf8_lossy(body);
    let cut = text.floor_char_boundary(PREVIEW_BYTES_MAX.min(text.len()));
    let start = text.get(..cut).unwrap_or_default();
    let mut shown = hidden.shown(start.as_bytes());
    if cut < text.len() {
        shown.push_str(TRUNCATED);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_javas_and_bodies_are_cut() {
        let hidden = Hidden::default();
        let pairs: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b"x: y"), (b"X-Api-Key", b"k")];
        assert_eq!(
            map(pairs.into_iter(), &hidden),
            "{a=1, b=x: y, X-Api-Key=(hidden)}"
        );
        assert_eq!(map(std::iter::empty(), &hidden), "{}");
        let long = "é".repeat(PREVIEW_BYTES_MAX);
        let shown = shown_body(long.as_bytes(), &hidden);
        assert_eq!(
            shown,
            format!("{}{TRUNCATED}", "é".repeat(PREVIEW_BYTES_MAX / 2))
        );
        let whole = "a".repeat(PREVIEW_BYTES_MAX);
        assert_eq!(shown_body(whole.as_bytes(), &hidden), whole);
    }
}
