//! The command line of an application: its name, its version, and one run of it.

use std::ffi::OsString;
use std::process::ExitCode;

use migrations_core::Migrator;

use crate::args::{self, Program};
use crate::error::Exit;
use crate::output::{Output, Stream};
use crate::{command, logging};

/// What [`run`](crate::run) and [`App::new`] take: a [`Migrator`], or the attempt to create one.
pub trait IntoMigrator {
    /// The migrator, or the error that prevented it.
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

/// The command line of an application, with the application's own version.
///
/// ```
/// use std::process::ExitCode;
///
/// use migrations_cli::App;
/// use migrations_core::{Error, MigrationSet, Migrator};
///
/// fn migrator() -> Result<Migrator, Error> {
///     Ok(Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?))
/// }
///
/// let app = App::new(migrator()).version("1.2.3").name("orders");
/// // This prints `orders 1.2.3 (migrations-cli …)`.
/// assert_eq!(app.run_from(["orders", "--version"]), ExitCode::SUCCESS);
/// ```
///
/// In `main`, [`run`](Self::run) takes the arguments of the process, and `version(env!("CARGO_PKG_VERSION"))` the
/// version of the application's own package.
#[derive(Debug)]
#[must_use = "an app does nothing until it runs"]
pub struct App {
    migrator: Result<Migrator, migrations_core::Error>,
    name: Option<String>,
    version: Option<String>,
}

impl App {
    /// A command line over these migrations. A set that cannot be used is reported when the app runs.
    pub fn new(migrator: impl IntoMigrator) -> Self {
        Self { migrator: migrator.into_migrator(), name: None, version: None }
    }

    /// Sets the application's version, which `--version` prints before the framework's.
    pub fn version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// Sets the name for `--version`, help and messages. Without it,
    /// the name is that of the running binary.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Runs the command line of this process. See [`run_from`](Self::run_from).
    pub fn run(self) -> ExitCode {
        self.run_from(std::env::args_os())
    }

    /// Runs a command line, whose first argument is the path of the binary, and returns the exit code.
    ///
    /// | exit code | meaning |
    /// | --- | --- |
    /// | 0 | success |
    /// | 1 | something failed, or a set cannot be used |
    /// | 2 | the command line or the environment cannot be used |
    /// | 3 | migrations are pending (`status --check`) |
    /// | 130, 143 | SIGINT or SIGTERM ended the command |
    ///
    /// The result goes to the stdout of the process, everything else to its stderr. The first call in a process
    /// installs a logger. Every command that changes something installs handlers of SIGINT and SIGTERM for the rest of
    /// the process, so an application calls this once, from `main`.
    pub fn run_from(self, args: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
        ExitCode::from(self.execute(&args, Stream::stdout(&mut stdout), Stream::stderr(&mut stderr)))
    }

    fn execute<'a>(self, args: &[OsString], stdout: Stream<'a>, stderr: Stream<'a>) -> Exit {
        let Self { migrator, name, version } = self;
        let program = Program { name: name.unwrap_or_else(|| args::binary_name(args)), version };
        let mut output = Output::new(program.name.clone(), stdout, stderr);
        let cli = match args::parse(&program, args) {
            Ok(cli) => cli,
            Err(error) => return output.usage(&error, args::asks_for_json(args)),
        };
        output.configure(&cli.global);
        logging::start(&cli.global, output.progress());
        let done = match migrator {
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
}

#[cfg(test)]
mod tests {
    use migrations_core::MigrationSet;

    use super::*;

    fn execute_with(app: App, args: &[&str]) -> (Exit, String, String) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = app.execute(&args, Stream::plain(&mut stdout), Stream::plain(&mut stderr));
        (exit, String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
    }

    fn bad_set() -> Result<Migrator, migrations_core::Error> {
        let shared = MigrationSet::new("shared")?.with_migration("V1_typo", || "SELECT 1".to_owned())?;
        Ok(Migrator::new(shared, MigrationSet::new("tenant")?))
    }

    #[test]
    fn a_bad_set_is_an_error_that_names_the_migration() {
        let (exit, stdout, stderr) = execute_with(App::new(bad_set()), &["orders", "up"]);
        assert_eq!((exit, stdout.as_str()), (Exit::Failed, ""));
        assert!(stderr.starts_with("error: V1_typo in the shared set: "), "{stderr}");
    }

    #[test]
    fn a_bad_set_is_one_object_in_json() -> Result<(), serde_json::Error> {
        let (exit, stdout, _) = execute_with(App::new(bad_set()), &["orders", "up", "--format", "json"]);
        let value: serde_json::Value = serde_json::from_str(&stdout)?;
        assert_eq!(exit, Exit::Failed);
        assert!(value["error"]["message"].as_str().is_some_and(|text| text.starts_with("V1_typo")), "{stdout}");
        assert!(value["error"]["sqlstate"].is_null());
        Ok(())
    }

    #[test]
    fn the_program_is_called_what_its_binary_is_called() {
        for args in [&["/opt/bin/orders", "--help"][..], &["orders", "up", "--help"], &["orders", "help", "tenant"]] {
            let (exit, stdout, stderr) = execute_with(App::new(bad_set()), args);
            assert_eq!((exit, stderr.as_str()), (Exit::Done, ""));
            assert!(stdout.contains("Usage: orders "), "{stdout}");
            assert!(stdout.contains("\n  orders "), "the examples: {stdout}");
            assert!(!stdout.contains("\n  migrate ") && !stdout.contains("{program}"), "{stdout}");
        }
    }

    #[test]
    fn a_name_is_used_instead_of_the_binary_s() {
        let (_, stdout, _) = execute_with(App::new(bad_set()).name("orders"), &["/opt/bin/orders-v2", "up", "--help"]);
        assert!(stdout.contains("Usage: orders up "), "{stdout}");
        assert!(stdout.contains("\n  orders up") && !stdout.contains("orders-v2"), "the examples: {stdout}");
    }

    #[test]
    fn the_version_is_the_application_s_and_the_framework_s() {
        let framework = concat!("(migrations-cli ", env!("CARGO_PKG_VERSION"), ")\n");
        let shown = |app: App, option| execute_with(app, &["/opt/bin/orders-v2", option]);
        for option in ["--version", "-V"] {
            let app = || App::new(bad_set());
            assert_eq!(shown(app(), option), (Exit::Done, format!("orders-v2 {framework}"), String::new()));
            let version = shown(app().version("1.2.3"), option);
            assert_eq!(version, (Exit::Done, format!("orders-v2 1.2.3 {framework}"), String::new()));
            let version = shown(app().version("1.2.3").name("orders"), option);
            assert_eq!(version, (Exit::Done, format!("orders 1.2.3 {framework}"), String::new()));
        }
    }

    #[test]
    fn arguments_need_not_be_those_of_the_process() {
        let run = |args: &[&str]| App::new(bad_set()).run_from(args);
        assert_eq!(run(&["orders", "--version"]), ExitCode::SUCCESS);
        assert_eq!(run(&["orders", "up"]), ExitCode::from(1));
        assert_eq!(run(&["orders", "up", "--nonsense"]), ExitCode::from(2));
        assert_eq!(run(&[]), ExitCode::from(2), "no command");
    }
}
