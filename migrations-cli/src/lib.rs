//! The whole command line for anybody's two migration sets, so that an application's own binary is three lines:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use migrations_core::{Error, MigrationSet, Migrator};
//!
//! fn main() -> ExitCode {
//!     migrations_cli::run(migrator())
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
//! | `args` | the grammar: commands, options and their help |
//! | `database` | which database a command is about: a URL, the environment, or `--embedded` |
//! | `logging` | what of the log goes to stderr |
//! | `command` | a file for each command: what it asks the migrator, and what it shows for it |
//! | `progress` | what is seen while a run goes on |
//! | `output` | text for people, JSON for programs, and where each goes |
//! | `secret` | keeps passwords out of what is repeated from the command line |
//! | `signals` | SIGINT and SIGTERM |
//! | `error` | what can go wrong, and the exit code for it |
//!
//! What a command does is `migrations-core`'s business, and so are the texts of its errors; this crate adds layout.
//! The result goes to stdout, everything else to stderr.
//!
//! # Features
//!
//! `embedded` (on by default) adds `--embedded`, which runs a command on a private server.

mod args;
mod command;
mod database;
mod error;
mod logging;
mod output;
mod progress;
mod secret;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use migrations_core::Migrator;

use crate::error::Exit;
use crate::output::{Output, Stream};

/// What [`run`] takes: a [`Migrator`], or the attempt to make one.
pub trait IntoMigrator {
    /// The migrator, or why there is none.
    ///
    /// # Errors
    ///
    /// When a migration set cannot be used.
    fn into_migrator(self) -> Result<Migrator, migrations_core::Error>;
}

impl IntoMigrator for Migrator {
    fn into_migrator(self) -> Result<Migrator, migrations_core::Error> {
        Ok(self)
    }
}

impl IntoMigrator for Result<Migrator, migrations_core::Error> {
    fn into_migrator(self) -> Result<Migrator, migrations_core::Error> {
        self
    }
}

/// Does what the process's command line says with these migrations, and returns the exit code: 0 done, 1 something
/// failed, 2 a command line or an environment that cannot be used, 3 migrations are pending (`status --check`), 130 and 143
/// SIGINT and SIGTERM.
///
/// A set that cannot be used is printed as an error and exits with 1. The program's name in help and messages is that
/// of the running binary. It installs a logger and, for commands that
/// change something, handlers of SIGINT and SIGTERM, so call it once, and from `main`.
pub fn run(migrator: impl IntoMigrator) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
    let (out, err) = (Stream::stdout(&mut stdout), Stream::stderr(&mut stderr));
    ExitCode::from(execute(&args, migrator, out, err))
}

fn execute<'a>(args: &[OsString], migrator: impl IntoMigrator, stdout: Stream<'a>, stderr: Stream<'a>) -> Exit {
    let program = args::program(args);
    let mut output = Output::new(program.clone(), stdout, stderr);
    let cli = match args::parse(&program, args) {
        Ok(cli) => cli,
        Err(error) => return output.usage(&error, args::asks_for_json(args)),
    };
    output.configure(&cli.global);
    logging::start(&cli.global, output.progress());
    let done = match migrator.into_migrator() {
        Ok(migrator) => {
            let migrator = match &cli.global.tenant_role {
                Some(role) => migrator.tenant_role(role.clone()),
                None => migrator,
            };
            command::run(cli, migrator, &mut output)
        }
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        output.error(&error);
        error.exit()
    })
}

#[cfg(test)]
mod tests {
    use migrations_core::MigrationSet;

    use super::*;

    fn execute_with(args: &[&str], migrator: Result<Migrator, migrations_core::Error>) -> (Exit, String, String) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = execute(&args, migrator, Stream::plain(&mut stdout), Stream::plain(&mut stderr));
        (exit, String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
    }

    fn bad_set() -> Result<Migrator, migrations_core::Error> {
        let shared = MigrationSet::new("shared")?.with_migration("V1_typo", || "SELECT 1".to_owned())?;
        Ok(Migrator::new(shared, MigrationSet::new("tenant")?))
    }

    #[test]
    fn a_bad_set_is_an_error_that_names_the_migration() {
        let (exit, stdout, stderr) = execute_with(&["orders", "up"], bad_set());
        assert_eq!((exit, stdout.as_str()), (Exit::Failed, ""));
        assert!(stderr.starts_with("error: V1_typo in the shared set: "), "{stderr}");
    }

    #[test]
    fn a_bad_set_is_one_object_in_json() -> Result<(), serde_json::Error> {
        let (exit, stdout, _) = execute_with(&["orders", "up", "--format", "json"], bad_set());
        let value: serde_json::Value = serde_json::from_str(&stdout)?;
        assert_eq!(exit, Exit::Failed);
        assert!(value["error"]["message"].as_str().is_some_and(|text| text.starts_with("V1_typo")), "{stdout}");
        assert!(value["error"]["sqlstate"].is_null());
        Ok(())
    }

    #[test]
    fn the_program_is_called_what_its_binary_is_called() {
        for args in [&["/opt/bin/orders", "--help"][..], &["orders", "up", "--help"], &["orders", "help", "tenant"]] {
            let (exit, stdout, stderr) = execute_with(args, bad_set());
            assert_eq!((exit, stderr.as_str()), (Exit::Done, ""));
            assert!(stdout.contains("Usage: orders "), "{stdout}");
            assert!(stdout.contains("\n  orders "), "the examples: {stdout}");
            assert!(!stdout.contains("\n  migrate ") && !stdout.contains("{program}"), "{stdout}");
        }
    }
}
