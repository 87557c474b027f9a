//! Configuration files: refused with a place in the text, or taken; what the sections mean together is refused in the same way.

use std::path::Path;
use std::sync::OnceLock;

use sluicegate::api::openapi::ImportOptions;
use sluicegate::api::openapi::import;
use sluicegate::api::table::Table;
use sluicegate::app::settings::error::SettingsError;
use sluicegate::app::settings::file::ConfigFile;
use sluicegate::app::settings::file::Sections;
use sluicegate::app::settings::identities;
use sluicegate::app::settings::metering;
use sluicegate::app::settings::roles;
use sluicegate::pipeline::metering::limiters::Moment;
use sluicegate::wire::date::UnixSeconds;

/// A method for plans and throttles to name.
const DOCUMENT: &str = r#"{"swagger":"2.0","info":{"title":"t","version":"1"},"basePath":"/S3","paths":{"/{folder}":{"get":{
"responses":{"200":{}},"x-amazon-apigateway-integration":{"type":"mock","responses":{"default":{"statusCode":"200"}}}}}}}"#;

/// A configuration file.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let path = Path::new("s.toml");
    let file = match ConfigFile::parse(path, text.to_owned()) {
        Ok(file) => file,
        Err(fault) => return placed(&fault, text),
    };
    let again = ConfigFile::parse(path, text.to_owned()).expect("it was taken before");
    assert_eq!(
        format!("{:?}", again.sections),
        format!("{:?}", file.sections)
    );
    if names_files(&file.sections) {
        return;
    }
    let faults = [
        identities::read(&file).err(),
        identities::allow_lists(&file).err(),
        identities::refuse_allow_lists(&file).err(),
        roles::read(&file).err(),
        metering::read_fresh(&file, table(), NOW).err(),
    ];
    for fault in faults.into_iter().flatten() {
        placed(&fault, text);
    }
}

const NOW: Moment = Moment {
    unix: UnixSeconds(1_800_000_000),
    monotonic_us: 1,
};

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let imported = import("fuzz", DOCUMENT, &ImportOptions::default());
        imported.expect("a sound document").table
    })
}

/// A fault is somewhere in the file, says something, and names a key or none.
fn placed(fault: &SettingsError, text: &str) {
    let SettingsError::File {
        line,
        column,
        key,
        message,
        ..
    } = fault
    else {
        panic!("a fault without a place: {fault}");
    };
    let stands = text.split('\n').nth(line.wrapping_sub(1)).expect("a line");
    assert!((1..=stands.chars().count() + 1).contains(column), "{fault}");
    assert!(!message.is_empty(), "{fault}");
    assert!(key.as_ref().is_none_or(|key| !key.is_empty()), "{fault}");
}

/// Whether other files would be read: those of the machine are no business of an input.
fn names_files(sections: &Sections) -> bool {
    let of_identities = sections.identity.iter().any(|section| {
        let section = section.get_ref();
        section.secret_access_key_file.is_some()
            || section.session_token_file.is_some()
            || section.policy_file.is_some()
    });
    let of_roles = sections.role.iter().any(|section| {
        let section = section.get_ref();
        section.secret_access_key_file.is_some()
            || section.session_token_file.is_some()
            || section.policy_file.is_some()
            || section.profile.is_some()
    });
    let mut keys = sections.api_key.iter();
    of_identities || of_roles || keys.any(|section| section.get_ref().value_file.is_some())
}
