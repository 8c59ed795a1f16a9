//! `dev`: the project's private server, with real processes.
//!
//! | file | what it proves |
//! | --- | --- |
//! | `serve` | a command runs with the server, signals end both, the exit code is the command's |
//! | `join` | a second process uses the first one's server, and is told when that ends |
//! | `folder` | a folder for each project, its URL, `psql`, a reset |
//! | `upgrade` | the data survives an upgrade of PostgreSQL, however it is interrupted |
//! | `library` | an application without `DATABASE_URL` uses the same server |

#![cfg(unix)]
// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod folder;
mod join;
mod library;
mod serve;
mod site;
mod upgrade;

#[test]
#[ignore = "a process for the other tests, not a test"]
fn application() {
    library::be_an_application();
}
