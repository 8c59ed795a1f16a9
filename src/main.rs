//! The `migrate` binary: the reference sets on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    migrations_cli::App::new(migrate::migrator()).version(env!("CARGO_PKG_VERSION")).run()
}
