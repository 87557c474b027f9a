//! Reads everything again that was read at the start, when SIGHUP or a changed file asks for it, and puts it in force as a
//! whole or not at all. Runs on a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::notify::Notifier;
use crate::app::plan::Made;
use crate::app::plan::Plan;
use crate::app::plan::lost_keys;
use crate::app::settings::files_read;
use crate::app::settings::files_read::FileState;
use crate::app::settings::files_read::FilesRead;
use crate::net::credentials::renewal::Renewal;
use crate::serve::access_log::AccessLog;
use crate::serve::in_force::InForce;
use crate::serve::settings::Edge;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::ServeSettings;

/// How often files are looked at. A change counts once two looks in a row saw the same.
const WATCH_POLL: Duration = Duration::from_secs(1);

/// Reads all settings, as at the start; the settings in force have what was counted so far.
pub type Load = Box<dyn Fn(&ServeSettings) -> Result<Plan, Failure> + Send>;

/// Where settings come from.
pub struct Sources {
    /// Reads them again.
    pub load: Load,
    /// The files that they were read from.
    pub files: FilesRead,
    /// Whether a change of those asks for a reload.
    pub watch: bool,
}

/// Keeps the settings of a running server.
pub struct Reloader {
    /// Where they come from.
    pub sources: Sources,
    /// By key, what a running process cannot change.
    pub fixed: Vec<(&'static str, String)>,
    /// Where lines of the access log go, whatever their format.
    pub access_log: Option<AccessLog>,
    /// Keep the keys of the settings in force fresh.
    pub renewals: Vec<Renewal>,
    /// Who wants to know.
    pub notifier: Option<Arc<Notifier>>,
    /// Those settings.
    pub in_force: Arc<InForce>,
    /// Where it is told how reloads went.
    pub lifecycle: Arc<Lifecycle>,
}

impl Reloader {
    /// Reloads when `asked` says so or a watched file changes, until nobody can ask any more.
    pub fn start(mut self, asked: Receiver<()>) -> io::Result<()> {
        let thread = thread::Builder::new().name("reload".to_owned());
        // Not joined: at the end of the process it may be waiting for credentials.
        thread.spawn(move || self.follow(&asked)).map(drop)
    }

    fn follow(&mut self, asked: &Receiver<()>) {
        let mut changes = Changes::new(&self.sources.files);
        loop {
            let reason = if self.sources.watch {
                match asked.recv_timeout(WATCH_POLL) {
                    Ok(()) => "SIGHUP",
                    Err(RecvTimeoutError::Timeout) if changes.are_settled(&self.sources.files) => {
                        "a file has changed"
                    }
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                match asked.recv() {
                    Ok(()) => "SIGHUP",
                    Err(_) => return,
                }
            };
            // Several that came meanwhile are one.
            while asked.try_recv().is_ok() {}
            if let Some(notifier) = &self.notifier {
                notifier.reloading();
            }
            self.reload(reason);
            if let Some(notifier) = &self.notifier {
                notifier.ready();
            }
            changes = Changes::new(&self.sources.files);
        }
    }

    fn reload(&mut self, reason: &str) {
        tracing::info!(reason, "reading the settings again");
        let before = self.in_force.generation();
        let (made, files) = files_read::noting(|| self.make(&before.settings));
        match made {
            Ok(Made {
                mut settings,
                renewals,
            }) => {
                exchange_certificates(&before.settings.edge, &mut settings.edge);
                let generation = self.in_force.replace(Arc::new(settings));
                self.sources.files = files;
                // Requests under way have the keys that they need.
                self.renewals = renewals;
                self.lifecycle.reload_failed.store(false, Ordering::Relaxed);
                tracing::info!(generation, "the settings that were read are in force");
            }
            Err(failure) => {
                let known = std::mem::take(&mut self.sources.files);
                self.sources.files = files.joined(known);
                self.lifecycle.reload_failed.store(true, Ordering::Relaxed);
                for fault in failure.message.lines() {
                    tracing::error!(fault, "reload refused");
                }
                tracing::error!(
                    generation = before.number,
                    "reload refused: the settings of before stay in force"
                );
            }
        }
    }

    fn make(&self, before: &ServeSettings) -> Result<Made, Failure> {
        let mut plan = (self.sources.load)(before)?;
        let changed = changed_keys(&self.fixed, &plan.fixed());
        if !changed.is_empty() {
            let lines = changed.iter().map(|key| {
                format!("{key} was changed, which needs a restart; nothing of this reload is taken")
            });
            let message = lines.collect::<Vec<String>>().join("\n");
            return Err(Failure::new(Exit::BadConfiguration, message));
        }
        plan.run.edge.spans = before.edge.spans.clone();
        let chosen = plan.run.access_log.take();
        let log = self.access_log.as_ref();
        let access_log = log
            .zip(chosen)
            .map(|(log, chosen)| log.in_format(chosen.format));
        let made = plan.make(access_log)?;
        let lost = lost_keys(before, &made.settings);
        if !lost.is_empty() {
            let message = format!(
                "no keys were found for {}, and those in use are good",
                lost.join(", ")
            );
            return Err(Failure::new(Exit::BadConfiguration, message));
        }
        Ok(made)
    }
}

/// The listeners that are open follow what was read; their addresses are the same.
fn exchange_certificates(open: &Edge, fresh: &mut Edge) {
    for listen in &mut fresh.tls {
        if let Some(known) = open.tls.iter().find(|known| known.at == listen.at) {
            known.server.follow(&listen.server);
            listen.server = Arc::clone(&known.server);
        }
    }
}

/// The keys whose values differ.
fn changed_keys(
    before: &[(&'static str, String)],
    after: &[(&'static str, String)],
) -> Vec<&'static str> {
    let same = |(key, value): &&(&'static str, String)| {
        let found = before.iter().find(|(known, _)| known == key);
        found.is_some_and(|(_, known)| known == value)
    };
    let differ = after.iter().filter(|pair| !same(pair));
    differ.map(|(key, _)| *key).collect()
}

/// Looks at watched files.
struct Changes {
    read: Vec<Option<FileState>>,
    /// As they were at the last look, if that was another state.
    seen: Option<Vec<Option<FileState>>>,
}

impl Changes {
    fn new(files: &FilesRead) -> Self {
        Self {
            read: files.then(),
            seen: None,
        }
    }

    /// Looks: whether the files are others than those that were read, and stand as they stood at the last look.
    fn are_settled(&mut self, files: &FilesRead) -> bool {
        let now = files.now();
        if now == self.read {
            self.seen = None;
            return false;
        }
        let settled = self.seen.as_ref() == Some(&now);
        self.seen = Some(now);
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_counts_once_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "1").unwrap();
        let (_, files) = files_read::noting(|| files_read::note(&path));
        let mut changes = Changes::new(&files);
        assert!(!changes.are_settled(&files));
        fs::write(&path, "12").unwrap();
        assert!(!changes.are_settled(&files), "still being written, perhaps");
        fs::write(&path, "123").unwrap();
        assert!(!changes.are_settled(&files));
        assert!(changes.are_settled(&files));
        fs::remove_file(&path).unwrap();
        assert!(!changes.are_settled(&files));
        assert!(changes.are_settled(&files), "that it is gone is a change");
    }

    #[test]
    fn what_cannot_change_is_told_by_its_keys() {
        let fixed = |workers: &str, listen: &str| {
            vec![
                ("server.workers", workers.to_owned()),
                ("server.listen", listen.to_owned()),
            ]
        };
        let changed = |after: Vec<_>| changed_keys(&fixed("2", "a"), &after);
        assert!(changed(fixed("2", "a")).is_empty());
        assert_eq!(changed(fixed("3", "a")), ["server.workers"]);
        assert_eq!(
            changed(fixed("3", "b")),
            ["server.workers", "server.listen"]
        );
    }
}
