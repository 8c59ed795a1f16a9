//! The ways to reach a server that the parameters of TLS allow.

use postgres::config::{SslMode, SslNegotiation};

use crate::conninfo::{TlsMode, TlsSettings};
use crate::report::Error;

/// One way to reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Without TLS.
    Plain,
    /// With TLS, or without where the server has none.
    Prefer,
    /// With TLS.
    Tls,
}

impl Way {
    /// The driver's word for it.
    pub(crate) fn ssl_mode(self) -> SslMode {
        match self {
            Self::Plain => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Tls => SslMode::Require,
        }
    }
}

impl TlsSettings {
    /// Checks that the parameters agree, and that this build can do what they ask. `has_own`: whether the application
    /// brings its own TLS.
    pub(crate) fn check(&self, negotiation: SslNegotiation, has_own: bool) -> Result<(), Error> {
        // Only a configuration of the driver can say this here: `conninfo` refuses it in a connection string.
        if negotiation == SslNegotiation::Direct && self.mode < TlsMode::Require {
            return Err(Error::TlsSetting {
                setting: format!("sslmode={}", self.mode.name()),
                problem: "sslnegotiation=direct does not permit a mode that can do without TLS; set sslmode=require"
                    .to_owned(),
            });
        }
        if cfg!(not(feature = "tls")) && !has_own && self.mode >= TlsMode::Require {
            return Err(Error::Tls { sslmode: self.mode.name().to_owned() });
        }
        Ok(())
    }

    /// The ways to reach a server over TCP, in their order; a later one is for a server that refuses the earlier one.
    pub(crate) fn ways(&self, has_own: bool) -> &'static [Way] {
        match self.mode {
            TlsMode::Disable => &[Way::Plain],
            // The application's own connector decides what a failed handshake means.
            TlsMode::Allow | TlsMode::Prefer if has_own => &[Way::Prefer],
            TlsMode::Allow | TlsMode::Prefer if cfg!(not(feature = "tls")) => &[Way::Plain],
            TlsMode::Allow => &[Way::Plain, Way::Tls],
            TlsMode::Prefer => &[Way::Prefer, Way::Plain],
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => &[Way::Tls],
        }
    }
}
