//! What an operator meets when something is not as it should be: a run that is interrupted, a registry that is gone, a row
//! that does not belong there. The real binary on a real server.
//!
//! | module | what is not as it should be |
//! | --- | --- |
//! | `interrupted` | the run is interrupted by a signal |
//! | `unregistered` | the registry was dropped, or does not know a schema |
//! | `texts` | nothing: what is said, and how often |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

#[cfg(unix)]
mod interrupted;
mod site;
mod texts;
mod unregistered;
