//! What the gateway may do in a role's name (spec 05, "Credentials"): asked before anything is sent to the store.

use crate::api::iam_policy::Policy;
use crate::api::iam_policy::condition_key::Call;
use crate::api::iam_policy::principal::Principal;
use crate::pipeline::context::RequestContext;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::s3_operation::S3Request;
use crate::pipeline::s3_permission::Permission;
use crate::pipeline::s3_permission::S3Refusal;
use crate::pipeline::s3_permission::permission;
use crate::pipeline::s3_permission::permission_of_keys;
use crate::pipeline::store_path::StoreAddress;

/// A role that integrations name in `credentials`.
#[derive(Debug)]
pub struct Role {
    /// Its session, as policies and errors name it.
    pub principal: Principal,
    /// What it may do; without one everything.
    pub policy: Option<Policy>,
}

/// What is known of a request's way to the store.
#[derive(Clone, Copy, Debug)]
pub struct Towards<'a> {
    /// The store.
    pub store: &'a StoreAddress,
    /// Whether TLS carries the request.
    pub is_secure: bool,
}

impl IntegrationRequest<'_, '_> {
    /// What the policy of `role` says to this request.
    #[must_use]
    pub fn permission(
        &self,
        role: &Role,
        towards: Towards<'_>,
        context: &RequestContext<'_>,
    ) -> Permission {
        let Some(policy) = &role.policy else {
            return Permission::Granted;
        };
        let upstream = self.upstream_request();
        let request = S3Request {
            method: upstream.method,
            host_bucket: self.place().host_bucket(towards.store),
            path: upstream.path,
            query: upstream.query,
            fields: upstream.fields,
        };
        permission(policy, &call(role, towards, context), &request)
    }
}

impl Role {
    /// Whether the objects of `bucket` that a DeleteObjects with this body names may be deleted, all of them.
    ///
    /// # Errors
    /// The first that may not.
    pub fn may_delete(
        &self,
        bucket: &str,
        body: &[u8],
        towards: Towards<'_>,
        context: &RequestContext<'_>,
    ) -> Result<(), S3Refusal> {
        match &self.policy {
            Some(policy) => permission_of_keys(policy, &call(self, towards, context), bucket, body),
            None => Ok(()),
        }
    }
}

/// The gateway is who calls the store: nothing of its own caller counts there.
fn call<'a>(role: &'a Role, towards: Towards<'_>, context: &'a RequestContext<'_>) -> Call<'a> {
    Call {
        action: "",
        resource: "",
        principal: Some(&role.principal),
        source_ip: "",
        now: context.time,
        is_secure: towards.is_secure,
        user_agent: None,
        referer: None,
        s3: None,
    }
}
