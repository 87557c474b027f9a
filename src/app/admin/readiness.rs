//! Whether requests should be sent here.

use std::sync::atomic::Ordering;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::net::clock;
use crate::net::credentials::slot::SlotState;
use crate::serve::settings::Service;

/// Why no request should be sent here; empty if they should.
#[must_use]
pub fn reasons(state: &AdminState) -> Vec<String> {
    let mut reasons = Vec::new();
    let lifecycle = &state.lifecycle;
    if lifecycle.stop.load(Ordering::Relaxed) > 0 || lifecycle.leaving.load(Ordering::Relaxed) {
        reasons.push("draining".to_owned());
    }
    let wanted = state.in_force.metrics().cores().len();
    let ready = lifecycle.workers_ready.load(Ordering::Relaxed);
    if ready < wanted {
        reasons.push(format!("starting: {ready} of {wanted} workers run"));
    }
    let generation = state.in_force.generation();
    let store = generation.settings.credentials.state(clock::now().unix);
    if let Err(cause) = store.usable {
        let told = store.fault.map(|fault| fault.message);
        let told = told.map_or_else(String::new, |message| format!(": {message}"));
        reasons.push(format!("credentials of the store: {cause}{told}"));
    }
    reasons
}

/// The places of all keys, the store's first.
#[must_use]
pub fn key_slots(state: &AdminState) -> Vec<SlotState> {
    let now = clock::now().unix;
    let settings = &state.in_force.generation().settings;
    let mut slots = vec![settings.credentials.state(now)];
    if let Service::Gateway(apis) = &settings.service {
        let of_roles = apis.iter().flat_map(|api| api.gateway.roles.slots());
        let mut of_roles: Vec<SlotState> = of_roles.map(|slot| slot.state(now)).collect();
        of_roles.sort_by(|a, b| a.name.cmp(&b.name));
        // Documents share their roles.
        of_roles.dedup_by(|a, b| a.name == b.name);
        slots.append(&mut of_roles);
    }
    slots
}

/// `/readyz`. A role without keys is told and no reason: the methods of others are served.
#[must_use]
pub fn answer(state: &AdminState) -> Answer {
    let reasons = reasons(state);
    if !reasons.is_empty() {
        return Answer::text(503, &format!("not ready: {}", reasons.join("; ")));
    }
    let without = key_slots(state);
    let mut text = "ready".to_owned();
    for slot in without.iter().skip(1) {
        if let Err(cause) = slot.usable {
            text.push_str(&format!("\nrole {}: {cause}", slot.name));
        }
    }
    Answer::text(200, &text)
}
