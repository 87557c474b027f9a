//! HTTP in front of the protocol: the listener, a task per connection, and the end of both.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::rand::{SecureRandom, SystemRandom};
use s3s::service::S3Service;
use s3s::{Body, HttpResponse};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::store::blobs::hex;
use crate::store::error_body;
use crate::store::protocol::StatusInstead;
use crate::store::request_body::LentBody;
use crate::store::xml_text::well_formed;

/// Connections at a time; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 512;

/// How long a request head may take to arrive, and so how long a connection may stay idle.
const HEAD_SECONDS_MAX: u64 = 120;

/// How long running requests may go on after a stop.
const DRAIN_SECONDS_MAX: u64 = 10;

/// The pause after an accept that failed, out of descriptors for instance.
const ACCEPT_PAUSE_MS: u64 = 50;

/// Accepts until `stop` says so, then lets running requests end.
pub(crate) async fn run(
    listener: TcpListener,
    service: S3Service,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (service, stop) = (service.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, service, stop).await;
                    drop(permit);
                });
            }
            Err(cause) => {
                tracing::warn!(%cause, "the store could not accept a connection");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
    drop(listener);
    let drained = timeout(Duration::from_secs(DRAIN_SECONDS_MAX), async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!("requests to the store were cut at the end of its drain time");
    }
}

/// Returns when the stop has been asked for. A sender that is gone means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stopped| *stopped).await);
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, service: S3Service, mut stop: watch::Receiver<bool>) {
    let answering = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(answer(&service, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .serve_connection(TokioIo::new(stream), answering);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(%cause, "a connection to the store ended early");
    }
}

async fn answer(service: &S3Service, request: Request<Incoming>) -> Response<Body> {
    let request_id = request_id();
    let path = request.uri().path().to_owned();
    let (parts, body) = request.into_parts();
    let expects = parts.headers.contains_key(EXPECT);
    let is_head = parts.method == Method::HEAD;
    let (lent, leftover) = LentBody::new(body);
    let request = Request::from_parts(parts, Body::http_body(lent));
    let mut response = match service.call(request).await {
        Ok(response) => response,
        Err(cause) => {
            tracing::error!(?cause, "the store could not write its answer");
            internal_error()
        }
    };
    if let Some(StatusInstead(status)) = response.extensions_mut().remove() {
        *response.status_mut() = status;
    }
    if expects && !leftover.was_asked_for() {
        // The client sends no body now. RFC 9110 §10.1.1 lets the 100 be left out, but botocore would keep this answer's
        // status line for the next request on the connection that expects a 100, and wait for the rest of it.
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    } else {
        leftover.drain().await;
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    log_refusal(&response, &request_id);
    let (mut parts, mut body) = response.into_parts();
    body = well_formed(body, &mut parts.headers);
    if !is_head && parts.status.as_u16() >= 400 {
        body = error_body::complete(body, &mut parts.headers, &path, &request_id);
    }
    Response::from_parts(parts, body)
}

/// The program's log leaves out what `s3s` says, which calls every refusal an error; this takes its place.
fn log_refusal(response: &HttpResponse, request_id: &str) {
    let status = response.status();
    let document = response.body().bytes().unwrap_or_default();
    let code = error_body::code(&document).unwrap_or_default();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%request_id, code, "the store failed to answer a request");
    } else if status.as_u16() >= 400 {
        tracing::debug!(%request_id, status = status.as_u16(), code, "the store refused a request");
    }
}

fn internal_error() -> HttpResponse {
    let document =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>InternalError</Code></Error>";
    let mut response = Response::new(Body::from(document.to_owned()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Sixteen hex digits.
fn request_id() -> String {
    let mut random = [0; 8];
    // Without random numbers the id is all zeros; it is for logs only.
    if SystemRandom::new().fill(&mut random).is_err() {
        random = [0; 8];
    }
    hex(&random).to_ascii_uppercase()
}
