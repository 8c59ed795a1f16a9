//! What a connection asks of TLS, with the meaning that libpq gives it.

use std::path::PathBuf;

use postgres::config::SslMode;

/// The parameters of TLS in a connection string
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>). `sslnegotiation` and
/// `channel_binding` are in the driver's own configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    /// `sslmode`.
    pub(crate) mode: TlsMode,
    /// `sslrootcert`, if it is given.
    pub(crate) roots: Option<TlsRoots>,
    /// `sslcert` and `sslcertmode`: the client's certificate.
    pub(crate) certificate: ClientCertificate,
    /// `sslkey`, if it is given: the key of the client's certificate.
    pub(crate) key: Option<PathBuf>,
    /// The user's home, where libpq's default files are.
    pub(crate) home: Option<PathBuf>,
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsMode {
    /// Never TLS.
    Disable,
    /// TLS only where the server refuses a connection without.
    Allow,
    /// TLS where the server has it. libpq's default.
    #[default]
    Prefer,
    /// TLS, with whatever certificate the server has.
    Require,
    /// TLS, with a certificate that one of the roots has signed.
    VerifyCa,
    /// TLS, with a certificate that one of the roots has signed for this host.
    VerifyFull,
}

/// libpq's `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsRoots {
    /// The roots that the operating system trusts.
    System,
    /// The certificates in a file in PEM form.
    File(PathBuf),
}

/// The certificate that the client sends where the server asks for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    /// The one in libpq's default file, if that is there.
    #[default]
    Default,
    /// The one in this file.
    File(PathBuf),
    /// None: `sslcertmode=disable`.
    Disabled,
}

impl TlsMode {
    /// libpq's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// The nearest mode of the driver.
    pub(crate) fn for_driver(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Allow | Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => SslMode::Require,
        }
    }

    /// The mode of a configuration of the driver. A mode that is not known here never means less than TLS.
    pub(crate) fn of_driver(mode: SslMode) -> Self {
        match mode {
            SslMode::Disable => Self::Disable,
            SslMode::Prefer => Self::Prefer,
            _ => Self::Require,
        }
    }
}

impl TlsSettings {
    /// The parameters as libpq names them, without those that have their default.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mode = (self.mode != TlsMode::default()).then(|| self.mode.name().to_owned());
        let roots = self.roots.as_ref().map(|roots| match roots {
            TlsRoots::System => "system".to_owned(),
            TlsRoots::File(file) => path(file),
        });
        let (certificate, certificate_mode) = match &self.certificate {
            ClientCertificate::Default => (None, None),
            ClientCertificate::File(file) => (Some(path(file)), None),
            ClientCertificate::Disabled => (None, Some("disable".to_owned())),
        };
        let all = [
            ("sslmode", mode),
            ("sslrootcert", roots),
            ("sslcert", certificate),
            ("sslcertmode", certificate_mode),
            ("sslkey", self.key.as_ref().map(path)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
