//! The source of a parameter, in words.

use std::fmt;
use std::path::PathBuf;

/// The source of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A URL.
    Url,
    /// `key=value` pairs.
    Pairs,
    /// A service in a service file.
    Service { name: String, file: PathBuf },
    /// A variable of the environment.
    Variable(String),
}

impl Origin {
    pub(super) fn variable(name: &str) -> Self {
        Self::Variable(name.to_owned())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL"),
            Self::Pairs => f.write_str("the connection string"),
            Self::Service { name, file } => write!(f, "the service {name:?} in {}", file.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}
