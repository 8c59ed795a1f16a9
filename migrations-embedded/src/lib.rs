//! A private PostgreSQL server, started from the programs that are installed on this machine.
//!
//! A [`Server`] is either *thrown away*, for tests and trials, or *kept* in a folder, for an application that brings its
//! database along. Nothing is downloaded, no other server on the machine is touched, and no server outlives the process
//! that started it, even where that process is killed. Root may start one, although PostgreSQL itself refuses to run as
//! root.
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
//! What it does not do: upgrade a cluster to another major version, and run on Windows.
//!
//! The way of a start, module by module: `programs` finds `initdb` and `postgres`, `account` settles who runs them;
//! `run_folder` makes the temporary folder; `kept` looks at a folder that stays, takes its `lock` and sees that no other of its
//! `processes` is at work in it, or `cache` copies a fresh `cluster`; `supervisor` starts the server and sees to its end;
//! `server` waits until it answers at its `address`; `liveness` tells those who wait for it that it is gone.

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
