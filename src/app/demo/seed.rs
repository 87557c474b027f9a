//! Puts the sample object into the embedded store, as any S3 client would: over HTTP, signed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::app::demo::data_dir::StoreKeys;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::encode;
use crate::wire::http1::head::{HeadLimits, ResponseHead};
use crate::wire::sigv4::canonical_request::{RequestParts, Scratch, UriEncoding, sign_head};
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::payload_hash::{PayloadHash, sha256_hex};
use crate::wire::sigv4::signing_key::SigningKey;

/// The store is in this process: what takes longer is broken.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// The answers are heads with small XML bodies.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const ANSWER_LIMITS: HeadLimits = HeadLimits {
    target_bytes_max: 0,
    fields_bytes_max: 16 * 1024,
    fields_max: 64,
};

/// A client of the embedded store for the time of the seeding.
pub struct Seeder<'a> {
    /// Where the store listens.
    pub address: SocketAddr,
    /// Its keys.
    pub keys: &'a StoreKeys,
    /// The region that the store expects.
    pub region: &'a str,
    /// The time of the signatures.
    pub now: UnixSeconds,
}

/// What could not be put.
#[derive(Debug)]
pub struct SeedError {
    path: String,
    cause: io::Error,
}

impl std::fmt::Display for SeedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "cannot put {} into the embedded store: {}",
            self.path, self.cause
        )
    }
}

impl Seeder<'_> {
    /// Makes the bucket and the object unless they are there.
    pub fn ensure(
        &self,
        bucket: &str,
        key: &str,
        media_type: &str,
        object: &[u8],
    ) -> Result<(), SeedError> {
        let bucket_path = format!("/{bucket}");
        let object_path = format!("/{bucket}/{key}");
        let fault = |path: &str| {
            let path = path.to_owned();
            move |cause| SeedError { path, cause }
        };
        let made = self.send("PUT", &bucket_path, media_type, &[]);
        accept(made, &[200, 409]).map_err(fault(&bucket_path))?;
        let there = self.send("HEAD", &object_path, media_type, &[]);
        if accept(there, &[200, 404]).map_err(fault(&object_path))? == 404 {
            let put = self.send("PUT", &object_path, media_type, object);
            accept(put, &[200]).map_err(fault(&object_path))?;
        }
        Ok(())
    }

    /// One request on a connection of its own; the status of the answer.
    fn send(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> io::Result<u16> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WAIT)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        stream.set_write_timeout(Some(ANSWER_WAIT))?;
        stream.write_all(&self.head(method, path, media_type, body))?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        let mut head = ResponseHead::default();
        match head.read(&answer, &ANSWER_LIMITS) {
            Ok(Some(_)) => Ok(head.status()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn head(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
        let host = self.address.to_string();
        let hash = sha256_hex(body);
        let timestamp = self.now.amz_date_bytes();
        let headers: [(&[u8], &[u8]); 4] = [
            (b"content-type", media_type.as_bytes()),
            (b"host", host.as_bytes()),
            (b"x-amz-content-sha256", &hash),
            (b"x-amz-date", &timestamp),
        ];
        let credentials = Credentials {
            access_key_id: self.keys.access_key_id.clone(),
            secret_access_key: self.keys.secret_access_key.clone(),
            session_token: None,
        };
        let parts = RequestParts {
            method: method.as_bytes(),
            path: path.as_bytes(),
            uri_encoding: UriEncoding::AsSent,
            query: b"",
            headers: &headers,
            payload: PayloadHash::Hex(&hash),
        };
        let key = SigningKey::new(&credentials, self.now, self.region, "s3");
        let mut authorization = Vec::new();
        sign_head(
            &key,
            self.now,
            &parts,
            &mut Scratch::new(),
            &mut authorization,
        );

        let mut out = Vec::new();
        encode::write_request_line(&mut out, method.as_bytes(), path.as_bytes(), b"");
        for (name, value) in headers {
            encode::write_field(&mut out, name, value);
        }
        encode::write_field(&mut out, b"authorization", &authorization);
        encode::write_field(&mut out, b"connection", b"close");
        encode::write_field_number(&mut out, b"content-length", body.len() as u64);
        encode::end_head(&mut out);
        out
    }
}

/// The status if it is one of `accepted`.
fn accept(answer: io::Result<u16>, accepted: &[u16]) -> io::Result<u16> {
    let status = answer?;
    if accepted.contains(&status) {
        return Ok(status);
    }
    Err(io::Error::other(format!("the store answered {status}")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::wire::http1::head::RequestHead;
    use crate::wire::sigv4::credentials::Secret;

    /// Answers each status in turn on a connection of its own; gives the request lines that came.
    fn scripted(statuses: &'static [u16]) -> (SocketAddr, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let answer_one = |&status: &u16| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = Vec::new();
                let mut head = RequestHead::default();
                let limits = HeadLimits {
                    target_bytes_max: 1024,
                    ..ANSWER_LIMITS
                };
                let mut receive = |bytes: &mut Vec<u8>| {
                    let mut more = [0; 4096];
                    let n = stream.read(&mut more).unwrap();
                    assert_ne!(n, 0);
                    bytes.extend_from_slice(&more[..n]);
                };
                let used = loop {
                    match head.read(&bytes, &limits).unwrap() {
                        Some(used) => break used,
                        None => receive(&mut bytes),
                    }
                };
                // A socket that is closed with a body in it resets its peer.
                let body = head.fields.get(b"content-length").unwrap_or(b"0");
                let body: usize = str::from_utf8(body).unwrap().parse().unwrap();
                while bytes.len() < used + body {
                    receive(&mut bytes);
                }
                assert!(head.fields.get(b"authorization").is_some());
                write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n").unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{} {}", text(head.method()), text(head.target()))
            };
            statuses.iter().map(answer_one).collect()
        });
        (address, thread)
    }

    fn ensured(statuses: &'static [u16]) -> (Result<(), SeedError>, Vec<String>) {
        let (address, thread) = scripted(statuses);
        let keys = StoreKeys {
            access_key_id: "A".to_owned(),
            secret_access_key: Secret::new("S"),
        };
        let seeder = Seeder {
            address,
            keys: &keys,
            region: "us-east-1",
            now: UnixSeconds(0),
        };
        let ended = seeder.ensure("b", "k", "text/plain", b"x");
        (ended, thread.join().unwrap())
    }

    #[test]
    fn an_object_that_is_there_is_left_alone() {
        let (ended, lines) = ensured(&[409, 200]);
        assert!(ended.is_ok());
        assert_eq!(lines, ["PUT /b", "HEAD /b/k"]);
    }

    #[test]
    fn an_absent_object_is_put() {
        let (ended, lines) = ensured(&[200, 404, 200]);
        assert!(ended.is_ok());
        assert_eq!(lines, ["PUT /b", "HEAD /b/k", "PUT /b/k"]);
    }

    #[test]
    fn a_refusal_names_the_path_and_the_status() {
        let (ended, _) = ensured(&[403]);
        let message = ended.unwrap_err().to_string();
        assert!(
            message.contains("/b") && message.contains("403"),
            "{message}"
        );
    }
}
