//! What the credential chain needs of the world, blocking: it runs on a thread of its own.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::Uri;
use http::header::HOST;
use reqsign_core::CommandExecute;
use reqsign_core::CommandOutput;
use reqsign_core::Error;
use reqsign_core::FileRead;
use reqsign_core::HttpSend;
use ureq::Agent;

use crate::net::blocking_http::agent;
use crate::net::blocking_http::told;
use crate::net::tls::trust::Trust;

/// Until a connection stands. The metadata address of a machine that has none answers nothing; the SDKs wait as long.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// For a whole call. STS takes some hundred milliseconds.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Credentials are some kilobytes long.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// HTTP over blocking sockets.
pub(super) struct Http {
    trust: Trust,
    /// Made for the first call: with keys in the environment there is none, and the system's authorities need not be read.
    agent: OnceLock<Agent>,
    /// `AWS_ENDPOINT_URL_STS`: where requests to STS go instead, with the Host that was signed.
    sts: Option<Uri>,
}

impl Http {
    pub(super) fn new(trust: &Trust, sts: Option<Uri>) -> Self {
        Self {
            trust: trust.clone(),
            agent: OnceLock::new(),
            sts,
        }
    }

    fn agent(&self) -> &Agent {
        self.agent
            .get_or_init(|| agent(&self.trust, CONNECT_MAX, CALL_MAX))
    }

    /// Sends a request for STS to the endpoint that stands in for it.
    fn redirect(&self, request: &mut http::Request<Bytes>) -> reqsign_core::Result<()> {
        let Some(sts) = &self.sts else {
            return Ok(());
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        if !host.starts_with("sts.") {
            return Ok(());
        }
        let mut parts = sts.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        let wrong = |_| Error::config_invalid("AWS_ENDPOINT_URL_STS cannot be called");
        *request.uri_mut() = Uri::from_parts(parts).map_err(wrong)?;
        let signed = HeaderValue::from_str(&host)
            .map_err(|_| Error::config_invalid("the host of STS cannot be sent"))?;
        request.headers_mut().entry(HOST).or_insert(signed);
        Ok(())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl HttpSend for Http {
    async fn http_send(
        &self,
        mut request: http::Request<Bytes>,
    ) -> reqsign_core::Result<http::Response<Bytes>> {
        self.redirect(&mut request)?;
        let place = request.uri().host().unwrap_or_default().to_owned();
        // Only the kind of failure and the place are told: requests and answers hold secrets.
        let failed = |cause: ureq::Error| Error::unexpected(format!("{place}: {}", told(&cause)));
        let (parts, body) = request.into_parts();
        let request = http::Request::from_parts(parts, body.to_vec());
        let (parts, mut body) = self.agent().run(request).map_err(failed)?.into_parts();
        let bytes = body
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(failed)?;
        Ok(http::Response::from_parts(parts, bytes.into()))
    }
}

/// Files as the system has them.
#[derive(Debug)]
pub(super) struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        std::fs::read(path).map_err(|cause| Error::config_invalid(format!("{path}: {cause}")))
    }
}

/// Commands as the system runs them: `credential_process` of a profile.
#[derive(Debug)]
pub(super) struct Commands;

impl CommandExecute for Commands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> reqsign_core::Result<CommandOutput> {
        let output = std::process::Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|cause| Error::config_invalid(format!("{program}: {cause}")))?;
        Ok(CommandOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}
