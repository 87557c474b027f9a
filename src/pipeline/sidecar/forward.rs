//! From a client's head to the request that goes to the store.

use crate::pipeline::sidecar::body_mode::CODING;
use crate::pipeline::sidecar::s3_fault::S3Fault;
use crate::pipeline::store_path::Addressing;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::fields::trim_blanks;
use crate::wire::http1::head::RequestHead;
use crate::wire::http1::persistence::ends_with_connection;
use crate::wire::http1::persistence::is_hop_by_hop;
use crate::wire::http1::persistence::nominated_by_connection;
use crate::wire::http1::persistence::nominates_fields;
use crate::wire::percent;
use crate::wire::percent::Keep;
use crate::wire::target;

/// Fields that are written anew or belong to the client's own signature and framing.
const DROPPED_FIELDS: [&[u8]; 12] = [
    b"host",
    // What the client proves to a proxy is nothing to the store (RFC 9110 §11.7.2).
    b"proxy-authorization",
    b"content-length",
    b"expect",
    b"authorization",
    b"date",
    b"x-amz-date",
    b"x-amz-security-token",
    b"x-amz-content-sha256",
    b"x-amz-decoded-content-length",
    b"x-amz-trailer",
    b"content-encoding",
];
/// Parameters of the client's own signature, in small letters.
const SIGNATURE_PARAMETERS: [&[u8]; 8] = [
    b"x-amz-algorithm",
    b"x-amz-credential",
    b"x-amz-date",
    b"x-amz-expires",
    b"x-amz-signedheaders",
    b"x-amz-signature",
    b"x-amz-security-token",
    b"x-amz-content-sha256",
];

/// Those of a signature of version 2, which botocore still writes into URLs; they count if the first one is there.
const OLD_SIGNATURE_PARAMETERS: [&[u8]; 3] = [b"awsaccesskeyid", b"signature", b"expires"];

/// A request as the client sent it, in its parts.
#[derive(Clone, Copy, Debug)]
pub struct Received<'h> {
    /// The path on the wire.
    pub path: &'h [u8],
    /// The query on the wire, without `?`.
    pub query: &'h [u8],
    /// The bucket before a domain of ours in the host.
    pub host_bucket: Option<&'h str>,
}

impl<'h> Received<'h> {
    /// Splits target and host.
    ///
    /// # Errors
    /// The target has no form that S3 takes.
    pub fn of(head: &'h RequestHead, domains: &[String]) -> Result<Self, S3Fault> {
        let target = target::parse(head.method(), head.target())
            .map_err(|_| S3Fault::unreadable_head(400))?;
        let host = target
            .authority
            .or_else(|| head.fields.get(b"host"))
            .unwrap_or_default();
        Ok(Self {
            path: target.path,
            query: target.query.unwrap_or_default(),
            host_bucket: bucket_of_host(host, domains),
        })
    }
}

/// The bucket of `bucket.domain:port`.
fn bucket_of_host<'h>(host: &'h [u8], domains: &[String]) -> Option<&'h str> {
    let host = str::from_utf8(host).ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    domains.iter().find_map(|domain| {
        let at = name.len().checked_sub(domain.len())?;
        let (before, end) = name.split_at_checked(at)?;
        let bucket = before.strip_suffix('.')?;
        (end.eq_ignore_ascii_case(domain) && !bucket.is_empty()).then_some(bucket)
    })
}

/// Where a request goes and what it says, but for what signing adds. Its storage serves one request after the other.
#[derive(Debug, Default)]
pub struct Forwarded {
    /// The Host field.
    pub host: String,
    /// Percent-encoded as SigV4 has it, with a leading slash: what is signed.
    pub path: Vec<u8>,
    /// The same with the slashes that the client escaped still escaped, if there are any: what is sent.
    pub spelt: Option<Vec<u8>>,
    /// Percent-encoded, without `?`, without the client's signature.
    pub query: Vec<u8>,
    /// All fields but Host, Connection, framing and those of SigV4.
    pub fields: Fields,
}

impl Forwarded {
    /// Becomes the same request for the store at `authority`.
    ///
    /// # Errors
    /// A bucket that cannot stand in a host name, where it must.
    pub fn read(
        &mut self,
        received: &Received<'_>,
        head: &RequestHead,
        authority: &str,
        addressing: Addressing,
    ) -> Result<(), S3Fault> {
        self.host.clear();
        write_place(received, addressing, encode, &mut self.host, &mut self.path)?;
        self.host.push_str(authority);
        self.spelt = None;
        if has_escaped_slash(received.path) {
            let (mut host, mut spelt) = (String::new(), Vec::new());
            write_place(
                received,
                addressing,
                encode_but_slashes,
                &mut host,
                &mut spelt,
            )?;
            self.spelt = Some(spelt);
        }
        write_query(received.query, &mut self.query);
        keep_fields(&head.fields, &mut self.fields);
        Ok(())
    }
}

/// What stands before the authority, appended to `host`, and the path that the store wants, written by `encode`.
fn write_place(
    received: &Received<'_>,
    addressing: Addressing,
    encode: impl Fn(&mut Vec<u8>, &[u8]),
    host: &mut String,
    path: &mut Vec<u8>,
) -> Result<(), S3Fault> {
    path.clear();
    match (received.host_bucket, addressing) {
        (Some(bucket), Addressing::Path) => {
            path.push(b'/');
            encode(path, bucket.as_bytes());
            if received.path != b"/" {
                encode(path, received.path);
            }
        }
        (Some(bucket), Addressing::VirtualHost) => {
            host.push_str(bucket);
            host.push('.');
            encode(path, received.path);
        }
        (None, Addressing::VirtualHost) => {
            let rest = received.path.get(1..).unwrap_or_default();
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            let (bucket, key) = rest.split_at_checked(end).unwrap_or((rest, b""));
            if !bucket.is_empty() {
                host.push_str(host_label(bucket)?);
                host.push('.');
            }
            encode(path, if key.is_empty() { b"/" } else { key });
        }
        (None, Addressing::Path) => encode(path, received.path),
    }
    Ok(())
}

/// As SigV4 writes a path: decoded once, encoded once.
fn encode(path: &mut Vec<u8>, bytes: &[u8]) {
    percent::recode_into(path, bytes, Keep::UnreservedAndSlash);
}

/// As [`encode`], but an escaped slash stays one.
fn encode_but_slashes(path: &mut Vec<u8>, mut bytes: &[u8]) {
    while let Some(at) = escaped_slash(bytes) {
        encode(path, bytes.get(..at).unwrap_or_default());
        path.extend_from_slice(b"%2F");
        bytes = bytes.get(at + 3..).unwrap_or_default();
    }
    encode(path, bytes);
}

fn has_escaped_slash(path: &[u8]) -> bool {
    escaped_slash(path).is_some()
}

fn escaped_slash(path: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'%', path).find(|&at| {
        path.get(at..at + 3)
            .is_some_and(|escape| escape.eq_ignore_ascii_case(b"%2F"))
    })
}

fn host_label(bucket: &[u8]) -> Result<&str, S3Fault> {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    str::from_utf8(bucket)
        .ok()
        .filter(|text| text.as_bytes().iter().all(good))
        .ok_or_else(|| {
            S3Fault::new(
                400,
                "InvalidBucketName",
                "The specified bucket is not valid.",
            )
        })
}

/// The parameters that are not the client's signature. A plus is the space that stores take it for.
fn write_query(wire: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let pieces = || {
        let pieces = wire.split(|&byte| byte == b'&');
        pieces.filter(|piece| !piece.is_empty())
    };
    let mut decoded = Vec::new();
    let mut is_old = false;
    for word in pieces().flat_map(|piece| piece.split(|&byte| byte == b'=')) {
        decoded.clear();
        percent::decode_into(&mut decoded, word);
        is_old |= decoded.eq_ignore_ascii_case(b"AWSAccessKeyId");
    }
    for piece in pieces() {
        let (name, value) = match memchr::memchr(b'=', piece) {
            Some(at) => (piece.get(..at).unwrap_or_default(), piece.get(at + 1..)),
            None => (piece, None),
        };
        decoded.clear();
        percent::decode_query_into(&mut decoded, name);
        let is = |known: &&[u8]| known.eq_ignore_ascii_case(&decoded);
        let of_old = is_old && OLD_SIGNATURE_PARAMETERS.iter().any(is);
        if of_old || SIGNATURE_PARAMETERS.iter().any(is) {
            continue;
        }
        if !out.is_empty() {
            out.push(b'&');
        }
        percent::encode_into(out, &decoded, Keep::Unreserved);
        if let Some(value) = value {
            out.push(b'=');
            percent::recode_query_into(out, value, Keep::Unreserved);
        }
    }
}

fn keep_fields(received: &Fields, kept: &mut Fields) {
    let ends = ends_with_connection(received);
    let is_dropped = |name: &[u8]| {
        let mut dropped = DROPPED_FIELDS.iter();
        dropped.any(|known| known.eq_ignore_ascii_case(name))
    };
    kept.copy_kept(received, |name| !is_dropped(name) && !ends(name));
    if received.get(b"content-encoding").is_none() {
        return;
    }
    let codings: Vec<&[u8]> = received
        .list_members(b"content-encoding")
        .map(trim_blanks)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(CODING))
        .collect();
    if !codings.is_empty() {
        kept.push(b"Content-Encoding", &codings.join(&b','));
    }
}

/// Leaves the fields of a response that go back to the client.
pub fn keep_response_fields(fields: &mut Fields) {
    // Which names are nominated cannot be read from fields that are being thinned out.
    let nominating = nominates_fields(fields).then(|| fields.clone());
    fields.retain(|name| {
        let ours =
            name.eq_ignore_ascii_case(b"date") || name.eq_ignore_ascii_case(b"content-length");
        let nominated = |fields| nominated_by_connection(fields, name);
        !ours && !is_hop_by_hop(name) && !nominating.as_ref().is_some_and(nominated)
    });
}

/// Whether the request stores one object and nothing else, so that an upload in parts may stand in for it.
#[must_use]
pub fn is_put_object(method: &[u8], received: &Received<'_>, forwarded: &Forwarded) -> bool {
    let plain_query = forwarded
        .query
        .split(|&byte| byte == b'&')
        .all(|piece| piece.is_empty() || piece.starts_with(b"x-id="));
    let starts = |name: &[u8], prefix: &[u8]| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let plain_fields = forwarded.fields.iter().all(|(name, _)| {
        !(name.eq_ignore_ascii_case(b"content-md5")
            || starts(name, b"x-amz-copy-source")
            || starts(name, b"x-amz-checksum-")
            || starts(name, b"x-amz-write-offset"))
    });
    method == b"PUT" && names_object(received) && plain_query && plain_fields
}

/// Whether the body is an object's or a part's, so that S3 takes it in chunks.
#[must_use]
pub fn takes_chunks(method: &[u8], received: &Received<'_>, forwarded: &Forwarded) -> bool {
    let of_object = |piece: &[u8]| {
        piece.is_empty()
            || [b"x-id=".as_slice(), b"uploadId=", b"partNumber="]
                .iter()
                .any(|known| piece.starts_with(known))
    };
    let mut pieces = forwarded.query.split(|&byte| byte == b'&');
    method == b"PUT" && names_object(received) && pieces.all(of_object)
}

fn names_object(received: &Received<'_>) -> bool {
    let after_slash = received.path.get(1..).unwrap_or_default();
    let key = match received.host_bucket {
        Some(_) => Some(after_slash),
        None => memchr::memchr(b'/', after_slash).and_then(|at| after_slash.get(at + 1..)),
    };
    key.is_some_and(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::HeadLimits;

    fn head(wire: &str) -> RequestHead {
        let mut head = RequestHead::default();
        head.read(format!("{wire}\r\n\r\n").as_bytes(), &HeadLimits::default())
            .unwrap()
            .unwrap();
        head
    }

    fn forwarded(wire: &str, addressing: Addressing) -> Forwarded {
        let head = head(wire);
        let domains = ["s3.local".to_owned()];
        let received = Received::of(&head, &domains).unwrap();
        let mut made = Forwarded::default();
        made.read(&received, &head, "store:8333", addressing)
            .unwrap();
        made
    }

    fn place(target: &str, host: &str, addressing: Addressing) -> (String, String) {
        let made = forwarded(
            &format!("GET {target} HTTP/1.1\r\nHost: {host}"),
            addressing,
        );
        (made.host, String::from_utf8(made.path).unwrap())
    }

    #[test]
    fn the_bytes_of_a_key_stay() {
        for (target, path) in [
            ("/b/a%20b", "/b/a%20b"),
            ("/b/a+b", "/b/a%2Bb"),
            ("/b/a%2bb", "/b/a%2Bb"),
            ("/b//a/../c/./", "/b//a/../c/./"),
            ("/b/%E4%BD%A0", "/b/%E4%BD%A0"),
            ("/b/%2525", "/b/%2525"),
            ("/b/100%", "/b/100%25"),
            ("/b/a(b)!*'", "/b/a%28b%29%21%2A%27"),
            ("/", "/"),
        ] {
            assert_eq!(place(target, "a", Addressing::Path).1, path, "{target}");
        }
    }

    #[test]
    fn an_escaped_slash_is_sent_as_it_is_and_signed_as_a_slash() {
        for (target, addressing, path, spelt) in [
            ("/b/a%2Fb", Addressing::Path, "/b/a/b", Some("/b/a%2Fb")),
            (
                "/b/%2f+%2F",
                Addressing::Path,
                "/b//%2B/",
                Some("/b/%2F%2B%2F"),
            ),
            ("/b/a%2Fb", Addressing::VirtualHost, "/a/b", Some("/a%2Fb")),
            ("/b/a%252Fb", Addressing::Path, "/b/a%252Fb", None),
            ("/b/a%2", Addressing::Path, "/b/a%252", None),
        ] {
            let made = forwarded(&format!("GET {target} HTTP/1.1\r\nHost: x"), addressing);
            assert_eq!(made.path, path.as_bytes(), "{target}");
            assert_eq!(made.spelt.as_deref(), spelt.map(str::as_bytes), "{target}");
        }
    }

    #[test]
    fn a_bucket_stands_where_the_store_wants_it() {
        for (target, host, at_path, at_host) in [
            ("/b/k", "x", ("store:8333", "/b/k"), ("b.store:8333", "/k")),
            ("/b", "x", ("store:8333", "/b"), ("b.store:8333", "/")),
            ("/", "x", ("store:8333", "/"), ("store:8333", "/")),
            (
                "/k",
                "b.S3.local:80",
                ("store:8333", "/b/k"),
                ("b.store:8333", "/k"),
            ),
            (
                "/",
                "b.s3.local",
                ("store:8333", "/b"),
                ("b.store:8333", "/"),
            ),
            (
                "/b/k",
                "s3.local",
                ("store:8333", "/b/k"),
                ("b.store:8333", "/k"),
            ),
            (
                "/b/k",
                "xs3.local",
                ("store:8333", "/b/k"),
                ("b.store:8333", "/k"),
            ),
        ] {
            let (host_of_path, path) = place(target, host, Addressing::Path);
            assert_eq!(
                (host_of_path.as_str(), path.as_str()),
                at_path,
                "{target} {host}"
            );
            let (host_of_host, path) = place(target, host, Addressing::VirtualHost);
            assert_eq!(
                (host_of_host.as_str(), path.as_str()),
                at_host,
                "{target} {host}"
            );
        }
    }

    #[test]
    fn of_a_response_date_length_and_what_ends_with_the_connection_go() {
        for (connection, kept) in [
            ("keep-alive", "ETag X-Hop "),
            ("close", "ETag X-Hop "),
            ("x-hop", "ETag "),
        ] {
            let mut fields = Fields::new();
            for (name, value) in [
                ("Date", "d"),
                ("Connection", connection),
                ("ETag", "e"),
                ("Content-Length", "1"),
                ("X-Hop", "h"),
                ("Keep-Alive", "timeout=5"),
            ] {
                fields.push(name.as_bytes(), value.as_bytes());
            }
            keep_response_fields(&mut fields);
            let names = fields.iter().map(|(name, _)| String::from_utf8_lossy(name));
            let names: String = names.map(|name| format!("{name} ")).collect();
            assert_eq!(names, kept, "{connection}");
        }
    }

    #[test]
    fn the_clients_signature_never_leaves() {
        let made = forwarded(
            "PUT /b/k?X-Amz-Signature=1&acl&x%2Damz-DATE=2&prefix=a+b%2f&X-Amz-Security-Token=t&X-Amz-Expires=3 HTTP/1.1\r\n\
             Host: a\r\nAuthorization: x\r\nX-Amz-Date: y\r\nDate: z\r\nx-amz-security-token: t\r\nExpect: 100-continue\r\n\
             x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-meta-a: 1\r\nConnection: x-hop\r\nx-hop: 1\r\n\
             Content-Encoding: aws-chunked, gzip\r\nRange: bytes=0-1",
            Addressing::Path,
        );
        assert_eq!(made.query, b"acl&prefix=a%20b%2F");
        let old =
            "GET /b/k?AWSAccessKeyId=a&Signature=b%3D&Expires=1&versionId=2 HTTP/1.1\r\nHost: a";
        assert_eq!(forwarded(old, Addressing::Path).query, b"versionId=2");
        let names: Vec<(&[u8], &[u8])> = made.fields.iter().collect();
        assert_eq!(
            names,
            [
                (b"x-amz-meta-a".as_slice(), b"1".as_slice()),
                (b"Range", b"bytes=0-1"),
                (b"Content-Encoding", b"gzip"),
            ]
        );
    }
}
