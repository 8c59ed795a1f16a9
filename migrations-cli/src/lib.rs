//! A complete command line over an application's two migration sets. The application's own binary is three lines:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use migrations_cli::App;
//! use migrations_core::{Error, MigrationSet, Migrator};
//!
//! fn main() -> ExitCode {
//!     App::new(migrator()).version(env!("CARGO_PKG_VERSION")).run()
//! }
//!
//! fn migrator() -> Result<Migrator, Error> {
//!     Ok(Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?))
//! }
//! ```
//!
//! # How to read this crate
//!
//! | module | what it is |
//! | --- | --- |
//! | `app` | one run of the command line, from its arguments to the exit code |
//! | `args` | the grammar: commands, options and their help, a file for each command |
//! | `variables` | the environment, and the file of `--env-file` |
//! | `password_command` | `--password-command` |
//! | `timeouts` | the timeouts of a command, and which source wins |
//! | `database` | which database a command uses: a URL, the environment, or `--embedded` |
//! | `embedded` | the project's private server, for `--embedded` and `dev` |
//! | `logging` | which log records go to stderr |
//! | `command` | a file for each command: what it asks of the migrator, and what it shows |
//! | `progress` | what a user sees during a run |
//! | `output` | text for people, JSON for programs, and the stream for each |
//! | `secret` | hides passwords in what messages repeat from the command line |
//! | `signals` | SIGINT and SIGTERM |
//! | `error` | what can go wrong, and the exit code for it |
//! | `advice` | which command resolves an error |
//!
//! `migrations-core` does the work of every command, and says what went wrong and why; this crate adds layout and the
//! command that resolves it. The result goes to stdout, everything else to stderr.
//!
//! # Features
//!
//! `embedded` (on by default) adds `--embedded`, which runs a command on the project's private server, and `dev`, which
//! keeps that server running for an application.

mod advice;
mod app;
mod args;
mod command;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod logging;
mod output;
mod password_command;
mod progress;
mod secret;
mod signals;
mod timeouts;
mod variables;

use std::process::ExitCode;

pub use app::{App, IntoMigrator};

/// Runs the command line of this process with these migrations, and returns the exit code: `App::new(migrator).run()`.
///
/// `--version` then names the framework's version alone; [`App::version`] adds the application's.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use migrations_core::{Error, MigrationSet, Migrator};
/// # fn migrator() -> Result<Migrator, Error> {
/// #     Ok(Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?))
/// # }
/// fn main() -> ExitCode {
///     migrations_cli::run(migrator())
/// }
/// ```
pub fn run(migrator: impl IntoMigrator) -> ExitCode {
    App::new(migrator).run()
}
