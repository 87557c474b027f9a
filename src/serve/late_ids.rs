//! The ids of a request, made when somebody asks for them: they cost random bytes and storage.

use std::cell::OnceCell;

use crate::pipeline::request_ids::RANDOM_BYTES;
use crate::pipeline::request_ids::RequestIds;
use crate::serve::per_core::Core;
use crate::wire::date::UnixSeconds;

/// The ids of one request of the sidecar: an S3 error and an access log show them, nothing else does.
pub struct LateIds<'c> {
    core: &'c Core,
    now: UnixSeconds,
    made: OnceCell<RequestIds>,
}

impl<'c> LateIds<'c> {
    /// None yet.
    #[must_use]
    pub const fn new(core: &'c Core, now: UnixSeconds) -> Self {
        Self {
            core,
            now,
            made: OnceCell::new(),
        }
    }

    /// The ids, made by the first call. Zeros if the system has no randomness to give.
    pub fn made(&self) -> &RequestIds {
        self.made.get_or_init(|| {
            let random = self.core.random().unwrap_or([0; RANDOM_BYTES]);
            RequestIds::new(&random, self.now, None)
        })
    }
}
