//! What happens in one schedule: what a client asks, how its bytes travel, and where either side fails. All of it follows from
//! the seed.

use base64_simd::STANDARD;
use sluicegate::wire::checksum::Algorithm;
use sluicegate::wire::checksum::Hasher;

use crate::chance::Chance;

/// More than a part of a multipart upload.
const LONG_BODY_BYTES: usize = 10 * 1024 * 1024 + 4_321;
/// From this length on a download is spliced.
const SPLICED_BYTES: usize = 1_400_000;
const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// What is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// `serve` with bodies as they are.
    Objects,
    /// `serve` with JSON and Base64 conversion.
    Images,
    /// `sidecar`
    Sidecar,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Objects, Self::Images, Self::Sidecar];

    /// The lane of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self::ALL[usize::try_from(seed % 3).unwrap()]
    }
}

/// How a side fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It closes in good order.
    Close,
    /// It resets the connection.
    Reset,
    /// It neither sends nor reads any more.
    Stall,
}

const ENDS: [End; 5] = [End::Close, End::Reset, End::Close, End::Reset, End::Stall];

/// Where the client fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    None,
    /// After so many bytes of its requests.
    Sending(usize, End),
    /// After so many bytes of the responses.
    Reading(usize, End),
}

/// What the store does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreFault {
    None,
    /// It ends after the head.
    AfterHead(End),
    /// It ends after this share (of 1,000) of the body.
    InBody(usize, End),
    /// It answers 403 after the head and reads on.
    Early,
    /// It ends after this share of the answer, never after all of it.
    InAnswer(usize, End),
    /// Another answer follows the right one.
    Behind,
    /// One of [`crate::store::MALFORMED`].
    Malformed(usize),
    /// It closes after the answer and has not said so.
    ClosesAfter,
}

/// A request without the framing of HTTP/1.1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// What Content-Length says, if it is there. A lie of the chunked coding is one of the length here.
    pub(crate) length: Option<usize>,
    /// How many bytes of the wire come before the body.
    pub(crate) head_bytes: usize,
}

/// One request of a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Names the object, and nothing else of any schedule.
    pub(crate) key: String,
    pub(crate) is_put: bool,
    /// What the store holds or is to hold.
    pub(crate) object: Vec<u8>,
    /// The request on the wire of HTTP/1.1.
    pub(crate) wire: Vec<u8>,
    /// The same for HTTP/2.
    pub(crate) stream: Asked,
    /// The body of the right answer.
    pub(crate) wanted: Vec<u8>,
    /// The request is wrong by itself: its body must not become an object.
    pub(crate) is_lie: bool,
    pub(crate) store: StoreFault,
    /// The step of a multipart upload that `store` is about.
    pub(crate) step: usize,
    /// The store fails at every attempt, not only at the first.
    pub(crate) always: bool,
    /// The store's answer is chunked.
    pub(crate) chunked_answer: bool,
    /// Bytes that the store reads and writes at once.
    pub(crate) store_slice: usize,
}

/// A whole schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) exchanges: Vec<Exchange>,
    /// All requests are sent without waiting for answers.
    pub(crate) pipelined: bool,
    pub(crate) client: ClientFault,
    /// Bytes that the client writes at once.
    pub(crate) slice: usize,
}

impl Schedule {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let lane = Lane::of(seed);
        let long = lane == Lane::Objects && chance.once_in(12);
        let count = if long { 1 } else { 1 + chance.below(4) };
        let exchanges: Vec<Exchange> = (0..count)
            .map(|number| exchange(&mut chance, lane, format!("s{seed}e{number}"), long))
            .collect();
        let sent: usize = exchanges.iter().map(|one| one.wire.len()).sum();
        let answers: usize = exchanges.iter().map(|one| one.wanted.len() + 300).sum();
        let client = match chance.below(5) {
            0 => ClientFault::Sending(chance.below(sent), chance.of(&ENDS)),
            1 => ClientFault::Reading(chance.below(answers), chance.of(&ENDS)),
            _ => ClientFault::None,
        };
        Self {
            pipelined: chance.once_in(2),
            client,
            slice: slice(&mut chance, sent),
            exchanges,
        }
    }

    /// Connections that the store may be closing when the schedule is over.
    pub(crate) fn closes_behind_answers(&self) -> usize {
        let closes = |one: &&Exchange| one.store == StoreFault::ClosesAfter;
        self.exchanges.iter().filter(closes).count()
    }

    /// Nothing fails: what a client asks after each schedule.
    pub(crate) fn clean(lane: Lane, name: &str, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut exchanges = Vec::new();
        for (number, is_put) in [true, false].into_iter().enumerate() {
            let mut one = blank(format!("{name}n{number}"), is_put, chance.bytes(40_000));
            ask(&mut chance, lane, &mut one);
            exchanges.push(one);
        }
        Self {
            exchanges,
            pipelined: false,
            client: ClientFault::None,
            slice: usize::MAX,
        }
    }
}

fn slice(chance: &mut Chance, bytes: usize) -> usize {
    let smallest = (bytes / 300).max(1);
    smallest.max(chance.of(&[1, 50, 1_460, 65_536, usize::MAX]))
}

fn blank(key: String, is_put: bool, object: Vec<u8>) -> Exchange {
    Exchange {
        key,
        is_put,
        object,
        wire: Vec::new(),
        stream: Asked::default(),
        wanted: Vec::new(),
        is_lie: false,
        store: StoreFault::None,
        step: 0,
        always: false,
        chunked_answer: false,
        store_slice: usize::MAX,
    }
}

fn exchange(chance: &mut Chance, lane: Lane, key: String, long: bool) -> Exchange {
    let size = match chance.below(8) {
        0 => 1,
        1..=4 => 1 + chance.below(2_000),
        5 | 6 => 1 + chance.below(300_000),
        _ => SPLICED_BYTES,
    };
    let size = if long { LONG_BODY_BYTES } else { size };
    let is_put = long || chance.once_in(2);
    let mut one = blank(key, is_put, chance.bytes(size));
    one.is_lie = is_put && !long && chance.once_in(6);
    ask(chance, lane, &mut one);
    one.store = store_fault(chance);
    one.step = chance.below(4);
    one.always = chance.once_in(2);
    one.chunked_answer = chance.once_in(2);
    one.store_slice = slice(chance, size);
    one
}

fn store_fault(chance: &mut Chance) -> StoreFault {
    let end = chance.of(&ENDS);
    match chance.below(14) {
        0 => StoreFault::AfterHead(end),
        1 => StoreFault::InBody(chance.below(1_000), end),
        2 => StoreFault::Early,
        3 => StoreFault::InAnswer(chance.below(1_000), end),
        // it has done what it was asked for, and nobody knows
        4 => StoreFault::InAnswer(0, end),
        5 => StoreFault::Behind,
        6 => StoreFault::Malformed(chance.below(crate::store::MALFORMED.len())),
        7 | 8 => StoreFault::ClosesAfter,
        _ => StoreFault::None,
    }
}

/// Writes the request and what the right answer is.
fn ask(chance: &mut Chance, lane: Lane, one: &mut Exchange) {
    let key = &one.key;
    let mut asked = Asked {
        target: match lane {
            Lane::Objects => format!("/o/b/{key}"),
            Lane::Images => format!("/v1/s3?key=b/{key}"),
            Lane::Sidecar => format!("/b/{key}"),
        },
        ..Asked::default()
    };
    let mut chunked = None;
    if one.is_put {
        chunked = ask_put(chance, lane, one, &mut asked);
    } else {
        let as_json = lane == Lane::Images && chance.once_in(2);
        let accept = if as_json { JSON } else { OCTETS };
        asked.fields.push(("Accept", accept.to_owned()));
        one.wanted = if as_json {
            format!(
                "{{\n \"image\": \"{}\"\n}}",
                STANDARD.encode_to_string(&one.object)
            )
            .into_bytes()
        } else {
            one.object.clone()
        };
    }
    let method = if one.is_put { "PUT" } else { "GET" };
    let mut head = format!(
        "{method} {} HTTP/1.1\r\nHost: gateway.example\r\n",
        asked.target
    );
    for (name, value) in &asked.fields {
        head += &format!("{name}: {value}\r\n");
    }
    let framing = match (asked.length, &chunked) {
        (_, Some(_)) => "Transfer-Encoding: chunked\r\n".to_owned(),
        (Some(length), None) => format!("Content-Length: {length}\r\n"),
        (None, None) => String::new(),
    };
    head += &format!("{framing}\r\n");
    asked.head_bytes = head.len();
    one.wire = head.into_bytes();
    one.wire
        .extend_from_slice(chunked.as_ref().unwrap_or(&asked.body));
    one.stream = asked;
}

/// Gives the body in the chunked coding, if it is to have it.
fn ask_put(chance: &mut Chance, lane: Lane, one: &Exchange, asked: &mut Asked) -> Option<Vec<u8>> {
    if chance.once_in(6) {
        asked.fields.push(("Expect", "100-continue".to_owned()));
    }
    let mut body = one.object.clone();
    let as_text = lane == Lane::Images && (one.is_lie || chance.once_in(2));
    let media_type = if as_text { "text/plain" } else { OCTETS };
    asked.fields.push(("Content-Type", media_type.to_owned()));
    if as_text {
        body = STANDARD.encode_to_string(&body).into_bytes();
        if one.is_lie {
            body.push(b'?');
        }
    }
    let framed = lane == Lane::Sidecar && (one.is_lie || chance.once_in(2));
    let long = one.object.len() == LONG_BODY_BYTES;
    let is_chunked = lane != Lane::Sidecar
        && (long || (lane == Lane::Objects && one.is_lie) || chance.once_in(2));
    if framed {
        let lie = one.is_lie.then(|| chance.below(3));
        body = aws_chunked(&mut asked.fields, &body, lie);
    }
    let mut chunked = None;
    asked.length = Some(body.len());
    if is_chunked {
        let lie = (one.is_lie && lane == Lane::Objects).then(|| chance.below(3));
        chunked = Some(chunks(&body, lie));
        asked.length = lie.map(|lie| body.len() + 1 - 2 * (lie % 2));
    }
    asked.body = body;
    chunked
}

/// The chunked coding; with a lie in one of three places.
fn chunks(body: &[u8], lie: Option<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(70_001) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    match lie {
        None => out.extend_from_slice(b"0\r\n\r\n"),
        Some(0) => out.extend_from_slice(b"0x0\r\n\r\n"),
        Some(1) => out.extend_from_slice(b"0\n\n"),
        Some(_) => {
            // the last chunk is a byte longer than it says
            out.truncate(out.len() - 2);
            out.extend_from_slice(b"x\r\n0\r\n\r\n");
        }
    }
    out
}

/// Unsigned chunks with a CRC-32 behind them; with a lie in one of three places.
fn aws_chunked(
    fields: &mut Vec<(&'static str, String)>,
    body: &[u8],
    lie: Option<usize>,
) -> Vec<u8> {
    let length = if lie == Some(0) {
        body.len() + 1
    } else {
        body.len()
    };
    let length = length.to_string();
    for (name, value) in [
        ("Content-Encoding", "aws-chunked"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", length.as_str()),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ] {
        fields.push((name, value.to_owned()));
    }
    let mut hasher = Hasher::new(Algorithm::Crc32);
    hasher.update(body);
    if lie == Some(1) {
        hasher.update(b"x");
    }
    let mut out = Vec::new();
    for chunk in body.chunks(50_000) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\nx-amz-checksum-crc32:{}\r\n", hasher.finish()).as_bytes());
    // without the empty line the coding has no end
    if lie != Some(2) {
        out.extend_from_slice(b"\r\n");
    }
    out
}
