//! One request through the stages that serve it, in their order, each decision written down.

use std::rc::Rc;

use crate::api::model::Authorization;
use crate::api::model::IntegrationKind;
use crate::api::table::Table;
use crate::app::explain::execution_log::ExecutionLog;
use crate::app::explain::explanation::Detail;
use crate::app::explain::explanation::Details;
use crate::app::explain::explanation::Mapping;
use crate::app::explain::explanation::Message;
use crate::app::explain::explanation::Outcome;
use crate::app::explain::explanation::Step;
use crate::app::explain::hidden::Hidden;
use crate::app::explain::words;
use crate::app::routes_command::integration_text;
use crate::app::settings::roles::RoleKeys;
use crate::app::settings::roles::RoleSettings;
use crate::pipeline::authorize::Admission;
use crate::pipeline::authorize::Authorized;
use crate::pipeline::authorize::BodyArrival;
use crate::pipeline::authorize::CallerPolicy;
use crate::pipeline::authorize::WantedSignature;
use crate::pipeline::context::RequestContext;
use crate::pipeline::explanation::ToldMapping;
use crate::pipeline::gateway_response::FaultResponse;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::metering::Meter;
use crate::pipeline::metering::Metered;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::route::Route;
use crate::pipeline::route::Routed;
use crate::pipeline::route::route;
use crate::pipeline::route::staged_path;
use crate::pipeline::route_candidates::Candidate;
use crate::pipeline::route_candidates::candidates;
use crate::pipeline::store_path::StoreAddress;
use crate::serve::client_body::PayloadLimit;
use crate::serve::gateway::decoded_limit;
use crate::serve::gateway::healthy;
use crate::serve::reply::Reply;
use crate::serve::reply::from_refusal;
use crate::serve::settings::PayloadSigning;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::framing::request_framing;
use crate::wire::http1::head::RequestHead;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::payload_hash::sha256_hex;

/// What requests are served with.
pub struct Serving<'w> {
    /// The document.
    pub table: &'w Table,
    /// How its URIs address the store.
    pub store: &'w StoreAddress,
    /// Who may call.
    pub policy: CallerPolicy<'w>,
    /// API keys and throttles: a copy of their own, so that nobody's are used.
    pub meter: Meter<'w>,
    /// Signing region.
    pub region: &'w str,
    /// Sign towards the store.
    pub credentials: &'w Credentials,
    /// How bodies are signed.
    pub signing: PayloadSigning,
    /// What `credentials` of integrations stand for.
    pub roles: &'w [RoleSettings],
    /// Whether TLS carries requests to the store.
    pub is_secure: bool,
    /// 0: no limit.
    pub payload_bytes_max: u64,
    /// What stands in for settings that are absent.
    pub supposed: Vec<String>,
}

impl Serving<'_> {
    /// The secrets of a request and of all keys that sign.
    pub fn hidden(&self, head: &RequestHead) -> Hidden {
        let mut hidden = Hidden::of(head);
        hidden.add_keys(self.credentials);
        for role in self.roles {
            if let RoleKeys::Own(keys) = &role.keys {
                hidden.add_keys(keys);
            }
        }
        hidden
    }
}

/// The answer that the backend is said to give.
pub struct Answer {
    /// 100 to 599.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
    /// Its body.
    pub body: Vec<u8>,
}

/// One request on its way.
pub struct Walk<'w> {
    pub(super) serving: &'w Serving<'w>,
    pub(super) head: &'w RequestHead,
    /// Once it is known, without its content coding.
    pub(super) body: Rc<[u8]>,
    pub(super) answer: Option<&'w Answer>,
    pub(super) context: &'w RequestContext<'w>,
    pub(super) hidden: Hidden,
    pub(super) log: ExecutionLog,
    steps: Vec<Step>,
}

/// Where a request ended.
pub struct Ended {
    /// The stages.
    pub steps: Vec<Step>,
    /// Who answered, and what; `None` where the answer of the backend is not known.
    pub response: Option<(&'static str, Message)>,
    /// The same in API Gateway's words.
    pub execution_log: Vec<String>,
}

/// A response and who made it.
pub(super) type Made = Option<(&'static str, FaultResponse)>;

impl<'w> Walk<'w> {
    /// Before the first stage.
    pub fn new(
        serving: &'w Serving<'w>,
        (head, body): (&'w RequestHead, &'w [u8]),
        answer: Option<&'w Answer>,
        context: &'w RequestContext<'w>,
    ) -> Self {
        Self {
            serving,
            head,
            body: Rc::from(body),
            answer,
            context,
            hidden: serving.hidden(head),
            log: ExecutionLog::default(),
            steps: Vec::new(),
        }
    }

    /// Walks to the end.
    pub fn run(mut self) -> Ended {
        let (made, fault) = match self.stages() {
            Ok(made) => (made, None),
            Err(fault) => (
                Some(("gateway", self.gateway_response(&fault))),
                Some(fault),
            ),
        };
        let answer = made.as_ref().map(|(_, response)| response);
        let execution_log = self.log.end(answer, fault.as_ref(), &self.hidden);
        let response = made.map(|(by, response)| (by, Message::of(&response, &self.hidden)));
        Ended {
            steps: self.steps,
            response,
            execution_log,
        }
    }

    fn stages(&mut self) -> Result<Made, GatewayFault> {
        if let Err(doubt) = request_framing(self.head) {
            let says = "Content-Length or Transfer-Encoding leave the end of the body in doubt";
            self.refused("framing", says, Vec::new());
            return Err(GatewayFault::unreadable_head(doubt.status()));
        }
        let Some(routed) = self.route()? else {
            let Reply::Made(response) = healthy() else {
                return Ok(None);
            };
            return Ok(Some(("gateway", response)));
        };
        let metered = self.admit(routed)?;
        let request = self.validate(metered)?;
        let id = self.context.ids.request_id();
        self.log
            .method_request(&request, id, &self.body, &self.hidden);
        self.map(&request)?;
        let request = match request.into_mock() {
            Ok(mock) => return self.mock(&mock),
            Err(other) => other,
        };
        if request.calls_http() {
            return self.http(request);
        }
        let request = self.integration_request(request)?;
        let upload = self.upload(&request)?;
        let role = request.credentials();
        let role = self
            .serving
            .roles
            .iter()
            .find(|known| Some(known.arn.as_str()) == role);
        if let Some(role) = role
            && let Err(refusal) = self.permit(&request, role, &upload)
        {
            let Reply::Made(response) = from_refusal(&request, &refusal, self.context)? else {
                return Ok(None);
            };
            return Ok(Some(("gateway in place of S3", response)));
        }
        self.sign(&request, &upload, role);
        self.answered(request.response_side(), false)
    }

    fn route(&mut self) -> Result<Option<Routed<'w, 'w>>, GatewayFault> {
        let (table, head) = (self.serving.table, self.head);
        let routed = match route(table, head) {
            Ok(Route::Method(routed)) => routed,
            Ok(Route::Health) => {
                self.passed(
                    "route",
                    "/ping is answered outside of any stage",
                    Vec::new(),
                );
                return Ok(None);
            }
            Err(fault) => {
                let says = if staged_path(table, head).is_none() {
                    format!("the target is not under the stage /{}", table.stage)
                } else {
                    format!(
                        "no resource and method of {} take this request; API Gateway words that as a missing token",
                        table.title
                    )
                };
                self.refused("route", &says, not_taken(table, head, None));
                return Err(fault);
            }
        };
        let method = routed.method();
        let says = format!(
            "{} {} in stage {} of {}",
            method.http_method, method.resource_path, table.stage, table.title
        );
        let integration = method.integration.as_ref();
        let integration = integration.map_or_else(
            || "none: the method answers 500".to_owned(),
            |integration| integration_text(method, integration),
        );
        let mut details = vec![("integration", Detail::Text(integration))];
        let parameters = routed.path_parameters();
        if !parameters.is_empty() {
            let line =
                |(name, value): &(&str, Vec<u8>)| format!("{name} = {}", self.hidden.shown(value));
            let lines = parameters.iter().map(line).collect();
            details.push(("path parameters", Detail::Lines(lines)));
        }
        details.extend(not_taken(table, head, Some(routed.method_index())));
        self.passed("route", &says, details);
        Ok(Some(routed))
    }

    /// Authorization, API key, throttles, payload limit: in the order of the gateway.
    fn admit(&mut self, routed: Routed<'w, 'w>) -> Result<Metered<'w, 'w>, GatewayFault> {
        let required = routed.method().authorization;
        let key_required = routed.method().api_key_required;
        let (policy, context) = (self.serving.policy, self.context);
        let body_sha256 = sha256_hex(&self.body);
        let wanted = match required {
            Authorization::None => None,
            Authorization::AwsIam => routed.wanted_signature(policy, context, &body_sha256),
        };
        let arrival = if self.body.is_empty() {
            BodyArrival::Nothing
        } else {
            BodyArrival::ToCome
        };
        match routed.authorize(policy, context, arrival) {
            Ok(Admission::Granted(authorized)) => {
                self.tell_authorization(required, None, wanted.as_ref());
                let metered = self.meter(authorized, key_required)?;
                self.check_length()?;
                if metered
                    .body_sha256()
                    .is_some_and(|signed| *signed != body_sha256)
                {
                    let says = "the body is not the one whose hash x-amz-content-sha256 signs";
                    self.refused("authorization", says, Vec::new());
                    return Err(GatewayFault::signature_mismatch());
                }
                Ok(metered)
            }
            Ok(Admission::AwaitsBody(unproven)) => {
                self.check_length()?;
                let proven = unproven.prove(&body_sha256, context);
                self.tell_authorization(required, proven.as_ref().err(), wanted.as_ref());
                self.meter(proven?, key_required)
            }
            Err(fault) => {
                self.tell_authorization(required, Some(&fault), wanted.as_ref());
                Err(fault)
            }
        }
    }

    fn tell_authorization(
        &mut self,
        required: Authorization,
        refused: Option<&GatewayFault>,
        wanted: Option<&WantedSignature>,
    ) {
        let Some(fault) = refused else {
            let arn = |arn: Option<&str>| arn.map(str::to_owned);
            let caller = self.context.record.with_text("identity.userArn", arn);
            let says = words::admitted(required, self.serving, caller.as_deref());
            self.passed("authorization", &says, Vec::new());
            return;
        };
        let says = words::not_admitted(required, self.serving, fault);
        let mut details = Vec::new();
        if let Some(wanted) = wanted {
            let canonical = self.hidden.lines(&wanted.canonical_request);
            let to_sign = self.hidden.lines(&wanted.string_to_sign);
            details.push((
                "canonical request, as computed here",
                Detail::Lines(canonical),
            ));
            details.push(("string to sign, as computed here", Detail::Lines(to_sign)));
        }
        self.refused("authorization", &says, details);
    }

    fn meter(
        &mut self,
        authorized: Authorized<'w, 'w>,
        key_required: bool,
    ) -> Result<Metered<'w, 'w>, GatewayFault> {
        match authorized.meter(self.serving.meter) {
            Ok(metered) => {
                if let Some(key) = metered.api_key() {
                    let says = format!("accepted: `{}`", key.id);
                    self.passed("API key", &says, Vec::new());
                } else if key_required {
                    self.passed("API key", "--ignore-authorizers asks for none", Vec::new());
                }
                Ok(metered)
            }
            Err(fault) => {
                let says = words::not_metered(&fault, self.head);
                self.refused("API key and throttle", says, Vec::new());
                Err(fault)
            }
        }
    }

    fn check_length(&mut self) -> Result<(), GatewayFault> {
        let limit = self.serving.payload_bytes_max;
        let bytes = self.body.len() as u64;
        if PayloadLimit::new(limit).refuses(bytes) {
            let says = format!("the body has {bytes} bytes, the limit is {limit}");
            self.refused("payload limit", &says, Vec::new());
            return Err(GatewayFault::request_too_large());
        }
        Ok(())
    }

    fn validate(
        &mut self,
        metered: Metered<'w, 'w>,
    ) -> Result<MethodRequest<'w, 'w>, GatewayFault> {
        let request = metered.into_method_request().inspect_err(|fault| {
            let says = match fault.status() {
                415 => "the body comes in a content coding that is not spoken here",
                _ => fault.message().unwrap_or_default(),
            };
            self.refused("validation", says, Vec::new());
        })?;
        let bytes_max = decoded_limit(self.serving.payload_bytes_max);
        let decoded = request
            .decoded_body(&self.body, bytes_max)
            .inspect_err(|_| {
                let says =
                    "the body is not in its content coding, or over the payload limit without it";
                let step = Step::new("content coding", Outcome::Refused, says, Vec::new());
                self.steps.push(step);
            })?;
        let decoded = Rc::from(decoded);
        self.body = decoded;
        if let Err(fault) = request.validate_body(&self.body) {
            let error = fault.validation_error().unwrap_or_default();
            let error = self.hidden.shown(error.as_bytes());
            let details = vec![("against it", Detail::Text(error))];
            self.refused("validation", "the body does not fit its model", details);
            return Err(fault);
        }
        if let Some(validator) = request.method().validator {
            self.passed("validation", words::validated(validator), Vec::new());
        }
        Ok(request)
    }

    /// Mappings, template choice and conversion of a method whose integration runs.
    fn map(&mut self, request: &MethodRequest<'w, 'w>) -> Result<(), GatewayFault> {
        let Some(integration) = &request.method().integration else {
            return Ok(());
        };
        let mappings = request
            .told_mappings(self.context, &self.body)
            .inspect_err(|_| {
                let says = "a mapping reads the body, which begins like JSON and is none";
                self.refused("mappings", says, Vec::new());
            })?;
        if !mappings.is_empty() {
            self.tell_mappings(
                "mappings",
                "requestParameters, in document order",
                &mappings,
            );
        }
        if matches!(integration.kind, IntegrationKind::HttpProxy(_)) {
            self.passed(
                "conversion",
                "http_proxy: bodies pass as they are",
                Vec::new(),
            );
            return Ok(());
        }
        let key = request.told_template().inspect_err(|_| {
            let says = words::no_template(integration, request.content_type());
            let says = self.hidden.shown(says.as_bytes());
            self.refused("template", &says, Vec::new());
        })?;
        let says = words::template(key, integration);
        self.passed("template", &says, Vec::new());
        let told = request.told_conversion(integration);
        let says = words::request_rule(&told, request.content_type());
        let says = self.hidden.shown(says.as_bytes());
        self.passed("conversion", &says, Vec::new());
        Ok(())
    }

    /// What the client gets of a fault, and why it looks so.
    fn gateway_response(&mut self, fault: &GatewayFault) -> FaultResponse {
        let table = self.serving.table;
        let customised = |kind| table.gateway_responses.for_raised(kind).is_some();
        let says = match fault.kind() {
            None => "no type of API Gateway's, so no document changes it".to_owned(),
            Some(kind) if customised(kind) => format!(
                "{}, as x-amazon-apigateway-gateway-responses words it",
                kind.as_str()
            ),
            Some(kind) => format!("{}, as API Gateway words it", kind.as_str()),
        };
        self.passed("gateway response", &says, Vec::new());
        fault.render_customised(self.context, table, self.head)
    }

    pub(super) fn tell_mappings(
        &mut self,
        stage: &'static str,
        says: &str,
        mappings: &[ToldMapping],
    ) {
        let told = mappings.iter().map(|told| Mapping::of(told, &self.hidden));
        let details = vec![("mappings", Detail::Mappings(told.collect()))];
        self.passed(stage, says, details);
    }

    pub(super) fn passed(&mut self, stage: &'static str, says: &str, details: Details) {
        self.steps
            .push(Step::new(stage, Outcome::Passed, says, details));
    }

    pub(super) fn refused(&mut self, stage: &'static str, says: &str, details: Details) {
        self.steps
            .push(Step::new(stage, Outcome::Refused, says, details));
    }
}

/// The methods that could have served the request, and why they do not.
fn not_taken(table: &Table, head: &RequestHead, taken: Option<usize>) -> Details {
    let others = candidates(table, head, taken);
    let line = |other: &Candidate<'_>| {
        let Candidate { method, reason } = other;
        format!("{} {}: {reason}", method.http_method, method.resource_path)
    };
    let lines: Vec<String> = others.iter().map(line).collect();
    if lines.is_empty() {
        Vec::new()
    } else {
        vec![("not taken", Detail::Lines(lines))]
    }
}
