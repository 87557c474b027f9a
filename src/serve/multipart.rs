//! An upload in parts, for bodies that one PUT cannot take: begun, filled, completed, and aborted when anything fails,
//! so that nothing half-written becomes visible.

use crate::pipeline::sign::Payload;
use crate::pipeline::sign::UpstreamRequest;
use crate::serve::client_body::ConvertedBody;
use crate::serve::failure::CallFailure;
use crate::serve::failure::StoreFault;
use crate::serve::failure::UploadFault;
use crate::serve::memory_body::MemoryBody;
use crate::serve::per_core::Core;
use crate::serve::per_core::SigningKeys;
use crate::serve::upload::COLLECTED_BYTES_MAX;
use crate::serve::upload::PartedBody;
use crate::serve::upload::StreamedBody;
use crate::serve::upload::Upload;
use crate::serve::upload::memory_payload;
use crate::serve::upload::streamed_payload;
use crate::serve::upstream_call::UpstreamResponse;
use crate::serve::upstream_call::call;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::ResponseHead;
use crate::wire::percent;
use crate::wire::s3_xml;
use crate::wire::s3_xml::CompletedPart;
use crate::wire::s3_xml::Completion;

/// S3's limit (spec 10, "S3 limits that matter").
const PARTS_MAX: u16 = 10_000;
/// The size of a part of a body whose length is known: 10,000 of them are S3's largest object.
const STREAMED_PART_BYTES: u64 = 640 * 1024 * 1024;
/// The answers that are read whole are a few hundred bytes long.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Fields that belong to one PUT of the whole body, not to the parts of it.
const WHOLE_BODY_FIELDS: [&[u8]; 7] = [
    b"content-md5",
    b"x-amz-checksum-crc32",
    b"x-amz-checksum-crc32c",
    b"x-amz-checksum-crc64nvme",
    b"x-amz-checksum-sha1",
    b"x-amz-checksum-sha256",
    b"x-amz-sdk-checksum-algorithm",
];
/// Conditions hold for the moment the object becomes visible: they go with the completion.
const CONDITION_FIELDS: [&[u8]; 2] = [b"if-match", b"if-none-match"];
/// Fields that every step needs.
const EVERY_STEP_FIELDS: [&[u8]; 5] = [
    b"x-amz-expected-bucket-owner",
    b"x-amz-request-payer",
    b"x-amz-server-side-encryption-customer-algorithm",
    b"x-amz-server-side-encryption-customer-key",
    b"x-amz-server-side-encryption-customer-key-md5",
];
/// What the completion tells that a PUT would have told as well.
const ANSWER_FIELDS: [&[u8]; 4] = [
    b"x-amz-version-id",
    b"x-amz-server-side-encryption",
    b"x-amz-request-id",
    b"x-amz-id-2",
];

/// How an upload in parts ended.
#[derive(Debug)]
pub enum Outcome {
    /// The object is there; the head is what a single PUT would have answered.
    Stored(ResponseHead),
    /// The store refused a step; this is its answer to it.
    Refused(Box<UpstreamResponse>),
}

/// One upload in parts of the object that `request` would have put.
pub struct MultipartPut<'r> {
    /// Where it runs.
    pub core: &'r Core,
    /// The PUT that it stands in for.
    pub request: UpstreamRequest<'r>,
    /// Whose keys sign.
    pub keys: SigningKeys<'r>,
    /// Of the signatures.
    pub region: &'r str,
    /// For each answer, in milliseconds.
    pub answer_ms_max: u64,
}

/// A step that did not succeed.
enum Stop {
    Refused(Box<UpstreamResponse>),
    Failed(CallFailure),
}

impl From<CallFailure> for Stop {
    fn from(failure: CallFailure) -> Self {
        Self::Failed(failure)
    }
}

impl<'r> MultipartPut<'r> {
    /// Uploads `body`. Whatever fails after the beginning, the upload is aborted.
    ///
    /// # Errors
    /// As `upstream_call::call`; `Body(Store(_))` when the store answered a step with nonsense.
    pub async fn run(&self, body: PartedBody<'_>) -> Result<Outcome, CallFailure> {
        body.rest.keep_exchange();
        let id = match self.create().await {
            Ok(id) => id,
            Err(stop) => return end(stop),
        };
        let stored = match self.parts(&id, body).await {
            Ok(parts) => self.complete(&id, &parts).await,
            Err(stop) => Err(stop),
        };
        match stored {
            Ok(head) => Ok(Outcome::Stored(head)),
            Err(stop) => {
                self.abort(&id).await;
                end(stop)
            }
        }
    }

    async fn create(&self) -> Result<String, Stop> {
        let mut fields = self.request.fields.clone();
        for name in WHOLE_BODY_FIELDS.iter().chain(&CONDITION_FIELDS) {
            fields.remove(name);
        }
        let answer = self
            .step(
                b"POST",
                b"uploads=".to_vec(),
                fields,
                &mut Upload::Empty,
                &Payload::EMPTY,
            )
            .await?;
        let (_head, xml) = self.read_whole(answer).await?;
        s3_xml::read_upload_id(&xml).ok_or(Stop::Failed(nonsense()))
    }

    async fn parts(&self, id: &str, body: PartedBody<'_>) -> Result<Vec<CompletedPart>, Stop> {
        let mut parts = Vec::new();
        let mut rest = body.rest;
        if let Some(first) = body.first {
            parts.push(self.memory_part(id, 1, first).await?);
        }
        while !rest.at_end().await.map_err(CallFailure::Body)? {
            let number = u16::try_from(parts.len() + 1)
                .ok()
                .filter(|&number| number <= PARTS_MAX);
            let number = number.ok_or(Stop::Failed(CallFailure::Body(UploadFault::TooLarge)))?;
            let part;
            (part, rest) = match rest.length() {
                Some(left) => {
                    self.streamed_part(id, number, rest, left.min(STREAMED_PART_BYTES))
                        .await?
                }
                None => {
                    let piece =
                        MemoryBody::collect(&mut rest, COLLECTED_BYTES_MAX, &self.core.buffers)
                            .await
                            .map_err(CallFailure::Body)?;
                    (self.memory_part(id, number, piece).await?, rest)
                }
            };
            parts.push(part);
        }
        Ok(parts)
    }

    async fn memory_part(
        &self,
        id: &str,
        number: u16,
        part: MemoryBody,
    ) -> Result<CompletedPart, Stop> {
        let payload = memory_payload(&part, self.core.payload_signing);
        let mut upload = Upload::Memory(part);
        let result = self.part(id, number, &mut upload, &payload).await;
        if let Upload::Memory(part) = upload {
            part.release(&self.core.buffers);
        }
        result
    }

    async fn streamed_part<'c>(
        &self,
        id: &str,
        number: u16,
        source: ConvertedBody<'c>,
        bytes: u64,
    ) -> Result<(CompletedPart, ConvertedBody<'c>), Stop> {
        let payload = streamed_payload(bytes, self.core.payload_signing);
        let mut upload = Upload::Stream(Box::new(StreamedBody {
            source,
            bytes,
            trailer: None,
        }));
        let part = self.part(id, number, &mut upload, &payload).await?;
        match upload {
            Upload::Stream(streamed) => Ok((part, streamed.source)),
            Upload::Empty | Upload::Memory(_) | Upload::Parts(_) | Upload::Chunked(_) => {
                Err(Stop::Failed(nonsense()))
            }
        }
    }

    async fn part(
        &self,
        id: &str,
        number: u16,
        upload: &mut Upload<'_>,
        payload: &Payload,
    ) -> Result<CompletedPart, Stop> {
        let mut query = format!("partNumber={number}&uploadId=").into_bytes();
        percent::encode_into(&mut query, id.as_bytes(), percent::Keep::Unreserved);
        let answer = self
            .step(b"PUT", query, self.step_fields(), upload, payload)
            .await?;
        let (head, _body) = self.read_whole(answer).await?;
        let etag = head
            .fields
            .last(b"etag")
            .map(<[u8]>::to_vec)
            .ok_or(Stop::Failed(nonsense()))?;
        Ok(CompletedPart { number, etag })
    }

    async fn complete(&self, id: &str, parts: &[CompletedPart]) -> Result<ResponseHead, Stop> {
        let mut fields = self.step_fields();
        for name in CONDITION_FIELDS {
            if let Some(value) = self.request.fields.last(name) {
                fields.push(name, value);
            }
        }
        let mut document = Vec::new();
        s3_xml::write_complete_multipart_upload(&mut document, parts);
        let part = MemoryBody::from_bytes(document);
        let payload = memory_payload(&part, self.core.payload_signing);
        let answer = self
            .step(
                b"POST",
                upload_query(id),
                fields,
                &mut Upload::Memory(part),
                &payload,
            )
            .await?;
        let (told, xml) = self.read_whole(answer).await?;
        // S3 may answer 200 and still fail: the body then is an Error document.
        let Some(Completion::Completed { etag }) = s3_xml::read_completion(&xml) else {
            return Err(Stop::Failed(nonsense()));
        };
        let mut head = ResponseHead::synthetic(200);
        head.fields.push(b"ETag", etag.as_bytes());
        for name in ANSWER_FIELDS {
            if let Some(value) = told.fields.last(name) {
                head.fields.push(name, value);
            }
        }
        Ok(head)
    }

    /// Asks the store to forget the parts. Its answer changes nothing for the client.
    async fn abort(&self, id: &str) {
        let step = self
            .step(
                b"DELETE",
                upload_query(id),
                self.step_fields(),
                &mut Upload::Empty,
                &Payload::None,
            )
            .await;
        match step {
            Ok(answer) => answer.finish(self.core),
            Err(Stop::Refused(answer)) => {
                tracing::warn!(
                    status = answer.head.status(),
                    "the store refused to abort a multipart upload"
                );
                answer.finish(self.core);
            }
            Err(Stop::Failed(failure)) => {
                tracing::warn!(?failure, "a multipart upload could not be aborted");
            }
        }
    }

    fn step_fields(&self) -> Fields {
        let mut fields = Fields::new();
        for name in EVERY_STEP_FIELDS {
            if let Some(value) = self.request.fields.last(name) {
                fields.push(name, value);
            }
        }
        fields
    }

    async fn step(
        &self,
        method: &[u8],
        query: Vec<u8>,
        fields: Fields,
        upload: &mut Upload<'_>,
        payload: &Payload,
    ) -> Result<UpstreamResponse, Stop> {
        let request = UpstreamRequest {
            method,
            query: &query,
            fields: &fields,
            ..self.request
        };
        let signed = self.core.sign(self.keys, &request, payload, self.region);
        let signed = signed.map_err(CallFailure::NoCredentials)?;
        let pool = &self.core.upstream;
        let answer = call(self.core, pool, signed, method, upload, self.answer_ms_max).await?;
        let success = (200..300).contains(&answer.head.status());
        if success {
            Ok(answer)
        } else {
            Err(Stop::Refused(Box::new(answer)))
        }
    }

    async fn read_whole(
        &self,
        mut answer: UpstreamResponse,
    ) -> Result<(ResponseHead, Vec<u8>), Stop> {
        let idle_ms = self.core.settings.timeouts.idle_ms_max;
        let mut body = Vec::new();
        loop {
            let (result, filled) = answer.read(body, ANSWER_BYTES_MAX, idle_ms).await;
            body = filled;
            match result {
                Ok(0) => break,
                Ok(_) if body.len() <= ANSWER_BYTES_MAX => {}
                Ok(_) => return Err(Stop::Failed(nonsense())),
                Err(_fault) => {
                    return Err(Stop::Failed(CallFailure::Body(UploadFault::Store(
                        StoreFault::Lost,
                    ))));
                }
            }
        }
        let head = answer.head.clone();
        answer.finish(self.core);
        Ok((*head, body))
    }
}

fn end(stop: Stop) -> Result<Outcome, CallFailure> {
    match stop {
        Stop::Refused(answer) => Ok(Outcome::Refused(answer)),
        Stop::Failed(failure) => Err(failure),
    }
}

const fn nonsense() -> CallFailure {
    CallFailure::Body(UploadFault::Store(StoreFault::Answer))
}

fn upload_query(id: &str) -> Vec<u8> {
    let mut query = b"uploadId=".to_vec();
    percent::encode_into(&mut query, id.as_bytes(), percent::Keep::Unreserved);
    query
}
