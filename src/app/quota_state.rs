//! `--state-dir`: what keys have used of their quotas, so that a restart gives no new quota.
//!
//! Written by a thread of its own, once a second while something changes and at the end; never while a request waits.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::bounded_file;
use crate::pipeline::metering::quota::Period;
use crate::pipeline::metering::quota::QuotaRecord;

/// The counts, in the folder.
const STATE_FILE: &str = "quotas.json";
/// Held by the process that counts.
const LOCK_FILE: &str = "quotas.lock";
/// 10,000 keys with one record each stay far below it.
const STATE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A crash forgets the requests of this time at most.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
const FOLDER_MODE: u32 = 0o700;

/// The folder, locked.
#[derive(Debug)]
pub struct QuotaState {
    folder: PathBuf,
    /// Locked while it is open.
    _lock: File,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateText {
    version: u8,
    quotas: Vec<RecordText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordText {
    plan: String,
    api_key: String,
    period: String,
    first: u64,
    number: u64,
    used: u64,
}

impl QuotaState {
    /// Makes the folder if need be, locks it and reads what an earlier process counted. A file that cannot be read as counts
    /// is put aside with a warning.
    pub fn open(folder: &Path) -> Result<(Self, Vec<QuotaRecord>), Failure> {
        let told = |cause: &dyn std::fmt::Display| {
            let message = format!(
                "cannot keep quotas in {}: {cause}; another folder can be given with --state-dir",
                folder.display()
            );
            Failure::new(Exit::CouldNotBind, message)
        };
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder);
        let opened = made.and_then(|()| File::create(folder.join(LOCK_FILE)));
        let lock = opened.map_err(|cause| told(&cause))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(told(&"another process does so")),
            Err(TryLockError::Error(cause)) => return Err(told(&cause)),
        }
        let state = Self {
            folder: folder.to_owned(),
            _lock: lock,
        };
        let file = state.file();
        let records = match bounded_file::read_text(&file, STATE_BYTES_MAX) {
            Ok(text) => parse(&text),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge
                ) =>
            {
                Err(cause.to_string())
            }
            Err(cause) => return Err(told(&cause)),
        };
        let records = match records {
            Ok(records) => records,
            Err(reason) => {
                let aside = folder.join(format!("{STATE_FILE}.unreadable"));
                fs::rename(&file, &aside).map_err(|cause| told(&cause))?;
                tracing::warn!(file = %file.display(), %reason, aside = %aside.display(),
                    "the quota counts cannot be read: all quotas start anew, the file was put aside");
                Vec::new()
            }
        };
        // A folder that cannot be written is told now and not after the first request.
        state.save(&records).map_err(|cause| told(&cause))?;
        Ok((state, records))
    }

    fn file(&self) -> PathBuf {
        self.folder.join(STATE_FILE)
    }

    /// Replaces the counts; a reader, or a start after a crash, sees the old or the new ones.
    fn save(&self, records: &[QuotaRecord]) -> io::Result<()> {
        let draft = self.folder.join(format!("{STATE_FILE}.new"));
        let mut file = File::create(&draft)?;
        file.write_all(text(records).as_bytes())?;
        file.sync_all()?;
        fs::rename(draft, self.file())
    }

    /// Saves what `count` gives until the keeper is finished.
    pub fn keep(self, count: impl Fn() -> Vec<QuotaRecord> + Send + 'static) -> io::Result<Keeper> {
        let (end, ended) = mpsc::channel::<()>();
        // Counted here, before the workers take requests: a thread that starts late would take theirs for saved ones.
        let mut saved = count();
        let thread = thread::Builder::new().name("quotas".to_owned()).spawn(move || {
            let mut failed = false;
            loop {
                let ends = ended.recv_timeout(SAVE_INTERVAL) != Err(RecvTimeoutError::Timeout);
                let records = count();
                if records != saved {
                    match self.save(&records) {
                        Ok(()) => {
                            saved = records;
                            failed = false;
                        }
                        // Told once, tried again each time.
                        Err(cause) if !failed => {
                            failed = true;
                            tracing::error!(%cause, folder = %self.folder.display(), "cannot save the quota counts");
                        }
                        Err(_told) => {}
                    }
                }
                if ends {
                    return;
                }
            }
        })?;
        Ok(Keeper { end, thread })
    }
}

/// The thread that saves.
pub struct Keeper {
    end: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Saves the last counts.
    pub fn finish(self) {
        drop(self.end);
        if self.thread.join().is_err() {
            tracing::error!("the thread that saves quota counts died; see the panic message above");
        }
    }
}

fn text(records: &[QuotaRecord]) -> String {
    let quotas: Vec<Value> = records
        .iter()
        .map(|record| {
            json!({"plan": record.plan, "api_key": record.api_key, "period": record.period.name(),
                "first": record.first, "number": record.number, "used": record.used})
        })
        .collect();
    json!({"version": 1, "quotas": quotas}).to_string()
}

fn parse(text: &str) -> Result<Vec<QuotaRecord>, String> {
    let state: StateText = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
    if state.version != 1 {
        return Err(format!("found version {}, wanted 1", state.version));
    }
    let record = |record: RecordText| {
        let period = Period::of_name(&record.period);
        Ok(QuotaRecord {
            period: period.ok_or_else(|| format!("found the period {:?}", record.period))?,
            plan: record.plan,
            api_key: record.api_key,
            first: record.first,
            number: record.number,
            used: record.used,
        })
    };
    state.quotas.into_iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(used: u64) -> QuotaRecord {
        QuotaRecord {
            plan: "gold".to_owned(),
            api_key: "partner".to_owned(),
            period: Period::Week,
            first: 2_969,
            number: 2_970,
            used,
        }
    }

    #[test]
    fn counts_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let (state, none) = QuotaState::open(&folder).unwrap();
        assert!(none.is_empty());
        state.save(&[record(1)]).unwrap();
        state.save(&[record(2)]).unwrap();
        drop(state);
        assert_eq!(QuotaState::open(&folder).unwrap().1, [record(2)]);
    }

    #[test]
    fn a_folder_belongs_to_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let first = QuotaState::open(folder.path()).unwrap();
        let fault = QuotaState::open(folder.path()).map(drop).unwrap_err();
        assert!(
            format!("{fault:?}").contains("another process does so"),
            "{fault:?}"
        );
        drop(first);
        assert!(QuotaState::open(folder.path()).is_ok());
    }

    #[test]
    fn counts_that_cannot_be_read_are_put_aside() {
        for wrong in [
            "",
            "{",
            "[]",
            "{\"version\": 2, \"quotas\": []}",
            "{\"version\": 1}",
            "\u{0}",
            "{\"version\": 1, \"quotas\": [{\"plan\": \"gold\"}]}",
            "{\"version\": 1, \"quotas\": [{\"plan\": \"g\", \"api_key\": \"a\", \"period\": \"YEAR\", \"first\": 1, \"number\": 1, \"used\": 1}]}",
            "{\"version\": 1, \"quotas\": [{\"plan\": \"g\", \"api_key\": \"a\", \"period\": \"DAY\", \"first\": 1, \"number\": 1, \"used\": -1}]}",
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(STATE_FILE), wrong).unwrap();
            let (_state, records) = QuotaState::open(folder.path()).unwrap();
            assert!(records.is_empty(), "{wrong}");
            let aside = folder.path().join("quotas.json.unreadable");
            assert_eq!(fs::read_to_string(aside).unwrap(), wrong);
        }
    }
}
