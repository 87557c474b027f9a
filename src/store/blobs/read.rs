//! An object's bytes as a stream: the pieces of its blobs one after the other, in bounded memory.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{BlobDir, BlobId, ReadToken};

/// Bytes per read, and so the memory of one download.
const READ_BYTES_MAX: usize = 256 * 1024;

/// A run of bytes within one blob.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Already here.
    Inline(Bytes),
    /// `size_bytes` from `offset` of a file.
    File {
        id: BlobId,
        offset: u64,
        size_bytes: u64,
    },
}

impl Piece {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File { size_bytes, .. } => *size_bytes,
        }
    }
}

struct OpenPiece {
    file: File,
    left: u64,
}

type Read = Pin<Box<dyn Future<Output = io::Result<(Bytes, OpenPiece)>> + Send + Sync>>;

enum State {
    Between,
    Open(OpenPiece),
    Reading(Read),
}

/// Streams pieces in order; the token keeps their files from being removed.
pub(crate) struct ObjectReader {
    dir: Arc<BlobDir>,
    pieces: VecDeque<Piece>,
    state: State,
    left: u64,
    _token: ReadToken,
}

impl ObjectReader {
    pub(crate) fn new(dir: Arc<BlobDir>, pieces: Vec<Piece>, token: ReadToken) -> Self {
        Self {
            dir,
            left: pieces.iter().map(Piece::size_bytes).sum(),
            pieces: pieces.into(),
            state: State::Between,
            _token: token,
        }
    }

    fn given(&mut self, bytes: Bytes) -> Poll<Option<Result<Bytes, StdError>>> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl Stream for ObjectReader {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut self.state, State::Between) {
                State::Between => match self.pieces.pop_front() {
                    None => return Poll::Ready(None),
                    Some(piece) if piece.size_bytes() == 0 => {}
                    Some(Piece::Inline(bytes)) => return self.given(bytes),
                    Some(Piece::File {
                        id,
                        offset,
                        size_bytes,
                    }) => {
                        let path = self.dir.path(&id);
                        self.state = State::Reading(Box::pin(async move {
                            let mut file = File::open(path).await?;
                            file.set_max_buf_size(READ_BYTES_MAX);
                            if offset > 0 {
                                file.seek(io::SeekFrom::Start(offset)).await?;
                            }
                            read(OpenPiece {
                                file,
                                left: size_bytes,
                            })
                            .await
                        }));
                    }
                },
                State::Open(piece) if piece.left == 0 => {}
                State::Open(piece) => self.state = State::Reading(Box::pin(read(piece))),
                State::Reading(mut reading) => {
                    let Poll::Ready(result) = reading.as_mut().poll(cx) else {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    let (bytes, piece) = result?;
                    self.state = State::Open(piece);
                    return self.given(bytes);
                }
            }
        }
    }
}

impl ByteStream for ObjectReader {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

/// Reads once. A file that ends early is an error: the client must not take what it got for the object.
async fn read(mut piece: OpenPiece) -> io::Result<(Bytes, OpenPiece)> {
    let want = usize::try_from(piece.left).map_or(READ_BYTES_MAX, |left| left.min(READ_BYTES_MAX));
    let mut buffer = BytesMut::with_capacity(want);
    let mut limited = piece.file.take(want as u64);
    let count = limited.read_buf(&mut buffer).await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    piece.file = limited.into_inner();
    piece.left = piece.left.saturating_sub(count as u64);
    Ok((buffer.freeze(), piece))
}
