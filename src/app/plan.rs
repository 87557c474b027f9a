//! What shall be served, from checked settings to what the cores need: made at the start and again at each reload.

use std::sync::Arc;

use crate::app::admin::AdminDefault;
use crate::app::credentials;
use crate::app::documents::LoadedDocument;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::roles::RoleKeys;
use crate::app::settings::roles::RoleSettings;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;
use crate::net::clock;
use crate::net::credentials::chain::ChainSettings;
use crate::net::credentials::renewal::Renewal;
use crate::net::credentials::slot::CredentialSlot;
use crate::net::upstream::endpoint::Endpoint;
use crate::pipeline::identity::Identities;
use crate::pipeline::metering::Metering;
use crate::pipeline::metering::quota::QuotaRecord;
use crate::pipeline::store_path::Addressing;
use crate::pipeline::store_path::StoreAddress;
use crate::serve::access_log::AccessLog;
use crate::serve::apis::Api;
use crate::serve::apis::Apis;
use crate::serve::roles::KnownRole;
use crate::serve::roles::Roles;
use crate::serve::settings::GatewaySettings;
use crate::serve::settings::ServeSettings;
use crate::serve::settings::Service;
use crate::serve::settings::SidecarSettings;

/// What is served, and how.
pub struct Plan {
    /// How it runs.
    pub run: RunSettings,
    /// Where the admin listener is if `run` says nothing of it.
    pub admin_default: AdminDefault,
    /// The store.
    pub upstream: UpstreamSettings,
    /// What requests become.
    pub served: Served,
    /// By key, what a running process cannot change, beside what [`RunSettings::fixed`] has.
    pub fixed: Vec<(&'static str, String)>,
}

/// What requests become.
pub enum Served {
    /// Methods of REST APIs.
    Apis(ApisPlan),
    /// S3 itself.
    Sidecar(SidecarSettings),
}

/// The documents and who may call them.
pub struct ApisPlan {
    /// At least one.
    pub documents: Vec<LoadedDocument>,
    /// API keys, usage plans, throttles: one for each document.
    pub metering: Vec<Metering>,
    /// Who may call protected methods.
    pub callers: Callers,
    /// Callers that may sign.
    pub identities: Identities,
    /// What `credentials` of integrations stand for.
    pub roles: Vec<RoleSettings>,
}

/// Who may call methods that ask for AWS_IAM, an API key or an authorizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Those that the method lets in.
    AsDeclared,
    /// `--ignore-authorizers`
    Anybody,
}

/// What came of a plan.
pub struct Made {
    /// For the cores.
    pub settings: ServeSettings,
    /// Keep the keys of the store and of roles fresh while they live.
    pub renewals: Vec<Renewal>,
}

impl Plan {
    /// By key, what a running process cannot change.
    pub fn fixed(&self) -> Vec<(&'static str, String)> {
        let mut fixed = self.run.fixed();
        fixed.extend(self.fixed.iter().cloned());
        fixed
    }

    /// Looks the store's name up and the keys for it. Waits for the first keys, but not for ever.
    pub fn make(self, access_log: Option<AccessLog>) -> Result<Made, Failure> {
        let Self {
            run,
            admin_default: _,
            upstream,
            served,
            fixed: _,
        } = self;
        let endpoint = upstream.endpoint.into_resolved().map_err(|cause| {
            let message = format!("{cause}; another store can be given with --s3-endpoint");
            Failure::new(Exit::BadConfiguration, message)
        })?;
        if endpoint.is_tls() {
            // Read before the cores run, so that no request waits for it.
            let _roots = upstream.trust.roots();
        }
        let (slot, renewal) = credentials::open(upstream.credentials, &upstream.chain)?;
        let mut renewals: Vec<Renewal> = renewal.into_iter().collect();
        let service = match served {
            Served::Sidecar(sidecar) => Service::Sidecar(sidecar),
            Served::Apis(plan) => {
                let store = Store {
                    endpoint: &endpoint,
                    addressing: upstream.addressing,
                    bucket: upstream.bucket.as_deref(),
                };
                let (apis, of_roles) = apis(plan, store, &upstream.chain)?;
                renewals.extend(of_roles);
                Service::Gateway(apis)
            }
        };
        let settings = ServeSettings {
            listen: run.listen,
            edge: run.edge,
            workers: run.workers,
            service,
            endpoint,
            upstream: run.upstream,
            trust: upstream.trust,
            region: Some(upstream.region),
            credentials: slot,
            payload_signing: run.payload_signing,
            limits: run.limits,
            timeouts: run.timeouts,
            io_driver: run.io_driver,
            access_log,
        };
        Ok(Made { settings, renewals })
    }
}

/// How documents address the store.
#[derive(Clone, Copy)]
struct Store<'a> {
    endpoint: &'a Endpoint,
    addressing: Addressing,
    bucket: Option<&'a str>,
}

fn apis(
    plan: ApisPlan,
    store: Store<'_>,
    chain: &ChainSettings,
) -> Result<(Apis, Vec<Renewal>), Failure> {
    let (roles, renewals) = known_roles(plan.roles, chain)?;
    let (identities, roles) = (Arc::new(plan.identities), Arc::new(roles));
    let mut first_series = 0;
    let mut apis = Vec::with_capacity(plan.documents.len());
    for (document, metering) in plan.documents.into_iter().zip(plan.metering) {
        let LoadedDocument { name, host, table } = document;
        let authority = store.endpoint.authority();
        let methods = table.methods.len();
        let gateway = GatewaySettings {
            store: StoreAddress::new(authority, store.addressing, store.bucket, &table),
            table: Arc::new(table),
            ignore_authorizers: plan.callers == Callers::Anybody,
            first_series,
            identities: Arc::clone(&identities),
            metering: Arc::new(metering),
            roles: Arc::clone(&roles),
        };
        first_series += methods;
        apis.push(Api {
            name,
            host,
            gateway,
        });
    }
    let apis = Apis::new(apis).map_err(|fault| Failure::new(Exit::BadConfiguration, fault))?;
    Ok((apis, renewals))
}

/// The roles with the places of their keys, and what renews those. Their ARNs differ.
fn known_roles(
    settings: Vec<RoleSettings>,
    chain: &ChainSettings,
) -> Result<(Roles, Vec<Renewal>), Failure> {
    let mut renewals = Vec::new();
    let mut known = Vec::new();
    for RoleSettings { arn, role, keys } in settings {
        let credentials = match keys {
            RoleKeys::OfStore => None,
            RoleKeys::Own(keys) => Some(CredentialSlot::fixed(&arn, "settings", keys)),
            RoleKeys::Found(found) => {
                let (slot, renewal) = credentials::open_role(&arn, &found, chain)?;
                renewals.push(renewal);
                Some(slot)
            }
        };
        known.push((arn, KnownRole { role, credentials }));
    }
    Ok((known.into_iter().collect(), renewals))
}

/// The slots with which `fresh` could sign less than `before` can: a reload must not take keys away that are good.
pub fn lost_keys(before: &ServeSettings, fresh: &ServeSettings) -> Vec<String> {
    let now = clock::now().unix;
    let usable = |slot: &CredentialSlot| slot.state(now).usable.is_ok();
    let mut lost = Vec::new();
    if !usable(&fresh.credentials) && usable(&before.credentials) {
        lost.push("the store".to_owned());
    }
    let (Service::Gateway(old), Service::Gateway(new)) = (&before.service, &fresh.service) else {
        return lost;
    };
    let roles_of = |apis: &Apis| apis.iter().next().map(|api| Arc::clone(&api.gateway.roles));
    let (Some(old), Some(new)) = (roles_of(old), roles_of(new)) else {
        return lost;
    };
    for (arn, role) in new.iter() {
        let had = old.find(arn).and_then(|role| role.credentials.as_ref());
        let has = role.credentials.as_ref();
        if has.is_some_and(|slot| !usable(slot))
            && had.is_none_or(usable)
            && old.find(arn).is_some()
        {
            lost.push(format!("the role {arn}"));
        }
    }
    lost
}

/// What all documents have counted of quotas, each plan and key once.
pub fn quota_records(settings: &ServeSettings) -> Vec<QuotaRecord> {
    let Service::Gateway(apis) = &settings.service else {
        return Vec::new();
    };
    let mut records: Vec<QuotaRecord> = apis
        .iter()
        .flat_map(|api| api.gateway.metering.limiters.quota_records())
        .collect();
    let key = |record: &QuotaRecord| (record.plan.clone(), record.api_key.clone());
    records.sort_by_key(key);
    records.dedup_by_key(|record| key(record));
    records
}
