//! An integration request on its way to the store: its body prepared, its head signed, in one request or in parts.

use crate::api::content_handling::Conversion;
use crate::pipeline::body_plan::BodyContent;
use crate::pipeline::body_plan::BodyConverter;
use crate::pipeline::body_plan::RequestBodyPlan;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::sign::Payload;
use crate::serve::client_body::ClientBody;
use crate::serve::client_body::ConvertedBody;
use crate::serve::failure::CallFailure;
use crate::serve::failure::UploadFault;
use crate::serve::memory_body::MemoryBody;
use crate::serve::multipart;
use crate::serve::multipart::MultipartPut;
use crate::serve::per_core::Core;
use crate::serve::per_core::SigningKeys;
use crate::serve::upload;
use crate::serve::upload::COLLECTED_BYTES_MAX;
use crate::serve::upload::Upload;
use crate::serve::upload::memory_payload;
use crate::serve::upload::streamed_payload;
use crate::serve::upstream_call::UpstreamResponse;
use crate::serve::upstream_call::call;
use crate::wire::http1::head::ResponseHead;
use crate::wire::sigv4::payload_hash::Hex;

/// What came of an integration request.
#[derive(Debug)]
pub enum Answer {
    /// The store's response, its body still to come.
    Store(UpstreamResponse),
    /// The end of a multipart upload, told as a single PUT would have told it. It has no body.
    Stored(ResponseHead),
}

impl Answer {
    /// Its head.
    #[must_use]
    pub fn head(&self) -> &ResponseHead {
        match self {
            Self::Store(upstream) => &upstream.head,
            Self::Stored(head) => head,
        }
    }
}

impl From<multipart::Outcome> for Answer {
    fn from(outcome: multipart::Outcome) -> Self {
        match outcome {
            multipart::Outcome::Stored(head) => Self::Stored(head),
            multipart::Outcome::Refused(answer) => Self::Store(*answer),
        }
    }
}

/// Makes the client's body ready for this request.
///
/// # Errors
/// As `upload::prepare`.
pub async fn prepare<'c>(
    core: &Core,
    request: &IntegrationRequest<'c, '_>,
    mut body: ClientBody<'c>,
) -> Result<Upload<'c>, UploadFault> {
    let plan = request.body();
    if let Some(upload) = without_client(core, plan, request.rendered(), &mut body).await? {
        return Ok(upload);
    }
    let source = ConvertedBody::new(body, plan.content);
    upload::prepare(
        source,
        core.payload_signing,
        request.is_put_object(),
        &core.buffers,
    )
    .await
}

/// The body of a request that takes nothing of the client's: none, a literal, or what a template made.
///
/// # Errors
/// The client's body is not the one that was signed: nothing may come of such a request, also where nobody wants the body.
pub(super) async fn without_client<'c>(
    core: &Core,
    plan: RequestBodyPlan<'_>,
    rendered: Option<&[u8]>,
    body: &mut ClientBody<'_>,
) -> Result<Option<Upload<'c>>, UploadFault> {
    let memory = |bytes: &[u8]| Upload::Memory(MemoryBody::from_bytes(bytes.to_vec()));
    let upload = match plan.content {
        _ if !plan.sends_body => Some(Upload::Empty),
        BodyContent::Literal(text) => Some(memory(text.as_bytes())),
        BodyContent::Rendered { .. } => rendered.map(memory),
        BodyContent::Converted(_) | BodyContent::Around { .. } => None,
    };
    if upload.is_some() && body.is_unproven() {
        body.read_away(&core.buffers).await?;
    }
    Ok(upload)
}

/// A client's body as it arrived.
#[derive(Debug)]
pub struct WholeBody {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub sha256_hex: Hex,
}

/// The whole body of a client, for mappings and templates that read it and signatures that cover it.
///
/// # Errors
/// Those of reading; `TooLarge` above the payload limit, and without one above what is collected.
pub async fn read_whole(core: &Core, body: ClientBody<'_>) -> Result<WholeBody, UploadFault> {
    let mut source = ConvertedBody::new(body, BodyContent::Converted(Conversion::Identity));
    let whole = MemoryBody::collect(&mut source, COLLECTED_BYTES_MAX, &core.buffers).await?;
    if !source.at_end().await? {
        whole.release(&core.buffers);
        return Err(UploadFault::TooLarge);
    }
    let body = WholeBody {
        bytes: whole.to_contiguous(),
        sha256_hex: *whole.sha256_hex(),
    };
    whole.release(&core.buffers);
    Ok(body)
}

/// Makes a body that was read whole ready for this request.
///
/// # Errors
/// The conversion failed.
pub fn prepare_from_memory<'c>(
    request: &IntegrationRequest<'c, '_>,
    whole: &[u8],
) -> Result<Upload<'c>, UploadFault> {
    from_memory(request.body(), request.rendered(), whole)
}

/// Makes a body that was read whole ready by its plan; `rendered` is what a template made of it.
///
/// # Errors
/// The conversion failed.
pub fn from_memory<'c>(
    plan: RequestBodyPlan<'c>,
    rendered: Option<&[u8]>,
    whole: &[u8],
) -> Result<Upload<'c>, UploadFault> {
    if !plan.sends_body {
        return Ok(Upload::Empty);
    }
    if let Some(rendered) = rendered {
        return Ok(Upload::Memory(MemoryBody::from_bytes(rendered.to_vec())));
    }
    let mut converter = BodyConverter::new(plan.content);
    let mut out = Vec::with_capacity(whole.len());
    converter
        .push(whole, &mut out)
        .and_then(|()| converter.finish(&mut out))
        .map_err(|_fault| UploadFault::Conversion)?;
    Ok(Upload::Memory(MemoryBody::from_bytes(out)))
}

/// Signs the request with these keys and sends it.
///
/// # Errors
/// As `upstream_call::call`.
pub async fn send(
    core: &Core,
    keys: SigningKeys<'_>,
    request: &IntegrationRequest<'_, '_>,
    mut upload: Upload<'_>,
) -> Result<Answer, CallFailure> {
    let settings = &core.settings;
    let answer_ms_max = u64::from(request.timeout_ms()).min(settings.timeouts.integration_ms_max);
    let region = settings
        .region
        .as_deref()
        .unwrap_or_else(|| request.region());
    let upstream_request = request.upstream_request();
    let payload = match &upload {
        Upload::Empty => Payload::None,
        Upload::Memory(body) => memory_payload(body, core.payload_signing),
        Upload::Stream(body) => streamed_payload(body.bytes, core.payload_signing),
        // S3 takes no body of unknown length
        Upload::Chunked(_) => return Err(CallFailure::Malformed),
        Upload::Parts(_) => {
            let Upload::Parts(body) = upload else {
                return Err(CallFailure::Malformed);
            };
            let put = MultipartPut {
                core,
                request: upstream_request,
                keys,
                region,
                answer_ms_max,
            };
            return put.run(*body).await.map(Answer::from);
        }
    };
    let signed = core.sign(keys, &upstream_request, &payload, region);
    let signed = signed.map_err(CallFailure::NoCredentials)?;
    let answer = call(
        core,
        &core.upstream,
        signed,
        upstream_request.method,
        &mut upload,
        answer_ms_max,
    )
    .await;
    if let Upload::Memory(body) = upload {
        body.release(&core.buffers);
    }
    answer.map(Answer::Store)
}
