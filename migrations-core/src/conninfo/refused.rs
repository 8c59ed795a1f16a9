//! Keywords that change the meaning of a connection and cannot be honoured. They are refused, because a connection
//! without them would not be the one that was asked for.

use super::parameters::Parameters;
use crate::report::Error;

const OTHER_AUTHENTICATION: &str = "this way of authentication is not supported; use a password or a certificate";
const NO_KERBEROS: &str = "GSSAPI is not supported; remove it, or use TLS and a password";
const NO_REVOCATION: &str = "certificates are not compared with a list of revoked ones; remove it, or connect through \
                             a local tunnel that does this";

/// Keywords, the values that ask for nothing special, and the reason for the refusal of all others.
const REFUSED: [(&str, &[&str], &str); 18] = [
    ("sslcrl", &[], NO_REVOCATION),
    ("sslcrldir", &[], NO_REVOCATION),
    ("sslpassword", &[], "a key that is encrypted cannot be read; use a key in a file without a password, mode 0600"),
    ("sslcertmode", &["allow", "disable"], "it cannot be checked whether the server asks for a certificate; remove it"),
    (
        "ssl_min_protocol_version",
        &["tlsv1", "tlsv1.1", "tlsv1.2"],
        "the lowest version is TLSv1.2, and cannot be changed; set it on the server (ssl_min_protocol_version)",
    ),
    (
        "ssl_max_protocol_version",
        &["tlsv1.3"],
        "the highest version is TLSv1.3, and cannot be changed; set it on the server (ssl_max_protocol_version)",
    ),
    ("min_protocol_version", &["3.0"], "the version of the protocol is 3.0; remove it"),
    ("max_protocol_version", &["3.0", "3.2", "latest"], "the version of the protocol is 3.0; remove it"),
    ("gssencmode", &["disable", "prefer"], "GSSAPI encryption is not supported; use TLS (sslmode=require)"),
    ("krbsrvname", &["postgres"], NO_KERBEROS),
    ("gsslib", &["gssapi"], NO_KERBEROS),
    ("gssdelegation", &["0"], NO_KERBEROS),
    (
        "requirepeer",
        &[],
        "the owner of the server's process is not checked; remove it, or use TLS (sslmode=verify-full)",
    ),
    ("require_auth", &[], "the way of authentication cannot be limited; remove it, or use TLS (sslmode=verify-full)"),
    ("replication", &["false", "off", "no", "0"], "migrations do not run over a replication connection; remove it"),
    ("scram_client_key", &[], OTHER_AUTHENTICATION),
    ("scram_server_key", &[], OTHER_AUTHENTICATION),
    ("oauth_issuer", &[], OTHER_AUTHENTICATION),
];

/// The encodings that mean UTF-8.
const UTF8: [&str; 3] = ["utf8", "utf-8", "unicode"];

/// The first parameter that cannot be honoured.
pub(super) fn refuse(parameters: &Parameters) -> Result<(), Error> {
    let encoding = ("client_encoding", &UTF8[..], "the encoding of a connection is UTF8; remove it");
    for (keyword, accepted, reason) in REFUSED.into_iter().chain([encoding]) {
        let Some(parameter) = parameters.get(keyword) else { continue };
        if !accepted.contains(&parameter.value.to_ascii_lowercase().as_str()) {
            return Err(parameter.problem(keyword, reason));
        }
    }
    Ok(())
}
