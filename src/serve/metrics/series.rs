//! What requests are counted under: a bounded set that is known before the first one.

use std::sync::Arc;

use crate::serve::metrics::counter::Counter;
use crate::serve::metrics::histogram::Histogram;
use crate::serve::metrics::histogram::Latencies;
use crate::serve::metrics::status::StatusCounts;
use crate::serve::metrics::status::Statuses;
use crate::serve::settings::GatewaySettings;
use crate::serve::settings::Service;

/// Stands where a request has reached no method.
const NONE: &str = "-";
/// The methods of S3 that the sidecar counts by name.
const SIDECAR_METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
/// All other methods of the sidecar.
const SIDECAR_OTHERS: &str = "other";

/// The labels of a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesName {
    /// Title of the API; `sidecar` for the sidecar; `-` where a request reached no method.
    pub api: String,
    /// Its stage.
    pub stage: String,
    /// The resource's path as the document writes it, never a request's.
    pub resource: String,
    /// The HTTP method as the document writes it.
    pub method: String,
}

impl SeriesName {
    fn new(api: &str, stage: &str, resource: &str, method: &str) -> Self {
        Self {
            api: api.to_owned(),
            stage: stage.to_owned(),
            resource: resource.to_owned(),
            method: method.to_owned(),
        }
    }

    /// That of requests that reached no method, whatever document they were for.
    #[must_use]
    pub fn none() -> Self {
        Self::new(NONE, NONE, NONE, NONE)
    }

    /// All series of a service, each with the position that its exchanges tell.
    #[must_use]
    pub fn all_of(service: &Service) -> Vec<(usize, Self)> {
        match service {
            Service::Gateway(apis) => {
                let of_api = |gateway: &GatewaySettings| {
                    let table = Arc::clone(&gateway.table);
                    let named = table.methods.iter().map(|method| {
                        let (resource, verb) = (&method.resource_path, &method.http_method);
                        Self::new(&table.title, &table.stage, resource, verb)
                    });
                    let numbered: Vec<_> = (gateway.first_series..).zip(named).collect();
                    numbered
                };
                apis.iter().flat_map(|api| of_api(&api.gateway)).collect()
            }
            Service::Sidecar(_) => {
                let named = SIDECAR_METHODS.iter().chain([&SIDECAR_OTHERS]);
                let named = named.map(|method| Self::new("sidecar", NONE, NONE, method));
                named.enumerate().collect()
            }
        }
    }
}

/// What one core counts its exchanges under, by the position that they tell; the last one is that of requests that reached
/// no method. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct CoreSeries(Arc<[Arc<SeriesCounts>]>);

impl CoreSeries {
    /// Of these, in their order.
    #[must_use]
    pub fn new(counts: Vec<Arc<SeriesCounts>>) -> Self {
        Self(counts.into())
    }

    /// The counts at a position.
    #[must_use]
    pub fn at(&self, position: Option<usize>) -> Option<&SeriesCounts> {
        let found = position.and_then(|position| self.0.get(position));
        found.or_else(|| self.0.last()).map(|counts| &**counts)
    }
}

/// The position of the sidecar's series for a method.
#[must_use]
pub fn sidecar_series(method: &[u8]) -> usize {
    let mut known = SIDECAR_METHODS.iter();
    known
        .position(|name| name.as_bytes() == method)
        .unwrap_or(SIDECAR_METHODS.len())
}

/// What one core has counted of a series.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct SeriesCounts {
    /// Responses by status.
    pub statuses: StatusCounts,
    /// Bytes of request bodies that arrived.
    pub request_bytes: Counter,
    /// Bytes of response bodies that were handed over.
    pub response_bytes: Counter,
    /// From the request's head to the end of the response.
    pub duration: Histogram,
    /// From the request's head to the first bytes of the response.
    pub first_byte: Histogram,
    /// From the call of the store to the head of its answer, or to the failure.
    pub integration: Histogram,
}

/// The sum of a series over all cores.
#[derive(Clone, Debug, Default)]
pub struct SeriesSums {
    /// See [`SeriesCounts::statuses`].
    pub statuses: Statuses,
    /// See [`SeriesCounts::request_bytes`].
    pub request_bytes: u64,
    /// See [`SeriesCounts::response_bytes`].
    pub response_bytes: u64,
    /// See [`SeriesCounts::duration`].
    pub duration: Latencies,
    /// See [`SeriesCounts::first_byte`].
    pub first_byte: Latencies,
    /// See [`SeriesCounts::integration`].
    pub integration: Latencies,
}

impl SeriesSums {
    /// Adds what a core has counted.
    pub fn add(&mut self, counts: &SeriesCounts) {
        let before = self.statuses.count();
        self.statuses.add(&counts.statuses);
        if self.statuses.count() == before {
            // Every exchange has a status: nothing was counted, which is so for most methods of a large document.
            return;
        }
        self.request_bytes += counts.request_bytes.get();
        self.response_bytes += counts.response_bytes.get();
        self.duration.add(&counts.duration);
        self.first_byte.add(&counts.first_byte);
        self.integration.add(&counts.integration);
    }

    /// Adds another series.
    pub fn merge(&mut self, other: &Self) {
        self.statuses.merge(&other.statuses);
        self.request_bytes += other.request_bytes;
        self.response_bytes += other.response_bytes;
        self.duration.merge(&other.duration);
        self.first_byte.merge(&other.first_byte);
        self.integration.merge(&other.integration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sidecars_methods_have_a_series_each_and_the_rest_one() {
        assert_eq!(sidecar_series(b"GET"), 0);
        assert_eq!(sidecar_series(b"DELETE"), 4);
        assert_eq!(sidecar_series(b"PATCH"), 5);
        assert_eq!(sidecar_series(b"get"), 5);
    }
}
