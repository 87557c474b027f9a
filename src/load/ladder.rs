//! The ladder of the payload limit: one byte under it, at it, and one over it; with a length and chunked; raw and Base64.
//! The steps up to the limit must be stored whole, the step over it must be 413 and nothing of it stored.

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::load::outgoing::BodyLength;
use crate::load::outgoing::Request;
use crate::load::outgoing::RequestWriter;
use crate::load::plain_client::PlainClient;
use crate::load::run::Plan;
use crate::net::clock;
use crate::wire::http1::chunked::LAST_CHUNK;
use crate::wire::sigv4::payload_hash::sha256_hex;

/// Data of one chunk.
const CHUNK_BYTES: usize = 64 * 1024;
const TOO_LARGE: u16 = 413;

/// What a body of the ladder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Bytes that are stored as they are.
    Raw,
    /// Base64 text, which the gateway decodes. Its length on the wire is what the limit counts.
    Base64,
}

/// One request of the ladder, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the body on the wire.
    pub bytes: u64,
    /// Whether it was sent chunked.
    pub chunked: bool,
    /// What the body was.
    pub form: Form,
    /// What happened.
    pub outcome: Outcome,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken, and read back with the right length.
    Stored,
    /// 413, and nothing is there.
    Refused,
    /// Another status than the step wants.
    Status {
        /// As answered.
        status: u16,
        /// Whether the step is over the limit.
        over: bool,
    },
    /// Taken, but what is there has another length.
    StoredOtherwise {
        /// What is there, in bytes.
        found: u64,
        /// What should be there.
        wanted: u64,
    },
    /// 413, yet an object is there.
    StoredAllTheSame {
        /// Its length in bytes.
        found: u64,
    },
    /// No answer.
    NoAnswer(String),
}

impl Outcome {
    /// Whether the step did what it must.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        matches!(self, Self::Stored | Self::Refused)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stored whole"),
            Self::Refused => f.write_str("413, nothing stored"),
            Self::Status { status, over: true } => write!(f, "status {status} instead of 413"),
            Self::Status {
                status,
                over: false,
            } => write!(f, "status {status} instead of a success"),
            Self::StoredOtherwise { found, wanted } => {
                write!(f, "taken, but {found} bytes are there instead of {wanted}")
            }
            Self::StoredAllTheSame { found } => write!(f, "413, yet {found} bytes are there"),
            Self::NoAnswer(cause) => write!(f, "no answer: {cause}"),
        }
    }
}

/// Climbs the ladder around `limit` bytes for each form.
#[must_use]
pub fn climb(plan: &Plan, limit: u64, forms: &[Form]) -> Vec<Step> {
    let mut steps = Vec::new();
    for &form in forms {
        for chunked in [false, true] {
            for bytes in [limit.saturating_sub(1), limit, limit.saturating_add(1)] {
                let number = steps.len() as u64;
                let mut rung = Rung::new(plan, bytes, form, plan.workload.keys + number);
                let outcome = rung
                    .climb(chunked, bytes > limit)
                    .unwrap_or_else(|cause| Outcome::NoAnswer(cause.to_string()));
                steps.push(Step {
                    bytes,
                    chunked,
                    form,
                    outcome,
                });
            }
        }
    }
    steps
}

struct Rung {
    writer: RequestWriter,
    client: PlainClient,
    path: String,
    body: Vec<u8>,
    form: Form,
}

impl Rung {
    fn new(plan: &Plan, bytes: u64, form: Form, key: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let workload = Rc::new(plan.workload.clone());
        let now = clock::now().unix;
        Self {
            path: workload.path(key),
            writer: RequestWriter::new(plan.target.clone(), workload, plan.signing.clone(), now),
            client: PlainClient::new(plan.target.clone(), plan.timeout),
            // Without its padding a Base64 text may have any length but 4n + 1.
            body: b"Base64+text/AlsoRaw0"
                .iter()
                .copied()
                .cycle()
                .take(bytes)
                .collect(),
            form,
        }
    }

    fn climb(&mut self, chunked: bool, over: bool) -> io::Result<Outcome> {
        let status = self.put(chunked)?;
        match (status, over) {
            (TOO_LARGE, true) => Ok(match self.found()? {
                None => Outcome::Refused,
                Some(found) => Outcome::StoredAllTheSame { found },
            }),
            (200..=204, false) => {
                let found = self.found()?.unwrap_or_default();
                let wanted = match self.form {
                    Form::Raw => self.body.len() as u64,
                    Form::Base64 => self.body.len() as u64 * 3 / 4,
                };
                Ok(if found == wanted {
                    Outcome::Stored
                } else {
                    Outcome::StoredOtherwise { found, wanted }
                })
            }
            (status, over) => Ok(Outcome::Status { status, over }),
        }
    }

    fn put(&mut self, chunked: bool) -> io::Result<u16> {
        let content_type: &[u8] = match self.form {
            Form::Raw => b"application/octet-stream",
            Form::Base64 => b"application/json",
        };
        let request = Request {
            method: "PUT",
            path: &self.path,
            accept: None,
            content_type: Some(content_type),
            range: None,
            body: if chunked {
                BodyLength::Chunked
            } else {
                BodyLength::Known(self.body.len() as u64)
            },
            sha256: &sha256_hex(&self.body),
        };
        let mut head = Vec::new();
        self.writer
            .write_request(&request, clock::now().unix, &mut head);
        let framed;
        let body = if chunked {
            framed = in_chunks(&self.body);
            &framed
        } else {
            &self.body
        };
        Ok(self.client.exchange("PUT", &head, &[body])?.status)
    }

    /// The length of the object; `None` if there is none.
    fn found(&mut self) -> io::Result<Option<u64>> {
        let request = Request {
            method: "GET",
            path: &self.path,
            accept: Some(b"application/octet-stream"),
            content_type: None,
            range: None,
            body: BodyLength::None,
            sha256: &sha256_hex(b""),
        };
        let mut head = Vec::new();
        self.writer
            .write_request(&request, clock::now().unix, &mut head);
        let received = self.client.exchange("GET", &head, &[])?;
        // Some documents answer 200 with the store's error text for an object that is not there.
        const ERROR_BYTES_MAX: u64 = 16 * 1024;
        let is_there = received.status == 200
            && received.body_bytes > ERROR_BYTES_MAX.min(self.body.len() as u64 / 2);
        Ok(is_there.then_some(received.body_bytes))
    }
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + body.len() / CHUNK_BYTES * 16 + 64);
    for chunk in body.chunks(CHUNK_BYTES) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(LAST_CHUNK);
    framed
}
