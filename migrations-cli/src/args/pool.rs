//! The commands of `pool`.

use clap::{Args, Subcommand};

/// Keeps spare schemas, provisioned in advance, for sign-ups that cannot wait.
///
/// A new tenant takes a spare schema by renaming it. A run migrates the spare schemas with the tenants.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  {program} pool fill 10
  {program} pool status

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) enum Pool {
    Fill(Fill),
    Status(PoolStatus),
    Drain(Drain),
}

/// Creates spare schemas until there are N.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} pool fill 10

Exit codes: 0 there are N spare schemas, 1 something failed, 2 usage")]
pub(crate) struct Fill {
    /// The number of spare schemas to keep
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) size: u32,
}

/// Shows the number of spare schemas.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} pool status --format json

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) struct PoolStatus {}

/// Drops all spare schemas.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  {program} pool drain

Exit codes: 0 success, 1 something failed, 2 usage")]
pub(crate) struct Drain {}
