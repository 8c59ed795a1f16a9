//! The commands of `tenant`.

use clap::{Args, Subcommand};
use migrations_core::{SchemaName, TenantName};

use super::baseline::TenantBaseline;

/// Manages tenants and their host names.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  {program} tenant create acme
  {program} tenant list

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) enum Tenant {
    Create(Create),
    List(List),
    Show(Show),
    #[command(subcommand)]
    Domain(Domain),
    Adopt(Adopt),
    Baseline(TenantBaseline),
    Forget(Forget),
}

/// Registers tenants and creates their schemas; brings a tenant that exists up to date.
///
/// A tenant is created whole or not at all. A schema that exists but is not registered is refused: see `tenant adopt`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} tenant create acme
  {program} tenant create acme globex --format json
  {program} tenant create acme-corp --schema t_42
  {program} tenant create -- -x

Exit codes: 0 the tenants exist, 1 something failed, 2 usage")]
pub(crate) struct Create {
    /// Any text of 1 to 63 bytes; one that starts with a hyphen comes after `--`
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<TenantName>,

    /// The schema of the tenant, if it is new [default: the one that the binary's rule gives it; without a rule, the
    /// tenant's name, if that consists of a-z, 0-9 and _ and does not start with a digit]
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) schema: Option<SchemaName>,
    /// Create it also while most tenants, or the shared schema, do not have this binary's migrations
    #[arg(long)]
    pub(crate) allow_divergence: bool,
}

/// Lists the registered tenants, in the order in which they are migrated.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant list --format json

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) struct List {}

/// Shows what the registry knows about a tenant.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant show acme

Exit codes: 0 success, 1 the tenant is not registered, or something failed, 2 usage")]
pub(crate) struct Show {
    /// The tenant
    #[arg(value_name = "NAME")]
    pub(crate) name: TenantName,
}

/// Manages the host names that lead to a tenant.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  {program} tenant domain add acme shop.example.com --primary

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) enum Domain {
    Add(Add),
}

/// Adds a host name to a tenant; one that the tenant already has stays.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant domain add acme shop.example.com --primary

Exit codes: 0 success, 1 another tenant has the host name, or something failed, 2 usage")]
pub(crate) struct Add {
    /// The tenant
    #[arg(value_name = "NAME")]
    pub(crate) name: TenantName,

    /// The host name, without scheme, port or path
    #[arg(value_name = "HOST")]
    pub(crate) host: String,

    /// Make it the tenant's primary host name, in place of the present one
    #[arg(long)]
    pub(crate) primary: bool,
}

/// Registers existing schemas as tenants, with the versions in their history tables; it changes the registry alone, and
/// says what the next `up` does with them.
///
/// --all adopts every schema that holds a history of this binary's tenant set, as after the registry was dropped. Spare
/// schemas of a warm pool and schemas with another history are named and left alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} tenant adopt acme && {program} up --tenant acme
  {program} tenant adopt acme-corp --schema Acme
  {program} tenant adopt --all && {program} up

Exit codes: 0 the schemas are registered, 1 something failed, 2 usage")]
pub(crate) struct Adopt {
    /// The tenants
    #[arg(required_unless_present = "all", value_name = "NAME")]
    pub(crate) names: Vec<TenantName>,

    /// The schema of the tenant [default: the one with the tenant's name]
    #[arg(long, value_name = "SCHEMA", conflicts_with = "all")]
    pub(crate) schema: Option<SchemaName>,

    /// Adopt every schema that has a history of this binary's tenant set and is not registered
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
}

/// Removes a tenant from the registry after its schema was dropped; it never drops a schema itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} tenant forget acme

Exit codes: 0 success, 1 the schema still exists, or something failed, 2 usage")]
pub(crate) struct Forget {
    /// The tenant
    #[arg(value_name = "NAME")]
    pub(crate) name: TenantName,
}
