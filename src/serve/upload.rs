//! How a client's body goes up: from memory with its hash, streamed with a known length, or in parts.

use crate::net::buffer::BufferPool;
use crate::net::buffer::Class;
use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::stream::WriteHalf;
use crate::pipeline::sign::ChunkedLengths;
use crate::pipeline::sign::Payload;
use crate::serve::chunk_group::CHUNK_BYTES_MAX;
use crate::serve::chunk_group::CHUNKS_MAX;
use crate::serve::chunk_group::ChunkGroup;
use crate::serve::chunk_group::chunk_bytes_of;
use crate::serve::client_body::ConvertedBody;
use crate::serve::failure::CodingFault;
use crate::serve::failure::UploadFault;
use crate::serve::memory_body::MemoryBody;
use crate::serve::settings::PayloadSigning;
use crate::wire::aws_chunked::encode;
use crate::wire::checksum::Algorithm;
use crate::wire::http1::chunked;
use crate::wire::sigv4::canonical_request::Header;
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::chunk_signature::write_canonical_trailer;

/// Bodies up to this length are hashed before they are sent (spec 10, "Choosing a mode").
pub const HASHED_BYTES_MAX: u64 = 64 * 1024;
/// The most that is collected of a body whose length is unknown. API Gateway's payload limit, so that every body that
/// API Gateway would take goes up as one PUT; S3's minimum for a part is 5 MiB.
pub const COLLECTED_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// The most that one PUT takes at S3 (spec 10, "S3 limits that matter").
pub const SINGLE_PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
const _: () = assert!(COLLECTED_BYTES_MAX >= 5 * 1024 * 1024);

/// A body that is ready to go up. Most requests have none and a short one is in memory: the states of the others are boxed, so
/// that they need not be moved about with each request.
#[derive(Debug)]
pub enum Upload<'c> {
    /// No body.
    Empty,
    /// All of it is here.
    Memory(MemoryBody),
    /// It will be read while it is sent.
    Stream(Box<StreamedBody<'c>>),
    /// It is too long for one PUT, or longer than what is collected to learn its length.
    Parts(Box<PartedBody<'c>>),
    /// Its length is not known; for servers that take chunked coding.
    Chunked(Box<PartedBody<'c>>),
}

/// A body of known length on its way through.
#[derive(Debug)]
pub struct StreamedBody<'c> {
    /// The bytes to send.
    pub source: ConvertedBody<'c>,
    /// How many they are.
    pub bytes: u64,
    /// The checksum that `source` brings at its end and that goes behind the body.
    pub trailer: Option<Algorithm>,
}

/// A body whose length is not known before its end.
#[derive(Debug)]
pub struct PartedBody<'c> {
    /// What was collected before it was clear that the body is longer; part 1 unless empty.
    pub first: Option<MemoryBody>,
    /// What follows.
    pub rest: ConvertedBody<'c>,
}

/// How a body goes up, as far as its length tells it (spec 10, "Choosing a mode").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In parts: it is too long for one PUT.
    Parts,
    /// Streamed.
    Stream {
        /// Its length.
        bytes: u64,
    },
    /// From memory, hashed.
    Memory,
    /// Its length is unknown: it is collected, and goes up in parts if it is longer than [`COLLECTED_BYTES_MAX`].
    Collected,
}

/// The way of a body of this length.
#[must_use]
pub const fn way(length: Option<u64>, signing: PayloadSigning, may_be_parted: bool) -> Way {
    match length {
        Some(bytes) if bytes > SINGLE_PUT_BYTES_MAX && may_be_parted => Way::Parts,
        Some(bytes)
            if bytes > HASHED_BYTES_MAX || (bytes > 0 && !signing.hashes_short_bodies()) =>
        {
            Way::Stream { bytes }
        }
        Some(_) => Way::Memory,
        None => Way::Collected,
    }
}

/// Decides how `source` goes up. Collects what has to be known beforehand.
///
/// # Errors
/// Those of reading; `TooLarge` for a body of unknown length that is longer than what is collected, where
/// `may_be_parted` is false (only an object can be uploaded in parts).
pub async fn prepare<'c>(
    mut source: ConvertedBody<'c>,
    signing: PayloadSigning,
    may_be_parted: bool,
    pool: &BufferPool,
) -> Result<Upload<'c>, UploadFault> {
    match way(source.length(), signing, may_be_parted) {
        Way::Parts => Ok(Upload::Parts(Box::new(PartedBody {
            first: None,
            rest: source,
        }))),
        Way::Stream { bytes } => Ok(Upload::Stream(Box::new(StreamedBody {
            source,
            bytes,
            trailer: None,
        }))),
        Way::Memory => Ok(Upload::Memory(
            MemoryBody::collect(&mut source, HASHED_BYTES_MAX, pool).await?,
        )),
        Way::Collected => {
            let first = MemoryBody::collect(&mut source, COLLECTED_BYTES_MAX, pool).await?;
            match source.at_end().await {
                Ok(true) => Ok(Upload::Memory(first)),
                Ok(false) if may_be_parted => Ok(Upload::Parts(Box::new(PartedBody {
                    first: Some(first),
                    rest: source,
                }))),
                Ok(false) => {
                    first.release(pool);
                    Err(UploadFault::TooLarge)
                }
                Err(fault) => {
                    first.release(pool);
                    Err(fault)
                }
            }
        }
    }
}

/// The payload line of a body from memory.
#[must_use]
pub fn memory_payload(body: &MemoryBody, signing: PayloadSigning) -> Payload {
    match signing {
        PayloadSigning::Unsigned => Payload::Unsigned { len: body.len() },
        PayloadSigning::Auto | PayloadSigning::AutoOverTls | PayloadSigning::Streaming => {
            Payload::Hashed {
                len: body.len(),
                sha256_hex: *body.sha256_hex(),
            }
        }
    }
}

/// The payload line of a streamed body. Lengths beyond 64 bits, which no body has, go unsigned.
#[must_use]
pub fn streamed_payload(bytes: u64, signing: PayloadSigning) -> Payload {
    let lengths = match signing {
        PayloadSigning::Unsigned | PayloadSigning::AutoOverTls => None,
        PayloadSigning::Auto | PayloadSigning::Streaming => {
            ChunkedLengths::new(bytes, chunk_bytes_of(bytes))
        }
    };
    lengths.map_or(Payload::Unsigned { len: bytes }, Payload::SignedChunks)
}

/// Why a body that was being sent stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PumpFault {
    /// The client's side.
    Client(UploadFault),
    /// The store's socket.
    Store(std::io::ErrorKind),
}

impl StreamedBody<'_> {
    /// Sends the body: chunk-signed when there is a signer, as it is otherwise.
    ///
    /// # Errors
    /// Which side failed. The upload is then incomplete on the wire and must be cut.
    pub async fn pump(
        &mut self,
        signer: Option<ChunkSigner>,
        to: &mut WriteHalf<'_>,
        idle_ms: u64,
        pool: &BufferPool,
    ) -> Result<(), PumpFault> {
        let in_chunks = signer.is_some() || self.trailer.is_some();
        let mut buffer = pool.take(if in_chunks {
            Class::Upload
        } else {
            Class::Body
        });
        let result = if in_chunks {
            self.pump_chunks(signer, to, idle_ms, &mut buffer).await
        } else {
            self.pump_plain(to, idle_ms, &mut buffer).await
        };
        pool.give(buffer);
        result
    }

    async fn pump_plain(
        &mut self,
        to: &mut WriteHalf<'_>,
        idle_ms: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), PumpFault> {
        let mut left = self.bytes;
        while left > 0 {
            buffer.clear();
            let max = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.capacity());
            let (result, filled) = self.source.read(std::mem::take(buffer), max).await;
            *buffer = filled;
            let count = result.map_err(PumpFault::Client)?;
            if count == 0 {
                return Err(PumpFault::Client(UploadFault::Conversion));
            }
            left -= count as u64;
            let all = 0..buffer.len();
            send(to, buffer, all, idle_ms).await?;
        }
        Ok(())
    }

    /// In `aws-chunked` coding, signed if there is a signer.
    async fn pump_chunks(
        &mut self,
        mut signer: Option<ChunkSigner>,
        to: &mut WriteHalf<'_>,
        idle_ms: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), PumpFault> {
        let mut left = self.bytes;
        let chunk_bytes = chunk_bytes_of(left);
        let mut chunks_max = CHUNKS_MAX;
        while left > 0 {
            let mut group = ChunkGroup::plan(left, chunk_bytes, chunks_max, signer.is_some());
            self.fill_group(buffer, &mut group).await?;
            left = left.saturating_sub(group.bytes());
            chunks_max = group.chunks_max_of_next();
            group.write_framing(buffer, signer.as_mut());
            let all = 0..buffer.len();
            send(to, buffer, all, idle_ms).await?;
        }
        buffer.clear();
        self.write_end(signer, buffer)?;
        let all = 0..buffer.len();
        send(to, buffer, all, idle_ms).await
    }

    /// The last chunk, and the trailer that was announced.
    fn write_end(&self, signer: Option<ChunkSigner>, out: &mut Vec<u8>) -> Result<(), PumpFault> {
        let field = self.trailing_checksum()?;
        let Some(mut signer) = signer else {
            encode::write_unsigned_trailer_end(field.as_slice(), out);
            return Ok(());
        };
        let last = signer.sign_chunk(b"");
        match field {
            None => encode::write_signed_end(&last, out),
            Some(field) => {
                let mut canonical = Vec::new();
                write_canonical_trailer(&[field], &mut canonical);
                let signature = signer.sign_trailer(&canonical);
                encode::write_signed_trailer_end(&last, &[field], &signature, out);
            }
        }
        Ok(())
    }

    /// The trailer field that was announced.
    fn trailing_checksum(&self) -> Result<Option<Header<'_>>, PumpFault> {
        let Some(algorithm) = self.trailer else {
            return Ok(None);
        };
        let absent = PumpFault::Client(UploadFault::Coding(CodingFault::Trailer));
        let value = self.source.trailing_checksum().ok_or(absent)?;
        Ok(Some((algorithm.field(), value)))
    }

    /// Reads the data of all chunks of a group, or of as many as a slow client is waited for.
    async fn fill_group(
        &mut self,
        buffer: &mut Vec<u8>,
        group: &mut ChunkGroup,
    ) -> Result<(), PumpFault> {
        buffer.clear();
        let mut filled = 0;
        let planned = group.chunks.clone();
        for chunk in planned {
            buffer.resize(chunk.data, 0);
            self.fill(buffer, chunk.data + chunk.size, group).await?;
            filled += chunk.size;
            // Nothing of the next chunk has been read.
            if group.cut_if_slow(filled).is_some() {
                break;
            }
        }
        buffer.resize(group.wire_bytes(), 0);
        Ok(())
    }

    /// Reads until `buffer` holds `end` bytes.
    async fn fill(
        &mut self,
        buffer: &mut Vec<u8>,
        end: usize,
        group: &mut ChunkGroup,
    ) -> Result<(), PumpFault> {
        while buffer.len() < end {
            let max = end - buffer.len();
            let (result, filled) = self.source.read(std::mem::take(buffer), max).await;
            *buffer = filled;
            if result.map_err(PumpFault::Client)? == 0 {
                return Err(PumpFault::Client(UploadFault::Conversion));
            }
            group.note_receive(clock::monotonic_ms());
        }
        Ok(())
    }
}

impl PartedBody<'_> {
    /// Sends the body in chunked coding (RFC 9112 §7.1).
    ///
    /// # Errors
    /// Which side failed. The last chunk is then missing on the wire.
    pub async fn pump_chunked(
        &mut self,
        to: &mut WriteHalf<'_>,
        idle_ms: u64,
        pool: &BufferPool,
    ) -> Result<(), PumpFault> {
        let mut chunk = pool.take(Class::Body);
        let mut piece = pool.take(Class::Part);
        let sent = self
            .pump_pieces(to, idle_ms, (&mut chunk, &mut piece))
            .await;
        pool.give(chunk);
        pool.give(piece);
        sent
    }

    async fn pump_pieces(
        &mut self,
        to: &mut WriteHalf<'_>,
        idle_ms: u64,
        (chunk, piece): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<(), PumpFault> {
        if let Some(mut first) = self.first.take() {
            for block in first.blocks_mut() {
                for part in block.chunks(CHUNK_BYTES_MAX) {
                    send_chunk(part, to, idle_ms, chunk).await?;
                }
            }
        }
        loop {
            piece.clear();
            let max = piece.capacity().min(CHUNK_BYTES_MAX);
            let (result, filled) = self.rest.read(std::mem::take(piece), max).await;
            *piece = filled;
            if result.map_err(PumpFault::Client)? == 0 {
                chunk.clear();
                chunk.extend_from_slice(chunked::LAST_CHUNK);
                let all = 0..chunk.len();
                return send(to, chunk, all, idle_ms).await;
            }
            send_chunk(piece, to, idle_ms, chunk).await?;
        }
    }
}

async fn send_chunk(
    part: &[u8],
    to: &mut WriteHalf<'_>,
    idle_ms: u64,
    chunk: &mut Vec<u8>,
) -> Result<(), PumpFault> {
    chunk.clear();
    chunked::write_chunk_header(chunk, part.len());
    chunk.extend_from_slice(part);
    chunk.extend_from_slice(b"\r\n");
    let all = 0..chunk.len();
    send(to, chunk, all, idle_ms).await
}

/// Sends a range of `buffer`, which keeps its bytes.
///
/// # Errors
/// The store's socket failed or took nothing for `idle_ms`.
pub async fn send(
    to: &mut WriteHalf<'_>,
    buffer: &mut Vec<u8>,
    range: std::ops::Range<usize>,
    idle_ms: u64,
) -> Result<(), PumpFault> {
    to.deadline().arm(idle_ms, Cut::Both);
    let (result, sent) = to.send_all(std::mem::take(buffer), range).await;
    to.deadline().disarm();
    *buffer = sent;
    result.map_err(|error| PumpFault::Store(error.kind()))
}
