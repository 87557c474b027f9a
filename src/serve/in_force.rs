//! The settings that requests are served by, and how they change while cores run.
//!
//! A generation is never changed. The program puts the next one in its place; each core sees by one number that there is one
//! and takes it over between two requests. What was begun ends under the generation that it began with.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;

use crate::net::clock;
use crate::net::upstream::resolver::Resolver;
use crate::serve::backends::Backends;
use crate::serve::metrics::Metrics;
use crate::serve::metrics::series::CoreSeries;
use crate::serve::settings::ServeSettings;
use crate::wire::date::UnixSeconds;

/// Settings with what was found out for them before the first request.
#[derive(Debug)]
pub struct Generation {
    /// From 1, for the settings of the start.
    pub number: u64,
    /// As the program gave them.
    pub settings: Arc<ServeSettings>,
    /// The documents' HTTP servers, their names looked up.
    pub backends: Backends,
    /// When it was put in force.
    pub since: UnixSeconds,
    /// What each core counts its exchanges under.
    series: Vec<CoreSeries>,
    /// Keeps the addresses of names fresh as long as the generation is in use.
    _resolver: Option<Resolver>,
}

/// The generation in force. The program writes it, every core reads it.
#[derive(Debug)]
pub struct InForce {
    generation: ArcSwap<Generation>,
    metrics: Arc<Metrics>,
    /// That of `generation`: what a core looks at for each request.
    number: AtomicU64,
}

impl InForce {
    /// The generation of the start. Looks names up, which may block.
    #[must_use]
    pub fn new(settings: Arc<ServeSettings>) -> Self {
        const FIRST: u64 = 1;
        let metrics = Arc::new(Metrics::new(settings.workers.max(1)));
        Self {
            generation: ArcSwap::from_pointee(Generation::new(FIRST, settings, &metrics)),
            metrics,
            number: AtomicU64::new(FIRST),
        }
    }

    /// Puts other settings in force: every request whose head is complete after this is served by them. Looks names up, which
    /// may block: not for a core. One caller at a time. Returns the number of the new generation.
    pub fn replace(&self, settings: Arc<ServeSettings>) -> u64 {
        let number = self.number().saturating_add(1);
        let generation = Generation::new(number, settings, &self.metrics);
        self.generation.store(Arc::new(generation));
        self.number.store(number, Ordering::Release);
        number
    }

    /// What the cores count, under all generations.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The number of the generation in force.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// The generation in force.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }
}

impl Generation {
    fn new(number: u64, settings: Arc<ServeSettings>, metrics: &Metrics) -> Self {
        let backends = Backends::look_up(&settings.service);
        let mut endpoints = vec![settings.endpoint.clone()];
        endpoints.extend(backends.endpoints().cloned());
        let resolver = Resolver::start(endpoints).unwrap_or_else(|cause| {
            tracing::warn!(%cause, "no thread for the resolver: addresses stay as they are");
            None
        });
        Self {
            number,
            since: clock::now().unix,
            series: metrics.series_of(&settings.service),
            backends,
            _resolver: resolver,
            settings,
        }
    }
}

impl Generation {
    /// What core `number` counts its exchanges under.
    #[must_use]
    pub fn series_of(&self, number: usize) -> CoreSeries {
        self.series.get(number).cloned().unwrap_or_default()
    }
}
