//! The one thread that writes the access log: to standard output, or to a file that SIGHUP makes it open again.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::net::clock;
use crate::serve::access_log::LineCounts;
use crate::serve::settings::Lifecycle;

/// How often batches are looked for. A thread that polls is never woken by a core, which so makes no system call for it.
const POLL: Duration = Duration::from_millis(20);
/// How long the end of the program waits for a reader of standard output that takes nothing.
const FINISH_POLLS_MAX: u32 = 100;
/// How often lost lines are told of.
const DROPS_TOLD_MS: u64 = 10_000;
/// The log may tell who called what: nobody but owner and group reads it.
const FILE_MODE: u32 = 0o640;

/// Where lines go.
#[derive(Debug)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File {
        /// Its name, for opening it again.
        path: PathBuf,
        /// As it is open now.
        file: File,
    },
}

impl Target {
    /// Standard output, or the file of this name, made if it is not there.
    pub fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Stdout);
        };
        match append_to(&path) {
            Ok(file) => Ok(Self::File { path, file }),
            Err(cause) => {
                let message = format!(
                    "{}: cannot write the access log: {cause}; another file can be given with --access-log-file",
                    path.display()
                );
                Err(Failure::new(Exit::BadConfiguration, message))
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File { file, .. } => file.write_all(lines),
        }
    }

    /// Opens the file again; keeps the open one if that fails.
    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match append_to(path) {
                Ok(fresh) => *file = fresh,
                Err(cause) => tracing::error!(
                    path = %path.display(),
                    %cause,
                    "the access log cannot be opened again; lines go on to the file that was open"
                ),
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE).open(path)
}

/// The running thread.
#[derive(Debug)]
pub struct AccessLogWriter {
    thread: JoinHandle<()>,
    ending: Arc<AtomicBool>,
}

impl AccessLogWriter {
    /// Writes what comes out of `batches` until [`Self::finish`].
    pub fn start(
        batches: Receiver<Vec<u8>>,
        target: Target,
        counts: Arc<LineCounts>,
        lifecycle: Arc<Lifecycle>,
    ) -> Result<Self, Failure> {
        let ending = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&ending);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&batches, target, &counts, &lifecycle, &shared))
            .map_err(|cause| {
                Failure::new(
                    Exit::FailedWhileRunning,
                    format!("no thread for the access log: {cause}"),
                )
            })?;
        Ok(Self { thread, ending })
    }

    /// Writes what was handed over, and ends. Call it after the last core has ended.
    pub fn finish(self) {
        self.ending.store(true, Ordering::Release);
        for _ in 0..FINISH_POLLS_MAX {
            if self.thread.is_finished() {
                return;
            }
            std::thread::park_timeout(POLL);
        }
        tracing::error!("the access log takes no more lines; the last ones are lost");
    }
}

fn write_all(
    batches: &Receiver<Vec<u8>>,
    mut target: Target,
    counts: &LineCounts,
    lifecycle: &Lifecycle,
    ending: &AtomicBool,
) {
    let mut hangups = 0;
    let mut failed = false;
    let (mut dropped_told, mut told_ms) = (0, 0);
    loop {
        // Read before the queue: what was handed over before the end is then seen.
        let last = ending.load(Ordering::Acquire);
        let seen = lifecycle.hangups.load(Ordering::Relaxed);
        if seen != hangups {
            hangups = seen;
            failed = false;
            target.reopen();
        }
        while let Ok(lines) = batches.try_recv() {
            if let Err(cause) = target.write(&lines)
                && !std::mem::replace(&mut failed, true)
            {
                tracing::error!(%cause, "the access log cannot be written; its lines are lost");
            }
        }
        let dropped = counts.dropped.load(Ordering::Relaxed);
        let now_ms = clock::monotonic_ms();
        let is_due = told_ms == 0 || last || now_ms.saturating_sub(told_ms) >= DROPS_TOLD_MS;
        if dropped > dropped_told && is_due {
            tracing::warn!(
                lines = dropped - dropped_told,
                "lines of the access log were dropped: its reader does not keep up, or they were too long"
            );
            (dropped_told, told_ms) = (dropped, now_ms.max(1));
        }
        if last {
            return;
        }
        std::thread::park_timeout(POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn the_file_is_appended_to_and_opened_again_after_a_hangup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let moved = folder.path().join("access.log.1");
        fs::write(&path, "old\n").unwrap();
        let target = Target::open(Some(path.clone())).unwrap();
        let (sender, receiver) = sync_channel(4);
        let lifecycle = Arc::new(Lifecycle::default());
        let writer =
            AccessLogWriter::start(receiver, target, Arc::default(), Arc::clone(&lifecycle))
                .unwrap();
        sender.send(b"one\n".to_vec()).unwrap();
        while fs::read_to_string(&path).unwrap() != "old\none\n" {
            std::thread::yield_now();
        }
        fs::rename(&path, &moved).unwrap();
        lifecycle.hangups.fetch_add(1, Ordering::Relaxed);
        while !path.exists() {
            std::thread::yield_now();
        }
        sender.send(b"two\n".to_vec()).unwrap();
        writer.finish();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "old\none\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told_by_name() {
        let failure = Target::open(Some(PathBuf::from("/proc/no/access.log"))).unwrap_err();
        assert_eq!(failure.exit, Exit::BadConfiguration);
        assert!(failure.message.contains("/proc/no/access.log"));
        assert!(failure.message.contains("--access-log-file"));
    }
}
