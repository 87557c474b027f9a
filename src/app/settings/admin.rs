//! `--admin`: where the admin listener listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::values::ListenAddress;
use crate::app::settings::values::ValueFault;
use crate::app::settings::values::from_text;
use crate::net::address::ListenAt;

/// Where `serve` and `demo` have their admin listener if nothing is said. Contract: `--admin`.
pub const ADMIN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// `--admin` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminChoice {
    /// `off` or `none`.
    Off,
    /// `host:port`
    At(String),
}

impl FromStr for AdminChoice {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        match text {
            "off" | "none" => Ok(Self::Off),
            address => match address.parse() {
                Ok(ListenAddress::Inet(address)) => Ok(Self::At(address)),
                Ok(ListenAddress::Unix(_)) | Err(_) => Err(ValueFault::AdminAddress),
            },
        }
    }
}

impl<'de> Deserialize<'de> for AdminChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Where the admin listener is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListen {
    /// Nothing was said: the command's default.
    Default,
    /// Nowhere.
    Off,
    /// At this address.
    At {
        /// The first address of the name.
        address: SocketAddr,
        /// The name that clients may use in `Host`; `None` if an address was written.
        name: Option<String>,
    },
}

impl AdminListen {
    /// Lays the command line over the file and looks the name up.
    pub fn layered(args: Option<&AdminChoice>, file: &ConfigFile) -> Result<Self, SettingsError> {
        let written = match args.or(file.sections.server.admin.as_ref()) {
            None => return Ok(Self::Default),
            Some(AdminChoice::Off) => return Ok(Self::Off),
            Some(AdminChoice::At(written)) => written,
        };
        let unresolved = |cause: std::io::Error| SettingsError::Unresolved {
            address: written.clone(),
            cause: cause.to_string(),
        };
        let found = ListenAddress::Inet(written.clone()).resolve();
        let found = found.map_err(unresolved)?;
        let address = found
            .iter()
            .find_map(ListenAt::inet)
            .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
        let name = match written.parse::<SocketAddr>() {
            Ok(_) => None,
            Err(_) => written.rsplit_once(':').map(|(name, _)| name.to_owned()),
        };
        Ok(Self::At { address, name })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn layered(args: Option<&str>, file: &str) -> AdminListen {
        let file = ConfigFile::parse(Path::new("s.toml"), file.to_owned()).unwrap();
        let choice = args.map(|text| text.parse::<AdminChoice>().unwrap());
        AdminListen::layered(choice.as_ref(), &file).unwrap()
    }

    #[test]
    fn the_command_line_beats_the_file_and_the_file_the_default() {
        assert_eq!(layered(None, ""), AdminListen::Default);
        let file = "[server]\nadmin = '127.0.0.1:1'\n";
        let at = |port| AdminListen::At {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            name: None,
        };
        assert_eq!(layered(None, file), at(1));
        assert_eq!(layered(Some("127.0.0.1:2"), file), at(2));
        assert_eq!(layered(Some("off"), file), AdminListen::Off);
        assert_eq!(layered(None, "[server]\nadmin = 'off'\n"), AdminListen::Off);
    }

    #[test]
    fn a_name_is_looked_up_and_kept() {
        match layered(Some("localhost:3"), "") {
            AdminListen::At { address, name } => {
                assert!(address.ip().is_loopback());
                assert_eq!(name.as_deref(), Some("localhost"));
            }
            other => panic!("{other:?}"),
        }
    }
}
