//! The grammar of the command line: commands, options and their help.
//!
//! In help texts `{program}` stands for the name of the running binary.

use std::ffi::OsString;
use std::path::Path;
#[cfg(feature = "embedded")]
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Command as Grammar, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use migrations_core::{RoleName, TenantName};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

#[derive(Debug, Parser)]
#[command(
    about = "Migrates a PostgreSQL database in which every tenant has a schema of its own",
    max_term_width = 100,
    styles = STYLES,
    version = concat!("(migrations-cli ", env!("CARGO_PKG_VERSION"), ")"),
    after_help = "\
Examples:
  {program} up                          bring the shared schema and every tenant up to date
  {program} status                      where every schema stands
  {program} tenant create acme          register a tenant and make its schema

Environment:
  DATABASE_URL      the database, as in postgres://user:password@host:5432/name
  PGHOST, PGHOSTADDR, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGAPPNAME, PGOPTIONS,
  PGCONNECT_TIMEOUT, PGSSLMODE
                    the database as libpq names it, when there is no URL
  RUST_LOG          what to log; wins over -v and -q
  NO_COLOR          no colour, even on a terminal

Exit codes:
  0  done
  1  something failed
  2  the command line or the environment cannot be used; nothing was tried
  3  migrations are pending (status --check)
  130, 143
     SIGINT or SIGTERM ended it: what was running is cancelled, what is done stays done; a second signal ends at once"
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
        help = "The database, as in postgres://user:password@host:5432/name; unlike one in the environment, it is seen \
                by who lists the processes"
    )]
    pub(crate) database_url: Option<String>,

    /// Start a private server for this command, with its data in DIR, which stays [default: a folder of the user's own]
    #[cfg(feature = "embedded")]
    #[arg(long, global = true, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "not given, given, given with a folder")]
    pub(crate) embedded: Option<Option<PathBuf>>,

    /// Begin anew: remove the data that DIR holds of an earlier private server, once no other process uses it
    #[cfg(feature = "embedded")]
    #[arg(long, global = true)]
    pub(crate) reset: bool,

    /// Run tenants' migrations as this role, which owns their schemas
    #[arg(long, global = true, value_name = "ROLE")]
    pub(crate) tenant_role: Option<RoleName>,

    /// How to show the result: for people, or as one JSON object
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,

    /// Log what is done; twice (-vv): everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// Say nothing on stderr but errors
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
    Pool(Pool),
    Wait(Wait),
}

impl Command {
    /// Whether ending it in the middle leaves something half done, or a statement at work on the server.
    pub(crate) fn changes_something(&self) -> bool {
        match self {
            // What only reads, and a single row, end by themselves.
            Self::Up(up) => !up.dry_run,
            Self::Status(_) | Self::Wait(_) => false,
            Self::Tenant(command) => !matches!(command, Tenant::List(_) | Tenant::Show(_) | Tenant::Domain(_)),
            Self::Pool(command) => !matches!(command, Pool::Status(_)),
        }
    }
}

/// Brings the database up to date: the registry, the shared schema, then every tenant.
///
/// A tenant that fails does not stop the others, unless --fail-fast or one of the --max options says so. Running it
/// again, from two places or after a crash is safe: it continues with the rest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} up
  {program} up --create acme --create globex
  {program} up --tenant acme --wait 2m
  {program} up --jobs 8 --max-distinct 2
  {program} up --dry-run > up.sql

Exit codes: 0 everything is up to date (--dry-run: it is shown), 1 something failed, 2 usage, 130 and 143 interrupted")]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Up {
    /// Register this tenant first, unless it is; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) create: Vec<TenantName>,

    /// Of the tenants, only this one; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Vec<TenantName>,

    /// The registry and the shared schema, and no tenant
    #[arg(long, conflicts_with_all = ["create", "tenant"])]
    pub(crate) shared_only: bool,

    /// Go by every schema's history instead of by what the registry says of it, and put the registry right
    #[arg(long)]
    pub(crate) verify: bool,

    /// How long to wait for a server that does not accept connections yet, as in 30s or 2m [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) wait: Option<Duration>,

    /// How many tenants to migrate at the same time, each on a connection of its own [default: what the binary sets, or
    /// 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,

    /// How many tenants to migrate in one transaction, which pays where a commit is slow [default: what the binary sets,
    /// or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) group: Option<u16>,

    /// Take no further tenant after the first one that fails
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,

    /// Take no further tenant after N have failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_failures: Option<u32>,

    /// Take no further tenant after failures with N different SQLSTATEs: one cause can fail for many, several are a sign
    /// that more is wrong
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_distinct: Option<u32>,

    /// How long a migration's statement waits for a table's lock before it is tried again [default: what the binary
    /// sets, or 3s]
    #[arg(long, value_name = "DURATION", value_parser = lock_timeout)]
    pub(crate) lock_timeout: Option<Duration>,

    /// How long to wait for another run that is at work on the same schema [default: what the binary sets, or 5m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) lock_wait: Option<Duration>,

    /// Show the SQL that a run would send, as a script for psql, and change nothing; what cannot run in a transaction is
    /// a comment in it
    #[arg(long, conflicts_with = "verify")]
    pub(crate) dry_run: bool,
}

/// Shows where the shared schema and every tenant stand, without changing anything.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} status
  {program} status --check --format json
  {program} status --verify

States:
  current   every migration is applied
  behind    some are not: `{program} up` applies them
  ahead     some are applied that this binary does not know; left alone
  diverged  what is applied is not what this binary has
  missing   the schema does not exist

Exit codes: 0 done, 1 something failed, 2 usage, 3 something is pending (--check)")]
pub(crate) struct Status {
    /// Exit with 3 when a run would find something to do, or something wrong
    #[arg(long)]
    pub(crate) check: bool,

    /// Read every schema's history instead of believing the registry, which finds what was changed by hand
    #[arg(long)]
    pub(crate) verify: bool,
}

/// Waits for the server to accept connections, or for the database to be migrated.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} wait && {program} up
  {program} wait --migrated --timeout 5m    in front of an application that does not migrate itself

Exit codes: 0 it is there, 1 it was not in time, 2 usage")]
pub(crate) struct Wait {
    /// How long, as in 30s or 2m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// Until no migration is pending, which is looked at every second
    #[arg(long)]
    pub(crate) migrated: bool,
}

/// Registers tenants, shows them, and keeps the host names that lead to them.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  {program} tenant create acme
  {program} tenant list

Exit codes: 0 done, 1 something failed, 2 usage")]
pub(crate) enum Tenant {
    Create(Create),
    List(List),
    Show(Show),
    #[command(subcommand)]
    Domain(Domain),
    Adopt(Adopt),
    Forget(Forget),
}

/// Registers tenants and makes their schemas; one that is there already is brought up to date.
///
/// A tenant is made whole or not at all. A schema that exists without being registered is refused: see `tenant adopt`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} tenant create acme
  {program} tenant create acme globex --format json

Exit codes: 0 they are there, 1 something failed, 2 usage")]
pub(crate) struct Create {
    /// 1 to 63 characters of a-z, 0-9 and _, starting with a letter or _; also the name of the schema
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<TenantName>,
}

/// Lists the registered tenants, in the order in which they are migrated.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant list --format json

Exit codes: 0 done, 1 something failed, 2 usage")]
pub(crate) struct List {}

/// Shows what the registry knows about a tenant.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant show acme

Exit codes: 0 done, 1 it is not registered, or something failed, 2 usage")]
pub(crate) struct Show {
    /// The tenant
    #[arg(value_name = "NAME")]
    pub(crate) name: TenantName,
}

/// Keeps the host names that lead to a tenant.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  {program} tenant domain add acme shop.example.com --primary

Exit codes: 0 done, 1 something failed, 2 usage")]
pub(crate) enum Domain {
    Add(Add),
}

/// Adds a host name to a tenant; one that it has already stays.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant domain add acme shop.example.com --primary

Exit codes: 0 done, 1 another tenant has it, or something failed, 2 usage")]
pub(crate) struct Add {
    /// The tenant
    #[arg(value_name = "NAME")]
    pub(crate) name: TenantName,

    /// The host name, without scheme, port or path
    #[arg(value_name = "HOST")]
    pub(crate) host: String,

    /// Make it the tenant's primary one, instead of the one that is
    #[arg(long)]
    pub(crate) primary: bool,
}

/// Registers schemas that exist as tenants, with what their history tables say; it does not migrate them.
///
/// With --all, every schema that holds a history of this binary's tenant set, as after the registry was dropped. Spare schemas of
/// a warm pool and other histories are named and left alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} tenant adopt acme && {program} up --tenant acme
  {program} tenant adopt --all && {program} up

Exit codes: 0 they are registered, 1 something failed, 2 usage")]
pub(crate) struct Adopt {
    /// The schemas
    #[arg(required_unless_present = "all", value_name = "NAME")]
    pub(crate) names: Vec<TenantName>,

    /// Every schema with a history of this binary's tenant set that is not registered
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
}

/// Removes a tenant whose schema is gone from the registry; it never drops a schema.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant forget acme

Exit codes: 0 done, 1 its schema is still there, or something failed, 2 usage")]
pub(crate) struct Forget {
    /// The tenant
    #[arg(value_name = "NAME")]
    pub(crate) name: TenantName,
}

/// Keeps spare schemas, provisioned ahead, for sign-ups that cannot wait.
///
/// A new tenant takes one by renaming it. A run migrates them with the tenants.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  {program} pool fill 10
  {program} pool status

Exit codes: 0 done, 1 something failed, 2 usage")]
pub(crate) enum Pool {
    Fill(Fill),
    Status(PoolStatus),
    Drain(Drain),
}

/// Makes spare schemas until there are N.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} pool fill 10

Exit codes: 0 they are there, 1 something failed, 2 usage")]
pub(crate) struct Fill {
    /// How many there are to be
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) size: u32,
}

/// Shows how many spare schemas there are.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} pool status --format json

Exit codes: 0 done, 1 something failed, 2 usage")]
pub(crate) struct PoolStatus {}

/// Drops all spare schemas.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} pool drain

Exit codes: 0 done, 1 something failed, 2 usage")]
pub(crate) struct Drain {}

/// Reads a duration as in `30s` or `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as in 30s or 2m"))
}

/// Reads a duration that PostgreSQL can have as its `lock_timeout`: whole milliseconds in an `int4`, of which 0 is no
/// limit (<https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT>).
fn lock_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    match i32::try_from(timeout.as_millis()) {
        Ok(0) => Err("without a limit, everybody queues behind the statement; give 1ms or more".to_owned()),
        Ok(_) => Ok(timeout),
        Err(_) => Err("PostgreSQL waits for 24days at the most".to_owned()),
    }
}

/// The name of the running binary.
pub(crate) fn program(args: &[OsString]) -> String {
    let stem = args.first().and_then(|path| Path::new(path).file_stem());
    stem.map_or_else(|| env!("CARGO_PKG_NAME").to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Whether a command line that cannot be read asks for JSON.
pub(crate) fn asks_for_json(args: &[OsString]) -> bool {
    let after = |flag: &OsString, value: &OsString| flag == "--format" && value == "json";
    args.iter().any(|arg| arg == "--format=json") || args.windows(2).any(|pair| after(&pair[0], &pair[1]))
}

pub(crate) fn parse(program: &str, args: &[OsString]) -> Result<Cli, clap::Error> {
    let mut grammar = named(Cli::command(), program).bin_name(program).display_name(program);
    let matches = grammar.try_get_matches_from_mut(args)?;
    refuse_two_databases(&mut grammar, &matches)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))
}

/// Puts the program's name into the help texts, which are written when this crate is compiled.
///
/// A command that is missing is an error with and without `DATABASE_URL`; clap would otherwise take the variable for an
/// argument, and show its help only without it.
fn named(grammar: Grammar, program: &str) -> Grammar {
    let grammar = grammar.arg_required_else_help(false);
    let after_help = grammar.get_after_help().map(|text| text.to_string().replace("{program}", program));
    let grammar = grammar.mut_subcommands(|command| named(command, program));
    match after_help {
        Some(text) => grammar.after_help(text),
        None => grammar,
    }
}

/// A URL on the command line contradicts `--embedded`; one in the environment is only a default. clap's own
/// `conflicts_with` does not tell the two apart.
#[cfg(feature = "embedded")]
fn refuse_two_databases(grammar: &mut Grammar, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
    use clap::parser::ValueSource;

    let given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    if given("reset") && !given("embedded") {
        let message = "--reset is for the private server of --embedded, and removes no other database's data";
        return Err(grammar.error(clap::error::ErrorKind::MissingRequiredArgument, message));
    }
    if given("embedded") && given("database_url") {
        let message = "--embedded and --database-url name two databases; give one of them";
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
        parse(&program(&args), &args).map_err(|error| error.to_string())
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

    #[test]
    fn json_is_recognised_on_a_line_that_cannot_be_read() {
        let asks = |line: &str| asks_for_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(asks("x --format=json nonsense") && asks("x nonsense --format json"));
        assert!(!asks("x nonsense") && !asks("x --format text json"));
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_an_example() {
        let error = parsed("x wait --timeout 30").map(drop);
        assert!(error.is_err_and(|text| text.contains("30s or 2m")));
    }

    #[test]
    fn a_lock_timeout_is_one_that_postgresql_has() {
        for (text, milliseconds) in
            [("1ms", Ok(1)), ("24days", Ok(2_073_600_000)), ("999us", Err(())), ("25days", Err(()))]
        {
            assert_eq!(lock_timeout(text).map(|timeout| timeout.as_millis()).map_err(drop), milliseconds, "{text}");
        }
    }
}
