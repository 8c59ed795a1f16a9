//! The commands that resolve an error. `migrations-core` is a library, so its texts name no command; this module adds
//! one as a line of its own, wherever the command line shows an error, in text and in JSON.

use migrations_core::{BaselineRefusal, ConnectError, Error as Core, Failure, Finding, Reason, Refusal, State};

use crate::error::Error;

/// Adds commands to errors. The commands begin with the name of the running binary.
#[derive(Clone, Debug)]
pub(crate) struct Advice {
    program: String,
    /// The option or the variable that sets the statement timeout.
    statement_timeout_by: Option<&'static str>,
}

impl Advice {
    pub(crate) fn new(program: &str) -> Self {
        Self { program: program.to_owned(), statement_timeout_by: None }
    }

    /// Names what has set the statement timeout, where a statement has run into it.
    pub(crate) fn statement_timeout_by(self, option: Option<&'static str>) -> Self {
        Self { statement_timeout_by: option, ..self }
    }

    /// The error's text, and the command for it.
    pub(crate) fn error(&self, error: &Error) -> String {
        let help = match error {
            Error::Core(error) => self.for_core(error),
            #[cfg(feature = "embedded")]
            Error::Embedded(migrations_embedded::Error::VersionMismatch { .. }) => Some(format!(
                "`{} dev upgrade` brings the data to the version of the programs, with the programs of both versions \
                 installed",
                self.program
            )),
            #[cfg(feature = "embedded")]
            Error::Embedded(migrations_embedded::Error::NoOldPrograms { .. }) => Some(format!(
                "`{} dev upgrade --from /usr/lib/postgresql/14/bin` names the folder of the old programs",
                self.program
            )),
            #[cfg(feature = "embedded")]
            Error::Embedded(_)
            | Error::NoDataFolder
            | Error::ServerEnded(_)
            | Error::ServerEndedMeanwhile { .. }
            | Error::Program { .. } => None,
            // Their texts name options themselves.
            Error::NoDatabase
            | Error::EnvFile { .. }
            | Error::Variable { .. }
            | Error::Unattended { .. }
            | Error::NotConfirmed { .. }
            | Error::Input(_)
            | Error::File { .. }
            | Error::StillPending { .. }
            | Error::Signals(_)
            | Error::Output(_) => None,
        };
        with_help(error.to_string(), help)
    }

    /// The failure's text, and the command for it.
    pub(crate) fn failure(&self, failure: &Failure) -> String {
        with_help(failure.to_string(), self.for_failure(failure, failure.tenant().map(|name| quoted(name.as_str()))))
    }

    /// The text of a failure that several tenants share, and the command for each.
    pub(crate) fn shared_failure(&self, failure: &Failure) -> String {
        with_help(failure.to_string(), self.for_failure(failure, Some("NAME".to_owned())))
    }

    /// What is wrong with a tenant's schema, and the command for it.
    pub(crate) fn problem(&self, tenant: &str, state: State, problem: String) -> String {
        let help = match state {
            State::Missing => Some(self.forget(&quoted(tenant))),
            State::Diverged if problem.contains("Migrator::baseline_tenants") => Some(self.unrecorded(&quoted(tenant))),
            State::Diverged => Some(self.repair()),
            _ => None,
        };
        with_help(problem, help)
    }

    /// The command that corrects what a repair has found; the last resort is a person.
    pub(crate) fn finding(&self, name: &str, is_tenant: bool, finding: &Finding) -> Option<String> {
        let program = &self.program;
        match finding {
            Finding::Changed { version, .. } => Some(format!(
                "put the file back as it was; or, if both texts mean the same, `{program} repair --update-checksums \
                 {version}` records the embedded checksum"
            )),
            Finding::Unknown { .. } if !is_tenant => Some("put the file back".to_owned()),
            Finding::Unknown { version, .. } => Some(format!(
                "put the file back; or, if its changes were undone, `{program} repair --mark-unapplied {version} --tenant \
                 {}` takes it out of the history",
                quoted(name)
            )),
            Finding::Skipped { embedded, .. } => {
                Some(format!("give {embedded} a version above all applied ones, or restore the history from a backup"))
            }
            Finding::Unrecorded => Some(self.unrecorded(&quoted(name))),
            Finding::Missing => Some(self.forget(&quoted(name))),
            Finding::Registry { .. } => {
                Some(format!("`{program} repair --rebuild-registry` writes what the histories say into the registry"))
            }
            Finding::Marked { .. } if !is_tenant => Some(format!(
                "`{program} up --shared-only` continues; `{program} repair {}` decides about an index",
                option("clear-mark", name)
            )),
            Finding::Marked { .. } => Some(format!(
                "`{program} up {}` continues; `{program} repair {}` decides about an index",
                option("tenant", name),
                option("clear-mark", name)
            )),
            _ => None,
        }
    }

    /// Why a schema got no baseline, and the options that change that.
    pub(crate) fn baseline(&self, tenant: Option<&str>, schema: &str, refusal: &BaselineRefusal) -> String {
        let program = &self.program;
        let help = match refusal {
            BaselineRefusal::NotRegistered => Some("--adopt registers it".to_owned()),
            BaselineRefusal::Pending(_) => {
                let which = tenant.map_or_else(|| "--shared-only".to_owned(), |name| option("tenant", name));
                Some(format!("`{program} up {which}` applies them, --fake records them without that"))
            }
            BaselineRefusal::SchemaTaken { owner } => {
                Some(format!("`{program} tenant show {}` shows that tenant", quoted(owner.as_str())))
            }
            BaselineRefusal::NameTaken { .. } => Some(self.adopt(None, schema)),
            BaselineRefusal::Other { .. } | BaselineRefusal::Unreadable(_) => Some(self.repair()),
            BaselineRefusal::Different(_) => {
                Some("--ignore PATTERN leaves out what the application itself adds".to_owned())
            }
            _ => None,
        };
        with_help(refusal.to_string(), help)
    }

    /// Why `tenant adopt --all` left a schema alone, and the command for it.
    pub(crate) fn left_alone(&self, schema: &str, reason: String) -> String {
        // The reason is a text only. Where adoption resolves it, the text names the method.
        let help = reason.contains("Migrator::adopt_tenant").then(|| {
            let is_called_alike = !reason.contains("Migrator::adopt_tenant_in");
            self.adopt(is_called_alike.then_some(schema), schema)
        });
        with_help(reason, help)
    }

    /// The command for a schema whose history was not imported.
    #[allow(clippy::match_same_arms, reason = "the wildcard is for variants that do not exist yet")]
    pub(crate) fn refusal(&self, refusal: &Refusal, tool: &str) -> Option<String> {
        let command = |option: &str| format!("`{} import --from {tool} {option}`", self.program);
        let help = match refusal {
            Refusal::Unmapped { foreign, .. } => {
                let first = foreign.first()?;
                let (map, leave) = (command(&format!("--map {first}=VERSION")), command(&format!("--map {first}=-")));
                format!("{map} names its counterpart, {leave} says that it has none")
            }
            Refusal::Hole { .. } => {
                format!("{} names the tool's migration that corresponds to it", command("--map FOREIGN=VERSION"))
            }
            Refusal::Unreadable(_) => format!(
                "{} reads another table, {} leaves other schemas out",
                command("--table NAME"),
                command("--tenants-by PATTERN")
            ),
            Refusal::Partial { .. }
            | Refusal::Unfinished { .. }
            | Refusal::Differs { .. }
            | Refusal::Name(_)
            | Refusal::Changed
            | Refusal::Server(_) => return None,
            _ => return None,
        };
        Some(help_line(&help))
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
                "`{program} tenant list` shows the registered tenants, `{program} tenant create {}` creates this one",
                quoted(name.as_str())
            )),
            Core::SchemaExists { tenant, schema } => Some(self.adopt(Some(tenant.as_str()), schema.as_str())),
            Core::NothingToAdopt { tenant, schema } => Some(format!(
                "`{program} tenant create {}` creates the tenant with its schema",
                in_schema(tenant.as_str(), schema.as_str())
            )),
            Core::NoSchema { tenant, .. } => Some(format!(
                "`{program} tenant create --schema SCHEMA {}` creates it in the schema that you choose",
                quoted(tenant.as_str())
            )),
            Core::SchemaTaken { owner, .. } => {
                Some(format!("`{program} tenant show {}` shows the tenant that has it", quoted(owner.as_str())))
            }
            Core::OtherSchema { tenant, .. } => {
                Some(format!("`{program} tenant show {}` shows what is registered", quoted(tenant.as_str())))
            }
            Core::FleetDiverged { tenant, .. } => Some(format!(
                "`{program} repair` explains every difference, `{program} tenant create --allow-divergence {}` creates it \
                 all the same",
                quoted(tenant.as_str())
            )),
            Core::RegistryDamaged { .. } => {
                Some(format!("`{program} tenant adopt --all` registers the tenants again, once the schema is dropped"))
            }
            Core::Locked { .. } => Some(format!("`{program} up --lock-wait 30m` waits longer for the other run")),
            Core::Connect(error) if may_come_up(error) => Some(format!(
                "`{program} wait --timeout 5m` or `{program} up --wait 5m` waits longer for a server that is starting"
            )),
            Core::Connect(error) if error.sqlstate() == Some("3D000") => {
                Some(format!("`{program} database create` creates the database"))
            }
            Core::Failed(failure) => self.for_failure(failure, failure.tenant().map(|name| quoted(name.as_str()))),
            Core::Server { doing, .. }
                if error.sqlstate() == Some("55006") && doing.starts_with("dropping database") =>
            {
                Some(format!("`{program} database drop --force` ends the sessions that use it"))
            }
            Core::Server { .. } => self.for_sqlstate(error.sqlstate()),
            Core::NoHistory { tool, .. } => {
                Some(format!("`{program} import --from {tool} --table NAME` reads the tool's tables of another name"))
            }
            Core::Connect(_)
            | Core::UnknownTool { .. }
            | Core::Mapping { .. }
            | Core::Set(_)
            | Core::Name(_)
            | Core::Url { .. }
            | Core::Parameter { .. }
            | Core::NotDropped { .. }
            | Core::NoDatabase
            | Core::NoServer { .. }
            | Core::Tls { .. }
            | Core::TlsSetting { .. }
            | Core::InsideRuntime
            | Core::NoThread { .. }
            | Core::ServerGone { .. }
            | Core::Lost { .. }
            | Core::Interrupted
            | Core::Extension { .. }
            | Core::BackslashesEscape
            | Core::SchemaStillThere { .. }
            | Core::NameInUse(..)
            | Core::SchemaInUse { .. }
            | Core::OneSchema(_)
            | Core::DomainTaken { .. }
            | Core::PoolRefused { .. }
            | Core::UnknownVersion { .. }
            | Core::Domain { .. } => None,
            _ => None,
        }
    }

    #[allow(clippy::match_same_arms, reason = "the wildcard is for variants that do not exist yet")]
    fn for_failure(&self, failure: &Failure, tenant: Option<String>) -> Option<String> {
        match failure.reason() {
            // A statement can be cancelled for other reasons. Where the timeout is one, the text names the setting.
            Reason::Server(_) if failure.to_string().contains("Migrator::statement_timeout") => {
                let by = self.statement_timeout_by.unwrap_or("the binary's setting");
                let program = &self.program;
                Some(format!("`{program} up --statement-timeout 1h` gives a statement more time; now {by} limits it"))
            }
            Reason::Server(error) => self.for_sqlstate(Some(error.sqlstate())),
            Reason::SchemaMissing => tenant.map(|tenant| self.forget(&tenant)),
            Reason::Unrecorded => Some(self.unrecorded(tenant.as_deref().unwrap_or("NAME"))),
            Reason::Diverged(_) | Reason::History(_) => Some(self.repair()),
            Reason::ConnectionLost(_) | Reason::Refused(_) => None,
            _ => None,
        }
    }

    /// The command for a server that has no room for this many workers.
    fn for_sqlstate(&self, sqlstate: Option<&str>) -> Option<String> {
        matches!(sqlstate, Some("53200" | "53300"))
            .then(|| format!("`{} up --jobs 1` migrates one tenant at a time", self.program))
    }

    /// The command that adopts a schema, as the tenant of this name or of one that the operator chooses.
    fn adopt(&self, tenant: Option<&str>, schema: &str) -> String {
        let tenant = tenant.map_or_else(|| option("schema", schema) + " NAME", |tenant| in_schema(tenant, schema));
        format!("`{} tenant adopt {tenant}` registers it as a tenant", self.program)
    }

    /// The command for histories that differ from the binary's.
    fn repair(&self) -> String {
        format!("`{} repair` explains every difference, and corrects what it is told to", self.program)
    }

    /// The commands for a tenant's schema that holds tables and has no history.
    fn unrecorded(&self, tenant: &str) -> String {
        let program = &self.program;
        format!(
            "`{program} tenant baseline {tenant} --at 7 --verify` records, for instance, that everything up to \
             version 7 is applied, `{program} tenant baseline {tenant} --at none` that nothing is"
        )
    }

    fn forget(&self, tenant: &str) -> String {
        format!("`{} tenant forget {tenant}` removes it from the registry", self.program)
    }
}

/// The arguments for a tenant in this schema, which need no option if both have one name.
fn in_schema(tenant: &str, schema: &str) -> String {
    let option = if tenant == schema { String::new() } else { option("schema", schema) + " " };
    option + &quoted(tenant)
}

/// An option whose value may start with a hyphen.
fn option(name: &str, value: &str) -> String {
    format!("--{name}={}", word(value))
}

/// A name as the last argument of a command in a shell.
fn quoted(name: &str) -> String {
    let word = word(name);
    if name.starts_with('-') { format!("-- {word}") } else { word }
}

/// One word of a shell's command line.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    if !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("$'{}'", text.chars().map(escaped).collect::<String>())
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

/// Whether the server may only be starting. One that is full does not get free by waiting for its start.
fn may_come_up(error: &ConnectError) -> bool {
    error.may_pass() && error.sqlstate() != Some("53300")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use std::{fs, io};

    use clap::{Command, CommandFactory};
    use migrations_core::{Database, SchemaName, TenantName};

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
        for (name, alias, some) in [
            ("Error", "Core", "UnknownTenant"),
            ("Reason", "Reason", "SchemaMissing"),
            ("Refusal", "Refusal", "Partial"),
        ] {
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

    #[test]
    fn a_shell_reads_a_name_as_one_argument() {
        for (name, argument) in [
            ("acme-corp", "acme-corp"),
            ("-x", "-- -x"),
            ("O'Neill & Co.", r"'O'\''Neill & Co.'"),
            ("-$(rm)", "-- '-$(rm)'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quoted(name), argument);
        }
        assert_eq!(option("schema", "a\n'b"), r"--schema=$'a\u000a\'b'");
        assert_eq!(in_schema("acme", "acme"), "acme");
        assert_eq!(in_schema("-x", "Acme Corp"), "--schema='Acme Corp' -- -x");
    }

    #[test]
    fn a_tenant_is_named_and_quoted_and_the_shared_schema_is_none() {
        let advice = Advice::new("orders");
        let pending = BaselineRefusal::Pending(vec!["V2__author".to_owned()]);
        let told = advice.baseline(Some("acme & co."), "t_42", &pending);
        assert!(told.contains("`orders up --tenant='acme & co.'` applies them"), "{told}");
        let told = advice.baseline(None, "public", &pending);
        assert!(told.contains("`orders up --shared-only` applies them"), "{told}");
        let marked = Finding::Marked { version: 2 };
        let told = advice.finding("public", false, &marked).unwrap_or_default();
        assert!(told.starts_with("`orders up --shared-only` continues; `orders repair --clear-mark=public`"), "{told}");
        let told = advice.finding("acme & co.", true, &marked).unwrap_or_default();
        assert!(told.starts_with("`orders up --tenant='acme & co.'` continues"), "{told}");
    }

    /// The commands between backticks in the lines that are added.
    fn commands(text: &str) -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("   = help: `orders "));
        lines.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn every_command_that_is_named_exists() -> Result<(), Core> {
        let advice = Advice::new("orders");
        let (name, schema): (TenantName, SchemaName) = ("acme".parse()?, "acme".parse()?);
        let nobody = Database::from_url("postgres://nobody@127.0.0.1:1/none")?;
        let refused = match nobody.wait(Duration::ZERO) {
            Ok(_) => Core::NoDatabase,
            Err(error) => error,
        };
        let missing = vec!["tenants".to_owned()];
        let errors = [
            (Core::UnknownTenant(name.clone()), 2),
            (Core::SchemaExists { tenant: name.clone(), schema: schema.clone() }, 1),
            (Core::SchemaExists { tenant: name.clone(), schema: "t_42".parse()? }, 1),
            (Core::NothingToAdopt { tenant: name.clone(), schema: schema.clone() }, 1),
            (Core::NoSchema { tenant: "-x".parse()?, source: "none".into() }, 1),
            (Core::SchemaTaken { tenant: name.clone(), schema: schema.clone(), owner: "-x".parse()? }, 1),
            (Core::OtherSchema { tenant: name.clone(), registered: schema.clone(), asked: "t_42".parse()? }, 1),
            (Core::RegistryDamaged { schema: "migrations".to_owned(), missing }, 1),
            (Core::Locked { what: "tenant acme".to_owned(), waited: Duration::ZERO }, 1),
            (refused, 2),
            (Core::SchemaStillThere { tenant: name.clone(), schema }, 0),
            (Core::FleetDiverged { tenant: name, diverged: 2, of: 2, example: "globex".to_owned() }, 2),
            (Core::NoHistory { tool: "sqlx".to_owned(), table: "_sqlx_migrations".to_owned() }, 1),
        ];
        let mut texts: Vec<_> =
            errors.map(|(error, count)| (advice.error(&Error::Core(error)), count)).into_iter().collect();
        texts.push((advice.problem("acme", State::Missing, "its schema does not exist".to_owned()), 1));
        texts.push((advice.problem("acme", State::Diverged, "it was changed".to_owned()), 1));
        texts.push((with_help("it has no history".to_owned(), Some(advice.unrecorded("acme"))), 2));
        for (finding, count) in
            [(Finding::Unrecorded, 2), (Finding::Missing, 1), (Finding::Unreadable("it is damaged".to_owned()), 0)]
        {
            texts.push((with_help(finding.to_string(), advice.finding("acme", true, &finding)), count));
        }
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
