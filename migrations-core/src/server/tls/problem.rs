//! What a failed handshake means.

use std::error::Error as StdError;

use postgres::Error as DriverError;
use postgres::error::SqlState;

use crate::report::TlsProblem;

/// What the driver says about a handshake that failed, and about a server without TLS.
const HANDSHAKE: &str = "error performing TLS handshake";
const NO_TLS: &str = "server does not support TLS";

/// What is wrong with TLS, if that is why there is no connection.
pub(crate) fn problem(error: &DriverError) -> Option<TlsProblem> {
    if error.source().is_some_and(|source| source.to_string() == NO_TLS) {
        return Some(TlsProblem::NotThere);
    }
    let found = of_rustls(error);
    found.or_else(|| (error.to_string() == HANDSHAKE).then_some(TlsProblem::CutOff))
}

/// Whether a server refused this way to connect, and may accept another: `pg_hba.conf` asks for TLS or for none, or the
/// handshake failed. A pooler that asks for TLS answers with a protocol violation.
pub(crate) fn is_refused_way(error: &DriverError, problem: Option<&TlsProblem>, is_plain: bool) -> bool {
    match error.code() {
        Some(code) if code == &SqlState::PROTOCOL_VIOLATION => is_plain,
        Some(code) => code == &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => problem.is_some(),
    }
}

#[cfg(feature = "tls")]
fn of_rustls(error: &DriverError) -> Option<TlsProblem> {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        // The error that an `io::Error` carries is not its source.
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = carried.and_then(<dyn StdError + Send + Sync>::downcast_ref::<rustls::Error>) {
            return Some(meaning(found));
        }
        source = error.source();
    }
    None
}

#[cfg(not(feature = "tls"))]
fn of_rustls(_: &DriverError) -> Option<TlsProblem> {
    None
}

#[cfg(feature = "tls")]
fn meaning(error: &rustls::Error) -> TlsProblem {
    use rustls::{AlertDescription as Alert, CertificateError, Error};
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::NotValidForNameContext { expected, presented } => TlsProblem::OtherName {
                asked: expected.to_str().into_owned(),
                found: presented.iter().map(|name| bare(name)).collect(),
            },
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
            CertificateError::UnknownIssuer => TlsProblem::UnknownIssuer,
            _ => TlsProblem::Other,
        },
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate
            | Alert::UnknownCA,
        ) => TlsProblem::ClientCertificate,
        _ => TlsProblem::Other,
    }
}

/// `db.example.com` from `DnsName("db.example.com")`.
#[cfg(feature = "tls")]
fn bare(name: &str) -> String {
    match name.split_once('(') {
        Some((_, rest)) => rest.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.to_owned(),
    }
}
