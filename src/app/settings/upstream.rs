//! The store that `serve` sends to: endpoint, region, addressing, bucket, keys.

use std::path::Path;
use std::path::PathBuf;

use crate::app::cli::StoreArgs;
use crate::app::credentials;
use crate::app::credentials::StoreCredentials;
use crate::app::settings::bounded_file;
use crate::app::settings::choices::AddressingStyle;
use crate::app::settings::environment::Environment;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::names::Region;
use crate::app::settings::values::StoreUrl;
use crate::app::settings::values::ValueFault;
use crate::net::credentials::chain::ChainSettings;
use crate::net::tls::trust::Trust;
use crate::net::upstream::endpoint::EndpointError;
use crate::serve::settings::Addressing;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::credentials::Secret;

/// The bytes that a file of authorities may have: ten times the usual bundle of a system.
const CA_FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// The region of requests whose region nothing names.
pub const REGION_DEFAULT: &str = "us-east-1";

/// The access key of AWS's own examples.
const EXAMPLE_ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

/// The store.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// Its origin.
    pub endpoint: StoreUrl,
    /// Signing region.
    pub region: String,
    /// Where the bucket stands.
    pub addressing: Addressing,
    /// Bucket of URIs that name none.
    pub bucket: Option<String>,
    /// The keys, or that they are to be looked for.
    pub credentials: StoreCredentials,
    /// What a credential chain looks at.
    pub chain: ChainSettings,
    /// Authorities that https upstreams are checked against.
    pub trust: Trust,
}

impl UpstreamSettings {
    /// Lays the command line over the environment over the file.
    pub fn layered(
        args: &StoreArgs,
        environment: &Environment,
        file: &ConfigFile,
    ) -> Result<Self, SettingsError> {
        let section = &file.sections.s3;
        let bucket = args.s3_bucket.as_ref().or(section.bucket.as_ref());
        let style = args.s3_addressing.or(section.addressing);
        let region = region(args, environment, file)?;
        let trust = trust(args, environment, file)?;
        let chosen = endpoint(args, environment, file)?;
        let style_default = style_default(chosen.as_ref());
        Ok(Self {
            addressing: style.unwrap_or(style_default).into(),
            endpoint: match chosen {
                Some(url) => url,
                None => endpoint_of_region(&region)?,
            },
            chain: ChainSettings {
                variables: environment.aws_variables(),
                home: environment.value("HOME").map(PathBuf::from),
                region: region.clone(),
                trust: trust.clone(),
            },
            region,
            bucket: bucket.map(|name| name.as_str().to_owned()),
            credentials: credentials::find(environment, file)?,
            trust,
        })
    }
}

/// The store of a command that sends nothing to it.
#[derive(Debug)]
pub struct SupposedUpstream {
    /// Its origin.
    pub endpoint: StoreUrl,
    /// Signing region.
    pub region: String,
    /// Where the bucket stands.
    pub addressing: Addressing,
    /// Bucket of URIs that name none.
    pub bucket: Option<String>,
    /// The keys.
    pub credentials: Credentials,
    /// What stands in for settings that are absent, in words.
    pub supposed: Vec<String>,
}

impl SupposedUpstream {
    /// As [`UpstreamSettings::layered`]; in place of an absent endpoint that of AWS, in place of absent keys an example.
    pub fn layered(
        args: &StoreArgs,
        environment: &Environment,
        file: &ConfigFile,
    ) -> Result<Self, SettingsError> {
        let section = &file.sections.s3;
        let bucket = args.s3_bucket.as_ref().or(section.bucket.as_ref());
        let style = args.s3_addressing.or(section.addressing);
        let region = region(args, environment, file)?;
        let mut supposed = Vec::new();
        let chosen = endpoint(args, environment, file)?;
        let style_default = style_default(chosen.as_ref());
        let endpoint = match chosen {
            Some(url) => url,
            None => {
                let url = endpoint_of_region(&region)?;
                supposed.push(format!("endpoint {url}, since --s3-endpoint is absent"));
                url
            }
        };
        let credentials = match credentials::given(environment, file) {
            Err(SettingsError::NoCredentials { absent }) => {
                supposed.push(format!(
                    "access key {EXAMPLE_ACCESS_KEY_ID}, since {absent} is absent"
                ));
                Credentials {
                    access_key_id: EXAMPLE_ACCESS_KEY_ID.to_owned(),
                    secret_access_key: Secret::new("example"),
                    session_token: None,
                }
            }
            given => given?,
        };
        Ok(Self {
            endpoint,
            region,
            addressing: style.unwrap_or(style_default).into(),
            bucket: bucket.map(|name| name.as_str().to_owned()),
            credentials,
            supposed,
        })
    }
}

fn endpoint(
    args: &StoreArgs,
    environment: &Environment,
    file: &ConfigFile,
) -> Result<Option<StoreUrl>, SettingsError> {
    const VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
    if let Some(url) = &args.s3_endpoint {
        return Ok(Some(url.clone()));
    }
    for name in VARIABLES {
        if let Some(text) = environment.value(name) {
            return text.parse().map(Some).map_err(|fault: EndpointError| {
                SettingsError::Variable {
                    name,
                    message: fault.to_string(),
                }
            });
        }
    }
    Ok(file.sections.s3.endpoint.clone())
}

/// Stores of one's own seldom have a name for each bucket; AWS does, and asks for it.
const fn style_default(chosen: Option<&StoreUrl>) -> AddressingStyle {
    match chosen {
        Some(_) => AddressingStyle::Path,
        None => AddressingStyle::VirtualHost,
    }
}

/// AWS's own endpoint of a region, in the region's partition.
fn endpoint_of_region(region: &str) -> Result<StoreUrl, SettingsError> {
    let suffix = match region {
        china if china.starts_with("cn-") => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    let url = format!("https://s3.{region}.{suffix}");
    url.parse()
        .map_err(|_: EndpointError| SettingsError::NoEndpoint)
}

/// `--s3-ca-file`, `SLUICEGATE_S3_CA_FILE`, `AWS_CA_BUNDLE`, `s3.ca_file`.
fn trust(
    args: &StoreArgs,
    environment: &Environment,
    file: &ConfigFile,
) -> Result<Trust, SettingsError> {
    const VARIABLE: &str = "AWS_CA_BUNDLE";
    let unusable = |what, path: &Path, cause| SettingsError::Unreadable {
        what,
        path: path.to_owned(),
        cause,
    };
    if let Some(path) = &args.s3_ca_file {
        return authorities(path)
            .map_err(|cause| unusable("certificate authorities (--s3-ca-file)", path, cause));
    }
    if let Some(path) = environment.value(VARIABLE).map(Path::new) {
        return authorities(path)
            .map_err(|cause| unusable("certificate authorities (AWS_CA_BUNDLE)", path, cause));
    }
    let Some(written) = &file.sections.s3.ca_file else {
        return Ok(Trust::default());
    };
    let path = file.beside(written.get_ref());
    authorities(&path).map_err(|cause| {
        let message = format!("{}: {cause}", path.display());
        file.fault(written.span(), "s3.ca_file", message)
    })
}

fn authorities(path: &Path) -> Result<Trust, String> {
    let pem =
        bounded_file::read_text(path, CA_FILE_BYTES_MAX).map_err(|cause| cause.to_string())?;
    Trust::with_authorities(&pem).map_err(|fault| fault.to_string())
}

/// `--s3-region`, `SLUICEGATE_S3_REGION`, `AWS_REGION`, `AWS_DEFAULT_REGION`, `s3.region`, us-east-1.
fn region(
    args: &StoreArgs,
    environment: &Environment,
    file: &ConfigFile,
) -> Result<String, SettingsError> {
    if let Some(region) = &args.s3_region {
        return Ok(region.as_str().to_owned());
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(text) = environment.value(name) {
            let message = |fault: ValueFault| fault.to_string();
            let region: Result<Region, _> = text.parse().map_err(message);
            return region
                .map(|region| region.as_str().to_owned())
                .map_err(|message| SettingsError::Variable { name, message });
        }
    }
    let written = file.sections.s3.region.as_ref();
    Ok(written.map_or(REGION_DEFAULT, Region::as_str).to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::app::cli::Cli;
    use crate::app::cli::Command;

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];

    fn layered(
        args: &[&str],
        variables: &[(&'static str, &str)],
        file: &str,
    ) -> Result<UpstreamSettings, SettingsError> {
        let cli = Cli::try_parse_from([&["sluicegate", "serve"], args].concat()).unwrap();
        let Some(Command::Serve(serve)) = cli.command else {
            panic!("serve was parsed");
        };
        let file = ConfigFile::parse(Path::new("s.toml"), file.to_owned()).unwrap();
        let environment = Environment::of(&[&KEYS, variables].concat());
        UpstreamSettings::layered(&serve.store, &environment, &file)
    }

    #[test]
    fn the_region_is_taken_from_the_first_that_names_one() {
        let file = "[s3]\nendpoint = 'http://a'\nregion = 'file'\n";
        let both = [("AWS_REGION", "first"), ("AWS_DEFAULT_REGION", "second")];
        let region =
            |args: &[&str], variables: &[_], file| layered(args, variables, file).unwrap().region;
        assert_eq!(region(&["--s3-region", "option"], &both, file), "option");
        assert_eq!(region(&[], &both, file), "first");
        assert_eq!(region(&[], &both[1..], file), "second");
        assert_eq!(region(&[], &[], file), "file");
        assert_eq!(region(&["--s3-endpoint", "http://a"], &[], ""), "us-east-1");
    }

    #[test]
    fn the_endpoint_is_option_then_variable_then_file() {
        let file = "[s3]\nendpoint = 'http://file'\n";
        let variable = [("AWS_ENDPOINT_URL_S3", "http://variable")];
        let url = |args: &[&str], variables: &[_]| {
            layered(args, variables, file).unwrap().endpoint.to_string()
        };
        assert_eq!(
            url(&["--s3-endpoint", "http://option"], &variable),
            "http://option"
        );
        assert_eq!(url(&[], &variable), "http://variable");
        assert_eq!(url(&[], &[]), "http://file");
    }

    #[test]
    fn authorities_are_option_then_variable_then_file_and_a_bad_file_names_what_named_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(vec!["store.example".to_owned()]);
        std::fs::write(&path, made.unwrap().cert.pem()).unwrap();
        let good = path.to_str().unwrap();
        let with = |args: &[&str], variables: &[_], file: &str| {
            let args = [&["--s3-endpoint", "https://a"], args].concat();
            layered(&args, variables, file).map(|settings| format!("{:?}", settings.trust))
        };
        let bad = [("AWS_CA_BUNDLE", "/nowhere")];
        let own = "Trust { own: 1, .. }";
        assert_eq!(with(&["--s3-ca-file", good], &bad, "").unwrap(), own);
        assert_eq!(with(&[], &[("AWS_CA_BUNDLE", good)], "").unwrap(), own);
        let file = format!("[s3]\nca_file = '{good}'\n");
        assert_eq!(with(&[], &[], &file).unwrap(), own);
        assert_eq!(with(&[], &[], "").unwrap(), "Trust { own: 0, .. }");

        let told = |found: Result<_, SettingsError>| found.unwrap_err().to_string();
        let fault = told(with(&[], &bad, &file));
        assert!(
            fault.starts_with("/nowhere: ") && fault.contains("AWS_CA_BUNDLE"),
            "{fault}"
        );
        std::fs::write(&path, "no certificate").unwrap();
        let fault = told(with(&["--s3-ca-file", good], &[], ""));
        assert!(
            fault.contains("--s3-ca-file") && fault.contains("found no certificate"),
            "{fault}"
        );
        let fault = told(with(&[], &[], &file));
        assert!(fault.starts_with("s.toml:2:11: s3.ca_file: "), "{fault}");
    }

    #[test]
    fn a_region_that_is_none_names_its_variable() {
        let fault = layered(&["--s3-endpoint", "http://a"], &[("AWS_REGION", "a/b")], "");
        let fault = fault.unwrap_err().to_string();
        assert!(fault.contains("AWS_REGION: a region has"), "{fault}");
    }

    #[test]
    fn no_endpoint_is_that_of_the_region_and_a_wrong_one_names_its_variable() {
        for (region, url) in [
            ("eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
            ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com"),
        ] {
            let found = layered(&["--s3-region", region], &[], "").unwrap();
            assert_eq!(found.endpoint.to_string(), url);
            assert_eq!(found.addressing, Addressing::VirtualHost);
        }
        let both = [
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_S3", "http://s3"),
        ];
        let found = |variables: &[_]| layered(&[], variables, "").unwrap();
        assert_eq!(found(&both).endpoint.to_string(), "http://s3");
        assert_eq!(found(&both[..1]).endpoint.to_string(), "http://all");
        assert_eq!(found(&both).addressing, Addressing::Path);
        let fault = layered(&[], &[("AWS_ENDPOINT_URL_S3", "s3://a")], "").unwrap_err();
        assert!(
            fault
                .to_string()
                .contains("AWS_ENDPOINT_URL_S3: endpoint s3://a: wanted http"),
            "{fault}"
        );
    }
}
