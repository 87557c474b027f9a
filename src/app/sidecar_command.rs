//! `sluicegate sidecar`: S3 in, the same S3 out, signed.

use crate::app::admin::AdminDefault;
use crate::app::cli::SidecarArgs;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::gateway::Gateway;
use crate::app::gateway::base_url;
use crate::app::logging;
use crate::app::output;
use crate::app::plan::Plan;
use crate::app::plan::Served;
use crate::app::reload::Sources;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::file::SidecarSection;
use crate::app::settings::files_read;
use crate::app::settings::identities;
use crate::app::settings::otlp::OtlpSettings;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;
use crate::net::address::ListenAt;
use crate::serve::settings::SidecarSettings;

/// A store may take this long to copy or to put parts together before its first byte.
const ANSWER_MS_DEFAULT: u64 = 300_000;

/// Serves until a signal ends it.
pub fn run(args: SidecarArgs) -> Result<Exit, Failure> {
    let file = ConfigFile::given(args.run.config.as_deref())?;
    logging::start(RunSettings::layered(&args.run, &file)?.log);
    let watch = args.reload.watch.or(file.sections.server.watch);
    let (plan, files) = files_read::noting(|| load(&args));
    let plan = plan?;
    let endpoint = plan.upstream.endpoint.to_string();
    let asks = match &plan.served {
        Served::Sidecar(settings) => !settings.identities.is_empty(),
        Served::Apis(_) => true,
    };
    let sources = Sources {
        load: Box::new(move |_before| load(&args)),
        files,
        watch: watch.unwrap_or(false),
    };
    let gateway = Gateway::bind(plan, None, Some(sources))?;
    let (plain, tls) = (gateway.addresses(), gateway.tls_addresses());
    output::print(&banner(plain, tls, &endpoint, asks))?;
    if let Some(url) = gateway.admin_url() {
        output::print(&format!("health, metrics and dashboard at {url}\n"))?;
    }
    gateway.run()
}

/// Reads everything that a sidecar is served by.
fn load(args: &SidecarArgs) -> Result<Plan, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.run.config.as_deref())?;
    let mut run = running(args, &file)?;
    run.export_spans(OtlpSettings::layered(&args.run, &environment, &file)?);
    let identities = identities::read(&file)?;
    let allow_lists = identities::allow_lists(&file)?;
    let section = &file.sections.sidecar;
    let allowed = args.allow_unauthenticated.or(section.allow_unauthenticated);
    if identities.is_empty() && allowed != Some(true) {
        refuse_strangers(&open_to_strangers(&run))?;
    }
    let upstream = UpstreamSettings::layered(&args.store, &environment, &file)?;
    let settings = SidecarSettings {
        addressing: upstream.addressing,
        domains: domains(args, section),
        identities,
        allow_lists,
    };
    Ok(Plan {
        run,
        admin_default: AdminDefault::Off,
        upstream,
        served: Served::Sidecar(settings),
        fixed: Vec::new(),
    })
}

/// How it runs, with the sidecar's own defaults.
fn running(args: &SidecarArgs, file: &ConfigFile) -> Result<RunSettings, Failure> {
    let mut running = RunSettings::layered(&args.run, file)?;
    let (limits, timeouts) = (&file.sections.limits, &file.sections.timeouts);
    if args.run.max_payload.or(limits.payload_bytes).is_none() {
        running.limits.payload_bytes_max = 0;
    }
    if args
        .run
        .integration_timeout
        .or(timeouts.integration)
        .is_none()
    {
        running.timeouts.integration_ms_max = ANSWER_MS_DEFAULT;
    }
    Ok(running)
}

/// The addresses where nobody has to show a certificate.
fn open_to_strangers(running: &RunSettings) -> Vec<ListenAt> {
    let tls = running.edge.tls.iter();
    let tls = tls.filter(|listen| !listen.knows_clients);
    let tls = tls.flat_map(|listen| listen.at.iter().cloned());
    let proxied = running.edge.proxy_listen.iter();
    let plain = running.listen.iter().chain(proxied).cloned();
    plain.chain(tls).collect()
}

/// `--domain`, else `[sidecar] domain`.
fn domains(args: &SidecarArgs, section: &SidecarSection) -> Vec<String> {
    let domains = if args.domain.is_empty() {
        &section.domain
    } else {
        &args.domain
    };
    let domains = domains.iter();
    domains.map(|domain| domain.as_str().to_owned()).collect()
}

/// Without identities whoever can connect has the rights of our keys.
fn refuse_strangers(listen: &[ListenAt]) -> Result<(), Failure> {
    match listen.iter().find(|address| !address.is_local()) {
        None => Ok(()),
        Some(address) => {
            let message = format!(
                "{address} is reachable from other machines, and without [[identity]] entries anybody there would have the \
                 rights of the configured keys; name the clients as [[identity]] in the configuration file (--config), \
                 listen on 127.0.0.1 or unix:/path, ask for their certificates (client_ca of [[tls]]), or say --allow-unauthenticated"
            );
            Err(Failure::new(Exit::BadConfiguration, message))
        }
    }
}

fn banner(plain: &[ListenAt], tls: &[ListenAt], endpoint: &str, asks: bool) -> String {
    let mut text = String::new();
    for address in plain {
        text.push_str(&format!("S3 sidecar at {address} in front of {endpoint}\n"));
    }
    for address in tls {
        text.push_str(&format!(
            "S3 sidecar at {address} (TLS) in front of {endpoint}\n"
        ));
    }
    let plain = plain.iter().map(|address| ("http", address));
    let mut all = plain.chain(tls.iter().map(|address| ("https", address)));
    if let Some((scheme, address)) = all.find(|(_, address)| address.inet().is_some()) {
        let url = base_url(scheme, address, "");
        let url = url.trim_end_matches('/');
        let keys = if asks {
            ""
        } else {
            " AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any"
        };
        text.push_str(&format!("export AWS_ENDPOINT_URL_S3={url}{keys}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(text: &str) -> ListenAt {
        ListenAt::Inet(text.parse().unwrap())
    }

    #[test]
    fn strangers_are_kept_out_unless_they_are_asked_for() {
        assert!(refuse_strangers(&[inet("127.0.0.1:1"), inet("[::1]:1")]).is_ok());
        let refused = refuse_strangers(&[inet("127.0.0.1:1"), inet("0.0.0.0:1")]).unwrap_err();
        assert_eq!(refused.exit, Exit::BadConfiguration);
        assert!(refused.message.contains("--allow-unauthenticated"));
    }

    #[test]
    fn the_banner_has_the_line_to_paste() {
        let text = banner(&[inet("0.0.0.0:9000")], &[], "http://store", true);
        assert!(
            text.ends_with("export AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000\n"),
            "{text}"
        );
        let text = banner(&[inet("127.0.0.1:9000")], &[], "http://store", false);
        assert!(
            text.ends_with("9000 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any\n"),
            "{text}"
        );
    }
}
