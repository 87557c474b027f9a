//! The index as of one commit, for reading.

use std::collections::HashSet;

use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::record::{BucketRecord, ObjectRecord, PartRecord, UploadRecord};
use super::{BUCKETS, Bytes, INLINE, OBJECTS, PARTS, UPLOADS, lookup};
use crate::store::blobs::Place;
use crate::store::fault::IndexFault;

/// Tables as of one commit.
pub(crate) struct View {
    buckets: ReadOnlyTable<&'static str, Bytes>,
    objects: ReadOnlyTable<(&'static str, &'static str), Bytes>,
    inline: ReadOnlyTable<&'static str, Bytes>,
    uploads: ReadOnlyTable<(&'static str, &'static str, &'static str), Bytes>,
    parts: ReadOnlyTable<(&'static str, u16), Bytes>,
}

impl View {
    pub(super) fn open(database: &impl ReadableDatabase) -> Result<Self, IndexFault> {
        let transaction = database.begin_read()?;
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            objects: transaction.open_table(OBJECTS)?,
            inline: transaction.open_table(INLINE)?,
            uploads: transaction.open_table(UPLOADS)?,
            parts: transaction.open_table(PARTS)?,
        })
    }

    pub(crate) fn bucket(&self, bucket: &str) -> Result<Option<BucketRecord>, IndexFault> {
        lookup(&self.buckets, bucket)
    }

    pub(crate) fn buckets(&self) -> Result<Vec<(String, BucketRecord)>, IndexFault> {
        self.buckets
            .iter()?
            .map(|entry| {
                let (name, record) = entry?;
                Ok((
                    name.value().to_owned(),
                    serde_json::from_slice(record.value())?,
                ))
            })
            .collect()
    }

    pub(crate) fn object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Option<ObjectRecord>, IndexFault> {
        lookup(&self.objects, (bucket, key))
    }

    /// The bucket's objects from the first key that is not below `from`, in order.
    pub(crate) fn objects_from<'v>(
        &'v self,
        bucket: &'v str,
        from: &str,
    ) -> Result<impl Iterator<Item = Result<(String, ObjectRecord), IndexFault>> + 'v, IndexFault>
    {
        let entries = self.objects.range((bucket, from)..)?;
        Ok(entries
            .map(move |entry| {
                let (name, record) = entry?;
                let (in_bucket, key) = name.value();
                if in_bucket != bucket {
                    return Ok(None);
                }
                Ok(Some((
                    key.to_owned(),
                    serde_json::from_slice(record.value())?,
                )))
            })
            .map_while(Result::transpose))
    }

    /// The bytes of a small object.
    pub(crate) fn inline(&self, id: &str) -> Result<Option<Vec<u8>>, IndexFault> {
        Ok(self.inline.get(id)?.map(|bytes| bytes.value().to_vec()))
    }

    pub(crate) fn upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<Option<UploadRecord>, IndexFault> {
        lookup(&self.uploads, (bucket, key, id))
    }

    /// The bucket's uploads after the upload `after` of key `from`, by key and then by time of start.
    pub(crate) fn uploads_after<'v>(
        &'v self,
        bucket: &'v str,
        from: &'v str,
        after: &'v str,
    ) -> Result<
        impl Iterator<Item = Result<(String, String, UploadRecord), IndexFault>> + 'v,
        IndexFault,
    > {
        let entries = self.uploads.range((bucket, from, after)..)?;
        Ok(entries
            .map(move |entry| {
                let (name, record) = entry?;
                let (in_bucket, key, id) = name.value();
                if in_bucket != bucket {
                    return Ok(None);
                }
                let record = serde_json::from_slice(record.value())?;
                Ok(Some((key.to_owned(), id.to_owned(), record)))
            })
            .map_while(Result::transpose)
            .skip_while(move |entry| {
                entry
                    .as_ref()
                    .is_ok_and(|(key, id, _)| (key.as_str(), id.as_str()) <= (from, after))
            }))
    }

    /// An upload's parts above `after` in the order of their numbers.
    pub(crate) fn parts(
        &self,
        upload_id: &str,
        after: u16,
    ) -> Result<impl Iterator<Item = Result<(u16, PartRecord), IndexFault>>, IndexFault> {
        let from = (upload_id, after.saturating_add(1));
        let entries = self.parts.range(from..=(upload_id, u16::MAX))?;
        Ok(entries.map(|entry| {
            let (name, record) = entry?;
            Ok((name.value().1, serde_json::from_slice(record.value())?))
        }))
    }

    pub(super) fn named_files(&self) -> Result<HashSet<String>, IndexFault> {
        let mut named = HashSet::new();
        for entry in self.objects.iter()? {
            let record: ObjectRecord = serde_json::from_slice(entry?.1.value())?;
            let files = record.parts.iter().filter(|blob| blob.place == Place::File);
            named.extend(files.map(|blob| blob.id.as_str().to_owned()));
        }
        for entry in self.parts.iter()? {
            let record: PartRecord = serde_json::from_slice(entry?.1.value())?;
            named.insert(record.blob.id.as_str().to_owned());
        }
        Ok(named)
    }
}
