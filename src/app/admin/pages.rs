//! Which page a request asks for, and whether it may.

use std::net::SocketAddr;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::app::admin::gate::Exposure;
use crate::app::admin::gate::Gate;
use crate::app::admin::metrics_page;
use crate::app::admin::readiness;
use crate::wire::http1::head::RequestHead;
use crate::wire::target;

const READERS: &str = "GET, HEAD";

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
    Health,
    Readiness,
    Metrics,
}

impl Page {
    fn at(path: &[u8]) -> Option<Self> {
        Some(match path {
            b"/healthz" => Self::Health,
            b"/readyz" => Self::Readiness,
            b"/metrics" => Self::Metrics,
            _ => return None,
        })
    }

    const fn exposure(self) -> Exposure {
        match self {
            Self::Health | Self::Readiness => Exposure::Probe,
            Self::Metrics => Exposure::Numbers,
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
        return Answer::text(
            404,
            "no such page; there are /healthz, /readyz and /metrics",
        );
    };
    if !gate.lets(head.fields.last(b"host"), page.exposure()) {
        return Answer::text(
            403,
            "this page is served to an address, to localhost and to the name in --admin, not to the name in Host",
        );
    }
    match head.method() {
        b"GET" | b"HEAD" => read(page, state),
        _ => Answer::method_not_allowed(READERS),
    }
}

fn read(page: Page, state: &AdminState) -> Answer {
    match page {
        Page::Health => Answer::text(200, "alive"),
        Page::Readiness => readiness::answer(state),
        Page::Metrics => metrics_page::answer(state),
    }
}
