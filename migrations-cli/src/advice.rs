//! The commands that resolve an error. `migrations-core` is a library, so its texts name no command; this module adds
//! one as a line of its own, wherever the command line shows an error, in text and in JSON.

use std::error::Error as _;
use std::io;

use migrations_core::{ConnectError, Error as Core, Failure, Reason, State, TenantName};

use crate::error::Error;

/// Adds commands to errors. The commands begin with the name of the running binary.
#[derive(Clone, Debug)]
pub(crate) struct Advice {
    program: String,
}

impl Advice {
    pub(crate) fn new(program: &str) -> Self {
        Self { program: program.to_owned() }
    }

    /// The error's text, and the command for it.
    pub(crate) fn error(&self, error: &Error) -> String {
        let help = match error {
            Error::Core(error) => self.for_core(error),
            #[cfg(feature = "embedded")]
            Error::Embedded(_) | Error::NoDataFolder => None,
            // Their texts name options themselves.
            Error::NoDatabase | Error::StillPending { .. } | Error::Signals(_) | Error::Output(_) => None,
        };
        with_help(error.to_string(), help)
    }

    /// The failure's text, and the command for it.
    pub(crate) fn failure(&self, failure: &Failure) -> String {
        with_help(failure.to_string(), self.for_failure(failure, failure.tenant().map(TenantName::as_str)))
    }

    /// The text of a failure that several tenants share, and the command for each.
    pub(crate) fn shared_failure(&self, failure: &Failure) -> String {
        with_help(failure.to_string(), self.for_failure(failure, Some("NAME")))
    }

    /// What is wrong with a tenant's schema, and the command for it.
    pub(crate) fn problem(&self, tenant: &str, state: State, problem: String) -> String {
        let help = (state == State::Missing).then(|| self.forget(tenant));
        with_help(problem, help)
    }

    /// Why `tenant adopt --all` left a schema alone, and the command for it.
    pub(crate) fn left_alone(&self, schema: &str, reason: String) -> String {
        // The reason is a text only. Where adoption resolves it, the text names the method.
        let help = reason.contains("Migrator::adopt_tenant").then(|| self.adopt(schema));
        with_help(reason, help)
    }

    /// The command for schemas that may be tenants and are not registered, below the warning that names them.
    pub(crate) fn unregistered(&self) -> String {
        help_line(&format!("`{} tenant adopt --all` registers them as tenants", self.program))
    }

    /// Every variant is listed, so that a new one is a decision; a test compares the list with the enum.
    #[allow(clippy::match_same_arms, reason = "the wildcard is for variants that do not exist yet")]
    fn for_core(&self, error: &Core) -> Option<String> {
        let program = &self.program;
        match error {
            Core::UnknownTenant(name) => Some(format!(
                "`{program} tenant list` shows the registered tenants, `{program} tenant create {name}` creates \
                 this one"
            )),
            Core::SchemaExists(name) => Some(self.adopt(name.as_str())),
            Core::NothingToAdopt(name) => {
                Some(format!("`{program} tenant create {name}` creates the tenant with its schema"))
            }
            Core::RegistryDamaged { .. } => {
                Some(format!("`{program} tenant adopt --all` registers the tenants again, once the schema is dropped"))
            }
            Core::Locked { .. } => Some(format!("`{program} up --lock-wait 30m` waits longer for the other run")),
            Core::Connect(error) if may_come_up(error) => Some(format!(
                "`{program} wait --timeout 5m` or `{program} up --wait 5m` waits longer for a server that is starting"
            )),
            Core::Failed(failure) => self.for_failure(failure, failure.tenant().map(TenantName::as_str)),
            Core::Server { .. } => self.for_sqlstate(error.sqlstate()),
            Core::Connect(_)
            | Core::Set(_)
            | Core::Name(_)
            | Core::Url { .. }
            | Core::NoDatabase
            | Core::Tls { .. }
            | Core::ServerGone { .. }
            | Core::Lost { .. }
            | Core::Interrupted
            | Core::Extension { .. }
            | Core::BackslashesEscape
            | Core::SchemaStillThere(_)
            | Core::NameInUse(..)
            | Core::OneSchema(_)
            | Core::DomainTaken { .. }
            | Core::PoolRefused { .. }
            | Core::Domain { .. } => None,
            _ => None,
        }
    }

    #[allow(clippy::match_same_arms, reason = "the wildcard is for variants that do not exist yet")]
    fn for_failure(&self, failure: &Failure, tenant: Option<&str>) -> Option<String> {
        match failure.reason() {
            Reason::Server(error) => self.for_sqlstate(Some(error.sqlstate())),
            Reason::SchemaMissing => tenant.map(|tenant| self.forget(tenant)),
            Reason::ConnectionLost(_) | Reason::Diverged(_) | Reason::Refused(_) | Reason::History(_) => None,
            _ => None,
        }
    }

    /// The command for a server that has no room for this many workers.
    fn for_sqlstate(&self, sqlstate: Option<&str>) -> Option<String> {
        matches!(sqlstate, Some("53200" | "53300"))
            .then(|| format!("`{} up --jobs 1` migrates one tenant at a time", self.program))
    }

    fn adopt(&self, schema: &str) -> String {
        format!("`{} tenant adopt {schema}` registers it as a tenant", self.program)
    }

    fn forget(&self, tenant: &str) -> String {
        format!("`{} tenant forget {tenant}` removes it from the registry", self.program)
    }
}

fn with_help(text: String, help: Option<String>) -> String {
    match help {
        Some(help) => format!("{text}\n{}", help_line(&help)),
        None => text,
    }
}

fn help_line(help: &str) -> String {
    format!("   = help: {help}")
}

/// Whether the server may only be starting: it cannot be reached, or says so itself (`cannot_connect_now`).
fn may_come_up(error: &ConnectError) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<io::Error>() {
            return true;
        }
        source = error.source();
    }
    error.sqlstate() == Some("57P03")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use std::{fs, io};

    use clap::{Command, CommandFactory};
    use migrations_core::Database;

    use super::*;
    use crate::args::{self, Cli, Program};

    /// The sources of `migrations-core`.
    fn core() -> io::Result<Vec<(PathBuf, String)>> {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations-core/src")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    files.push((path.clone(), fs::read_to_string(path)?));
                }
            }
        }
        Ok(files)
    }

    /// The commands below this one, as in `tenant adopt`, and the options of all of them.
    fn collect(command: &Command, path: &str, commands: &mut Vec<String>, options: &mut Vec<String>) {
        options
            .extend(command.get_arguments().filter_map(|argument| argument.get_long()).map(|long| format!("--{long}")));
        for command in command.get_subcommands() {
            let path = format!("{path} {}", command.get_name()).trim().to_owned();
            commands.push(path.clone());
            collect(command, &path, commands, options);
        }
    }

    /// Whether the line holds these words, and not only as a part of longer ones.
    fn has_words(line: &str, words: &str) -> bool {
        let is_inside = |next: char| next.is_alphanumeric() || next == '_' || next == '-';
        line.match_indices(words)
            .any(|(at, _)| !line[..at].ends_with(is_inside) && !line[at + words.len()..].starts_with(is_inside))
    }

    #[test]
    fn the_library_s_texts_name_no_command() -> io::Result<()> {
        let (mut commands, mut options) = (Vec::new(), Vec::new());
        collect(&Cli::command(), "", &mut commands, &mut options);
        assert!(commands.contains(&"tenant adopt".to_owned()) && options.contains(&"--lock-wait".to_owned()));

        let files = core()?;
        assert!(files.len() > 40, "the sources are found");
        for (path, source) in files {
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                // One word alone is a command only where it is marked as one.
                let command = commands.iter().find(|command| {
                    let is_marked = command.contains(' ') || line.contains(&format!("`{command}"));
                    is_marked && has_words(line, command)
                });
                let option = options.iter().find(|option| has_words(line, option));
                let named = command.or(option);
                assert!(named.is_none(), "{} names {named:?}: {}", path.display(), line.trim());
            }
        }
        Ok(())
    }

    /// The names of the variants of an enum in the library.
    fn variants(name: &str) -> io::Result<Vec<String>> {
        let start = format!("pub enum {name} {{\n");
        let sources = core()?;
        let body = sources.iter().find_map(|(_, source)| source.split(&start).nth(1)?.split("\n}\n").next());
        let lines = body.unwrap_or_default().lines();
        let names =
            lines.filter_map(|line| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)));
        Ok(names.map(|line| line.chars().take_while(char::is_ascii_alphanumeric).collect()).collect())
    }

    #[test]
    fn every_error_and_every_reason_is_considered() -> io::Result<()> {
        let source = include_str!("advice.rs").split("#[cfg(test)]").next().unwrap_or_default();
        for (name, alias, some) in [("Error", "Core", "UnknownTenant"), ("Reason", "Reason", "SchemaMissing")] {
            let variants = variants(name)?;
            assert!(variants.iter().any(|variant| variant == some), "{variants:?}");
            for variant in variants {
                let is_listed = source.match_indices(&format!("{alias}::{variant}")).any(|(at, found)| {
                    !source[at + found.len()..].starts_with(|next: char| next.is_ascii_alphanumeric())
                });
                assert!(is_listed, "{name}::{variant} is new: does a command resolve it?");
            }
        }
        Ok(())
    }

    /// The commands between backticks in the lines that are added.
    fn commands(text: &str) -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("   = help: `orders "));
        lines.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn every_command_that_is_named_exists() -> Result<(), Core> {
        let advice = Advice::new("orders");
        let name: TenantName = "acme".parse()?;
        let nobody = Database::from_url("postgres://nobody@127.0.0.1:1/none")?;
        let refused = match nobody.wait(Duration::ZERO) {
            Ok(_) => Core::NoDatabase,
            Err(error) => error,
        };
        let missing = vec!["tenants".to_owned()];
        let errors = [
            (Core::UnknownTenant(name.clone()), 2),
            (Core::SchemaExists(name.clone()), 1),
            (Core::NothingToAdopt(name.clone()), 1),
            (Core::RegistryDamaged { schema: "migrations".to_owned(), missing }, 1),
            (Core::Locked { what: "tenant acme".to_owned(), waited: Duration::ZERO }, 1),
            (refused, 2),
            (Core::SchemaStillThere(name), 0),
        ];
        let mut texts: Vec<_> =
            errors.map(|(error, count)| (advice.error(&Error::Core(error)), count)).into_iter().collect();
        texts.push((advice.problem("acme", State::Missing, "its schema does not exist".to_owned()), 1));
        texts.push((advice.problem("acme", State::Diverged, "it was changed".to_owned()), 0));
        texts.push((advice.unregistered(), 1));
        texts.push((with_help("it is full".to_owned(), advice.for_sqlstate(Some("53300"))), 1));
        for (text, count) in texts {
            let commands = commands(&text);
            assert_eq!(commands.len(), count, "{text}");
            for command in commands {
                let args: Vec<OsString> = command.split(' ').map(OsString::from).collect();
                let program = Program { name: "orders".to_owned(), version: None };
                assert!(args::parse(&program, &args).is_ok(), "no such command: {command}");
            }
        }
        Ok(())
    }
}
