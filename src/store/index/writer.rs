//! The one thread that writes the index. Changes that wait together share one transaction and so one synchronisation.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use redb::Database;

use super::{BUCKETS, Edit, INLINE, OBJECTS, PARTS, UPLOADS};
use crate::store::blobs::{BlobId, Graves};
use crate::store::fault::IndexFault;

/// Changes that may wait; more are told to slow down.
pub(super) const QUEUE_LENGTH_MAX: usize = 4096;

/// Changes of one transaction.
const BATCH_LENGTH_MAX: usize = 64;

/// How often files of deleted objects that were still read are looked at again.
const GRAVES_INTERVAL_MS: u64 = 500;

/// Makes its change in the transaction and says what to do when that has ended: `true` for committed.
pub(super) type Apply = Box<dyn FnOnce(&mut Edit<'_>) -> Result<Settle, IndexFault> + Send>;
pub(super) type Settle = Box<dyn FnOnce(bool) + Send>;

/// Makes the tables that are missing, so that readers find them.
pub(super) fn create_tables(database: &Database) -> Result<(), IndexFault> {
    let transaction = database.begin_write()?;
    transaction.open_table(BUCKETS)?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(INLINE)?;
    transaction.open_table(UPLOADS)?;
    transaction.open_table(PARTS)?;
    transaction.commit()?;
    Ok(())
}

/// Works until all senders are gone.
pub(super) fn run(database: &Database, queue: &Receiver<Apply>, mut graves: Graves) {
    while let Some(first) = next(queue, &mut graves) {
        let batch: Vec<Apply> = std::iter::once(first)
            .chain(queue.try_iter().take(BATCH_LENGTH_MAX - 1))
            .collect();
        let mut settles = Vec::with_capacity(batch.len());
        let committed = match commit(database, batch, &mut settles) {
            Ok(freed) => {
                graves.bury(freed);
                true
            }
            Err(fault) => {
                tracing::error!(%fault, "a transaction of the store's index failed");
                false
            }
        };
        for settle in settles {
            settle(committed);
        }
        graves.clear();
    }
    graves.clear();
}

fn next(queue: &Receiver<Apply>, graves: &mut Graves) -> Option<Apply> {
    while !graves.is_empty() {
        match queue.recv_timeout(Duration::from_millis(GRAVES_INTERVAL_MS)) {
            Ok(apply) => return Some(apply),
            Err(RecvTimeoutError::Timeout) => graves.clear(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    queue.recv().ok()
}

fn commit(
    database: &Database,
    batch: Vec<Apply>,
    settles: &mut Vec<Settle>,
) -> Result<Vec<BlobId>, IndexFault> {
    let transaction = database.begin_write()?;
    let mut edit = Edit::open(&transaction)?;
    for apply in batch {
        settles.push(apply(&mut edit)?);
    }
    match edit.into_freed_files() {
        None => {
            transaction.abort()?;
            Ok(Vec::new())
        }
        Some(freed) => {
            transaction.commit()?;
            Ok(freed)
        }
    }
}
