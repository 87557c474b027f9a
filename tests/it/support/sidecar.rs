//! `sidecar` in this process.

use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::identity::Identities;
use sluicegate::serve::settings::Addressing;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::serve::settings::Service;
use sluicegate::serve::settings::SidecarSettings;

use super::documents::objects;
use super::gateway::settings;
use super::message::Message;

/// Settings of a sidecar that serves everybody, in front of the store at `url`; to be changed by a test.
pub(crate) fn sidecar_settings(driver: DriverChoice, url: &str) -> ServeSettings {
    let mut settings = settings(objects(), url);
    settings.io_driver = driver;
    settings.limits.payload_bytes_max = 0;
    settings.service = Service::Sidecar(SidecarSettings {
        addressing: Addressing::Path,
        domains: vec!["s3.local".to_owned()],
        identities: Identities::default(),
        allow_lists: std::collections::HashMap::new(),
    });
    settings
}

/// The code of S3's error body; empty if there is none.
pub(crate) fn error_code(answer: &Message) -> String {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let rest = text.split_once("<Code>").map_or("", |(_, rest)| rest);
    let code = rest.split_once('<').map_or("", |(code, _)| code);
    code.to_owned()
}

/// What these settings serve, to be changed by a test.
pub(crate) fn sidecar_of(settings: &mut ServeSettings) -> &mut SidecarSettings {
    match &mut settings.service {
        Service::Sidecar(sidecar) => sidecar,
        Service::Gateway(_) => panic!("a gateway"),
    }
}
