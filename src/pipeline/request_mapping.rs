//! `requestParameters`: from the method request to headers, path and query of the integration request (spec 05).

use std::borrow::Cow;

use crate::api::model::RequestMapping;
use crate::api::model::RequestSource;
use crate::api::model::RequestTarget;
use crate::pipeline::context::RequestContext;
use crate::pipeline::context::Variables;
use crate::pipeline::mapping_body::MappingBody;
use crate::pipeline::method_request::MethodRequest;
use crate::wire::few::Few;

/// Names and values, in document order; values as they are, not yet encoded.
pub type MappedValues<'m> = Few<(&'m str, Cow<'m, [u8]>), MAPPED_COMMON>;

/// Most requests have no more values of one kind than this; others take storage of their own.
const MAPPED_COMMON: usize = 4;

/// What the mappings give. Missing and empty values leave nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MappedParameters<'m> {
    /// For `integration.request.header.*`.
    pub headers: MappedValues<'m>,
    /// For `integration.request.path.*`.
    pub path: MappedValues<'m>,
    /// For `integration.request.querystring.*`; a name may come several times.
    pub query: MappedValues<'m>,
}

/// Whether a mapping reads the client's body.
#[must_use]
pub fn reads_body(mappings: &[RequestMapping]) -> bool {
    mappings.iter().any(|mapping| {
        matches!(
            mapping.source,
            RequestSource::Body | RequestSource::BodyPath(_)
        )
    })
}

/// Applies the mappings; `body` is there if [`reads_body`].
#[must_use]
pub fn map_parameters<'m>(
    mappings: &'m [RequestMapping],
    request: &'m MethodRequest<'_, '_>,
    context: &'m RequestContext<'m>,
    body: Option<&'m MappingBody<'_>>,
) -> MappedParameters<'m> {
    let sources = Sources {
        request,
        variables: request.variables(context),
        body,
    };
    let mut mapped = MappedParameters::default();
    for RequestMapping { target, source } in mappings {
        match (target, source) {
            (RequestTarget::QueryString(name), RequestSource::MultiValueQueryString(source)) => {
                let values: Vec<_> = request.query().all(source.as_bytes()).collect();
                if values.iter().any(|value| !value.is_empty()) {
                    mapped.query.extend(
                        values
                            .into_iter()
                            .map(|value| (name.as_str(), Cow::Borrowed(value))),
                    );
                }
            }
            (RequestTarget::Header(name), source) => {
                sources.push(source, name, &mut mapped.headers)
            }
            (RequestTarget::Path(name), source) => sources.push(source, name, &mut mapped.path),
            (RequestTarget::QueryString(name), source) => {
                sources.push(source, name, &mut mapped.query)
            }
        }
    }
    mapped
}

struct Sources<'m> {
    request: &'m MethodRequest<'m, 'm>,
    variables: Variables<'m>,
    body: Option<&'m MappingBody<'m>>,
}

impl<'m> Sources<'m> {
    fn push(&self, source: &'m RequestSource, target: &'m str, values: &mut MappedValues<'m>) {
        if let Some(value) = self.value(source).filter(|value| !value.is_empty()) {
            values.push((target, value));
        }
    }

    fn value(&self, source: &'m RequestSource) -> Option<Cow<'m, [u8]>> {
        let headers = self.request.headers();
        match source {
            RequestSource::Path(name) => self.request.path_parameter(name).map(Cow::Borrowed),
            RequestSource::QueryString(name) => self
                .request
                .query()
                .last(name.as_bytes())
                .map(Cow::Borrowed),
            RequestSource::MultiValueQueryString(name) => {
                let values: Vec<_> = self.request.query().all(name.as_bytes()).collect();
                (!values.is_empty()).then(|| Cow::Owned(values.join(&b',')))
            }
            RequestSource::Header(name) => headers.last(name).map(Cow::Borrowed),
            RequestSource::MultiValueHeader(name) => headers.joined(name).map(Cow::Owned),
            RequestSource::Body => self.body.map(|body| Cow::Borrowed(body.text().as_bytes())),
            RequestSource::BodyPath(path) => self
                .body?
                .find(path)
                .map(|text| Cow::Owned(text.into_bytes())),
            RequestSource::StageVariable(name) => {
                self.variables.stage_variable(name).map(Cow::Borrowed)
            }
            RequestSource::Context(name) => self.variables.look_up(name).value(),
            RequestSource::Literal(text) => Some(Cow::Borrowed(text.as_bytes())),
        }
    }
}
