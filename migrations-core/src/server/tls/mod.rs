//! TLS, with the meaning that libpq gives its parameters.
//!
//! | file | what it is |
//! | --- | --- |
//! | `ways` | the ways to connect that the parameters allow |
//! | `patient` | a connection for a request to cancel, which stays open until the server has read it |
//! | `connector` | opens connections and cancels statements, with or without TLS |
//! | `files` | reads certificates and keys |
//! | `verifier` | checks the server's certificate |
//! | `client` | makes the connector for the settings |
//! | `problem` | what a failed handshake means |

#[cfg(not(feature = "tls"))]
use std::sync::Arc;

#[cfg(not(feature = "tls"))]
use postgres::config::SslNegotiation;

#[cfg(not(feature = "tls"))]
use crate::conninfo::TlsSettings;
#[cfg(not(feature = "tls"))]
use crate::report::Error;

#[cfg(feature = "tls")]
mod client;
mod connector;
#[cfg(feature = "tls")]
mod files;
mod patient;
mod problem;
#[cfg(feature = "tls")]
mod verifier;
mod ways;

/// For a build without TLS, which refuses settings that ask for it.
#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build reads files")]
pub(super) fn connector(_: &TlsSettings, _: SslNegotiation) -> Result<Arc<dyn Connector>, Error> {
    Ok(plain())
}

#[cfg(feature = "tls")]
pub(super) use client::connector;
pub(super) use connector::{Connector, plain};
pub(super) use problem::{is_refused_way, problem};
pub(super) use ways::Way;
