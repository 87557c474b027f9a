//! `sluicegate sidecar`: S3 in, the same S3 out, signed.

use std::sync::Arc;

use crate::app::admin;
use crate::app::admin::AdminDefault;
use crate::app::admin::AdminSocket;
use crate::app::admin::AdminState;
use crate::app::cli::SidecarArgs;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::gateway;
use crate::app::gateway::base_url;
use crate::app::logging;
use crate::app::output;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::file::SidecarSection;
use crate::app::settings::identities;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;
use crate::net::address::ListenAt;
use crate::serve::server;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::Service;
use crate::serve::settings::SidecarSettings;

/// A store may take this long to copy or to put parts together before its first byte.
const ANSWER_MS_DEFAULT: u64 = 300_000;

/// Serves until a signal ends it.
pub fn run(args: &SidecarArgs) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.run.config.as_deref())?;
    let mut running = RunSettings::layered(&args.run, &file)?;
    logging::start(running.log);
    if args
        .run
        .max_payload
        .or(file.sections.limits.payload_bytes)
        .is_none()
    {
        running.limits.payload_bytes_max = 0;
    }
    if args
        .run
        .integration_timeout
        .or(file.sections.timeouts.integration)
        .is_none()
    {
        running.timeouts.integration_ms_max = ANSWER_MS_DEFAULT;
    }
    if running.access_log.take().is_some() {
        let message = "--access-log is for `serve`: its variables speak of an API; `sidecar` has no access log in this version";
        return Err(Failure::new(Exit::WrongUsage, message));
    }
    let identities = identities::read(&file)?;
    let allow_lists = identities::allow_lists(&file)?;
    let section = &file.sections.sidecar;
    let allowed = args.allow_unauthenticated.or(section.allow_unauthenticated);
    if identities.is_empty() && allowed != Some(true) {
        refuse_strangers(&open_to_strangers(&running))?;
    }
    let domains = domains(args, section);
    let upstream = UpstreamSettings::layered(&args.store, &environment, &file)?;
    let endpoint = upstream.endpoint.to_string();
    let addressing = upstream.addressing;
    let drain_ms_max = running.drain_ms_max;
    let admin_listen = running.admin.clone();
    let asks = !identities.is_empty();
    let (settings, _renewal) = gateway::settings(running, upstream, move |_endpoint| {
        Service::Sidecar(SidecarSettings {
            addressing,
            domains,
            identities,
            allow_lists,
        })
    })?;
    let bound = server::bind(Arc::new(settings)).map_err(gateway::failure)?;
    let admin = admin::bind(admin_listen, AdminDefault::Off)?;
    let lifecycle = Arc::new(Lifecycle::default());
    let watch = gateway::watch_signals(&lifecycle, drain_ms_max)?;
    output::print(&banner(
        bound.addresses(),
        bound.tls_addresses(),
        &endpoint,
        asks,
    ))?;
    if let Some(url) = admin.as_ref().map(AdminSocket::url) {
        output::print(&format!("health, metrics and dashboard at {url}\n"))?;
    }
    let told = AdminState::of(&bound, &lifecycle, None);
    let _admin = admin.map(|socket| socket.serve(told)).transpose()?;
    let ended = bound.run(&lifecycle);
    let exit = watch.finish();
    ended.map_err(gateway::failure)?;
    Ok(exit)
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
