//! A store in a directory of its own, and a blocking client that signs and speaks to it over a socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use tempfile::TempDir;

use crate::store::listing::url_encoded;
use crate::store::{RunningStore, StoreSettings, clock, start};

pub(super) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(super) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const WAIT_MS_MAX: u128 = 120_000;
const REGION: &str = "eu-central-1";

pub(super) struct TestStore {
    pub(super) data: TempDir,
    running: Option<RunningStore>,
}

pub(super) fn settings(data: &TempDir) -> StoreSettings {
    StoreSettings {
        data_dir: data.path().to_path_buf(),
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.to_owned(),
        region: REGION.to_owned(),
    }
}

impl TestStore {
    pub(super) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings = settings(&data);
        Self::started(data, settings)
    }

    pub(super) fn started(data: TempDir, settings: StoreSettings) -> Self {
        let running = Some(start(settings).unwrap());
        Self { data, running }
    }

    /// One with the bucket `photos` in it.
    pub(super) fn with_bucket() -> Self {
        let store = Self::start();
        assert_eq!(store.send(Call::new("PUT", "/photos")).status, 200);
        store
    }

    pub(super) fn stop(&mut self) {
        self.running.take().unwrap().stop();
    }

    pub(super) fn start_again(&mut self) {
        self.running = Some(start(settings(&self.data)).unwrap());
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address()
    }

    pub(super) fn send(&self, call: Call) -> Answer {
        let mut stream = self.connect();
        stream.write_all(&call.wire(self.address())).unwrap();
        Answer::read(&mut stream, call.method == "HEAD")
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        stream
    }

    pub(super) fn put(&self, key: &str, body: &[u8]) -> Answer {
        self.send(Call::object("PUT", key).body(body))
    }

    pub(super) fn get(&self, key: &str) -> Answer {
        self.send(Call::object("GET", key))
    }

    /// Waits until so many files are left: the store removes files after it has answered.
    pub(super) fn wait_for_file_count(&self, count: usize) {
        let begun = clock::unix_ms();
        while self.file_count() != count {
            assert!(
                clock::unix_ms() - begun < WAIT_MS_MAX,
                "{} files",
                self.file_count()
            );
            // A round trip, so that the store gets its turn.
            self.send(Call::new("GET", "/")).ok();
        }
    }

    /// Files below the data directory, the index among them.
    pub(super) fn file_count(&self) -> usize {
        fn count(directory: &std::path::Path) -> usize {
            std::fs::read_dir(directory)
                .unwrap()
                .map(|entry| {
                    let path = entry.unwrap().path();
                    if path.is_dir() { count(&path) } else { 1 }
                })
                .sum()
        }
        count(self.data.path())
    }
}

/// How the payload is signed and sent.
#[derive(Clone)]
pub(super) enum Payload {
    Hashed,
    /// Its hash is signed, but these bytes are sent.
    Swapped(Vec<u8>),
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD` in chunks of so many bytes.
    Chunks(usize),
    /// The same with a byte of the data changed after signing.
    ForgedChunks(usize),
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER` with this trailer field after one chunk.
    Trailer(&'static str, String),
    /// The trailer is announced and left out.
    TrailerMissing(&'static str),
}

#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: &'static str,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    payload: Payload,
    access_key: &'static str,
    secret_key: &'static str,
}

impl Call {
    /// `path` is not encoded yet; the query is.
    pub(super) fn new(method: &'static str, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self::to(method, path, query)
    }

    /// An object in `photos`; the key may hold any character.
    pub(super) fn object(method: &'static str, key: &str) -> Self {
        Self::to(method, &format!("/photos/{key}"), "")
    }

    fn to(method: &'static str, path: &str, query: &str) -> Self {
        Self {
            method,
            path: url_encoded(path),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            payload: Payload::Hashed,
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
        }
    }

    pub(super) fn query(mut self, query: &str) -> Self {
        self.query = query.to_owned();
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(super) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(super) fn keys(mut self, access_key: &'static str, secret_key: &'static str) -> Self {
        self.access_key = access_key;
        self.secret_key = secret_key;
        self
    }

    /// The request as sent.
    pub(super) fn wire(&self, address: SocketAddr) -> Vec<u8> {
        let mut headers = self.headers.clone();
        headers.push(("host".to_owned(), address.to_string()));
        if !matches!(
            self.payload,
            Payload::Hashed | Payload::Swapped(_) | Payload::Unsigned
        ) {
            headers.push((
                "x-amz-decoded-content-length".to_owned(),
                self.body.len().to_string(),
            ));
            headers.push(("content-encoding".to_owned(), "aws-chunked".to_owned()));
        }
        if let Payload::Trailer(name, _) | Payload::TrailerMissing(name) = &self.payload {
            headers.push(("x-amz-trailer".to_owned(), (*name).to_owned()));
        }
        let (signed_fields, body) = self.signed(&headers, address);
        headers.extend(signed_fields);
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            target = format!("{target}?{}", self.query);
        }
        let mut wire = format!("{} {target} HTTP/1.1\r\n", self.method).into_bytes();
        for (name, value) in headers {
            wire.extend(format!("{name}: {value}\r\n").bytes());
        }
        wire.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
        wire.extend(body);
        wire
    }

    fn signed(
        &self,
        headers: &[(String, String)],
        address: SocketAddr,
    ) -> (Vec<(String, String)>, Vec<u8>) {
        let identity =
            Credentials::new(self.access_key, self.secret_key, None, None, "test").into();
        let now = UNIX_EPOCH + Duration::from_millis(clock::unix_ms().try_into().unwrap());
        let params = || {
            let builder = v4::SigningParams::builder()
                .identity(&identity)
                .region(REGION);
            let builder = builder.name("s3").time(now).settings(signing_settings());
            builder.build().unwrap()
        };
        let body = match &self.payload {
            Payload::Hashed | Payload::Swapped(_) => SignableBody::Bytes(&self.body),
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::Chunks(_) | Payload::ForgedChunks(_) => {
                SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned())
            }
            Payload::Trailer(..) | Payload::TrailerMissing(_) => {
                SignableBody::StreamingUnsignedPayloadTrailer
            }
        };
        let url = format!("http://{address}{}?{}", self.path, self.query);
        let fields = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(self.method, url, fields, body).unwrap();
        let (instructions, seed) = sign(request, &params().into()).unwrap().into_parts();
        let added = instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        (added, self.wire_body(&seed, &params()))
    }

    fn wire_body(&self, seed: &str, params: &v4::SigningParams<'_, SigningSettings>) -> Vec<u8> {
        match &self.payload {
            Payload::Hashed | Payload::Unsigned => self.body.clone(),
            Payload::Swapped(sent) => sent.clone(),
            Payload::Chunks(size) => chunks(&self.body, *size, seed, params),
            Payload::ForgedChunks(size) => {
                let mut wire = chunks(&self.body, *size, seed, params);
                let middle = wire.len() / 2;
                wire[middle] ^= 1;
                wire
            }
            Payload::Trailer(name, value) => {
                unsigned_chunk(&self.body, &format!("{name}:{value}\r\n"))
            }
            Payload::TrailerMissing(_) => unsigned_chunk(&self.body, ""),
        }
    }
}

fn signing_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

fn chunks(
    body: &[u8],
    size: usize,
    seed: &str,
    params: &v4::SigningParams<'_, SigningSettings>,
) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut previous = seed.to_owned();
    for data in body.chunks(size).chain([&[][..]]) {
        previous = v4::sign_chunk(&Bytes::copy_from_slice(data), &previous, params)
            .unwrap()
            .signature()
            .to_owned();
        wire.extend(format!("{:x};chunk-signature={previous}\r\n", data.len()).bytes());
        wire.extend(data);
        wire.extend(b"\r\n");
    }
    wire
}

fn unsigned_chunk(body: &[u8], trailer: &str) -> Vec<u8> {
    let mut wire = format!("{:x}\r\n", body.len()).into_bytes();
    wire.extend(body);
    wire.extend(format!("\r\n0\r\n{trailer}\r\n").bytes());
    wire
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Reads one response; the store always says its length.
    pub(super) fn read(stream: &mut TcpStream, is_head: bool) -> Self {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let mut answer = Self {
            status: std::str::from_utf8(&head[9..12]).unwrap().parse().unwrap(),
            head: String::from_utf8(head).unwrap(),
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map(|value| value.parse().unwrap());
        if let (Some(length), false) = (length, is_head) {
            answer.body = vec![0; length];
            stream.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The texts of all elements of that name, in order.
    pub(super) fn all(&self, element: &str) -> Vec<String> {
        let text = self.text();
        text.split(&format!("<{element}>"))
            .skip(1)
            .map(|rest| rest.split("</").next().unwrap().to_owned())
            .collect()
    }

    pub(super) fn one(&self, element: &str) -> String {
        let mut all = self.all(element);
        assert_eq!(all.len(), 1, "<{element}> in {}", self.text());
        all.remove(0)
    }

    /// Status and code of an error, which must have a message as well.
    pub(super) fn error(&self) -> (u16, String) {
        assert!(!self.one("Message").is_empty(), "{}", self.text());
        (self.status, self.one("Code"))
    }

    pub(super) fn ok(self) -> Self {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.text()
        );
        self
    }
}
