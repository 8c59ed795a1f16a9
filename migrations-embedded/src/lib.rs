//! A private PostgreSQL server, started from the programs that are installed on this machine.
//!
//! A [`Server`] is either *thrown away*, for tests and trials, or *kept* in a folder, for an application that brings
//! its own database. A [`DevServer`] is a kept server for development: all processes of a [`Project`] share it, at one
//! address. Nothing is downloaded, no other server on the machine is touched, and no server outlives the
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
//! # Development servers
//!
//! [`DevFolder::join_or_start`] starts the server of a folder, or joins the one that another process has started; that
//! process's end ends the server. Socket, port and password are chosen once and kept in a file that only the server's
//! user can read. Applications connect over TCP on 127.0.0.1 with a password, by any driver. Their role is no superuser:
//! it owns a database, where it can create schemas and trusted extensions, and it can create further databases. The
//! superuser `postgres` connects through the socket, for anything else.
//!
//! ```no_run
//! use migrations_embedded::{DevFolder, Project};
//!
//! let folder = DevFolder::of_project(&Project::current()?).expect("a home");
//! let server = folder.join_or_start()?;
//! std::process::Command::new("my-application").envs(server.variables()).status().expect("it runs");
//! # Ok::<(), migrations_embedded::Error>(())
//! ```
//!
//! [`DevFolder::upgrade`] brings the data to another major version by a dump. Data of a plain kept server is not
//! upgraded. The crate does not run on Windows.
//!
//! A start, module by module: `programs` finds `initdb` and `postgres`, and `account` decides which user runs them.
//! `run_folder` creates the temporary folder. For a kept server, `kept` inspects its folder, takes its lock
//! (`folder_lock`) and makes sure that this crate made its data (`origin`) and that none of its `processes` still runs;
//! for a throwaway server, `cache` copies a fresh `cluster`; `dev` joins or starts a server for development.
//! `supervisor` starts the server and ends it; `server` waits until it answers at its `address`, with the driver on a
//! thread `aside`; `stopping` knows the servers that this process is stopping; `liveness` tells a server's clients when
//! it has ended.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("migrations-embedded needs Unix sockets, process groups and a POSIX shell: Linux, macOS or a BSD");

mod account;
mod address;
mod aside;
mod builder;
mod cache;
mod cluster;
mod dev;
mod error;
mod folder_lock;
mod kept;
mod liveness;
mod lock;
mod log_tail;
mod origin;
mod processes;
mod programs;
mod run_folder;
mod server;
mod stopping;
mod supervisor;
mod untrusted;

pub use builder::Builder;
pub use dev::{DevFolder, DevServer, Owner, Project, Upgrade};
pub use error::Error;
pub use kept::default_dir;
pub use liveness::Liveness;
pub use programs::client as client_program;
pub use server::Server;
