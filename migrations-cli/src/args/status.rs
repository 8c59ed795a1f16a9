//! The options of `status`.

use clap::Args;

/// Shows the state of the shared schema and of every tenant, without changing anything.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} status
  {program} status --check --format json
  {program} status --verify

States:
  current   every migration is applied
  behind    migrations are pending: `{program} up` applies them
  ahead     migrations are applied that this binary does not know; the schema is left alone
  diverged  the applied migrations are not those of this binary
  missing   the schema does not exist

Exit codes: 0 success, 1 something failed, 2 usage, 3 something is pending (--check)")]
pub(crate) struct Status {
    /// Exit with 3 if a run would find something to do, or something wrong
    #[arg(long)]
    pub(crate) check: bool,

    /// Read every schema's history instead of trusting the registry; this finds changes that were made by hand
    #[arg(long)]
    pub(crate) verify: bool,
}
