//! What real projects' migrations do, by classes, with statements of our own: psql applies the files of a case one after
//! the other to a schema, and the framework applies them to three tenants, one that is new, one that is upgraded step by
//! step, one from the warm pool. Catalogs are compared by `pg_dump`, rows by checksum; a rerun has nothing to do.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `cases` | the classes |
//! | `schemas` | a case applied to schemas, and what they look like |
//! | `programs` | `psql` and `pg_dump` |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod cases;
mod programs;
mod schemas;
