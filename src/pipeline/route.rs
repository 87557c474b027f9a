//! From the request target to the method that it names (spec 03).
//!
//! The stages' types do not print themselves: a query may hold a signature.

use std::borrow::Cow;

use crate::api::model::Method;
use crate::api::resource_tree::PATH_PARAMETERS_COMMON;
use crate::api::table::Found;
use crate::api::table::Table;
use crate::pipeline::context::RequestContext;
use crate::pipeline::context::Variables;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::identity::Identity;
use crate::pipeline::metering::api_keys::AcceptedKey;
use crate::wire::few::Few;
use crate::wire::http1::head::RequestHead;
use crate::wire::percent;
use crate::wire::target;
use crate::wire::target::Target;

/// The target that answers 200 `healthy` outside of any stage (spec 03, "Stage").
const HEALTH_PATH: &[u8] = b"/ping";

/// The body of the answer to `/ping`.
pub const HEALTHY: &[u8] = b"healthy";

/// What a request is for.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every request has the large one, and boxing it would allocate for each"
)]
pub enum Route<'t, 'h> {
    /// A method of the document.
    Method(Routed<'t, 'h>),
    /// `/ping`: 200 with [`HEALTHY`].
    Health,
}

/// A request whose method is found.
pub struct Routed<'t, 'h> {
    pub(super) request: StagedRequest<'t, 'h>,
}

/// The client's head and what the document has for it; later stages carry it on.
pub(super) struct StagedRequest<'t, 'h> {
    pub(super) table: &'t Table,
    pub(super) head: &'h RequestHead,
    pub(super) found: Found<'t>,
    pub(super) path: StagedPath<'h>,
    /// What follows the `?`, raw.
    pub(super) query: Option<&'h [u8]>,
    /// Who calls, once a signature was verified.
    pub(super) caller: Option<&'t Identity>,
    /// The API key, once it was accepted.
    pub(super) api_key: Option<AcceptedKey<'t, 'h>>,
}

/// Names and decoded values of path parameters.
pub(super) type PathValues<'t, 'h> = Few<(&'t str, Cow<'h, [u8]>), PATH_PARAMETERS_COMMON>;

/// A path whose stage is that of the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct StagedPath<'h> {
    /// `/{stage}` and everything behind it, raw.
    whole: &'h [u8],
    /// What is behind the stage, raw: empty, or with a leading slash.
    after_stage: &'h [u8],
}

/// Finds the method that a request is for.
///
/// # Errors
/// The target cannot be read, the stage is unknown, or nothing matches path and method.
pub fn route<'t, 'h>(
    table: &'t Table,
    head: &'h RequestHead,
) -> Result<Route<'t, 'h>, GatewayFault> {
    let target = target::parse(head.method(), head.target())
        .map_err(|_| GatewayFault::unreadable_head(400))?;
    if let Some(path) = StagedPath::of(target.path, table) {
        let found = table.find(head.method(), path.after_stage);
        let found = found.ok_or_else(GatewayFault::missing_authentication_token)?;
        let request = StagedRequest {
            table,
            head,
            found,
            path,
            query: target.query,
            caller: None,
            api_key: None,
        };
        Ok(Route::Method(Routed { request }))
    } else {
        outside(target.path, head)
    }
}

/// What becomes of a request that no document claims: neither its host nor its stage is known.
///
/// # Errors
/// The target cannot be read, or it is not `/ping`.
pub fn route_unclaimed<'t, 'h>(head: &'h RequestHead) -> Result<Route<'t, 'h>, GatewayFault> {
    let target = target::parse(head.method(), head.target())
        .map_err(|_| GatewayFault::unreadable_head(400))?;
    outside(target.path, head)
}

fn outside<'t, 'h>(path: &[u8], head: &RequestHead) -> Result<Route<'t, 'h>, GatewayFault> {
    if path == HEALTH_PATH && matches!(head.method(), b"GET" | b"HEAD") {
        Ok(Route::Health)
    } else {
        Err(GatewayFault::unknown_stage())
    }
}

/// The stage that a raw path names: slashes before it do not count; it ends at the next slash.
#[must_use]
pub fn stage_of(path: &[u8]) -> Option<&[u8]> {
    let slashes = path.iter().take_while(|&&byte| byte == b'/').count();
    let rest = path.get(slashes..).filter(|_| slashes > 0)?;
    let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    rest.get(..end).filter(|stage| !stage.is_empty())
}

/// `/{stage}` and everything behind it, raw; `None` where the target is outside of the stage.
#[must_use]
pub fn staged_path<'h>(table: &Table, head: &'h RequestHead) -> Option<&'h [u8]> {
    let target = target::parse(head.method(), head.target()).ok()?;
    StagedPath::of(target.path, table).map(|path| path.whole)
}

impl<'t> Routed<'t, '_> {
    /// The position of the method found in the table.
    #[must_use]
    pub const fn method_index(&self) -> usize {
        self.request.found.index
    }

    /// The method found.
    #[must_use]
    pub fn method(&self) -> &'t Method {
        self.request.found.method
    }

    /// Names and values of the path parameters, decoded once.
    #[must_use]
    pub fn path_parameters(&self) -> Vec<(&'t str, Vec<u8>)> {
        let parameters = self.request.path_parameters().into_iter();
        parameters
            .map(|(name, value)| (name, value.into_owned()))
            .collect()
    }
}

impl<'t, 'h> StagedRequest<'t, 'h> {
    /// The request as `context.*` and `stageVariables.*` show it.
    pub(super) fn variables<'a>(&'a self, context: &'a RequestContext<'a>) -> Variables<'a> {
        Variables {
            context,
            head: self.head,
            table: self.table,
            staged_path: Some(self.path.whole),
            method: Some(self.found.method),
            caller: self.caller,
            api_key: self.api_key,
        }
    }

    /// Bytes of the path behind the stage, as sent.
    pub(super) const fn path_bytes(&self) -> usize {
        self.path.after_stage.len()
    }

    /// The path behind the stage, decoded once, without the slashes around it: what a method ARN names.
    pub(super) fn resource_of_arn(&self) -> Vec<u8> {
        let slash = |byte: &u8| *byte == b'/';
        let path = self.path.after_stage;
        let leading = path.iter().take_while(|byte| slash(byte)).count();
        let path = path.get(leading..).unwrap_or_default();
        let trailing = path.iter().rev().take_while(|byte| slash(byte)).count();
        percent::decode(path.get(..path.len() - trailing).unwrap_or_default())
    }

    /// Names and values of the path parameters, decoded once.
    pub(super) fn path_parameters(&self) -> PathValues<'t, 'h> {
        let path = self.path.after_stage;
        let decoded = |raw| percent::decoded(path.get(raw).unwrap_or_default());
        let parameters = self.found.path_parameters.iter();
        parameters
            .map(|parameter| (parameter.name, decoded(parameter.raw.clone())))
            .collect()
    }
}

impl<'h> StagedPath<'h> {
    /// Slashes before the stage do not count; the stage ends at the next slash.
    fn of(path: &'h [u8], table: &Table) -> Option<Self> {
        let slashes = path.iter().take_while(|&&byte| byte == b'/').count();
        let whole = path.get(slashes.checked_sub(1)?..)?;
        let after_stage = whole
            .strip_prefix(b"/")?
            .strip_prefix(table.stage.as_bytes())?;
        let ends = after_stage.is_empty() || after_stage.starts_with(b"/");
        (ends && !table.stage.is_empty()).then_some(Self { whole, after_stage })
    }
}

/// How far a request came that ended in a fault.
pub(super) struct Reached<'a> {
    target: Option<Target<'a>>,
    path: Option<StagedPath<'a>>,
    found: Option<Found<'a>>,
}

impl<'a> Reached<'a> {
    /// Routes again and keeps what there is.
    pub(super) fn of(table: &'a Table, head: &'a RequestHead) -> Self {
        let target = target::parse(head.method(), head.target()).ok();
        let path = target.and_then(|target| StagedPath::of(target.path, table));
        let found = path.and_then(|path| table.find(head.method(), path.after_stage));
        Self {
            target,
            path,
            found,
        }
    }

    /// The raw query.
    pub(super) fn query(&self) -> Option<&'a [u8]> {
        self.target?.query
    }

    /// The request as `context.*` and `stageVariables.*` show it.
    pub(super) fn variables(
        &self,
        context: &'a RequestContext<'a>,
        table: &'a Table,
        head: &'a RequestHead,
    ) -> Variables<'a> {
        Variables {
            context,
            head,
            table,
            staged_path: self.path.map(|path| path.whole),
            method: self.found.as_ref().map(|found| found.method),
            caller: None,
            api_key: None,
        }
    }

    /// A path parameter, decoded once.
    pub(super) fn path_parameter(&self, name: &str) -> Option<Vec<u8>> {
        let mut parameters = self.found.as_ref()?.path_parameters.iter();
        let parameter = parameters.find(|parameter| parameter.name == name)?;
        self.path?
            .after_stage
            .get(parameter.raw.clone())
            .map(percent::decode)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::sample;

    /// The path behind the stage, `healthy`, or the status of the fault and its message.
    fn outcome(method: &str, target: &str) -> String {
        let table = sample::one_method(json!({}));
        match route(&table, &sample::head(method, target, &[])) {
            Ok(Route::Method(routed)) => {
                String::from_utf8_lossy(routed.request.path.after_stage).into_owned()
            }
            Ok(Route::Health) => "healthy".to_owned(),
            Err(fault) => format!("{} {}", fault.status(), fault.message().unwrap()),
        }
    }

    #[test]
    fn slashes_before_the_stage_do_not_count() {
        for target in ["/v1/x", "//v1/x", "///v1/x", "http://other.test/v1/x?q"] {
            assert_eq!(outcome("GET", target), "/x", "{target}");
        }
        assert_eq!(outcome("GET", "/v1//x/"), "//x/");
    }

    #[test]
    fn a_path_names_its_stage_up_to_the_next_slash() {
        for (path, stage) in [
            ("/v1", Some("v1")),
            ("/v1/", Some("v1")),
            ("//v1/x", Some("v1")),
            ("/v1x/v1", Some("v1x")),
            ("/", None),
            ("///", None),
            ("*", None),
        ] {
            let found = stage_of(path.as_bytes());
            assert_eq!(found, stage.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn what_no_document_claims_is_forbidden_but_for_the_health_check() {
        let outcome = |method, target| match route_unclaimed(&sample::head(method, target, &[])) {
            Ok(_) => "healthy".to_owned(),
            Err(fault) => format!("{} {}", fault.status(), fault.message().unwrap()),
        };
        assert_eq!(outcome("GET", "/v1/x"), "403 Forbidden");
        assert_eq!(outcome("GET", "v1/x"), "400 Bad Request");
        assert_eq!(outcome("GET", "/ping"), "healthy");
        assert_eq!(outcome("POST", "/ping"), "403 Forbidden");
    }

    #[test]
    fn another_stage_is_forbidden() {
        for target in ["/v2/x", "/", "/v1x/x", "/V1/x", "/x/v1"] {
            assert_eq!(outcome("GET", target), "403 Forbidden", "{target}");
        }
        assert_eq!(outcome("OPTIONS", "*"), "403 Forbidden");
    }

    #[test]
    fn what_matches_no_method_misses_its_token() {
        let missing = "403 Missing Authentication Token";
        assert_eq!(outcome("GET", "/v1"), missing);
        assert_eq!(outcome("GET", "/v1/x/y"), missing);
        assert_eq!(outcome("PROPFIND", "/v1/x"), missing);
    }

    #[test]
    fn ping_is_answered_outside_of_stages() {
        assert_eq!(outcome("GET", "/ping"), "healthy");
        assert_eq!(outcome("HEAD", "/ping?x"), "healthy");
        for (method, target) in [("POST", "/ping"), ("GET", "/ping/"), ("GET", "//ping")] {
            assert_eq!(
                outcome(method, target),
                "403 Forbidden",
                "{method} {target}"
            );
        }
    }

    #[test]
    fn a_target_that_cannot_be_read_is_a_bad_request() {
        assert_eq!(outcome("GET", "v1/x"), "400 Bad Request");
    }
}
