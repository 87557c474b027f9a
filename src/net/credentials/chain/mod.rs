//! Where keys are looked for: the default chain of the AWS SDKs, a profile, or a role.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context as Waiting;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;
use std::thread::Thread;

use http::Uri;
use reqsign_aws_v4::AssumeRoleCredentialProvider;
use reqsign_aws_v4::AssumeRoleWithWebIdentityCredentialProvider;
use reqsign_aws_v4::Credential;
use reqsign_aws_v4::ECSCredentialProvider;
use reqsign_aws_v4::EnvCredentialProvider;
use reqsign_aws_v4::IMDSv2CredentialProvider;
use reqsign_aws_v4::ProcessCredentialProvider;
use reqsign_aws_v4::ProfileCredentialProvider;
use reqsign_aws_v4::RequestSigner;
use reqsign_aws_v4::SSOCredentialProvider;
use reqsign_core::Context;
use reqsign_core::ProvideCredential;
use reqsign_core::ProvideCredentialDyn;
use reqsign_core::Signer;
use reqsign_core::StaticEnv;

use crate::net::credentials::outside::Commands;
use crate::net::credentials::outside::Files;
use crate::net::credentials::outside::Http;
use crate::net::credentials::slot::Keys;
use crate::net::tls::trust::Trust;
use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::credentials::Secret;

/// What a chain looks at.
#[derive(Clone, Debug)]
pub struct ChainSettings {
    /// The `AWS_…` variables of the environment.
    pub variables: HashMap<String, String>,
    /// The user's home, for `~/.aws`.
    pub home: Option<PathBuf>,
    /// The region whose STS is called.
    pub region: String,
    /// Authorities for calls over https.
    pub trust: Trust,
}

/// Places where keys may be, in order. Blocks the thread that asks it.
pub struct Chain {
    context: Context,
    region: String,
    sources: Vec<Source>,
}

struct Source {
    name: String,
    provider: Box<dyn ProvideCredentialDyn<Credential = Credential>>,
    /// Its failure means that it is not there: the metadata service of a machine that has none.
    may_be_absent: bool,
}

/// Why a chain gave no keys. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// No place has any; with what the last one said, if it was asked over the network.
    Nowhere(Option<String>),
    /// A place that is configured could not give its keys. Those behind it are not asked: they might be another's.
    Failed {
        /// The place.
        source: String,
        /// What happened.
        message: String,
    },
}

impl Chain {
    /// The SDKs' order: environment, profile, SSO, web identity, process, ECS and other containers, IMDSv2.
    #[must_use]
    pub fn standard(settings: &ChainSettings) -> Self {
        let mut chain = Self::empty(settings);
        chain.push("environment", EnvCredentialProvider::new());
        chain.push("profile", ProfileCredentialProvider::new());
        chain.push("SSO", SSOCredentialProvider::new());
        chain.push(
            "web identity",
            AssumeRoleWithWebIdentityCredentialProvider::new(),
        );
        chain.push("process", ProcessCredentialProvider::new());
        chain.push("container", ECSCredentialProvider::new());
        chain.push("instance metadata", IMDSv2CredentialProvider::new());
        if let Some(last) = chain.sources.last_mut() {
            last.may_be_absent = true;
        }
        chain
    }

    /// One profile of the shared files: its keys, its SSO session or its process.
    #[must_use]
    pub fn profile(settings: &ChainSettings, profile: &str) -> Self {
        let mut chain = Self::empty(settings);
        let name = |kind: &str| format!("{kind} {profile}");
        chain.push(
            &name("profile"),
            ProfileCredentialProvider::new().with_profile(profile),
        );
        chain.push(
            &name("SSO of profile"),
            SSOCredentialProvider::new().with_profile(profile),
        );
        chain.push(
            &name("process of profile"),
            ProcessCredentialProvider::new().with_profile(profile),
        );
        chain
    }

    /// A role that the keys of `self` assume at STS, under `session_name`.
    #[must_use]
    pub fn assume_role(self, role_arn: &str, session_name: &str) -> Self {
        let (context, region) = (self.context.clone(), self.region.clone());
        let signer = Signer::new(context.clone(), self, RequestSigner::new("sts", &region));
        let provider = AssumeRoleCredentialProvider::new(role_arn.to_owned(), signer)
            .with_role_session_name(session_name.to_owned())
            .with_region(region.clone())
            .with_regional_sts_endpoint();
        Self {
            context,
            region,
            sources: vec![Source {
                name: format!("role {role_arn}"),
                provider: Box::new(provider),
                may_be_absent: false,
            }],
        }
    }

    fn empty(settings: &ChainSettings) -> Self {
        let sts = settings
            .variables
            .get("AWS_ENDPOINT_URL_STS")
            .or_else(|| settings.variables.get("AWS_ENDPOINT_URL"))
            .and_then(|url| url.parse::<Uri>().ok());
        let context = Context::new()
            .with_env(StaticEnv {
                home_dir: settings.home.clone(),
                envs: settings.variables.clone(),
            })
            .with_file_read(Files)
            .with_command_execute(Commands)
            .with_http_send(Http::new(&settings.trust, sts));
        Self {
            context,
            region: settings.region.clone(),
            sources: Vec::new(),
        }
    }

    fn push(&mut self, name: &str, provider: impl ProvideCredential<Credential = Credential>) {
        self.sources.push(Source {
            name: name.to_owned(),
            provider: Box::new(provider),
            may_be_absent: false,
        });
    }

    /// Asks each place in turn, blocking.
    ///
    /// # Errors
    /// None has keys, or one that should could not give them.
    pub fn find(&self) -> Result<Keys, ChainFault> {
        let (source, found) = block_on(self.ask())?;
        let expires = found
            .expires_in
            .map(|end| UnixSeconds(u64::try_from(end.as_second()).unwrap_or(0)));
        Ok(Keys {
            credentials: Credentials {
                access_key_id: found.access_key_id,
                secret_access_key: Secret::new(found.secret_access_key),
                session_token: found.session_token.map(Secret::new),
            },
            expires,
            source,
        })
    }

    async fn ask(&self) -> Result<(String, Credential), ChainFault> {
        let mut absent = None;
        for source in &self.sources {
            let found = source.provider.provide_credential_dyn(&self.context).await;
            match found {
                Ok(Some(credential)) => return Ok((source.name.clone(), credential)),
                Ok(None) => {}
                Err(fault) if source.may_be_absent => {
                    absent = Some(format!("{}: {fault}", source.name));
                }
                Err(fault) => {
                    return Err(ChainFault::Failed {
                        source: source.name.clone(),
                        message: fault.to_string(),
                    });
                }
            }
        }
        Err(ChainFault::Nowhere(absent))
    }
}

impl ProvideCredential for Chain {
    type Credential = Credential;

    async fn provide_credential(
        &self,
        _: &Context,
    ) -> reqsign_core::Result<Option<Self::Credential>> {
        let told = |fault: ChainFault| reqsign_core::Error::credential_invalid(fault.to_string());
        self.ask().await.map(|(_, found)| Some(found)).map_err(told)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.sources.iter().map(|source| source.name.as_str());
        f.debug_list().entries(names).finish()
    }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere(None) => f.write_str("no credentials were found"),
            Self::Nowhere(Some(last)) => write!(f, "no credentials were found ({last})"),
            Self::Failed { source, message } => write!(f, "{source}: {message}"),
        }
    }
}

impl std::error::Error for ChainFault {}

/// Wakes a thread that waits for a future.
struct Bell(Thread);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Bell(std::thread::current())));
    let mut waiting = Waiting::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut waiting) {
            return output;
        }
        std::thread::park();
    }
}
