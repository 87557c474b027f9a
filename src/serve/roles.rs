//! The roles that integrations name: whose keys sign for them, and what their policies let through.

use std::collections::HashMap;

use crate::net::credentials::slot::CredentialSlot;
use crate::pipeline::context::RequestContext;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::role::Role;
use crate::pipeline::role::Towards;
use crate::pipeline::s3_permission::Permission;
use crate::pipeline::s3_permission::S3Refusal;
use crate::serve::per_core::Core;
use crate::serve::per_core::SigningKeys;
use crate::serve::settings::GatewaySettings;
use crate::serve::upload::Upload;

/// A role of the configuration.
#[derive(Debug)]
pub struct KnownRole {
    /// What it may do.
    pub role: Role,
    /// Its own keys; `None`: those of the store.
    pub credentials: Option<CredentialSlot>,
}

/// All roles, by ARN. Never changed once a worker runs.
#[derive(Debug, Default)]
pub struct Roles(HashMap<String, KnownRole>);

impl FromIterator<(String, KnownRole)> for Roles {
    fn from_iter<I: IntoIterator<Item = (String, KnownRole)>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl Roles {
    /// All roles with their ARNs, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &KnownRole)> {
        self.0.iter().map(|(arn, role)| (arn.as_str(), role))
    }

    /// The role of an ARN.
    #[must_use]
    pub fn find(&self, arn: &str) -> Option<&KnownRole> {
        self.0.get(arn)
    }

    /// The keys that sign a request: the caller's own, those of its role, or else those of the store.
    #[must_use]
    pub fn signing_keys<'k>(
        &'k self,
        request: &IntegrationRequest<'k, '_>,
        of_store: &'k CredentialSlot,
    ) -> SigningKeys<'k> {
        if let Some(keys) = request.caller_credentials() {
            return SigningKeys::Caller(keys);
        }
        let of_role = self.of(request).and_then(|role| role.credentials.as_ref());
        SigningKeys::Slot(of_role.unwrap_or(of_store))
    }

    /// The places of the keys of roles that have their own.
    pub fn slots(&self) -> impl Iterator<Item = &CredentialSlot> {
        self.0
            .values()
            .filter_map(|known| known.credentials.as_ref())
    }

    /// The role of a request, if it names one that is known.
    #[must_use]
    pub fn of(&self, request: &IntegrationRequest<'_, '_>) -> Option<&KnownRole> {
        self.find(request.credentials()?)
    }
}

/// What the policy of the request's role says to it.
pub fn permission(
    core: &Core,
    gateway: &GatewaySettings,
    request: &IntegrationRequest<'_, '_>,
    context: &RequestContext<'_>,
) -> Permission {
    match gateway.roles.of(request) {
        Some(known) => request.permission(&known.role, towards(core, gateway), context),
        None => Permission::Granted,
    }
}

/// Whether the role may delete what the body names, which is what will be sent.
///
/// # Errors
/// It may not.
pub fn permission_of_keys(
    core: &Core,
    gateway: &GatewaySettings,
    request: &IntegrationRequest<'_, '_>,
    bucket: &str,
    upload: &Upload<'_>,
    context: &RequestContext<'_>,
) -> Result<(), S3Refusal> {
    let Some(known) = gateway.roles.of(request) else {
        return Ok(());
    };
    let body = match upload {
        Upload::Memory(body) => body.to_contiguous(),
        // Nothing to read: refused as a body that names no keys.
        Upload::Empty | Upload::Stream(_) | Upload::Chunked(_) | Upload::Parts(_) => Vec::new(),
    };
    known
        .role
        .may_delete(bucket, &body, towards(core, gateway), context)
}

fn towards<'a>(core: &Core, gateway: &'a GatewaySettings) -> Towards<'a> {
    Towards {
        store: &gateway.store,
        is_secure: core.settings.endpoint.is_tls(),
    }
}
