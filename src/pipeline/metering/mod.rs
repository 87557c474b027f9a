//! Who is metered, and by what: API keys (spec 02, stage 7).

pub mod api_keys;

use crate::api::model::ApiKeySource;
use crate::pipeline::authorize::Admission;
use crate::pipeline::authorize::Authorized;
use crate::pipeline::authorize::Unproven;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::metering::api_keys::AcceptedKey;
use crate::pipeline::metering::api_keys::ApiKeys;
use crate::pipeline::route::StagedRequest;
use crate::wire::sigv4::hex::Hex;

/// All that requests are metered by. Shared by the cores.
#[derive(Debug, Default)]
pub struct Metering {
    /// The keys that are known.
    pub api_keys: ApiKeys,
}

/// How one request is metered.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'t> {
    /// Keys and limits.
    pub metering: &'t Metering,
    /// Whether methods that ask for an API key get their way; `--ignore-authorizers` says no.
    pub asks_for_keys: bool,
}

/// What became of a request at this stage.
pub enum Passage<'t, 'h> {
    /// It may be served.
    Open(Metered<'t, 'h>),
    /// Its body has to be read before it can be authorized; it is metered afterwards.
    AwaitsBody(Unproven<'t, 'h>),
}

/// A request that nothing keeps from being served.
pub struct Metered<'t, 'h>(pub(super) Authorized<'t, 'h>);

impl Metered<'_, '_> {
    /// As [`Authorized::body_sha256`].
    #[must_use]
    pub const fn body_sha256(&self) -> Option<&Hex> {
        self.0.body_sha256()
    }
}

impl<'t, 'h> Admission<'t, 'h> {
    /// Meters a request that is authorized.
    ///
    /// # Errors
    /// As [`Authorized::meter`].
    pub fn meter(self, meter: Meter<'t>) -> Result<Passage<'t, 'h>, GatewayFault> {
        match self {
            Self::Granted(authorized) => authorized.meter(meter).map(Passage::Open),
            Self::AwaitsBody(unproven) => Ok(Passage::AwaitsBody(unproven)),
        }
    }
}

impl<'t, 'h> Authorized<'t, 'h> {
    /// Asks for the API key if the method does.
    ///
    /// # Errors
    /// The key is missing, unknown or disabled.
    pub fn meter(mut self, meter: Meter<'t>) -> Result<Metered<'t, 'h>, GatewayFault> {
        let Meter { metering, .. } = meter;
        if meter.asks_for_keys && self.request.found.method.api_key_required {
            let accepted = accepted_key(&self.request, &metering.api_keys);
            self.request.api_key = Some(accepted.ok_or_else(GatewayFault::invalid_api_key)?);
        }
        Ok(Metered(self))
    }
}

fn accepted_key<'t, 'h>(
    request: &StagedRequest<'_, 'h>,
    keys: &'t ApiKeys,
) -> Option<AcceptedKey<'t, 'h>> {
    let value = match request.table.api_key_source {
        ApiKeySource::Header => request.head.fields.last(b"x-api-key")?,
        // No authorizer, no key.
        ApiKeySource::Authorizer => return None,
    };
    let id = &keys.find(value)?.id;
    Some(AcceptedKey { id, value })
}

#[cfg(test)]
mod tests;
