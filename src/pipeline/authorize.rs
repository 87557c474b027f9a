//! Who may call a method (spec 09). This version knows no caller: what asks for one is refused.

use crate::api::model::Authorization;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::route::Routed;
use crate::pipeline::route::StagedRequest;
use crate::wire::query::Query;

/// What to do with methods that ask for a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerPolicy {
    /// Refuse: no signature and no API key can be verified.
    #[default]
    Enforce,
    /// Serve them as if they asked for nothing.
    IgnoreAuthorizers,
}

/// A request whose caller may call the method.
pub struct Authorized<'t, 'h> {
    pub(super) request: StagedRequest<'t, 'h>,
}

impl<'t, 'h> Routed<'t, 'h> {
    /// Authorization before the API key (spec 02, stages 6 and 7).
    ///
    /// # Errors
    /// The method asks for a signature or an API key, and the policy does not ignore that.
    pub fn authorize(self, policy: CallerPolicy) -> Result<Authorized<'t, 'h>, GatewayFault> {
        let Self { request } = self;
        match policy {
            CallerPolicy::IgnoreAuthorizers => {}
            CallerPolicy::Enforce => {
                match request.found.method.authorization {
                    Authorization::None => {}
                    Authorization::AwsIam if is_signed(&request) => {
                        return Err(GatewayFault::unknown_identity());
                    }
                    Authorization::AwsIam => {
                        return Err(GatewayFault::missing_authentication_token());
                    }
                }
                if request.found.method.api_key_required {
                    return Err(GatewayFault::invalid_api_key());
                }
            }
        }
        Ok(Authorized { request })
    }
}

/// Whether there is an Authorization field or a signature in the query (spec 09, first row of "Errors").
fn is_signed(request: &StagedRequest<'_, '_>) -> bool {
    let in_query = |raw| Query::parse(raw).last(b"X-Amz-Signature").is_some();
    request.head.fields.get(b"authorization").is_some() || request.query.is_some_and(in_query)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::route::{Route, route};
    use crate::pipeline::sample;

    fn outcome(
        operation: serde_json::Value,
        target: &str,
        fields: &[(&str, &str)],
        policy: CallerPolicy,
    ) -> String {
        let table = sample::one_method_with(json!({}), |document| {
            document["securityDefinitions"] =
                json!({"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
            let method = &mut document["paths"]["/{item}"]["x-amazon-apigateway-any-method"];
            method
                .as_object_mut()
                .unwrap()
                .extend(operation.as_object().unwrap().clone());
        });
        let head = sample::head("GET", target, fields);
        let Ok(Route::Method(routed)) = route(&table, &head) else {
            panic!("{target}");
        };
        match routed.authorize(policy) {
            Ok(_) => "authorized".to_owned(),
            Err(fault) => fault.message().unwrap().to_owned(),
        }
    }

    #[test]
    fn signed_or_not_a_method_with_iam_is_refused() {
        let iam = || json!({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}});
        let enforce = CallerPolicy::Enforce;
        assert_eq!(
            outcome(iam(), "/v1/x", &[], enforce),
            "Missing Authentication Token"
        );
        let unknown = "The security token included in the request is invalid.";
        assert_eq!(
            outcome(
                iam(),
                "/v1/x",
                &[("Authorization", "AWS4-HMAC-SHA256 x")],
                enforce
            ),
            unknown
        );
        assert_eq!(
            outcome(iam(), "/v1/x?X-Amz-Signature=0", &[], enforce),
            unknown
        );
        assert_eq!(
            outcome(iam(), "/v1/x", &[], CallerPolicy::IgnoreAuthorizers),
            "authorized"
        );
    }

    #[test]
    fn a_method_with_an_api_key_is_refused_after_authorization() {
        let key = json!({"security": [{"key": []}]});
        let fields = [("x-api-key", "01234567890123456789")];
        assert_eq!(
            outcome(key.clone(), "/v1/x", &fields, CallerPolicy::Enforce),
            "Forbidden"
        );
        assert_eq!(
            outcome(key, "/v1/x", &[], CallerPolicy::IgnoreAuthorizers),
            "authorized"
        );
        let both =
            json!({"security": [{"key": []}], "x-amazon-apigateway-auth": {"type": "AWS_IAM"}});
        assert_eq!(
            outcome(both, "/v1/x", &[], CallerPolicy::Enforce),
            "Missing Authentication Token"
        );
    }

    #[test]
    fn an_open_method_ignores_signatures() {
        let fields = [("Authorization", "Bearer x")];
        assert_eq!(
            outcome(
                json!({}),
                "/v1/x?X-Amz-Signature=1",
                &fields,
                CallerPolicy::Enforce
            ),
            "authorized"
        );
    }
}
