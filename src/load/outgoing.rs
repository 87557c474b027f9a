//! Request heads, signed if the run signs.

use std::rc::Rc;

use crate::load::schedule::Dice;
use crate::load::target::Target;
use crate::load::workload::Operation;
use crate::load::workload::Workload;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::encode;
use crate::wire::sigv4::canonical_request::Header;
use crate::wire::sigv4::canonical_request::RequestParts;
use crate::wire::sigv4::canonical_request::Scratch;
use crate::wire::sigv4::canonical_request::UriEncoding;
use crate::wire::sigv4::canonical_request::sign_head;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::payload_hash::EMPTY_SHA256_HEX;
use crate::wire::sigv4::payload_hash::Hex;
use crate::wire::sigv4::payload_hash::PayloadHash;
use crate::wire::sigv4::payload_hash::sha256_hex;
use crate::wire::sigv4::signing_key::SigningKey;

/// The service that a run signs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// A store or the sidecar.
    S3,
    /// A method that asks for AWS_IAM.
    ExecuteApi,
}

impl Service {
    /// As it stands in the credential scope.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::ExecuteApi => "execute-api",
        }
    }
}

/// Who signs, and for what.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The keys.
    pub credentials: Credentials,
    /// The region of the credential scope.
    pub region: String,
    /// The service of the credential scope.
    pub service: Service,
}

/// Writes the requests of one thread.
pub struct RequestWriter {
    target: Target,
    workload: Rc<Workload>,
    signer: Option<Signer>,
}

struct Signer {
    signing: Signing,
    key: SigningKey,
    scratch: Scratch,
    authorization: Vec<u8>,
    raw_sha256: Hex,
    base64_sha256: Hex,
}

impl RequestWriter {
    /// A writer of unsigned requests, or of signed ones.
    #[must_use]
    pub fn new(
        target: Target,
        workload: Rc<Workload>,
        signing: Option<Signing>,
        now: UnixSeconds,
    ) -> Self {
        let signer = signing.map(|signing| Signer {
            key: derive(&signing, now),
            signing,
            scratch: Scratch::new(),
            authorization: Vec::new(),
            raw_sha256: sha256_hex(workload.body(Operation::Put)),
            base64_sha256: sha256_hex(workload.body(Operation::PutJson)),
        });
        Self {
            target,
            workload,
            signer,
        }
    }

    /// Appends the head of a request for a random key to `out`; its body is `Workload::body(operation)`.
    pub fn write(
        &mut self,
        operation: Operation,
        dice: &mut Dice,
        now: UnixSeconds,
        out: &mut Vec<u8>,
    ) {
        let key = dice.below(self.workload.keys);
        let range = (operation == Operation::Range).then(|| self.workload.range(dice));
        self.write_for_key(operation, key, range.as_deref(), now, out);
    }

    /// As [`Self::write`], for the key with this number.
    pub fn write_for_key(
        &mut self,
        operation: Operation,
        key: u64,
        range: Option<&str>,
        now: UnixSeconds,
        out: &mut Vec<u8>,
    ) {
        let sends_body = content_type_of(operation).is_some();
        let length = self.workload.body(operation).len() as u64;
        let hash = self.signer.as_ref().map(|signer| match operation {
            Operation::Put => signer.raw_sha256,
            Operation::PutJson => signer.base64_sha256,
            _ => *EMPTY_SHA256_HEX,
        });
        let path = self.workload.path(key);
        let request = Request {
            method: operation.method(),
            path: &path,
            accept: accept_of(operation),
            content_type: content_type_of(operation),
            range,
            body: if sends_body {
                BodyLength::Known(length)
            } else {
                BodyLength::None
            },
            sha256: &hash.unwrap_or(*EMPTY_SHA256_HEX),
        };
        self.write_request(&request, now, out);
    }

    /// Appends the head of any request to `out`.
    pub fn write_request(&mut self, request: &Request<'_>, now: UnixSeconds, out: &mut Vec<u8>) {
        let mut target = self.target.base.clone();
        target.push_str(request.path);
        encode::write_request_line(out, request.method.as_bytes(), target.as_bytes(), b"");
        encode::write_field(out, b"Host", self.target.authority.as_bytes());
        for (name, value) in &self.workload.headers {
            encode::write_field(out, name.as_bytes(), value.as_bytes());
        }
        if let Some(accept) = request.accept {
            encode::write_field(out, b"Accept", accept);
        }
        if let Some(range) = request.range {
            encode::write_field(out, b"Range", range.as_bytes());
        }
        if let Some(media_type) = request.content_type {
            encode::write_field(out, b"Content-Type", media_type);
        }
        match request.body {
            BodyLength::None => {}
            BodyLength::Known(length) => encode::write_field_number(out, b"Content-Length", length),
            BodyLength::Chunked => encode::write_field(out, b"Transfer-Encoding", b"chunked"),
        }
        if let Some(signer) = &mut self.signer {
            signer.sign(request, &target, &self.target.authority, now, out);
        }
        encode::end_head(out);
    }
}

/// What a head says.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// `GET`, …
    pub method: &'static str,
    /// Behind the base path, with its query.
    pub path: &'r str,
    /// `Accept`
    pub accept: Option<&'static [u8]>,
    /// `Content-Type`
    pub content_type: Option<&'static [u8]>,
    /// `Range`
    pub range: Option<&'r str>,
    /// How the body is framed.
    pub body: BodyLength,
    /// The hash of the body; of no use unless the run signs.
    pub sha256: &'r Hex,
}

/// How a request tells the length of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// `Content-Length`
    Known(u64),
    /// `Transfer-Encoding: chunked`
    Chunked,
}

impl Signer {
    fn sign(
        &mut self,
        request: &Request<'_>,
        target: &str,
        authority: &str,
        now: UnixSeconds,
        out: &mut Vec<u8>,
    ) {
        if self.key.day() != now.day() {
            self.key = derive(&self.signing, now);
        }
        let date = now.amz_date_bytes();
        let token = self.signing.credentials.session_token.as_ref();
        let mut headers: Vec<Header<'_>> = vec![
            (b"host", authority.as_bytes()),
            (b"x-amz-content-sha256", request.sha256),
            (b"x-amz-date", &date),
        ];
        if let Some(token) = token {
            headers.push((b"x-amz-security-token", token.expose().as_bytes()));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts = RequestParts {
            method: request.method.as_bytes(),
            path: path.as_bytes(),
            uri_encoding: match self.signing.service {
                Service::S3 => UriEncoding::AsSent,
                Service::ExecuteApi => UriEncoding::EncodeAgain,
            },
            query: query.as_bytes(),
            headers: &headers,
            payload: PayloadHash::Hex(request.sha256),
        };
        self.authorization.clear();
        sign_head(
            &self.key,
            now,
            &parts,
            &mut self.scratch,
            &mut self.authorization,
        );
        for (name, value) in headers.iter().skip(1) {
            encode::write_field(out, name, value);
        }
        encode::write_field(out, b"Authorization", &self.authorization);
    }
}

fn derive(signing: &Signing, now: UnixSeconds) -> SigningKey {
    SigningKey::new(
        &signing.credentials,
        now,
        &signing.region,
        signing.service.name(),
    )
}

/// How the gateway is told which form of an object is wanted.
const fn accept_of(operation: Operation) -> Option<&'static [u8]> {
    match operation {
        Operation::Get | Operation::Range => Some(b"application/octet-stream"),
        Operation::GetJson => Some(b"application/json"),
        Operation::Head | Operation::Put | Operation::PutJson => None,
    }
}

const fn content_type_of(operation: Operation) -> Option<&'static [u8]> {
    match operation {
        Operation::Put => Some(b"application/octet-stream"),
        Operation::PutJson => Some(b"application/json"),
        Operation::Get | Operation::GetJson | Operation::Range | Operation::Head => None,
    }
}

/// A `NAME: VALUE` header as the command line gives it.
///
/// # Errors
/// What is wanted, for a person.
pub fn header_of(text: &str) -> Result<(String, String), String> {
    let wanted = || {
        format!(
            "'{text}': wanted 'Name: value' of visible ASCII, a name that the load does not set itself"
        )
    };
    const OWN: [&str; 6] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "authorization",
        "expect",
    ];
    let (name, value) = text.split_once(':').ok_or_else(wanted)?;
    let (name, value) = (name.trim(), value.trim());
    let token = crate::wire::http1::fields::is_token(name.as_bytes());
    let visible = value.bytes().all(crate::wire::http1::fields::is_value_byte);
    if !token || !visible || OWN.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(wanted());
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::HeadLimits;
    use crate::wire::http1::head::RequestHead;
    use crate::wire::sigv4::credentials::Secret;

    const NOW: UnixSeconds = UnixSeconds(1_369_353_600);

    fn written(operation: Operation, signing: Option<Signing>) -> RequestHead {
        let target = Target::resolve("http://127.0.0.1:9/v1").unwrap();
        let headers = vec![("x-api-key".to_owned(), "k".to_owned())];
        let mix = "get,put".parse().unwrap();
        let workload = Workload::new(mix, "/{bucket}/{key}?x=1", "b", 1, 100, headers);
        let mut writer = RequestWriter::new(target, Rc::new(workload), signing, NOW);
        let mut out = Vec::new();
        writer.write(operation, &mut Dice::new(1), NOW, &mut out);
        let mut head = RequestHead::default();
        let used = head.read(&out, &HeadLimits::default()).unwrap();
        assert_eq!(used, Some(out.len()));
        head
    }

    #[test]
    fn each_operation_has_its_head() {
        let head = written(Operation::PutJson, None);
        assert_eq!(head.method(), b"PUT");
        assert_eq!(head.target(), b"/v1/b/sluicegate-bench-0?x=1");
        assert_eq!(head.fields.get(b"content-length"), Some(&b"136"[..]));
        assert_eq!(head.fields.get(b"x-api-key"), Some(&b"k"[..]));
        assert_eq!(head.fields.get(b"authorization"), None);
        let head = written(Operation::Range, None);
        assert!(head.fields.get(b"range").unwrap().starts_with(b"bytes="));
        let head = written(Operation::GetJson, None);
        assert_eq!(head.fields.get(b"accept"), Some(&b"application/json"[..]));
    }

    #[test]
    fn a_signed_head_verifies_at_the_other_side() {
        for service in [Service::S3, Service::ExecuteApi] {
            let credentials = Credentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("secret"),
                session_token: Some(Secret::new("token")),
            };
            let signing = Signing {
                credentials: credentials.clone(),
                region: "us-east-1".to_owned(),
                service,
            };
            let head = written(Operation::Put, Some(signing));
            let authorization = head.fields.get(b"authorization").unwrap();
            let text = String::from_utf8(authorization.to_vec()).unwrap();
            let scope = format!("20130524/us-east-1/{}/aws4_request", service.name());
            assert!(text.contains(&scope), "{text}");
            let value = |name: &[u8]| head.fields.get(name).unwrap().to_vec();
            let (host, hash, date, token) = (
                value(b"host"),
                value(b"x-amz-content-sha256"),
                value(b"x-amz-date"),
                value(b"x-amz-security-token"),
            );
            let headers: Vec<Header<'_>> = vec![
                (b"host", &host),
                (b"x-amz-content-sha256", &hash),
                (b"x-amz-date", &date),
                (b"x-amz-security-token", &token),
            ];
            let hash: Hex = hash.clone().try_into().unwrap();
            let request = RequestParts {
                method: b"PUT",
                path: b"/v1/b/sluicegate-bench-0",
                uri_encoding: match service {
                    Service::S3 => UriEncoding::AsSent,
                    Service::ExecuteApi => UriEncoding::EncodeAgain,
                },
                query: b"x=1",
                headers: &headers,
                payload: PayloadHash::Hex(&hash),
            };
            let key = SigningKey::new(&credentials, NOW, "us-east-1", service.name());
            let mut again = Vec::new();
            sign_head(&key, NOW, &request, &mut Scratch::new(), &mut again);
            assert_eq!(authorization, again);
        }
    }

    #[test]
    fn headers_that_the_load_sets_itself_are_refused() {
        for text in [
            "Host: a",
            "no colon",
            ": v",
            "a b: v",
            "content-length: 1",
            "x: a\u{1}",
        ] {
            assert!(header_of(text).is_err(), "{text}");
        }
        let read = header_of("X-Api-Key:  k v ").unwrap();
        assert_eq!(read, ("X-Api-Key".to_owned(), "k v".to_owned()));
    }
}
