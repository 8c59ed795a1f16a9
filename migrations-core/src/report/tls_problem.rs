//! What is wrong with TLS, when that is why there is no connection.

/// What is wrong with TLS.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only a handshake of this crate is read this closely"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsProblem {
    /// The server has no TLS.
    NotThere,
    /// The server's certificate is for other names.
    OtherName {
        /// The host that was asked for.
        asked: String,
        /// The names in the certificate.
        found: Vec<String>,
    },
    /// The server's certificate has expired.
    Expired,
    /// None of the roots has signed the server's certificate.
    UnknownIssuer,
    /// The server refuses the client's certificate, or that there is none.
    ClientCertificate,
    /// The connection ended in the handshake.
    CutOff,
    /// Something else, which the reason says.
    Other,
}

impl TlsProblem {
    /// Whether another attempt a moment later ends in the same way.
    pub(crate) fn is_final(&self) -> bool {
        *self != Self::CutOff
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::NotThere => {
                "the server has no TLS: turn it on there (ssl = on, with ssl_cert_file and ssl_key_file), \
                               or set sslmode=disable on a network that you trust"
                    .to_owned()
            }
            Self::OtherName { asked, found } if found.is_empty() => format!(
                "the certificate names no host, and you asked for {asked}: issue it with a subject alternative name \
                 (subjectAltName=DNS:{asked}), or set sslmode=verify-ca, which does not check the name"
            ),
            Self::OtherName { asked, found } => format!(
                "the certificate is for {}, you asked for {asked}: connect to a name that the certificate has, issue \
                 it for {asked} too, or set sslmode=verify-ca, which does not check the name",
                found.join(", ")
            ),
            Self::Expired => "the server's certificate has expired: renew it and reload the server (SELECT \
                              pg_reload_conf()); if it is new, check this machine's clock"
                .to_owned(),
            Self::UnknownIssuer => "no root certificate that is trusted here has signed the server's certificate: set \
                                    sslrootcert to a file with the certificate of the authority that issued it, or to \
                                    system for a public authority"
                .to_owned(),
            Self::ClientCertificate => {
                "the server does not accept the client's certificate: set sslcert and sslkey to \
                                        a certificate that is valid and issued by an authority in the server's \
                                        ssl_ca_file"
                    .to_owned()
            }
            Self::CutOff => "check that PostgreSQL, or a pooler with TLS, listens on this port; sslnegotiation=direct \
                             needs PostgreSQL 17 or newer"
                .to_owned(),
            Self::Other => "check the server's certificate (ssl_cert_file) and its versions of TLS: 1.2 and 1.3 are \
                            known here"
                .to_owned(),
        }
    }
}
