//! The `migrate` binary: the reference sets on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    migrations_cli::run(migrate::migrator())
}
