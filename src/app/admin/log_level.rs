//! `/log-level`: what is logged, read and changed while the program runs.

use crate::app::admin::answer::Answer;
use crate::app::admin::pages::Asked;
use crate::app::logging;

/// What the page takes.
pub const METHODS: &str = "GET, HEAD, PUT";

/// The level in force.
#[must_use]
pub fn answer() -> Answer {
    Answer::text(200, logging::level_name())
}

/// Changes the level to the word in the body, for clients on this machine: debug lines name paths of objects.
#[must_use]
pub fn change(asked: &Asked<'_>) -> Answer {
    if !asked.peer.ip().to_canonical().is_loopback() {
        return Answer::text(403, "the level is changed from this machine alone");
    }
    let word = std::str::from_utf8(asked.body).unwrap_or_default();
    let Some(level) = logging::level_of(word.trim()) else {
        return Answer::text(
            400,
            "error, warn, info, debug or trace is wanted as the body",
        );
    };
    match logging::change(level) {
        Ok(()) => answer(),
        Err(fault) => Answer::text(500, &fault),
    }
}
