//! `--config FILE`: TOML whose keys are all known, each value of the type that it must have.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::app::bench::section::BenchSection;
use crate::app::settings::access_log::AccessLogChoice;
use crate::app::settings::admin::AdminChoice;
use crate::app::settings::bounded_file;
use crate::app::settings::choices::AddressingStyle;
use crate::app::settings::choices::BasePathChoice;
use crate::app::settings::choices::BodySigning;
use crate::app::settings::choices::ColorChoice;
use crate::app::settings::choices::IoDriver;
use crate::app::settings::choices::LogFormat;
use crate::app::settings::choices::LogLevel;
use crate::app::settings::error::SettingsError;
use crate::app::settings::finding_code::SilencedCode;
use crate::app::settings::names::BucketName;
use crate::app::settings::names::DomainName;
use crate::app::settings::names::HostName;
use crate::app::settings::names::Region;
use crate::app::settings::names::StageName;
use crate::app::settings::names::VariableName;
use crate::app::settings::names::VariableValue;
use crate::app::settings::names::VisibleText;
use crate::app::settings::names::is_visible;
use crate::app::settings::otlp::CollectorUrl;
use crate::app::settings::otlp::Ratio;
use crate::app::settings::place::key_of;
use crate::app::settings::place::key_of_line;
use crate::app::settings::place::line_and_column;
use crate::app::settings::place::message_of;
use crate::app::settings::plan_sections::ApiKeySection;
use crate::app::settings::plan_sections::ThrottleSection;
use crate::app::settings::plan_sections::UsagePlanSection;
use crate::app::settings::tls_section::TlsSection;
use crate::app::settings::values::ByteRate;
use crate::app::settings::values::ConnectionCap;
use crate::app::settings::values::ConnectionCount;
use crate::app::settings::values::HeaderBytes;
use crate::app::settings::values::ListenAddress;
use crate::app::settings::values::Milliseconds;
use crate::app::settings::values::PayloadBytes;
use crate::app::settings::values::PendingCount;
use crate::app::settings::values::Percent;
use crate::app::settings::values::Seconds;
use crate::app::settings::values::StoreUrl;
use crate::app::settings::values::TrustedRange;
use crate::app::settings::values::ValueFault;
use crate::app::settings::values::WorkerCount;
use crate::app::settings::values::at_least_one;

/// The bytes that a configuration file may have.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    /// `[server]`
    pub server: ServerSection,
    /// `[s3]`
    pub s3: S3Section,
    /// `[import]`
    pub import: ImportSection,
    /// `[stage]`
    pub stage: StageSection,
    /// `[[api]]`
    pub api: Vec<Spanned<ApiSection>>,
    /// `[[identity]]`
    pub identity: Vec<Spanned<IdentitySection>>,
    /// `[[api_key]]`
    pub api_key: Vec<Spanned<ApiKeySection>>,
    /// `[[usage_plan]]`
    pub usage_plan: Vec<Spanned<UsagePlanSection>>,
    /// `[throttle]`
    pub throttle: Option<Spanned<ThrottleSection>>,
    /// `[upstream]`
    pub upstream: UpstreamSection,
    /// `[sidecar]`
    pub sidecar: SidecarSection,
    /// `[bench]`
    pub bench: BenchSection,
    /// `[output]`
    pub output: OutputSection,
    /// `[[role]]`
    pub role: Vec<Spanned<RoleSection>>,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[timeouts]`
    pub timeouts: TimeoutsSection,
    /// `[[tls]]`
    pub tls: Vec<TlsSection>,
}

/// `[server]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Addresses to listen on; not empty.
    #[serde(deserialize_with = "at_least_one")]
    pub listen: Option<Vec<ListenAddress>>,
    /// Addresses whose connections begin with a header of the PROXY protocol.
    pub proxy_listen: Vec<ListenAddress>,
    /// Whether another process may listen at the same addresses.
    pub share_port: Option<bool>,
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: Vec<TrustedRange>,
    /// Threads.
    pub workers: Option<WorkerCount>,
    /// Runtime driver.
    pub io_driver: Option<IoDriver>,
    /// Least severity that is logged.
    pub log_level: Option<LogLevel>,
    /// Shape of log lines.
    pub log_format: Option<LogFormat>,
    /// Seconds that a drain may take.
    pub drain_timeout: Option<Seconds>,
    /// Seconds before it in which requests are still taken.
    pub drain_delay: Option<Seconds>,
    /// Whether clients' traces go on.
    pub trace_context: Option<bool>,
    /// Collector of spans.
    pub otlp_endpoint: Option<CollectorUrl>,
    /// Part of new traces that is recorded.
    pub otlp_sample_ratio: Option<Ratio>,
    /// Read everything again when a file changes.
    pub watch: Option<bool>,
    /// Folder of the quota counts.
    pub state_dir: Option<PathBuf>,
    /// Address of the admin listener.
    pub admin: Option<AdminChoice>,
    /// Format of the access log.
    pub access_log: Option<AccessLogChoice>,
    /// File that the access log is appended to.
    pub access_log_file: Option<PathBuf>,
}

/// `[s3]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Section {
    /// The store.
    pub endpoint: Option<StoreUrl>,
    /// Signing region.
    pub region: Option<Region>,
    /// Where the bucket stands in a request.
    pub addressing: Option<AddressingStyle>,
    /// Bucket of URIs that name none.
    pub bucket: Option<BucketName>,
    /// How bodies are signed.
    pub payload_signing: Option<BodySigning>,
    /// Certificate authorities beside the system's.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// Access key id.
    pub access_key_id: Option<VisibleText>,
    /// Secret key.
    pub secret_access_key: Option<FileSecret>,
    /// File that holds the secret key.
    pub secret_access_key_file: Option<Spanned<PathBuf>>,
    /// Session token.
    pub session_token: Option<FileSecret>,
    /// File that holds the session token.
    pub session_token_file: Option<Spanned<PathBuf>>,
}

/// `[upstream]`: of each core towards the store and each HTTP server
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamSection {
    /// Connections.
    pub connections: Option<ConnectionCount>,
    /// Requests that wait for one.
    pub pending: Option<PendingCount>,
    /// Retries for a hundred requests.
    pub retries: Option<Percent>,
}

/// `[sidecar]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SidecarSection {
    /// Serve beyond this machine without identities.
    pub allow_unauthenticated: Option<bool>,
    /// Domains under which the bucket stands in the host.
    pub domain: Vec<DomainName>,
}

/// `[import]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportSection {
    /// Refuse what API Gateway refuses.
    pub strict: Option<bool>,
    /// Take warnings for errors.
    pub fail_on_warnings: Option<bool>,
    /// Serve protected methods to anybody.
    pub ignore_authorizers: Option<bool>,
    /// What the base path does.
    pub base_path: Option<BasePathChoice>,
    /// Findings that are left out.
    pub allow: Vec<SilencedCode>,
}

/// `[output]`: of the commands that only tell.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSection {
    /// One JSON document in place of text.
    pub json: Option<bool>,
    /// Colours.
    pub color: Option<ColorChoice>,
}

/// `[stage]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageSection {
    /// The stage's name.
    pub name: Option<StageName>,
    /// Stage variables, in the file's order of names.
    pub variables: BTreeMap<VariableName, VariableValue>,
}

/// `[[api]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    /// The document.
    pub file: PathBuf,
    /// Its stage.
    pub stage: Option<StageName>,
    /// The only host name under which it answers.
    pub host: Option<HostName>,
    /// Its stage variables, in the file's order of names.
    pub variables: Option<Spanned<BTreeMap<VariableName, VariableValue>>>,
}

/// `[[identity]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySection {
    /// Access key id.
    pub access_key_id: Spanned<String>,
    /// Secret key.
    pub secret_access_key: Option<FileSecret>,
    /// File that holds the secret key.
    pub secret_access_key_file: Option<Spanned<PathBuf>>,
    /// Session token.
    pub session_token: Option<FileSecret>,
    /// File that holds the session token.
    pub session_token_file: Option<Spanned<PathBuf>>,
    /// When the session ends.
    pub session_end: Option<Spanned<String>>,
    /// Account of the caller.
    pub account_id: Option<Spanned<String>>,
    /// The caller's ARN.
    pub arn: Option<Spanned<String>>,
    /// The caller's principal id.
    pub user_id: Option<String>,
    /// IAM identity policy.
    pub policy_file: Option<Spanned<PathBuf>>,
    /// Buckets that the identity may use through the sidecar.
    #[serde(default)]
    pub buckets: Vec<BucketName>,
    /// Key prefixes that it may use.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// S3 actions that it may perform.
    pub operations: Option<Spanned<Vec<String>>>,
}

/// `[[role]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSection {
    /// What `credentials` of an integration says.
    pub arn: Spanned<String>,
    /// Access key id.
    pub access_key_id: Option<Spanned<VisibleText>>,
    /// Secret key.
    pub secret_access_key: Option<FileSecret>,
    /// File that holds the secret key.
    pub secret_access_key_file: Option<Spanned<PathBuf>>,
    /// Session token.
    pub session_token: Option<FileSecret>,
    /// File that holds the session token.
    pub session_token_file: Option<Spanned<PathBuf>>,
    /// IAM policy of the role.
    pub policy_file: Option<Spanned<PathBuf>>,
    /// A profile of the SDKs' shared files whose keys sign, or assume the role.
    pub profile: Option<Spanned<VisibleText>>,
    /// Whether the role is assumed at STS.
    pub assume_role: Option<Spanned<bool>>,
    /// Name of the session of an assumed role.
    pub session_name: Option<Spanned<String>>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Bytes of a request body.
    pub payload_bytes: Option<PayloadBytes>,
    /// Bytes of a request's header names and values.
    pub header_bytes: Option<HeaderBytes>,
    /// Connections of clients.
    pub connections: Option<ConnectionCap>,
    /// Connections of one client address.
    pub connections_per_address: Option<ConnectionCap>,
    /// Bytes of a request body each second.
    pub min_body_rate: Option<ByteRate>,
    /// Bytes of a response that a client takes each second.
    pub min_read_rate: Option<ByteRate>,
}

/// `[timeouts]`, milliseconds
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsSection {
    /// Connecting to the store.
    pub connect: Option<Milliseconds>,
    /// First byte of the store's answer.
    pub integration: Option<Milliseconds>,
    /// Arrival of a request head.
    pub header: Option<Milliseconds>,
    /// Silence on a connection.
    pub idle: Option<Milliseconds>,
    /// Waiting for a client before its rates count.
    pub rate_grace: Option<Milliseconds>,
}

/// A secret as the file holds it; `Debug` prints nothing of it.
#[derive(Clone)]
pub struct FileSecret(pub String);

impl<'de> Deserialize<'de> for FileSecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if is_visible(&text) {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom(ValueFault::VisibleText))
        }
    }
}

impl std::fmt::Debug for FileSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A configuration file that was read.
#[derive(Debug, Default)]
pub struct ConfigFile {
    /// Its name as given; paths in it are relative to its folder.
    pub path: PathBuf,
    /// Its text, for the places of later faults.
    text: String,
    /// What it says.
    pub sections: Sections,
}

impl ConfigFile {
    /// The file that `--config` names; an empty one if it names none.
    pub fn given(path: Option<&Path>) -> Result<Self, SettingsError> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |cause: std::io::Error| SettingsError::Unreadable {
            what: "configuration file (--config)",
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        let text = bounded_file::read_text(path, FILE_BYTES_MAX).map_err(unreadable)?;
        Self::parse(path, text)
    }

    /// Checks the text of the file at `path`.
    pub fn parse(path: &Path, text: String) -> Result<Self, SettingsError> {
        match toml::from_str(&text) {
            Ok(sections) => Ok(Self {
                path: path.to_owned(),
                text,
                sections,
            }),
            Err(mut error) => {
                let key = key_of(&mut error);
                let span = error.span().unwrap_or(0..0);
                let (line, column) = line_and_column(&text, span.start);
                Err(SettingsError::File {
                    path: path.to_owned(),
                    line,
                    column,
                    key: key.or_else(|| key_of_line(&text, span.start)),
                    message: message_of(&error),
                })
            }
        }
    }

    /// A fault found later at `span` of this file.
    pub fn fault(&self, span: Range<usize>, key: &str, message: String) -> SettingsError {
        let (line, column) = line_and_column(&self.text, span.start);
        SettingsError::File {
            path: self.path.clone(),
            line,
            column,
            key: Some(key.to_owned()),
            message,
        }
    }

    /// A path written in the file, as seen from the process.
    pub fn beside(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) if path.is_relative() => folder.join(path),
            _ => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> String {
        ConfigFile::parse(Path::new("s.toml"), text.to_owned())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_section_of_this_version_is_read() {
        let text = "[server]\nlisten = ['127.0.0.1:0']\nworkers = 2\nio_driver = 'epoll'\n\
             [s3]\nendpoint = 'http://127.0.0.1:8333'\nregion = 'eu-west-1'\naddressing = 'virtual-host'\n\
             [stage]\nname = 'v1'\n[stage.variables]\nbucket = 'photos'\n\
             [[api]]\nfile = 'a.yaml'\nstage = 'S3'\n\
             [limits]\npayload_bytes = 0\nheader_bytes = 10240\n[timeouts]\nidle = 60000\n";
        let file = ConfigFile::parse(Path::new("conf/s.toml"), text.to_owned()).unwrap();
        assert_eq!(file.sections.server.workers.unwrap().number(), 2);
        assert_eq!(
            file.sections.s3.addressing,
            Some(AddressingStyle::VirtualHost)
        );
        assert_eq!(file.sections.limits.payload_bytes.unwrap().number(), 0);
        assert_eq!(
            file.beside(&file.sections.api[0].get_ref().file),
            Path::new("conf/a.yaml")
        );
        assert_eq!(
            file.beside(Path::new("/etc/a.yaml")),
            Path::new("/etc/a.yaml")
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let fault = fault_of("[server]\nworkers = 1\nlitsen = ['127.0.0.1:0']\n");
        assert!(fault.starts_with("s.toml:3:1: "), "{fault}");
        assert!(fault.contains("litsen"), "{fault}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let fault = fault_of("[server]\nworkers = \"two\"\n");
        assert!(
            fault.starts_with("s.toml:2:11: server.workers: "),
            "{fault}"
        );
    }

    #[test]
    fn an_impossible_value_is_named_with_its_place() {
        let fault = fault_of("[timeouts]\nidle = 0\n");
        assert!(fault.starts_with("s.toml:2:8: timeouts.idle: "), "{fault}");
        assert!(fault.contains("from 1 to"), "{fault}");
        let fault = fault_of("[s3]\nendpoint = 's3://example'\n");
        assert!(
            fault.starts_with("s.toml:2:12: s3.endpoint: endpoint s3://example: wanted http"),
            "{fault}"
        );
    }

    #[test]
    fn an_empty_list_of_addresses_is_refused() {
        let fault = fault_of("[server]\nlisten = []\n");
        assert!(
            fault.starts_with("s.toml:2:10: server.listen: at least one"),
            "{fault}"
        );
    }

    #[test]
    fn stage_variables_are_refused_where_they_stand() {
        for (line, start) in [
            (
                "\"b c\" = 'x'",
                "s.toml:2:1: stage.variables: \"b c\": the name of a stage",
            ),
            (
                "b = 'x y'",
                "s.toml:2:5: stage.variables.b: the value of a stage",
            ),
            ("b = ''", "s.toml:2:5: stage.variables.b: the value"),
            ("b = 5", "s.toml:2:5: stage.variables.b: found integer"),
        ] {
            let fault = fault_of(&format!("[stage.variables]\n{line}\n"));
            assert!(fault.starts_with(start), "{fault}");
        }
    }

    #[test]
    fn broken_toml_is_named_with_its_place() {
        let fault = fault_of("[server]\nworkers = \n");
        assert!(fault.starts_with("s.toml:2:"), "{fault}");
    }

    #[test]
    fn the_commented_example_holds_with_and_without_its_comments() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sluicegate.toml");
        let file = ConfigFile::read(&path).unwrap();
        let document = file.sections.api[0].get_ref();
        assert!(file.beside(&document.file).exists());
        let bare = |line: &str| match line.strip_prefix("# ") {
            Some(key) if key.starts_with('[') => key.to_owned(),
            Some(key) if key.contains(" = ") && !key.starts_with(char::is_uppercase) => {
                key.to_owned()
            }
            _ => line.to_owned(),
        };
        let text: Vec<String> = file.text.lines().map(bare).collect();
        let whole = ConfigFile::parse(&path, text.join("\n")).unwrap().sections;
        assert!(whole.server.workers.is_some() && whole.s3.bucket.is_some());
        assert!(whole.stage.name.is_some() && !whole.stage.variables.is_empty());
        assert_eq!(whole.identity.len(), 1);
        assert_eq!(whole.api_key.len(), 1);
        assert_eq!(whole.usage_plan.len(), 1);
        assert!(whole.server.state_dir.is_some() && whole.throttle.is_some());
    }

    #[test]
    fn secrets_of_the_file_are_not_printed() {
        let text = "[s3]\nsecret_access_key = 'hunter2'\n";
        let file = ConfigFile::parse(Path::new("s.toml"), text.to_owned()).unwrap();
        assert!(!format!("{:?}", file.sections).contains("hunter2"));
    }
}
