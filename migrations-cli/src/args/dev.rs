//! The commands of `dev`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use migrations_core::TenantName;

/// Runs the project's private server for development, brings it up to date, and runs a program with it.
///
/// The program finds the database in its environment. Without a program, the URL is printed and the server runs until
/// SIGINT or SIGTERM. The address and the password are the same at every start. A second process of the project
/// joins the server that runs; it stops with the process that started it.
///
/// The data is in a folder of its own for every project: the nearest directory upwards whose Cargo.toml has a
/// [workspace], or else one with a Cargo.toml or a .git. --embedded=DIR names another folder.
///
/// The URL's role is no superuser. It owns its database and may create others. The superuser connects through the
/// socket: `dev psql -U postgres`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} dev -- cargo run
  {program} dev --create acme
  {program} dev url
  {program} dev psql -c 'TABLE plans'

Environment of the program:
  DATABASE_URL, and libpq's PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE

Exit codes: the program's; without a program 130 or 143 after SIGINT or SIGTERM; 1 something failed
before the program ran, 126 or 127 it cannot be run, 2 usage")]
pub(crate) struct Dev {
    #[command(subcommand)]
    pub(crate) command: Option<DevCommand>,

    /// Create this tenant, unless it is registered; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) create: Vec<TenantName>,

    /// The program to run with the server, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) run: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevCommand {
    Url(DevUrl),
    Psql(Psql),
    Reset(Reset),
    Upgrade(Upgrade),
}

/// Prints the URL of the project's database, with the password.
///
/// The URL is the same whether the server runs or not; stderr says whether it runs.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  echo \"DATABASE_URL=$({program} dev url)\" >> .env

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) struct DevUrl {}

/// Runs psql on the project's database. The server is joined, or started until psql ends.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} dev psql
  {program} dev psql -U postgres -c 'CREATE EXTENSION postgis'

Exit codes: those of psql; 1 the server cannot be used, 126 or 127 psql cannot be run, 2 usage")]
pub(crate) struct Psql {
    /// The arguments of psql
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,
}

/// Removes all data of the project's server, and migrates an empty database. The URL stays the same.
///
/// It is refused while another process runs the server.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} dev reset --create acme

Exit codes: 0 everything is up to date, 1 something failed, 2 usage")]
pub(crate) struct Reset {
    /// Create this tenant; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) create: Vec<TenantName>,
}

/// Brings the data to the major version of the PostgreSQL programs that are found first.
///
/// It dumps the data with the programs of the old version and restores it with the new. The old data stays in the
/// folder until the new server has answered. After an interruption, run it again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} dev upgrade
  MIGRATIONS_POSTGRES_BIN=/usr/lib/postgresql/18/bin {program} dev upgrade

Exit codes: 0 the data has the new version, 1 something failed, 2 usage")]
pub(crate) struct Upgrade {
    /// The folder of the old version's programs [default: the first that are found]
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
}

/// Puts `--` before the arguments of `dev psql`: `-v` and `-q` have a meaning of their own there.
pub(super) fn with_psql_apart(args: &[OsString]) -> Vec<OsString> {
    let mut args = args.to_vec();
    if let Some(after) = after_psql(&args) {
        let asks_for_help = args[after..] == ["--help"];
        if !asks_for_help && args.get(after).is_some_and(|next| next != "--") {
            args.insert(after, "--".into());
        }
    }
    args
}

/// The place after `dev … psql`, with nothing but options between the two.
fn after_psql(args: &[OsString]) -> Option<usize> {
    let is_option = |arg: &OsString| arg.as_encoded_bytes().starts_with(b"-");
    let dev = args.iter().position(|arg| arg == "dev")?;
    let (skipped, next) = args[dev + 1..].iter().enumerate().find(|(_, arg)| !is_option(arg) || *arg == "--")?;
    (next == "psql").then_some(dev + skipped + 2)
}
