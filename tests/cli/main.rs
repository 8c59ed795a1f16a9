//! The command line as an operator or a script meets it: the real binary on a real server.
//!
//! Every run is checked for what holds for all commands: no password in the output, no panic, and with `--format json`
//! exactly one object on stdout.
//!
//! | module | what it tests |
//! | --- | --- |
//! | `site` | no tests: it runs the binary on a fresh database |
//! | `help`, `usage` | `--help`, and command lines that cannot be used |
//! | `up`, `limits`, `locks`, `dry_run`, `progress` | `up` |
//! | `conninfo` | where the database is |
//! | `timeouts` | the timeouts, and which source wins |
//! | `status`, `wait`, `tenant`, `pool`, `database`, `import` | the command of the same name |
//! | `adopt` | `baseline`, `tenant baseline`, `repair`, and the commands of `docs/adopt.md` |
//! | `process` | streams, colours, the log and `--embedded` |

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod adopt;
mod conninfo;
mod database;
mod dry_run;
mod help;
mod import;
mod limits;
mod locks;
mod pool;
mod process;
mod progress;
mod site;
mod status;
mod tenant;
mod timeouts;
mod up;
mod usage;
mod wait;
