//! A request body into a blob: hashed and written on a second thread while the next bytes come in.
//!
//! What is acknowledged has been synchronised: the file's data and its directory entry here, the record by the index's commit.

use std::fs::File;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use md5::{Digest, Md5};
use s3s::{S3Error, S3ErrorCode, StdError};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::{BlobDir, INLINE_BYTES_MAX, PendingBlob};
use crate::store::checksum::{Algorithm, Checksum, Hasher};
use crate::store::fault::{custom_error, internal_error};

/// Bytes that are hashed and written at a time; an upload holds two such buffers.
const WRITE_BYTES: usize = 256 * 1024;

/// How long the next bytes of a body may take.
const BODY_IDLE_SECONDS_MAX: u64 = 60;

/// Bytes that have arrived in full, with what they hash to. Not checked against what was announced.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) blob: PendingBlob,
    pub(crate) md5: [u8; 16],
    pub(crate) checksum: Option<Checksum>,
}

/// Reads `body` to its end. Whatever fails, nothing stays behind.
pub(crate) async fn receive(
    dir: &Arc<BlobDir>,
    body: impl Stream<Item = Result<Bytes, StdError>>,
    algorithm: Option<Algorithm>,
    bytes_max: u64,
) -> Result<Received, S3Error> {
    let mut body = std::pin::pin!(body);
    let mut hashes = Hashes::new(algorithm);
    let mut buffer = Vec::new();
    let mut left = bytes_max;
    let ended = fill(body.as_mut(), &mut buffer, &mut left).await?;
    if ended && buffer.len() <= INLINE_BYTES_MAX {
        hashes.update(&buffer);
        let blob = PendingBlob::inline(Arc::clone(dir), buffer).map_err(internal_error)?;
        return Ok(hashes.finish(blob));
    }
    let dir = Arc::clone(dir);
    let mut writing: JoinHandle<io::Result<Sink>> =
        spawn_blocking(move || Sink::create(dir, hashes)?.write(buffer));
    let mut ended = ended;
    while !ended {
        let mut next = Vec::with_capacity(WRITE_BYTES);
        ended = fill(body.as_mut(), &mut next, &mut left).await?;
        let sink = written(writing.await)?;
        writing = spawn_blocking(move || sink.write(next));
    }
    let sink = written(writing.await)?;
    spawn_blocking(move || sink.finish())
        .await
        .map_err(internal_error)?
        .map_err(internal_error)
}

/// Appends body bytes until `buffer` holds [`WRITE_BYTES`] or more; true at the end of the body.
async fn fill(
    mut body: Pin<&mut impl Stream<Item = Result<Bytes, StdError>>>,
    buffer: &mut Vec<u8>,
    left: &mut u64,
) -> Result<bool, S3Error> {
    while buffer.len() < WRITE_BYTES {
        let next = timeout(Duration::from_secs(BODY_IDLE_SECONDS_MAX), body.next())
            .await
            .map_err(|_| S3ErrorCode::RequestTimeout)?;
        let bytes = match next {
            None => return Ok(true),
            Some(Err(cause)) => return Err(body_error(cause)),
            Some(Ok(bytes)) => bytes,
        };
        *left = left
            .checked_sub(bytes.len() as u64)
            .ok_or(S3ErrorCode::EntityTooLarge)?;
        buffer.extend_from_slice(&bytes);
    }
    Ok(false)
}

fn written(result: Result<io::Result<Sink>, JoinError>) -> Result<Sink, S3Error> {
    result.map_err(internal_error)?.map_err(internal_error)
}

/// What a failed body means to the client. s3s keeps its error types to itself, so their text is all there is to tell them by.
fn body_error(cause: StdError) -> S3Error {
    let text = cause.to_string();
    if text.contains("Sha256Mismatch") {
        return custom_error(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed."
                .to_owned(),
        );
    }
    let code = if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch
    } else {
        S3ErrorCode::IncompleteBody
    };
    S3Error::with_source(code, cause)
}

struct Hashes {
    md5: Md5,
    checksum: Option<Hasher>,
}

impl Hashes {
    fn new(algorithm: Option<Algorithm>) -> Self {
        Self {
            md5: Md5::new(),
            checksum: algorithm.map(Hasher::new),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    fn finish(self, blob: PendingBlob) -> Received {
        Received {
            blob,
            md5: self.md5.finalize().into(),
            checksum: self.checksum.map(Hasher::finish),
        }
    }
}

struct Sink {
    blob: PendingBlob,
    file: File,
    hashes: Hashes,
}

impl Sink {
    fn create(dir: Arc<BlobDir>, hashes: Hashes) -> io::Result<Self> {
        let (blob, file) = PendingBlob::create_file(dir)?;
        Ok(Self { blob, file, hashes })
    }

    fn write(mut self, bytes: Vec<u8>) -> io::Result<Self> {
        self.hashes.update(&bytes);
        self.file.write_all(&bytes)?;
        self.blob.blob.size_bytes += bytes.len() as u64;
        Ok(self)
    }

    fn finish(self) -> io::Result<Received> {
        self.file.sync_data()?;
        self.blob.dir.sync_name(&self.blob.blob.id)?;
        Ok(self.hashes.finish(self.blob))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::super::Place;
    use super::*;

    async fn received(chunks: Vec<Vec<u8>>, bytes_max: u64) -> Result<Received, S3Error> {
        let data = tempfile::tempdir().unwrap();
        let dir = Arc::new(BlobDir::open(data.path().to_path_buf()).unwrap());
        let body = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
        receive(&dir, body, Some(Algorithm::Crc32), bytes_max).await
    }

    fn on_runtime<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn the_inline_limit_parts_index_from_file() {
        for (size, place) in [
            (0, Place::Index),
            (INLINE_BYTES_MAX, Place::Index),
            (INLINE_BYTES_MAX + 1, Place::File),
        ] {
            let got = on_runtime(received(vec![vec![7; size]], 1 << 20)).unwrap();
            assert_eq!(got.blob.blob().place, place, "{size} bytes");
            assert_eq!(got.blob.blob().size_bytes, size as u64);
        }
    }

    #[test]
    fn chunk_sizes_do_not_change_the_hashes() {
        let whole: Vec<u8> = (0..=250).cycle().take(WRITE_BYTES * 2 + 17).collect();
        let once = on_runtime(received(vec![whole.clone()], 1 << 20)).unwrap();
        for size in [1000, WRITE_BYTES - 1, WRITE_BYTES, WRITE_BYTES + 1] {
            let chunks = whole.chunks(size).map(<[u8]>::to_vec).collect();
            let got = on_runtime(received(chunks, 1 << 20)).unwrap();
            assert_eq!(got.md5, once.md5, "chunks of {size}");
            assert_eq!(got.checksum, once.checksum, "chunks of {size}");
            assert_eq!(got.blob.blob().size_bytes, whole.len() as u64);
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused_and_one_at_it_is_not() {
        let refused = on_runtime(received(vec![vec![0; 6], vec![0; 5]], 10)).unwrap_err();
        assert_eq!(refused.code(), &S3ErrorCode::EntityTooLarge);
        assert!(on_runtime(received(vec![vec![0; 5], vec![0; 5]], 10)).is_ok());
    }
}
