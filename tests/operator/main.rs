//! What an operator sees when something is wrong: an interrupted run, a dropped registry, a row that does not belong in
//! it. The tests run the real binary on a real server.
//!
//! | module | what is wrong |
//! | --- | --- |
//! | `interrupted` | a signal interrupts the run |
//! | `unregistered` | the registry was dropped, or does not know a schema |
//! | `texts` | various: the messages are true, and appear once |

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

#[cfg(unix)]
mod interrupted;
mod site;
mod texts;
mod unregistered;
