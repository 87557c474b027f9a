//! Who is metered, and by what: API keys and usage plans, then throttles (spec 02, stages 7 and 8).

pub mod api_keys;
pub mod bucket;
pub mod limiters;
pub mod quota;

use std::sync::Arc;

use crate::api::model::ApiKeySource;
use crate::pipeline::authorize::Admission;
use crate::pipeline::authorize::Authorized;
use crate::pipeline::authorize::Unproven;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::metering::api_keys::AcceptedKey;
use crate::pipeline::metering::api_keys::ApiKeys;
use crate::pipeline::metering::limiters::Limiters;
use crate::pipeline::metering::limiters::Moment;
use crate::pipeline::metering::limiters::Refusal;
use crate::pipeline::route::StagedRequest;
use crate::wire::sigv4::hex::Hex;

/// All that the requests of one document are metered by. Shared by the cores.
#[derive(Debug, Default)]
pub struct Metering {
    /// The keys that are known, in all documents.
    pub api_keys: Arc<ApiKeys>,
    /// Usage plans and throttles.
    pub limiters: Limiters,
}

/// How one request is metered.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'t> {
    /// Keys and limits.
    pub metering: &'t Metering,
    /// Whether methods that ask for an API key get their way; `--ignore-authorizers` says no.
    pub asks_for_keys: bool,
    /// When it came.
    pub now: Moment,
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

impl<'t, 'h> Metered<'t, 'h> {
    /// The API key that opened the method, if it asked for one.
    #[must_use]
    pub const fn api_key(&self) -> Option<AcceptedKey<'t, 'h>> {
        self.0.request.api_key
    }

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
    /// Asks for the API key if the method does, then takes what the request needs of plan, quota and throttles.
    ///
    /// # Errors
    /// The key is missing, unknown, disabled or in no plan of the stage; a throttle or the quota has no more to give.
    pub fn meter(mut self, meter: Meter<'t>) -> Result<Metered<'t, 'h>, GatewayFault> {
        let Metering { api_keys, limiters } = meter.metering;
        let (mut limiter, mut key) = (None, None);
        if meter.asks_for_keys && self.request.found.method.api_key_required {
            let accepted = accepted_key(&self.request, api_keys);
            let accepted = accepted.ok_or_else(GatewayFault::invalid_api_key)?;
            let refused = |refusal| refused(refusal).of_key(accepted);
            limiter = limiters.of_key(accepted.id).map_err(refused)?;
            key = Some(accepted);
        }
        limiters
            .take(limiter, self.request.found.index, meter.now)
            .map_err(|refusal| match key {
                Some(key) => refused(refusal).of_key(key),
                None => refused(refusal),
            })?;
        self.request.api_key = key;
        Ok(Metered(self))
    }
}

fn refused(refusal: Refusal) -> GatewayFault {
    match refusal {
        Refusal::NotInPlan => GatewayFault::invalid_api_key(),
        Refusal::Throttled => GatewayFault::throttled(),
        Refusal::QuotaExceeded => GatewayFault::quota_exceeded(),
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
