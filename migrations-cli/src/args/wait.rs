//! The options of `wait`.

use std::time::Duration;

use clap::Args;

use super::duration::duration;

/// Waits until the server accepts connections, or until the database is migrated.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  {program} wait && {program} up
  {program} wait --migrated --timeout 5m    for an application that does not migrate itself

Exit codes: 0 ready, 1 not ready in time, 2 usage")]
pub(crate) struct Wait {
    /// How long to wait, as in 30s or 2m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// Wait until no migration is pending, and check every second
    #[arg(long)]
    pub(crate) migrated: bool,
}
