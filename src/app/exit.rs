//! How the program ends.

use std::fmt;
use std::process::ExitCode;

use crate::app::settings::error::SettingsError;

/// The exit statuses that scripts may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: did as asked, or was asked to stop.
    AsAsked,
    /// 1: started, then failed.
    FailedWhileRunning,
    /// 2: the command line is wrong.
    WrongUsage,
    /// 3: a document or the configuration is wrong.
    BadConfiguration,
    /// 4: an address could not be bound, or a permission is missing.
    CouldNotBind,
    /// 5: exchanges were still running when the drain time-out ended.
    DrainTimedOut,
}

impl Exit {
    /// The status as the shell sees it.
    pub fn status(self) -> u8 {
        match self {
            Self::AsAsked => 0,
            Self::FailedWhileRunning => 1,
            Self::WrongUsage => 2,
            Self::BadConfiguration => 3,
            Self::CouldNotBind => 4,
            Self::DrainTimedOut => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// Why a command ended otherwise than asked: one line or more for a person, and the status.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub exit: Exit,
    /// What happened and what would mend it; empty when it was printed already.
    pub message: String,
}

impl Failure {
    /// A failure that is told by `message`.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// A failure whose findings stand on standard output already.
    pub fn already_told(exit: Exit) -> Self {
        Self {
            exit,
            message: String::new(),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let exit = match error {
            SettingsError::NoDocument | SettingsError::ManyDocuments { .. } => Exit::WrongUsage,
            SettingsError::Unresolved { .. } => Exit::CouldNotBind,
            _ => Exit::BadConfiguration,
        };
        Self::new(exit, error)
    }
}
