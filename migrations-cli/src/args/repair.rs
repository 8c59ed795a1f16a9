//! The options of `repair`.

use clap::Args;
use migrations_core::TenantName;

/// Explains every history that differs from this binary's migrations, and corrects what an option names.
///
/// Without an option it changes nothing: it shows the recorded and the embedded checksum of every migration that
/// differs, whether only white space differs, and which schemas it is about. Every correction is a transaction of its
/// own for each schema, under the schema's lock; no migration runs.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} repair
  {program} repair --update-checksums 7 9 --dry-run
  {program} repair --mark-unapplied 12 --tenant acme
  {program} repair --rebuild-registry
  {program} repair --clear-mark acme

Exit codes: 0 success, 1 a schema was not corrected or something failed, 2 usage")]
pub(crate) struct Repair {
    /// Write the embedded checksums and names of these versions into histories that have others; of all versions, if
    /// none is given
    #[arg(long, value_name = "VERSION", num_args = 0..)]
    pub(crate) update_checksums: Option<Vec<i64>>,

    /// Take this version out of the history of --tenant: its changes were undone
    #[arg(long, value_name = "VERSION", requires = "tenant")]
    pub(crate) mark_unapplied: Option<i64>,

    /// The tenant of --mark-unapplied
    #[arg(long, value_name = "NAME", requires = "mark_unapplied")]
    pub(crate) tenant: Option<TenantName>,

    /// Write into the registry what the histories say: version, digest and schema of every tenant
    #[arg(long)]
    pub(crate) rebuild_registry: bool,

    /// Decide what an interrupted CREATE INDEX CONCURRENTLY has done to this tenant, after looking at the index; the
    /// name of the shared schema stands for the shared schema, unless a tenant has that name
    #[arg(long, value_name = "NAME")]
    pub(crate) clear_mark: Option<TenantName>,

    /// Say what would be corrected, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
