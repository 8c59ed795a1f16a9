//! The grammar of the command line: commands, options and their help.
//!
//! In help texts `{program}` stands for the name of the running binary.

mod baseline;
mod database;
#[cfg(feature = "embedded")]
mod dev;
mod duration;
mod import;
mod pool;
mod repair;
mod status;
mod tenant;
mod up;
mod wait;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Command as Grammar, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use migrations_core::RoleName;

pub(crate) use self::baseline::{At, Baseline, Options as BaselineOptions, TenantBaseline};
pub(crate) use self::database::{CreateDatabase, DatabaseCommand, DropDatabase};
#[cfg(feature = "embedded")]
pub(crate) use self::dev::{Dev, DevCommand, Psql, Reset, Upgrade};
pub(crate) use self::duration::{duration, lock_timeout, statement_timeout};
pub(crate) use self::import::Import;
pub(crate) use self::pool::{Fill, Pool};
pub(crate) use self::repair::Repair;
pub(crate) use self::status::Status;
pub(crate) use self::tenant::{Add, Adopt, Create, Domain, Forget, Show, Tenant};
pub(crate) use self::up::Up;
pub(crate) use self::wait::Wait;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

#[derive(Debug, Parser)]
#[command(
    about = "Migrates a PostgreSQL database in which every tenant has a schema of its own",
    max_term_width = 100,
    styles = STYLES,
    after_help = "\
Examples:
  {program} up                          bring the shared schema and every tenant up to date
  {program} status                      show the state of every schema
  {program} tenant create acme          register a tenant and create its schema

Environment:
  DATABASE_URL      the database, as in postgres://user:password@host:5432/name
  PGSERVICE         a service in PGSERVICEFILE, ~/.pg_service.conf or PGSYSCONFDIR/pg_service.conf
  PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE and libpq's other variables
                    what the URL and the service do not say
  PGPASSFILE        the password file [default: ~/.pgpass]
  POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB; or DB_HOST, DB_PORT,
  DB_USER, DB_PASSWORD, DB_NAME
                    the database, if none of the above names one
  MIGRATE_CONNECT_TIMEOUT, MIGRATE_STATEMENT_TIMEOUT, MIGRATE_LOCK_TIMEOUT
                    the timeouts, as in 30s, if the option is not given
  RUST_LOG          what to log; overrides -v and -q
  NO_COLOR          no colour, even on a terminal

Exit codes:
  0  success
  1  something failed
  2  the command line or the environment cannot be used; nothing was tried
  3  migrations are pending (status --check)
  130, 143
     SIGINT or SIGTERM ended the command: no further tenant is begun, statements that still run
     after --grace are cancelled, what was committed stays; a second signal ends the process at
     once"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        help = "The database, as in postgres://user:password@host:5432/name; unlike one in the environment, it is \
                visible in the list of processes"
    )]
    pub(crate) database_url: Option<String>,

    /// Read variables from FILE, in the syntax of a .env file; those of the environment win
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,

    /// Run CMD with sh, and use the first line of its output as the password of every new connection
    #[arg(long, global = true, value_name = "CMD")]
    pub(crate) password_command: Option<String>,

    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        value_parser = duration,
        help = "How long one attempt to connect may take; 0s: no limit [env: MIGRATE_CONNECT_TIMEOUT] [default: that \
                of the connection string or PGCONNECT_TIMEOUT, or 10s]"
    )]
    pub(crate) connect_timeout: Option<Duration>,

    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        value_parser = statement_timeout,
        help = "How long a migration's statement may take; 0s: no limit [env: MIGRATE_STATEMENT_TIMEOUT] [default: the \
                binary's setting, or that of the role or the database]"
    )]
    pub(crate) statement_timeout: Option<Duration>,

    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        value_parser = lock_timeout,
        help = "How long a migration's statement waits for a lock on a table before it is tried again [env: \
                MIGRATE_LOCK_TIMEOUT] [default: the binary's setting, or 3s]"
    )]
    pub(crate) lock_timeout: Option<Duration>,

    /// Use the project's private server, which is joined, or started for this command; its data is in DIR and is kept
    /// [default: a folder for each project]
    #[cfg(feature = "embedded")]
    #[arg(long, global = true, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "not given, given, given with a folder")]
    pub(crate) embedded: Option<Option<PathBuf>>,

    /// Remove the private server's data first; refused while another process runs the server
    #[cfg(feature = "embedded")]
    #[arg(long, global = true)]
    pub(crate) reset: bool,

    /// Run the tenants' migrations as this role, which owns their schemas
    #[arg(long, global = true, value_name = "ROLE")]
    pub(crate) tenant_role: Option<RoleName>,

    /// After SIGINT or SIGTERM, how long running statements may take to finish before they are cancelled, as in 30s
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s", value_parser = duration::duration)]
    pub(crate) grace: Duration,

    /// The form of the result: text for people, or one JSON object
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,

    /// Log the progress; twice (-vv): log everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// Write nothing but errors to stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Up),
    Status(Status),
    #[command(subcommand)]
    Tenant(Tenant),
    #[command(subcommand)]
    Baseline(Baseline),
    Repair(Repair),
    #[command(subcommand)]
    Pool(Pool),
    #[command(subcommand)]
    Database(DatabaseCommand),
    Import(Import),
    Wait(Wait),
    #[cfg(feature = "embedded")]
    Dev(Dev),
}

impl Command {
    /// Whether ending the command in the middle leaves work half done, or a statement running on the server.
    pub(crate) fn changes_something(&self) -> bool {
        match self {
            // A command that only reads or writes a single row ends soon enough by itself.
            Self::Up(up) => !up.dry_run,
            Self::Import(import) => !import.dry_run,
            Self::Status(_) | Self::Wait(_) | Self::Database(_) => false,
            Self::Tenant(command) => !matches!(command, Tenant::List(_) | Tenant::Show(_) | Tenant::Domain(_)),
            Self::Baseline(_) | Self::Repair(_) => true,
            Self::Pool(command) => !matches!(command, Pool::Status(_)),
            #[cfg(feature = "embedded")]
            Self::Dev(_) => true,
        }
    }
}

/// The name of the binary and the version of the application.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

impl Program {
    /// The application's version, and the framework's.
    fn versions(&self) -> String {
        let framework = concat!("(migrations-cli ", env!("CARGO_PKG_VERSION"), ")");
        self.version.as_ref().map_or_else(|| framework.to_owned(), |version| format!("{version} {framework}"))
    }
}

/// The name of the running binary.
pub(crate) fn binary_name(args: &[OsString]) -> String {
    let stem = args.first().and_then(|path| Path::new(path).file_stem());
    stem.map_or_else(|| env!("CARGO_PKG_NAME").to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Whether a command line that cannot be parsed asks for JSON.
pub(crate) fn asks_for_json(args: &[OsString]) -> bool {
    let after = |flag: &OsString, value: &OsString| flag == "--format" && value == "json";
    args.iter().any(|arg| arg == "--format=json") || args.windows(2).any(|pair| after(&pair[0], &pair[1]))
}

pub(crate) fn parse(program: &Program, args: &[OsString]) -> Result<Cli, clap::Error> {
    let name = program.name.as_str();
    let grammar = named(Cli::command(), name).bin_name(name).display_name(name);
    let mut grammar = grammar.version(program.versions());
    #[cfg(feature = "embedded")]
    let args = dev::with_psql_apart(args);
    let matches = grammar.try_get_matches_from_mut(args)?;
    refuse_two_databases(&mut grammar, &matches)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))?;
    refuse_one_schema_for_several(&mut grammar, &cli.command)?;
    Ok(cli)
}

/// Two tenants cannot have one schema.
fn refuse_one_schema_for_several(grammar: &mut Grammar, command: &Command) -> Result<(), clap::Error> {
    let (names, schema) = match command {
        Command::Tenant(Tenant::Create(create)) => (&create.names, &create.schema),
        Command::Tenant(Tenant::Adopt(adopt)) => (&adopt.names, &adopt.schema),
        _ => return Ok(()),
    };
    if schema.is_some() && names.len() > 1 {
        let message = "--schema is for one tenant; give one NAME with it";
        return Err(grammar.error(clap::error::ErrorKind::ArgumentConflict, message));
    }
    Ok(())
}

/// Puts the program's name into the help texts, which are fixed when this crate is compiled.
///
/// A missing command is an error with and without `DATABASE_URL`. By default, clap counts the variable as an argument,
/// and would show its help only without it.
fn named(grammar: Grammar, program: &str) -> Grammar {
    let grammar = grammar.arg_required_else_help(false);
    let after_help = grammar.get_after_help().map(|text| text.to_string().replace("{program}", program));
    let grammar = grammar.mut_subcommands(|command| named(command, program));
    match after_help {
        Some(text) => grammar.after_help(text),
        None => grammar,
    }
}

/// A URL on the command line contradicts `--embedded`; one in the environment is only a default. clap's
/// `conflicts_with` does not distinguish them.
#[cfg(feature = "embedded")]
fn refuse_two_databases(grammar: &mut Grammar, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
    use clap::parser::ValueSource;

    let given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    if let Some(dev) = matches.subcommand_matches("dev") {
        // clap's own conflict would be with the global options, too.
        if dev.subcommand_name().is_some() && dev.value_source("create") == Some(ValueSource::CommandLine) {
            let message = "--create belongs to `dev` without another command, or after `dev reset`";
            return Err(grammar.error(clap::error::ErrorKind::ArgumentConflict, message));
        }
        if given("database_url") {
            let message = "dev runs a private server and uses no other database; leave out --database-url";
            return Err(grammar.error(clap::error::ErrorKind::ArgumentConflict, message));
        }
        if given("reset") {
            let message = "--reset is for --embedded with another command; `dev reset` removes the server's data";
            return Err(grammar.error(clap::error::ErrorKind::ArgumentConflict, message));
        }
    }
    if given("reset") && !given("embedded") {
        let message = "--reset is for the private server of --embedded; it removes no other database's data";
        return Err(grammar.error(clap::error::ErrorKind::MissingRequiredArgument, message));
    }
    if given("embedded") && given("database_url") {
        let message = "--embedded and --database-url name two databases; give only one of them";
        return Err(grammar.error(clap::error::ErrorKind::ArgumentConflict, message));
    }
    Ok(())
}

#[cfg(not(feature = "embedded"))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature with and without the feature")]
fn refuse_two_databases(_: &mut Grammar, _: &clap::ArgMatches) -> Result<(), clap::Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, String> {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&Program { name: binary_name(&args), version: None }, &args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_grammar_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_are_read_before_and_after_the_command() {
        for line in ["x --format json -vv up", "x up --format json -v -v", "x --format=json up -vv"] {
            let global = parsed(line).map(|cli| (cli.global.format, cli.global.verbose));
            assert_eq!(global, Ok((Format::Json, 2)), "{line}");
        }
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn embedded_takes_its_folder_after_an_equals_sign_only() {
        let folder = |line| parsed(line).map(|cli| cli.global.embedded);
        assert_eq!(folder("x --embedded up"), Ok(Some(None)));
        assert_eq!(folder("x up --embedded=data"), Ok(Some(Some(PathBuf::from("data")))));
        assert_eq!(folder("x up"), Ok(None));
        assert!(folder("x up --embedded data").is_err());
        let both = folder("x up --embedded --database-url postgres://localhost/a");
        assert!(both.is_err_and(|text| text.contains("name two databases")));
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn the_arguments_of_psql_and_of_a_command_are_their_own() {
        let psql = |line: &str| match parsed(line).map(|cli| cli.command) {
            Ok(Command::Dev(Dev { command: Some(DevCommand::Psql(psql)), .. })) => psql.args,
            _ => vec!["?".into()],
        };
        assert_eq!(psql("x dev psql -v a=1 -q -c"), ["-v", "a=1", "-q", "-c"]);
        assert_eq!(psql("x -q dev --embedded=data psql -- -v"), ["-v"]);
        assert!(psql("x dev psql").is_empty());
        assert!(parsed("x dev psql --help").is_err_and(|text| text.contains("Usage: x dev psql")));

        let run = |line: &str| match parsed(line).map(|cli| cli.command) {
            Ok(Command::Dev(dev)) => dev.run,
            _ => vec!["?".into()],
        };
        assert_eq!(run("x dev --create acme -- dev psql -v"), ["dev", "psql", "-v"]);
        assert!(run("x dev").is_empty());
    }

    #[test]
    fn json_is_recognised_on_a_line_that_cannot_be_parsed() {
        let asks = |line: &str| asks_for_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(asks("x --format=json nonsense") && asks("x nonsense --format json"));
        assert!(!asks("x nonsense") && !asks("x --format text json"));
    }

    #[test]
    fn a_schema_is_for_one_tenant() {
        assert!(parsed("x tenant create acme-corp --schema t_42").is_ok());
        assert!(parsed("x tenant adopt --schema=-x -- -x").is_ok());
        for line in ["x tenant create acme globex --schema t_42", "x tenant adopt a b --schema=t"] {
            assert!(parsed(line).is_err_and(|text| text.contains("for one tenant")), "{line}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_an_example() {
        let error = parsed("x wait --timeout 30").map(drop);
        assert!(error.is_err_and(|text| text.contains("30s or 2m")));
    }
}
