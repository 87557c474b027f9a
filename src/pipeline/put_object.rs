//! Which integration requests a multipart upload may stand in for.

use crate::pipeline::integration_request::IntegrationRequest;

/// Query parameters that leave a PUT what it is.
const PLAIN_PUT_PARAMETERS: [&[u8]; 1] = [b"x-id"];

impl IntegrationRequest<'_, '_> {
    /// Whether the request stores one object and nothing else, so that a multipart upload may stand in for it: a PUT of
    /// bucket and key without sub-resource, copy source, or a digest of the whole body that no part would match.
    #[must_use]
    pub fn is_put_object(&self) -> bool {
        let mut parameters = self
            .place()
            .query
            .split(|&byte| byte == b'&')
            .filter(|piece| !piece.is_empty());
        let plain_query = parameters.all(|piece| {
            let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
            PLAIN_PUT_PARAMETERS.contains(&name)
        });
        let plain_fields = self.fields().iter().all(|(name, _)| {
            let starts = |prefix: &[u8]| {
                name.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            };
            !(name.eq_ignore_ascii_case(b"content-md5")
                || starts(b"x-amz-copy-source")
                || starts(b"x-amz-checksum-")
                || starts(b"x-amz-write-offset"))
        });
        self.method() == b"PUT" && self.place().names_object() && plain_query && plain_fields
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::pipeline::sample::integration_request as made;
    use crate::pipeline::sample::with_mapping as mapping;

    #[test]
    fn only_a_plain_put_of_an_object_is_one() {
        let plain = |method: &str, uri: &str, header: &str| {
            let mut integration = mapping(&format!("integration.request.header.{header}"), "'v'");
            integration["uri"] = json!(format!("arn:aws:apigateway:us-west-2:s3:path/{uri}"));
            made(integration, (method, "/v1/x", &[]), |request| {
                request.is_put_object()
            })
            .unwrap()
        };
        assert!(plain("PUT", "{bucket}/{key}", "x-amz-acl"));
        assert!(plain(
            "PUT",
            "{bucket}/{key}?x-id=PutObject",
            "x-amz-meta-a"
        ));
        assert!(!plain("POST", "{bucket}/{key}", "x-a"));
        assert!(!plain("PUT", "{bucket}", "x-a"));
        for query in ["acl", "tagging", "partNumber=1&uploadId=u", "retention"] {
            assert!(
                !plain("PUT", &format!("{{bucket}}/{{key}}?{query}"), "x-a"),
                "{query}"
            );
        }
        for header in ["X-Amz-Copy-Source", "Content-MD5", "x-amz-checksum-crc32"] {
            assert!(!plain("PUT", "{bucket}/{key}", header), "{header}");
        }
    }
}
