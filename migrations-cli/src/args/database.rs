//! The commands of `database`.

use clap::{Args, Subcommand};
use migrations_core::RoleName;

/// Creates or drops the database that the configuration names.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  {program} database create && {program} up
  {program} database drop

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) enum DatabaseCommand {
    Create(CreateDatabase),
    Drop(DropDatabase),
}

/// Creates the database, unless it exists.
///
/// The command connects to database postgres, or template1, of the same server. The role needs the right to create
/// databases.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} database create
  {program} database create --owner shop --template template0

Exit codes: 0 the database exists, 1 something failed, 2 usage")]
pub(crate) struct CreateDatabase {
    /// The role that owns the database [default: the role of the connection]
    #[arg(long, value_name = "ROLE")]
    pub(crate) owner: Option<RoleName>,

    /// The database to copy [default: template1]
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,
}

/// Drops the database with all its tenants, if it exists.
///
/// On a terminal, the command asks for the name of the database. It never drops database postgres or a template.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} database drop
  {program} database drop --yes --force      in a script, also while other sessions use the database

Exit codes: 0 the database does not exist, 1 something failed or the name was not confirmed, 2 usage")]
pub(crate) struct DropDatabase {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,

    /// End the sessions that use the database
    #[arg(long)]
    pub(crate) force: bool,
}
