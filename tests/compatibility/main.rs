//! Compatibility with real projects' migrations: for each class of statements, psql applies the files of a case to a
//! schema, and the framework applies them to three tenants: a new one, one that is upgraded step by step, and one from
//! the warm pool. `pg_dump` compares the catalogs, checksums compare the rows, and a second run has nothing to do.
//!
//! | module | content |
//! | --- | --- |
//! | `cases` | the classes |
//! | `schemas` | applies a case to schemas, and compares them |
//! | `programs` | runs `psql` and `pg_dump` |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod cases;
mod programs;
mod schemas;
