//! What an attacker, a mistake or a curious eye must not get: privileges, passwords, a way into SQL.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `privileges` | the grants of `docs/security.md` are enough for migrating, and no more than the application needs |
//! | `passwords` | no password in logs, errors, JSON or `Debug` output |
//! | `names` | hostile names, domains and texts, generated: what is accepted is taken as it is, what is not never arrives |
//! | `migrations` | hostile migrations, generated: nothing of the framework's own statements is swallowed |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod migrations;
mod names;
mod passwords;
mod privileges;
