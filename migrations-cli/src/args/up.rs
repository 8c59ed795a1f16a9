//! The options of `up`.

use std::time::Duration;

use clap::Args;
use migrations_core::TenantName;

use super::duration::duration;

/// Brings the database up to date: the registry, the shared schema, then every tenant.
///
/// A failed tenant does not stop the others, unless --fail-fast or one of the --max options says so. It is safe to run
/// `up` again, from two places at once, and after a crash: it continues with the remaining tenants.
#[derive(Args, Debug, Default)]
#[command(after_help = "\
Examples:
  {program} up
  {program} up --create acme --create globex
  {program} up --tenant acme --wait 2m
  {program} up --jobs 8 --max-distinct 2
  {program} up --dry-run > up.sql

Exit codes: 0 everything is up to date (--dry-run: the SQL is shown), 1 something failed, 2 usage,
130 and 143 interrupted")]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Up {
    /// Create this tenant, unless it is registered; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) create: Vec<TenantName>,

    /// Migrate only this tenant, after the shared schema; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Vec<TenantName>,

    /// Migrate the registry and the shared schema, and no tenant
    #[arg(long, conflicts_with_all = ["create", "tenant"])]
    pub(crate) shared_only: bool,

    /// Read every schema's history instead of trusting the registry, and correct the registry
    #[arg(long)]
    pub(crate) verify: bool,

    /// How long to wait for a server that does not accept connections yet, as in 30s or 2m [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) wait: Option<Duration>,

    /// How many tenants to migrate at the same time, each on its own connection [default: the binary's setting, or 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,

    /// How many tenants to migrate in one transaction, which helps where a commit is slow [default: the binary's
    /// setting, or as many as are done in 25 ms]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) group: Option<u16>,

    /// Start no further tenant after the first failure
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,

    /// Start no further tenant after N failures
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_failures: Option<u32>,

    /// Start no further tenant after failures with N different SQLSTATEs: one cause can fail many tenants, several
    /// causes are a sign of a larger problem
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_distinct: Option<u32>,

    /// How long to wait for another run that holds the lock of a schema [default: the binary's setting, or 5m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) lock_wait: Option<Duration>,

    /// Show the SQL that a run would send, as a script for psql, and change nothing; statements that cannot run in a
    /// transaction are comments in the script
    #[arg(long, conflicts_with = "verify")]
    pub(crate) dry_run: bool,
}
