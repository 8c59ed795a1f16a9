//! Databases that other tools have migrated, imported with the guides' commands.
//!
//! | module | what it tests |
//! | --- | --- |
//! | `site` | no tests: a database, the project's files, and the commands of a guide |
//! | `refinery`, `sqlx`, `diesel`, `sea_orm` | the tools themselves |
//! | `django` | Django with django-tenants, in the Python environment of `ci/other-tools` |
//! | `flyway`, `golang_migrate` | the tables that the tools' documentation describes |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod diesel;
mod django;
mod flyway;
mod golang_migrate;
mod refinery;
mod sea_orm;
mod site;
mod sqlx;
