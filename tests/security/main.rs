//! Privileges, passwords, SQL injection: what neither an attacker nor a mistake may obtain.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `privileges` | the grants of `docs/security.md` are enough to migrate, and no more than needed |
//! | `passwords` | no password in logs, errors, JSON or `Debug` output |
//! | `names` | hostile texts, generated: accepted ones are used as they are, refused ones never reach the server |
//! | `migrations` | hostile migrations, generated: nothing of the framework's own statements is swallowed |

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod migrations;
mod names;
mod passwords;
mod privileges;
