//! Ranges that are none. RFC 9110 §14.2 has a server ignore a `Range` that it does not understand: unknown units, a
//! malformed set, and, as S3 does, more than one range. `s3s` answers these with a 400 and has no switch for it, and the
//! field may be signed. So such a request is taken aside once its signature has been checked, and is answered by a
//! second service, which checks none, as if it had come without the field.

use http::header::{AUTHORIZATION, RANGE};
use http::uri::{PathAndQuery, Uri};
use http::{Extensions, HeaderMap, Method, Request};
use s3s::dto::Range;
use s3s::route::S3Route;
use s3s::service::S3Service;
use s3s::{Body, S3Request, S3Response, S3Result};

use crate::store::fault::internal_error;

/// Takes aside reads whose `Range` is to be ignored. Unsigned requests are refused before they get here.
pub(crate) struct IgnoredRange {
    /// One that has no keys, and so checks no signature.
    pub(crate) unchecked: S3Service,
}

#[async_trait::async_trait]
impl S3Route for IgnoredRange {
    fn is_match(&self, method: &Method, _: &Uri, headers: &HeaderMap, _: &mut Extensions) -> bool {
        (method == Method::GET || method == Method::HEAD)
            && headers.contains_key(RANGE)
            && !is_one_range(headers)
    }

    async fn call(&self, req: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let mut request = Request::new(req.input);
        *request.method_mut() = req.method;
        *request.uri_mut() = without_signature(&req.uri);
        *request.headers_mut() = req.headers;
        request.headers_mut().remove(RANGE);
        request.headers_mut().remove(AUTHORIZATION);
        let answer = self.unchecked.call(request).await;
        let (parts, body) = answer
            .map_err(|cause| internal_error(format_args!("{cause:?}")))?
            .into_parts();
        let mut response = S3Response::new(body);
        response.status = Some(parts.status);
        response.headers = parts.headers;
        response.extensions = parts.extensions;
        Ok(response)
    }
}

/// Whether there is a single field with a single range of bytes.
fn is_one_range(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    value.to_str().is_ok_and(|text| Range::parse(text).is_ok())
}

/// The target less what a presigned URL adds to it, in the form of version 4 or 2.
fn without_signature(uri: &Uri) -> Uri {
    let kept: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.starts_with("X-Amz-") && !["AWSAccessKeyId", "Signature"].contains(&name)
        })
        .collect();
    PathAndQuery::try_from(format!("{}?{}", uri.path(), kept.join("&")))
        .map_or_else(|_| uri.clone(), Uri::from)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn understood(values: &[&'static str]) -> bool {
        let fields = values
            .iter()
            .map(|value| (RANGE, HeaderValue::from_static(value)));
        is_one_range(&fields.collect())
    }

    #[test]
    fn one_range_of_bytes_is_understood() {
        for value in ["bytes=0-0", "bytes=5-", "bytes=-5", "bytes=-0"] {
            assert!(understood(&[value]), "{value}");
        }
        for value in [
            "",
            "bytes=",
            "bytes=a",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=5-1",
        ] {
            assert!(!understood(&[value]), "{value}");
        }
        assert!(!understood(&["bytes=0-1", "bytes=0-1"]));
    }

    #[test]
    fn what_a_presigned_url_adds_is_taken_off_and_nothing_else() {
        for (uri, expected) in [
            ("/b/k", "/b/k?"),
            (
                "/b/a%20b?versionId=null&X-Amz-Signature=0&X-Amz-Date=1&x-id=GetObject",
                "/b/a%20b?versionId=null&x-id=GetObject",
            ),
            (
                "/b/k?AWSAccessKeyId=a&Signature=b&partNumber=1",
                "/b/k?partNumber=1",
            ),
        ] {
            assert_eq!(without_signature(&uri.parse().unwrap()), expected);
        }
    }
}
