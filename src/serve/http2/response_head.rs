//! An HTTP/1.1 response head as HTTP/2 has it: without what speaks of the connection (RFC 9113 §8.2.2).

use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;

use crate::wire::http1::head::ResponseHead;

/// Fields of a connection; the rest of the list of RFC 9113 §8.2.2 is never sent here.
const OF_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The same head; `None` if its status or a field is none, which our own answers never are.
pub fn convert(head: &ResponseHead) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status()).ok()?;
    for (name, value) in head.fields.iter() {
        let name = HeaderName::from_bytes(name).ok()?;
        if OF_CONNECTION.contains(&name) {
            continue;
        }
        let value = HeaderValue::from_bytes(value).ok()?;
        response.headers_mut().append(name, value);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::HeadLimits;

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let mut head = ResponseHead::default();
        let bytes = b"HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\
            Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n";
        head.read(bytes, &HeadLimits::default()).unwrap();
        let response = convert(&head).unwrap();
        assert_eq!(response.status(), 206);
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["etag", "set-cookie", "content-length"]);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    }
}
