//! A multipart upload's beginning, and its end without an object.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CreateMultipartUploadInput, CreateMultipartUploadOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Response};

use super::{Answer, Store, no_customer_key, tagging};
use crate::store::blobs::BlobId;
use crate::store::checksum::{Algorithm, Coverage};
use crate::store::clock;
use crate::store::fault::internal_error;
use crate::store::index::record::{Description, UploadRecord};

impl Store {
    pub(super) async fn upload_create(
        &self,
        input: CreateMultipartUploadInput,
    ) -> Answer<CreateMultipartUploadOutput> {
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        let record = UploadRecord {
            initiated: clock::now(),
            description: Description::of_upload(&input),
            tags: tagging::of_field(input.tagging.as_deref())?,
            checksum: promised(
                input.checksum_algorithm.as_ref(),
                input.checksum_type.as_ref(),
            )?,
        };
        // The time of start comes first, so that ids sort by it.
        let id = BlobId::generate().map_err(internal_error)?;
        let upload_id = format!("{:012x}{}", clock::unix_ms(), id.as_str());
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            checksum_algorithm: record
                .checksum
                .map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: record.checksum.map(|(_, coverage)| coverage_name(coverage)),
            key: Some(input.key.clone()),
            upload_id: Some(upload_id.clone()),
            ..CreateMultipartUploadOutput::default()
        };
        self.index
            .change(Vec::new(), move |edit| {
                if !edit.has_bucket(&input.bucket)? {
                    return Err(S3ErrorCode::NoSuchBucket.into());
                }
                Ok(edit.put_upload(&input.bucket, &input.key, &upload_id, &record)?)
            })
            .await?;
        Ok(S3Response::new(output))
    }

    pub(super) async fn upload_abort(
        &self,
        input: AbortMultipartUploadInput,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.view_of_bucket(&input.bucket)?;
        self.index
            .change(Vec::new(), move |edit| {
                if edit
                    .upload(&input.bucket, &input.key, &input.upload_id)?
                    .is_none()
                {
                    return Err(S3ErrorCode::NoSuchUpload.into());
                }
                for part in edit.take_upload(&input.bucket, &input.key, &input.upload_id)? {
                    edit.free(&part.blob)?;
                }
                Ok(())
            })
            .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// Algorithm and coverage of the object's checksum; S3's defaults where the client names no coverage.
fn promised(
    algorithm: Option<&ChecksumAlgorithm>,
    coverage: Option<&ChecksumType>,
) -> Result<Option<(Algorithm, Coverage)>, S3Error> {
    let Some(algorithm) = algorithm else {
        return Ok(None);
    };
    let algorithm = Algorithm::from_name(algorithm.as_str()).ok_or_else(|| {
        S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Checksum algorithm provided is unsupported: CRC32, CRC32C, CRC64NVME, SHA1 or SHA256 are.",
        )
    })?;
    let coverage = match coverage.map(ChecksumType::as_str) {
        None if algorithm == Algorithm::Crc64Nvme => Coverage::FullObject,
        None => Coverage::Composite,
        Some(ChecksumType::FULL_OBJECT) => Coverage::FullObject,
        Some(_) => Coverage::Composite,
    };
    let impossible = match coverage {
        Coverage::FullObject => matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256),
        Coverage::Composite => algorithm == Algorithm::Crc64Nvme,
    };
    if impossible {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            format!(
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                coverage_name(coverage).as_str(),
                algorithm.name()
            ),
        ));
    }
    Ok(Some((algorithm, coverage)))
}

fn coverage_name(coverage: Coverage) -> ChecksumType {
    ChecksumType::from_static(match coverage {
        Coverage::FullObject => ChecksumType::FULL_OBJECT,
        Coverage::Composite => ChecksumType::COMPOSITE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        algorithm: &'static str,
        coverage: Option<&'static str>,
    ) -> Option<(Algorithm, Coverage)> {
        let algorithm = ChecksumAlgorithm::from_static(algorithm);
        let coverage = coverage.map(ChecksumType::from_static);
        promised(Some(&algorithm), coverage.as_ref()).ok().flatten()
    }

    #[test]
    fn each_algorithm_has_its_coverages() {
        use Coverage::{Composite, FullObject};
        assert_eq!(of("CRC32", None), Some((Algorithm::Crc32, Composite)));
        assert_eq!(
            of("CRC32", Some("FULL_OBJECT")),
            Some((Algorithm::Crc32, FullObject))
        );
        assert_eq!(
            of("CRC64NVME", None),
            Some((Algorithm::Crc64Nvme, FullObject))
        );
        assert_eq!(of("CRC64NVME", Some("COMPOSITE")), None);
        assert_eq!(of("SHA256", None), Some((Algorithm::Sha256, Composite)));
        assert_eq!(of("SHA256", Some("FULL_OBJECT")), None);
        assert_eq!(of("MD4", None), None);
    }
}
