//! The error document: every one says a code, a message for a person, what was asked for and the request's id.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use s3s::Body;

/// S3's own words for the codes that come without any.
pub(crate) fn message_of(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access Denied",
        "AuthorizationHeaderMalformed" => {
            "The authorization header that you provided is not valid."
        }
        "BadDigest" => {
            "The Content-MD5 or checksum value that you specified did not match what the server received."
        }
        "BucketAlreadyExists" => {
            "The requested bucket name is not available. Select a different name and try again."
        }
        "BucketAlreadyOwnedByYou" => {
            "The bucket that you tried to create already exists, and you own it."
        }
        "BucketNotEmpty" => "The bucket that you tried to delete is not empty.",
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed object size.",
        "EntityTooSmall" => "Your proposed upload is smaller than the minimum allowed size",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header."
        }
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidAccessKeyId" => "The AWS Access Key Id you provided does not exist in our records.",
        "InvalidArgument" => "Invalid Argument",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidDigest" => "The Content-MD5 you specified is not valid.",
        "InvalidPart" => {
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
        }
        "InvalidPartOrder" => {
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        }
        "InvalidRange" => "The requested range is not satisfiable",
        "InvalidRequest" => "Invalid Request",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => {
            "The XML that you provided was not well-formed or did not validate against our published schema."
        }
        "MaxMessageLengthExceeded" => "Your request was too large.",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "MissingRequestBodyError" => "Request body is empty.",
        "NoSuchBucket" => "The specified bucket does not exist",
        "NoSuchKey" => "The specified key does not exist.",
        "NoSuchUpload" => {
            "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
        }
        "NoSuchVersion" => "The specified version does not exist.",
        "NotImplemented" => {
            "A header or operation that you provided implies functionality that is not implemented."
        }
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold",
        "RequestTimeTooSkewed" => {
            "The difference between the request time and the server's time is too large."
        }
        "RequestTimeout" => {
            "Your socket connection to the server was not read from or written to within the timeout period."
        }
        "SignatureDoesNotMatch" => {
            "The request signature that the server calculated does not match the signature that you provided. Check your secret access key and signing method."
        }
        "SlowDown" => "Please reduce your request rate.",
        _ => "The request was refused.",
    }
}

/// The code that an error document says.
pub(crate) fn code(document: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(document).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

/// Puts in what `s3s` left out of an error document. Bodies that are none pass as they are.
pub(crate) fn complete(body: Body, headers: &mut HeaderMap, path: &str, request_id: &str) -> Body {
    let Some(document) = body.bytes() else {
        return body;
    };
    let Some(text) = completed(&document, path, request_id) else {
        return body;
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    Body::from(Bytes::from(text))
}

fn completed(document: &[u8], path: &str, request_id: &str) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let (before, rest) = text.split_once("<Code>")?;
    let (code, after) = rest.split_once("</Code>")?;
    let (inner, end) = after.rsplit_once("</Error>")?;
    let message = if inner.contains("<Message>") {
        String::new()
    } else {
        format!("<Message>{}</Message>", escaped(message_of(code)))
    };
    let path = escaped(path);
    Some(format!(
        "{before}<Code>{code}</Code>{message}{inner}<Resource>{path}</Resource><RequestId>{request_id}</RequestId></Error>{end}"
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_alone_gets_its_message() {
        let document = b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>";
        let text = completed(document, "/b/a&b", "ID").unwrap();
        assert_eq!(
            text,
            "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>\
             <Resource>/b/a&amp;b</Resource><RequestId>ID</RequestId></Error>"
        );
    }

    #[test]
    fn a_code_is_read_from_its_document_alone() {
        assert_eq!(code(b"<Error><Code>X</Code></Error>"), Some("X"));
        for other in [
            &b""[..],
            b"<Error></Error>",
            b"\xff<Code>X</Code>",
            b"<Code>X",
        ] {
            assert_eq!(code(other), None);
        }
    }

    #[test]
    fn a_message_that_is_there_stays() {
        let document = b"<Error><Code>X</Code><Message>own words</Message></Error>";
        let text = completed(document, "/", "ID").unwrap();
        assert_eq!(text.matches("<Message>").count(), 1);
        assert!(text.contains("own words"));
    }

    #[test]
    fn what_is_no_error_document_passes() {
        assert_eq!(completed(b"", "/", "ID"), None);
        assert_eq!(completed(b"\xff<Code>X</Code></Error>", "/", "ID"), None);
    }
}
