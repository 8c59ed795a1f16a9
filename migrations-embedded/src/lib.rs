//! A private PostgreSQL server, started from the programs that are installed on this machine.
//!
//! A [`Server`] is either *thrown away*, for tests and trials, or *kept* in a folder, for an application that brings
//! its own database. Nothing is downloaded, no other server on the machine is touched, and no server outlives the
//! process that started it, even when that process is killed. Root may start one, although PostgreSQL itself refuses to
//! run as root.
//!
//! ```
//! use migrations_embedded::Server;
//! use postgres::{Client, NoTls};
//!
//! let server = Server::throwaway()?;
//! let mut client = Client::connect(&server.url("postgres"), NoTls)?;
//! client.batch_execute("CREATE TABLE notes (body text NOT NULL)")?;
//! server.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate does not upgrade a cluster to another major version, and does not run on Windows.
//!
//! A start, module by module: `programs` finds `initdb` and `postgres`, and `account` decides which user runs them.
//! `run_folder` creates the temporary folder. For a kept server, `kept` inspects its folder, takes its lock
//! (`folder_lock`) and makes sure that none of its `processes` still runs; for a throwaway server, `cache` copies a
//! fresh `cluster`. `supervisor` starts the server and ends it; `server` waits until it answers at its `address`;
//! `liveness` tells its clients when it has ended.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("migrations-embedded needs Unix sockets, process groups and a POSIX shell: Linux, macOS or a BSD");

mod account;
mod address;
mod builder;
mod cache;
mod cluster;
mod error;
mod folder_lock;
mod kept;
mod liveness;
mod lock;
mod log_tail;
mod processes;
mod programs;
mod run_folder;
mod server;
mod supervisor;
mod untrusted;

pub use builder::Builder;
pub use error::Error;
pub use kept::default_dir;
pub use liveness::Liveness;
pub use server::Server;
