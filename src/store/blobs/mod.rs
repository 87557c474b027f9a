//! Object bytes in files named by generated ids. A file that no record names is not an object: it is being written,
//! or a crash left it, or its object was replaced. Keys never become paths.

mod graves;
mod read;
mod receive;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

pub(crate) use self::graves::{Graves, ReadToken, ReadTokens};
pub(crate) use self::read::{ObjectReader, Piece};
pub(crate) use self::receive::{Received, receive};

/// Up to this size an object's bytes live in the index instead of a file of their own.
pub(crate) const INLINE_BYTES_MAX: usize = 4096;

/// The mode of files that the store makes: what is stored is for the store's owner alone.
pub(crate) const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Makes what is missing of `path`, each directory for its owner alone. Those that are there keep their mode.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
}

/// 32 hex digits from the system's random source.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct BlobId(String);

impl BlobId {
    pub(crate) fn generate() -> io::Result<Self> {
        let mut random = [0; 16];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| io::Error::other("the system gives no random numbers"))?;
        Ok(Self(hex(&random)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn directory(&self) -> &str {
        self.0.get(..2).unwrap_or("00")
    }
}

/// Lower-case hex digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// Where a blob's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    Index,
    File,
}

/// Immutable bytes that a record names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Blob {
    pub(crate) id: BlobId,
    pub(crate) size_bytes: u64,
    pub(crate) place: Place,
}

/// The directory of blob files: 256 directories named by an id's first two digits.
#[derive(Debug)]
pub(crate) struct BlobDir {
    root: PathBuf,
}

impl BlobDir {
    /// Makes the directories that are missing.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        for first in 0..=u8::MAX {
            create_dir_all(&root.join(hex(&[first])))?;
        }
        File::open(&root)?.sync_all()?;
        Ok(Self { root })
    }

    pub(crate) fn path(&self, id: &BlobId) -> PathBuf {
        self.root.join(id.directory()).join(id.as_str())
    }

    /// Makes the name of a written file last through a power cut.
    pub(crate) fn sync_name(&self, id: &BlobId) -> io::Result<()> {
        File::open(self.root.join(id.directory()))?.sync_all()
    }

    /// Removes every file that is not in `named`: what a crash or a stop in the middle of a write left. Returns their count.
    pub(crate) fn sweep(&self, named: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for directory in fs::read_dir(&self.root)? {
            let directory = directory?.path();
            if directory.is_dir() {
                removed += sweep_directory(&directory, named)?;
            }
        }
        Ok(removed)
    }

    fn remove(&self, id: &BlobId) {
        let path = self.path(id);
        if let Err(cause) = fs::remove_file(&path)
            && cause.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(path = %path.display(), %cause, "a file of no object stays until the next start");
        }
    }
}

fn sweep_directory(directory: &Path, named: &HashSet<String>) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let known = entry
            .file_name()
            .to_str()
            .is_some_and(|name| named.contains(name));
        if !known {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A blob that no record names yet. Its file goes when this value does, unless [`PendingBlob::keep`] was called.
#[derive(Debug)]
pub(crate) struct PendingBlob {
    blob: Blob,
    inline: Vec<u8>,
    kept: bool,
    dir: Arc<BlobDir>,
}

impl PendingBlob {
    /// Bytes that go into the index; the caller has checked their size.
    pub(crate) fn inline(dir: Arc<BlobDir>, bytes: Vec<u8>) -> io::Result<Self> {
        let blob = Blob {
            id: BlobId::generate()?,
            size_bytes: bytes.len() as u64,
            place: Place::Index,
        };
        Ok(Self {
            blob,
            inline: bytes,
            kept: false,
            dir,
        })
    }

    /// A new empty file, open for writing.
    pub(crate) fn create_file(dir: Arc<BlobDir>) -> io::Result<(Self, File)> {
        let id = BlobId::generate()?;
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(dir.path(&id))?;
        Ok((Self::of_file(dir, id, 0), file))
    }

    /// A second name for the bytes of `source`: blobs never change, so a link is a copy. Copies where links are refused.
    pub(crate) fn link_file(dir: Arc<BlobDir>, source: &Blob) -> io::Result<Self> {
        let id = BlobId::generate()?;
        let (from, to) = (dir.path(&source.id), dir.path(&id));
        let pending = Self::of_file(dir, id, source.size_bytes);
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
            File::open(&to)?.sync_data()?;
        }
        pending.dir.sync_name(&pending.blob.id)?;
        Ok(pending)
    }

    fn of_file(dir: Arc<BlobDir>, id: BlobId, size_bytes: u64) -> Self {
        let blob = Blob {
            id,
            size_bytes,
            place: Place::File,
        };
        Self {
            blob,
            inline: Vec::new(),
            kept: false,
            dir,
        }
    }

    pub(crate) const fn blob(&self) -> &Blob {
        &self.blob
    }

    pub(crate) fn inline_bytes(&self) -> &[u8] {
        &self.inline
    }

    /// A record names it now.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for PendingBlob {
    fn drop(&mut self) {
        if !self.kept && self.blob.place == Place::File {
            self.dir.remove(&self.blob.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_file_goes_with_its_value_and_a_kept_one_stays() {
        let data = tempfile::tempdir().unwrap();
        let dir = Arc::new(BlobDir::open(data.path().to_path_buf()).unwrap());
        let (pending, _file) = PendingBlob::create_file(Arc::clone(&dir)).unwrap();
        let path = dir.path(&pending.blob().id);
        assert!(path.exists());
        drop(pending);
        assert!(!path.exists());

        let (pending, _file) = PendingBlob::create_file(Arc::clone(&dir)).unwrap();
        let path = dir.path(&pending.blob().id);
        pending.keep();
        assert!(path.exists());
    }

    #[test]
    fn the_sweep_removes_what_no_record_names() {
        let data = tempfile::tempdir().unwrap();
        let dir = Arc::new(BlobDir::open(data.path().to_path_buf()).unwrap());
        let ids: Vec<BlobId> = (0..3)
            .map(|_| {
                let (pending, _file) = PendingBlob::create_file(Arc::clone(&dir)).unwrap();
                let id = pending.blob().id.clone();
                pending.keep();
                id
            })
            .collect();
        let named = HashSet::from([ids[1].as_str().to_owned()]);
        assert_eq!(dir.sweep(&named).unwrap(), 2);
        assert!(!dir.path(&ids[0]).exists());
        assert!(dir.path(&ids[1]).exists());
    }
}
