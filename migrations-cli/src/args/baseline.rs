//! The options of `baseline` and `tenant baseline`.

use clap::{Args, Subcommand};
use migrations_core::{NamePattern, TenantName};

/// Records what is applied to a schema that another tool migrated, without running a migration.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  {program} baseline shared --at 7 --verify
  {program} tenant baseline --match 'shop_*' --adopt --at 12 --verify

Exit codes: 0 the history says it, 1 it was refused or something failed, 2 usage")]
pub(crate) enum Baseline {
    Shared(Shared),
}

/// Records that the shared schema has every migration up to a version; `up` continues after it.
///
/// No migration runs. A history that says exactly this is left as it is; one that says something else is refused, and
/// both are shown.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} baseline shared --at 7 --verify
  {program} baseline shared --at 8 --fake       record V8 too: its change was made by hand

Exit codes: 0 the history says it, 1 it was refused or something failed, 2 usage")]
pub(crate) struct Shared {
    #[command(flatten)]
    pub(crate) baseline: Options,
}

/// Records that tenants have every migration up to a version; `up` continues after it.
///
/// No migration runs, and the shared schema is not touched. Every tenant is done in a transaction of its own. A history
/// that says exactly this is left as it is; one that says something else is refused, and both are shown.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} tenant baseline acme --at 12 --adopt --verify
  {program} tenant baseline --match 'shop_*' --at 12 --adopt
  {program} tenant baseline --all --at 13 --fake
  {program} tenant baseline acme --at none      `up` starts with the first migration

Exit codes: 0 the histories say it, 1 a tenant was refused or something failed, 2 usage")]
pub(crate) struct TenantBaseline {
    /// The tenants
    #[arg(required_unless_present_any = ["all", "pattern"], value_name = "NAME")]
    pub(crate) names: Vec<TenantName>,

    /// Every registered tenant
    #[arg(long, conflicts_with_all = ["names", "pattern", "adopt"])]
    pub(crate) all: bool,

    /// Tenants with a name of this form, where * is any text and ? one character; quote it for the shell
    #[arg(long = "match", value_name = "PATTERN", conflicts_with = "names")]
    pub(crate) pattern: Option<NamePattern>,

    /// Register schemas that are not registered yet; with --match, every schema with such a name
    #[arg(long)]
    pub(crate) adopt: bool,

    #[command(flatten)]
    pub(crate) baseline: Options,
}

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The version of the last migration that is applied; `none` if none is
    #[arg(long, value_name = "VERSION", value_parser = at)]
    pub(crate) at: At,

    /// Record pending migrations beside a history that ends before the version; without it, that is refused
    #[arg(long)]
    pub(crate) fake: bool,

    /// Compare the schema first with one that the migrations make, show every difference, and refuse one that differs
    #[arg(long)]
    pub(crate) verify: bool,

    /// Leave objects with a name of this form out of the comparison, with what belongs to them; can be given more than
    /// once
    #[arg(long, value_name = "PATTERN", requires = "verify")]
    pub(crate) ignore: Vec<NamePattern>,
}

/// The last migration that is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    None,
    Version(i64),
}

fn at(text: &str) -> Result<At, String> {
    match text {
        "none" => Ok(At::None),
        _ => text.parse().map(At::Version).map_err(|_| "write a version as in 7, or `none`".to_owned()),
    }
}
