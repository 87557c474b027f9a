//! The documents of one process, and which of them a request is for: host name, then stage.

use std::cmp::Ordering;
use std::fmt;

use crate::pipeline::route::stage_of;
use crate::serve::settings::GatewaySettings;
use crate::wire::http1::head::RequestHead;
use crate::wire::http1::host;
use crate::wire::target;

/// One document under its stage.
#[derive(Debug)]
pub struct Api {
    /// What a person knows the document by: its file.
    pub name: String,
    /// The only host name that it answers under, in lower case, without a port; `None`: any.
    pub host: Option<String>,
    /// How it is served.
    pub gateway: GatewaySettings,
}

/// All documents, at least one. No two of them have the same host and stage.
#[derive(Debug)]
pub struct Apis {
    /// By host, those without one first, then by stage.
    sorted: Vec<Api>,
}

/// Why documents cannot be served together.
#[derive(Debug, PartialEq, Eq)]
pub enum ApisFault {
    /// There is none.
    Empty,
    /// Two claim the same requests.
    SameStage {
        /// The document that was named first.
        first: String,
        /// The one that claims the same.
        second: String,
        /// The host of both.
        host: Option<String>,
        /// The stage of both.
        stage: String,
    },
}

/// What a document claims.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// As [`Api::name`].
    pub name: &'a str,
    /// As [`Api::host`].
    pub host: Option<&'a str>,
    /// Its stage.
    pub stage: &'a str,
}

/// Refuses documents of which two have the same host and stage.
///
/// # Errors
/// The first two that do.
pub fn refuse_clash<'a>(claims: impl Iterator<Item = Claim<'a>>) -> Result<(), ApisFault> {
    let mut sorted: Vec<Claim<'a>> = claims.collect();
    // Stable: of two that clash the one named first stays first.
    sorted.sort_by_key(|claim| (claim.host, claim.stage));
    for (a, b) in sorted.iter().zip(sorted.iter().skip(1)) {
        if (a.host, a.stage) == (b.host, b.stage) {
            return Err(ApisFault::SameStage {
                first: a.name.to_owned(),
                second: b.name.to_owned(),
                host: a.host.map(str::to_owned),
                stage: a.stage.to_owned(),
            });
        }
    }
    Ok(())
}

/// The document for a request.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// It, or, where none claims the request, the one whose settings refuse it.
    pub gateway: &'a GatewaySettings,
    /// Whether its methods may be looked at.
    pub is_claimed: bool,
}

impl Apis {
    /// Puts documents together.
    ///
    /// # Errors
    /// There is none, or two have the same host and stage.
    pub fn new(mut apis: Vec<Api>) -> Result<Self, ApisFault> {
        if apis.is_empty() {
            return Err(ApisFault::Empty);
        }
        refuse_clash(apis.iter().map(Api::claim))?;
        apis.sort_by(|a, b| a.key().cmp(&b.key()));
        Ok(Self { sorted: apis })
    }

    /// One document under any host name.
    #[must_use]
    pub fn one(gateway: GatewaySettings) -> Self {
        let name = gateway.table.title.clone();
        let host = None;
        Self {
            sorted: vec![Api {
                name,
                host,
                gateway,
            }],
        }
    }

    /// All documents, those without a host first.
    pub fn iter(&self) -> impl Iterator<Item = &Api> {
        self.sorted.iter()
    }

    /// As [`Self::iter`], to be changed before they are served.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Api> {
        self.sorted.iter_mut()
    }

    /// The document for a request: one with its host and stage, else one without a host and with its stage. A lone document
    /// without a host gets every request, and refuses those of other stages by itself. Allocates nothing.
    #[must_use]
    pub fn of(&self, head: &RequestHead) -> Option<Chosen<'_>> {
        let first = self.sorted.first()?;
        if self.sorted.len() == 1 && first.host.is_none() {
            return Some(Chosen {
                gateway: &first.gateway,
                is_claimed: true,
            });
        }
        let claimed = self.claiming(head);
        Some(Chosen {
            gateway: &claimed.unwrap_or(first).gateway,
            is_claimed: claimed.is_some(),
        })
    }

    fn claiming(&self, head: &RequestHead) -> Option<&Api> {
        let (name, stage) = asked(head)?;
        let with_host = |wanted: Option<&[u8]>| {
            let place = self
                .sorted
                .binary_search_by(|api| api.compare(wanted, stage));
            place.ok().and_then(|at| self.sorted.get(at))
        };
        with_host(Some(name)).or_else(|| with_host(None))
    }
}

/// The host name, without a port, and the stage that a request asks for; `None` if it names no stage.
#[must_use]
pub fn asked(head: &RequestHead) -> Option<(&[u8], &[u8])> {
    let target = target::parse(head.method(), head.target()).ok()?;
    let stage = stage_of(target.path)?;
    let authority = target
        .authority
        .or_else(|| head.fields.last(b"host"))
        .unwrap_or_default();
    let (name, _port) = host::split_port(authority);
    Some((name, stage))
}

impl Api {
    fn claim(&self) -> Claim<'_> {
        Claim {
            name: &self.name,
            host: self.host.as_deref(),
            stage: &self.gateway.table.stage,
        }
    }

    fn key(&self) -> (Option<&str>, &str) {
        (self.host.as_deref(), &self.gateway.table.stage)
    }

    /// As this document's key to `host`, in any case, and `stage`.
    fn compare(&self, host: Option<&[u8]>, stage: &[u8]) -> Ordering {
        let by_host = match (self.host.as_deref(), host) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(own), Some(other)) => own.bytes().cmp(other.iter().map(u8::to_ascii_lowercase)),
        };
        by_host.then_with(|| self.gateway.table.stage.as_bytes().cmp(stage))
    }
}

impl fmt::Display for ApisFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no document to serve"),
            Self::SameStage {
                first,
                second,
                host,
                stage,
            } => {
                write!(f, "{first} and {second} both claim the stage {stage} ")?;
                match host {
                    Some(host) => write!(f, "of the host {host}")?,
                    None => f.write_str("under any host")?,
                }
                f.write_str("; give one of them another `stage` or `host` in its [[api]] entry")
            }
        }
    }
}

impl std::error::Error for ApisFault {}
