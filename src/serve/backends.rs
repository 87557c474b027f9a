//! The HTTP servers that documents name, by origin.

use crate::api::model::IntegrationKind;
use crate::net::upstream::endpoint::Endpoint;
use crate::serve::settings::Service;

/// The servers of all `http` and `http_proxy` integrations.
#[derive(Debug, Default)]
pub struct Backends {
    by_origin: Vec<(String, Endpoint)>,
}

impl Backends {
    /// The servers of what is served, their names looked up, which blocks. One without an address is told; as long as it has none its
    /// methods answer 500 (spec 05, "DNS failure").
    #[must_use]
    pub fn look_up(service: &Service) -> Self {
        let mut by_origin: Vec<(String, Endpoint)> = Vec::new();
        let Service::Gateway(apis) = service else {
            return Self { by_origin };
        };
        let methods = apis.iter().flat_map(|api| &api.gateway.table.methods);
        for integration in methods.filter_map(|method| method.integration.as_ref()) {
            let (IntegrationKind::Http(uri) | IntegrationKind::HttpProxy(uri)) = &integration.kind
            else {
                continue;
            };
            if by_origin.iter().any(|(known, _)| *known == uri.origin) {
                continue;
            }
            let told = |fault| tracing::warn!(%fault, "its methods answer 500");
            match Endpoint::parse(&uri.origin) {
                Ok(endpoint) => {
                    endpoint.resolve().unwrap_or_else(told);
                    by_origin.push((uri.origin.clone(), endpoint));
                }
                Err(fault) => told(fault),
            }
        }
        Self { by_origin }
    }

    /// The server of an origin; `None` if the document names none such.
    #[must_use]
    pub fn of(&self, origin: &str) -> Option<&Endpoint> {
        let mut known = self.by_origin.iter();
        known
            .find(|(known, _)| known == origin)
            .map(|(_, endpoint)| endpoint)
    }

    /// All servers.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.by_origin.iter().map(|(_, endpoint)| endpoint)
    }
}
