//! `policy_file` of identities and roles.

use std::path::PathBuf;

use toml::Spanned;

use crate::api::iam_policy::POLICY_BYTES_MAX;
use crate::api::iam_policy::Policy;
use crate::api::iam_policy::principal::Principal;
use crate::app::settings::bounded_file;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;

/// The policy of `principal` in the file that `key` names.
pub fn read(
    file: &ConfigFile,
    key: &str,
    named: &Spanned<PathBuf>,
    principal: &Principal,
) -> Result<Policy, SettingsError> {
    let path = file.beside(named.get_ref());
    let text = bounded_file::read_text(&path, POLICY_BYTES_MAX as u64)
        .map_err(|cause| file.fault(named.span(), key, format!("{}: {cause}", path.display())))?;
    Policy::parse(&text, principal).map_err(|fault| SettingsError::File {
        path,
        line: fault.position.line as usize,
        column: fault.position.column as usize,
        key: None,
        message: fault.message,
    })
}
