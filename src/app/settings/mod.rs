//! Settings: the command line over the environment over the file over the defaults.
//!
//! Text becomes a type that cannot be wrong in `values`, `names` and `choices`; the layers are laid over one another in `running`,
//! `upstream` and `document`. Nothing behind this folder reads an option, a variable or the file again.

pub mod access_log;
pub mod admin;
pub mod bounded_file;
pub mod choices;
pub mod document;
pub mod environment;
pub mod error;
pub mod file;
pub mod files_read;
pub mod finding_code;
pub mod identities;
pub mod metering;
pub mod names;
pub mod otlp;
pub mod place;
pub mod plan_sections;
pub mod policy_file;
pub mod printing;
pub mod roles;
pub mod running;
pub mod tls_section;
pub mod upstream;
pub mod usage_plans;
pub mod values;
