//! Files of replaced and deleted objects, kept until nobody reads them.
//!
//! A reader takes a token before it looks into the index. Each commit that frees files retires the token then in force
//! and buries the files under it; they are removed once all readers that hold this token or an older one are done.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::{BlobDir, BlobId};

/// Held by a reader from before its look-up until its last byte.
#[derive(Clone, Debug)]
pub(crate) struct ReadToken {
    _alive: Arc<()>,
}

/// Hands out the token in force.
#[derive(Clone, Debug)]
pub(crate) struct ReadTokens(watch::Receiver<Arc<()>>);

impl ReadTokens {
    pub(crate) fn take(&self) -> ReadToken {
        ReadToken {
            _alive: Arc::clone(&self.0.borrow()),
        }
    }
}

/// The buried files, oldest first.
#[derive(Debug)]
pub(crate) struct Graves {
    in_force: watch::Sender<Arc<()>>,
    buried: VecDeque<(Arc<()>, Vec<BlobId>)>,
    dir: Arc<BlobDir>,
}

impl Graves {
    pub(crate) fn new(dir: Arc<BlobDir>) -> (Self, ReadTokens) {
        let (in_force, tokens) = watch::channel(Arc::new(()));
        let graves = Self {
            in_force,
            buried: VecDeque::new(),
            dir,
        };
        (graves, ReadTokens(tokens))
    }

    /// Takes over files that a commit has just freed.
    pub(crate) fn bury(&mut self, freed: Vec<BlobId>) {
        if !freed.is_empty() {
            let retired = self.in_force.send_replace(Arc::new(()));
            self.buried.push_back((retired, freed));
        }
    }

    /// Removes the files that have no reader left.
    pub(crate) fn clear(&mut self) {
        while self
            .buried
            .front()
            .is_some_and(|(token, _)| Arc::strong_count(token) == 1)
        {
            if let Some((_, freed)) = self.buried.pop_front() {
                for id in &freed {
                    self.dir.remove(id);
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buried.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::PendingBlob;
    use super::*;

    fn kept_file(dir: &Arc<BlobDir>) -> BlobId {
        let (pending, _file) = PendingBlob::create_file(Arc::clone(dir)).unwrap();
        let id = pending.blob().id.clone();
        pending.keep();
        id
    }

    #[test]
    fn a_freed_file_outlives_its_readers_and_no_longer() {
        let data = tempfile::tempdir().unwrap();
        let dir = Arc::new(BlobDir::open(data.path().to_path_buf()).unwrap());
        let (mut graves, tokens) = Graves::new(Arc::clone(&dir));
        let (first, second) = (kept_file(&dir), kept_file(&dir));

        let reader = tokens.take();
        graves.bury(vec![first.clone()]);
        let late_reader = tokens.take();
        graves.bury(vec![second.clone()]);
        drop(late_reader);
        graves.clear();
        assert!(dir.path(&first).exists(), "still read");
        assert!(
            dir.path(&second).exists(),
            "an older reader may hold it too"
        );

        drop(reader);
        graves.clear();
        assert!(!dir.path(&first).exists());
        assert!(!dir.path(&second).exists());
        assert!(graves.is_empty());
    }
}
