//! The index within a write transaction. What a change frees is told to the writer, which removes it after the commit.

use redb::{ReadableTable, Table, WriteTransaction};
use serde::Serialize;

use super::record::{BucketRecord, ObjectRecord, PartRecord, UploadRecord};
use super::{BUCKETS, Bytes, INLINE, OBJECTS, PARTS, UPLOADS, lookup};
use crate::store::blobs::{Blob, BlobId, PendingBlob, Place};
use crate::store::fault::IndexFault;

/// Tables of a transaction that is open for writing.
pub(crate) struct Edit<'t> {
    buckets: Table<'t, &'static str, Bytes>,
    objects: Table<'t, (&'static str, &'static str), Bytes>,
    inline: Table<'t, &'static str, Bytes>,
    uploads: Table<'t, (&'static str, &'static str, &'static str), Bytes>,
    parts: Table<'t, (&'static str, u16), Bytes>,
    freed_files: Vec<BlobId>,
    changed: bool,
}

impl<'t> Edit<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, IndexFault> {
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            objects: transaction.open_table(OBJECTS)?,
            inline: transaction.open_table(INLINE)?,
            uploads: transaction.open_table(UPLOADS)?,
            parts: transaction.open_table(PARTS)?,
            freed_files: Vec::new(),
            changed: false,
        })
    }

    /// Closes the tables: the files that no record names any more, or `None` if nothing was written.
    pub(super) fn into_freed_files(self) -> Option<Vec<BlobId>> {
        self.changed.then_some(self.freed_files)
    }

    pub(crate) fn has_bucket(&self, bucket: &str) -> Result<bool, IndexFault> {
        Ok(self.buckets.get(bucket)?.is_some())
    }

    pub(crate) fn put_bucket(
        &mut self,
        bucket: &str,
        record: &BucketRecord,
    ) -> Result<(), IndexFault> {
        self.changed = true;
        self.buckets.insert(bucket, json(record)?.as_slice())?;
        Ok(())
    }

    pub(crate) fn bucket_is_empty(&self, bucket: &str) -> Result<bool, IndexFault> {
        match self.objects.range((bucket, "")..)?.next() {
            None => Ok(true),
            Some(entry) => Ok(entry?.0.value().0 != bucket),
        }
    }

    /// Removes an empty bucket and the uploads that were going on in it.
    pub(crate) fn remove_bucket(&mut self, bucket: &str) -> Result<(), IndexFault> {
        self.changed = true;
        self.buckets.remove(bucket)?;
        let mut uploads = Vec::new();
        for entry in self.uploads.range((bucket, "", "")..)? {
            let name = entry?.0;
            let (in_bucket, key, id) = name.value();
            if in_bucket != bucket {
                break;
            }
            uploads.push((key.to_owned(), id.to_owned()));
        }
        for (key, id) in uploads {
            for part in self.take_upload(bucket, &key, &id)? {
                self.free(&part.blob)?;
            }
        }
        Ok(())
    }

    pub(crate) fn object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Option<ObjectRecord>, IndexFault> {
        lookup(&self.objects, (bucket, key))
    }

    /// Puts the object in the place of the one of that key.
    pub(crate) fn put_object(
        &mut self,
        bucket: &str,
        key: &str,
        record: &ObjectRecord,
    ) -> Result<(), IndexFault> {
        self.remove_object(bucket, key)?;
        self.update_object(bucket, key, record)
    }

    /// Writes the record anew; its blobs are those of before.
    pub(crate) fn update_object(
        &mut self,
        bucket: &str,
        key: &str,
        record: &ObjectRecord,
    ) -> Result<(), IndexFault> {
        self.changed = true;
        self.objects
            .insert((bucket, key), json(record)?.as_slice())?;
        Ok(())
    }

    pub(crate) fn remove_object(&mut self, bucket: &str, key: &str) -> Result<(), IndexFault> {
        let Some(record) = self.object(bucket, key)? else {
            return Ok(());
        };
        self.changed = true;
        self.objects.remove((bucket, key))?;
        record.parts.iter().try_for_each(|blob| self.free(blob))
    }

    /// Writes the bytes of those blobs that live in the index.
    pub(super) fn put_inline(&mut self, blobs: &[PendingBlob]) -> Result<(), IndexFault> {
        for pending in blobs
            .iter()
            .filter(|pending| pending.blob().place == Place::Index)
        {
            self.changed = true;
            self.inline
                .insert(pending.blob().id.as_str(), pending.inline_bytes())?;
        }
        Ok(())
    }

    /// The blob has no record any more.
    pub(crate) fn free(&mut self, blob: &Blob) -> Result<(), IndexFault> {
        self.changed = true;
        match blob.place {
            Place::File => self.freed_files.push(blob.id.clone()),
            Place::Index => {
                self.inline.remove(blob.id.as_str())?;
            }
        }
        Ok(())
    }

    pub(crate) fn upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<Option<UploadRecord>, IndexFault> {
        lookup(&self.uploads, (bucket, key, id))
    }

    pub(crate) fn put_upload(
        &mut self,
        bucket: &str,
        key: &str,
        id: &str,
        record: &UploadRecord,
    ) -> Result<(), IndexFault> {
        self.changed = true;
        self.uploads
            .insert((bucket, key, id), json(record)?.as_slice())?;
        Ok(())
    }

    /// Puts the part in the place of the one of that number.
    pub(crate) fn put_part(
        &mut self,
        upload_id: &str,
        number: u16,
        record: &PartRecord,
    ) -> Result<(), IndexFault> {
        let replaced: Option<PartRecord> = lookup(&self.parts, (upload_id, number))?;
        if let Some(replaced) = replaced {
            self.free(&replaced.blob)?;
        }
        self.changed = true;
        self.parts
            .insert((upload_id, number), json(record)?.as_slice())?;
        Ok(())
    }

    /// The upload's parts in order.
    pub(crate) fn parts(&self, upload_id: &str) -> Result<Vec<(u16, PartRecord)>, IndexFault> {
        self.parts
            .range((upload_id, 0)..=(upload_id, u16::MAX))?
            .map(|entry| {
                let (name, record) = entry?;
                Ok((name.value().1, serde_json::from_slice(record.value())?))
            })
            .collect()
    }

    /// Removes the upload; its parts' blobs are now the caller's to name or to free.
    pub(crate) fn take_upload(
        &mut self,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<Vec<PartRecord>, IndexFault> {
        self.changed = true;
        self.uploads.remove((bucket, key, id))?;
        let parts = self.parts(id)?;
        for (number, _) in &parts {
            self.parts.remove((id, *number))?;
        }
        Ok(parts.into_iter().map(|(_, part)| part).collect())
    }
}

fn json(record: &impl Serialize) -> Result<Vec<u8>, IndexFault> {
    Ok(serde_json::to_vec(record)?)
}
