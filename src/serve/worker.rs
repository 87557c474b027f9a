//! One core: its listeners, a task per connection, and the way out.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::net::deadline::DeadlineTable;
use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::listener::Accepted;
use crate::net::listener::Listener;
use crate::serve::connection;
use crate::serve::per_core::Core;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::ServeSettings;

/// How often a core looks whether it shall stop.
const LIFECYCLE_POLL_MS: u64 = 50;
/// Buffers that nobody needed for two seconds are freed.
const POLLS_BETWEEN_TRIMS: u64 = 2_000 / LIFECYCLE_POLL_MS;
/// Stop level: finish what is there.
pub const STOP_DRAIN: u64 = 1;
/// Stop level: leave now.
pub const STOP_NOW: u64 = 2;

/// Serves until the program asks for the end and the last connection is closed.
pub async fn run(
    settings: Arc<ServeSettings>,
    lifecycle: Arc<Lifecycle>,
    deadlines: DeadlineTable,
    listeners: Vec<Listener>,
) {
    let core = Rc::new(Core::new(settings, Arc::clone(&lifecycle), deadlines));
    let listeners: Vec<Rc<Listener>> = listeners.into_iter().map(Rc::new).collect();
    for listener in &listeners {
        drop(spawn(accept(Rc::clone(&core), Rc::clone(listener))));
    }
    lifecycle.workers_ready.fetch_add(1, Ordering::Relaxed);
    let mut polls = 0u64;
    loop {
        sleep_ms(LIFECYCLE_POLL_MS).await;
        polls = polls.wrapping_add(1);
        core.flush_access_log();
        if polls.is_multiple_of(POLLS_BETWEEN_TRIMS) {
            core.buffers.trim();
        }
        let level = core.stop_level();
        if level >= STOP_DRAIN && !core.draining.replace(true) {
            for listener in &listeners {
                listener.close();
            }
        }
        if core.draining.get() {
            core.deadlines.cut_idle();
        }
        if level >= STOP_NOW || (core.draining.get() && core.connections() == 0) {
            return;
        }
    }
}

/// Takes connections until the listener is closed. A panic ends the connection's own task (net contains it).
async fn accept(core: Rc<Core>, listener: Rc<Listener>) {
    loop {
        match listener.accept().await {
            Ok(Accepted::Connection(stream, peer)) => {
                let guard = core.count_connection();
                let core = Rc::clone(&core);
                drop(spawn(async move {
                    connection::serve(core, stream, peer).await;
                    drop(guard);
                }));
            }
            Ok(Accepted::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "a listening socket failed; this worker takes no more connections from it");
                return;
            }
        }
    }
}
