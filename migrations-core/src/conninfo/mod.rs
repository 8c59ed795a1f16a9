//! Where the database is: libpq's connection parameters, each with the source that names it, and their meaning for the
//! driver (<https://www.postgresql.org/docs/current/libpq-connect.html>).
//!
//! | file | what it is |
//! | --- | --- |
//! | `tls` | what a connection asks of TLS |
//! | `origin` | the source of a parameter, in words |
//! | `keyword` | libpq's keywords, and the variable of each |
//! | `parameters` | the parameters of one source, and how a higher source hides a lower one |
//! | `pairs` | a connection string of `key=value` pairs |
//! | `url` | a connection URL |
//! | `text` | a connection string in either form |
//! | `service` | the connection service file |
//! | `variables` | libpq's variables |
//! | `family` | the variables that deployments use: `POSTGRES_HOST`, `DB_HOST` |
//! | `sources` | all the sources, the highest first |
//! | `refused` | keywords that change the meaning of a connection and cannot be honoured |
//! | `hosts` | hosts, addresses and ports |
//! | `role` | the role, and the source that chose it |
//! | `password_file` | the password file |
//! | `settings` | the driver's configuration |

mod family;
mod hosts;
mod keyword;
mod origin;
mod pairs;
mod parameters;
mod password_file;
mod refused;
mod role;
mod service;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod url;
mod variables;

pub(crate) use settings::Conninfo;
#[cfg(feature = "tls")]
pub(crate) use tls::{ClientCertificate, TlsRoots};
pub(crate) use tls::{TlsMode, TlsSettings};

use crate::report::Error;

/// Reads a variable of the environment. One that is empty counts as not set.
pub(crate) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables that are not parameters: where libpq's files are, and the role of the process.
const SURROUNDINGS: [&str; 5] = ["HOME", "USER", "PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR"];

/// The database that a connection string names. Of the environment, only libpq's files and the default role count.
pub(crate) fn from_text(text: &str, variable: Variable<'_>) -> Result<Conninfo, Error> {
    let surroundings = |name: &str| SURROUNDINGS.contains(&name).then(|| variable(name)).flatten();
    settings::conninfo(&sources::below_text(text, &surroundings)?, &surroundings)
}

/// The database that the environment names.
pub(crate) fn from_variables(variable: Variable<'_>) -> Result<Conninfo, Error> {
    settings::conninfo(&sources::of_environment(variable)?, variable)
}
