//! `sluicegate demo`: the embedded store and the sample API in front of it.

pub mod banner;
pub mod data_dir;
pub mod seed;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::api::table::Table;
use crate::app::admin::AdminDefault;
use crate::app::cli::DemoArgs;
use crate::app::credentials::StoreCredentials;
use crate::app::demo::banner::Banner;
use crate::app::demo::data_dir::DataDir;
use crate::app::demo::data_dir::StoreKeys;
use crate::app::demo::seed::Seeder;
use crate::app::documents;
use crate::app::documents::LoadedDocument;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::gateway::Gateway;
use crate::app::logging;
use crate::app::output;
use crate::app::plan::ApisPlan;
use crate::app::plan::Callers;
use crate::app::plan::Plan;
use crate::app::plan::Served;
use crate::app::settings::choices::BasePathChoice;
use crate::app::settings::document::ImportSettings;
use crate::app::settings::environment::Environment;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::metering;
use crate::app::settings::otlp::OtlpSettings;
use crate::app::settings::running::LISTEN_DEFAULT;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::REGION_DEFAULT;
use crate::app::settings::upstream::UpstreamSettings;
use crate::app::settings::values::ListenAddress;
use crate::net::address::ListenAt;
use crate::net::clock;
use crate::net::credentials::chain::ChainSettings;
use crate::net::tls::trust::Trust;
use crate::pipeline::identity::Identities;
use crate::pipeline::metering::limiters::Moment;
use crate::serve::settings::Addressing;
use crate::store;
use crate::wire::sigv4::credentials::Credentials;

/// The sample API.
const DOCUMENT: &str = include_str!("../../../config/demo.openapi.yaml");
const DOCUMENT_NAME: &str = "demo.openapi.yaml";
/// Where the embedded store listens if nothing is said and the port is free.
const STORE_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8333);
/// What the store holds at the first start.
const SAMPLE_BUCKET: &str = "sample";
const SAMPLE_KEY: &str = "sluice.png";
const SAMPLE_MEDIA_TYPE: &str = "image/png";
const SAMPLE_OBJECT: &[u8] = include_bytes!("sluice.png");

/// Runs until a signal ends it.
pub fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.run.config.as_deref())?;
    let mut running = running(args, &environment, &file)?;
    logging::start(running.log);
    warn_of_settings_without_effect(&file);
    let data_dir = DataDir::open(args.data_dir.as_deref(), &environment)?;
    let keys = data_dir.keys()?;
    let table = documents::compile(DOCUMENT_NAME, DOCUMENT, &import_settings())
        .map_err(documents::refusal)?
        .table;
    let now = Moment {
        unix: clock::now().unix,
        monotonic_us: clock::monotonic_us(),
    };
    let metering = metering::read_fresh(&file, &table, now)?;
    if !running.listen_is_chosen {
        running.listen = vec![free_port(LISTEN_DEFAULT).into()];
    }

    let store = start_store(args.store_listen.as_ref(), &data_dir, &keys)?;
    let seeder = Seeder {
        address: store.address(),
        keys: &keys,
        region: REGION_DEFAULT,
        now: clock::now().unix,
    };
    let seeded = seeder
        .ensure(SAMPLE_BUCKET, SAMPLE_KEY, SAMPLE_MEDIA_TYPE, SAMPLE_OBJECT)
        .map_err(|cause| Failure::new(Exit::FailedWhileRunning, cause));
    let stage = table.stage.clone();
    let store_address = store.address();
    let ended = seeded
        .and_then(|()| upstream(store_address, &keys))
        .and_then(|upstream| {
            let plan = Plan {
                run: running,
                admin_default: AdminDefault::Movable,
                upstream,
                served: Served::Apis(ApisPlan {
                    documents: vec![document(table)],
                    metering: vec![metering],
                    callers: Callers::AsDeclared,
                    identities: Identities::default(),
                    roles: Vec::new(),
                }),
                fixed: Vec::new(),
            };
            Gateway::bind(plan, None, None)
        })
        .and_then(|gateway| {
            let program = std::env::current_exe();
            let admin = gateway.admin_url();
            let banner = Banner {
                program: &program.unwrap_or_else(|_unknown| "sluicegate".into()),
                listen: gateway.addresses(),
                tls: gateway.tls_addresses(),
                admin: admin.as_deref(),
                stage: &stage,
                bucket: SAMPLE_BUCKET,
                store: store_address,
                data_dir: &data_dir,
            };
            output::print(&banner.to_string())?;
            gateway.run()
        });
    store.stop();
    ended
}

fn document(table: Table) -> LoadedDocument {
    LoadedDocument {
        name: DOCUMENT_NAME.to_owned(),
        host: None,
        table,
    }
}

/// How it runs.
fn running(
    args: &DemoArgs,
    environment: &Environment,
    file: &ConfigFile,
) -> Result<RunSettings, Failure> {
    let mut running = RunSettings::layered(&args.run, file)?;
    running.export_spans(OtlpSettings::layered(&args.run, environment, file)?);
    Ok(running)
}

fn import_settings() -> ImportSettings {
    ImportSettings {
        stage: None,
        stage_variables: Vec::new(),
        base_path: BasePathChoice::Ignore,
        strict: false,
        fail_on_warnings: false,
        ignore_authorizers: false,
        allow: Vec::new(),
        knows_callers: false,
        knows_api_keys: false,
    }
}

fn warn_of_settings_without_effect(file: &ConfigFile) {
    let s3 = &file.sections.s3;
    let stage = &file.sections.stage;
    let of_store = s3.endpoint.is_some() || s3.bucket.is_some() || s3.access_key_id.is_some();
    let of_document = !file.sections.api.is_empty() || stage.name.is_some();
    if of_store || of_document {
        tracing::warn!(
            "[s3], [stage] and [[api]] of the configuration file have no effect in `demo`: it brings its own store and document"
        );
    }
}

fn start_store(
    chosen: Option<&ListenAddress>,
    data_dir: &DataDir,
    keys: &StoreKeys,
) -> Result<store::RunningStore, Failure> {
    let listen = match chosen {
        None => free_port(STORE_LISTEN_DEFAULT),
        Some(address) => resolve(address)?,
    };
    let settings = store::StoreSettings {
        data_dir: data_dir.path().to_owned(),
        listen,
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: keys.secret_access_key.expose().to_owned(),
        region: REGION_DEFAULT.to_owned(),
    };
    store::start(settings).map_err(|cause| {
        let option = match cause {
            store::StoreError::AddressUnusable { .. } => " (--store-listen)",
            _ => "",
        };
        let message = format!("the embedded store: {cause}{option}");
        Failure::new(Exit::CouldNotBind, message)
    })
}

/// The first address of the name; the store listens on one.
fn resolve(address: &ListenAddress) -> Result<SocketAddr, Failure> {
    let unresolved = |cause: std::io::Error| SettingsError::Unresolved {
        address: address.to_string(),
        cause: cause.to_string(),
    };
    let found = address.resolve().map_err(unresolved)?;
    let first = found.iter().find_map(ListenAt::inet);
    Ok(first.ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?)
}

/// `address`, or port 0 if somebody listens there. The gateway's own listeners share their port and would not notice.
fn free_port(address: SocketAddr) -> SocketAddr {
    match TcpListener::bind(address) {
        Ok(_) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}

fn upstream(store: SocketAddr, keys: &StoreKeys) -> Result<UpstreamSettings, Failure> {
    let endpoint = format!("http://{store}")
        .parse()
        .map_err(|cause| Failure::new(Exit::FailedWhileRunning, cause))?;
    Ok(UpstreamSettings {
        endpoint,
        region: REGION_DEFAULT.to_owned(),
        addressing: Addressing::Path,
        bucket: None,
        credentials: StoreCredentials::Keys(Credentials {
            access_key_id: keys.access_key_id.clone(),
            secret_access_key: keys.secret_access_key.clone(),
            session_token: None,
        }),
        chain: ChainSettings {
            variables: HashMap::new(),
            home: None,
            region: REGION_DEFAULT.to_owned(),
            trust: Trust::default(),
        },
        trust: Trust::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(free_port(address).port(), 0);
        drop(taken);
        assert_eq!(free_port(address), address);
    }
}
