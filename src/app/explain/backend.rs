//! What goes to the backend, what it would answer, and what the client gets of that.

use std::rc::Rc;

use crate::api::content_handling::Conversion;
use crate::app::explain::execution_log::EndpointRequest;
use crate::app::explain::explanation::Body;
use crate::app::explain::explanation::Detail;
use crate::app::explain::walk::Answer;
use crate::app::explain::walk::Made;
use crate::app::explain::walk::Walk;
use crate::app::explain::words;
use crate::app::settings::roles::RoleKeys;
use crate::app::settings::roles::RoleSettings;
use crate::pipeline::body_plan::BodyContent;
use crate::pipeline::explanation::ToldMock;
use crate::pipeline::explanation::ToldResponse;
use crate::pipeline::gateway_response::FaultResponse;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::http_request::HttpBody;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::integration_response::ResponseSide;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::mock::MockRequest;
use crate::pipeline::role::Towards;
use crate::pipeline::s3_permission::Permission;
use crate::pipeline::s3_permission::S3Refusal;
use crate::pipeline::sign::Payload;
use crate::pipeline::sign::SERVICE;
use crate::pipeline::sign::Signer;
use crate::serve::mock;
use crate::serve::reply;
use crate::serve::reply::Reply;
use crate::serve::send;
use crate::serve::upload;
use crate::serve::upload::COLLECTED_BYTES_MAX;
use crate::serve::upload::Upload;
use crate::serve::upload::Way;
use crate::wire::http1::framing::BodyFraming;
use crate::wire::http1::framing::request_framing;
use crate::wire::http1::head::ResponseHead;
use crate::wire::sigv4::canonical_request::Scratch;
use crate::wire::sigv4::signing_key::SigningKey;

const STAGE: &str = "integration request";

fn bytes_of(upload: &Upload<'_>) -> Vec<u8> {
    match upload {
        Upload::Memory(body) => body.to_contiguous(),
        Upload::Empty | Upload::Stream(_) | Upload::Parts(_) | Upload::Chunked(_) => Vec::new(),
    }
}

impl<'w> Walk<'w> {
    pub(super) fn integration_request(
        &mut self,
        request: MethodRequest<'w, 'w>,
    ) -> Result<IntegrationRequest<'w, 'w>, GatewayFault> {
        let made =
            request.into_integration_request(self.context, self.serving.store, Some(&self.body));
        made.inspect_err(|fault| self.no_request(fault))
    }

    /// The body for the store, and what the request looks like before it is signed.
    pub(super) fn upload(
        &mut self,
        request: &IntegrationRequest<'w, 'w>,
    ) -> Result<Upload<'w>, GatewayFault> {
        let Ok(upload) = send::prepare_from_memory(request, &self.body) else {
            return Err(self.no_base64());
        };
        let parts = request.upstream_request();
        let mark: &[u8] = if parts.query.is_empty() { b"" } else { b"?" };
        let target = [parts.path, mark, parts.query].concat();
        let scheme: &[u8] = if self.serving.is_secure {
            b"https://"
        } else {
            b"http://"
        };
        let endpoint = EndpointRequest {
            uri: [scheme, parts.host.as_bytes(), &target].concat(),
            fields: parts.fields,
            body: &bytes_of(&upload),
        };
        self.log.endpoint_request(&endpoint, &self.hidden);
        let says = format!(
            "{} {} at {}",
            self.hidden.shown(parts.method),
            self.hidden.shown(&target),
            self.hidden.shown(parts.host.as_bytes())
        );
        let fields = parts.fields.iter();
        let fields = fields.map(|(name, value)| self.hidden.field(name, value));
        let mut details = vec![("headers", Detail::Lines(fields.collect()))];
        details.push(("body", self.shown_upload(&upload)));
        self.passed(STAGE, &says, details);
        Ok(upload)
    }

    fn shown_upload(&self, upload: &Upload<'_>) -> Detail {
        match upload {
            Upload::Memory(body) => Detail::Body(Body::of(&body.to_contiguous(), &self.hidden)),
            Upload::Empty | Upload::Stream(_) | Upload::Parts(_) | Upload::Chunked(_) => {
                Detail::Text("none".to_owned())
            }
        }
    }

    /// What the role's policy says to a request.
    pub(super) fn permit(
        &mut self,
        request: &IntegrationRequest<'w, 'w>,
        known: &RoleSettings,
        upload: &Upload<'w>,
    ) -> Result<(), S3Refusal> {
        let towards = Towards {
            store: self.serving.store,
            is_secure: self.serving.is_secure,
        };
        let permitted = match request.permission(&known.role, towards, self.context) {
            Permission::Granted => Ok(()),
            Permission::Refused(refusal) => Err(refusal),
            Permission::NamesKeys { bucket } => {
                let body = match upload {
                    Upload::Memory(body) => body.to_contiguous(),
                    _ => Vec::new(),
                };
                known.role.may_delete(&bucket, &body, towards, self.context)
            }
        };
        match &permitted {
            Ok(()) if known.role.policy.is_none() => {
                let says = format!(
                    "{}, which has no policy_file and may do everything",
                    known.arn
                );
                self.passed("role", &says, Vec::new());
            }
            Ok(()) => {
                let says = format!("{}, whose policy allows it", known.arn);
                self.passed("role", &says, Vec::new());
            }
            Err(refusal) => {
                let message = self.hidden.shown(refusal.message.as_bytes());
                let details = vec![("answered as S3 would", Detail::Text(message))];
                let action = refusal.action.unwrap_or("what is asked");
                let says = format!("{}, whose policy does not allow {action}", known.arn);
                self.refused("role", &says, details);
            }
        }
        permitted
    }

    /// A request to an HTTP server, which nobody signs.
    pub(super) fn http(&mut self, request: MethodRequest<'w, 'w>) -> Result<Made, GatewayFault> {
        let request = request
            .into_http_request(self.context, Some(&self.body))
            .inspect_err(|fault| self.no_request(fault))?;
        let Ok(upload) = send::from_memory(request.body(), request.rendered(), &self.body) else {
            return Err(self.no_base64());
        };
        let framing = match &upload {
            Upload::Memory(body) => HttpBody::Length(body.len()),
            _ => HttpBody::None,
        };
        let endpoint = EndpointRequest {
            uri: [request.origin().as_bytes(), request.target()].concat(),
            fields: request.fields(),
            body: &bytes_of(&upload),
        };
        self.log.endpoint_request(&endpoint, &self.hidden);
        let head = request.head(framing).into_bytes();
        let head = self
            .hidden
            .lines(head.strip_suffix(b"\r\n\r\n").unwrap_or(&head));
        let details = vec![
            ("head as sent", Detail::Lines(head)),
            ("body", self.shown_upload(&upload)),
        ];
        let says = format!("to {}, not signed", request.origin());
        self.passed(STAGE, &says, details);
        self.answered(request.response_side(), request.proxies())
    }

    fn no_request(&mut self, fault: &GatewayFault) {
        let says = match fault.status() {
            500 => {
                "the method has no integration that can run, or a mapping, a template or the URI asks for what cannot be; \
                 `sluicegate check` names places in the document"
            }
            _ => fault.message().unwrap_or_default(),
        };
        self.refused(STAGE, says, Vec::new());
    }

    fn no_base64(&mut self) -> GatewayFault {
        let says = "the body cannot be converted: it is no Base64";
        self.refused(STAGE, says, Vec::new());
        GatewayFault::configuration_error()
    }

    pub(super) fn sign(
        &mut self,
        request: &IntegrationRequest<'w, 'w>,
        upload: &Upload<'w>,
        role: Option<&RoleSettings>,
    ) {
        const STAGE: &str = "signing";
        let serving = self.serving;
        let Some(payload) = self.payload(request, upload) else {
            let says = "a multipart upload: each part is a request of its own, signed when its bytes have arrived";
            self.passed(STAGE, says, Vec::new());
            return;
        };
        let now = self.context.time;
        let credentials = match (request.caller_credentials(), role.map(|role| &role.keys)) {
            (Some(keys), _) => keys,
            (None, Some(RoleKeys::Own(keys))) => keys,
            // Nothing is sent, so that no keys are looked for either: the store's stand in.
            (None, Some(RoleKeys::OfStore | RoleKeys::Found(_)) | None) => serving.credentials,
        };
        self.hidden.add_keys(credentials);
        let key = Rc::new(SigningKey::new(credentials, now, serving.region, SERVICE));
        let signer = Signer {
            key: &key,
            credentials,
            now,
        };
        let mut scratch = Scratch::new();
        let signed = request.sign(&payload, signer, &mut scratch);
        self.hidden.add_signature(signed.head());
        let mut details = Vec::new();
        if !serving.supposed.is_empty() {
            details.push(("supposed", Detail::Lines(serving.supposed.clone())));
        }
        let canonical = self.hidden.lines(scratch.canonical_request());
        let to_sign = self.hidden.lines(scratch.string_to_sign());
        let head = signed.head();
        let head = self
            .hidden
            .lines(head.strip_suffix(b"\r\n\r\n").unwrap_or(head));
        details.push(("canonical request", Detail::Lines(canonical)));
        details.push(("string to sign", Detail::Lines(to_sign)));
        details.push(("head as sent", Detail::Lines(head)));
        self.passed(STAGE, &words::payload(&payload), details);
    }

    /// How the signature covers the body; `None` if it goes up in parts.
    fn payload(
        &self,
        request: &IntegrationRequest<'w, 'w>,
        upload: &Upload<'w>,
    ) -> Option<Payload> {
        let Upload::Memory(body) = upload else {
            return Some(Payload::None);
        };
        let signing = self.serving.signing;
        let content = request.body().content;
        let streams = request.method_request().request_body_need() == BodyNeed::Streams
            && matches!(
                content,
                BodyContent::Converted(_) | BodyContent::Around { .. }
            );
        if !streams {
            return Some(upload::memory_payload(body, signing));
        }
        let is_chunked = matches!(request_framing(self.head), Ok(BodyFraming::Chunked));
        let arriving = (!is_chunked).then_some(self.body.len() as u64);
        let may_be_parted = request.is_put_object();
        match upload::way(content.output_len(arriving), signing, may_be_parted) {
            Way::Parts => None,
            Way::Stream { bytes } => Some(upload::streamed_payload(bytes, signing)),
            Way::Collected if body.len() > COLLECTED_BYTES_MAX => None,
            Way::Collected | Way::Memory => Some(upload::memory_payload(body, signing)),
        }
    }

    /// The client's response to the answer that was given with `--response`.
    pub(super) fn answered(
        &mut self,
        side: ResponseSide<'_, 'w, '_>,
        proxies: bool,
    ) -> Result<Made, GatewayFault> {
        let Some(answer) = self.answer else {
            return Ok(None);
        };
        let (status, fields) = (answer.status, &answer.fields);
        self.log.endpoint_response(answer, &self.hidden);
        if proxies {
            let says = "http_proxy: the backend's response passes";
            self.passed("integration response", says, Vec::new());
            let mut head = ResponseHead::synthetic(status);
            head.fields = answer.fields.clone();
            let made = reply::made(side.proxied_response(self.context, &head), &answer.body)?;
            return Ok(Some(("integration", made)));
        }
        let told = side.told_response(self.context, status, fields, &answer.body);
        let told = told.inspect_err(|_| {
            self.log.no_integration_response(status);
            let says = format!("no selection pattern takes {status}, and there is no default");
            self.refused("integration response", &says, Vec::new());
        })?;
        self.tell_response(&told, Some(status), fields.last(b"content-type"));
        let made = self.response(side, answer);
        let made = made.inspect_err(|_| {
            let says = match told.conversion.conversion {
                Conversion::Base64Decode => {
                    "the backend's body is no Base64, which the conversion asks for; contentHandling, or a response \
                     that selects this status, would let it pass"
                }
                _ => {
                    "a mapping reads what is not there or gives what cannot be written, or the template meets bytes or \
                     fails"
                }
            };
            self.refused("method response", says, Vec::new());
        })?;
        Ok(Some(("integration", made)))
    }

    fn response(
        &self,
        side: ResponseSide<'_, 'w, '_>,
        answer: &Answer,
    ) -> Result<FaultResponse, GatewayFault> {
        let whole = match side.body_need(answer.status, &answer.fields)? {
            BodyNeed::Whole => Some(answer.body.as_slice()),
            BodyNeed::Streams => None,
        };
        let made = side.method_response(self.context, answer.status, &answer.fields, whole)?;
        reply::made(made, &answer.body)
    }

    pub(super) fn mock(&mut self, request: &MockRequest<'w, 'w>) -> Result<Made, GatewayFault> {
        const STAGE: &str = "mock";
        let told = request.told_answer(self.context, &self.body);
        let ToldMock {
            text,
            status,
            response,
        } = told.inspect_err(|_| {
            let says = "the request template fails, or what it makes is no text";
            self.refused(STAGE, says, Vec::new());
        })?;
        let says = match status {
            Some(status) => {
                format!("nobody is called; the template's output says statusCode {status}")
            }
            None => {
                "nobody is called; no statusCode can be read in the template's output".to_owned()
            }
        };
        let output = Body::of(&text, &self.hidden);
        let details = vec![("output", Detail::Body(output))];
        self.passed(STAGE, &says, details);
        match &response {
            Some(response) => self.tell_response(response, status, None),
            None => {
                let says = "no selection pattern takes that status, and there is no default";
                self.refused("integration response", says, Vec::new());
            }
        }
        match mock::made(request, &self.body, self.context)? {
            Reply::Made(made) => Ok(Some(("integration", made))),
            Reply::Relay(..) => Ok(None),
        }
    }

    fn tell_response(
        &mut self,
        told: &ToldResponse<'_>,
        status: Option<u16>,
        content_type: Option<&[u8]>,
    ) {
        let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
        let chosen = match told.pattern {
            Some(pattern) => format!("{status} matches `{pattern}`"),
            None => format!("{status} matches no pattern, so default answers"),
        };
        let says = format!("{chosen}: the method response is {}", told.status);
        self.passed("integration response", &says, Vec::new());
        if !told.mappings.is_empty() {
            let says = "responseParameters, in document order";
            self.tell_mappings("response mappings", says, &told.mappings);
        }
        let accept = self.head.fields.last(b"accept");
        let says = words::response_rule(&told.conversion, content_type, accept);
        let says = self.hidden.shown(says.as_bytes());
        self.passed("response conversion", &says, Vec::new());
        let says = match told.template {
            None => "the document has none: the body passes".to_owned(),
            Some((key, true)) => format!("responseTemplates `{key}` is the client's Accept"),
            Some((key, false)) => format!(
                "responseTemplates `{key}` stands in, since none has the client's Accept; a body that stays bytes passes it"
            ),
        };
        self.passed("response template", &says, Vec::new());
    }
}
