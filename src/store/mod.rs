//! The embedded S3 store of `sluicegate demo`: S3 over HTTP on one address, kept in one directory.
//!
//! `index.redb` says which objects there are; bytes beyond a few KiB are in files under `objects/`, named by generated
//! ids. A write is acknowledged when its bytes and its record have been synchronised to the disk, and becomes visible
//! as a whole; what a crash leaves half-written is swept at the next start. Clients must sign with the one key pair.

mod blobs;
mod checksum;
mod clock;
mod error;
mod error_body;
mod fault;
mod index;
mod listing;
mod protocol;
mod range_field;
mod request_body;
mod server;
#[cfg(test)]
mod tests;
mod xml_text;

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3ErrorCode, S3Result};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

pub use self::error::StoreError;
pub use self::fault::IndexFault;

use self::blobs::{BlobDir, FILE_MODE, Graves};
use self::index::Index;
use self::protocol::Store;
use self::range_field::IgnoredRange;

/// Threads that hash and write; each upload uses one at a time.
const BLOCKING_THREADS_MAX: usize = 16;

/// What a store is to be like.
#[derive(Clone)]
pub struct StoreSettings {
    /// Made if it is missing.
    pub data_dir: PathBuf,
    /// Port 0 takes any free one; see [`RunningStore::address`].
    pub listen: SocketAddr,
    /// The one key that requests are signed with.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What buckets say of their place.
    pub region: String,
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A store that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct RunningStore {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl RunningStore {
    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets running requests end, within ten seconds, and returns when the data directory is free again.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for RunningStore {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread ended in a panic");
        }
    }
}

/// Opens the data directory, sweeps it, and serves it from a thread of its own. Requests are answered from the moment
/// this returns.
pub fn start(settings: StoreSettings) -> Result<RunningStore, StoreError> {
    if settings.access_key_id.is_empty() || settings.secret_access_key.is_empty() {
        return Err(StoreError::CredentialsEmpty);
    }
    let unusable = |cause| StoreError::AddressUnusable {
        address: settings.listen,
        cause,
    };
    let listener = TcpListener::bind(settings.listen).map_err(unusable)?;
    listener.set_nonblocking(true).map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let thread_failed = |cause| StoreError::ThreadFailed { cause };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("store-blobs")
        .build()
        .map_err(thread_failed)?;
    let listener = {
        let _on_runtime = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(unusable)?
    };
    let (store, index_writer) = open(&settings)?;
    let service = service(store, &settings);
    let (stop, stopped) = watch::channel(false);
    let thread = thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || serve(runtime, listener, service, stopped, index_writer))
        .map_err(thread_failed)?;
    Ok(RunningStore {
        address,
        stop,
        thread: Some(thread),
    })
}

fn serve(
    runtime: Runtime,
    listener: tokio::net::TcpListener,
    service: S3Service,
    stopped: watch::Receiver<bool>,
    index_writer: JoinHandle<()>,
) {
    runtime.block_on(server::run(listener, service, stopped));
    // With the runtime go the last tasks that hold the index; then its writer ends, and with it the lock.
    drop(runtime);
    if index_writer.join().is_err() {
        tracing::error!("the store's index thread ended in a panic");
    }
}

fn open(settings: &StoreSettings) -> Result<(Store, JoinHandle<()>), StoreError> {
    let unusable =
        |path: PathBuf| move |cause: io::Error| StoreError::DataDirUnusable { path, cause };
    let data_dir = &settings.data_dir;
    blobs::create_dir_all(data_dir).map_err(unusable(data_dir.clone()))?;
    let index_path = data_dir.join("index.redb");
    // The database's own error would not say that it is the permission that is missing.
    fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&index_path)
        .map_err(unusable(index_path.clone()))?;
    let database = Index::open_database(&index_path)?;

    let objects = data_dir.join("objects");
    let blobs = Arc::new(BlobDir::open(objects.clone()).map_err(unusable(objects.clone()))?);
    let named = Index::named_files(&database).map_err(|fault| StoreError::IndexUnreadable {
        path: index_path,
        cause: fault,
    })?;
    let swept = blobs.sweep(&named).map_err(unusable(objects))?;
    if swept > 0 {
        tracing::info!(
            files = swept,
            "the store removed what earlier writes had left unfinished"
        );
    }
    let (graves, read_tokens) = Graves::new(Arc::clone(&blobs));
    let (index, index_writer) = Index::start(database, graves)?;
    let store = Store {
        index,
        blobs,
        read_tokens,
        region: settings.region.clone(),
    };
    Ok((store, index_writer))
}

fn service(store: Store, settings: &StoreSettings) -> S3Service {
    let unchecked = S3ServiceBuilder::new(store.clone()).build();
    let mut builder = S3ServiceBuilder::new(store);
    builder.set_route(IgnoredRange { unchecked });
    builder.set_auth(OneKeyPair {
        access_key_id: settings.access_key_id.clone(),
        secret_access_key: SecretKey::from(settings.secret_access_key.clone()),
    });
    builder.build()
}

/// The key pair of the settings; `s3s`'s own list of keys answers an unknown one with `NotSignedUp`, S3 does not.
struct OneKeyPair {
    access_key_id: String,
    secret_access_key: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for OneKeyPair {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            Ok(self.secret_access_key.clone())
        } else {
            Err(S3ErrorCode::InvalidAccessKeyId.into())
        }
    }
}
