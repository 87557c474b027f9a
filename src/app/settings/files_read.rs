//! Which files the settings were read from, and how these stood then: what `--watch` looks at.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

thread_local! {
    /// Being noted on this thread, if at all.
    static NOTED: RefCell<Option<Vec<FileRead>>> = const { RefCell::new(None) };
}

/// Files that were read, each as it stood just before.
#[derive(Clone, Debug, Default)]
pub struct FilesRead(Vec<FileRead>);

#[derive(Clone, Debug)]
struct FileRead {
    path: PathBuf,
    state: Option<FileState>,
}

/// What tells that a file is another one or was written to. Links are followed, so that a link that is set anew counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    /// `None` if there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// Does `work`; the files that it read, also those that it wanted to read and did not find.
pub fn noting<T>(work: impl FnOnce() -> T) -> (T, FilesRead) {
    NOTED.set(Some(Vec::new()));
    let done = work();
    (done, FilesRead(NOTED.take().unwrap_or_default()))
}

/// Notes a file that is about to be read.
pub fn note(path: &Path) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(files) = noted {
            files.push(FileRead {
                path: path.to_owned(),
                state: FileState::of(path),
            });
        }
    });
}

impl FilesRead {
    /// How all of them stand now.
    pub fn now(&self) -> Vec<Option<FileState>> {
        self.0
            .iter()
            .map(|file| FileState::of(&file.path))
            .collect()
    }

    /// How they stood when they were read.
    pub fn then(&self) -> Vec<Option<FileState>> {
        self.0.iter().map(|file| file.state).collect()
    }

    /// These, and those of `other` that are not among them.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        for file in other.0 {
            if !self.0.iter().any(|known| known.path == file.path) {
                self.0.push(file);
            }
        }
        self
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::settings::bounded_file;

    #[test]
    fn what_is_read_is_noted_as_it_stood_before() {
        let folder = tempfile::tempdir().unwrap();
        let (there, absent) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&there, "1").unwrap();
        let (_, files) = noting(|| {
            bounded_file::read_text(&there, 10).unwrap();
            bounded_file::read_text(&absent, 10).unwrap_err();
        });
        assert_eq!(files.count(), 2);
        assert_eq!(files.now(), files.then());
        assert!(files.now()[0].is_some() && files.now()[1].is_none());
        // Outside of it nothing is noted.
        bounded_file::read_text(&there, 10).unwrap();
        assert_eq!(noting(|| ()).1.count(), 0);
        fs::write(&absent, "2").unwrap();
        assert_ne!(files.now(), files.then());
    }

    #[test]
    fn another_file_of_the_same_length_under_a_link_is_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["one", "two"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("file"), "same").unwrap();
        }
        // As Kubernetes replaces a ConfigMap: the link to the folder is renamed into place.
        let set = |name: &str| {
            std::os::unix::fs::symlink(path(name), path("new")).unwrap();
            fs::rename(path("new"), path("data")).unwrap();
        };
        set("one");
        let (_, files) = noting(|| note(&path("data").join("file")));
        assert_eq!(files.now(), files.then());
        set("two");
        assert_ne!(files.now(), files.then());
        set("one");
        assert_eq!(files.now(), files.then());
    }

    #[test]
    fn what_was_read_before_is_still_looked_at() {
        let file = |name: &str| {
            FilesRead(vec![FileRead {
                path: name.into(),
                state: None,
            }])
        };
        assert_eq!(file("a").joined(file("a")).joined(file("b")).count(), 2);
    }
}
