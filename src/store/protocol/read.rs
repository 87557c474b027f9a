//! GetObject and HeadObject.

use http::{HeaderMap, StatusCode};
use s3s::dto::{
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob, Timestamp,
    TimestampFormat,
};
use s3s::{S3ErrorCode, S3Request, S3Response};

use super::describe::{get_output, head_output, not_modified};
use super::preconditions::{ReadConditions, Unmet};
use super::span::Span;
use super::{Answer, Store, no_customer_key, only_null_version};
use crate::store::blobs::ObjectReader;
use crate::store::clock;
use crate::store::index::record::ObjectRecord;

/// The status that a response is to have instead of the one that it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusInstead(pub(crate) StatusCode);

impl Store {
    pub(super) fn object_get(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = req.input;
        only_null_version(input.version_id.as_deref())?;
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        // Before the look-up, so that what is found stays readable.
        let token = self.read_tokens.take();
        let (view, record) = self.view_of_object(&input.bucket, &input.key)?;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        if let Err(unmet) = conditions.check(&record) {
            return not_sent(unmet, &record);
        }
        let range = input.range.filter(|_| range_applies(&req.headers, &record));
        let span = Span::of(&record, range.as_ref(), input.part_number)?;
        let pieces = span.pieces(&view, &record)?;
        let mut output = get_output(record, &span, input.checksum_mode.as_ref());
        if input.part_number.is_none() {
            output.parts_count = None;
        }
        let reader = ObjectReader::new(self.blobs.clone(), pieces, token);
        output.body = Some(StreamingBlob::new(reader));
        Ok(S3Response::new(output))
    }

    pub(super) fn object_head(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = req.input;
        only_null_version(input.version_id.as_deref())?;
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        let (_, record) = self.view_of_object(&input.bucket, &input.key)?;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        if let Err(unmet) = conditions.check(&record) {
            return not_sent(unmet, &record).map(|response| response.map_output(head_output));
        }
        let range = input.range.filter(|_| range_applies(&req.headers, &record));
        let span = Span::of(&record, range.as_ref(), input.part_number)?;
        let mut output = head_output(get_output(record, &span, input.checksum_mode.as_ref()));
        if input.part_number.is_none() {
            output.parts_count = None;
        }
        output.cache_control = input.response_cache_control.or(output.cache_control);
        output.content_disposition = input
            .response_content_disposition
            .or(output.content_disposition);
        output.content_encoding = input.response_content_encoding.or(output.content_encoding);
        output.content_language = input.response_content_language.or(output.content_language);
        output.content_type = input.response_content_type.or(output.content_type);
        output.expires = input.response_expires.or(output.expires);
        if output.content_range.is_some() {
            return Ok(with_status(output, StatusCode::PARTIAL_CONTENT));
        }
        Ok(S3Response::new(output))
    }
}

/// `s3s` writes the status that it thinks fit for a read, whatever `S3Response::status` says; an extension gets through.
fn with_status<T>(output: T, status: StatusCode) -> S3Response<T> {
    let mut response = S3Response::new(output);
    response.extensions.insert(StatusInstead(status));
    response
}

fn not_sent(unmet: Unmet, record: &ObjectRecord) -> Answer<GetObjectOutput> {
    if unmet == Unmet::Failed {
        return Err(S3ErrorCode::PreconditionFailed.into());
    }
    let (e_tag, last_modified, cache_control, expires) = not_modified(record);
    let output = GetObjectOutput {
        e_tag: Some(e_tag),
        last_modified: Some(last_modified),
        cache_control,
        expires,
        ..GetObjectOutput::default()
    };
    Ok(with_status(output, StatusCode::NOT_MODIFIED))
}

/// RFC 9110 §13.1.5: with an `If-Range` that does not name this state of the object, the whole is sent.
fn range_applies(headers: &HeaderMap, record: &ObjectRecord) -> bool {
    let Some(validator) = headers.get(http::header::IF_RANGE) else {
        return true;
    };
    let Ok(validator) = validator.to_str() else {
        return false;
    };
    if validator.starts_with('"') {
        return validator.trim_matches('"') == record.etag;
    }
    Timestamp::parse(TimestampFormat::HttpDate, validator)
        .is_ok_and(|date| date == clock::to_second(&record.modified))
}
