//! Connections with TLS on real servers: which ones are opened, which are refused, and what the errors say.
//!
//! | module | what it shows |
//! | --- | --- |
//! | `modes` | every `sslmode` on servers with and without TLS |
//! | `certificates` | what is checked in the server's certificate, and the client's own |
//! | `files` | files that are missing, unreadable or in their default place |
//! | `refusals` | the text of every error of a connection |
//! | `runs` | whole runs over TLS: workers, a second connection, an interrupt |
//! | `passwords` | passwords that expire |
//! | `connectors` | the application's own TLS |
//! | `silent` | servers that accept a connection and say nothing |
//! | `hosts` | several hosts in one URL |
//! | `pooler` | PgBouncer with TLS on both sides |
//! | `direct` | TLS without the server being asked first, from PostgreSQL 17 on |
//! | `fixtures` | `migrations-testing` on a server with TLS |

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]
#![cfg(all(unix, feature = "tls"))]

mod authority;
mod certificates;
mod connectors;
mod direct;
mod files;
mod fixtures;
mod hosts;
mod modes;
mod passwords;
#[path = "../support/pgbouncer.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod pgbouncer;
mod pooler;
mod refusals;
mod runs;
mod silent;
mod site;
