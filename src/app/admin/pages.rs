//! Which page a request asks for, and whether it may.

use std::net::SocketAddr;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::app::admin::answer::JSON;
use crate::app::admin::config_page;
use crate::app::admin::gate::Exposure;
use crate::app::admin::gate::Gate;
use crate::app::admin::log_level;
use crate::app::admin::metrics_page;
use crate::app::admin::readiness;
use crate::app::admin::stats_page;
use crate::app::routes_command;
use crate::serve::settings::Service;
use crate::wire::http1::head::RequestHead;
use crate::wire::target;

const READERS: &str = "GET, HEAD";
const NO_PAGE: &str = "no such page; there are /, /healthz, /readyz, /metrics, /stats, /config, /routes and /log-level";

/// A request.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Its body.
    pub body: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
}

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Dashboard,
    Health,
    Readiness,
    Metrics,
    Stats,
    Config,
    Routes,
    LogLevel,
}

impl Page {
    fn at(path: &[u8]) -> Option<Self> {
        Some(match path {
            b"/" => Self::Dashboard,
            b"/healthz" => Self::Health,
            b"/readyz" => Self::Readiness,
            b"/metrics" => Self::Metrics,
            b"/stats" => Self::Stats,
            b"/config" => Self::Config,
            b"/routes" => Self::Routes,
            b"/log-level" => Self::LogLevel,
            _ => return None,
        })
    }

    const fn exposure(self) -> Exposure {
        match self {
            Self::Health | Self::Readiness => Exposure::Probe,
            Self::Metrics => Exposure::Numbers,
            Self::Dashboard | Self::Stats | Self::Config | Self::Routes | Self::LogLevel => {
                Exposure::Inside
            }
        }
    }
}

/// The answer to a request.
#[must_use]
pub fn answer(asked: &Asked<'_>, gate: &Gate, state: &AdminState) -> Answer {
    let head = asked.head;
    let Ok(target) = target::parse(head.method(), head.target()) else {
        return Answer::text(400, "not a target");
    };
    let Some(page) = Page::at(target.path) else {
        return Answer::text(404, NO_PAGE);
    };
    if !gate.lets(head.fields.last(b"host"), page.exposure()) {
        return Answer::text(
            403,
            "this page is served to an address, to localhost and to the name in --admin, not to the name in Host",
        );
    }
    match (head.method(), page) {
        (b"GET" | b"HEAD", _) => read(page, target.query, state),
        (b"PUT", Page::LogLevel) => log_level::change(asked),
        (_, Page::LogLevel) => Answer::method_not_allowed(log_level::METHODS),
        _ => Answer::method_not_allowed(READERS),
    }
}

fn read(page: Page, query: Option<&[u8]>, state: &AdminState) -> Answer {
    match page {
        Page::Dashboard => state.dashboard.answer(),
        Page::Health => Answer::text(200, "alive"),
        Page::Readiness => readiness::answer(state),
        Page::Metrics => metrics_page::answer(state),
        Page::Stats => stats_page::answer(state, query),
        Page::Config => config_page::answer(state),
        Page::Routes => routes(state),
        Page::LogLevel => log_level::answer(),
    }
}

/// What `sluicegate routes --json` prints, one for each document; the sidecar has none.
fn routes(state: &AdminState) -> Answer {
    let generation = state.in_force.generation();
    let tables: Vec<_> = match &generation.settings.service {
        Service::Gateway(apis) => {
            let apis = apis.iter();
            apis.map(|api| routes_command::Json::of(&api.gateway.table, api.host.as_deref()))
                .collect()
        }
        Service::Sidecar(_) => Vec::new(),
    };
    match serde_json::to_string_pretty(&tables) {
        Ok(text) => Answer::of(JSON, text),
        Err(fault) => Answer::text(500, &fault.to_string()),
    }
}
