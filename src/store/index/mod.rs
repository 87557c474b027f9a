//! The index: one embedded database that says which objects there are. A write is visible when its transaction
//! has committed, and lasts from then on; readers see whole transactions or nothing of them.

mod edit;
pub(crate) mod record;
mod view;
mod writer;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use redb::{Database, DatabaseError, Key, ReadableTable, TableDefinition};
use s3s::{S3Error, S3ErrorCode};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

pub(crate) use self::edit::Edit;
pub(crate) use self::view::View;
use self::writer::Apply;
use crate::store::blobs::{Graves, PendingBlob};
use crate::store::error::StoreError;
use crate::store::fault::{IndexFault, NoChange, internal_error};

/// Memory that the database may use for pages.
const CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

type Bytes = &'static [u8];
const BUCKETS: TableDefinition<'_, &str, Bytes> = TableDefinition::new("buckets");
/// By bucket and key: the order of UTF-8 bytes, which is that of S3's listings.
const OBJECTS: TableDefinition<'_, (&str, &str), Bytes> = TableDefinition::new("objects");
/// Small objects' bytes by blob id.
const INLINE: TableDefinition<'_, &str, Bytes> = TableDefinition::new("inline");
/// By bucket, key and upload id.
const UPLOADS: TableDefinition<'_, (&str, &str, &str), Bytes> = TableDefinition::new("uploads");
/// By upload id and part number.
const PARTS: TableDefinition<'_, (&str, u16), Bytes> = TableDefinition::new("parts");

/// The open index. Reads happen on the caller's thread, changes on the writer's.
#[derive(Clone)]
pub(crate) struct Index {
    database: Arc<Database>,
    changes: mpsc::SyncSender<Apply>,
}

impl Index {
    /// Opens or makes the index file and holds its lock.
    pub(crate) fn open_database(path: &Path) -> Result<Database, StoreError> {
        let opened = Database::builder()
            .set_cache_size(CACHE_BYTES_MAX)
            .create(path);
        let database = opened.map_err(|cause| match cause {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                StoreError::DataDirInUse {
                    path: path.parent().unwrap_or(path).to_path_buf(),
                }
            }
            cause => StoreError::IndexUnreadable {
                path: path.to_path_buf(),
                cause: cause.into(),
            },
        })?;
        writer::create_tables(&database).map_err(|fault| StoreError::IndexUnreadable {
            path: path.to_path_buf(),
            cause: fault,
        })?;
        Ok(database)
    }

    /// Ids of all files that a record names.
    pub(crate) fn named_files(database: &Database) -> Result<HashSet<String>, IndexFault> {
        View::open(database)?.named_files()
    }

    /// Starts the writer. It ends, and gives up the lock, when the index and all views are gone.
    pub(crate) fn start(
        database: Database,
        graves: Graves,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let database = Arc::new(database);
        let (changes, queue) = mpsc::sync_channel(writer::QUEUE_LENGTH_MAX);
        let writer = std::thread::Builder::new()
            .name("store-index".to_owned())
            .spawn({
                let database = Arc::clone(&database);
                move || writer::run(&database, &queue, graves)
            })
            .map_err(|cause| StoreError::ThreadFailed { cause })?;
        Ok((Self { database, changes }, writer))
    }

    /// The state of the last commit.
    pub(crate) fn view(&self) -> Result<View, IndexFault> {
        View::open(&*self.database)
    }

    /// Makes a change and returns once it has been committed and synchronised. `blobs` are those that the change makes
    /// records name: they stay if it is made and go if not.
    ///
    /// A change that refuses must do so before its first write, since it shares its transaction with others.
    pub(crate) async fn change<R: Send + 'static>(
        &self,
        blobs: Vec<PendingBlob>,
        change: impl FnOnce(&mut Edit<'_>) -> Result<R, NoChange> + Send + 'static,
    ) -> Result<R, S3Error> {
        let (answer, answered) = oneshot::channel();
        let apply: Apply = Box::new(move |edit| {
            let outcome = match change(edit) {
                Ok(outcome) => outcome,
                Err(NoChange::Fault(fault)) => return Err(fault),
                Err(NoChange::Refused(error)) => {
                    return Ok(Box::new(move |_| drop((blobs, answer.send(Err(error))))));
                }
            };
            edit.put_inline(&blobs)?;
            Ok(Box::new(move |committed| {
                let outcome = if committed {
                    blobs.into_iter().for_each(PendingBlob::keep);
                    Ok(outcome)
                } else {
                    Err(S3ErrorCode::InternalError.into())
                };
                // The client may have gone; the change stands.
                drop(answer.send(outcome));
            }))
        });
        self.changes.try_send(apply).map_err(|cause| match cause {
            mpsc::TrySendError::Full(_) => S3ErrorCode::SlowDown.into(),
            mpsc::TrySendError::Disconnected(_) => internal_error("the index has no writer"),
        })?;
        answered.await.map_err(internal_error)?
    }
}

fn lookup<'k, K: Key + 'static, R: DeserializeOwned>(
    table: &impl ReadableTable<K, Bytes>,
    key: K::SelfType<'k>,
) -> Result<Option<R>, IndexFault> {
    let Some(value) = table.get(key)? else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_slice(value.value())?))
}
